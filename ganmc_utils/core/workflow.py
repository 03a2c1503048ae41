"""Runs the workflow of a profile, one run at a time: what `make run` calls.

    python -m ganmc_utils.core.workflow PROFILE [setting=value ...] [options of snakemake]

A lock on results/PROFILE/.lock is held by the process itself, so that even kill -9 leaves none
behind. Snakemake's own locks are files; those of a dead run are removed.
"""

import argparse
import fcntl
import os
import subprocess
import sys
from pathlib import Path

from ganmc_utils.core import profiles
from ganmc_utils.core.errors import GanmcError

OPTIONS = ["--rerun-incomplete", "--rerun-triggers", "mtime", "--quiet=rules"]


def hold_lock(folder: Path) -> bool:
    """Take the lock of a folder until this process ends; False if another run has it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.set_inheritable(file, True)  # snakemake takes the place of this process
    return True


def main(words: list[str]) -> int:
    """The command; returns only where there is nothing to run."""
    parser = argparse.ArgumentParser(prog="python -m ganmc_utils.core.workflow", allow_abbrev=False)
    parser.add_argument("profile", help="a folder of profiles/")
    parser.add_argument("--workflow-profile", type=Path, help="a folder of cluster/")
    given, others = parser.parse_known_args(words)
    profile = given.profile
    settings = [word for word in others if "=" in word and not word.startswith("-")]
    for word in settings:
        if word.startswith("units=") and word not in ("units=0", "units=1"):
            parser.error(f"{word}: neither 0 nor 1; say UNITS=1 to split the chapters")
    options = [word for word in others if word not in settings]
    try:
        profiles.check(profile)
    except GanmcError as failed:
        print(f"GanmcError: {failed}", file=sys.stderr)
        return 1
    cluster = given.workflow_profile
    if cluster:
        if not cluster.is_dir():
            there = ", ".join(sorted(path.name for path in Path("cluster").glob("*/")))
            parser.error(f"{cluster}: no such folder; choose one of {there}, or make one")
        options = ["--workflow-profile", str(cluster), *options]
    folder = Path("results") / profile
    if not hold_lock(folder):
        print(f"{folder}: another run is under way; wait for its end, or stop it", file=sys.stderr)
        return 1
    os.utime(folder / ".lock")  # logs that are newer are of this run
    command = ["snakemake", *OPTIONS, *options, "--config", f"profile={profile}", *settings]
    if list(Path(".snakemake/locks").glob("*")):
        subprocess.run([*command, "--unlock"], check=True, stderr=subprocess.DEVNULL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
