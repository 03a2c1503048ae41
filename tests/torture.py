"""Faults at random moments: the quick run must end with the rows of a run that nothing disturbed.

    python tests/torture.py [--kills 10] [--seed 0]

It copies the project into a folder of its own, runs it quietly once, and then again from nothing
while it is killed with -9, interrupted, terminated and started twice. Last it writes to a full
disk, where it may mount one. It prints a table of what was tried and exits with 1 if a row differs
or anything was lost.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ganmc_utils.core import paths, records

CHAPTERS = ("02_p_fake_sweep", "06_random_forests")
TIMED = ("seconds", "rows_per_second", "speedup")  # of metrics, how they begin
LEFT_OUT = shutil.ignore_patterns(
    "_build", "results", ".git", ".snakemake", ".hypothesis", "__pycache__", "published", ".venv"
)


def project(folder: Path) -> Path:
    """A copy of the project without results, published ones included."""
    shutil.copytree(paths.ROOT, folder, ignore=LEFT_OUT)
    (folder / ".venv").symlink_to(paths.ROOT / ".venv")
    return folder


def start(folder: Path) -> subprocess.Popen:
    """A quick run of the workflow, in a process group of its own."""
    targets = [f"results/quick/records/{chapter}.json" for chapter in CHAPTERS]
    command = [sys.executable, "-m", "ganmc_utils.core.workflow", "quick", "--cores", "2", *targets]
    bin_folder = f"{paths.ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PATH": bin_folder, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def rows(folder: Path) -> list[str]:
    """The rows of all records but for what was timed, in one order."""
    files = sorted((folder / "results/quick/records").glob("*.json"))
    every = [row for file in files for row in records.load(file).metrics]
    return sorted(r.model_dump_json() for r in every if not r.metric.startswith(TIMED))


def finish(folder: Path) -> tuple[list[str], float]:
    """Run to the end; the rows and the seconds."""
    began = time.monotonic()
    run = start(folder)
    _, said = run.communicate()
    if run.returncode:
        raise SystemExit(f"a run that nothing disturbed failed:\n{said[-2000:]}")
    return rows(folder), time.monotonic() - began


def disturb(folder: Path, kind: signal.Signals, seconds: float) -> str:
    """Start a run and send all its processes a signal after some seconds."""
    run = start(folder)
    time.sleep(seconds)
    if run.poll() is not None:
        return "was over before"
    os.killpg(run.pid, kind)
    try:
        run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        return "did not end within a minute"
    return "ended"


def two_at_once(folder: Path) -> str:
    """Start a second run beside the first."""
    first = start(folder)
    time.sleep(5)
    second = start(folder)
    _, said = second.communicate()
    first.communicate()
    refused = second.returncode and "another run" in said
    return "the second says so" if refused else "NOT refused"


def full_disk(folder: Path) -> str:
    """Write a record to a disk of 64 KB, if this user may mount one."""
    place = folder / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)])
    if mounted.returncode:
        return "skipped: no mount"
    try:
        paths.write_atomically(place / "a.json", "old")
        paths.write_atomically(place / "a.json", "x" * 10**6)
    except paths.GanmcError as failed:
        kept = (place / "a.json").read_text() == "old" and len(list(place.iterdir())) == 1
        return str(failed) if kept else "LOST"
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return "NOT noticed"


def main(words: list[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(words)
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as there:
        expected, seconds = finish(project(Path(there, "quiet")))
        print(f"a quiet run: {len(expected)} rows in {seconds:.0f} s", flush=True)
        victim = project(Path(there, "victim"))
        kinds = [signal.SIGKILL] * asked.kills + [signal.SIGINT, signal.SIGTERM]
        for kind in kinds:
            after = rng.uniform(1, seconds)
            print(f"{kind.name} after {after:.0f} s: {disturb(victim, kind, after)}", flush=True)
        together = two_at_once(victim)
        print(f"two runs at once: {together}", flush=True)
        disk = full_disk(victim)
        print(f"a full disk: {disk}")
        same = finish(victim)[0] == expected
        print(f"the same rows: {same}")
    return 0 if same and "NOT" not in together + disk and disk != "LOST" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
