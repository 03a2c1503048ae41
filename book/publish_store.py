"""Copy the results that a run's records name into published/store, and drop what no record names.

    python book/publish_store.py results/laptop

Histories, rows and pictures always travel; weights beside them do where they are small.
"""

import shutil
import sys
from pathlib import Path

from ganmc_utils.core import records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.store import PUBLISHED

LARGEST_WEIGHTS = 2 << 20  # bytes of a file
LARGEST_STORE = 15 << 20  # bytes of all of them


def named_by_records(folder: Path) -> set[str]:
    """The files of the store that the records of a folder name, with their weights."""
    files = set()
    for path in sorted((folder / "records").glob("*.json")):
        files |= set(records.load(path).results)
    return files | {Path(file).with_suffix(".safetensors").name for file in files}


def travels(file: Path) -> bool:
    """Whether a file of the store is small enough to be published."""
    return file.is_file() and (file.suffix == ".json" or file.stat().st_size <= LARGEST_WEIGHTS)


def publish(run: Path, published: Path = PUBLISHED) -> int:
    """Bring published/store up to what the published records name; returns its size in bytes.

    Raises:
        GanmcError: the store would be larger than LARGEST_STORE; nothing is changed.
    """
    wanted = named_by_records(published.parent)
    new = [run / "store" / file for file in sorted(wanted) if travels(run / "store" / file)]
    kept = [file for file in published.glob("*") if file.name in wanted]
    by_name = {file.name: file for file in [*kept, *new]}
    size = sum(file.stat().st_size for file in by_name.values())
    if size > LARGEST_STORE:
        largest = max(by_name.values(), key=lambda file: file.stat().st_size).name
        problem = f"{size / 2**20:.0f} MB, more than {LARGEST_STORE >> 20} MB"
        raise GanmcError(f"{published}: {problem}; leave something out, the largest is {largest}")
    published.mkdir(parents=True, exist_ok=True)
    for file in new:
        shutil.copy(file, published)
    for file in published.glob("*"):
        if file.name not in wanted:
            file.unlink()
    return size


if __name__ == "__main__":
    try:
        print(f"published/store: {publish(Path(sys.argv[1])) / 2**20:.1f} MB")
    except GanmcError as failed:
        sys.exit(str(failed))
