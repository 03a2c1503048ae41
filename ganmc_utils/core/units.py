"""The units of work of a profile: one plan for Snakemake, for clusters and for a bare machine.

    python -m ganmc_utils.core.units plan PROFILE
    python -m ganmc_utils.core.units run PROFILE UNIT --out OUT [--minutes MINUTES]

A unit is a chapter of which only a part is done: one trained set, one pair of Table 1, one seed. It
fills the store that all units share, and ends where the chapter has its record. The chapter itself
is the last of its units: it finds their results, trains what validation has chosen over all sets,
and draws. So a unit decides no result: it only says when and where one is computed.

The units follow from the `plan` cells of the chapters. Each lists the models that it asks for, and
whoever lists a model first trains it: all others wait for that unit, so that no two of them ever
train one model or write one file.

Exit status of `run`: 0 done; 75 its time is over, what it did is saved; 1 it failed.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import papermill
import psutil

from ganmc_utils.core import parameters, paths, profiles
from ganmc_utils.core.checkpoints import OutOfTime, out_of_time
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.plan import is_tagged, notebook_path, planned, set_seeds

MORE_TO_DO = 75  # os.EX_TEMPFAIL
GRACE = 20  # seconds from the end of the time to a kill: SLURM kills 30 seconds after SIGTERM
GAN_FIELDS = (  # of a ForestTask: what its AC-GANs depend on
    "table",
    "path",
    "target",
    "n_train",
    "n_validation",
    "n_test",
    "n_fresh",
    "seeds",
    "preparation",
    "gan_epochs",
    "gans",
)


@dataclass(frozen=True)
class Unit:
    """A part of a chapter, or the chapter itself.

    Attributes:
        name: readable, and safe as the name of a file; a chapter's is that of its notebook.
        notebook: the chapter.
        parameters: that the chapter is run with: those of the profile, perhaps fewer sets or seeds.
        narrowing: a line of code that runs after the plan cell and leaves a part of the plan.
        after: the units that must be done before.
        needs_gpu: whether it trains networks where the profile allows a GPU.
    """

    name: str
    notebook: str
    parameters: dict
    narrowing: str
    after: tuple[str, ...]
    needs_gpu: bool

    @property
    def is_chapter(self) -> bool:
        """Whether it is the whole chapter, which draws."""
        return self.name == self.notebook

    @property
    def plan(self) -> dict:
        """The names that its plan defines."""
        return planned(self.notebook, self.narrowing, **self.parameters)


# The units of a profile


def profile_of(profile: str) -> dict[str, dict]:
    """The parameters of each chapter of a profile: profiles/NAME, or a folder given as a path.

    A chapter without a file is left out; the scoreboard needs none.

    Raises:
        GanmcError: there is no such profile.
    """
    if profile == profiles.QUICK:
        return {notebook: {"profile": profiles.QUICK} for notebook in parameters.NOTEBOOKS}
    folder = Path(profile) if os.sep in profile else paths.ROOT / "profiles" / profile
    if not folder.is_dir():
        raise GanmcError(f"{folder}: no such profile; profiles/ has those that there are")
    given = {}
    for notebook, chapter in parameters.NOTEBOOKS.items():
        file = folder / f"{notebook}.yml"
        if file.exists():
            given[notebook] = profiles.read(file)
        elif chapter is parameters.Scoreboard:
            given[notebook] = {"profile": folder.name}
    return given


def units_of(profile: str) -> list[Unit]:
    """All units of a profile, each after those that it waits for."""
    return units_from(profile_of(profile))


def units_from(chapters: dict[str, dict]) -> list[Unit]:
    """All units of chapters with these parameters, each after those that it waits for."""
    trained_by: dict[Hashable, str] = {}  # the unit that first asks for a model
    kin: dict[Hashable, set[str]] = defaultdict(set)  # the units that train it at any epoch
    units: list[Unit] = []
    for notebook, given in chapters.items():
        if parameters.NOTEBOOKS[notebook] is parameters.Scoreboard:
            of_records = tuple(unit.name for unit in units if unit.is_chapter)
            units.append(Unit(notebook, notebook, given, "", of_records, False))
            continue
        for unit in parts_of(notebook, given):
            models = models_of(unit.plan)
            new = [model for model in models if model not in trained_by]
            if not (new or unit.is_chapter):
                continue  # others train all of it
            waits_for = {trained_by[model] for model in models if model in trained_by}
            waits_for = waits_for.union(*(kin[at_any_epoch(model)] for model in new))
            trained_by |= dict.fromkeys(new, unit.name)
            for model in new:
                kin[at_any_epoch(model)].add(unit.name)
            order = [other.name for other in units if other.name in waits_for]
            units.append(replace(unit, after=tuple(order)))
    return units


def parts_of(notebook: str, given: dict) -> Iterator[Unit]:
    """The units of a chapter without what they wait for; the last is the chapter itself."""
    chapter = Unit(notebook, notebook, given, "", (), False)
    try:
        plan = chapter.plan
    except LookupError:  # it has no plan: it is one unit
        yield chapter
        return
    p = plan["p"]
    trains_networks = isinstance(p, parameters.NetworkModels)
    needs_gpu = trains_networks and p.device != "cpu"
    parts = list(narrowed(p, plan))
    for part, change, narrowing in parts if len(parts) > 1 else []:
        name = f"{notebook[:2]}-{part}"
        yield Unit(name, notebook, given | change, narrowing, (), needs_gpu)
    yield replace(chapter, needs_gpu=needs_gpu)


def narrowed(p: parameters.Parameters, plan: dict) -> Iterator[tuple[str, dict, str]]:
    """(name, parameters that change, narrowing of the plan) of the parts of a chapter."""
    if isinstance(p, parameters.SetChapter):
        yield from parts_by_set(p)
    elif isinstance(p, parameters.CompressionScores):
        for seed in p.seeds:
            of_seed = f"[(s, seed) for s, seed in sample_sets if seed == {seed}]"
            yield f"seed-{seed}", {}, f"sample_sets, table_units = {of_seed}, []"
        for k, unit in enumerate(plan["table_units"]):
            narrowing = f"sample_sets, table_units = [], table_units[{k}:{k + 1}]"
            yield f"table-seed-{unit.seed}", {}, narrowing
    elif isinstance(p, parameters.NetworkChapter):
        for seed in p.seeds:
            yield f"seed-{seed}", {"seeds": [seed]}, ""
    elif isinstance(p, parameters.RandomForests):
        # The AC-GANs of all seeds of a table train side by side: its seeds stay.
        for task in p.datasets:
            for seed in task.seeds:
                of_seed = f"(unit.task.name, unit.seed) == ({task.name!r}, {seed})"
                narrowing = f"units = [unit for unit in units if {of_seed}]"
                yield f"{task.name}-seed-{seed}", {}, narrowing


def parts_by_set(p: parameters.SetChapter) -> Iterator[tuple[str, dict, str]]:
    """The parts of a chapter with trained sets: each set, then each pair of Table 1 and set."""
    pairs = getattr(p, "pairs", [])
    without_pairs = {"pairs": []} if pairs else {}
    for set_seed in p.sets:
        yield f"set-{set_seed}", {"sets": [set_seed]} | without_pairs, ""
    for i, pair in enumerate(pairs, 1):
        for set_seed in pair.sets:
            of_set = pair.model_dump() | {"sets": [set_seed]}
            yield f"pair-{i}-set-{set_seed}", {"sets": [set_seed], "pairs": [of_set]}, ""


# The models of a plan


def models_of(plan: dict) -> list[Hashable]:
    """What a plan asks for, each a name that is the same in every plan that asks for it."""
    p = plan.get("p")
    if isinstance(p, parameters.CompressionScores):
        models = [("teacher", 0, p.teacher), ("gan", 0), "what every score needs"]
        models += [(sample_set, seed) for sample_set, seed in plan["sample_sets"]]
        return models + models_of_tables(plan["table_units"], "score")
    if isinstance(p, parameters.NetworkModels):
        return models_of_networks(p, plan)
    return models_of_tables(plan.get("units", []), "compress")


def models_of_networks(p: parameters.NetworkModels, plan: dict) -> list[Hashable]:
    """Teachers, GANs and students, each with its trained set; a teacher not asked is left out."""
    models: list[Hashable] = []
    lists = [*plan.get("candidates", {}).items(), *plan["students"].items()]
    for name, students in lists:
        for set_seed, seeds in set_seeds(p, name, plan["seeds"]).items():
            for student in students:
                if student.asks_teacher:
                    models.append(("teacher", set_seed, student.teacher))
                if student.sees_gan:
                    models.append(("gan", set_seed))
                teacher = student.teacher if student.asks_teacher else None
                learner = replace(student, teacher=teacher)
                models += [(set_seed, learner, seed) for seed in seeds]
    return models


def at_any_epoch(model: Hashable) -> Hashable:
    """A name that students of one GAN share, whatever its epoch.

    One of the epoch that validation chooses may be one that another plan lists by its epoch.
    """
    match model:
        case (set_seed, student, seed) if hasattr(student, "gan_epoch"):
            return set_seed, replace(student, gan_epoch=None), seed
    return model


def models_of_tables(units: list, work: str) -> list[Hashable]:
    """The AC-GANs of tables, and what is done with one seed of a table."""
    models: list[Hashable] = []
    for unit in units:
        if "gan" in unit.task.sources:
            models.append(("gans", unit.task.model_dump_json(include=set(GAN_FIELDS))))
        models.append((work, unit.task.name, unit.seed, unit.max_features))
    return models


# Running a unit


def run_unit(unit: Unit, out: Path) -> bool:
    """Run a unit unless it is done; False if its time was over before it was.

    Units share the store of `out`; what else a unit writes lies in out/units/NAME. A chapter writes
    to `out` itself. `done` is written last.

    Raises:
        GanmcError: it failed.
    """
    folder = out / "units" / unit.name
    done, key = folder / "done", unit_key(unit)
    if done.is_file() and done.read_text() == key:
        return True
    part = folder / f"{unit.notebook}.ipynb"
    part.parent.mkdir(parents=True, exist_ok=True)
    writes_to = out if unit.is_chapter else folder
    os.environ |= {"GANMC_OUT": str(writes_to), "GANMC_STORE": str(out)}
    os.environ.setdefault("GANMC_DEADLINE", "inf")  # SIGTERM makes a kernel save and stop
    if not execute(notebook_of(unit), unit, part):
        return False
    if unit.is_chapter:
        put_into_place(part, out / "notebooks" / part.name)
    paths.write_atomically(done, key)
    return True


def unit_key(unit: Unit) -> str:
    """What a finished unit was made of: its parameters, its notebook and the package.

    Any changed file makes a unit run again; what it trained it finds in the store.
    """
    code = [notebook_path(unit.notebook), *sorted((paths.ROOT / "ganmc_utils").rglob("*.py"))]
    content = b"".join(file.read_bytes() for file in code)
    settings = json.dumps([unit.notebook, unit.parameters, unit.narrowing], sort_keys=True)
    return hashlib.sha256(settings.encode() + content).hexdigest()


def notebook_of(unit: Unit) -> nbformat.NotebookNode:
    """The notebook that a unit runs; short of its chapter it ends with the record."""
    notebook = nbformat.read(notebook_path(unit.notebook), as_version=4)
    if unit.is_chapter:
        return notebook
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if is_tagged(cell, "plan") and unit.narrowing:
            cells.append(nbformat.v4.new_code_cell(unit.narrowing))
        if "run.save()" in cell.source:
            break
    notebook.cells = cells
    return notebook


def execute(notebook: nbformat.NotebookNode, unit: Unit, part: Path) -> bool:
    """Run a notebook into the file `part`; False if it was out of time.

    Raises:
        GanmcError: it failed.
    """
    source = part.with_suffix(".source.ipynb")
    nbformat.write(notebook, source)
    quiet = {"progress_bar": False, "log_output": False}
    try:
        papermill.execute_notebook(str(source), str(part), unit.parameters, **quiet)
    except papermill.PapermillExecutionError as failed:
        if failed.ename == OutOfTime.__name__:
            print(f"{unit.name}: {failed.evalue}", flush=True)
            return False
        raise GanmcError(f"{unit.name}: {failed.ename}: {failed.evalue}") from None
    except RuntimeError as failed:  # the kernel died; told to end before it was ready, it just does
        if out_of_time():
            print(f"{unit.name}: out of time, its kernel was not ready", flush=True)
            return False
        raise GanmcError(f"{unit.name}: {failed}") from None
    finally:
        source.unlink()
    return True


def put_into_place(part: Path, final: Path) -> None:
    """Move a chapter's notebook, without timestamps, to where the book takes it from."""
    final.parent.mkdir(parents=True, exist_ok=True)
    script = paths.ROOT / "book" / "clean_notebook.py"
    if script.exists():
        subprocess.run([sys.executable, script, part, final], check=True)
    else:
        shutil.move(part, final)


def end_in_time(minutes: float | None) -> None:
    """End this process with 75 after some minutes or on SIGTERM.

    The kernel is told, so that training saves its state. Work that cannot be saved half-done is
    given up after GRACE seconds; what was stored before remains.
    """

    def give_up(*_):
        for kernel in psutil.Process().children(recursive=True):
            kernel.kill()
        os._exit(MORE_TO_DO)

    def tell_the_kernel(*_):
        os.environ["GANMC_DEADLINE"] = "0"  # also for a kernel that is yet to start
        for kernel in psutil.Process().children():
            kernel.terminate()
        signal.alarm(GRACE)

    signal.signal(signal.SIGTERM, tell_the_kernel)
    signal.signal(signal.SIGALRM, give_up)
    if minutes:
        os.environ["GANMC_DEADLINE"] = str(time.time() + 60 * minutes)
        signal.alarm(round(60 * minutes) + GRACE)


# The command


def listing(units: list[Unit]) -> str:
    """The plan for people: a line for each unit, with what it waits for."""
    lines = []
    for unit in units:
        device = "GPU" if unit.needs_gpu else "CPU"
        waits = f" after {', '.join(unit.after)}" if unit.after else ""
        lines.append(f"{unit.name} ({device}){waits}")
    return "\n".join(lines)


def unit_named(profile: str, name: str) -> Unit:
    """A unit of a profile.

    Raises:
        GanmcError: it has none of that name.
    """
    for unit in units_of(profile):
        if unit.name == name:
            return unit
    raise GanmcError(f"{name}: {profile} has no such unit; `units plan {profile}` lists them")


def folder_of_run(out: str | Path) -> Path:
    """Where a run writes, as an absolute path.

    Raises:
        GanmcError: a file, or a folder whose own files it would replace.
    """
    folder = paths.typed_path("--out", out).resolve()
    if folder in (paths.ROOT, paths.ROOT / "published"):
        raise user_error(f"--out {out}", "the project's own files are there", "name another folder")
    if folder.exists() and not folder.is_dir():
        raise user_error(f"--out {out}", "a file", "name a folder")
    return folder


def minutes(word: str) -> float:
    """A time limit of the command line.

    Raises:
        ValueError: no positive number.
    """
    if not 0 < float(word) < math.inf:
        raise ValueError
    return float(word)


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m ganmc_utils.core.units")
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="list the units of a profile")
    run = commands.add_parser("run", help="run one unit")
    for command in (plan, run):
        command.add_argument("profile", help="a folder of profiles/, or a path to one")
    run.add_argument("unit", help="its name in the plan")
    run.add_argument("--out", required=True, help="where the run of the profile writes")
    run.add_argument("--minutes", type=minutes, help="time it may take; none: as long as it needs")
    given = parser.parse_args(words)
    try:
        if given.command == "plan":
            print(listing(units_of(given.profile)))
            return 0
        end_in_time(given.minutes)
        is_done = run_unit(unit_named(given.profile, given.unit), folder_of_run(given.out))
    except GanmcError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0 if is_done else MORE_TO_DO


if __name__ == "__main__":
    sys.exit(main())
