"""Bring results of a run into published/store, from which any machine draws the chapters again.

    python book/publish_store.py results/laptop                what the published records name
    python book/publish_store.py results/laptop --unfinished   also of chapters under way
    python book/publish_store.py --tidy                        drop what no published record names

Histories, rows and pictures always travel; of the weights those of teachers and pictures, where
they are small. A chapter that takes days is computed in parts: --unfinished keeps each part.
"""

import argparse
import shutil
import sys
from pathlib import Path

from ganmc_utils.core import records
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.parameters import NOTEBOOKS
from ganmc_utils.core.store import PUBLISHED

LARGEST_WEIGHTS = 2 << 20  # bytes of a file
LARGEST_STORE = 20 << 20  # bytes of all of them
PASSING = "fold_"  # begins the names of teachers that are only needed for their predictions


def named_by_records(folder: Path) -> set[str]:
    """The files of the store that the records of a folder name, with their weights."""
    files = {file for record in records.load_all(folder / "records") for file in record.results}
    return files | {Path(file).with_suffix(".safetensors").name for file in files}


def travels(file: Path) -> bool:
    """Whether a file of the store is small enough, and of use to others."""
    if file.suffix == ".json":
        return file.is_file()
    is_small = file.is_file() and file.stat().st_size <= LARGEST_WEIGHTS
    return is_small and not file.name.startswith(PASSING)


def publish(run: Path, published: Path = PUBLISHED, unfinished: bool = False) -> int:
    """Copy results of a run into published/store; returns the size of the store in bytes.

    unfinished: also the JSON results that no record names yet.

    Raises:
        GanmcError: no such run, or the store would be larger than LARGEST_STORE; nothing is
            changed.
    """
    if not (run / "store").is_dir():
        raise user_error(run, "holds no store of results", "name a run, such as results/laptop")
    wanted = named_by_records(published.parent)
    if unfinished:
        wanted |= {file.name for file in (run / "store").glob("*.json")}
    new = [run / "store" / file for file in sorted(wanted) if travels(run / "store" / file)]
    by_name = {file.name: file for file in [*published.glob("*"), *new]}
    size = sum(file.stat().st_size for file in by_name.values())
    if size > LARGEST_STORE:
        largest = max(by_name.values(), key=lambda file: file.stat().st_size).name
        problem = f"{size / 2**20:.0f} MB, more than {LARGEST_STORE >> 20} MB"
        cure = f"run it with --tidy or leave something out, the largest is {largest}"
        raise GanmcError(f"{published}: {problem}; {cure}")
    published.mkdir(parents=True, exist_ok=True)
    for file in new:
        shutil.copy(file, published)
    return size


def tidy(published: Path = PUBLISHED) -> list[str]:
    """Drop what no published record names; returns the names of what was dropped.

    Raises:
        GanmcError: a chapter has no published record, so its results would be dropped.
    """
    folder = published.parent / "records"
    missing = [name for name in NOTEBOOKS if not (folder / f"{name}.json").is_file()]
    if missing:
        raise user_error(folder, f"no record of {', '.join(missing)}", "restore it, then tidy")
    wanted = named_by_records(published.parent)
    dropped = [file for file in sorted(published.glob("*")) if file.name not in wanted]
    for file in dropped:
        file.unlink()
    return [file.name for file in dropped]


def main(arguments: list[str]) -> str:
    """Do what the command line says; returns a line about it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", help="such as results/laptop")
    parser.add_argument("--unfinished", action="store_true")
    parser.add_argument("--tidy", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.tidy and (asked.run or asked.unfinished):
        parser.error("--tidy takes nothing else: it is about published/store alone")
    if asked.tidy:
        return f"published/store: {len(tidy())} results dropped that no record names"
    if asked.run is None:
        parser.error("name a run, such as results/laptop, or --tidy")
    size = publish(asked.run, unfinished=asked.unfinished)
    return f"published/store: {size / 2**20:.1f} MB"


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except GanmcError as failed:
        sys.exit(str(failed))
