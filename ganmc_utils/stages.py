"""Runs a profile in pieces on a machine that is lent for minutes.

    python -m ganmc_utils.stages PROFILE --out OUT [--minutes 9] [--earned FOLDER]

profiles/PROFILE/stages.yml lists the stages in their order: each is a notebook, with `set`
(parameters put in the place of the profile's) or `first` (how many entries of a list to keep). One
command runs as many stages as the minutes allow. Training that is out of time saves and stops; the
same command resumes it. With --earned FOLDER the run begins from what that folder holds, on a bare
machine too, and packs there what it earned: at most FILES pieces of one archive, none larger than
PIECE bytes. It needs papermill, neither Snakemake nor make.

Exit status: 0 all done; 75 there is more to do; 1 a stage failed.
"""

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

import papermill
import yaml

from ganmc_utils.core import paths
from ganmc_utils.core.checkpoints import OutOfTime
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.plan import notebook_path

PIECE, FILES = 15 << 20, 4
MORE_TO_DO = 75  # os.EX_TEMPFAIL
LEAST_SECONDS = 30  # with fewer left no further stage is begun
PACKING_ORDER = (  # what comes first, should not all of it fit
    "stages/*",
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


def profile_folder(profile: str) -> Path:
    """profiles/NAME, or a folder given as a path.

    Raises:
        GanmcError: it has no stages.yml.
    """
    folder = Path(profile) if os.sep in profile else paths.ROOT / "profiles" / profile
    if not (folder / "stages.yml").is_file():
        raise GanmcError(f"{folder}: no stages.yml; choose a profile that has one")
    return folder


def stages_of(profile: str) -> list[tuple[str, str, dict]]:
    """(stage name, notebook, parameters) in their order."""
    folder = profile_folder(profile)
    listed = yaml.safe_load((folder / "stages.yml").read_text())
    return [(s["name"], s["notebook"], stage_parameters(folder, s)) for s in listed]


def stage_parameters(folder: Path, stage: dict) -> dict:
    """The parameters of a stage: its chapter's profile, cut and changed as the stage says."""
    file = folder / f"{stage['notebook']}.yml"
    given = yaml.safe_load(file.read_text()) if file.exists() else {"profile": folder.name}
    for name, length in stage.get("first", {}).items():
        given[name] = given[name][:length]
    return given | stage.get("set", {})


def run_stages(profile: str, out: Path, minutes: float, earned: Path | None = None) -> bool:
    """Run what is left of a profile until the minutes are over; True if nothing is left."""
    deadline = time.time() + 60 * minutes
    os.environ |= {"GANMC_DEADLINE": str(deadline), "GANMC_OUT": str(out)}
    least = min(LEAST_SECONDS, 30 * minutes)
    if earned:
        unpack(earned, out)
    try:
        return all(run_stage(stage, out, deadline - least) for stage in stages_of(profile))
    finally:
        if earned:
            pack(out, earned)


def run_stage(stage: tuple[str, str, dict], out: Path, latest_start: float) -> bool:
    """Run a stage unless it is done; False if time is over."""
    name, notebook, parameters = stage
    done, key = out / "stages" / f"{name}.json", stage_key(notebook, parameters)
    if done.is_file() and done.read_text() == key:
        return True
    if time.time() > latest_start:
        print(f"{name}: left for the next time")
        return False
    print(f"{name}: {notebook}", flush=True)
    if not run_notebook(notebook, parameters, out):
        return False
    paths.write_atomically(done, key)
    return True


def stage_key(notebook: str, parameters: dict) -> str:
    """What a finished stage was made of: its parameters, its notebook and the package.

    Any changed file makes a stage run again; what it trained it finds in the store.
    """
    code = [notebook_path(notebook), *sorted((paths.ROOT / "ganmc_utils").rglob("*.py"))]
    content = b"".join(file.read_bytes() for file in code)
    settings = json.dumps([notebook, parameters], sort_keys=True)
    return hashlib.sha256(settings.encode() + content).hexdigest()


def run_notebook(notebook: str, parameters: dict, out: Path) -> bool:
    """Run a notebook; False if it was out of time.

    Raises:
        GanmcError: it failed.
    """
    part, final = (out / "notebooks" / f"{notebook}{end}.ipynb" for end in (".part", ""))
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook_path(notebook)),
            str(part),
            parameters,
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


def pack(out: Path, earned: Path, limit: int = PIECE * FILES) -> set[Path]:
    """Write what out earned as archive pieces earned.tar.0, .1, ...; returns the files packed.

    What does not fit is named and stays behind.
    """
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
    whole = content.getvalue()
    for old in Path(earned).glob("earned.tar.*"):
        old.unlink()
    for start in range(0, len(whole), PIECE):
        piece = Path(earned) / f"earned.tar.{start // PIECE}"
        paths.write_atomically(piece, whole[start : start + PIECE])
    return packed


def unpack(earned: Path, out: Path) -> None:
    """Bring back what pack wrote, but nothing that out already has (it may be further on).

    Raises:
        GanmcError: a piece is missing or altered.
    """
    pieces = sorted(Path(earned).glob("earned.tar.*"))
    if not pieces:
        return
    content = io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))
    try:
        with tarfile.open(fileobj=content, mode="r:") as archive:
            missing = [m for m in archive.getmembers() if not (out / m.name).exists()]
            archive.extractall(out, missing, filter="data")
    except tarfile.TarError as failed:
        problem = f"the pieces of earned.tar cannot be unpacked ({failed})"
        raise GanmcError(f"{earned}: {problem}; bring all of them, unaltered") from None


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ganmc_utils.stages",
        description="Run the stages of a profile within some minutes; run it again to resume.",
    )
    parser.add_argument("profile", help="a folder of profiles/, or a path to one")
    parser.add_argument("--out", required=True, type=Path, help="where the run writes")
    parser.add_argument("--minutes", type=float, default=9, help="time it may take (default 9)")
    parser.add_argument("--earned", type=Path, help="folder to begin from and to pack into")
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        done = run_stages(given.profile, given.out.resolve(), given.minutes, given.earned)
    except GanmcError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0 if done else MORE_TO_DO


if __name__ == "__main__":
    sys.exit(main())
