"""CONTRIBUTING.md is true: its walk leads where it says, and each recipe works as it is written."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml

from ganmc_utils.core import paths

BIN = Path(sys.executable).parent
PAGE = (paths.ROOT / "CONTRIBUTING.md").read_text()
RECIPES = re.findall(r"^## (Add .*)$", PAGE, re.MULTILINE)


def section(title):
    """The text under a heading of the page."""
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


# The walk.

WALKS = re.findall(r"^\*\*(From .*?)\.\*\*", section("A walk through the code"), re.MULTILINE)


def hops(title):
    """[(name, file), ...] of a walk: where it starts, and its hops."""
    paragraph = section("A walk through the code").split(f"**{title}.**")[1].split("\n**")[0]
    return re.findall(r"`([^`]+)`\s+in\s+`([^`]+)`", paragraph)


def text_of(file):
    """The text of a file; of a notebook, that of its cells."""
    path = paths.ROOT / file
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def what_stands_at(name, file):
    """What a hop arrives at: a definition, the call that makes a claim, or the whole page."""
    text = text_of(file)
    assert name in text, f"{file} does not hold {name}"
    if not file.endswith(("py", "ipynb")):
        return text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return ast.get_source_segment(text, node)
        if isinstance(node, ast.Call) and name in [getattr(a, "value", None) for a in node.args]:
            return ast.get_source_segment(text, node)
    return text


@pytest.mark.parametrize("title", WALKS)
def test_from_a_result_to_what_decides_it_in_two_hops(title):
    start, first, second = hops(title)
    assert first[0] in text_of(start[1])
    assert second[0] in what_stands_at(*first)
    assert re.match(rf"(def|class) {second[0]}\b", what_stands_at(*second))


def test_the_walks_are_those_that_were_promised():
    assert len(WALKS) == 3
    ends = [hops(title)[-1][0] for title in WALKS]
    assert ends == ["Mixture", "fit_student", "share_between_above_ends"]


# The recipes.


@dataclass
class Block:
    """A fenced block of the page: its language, the file it belongs to, a cell's tag, its text."""

    language: str
    file: str
    tag: str
    text: str


def blocks(title):
    """The fenced blocks of a recipe."""
    fenced = re.finditer(
        r"^( *)```(\w+) ?(\S*) ?(\S*)\n(.*?)^\1```$", section(title), re.MULTILINE | re.DOTALL
    )
    return [Block(*match.group(2, 3, 4), textwrap.dedent(match[5])) for match in fenced]


def changed(text, diff):
    """A text after a diff whose unchanged and removed lines occur in it exactly once."""
    lines = diff.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    assert text.count(old) == 1, f"{text.count(old)} times in the file:\n{old}"
    return text.replace(old, new)


def follow(title, project):
    """Do what a recipe says in a copy of the project; the files that it changed."""
    files = []
    for block in blocks(title):
        path = project / block.file
        if block.language == "bash":
            run(project, "bash", "-ec", block.text)
            continue
        if block.language == "diff":
            path.write_text(changed(path.read_text(), block.text))
        elif path.suffix == ".ipynb":
            add_cell(path, block)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        files.append(block.file)
    return sorted(set(files))


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def add_cell(path, block):
    """Append a cell to a notebook, which is made where there is none."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = KERNEL
    if path.exists():
        notebook = nbformat.read(path, as_version=4)
    cell = nbformat.v4.new_code_cell(block.text.rstrip("\n"))
    if block.tag:
        cell.metadata["tags"] = [block.tag]
    notebook.cells.append(cell)
    nbformat.write(notebook, path)


def run(project, *command, **environment):
    """Run a command in a copy of the project, with its code; what it printed."""
    given = {"PYTHONPATH": str(project), "PATH": f"{BIN}:{os.environ['PATH']}"}
    given |= {"GANMC_OUT": str(project / "published"), "GANMC_DATA": str(project / "data")}
    done = subprocess.run(
        list(map(str, command)),
        cwd=project,
        env=os.environ | given | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def project(tmp_path):
    """A copy of the project: code, chapters, profiles, records, and what tests the parameters."""
    ignored = shutil.ignore_patterns("__pycache__", "_static")
    for folder in ("ganmc_utils", "notebooks", "book", "profiles", "published/records"):
        shutil.copytree(paths.ROOT / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "tests").mkdir()
    for file in ("helpers.py", "conftest.py", "test_parameters.py"):
        shutil.copy(paths.ROOT / "tests" / file, tmp_path / "tests")
    for file in ("pyproject.toml", "Snakefile", "_toc.yml"):
        shutil.copy(paths.ROOT / file, tmp_path)
    return tmp_path


def test_every_addition_has_a_recipe():
    assert RECIPES == [
        "Add a network",
        "Add a source of rows",
        "Add a source of images",
        "Add a table",
        "Add a set of images",
        "Add a chapter",
    ]


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_by_itself_keeps_the_style(project, title):
    files = [file for file in follow(title, project) if file.endswith(("py", "ipynb"))]
    run(project, "ruff", "format", "--check", *files)
    run(project, "ruff", "check", *files)


# What the stored results of chapters 02 and 06 are called; a recipe must not change it.
STORED_NAMES = """
from pathlib import Path

from ganmc_utils.core.plan import planned
from ganmc_utils.core.store import Store
from ganmc_utils.forests.experiment import SourceChoice, unit_name
from ganmc_utils.networks.trained import TrainedModels

plan = planned("02_p_fake_sweep")
trained = TrainedModels(plan["p"], Store(Path("nowhere")))
known = ("train", "gan", "train+gan", "flips", "jitter", "mixup", "fresh")
students = [student for student in plan["students"]["sweep"] if student.source in known]
stored_names = [trained.student_name(student, 0) for student in students]
plan = planned("06_random_forests")
stored_names += [unit_name(unit, plan["p"], "of the file", SourceChoice) for unit in plan["units"]]
"""


def stored_names():
    """The names of stored results in the project as it is."""
    names = {}
    exec(STORED_NAMES, names)
    return names["stored_names"]


TRAIN_A_NEW_STUDENT = """
import json, sys
sys.path.insert(0, "tests")
from helpers import TOY, run_toy_chapter

student = {"network": "dense", "epochs": 2, "batch": 50, "lr": 1e-3}
data = TOY["data"] | {"name": "shapes"}
names = run_toy_chapter("02_p_fake_sweep", "out", student=student, data=data, sets=[0])
end = names["frame"].query("experiment == 'sweep' and split == 'test' and metric == 'accuracy'")
rows = end[["student", "dataset", "source", "value"]].to_dict("records")
print(json.dumps({"rows": rows, "names": stored_names}))
"""


def test_a_new_network_learns_new_images_and_a_new_augmentation(project):
    for title in ("Add a network", "Add a source of images", "Add a set of images"):
        follow(title, project)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    x = rng.integers(0, 100, (1000, 1, 8, 8)) + 100 * y[:, None, None, None]  # dark, then bright
    (project / "data/shapes").mkdir(parents=True)
    np.savez(project / "data/shapes/shapes.npz", x=x.astype(np.uint8), y=y)
    printed = run(project, "python", "-c", STORED_NAMES + TRAIN_A_NEW_STUDENT)
    result = json.loads(printed.splitlines()[-1])
    assert {row["student"] for row in result["rows"]} == {"dense"}
    assert {row["dataset"] for row in result["rows"]} == {"shapes"}
    accuracies = [row["value"] for row in result["rows"] if row["source"] == "contrast"]
    assert len(accuracies) == 2 and all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert result["names"] == stored_names(), "the recipes throw away stored results"


COMPRESS_A_NEW_TABLE = """
import json, sys, yaml
sys.path.insert(0, "tests")
from helpers import run_notebook
from ganmc_utils.forests.tables import table3

(task,) = yaml.safe_load(Path("profiles/banknotes.yml").read_text())["datasets"]
task |= {"seeds": [0], "sources": [*task["sources"], "pairs"]}
change = {"datasets": [task], "teacher_trees": 10, "throughput_rows": 100, "out_dir": "out"}
names = run_notebook("06_random_forests", **change)
scores = names["frame"].query("source == 'pairs' and split == 'test' and trees == 1").value
table = table3(names["frame"], names["p"]).to_csv()
print(json.dumps({"scores": list(scores), "table3": table, "names": stored_names}))
"""


def test_a_new_table_and_a_new_source_of_rows_go_through_chapter_06(project):
    follow("Add a source of rows", project)
    follow("Add a table", project)
    rng = np.random.default_rng(0)
    forged = rng.integers(0, 2, 400)
    length = forged + rng.normal(0, 0.3, 400)
    lines = [f"{a:.4f},{b:.4f},{c}" for a, b, c in zip(length, rng.normal(size=400), forged)]
    (project / "data/banknotes").mkdir(parents=True)
    table = "\n".join(["length,width,forged", *lines])
    (project / "data/banknotes/banknotes.csv").write_text(table + "\n")

    printed = run(project, "python", "-c", STORED_NAMES + COMPRESS_A_NEW_TABLE)
    result = json.loads(printed.splitlines()[-1])
    assert "banknotes" in result["table3"] and "Pairs" in result["table3"]
    (score,) = result["scores"]
    assert score > 0.9  # the length tells a forged one
    assert result["names"] == stored_names(), "the recipes throw away stored results"


def test_a_new_chapter_runs_and_fits_in(project):
    follow("Add a chapter", project)
    notebook = "notebooks/10_how_many_queries.ipynb"
    run(
        project,
        "papermill",
        notebook,
        "out.ipynb",
        "-f",
        "profiles/laptop/" + Path(notebook).stem + ".yml",
    )
    record = json.loads((project / "published/records/10_how_many_queries.json").read_text())
    by_queries = {}
    for row in record["metrics"]:
        by_queries.setdefault(row["setting"]["queries"], []).append(row["value"])
    assert {n: len(values) for n, values in by_queries.items()} == {100: 5, 1000: 5, 10000: 5}
    assert np.mean(by_queries[10000]) > np.mean(by_queries[100])
    assert len(record["results"]) == 15, "each unit is stored"
    assert list((project / "published/figures").glob("10_how_many_queries_1.*"))

    code = (
        "from ganmc_utils.core.plan import planned; print(planned('10_how_many_queries')['units'])"
    )
    assert (
        run(project, "python", "-c", code).strip() == "[(100, 0), (100, 1), (1000, 0), (1000, 1)]"
    )
    ordered = run(
        project, "snakemake", "--dry-run", "--cores", "1", XDG_CACHE_HOME=project / "cache"
    )
    assert "chapter_10_how_many_queries" in ordered
    toc = yaml.safe_load((project / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    assert {"file": f"published/{Path(notebook).with_suffix('')}"} in chapters
    run(project, "python", "-m", "pytest", "-q", "-k", "not nbval", "tests/test_parameters.py")
