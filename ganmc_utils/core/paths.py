"""Where things are: the one place that knows folders, and how a file is written whole."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def data_dir(given: str | Path = "") -> Path:
    """The data directory: the parameter, else $GANMC_DATA, else data/ in the project."""
    return Path(given or os.environ.get("GANMC_DATA") or ROOT / "data").expanduser()


def out_dir(given: str | Path, profile: str) -> Path:
    """Where a run writes: the parameter, else $GANMC_OUT, else results/<profile> in the project."""
    folder = Path(given or os.environ.get("GANMC_OUT") or ROOT / "results" / profile).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def store_dir(out: Path) -> Path:
    """The folder of a run's store: $GANMC_STORE, which units of a profile share, else its own."""
    return Path(os.environ.get("GANMC_STORE") or out)


def cache_dir() -> Path:
    """Where unpacked data are kept between runs: $XDG_CACHE_HOME/ganmc, else ~/.cache/ganmc."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "ganmc"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def thread_count() -> int:
    """Cores this run may use: $GANMC_THREADS (the workflow divides the machine), else all."""
    return int(os.environ.get("GANMC_THREADS") or os.cpu_count())


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write content to path, making its folder.

    A reader, or a kill, sees the old file or the new one, never half.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with open(part, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
