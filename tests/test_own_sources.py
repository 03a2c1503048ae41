"""A generator of the user's own file: in the chapters, in the keys, and what it may not give."""

import numpy as np
import pytest
import torch
from helpers import SMALL_SCORES, at_toy_size, defaults, run_notebook, run_toy_chapter, toy_images

from ganmc_utils.core import parameters, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.own_source import OwnImages, OwnRows
from ganmc_utils.core.registry import own_entry
from ganmc_utils.core.store import Store
from ganmc_utils.forests import experiment as forest_experiment
from ganmc_utils.networks.experiment import Student
from ganmc_utils.networks.tables import accuracy_by_share
from ganmc_utils.networks.trained import TrainedModels

IMAGES = """
import torch

SHIFT = 0.1


class Shifted:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def sample(self, n, rng):
        rows = torch.randint(len(self.x), (n,), generator=rng)
        return (self.x[rows] + SHIFT).clip(-1, 1), self.y[rows]


class Other(Shifted):
    pass


class Learns:
    made = 0

    def __init__(self, x, y):
        Learns.made += 1
        self.shift = torch.nn.Parameter(torch.zeros(()))
        (x.mean() - self.shift).square().backward()
        self.shift.data -= self.shift.grad / 2
        self.shape = x.shape[1:]

    def sample(self, n, rng):
        return self.shift + torch.zeros(n, *self.shape)


def without_classes(n, rng):
    return 2 * torch.rand(n, 1, 8, 8, generator=rng) - 1


class Nothing:
    pass


class NumberForSample:
    sample = 3


class SampleOfOneArgument:
    def sample(self, n):
        pass


class SampleOfTheClass:
    @staticmethod
    def sample(n, rng):
        pass


class NeedsMore(Shifted):
    def __init__(self, x, y, z):
        pass


def of_one_argument(n):
    pass
"""
ROWS = """
import numpy as np


class Wide:
    def __init__(self, x, y):
        self.x = x

    def sample(self, n, rng):
        rows = self.x[rng.integers(len(self.x), size=n)]
        return rows + 0.3 * rng.standard_normal(rows.shape)
"""
TABLE = {"max_trees": 3, "seeds": [0], "sources": ["train", "jitter", "rows.py:Wide"], "gans": []}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a file of sources of images and one of rows, where the program runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(IMAGES)
    (tmp_path / "rows.py").write_text(ROWS)
    return tmp_path


def given(notebook, **change):
    return parameters.check_dict(notebook, defaults(notebook) | change)


# In the chapters


def test_beside_flips_as_the_gan_is(here):
    names = run_toy_chapter(
        "03_augmentation", here / "out", sources=["mine.py:Shifted"], to_its_end=True
    )
    end = names["frame"]
    end = end[(end.experiment == "augmentation") & (end.metric == "accuracy")]
    of_own = end[(end.source == "own") & (end.split == "test")]
    assert len(of_own) == 4 * 2, "two teachers, two students, two seeds"
    assert set(of_own.p_fake) == {0.5}
    table = (here / "out" / "tables" / "03_flips.md").read_text()
    assert "A source of your own" in table and "Its difference" in table
    (record,) = records.load_all(here / "out" / "records")
    assert "mine.py:Shifted" in {row.source for row in record.metrics}


def test_with_a_teacher_and_without(here):
    names = run_toy_chapter(
        "05_supervised_learning", here / "out", sources=["mine.py:Shifted"], to_its_end=True
    )
    frame = names["frame"]
    own = accuracy_by_share(frame, "supervised_learning", "own", "supervised")
    gan = accuracy_by_share(frame, "supervised_learning", "gan", "supervised")
    assert list(own) == [0.0, 0.5, 1.0] and len(own) == 2
    assert own[0.0].equals(gan[0.0]) and not own[1.0].equals(gan[1.0])
    assert set(frame[frame.source == "own"].objective) == {"supervised", "l2"}


def test_without_a_teacher_the_classes_are_those_that_the_source_means(here):
    p = given("05_supervised_learning", **at_toy_size("05_supervised_learning"))
    trained = TrainedModels(p, Store(here / "store"))
    alone = Student(p.teacher, p.student, "mine.py:Shifted", 1.0, objective="supervised")
    beside = Student(p.teacher, p.student, "mine.py:Shifted", 1.0)
    group = [(alone, 0), (beside, 0)]
    batch = trained.source_batches(group, alone).at(0)
    shifted = {image.numpy().tobytes(): int(y) for image, y in zip(*shifted_training(trained))}
    assert [shifted[image.numpy().tobytes()] for image in batch.x] == batch.y.tolist()
    assert batch.z.shape == (p.student.batch, 10)


def test_a_source_may_train_itself_and_does_so_once(here):
    p = given("03_augmentation", **at_toy_size("03_augmentation"))
    trained = TrainedModels(p, Store(here / "store"))
    student = Student(p.teacher, p.student, "mine.py:Learns", 0.5)
    first, again = (trained.source_batches([(student, 0)], student).at(0) for _ in range(2))
    assert torch.equal(first.x, again.x) and not first.x.requires_grad
    mean = trained.data.x_train.mean()
    assert torch.allclose(first.x, mean.expand_as(first.x), atol=1e-6)
    assert own_entry("mine.py:Learns").made == 1


def shifted_training(trained):
    return (trained.data.x_train + 0.1).clip(-1, 1), trained.data.y_train


def test_classes_are_needed_where_no_teacher_labels(here):
    with pytest.raises(GanmcError, match=r"without_classes: gives no classes.*return a pair"):
        run_toy_chapter("05_supervised_learning", here / "out", sources=["mine.py:without_classes"])


def test_scored_beside_the_gan(here):
    table = defaults("07_compression_score")["table"] | TABLE
    change = SMALL_SCORES | {"seeds": [0], "levels": {"distinct": [0.1, 1.0]}, "table": table}
    names = run_notebook(
        "07_compression_score", **change, out_dir=str(here / "out"), sources=["mine.py:Shifted"]
    )
    frame = names["frame"]
    of_own = frame[(frame.experiment == "generators") & (frame.source == "own")]
    assert len(of_own) == 8 and set(of_own.samples) == {"own"}
    assert "A source of your own" in names["score_tables"].table4(frame)
    of_table = frame[frame.experiment == "tabular"]
    assert {"train", "jitter", "own"} == set(of_table.source)


def test_rows_of_ones_own_compete_in_chapter_06(here):
    (task,) = defaults("06_random_forests")["datasets"]
    task |= TABLE | {"leaf_caps": [4, 16]}
    names = run_notebook("06_random_forests", datasets=[task], teacher_trees=20, out_dir="out")
    frame = names["frame"]
    one_tree = frame[(frame.experiment == "compression") & (frame.split == "test")]
    assert set(one_tree.source) == {"student_only", "train", "jitter", "own"}
    queries = frame[(frame.metric == "rows") & (frame.experiment == "queries")]
    assert queries.set_index("source").value["own"] == 9 * task["n_train"]
    table = names["forest_tables"].table3(frame, names["p"])
    assert "A source of your own" in set(table["Source"])


# In the keys


def test_an_edited_file_is_trained_on_anew_and_leaves_other_results(here):
    p = given("03_augmentation")
    trained = TrainedModels(p, Store(here / "store"))
    own = Student(p.teacher, p.student, "mine.py:Shifted", 0.5)
    jitter = Student(p.teacher, p.student, "jitter", 0.5, jitter_scale=0.5)

    def names():
        return trained.student_name(own, 0), trained.student_name(jitter, 0)

    first, other = names()
    assert "/" not in first and ":" not in first
    (here / "mine.py").write_text(IMAGES.replace("SHIFT = 0.1", "SHIFT = 0.2"))
    changed, same = names()
    assert changed != first and same == other
    (here / "mine.py").write_text(IMAGES.replace("class Nothing", "class Something"))
    assert names() == (first, other), "what the source does not use has no part in it"


def test_an_edited_file_scores_anew(here):
    (task,) = given("06_random_forests", datasets=[table_task()]).datasets
    p = given("06_random_forests", datasets=[table_task()])
    unit = forest_experiment.Unit(task, 0, "sqrt")

    def name():
        return forest_experiment.unit_name(unit, p, "checksum", forest_experiment.compression_sets)

    first = name()
    (here / "rows.py").write_text(ROWS.replace("0.3", "0.4"))
    assert name() != first
    (here / "rows.py").write_text(ROWS + "\n# a comment\n")
    assert name() == first


def table_task():
    (task,) = defaults("06_random_forests")["datasets"]
    return task | TABLE


# What it may not give


@pytest.mark.parametrize(
    "notebook, sources, words",
    [
        ("03_augmentation", ["mine.py:Absent"], "mine.py: does not define Absent; name one"),
        ("05_supervised_learning", ["absent.py:Shifted"], "absent.py: cannot be read"),
        ("07_compression_score", ["mine.py:Nothing"], "its class has no sample(n, rng)"),
        ("03_augmentation", ["mine.py:NumberForSample"], "its class has no sample(n, rng); give"),
        ("03_augmentation", ["mine.py:SampleOfOneArgument"], "its class has no sample(n, rng)"),
        ("03_augmentation", ["mine.py:NeedsMore"], "made with the training data (x, y) or with"),
        ("03_augmentation", ["mine.py:of_one_argument"], "is called with (n, rng); let it take"),
        ("03_augmentation", ["gan"], "a source of your own is named my.py:Generator"),
        ("03_augmentation", ["mine.py:Shifted", "mine.py:Other"], "compare them in two runs"),
    ],
)
def test_parameters_refuse_what_is_no_source(here, notebook, sources, words):
    with pytest.raises(GanmcError) as failed:
        given(notebook, sources=sources)
    assert words in str(failed.value) and "\n" not in str(failed.value)


def test_a_method_of_the_class_itself_is_one(here):
    name = "mine.py:SampleOfTheClass"
    assert given("03_augmentation", sources=[name]).sources == [name]


def test_parameters_of_a_table_refuse_it_alike(here):
    task = table_task() | {"sources": ["train", "rows.py:Absent"]}
    with pytest.raises(GanmcError, match=r"rows.py: does not define Absent"):
        given("06_random_forests", datasets=[task])


def says_in_one_line(words, source, n, rng):
    with pytest.raises(GanmcError) as failed:
        source.sample(n, rng)
    assert words in str(failed.value) and "\n" not in str(failed.value)
    assert str(failed.value).startswith("bad.py:draw: ")


@pytest.mark.parametrize(
    "gives, words",
    [
        ("torch.zeros(n, 1, 8, 7)", "gives samples of shape (20, 1, 8, 7) for n = 20; it must"),
        ("torch.zeros(n - 1, 1, 8, 8)", "gives samples of shape (19, 1, 8, 8)"),
        ("torch.full((n, 1, 8, 8), float('nan'))", "gives NaN or infinity"),
        ("255 * torch.rand(n, 1, 8, 8)", "the real images are in [-1, 1]; scale them"),
        ("torch.rand(n, 1, 8, 8)", "(from [0, 1]: 2 x - 1)"),
        ("(2 * torch.rand(n, 1, 8, 8) - 1, torch.full((n,), 3))", "whole numbers below 3"),
        ("(2 * torch.rand(n, 1, 8, 8) - 1, torch.zeros(n))", "gives classes that are not 20"),
        ("'images'", "fails (TypeError"),
        ("1 / 0", "fails (ZeroDivisionError: division by zero); mend it"),
    ],
)
def test_bad_images_are_one_line(here, gives, words):
    (here / "bad.py").write_text(f"import torch\n\n\ndef draw(n, rng):\n    return {gives}\n")
    source = OwnImages("bad.py:draw", *toy_images())
    says_in_one_line(words, source, 20, torch.Generator())


@pytest.mark.parametrize(
    "gives, words",
    [
        ("rng.normal(size=(n, 4))", "gives samples of shape (30, 4) for n = 30; it must give"),
        ("rng.normal(size=(n, 3)) * np.inf", "gives NaN or infinity"),
        ("rng.normal(1000, 1, (n, 3))", "it must give rows in the units of x"),
        ("[['a', 'b', 'c']] * n", "fails (ValueError"),
    ],
)
def test_bad_rows_are_one_line(here, gives, words):
    (here / "bad.py").write_text(f"import numpy as np\n\n\ndef draw(n, rng):\n    return {gives}\n")
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    source = OwnRows("bad.py:draw", x, (x[:, 0] > 0).astype(int))
    says_in_one_line(words, source, 30, np.random.default_rng(0))


def test_good_samples_come_as_those_of_other_sources(here):
    (here / "good.py").write_text(
        "import numpy as np\n\n\n"
        "def pixels(n, rng):\n    return np.full((n, 1, 8, 8), 255, np.uint8), np.arange(n) % 3\n"
    )
    x, y = toy_images()
    images, classes = OwnImages("good.py:pixels", x, y).sample(5, torch.Generator())
    assert images.dtype == torch.float32 and bool((images == 1).all())
    assert classes.dtype == torch.int64 and classes.tolist() == [0, 1, 2, 0, 1]
    rows = np.zeros((10, 4), np.float32)
    source = OwnRows("rows.py:Wide", rows, np.arange(10) % 2)
    drawn, none = source.sample(7, np.random.default_rng(0))
    assert drawn.shape == (7, 4) and drawn.dtype == np.float32 and none is None
