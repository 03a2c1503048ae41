"""Files that an experiment needs: downloaded whole or not at all, read and checked, every mistake one line."""

import hashlib
import os
from contextlib import suppress
from http.client import HTTPException
from urllib.request import urlopen

from tqdm.auto import tqdm

from ganmc_utils.core.errors import user_error

TIMEOUT = 20  # seconds without a byte before a download is given up
ELSEWHERE = "set data_dir or GANMC_DATA to the folder that has it"


def fetch(url, path, sha256=""):
    """Download url to path, whole or not at all, in blocks; check the length and, when known, the sha256.
    Raises GanmcError when the network, the server or the disk fails."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(url, timeout=TIMEOUT) as answer, open(part, "wb") as file:
            promised = int(answer.headers.get("Content-Length") or 0)
            with tqdm(
                total=promised or None, unit="B", unit_scale=True, desc=path.name
            ) as progress:
                while block := answer.read(1 << 20):
                    progress.update(file.write(block))
                    digest.update(block)
            came = file.tell()  # not progress.n, which stays 0 under TQDM_DISABLE
            file.flush()
            os.fsync(file.fileno())
        if not came or (promised and came != promised):
            raise OSError(f"{came} of {promised or 'an unknown number of'} bytes came")
        if sha256 and digest.hexdigest() != sha256:
            raise OSError("the bytes that came have another sha256 than the known one")
        os.replace(part, path)
    except (OSError, HTTPException, ValueError) as failed:
        raise user_error(
            path,
            f"not there, and the download from {url} failed ({failed or type(failed).__name__})",
            f"try again with a network, put the file there by hand, or {ELSEWHERE}",
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()


def content(path, sha256="", cure=ELSEWHERE):
    """The bytes of a small file and their sha256. Raises GanmcError: missing, empty, unreadable, altered."""
    try:
        found = path.read_bytes()
    except OSError as failed:
        raise user_error(path, f"cannot be read ({failed.strerror})", cure) from None
    digest = hashlib.sha256(found).hexdigest()
    if not found or (sha256 and digest != sha256):
        problem = (
            f"truncated or altered (sha256 {digest[:8]}..., expected {sha256[:8]}...)"
            if found
            else "the file is empty"
        )
        raise user_error(path, problem, "delete it and bring the original file")
    return found, digest
