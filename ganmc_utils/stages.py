"""Runs a profile in pieces on a machine that is lent for minutes: python -m ganmc_utils.stages PROFILE --out OUT

The plan is profiles/PROFILE/stages.yml: stages in their order, each a notebook, with `set` (parameters put in the place of the
profile's) or `first` (how many entries of a list to keep). One command runs as many stages as the minutes allow; training that is out
of time saves and stops, and the same command goes on. With --earned FOLDER it begins from what that folder holds, on a bare machine
too, and packs what it did there: at most `files` pieces of one archive, none larger than PIECE. Needs papermill, not Snakemake or make.
Exit status: 0 all done, 75 there is more to do, 1 a stage failed.
"""

import argparse
import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

import papermill
import yaml

from ganmc_utils.core import paths, records
from ganmc_utils.core.checkpoints import OutOfTime
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import trained

PIECE, FILES = 15 << 20, 4
MORE = 75  # os.EX_TEMPFAIL
LEAST = 30  # seconds left, below which no further stage is begun
ORDER = (
    "stages/*",
    "records/*",
    "notebooks/*.ipynb",
    "tables/*",
    "checkpoints/*.json",
    "figures/*",
    "checkpoints/teacher-*.safetensors",
    "checkpoints/*.safetensors",
    "checkpoints/*.working",
)  # what is packed first, should not all of it fit


def folder(profile):
    """profiles/NAME, or a folder given as a path."""
    found = Path(profile) if os.sep in profile else paths.ROOT / "profiles" / profile
    if not (found / "stages.yml").is_file():
        raise GanmcError(f"{found}: no stages.yml; choose a profile that has one")
    return found


def plan(profile):
    """[(stage name, notebook, parameters)] in their order."""
    here, found = folder(profile), []
    for stage in yaml.safe_load((here / "stages.yml").read_text()):
        file = here / f"{stage['notebook']}.yml"
        given = yaml.safe_load(file.read_text()) if file.exists() else {"profile": here.name}
        for name, n in stage.get("first", {}).items():
            given[name] = given[name][:n]
        found.append((stage["name"], stage["notebook"], given | stage.get("set", {})))
    return found


def run(profile, out, minutes, earned=None):
    """Run what is left of the plan until the minutes are over; True if nothing is left."""
    deadline = time.time() + 60 * minutes
    os.environ |= {"GANMC_DEADLINE": str(deadline), "GANMC_OUT": str(out)}
    if earned:
        unpack(earned, out)
    try:
        for name, notebook, given in plan(profile):
            done = out / "stages" / f"{name}.json"
            key = records.digest({"notebook": notebook, "given": given}, trained.MODULES)
            if records.stored(done) == key:
                continue
            if time.time() > deadline - min(LEAST, 30 * minutes):
                print(f"{name}: left for the next time")
                return False
            print(f"{name}: {notebook}", flush=True)
            if not one(notebook, given, out):
                return False
            paths.write_atomically(done, json.dumps(key))
        return True
    finally:
        if earned:
            pack(out, earned)


def one(notebook, given, out):
    """Run a notebook; False if it was out of time, GanmcError if it failed."""
    part, final = (out / "notebooks" / f"{notebook}{end}.ipynb" for end in (".part", ""))
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(paths.ROOT / "notebooks" / f"{notebook}.ipynb"),
            str(part),
            given,
            progress_bar=False,
            log_output=False,
        )
    except papermill.PapermillExecutionError as failed:
        if failed.ename == OutOfTime.__name__:
            print(f"{notebook}: {failed.evalue}")
            return False
        raise GanmcError(f"{notebook}: {failed.ename}: {failed.evalue}") from None
    os.replace(part, final)
    return True


def pack(out, earned, limit=PIECE * FILES):
    """Write what out earned as archive pieces earned.tar.0, .1, ...; what does not fit is named and stays behind."""
    files = [file for pattern in ORDER for file in sorted(out.glob(pattern))]
    content, packed = io.BytesIO(), set()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for file in dict.fromkeys(files):
            if content.tell() + file.stat().st_size + 20_000 > limit:
                print(
                    f"{file.name}: {file.stat().st_size / 2**20:.0f} MB do not fit and stay on this machine"
                )
                continue
            archive.add(file, str(file.relative_to(out)))
            packed.add(file)
    whole = content.getvalue()
    for old in Path(earned).glob("earned.tar.*"):
        old.unlink()
    for i in range(0, len(whole), PIECE):
        paths.write_atomically(Path(earned) / f"earned.tar.{i // PIECE}", whole[i : i + PIECE])
    return packed


def unpack(earned, out):
    """Bring back what pack wrote, but nothing that out already has (it may be further on)."""
    pieces = sorted(Path(earned).glob("earned.tar.*"))
    if not pieces:
        return
    try:
        with tarfile.open(
            fileobj=io.BytesIO(b"".join(piece.read_bytes() for piece in pieces)), mode="r:"
        ) as archive:
            archive.extractall(
                out, [m for m in archive.getmembers() if not (out / m.name).exists()], filter="data"
            )
    except tarfile.TarError as failed:
        raise GanmcError(
            f"{earned}: the pieces of earned.tar cannot be unpacked ({failed}); bring all of them, unaltered"
        ) from None


def main(words=None):
    parser = argparse.ArgumentParser(
        prog="python -m ganmc_utils.stages",
        description="Run the stages of a profile within some minutes; run it again to go on.",
    )
    parser.add_argument("profile", help="a folder of profiles/, or a path to one")
    parser.add_argument("--out", required=True, type=Path, help="where the run writes")
    parser.add_argument(
        "--minutes", type=float, default=9, help="time that this command may take (default 9)"
    )
    parser.add_argument(
        "--earned", type=Path, help="folder of the small files to begin from and to leave behind"
    )
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        return 0 if run(given.profile, given.out.resolve(), given.minutes, given.earned) else MORE
    except GanmcError as failed:
        print(failed, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
