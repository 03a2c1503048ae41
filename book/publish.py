"""Make the chapters that a run holds what the book shows: all of them, or nothing at all.

    python book/publish.py PROFILE

Everything is checked and drawn in a copy of published/ first. The copy takes its place last.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import publish_store

from ganmc_utils.core import paths, profiles, records
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.parameters import NOTEBOOKS, check_dict, notebook_defaults
from ganmc_utils.core.plan import notebook_path

PARTS = ("notebooks", "records", "figures", "tables")
FROM_SCRATCH = "from_scratch.ipynb"  # the chapter without a record
SCOREBOARD = "08_scoreboard"  # judges all that is published, whatever the run holds


def check(run: Path, profile: str) -> list[str]:
    """The notebooks of a run that may be published.

    Raises:
        GanmcError: an unknown profile, the smoke test's settings by whatever name, records that
            are broken or of other settings than the profile's, a chapter without its notebook.
    """
    profiles.check(profile)
    cure = f"run `make run PROFILE={profile}` first"
    files = sorted((run / "records").glob("*.json"))
    if not files:
        raise user_error(run, "no records of a run", cure)
    for file in files:
        record = records.load(file)
        if file.stem not in NOTEBOOKS or record.notebook != file.stem:
            raise user_error(file, f"a record of {record.notebook}", "delete it")
        if file.stem != SCOREBOARD:
            check_settings(file, record, profile, cure)
        if not (run / "notebooks" / f"{file.stem}.ipynb").is_file():
            raise user_error(file, "its executed notebook is not there", cure)
    return [file.stem for file in files]


def check_settings(file: Path, record: records.Record, profile: str, cure: str) -> None:
    """Raises GanmcError for a record of a smoke test, or of other settings than the profile's."""
    notebook = record.notebook
    if profile == profiles.QUICK or profiles.is_smoke_test(record):
        raise user_error(file, "a smoke test, which is no evidence", "publish a run of real data")
    given = notebook_defaults(notebook)
    given |= profiles.read(paths.ROOT / "profiles" / profile / f"{notebook}.yml")
    asked = profiles.settings(check_dict(notebook, given).model_dump())
    if record.profile != profile or profiles.settings(record.parameters) != asked:
        raise user_error(file, f"of other settings than those of profiles/{profile}", cure)


def draw(run: Path, notebooks: list[str], profile: str, copy: Path) -> None:
    """Bring the chapters of a run into a copy of published/, and judge all that is there.

    Raises:
        GanmcError: the scoreboard cannot be drawn, or the store would be too large.
    """
    for part in PARTS:
        (copy / part).mkdir(parents=True, exist_ok=True)
    for notebook in notebooks:
        shutil.copy(run / "notebooks" / f"{notebook}.ipynb", copy / "notebooks")
        shutil.copy(run / "records" / f"{notebook}.json", copy / "records")
    if (run / "notebooks" / FROM_SCRATCH).is_file():
        shutil.copy(run / "notebooks" / FROM_SCRATCH, copy / "notebooks")
    for part in ("figures", "tables"):
        if (run / part).is_dir():
            shutil.copytree(run / part, copy / part, dirs_exist_ok=True)
    publish_store.publish(run, copy / "store")
    part = copy / "08.part.ipynb"
    command = ["papermill", "--no-progress-bar", "-p", "profile", profile]
    call([*command, notebook_path(SCOREBOARD), part], {"GANMC_OUT": str(copy)})
    target = copy / "notebooks" / f"{SCOREBOARD}.ipynb"
    call([sys.executable, paths.ROOT / "book" / "clean_notebook.py", part, target])
    call([sys.executable, "-m", "ganmc_utils.report.reproduction", copy])


def call(command: list, environment: dict | None = None) -> None:
    """Run a command.

    Raises:
        GanmcError: it fails; with its last line.
    """
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=os.environ | (environment or {}), capture_output=True, text=True, cwd=paths.ROOT
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise user_error(Path(words[0]).name, last, "nothing was published; mend that first")


def publish(run: Path, profile: str, published: Path = publish_store.PUBLISHED.parent) -> int:
    """Make the chapters of a run those of the book; returns how many there are.

    Raises:
        GanmcError: see check and draw; published/ is then as it was.
    """
    old, copy = (published.with_name(f".{published.name}.{end}") for end in ("old", "new"))
    if old.exists() and not published.exists():  # killed between the two renames below
        old.rename(published)
    notebooks = check(run, profile)
    try:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(published, copy)
        draw(run, notebooks, profile, copy)
        shutil.rmtree(old, ignore_errors=True)
        published.rename(old)
        copy.rename(published)
    except OSError as failed:
        raise user_error(published, str(failed), "free space, then publish again") from None
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        if not published.exists():
            old.rename(published)
        shutil.rmtree(old, ignore_errors=True)
    return len(notebooks)


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2:
            raise user_error("make publish", "no profile named", "say PROFILE=laptop, for example")
        name = sys.argv[1]
        count = publish(paths.ROOT / "results" / name, name)
        print(f"{count} chapters of results/{name} are what the book shows")
    except GanmcError as failed:
        sys.exit(f"GanmcError: {failed}")
