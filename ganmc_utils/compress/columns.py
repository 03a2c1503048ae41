"""Raw columns (numbers, categories, missing values) to a numeric matrix and back.

The matrix is float32 (n, d), in three blocks:

    numbers     as they are; a missing one is the median of its column
    flags       1 where a number is missing, for each column that had missing ones in training
    codes       a category as 0, 1, ..., in the order of its mean target; -1: missing or unknown

Trees take it as it is. What needs standardized features brings its own scaler (students.py), so a
student always takes raw rows.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils.validation import check_array, check_is_fitted

from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.forests.data import first_names

MAX_KINDS = 64  # categories of a column; a column of more is text
COMPARED = 1000  # values of a column that are compared in float32, from smallest to largest
NEARLY_ALL = 0.95  # of the values or of the kinds of a column
MERGED = 0.02  # share of them that may become equal: of fewer than 50 none, of thousands by chance
LARGEST_VALUE = 1e36  # of a regression: students add up float32 numbers, which end at 3e38
UNKNOWN = -1  # code of a missing category, and of one that training did not have


class DataError(GanmcError, ValueError):
    """Data that cannot be used, in one line; a ValueError, as scikit-learn's users expect."""


def data_error(where: object, problem: str, cure: str) -> DataError:
    """The DataError "where: problem; cure"."""
    return DataError(str(user_error(where, problem, cure)))


def detached(values: object):
    """A torch tensor as a numpy array; anything else as it is."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def as_frame(X, where: str = "X") -> pd.DataFrame:
    """Raw rows as a DataFrame; the columns of an array are named x0, x1, ...

    where: what an error calls them.

    Raises:
        DataError: not a table (scikit-learn's own words), or one without columns.
    """
    if isinstance(X, pd.DataFrame):
        if not X.shape[1]:
            raise data_error(where, "no columns", "bring one at least")
        return X
    if getattr(X, "dtype", None) is not None and X.dtype.kind in "OUS" and np.ndim(X) == 2:
        mixed = pd.DataFrame(X).infer_objects()
        if any(is_text(mixed[column]) for column in mixed):
            return mixed.rename(columns="x{}".format)
    try:
        x = check_array(X, dtype="numeric", ensure_all_finite=False)
    except (ValueError, TypeError) as failed:
        problem = str(failed).splitlines()[0].rstrip(".:")
        cure = (
            "bring a table (n, columns). Reshape your data: a column is (n, 1), a row (1, columns)"
        )
        raise data_error(where, problem, cure) from None
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])])


def is_text(column: pd.Series) -> bool:
    """Whether all values of a column of objects that are there are texts."""
    values = column.dropna()
    return not is_numeric_dtype(column) and values.map(lambda value: isinstance(value, str)).all()


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers: integers, floats or booleans."""
    return is_numeric_dtype(column) or is_bool_dtype(column)


class Columns(TransformerMixin, BaseEstimator):
    """Raw rows <-> the numeric matrix.

    Attributes:
        names_: of the raw columns.
        numbers_: the raw columns that hold numbers, by position; `categories_`: the others.
        flagged_: the columns of numbers that had missing values.
        whole_: of `numbers_`, whether all values in training are whole numbers (n_numbers,).
        kinds_: for each category the values that it has, in the order of their codes.
        is_category_: whether a column of the matrix is a flag or a code (d,).
        transformer_: the scikit-learn transformer of raw frames whose categories are texts.
    """

    def fit(self, X, y: np.ndarray) -> "Columns":
        """Learn medians, flags and codes.

        Args:
            X: raw rows, a DataFrame or an array (n, columns).
            y: a number for each row, whose mean orders the categories (n,).

        Raises:
            DataError: duplicate names, a column without values, infinity, dates, text, numbers
                that float32 cannot tell apart.
        """
        frame = as_frame(X)
        self.is_frame_ = isinstance(X, pd.DataFrame)
        self.names_ = [str(name) for name in frame.columns]
        check_names(self.names_)
        self.dtypes_ = list(frame.dtypes)
        positions = range(frame.shape[1])
        self.numbers_ = [j for j in positions if is_number(frame.iloc[:, j])]
        self.categories_ = [j for j in positions if j not in self.numbers_]
        for j in positions:
            check_column(frame.iloc[:, j], self.names_[j])
        numbers = self.number_block(frame)
        for j in self.numbers_:
            check_float32(frame.iloc[:, j], f"column {self.names_[j]}")
        missing = np.isnan(numbers)
        self.flagged_ = [self.numbers_[k] for k in np.flatnonzero(missing.any(0))]
        self.whole_ = np.all(missing | (numbers == np.round(numbers)), axis=0)
        self.kinds_ = [kinds_by_mean(frame.iloc[:, j], y) for j in self.categories_]
        self.transformer_ = self.new_transformer().fit(self.texts(frame))
        n_categories = len(self.flagged_) + len(self.categories_)
        self.is_category_ = np.repeat([False, True], [len(self.numbers_), n_categories])
        return self

    def new_transformer(self) -> ColumnTransformer:
        """The three blocks, for a frame whose categories are texts."""
        codes = OrdinalEncoder(
            categories=[np.array([str(kind) for kind in kinds], object) for kinds in self.kinds_],
            handle_unknown="use_encoded_value",
            unknown_value=UNKNOWN,
            dtype=np.float32,
        )
        blocks = [
            ("numbers", SimpleImputer(strategy="median"), self.numbers_),
            ("flags", MissingIndicator(features="all"), self.flagged_),
            ("codes", codes, self.categories_),
        ]
        return ColumnTransformer([block for block in blocks if block[2]])

    def transform(self, X, where: str = "X") -> np.ndarray:
        """Raw rows -> matrix, float32 (n, d).

        Args:
            X: raw rows; of a DataFrame the names count where training had names, too.
            where: what an error calls them.

        Raises:
            DataError: other columns than in training, or in another order; infinity.
        """
        check_is_fitted(self)
        frame = as_frame(X, where)
        if not len(frame):
            raise data_error(where, "0 rows", "bring one at least")
        if frame.shape[1] != len(self.names_):
            raise data_error(
                where,
                f"{frame.shape[1]} columns where {len(self.names_)} are expected",
                f"bring {first_names(self.names_)}",
            )
        names = [str(name) for name in frame.columns]
        if self.is_frame_ and isinstance(X, pd.DataFrame) and names != self.names_:
            pairs = enumerate(zip(names, self.names_), 1)
            number, (name, expected) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
            raise data_error(
                where,
                f"column {number} is {name} where {expected} is expected",
                "bring the columns of the training rows, in their order",
            )
        return self.transformer_.transform(self.texts(frame, where)).astype(np.float32)

    def number_block(self, frame: pd.DataFrame, where: str = "X") -> np.ndarray:
        """The numbers of a frame as float32 (n, n_numbers), NaN where missing.

        Raises:
            DataError: a text among them, or what float32 cannot hold.
        """
        try:
            wide = frame.iloc[:, self.numbers_].to_numpy(np.float64, na_value=np.nan)
        except (ValueError, TypeError) as failed:
            raise data_error(
                where, f"not a number ({failed})", "bring numbers as in training"
            ) from None
        with np.errstate(over="ignore"):
            numbers = wide.astype(np.float32)
        infinite = np.isinf(numbers).any(0)
        if infinite.any():
            columns = [self.names_[self.numbers_[k]] for k in np.flatnonzero(infinite)]
            raise data_error(
                f"column {first_names(columns)}",
                "infinity or a number beyond float32",
                "replace infinity by a missing value, or use a larger unit",
            )
        return numbers

    def texts(self, frame: pd.DataFrame, where: str = "X") -> pd.DataFrame:
        """What the transformer takes: float32 numbers, categories as texts or None."""
        columns = dict(zip(self.numbers_, self.number_block(frame, where).T))
        for j in self.categories_:
            values = frame.iloc[:, j].astype(object)
            columns[j] = values.map(str, na_action="ignore").to_numpy(object, na_value=None)
        ordered = {self.names_[j]: columns[j] for j in range(len(self.names_))}
        return pd.DataFrame(ordered)

    def back(self, matrix: np.ndarray) -> pd.DataFrame | np.ndarray:
        """Matrix (n, d) -> raw rows, as what was fitted: a DataFrame or an array.

        A flagged number is missing, and so is a category of code -1.
        """
        n_numbers, n_flags = len(self.numbers_), len(self.flagged_)
        columns = {j: matrix[:, k].copy() for k, j in enumerate(self.numbers_)}
        for k, j in enumerate(self.flagged_):
            columns[j][matrix[:, n_numbers + k] == 1] = np.nan
        for k, j in enumerate(self.categories_):
            codes = matrix[:, n_numbers + n_flags + k].astype(int)
            kinds = np.array([*self.kinds_[k], None], object)  # the last stands for code -1
            columns[j] = kinds[codes]
        if not self.is_frame_ and not self.categories_:
            return np.column_stack([columns[j] for j in range(len(self.names_))])
        frame = pd.DataFrame({name: columns[j] for j, name in enumerate(self.names_)})
        for j in self.categories_:
            frame[self.names_[j]] = frame[self.names_[j]].astype(self.dtypes_[j])
        return frame if self.is_frame_ else frame.to_numpy(object)

    def plausible(self, matrix: np.ndarray) -> np.ndarray:
        """Generated rows as real ones could be, float32 (n, d).

        Whole numbers are rounded, and a flagged number is the median, as it is in real rows.
        """
        rows = np.array(matrix, np.float32)
        n_numbers = len(self.numbers_)
        whole = np.flatnonzero(self.whole_)
        rows[:, whole] = np.round(rows[:, whole])
        if self.flagged_:
            median = self.transformer_.named_transformers_["numbers"].statistics_
            for k, j in enumerate(self.flagged_):
                number = self.numbers_.index(j)
                rows[rows[:, n_numbers + k] == 1, number] = median[number]
        return rows


def check_names(names: list[str]) -> None:
    """Raises DataError where two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise data_error(f"column {first_names(twice)}", "named twice", "rename one of them")


def check_column(column: pd.Series, name: str) -> None:
    """Raises DataError naming a column that cannot be used."""
    where = f"column {name}"
    if len(column) and column.isna().all():
        raise data_error(where, "all values are missing", "drop it")
    if column.dtype.kind in "mM":
        raise data_error(where, "dates", "write them as numbers, such as days since one of them")
    if column.dtype.kind == "c":
        raise data_error(where, "Complex data not supported", "bring real numbers")
    if is_number(column):
        return
    try:
        kinds = column.dropna().unique()
    except TypeError:  # they have no hash
        kind = next(type(value) for value in column if not isinstance(value, Hashable))
        cure = "bring numbers, texts or categories"
        raise data_error(where, f"holds values of type {kind.__name__}", cure) from None
    if not isinstance(column.dtype, pd.CategoricalDtype):
        check_texts(column, where)
    n_kinds = len(kinds)
    if n_kinds > MAX_KINDS:
        raise data_error(
            where,
            f"{n_kinds} different texts",
            f"drop it, or group them into at most {MAX_KINDS} categories",
        )
    texts: dict[str, object] = {}
    for kind in kinds:
        other = texts.setdefault(str(kind), kind)
        if other is not kind:
            raise data_error(where, f"both {other!r} and {kind!r}", "write one kind of value")


def check_texts(column: pd.Series, where: str) -> None:
    """Raises DataError naming the first text of a column whose values are nearly all numbers."""
    counts = column.value_counts()
    reads = counts.index.map(reads_as_number).to_numpy(bool)
    if reads.all():
        return
    if counts[reads].sum() >= NEARLY_ALL * counts.sum() or reads.mean() >= NEARLY_ALL:
        first = column[column.isin(counts.index[~reads])].iloc[0]
        cure = "write a number, or nothing where it is missing"
        raise data_error(where, f"{first!r} among numbers", cure)


def reads_as_number(value: object) -> bool:
    """Whether a value is a finite number, or a text that stands for one."""
    try:
        return "_" not in str(value) and bool(np.isfinite(float(str(value))))
    except ValueError:
        return False


def check_float32(numbers: pd.Series, where: str) -> None:
    """Raises DataError for numbers of which float32, with its 24 bits, makes many equal."""
    kinds = np.sort(np.asarray(numbers.dropna().unique()))
    some = kinds[np.linspace(0, len(kinds) - 1, min(len(kinds), COMPARED)).astype(int)]
    n_left = len(np.unique(some.astype(np.float32)))
    if n_left < (1 - MERGED) * len(some):
        raise data_error(
            where,
            f"different numbers are equal in float32 ({n_left} are left of {len(some)})",
            "subtract their smallest, or choose another unit",
        )


def check_values(values: np.ndarray, where: str) -> None:
    """Raises DataError for values of a regression, (n,), beyond what students can learn."""
    largest = np.abs(values).max()
    if largest > LARGEST_VALUE or 0 < largest < 1 / LARGEST_VALUE:
        problem = f"values of up to {largest:g}, which float32 cannot hold"
        raise data_error(where, problem, "choose another unit")


def kinds_by_mean(column: pd.Series, y: np.ndarray) -> list:
    """The values of a category in the order of the mean of y over its rows; ties by name.

    Cut in this order, one split of a tree can take any best half of the categories (binary target).
    """
    means = pd.Series(np.asarray(y, float)).groupby(column.astype(object).to_numpy()).mean()
    return sorted(means.index, key=lambda kind: (means[kind], str(kind)))
