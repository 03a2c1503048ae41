"""The teacher: the tool's own forest, an estimator to fit, a fitted one, or a function."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ganmc_utils.compress.columns import Columns, check_values, data_error, detached
from ganmc_utils.compress.students import count_nodes
from ganmc_utils.core.errors import own_code
from ganmc_utils.core.paths import thread_count
from ganmc_utils.forests.data import first_names
from ganmc_utils.forests.models import fit_teacher

TREES = 500  # of the tool's own forest
CHUNK = 20_000  # rows that a teacher is asked about at a time
TOLERANCE = 1e-3  # of the sum of a teacher's probabilities


@dataclass
class Teacher:
    """Whoever labels rows.

    function: raw rows or matrix -> predictions.
    takes_matrix: whether it takes the matrix of Columns; else raw rows.
    columns: between both.
    n_classes: 0 for a regression.
    model: the estimator, None of a function.
    is_given: whether it came fitted, so that it may have seen any row.
    out_of_bag: its predictions for the training rows by trees that have not seen them, or None.
    """

    function: Callable
    takes_matrix: bool
    columns: Columns
    n_classes: int
    model: BaseEstimator | None = None
    is_given: bool = False
    out_of_bag: np.ndarray | None = None

    def ask(self, matrix: np.ndarray) -> np.ndarray:
        """Probabilities (n, K), or values (n,), of rows of the matrix.

        Raises:
            DataError: the predictions cannot be used; see `checked_predictions`.
        """
        parts = [
            self.ask_part(matrix[start : start + CHUNK]) for start in range(0, len(matrix), CHUNK)
        ]
        return np.concatenate(parts)

    def ask_part(self, matrix: np.ndarray) -> np.ndarray:
        """As `ask`, of one chunk."""
        rows = matrix if self.takes_matrix else self.columns.back(matrix)
        problem = f"cannot predict rows with columns {first_names(self.columns.names_)}"
        cure = "bring a teacher fitted on these raw columns, with its own preparation inside"
        with own_code("teacher", cure, problem, data_error):
            raw = self.function(rows)
        return checked_predictions(raw, len(matrix), self.n_classes)

    def n_trees(self) -> int:
        """Trees of a forest; 0 of anything else."""
        is_forest = isinstance(self.model, (RandomForestClassifier, RandomForestRegressor))
        return len(self.model.estimators_) if is_forest else 0

    def n_nodes(self) -> int | None:
        """Nodes of a forest or of another model of trees; None of anything else."""
        return count_nodes(self.model)


def checked_predictions(raw: object, n: int, n_classes: int) -> np.ndarray:
    """A teacher's predictions as float64 (n, K) or (n,).

    Raises:
        DataError: no numbers, NaN, a wrong shape, a wrong number of classes, no probabilities.
    """
    cure = "return a row of probabilities for each row, or a value for each in a regression"
    try:
        p = np.asarray(detached(raw))
        p = p if np.iscomplexobj(p) else p.astype(np.float64)
    except (ValueError, TypeError, RuntimeError) as failed:
        raise data_error("teacher", f"predictions that are no numbers ({failed})", cure) from None
    if np.iscomplexobj(p):
        raise data_error("teacher", "complex predictions", "return real numbers")
    if n_classes == 2 and (p.ndim == 1 or p.shape[1:] == (1,)):
        p = np.column_stack([1 - p.ravel(), p.ravel()])
    if n_classes == 0 and p.ndim == 2 and p.shape[1] == 1:
        p = p[:, 0]
    wanted = (n, n_classes) if n_classes else (n,)
    if n_classes and p.ndim == 2 and p.shape[1] != n_classes:
        raise data_error(
            "teacher",
            f"{p.shape[1]} classes where the target has {n_classes}",
            "bring a teacher of the same classes",
        )
    if p.shape != wanted:
        raise data_error(
            "teacher",
            f"predictions of shape {p.shape} where {wanted} is expected",
            cure,
        )
    n_bad = int((~np.isfinite(p.reshape(n, -1))).any(1).sum())
    if n_bad:
        raise data_error(
            "teacher", f"NaN or infinity for {n_bad} of {n} rows", "repair its predictions"
        )
    if not n_classes:
        check_values(p, "teacher")
    if n_classes and (p.min() < -TOLERANCE or np.abs(p.sum(1) - 1).max() > TOLERANCE):
        raise data_error(
            "teacher",
            "predictions that are no probabilities (they must lie in [0, 1] and sum to 1)",
            "return predict_proba",
        )
    if n_classes:
        p = np.clip(p, 0, 1)
        p = p / p.sum(1, keepdims=True)
    return p


def make_teacher(
    asked: object,
    x: np.ndarray,
    y: np.ndarray,
    columns: Columns,
    classes: np.ndarray | None,
    seed: int,
) -> Teacher:
    """The Teacher of what the user gave.

    Args:
        asked: None (a forest is fitted), an estimator to be fitted, a FrozenEstimator, a function.
        x: training rows of the matrix, float32 (n, d).
        y: their classes 0, 1, ..., or values (n,).
        columns: of the matrix.
        classes: the user's names of the classes, in the order of their numbers; None: regression.
        seed: of the forest.

    Raises:
        DataError: none of these, other classes, a classifier for a regression, a fitted estimator
            that is not frozen.
    """
    n_classes = 0 if classes is None else len(classes)
    if asked is None:
        return own_forest(x, y, columns, n_classes, seed)
    check_kind(asked, is_regression=classes is None)
    if classes is not None:
        check_classes(asked, classes)
    if isinstance(asked, FrozenEstimator):
        function = asked.predict if classes is None else probabilities_of(asked)
        return Teacher(function, False, columns, n_classes, asked.estimator, is_given=True)
    if hasattr(asked, "fit"):
        return fitted_teacher(asked, x, y, columns, n_classes)
    if callable(asked):
        return Teacher(asked, False, columns, n_classes, is_given=True)
    raise data_error(
        "teacher",
        f"{type(asked).__name__} cannot predict",
        "give an estimator, a FrozenEstimator or a function of raw rows",
    )


def check_kind(asked: object, is_regression: bool) -> None:
    """Raises DataError for a class, an object that cannot predict, a classifier of a regression."""
    model = asked.estimator if isinstance(asked, FrozenEstimator) else asked
    name = type(model).__name__
    if isinstance(model, type):
        name = model.__name__
        raise data_error("teacher", f"{name} is a class", f"make an instance: {name}(...)")
    is_estimator = isinstance(asked, FrozenEstimator) or hasattr(model, "fit")
    if is_estimator and not callable(getattr(model, "predict", None)):
        raise data_error("teacher", f"{name} cannot predict", "give a classifier or a regressor")
    is_of_classes = getattr(model, "classes_", None) is not None
    is_of_classes |= hasattr(model, "__sklearn_tags__") and is_classifier(model)
    if is_regression and is_of_classes:
        raise data_error(
            "teacher",
            "is a classifier where the target is a regression's",
            "bring a regressor, or compress it as a classification",
        )


def own_forest(
    x: np.ndarray, y: np.ndarray, columns: Columns, n_classes: int, seed: int
) -> Teacher:
    """A forest of 500 trees, with its out-of-bag predictions for the training rows."""
    if n_classes:
        forest = fit_teacher(x, y, TREES, seed=seed)
        out_of_bag = forest.oob_decision_function_
        usual, seen_by_all = forest.predict_proba, out_of_bag.sum(1) == 0
    else:
        forest = RandomForestRegressor(
            TREES, max_features=1 / 3, oob_score=True, random_state=seed, n_jobs=thread_count()
        ).fit(x, y)
        out_of_bag = forest.oob_prediction_
        usual, seen_by_all = forest.predict, np.zeros(len(x), bool)
    if seen_by_all.any():  # by every tree: they get the usual prediction
        out_of_bag = out_of_bag.copy()
        out_of_bag[seen_by_all] = usual(x[seen_by_all])
    return Teacher(usual, True, columns, n_classes, forest, out_of_bag=out_of_bag)


def fitted_teacher(
    asked: BaseEstimator, x: np.ndarray, y: np.ndarray, columns: Columns, n_classes: int
) -> Teacher:
    """A clone of an estimator, fitted: a Pipeline to the raw rows, anything else to the matrix.

    A Pipeline is expected to prepare raw columns itself.
    """
    try:
        check_is_fitted(asked)
    except (NotFittedError, TypeError):
        pass
    else:
        raise data_error(
            "teacher",
            "is fitted already",
            "give FrozenEstimator(teacher) to keep it as it is, or clone(teacher) to fit it anew",
        )
    takes_matrix = not isinstance(asked, Pipeline)
    rows = x if takes_matrix else columns.back(x)
    cure = "bring an estimator that can be fitted to the training rows"
    with own_code("teacher", cure, error=data_error):
        model = clone(asked).fit(rows, y)
    function = probabilities_of(model) if n_classes else model.predict
    return Teacher(function, takes_matrix, columns, n_classes, model)


def probabilities_of(model: BaseEstimator) -> Callable:
    """The model's predict_proba.

    Raises:
        DataError: it has none.
    """
    if not hasattr(model, "predict_proba"):
        cure = "wrap it in sklearn.calibration.CalibratedClassifierCV, which gives probabilities"
        if hasattr(model, "__sklearn_tags__") and is_regressor(model):
            cure = "bring a classifier, or compress it as a regression"
        raise data_error("teacher", "has no predict_proba", cure)
    return model.predict_proba


def check_classes(model: object, classes: np.ndarray) -> None:
    """Raises DataError where a fitted classifier has other classes than the target."""
    own = getattr(model, "classes_", None)
    if own is None:
        return
    if not any([list(map(name, own)) == list(map(name, classes)) for name in (str, class_name)]):
        raise data_error(
            "teacher",
            f"its {len(own)} classes ({first_names(own)}) are not the target's "
            f"{len(classes)} ({first_names(classes)})",
            "bring a teacher of the same classes",
        )


def class_name(value: object) -> str:
    """The name of a class, the same for 1, 1.0 and True: some files know integers alone."""
    is_whole = isinstance(value, (Real, np.bool_)) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
