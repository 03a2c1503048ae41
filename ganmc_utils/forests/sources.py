"""Sources of compression data: anything with sample(n, rng) -> (x, intended_class or None).

x is float32 (n, d), standardized as the training rows are; intended_class is int (n,) where the source
means a class by each row (supervised learning uses it; compression asks the teacher instead).
"""

from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE
from scipy.spatial import KDTree

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.paths import thread_count


def class_counts(y, n, rng):
    """How many of n rows fall in each class when classes follow y's distribution: (K,)."""
    return rng.multinomial(n, np.bincount(y) / len(y))


@dataclass
class RealRows:
    """Real rows: the training set itself (`train`) or held-back ones (`fresh`), without replacement."""

    x: np.ndarray
    y: np.ndarray | None = None

    def sample(self, n, rng):
        if n > len(self.x):
            raise GanmcError(
                f"rows: {n} asked for but only {len(self.x)} are there; ask for fewer or bring more data"
            )
        rows = rng.permutation(len(self.x))[:n]
        return self.x[rows], None if self.y is None else self.y[rows]


@dataclass
class RowJitter:
    """Gaussian kernel density estimate: a training row plus N(0, scale^2) on each standardized feature."""

    x: np.ndarray
    y: np.ndarray
    scale: float = 0.3

    def sample(self, n, rng):
        rows = rng.integers(len(self.x), size=n)
        noise = rng.standard_normal((n, self.x.shape[1]), dtype=np.float32)
        return self.x[rows] + np.float32(self.scale) * noise, self.y[rows]


@dataclass
class Smote:
    """SMOTE (Chawla et al., 2002) by imbalanced-learn: points between a row and a neighbour of its class."""

    x: np.ndarray
    y: np.ndarray
    neighbours: int = 5

    def sample(self, n, rng):
        real = np.bincount(self.y)
        if real.min() <= self.neighbours:
            raise GanmcError(
                f"smote: the smaller class has {real.min()} rows, {self.neighbours} neighbours need more; lower neighbours"
            )
        wanted = class_counts(self.y, n, rng)
        maker = SMOTE(
            sampling_strategy={c: int(real[c] + wanted[c]) for c in range(len(real))},
            k_neighbors=self.neighbours,
            random_state=int(rng.integers(2**31)),
        )
        x, y = maker.fit_resample(self.x, self.y)
        order = len(self.x) + rng.permutation(n)  # SMOTE returns the real rows first
        return x[order].astype(np.float32), y[order]


def nearest(x):
    """Index of each row's nearest other row (Euclidean): x (n, d) -> (n,)."""
    near = KDTree(x, leafsize=16).query(x, k=2, workers=thread_count())[1]
    own = np.arange(len(x))
    return np.where(
        near[:, 0] == own, near[:, 1], near[:, 0]
    )  # duplicates may come before the row itself


def rows_of_passes(x, n, one_pass, rng):
    """n rows from as many passes over x as they need; the surplus of the last pass is dropped at random."""
    made = np.concatenate([one_pass(rng) for _ in range(-(-n // len(x)))])
    return made[rng.permutation(len(made))[:n]].astype(np.float32)


@dataclass
class Munge:
    """MUNGE (Bucila et al., 2006): each row e and its nearest row e' trade attributes with probability p.

    A traded attribute becomes N(the other's value, sd^2) with sd = |e_a - e'_a| / s, for both rows, in the
    order of the rows. Neighbours and values are those of the training rows, found once in a k-d tree.
    """

    x: np.ndarray
    y: np.ndarray
    p: float = 0.5
    s: float = 1.0

    def __post_init__(self):
        self.near = nearest(self.x)

    def one_pass(self, rng):
        n, d = self.x.shape
        pair = np.stack([self.x, self.x[self.near]], 1).astype(np.float64)  # (n, 2, d): e, e'
        traded = rng.random((n, d)) < self.p
        sd = np.abs(pair[:, 0] - pair[:, 1]) / self.s
        value = pair[:, ::-1] + sd[:, None] * rng.standard_normal((n, 2, d))
        target = np.stack([np.arange(n), self.near], 1).ravel()
        made = self.x.astype(np.float64)
        for a in range(d):  # numpy keeps the last of repeated writes: the order of the rows
            write = np.repeat(traded[:, a], 2)
            made[target[write], a] = value[:, :, a].ravel()[write]
        return made

    def sample(self, n, rng):
        return rows_of_passes(self.x, n, self.one_pass, rng), None


@dataclass
class MungeAuthors(Munge):
    """MUNGE as the paper's authors coded it: every trade changes the rows that the next search sees."""

    def __post_init__(self):
        pass  # no search ahead: the rows move

    def one_pass(self, rng):
        made = self.x.astype(np.float64)
        for i in range(len(made)):
            distance = np.square(made - made[i]).sum(1)
            distance[i] = np.inf
            j = int(distance.argmin())
            traded = rng.random(made.shape[1]) < self.p
            sd = np.abs(made[i] - made[j]) / self.s
            value = np.stack([made[j], made[i]]) + sd * rng.standard_normal((2, made.shape[1]))
            made[i], made[j] = (
                np.where(traded, value[0], made[i]),
                np.where(traded, value[1], made[j]),
            )
        return made


@dataclass
class PooledGan:
    """The generators of one seed of a trained AcGan, pooled over members and snapshot epochs."""

    gan: object
    seed_index: int
    epochs: tuple
    members: tuple

    def sample(self, n, rng):
        return self.gan.sample(self.seed_index, self.epochs, self.members, n, rng)
