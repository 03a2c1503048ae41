"""Faults at random moments: the quick run must end with the rows of a run that nothing disturbed.

    python tests/torture.py [--kills 10] [--seed 0] [--page torture.md]

It copies the project into a folder of its own, runs it quietly once, and then again while it is
killed with -9, interrupted, terminated and started twice. A disturbed run goes on with what it has,
and begins from nothing once it is over. Last it writes to a full disk, where it may mount one, and
runs the tables of bad inputs. It prints what was tried, and exits with 1 if a row differs, anything
was lost, or a bad input did not meet its line.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
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


def targets(folder: Path) -> list[Path]:
    """The records that a run makes."""
    return [folder / "results/quick/records" / f"{chapter}.json" for chapter in CHAPTERS]


def start(folder: Path) -> subprocess.Popen:
    """A quick run of the workflow, in a process group of its own."""
    wanted = [str(path.relative_to(folder)) for path in targets(folder)]
    command = [sys.executable, "-m", "ganmc_utils.core.workflow", "quick", "--cores", "2", *wanted]
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
    every = [row for file in targets(folder) for row in records.load(file).metrics]
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
    try:
        run.communicate(timeout=seconds)
        return "was over before"
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, kind)
    try:
        run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        return "did NOT end within a minute"
    return "it stopped, and the next one went on"


def begin_anew(folder: Path) -> None:
    """Throw away all results."""
    shutil.rmtree(folder / "results", ignore_errors=True)


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
        says_so = "free space" in str(failed)
        return "one line, and the old file is kept" if kept and says_so else "LOST"
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return "NOT noticed"


def bad_inputs() -> str:
    """Run the tables of bad inputs."""
    files = (
        "test_bad_input",
        "test_command_lines",
        "test_compress_skops",
        "test_compress_teachers",
    )
    command = [sys.executable, "-m", "pytest", *(f"tests/{name}.py" for name in files)]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    counted = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    n_passed = counted.pop("passed", 0)
    all_met = not counted and n_passed and not done.returncode
    return f"{n_passed} meet their line" if all_met else f"NOT all meet their line: {counted}"


def main(words: list[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, help="a Markdown file for the table of what was tried")
    asked = parser.parse_args(words)
    # It is ignored where this was started in the background, and the runs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    said: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as there:
        expected, seconds = finish(project(Path(there, "quiet")))
        print(f"a quiet run: {len(expected)} rows in {seconds:.0f} s", flush=True)
        victim = project(Path(there, "victim"))
        said += disturbed(victim, random.Random(asked.seed), asked.kills, seconds, expected)
        begin_anew(victim)
        said.append(("two runs at once", two_at_once(victim)))
        said.append(("a full disk", full_disk(victim)))
        said.append(("a run to its end after faults", judged(finish(victim)[0], expected)))
    said.append(("bad inputs", bad_inputs()))
    for fault, outcome in said[-4:]:
        print(f"{fault}: {outcome}")
    if asked.page:
        asked.page.write_text(page(said))
    failed = [outcome for _, outcome in said if "NOT" in outcome or "LOST" in outcome]
    print(f"{len(said) - len(failed)} of {len(said)} as they should be")
    return 1 if failed else 0


def disturbed(
    victim: Path, rng: random.Random, n_kills: int, seconds: float, expected: list[str]
) -> list[tuple[str, str]]:
    """What became of the kills, of Ctrl-C and of SIGTERM, and of each run that came to its end."""
    said = []
    for kind in [signal.SIGKILL] * n_kills + [signal.SIGINT, signal.SIGTERM]:
        ended = "was over before"
        while ended == "was over before":
            after = rng.uniform(1, seconds)
            ended = disturb(victim, kind, after)
            said.append((f"{kind.name} at a random moment", ended))
            if ended == "was over before":
                same = judged(rows(victim), expected)
                said[-1] = "a run to its end after faults", same
                begin_anew(victim)
            print(f"after {after:.0f} s: {': '.join(said[-1])}", flush=True)
    return said


def judged(found: list[str], expected: list[str]) -> str:
    """Whether rows are as they should be."""
    return "the same rows" if found == expected else "rows that are NOT the same"


def page(said: list[tuple[str, str]]) -> str:
    """What was tried, how often and with what outcome, as a Markdown table."""
    lines = ["| Fault | Times | What became of it |", "|:--|--:|:--|"]
    for (fault, outcome), n in Counter(said).items():
        lines.append(f"| {fault} | {n} | {outcome} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
