"""Teachers that cannot be used, of a file or of Python: each is one line with its cure."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ganmc_utils.compress.columns import Columns
from ganmc_utils.compress.onnx_file import onnx_model
from ganmc_utils.compress.table import load_onnx, load_teacher
from ganmc_utils.compress.teachers import make_teacher
from ganmc_utils.core.errors import GanmcError

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(200, 3)), columns=list("abc")).astype(np.float32)
VALUE = (X["a"] + X["b"]).to_numpy()
CLASSES = np.array(["benign", "malignant"])
LABELS = CLASSES[(VALUE > 0).astype(int)]
ONE_ROW = X.to_numpy()[:1]
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)


def asked(teacher, classes=CLASSES):
    """Its predictions for the rows, as compressors ask for them. classes: None: a regression."""
    y = VALUE if classes is None else np.searchsorted(classes, LABELS)
    columns = Columns().fit(X, y)
    matrix = columns.transform(X)
    return make_teacher(teacher, matrix, y, columns, classes, 0).ask(matrix)


def problem_of(teacher, classes=CLASSES):
    """The one line that a teacher ends in."""
    with pytest.raises(GanmcError) as raised:
        asked(teacher, classes)
    assert "\n" not in str(raised.value)
    assert "; " in str(raised.value)
    return str(raised.value)


def written(model, path):
    path.write_bytes(model.SerializeToString())
    return path


def graph_of(nodes, shape, kind=TensorProto.FLOAT, result=(None,)):
    """A model of x of that shape and type with these nodes, whose output is o."""
    x = helper.make_tensor_value_info("x", kind, shape)
    o = helper.make_tensor_value_info("o", TensorProto.FLOAT, result)
    opsets = [helper.make_opsetid("", 18)]
    graph = helper.make_graph(nodes, "sum", [x], [o])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def sum_of(kind):
    """A model of numbers of a type that gives the sum of each row."""
    as_floats = helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)
    axes = helper.make_node("Constant", [], ["axes"], value_ints=[1])
    total = helper.make_node("ReduceSum", ["f", "axes"], ["o"], keepdims=0)
    return graph_of([as_floats, axes, total], [None, 3], kind)


MODELS = {
    "tree": TREE,
    "forest": RandomForestClassifier(3, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=2),
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "network": MLPClassifier((3,), max_iter=20),
    "voting": VotingClassifier(
        [("tree", TREE), ("line", LogisticRegression())], voting="soft", flatten_transform=False
    ),
    "calibrated": CalibratedClassifierCV(TREE, cv=2),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_the_classes_of_an_onnx_file_must_be_those_of_the_target(name, zipmap, tmp_path):
    others = {"other names": np.array(["cat", "dog"]), "numbers": np.array([0, 1])}
    for case, classes in {"the same": CLASSES, **others}.items():
        fitted = MODELS[name].fit(X.to_numpy(), classes[(VALUE > 0).astype(int)])
        options = {"zipmap": zipmap}
        path = written(to_onnx(fitted, ONE_ROW, options=options), tmp_path / f"{case}.onnx")
        teacher = load_onnx(path, is_regression=False)
        assert list(teacher.classes_) == list(classes), case
        if case == "the same":
            assert np.abs(asked(teacher) - fitted.predict_proba(X.to_numpy())).max() < 1e-5
        else:
            assert "are not the target's 2 (benign, malignant)" in problem_of(teacher)


@pytest.mark.parametrize("zipmap", [True, False])
def test_classes_in_another_order_are_told_by_their_names(zipmap, tmp_path):
    fitted = TREE.fit(X.to_numpy(), LABELS)
    model = to_onnx(fitted, ONE_ROW, options={"zipmap": zipmap})
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings":
                attribute.strings[:] = [b"malignant", b"benign"]
    teacher = load_onnx(written(model, tmp_path / "reversed.onnx"), is_regression=False)
    if zipmap:
        p = asked(teacher)
        assert np.abs(p - fitted.predict_proba(X.to_numpy())[:, ::-1]).max() < 1e-5
    else:
        assert "(malignant, benign) are not the target's" in problem_of(teacher)


@pytest.mark.parametrize("classes", [CLASSES, np.array([3, 7]), np.array([False, True])])
def test_a_student_of_this_tool_may_teach(classes, tmp_path):
    columns = Columns().fit(X, VALUE)
    student = TREE.fit(columns.transform(X), VALUE > 0)
    path = written(onnx_model(columns, student, classes), tmp_path / "model.onnx")
    p = asked(load_onnx(path, is_regression=False), classes)
    np.testing.assert_allclose(p, student.predict_proba(columns.transform(X)), atol=1e-6)


def test_an_onnx_file_of_any_number_of_columns_is_refused(tmp_path):
    any_width = [("x", FloatTensorType([None, None]))]
    model = convert_sklearn(TREE.fit(X[["a", "b"]].to_numpy(), LABELS), initial_types=any_width)
    with pytest.raises(GanmcError, match="its input x takes any number of columns; save it with"):
        load_onnx(written(model, tmp_path / "wide.onnx"), is_regression=False)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_an_onnx_file_of_whole_numbers_is_given_no_fractions(kind, tmp_path):
    teacher = load_onnx(written(sum_of(kind), tmp_path / "sum.onnx"), is_regression=True)
    name = {TensorProto.INT64: "int64", TensorProto.INT32: "int32"}[kind]
    assert f"in column a, of which it takes {name}" in problem_of(teacher, None)
    whole = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]})
    np.testing.assert_array_equal(teacher(whole), [9, 12])
    for strange in (np.nan, 1e30):
        with pytest.raises(ValueError, match="in column b, of which it takes"):
            teacher(whole.assign(b=[3.0, strange]))


def test_an_onnx_file_without_texts_does_not_leave_out_a_column_of_texts(tmp_path):
    teacher = load_onnx(written(sum_of(TensorProto.FLOAT), tmp_path / "f.onnx"), True)
    with pytest.raises(ValueError, match="it has no input for job"):
        teacher(X.assign(job="clerk"))


class Unlike:
    """Its predictions are whatever it is made with."""

    def __init__(self, p):
        self.p = p

    def __call__(self, rows):
        if isinstance(self.p, Exception):
            raise self.p
        return self.p


N = len(X)
NO_PROBABILITIES = DecisionTreeRegressor().fit(X, VALUE)
CLASSIFIER = TREE.fit(X, LABELS)
BAD_TEACHERS = {
    "raises": (Unlike(ZeroDivisionError("no luck")), "(ZeroDivisionError: no luck); bring"),
    "raises at length": (Unlike(RuntimeError("a\nb")), "(RuntimeError: a b); bring"),
    "complex": (Unlike(np.full(N, 0.5 + 1j)), "complex predictions; return real numbers"),
    "texts": (Unlike(LABELS), "predictions that are no numbers (could not convert"),
    "a dict": (Unlike({"a": 1}), "predictions that are no numbers"),
    "None": (Unlike(None), "predictions of shape ()"),
    "a class": (RandomForestClassifier, "RandomForestClassifier is a class; make an instance"),
    "a frozen class": (FrozenEstimator(RandomForestClassifier), "is a class; make an instance"),
    "a regressor": (FrozenEstimator(NO_PROBABILITIES), "no predict_proba; bring a classifier"),
    "no predict": (StandardScaler(), "StandardScaler cannot predict; give a classifier"),
    "bad settings": (RandomForestClassifier(-3), "teacher: fails (InvalidParameterError"),
}


@pytest.mark.parametrize("case", BAD_TEACHERS)
def test_a_teacher_that_cannot_be_used_is_one_line(case):
    teacher, says = BAD_TEACHERS[case]
    assert says in problem_of(teacher)


@pytest.mark.parametrize("kind", ["a tensor", "with grad"])
def test_a_teacher_may_give_tensors(kind):
    p = torch.full((N,), 0.25, requires_grad=kind == "with grad")
    np.testing.assert_allclose(asked(Unlike(p)), np.tile([0.75, 0.25], (N, 1)))


@pytest.mark.parametrize("of_texts", [True, False])
def test_a_classifier_does_not_teach_a_regression(of_texts, tmp_path):
    labels = LABELS if of_texts else (VALUE > 0).astype(int)
    fitted = TREE.fit(X, labels)
    skops.io.dump(fitted, tmp_path / "teacher.skops")
    for path in (
        tmp_path / "teacher.skops",
        written(to_onnx(fitted, ONE_ROW), tmp_path / "t.onnx"),
    ):
        teacher = load_teacher(path, is_regression=True)
        says = "is a classifier where the target is a regression's; bring a regressor"
        assert says in problem_of(teacher, None)
    assert "is a classifier" in problem_of(TREE, None)


@pytest.mark.parametrize("is_regression", [True, False])
@pytest.mark.parametrize("held", [{"a": 1}, [1, 2], np.zeros(3), None, "text", StandardScaler()])
def test_a_skops_file_of_what_cannot_predict_is_one_line(held, is_regression, tmp_path):
    skops.io.dump(held, tmp_path / "teacher.skops")
    teacher = load_teacher(tmp_path / "teacher.skops", is_regression)
    said = problem_of(teacher, None if is_regression else CLASSES)
    assert (
        said == f"teacher: {type(held).__name__} cannot predict; give a classifier or a regressor"
    )


SCHEMAS = {
    "a module that is gone": lambda text: text.replace("sklearn.tree._classes", "sklearn.gone"),
    "nesting without end": lambda text: "[" * 10**5 + "]" * 10**5,
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_a_skops_file_that_cannot_be_loaded_is_one_line(case, tmp_path):
    skops.io.dump(CLASSIFIER, tmp_path / "good.skops")
    with zipfile.ZipFile(tmp_path / "good.skops") as good:
        parts = {name: good.read(name) for name in good.namelist()}
    parts["schema.json"] = SCHEMAS[case](parts["schema.json"].decode()).encode()
    with zipfile.ZipFile(tmp_path / "bad.skops", "w") as bad:
        for name, content in parts.items():
            bad.writestr(name, content)
    with pytest.raises(GanmcError) as raised:
        load_teacher(tmp_path / "bad.skops", is_regression=False)
    assert "\n" not in str(raised.value)
    assert any(cure in str(raised.value) for cure in ("; save it again", "; bring it as ONNX"))
