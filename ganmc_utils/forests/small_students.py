"""How small and how fast a student may be: Fig. 3f as the paper draws it, and leaf caps of ours.

The paper counts trees: a student of 1 to 20 full-grown trees is compared with its teacher of 500
(`add_paper_storage`). But a tree that was grown on ten times the rows has ten times the nodes, so
our small students have a cap on the leaves of their trees, and the smallest that loses no more than
a limit is chosen on validation (`add_small_students`).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from ganmc_utils.forests import models
from ganmc_utils.forests.experiment import SourceChoice, UnitRecord

# What the smallest student may lose against its teacher; 0.012 is the paper's.
LOSS_LIMITS = (0.005, 0.012)

RESAMPLES = 200  # of the validation rows, for the standard error of a loss


# Fig. 3f


def add_paper_storage(
    record: UnitRecord, source: str, student: RandomForestRegressor, batch: int
) -> None:
    """Fig. 3f: test loss and reductions of a student's first 1, 2, ..., k full-grown trees.

    Args:
        record: takes the rows; it knows what the teacher scores and costs.
        source: of the rows that the student was fitted to; the GAN is the paper's single one.
        student: the largest student.
        batch: rows that are predicted in one call where throughput is measured.
    """
    for trees in range(1, len(student.estimators_) + 1):
        forest = models.first_trees(student, trees)
        cost = models.cost(forest, record.data.x_test, batch)
        ratios = ratios_to_teacher(record, cost)
        setting = {"trees": trees}
        record.add("paper_storage", "test", loss(record, "test", forest), source, setting, "loss")
        for metric in ("fewer_nodes", "fewer_bytes", "speedup"):
            record.add("paper_storage", "none", ratios[metric], source, setting, metric)


def ratios_to_teacher(record: UnitRecord, cost: dict[str, float]) -> dict[str, float]:
    """How many times smaller and faster than its teacher a student of that cost is."""
    teacher_cost = record.teacher_cost
    return {
        "fewer_nodes": teacher_cost["nodes"] / cost["nodes"],
        "fewer_bytes": teacher_cost["bytes"] / cost["bytes"],
        "speedup": cost["rows_per_second"] / teacher_cost["rows_per_second"],
        "speedup_batch_1": (
            cost["rows_per_second_batch_1"] / teacher_cost["rows_per_second_batch_1"]
        ),
    }


def loss(record: UnitRecord, part: str, forest: RandomForestRegressor) -> float:
    """Score of the teacher minus that of a forest on a part."""
    prediction = forest.predict(getattr(record.data, f"x_{part}"))
    return record.teacher_score[part] - record.score(part, prediction)


# Students whose trees have a cap on their leaves


@dataclass(frozen=True)
class SmallStudent:
    """A student whose trees have a cap on their leaves, and what it loses against its teacher."""

    forest: RandomForestRegressor
    setting: dict  # trees, leaf_cap
    nodes: int
    validation_loss: float
    validation_error: float  # standard error of validation_loss
    test_loss: float

    @property
    def safe_loss(self) -> float:
        """The validation loss and one standard error: what is compared with a limit."""
        return self.validation_loss + self.validation_error


def add_small_students(choice: SourceChoice) -> None:
    """Honest compression: students with capped leaves, of the best source and of the GAN.

    The best is the source whose single tree scores best on validation; its single trees, the
    fastest, are looked at by themselves as well.
    """
    scores = single_tree_scores(choice)
    if not scores:
        return
    best = max(scores, key=scores.get)
    most = choice.unit.task.small_trees
    students: dict[str, list[SmallStudent]] = {}
    for experiment, source, trees in (
        ("headline", best, most),
        ("headline_gan", "gan", most),
        ("headline_tree", best, 1),
    ):
        if source in scores:
            students[source] = students.get(source) or small_students(choice, source)
            allowed = [s for s in students[source] if s.setting["trees"] <= trees]
            add_smallest(choice, experiment, source, allowed)


def single_tree_scores(choice: SourceChoice) -> dict[str, float]:
    """Validation score of the single tree of each source that can generate rows."""
    generating = choice.chosen.keys() - {"fresh"}
    return {
        row.source: row.value
        for row in choice.record.rows
        if row.experiment == "compression"
        and row.split == "validation"
        and row.setting["trees"] == 1
        and row.source in generating
    }


def small_students(choice: SourceChoice, source: str) -> list[SmallStudent]:
    """All small students of a source, fitted to the training rows and rows of the source."""
    unit, data, record = choice.unit, choice.data, choice.record
    n = unit.task.small_budget * unit.task.n_train
    x, _ = choice.best_candidate(source).source.sample(n, choice.rng(f"{source}/small"))
    x = np.concatenate([data.x_train, x])
    probability = models.probability_of_class_1(choice.teacher, x)
    resamples = resampled_rows(len(data.x_validation), choice.rng("validation/resamples"))
    students = []
    for cap in unit.task.leaf_caps:
        largest = models.fit_student(x, probability, unit.task.small_trees, cap, unit.seed)
        for trees in range(1, unit.task.small_trees + 1):
            forest = models.first_trees(largest, trees)
            student = SmallStudent(
                forest=forest,
                setting={"trees": trees, "leaf_cap": cap},
                nodes=models.count_nodes(forest),
                validation_loss=loss(record, "validation", forest),
                validation_error=error_of_loss(record, forest, resamples),
                test_loss=loss(record, "test", forest),
            )
            students.append(student)
            record.add("capped", "none", student.nodes, source, student.setting, "nodes")
            record.add("capped", "test", student.test_loss, source, student.setting, "loss")
    return students


def resampled_rows(n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n rows is drawn when n are drawn with replacement: (RESAMPLES, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)


def error_of_loss(
    record: UnitRecord, forest: RandomForestRegressor, resamples: np.ndarray
) -> float:
    """Standard error of a forest's validation loss, by bootstrap.

    It is the standard deviation, over resamples of the validation rows, of the difference between
    the teacher's score and the forest's on the same rows.
    """
    data = record.data
    of_teacher = record.teacher_probability["validation"]
    of_forest = forest.predict(data.x_validation)
    teacher_scores = resampled_scores(data.metric, data.y_validation, of_teacher, resamples)
    scores = resampled_scores(data.metric, data.y_validation, of_forest, resamples)
    return float(np.nanstd(teacher_scores - scores, ddof=1))


def resampled_scores(
    metric: str, y: np.ndarray, prediction: np.ndarray, resamples: np.ndarray
) -> np.ndarray:
    """Scores of predictions on resamples of their rows.

    With c_i the times that row i was drawn, the accuracy is sum_i c_i [row i is right] / n, and

        AUC = sum over i of class 1, j of class 0 of c_i c_j ([p_i > p_j] + [p_i = p_j] / 2)
              / (sum over i of class 1 of c_i) / (sum over j of class 0 of c_j)

    Args:
        metric: "accuracy" or "auc".
        y: classes (n,).
        prediction: predicted probabilities of class 1, (n,).
        resamples: how often each row was drawn, int (B, n).

    Returns:
        The scores (B,), nan for the AUC of a resample that lacks a class.
    """
    if metric == "accuracy":
        right = (prediction > 0.5) == y
        return resamples @ right / resamples.sum(1)
    order = np.argsort(prediction, kind="stable")
    _, first_of_equals = np.unique(prediction[order], return_index=True)
    drawn = resamples[:, order]
    n_1 = np.add.reduceat(drawn * (y[order] == 1), first_of_equals, axis=1)
    n_0 = np.add.reduceat(drawn * (y[order] == 0), first_of_equals, axis=1)
    n_0_below = np.cumsum(n_0, axis=1) - n_0
    n_pairs = (n_1.sum(1) * n_0.sum(1)).astype(float)
    n_pairs[n_pairs == 0] = np.nan
    return (n_1 * (n_0_below + n_0 / 2)).sum(1) / n_pairs


def add_smallest(
    choice: SourceChoice, experiment: str, source: str, students: list[SmallStudent]
) -> None:
    """For each limit the smallest student within it: its losses, its costs, and their ratios.

    `within_limit` is 1 if the choice found a student that keeps the limit on validation, else 0.
    """
    record = choice.record
    for limit in LOSS_LIMITS:
        student = smallest_within(limit, students)
        setting = {"limit": limit} | student.setting
        record.add(experiment, "test", student.test_loss, source, setting, "loss")
        on_validation = {
            "validation_loss": student.validation_loss,
            "validation_error": student.validation_error,
            "within_limit": float(student.safe_loss <= limit),
        }
        for metric, value in on_validation.items():
            record.add(experiment, "validation", value, source, setting, metric)
        cost = models.cost(student.forest, choice.data.x_test, choice.p.throughput_rows)
        for metric, value in (cost | ratios_to_teacher(record, cost)).items():
            record.add(experiment, "none", value, source, setting, metric)


def smallest_within(limit: float, students: list[SmallStudent]) -> SmallStudent:
    """The student of fewest nodes whose validation loss keeps a limit by one standard error.

    The loss on validation is its true loss and chance. To ask of several students only that
    the measured loss be within the limit is to take the one whose chance was luckiest: its true
    loss lies above what was measured, so above the limit in about half of the cases and more, and
    a test of "the loss is within the limit" would be built to fail. So the measured loss must keep
    the limit by a margin of one standard error. Where no student does, the one of least loss
    (plus error) is taken, and the record says so.
    """
    within = [student for student in students if student.safe_loss <= limit]
    if within:
        return min(within, key=lambda student: student.nodes)
    return min(students, key=lambda student: student.safe_loss)
