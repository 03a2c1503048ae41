"""How long the units of the paper profile take at least on 1 to 64 GPUs, and which must wait.

    python benchmarks/schedule.py plan [PROFILE]  the units, what they wait for, and their floors
    python benchmarks/schedule.py count           counts what one image costs, for the floors
    python benchmarks/schedule.py check           times Snakemake with jobs that only sleep
    python benchmarks/schedule.py draw            the table and the figure of the page on costs
    python benchmarks/schedule.py workers         times the quick profile's units on 1 and 2 cores

A unit takes the floor of cost_model on an H100. List scheduling gives each GPU that falls idle the
ready unit with the longest way to the end. Units that train no networks of Sec. 3 (chapters 06 to
09) and the start of a kernel count as nothing, so that every time here is too short.
"""

import argparse
import heapq
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cost_model
import matplotlib.pyplot as plt
import torch

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.plan import set_seeds
from ganmc_utils.core.units import Unit, profile_of, units_from, units_of
from ganmc_utils.networks.experiment import with_chosen_share

PUBLISHED = paths.ROOT / "published" / "benchmarks"
COUNTS = PUBLISHED / "counts.json"
CHECKED = PUBLISHED / "snakemake.json"
GPUS = (1, 4, 16, 64)
MANY_SEEDS = 100
SLEEP = 1 / 20  # seconds that a dummy job sleeps for each second of its unit
# It takes the place of `python -m ganmc_utils.core.units run PROFILE UNIT --out OUT`.
TIMED = """#!/bin/sh -e
unit=$5 out=$7
date +%s.%N > "{times}/$unit.start"
{work}
date +%s.%N > "{times}/$unit.end"
"""
DUMMY = """
sleep "$(cat "{seconds}/$unit")"
mkdir -p "$out/units/$unit" "$out/notebooks" "$out/records"
touch "$out/units/$unit/done" "$out/notebooks/$unit.ipynb" "$out/records/$unit.json"
"""
Seconds = dict[str, float]  # of each unit


# The model


def write_counts() -> None:
    """Count operations and bytes of one image in each kind of work of the paper profile."""
    work = cost_model.work_of_units(units_of("paper"))
    kinds = sorted({kind for of_unit in work.values() for kind in of_unit}, key=str)
    costs = cost_model.costs_of(kinds, torch.device("cpu"))
    fields = ("operations", "activations", "other_bytes")  # counted, so the same on every machine
    counts = [
        [*kind, {field: getattr(cost, field) for field in fields}] for kind, cost in costs.items()
    ]
    paths.write_atomically(COUNTS, json.dumps(counts, indent=1) + "\n")


@cache
def floor_of_image() -> dict[cost_model.Kind, float]:
    """Seconds that one image takes on an H100 at least, in each kind of work."""
    return {
        (kind, which): cost_model.H100.floor(cost_model.ImageCost(**counts, seconds=math.nan))
        for kind, which, counts in json.loads(COUNTS.read_text())
    }


def seconds_of(work: cost_model.Work) -> float:
    """Seconds that this work takes on an H100 at least."""
    per_image = floor_of_image()
    return sum(per_image[kind] * images for kind, images in work.items())


def floors(units: Sequence[Unit]) -> Seconds:
    """Seconds that each unit takes on an H100 at least."""
    work_of_units = cost_model.work_of_units(list(units))
    return {name: seconds_of(work) for name, work in work_of_units.items()}


def work_of_other_shares(units: Sequence[Unit]) -> cost_model.Work:
    """What chapters train themselves when validation over all sets chooses other shares.

    A unit of one set trains the students of a chosen share with its own choice. The last candidate
    stands for that, and the first for the choice over all sets.
    """
    counter, work = cost_model.WorkCounter(), Counter()
    plans = [unit.plan for unit in units if unit.notebook < "06"]
    for plan in plans:
        counter.work_of_plan(plan)
    for plan in plans:
        for name, students in plan["students"].items():
            chosen = [
                with_chosen_share(student, plan["candidates"]["gan"][0])
                for student in students
                if student.p_fake is None
            ]
            for set_seed, seeds in set_seeds(plan["p"], name, plan["seeds"]).items():
                work += counter.work_of_students(plan["p"], chosen, seeds, set_seed)
    return work


def ways_to_the_end(units: Sequence[Unit], seconds: Seconds) -> Seconds:
    """Seconds from the start of each unit to the end of the last that waits for it."""
    ways = Counter()
    for unit in reversed(units):
        ways[unit.name] += seconds[unit.name]
        for before in unit.after:
            way = ways[unit.name]
            ways[before] = max(ways[before], way)
    return ways


def critical_path(units: Sequence[Unit], seconds: Seconds) -> list[str]:
    """The units that no number of GPUs brings to an end sooner."""
    ends: Seconds = {}
    last: dict[str, str | None] = {}
    for unit in units:
        last[unit.name] = max(unit.after, key=ends.get, default=None)
        ends[unit.name] = seconds[unit.name] + ends.get(last[unit.name], 0.0)
    path, name = [], max(ends, key=ends.get)
    while name:
        path.append(name)
        name = last[name]
    return [name for name in reversed(path) if seconds[name]]


def schedule(units: Sequence[Unit], seconds: Seconds, gpus: int) -> dict[str, tuple[float, float]]:
    """(start, end) of each unit: whenever a GPU is idle, the ready unit with the longest way."""
    ways = ways_to_the_end(units, seconds)
    left = {unit.name: set(unit.after) for unit in units}
    waiting = {name: [u.name for u in units if name in u.after] for name in left}
    ready = [(-ways[name], name) for name, before in left.items() if not before]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []  # (end, unit)
    times, now = {}, 0.0
    while ready or running:
        while ready and len(running) < gpus:
            _, name = heapq.heappop(ready)
            times[name] = (now, now + seconds[name])
            heapq.heappush(running, (times[name][1], name))
        now, done = heapq.heappop(running)
        for name in waiting[done]:
            left[name].discard(done)
            if not left[name]:
                heapq.heappush(ready, (-ways[name], name))
    return times


def wall_time(units: Sequence[Unit], seconds: Seconds, gpus: int) -> float:
    """Seconds until the last unit is done."""
    return max(end for _, end in schedule(units, seconds, gpus).values())


def with_seeds(n: int) -> list[Unit]:
    """The units of chapters 00 to 05 of the paper profile with n sets, or seeds."""
    seeds = list(range(n))
    chapters = {name: given for name, given in profile_of("paper").items() if name < "06"}
    for name, given in chapters.items():
        many = {key: seeds for key in ("sets", "seeds") if key in given}
        if "pairs" in given:
            many["pairs"] = [pair | {"sets": seeds} for pair in given["pairs"]]
        chapters[name] = given | many
    return units_from(chapters)


# Snakemake's own schedule


def snakemake_time(profile: str, seconds: Seconds, workers: int, sleep: float = SLEEP) -> float:
    """Seconds that our Snakefile takes for the units of a profile.

    Its jobs sleep `sleep` times as long as their units take; the result is scaled back.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for unit, takes in seconds.items():
            (Path(scratch) / unit).write_text(str(sleep * takes))
        times = snakemake_times(profile, list(seconds), workers, DUMMY.format(seconds=scratch))
    return span(times) / sleep


def snakemake_times(
    profile: str, units: Sequence[str], workers: int, work: str
) -> dict[str, tuple[float, float]]:
    """(start, end) of the units of a profile, run by our Snakefile in a folder of its own.

    work: what the shell runs for a unit: its arguments are those of Python.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        times, python = folder / "times", folder / "bin" / "python"
        times.mkdir()
        paths.write_atomically(python, TIMED.format(times=times, work=work))
        python.chmod(0o755)
        for name in ("Snakefile", "ganmc_utils", "notebooks", "profiles"):
            (folder / name).symlink_to(paths.ROOT / name)
        targets = [f"results/{profile}/units/{unit}/done" for unit in units]
        settings = ["--config", f"profile={profile}", "units=1", "threads=1"]
        snakemake = Path(sys.executable).parent / "snakemake"
        subprocess.run(
            [snakemake, "--cores", str(workers), *targets, *settings, "--quiet", "all"],
            cwd=folder,
            env=os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}"},
            check=True,
        )
        ends = {which: {} for which in ("start", "end")}
        for file in times.iterdir():
            ends[file.suffix[1:]][file.stem] = float(file.read_text())
    return {unit: (ends["start"][unit], ends["end"][unit]) for unit in units}


def span(times: dict[str, tuple[float, float]]) -> float:
    """Seconds from the first start to the last end."""
    starts, ends = zip(*times.values())
    return max(ends) - min(starts)


def check() -> None:
    """Time Snakemake on each number of GPUs, and keep it for the figure."""
    seconds = floors(units_of("paper"))
    taken = {}
    for n in GPUS:
        taken[n] = snakemake_time("paper", seconds, n)
        print(f"{gpus(n)}: {taken[n] / 60:.1f} min", flush=True)
    paths.write_atomically(CHECKED, json.dumps(taken, indent=1) + "\n")


def workers() -> None:
    """Write what the units of the quick profile take on one and two cores, and the forecast.

    The forecast is list scheduling of the seconds that each unit took on one core.
    """
    units = units_of("quick")
    names = [unit.name for unit in units]
    seconds, rows = {}, ["| Workers | Forecast, s | Taken, s |", "|--:|--:|--:|"]
    for n in (1, 2):
        times = snakemake_times("quick", names, n, f'{sys.executable} "$@"')
        seconds = seconds or {name: end - start for name, (start, end) in times.items()}
        rows.append(f"| {n} | {wall_time(units, seconds, n):.0f} | {span(times):.0f} |")
    text = "\n".join(rows) + "\n"
    paths.write_atomically(PUBLISHED / "workers.md", text)
    print(text)


# For people


def gpus(n: int) -> str:
    """So many GPUs."""
    return "1 GPU" if n == 1 else f"{n} GPUs"


def listing(profile: str) -> str:
    """The units of a profile, what they wait for, and for the paper's their floors."""
    units = units_of(profile)
    seconds = floors(units) if profile == "paper" else {}
    lines = []
    for unit in units:
        takes = seconds.get(unit.name)
        floor = f", at least {takes / 60:.1f} min of an H100" if takes else ""
        waits = f"\n    after {', '.join(unit.after)}" if unit.after else ""
        lines.append(f"{unit.name} ({'GPU' if unit.needs_gpu else 'CPU'}{floor}){waits}")
    if seconds:
        lines += [f"{gpus(n)}: {wall_time(units, seconds, n) / 60:.0f} min at least" for n in GPUS]
        lines.append(f"critical path: {', '.join(critical_path(units, seconds))}")
    return "\n".join(lines)


def row(name: str, n_units: int | str, hours: list[float]) -> str:
    """A row of the table."""
    return f"| {name} | {n_units} | " + " | ".join(f"{value:,.1f}" for value in hours) + " |"


def in_words(units: Sequence[Unit]) -> str:
    """What no number of GPUs shortens, and what is not spread over them."""
    seconds = floors(units)
    path, others = critical_path(units, seconds), seconds_of(work_of_other_shares(units))
    return (
        f"The critical path is {', '.join(path)}: "
        f"{sum(seconds[unit] for unit in path) / 60:,.0f} minutes.\n\n"
        "Chapter 01 trains some students itself, one set after another: those whose share of "
        "images validation chooses over all sets, where it is not the choice of their own set. "
        f"That is at most {others / 60:.1f} minutes in all, "
        f"{others / sum(seconds.values()):.0%} of the floors."
    )


def draw() -> None:
    """Write the table, the words on the critical path and the figure of the page on costs."""
    cases = {
        "as the profile says": units_of("paper"),
        f"{MANY_SEEDS} seeds": with_seeds(MANY_SEEDS),
    }
    rows = ["| Sets and seeds | Units | " + " | ".join(f"{gpus(n)}, h" for n in GPUS) + " |"]
    rows.append("|:--|" + "--:|" * (1 + len(GPUS)))
    figure, ax = plt.subplots(figsize=(5.2, 3.2))
    for name, units in cases.items():
        seconds = floors(units)
        hours = [wall_time(units, seconds, n) / 3600 for n in GPUS]
        least = sum(seconds[unit] for unit in critical_path(units, seconds)) / 3600
        (line,) = ax.plot(GPUS, hours, "o-", label=name)
        ax.axhline(least, color=line.get_color(), ls=":", lw=1)
        rows.append(row(name, sum(map(bool, seconds.values())), hours))
    taken = json.loads(CHECKED.read_text())
    hours = [taken[str(n)] / 3600 for n in GPUS]
    ax.plot(GPUS, hours, "kx", label="as Snakemake does it")
    rows.insert(3, row("as the profile says, jobs that sleep in Snakemake", "", hours))
    ax.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="Hours at least")
    ax.set_xticks(GPUS, [str(n) for n in GPUS])
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    figure.savefig(PUBLISHED / "schedule.svg", bbox_inches="tight", metadata={"Date": None})
    text = "\n".join(rows) + f"\n\n{in_words(units_of('paper'))}\n"
    paths.write_atomically(PUBLISHED / "schedule.md", text)
    print(text)


def main(words: list[str]) -> None:
    """The command."""
    others = {"count": write_counts, "check": check, "draw": draw, "workers": workers}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["plan", *others])
    parser.add_argument("profile", nargs="?", help="of a plan: a folder of profiles/")
    asked = parser.parse_args(words)
    if asked.command != "plan" and asked.profile:
        parser.error(f"{asked.command} takes no profile; leave {asked.profile} out")
    if asked.command != "plan":
        others[asked.command]()
        return
    try:
        print(listing(asked.profile or "paper"))
    except GanmcError as failed:
        sys.exit(f"GanmcError: {failed}")


if __name__ == "__main__":
    main(sys.argv[1:])
