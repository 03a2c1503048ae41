"""Runs the units of a profile on a machine that is lent for minutes, without Snakemake.

    python -m ganmc_utils.stages PROFILE --out OUT [--minutes 9] [--earned FOLDER] [--only PATTERN]

The units are those of ganmc_utils.core.units, in their order, one after another. One command runs
as many as the minutes allow; the same command goes on from there. With --earned FOLDER it begins
from what that folder holds, on a bare machine too, and packs there what it earned: at most FILES
pieces of one archive, none larger than PIECE bytes, and a list of them with their sha256.

Exit status: 0 all done; 75 there is more to do; 1 a unit failed.
"""

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
import time
from fnmatch import fnmatch
from pathlib import Path

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.units import MORE_TO_DO, run_unit, units_of

PIECE, FILES = 15 << 20, 4
MANIFEST = "earned.json"  # which pieces there are, and their sha256
LEAST_SECONDS = 30  # with fewer left no further unit is begun
PACKING_ORDER = (  # what comes first, should not all of it fit
    "units/*/done",
    "records/*",
    "notebooks/*.ipynb",
    "tables/*",
    "store/*.json",
    "figures/*",
    "store/teacher-*.safetensors",
    "store/*.safetensors",
    "working/*",
)
TAR_OVERHEAD = 20_000  # bytes around a file, generously


def run_stages(
    profile: str, out: Path, minutes: float, earned: Path | None = None, only: str = "*"
) -> bool:
    """Run what is left of a profile until the minutes are over; True if nothing is left.

    only: a pattern of names, such as "0[0-5]*"; other units are left out.
    """
    deadline = time.time() + 60 * minutes
    os.environ["GANMC_DEADLINE"] = str(deadline)
    least = min(LEAST_SECONDS, 30 * minutes)
    if earned:
        unpack(earned, out)
    units = [unit for unit in units_of(profile) if fnmatch(unit.name, only)]
    try:
        for unit in units:
            if time.time() > deadline - least:
                print(f"{unit.name}: left for the next time")
                return False
            print(unit.name, flush=True)
            if not run_unit(unit, out):
                return False
    finally:
        if earned:
            pack(out, earned)
    return True


def pack(out: Path, earned: Path, limit: int = PIECE * FILES) -> set[Path]:
    """Write what out earned as pieces of an archive, and their list; returns the files packed.

    The pieces of an earlier time are removed when the new ones are there, whole. What does not fit
    is named and stays behind.
    """
    content, packed = archive_of(out, limit)
    pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
    sums = [hashlib.sha256(piece).hexdigest() for piece in pieces]
    manifest = {f"earned.{checksum[:16]}.tar.{i}": checksum for i, checksum in enumerate(sums)}
    for name, piece in zip(manifest, pieces):
        paths.write_atomically(earned / name, piece)
    verified(earned, manifest)
    paths.write_atomically(earned / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    for old in earned.glob("earned.*.tar.*"):
        if old.name not in manifest:
            old.unlink()
    return packed


def archive_of(out: Path, limit: int) -> tuple[bytes, set[Path]]:
    """A tar archive of what out earned, below a number of bytes, and the files in it."""
    files = [file for pattern in PACKING_ORDER for file in sorted(out.glob(pattern))]
    content, packed = io.BytesIO(), set()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for file in dict.fromkeys(files):
            size = file.stat().st_size
            if content.tell() + size + TAR_OVERHEAD > limit:
                megabytes = f"{size / 2**20:.0f} MB"
                print(f"{file.name}: {megabytes} do not fit and stay on this machine")
                continue
            archive.add(file, str(file.relative_to(out)))
            packed.add(file)
    return content.getvalue(), packed


def verified(earned: Path, manifest: dict[str, str]) -> bytes:
    """The pieces that a manifest lists, put together.

    Raises:
        GanmcError: a piece is missing or altered.
    """
    pieces = []
    for name, checksum in manifest.items():
        piece = (earned / name).read_bytes() if (earned / name).is_file() else b""
        if hashlib.sha256(piece).hexdigest() != checksum:
            raise GanmcError(f"{earned / name}: missing or altered; bring all pieces, unaltered")
        pieces.append(piece)
    return b"".join(pieces)


def unpack(earned: Path, out: Path) -> None:
    """Bring back what pack wrote, but nothing that out already has (it may be further on).

    Raises:
        GanmcError: a piece is missing or altered.
    """
    manifest = earned / MANIFEST
    if earned.exists() and not earned.is_dir():
        raise user_error(earned, "is no folder", "name the folder that holds the pieces")
    if not manifest.is_file():
        if list(earned.glob("earned.*.tar.*")):
            raise GanmcError(f"{manifest}: missing; bring it with the pieces that it lists")
        return
    content = io.BytesIO(verified(earned, read_manifest(manifest)))
    try:
        with tarfile.open(fileobj=content, mode="r:") as archive:
            missing = [m for m in archive.getmembers() if not (out / m.name).exists()]
            archive.extractall(out, missing, filter="data")
    except tarfile.TarError as failed:
        raise user_error(
            earned, f"cannot be unpacked ({failed})", "bring what pack wrote"
        ) from None


def read_manifest(path: Path) -> dict[str, str]:
    """The pieces that a list names, with their sha256.

    Raises:
        GanmcError: it is no such list.
    """
    try:
        manifest = json.loads(path.read_text())
        names = [Path(name).name == name and isinstance(manifest[name], str) for name in manifest]
    except (OSError, ValueError, TypeError, RecursionError):
        names = []
    if not names or not all(names):
        raise user_error(path, "no list of pieces and their sha256", "bring it as pack wrote it")
    return manifest


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ganmc_utils.stages",
        description="Run the units of a profile within some minutes; run it again to resume.",
    )
    parser.add_argument("profile", help="a folder of profiles/, or a path to one")
    parser.add_argument("--out", required=True, type=Path, help="where the run writes")
    parser.add_argument("--minutes", type=float, default=9, help="time it may take (default 9)")
    parser.add_argument("--earned", type=Path, help="folder to begin from and to pack into")
    parser.add_argument("--only", default="*", help="a pattern of units, such as '0[0-5]*'")
    given = parser.parse_args(words)
    out = given.out.resolve()
    try:
        paths.made_folder(out, "choose another --out")
        done = run_stages(given.profile, out, given.minutes, given.earned, given.only)
    except GanmcError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0 if done else MORE_TO_DO


if __name__ == "__main__":
    sys.exit(main())
