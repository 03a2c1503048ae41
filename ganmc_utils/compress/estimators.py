"""ClassifierCompressor and RegressorCompressor: scikit-learn estimators that compress a teacher."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ganmc_utils.compress import students
from ganmc_utils.compress.columns import (
    Columns,
    as_frame,
    check_float32,
    check_names,
    check_values,
    data_error,
)
from ganmc_utils.compress.judge import Judge
from ganmc_utils.compress.measures import metric_of
from ganmc_utils.compress.search import Search
from ganmc_utils.compress.sources import TrainingRows, classes_of_target
from ganmc_utils.compress.students import FAMILIES
from ganmc_utils.compress.teachers import make_teacher
from ganmc_utils.core.arguments import is_number, is_whole_number
from ganmc_utils.forests.data import first_names

HELD_BACK = 0.2  # of the rows for validation, and as many for the report
MAX_HELD_BACK = 10_000
MIN_ROWS = 50  # of fewer rows, or of a class of fewer than MIN_OF_CLASS, none are held back
MIN_OF_CLASS = 5
QUERIES_PER_ROW = 10
QUERY_LIMITS = (10_000, 200_000)
MAX_QUERIES = 10**7
MAX_CLASSES = 100
FOREVER = 1e9  # seconds: infinity has no shares


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of a fit, as matrix (x) and numbers of the target (y).

    held_back: whether validation and report have rows of their own; else all are the training rows.
    report_is_given: whether the user brought the rows of the report.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_report: np.ndarray
    y_report: np.ndarray
    judge: Judge
    held_back: bool
    report_is_given: bool


class Compressor(BaseEstimator):
    """What both compressors share."""

    def __init__(
        self,
        teacher=None,
        student="auto",
        source="auto",
        max_loss=0.01,
        max_nodes=None,
        max_bytes=None,
        queries="auto",
        max_seconds=120,
        progress=True,
        random_state=0,
    ):
        self.teacher = teacher
        self.student = student
        self.source = source
        self.max_loss = max_loss
        self.max_nodes = max_nodes
        self.max_bytes = max_bytes
        self.queries = queries
        self.max_seconds = max_seconds
        self.progress = progress
        self.random_state = random_state

    def fit(self, X, y, X_report=None, y_report=None):
        """Fit the teacher if need be, choose a source and a student, and teach the student.

        Args:
            X: raw rows, a DataFrame or an array (n, columns): numbers, categories, missing values.
            y: classes or values (n,).
            X_report: rows that the report is about, which the teacher has not seen. None: a fifth
                of X is held back for it.
            y_report: their classes or values.

        Returns:
            Itself.

        Raises:
            ValueError: data, teacher or parameters cannot be used; one line that says the cure.
        """
        search = self.search_of(X, y, X_report, y_report)
        self.choice_ = search.run()
        self.student_ = self.choice_.trial.student
        return self

    def search_of(self, X, y, X_report=None, y_report=None) -> Search:
        """All of `fit` but its search: the rows are dealt and the teacher is fitted.

        Args and errors are those of `fit`.

        Returns:
            The search, whose clock is running.
        """
        self.check_parameters()
        if y is None:
            name = type(self).__name__
            raise ValueError(f"{name} requires y to be passed, but the target y is None")
        if (X_report is None) != (y_report is None):
            absent = "X_report" if X_report is None else "y_report"
            raise data_error(absent, "is missing", "give X_report and y_report, or neither")
        frame = as_frame(X)
        check_names([str(name) for name in frame.columns])
        self.learn_names(X)
        if len(frame) < 2:
            problem = f"{len(frame)} sample{'' if len(frame) == 1 else 's'}"
            raise data_error("X", problem, f"bring {MIN_ROWS} rows or more")
        y = self.learn_target(y)
        check_consistent_length(frame, y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        positions = self.deal(y, seed, X_report is None)

        self.columns_ = Columns().fit(X if isinstance(X, pd.DataFrame) else frame, y)
        self.columns_.is_frame_ = isinstance(X, pd.DataFrame)
        matrix = self.columns_.transform(frame)
        if X_report is None:
            x_report, y_report = matrix[positions["report"]], y[positions["report"]]
        else:
            x_report = self.columns_.transform(X_report, "X_report")
            y_report = self.known_target(y_report)
            check_consistent_length(x_report, y_report)
        x_train, y_train = matrix[positions["train"]], y[positions["train"]]
        classes = self.class_names()
        self.teacher_ = make_teacher(self.teacher, x_train, y_train, self.columns_, classes, seed)
        judge = Judge(
            metric=metric_of(0 if classes is None else len(classes)),
            columns=self.columns_,
            classes=classes,
            x=matrix[positions["validation"]],
            y=y[positions["validation"]],
            teacher=self.teacher_.ask(matrix[positions["validation"]]),
            max_loss=self.max_loss,
            max_nodes=self.max_nodes,
            max_bytes=self.max_bytes,
            seed=seed,
            deadline=time.monotonic() + min(self.max_seconds, FOREVER),
        )
        rows = TrainingRows(
            x_train,
            classes_of_target(y_train, classes is None),
            self.columns_,
            labels=y_train if classes is None else np.eye(len(classes))[y_train],
        )
        self.metric_ = judge.metric
        self.parts_ = Parts(
            x_train,
            y_train,
            x_report,
            y_report,
            judge,
            held_back=positions["train"] is not positions["validation"],
            report_is_given=X_report is not None,
        )
        self._report = None
        return Search(
            self.teacher_,
            rows,
            judge,
            self.student,
            self.source,
            self.number_of_queries(len(x_train)),
            self.progress,
        )

    def deal(self, y: np.ndarray, seed: int, with_report: bool) -> dict[str, np.ndarray]:
        """Positions of the rows for train, validation and report, classes in equal shares.

        Of few rows, all three are all rows, the same array.
        """
        everything = np.arange(len(y))
        is_classification = self.class_names() is not None
        too_few = len(y) < MIN_ROWS
        if is_classification:
            too_few = too_few or np.bincount(y).min() < MIN_OF_CLASS
        if too_few:
            return dict.fromkeys(("train", "validation", "report"), everything)
        n_held = min(MAX_HELD_BACK, int(np.ceil(HELD_BACK * len(y))))

        def split(rows: np.ndarray) -> list[np.ndarray]:
            classes = y[rows] if is_classification else None
            return train_test_split(rows, test_size=n_held, random_state=seed, stratify=classes)

        rest, report = split(everything) if with_report else (everything, everything[:0])
        train, validation = split(rest)
        return {"train": train, "validation": validation, "report": report}

    def number_of_queries(self, n_train: int) -> int:
        """Rows that the teacher labels for the student."""
        if self.queries != "auto":
            return self.queries
        return int(np.clip(QUERIES_PER_ROW * n_train, *QUERY_LIMITS))

    def check_parameters(self) -> None:
        """Raises DataError naming a parameter that cannot be used."""
        if self.student not in ("auto", *FAMILIES):
            names = ", ".join(("auto", *FAMILIES))
            raise data_error("student", f"unknown family {self.student}", f"choose one of {names}")
        for name in ("max_loss", "max_seconds"):
            value = getattr(self, name)
            if not is_number(value) or not value >= 0:
                raise data_error(name, f"{value!r}", "give a number of 0 or more")
        for name in ("max_nodes", "max_bytes", "queries"):
            value = getattr(self, name)
            is_default = value is None if name != "queries" else value == "auto"
            if not is_default and not (is_whole_number(value) and value > 0):
                raise data_error(name, f"{value!r}", "give a whole number above 0")
        if self.queries != "auto" and self.queries > MAX_QUERIES:
            raise data_error("queries", f"{self.queries!r}", f"give a number up to {MAX_QUERIES}")

    def learn_names(self, X, reset: bool = True) -> None:
        """Keep the names of columns as scikit-learn does; reset=False: compare them with those."""
        try:
            validate_data(self, X, skip_check_array=True, reset=reset)
        except TypeError as failed:
            if "string names" not in str(failed):
                raise
            cure = "make them texts (X.columns = X.columns.astype(str))"
            raise data_error("X", "names of columns are of several types", cure) from None

    def matrix_of(self, X) -> np.ndarray:
        """Raw rows as the matrix that the student takes, (n, d)."""
        check_is_fitted(self)
        as_frame(X)  # what is no table is told in scikit-learn's own words
        self.learn_names(X, reset=False)
        return self.columns_.transform(X)

    @property
    def report_(self):
        """What the student costs, and whether compression was needed: a report.Report.

        It is computed when it is first asked for, on rows that nothing was chosen on.
        """
        check_is_fitted(self)
        if self._report is None:
            from ganmc_utils.compress.report import report_of

            self._report = report_of(self)
        return self._report

    def save(self, folder):
        """Write the student and its model card into a folder; see files.save.

        Args:
            folder: it is made if it is not there.

        Returns:
            The paths of the files.
        """
        check_is_fitted(self)
        from ganmc_utils.compress.files import save

        return save(self, folder)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


class ClassifierCompressor(ClassifierMixin, Compressor):
    """Compress a classifier into a small student that learns the teacher's probabilities.

    The rows given to `fit` are dealt into training, validation and report rows. The teacher labels
    rows that a source draws from the training rows; the student learns

        min_q  - sum_i sum_c p_c(x_i) log q_c(x_i)

    with the teacher's probabilities p and its own, q (trees: squared error). Source and student
    are chosen on the validation rows: of the students whose loss, score(teacher) - score(student),
    is at most `max_loss`, the one with the smallest file. The score is AUC for two classes,
    accuracy for more. `report_` judges it on the report rows.

    Args:
        teacher: None: a random forest of 500 trees, fitted to the training rows. An estimator: a
            clone is fitted to them (a Pipeline to raw columns, anything else to numbers).
            FrozenEstimator(model): a fitted model of raw columns, kept as it is; it may have seen
            the rows that judge it, so give `fit` rows that it has not. A function of raw rows that
            returns probabilities (n, K), or (n,) of the larger class.
        student: a family: "linear" (sparse), "tree", "network" (one hidden layer), "boosted"
            (trees), "forest"; "auto": all are tried.
        source: of the rows that the teacher labels: "train", "train_oob" (the training rows with
            out-of-bag predictions, where the teacher is None), "labels" (with their labels: no
            compression), "jitter", "smote", "munge", "gaussian_mixture", "gan"; an object with
            sample(n, rng) or a function of (n, rng) that returns raw rows; unlabelled raw rows;
            "auto": all names are tried, and training rows mixed with generated ones.
        max_loss: how much worse the student may be, as a difference of scores.
        max_nodes: limit of the nodes of all trees.
        max_bytes: limit of the bytes of the ONNX file.
        queries: rows that the teacher labels; "auto": ten for each training row, within 10,000 and
            200,000.
        max_seconds: for the search. What is reached then is not the same on each machine; give
            more where results must repeat.
        progress: show a progress bar.
        random_state: of all that is random.

    Attributes:
        classes_: names of the classes.
        student_: the student, a scikit-learn estimator of the matrix of `columns_`.
        teacher_: the teacher.
        choice_: how source and student were chosen.
        report_: the report; see report.Report.
    """

    def learn_target(self, y) -> np.ndarray:
        """Labels as numbers of `classes_`, int (n,).

        Raises:
            ValueError: missing labels, one class, a continuous target, more than 100 classes.
        """
        y = column_of(y, "y")
        check_labels(y, "y")
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        check_several(self.classes_, "y", "class")
        if len(self.classes_) > MAX_CLASSES:
            raise data_error(
                "y",
                f"{len(self.classes_)} classes",
                f"group them into at most {MAX_CLASSES}, or use RegressorCompressor for numbers",
            )
        return numbers

    def known_target(self, y) -> np.ndarray:
        """Labels as numbers of the classes that are known already.

        Raises:
            DataError: another class among them, or one class alone.
        """
        y = column_of(y, "y_report")
        check_labels(y, "y_report")
        known = np.unique(y)
        strange = set(known) - set(self.classes_)
        if strange:
            raise data_error("y_report", f"unknown classes {sorted(strange)}", "leave them out")
        check_several(known, "y_report", "class")
        return np.searchsorted(self.classes_, y)

    def class_names(self) -> np.ndarray:
        """The classes, in the order of their numbers."""
        return self.classes_

    def predict_proba(self, X) -> np.ndarray:
        """Probabilities of the classes: raw rows (n, columns) -> (n, K)."""
        matrix = self.matrix_of(X)
        return students.predictions(self.student_, matrix)

    def predict(self, X) -> np.ndarray:
        """The most probable class of each row: raw rows (n, columns) -> (n,)."""
        numbers = self.predict_proba(X).argmax(1)
        return self.classes_[numbers]


class RegressorCompressor(RegressorMixin, Compressor):
    """Compress a regressor into a small student that learns the teacher's values.

    As ClassifierCompressor, with the score R squared; the student minimizes the squared error
    sum_i (t(x_i) - s(x_i))^2 of its values s to the teacher's t.

    Args:
        teacher: as of ClassifierCompressor; a function returns values (n,).
        student: as of ClassifierCompressor.
        source: as of ClassifierCompressor, without "smote" unless it is asked for: a GAN and SMOTE
            take the quarters of the target as classes.
        max_loss: how much worse the student may be, as a difference of R squared.
        max_nodes: limit of the nodes of all trees.
        max_bytes: limit of the bytes of the ONNX file.
        queries: rows that the teacher labels.
        max_seconds: for the search.
        progress: show a progress bar.
        random_state: of all that is random.
    """

    def learn_target(self, y) -> np.ndarray:
        """Values as float64 (n,).

        Raises:
            ValueError: NaN, infinity, no numbers, one value only, values that float32 cannot hold.
        """
        return numbers_of(y, "y")

    def known_target(self, y) -> np.ndarray:
        """As `learn_target`, of the report rows."""
        return numbers_of(y, "y_report")

    def class_names(self) -> None:
        """None: there are no classes."""
        return None

    def predict(self, X) -> np.ndarray:
        """The value of each row: raw rows (n, columns) -> (n,)."""
        matrix = self.matrix_of(X)
        return students.predictions(self.student_, matrix)


def column_of(y, where: str) -> np.ndarray:
    """A target as an array (n,)."""
    try:
        return column_or_1d(y, warn=True)
    except ValueError as failed:
        problem = str(failed).splitlines()[0]
        raise data_error(where, problem, "bring a class or value for each row") from None


def numbers_of(y, where: str) -> np.ndarray:
    """The values of a regression as float64 (n,); see RegressorCompressor.learn_target."""
    y = column_of(y, where)
    if y.dtype.kind not in "biuf":
        try:
            y = y.astype(np.float64)
        except (ValueError, TypeError):
            raise data_error(where, "no numbers", "use ClassifierCompressor for classes") from None
    check_finite(y, where)
    check_values(y.astype(np.float64), where)
    kinds = pd.Series(y)
    check_several(kinds.unique(), where, "value")
    check_float32(kinds, where)
    return y.astype(np.float64)


def check_finite(y: np.ndarray, where: str) -> None:
    """Raises DataError where a target holds NaN or infinity."""
    try:
        assert_all_finite(y, input_name=where)
    except ValueError as failed:
        problem = str(failed).splitlines()[0].removesuffix(".")
        raise data_error(where, problem, "replace it, or drop those rows") from None


def check_several(kinds: np.ndarray, where: str, noun: str) -> None:
    """Raises DataError where all rows are of one class or value: no score is defined."""
    if len(kinds) < 2:
        raise data_error(where, f"one {noun} only", "bring rows of two or more")


def check_labels(y: np.ndarray, where: str) -> None:
    """Raises DataError where labels are missing."""
    n_missing = int(pd.isna(y).sum())
    if n_missing:
        raise data_error(where, f"{n_missing} labels are missing (NaN)", "label or drop those rows")
    if y.dtype.kind == "f":
        check_finite(y, where)
    if y.dtype.kind == "O" and len(set(map(type, y))) > 1:
        problem = f"labels of several types ({first_names({type(label).__name__ for label in y})})"
        raise data_error(where, problem, "make them texts (y.astype(str))")
