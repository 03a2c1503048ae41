"""Forests: prefixes against separately built forests, and a student that listens to its teacher."""

import numpy as np
from sklearn.datasets import load_breast_cancer

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
