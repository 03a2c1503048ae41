"""Chapter 06: its plan, its units of work and what the store keeps of them."""

import importlib.util
import json
import sys
from functools import partial

import numpy as np
import pytest
from helpers import defaults

from ganmc_utils.core import parameters, plan
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.notebook_run import NotebookRun
from ganmc_utils.core.store import Store
from ganmc_utils.forests import data as table_data
from ganmc_utils.forests import experiment, small_students
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests.experiment import TaskData, Unit
from ganmc_utils.forests.small_students import SmallStudent
from ganmc_utils.gan.acgan import AcGan

NOTEBOOK = "06_random_forests"
TASK = {
    "name": "toy",
    "table": "breast_cancer",
    "n_train": 150,
    "n_validation": 100,
    "n_test": 219,
    "n_fresh": 40,
    "seeds": [0, 1],
    "max_features": ["sqrt", "none"],
    "max_trees": 3,
    "sources": [
        "train",
        "train_oob",
        "gan",
        "train+gan",
        "jitter",
        "smote",
        "independent",
        "fresh",
    ],
    "gan_epochs": 4,
    "gans": [{"class_weight": 1.0, "members": 2}],
    "leaf_caps": [4, 8],
    "small_trees": 2,
    "small_budget": 1,
}


def parameters_with(out="", more=(), **task):
    """The notebook's parameters with one toy task; task: what it has otherwise."""
    given = {
        "teacher_trees": 5,
        "fake_per_real": 2,
        "throughput_rows": 20,
        "out_dir": str(out),
        "datasets": [TASK | task],
    }
    return parameters.check_dict(NOTEBOOK, defaults(NOTEBOOK) | given | dict(more))


@pytest.fixture(scope="module")
def compress(tmp_path_factory):
    """The notebook's own function, from a module of its import cell and its functions."""
    cells = json.loads(plan.notebook_path(NOTEBOOK).read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    beginnings = (
        "from functools",
        "def compress",
        "def further_students",
        "def learn_from_paper_gan",
    )
    kept = [source for source in sources if source.startswith(beginnings)]
    assert len(kept) == len(beginnings)
    path = tmp_path_factory.mktemp("notebook") / "forest_notebook.py"
    path.write_text("\n\n".join(kept))
    spec = importlib.util.spec_from_file_location("forest_notebook", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "forest_notebook", module)
        spec.loader.exec_module(module)
        yield module.compress


def rows_of_run(p, compress, units):
    """The rows that the notebook's loop collects, as JSON."""
    run = NotebookRun(NOTEBOOK, p)
    for unit in units:
        table = TaskData(unit.task, p.data_dir, run.store)
        name = experiment.unit_name(unit, p, table.checksum, compress)
        run.add_stored(name, partial(compress, unit, table, p))
    return [row.model_dump_json() for row in run.rows if not is_timed(row)]


def is_timed(row):
    return row.metric.startswith(("rows_per_second", "speedup"))


def fail(*args, **more):
    raise AssertionError("computed again")


def test_the_plan_lists_all_units_and_trains_nothing(monkeypatch):
    for module, name in (
        (forest_models, "fit_teacher"),
        (forest_models, "fit_student"),
        (table_data, "read_table"),
        (AcGan, "train"),
    ):
        monkeypatch.setattr(module, name, fail)
    names = plan.planned(NOTEBOOK, datasets=[TASK, TASK | {"name": "other", "seeds": [5]}])
    units = [(unit.task.name, unit.seed, unit.max_features) for unit in names["units"]]
    assert units == [
        ("toy", 0, "sqrt"),
        ("toy", 0, "none"),
        ("toy", 1, "sqrt"),
        ("toy", 1, "none"),
        ("other", 5, "sqrt"),
        ("other", 5, "none"),
    ]
    assert names["students"]["toy"] == ["student_only", *TASK["sources"]]
    assert [gan.members for gan in names["gans"]["toy"]] == [2]


def test_a_stored_unit_is_not_computed_again(compress, tmp_path, monkeypatch):
    p = parameters_with(tmp_path / "a")
    (task,) = p.datasets
    units = [Unit(task, 0, "sqrt"), Unit(task, 0, "none")]
    rows = rows_of_run(p, compress, units)
    elsewhere = rows_of_run(parameters_with(tmp_path / "b"), compress, units)
    assert rows == elsewhere and len(rows) > 100

    for module, name in (
        (forest_models, "fit_teacher"),
        (experiment, "read_table"),
        (AcGan, "train"),
    ):
        monkeypatch.setattr(module, name, fail)
    assert rows_of_run(p, compress, units) == rows
    with pytest.raises(AssertionError, match="computed again"):
        rows_of_run(p, compress, [Unit(task, 1, "sqrt")])


def test_a_unit_has_the_rows_that_the_chapter_shows(compress, tmp_path):
    p = parameters_with(tmp_path)
    (task,) = p.datasets
    table = TaskData(task, "", Store(tmp_path))
    main, other = (compress(Unit(task, 1, features), table, p) for features in ("sqrt", "none"))
    experiments = {row.experiment for row in main}
    assert experiments >= {"teacher", "compression", "supervised", "single_gan", "cost", "capped"}
    assert experiments >= {"headline", "headline_gan", "headline_tree", "choice", "queries"}
    assert experiments >= {"data", "out_of_bag", "oob_mixture", "paper_storage"}
    assert {row.experiment for row in other} == {
        "teacher",
        "compression",
        "out_of_bag",
        "oob_mixture",
        "single_gan",
        "choice",
        "queries",
    }
    assert {row.setting["trees"] for row in main if row.experiment == "compression"} == {1, 2, 3}
    assert {row.setting["trees"] for row in other if row.experiment == "compression"} == {1}
    queries = {row.source: row.value for row in main if row.experiment == "queries"}
    asked = dict.fromkeys(("gan", "jitter", "smote", "independent"), 300)
    assert queries == asked | {"fresh": 40}
    by_seed_and_size = [
        (row.experiment, row.source, row.split, row.metric, row.setting.get("trees"))
        for row in main
        if row.experiment in ("compression", "oob_mixture", "single_gan", "supervised")
    ]
    assert len(by_seed_and_size) == len(set(by_seed_and_size)), "a student is there twice"


def test_a_task_without_gan_caps_or_curves(compress, tmp_path):
    p = parameters_with(
        tmp_path, sources=["train", "jitter"], gans=[], leaf_caps=[], max_trees=1, n_fresh=0
    )
    (task,) = p.datasets
    rows = compress(Unit(task, 0, "sqrt"), TaskData(task, "", Store(tmp_path)), p)
    assert {row.source for row in rows} == {"none", "student_only", "train", "jitter"}
    assert not list(tmp_path.glob("store/acgan*"))


def test_caps_without_a_source_that_generates(compress, tmp_path):
    p = parameters_with(tmp_path, sources=["train"], gans=[])
    (task,) = p.datasets
    rows = compress(Unit(task, 0, "sqrt"), TaskData(task, "", Store(tmp_path)), p)
    assert not [row for row in rows if row.experiment in ("capped", "headline")]


def test_the_compression_sets_of_a_unit(tmp_path):
    p = parameters_with(tmp_path)
    (task,) = p.datasets
    table = TaskData(task, "", Store(tmp_path))
    unit = Unit(task, 1, "none")
    data = table.split(unit)
    teacher = forest_models.fit_teacher(data.x_train, data.y_train, 5, None, 1)
    sets = experiment.compression_sets(unit, data, teacher, table.gans, p)
    assert list(sets) == task.sources
    for source, (x, probability, intended) in sets.items():
        expected = forest_models.probability_of_class_1(teacher, x)
        if source == "train_oob":
            expected, _ = forest_models.out_of_bag_probability(teacher, data.x_train)
        np.testing.assert_array_equal(expected, probability)
        assert intended is None or len(intended) == len(x)
    assert sets["train_oob"][0] is data.x_train
    assert not np.array_equal(sets["train_oob"][1], sets["train"][1])
    for part in range(3):
        both = np.concatenate([sets["train"][part], sets["gan"][part]])
        np.testing.assert_array_equal(sets["train+gan"][part], both)
    assert sets["train"][0] is data.x_train and sets["fresh"][2] is None


def gan_names(**task):
    (task,) = parameters_with(**task).datasets
    gans = experiment.untrained_gans(task, experiment.task_splits(task, ""))
    return [experiment.gan_name(gan) for gan in gans]


def test_the_name_of_a_gan_says_all_that_it_depends_on():
    names = gan_names()
    assert gan_names(name="as_chapter_07_calls_it", max_trees=1) == names
    for change in (
        {"gans": [{"class_weight": 1.0, "members": 3}]},
        {"gans": [{"class_weight": 0.1, "members": 2}]},
        {"gan_epochs": 5},
        {"seeds": [0, 2]},
        {"n_train": 140},
        {"preparation": "authors"},
    ):
        assert gan_names(**change) != names, change


def test_trained_gans_are_shared_through_the_store(tmp_path, monkeypatch):
    (task,) = parameters_with().datasets
    splits = experiment.task_splits(task, "")
    (gan,) = experiment.trained_gans(task, splits, Store(tmp_path))
    monkeypatch.setattr(AcGan, "train_epoch", fail)
    named_otherwise = task.model_copy(update={"name": "table of chapter 07"})
    (again,) = experiment.trained_gans(named_otherwise, splits, Store(tmp_path))
    rows = [g.sample(1, (4,), (0, 1), 50, np.random.default_rng(0))[0] for g in (gan, again)]
    np.testing.assert_array_equal(*rows)


def unit_name(compress, more=(), checksum="c", unit=(0, "sqrt"), **task):
    p = parameters_with(more=more, **task)
    return experiment.unit_name(Unit(p.datasets[0], *unit), p, checksum, compress)


def test_the_name_of_a_unit_says_all_that_it_depends_on(compress):
    name = unit_name(compress)
    assert unit_name(compress, seeds=[1, 0]) == name, "more seeds leave the stored units valid"
    assert unit_name(compress, {"profile": "other", "out_dir": "elsewhere"}) == name
    for change in (
        {"checksum": "d"},
        {"unit": (1, "sqrt")},
        {"unit": (0, "none")},
        {"max_features": ["none", "sqrt"]},  # another main teacher
        {"sources": ["train"]},
        {"more": {"teacher_trees": 6}},
        {"more": {"fake_per_real": 3}},
        {"more": {"jitter_scales": [0.1]}},
        {"more": {"throughput_rows": 30}},
        {"small_budget": 2},
    ):
        assert unit_name(compress, **change) != name, change


def test_data_that_are_not_those_of_the_key_are_refused(tmp_path, monkeypatch):
    (task,) = parameters_with().datasets
    monkeypatch.setattr(experiment, "table_checksum", lambda *about: "of another file")
    with pytest.raises(GanmcError, match="run this chapter again"):
        _ = TaskData(task, "", Store(tmp_path)).splits


@pytest.mark.parametrize("n_test, said", [(50, "toy: 10 of 200 rows are in no part"), (60, "")])
def test_rows_of_a_file_that_no_part_uses_are_mentioned(tmp_path, capsys, n_test, said):
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(200, 2)), np.arange(200) % 2])
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",", header="a,b,y", comments="")
    file = {"table": "csv", "path": str(tmp_path / "mine.csv"), "target": "y"}
    counts = {"n_train": 100, "n_validation": 40, "n_test": n_test, "n_fresh": 0}
    (task,) = parameters_with(sources=["train"], gans=[], **file, **counts).datasets
    assert len(TaskData(task, "", Store(tmp_path)).splits) == 2
    told = capsys.readouterr().out
    assert told.startswith(said) and (told == "") == (said == "")


def test_the_first_of_equals_is_chosen(monkeypatch):
    choice = experiment.SourceChoice(None, None, None, [], None, None)
    candidates = [experiment.Candidate({"scale": s}, None) for s in (0.1, 0.2, 0.3)]
    scores = {0.1: 0.7, 0.2: 0.9, 0.3: 0.9}
    monkeypatch.setattr(choice, "validation_score", lambda source, c: scores[c.setting["scale"]])
    assert choice.best("jitter", candidates) is candidates[1]


def test_the_smallest_student_within_a_limit_or_that_of_least_loss():
    small = SmallStudent(None, {}, 7, validation_loss=0.010, validation_error=0.001, test_loss=0)
    large = SmallStudent(None, {}, 70, validation_loss=0.001, validation_error=0.003, test_loss=0)
    assert small_students.smallest_within(0.012, [large, small]) is small
    assert small_students.smallest_within(0.005, [large, small]) is large
    assert small_students.smallest_within(0.0, [small, large]) is large
