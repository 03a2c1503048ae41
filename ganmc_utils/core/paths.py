"""Where things are: the one place that knows folders, and how a file is written whole."""

import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganmc_utils.core.errors import GanmcError, user_error

ROOT = Path(__file__).resolve().parents[2]
MOST_THREADS = 4096
FULL = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a disk, or of a user's share of it


def data_dir(given: str | Path = "") -> Path:
    """The data directory: the parameter, else $GANMC_DATA, else data/ in the project."""
    return typed_path("data_dir", given or os.environ.get("GANMC_DATA") or ROOT / "data")


def out_dir(given: str | Path, profile: str) -> Path:
    """Where a run writes: the parameter, else $GANMC_OUT, else results/<profile> in the project."""
    folder = given or os.environ.get("GANMC_OUT") or ROOT / "results" / profile
    return made_folder(typed_path("out_dir", folder), "choose another out_dir or GANMC_OUT")


def typed_path(name: str, path: str | Path) -> Path:
    """A path that the user has typed, with the home that ~ stands for.

    Raises:
        GanmcError: it is empty, no path, or in the home of nobody; the line begins with the name.
    """
    if not isinstance(path, (str, Path)) or not str(path):
        raise user_error(name, f"{path!r} is no path", "give one as text")
    if "\0" in str(path):
        raise user_error(name, f"{str(path)!r} is no path", "leave out the NUL")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise user_error(name, f"{path}: no such user", "write the path without ~") from None


def made_folder(folder: Path, cure: str) -> Path:
    """The folder, which is there now.

    Raises:
        GanmcError: it cannot be made; the line ends with the cure.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError as failed:
        raise user_error(repr(str(folder)), f"is no folder ({failed})", cure) from None
    except OSError as failed:
        raise disk_error(folder, failed, cure) from None
    return folder


def disk_error(path: Path, failed: OSError, cure: str) -> GanmcError:
    """What the system says of a file that cannot be written, and the cure."""
    problem = f"cannot be written ({failed.strerror or failed})"
    return user_error(path, problem, cure_of(failed, cure))


def cure_of(failed: OSError, otherwise: str) -> str:
    """What helps against an error of the file system, as far as it tells."""
    if failed.errno in FULL:
        return "free space on this disk, then run again"
    return "choose a shorter path" if failed.errno == errno.ENAMETOOLONG else otherwise


def store_dir(out: Path) -> Path:
    """The folder of a run's store: $GANMC_STORE, which units of a profile share, else its own."""
    return Path(os.environ.get("GANMC_STORE") or out)


def cache_dir() -> Path:
    """Where unpacked data are kept between runs: $XDG_CACHE_HOME/ganmc, else ~/.cache/ganmc."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return made_folder(caches / "ganmc", "set XDG_CACHE_HOME to a folder that can be written")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Of all this user's processes only one is inside at a time; the others wait.

    The system frees the lock of a process that was killed. Where it has no locks, or the cache
    cannot be written, nobody waits.
    """
    try:
        descriptor = os.open(cache_dir() / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except (OSError, GanmcError):
        yield
        return
    try:
        with suppress(OSError):
            wait_for_lock(descriptor, name)
        yield
    finally:
        os.close(descriptor)


def wait_for_lock(descriptor: int, name: str) -> None:
    """Take the lock of an open file, and say so where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{name}: waiting for another run, which is preparing it", file=sys.stderr)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def thread_count() -> int:
    """Cores this run may use: $GANMC_THREADS (the workflow divides the machine), else all."""
    threads = number_of("GANMC_THREADS", int, os.cpu_count())
    if not 1 <= threads <= MOST_THREADS:
        cure = f"set it from 1 to {MOST_THREADS}, or unset it"
        raise user_error("GANMC_THREADS", f"{threads} threads", cure)
    return threads


def number_of(variable: str, kind: Callable[[str], float], default: float) -> float:
    """The number that a variable of the environment holds; the default where it is unset or empty.

    Raises:
        GanmcError: it is no such number.
    """
    text = os.environ.get(variable)
    try:
        return kind(text) if text else default
    except ValueError:
        raise user_error(variable, f"{text!r} is no number", "set it to one, or unset it") from None


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write content to path, making its folder.

    A reader, or a kill, sees the old file or the new one, never half.

    Raises:
        GanmcError: the disk is full, or the folder cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as failed:
        raise disk_error(path, failed, "choose another folder") from None
    finally:
        with suppress(OSError):
            part.unlink()
