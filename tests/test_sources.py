"""Sources against slow oracles: shapes, types, shares, seeds, and MUNGE row by row."""

import numpy as np
import pytest

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import sources as table_sources

rng0 = np.random.default_rng(0)
X = rng0.normal(size=(120, 4)).astype(np.float32)
Y = (rng0.random(120) < 0.3).astype(int)


@pytest.mark.parametrize(
    "make",
    [table_sources.RowJitter, table_sources.Smote, table_sources.Munge, table_sources.MungeAuthors],
)
def test_shape_type_and_seed(make):
    source = make(X, Y)
    a, b, c = (source.sample(301, np.random.default_rng(s)) for s in (1, 1, 2))
    assert a[0].shape == (301, 4) and a[0].dtype == np.float32 and np.isfinite(a[0]).all()
    np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(a[0], c[0])


@pytest.mark.parametrize("make", [table_sources.RowJitter, table_sources.Smote])
def test_class_shares(make):
    _, intended = make(X, Y).sample(4000, np.random.default_rng(0))
    assert abs(intended.mean() - Y.mean()) < 4 * np.sqrt(0.25 / 4000)


def test_nearest_is_brute_force_even_with_duplicates():
    x = np.concatenate([X, X[:3]])
    distance = np.square(x[:, None] - x[None]).sum(2)
    np.fill_diagonal(distance, np.inf)
    near = table_sources.nearest(x)
    assert (near != np.arange(len(x))).all()
    np.testing.assert_allclose(distance[np.arange(len(x)), near], distance.min(1))


def test_munge_equals_a_slow_oracle():
    munge = table_sources.Munge(X, Y, p=0.6, s=2.0)
    fast = munge.one_pass(np.random.default_rng(3))
    rng = np.random.default_rng(3)  # the same draws, used row by row and write by write
    traded, z = rng.random(X.shape) < 0.6, rng.standard_normal((len(X), 2, X.shape[1]))
    slow = X.astype(np.float64)
    for i in range(len(X)):
        distance = np.square(X.astype(float) - X[i].astype(float)).sum(1)
        distance[i] = np.inf
        j = distance.argmin()
        for a in range(X.shape[1]):
            if traded[i, a]:
                sd = abs(float(X[i, a]) - float(X[j, a])) / 2.0
                slow[i, a] = X[j, a] + sd * z[i, 0, a]
                slow[j, a] = X[i, a] + sd * z[i, 1, a]
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_munge_limits():
    unchanged, _ = table_sources.Munge(X, Y, p=0.0).sample(len(X), np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(unchanged, 0), np.sort(X, 0))
    authors = table_sources.MungeAuthors(X, Y, p=0.0).one_pass(np.random.default_rng(0))
    np.testing.assert_array_equal(authors, X)


def test_jitter_variance():
    made, _ = table_sources.RowJitter(np.zeros((50, 4), np.float32), Y[:50], scale=0.5).sample(
        20000, np.random.default_rng(0)
    )
    np.testing.assert_allclose(made.std(0), 0.5, rtol=0.03)


def test_smote_stays_between_rows_of_a_class():
    made, intended = table_sources.Smote(X, Y).sample(500, np.random.default_rng(0))
    for c in (0, 1):
        assert (made[intended == c] >= X[Y == c].min(0) - 1e-6).all() and (
            made[intended == c] <= X[Y == c].max(0) + 1e-6
        ).all()


def test_one_line_errors():
    with pytest.raises(GanmcError, match="200 asked for but only 120"):
        table_sources.RealRows(X).sample(200, np.random.default_rng(0))
    with pytest.raises(GanmcError, match="smaller class has 3 rows"):
        table_sources.Smote(X[:20], np.r_[np.ones(3, int), np.zeros(17, int)]).sample(
            10, np.random.default_rng(0)
        )
