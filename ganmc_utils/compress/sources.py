"""Where the rows come from that the teacher labels.

Each is a core.source.Source over the numeric matrix of columns.py: sample(n, rng) -> (x, None).
Distances and noise are in standard deviations of a column; a category is kept whole, never mixed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTENC
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_array

from ganmc_utils.compress.columns import Columns, as_frame, data_error, detached
from ganmc_utils.core.errors import own_code
from ganmc_utils.core.paths import thread_count
from ganmc_utils.core.registry import Registry
from ganmc_utils.core.source import Source
from ganmc_utils.forests.sources import class_counts
from ganmc_utils.gan.acgan import AcGan, GanSettings

MAX_NEIGHBOUR_ROWS = 10_000  # training rows that neighbours are looked for in
ROWS_PER_COMPONENT = 100  # of a Gaussian mixture, at least
MAX_COMPONENTS = 20
GAN_STEPS = 2000  # of each player
QUARTERS = 4  # classes that a GAN is given for a regression target


@dataclass
class TrainingRows:
    """The training rows and what sources need to know of them.

    x: the numeric matrix, float32 (n, d).
    classes: int (n,): those of the labels, or the quarter of a regression target.
    columns: the Columns of the matrix.
    labels: of the source `labels`: the classes as probabilities of 0 and 1 (n, K), or values (n,).
    """

    x: np.ndarray
    classes: np.ndarray
    columns: Columns
    labels: np.ndarray | None = None

    @cached_property
    def is_number(self) -> np.ndarray:
        """Whether a column holds numbers, bool (d,)."""
        return ~self.columns.is_category_

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each column, 1 where it is 0: float32 (d,)."""
        deviation = self.x.std(axis=0, dtype=np.float64)
        return np.where(deviation > 0, deviation, 1).astype(np.float32)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of each column, float32 (d,)."""
        return self.x.mean(axis=0, dtype=np.float64).astype(np.float32)

    def kinds(self, j: int) -> np.ndarray:
        """The values of a column of categories."""
        return np.unique(self.x[:, j])

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Standardized numbers, then each category as 0/1 columns: float32 (n, d')."""
        numbers = ((x - self.mean) / self.deviation)[:, self.is_number]
        blocks = [
            (x[:, [j]] == self.kinds(j)).astype(np.float32) for j in np.flatnonzero(~self.is_number)
        ]
        return np.concatenate([numbers, *blocks], axis=1)

    def gather(self, spread: np.ndarray) -> np.ndarray:
        """The inverse of `spread`; of a category the largest of its columns counts: (n, d)."""
        x = np.empty((len(spread), self.x.shape[1]), np.float32)
        n_numbers = self.is_number.sum()
        numbers = spread[:, :n_numbers]
        x[:, self.is_number] = numbers * self.deviation[self.is_number] + self.mean[self.is_number]
        start = n_numbers
        for j in np.flatnonzero(~self.is_number):
            kinds = self.kinds(j)
            x[:, j] = kinds[spread[:, start : start + len(kinds)].argmax(1)]
            start += len(kinds)
        return x

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of at most n rows, without replacement."""
        return rng.permutation(len(self.x))[:n]


@dataclass
class Train(Source):
    """The training rows themselves: nothing is generated."""

    rows: TrainingRows

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """All training rows in their order, whatever n is."""
        return self.rows.x, None


@dataclass
class Jitter(Source):
    """Training rows with noise: numbers + N(0, (scale * deviation)^2), some categories redrawn.

    Args:
        rows: the training rows.
        scale: of the noise, in standard deviations of the column.
        swap: probability that a category becomes that of another row, drawn at random.
    """

    rows: TrainingRows
    scale: float = 0.3
    swap: float = 0.1

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows with replacement and change them."""
        x, is_number = self.rows.x, self.rows.is_number
        drawn = x[rng.integers(len(x), size=n)]
        noise = rng.standard_normal(drawn.shape, dtype=np.float32)
        numbers = drawn + np.float32(self.scale) * self.rows.deviation * noise
        another = np.take_along_axis(x, rng.integers(len(x), size=drawn.shape), axis=0)
        categories = np.where(rng.random(drawn.shape) < self.swap, another, drawn)
        return np.where(is_number, numbers, categories), None


@dataclass
class Smote(Source):
    """SMOTE, and SMOTENC where there are categories (by imbalanced-learn).

    A point on the line between a row and a neighbour of its class; its categories are those that
    most of the neighbours have.

    Args:
        rows: the training rows.
        neighbours: nearest rows of the class that one is drawn from.
    """

    rows: TrainingRows
    neighbours: int = 5

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows; their classes are distributed as in training.

        Raises:
            DataError: a class has a single row; or there are categories alone.
        """
        part = self.rows.some(MAX_NEIGHBOUR_ROWS, rng)
        _, y = np.unique(self.rows.classes[part], return_inverse=True)
        n_real = np.bincount(y)
        if n_real.min() < 2:
            raise data_error("smote", "a class of one row has no neighbours", "use jitter")
        if not self.rows.is_number.any():
            raise data_error("smote", "there is no column of numbers", "use jitter or munge")
        wanted = n_real + class_counts(y, n, rng)
        options = {
            "sampling_strategy": {c: int(count) for c, count in enumerate(wanted)},
            "k_neighbors": min(self.neighbours, int(n_real.min()) - 1),
            "random_state": int(rng.integers(2**31)),
        }
        scaled = self.rows.x[part] / np.where(self.rows.is_number, self.rows.deviation, 1)
        if self.rows.is_number.all():
            sampler = SMOTE(**options)
        else:
            sampler = SMOTENC(
                categorical_features=list(np.flatnonzero(~self.rows.is_number)), **options
            )
        x, _ = sampler.fit_resample(scaled, y)
        generated = x[len(part) + rng.permutation(n)]  # the real rows come first
        x = generated * np.where(self.rows.is_number, self.rows.deviation, 1)
        return x.astype(np.float32), None


@dataclass
class Munge(Source):
    """MUNGE (Bucila et al., 2006): a row takes attributes of its nearest row.

    Each attribute a is taken with probability p: a number becomes N(e'_a, (|e_a - e'_a| / s)^2),
    where e is the row and e' its nearest, and a category becomes e'_a.

    Args:
        rows: the training rows.
        p: probability that an attribute is taken.
        s: the larger, the nearer a number stays to the other row's.
    """

    rows: TrainingRows
    p: float = 0.5
    s: float = 1.0

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a row and its nearest one: (n, d) each."""
        part = self.rows.some(MAX_NEIGHBOUR_ROWS, np.random.default_rng(0))
        x = self.rows.x[part]
        spread = self.rows.spread(x)
        search = NearestNeighbors(n_neighbors=1, n_jobs=thread_count()).fit(spread)
        return x, x[search.kneighbors(return_distance=False)[:, 0]]

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows with replacement and change them."""
        drawn = rng.integers(len(self.nearest[0]), size=n)
        row, other = (side[drawn] for side in self.nearest)
        noise = rng.standard_normal(row.shape, dtype=np.float32)
        number = other + np.abs(row - other) / np.float32(self.s) * noise
        taken = np.where(self.rows.is_number, number, other)
        return np.where(rng.random(row.shape) < self.p, taken, row), None


@dataclass
class MixtureOfGaussians(Source):
    """A Gaussian mixture of the numbers (by scikit-learn); categories of a row of its component.

    Args:
        rows: the training rows.
        seed: of the fit.
    """

    rows: TrainingRows
    seed: int = 0

    @cached_property
    def fitted(self) -> tuple[GaussianMixture, np.ndarray, np.ndarray]:
        """The mixture, the rows that it was fitted to and their components."""
        rng = np.random.default_rng(self.seed)
        x = self.rows.x[self.rows.some(MAX_NEIGHBOUR_ROWS, rng)]
        numbers = self.rows.spread(x)[:, : self.rows.is_number.sum()].astype(np.float64)
        n_components = int(np.clip(len(x) // ROWS_PER_COMPONENT, 1, MAX_COMPONENTS))
        mixture = GaussianMixture(n_components, reg_covar=1e-3, random_state=self.seed)
        return mixture, x, mixture.fit_predict(numbers)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows.

        Raises:
            DataError: there is no column of numbers.
        """
        if not self.rows.is_number.any():
            raise data_error("gaussian_mixture", "there is no column of numbers", "use jitter")
        mixture, x, component_of_row = self.fitted
        mixture.random_state = int(rng.integers(2**31))
        numbers, component = mixture.sample(n)
        rows = np.empty((n, x.shape[1]), np.float32)
        for c in np.unique(component):
            members = np.flatnonzero(component_of_row == c)
            pool = members if len(members) else np.arange(len(x))
            rows[component == c] = x[rng.choice(pool, (component == c).sum())]
        is_number = self.rows.is_number
        rows[:, is_number] = numbers * self.rows.deviation[is_number] + self.rows.mean[is_number]
        return rows[rng.permutation(n)], None


@dataclass
class Gan(Source):
    """The tabular AC-GAN of Sec. 4 (gan/acgan.py); a category is the largest of its 0/1 outputs.

    Args:
        rows: the training rows.
        seed: of the training.
        steps: of each player.
        progress: show a progress bar.
    """

    rows: TrainingRows
    seed: int = 0
    steps: int = GAN_STEPS
    progress: bool = False

    @cached_property
    def trained(self) -> AcGan:
        """The trained GAN."""
        x = self.rows.spread(self.rows.x)
        _, y = np.unique(self.rows.classes, return_inverse=True)
        batch = min(100, len(x))
        epochs = max(1, self.steps // (len(x) // batch))
        settings = GanSettings(epochs=epochs, snapshots=(epochs,), members=1, batch=batch)
        gan = AcGan(x[None], y[None].astype(np.int64), settings, [self.seed])
        return gan.train(progress=self.progress)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows."""
        epoch = self.trained.settings.epochs
        x, _ = self.trained.sample(0, (epoch,), (0,), n, rng)
        return self.rows.gather(x), None


@dataclass
class Own(Source):
    """The user's own: an object with sample(n, rng), or a function of (n, rng), of raw rows.

    A pair (rows, classes) is taken as well; the classes are of no use here.

    Args:
        draw: the object or function.
        columns: that the raw rows have.
    """

    draw: object
    columns: Columns

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows.

        Raises:
            DataError: it fails, or gives other than n rows of the columns.
        """
        function = getattr(self.draw, "sample", self.draw)
        with own_code("source", "mend it", error=data_error):
            drawn = function(n, rng)
        raw = drawn[0] if isinstance(drawn, tuple) and drawn else drawn
        x = matrix_of_source(raw, self.columns)
        if len(x) != n:
            raise data_error("source", f"{len(x)} rows where {n} were asked for", "return n rows")
        return x, None


@dataclass
class Unlabelled(Source):
    """The user's unlabelled rows.

    Args:
        raw: rows with the columns of the training rows.
        columns: of the training rows.
    """

    raw: object
    columns: Columns

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n of the rows without replacement; all where there are no more."""
        x = matrix_of_source(self.raw, self.columns)
        return x[rng.permutation(len(x))[:n]], None


def matrix_of_source(raw: object, columns: Columns) -> np.ndarray:
    """Raw rows of a source of the user's own as the matrix of columns.

    Raises:
        DataError: no rows, rows without a value, other columns, a column that has become empty.
    """
    cure = "give raw rows as a DataFrame or an array (n, columns)"
    with own_code("source", cure, error=data_error):
        raw = detached(raw)
        frame = as_frame(raw, "source")
    n_empty = int(frame.isna().all(axis=1).sum())
    if n_empty:
        problem = f"{n_empty} of {len(frame)} rows hold no value"
        raise data_error("source", problem, "give rows that hold some")
    x = columns.transform(raw, "source")
    never_missing = [j for j in columns.numbers_ if j not in columns.flagged_]
    for j in never_missing:
        if frame.iloc[:, j].isna().all():
            problem = f"all values of column {columns.names_[j]} are missing"
            raise data_error("source", problem, "give values, as the training rows have them")
    return x


# By name; each is built from the training rows alone.
SOURCES = Registry(
    train=Train,
    jitter=Jitter,
    smote=Smote,
    munge=Munge,
    gaussian_mixture=MixtureOfGaussians,
    gan=Gan,
)
# `train_oob`: the training rows with the out-of-bag predictions of the tool's own forest; `labels`:
# with their labels, for whom the report has told that no teacher is needed.
OTHER_TARGETS = ("train_oob", "labels")
SOURCE_NAMES = ("auto", *OTHER_TARGETS, *SOURCES)


def make_source(asked: object, rows: TrainingRows) -> Source:
    """The Source of a name, an object with `sample`, a function, or unlabelled rows.

    Raises:
        DataError: none of these.
    """
    if isinstance(asked, str):
        if asked in OTHER_TARGETS:
            return Train(rows)
        if asked not in SOURCE_NAMES:
            cure = f"choose one of {', '.join(SOURCE_NAMES)}, or give an object with sample(n, rng)"
            raise data_error("source", f"unknown name {asked}", cure)
        return SOURCES[asked](rows)
    if isinstance(asked, type):
        raise data_error(
            "source", f"{asked.__name__} is a class", f"make an instance: {asked.__name__}(...)"
        )
    if hasattr(asked, "iloc"):
        return Unlabelled(asked, rows.columns)
    if callable(getattr(asked, "sample", asked)):
        return Own(asked, rows.columns)
    try:
        asked = detached(asked)
        return Unlabelled(check_array(asked, ensure_all_finite=False), rows.columns)
    except ValueError:
        raise data_error(
            "source",
            f"{type(asked).__name__} is no source",
            "give a name, an object with sample(n, rng), a function of (n, rng), or rows",
        ) from None


def classes_of_target(y: np.ndarray, is_regression: bool) -> np.ndarray:
    """What a GAN and SMOTE take as classes: the classes, or the quarter of a number: int (n,)."""
    if not is_regression:
        return y
    bounds = np.quantile(y, np.linspace(0, 1, QUARTERS + 1)[1:-1])
    return np.searchsorted(bounds, y)
