"""Random-forest teachers and students (Sec. 2.2): fitting, labelling, scoring by size, and honest cost."""

import copy
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ganmc_utils.core.paths import thread_count


def fit_teacher(x, y, n_trees=500, max_features="sqrt", seed=0):
    """The teacher: a classification forest. max_features None is the paper's text, "sqrt" gives its numbers."""
    return RandomForestClassifier(
        n_trees, max_features=max_features, random_state=seed, n_jobs=thread_count()
    ).fit(x, y)


def probability_of_class_1(teacher, x):
    """The teacher's probability of class 1 for each row: x (n, d) -> p (n,), what the student regresses on."""
    return teacher.predict_proba(x)[:, 1]


def fit_student(x, p, n_trees=1, max_leaf_nodes=None, seed=0):
    """The student: a regression forest on p (teacher probabilities, or 0/1 labels for `student_only`)."""
    return RandomForestRegressor(
        n_trees, max_leaf_nodes=max_leaf_nodes, random_state=seed, n_jobs=thread_count()
    ).fit(x, p)


def predictions_by_size(student, x):
    """Predictions of the student's first 1, 2, ..., k trees: (k, n).

    scikit-learn seeds tree i by the i-th draw of random_state, so the first k trees of a forest are
    the forest of k trees: one fit serves the whole size axis.
    """
    x = np.asarray(x, np.float32)
    each = np.stack([tree.predict(x) for tree in student.estimators_])
    return np.cumsum(each, 0) / np.arange(1, len(each) + 1)[:, None]


def first_trees(student, k):
    """The forest of the student's first k trees (the trees are shared, not copied)."""
    shorter = copy.copy(student)
    shorter.estimators_, shorter.n_estimators = student.estimators_[:k], k
    return shorter


def count_nodes(forest):
    """Nodes of all trees, inner ones and leaves."""
    return int(sum(tree.tree_.node_count for tree in forest.estimators_))


def bytes_on_disk(forest):
    """Bytes of the uncompressed skops file of a forest."""
    import skops.io  # here, as it takes seconds and few chapters ask

    return len(skops.io.dumps(forest))


def mean_of_trees(forest, x):
    """The forest's answers, float32 x (n, d) -> (n, 1), of a classifier (n, K), as its trees give them, without scikit-learn's checks of each
    call, which cost a small student more than its trees do."""
    return sum(tree.tree_.predict(x) for tree in forest.estimators_) / len(forest.estimators_)


def throughput(forest, x, batch, repeats=5):
    """Rows per second on one core for batches of `batch` rows (x repeated as needed): Fig. 3f. Teacher and student are
    asked in the same way. Median of `repeats` runs after one that warms up."""
    rows, seconds = np.resize(np.asarray(x, np.float32), (batch, x.shape[1])), []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        mean_of_trees(forest, rows)
        seconds.append(time.perf_counter() - start)
    return batch / float(np.median(seconds[1:]))


def cost(forest, x, batch):
    """What a forest costs to keep and to ask: {nodes, bytes, rows_per_second (by batch), rows_per_second_batch_1}."""
    return {
        "nodes": count_nodes(forest),
        "bytes": bytes_on_disk(forest),
        "rows_per_second": throughput(forest, x, batch),
        "rows_per_second_batch_1": throughput(forest, x, 1),
    }
