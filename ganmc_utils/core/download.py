"""Files that an experiment needs: downloaded whole or not at all, read and checked.

Every mistake is one line.
"""

import hashlib
import os
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from tqdm.auto import tqdm

from ganmc_utils.core.errors import user_error

TIMEOUT = 20  # seconds without a byte before a download is given up
BLOCK = 1 << 20  # bytes read at a time
ELSEWHERE = "set data_dir or GANMC_DATA to the folder that has it"


def fetch(url: str, path: Path, sha256: str = "") -> None:
    """Download url to path, whole or not at all, with a progress bar.

    Args:
        url: where from.
        path: where to; its folder is made.
        sha256: of the whole file; empty: not known, and the length alone is checked.

    Raises:
        GanmcError: the network, the server or the disk fails, or other bytes came.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        n_promised, n_received, digest = download_to(part, url, path.name)
        if not n_received or (n_promised and n_received != n_promised):
            expected = n_promised or "an unknown number of"
            raise OSError(f"{n_received} of {expected} bytes came")
        if sha256 and digest != sha256:
            raise OSError("the bytes that came have another sha256 than the known one")
        os.replace(part, path)
    except (OSError, HTTPException, ValueError) as failed:
        reason = str(failed) or type(failed).__name__
        raise user_error(
            path,
            f"not there, and the download from {url} failed ({reason})",
            f"try again with a network, put the file there by hand, or {ELSEWHERE}",
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()


def download_to(part: Path, url: str, label: str) -> tuple[int, int, str]:
    """Write what url sends to the file `part`.

    Returns:
        The length that the server promised (0: none), the bytes that came, their sha256.
    """
    digest = hashlib.sha256()
    with urlopen(url, timeout=TIMEOUT) as response, open(part, "wb") as file:
        n_promised = int(response.headers.get("Content-Length") or 0)
        with tqdm(total=n_promised or None, unit="B", unit_scale=True, desc=label) as progress:
            while block := response.read(BLOCK):
                progress.update(file.write(block))
                digest.update(block)
        n_received = file.tell()  # not progress.n, which stays 0 under TQDM_DISABLE
        file.flush()
        os.fsync(file.fileno())
    return n_promised, n_received, digest.hexdigest()


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
    except OSError as failed:
        raise user_error(path, f"cannot be read ({failed.strerror})", cure) from None
    digest = hashlib.sha256(whole).hexdigest()
    problem = ""
    if not whole:
        problem = "the file is empty"
    elif sha256 and digest != sha256:
        problem = f"truncated or altered (sha256 {digest[:8]}..., expected {sha256[:8]}...)"
    if problem:
        raise user_error(path, problem, "delete it and bring the original file")
    return whole, digest
