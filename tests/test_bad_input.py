"""Bad input of every kind ends in one line that says what, where and the cure, before any work."""

import hashlib
import io
import json
import struct
import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import TOY, at_toy_size, defaults, record, row, run_notebook, toy_parameters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.ensemble import RandomForestClassifier

from ganmc_utils import stages
from ganmc_utils.compress.estimators import MIN_ROWS
from ganmc_utils.compress.table import read_rows
from ganmc_utils.core import checkpoints, errors, parameters, paths, profiles, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.plan import planned
from ganmc_utils.core.store import Store
from ganmc_utils.forests.data import read_table, split_table
from ganmc_utils.forests.sources import Smote
from ganmc_utils.networks.data import load_images
from ganmc_utils.networks.models import make_network
from ganmc_utils.scores.compression_score import compression_score

NAN, INFINITY = float("nan"), float("inf")


def refused(call, *words):
    """Assert that a call ends in one line that holds the words; returns it."""
    with pytest.raises(GanmcError) as failed:
        call()
    line = str(failed.value)
    assert "\n" not in line and len(line) < 600, line
    for word in words:
        assert word in line, line
    assert failed.value._render_traceback_() == [f"{type(failed.value).__name__}: {line}"]
    return line


# Parameters. A change is a dotted name and its new value; the words are what the line must say.

FORESTS = [
    ("n_tres", 3, "n_tres"),
    ("teacher_trees", 0, "teacher_trees"),
    ("teacher_trees", 2.5, "teacher_trees"),
    ("teacher_trees", "many", "teacher_trees"),
    ("teacher_trees", True, "teacher_trees"),
    ("teacher_trees", None, "teacher_trees"),
    ("teacher_trees", "1e-3", "YAML reads as text"),
    ("fake_per_real", -1, "fake_per_real"),
    ("fake_per_real", [9], "fake_per_real"),
    ("throughput_rows", 0, "throughput_rows"),
    ("throughput_rows", 10**14, "throughput_rows: input should be less than or equal to 10000000"),
    ("teacher_trees", 10**20, "teacher_trees: input should be less than or equal to 100000"),
    ("fake_per_real", 10**9, "fake_per_real: input should be less than or equal to 10000"),
    ("datasets.0.gans.0.members", 100_000, "members: input should be less than or equal to 1000"),
    ("datasets.0.gan_epochs", 10**9, "gan_epochs: input should be less than or equal"),
    ("datasets.0.small_budget", 10**9, "small_budget: input should be less than or equal"),
    ("datasets.0.small_trees", 10**9, "small_trees: input should be less than or equal"),
    ("datasets.0.leaf_caps", [10**22], "leaf_caps.0: input should be less than or equal"),
    ("datasets.0.n_fresh", 10**20, "n_fresh: input should be less than or equal"),
    ("jitter_scales", [], "jitter_scales"),
    ("jitter_scales", [0.0], "jitter_scales.0"),
    ("jitter_scales", [NAN], "jitter_scales.0"),
    ("jitter_scales", [INFINITY], "jitter_scales.0"),
    ("jitter_scales", ["1e-3"], "1.0e-3"),
    ("jitter_scales", [0.1, 0.1], "twice"),
    ("datasets", [], "datasets"),
    ("datasets", {}, "datasets"),
    ("profile", "Big Run", "profile"),
    ("profile", "../x", "profile"),
    ("profile", "", "profile"),
    ("profile", 7, "profile"),
    ("out_dir", None, "out_dir"),
    ("datasets.0.n_tres", 3, "fields of ForestTask"),
    ("datasets.0.name", "../x", "datasets.0.name"),
    ("datasets.0.name", "a/b", "datasets.0.name"),
    ("datasets.0.name", "", "datasets.0.name"),
    ("datasets.0.name", ".x", "datasets.0.name"),
    ("datasets.0.n_train", 0, "n_train"),
    ("datasets.0.n_train", -5, "n_train"),
    ("datasets.0.n_train", 10**9, "569"),
    ("datasets.0.n_validation", 0, "n_validation"),
    ("datasets.0.n_test", 0, "n_test"),
    ("datasets.0.n_fresh", -1, "n_fresh"),
    ("datasets.0.seeds", [], "seeds"),
    ("datasets.0.seeds", [-1], "seeds.0"),
    ("datasets.0.seeds", [2**32], "seeds.0"),
    ("datasets.0.seeds", [0, 0], "twice"),
    ("datasets.0.seeds", [0.5], "seeds.0"),
    ("datasets.0.seeds", 3, "seeds"),
    ("datasets.0.sources", ["jitter"], "train"),
    ("datasets.0.sources", [], "sources"),
    ("datasets.0.sources", ["train", "train"], "twice"),
    ("datasets.0.sources", ["train", "gun"], "sources.1"),
    ("datasets.0.sources", ["train", "fresh"], "n_fresh"),
    ("datasets.0.sources", ["train", "train+gan"], "needs gan"),
    ("datasets.0.gans", [], "needs gans"),
    ("datasets.0.gans", [{"class_weight": 1.0, "members": 1}] * 2, "twice"),
    ("datasets.0.gans.0.class_weight", 0.0, "class_weight"),
    ("datasets.0.gans.0.class_weight", INFINITY, "class_weight"),
    ("datasets.0.gans.0.members", 0, "members"),
    ("datasets.0.gans.0.keras", ["drop"], "keras.0"),
    ("datasets.0.gans.0.depth", 3, "fields of TableGan: class_weight"),
    ("datasets.0.gan_epochs", 0, "gan_epochs"),
    ("datasets.0.max_trees", 0, "max_trees"),
    ("datasets.0.max_trees", 21, "max_trees"),
    ("datasets.0.max_features", [], "max_features"),
    ("datasets.0.max_features", ["sqrt", "sqrt"], "twice"),
    ("datasets.0.max_features", ["all"], "max_features.0"),
    ("datasets.0.path", "mine.csv", "path would be ignored for the table breast_cancer, which"),
    ("datasets.0.target", "y", "target would be ignored for the table breast_cancer, which the"),
    ("datasets.0.table", "csv", "the table csv needs path and target"),
    ("datasets.0.leaf_caps", [1], "leaf_caps.0"),
    ("datasets.0.leaf_caps", [4, 4], "twice"),
    ("datasets.0.small_trees", 0, "small_trees"),
    ("datasets.0.preparation", "mine", "preparation"),
]
NETWORKS = [
    ("sets", [], "sets"),
    ("sets", [0, 0], "twice"),
    ("sets", [-1], "sets.0"),
    ("sets", [2**32], "sets.0"),
    ("device", "tpu", "device"),
    ("compile", "yes", "compile"),
    ("data", 3, "data"),
    ("data.name", "mnist", "data.name"),
    ("data.image_size", 0, "image_size"),
    ("data.image_size", 5, "divisor of 8"),
    ("data.n_train", 0, "n_train"),
    ("data.n_train", 8, "batch"),
    ("data.n_train", 5_000, "1097"),
    ("data.n_fresh", 5_000, "1097"),
    ("data.n_test", 800, "700"),
    ("data.n_validation", 0, "n_validation"),
    ("data.seed", -1, "data.seed"),
    ("data.sizes", 3, "fields of ImageData"),
    ("teacher.network", "vgg", "choose one of"),
    ("teacher.width", 0, "teacher.width"),
    ("teacher.width", 10**6, "teacher.width: input should be less than or equal"),
    ("teacher.epochs", 10**9, "teacher.epochs: input should be less than or equal"),
    ("gan.epochs", 10**9, "gan.epochs: input should be less than or equal"),
    ("teacher.epochs", 0, "teacher: epochs 0"),
    ("teacher.batch", 0, "teacher.batch"),
    ("teacher.batch", 101, "teacher"),
    ("teacher.lr", 0.0, "teacher.lr"),
    ("teacher.lr", -1.0, "teacher.lr"),
    ("teacher.lr", NAN, "teacher.lr"),
    ("teacher.lr", INFINITY, "teacher.lr"),
    ("teacher.lr", "1e-3", "1.0e-3"),
    ("teacher.optimizer", "lion", "optimizer"),
    ("teacher.decay", "step", "decay"),
    ("teacher.weight_decay", -0.1, "weight_decay"),
    ("teacher.augment", "crops", "augment"),
    ("teacher.precision", "float8", "precision"),
    ("teacher.depth", 3, "fields of Network"),
    ("student.batch", 101, "student"),
    ("gan.batch", 101, "gan"),
    ("gan.snapshots", [], "snapshots"),
    ("gan.snapshots", [3], "snapshot after epoch 3 of 2"),
    ("gan.snapshots", [1, 1], "twice"),
    ("gan.snapshots", [0], "snapshots.0"),
    ("gan.width", 0, "gan.width"),
    ("gan.choice_epochs", 0, "choice_epochs"),
]
CHAPTER_01 = [
    ("p_fakes", [], "p_fakes"),
    ("p_fakes", [0.0], "p_fakes.0"),
    ("p_fakes", [1.5], "p_fakes.0"),
    ("p_fakes", [0.5, 0.5], "twice"),
    ("p_fakes", [NAN], "p_fakes.0"),
    ("baseline_p_fakes", [0.0], "baseline_p_fakes.0"),
    ("folds", 1, "folds"),
    ("folds", -1, "folds"),
    ("jitter_scale", 0.0, "jitter_scale"),
    ("pairs.0.T", INFINITY, "pairs.0.T"),
    ("pairs.0.T", 0.0, "pairs.0.T"),
    ("pairs.0.alpha", 0.0, "pairs.0.alpha"),
    ("pairs.0.alpha", 1.1, "pairs.0.alpha"),
    ("pairs.0.sets", [9], "sets [9]"),
    ("pairs.0.variants", ["li", "li"], "twice"),
    ("pairs.0.variants", ["le"], "variants.0"),
    ("pairs.0.t", 5.0, "fields of Pair"),
    ("pairs.0.student.batch", 500, "pairs.0.student"),
    ("other_student.batch", 500, "other_student"),
    ("dropout_teacher.batch", 500, "dropout_teacher"),
]
CHAPTER_07 = [
    ("levels.blur", [-1.0, 1.0], "levels.blur"),
    ("levels.blur", [1.0], "levels.blur"),
    ("levels.distinct", [0.0, 1.0], "distinct"),
    ("levels.real_share", [0.0, 1.5], "real_share"),
    ("levels.label_noise", [0.5, 0.5], "twice"),
    ("levels.sharpness", [0.0, 1.0], "levels.sharpness"),
    ("score.students", 0, "score.students"),
    ("score.students", 10**6, "score.students: input should be less than or equal"),
    ("score.batch", 10_000, "score"),
    ("inferior_epochs", [], "inferior_epochs"),
    ("timing_images", 0, "timing_images"),
    ("table.sources", ["train", "fresh"], "n_fresh"),
    ("classifier.network", "vgg", "choose one of"),
]
OF_CSV = {
    "path": "mine.csv",
    "target": "y",
    "separator": ";",
    "task": "regression",
    "teacher": "mine.skops",
    "report_path": "more.csv",
}
PARAMETERS = [
    *[("06_random_forests", *case) for case in FORESTS],
    *[("00_teachers_and_gan", *case) for case in NETWORKS],
    *[("01_dnn_compression", *case) for case in CHAPTER_01],
    *[("07_compression_score", *case) for case in CHAPTER_07],
    ("02_p_fake_sweep", "p_fakes", [0.5], "0.0"),
    ("02_p_fake_sweep", "p_fakes", [0.0], "another share"),
    ("03_augmentation", "p_fakes", [0.0], "p_fakes.0"),
    ("03_augmentation", "seeds", [1, 1], "twice"),
    ("04_gan_quality", "seeds", [2**32], "seeds.0"),
    ("05_supervised_learning", "p_fakes", [0.5], "0.0"),
    ("05_supervised_learning", "p_fakes", [0.0], "another share"),
    ("07_compression_score", "table.path", "mine.csv", "path would be ignored for the table"),
    *[
        ("09_your_own_model", name, value, f"{name} would be ignored for the table breast_cancer")
        for name, value in OF_CSV.items()
    ],
    ("09_your_own_model", "table", "csv", "the table csv needs path and target"),
    ("09_your_own_model", "queries", 10**11, "queries: input should be less than or equal"),
]


def changed(values, name, value):
    """A copy of nested parameters with one value changed."""
    copy = json.loads(json.dumps(values))
    *parents, last = [int(part) if part.isdigit() else part for part in name.split(".")]
    inner = copy
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return copy


@pytest.mark.parametrize("notebook, name, value, words", PARAMETERS)
def test_a_bad_parameter(notebook, name, value, words):
    sizes = {} if notebook[:2] in ("06", "07", "09") else at_toy_size(notebook)
    bad = changed(defaults(notebook) | sizes, name, value)
    line = refused(lambda: parameters.check_dict(notebook, bad), words)
    assert line.startswith(f"{notebook}: parameter ")


def test_a_file_of_ones_own_takes_all_that_a_table_of_the_book_refuses():
    notebook = "09_your_own_model"
    mine = defaults(notebook) | OF_CSV | {"table": "csv"}
    assert parameters.check_dict(notebook, mine).task == "regression"
    refused(lambda: parameters.check_dict(notebook, mine | {"target": ""}), "csv needs target;")
    of_the_book = defaults(notebook) | {"task": "classification"}
    assert parameters.check_dict(notebook, of_the_book).table == "breast_cancer"


def test_two_datasets_of_one_name():
    (task,) = defaults("06_random_forests")["datasets"]
    bad = defaults("06_random_forests") | {"datasets": [task, task]}
    refused(lambda: parameters.check_dict("06_random_forests", bad), "breast_cancer", "twice")


# Parameter files

FILES = [
    ("seeds: [0]\nseeds: [1]\n", "seeds is there twice"),
    ("data: {name: digits, name: cifar10}\n", "name is there twice"),
    ("a: 1\n  b: 2\n", "cannot be read as YAML"),
    ("a: [1, 2\n", "cannot be read as YAML"),
    ("\tq: 1\n", "cannot be read as YAML"),
    ("- 1\n- 2\n", "holds a list"),
    ("only words\n", "holds a str"),
    ("a: !!python/object/apply:os.system ['touch owned']\n", "cannot be read as YAML"),
    ("a: 2001-99-99\n", "cannot be read as YAML"),
    (b"\xff\xfe\x00", "cannot be read as YAML"),
    ("1: 2\n", "the key 1 is no name"),
    ("~: 2\n", "the key None is no name"),
]


@pytest.mark.parametrize("content, words", FILES)
def test_a_bad_parameter_file(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(lambda: profiles.read(path), words).startswith(str(path))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["laptp", "../x", "", "a b", "quick/"])
def test_an_unknown_profile(name):
    refused(lambda: profiles.check(name), "choose one of quick, laptop, paper")


def test_a_parameter_file_that_is_absent_or_a_folder(tmp_path):
    refused(lambda: profiles.read(tmp_path / "absent.yml"), "absent.yml", "correct the path")
    refused(lambda: profiles.read(tmp_path), "cannot be read")


# Tables

ROWS = [f"{i},{i % 7},{i % 2}" for i in range(20)]
CSVS = [
    ("a,label,label", ROWS, "two columns are named 'label'"),
    ("a,a,label", ROWS, "two columns are named 'a'"),
    ("a,label", ROWS, "line 2 has 3 fields"),
    ("a,b,label", [*ROWS, "1,2,0,9"], "has 4 fields"),
    ("a,b,label", [*ROWS, "3,3"], "no value in column label"),
    ("a,b,label", [*ROWS, "nan,3,1"], "NaN"),
    ("a,b,label", [*ROWS, "1e39,3,1"], "infinite"),
    ("a,b,label", [*ROWS, "x,3,1"], "non-numeric"),
    ("a,b,label", [*ROWS, "1,3,2"], "more than two classes"),
    ("a,b,label", [r[:-1] + "1" for r in ROWS], "one class only"),
    ("a,b,label", [f"{10**9 + i % 3},{i},{i % 2}" for i in range(20)], "float32"),
    ("a,b,label", [f"5,{i},{i % 2}" for i in range(20)], "constant columns: a"),
    ("a,b,labels", ROWS, "no column label"),
    ("a;b;label", [r.replace(",", ";") for r in ROWS], "no column label"),
    ("a,b,label", [], "one of each"),
    ("label", ["0", "1"], "one of each"),
    ("a,b,label", ['"never closed'], "table"),
    ("a,,label", ROWS, "column 2 has no name"),
    ("a,b,label", [*ROWS, "1\0,2,1"], "NUL bytes"),
    ("", [], "empty"),
]


@pytest.mark.parametrize("header, rows, words", CSVS)
def test_a_bad_csv_file(tmp_path, header, rows, words):
    path = tmp_path / "mine with spaces.csv"
    path.write_text("\n".join([header, *rows]) if header else "")
    line = refused(lambda: read_table("csv", path=path, target="label"), words)
    assert line.startswith(str(path))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"PK\x03\x04zip", b"\0" * 100])
def test_a_file_that_is_no_table(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    refused(lambda: read_table("csv", path=tmp_path / "x.csv", target="label"), "x.csv")


def test_a_table_that_is_not_there(tmp_path):
    refused(lambda: read_table("csv", path=tmp_path / "no.csv", target="y"), "correct the path")
    refused(lambda: read_table("csv", path=tmp_path, target="y"), "cannot be read")
    refused(lambda: read_table("csv"), "no path given")
    refused(lambda: read_table("iris"), "choose one of")
    refused(lambda: read_table(["csv"]), "choose one of")
    refused(lambda: read_table("csv", path="a" * 300, target="y"), "correct the path")
    refused(lambda: read_table("csv", path="a\0b", target="y"), "correct the path")
    refused(lambda: read_table("csv", path="a.csv", target=["y"]), "no target")
    refused(lambda: read_table("magic", data_dir=3), "data_dir: 3 is no path", "as text")


@pytest.mark.parametrize(
    "counts, words",
    [
        ((0, 1, 1), "at least one train row"),
        ((-1, 1, 1), "impossible"),
        ((900, 1, 1), "ask for fewer"),
        ((100, 1, 100), "one class only"),
    ],
)
def test_a_split_that_cannot_be(counts, words):
    refused(lambda: split_table(read_table("breast_cancer"), *counts), words)


@pytest.mark.parametrize("name, value", [("n_train", 10.5), ("n_train", "5"), ("n_test", NAN),
                                         ("seed", -1), ("seed", 0.5), ("seed", None)])  # fmt: skip
def test_a_split_by_what_is_no_number(name, value):
    counts = {"n_train": 100, "n_validation": 50, "n_test": 50} | {name: value}
    refused(lambda: split_table(read_table("breast_cancer"), **counts), f"impossible {name}")


def test_a_split_of_no_table():
    refused(lambda: split_table(None, 1, 1, 1), "NoneType", "what read_table gives")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "mnist"}, "choose one of"),
        ({"name": ["digits"]}, "choose one of"),
        ({"n_train": 0}, "impossible n_train 0"),
        ({"n_train": 10.5}, "impossible n_train 10.5"),
        ({"n_test": -5}, "impossible n_test -5"),
        ({"n_fresh": -1}, "impossible n_fresh -1"),
        ({"seed": -1}, "impossible seed -1"),
        ({"seed": "a"}, "impossible seed 'a'"),
        ({"device": "tpu"}, "choose cpu or cuda"),
        ({"image_size": 3}, "divisor"),
        ({"image_size": 0}, "divisor"),
        ({"n_train": 5000}, "ask for fewer"),
        ({"n_test": 5000}, "ask for fewer"),
    ],
)
def test_images_that_cannot_be(change, words):
    refused(lambda: load_images(**TOY["data"] | {"seed": 0} | change), words)


@pytest.mark.parametrize("separator", ["", ",,", "\\s"])
def test_a_separator_of_several_characters(tmp_path, separator):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    refused(lambda: read_rows(tmp_path / "a.csv", separator), "no single character")


def test_a_tab_may_be_typed_as_in_a_shell(tmp_path):
    (tmp_path / "a.csv").write_text("a\tb\n" + "1\t2\n" * MIN_ROWS)
    assert list(read_rows(tmp_path / "a.csv", "\\t")) == ["a", "b"]


# The Compression Score


@pytest.fixture(scope="module")
def images():
    return load_images("digits", 100, 20, 20, 0, 8, seed=0)


@pytest.fixture(scope="module")
def table():
    data = split_table(read_table("breast_cancer"), 200, 50, 50)
    forest = RandomForestClassifier(5, random_state=0).fit(data.x_train, data.y_train)
    return data, forest


def network(seed, classes=10):
    return make_network("cnn5", seed, 2, 1, 8, classes)


def of_images(images, samples, teacher=None, student=network, **change):
    """The score of samples beside toy images, with a teacher that is not trained."""
    arguments = {"seeds": 1, "batch": 50} | change
    return compression_score(samples, images, teacher or network(9).eval(), student, **arguments)


SAMPLES = [
    (lambda x: None, "NoneType"),
    (lambda x: "absent.npz", "absent.npz"),
    (lambda x: "three words", "three words"),
    (lambda x: [["a"]], "bring an array of numbers"),
    (lambda x: [[1, 2], [3]], "no array"),
    (lambda x: x.numpy().astype(complex), "complex"),
    (lambda x: pd.DataFrame({"a": ["x"]}), "bring an array of numbers"),
    (lambda x: pd.DataFrame({"a": [1.0] * 100}), "shape"),
    (lambda x: x[:0], "bring at least"),
    (lambda x: x[:10], "bring at least 50"),
    (lambda x: x * NAN, "not all numbers are finite"),
    (lambda x: x * 300, "scale them"),
    (lambda x: (x + 1) / 2, "2 x - 1"),
    (lambda x: x[:, :, :4], "shape"),
    (lambda x: x.permute(0, 2, 3, 1), "channels come first"),
    (lambda x: x.numpy().astype(object), "type object"),
    (lambda x: 3.0, "shape"),
    (lambda x: x.to_sparse(), "sparse"),
    (lambda x: x.to("meta"), "empty tensor"),
]


@pytest.mark.parametrize("make, words", SAMPLES)
def test_samples_that_are_none(images, make, words):
    refused(lambda: of_images(images, make(images.x_train)), words)


@pytest.mark.parametrize("make", [
    lambda x: x.numpy()[::-1], lambda x: x.numpy().astype(">f4"), lambda x: x.double(),
    lambda x: x.clone().requires_grad_(), lambda x: x.numpy().astype(np.float16),
    lambda x: x.numpy().tolist()])  # fmt: skip
def test_samples_of_other_layouts_and_types_are_read(images, make):
    with pytest.raises(GanmcError, match="no better than the baseline"):  # the toy teacher's fault
        of_images(images, make(images.x_train), lr=1e-9)


class OwnSource:
    """A source of the user's own that gives what a function makes of n."""

    def __init__(self, function):
        self.function = function

    def sample(self, n, rng):
        return self.function(n)


@pytest.mark.parametrize("gives, words", [
    (lambda n: 1 / 0, "samples: sample(100, rng) fails (ZeroDivisionError: division by zero)"),
    (lambda n: None, "samples: sample(100, rng) gives None; it must give samples, or a pair"),
    (lambda n: (1, 2, 3), "samples: sample(100, rng) gives 3 values; it must give samples, or"),
    (lambda n: (None, None), "samples: NoneType; bring an array of numbers"),
    (lambda n: (torch.zeros(n, 1, 8, 7), None), "samples: shape (100, 1, 8, 7)"),
    (lambda n: torch.zeros(n, 1, 8, 7), "samples: shape (100, 1, 8, 7)")])  # fmt: skip
def test_a_source_that_is_none(images, table, gives, words):
    refused(lambda: of_images(images, OwnSource(gives)), words)
    in_rows = words.replace("100", "200") if "sample(" in words else "samples: "
    refused(lambda: compression_score(OwnSource(gives), *table), in_rows)


def test_a_source_may_leave_out_classes(table):
    data, forest = table
    alone = compression_score(OwnSource(lambda n: data.x_train[:n]), data, forest, seeds=1)
    pair = compression_score(OwnSource(lambda n: (data.x_train[:n], None)), data, forest, seeds=1)
    assert alone.accuracy == pair.accuracy


SETTINGS = [
    ({"batch": 0}, "batch 0"),
    ({"batch": 2.5}, "batch 2.5"),
    ({"batch": True}, "batch True"),
    ({"lr": "1e-3"}, "lr '1e-3'"),
    ({"lr": None}, "lr None"),
    ({"student": network(0)}, "fails on the real images"),
    ({"batch": 101}, "larger than the 100"),
    ({"lr": -1}, "lr -1"),
    ({"lr": NAN}, "lr nan"),
    ({"seeds": 0}, "no seeds"),
    ({"seeds": [1, 1]}, "twice"),
    ({"seeds": [-1]}, "from 0"),
    ({"seeds": [0.5]}, "whole numbers"),
    ({"seeds": None}, "whole numbers"),
    ({"reference_seeds": []}, "no seeds"),
    ({"version": "v3"}, "v2 or v1"),
    ({"student": None}, "no student"),
    ({"student": lambda seed: None}, "function seed -> network"),
    ({"student": lambda seed: network(seed, 7)}, "one a class"),
    ({"student": lambda: None}, "function seed -> network"),
    ({"teacher": lambda x: None}, "images -> logits"),
    ({"teacher": lambda x: x.numpy()[:, 0, 0, :1]}, "one a class"),
    ({"teacher": lambda x: torch.zeros(len(x), 10) * NAN}, "not finite"),
    ({"teacher": lambda x: torch.zeros(3, 10)}, "shape (3, 10)"),
    ({"teacher": "resnet"}, "images -> logits"),
    ({"teacher": network(0, 7).eval()}, "one a class"),
]


@pytest.mark.parametrize("change, words", SETTINGS)
def test_a_score_that_cannot_be(images, change, words):
    refused(lambda: of_images(images, images.x_train, **change), words)


def test_one_network_for_all_seeds(images):
    net = network(0)
    refused(lambda: of_images(images, images.x_train, student=lambda seed: net), "the same network")


def test_a_score_without_a_test_part():
    refused(lambda: of_images(load_images("digits", 100, 20, 0, 0, 8, 0), None), "test part")
    refused(lambda: of_images(None, None), "NoneType")


def test_rows_of_a_table(table):
    data, forest = table
    raw = read_table("breast_cancer").x
    refused(lambda: compression_score(raw, data, forest), "units")
    refused(lambda: compression_score(data.x_train[:, :3], data, forest), "shape")
    refused(lambda: compression_score(data.x_train[:1], data, forest), "at least 2")
    refused(lambda: compression_score(data.x_train, data, None), "teacher")
    refused(lambda: compression_score(data.x_train, data, RandomForestClassifier()), "teacher")
    assert compression_score(pd.DataFrame(data.x_train), data, forest, seeds=1).n == 1


# Files of samples


def png_of_size(path, width, height):
    """A PNG that promises more pixels than it has."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))


def damage(path):
    """A PNG cut in the middle."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:40])


PICTURES = [
    (lambda path: png_of_size(path, 50_000, 50_000), "pixels"),
    (lambda path: png_of_size(path, 5_000, 5_000), "pixels"),
    (lambda path: png_of_size(path, 8, 200), "cannot be read"),
    (damage, "cannot be read"),
    (lambda path: path.write_bytes(b""), "cannot be read"),
    (lambda path: path.write_text("<html>"), "cannot be read"),
    (lambda path: path.mkdir(), "cannot be read"),
    (lambda path: Image.fromarray(np.zeros((8, 8), np.uint16)).save(path), "8 bits"),
]


@pytest.mark.parametrize("make, words", PICTURES)
def test_a_bad_picture(images, tmp_path, make, words):
    make(tmp_path / "a.png")
    refused(lambda: of_images(images, tmp_path), words)


def test_a_folder_of_samples_without_pictures_or_of_two_sizes(images, tmp_path):
    refused(lambda: of_images(images, tmp_path), "no .png or .jpg")
    for size in (8, 9):
        Image.fromarray(np.zeros((size, size), np.uint8)).save(tmp_path / f"{size}.png")
    refused(lambda: of_images(images, tmp_path), "several sizes")


@pytest.mark.parametrize("arrays", [{}, {"a": np.zeros(3), "b": np.zeros(3)},
                                    {"a": np.array([{}], object)}])  # fmt: skip
def test_a_bad_npz(images, tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(lambda: of_images(images, tmp_path / "x.npz"), "x.npz")


# Records, checkpoints, the disk


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"profile": 1}', b"null"])
def test_a_bad_record(tmp_path, content):
    path = tmp_path / "06_random_forests.json"
    path.write_bytes(content)
    refused(lambda: records.load(path), "not a record", "run its notebook again")


def test_a_record_that_is_a_folder_or_absent(tmp_path):
    refused(lambda: records.load(tmp_path), "cannot be read")
    refused(lambda: records.load(tmp_path / "x.json"), "no such record")


def test_every_flipped_byte_of_a_checkpoint_is_seen(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoints.save(path, "same", {"w": torch.arange(4.0)}, {"step": 1})
    whole = path.read_bytes()
    tree, note = checkpoints.load(path, "same")
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        stored = checkpoints.load(path, "same")
        assert stored is None or torch.equal(stored[0]["w"], tree["w"]), i
    for content in (b"", b"{}", whole[:50], b"\xff" * 100):
        path.write_bytes(content)
        assert checkpoints.load(path, "same") is None


@pytest.mark.parametrize("value, words", [("abc", "no number"), ("0", "from 1 to"),
                                          ("-2", "from 1 to"), ("1.5", "no number"),
                                          ("9" * 12, "from 1 to")])  # fmt: skip
def test_a_bad_number_of_threads(monkeypatch, value, words):
    monkeypatch.setenv("GANMC_THREADS", value)
    refused(paths.thread_count, "GANMC_THREADS", words)


def runs_own_code(failure):
    with errors.own_code("mine", "mend it", "fails on 3 images"):
        raise failure


@pytest.mark.parametrize(
    "failure",
    [KeyError("a"), SystemExit("a"), RecursionError("a\nb" * 500)],
    ids=lambda failure: type(failure).__name__,
)
def test_what_the_users_own_code_raises_is_one_line(failure):
    name = type(failure).__name__
    refused(lambda: runs_own_code(failure), f"mine: fails on 3 images ({name}: ", "mend it")


def test_what_was_told_already_and_ctrl_c_stay_as_they_are():
    told = GanmcError("told already")
    with pytest.raises(GanmcError) as failed:
        runs_own_code(told)
    assert failed.value is told
    with pytest.raises(KeyboardInterrupt):
        runs_own_code(KeyboardInterrupt())


@pytest.mark.parametrize(
    "folder, says",
    [
        (3, "3 is no path; give one as text"),
        ("a\0b", r"'a\x00b' is no path; leave out the NUL"),
        ("~nobody_here/x", "~nobody_here/x: no such user; write the path without ~"),
    ],
)
def test_a_folder_that_is_none(folder, says):
    refused(lambda: paths.out_dir(folder, "quick"), f"out_dir: {says}")
    refused(lambda: paths.data_dir(folder), f"data_dir: {says}")


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    refused(lambda: paths.out_dir(tmp_path / "file", "quick"), "out_dir")
    refused(lambda: records.save(record([row()]), tmp_path / "file"), "cannot be written")


def test_a_full_disk_says_so_and_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.json"
    paths.write_atomically(path, "old")
    monkeypatch.setattr(paths.os, "fsync", full)
    refused(lambda: paths.write_atomically(path, "new"), "free space", "a.json")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# The store, and the archive of a lent machine


NO_RESULTS = [
    {"x": 1},
    [1],
    None,
    {"machine": "m", "value": []},
    {"seconds": "x", "machine": "m", "value": []},
    {"seconds": NAN, "machine": "m", "value": []},
    {"seconds": -1, "machine": "m", "value": []},
    {"seconds": 1, "machine": [], "value": []},
    {"seconds": 1, "value": []},
    {"seconds": 1, "machine": "m"},
]


@pytest.mark.parametrize("result", [*map(json.dumps, NO_RESULTS), "[" * 100_000])
def test_a_broken_result_is_computed_again(tmp_path, result):
    store = Store(tmp_path, tmp_path / "published")
    store.own.mkdir()
    (store.own / "a.json").write_text(result)
    assert store.value("a", lambda: [1]) == [1]


@pytest.mark.parametrize("note", NO_RESULTS)
def test_tensors_with_a_broken_note_are_computed_again(tmp_path, note):
    store = Store(tmp_path, tmp_path / "published")
    checkpoints.save(store.own / "a.safetensors", "a", {"w": torch.ones(2)}, note)
    assert store.read_tensors("a") is None
    store.write_tensors("a", {"w": torch.zeros(2)}, "new", 1.0)
    tree, value = store.read_tensors("a")
    assert value == "new" and torch.equal(tree["w"], torch.zeros(2))


MANIFESTS = ["", "{", "[]", "null", "{}", '{"a": 1}', '{"../a": "b"}', "[" * 100_000]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_list_of_pieces_that_is_none(tmp_path, manifest):
    (tmp_path / stages.MANIFEST).write_text(manifest)
    refused(lambda: stages.unpack(tmp_path, tmp_path / "out"), "no list of pieces")


def test_pieces_that_are_no_archive_or_lead_outside(tmp_path):
    outside = io.BytesIO()
    with tarfile.open(fileobj=outside, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../outside"))
    for piece in (b"no archive" * 100, outside.getvalue()):
        (tmp_path / "earned.x.tar.0").write_bytes(piece)
        manifest = {"earned.x.tar.0": hashlib.sha256(piece).hexdigest()}
        (tmp_path / stages.MANIFEST).write_text(json.dumps(manifest))
        refused(lambda: stages.unpack(tmp_path, tmp_path / "a" / "b"), "cannot be unpacked")
    refused(lambda: stages.unpack(tmp_path / "earned.x.tar.0", tmp_path), "is no folder")


def test_too_few_rows_for_smote():
    x, y = np.zeros((8, 2), np.float32), np.array([0] * 6 + [1] * 2)
    refused(lambda: Smote(x, y).sample(4, np.random.default_rng(0)), "smote", "bring more rows")


# Publishing


@pytest.mark.parametrize("profile, words", [
    ("quick", "smoke test"), ("laptp", "choose one of"), ("laptop", "smoke test")])  # fmt: skip
def test_a_smoke_test_is_not_published_by_whatever_name(tmp_path, monkeypatch, profile, words):
    monkeypatch.syspath_prepend(paths.ROOT / "book")
    import publish

    notebook = "06_random_forests"
    used = parameters.check_dict(notebook, defaults(notebook)).model_dump()
    records.save(record([row()], profile=profile, parameters=used), tmp_path)
    refused(lambda: publish.check(tmp_path, profile), words)


def test_a_run_without_records_is_not_published(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(paths.ROOT / "book")
    import publish

    refused(lambda: publish.publish(tmp_path, "laptop", tmp_path / "published"), "no records")


# Valid plans are planned: what the checks let through has units of work.

SHARES = st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=3, unique=True)
SEEDS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3, unique=True)
IMAGES = st.fixed_dictionaries({
    "n_train": st.integers(50, 300), "n_fresh": st.integers(0, 300),
    "n_test": st.integers(1, 300), "n_validation": st.integers(1, 300)})  # fmt: skip
CHAPTERS = ["00_teachers_and_gan", "01_dnn_compression", "02_p_fake_sweep", "03_augmentation",
            "04_gan_quality", "05_supervised_learning"]  # fmt: skip


def plan_of_networks(notebook, seeds, shares, counts):
    """Parameters of a chapter at toy size, with drawn seeds, shares and counts."""
    change = {"data": TOY["data"] | counts}
    if notebook < "03":
        change |= {"sets": seeds}
        change |= {"pairs": [], "folds": 0} if notebook.startswith("01") else {}
    else:
        change |= {"seeds": seeds}
    if notebook[:2] in ("01", "02", "03", "05"):
        with_end = [0.0, *shares] if notebook[:2] in ("02", "05") else shares
        change |= {"p_fakes": with_end}
    return change


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(CHAPTERS), SEEDS, SHARES, IMAGES)
def test_a_valid_plan_of_networks_lists_its_students(notebook, seeds, shares, counts):
    p = toy_parameters(notebook, **plan_of_networks(notebook, seeds, shares, counts))
    plan = planned(notebook, **json.loads(p.model_dump_json()))
    assert plan["seeds"] == seeds and all(plan["students"].values())


# Chapters at the smallest sizes: what the checks let through runs to its last cell.

ONE_EPOCH = {"teacher": {"epochs": 1}, "student": {"epochs": 1},
             "gan": {"epochs": 1, "snapshots": [1]}}  # fmt: skip


@pytest.mark.parametrize("notebook", CHAPTERS)
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS.map(lambda seeds: seeds[:1]), SHARES.map(lambda shares: shares[:1]), IMAGES)
def test_a_plan_of_networks_runs_to_its_end(notebook, seeds, shares, counts):
    counts["n_train"] += 50  # two images of each class are shown
    change = at_toy_size(notebook, **plan_of_networks(notebook, seeds, shares, counts))
    for name, less in ONE_EPOCH.items():
        change[name] = change[name] | less
    with tempfile.TemporaryDirectory() as out:
        names = run_notebook(notebook, to_its_end=True, out_dir=out, **change)
    assert set(names["frame"].seed.dropna()) == set(seeds)


BASELINES = ["train_oob", "jitter", "smote", "munge", "munge_authors", "independent", "fresh"]
FOREST_PLANS = st.fixed_dictionaries({
    "seeds": SEEDS, "n_train": st.integers(4, 60), "n_validation": st.integers(2, 60),
    "n_test": st.integers(2, 60), "n_fresh": st.sampled_from([0, 80]),
    "max_trees": st.integers(1, 3), "small_trees": st.integers(1, 3),
    "leaf_caps": st.lists(st.integers(2, 8), max_size=2, unique=True),
    "max_features": st.sampled_from([["sqrt"], ["none"], ["none", "sqrt"]]),
    "preparation": st.sampled_from(["clean", "authors"]), "gan_epochs": st.integers(1, 3),
    "sources": st.lists(st.sampled_from(["gan", "train+gan", *BASELINES]), max_size=4, unique=True),
    "members": st.integers(1, 2)})  # fmt: skip
TOLD_AT_ONCE = ("smote: the smaller class", "has one class only", "needs gan", "n_fresh")


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(FOREST_PLANS)
def test_a_plan_of_forests_runs_to_its_end_or_is_refused_before_any_work(plan):
    (task,) = defaults("06_random_forests")["datasets"]
    gans = [{"class_weight": 1.0, "members": plan["members"]}]
    change = {name: plan[name] for name in plan if name in task | {"n_fresh": 0, "preparation": ""}}
    change |= {"sources": ["train", *plan["sources"]], "gans": gans}
    few = {"teacher_trees": 3, "fake_per_real": 1, "throughput_rows": 10}
    with tempfile.TemporaryDirectory() as out:
        try:
            names = run_notebook(
                "06_random_forests", to_its_end=True, out_dir=out, datasets=[task | change], **few
            )
        except GanmcError as failed:
            assert any(words in str(failed) for words in TOLD_AT_ONCE), failed
            assert not list(Path(out).rglob("*.*")), "it was refused after some work"
        else:
            assert set(names["frame"].seed) == set(plan["seeds"])
