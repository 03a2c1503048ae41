"""Fig. 3f and the small students: scores of resamples, the margin, and what is recorded of a size.

The bootstrap is compared with drawing the rows one by one, its error with a closed form, and the
rule of choice with the one it replaced, which takes what was measured too well.
"""

from dataclasses import replace

import numpy as np
import pytest

from ganmc_utils.core import parameters
from ganmc_utils.forests import models, small_students
from ganmc_utils.forests.data import read_table, split_table
from ganmc_utils.forests.experiment import Unit, UnitRecord
from ganmc_utils.forests.small_students import SmallStudent
from ganmc_utils.report.statistics import prediction_score

RNG = np.random.default_rng(0)
TASK = parameters.ForestTask(
    name="toy",
    table="breast_cancer",
    n_train=200,
    n_validation=150,
    n_test=200,
    seeds=[0],
    max_features=["sqrt"],
    max_trees=4,
    sources=["train"],
)


@pytest.fixture(scope="module")
def record_and_student():
    """A unit's record after its teacher was scored, and a student of four trees."""
    data = split_table(read_table("breast_cancer", "", "", ""), 200, 150, 200, 0, 0, "clean")
    teacher = models.fit_teacher(data.x_train, data.y_train, 10)
    record = UnitRecord(Unit(TASK, 0, "sqrt"), data)
    record.add_teacher(teacher, batch=50)
    p = models.probability_of_class_1(teacher, data.x_train)
    return record, models.fit_student(data.x_train, p, 4)


@pytest.mark.parametrize("metric", ["auc", "accuracy"])
def test_scores_of_resamples_are_those_of_the_rows_drawn(metric):
    y = RNG.integers(0, 2, 60)
    prediction = RNG.random(60).round(1)  # with many ties
    resamples = small_students.resampled_rows(60, RNG)
    assert resamples.shape == (small_students.RESAMPLES, 60)
    assert (resamples.sum(1) == 60).all()
    fast = small_students.resampled_scores(metric, y, prediction, resamples)
    for count, score in zip(resamples, fast):
        drawn = np.repeat(np.arange(60), count)
        assert score == pytest.approx(prediction_score(metric, y[drawn], prediction[drawn]))


def test_a_resample_without_a_class_has_no_auc():
    resamples = np.array([[2, 0], [1, 1]])
    scores = small_students.resampled_scores("auc", np.array([0, 1]), np.r_[0.1, 0.9], resamples)
    np.testing.assert_array_equal(scores, [np.nan, 1])


def test_the_error_is_that_of_paired_accuracies(record_and_student, monkeypatch):
    record, student = record_and_student
    monkeypatch.setattr(record, "data", replace(record.data, metric="accuracy"))
    resamples = np.random.default_rng(1).multinomial(150, np.full(150, 1 / 150), size=20_000)
    error = small_students.error_of_loss(record, student, resamples)
    y = record.data.y_validation
    teacher_right = (record.teacher_probability["validation"] > 0.5) == y
    right = (student.predict(record.data.x_validation) > 0.5) == y
    difference = teacher_right.astype(float) - right
    assert error == pytest.approx(difference.std() / np.sqrt(150), rel=0.03)


def test_the_teacher_itself_loses_nothing_for_sure(record_and_student):
    record, _ = record_and_student

    class Twin:
        def predict(self, x):
            return record.teacher_probability["validation"]

    resamples = small_students.resampled_rows(150, np.random.default_rng(0))
    assert small_students.error_of_loss(record, Twin(), resamples) == 0
    assert small_students.loss(record, "validation", Twin()) == 0


def mean_test_loss(margin):
    """Mean true loss of what is chosen at a limit of 0.012, of 400 draws of 12 equal students.

    All lose 0.015 in truth and are measured with an error of 0.004.
    """
    rng = np.random.default_rng(5)
    losses = []
    for _ in range(400):
        students = [
            SmallStudent(None, {}, nodes, rng.normal(0.015, 0.004), margin * 0.004, 0.015)
            for nodes in range(12)
        ]
        chosen = small_students.smallest_within(0.012, students)
        losses.append((chosen.validation_loss, chosen.safe_loss <= 0.012))
    return np.mean(losses, axis=0)


def test_with_a_margin_fewer_bad_students_pass_for_good_ones():
    _, share_within = mean_test_loss(margin=0)
    _, share_within_with_margin = mean_test_loss(margin=1)
    assert share_within > 0.9, "of twelve students that lose too much, one is measured too well"
    assert share_within_with_margin < 0.5


def test_the_choice_keeps_the_limit_where_students_are_measured_exactly():
    exact = [SmallStudent(None, {}, n, 0.02 / n, 0.0, 0.02 / n) for n in range(1, 10)]
    assert small_students.smallest_within(0.012, exact).nodes == 2
    assert small_students.smallest_within(0.005, exact).nodes == 4
    assert small_students.smallest_within(0.001, exact).nodes == 9


def test_fig_3f_has_the_loss_and_the_reductions_of_each_size(record_and_student):
    record, student = record_and_student
    before = len(record.rows)
    small_students.add_paper_storage(record, "gan", student, batch=50)
    rows = {(row.setting["trees"], row.metric): row.value for row in record.rows[before:]}
    assert {row.experiment for row in record.rows[before:]} == {"paper_storage"}
    metrics = {"loss", "fewer_nodes", "fewer_bytes", "speedup"}
    assert set(rows) == {(trees, metric) for trees in range(1, 5) for metric in metrics}
    for trees in range(1, 5):
        forest = models.fit_student(
            record.data.x_train,
            student_targets(record),
            trees,
        )
        score = record.score("test", forest.predict(record.data.x_test))
        assert rows[trees, "loss"] == pytest.approx(record.teacher_score["test"] - score)
        nodes = models.count_nodes(forest)
        assert rows[trees, "fewer_nodes"] == record.teacher_cost["nodes"] / nodes
    assert rows[1, "fewer_bytes"] > rows[4, "fewer_bytes"] > 1
    assert rows[1, "speedup"] > 1


def student_targets(record):
    """The teacher's labels of the training rows, from a teacher grown anew."""
    teacher = models.fit_teacher(record.data.x_train, record.data.y_train, 10)
    return models.probability_of_class_1(teacher, record.data.x_train)
