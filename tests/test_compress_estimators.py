"""The compressors are scikit-learn estimators that take raw columns and keep to their limits."""

import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganmc_utils.compress import search
from ganmc_utils.compress.climbing import overfits, steady
from ganmc_utils.compress.columns import Columns, DataError
from ganmc_utils.compress.estimators import ClassifierCompressor, RegressorCompressor
from ganmc_utils.compress.judge import SURE, Judge, Trial, near_the_best
from ganmc_utils.compress.measures import area_under_curve
from ganmc_utils.compress.onnx_file import (
    onnx_inputs,
    onnx_model,
    onnx_predictions,
    onnx_session,
)
from ganmc_utils.compress.sources import SOURCES, Gan, TrainingRows, make_source
from ganmc_utils.compress.students import (
    FAMILIES,
    LADDERS,
    Design,
    count_nodes,
    fit_student,
    new_student,
    predictions,
    soft_labels,
)

X, Y = load_breast_cancer(return_X_y=True, as_frame=True)
QUICK = {"queries": 2000, "progress": False}
FOREST = RandomForestClassifier(30, random_state=0)


def mixed_rows(n=600, seed=0):
    """Raw rows of every kind, and the class of each, which all of them tell something about."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, n),
            "gain": rng.exponential(5000, n),
            "job": rng.choice(["clerk", "farmer", "teacher", None], n),
            "zone": pd.Categorical(rng.choice([3, 7, 9], n)),
            "member": rng.random(n) > 0.5,
        }
    )
    frame.loc[rng.random(n) < 0.1, "gain"] = np.nan
    of_job = frame["job"].map({"clerk": 0.0, "farmer": 2.0, "teacher": -2.0}).fillna(1.0)
    of_gain = frame["gain"].isna() * 3.0 + (frame["gain"] > 6000) * 2.0
    value = of_job + of_gain + (frame["zone"] == 7) + frame["age"] / 40
    return frame, (value + rng.normal(0, 0.3, n)).to_numpy()


MIXED, VALUE = mixed_rows()
BINARY = np.where(np.median(VALUE) < VALUE, "yes", "no")
THREE = np.digitize(VALUE, np.quantile(VALUE, (0.33, 0.66)))


@parametrize_with_checks(
    [
        ClassifierCompressor(
            RandomForestClassifier(10, random_state=0),
            "tree",
            "jitter",
            queries=300,
            progress=False,
        ),
        RegressorCompressor(
            RandomForestRegressor(10, random_state=0), "tree", "jitter", queries=300, progress=False
        ),
    ]
)
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)


def test_columns_go_to_the_matrix_and_back():
    columns = Columns().fit(MIXED, VALUE)
    matrix = columns.transform(MIXED)
    assert matrix.dtype == np.float32
    assert columns.flagged_ == [1]
    back = columns.back(matrix)
    assert list(back.columns) == list(MIXED.columns)
    assert back["zone"].dtype == MIXED["zone"].dtype
    assert (back["job"].isna() == MIXED["job"].isna()).all()
    assert (back["gain"].isna() == MIXED["gain"].isna()).all()
    np.testing.assert_array_equal(columns.transform(back), matrix)
    order = [VALUE[MIXED["job"] == job].mean() for job in columns.kinds_[0]]
    assert order == sorted(order)


def test_unknown_and_missing_categories_have_one_code():
    columns = Columns().fit(MIXED, VALUE)
    strange = MIXED.head(2).assign(job=["astronaut", None])
    assert (columns.transform(strange)[:, -2] == -1).all()


@pytest.mark.parametrize("name", SOURCES)
def test_sources_draw_rows_like_the_training_rows(name):
    columns = Columns().fit(MIXED, VALUE)
    rows = TrainingRows(columns.transform(MIXED), THREE, columns)
    source = Gan(rows, steps=200) if name == "gan" else make_source(name, rows)
    x, _ = source.sample(400, np.random.default_rng(0))
    x = columns.plausible(x)
    assert x.dtype == np.float32
    assert len(x) == (len(MIXED) if name == "train" else 400)
    for j in np.flatnonzero(columns.is_category_):
        assert np.isin(x[:, j], rows.x[:, j]).all()
    assert (x[:, 0] == np.round(x[:, 0])).all()  # ages
    np.testing.assert_array_equal(columns.transform(columns.back(x)), x)
    if name != "gan":  # it has had no time to learn
        assert (np.abs(x.mean(0) - rows.x.mean(0)) / rows.deviation).max() < 0.35


def test_generated_rows_are_new_and_the_same_seed_gives_the_same():
    columns = Columns().fit(MIXED, VALUE)
    rows = TrainingRows(columns.transform(MIXED), THREE, columns)
    for name in ("jitter", "munge", "smote", "gaussian_mixture"):
        x, again = (make_source(name, rows).sample(50, np.random.default_rng(3))[0] for _ in "ab")
        np.testing.assert_array_equal(x, again)
        assert not (x[:, None] == rows.x).all(2).any(1).all()


def test_soft_labels_have_the_teachers_probabilities_and_every_class():
    p = np.array([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0]])
    rows, classes, weights = soft_labels(p)
    whole = np.zeros_like(p)
    whole[rows, classes] = weights
    np.testing.assert_allclose(whole, p, atol=1e-5)
    assert set(classes) == {0, 1, 2}


@pytest.mark.parametrize("n_classes", [0, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_the_teachers_predictions(family, n_classes):
    columns = Columns().fit(MIXED, VALUE)
    x = columns.transform(MIXED)
    target = VALUE * 100 if n_classes == 0 else np.eye(3)[THREE] * 0.9 + 0.1 / 3
    settings = LADDERS[family][-1] | ({"max_iter": 30} if family == "boosted" else {})
    student = new_student(Design(family, settings), columns, n_classes == 0, 0)
    p = predictions(fit_student(student, x, target), x)
    assert p.shape == target.shape
    assert ((p - target) ** 2).mean() < 0.75 * target.var(0).mean()
    if n_classes:
        np.testing.assert_allclose(p.sum(1), 1)
    assert (count_nodes(student) is None) == (family in ("linear", "network"))


def test_a_student_takes_raw_rows():
    """The case that failed silently: a column in units a million times larger changes nothing."""
    scaled = X.assign(**{"mean area": X["mean area"] * 1e6})
    for family in ("tree", "linear"):
        scores = [
            ClassifierCompressor(FOREST, family, "jitter", **QUICK).fit(rows, Y).score(rows, Y)
            for rows in (X, scaled)
        ]
        assert min(scores) > 0.9
        assert abs(scores[0] - scores[1]) < 0.03


def test_raw_columns_of_every_kind_and_names_of_classes():
    model = ClassifierCompressor(None, "boosted", "jitter", **QUICK).fit(MIXED, BINARY)
    assert list(model.classes_) == ["no", "yes"]
    assert model.score(MIXED, BINARY) > 0.85
    fresh, value = mixed_rows(300, seed=1)
    labels = np.where(np.median(VALUE) < value, "yes", "no")
    assert model.score(fresh, labels) > 0.8


def test_auto_chooses_and_says_why():
    model = ClassifierCompressor(FOREST, max_seconds=40, **QUICK).fit(X, Y)
    assert "sources were tried on validation" in model.choice_.words
    assert f"taught by {model.choice_.source}" in model.choice_.words
    trial = model.choice_.trial
    assert f"{trial.bytes:,} bytes" in model.choice_.words
    assert trial.loss + SURE * trial.standard_error <= 0.01


@pytest.mark.parametrize(
    "limits, holds",
    [
        ({"max_nodes": 31}, lambda trial: trial.nodes <= 31),
        ({"max_bytes": 4000}, lambda trial: trial.bytes <= 4000),
    ],
)
@pytest.mark.parametrize("family", ["tree", "boosted"])
def test_limits_hold(limits, holds, family):
    model = ClassifierCompressor(FOREST, family, "jitter", max_loss=0, **limits, **QUICK)
    assert holds(model.fit(X, Y).choice_.trial)


def test_the_best_generated_rows_are_tried_again_with_all_queries(monkeypatch):
    asked, labelled = [], search.Search.labelled

    def noted(self, name, source, n):
        asked.append((name, n))
        return labelled(self, name, source, n)

    monkeypatch.setattr(search.Search, "labelled", noted)
    n = search.TRIAL_QUERIES + 1000
    teacher = RandomForestClassifier(5, random_state=0)
    model = ClassifierCompressor(teacher, "tree", queries=n, progress=False).fit(MIXED, BINARY)
    of_training = set(search.OF_TRAINING_ROWS)
    again = [name for name, n_asked in asked if n_asked == n and name not in of_training]
    assert len(again) == len(set(again)) == search.FINALISTS
    parts = model.choice_.source.split("+")
    assert set(parts) <= set(again) | of_training


def test_students_learn_from_training_rows_generated_ones_and_half_of_each():
    compressor = ClassifierCompressor(None, "tree", queries=1500, progress=False)
    *all_real, mixed, generated = compressor.search_of(X, Y).choose_rows()
    assert {rows.source for rows in all_real} == set(search.OF_TRAINING_ROWS)
    first, second = mixed.source.split("+")
    assert (first in search.OF_TRAINING_ROWS, second) == (True, generated.source)
    assert len(mixed.x) == len(generated.x) == 1500
    np.testing.assert_array_equal(mixed.x[750:], generated.x[:750])
    np.testing.assert_array_equal(mixed.target[750:], generated.target[:750])
    _, times = np.unique(mixed.x[:750], axis=0, return_counts=True)
    assert times.max() - times.min() <= 1, "training rows are repeated equally often"
    for real in all_real:
        assert {row.tobytes() for row in mixed.x[:750]} == {row.tobytes() for row in real.x}


def test_models_near_the_best_are_those_that_validation_cannot_tell_from_it():
    rng = np.random.default_rng(0)
    best = rng.normal(0, 1, 400)
    as_good = best + rng.normal(0, 0.1, 400)
    worse = best + 0.02 + rng.normal(0, 0.1, 400)  # four standard errors
    noisy = best + 0.02 + rng.normal(0, 2, 400)  # a fifth of one
    noisy += 0.02 - (noisy - best).mean()
    as_good += 0.001 - (as_good - best).mean()
    misfits = np.array([worse, noisy, best, as_good])
    assert list(near_the_best(misfits, 1)) == [1, 2, 3]
    assert list(near_the_best(misfits, 0)) == [2]


def test_a_family_is_climbed_until_larger_students_surely_overfit():
    def trial(misfits):
        return Trial(None, None, 0, 0, np.array(misfits), False, None, 0)

    best = np.tile([0.0, 0.2], 50)
    noisy = best + np.tile([0.3, -0.25], 50)  # worse by a standard error and no more
    worse = best + 0.1
    assert not overfits([trial(best), trial(worse)])
    assert not overfits([trial(best), trial(noisy), trial(noisy)])
    assert not overfits([trial(best), trial(worse), trial(noisy)])
    assert not overfits([trial(worse), trial(worse), trial(best)])
    assert overfits([trial(best), trial(worse), trial(worse)])


def test_a_slow_teacher_is_asked_less_often():
    def slow(rows):
        time.sleep(0.002 * len(rows))
        return np.full((len(rows), 2), 0.5)

    compressor = ClassifierCompressor(slow, max_seconds=60, queries=10**6, progress=False)
    search_ = compressor.search_of(MIXED, BINARY)
    search_.labelled("train", search_.candidates["train"](), 1)
    assert search_.affordable_queries() == search.TRIAL_QUERIES
    search_.seconds_of_query = 1e-3
    in_time = search.QUERIES_SHARE * 60 / 1e-3
    assert search_.affordable_queries() == pytest.approx(in_time, rel=0.05)


def test_a_steady_student_keeps_the_limit_with_more_iterations_too():
    by_chance = np.array([False, True, False, False] + [True] * 10)
    assert steady(by_chance)[0] == 4
    assert len(steady(np.zeros(5, bool))) == 0
    assert list(steady(np.ones(3, bool))) == [0, 1, 2]


def test_excess_error_of_two_students_by_hand():
    compressor = ClassifierCompressor(FOREST, "tree", "jitter", **QUICK)
    judge = compressor.search_of(X, Y).judge
    assert judge.excess_error(judge.teacher) == 0
    right = np.eye(2)[judge.y]
    ours = np.mean([((p - t) ** 2).sum() / 2 for p, t in zip(judge.teacher, right)])
    assert judge.excess_error(right) == pytest.approx(-ours)
    assert judge.excess_error(1 - right) == pytest.approx(1 - ours)
    halfway = (judge.teacher + right) / 2
    by_hand = [np.square(p - halfway).sum(1).mean() / 2 for p in (right, 1 - right, judge.teacher)]
    assert judge.misfits(judge.teacher).mean() == 0
    assert judge.misfits(right).mean() == pytest.approx(by_hand[0] - by_hand[2])
    assert judge.misfits(1 - right).mean() == pytest.approx(by_hand[1] - by_hand[2])


def test_a_larger_loss_allows_a_smaller_student():
    sizes = []
    for max_loss in (0.2, 0.01):
        model = ClassifierCompressor(FOREST, "tree", "jitter", max_loss=max_loss, **QUICK)
        sizes.append(model.fit(MIXED, THREE).choice_.trial.nodes)
    assert sizes[0] < sizes[1]


def test_when_the_time_is_up_the_student_is_a_strong_one():
    model = ClassifierCompressor(FOREST, max_seconds=0, **QUICK).fit(X, Y)
    assert model.choice_.trial.design.family in ("linear", "boosted")
    assert "The time was up" in model.choice_.words
    assert model.score(X, Y) > 0.9
    tree = ClassifierCompressor(FOREST, "tree", "jitter", max_seconds=0, max_loss=0, **QUICK)
    assert tree.fit(MIXED, THREE).choice_.trial.nodes > 100


def test_a_tree_is_as_large_as_its_limit_allows():
    model = ClassifierCompressor(FOREST, "tree", "jitter", max_loss=0, max_nodes=45, **QUICK)
    assert model.fit(MIXED, THREE).choice_.trial.nodes == 45


def test_clone_keeps_a_frozen_teacher_and_pipelines_and_folds_work():
    fitted = RandomForestClassifier(20, random_state=0).fit(X, Y)
    model = ClassifierCompressor(FrozenEstimator(fitted), "tree", "jitter", **QUICK)
    assert clone(model).teacher.estimator is fitted
    pipeline = make_pipeline(FunctionTransformer(), model)
    assert cross_val_score(pipeline, X, Y, cv=2).min() > 0.85


def test_teachers_of_every_kind():
    own = make_pipeline(FunctionTransformer(lambda rows: rows[["age"]]), FOREST)
    teachers = [
        GradientBoostingClassifier(n_estimators=5),
        own,
        lambda rows: (rows["age"] > 40) * 1.0,
    ]
    for teacher in teachers:
        model = ClassifierCompressor(teacher, "tree", "jitter", **QUICK).fit(MIXED, BINARY)
        assert model.teacher_.is_given == (teacher is teachers[-1])
    student_of_age = model.predict(MIXED) == np.where(MIXED["age"] > 40, "yes", "no")
    assert student_of_age.mean() > 0.97


def test_the_student_learns_the_teacher_and_not_the_labels():
    model = ClassifierCompressor(lambda rows: 1.0 - (rows["age"] > 40), "tree", "jitter", **QUICK)
    model.fit(MIXED, np.where(MIXED["age"] > 40, "yes", "no"))
    assert (model.predict(MIXED) == "yes").mean() == pytest.approx((MIXED["age"] <= 40).mean())


def test_out_of_bag_predictions_label_the_training_rows():
    model = RegressorCompressor(None, "tree", "train_oob", max_nodes=3, **QUICK)
    data, target = load_diabetes(return_X_y=True)
    model.fit(data, target)
    x, out_of_bag = model.parts_.x_train, model.teacher_.out_of_bag
    left = x[:, model.student_.tree_.feature[0]] <= model.student_.tree_.threshold[0]
    means = {out_of_bag[left].mean(), out_of_bag[~left].mean()}
    assert set(np.round(model.student_.predict(x), 6)) == set(np.round(list(means), 6))


def test_own_sources_and_unlabelled_rows():
    asked = []

    def draw(n, rng):
        asked.append(n)
        return X.sample(n, replace=True, random_state=int(rng.integers(9)))

    class Drawer:
        def sample(self, n, rng):
            return draw(n, rng), None

    for source in (draw, Drawer(), X.head(300)):
        model = ClassifierCompressor(FOREST, "tree", source, **QUICK).fit(X, Y)
        assert model.score(X, Y) > 0.85
    assert asked == [2000, 2000]
    assert model.choice_.n_queries == 300


def test_the_parts_are_apart_and_the_report_rows_can_be_given():
    model = ClassifierCompressor(FOREST, "tree", "jitter", **QUICK).fit(X, Y)
    parts = model.parts_
    rows = [parts.x_train, parts.judge.x, parts.x_report]
    assert [len(part) for part in rows] == [341, 114, 114]
    assert len(np.unique(np.concatenate(rows), axis=0)) == len(np.unique(X, axis=0))
    model.fit(X[:400], Y[:400], X[400:], Y[400:])
    assert len(model.parts_.x_report) == 169
    assert len(model.parts_.x_train) == 320


def test_the_standard_error_is_that_of_paired_rows():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = np.clip(y * 0.3 + rng.random(400) * 0.7, 0, 1)
    teacher = np.column_stack([1 - p, p])
    judge = Judge("auc", None, np.array([0, 1]), None, y, teacher, 0.01, None, None, 0, np.inf)
    assert judge.loss(teacher) == 0
    assert judge.standard_error(teacher) == 0
    other = rng.permutation(teacher)
    assert judge.loss(other) == area_under_curve(y, p) - area_under_curve(y, other[:, 1])
    assert 0.01 < judge.standard_error(other) < 0.06


def test_the_area_under_the_curve_counts_pairs():
    y, p = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.5, 0.5, 0.4, 0.9])
    pairs = [(a > b) + (a == b) / 2 for a in p[y == 1] for b in p[y == 0]]
    assert area_under_curve(y, p) == pytest.approx(np.mean(pairs))


def leaves(*_):
    sys.exit(3)


FITTED = RandomForestClassifier(5, random_state=0).fit(X, Y)
WITH_INFINITY = X.assign(**{"mean area": np.inf})


@pytest.mark.parametrize(
    "change, rows, y, says",
    [
        ({"student": "oak"}, X, Y, "student: unknown family oak"),
        ({"source": "dream"}, X, Y, "source: unknown name dream"),
        ({"source": "my.py:Draw"}, X, Y, "or give an object with sample(n, rng)"),
        ({"source": 3}, X, Y, "source: int is no source"),
        ({"source": "train_oob"}, X, Y, "needs the tool's own forest"),
        ({"source": lambda n, rng: X.head(3)}, X, Y, "3 rows where 500 were asked for"),
        ({"source": leaves}, X, Y, "source: fails (SystemExit: 3)"),
        ({"teacher": leaves}, X, Y, "(SystemExit: 3); bring a teacher fitted"),
        ({"max_loss": -1}, X, Y, "max_loss: -1"),
        ({"max_nodes": 0}, X, Y, "max_nodes: 0"),
        ({"max_bytes": 10}, X, Y, "none is small enough"),
        ({"teacher": 5}, X, Y, "teacher: int cannot predict"),
        ({"teacher": FITTED}, X, Y, "is fitted already; give FrozenEstimator"),
        ({"teacher": FrozenEstimator(FITTED)}, X.iloc[:, :9], Y, "cannot predict rows"),
        ({"teacher": FrozenEstimator(FITTED)}, X, Y + 2 * (X["mean area"] > 999), "its 2 classes"),
        ({"teacher": lambda rows: np.full(len(rows), np.nan)}, X, Y, "NaN or infinity for"),
        ({"teacher": lambda rows: np.zeros((len(rows), 7))}, X, Y, "7 classes where the target"),
        ({"teacher": lambda rows: np.full(len(rows), 5.0)}, X, Y, "no probabilities"),
        ({}, WITH_INFINITY, Y, "column mean area: infinity"),
        ({}, X.assign(empty=np.nan), Y, "column empty: all values are missing"),
        ({}, X.assign(note=[f"text {i}" for i in range(len(X))]), Y, "569 different texts"),
        ({}, pd.concat([X, X[["mean area"]]], axis=1), Y, "column mean area: named twice"),
        ({}, X.assign(day=pd.Timestamp("2020-01-01")), Y, "column day: dates"),
        ({}, X, np.zeros(len(X)), "one class only"),
        ({}, X, Y.astype(float).where(Y.index > 3), "4 labels are missing"),
        ({}, X, np.arange(len(X)), "569 classes"),
    ],
)
def test_whatever_cannot_be_used_is_one_line(change, rows, y, says):
    options = {"teacher": RandomForestClassifier(3), "student": "tree", "source": "jitter"}
    options |= {"queries": 500, "progress": False}
    with pytest.raises(DataError) as raised:
        ClassifierCompressor(**options | change).fit(rows, y)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert ";" in str(raised.value)


def test_probabilities_that_are_ordered_rightly_but_wrong_do_not_keep_the_limit():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = np.clip(y * 0.8 + rng.random(400) * 0.2, 0, 1)
    teacher = np.column_stack([1 - p, p])
    judge = Judge("auc", None, np.array([0, 1]), None, y, teacher, 0.01, None, None, 0, np.inf)
    shrunken = 0.5 + (teacher - 0.5) / 10
    assert judge.loss(shrunken) == 0
    assert judge.is_kept(teacher, 0.0)
    assert not judge.is_kept(shrunken, 0.0)
    by_hand = np.square(shrunken[:, 1] - y).mean() - np.square(p - y).mean()
    assert judge.excess_error(shrunken) == pytest.approx(by_hand)


def test_a_limit_is_kept_where_the_loss_and_1_64_standard_errors_are_within_it():
    y = np.tile([0, 1], 50)
    p = np.column_stack([1 - y, y]).astype(float)
    judge = Judge("auc", None, np.array([0, 1]), None, y, p, 0.0164, None, None, 0, np.inf)
    assert judge.is_kept(p, 0.00999)
    assert not judge.is_kept(p, 0.01001)


@pytest.mark.parametrize("family", ["tree", "forest", "boosted"])
def test_thresholds_between_neighbouring_float32_numbers_are_float32(family):
    """Halfway between neighbours, a threshold rounded to float32 may be the upper one."""
    low = np.float32(1000)
    steps = np.array([low, np.nextafter(low, np.float32(2000))], np.float32)
    high = np.nextafter(steps[1], np.float32(2000))
    x = np.repeat(np.array([*steps, high], np.float32), 200)[:, None]
    target = np.repeat([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], 200, axis=0)
    columns = Columns().fit(x, target[:, 1])
    settings = LADDERS[family][0] | ({"max_iter": 20} if family == "boosted" else {})
    settings["max_leaf_nodes"] = 4
    student = fit_student(new_student(Design(family, settings), columns, False, 0), x, target)
    np.testing.assert_array_equal(predictions(student, x).argmax(1), target.argmax(1))
    model = onnx_model(columns, student, np.array([0, 1]))
    p = onnx_predictions(onnx_session(model), onnx_inputs(columns, x))
    np.testing.assert_array_equal(p.argmax(1), target.argmax(1))


SMALL = X[["mean area", "mean radius", "mean texture"]]
IN_ANOTHER_ORDER = SMALL[["mean radius", "mean texture", "mean area"]]
LEARNER = ClassifierCompressor(RandomForestClassifier(3), "tree", "jitter", **QUICK)


@pytest.mark.parametrize(
    "rows, y, says",
    [
        (IN_ANOTHER_ORDER, Y, "X_report: column 1 is mean radius where mean area is expected"),
        (SMALL.set_axis(list("abc"), axis=1), Y, "X_report: column 1 is a where mean area"),
        (SMALL.rename(columns={"mean texture": "z"}), Y, "column 3 is z where mean texture"),
        (SMALL.iloc[:, :2], Y, "X_report: 2 columns where 3 are expected"),
        (SMALL.head(0), Y.head(0), "X_report: 0 rows"),
        (SMALL, None, "y_report: is missing; give X_report and y_report"),
        (None, Y, "X_report: is missing; give X_report and y_report"),
    ],
)
def test_report_rows_that_are_not_like_the_training_rows_are_refused(rows, y, says):
    with pytest.raises(DataError) as raised:
        clone(LEARNER).search_of(SMALL, Y, rows, y)
    assert says in str(raised.value)


def test_names_that_are_no_texts_count_too():
    numbered = SMALL.set_axis([0, 1, 2], axis=1)
    with pytest.raises(DataError, match="column 1 is 2 where 0 is expected"):
        clone(LEARNER).search_of(numbered, Y, numbered[[2, 1, 0]], Y)


class WithoutSample:
    sample = 3


class Failing:
    def sample(self, n, rng):
        raise ZeroDivisionError("no luck")


def array_of(n, rng):
    return torch.zeros(n, 3, requires_grad=True)


BAD_SOURCES = {
    "rows in another order": (IN_ANOTHER_ORDER, "source: column 1 is mean radius where mean area"),
    "a function of such rows": (lambda n, rng: IN_ANOTHER_ORDER.head(n), "source: column 1 is"),
    "renamed columns": (SMALL.set_axis(list("abc"), axis=1), "source: column 1 is a where"),
    "nothing but NaN": (SMALL * np.nan, "569 of 569 rows hold no value"),
    "a function of NaN": (lambda n, rng: np.full((n, 3), np.nan), "rows hold no value"),
    "an empty column": (SMALL.assign(**{"mean area": np.nan}), "all values of column mean area"),
    "no rows": (SMALL.head(0), "source: 0 rows"),
    "what raises": (Failing(), "source: fails (ZeroDivisionError: no luck); mend it"),
    "what takes no n": (lambda: SMALL, "source: fails (TypeError"),
    "None": (lambda n, rng: None, "source: Expected 2D array, got scalar array instead; bring"),
    "a text": (lambda n, rng: "rows", "source: Expected 2D array"),
    "an empty pair": (lambda n, rng: (), "source: Expected 2D array"),
    "a class": (Failing, "source: Failing is a class; make an instance"),
    "no method": (WithoutSample(), "WithoutSample is no source"),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_a_source_that_cannot_be_used_is_one_line(case):
    source, says = BAD_SOURCES[case]
    options = {"teacher": RandomForestClassifier(3), "student": "tree", "source": source}
    with pytest.raises(DataError) as raised:
        ClassifierCompressor(**options, **QUICK).fit(SMALL, Y)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_source_may_give_tensors():
    columns = Columns().fit(SMALL, Y)
    rows = TrainingRows(columns.transform(SMALL), Y.to_numpy(), columns)
    rng = np.random.default_rng(0)
    assert make_source(array_of, rows).sample(7, rng)[0].shape == (7, 3)
    assert make_source(torch.ones(9, 3), rows).sample(7, rng)[0].shape == (7, 3)


TOO_LONG = {
    "seconds since 1970": 1.7e9 + np.arange(300),
    "three of them": np.tile(1.7e9 + np.array([0.0, 1.0, 200.0]), 100),
    "whole numbers beyond 2^53": 10**17 + 7 * np.arange(300),
    "with missing ones": pd.array([None, *(10**17 + np.arange(299))], "Int64"),
    "too small ones": 1e-46 * np.arange(300),
}


@pytest.mark.parametrize("case", TOO_LONG)
def test_numbers_that_float32_cannot_tell_apart_are_refused(case):
    frame = pd.DataFrame({"a": np.arange(300), "b": TOO_LONG[case]})
    with pytest.raises(DataError) as raised:
        Columns().fit(frame, np.arange(300.0))
    assert str(raised.value).startswith("column b: different numbers are equal in float32 (")


@pytest.mark.parametrize("size", [300, 1000, 200_000])
def test_numbers_that_meet_in_float32_by_chance_are_taken(size):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"normal": rng.normal(size=size), "place": 40.7 + rng.random(size)})
    frame["seconds of a year"] = 1.7e9 + rng.integers(0, 3e7, size)
    frame["less their smallest"] = np.arange(size)
    Columns().fit(frame, np.zeros(size))


REGRESSION = RegressorCompressor(RandomForestRegressor(3), "tree", "jitter", **QUICK)
AREA = X["mean area"].to_numpy()


@pytest.mark.parametrize(
    "compressor, y, y_report, says",
    [
        (REGRESSION, AREA * 1e39, None, "y: values of up to 2.501e+42, which float32 cannot hold"),
        (REGRESSION, AREA * 1e160, None, "y: values of up to 2.501e+163"),
        (REGRESSION, AREA * 1e-50, None, "y: values of up to 2.501e-47"),
        (REGRESSION, 1e17 + AREA, None, "y: different numbers are equal in float32"),
        (REGRESSION, AREA, AREA * 1e39, "y_report: values of up to"),
        (REGRESSION, AREA * 0 + 3, None, "y: one value only"),
        (REGRESSION, AREA, AREA * 0 + 3, "y_report: one value only"),
        (LEARNER, Y, Y * 0, "y_report: one class only"),
        (LEARNER, THREE[: len(X)], Y * 0, "y_report: one class only"),
        (LEARNER, Y, Y * 3, "y_report: unknown classes"),
        (LEARNER, Y, Y.where(Y.index > 3), "y_report: 4 labels are missing"),
    ],
)
def test_targets_that_define_no_score_or_exceed_float32_are_refused(compressor, y, y_report, says):
    rows = None if y_report is None else SMALL
    with pytest.raises(DataError) as raised:
        clone(compressor).search_of(SMALL, y, rows, y_report)
    assert str(raised.value).startswith(says)


def test_a_report_of_one_row_is_refused():
    for compressor, y in ((LEARNER, Y), (REGRESSION, AREA)):
        with pytest.raises(DataError, match="y_report: one (class|value) only"):
            clone(compressor).search_of(SMALL, y, SMALL.head(1), y[:1])


def test_a_teacher_of_values_beyond_float32_is_refused():
    compressor = clone(REGRESSION).set_params(teacher=lambda rows: np.full(len(rows), 1e39))
    with pytest.raises(DataError, match="teacher: values of up to 1e.39"):
        compressor.search_of(SMALL, AREA)


def with_column(values):
    """The rows with a further column of these values, in turn."""
    return SMALL.assign(
        more=pd.Series(np.resize(np.array(values, object), len(SMALL)), SMALL.index)
    )


BAD_COLUMNS = {
    "lists": (SMALL.assign(more=[[1]] * len(SMALL)), "column more: holds values of type list"),
    "dicts": (SMALL.assign(more=[{}] * len(SMALL)), "column more: holds values of type dict"),
    "a number and its text": (with_column([1, "1"]), "column more: both 1 and '1'"),
    "a text among numbers": (with_column([*range(30), "?"]), "column more: '?' among numbers"),
    "a row of numbers": (
        np.arange(569),
        "X: Expected 2D array, got 1D array instead; bring a table",
    ),
    "complex numbers": (SMALL.to_numpy() + 1j, "X: Complex data not supported; bring"),
    "a sparse matrix": (sparse.csr_array(SMALL.to_numpy()), "X: Sparse data was passed"),
    "nothing": (None, "X: Expected 2D array"),
    "no columns": (SMALL[[]], "X: no columns"),
    "no rows": (SMALL.head(0), "X: 0 samples"),
    "one name twice": (SMALL.set_axis([1, "1", "c"], axis=1), "column 1: named twice"),
    "names of two types": (SMALL.set_axis([1, "b", "c"], axis=1), "X: names of columns"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_columns_that_cannot_be_used_are_one_line(case):
    rows, says = BAD_COLUMNS[case]
    with pytest.raises(DataError) as raised:
        clone(LEARNER).fit(rows, Y.head(0) if case == "no rows" else Y)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)


def test_categories_that_hold_some_numbers_are_taken():
    for values in (["0", "1", "2", "3+"], ["1", "2", "3"], ["a", 1, 2.5], [3, 4, None, "none"]):
        rows = with_column(values)
        assert Columns().fit(rows, Y).categories_ == [3]
    few = SMALL.assign(more=pd.Categorical(np.resize([*map(str, range(40)), "?"], len(SMALL))))
    assert Columns().fit(few, Y).categories_ == [3], "said to be categories"


@pytest.mark.parametrize("compressor", [LEARNER, REGRESSION], ids=["classes", "values"])
@pytest.mark.parametrize(
    "y",
    [np.resize(np.array(["a", 1], object), len(X)), Y.to_numpy() + 1j],
    ids=["mixed", "complex"],
)
def test_targets_of_two_types_or_of_complex_numbers_are_one_line(compressor, y):
    with pytest.raises(DataError, match="^y: "):
        clone(compressor).fit(SMALL, y)
    with pytest.raises(DataError, match="^y_report: "):
        clone(compressor).fit(SMALL, AREA if compressor is REGRESSION else Y, SMALL, y)


BAD_NUMBERS = {
    "max_seconds": [-1, np.nan, "5", None, True],
    "max_loss": [-1, np.nan, "0.01", None, True],
    "max_nodes": [0, -1, 2.5, "9", True],
    "max_bytes": [0, -1, 2.5, "9", True],
    "queries": [0, -1, 2.5, "all", None, True, 10**11],
}


@pytest.mark.parametrize(
    "name, value", [(name, value) for name, values in BAD_NUMBERS.items() for value in values]
)
def test_numbers_that_cannot_be_used_name_their_parameter(name, value):
    with pytest.raises(DataError) as raised:
        clone(LEARNER).set_params(**{name: value}).search_of(SMALL, Y)
    assert str(raised.value).startswith(f"{name}: {value!r}; give a")


def test_a_search_may_last_for_ever():
    search_ = clone(LEARNER).set_params(max_seconds=np.inf, source="auto").search_of(SMALL, Y)
    assert search_.affordable_queries() == 2000
    assert not search_.enough_of_sources()
