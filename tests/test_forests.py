"""Forests: prefixes against separately built forests, and a student that listens to its teacher."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble._forest import _generate_sample_indices
from sklearn.metrics import roc_auc_score

from ganmc_utils.forests import models as forest_models

X, Y = load_breast_cancer(return_X_y=True)
X = X.astype(np.float32)
TEACHER = forest_models.fit_teacher(X[:300], Y[:300], n_trees=20)
P = forest_models.probability_of_class_1(TEACHER, X[:300])


def test_prefixes_are_the_smaller_forests():
    student = forest_models.fit_student(X[:300], P, n_trees=6, seed=3)
    curve = forest_models.predictions_by_size(student, X[300:])
    for k in range(1, 7):
        smaller = forest_models.fit_student(X[:300], P, n_trees=k, seed=3)
        np.testing.assert_allclose(curve[k - 1], smaller.predict(X[300:]), atol=1e-12)


def test_the_student_changes_when_the_teacher_does():
    student = forest_models.fit_student(X[:300], P)
    opposite_teacher = forest_models.fit_teacher(X[:300], 1 - Y[:300], 20)
    opposite_p = forest_models.probability_of_class_1(opposite_teacher, X[:300])
    opposite_student = forest_models.fit_student(X[:300], opposite_p)
    predictions = student.predict(X[300:])
    opposite_predictions = opposite_student.predict(X[300:])
    np.testing.assert_allclose(predictions + opposite_predictions, 1, atol=0.5)
    assert np.corrcoef(predictions, opposite_predictions)[0, 1] < -0.5


def test_label_is_the_probability_of_class_one():
    assert P[Y[:300] == 1].mean() > 0.9 > 0.1 > P[Y[:300] == 0].mean()


def test_costs():
    capped = forest_models.fit_student(X[:300], P, n_trees=3, max_leaf_nodes=4)
    assert capped.n_estimators == 3
    cost = forest_models.cost(capped, X, batch=1000)
    assert cost["nodes"] <= 3 * 7
    assert cost["bytes"] < forest_models.bytes_on_disk(TEACHER)
    assert cost["rows_per_second"] > cost["rows_per_second_batch_1"] > 0


def test_first_trees():
    three = forest_models.fit_student(X[:300], P, n_trees=3, max_leaf_nodes=4)
    one = forest_models.first_trees(three, 1)
    assert forest_models.count_nodes(one) <= 7 and len(three.estimators_) == 3
    np.testing.assert_array_equal(one.predict(X), forest_models.predictions_by_size(three, X)[0])


def test_what_is_timed_is_what_the_forest_predicts():
    student = forest_models.fit_student(X[:300], P, 3)
    p_timed = forest_models.mean_of_trees(TEACHER, X)[:, 1]
    assert np.allclose(p_timed, forest_models.probability_of_class_1(TEACHER, X))
    assert np.allclose(forest_models.mean_of_trees(student, X)[:, 0], student.predict(X))

    small = forest_models.cost(student, X, 500)
    large = forest_models.cost(TEACHER, X, 500)
    for speed in ("rows_per_second", "rows_per_second_batch_1"):
        assert small[speed] > 2 * large[speed]
    assert small["nodes"] == forest_models.count_nodes(student) and small["bytes"] > 0


def slow_out_of_bag(teacher, x):
    """Row by row: the mean over the trees whose bootstrap sample, drawn again, lacks the row."""
    n = len(x)
    total, trees = np.zeros(n), np.zeros(n, int)
    for tree in teacher.estimators_:
        drawn = set(_generate_sample_indices(tree.random_state, n, n).tolist())
        for i in range(n):
            if i not in drawn:
                total[i] += tree.predict_proba(x[i : i + 1])[0, 1]
                trees[i] += 1
    usual = np.array([teacher.predict_proba(x[i : i + 1])[0, 1] for i in range(n)])
    return np.where(trees > 0, total / np.maximum(trees, 1), usual), int((trees == 0).sum())


@pytest.mark.parametrize("n_trees", [1, 3, 12])
def test_out_of_bag_labels_equal_a_slow_oracle(n_trees):
    x, y = X[:80], Y[:80]
    teacher = forest_models.fit_teacher(x, y, n_trees, seed=4)
    fast, n_seen_by_all = forest_models.out_of_bag_probability(teacher, x)
    slow, n_expected = slow_out_of_bag(teacher, x)
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    assert n_seen_by_all == n_expected
    if n_trees == 1:  # a bootstrap sample holds 63% of the rows
        assert 80 * 0.45 < n_seen_by_all < 80 * 0.8


def test_out_of_bag_labels_are_less_sure_than_those_of_memorized_rows():
    out_of_bag, _ = forest_models.out_of_bag_probability(TEACHER, X[:300])
    assert roc_auc_score(Y[:300], P) > roc_auc_score(Y[:300], out_of_bag) > 0.9
    assert np.abs(P - Y[:300]).mean() < 0.8 * np.abs(out_of_bag - Y[:300]).mean()


def test_keeping_out_of_bag_predictions_changes_no_tree_and_no_byte():
    plain = RandomForestClassifier(20, max_features="sqrt", random_state=0, n_jobs=1)
    plain.fit(X[:300], Y[:300])
    np.testing.assert_array_equal(plain.predict_proba(X), TEACHER.predict_proba(X))
    for ours, theirs in zip(TEACHER.estimators_, plain.estimators_):
        np.testing.assert_array_equal(ours.tree_.threshold, theirs.tree_.threshold)
        np.testing.assert_array_equal(ours.tree_.value, theirs.tree_.value)
    TEACHER.n_jobs = 1
    assert forest_models.bytes_on_disk(TEACHER) == forest_models.bytes_on_disk(plain)
    assert TEACHER.oob_decision_function_.shape == (300, 2), "measuring took them away"
