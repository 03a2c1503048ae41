"""Sources against slow oracles: shapes, types, shares, seeds, and MUNGE row by row."""

import numpy as np
import pytest

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.source import Source
from ganmc_utils.forests import sources as table_sources

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = (RNG.random(120) < 0.3).astype(int)


@pytest.mark.parametrize(
    "source_class", [table_sources.RowJitter, *table_sources.TABLE_SOURCES.values()]
)
def test_shape_type_and_seed(source_class):
    source = source_class(X, Y)
    assert isinstance(source, Source)
    x, _ = source.sample(301, np.random.default_rng(1))
    again, _ = source.sample(301, np.random.default_rng(1))
    of_another_seed, _ = source.sample(301, np.random.default_rng(2))
    assert x.shape == (301, 4) and x.dtype == np.float32 and np.isfinite(x).all()
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, of_another_seed)


def test_a_class_of_your_own_is_a_source_without_inheriting():
    class Zeros:
        def sample(self, n, rng):
            return np.zeros((n, 4), np.float32), None

    assert isinstance(Zeros(), Source)
    assert not isinstance(X, Source)


@pytest.mark.parametrize("source_class", [table_sources.RowJitter, table_sources.Smote])
def test_class_shares(source_class):
    _, intended = source_class(X, Y).sample(4000, np.random.default_rng(0))
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
    jitter = table_sources.RowJitter(np.zeros((50, 4), np.float32), Y[:50], scale=0.5)
    x, _ = jitter.sample(20000, np.random.default_rng(0))
    np.testing.assert_allclose(x.std(0), 0.5, rtol=0.03)


def test_smote_stays_between_rows_of_a_class():
    x, intended = table_sources.Smote(X, Y).sample(500, np.random.default_rng(0))
    for c in (0, 1):
        real_rows = X[c == Y]
        rows = x[intended == c]
        assert (rows >= real_rows.min(0) - 1e-6).all()
        assert (rows <= real_rows.max(0) + 1e-6).all()


def test_one_line_errors():
    with pytest.raises(GanmcError, match="200 asked for but only 120"):
        table_sources.RealRows(X).sample(200, np.random.default_rng(0))
    smote = table_sources.Smote(X[:20], np.r_[np.ones(3, int), np.zeros(17, int)])
    with pytest.raises(GanmcError, match="smaller class has 3 training rows"):
        smote.sample(10, np.random.default_rng(0))
    with pytest.raises(GanmcError, match="adasyn: unknown source; choose one of smote, munge"):
        table_sources.TABLE_SOURCES.entry("adasyn", "source")


def test_independent_columns_keep_each_column_and_nothing_between_them():
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000)
    x = np.stack([z, z + 0.1 * rng.normal(size=2000), -z], 1).astype(np.float32)
    assert abs(np.corrcoef(x.T)[0, 1]) > 0.99
    rows, intended = table_sources.IndependentColumns(x, None).sample(20_000, rng)
    assert intended is None
    for a in range(3):
        assert np.isin(rows[:, a], x[:, a]).all(), "a value that no training row has"
        np.testing.assert_allclose(rows[:, a].mean(), x[:, a].mean(), atol=0.03)
        np.testing.assert_allclose(rows[:, a].std(), x[:, a].std(), rtol=0.03)
    between = np.corrcoef(rows.T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(between, 0, atol=4 / np.sqrt(20_000))


def test_independent_columns_of_one_row_are_that_row():
    rows, _ = table_sources.IndependentColumns(X[:1]).sample(5, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, np.repeat(X[:1], 5, 0))
