"""Random-forest teachers and students (Sec. 2.2): fitting, labelling, scoring by size, and cost."""

import copy
import time
import warnings

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ganmc_utils.core.paths import thread_count

Forest = RandomForestClassifier | RandomForestRegressor


def fit_teacher(
    x: np.ndarray,
    y: np.ndarray,
    n_trees: int = 500,
    max_features: str | int | float | None = "sqrt",
    seed: int = 0,
) -> RandomForestClassifier:
    """The teacher: a classification forest of rows x (n, d) and classes y (n,).

    max_features None is what the paper's text says, "sqrt" gives the paper's numbers. The trees
    are those of a forest that keeps no out-of-bag predictions; see `out_of_bag_probability`.
    """
    forest = RandomForestClassifier(
        n_trees,
        max_features=max_features,
        oob_score=True,
        random_state=seed,
        n_jobs=thread_count(),
    )
    with warnings.catch_warnings():
        # Rows that all of a few trees saw: they get the usual prediction.
        warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
        return forest.fit(x, y)


def probability_of_class_1(teacher: RandomForestClassifier, x: np.ndarray) -> np.ndarray:
    """The teacher's probability of class 1 for each row: x (n, d) -> p (n,).

    It is what the student regresses on.
    """
    return teacher.predict_proba(x)[:, 1]


def out_of_bag_probability(
    teacher: RandomForestClassifier, x_train: np.ndarray
) -> tuple[np.ndarray, int]:
    """The teacher's probability of class 1 for its own training rows, out of bag.

        p_i = mean over the trees t whose bootstrap sample lacks row i of t(x_i)

    A forest has nearly memorized the rows that it was grown on: of 500 trees 63% saw row i, with
    its class. The others did not, so their mean is a prediction for a row that is new to them. A
    row that every tree saw gets the usual prediction, the mean over all trees.

    Args:
        teacher: from `fit_teacher`.
        x_train: the rows that it was fitted to, in their order, (n, d).

    Returns:
        The probabilities (n,), and how many rows every tree saw.
    """
    out_of_bag = teacher.oob_decision_function_  # (n, 2); scikit-learn puts 0, 0 where none
    seen_by_all = out_of_bag.sum(1) == 0
    usual = probability_of_class_1(teacher, x_train)
    return np.where(seen_by_all, usual, out_of_bag[:, 1]), int(seen_by_all.sum())


def fit_student(
    x: np.ndarray,
    p: np.ndarray,
    n_trees: int = 1,
    max_leaf_nodes: int | None = None,
    seed: int = 0,
) -> RandomForestRegressor:
    """The student: a regression forest of rows x (n, d) and targets p (n,).

    p holds teacher probabilities, or 0/1 labels for the source `student_only`.
    """
    forest = RandomForestRegressor(
        n_trees, max_leaf_nodes=max_leaf_nodes, random_state=seed, n_jobs=thread_count()
    )
    return forest.fit(x, p)


def predictions_by_size(student: RandomForestRegressor, x: np.ndarray) -> np.ndarray:
    """Predictions of the student's first 1, 2, ..., k trees: x (n, d) -> (k, n).

    scikit-learn seeds tree i by the i-th draw of random_state, so the first k trees of a forest are
    the forest of k trees: one fit serves the whole size axis.
    """
    x = np.asarray(x, np.float32)
    each_tree = np.stack([tree.predict(x) for tree in student.estimators_])
    sizes = np.arange(1, len(each_tree) + 1)[:, None]
    return np.cumsum(each_tree, 0) / sizes


def first_trees(student: RandomForestRegressor, k: int) -> RandomForestRegressor:
    """The forest of the student's first k trees (the trees are shared, not copied)."""
    shorter = copy.copy(student)
    shorter.estimators_ = student.estimators_[:k]
    shorter.n_estimators = k
    return shorter


def count_nodes(forest: Forest) -> int:
    """Nodes of all trees, inner ones and leaves."""
    return int(sum(tree.tree_.node_count for tree in forest.estimators_))


def bytes_on_disk(forest: Forest) -> int:
    """Bytes of the uncompressed skops file of a forest, without its out-of-bag predictions."""
    import skops.io  # here, as it takes seconds and few chapters ask

    kept = copy.copy(forest)
    kept.oob_score = False
    for name in ("oob_score_", "oob_decision_function_"):  # of no use to who only predicts
        vars(kept).pop(name, None)
    return len(skops.io.dumps(kept))


def mean_of_trees(forest: Forest, x: np.ndarray) -> np.ndarray:
    """The forest's predictions as the mean of its trees': float32 x (n, d) -> (n, 1).

    Of a classifier they are the class probabilities, (n, K). scikit-learn's own `predict` checks
    its input at each call, which costs a small student more than its trees do.
    """
    return sum(tree.tree_.predict(x) for tree in forest.estimators_) / len(forest.estimators_)


def throughput(forest: Forest, x: np.ndarray, batch: int, repeats: int = 5) -> float:
    """Rows per second on one core, for Fig. 3f; teacher and student are timed in the same way.

    Args:
        forest: what is timed.
        x: rows (n, d), repeated or cut to one batch.
        batch: rows that are predicted in one call.
        repeats: timed calls, after one that warms up; the median counts.
    """
    rows = np.resize(np.asarray(x, np.float32), (batch, x.shape[1]))
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        mean_of_trees(forest, rows)
        seconds.append(time.perf_counter() - start)
    return batch / float(np.median(seconds[1:]))


def cost(forest: Forest, x: np.ndarray, batch: int) -> dict[str, float]:
    """What a forest costs to keep and to run.

    Returns:
        nodes, bytes, rows_per_second (in batches of `batch` rows), rows_per_second_batch_1.
    """
    return {
        "nodes": count_nodes(forest),
        "bytes": bytes_on_disk(forest),
        "rows_per_second": throughput(forest, x, batch),
        "rows_per_second_batch_1": throughput(forest, x, 1),
    }
