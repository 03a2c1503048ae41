"""Brings a profile to a machine that has Python, torch and torchvision, and no network.

    python -m ganmc_utils.bare_node PROFILE [--only PATTERN] [--earned FOLDER] [--python 3.12]
                                    [--limit 64] [--to results/bare_node] [--minutes 9]

It collects what such a machine lacks: wheels for its Python, as requirements.lock pins them, the
data that the units read, and what was earned before. All of it becomes one archive in pieces, each
in a folder of its own that stays below the limit together with the working tree. Printed is a shell
script in parts: what to bring, and what to run there.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch
from hashlib import file_digest, sha256
from pathlib import Path

from packaging.markers import Marker

from ganmc_utils.core import parameters, paths
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.units import Unit, units_of

THERE = ("torch", "torchvision")  # with all that their wheels bring
SECTIONS = ("# the experiments", "# the pictures")  # of requirements.txt: what units import
RUNNERS = ("papermill", "ipykernel")
MEBIBYTE = 1 << 20
HOME = "$HOME/ganmc"  # where all lies on that machine
PINS = "requirements.txt"  # of the wheels, beside them
Lock = dict[str, tuple[str, set[str]]]  # of each package its pin, and who asks for it


# The wheels


def read_lock(text: str, python: str) -> Lock:
    """The packages of requirements.lock that this Python needs, their markers decided."""
    lock = {}
    target = {"python_version": python, "python_full_version": f"{python}.0"}
    for entry in re.findall(r"^\w.*(?:\n .*)*", text, re.MULTILINE):
        pinned, _, asked_by = entry.partition("\n    # via")
        marker = re.search(r" ; (.*?)(?= \\|$)", pinned, re.MULTILINE)
        if marker is None or Marker(marker[1]).evaluate(target):
            lines = pinned.replace(marker[0], "") if marker else pinned
            lock[pinned.split("==")[0]] = lines, set(re.findall(r"[\w.-]+", asked_by))
    return lock


def brought_by(names: Iterable[str], lock: Lock) -> set[str]:
    """These packages, and all that they ask for."""
    brought, new = set(), set(names)
    while new:
        brought |= new
        new = {name for name, (_, asked_by) in lock.items() if asked_by & new} - brought
    return brought


def missing_packages(lock: Lock) -> list[str]:
    """What a machine lacks that has torch and torchvision."""
    named, section = {*RUNNERS}, ""
    for line in (paths.ROOT / "requirements.txt").read_text().splitlines():
        if line.startswith("#"):
            section = line
        elif section in SECTIONS:
            named.add(line.split("==")[0])
    return sorted(brought_by(named, lock) - brought_by(THERE, lock))


def collect_wheels(folder: Path, python: str) -> None:
    """Download the wheels of what is missing, and list them with their hashes.

    Raises:
        GanmcError: one of them cannot be had.
    """
    lock = read_lock((paths.ROOT / "requirements.lock").read_text(), python)
    pins = folder / PINS
    paths.write_atomically(pins, "\n".join(lock[name][0] for name in missing_packages(lock)) + "\n")
    kind = ["--python-version", python, "--only-binary=:all:", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", "-q", *kind, "-d", folder, "-r", pins]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        *_, reason = ["pip failed", *done.stderr.strip().splitlines()]
        raise user_error(pins, reason, "try again with a network")


# The data


def data_of(units: Iterable[Unit]) -> list[Path]:
    """What the data folder has of the datasets that units read."""
    folder = paths.data_dir()
    names = {name for unit in units for name in datasets_of(unit)}
    folders = [
        path for path in folder.glob("*") if path.name.replace("-", "").startswith((*names,))
    ]
    csv_files = [folder / name for name in names if name.endswith(".csv")]
    return sorted({*folders, *csv_files})


def datasets_of(unit: Unit) -> set[str]:
    """The names of the datasets of a unit; of a csv file its path in the data folder."""
    try:
        p = unit.plan["p"]
    except LookupError:  # it has no plan
        return set()
    names = {p.data.name} if isinstance(p, parameters.NetworkModels) else set()
    tasks = [*getattr(p, "datasets", []), *filter(None, [getattr(p, "table", None)])]
    return names | {task.path or task.table for task in tasks}


# The pieces


def size_of_working_tree() -> int:
    """Bytes of the files that git tracks or does not ignore: what travels each time.

    Raises:
        GanmcError: this is no checkout.
    """
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise user_error(paths.ROOT, "not a checkout of git", "run this in one")
    files = [paths.ROOT / name for name in done.stdout.split("\0") if name]
    return sum(file.stat().st_size for file in files if file.is_file())


def collect(
    units: list[Unit], to: Path, python: str, room: int, earned: Path | None = None
) -> list[Path]:
    """Write what a bare machine lacks in folders to/1, to/2, ..., each of `room` bytes at most.

    Raises:
        GanmcError: a wheel cannot be had, or there is no room.
    """
    if room < MEBIBYTE:
        raise user_error(to, "the working tree leaves no room", "raise --limit")
    shutil.rmtree(to, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        archive, wheels = Path(scratch) / "archive.tar", Path(scratch) / "wheels"
        collect_wheels(wheels, python)
        with tarfile.open(archive, "w") as file:
            file.add(wheels, "wheels")
            for path in data_of(units):
                file.add(path, f"data/{path.relative_to(paths.data_dir())}")
            if earned:
                file.add(earned, "earned")
        return in_pieces(archive, to, room)


def in_pieces(archive: Path, to: Path, room: int) -> list[Path]:
    """Cut an archive into folders; the last also has the checksum of the whole."""
    folders = []
    with open(archive, "rb") as file:
        whole = f"{file_digest(file, sha256).hexdigest()}  archive.tar\n"
        file.seek(0)
        while piece := file.read(room - len(whole)):
            folders.append(to / str(len(folders) + 1))
            paths.write_atomically(folders[-1] / f"piece.{len(folders):03d}", piece)
    paths.write_atomically(folders[-1] / "SHA256SUMS", whole)
    return folders


# What to run there


def script(folders: list[Path], profile: str, only: str, minutes: float) -> str:
    """The commands in the order of the transfers, with what to bring as comments."""
    names = [os.path.relpath(folder, paths.ROOT) for folder in folders]
    lines = []
    for number, name in enumerate(names, 1):
        lines += [
            f"# Transfer {number} of {len(names)}: the working tree and {name}. There, in it:",
            f'mkdir -p "{HOME}" && cp {shlex.quote(name)}/* "{HOME}"',
        ]
    stages = f"python -m ganmc_utils.stages {shlex.quote(profile)}"
    part = f" --only {shlex.quote(only)}" if only != "*" else ""
    lines += [
        "# That was the last transfer:",
        f'cat "{HOME}"/piece.* > "{HOME}/archive.tar"',
        f'(cd "{HOME}" && sha256sum -c SHA256SUMS && tar xf archive.tar)',
        "python -m pip install --no-index --no-deps --require-hashes \\",
        f'    --find-links "{HOME}/wheels" -r "{HOME}/wheels/{PINS}"',
        f'export GANMC_DATA="{HOME}/data" PYTHONPATH="$PWD"',
        "# Again and again while it ends with 75, there is more to do:",
        f'{stages} --out "{HOME}/out" --earned "{HOME}/earned" --minutes {minutes:g}{part}',
        f"# Bring back {HOME}/earned. At home it becomes results/{Path(profile).name} with",
        f"# {stages} --out results/{Path(profile).name} --earned earned --only none",
        "# and the next bare machine begins from it with --earned earned.",
    ]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ganmc_utils.bare_node",
        description="Collect what a machine without a network lacks, and say what to run there.",
    )
    parser.add_argument("profile", help="a folder of profiles/")
    parser.add_argument("--only", default="*", help="a pattern of units, such as '0[0-5]*'")
    parser.add_argument("--earned", type=Path, help="what an earlier machine earned")
    parser.add_argument("--python", default="3.12", help="the machine's Python (default 3.12)")
    parser.add_argument("--limit", type=float, default=64, help="MiB of a transfer (default 64)")
    parser.add_argument("--to", type=Path, default=paths.ROOT / "results" / "bare_node")
    parser.add_argument("--minutes", type=float, default=9, help="of one command there (default 9)")
    given = parser.parse_args(words)
    try:
        units = [unit for unit in units_of(given.profile) if fnmatch(unit.name, given.only)]
        room = round(given.limit * MEBIBYTE) - size_of_working_tree()
        folders = collect(units, given.to.resolve(), given.python, room, given.earned)
    except GanmcError as failed:
        print(failed, file=sys.stderr)
        return 1
    print(script(folders, given.profile, given.only, given.minutes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
