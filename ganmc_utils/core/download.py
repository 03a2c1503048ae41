"""Files that an experiment needs: downloaded whole or not at all, read and checked.

Every mistake is one line.
"""

import hashlib
import os
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.progress import tqdm

TIMEOUT = 20  # seconds without a byte before a download is given up
BLOCK = 1 << 20  # bytes read at a time
MOST_BYTES = 4 << 30  # of a file that is not known
PAGES = (b"<!doctype html", b"<html")  # how the page of a login or an error begins

# Of the files that are fetched, by their names; a caller may name the sha256, too.
KNOWN_BYTES = {
    "magic04.data": 1_477_391,
    "HIGGS.csv.gz": 2_816_407_858,
    "cifar-10-python.tar.gz": 170_498_071,
}
KNOWN_SHA256 = {
    "HIGGS.csv.gz": "ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
}
ELSEWHERE = "set data_dir or GANMC_DATA to the folder that has it"


def fetch(url: str, path: Path, sha256: str = "") -> None:
    """Download url to path, whole or not at all, with a progress bar.

    Of two runs that need the file the second waits for the first.

    Args:
        url: where from.
        path: where to; its folder is made.
        sha256: of the whole file; empty: that of KNOWN_SHA256, else the length alone is checked.

    Raises:
        GanmcError: the network, the server or the disk fails, or other bytes came.
    """
    with paths.locked(path.name):
        if path.exists():
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = download_to(part, url, path.name)
            if digest != (sha256 or KNOWN_SHA256.get(path.name, digest)):
                raise OSError("the bytes that came have another sha256 than the known one")
            os.replace(part, path)
        except (OSError, HTTPException, ValueError) as failed:
            raise download_failed(url, path, failed) from None
        finally:
            with suppress(OSError):
                part.unlink()


def download_failed(url: str, path: Path, failed: Exception) -> GanmcError:
    """What went wrong with a download, and the cure: space where the disk is full."""
    if getattr(failed, "errno", None) in paths.FULL:
        return paths.disk_error(path, failed, "")
    return user_error(
        path,
        f"not there, and the download from {url} failed ({str(failed) or type(failed).__name__})",
        f"try again with a network, put the file there by hand, or {ELSEWHERE}",
    )


def download_to(part: Path, url: str, name: str) -> str:
    """Write what url sends to the file `part`; returns the sha256.

    name: of the file, for the progress bar and its known length.

    Raises:
        OSError: a page came, or more or fewer bytes than were promised.
    """
    most = KNOWN_BYTES.get(name, MOST_BYTES)
    digest = hashlib.sha256()
    with urlopen(url, timeout=TIMEOUT) as response, open(part, "wb") as file:
        n_promised = int(response.headers.get("Content-Length") or 0)
        with tqdm(total=n_promised or None, unit="B", unit_scale=True, desc=name) as progress:
            while block := response.read(BLOCK):
                if not file.tell() and block.lstrip().lower().startswith(PAGES):
                    raise OSError("a web page came in its place")
                progress.update(file.write(block))
                digest.update(block)
                if file.tell() > most:
                    raise OSError(f"more than the {most:,} bytes of the file came")
        n_received = file.tell()  # not progress.n, which stays 0 under TQDM_DISABLE
        file.flush()
        os.fsync(file.fileno())
    if not n_received or (n_promised and n_received != n_promised):
        raise OSError(f"{n_received} of {n_promised or 'an unknown number of'} bytes came")
    return digest.hexdigest()


def content(path: Path, sha256: str = "", cure: str = ELSEWHERE) -> tuple[bytes, str]:
    """The bytes of a small file and their sha256.

    Args:
        path: the file.
        sha256: what it must be; empty: anything.
        cure: what to do where the file cannot be read.

    Raises:
        GanmcError: the file is missing, empty, unreadable or altered.
    """
    try:
        whole = path.read_bytes()
    except (OSError, ValueError) as failed:  # a ValueError: no path at all
        reason = getattr(failed, "strerror", None) or failed
        raise user_error(path, f"cannot be read ({reason})", cure) from None
    digest = hashlib.sha256(whole).hexdigest()
    problem = ""
    if not whole:
        problem = "the file is empty"
    elif sha256 and digest != sha256:
        problem = f"truncated or altered (sha256 {digest[:8]}..., expected {sha256[:8]}...)"
    if problem:
        raise user_error(path, problem, "delete it and bring the original file")
    return whole, digest
