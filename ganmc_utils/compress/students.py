"""Students: five families of scikit-learn estimators, in sizes, taught the teacher's probabilities.

A classifier learns soft labels in the one way that all families share: each row counts once for
each class, weighted by the teacher's probability of it. For a tree, the weighted Gini impurity of
these rows is the squared error of the probabilities; the others minimize the cross-entropy

    - sum_i sum_c p_c(x_i) log q_c(x_i)

with the teacher's p and the student's q. A regressor learns the teacher's value.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ganmc_utils.compress.columns import UNKNOWN, Columns
from ganmc_utils.core.paths import thread_count

SMALL_WEIGHT = 0.01  # a class of less probability than this is left out of a row's soft label
PRESENCE = 1e-6  # weight of a class that no row would have otherwise
LEARNING_RATE = 0.2  # of boosted trees, at least: few large steps make small students
SHRINKAGE = 0.05  # of the target that a constant step may leave after the last iteration
BOOSTED_TREES = 400  # at most, but for the iterations that many classes need
MAX_ROWS = {"linear": 20_000, "network": 60_000}  # of soft labels; more change these little
NETWORK_STEPS = 6000  # of training, whatever the number of rows
NETWORK_EPOCHS = (20, 300)  # at least, and at most
NETWORK_BATCH = 200


@dataclass(frozen=True)
class Design:
    """A family of students and one of its sizes.

    family: one of LADDERS.
    settings: of the scikit-learn estimator.
    """

    family: str
    settings: dict = field(default_factory=dict)

    def words(self) -> str:
        """For people: "boosted (max_iter 40, max_leaf_nodes 8)"."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.family} ({settings})"


# The sizes of each family that are tried, from small to large; what takes long comes last.
LADDERS: dict[str, list[dict]] = {
    "linear": [{"C": C} for C in (0.003, 0.03, 0.3, 3.0)],
    "tree": [{"max_leaf_nodes": 2**k} for k in range(1, 13)],
    "boosted": [{"max_leaf_nodes": leaves} for leaves in (3, 4, 8, 16, 31)],
    "network": [{"hidden": hidden} for hidden in (4, 8, 16, 32, 64)],
    "forest": [
        {"n_estimators": trees, "max_leaf_nodes": leaves}
        for leaves in (16, 64, 256, 1024)
        for trees in (3, 10)
    ],
}
FAMILIES = tuple(LADDERS)


def boosted_iterations(n_classes: int) -> int:
    """Iterations of the largest boosted students; each has a tree for each of three classes."""
    return max(20, BOOSTED_TREES // max(2, n_classes))


def new_student(design: Design, columns: Columns, is_regression: bool, seed: int) -> BaseEstimator:
    """The unfitted scikit-learn estimator of a design; its input is the matrix of Columns."""
    settings = dict(design.settings)
    if design.family == "tree":
        kind = DecisionTreeRegressor if is_regression else DecisionTreeClassifier
        return kind(random_state=seed, **settings)
    if design.family == "forest":
        kind = RandomForestRegressor if is_regression else RandomForestClassifier
        # A third of the columns at a split, as both kinds had it in Breiman's program.
        return kind(max_features=1 / 3, random_state=seed, n_jobs=thread_count(), **settings)
    if design.family == "boosted":
        kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
        settings["learning_rate"] = learning_rate(settings["max_iter"])
        return kind(early_stopping=False, random_state=seed, **settings)
    if design.family == "linear":
        return Pipeline([("scale", scaler(columns)), ("model", linear(is_regression, settings))])
    hidden = settings.pop("hidden")
    kind = MLPRegressor if is_regression else MLPClassifier
    network = kind(
        hidden_layer_sizes=(hidden,),
        batch_size=NETWORK_BATCH,
        learning_rate_init=3e-3,
        random_state=seed,
        tol=0,
        **settings,
    )
    return Pipeline([("scale", scaler(columns)), ("model", network)])


def learning_rate(n_iterations: int) -> float:
    """The step of boosted trees, so large that (1 - step)^n is at most SHRINKAGE.

    With smaller steps, the predictions of few iterations stay near the mean: badly calibrated.
    """
    return max(LEARNING_RATE, 1 - SHRINKAGE ** (1 / n_iterations))


def linear(is_regression: bool, settings: dict) -> BaseEstimator:
    """A sparse linear model; C as in LogisticRegression, the larger the less sparse."""
    if is_regression:
        return Lasso(alpha=0.003 / settings["C"])
    return LogisticRegression(l1_ratio=1, solver="saga", max_iter=100, tol=1e-3, **settings)


def scaler(columns: Columns) -> ColumnTransformer:
    """Standardized numbers and flags, categories as 0/1 columns: what is not a tree learns from."""
    n_codes = len(columns.categories_)
    n_others = len(columns.is_category_) - n_codes
    kinds = [np.arange(UNKNOWN, len(kinds), dtype=np.float32) for kinds in columns.kinds_]
    one_hot = OneHotEncoder(categories=kinds, handle_unknown="ignore", sparse_output=False)
    blocks = [
        ("numbers", StandardScaler(), list(range(n_others))),
        ("codes", one_hot, list(range(n_others, n_others + n_codes))),
    ]
    return ColumnTransformer([block for block in blocks if block[2]])


def fit_student(student: BaseEstimator, x: np.ndarray, target: np.ndarray) -> BaseEstimator:
    """Teach a student the teacher's predictions.

    Args:
        student: from `new_student`.
        x: rows of the matrix, float32 (n, d).
        target: the teacher's probabilities (n, K), or its values (n,).

    Returns:
        The student, whose thresholds are float32 numbers: no row falls on the other side of one
        in a file that holds them in float32.
    """
    with warnings.catch_warnings():
        # The number of epochs is a choice: validation tells whether they were enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = fit_classifier if is_classifier(student) else fit_regressor
        return fit(student, x, target)


def fit_classifier(student: BaseEstimator, x: np.ndarray, target: np.ndarray) -> BaseEstimator:
    """As `fit_student`: the soft labels of the probabilities (n, K)."""
    rows, classes, weights = soft_labels(target)
    if isinstance(student, Pipeline):
        kept = some_rows(student, classes)
        set_epochs(student, len(kept))
        student.fit(x[rows[kept]], classes[kept], model__sample_weight=weights[kept])
    else:
        student.fit(x[rows], classes, sample_weight=weights)
        round_thresholds(student)
    return student


def set_epochs(student: Pipeline, n: int) -> None:
    """Give a network of n rows about NETWORK_STEPS steps: one of few labels learns as long."""
    model = student["model"]
    if hasattr(model, "hidden_layer_sizes"):
        epochs = int(np.clip(NETWORK_STEPS * NETWORK_BATCH // n, *NETWORK_EPOCHS))
        model.set_params(max_iter=epochs, batch_size=min(NETWORK_BATCH, n))


def some_rows(student: Pipeline, classes: np.ndarray) -> np.ndarray:
    """The rows that a linear student or a network is given, one of each class among them."""
    n = MAX_ROWS["network" if hasattr(student["model"], "hidden_layer_sizes") else "linear"]
    _, first_of_class = np.unique(classes, return_index=True)
    return np.union1d(np.arange(min(n, len(classes))), first_of_class)


def fit_regressor(student: BaseEstimator, x: np.ndarray, target: np.ndarray) -> BaseEstimator:
    """As `fit_student`; what is no tree learns a standardized target, folded back afterwards."""
    if not isinstance(student, Pipeline):
        student.fit(x, target)
        round_thresholds(student)
        return student
    x, target = x[: MAX_ROWS["network"]], target[: MAX_ROWS["network"]]
    set_epochs(student, len(x))
    mean, deviation = target.mean(), target.std() or 1.0
    student.fit(x, (target - mean) / deviation)
    model = student["model"]
    if isinstance(model, Lasso):
        model.coef_ = model.coef_ * deviation
        model.intercept_ = model.intercept_ * deviation + mean
    else:
        model.coefs_[-1] = model.coefs_[-1] * deviation
        model.intercepts_[-1] = model.intercepts_[-1] * deviation + mean
    return student


def soft_labels(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, K) as weighted classes.

    Returns:
        The number of the row, its class and its weight, (m,) each; every class is there.
    """
    kept = p >= SMALL_WEIGHT
    absent = np.flatnonzero(~kept.any(0))
    likeliest = p.argmax(0)
    kept[likeliest[absent], absent] = True
    rows, classes = np.nonzero(kept)
    weights = np.maximum(p[rows, classes], PRESENCE)
    return rows, classes, weights


def predictions(student: BaseEstimator, x: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) of a classifier, values (n,) of a regressor."""
    return student.predict_proba(x) if is_classifier(student) else student.predict(x)


def node_tables(student: BaseEstimator) -> list:
    """The trees of a student: scikit-learn's Tree objects, or the arrays of boosted nodes."""
    if hasattr(student, "tree_"):
        return [student.tree_]
    if hasattr(student, "estimators_"):
        members = np.ravel(student.estimators_)
        return [tree.tree_ for tree in members if hasattr(tree, "tree_")]
    if hasattr(student, "_predictors"):
        return [tree.nodes for trees in student._predictors for tree in trees]
    return []


def count_nodes(student: BaseEstimator) -> int | None:
    """Nodes of all trees, inner ones and leaves; None of what has no trees."""
    tables = node_tables(student)
    if not tables:
        return None
    return sum(table.node_count if hasattr(table, "node_count") else len(table) for table in tables)


def round_thresholds(student: BaseEstimator) -> None:
    """Put each threshold t at the largest float32 number that is no larger: x <= t stays the same.

    It is the same for every float32 x, which all rows of the matrix are.
    """
    for table in node_tables(student):
        thresholds = table.threshold if hasattr(table, "threshold") else table["num_threshold"]
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        thresholds[:] = np.where(nearest > thresholds, below, nearest)
