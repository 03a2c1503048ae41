"""The exercises of the chapters: each solution is a command that the chapter understands."""

import re
import shlex

import nbformat
import papermill.cli
import pytest
from helpers import SMALL_SCORES, at_toy_size, defaults, run_notebook

from ganmc_utils.core import parameters, paths
from ganmc_utils.core.plan import notebook_path, planned

NEEDS_NONE = {"08_scoreboard"}  # runs nothing: it judges the records of the others

SOLUTION = re.compile(r"^````\{dropdown\} Solution\n(.*?)^````$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```bash\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
WHERE_A_RUN_WRITES = {"profile", "out_dir"}
PLACES = {"exercise", "results/exercise"}


def exercises(notebook):
    """The part of a chapter that holds its exercises; "" where it has none."""
    cells = nbformat.read(notebook_path(notebook), as_version=4).cells
    page = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    _, heading, rest = page.partition("## Exercises\n")
    return rest.split("\n## ")[0] if heading else ""


def solutions(notebook):
    """The text of every solution of a chapter."""
    return SOLUTION.findall(exercises(notebook))


CHAPTERS = sorted(set(parameters.NOTEBOOKS) - NEEDS_NONE)
SOLUTIONS = [(name, k) for name in CHAPTERS for k in range(len(solutions(name)))]


@pytest.fixture
def run_by(monkeypatch):
    """A function: the notebook and the parameters that papermill takes from a command line."""
    given = {}
    monkeypatch.setattr(papermill.cli, "execute_notebook", lambda **names: given.update(names))
    monkeypatch.chdir(paths.ROOT)  # where a reader runs it, beside notebooks/ and profiles/

    def run(command):
        program, *arguments = shlex.split(command.replace("\\\n", " "))
        assert program == "papermill"
        papermill.cli.papermill(arguments, standalone_mode=False)
        return given["input_path"], given["parameters"]

    return run


def command_of(notebook, k):
    """The one command of a solution."""
    (command,) = COMMAND.findall(solutions(notebook)[k])
    return command


@pytest.mark.parametrize("notebook", CHAPTERS)
def test_a_chapter_has_two_or_three_exercises_with_folded_solutions(notebook):
    n = len(solutions(notebook))
    assert n in (2, 3)
    questions = SOLUTION.sub("", exercises(notebook))
    assert questions.count("?") + questions.count(".\n") >= n
    assert "```" not in questions, "a command that is not folded away"
    for solution in solutions(notebook):
        words = COMMAND.sub("", solution).split()
        assert len(words) >= 20, f"what to look at, and what to expect: {words}"


@pytest.mark.parametrize("notebook", sorted(NEEDS_NONE & set(parameters.NOTEBOOKS)))
def test_the_list_of_chapters_without_exercises_shrinks(notebook):
    assert not exercises(notebook), "it has exercises: take it off the list"


@pytest.mark.parametrize("notebook, k", SOLUTIONS)
def test_a_solution_changes_parameters_that_the_chapter_knows(run_by, notebook, k):
    path, change = run_by(command_of(notebook, k))
    assert path == f"notebooks/{notebook}.ipynb"
    where = (change.get("out_dir"), change.get("profile"))
    assert set(where) & PLACES, "it would overwrite the record of a smoke test"
    given = defaults(notebook)
    changed = {name for name, value in change.items() if value != given.get(name)}
    assert changed - WHERE_A_RUN_WRITES, "it changes nothing"
    p = planned(notebook, **change)["p"]  # under the notebook's own check
    assert p == parameters.check_dict(notebook, given | change)


@pytest.mark.parametrize(
    "command, words",
    [
        ('-y "jitter_scal: 0.1"', "jitter_scal"),
        ('-y "jitter_scale: -0.1"', "greater than 0"),
        ('-y "teacher: {network: cnn6, epochs: 3, batch: 50, lr: 1e-3}"', "valid number"),
    ],
)
def test_a_wrong_command_would_be_seen(run_by, command, words):
    _, change = run_by(f"papermill notebooks/01_dnn_compression.ipynb out.ipynb {command}")
    with pytest.raises(parameters.GanmcError, match=words):
        planned("01_dnn_compression", **change)


# Runs at toy size.

TABLE = {"seeds": [0, 1], "max_trees": 2, "gan_epochs": 4, "leaf_caps": [4], "small_budget": 1}


def toy_table(notebook):
    """A chapter of forests: its table with a few epochs of its GAN."""
    (task,) = defaults(notebook)["datasets"]
    return {"teacher_trees": 10, "throughput_rows": 20, "datasets": [task | TABLE]}


def toy_scores(notebook):
    """The chapter of scores, with a few sets of samples and a small table."""
    table = defaults(notebook)["table"] | {"gan_epochs": 4, "seeds": [0]}
    return SMALL_SCORES | {"inferior_epochs": [1], "table": table}


def toy(notebook):
    """Parameters that run a chapter in seconds."""
    if notebook.startswith("06"):
        return toy_table(notebook)
    if notebook.startswith("07"):
        return toy_scores(notebook)
    return at_toy_size(notebook)


# One exercise of a chapter, the cheapest: its place among them.
RUN = {
    "00_teachers_and_gan": 0,
    "01_dnn_compression": 0,
    "02_p_fake_sweep": 0,
    "03_augmentation": 1,
    "04_gan_quality": 0,
    "05_supervised_learning": 1,
    "06_random_forests": 0,
    "07_compression_score": 1,
}


@pytest.mark.parametrize("notebook", sorted(RUN))
def test_a_solution_runs(run_by, tmp_path, notebook):
    _, change = run_by(command_of(notebook, RUN[notebook]))
    given = toy(notebook) | change | {"out_dir": str(tmp_path)}
    names = run_notebook(notebook, **given)
    assert len(names["frame"])
    used = names["p"].model_dump()
    checked = parameters.check_dict(notebook, defaults(notebook) | given).model_dump()
    assert {name: used[name] for name in change} == {name: checked[name] for name in change}
