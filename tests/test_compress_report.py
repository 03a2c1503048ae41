"""The report asks whether compression was needed; its numbers are recomputed in a second way."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

from ganmc_utils.compress import measures
from ganmc_utils.compress.estimators import ClassifierCompressor, RegressorCompressor

OPTIONS = {"queries": 3000, "progress": False}
FOREST = RandomForestClassifier(40, random_state=0)


def noisy_steps(n=1500, seed=0):
    """Rows whose class depends on many steps, with labels that a third of the time are wrong."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, 3))
    clean = (np.floor(x * 4).sum(1) % 2).astype(int)
    return x, np.where(rng.random(n) < 0.3, 1 - clean, clean), clean


def teacher_who_knows(rows):
    """Probability of class 1: what the labels would be without noise."""
    return 0.1 + 0.8 * (np.floor(np.asarray(rows) * 4).sum(1) % 2)


X, Y, CLEAN = noisy_steps()


@pytest.fixture(scope="module")
def informed():
    """A student of a teacher that knows more than the labels say."""
    model = ClassifierCompressor(teacher_who_knows, "tree", "jitter", **OPTIONS)
    return model.fit(X, Y)


@pytest.fixture(scope="module")
def plain():
    """A student of a teacher that knows no more than the labels."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1500, 4))
    y = (x[:, 0] + rng.normal(0, 0.5, 1500) > 0).astype(int)
    return ClassifierCompressor(FOREST, "linear", "jitter", **OPTIONS).fit(x, y)


def test_compression_that_helps_is_told_from_one_that_gains_nothing(informed, plain):
    assert informed.report_.gain.low > 0
    assert "Compression helped" in informed.report_.verdict
    assert plain.report_.gain.low <= 0
    assert "gained nothing" in plain.report_.verdict or "did harm" in plain.report_.verdict


def test_the_numbers_are_those_of_the_report_rows(informed):
    parts, frame = informed.parts_, informed.report_.as_frame().set_index("model")
    student = informed.predict_proba(parts.x_report)[:, 1]
    teacher = teacher_who_knows(parts.x_report)
    assert frame.loc["student", "auc"] == pytest.approx(roc_auc_score(parts.y_report, student))
    loss = roc_auc_score(parts.y_report, teacher) - roc_auc_score(parts.y_report, student)
    assert frame.loc["student", "loss"] == pytest.approx(loss)
    assert informed.report_.fidelity == ((student > 0.5) == (teacher > 0.5)).mean()


def test_peers_are_no_larger(informed, plain):
    for model, beside in ((informed, "tree on the labels"), (plain, "linear on the labels")):
        frame = model.report_.as_frame().set_index("model")
        assert frame.loc[beside, "bytes"] <= 1.03 * frame.loc["student", "bytes"]


def test_fewer_trees_are_the_first_trees_that_meet_the_limit(plain):
    frame = plain.report_.as_frame().set_index("model")
    nodes = [tree.tree_.node_count for tree in plain.teacher_.model.estimators_]
    assert frame.loc["teacher", "nodes"] == sum(nodes)
    assert frame.loc["teacher with fewer trees", "nodes"] in np.cumsum(nodes)


def test_the_report_says_what_it_cannot_know():
    fitted = clone(FOREST).fit(X, Y)
    model = ClassifierCompressor(FrozenEstimator(fitted), "tree", "jitter", **OPTIONS)
    assert "may have seen the rows of this report" in str(model.fit(X, Y).report_)
    model.fit(X[:1000], Y[:1000], X[1000:], Y[1000:])
    assert model.report_.warnings == []
    assert model.report_.n_rows == 500
    few = ClassifierCompressor(RandomForestClassifier(9), "tree", "jitter", **OPTIONS)
    assert "too few rows to hold any back" in str(few.fit(X[:40], Y[:40]).report_)


def test_a_regression_has_a_report():
    model = RegressorCompressor(RandomForestRegressor(20), "tree", "jitter", **OPTIONS).fit(
        X, X[:, 0] * 5 + X[:, 1]
    )
    report = model.report_
    assert list(report.as_frame()["model"])[:3] == ["teacher", "student", "tree on the labels"]
    assert report.calibration == {}
    assert "R squared" in report.table()


def test_an_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        y = rng.integers(0, 2, 150)
        p = np.column_stack([1 - y, y]) * 0.6 + rng.random((150, 1))
        p = np.where(rng.random((150, 1)) < 0.8, p, p[:, ::-1])
        resampled = measures.resampled_scores("accuracy", y, [p])[0]
        interval = measures.interval(measures.score("accuracy", y, p), resampled)
        covered.append(interval.low <= 0.8 <= interval.high)
    assert 0.85 <= np.mean(covered) <= 1


def test_calibration_error_by_hand():
    p = np.array([0.15, 0.12, 0.95, 0.95])
    y = np.array([0, 1, 1, 1])
    by_hand = (abs(1 - 0.27) + abs(2 - 1.9)) / 4
    error = measures.calibration_error(y, np.column_stack([1 - p, p]))
    assert error == pytest.approx(by_hand)


def test_a_network_of_few_labels_is_trained_as_long_as_one_of_many_rows():
    """The case that flattered compression: a peer that had seen two batches an epoch."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3))
    y = (x[:, 0] * 2 + x[:, 1] > 0).astype(int)
    options = OPTIONS | {"queries": 20_000}
    model = ClassifierCompressor(FOREST, "network", "jitter", **options).fit(x, y)
    frame = model.report_.as_frame().set_index("model")
    assert frame.loc["network on the labels", "auc"] > 0.98
