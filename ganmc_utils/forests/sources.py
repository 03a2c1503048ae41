"""Sources of table rows. Each is a core.source.Source: sample(n, rng) -> (x, class or None).

x is float32 (n, d), standardized as the training rows are; the intended class is int (n,) where the
source means one by each row (supervised learning uses it; compression asks the teacher instead).
rng is a numpy.random.Generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE
from scipy.spatial import KDTree

from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.paths import thread_count
from ganmc_utils.core.registry import Registry
from ganmc_utils.core.source import Source
from ganmc_utils.gan.acgan import AcGan


@dataclass
class RealRows(Source):
    """Real rows without replacement: the training set itself (`train`) or held-back rows (`fresh`).

    Args:
        x: rows, float32 (N, d).
        y: their classes, int (N,), or None.
    """

    x: np.ndarray
    y: np.ndarray | None = None

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
        """Draw n of the rows, with their classes.

        Raises:
            GanmcError: there are fewer than n.
        """
        if n > len(self.x):
            raise GanmcError(
                f"rows: {n} asked for but only {len(self.x)} are there; "
                "ask for fewer or bring more data"
            )
        rows = rng.permutation(len(self.x))[:n]
        classes = None if self.y is None else self.y[rows]
        return self.x[rows], classes


@dataclass
class RowJitter(Source):
    """Training rows plus N(0, scale^2) on each standardized feature: a Gaussian kernel density.

    Args:
        x: training rows, float32 (N, d).
        y: their classes, int (N,).
        scale: standard deviation of the noise, in standard deviations of the feature.
    """

    x: np.ndarray
    y: np.ndarray
    scale: float = 0.3

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows with replacement, add the noise; the classes are those of the rows."""
        rows = rng.integers(len(self.x), size=n)
        noise = rng.standard_normal((n, self.x.shape[1]), dtype=np.float32)
        return self.x[rows] + np.float32(self.scale) * noise, self.y[rows]


def too_few_rows(n_rows: int, neighbours: int) -> GanmcError:
    """What SMOTE says of a class that has no more rows than neighbours are asked for."""
    problem = f"the smaller class has {n_rows} training rows, {neighbours} neighbours need more"
    return user_error("smote", problem, "bring more rows, or leave smote out")


@dataclass
class Smote(Source):
    """SMOTE: points on the line between a row and a neighbour of its class (by imbalanced-learn).

    Chawla et al. (2002). The classes follow the distribution of y.

    Args:
        x: training rows, float32 (N, d).
        y: their classes, int (N,).
        neighbours: nearest rows of the class that one is drawn from.
    """

    x: np.ndarray
    y: np.ndarray
    neighbours: int = 5

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows and their classes.

        Raises:
            GanmcError: the smaller class has no more rows than `neighbours`.
        """
        n_real = np.bincount(self.y)
        if n_real.min() <= self.neighbours:
            raise too_few_rows(n_real.min(), self.neighbours)
        n_wanted = class_counts(self.y, n, rng)
        n_after = {c: int(n_real[c] + n_wanted[c]) for c in range(len(n_real))}
        sampler = SMOTE(
            sampling_strategy=n_after,
            k_neighbors=self.neighbours,
            random_state=int(rng.integers(2**31)),
        )
        x, y = sampler.fit_resample(self.x, self.y)
        order = len(self.x) + rng.permutation(n)  # SMOTE returns the real rows first
        return x[order].astype(np.float32), y[order]


def class_counts(y: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """How many of n rows fall in each class when classes follow y's distribution: (K,)."""
    return rng.multinomial(n, np.bincount(y) / len(y))


@dataclass
class Munge(Source):
    """MUNGE (Bucila et al., 2006): each row e and its nearest row e' trade attributes.

    Each attribute a is traded with probability p. Of a traded one

        e_a  becomes N(e'_a, sd_a^2)
        e'_a becomes N(e_a, sd_a^2)    with sd_a = |e_a - e'_a| / s

    for both rows, in the order of the rows. Neighbours and values are those of the training rows,
    found once in a k-d tree.

    Args:
        x: training rows, float32 (N, d).
        y: not used; all sources are built alike.
        p: probability of a trade, for each attribute by itself.
        s: the larger, the nearer a traded value stays to the other row's.
    """

    x: np.ndarray
    y: np.ndarray | None
    p: float = 0.5
    s: float = 1.0

    def __post_init__(self):
        self.near = nearest(self.x)

    def one_pass(self, rng: np.random.Generator) -> np.ndarray:
        """The training rows after one pass over all of them: float64 (N, d)."""
        n, d = self.x.shape
        pair = np.stack([self.x, self.x[self.near]], 1).astype(np.float64)  # (N, 2, d): e, e'
        traded = rng.random((n, d)) < self.p
        sd = np.abs(pair[:, 0] - pair[:, 1]) / self.s
        value = pair[:, ::-1] + sd[:, None] * rng.standard_normal((n, 2, d))

        target = np.stack([np.arange(n), self.near], 1).ravel()  # (2N,): the rows written to
        rows = self.x.astype(np.float64)
        for a in range(d):  # numpy keeps the last of repeated writes: the order of the rows
            written = np.repeat(traded[:, a], 2)
            rows[target[written], a] = value[:, :, a].ravel()[written]
        return rows

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows, without classes, from as many passes as they need."""
        return rows_of_passes(self.x, n, self.one_pass, rng), None


@dataclass
class MungeAuthors(Munge):
    """MUNGE as the paper's authors coded it: each trade changes what the next search sees."""

    def __post_init__(self):
        pass  # no search ahead: the rows move

    def one_pass(self, rng: np.random.Generator) -> np.ndarray:
        """The training rows after one pass over all of them: float64 (N, d)."""
        rows = self.x.astype(np.float64)
        d = rows.shape[1]
        for i in range(len(rows)):
            distance = np.square(rows - rows[i]).sum(1)
            distance[i] = np.inf
            j = int(distance.argmin())
            traded = rng.random(d) < self.p
            sd = np.abs(rows[i] - rows[j]) / self.s
            value = np.stack([rows[j], rows[i]]) + sd * rng.standard_normal((2, d))
            # Both rows before either is written.
            row_i = np.where(traded, value[0], rows[i])
            row_j = np.where(traded, value[1], rows[j])
            rows[i] = row_i
            rows[j] = row_j
        return rows


@dataclass
class IndependentColumns(Source):
    """Each column drawn by itself from the training values, with replacement.

    Every column has its own distribution and none has anything to do with another: the control
    that tells what a source gains by realism from what any rows gain that a teacher labels.

    Args:
        x: training rows, float32 (N, d).
        y: not used; all sources are built alike.
    """

    x: np.ndarray
    y: np.ndarray | None = None

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, None]:
        """Draw n rows, without classes."""
        n_train, d = self.x.shape
        row_of_each_value = rng.integers(n_train, size=(n, d))
        return np.take_along_axis(self.x, row_of_each_value, axis=0), None


def nearest(x: np.ndarray) -> np.ndarray:
    """Index of each row's nearest other row (Euclidean): x (n, d) -> (n,)."""
    near = KDTree(x, leafsize=16).query(x, k=2, workers=thread_count())[1]
    own = np.arange(len(x))
    first_is_itself = near[:, 0] == own  # duplicates may come before the row itself
    return np.where(first_is_itself, near[:, 1], near[:, 0])


def rows_of_passes(
    x: np.ndarray,
    n: int,
    one_pass: Callable[[np.random.Generator], np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """The rows of as many passes over x as n rows need: float32 (n, d).

    The surplus is dropped at random.
    """
    n_passes = -(-n // len(x))  # rounded up
    rows = np.concatenate([one_pass(rng) for _ in range(n_passes)])
    kept = rng.permutation(len(rows))[:n]
    return rows[kept].astype(np.float32)


@dataclass
class PooledGan(Source):
    """The generators of one seed of a trained AcGan, pooled over members and snapshot epochs.

    Args:
        gan: the trained AC-GANs.
        seed_index: which of the seeds they were trained for.
        epochs: snapshots that are pooled.
        members: GANs of the seed that are pooled.
    """

    gan: AcGan
    seed_index: int
    epochs: tuple[int, ...]
    members: tuple[int, ...]

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows, shared evenly among the generators, and the classes they are meant to be."""
        return self.gan.sample(self.seed_index, self.epochs, self.members, n, rng)


# The baselines that are made of the training rows alone, by their ids in records.
TABLE_SOURCES = Registry(
    smote=Smote,
    munge=Munge,
    munge_authors=MungeAuthors,
    independent=IndependentColumns,
)
