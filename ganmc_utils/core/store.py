"""The store of results: small files, one a unit of work, each with its seconds and its machine.

A result lies in a file `<kind>-<key>`, where the key says everything that it depends on
(ganmc_utils.core.meaning). A run writes to its own store and reads the published one as well, so
that a chapter whose results were committed is drawn again on any machine without any training.
"""

import json
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ganmc_utils.core import checkpoints, paths

PUBLISHED = paths.ROOT / "published" / "store"


class Store:
    """Results of one run's folder, and those that are published.

    Args:
        out: the run's folder; its store is out/store, unfinished training lies in out/working.
        published: a store that is read where the run has no result of its own.
    """

    def __init__(self, out: Path, published: Path = PUBLISHED):
        self.own, self.working = out / "store", out / "working"
        self.folders = (self.own, published)
        self.seconds: dict[str, float] = {}  # of every result that this run has used
        self.machines: set[str] = set()
        self.seconds_written = 0.0  # of all results that this run has computed

    # JSON: rows and histories

    def value(self, name: str, compute: Callable):
        """The stored value of that name; where there is none, compute() is stored and returned.

        Its seconds are those of compute() but for what other results took that it had to wait for.
        """

        def compute_and_write():
            started, written_before = time.monotonic(), self.seconds_written
            value = compute()
            of_others = self.seconds_written - written_before
            self.write(name, value, max(0.0, time.monotonic() - started - of_others))

        return self.value_written_by(name, compute_and_write)

    def value_written_by(self, name: str, write: Callable[[], object]):
        """The stored value of that name; where there is none, write() has to store it."""
        stored = self.read(name)
        if stored is None:
            write()
            stored = self.read(name)
        return stored

    def read(self, name: str):
        """The value of a JSON result, None where it is absent or broken."""
        for folder in self.folders:
            result = read_json(folder / f"{name}.json")
            if result is not None:
                self.note_use(f"{name}.json", result)
                return result["value"]
        return None

    def write(self, name: str, value, seconds: float) -> None:
        """Keep a value that JSON can hold and the seconds that it took."""
        self.seconds_written += seconds
        result = {"seconds": round(seconds, 3), "machine": machine(), "value": value}
        paths.write_atomically(self.own / f"{name}.json", json.dumps(result) + "\n")

    # tensors: weights and pictures

    def read_tensors(self, name: str, device="cpu"):
        """(nested dict of tensors, note) of a result, None where it is absent or broken."""
        for folder in self.folders:
            stored = checkpoints.load(folder / f"{name}.safetensors", name, device)
            if stored is not None and is_result(stored[1]):
                tree, result = stored
                self.note_use(f"{name}.safetensors", result)
                return tree, result["value"]
        return None

    def write_tensors(self, name: str, tree: dict, note, seconds: float) -> None:
        """Keep a nested dict of tensors with a note that JSON can hold."""
        result = {"seconds": round(seconds, 3), "machine": machine(), "value": note}
        checkpoints.save(self.own / f"{name}.safetensors", name, tree, result)

    # training that is under way

    def working_path(self, name: str) -> Path:
        """Where training that is not finished keeps its checkpoint."""
        return self.working / f"{name}.working"

    # what a record says of its results

    def note_use(self, file: str, result: dict) -> None:
        """Remember that this run shows a result, for its record."""
        self.seconds[file] = result["seconds"]
        self.machines.add(result["machine"])


def read_json(path: Path) -> dict | None:
    """What a file of the store holds, None where it is absent, broken or something else."""
    try:
        result = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return result if is_result(result) else None


def is_result(found: object) -> bool:
    """Whether what was found is a value with its seconds and its machine."""
    if not isinstance(found, dict) or "value" not in found:
        return False
    seconds = found.get("seconds")
    is_timed = isinstance(seconds, int | float) and 0 <= seconds < float("inf")
    return is_timed and isinstance(found.get("machine"), str)


@cache
def machine() -> str:
    """This machine in words: its GPU, or its cores and their name."""
    gpu = gpu_name()
    return gpu or f"{os.cpu_count()} cores of {cpu_name()}"


def gpu_name() -> str | None:
    """The GPU of this machine, None where there is none."""
    import torch  # only where a result is written: torch takes seconds to import

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def cpu_name() -> str:
    """The processor of this machine as its system calls it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
