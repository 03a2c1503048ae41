"""How long the units of the paper profile take at least on 1 to 64 GPUs, and which must wait.

    python benchmarks/schedule.py plan [PROFILE]  the units, what they wait for, and their floors
    python benchmarks/schedule.py count           counts what one image costs, for the floors
    python benchmarks/schedule.py draw            the table and the figure of the page on costs

A unit takes the floor of cost_model on an H100. List scheduling gives each GPU that falls idle the
ready unit with the longest way to the end. Units that train no networks of Sec. 3 (chapters 06 to
09) and the start of a kernel count as nothing, so that every time here is too short.
"""

import heapq
import json
import sys
from collections import Counter
from collections.abc import Sequence

import cost_model
import matplotlib.pyplot as plt
import torch

from ganmc_utils.core import paths
from ganmc_utils.core.units import Unit, profile_of, units_from, units_of

PUBLISHED = paths.ROOT / "published" / "benchmarks"
COUNTS = PUBLISHED / "counts.json"
GPUS = (1, 4, 16, 64)
MANY_SEEDS = 100
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


def floors(units: Sequence[Unit]) -> Seconds:
    """Seconds that each unit takes on an H100 at least."""
    costs = {
        (kind, which): cost_model.ImageCost(**counts, seconds=float("nan"))
        for kind, which, counts in json.loads(COUNTS.read_text())
    }
    per_image = {kind: cost_model.H100.floor(cost) for kind, cost in costs.items()}
    return {
        name: sum(per_image[kind] * images for kind, images in work.items())
        for name, work in cost_model.work_of_units(list(units)).items()
    }


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
        path = critical_path(units, seconds)
        least = sum(seconds[unit] for unit in path) / 3600
        (line,) = ax.plot(GPUS, hours, "o-", label=name)
        ax.axhline(least, color=line.get_color(), ls=":", lw=1)
        cells = " | ".join(f"{value:,.1f}" for value in hours)
        rows.append(f"| {name} | {sum(map(bool, seconds.values()))} | {cells} |")
        if name == "as the profile says":
            in_words = f"The critical path is {', '.join(path)}: {60 * least:,.0f} minutes."
    ax.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="Hours at least")
    ax.set_xticks(GPUS, [str(n) for n in GPUS])
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    figure.savefig(PUBLISHED / "schedule.svg", bbox_inches="tight", metadata={"Date": None})
    text = "\n".join(rows) + f"\n\n{in_words}\n"
    paths.write_atomically(PUBLISHED / "schedule.md", text)
    print(text)


def main(words: list[str]) -> None:
    """The command."""
    command, *profile = words
    if command == "plan":
        print(listing(*(profile or ["paper"])))
    elif command == "count":
        write_counts()
    elif command == "draw":
        draw()


if __name__ == "__main__":
    main(sys.argv[1:])
