"""Scores of predictions, and the intervals by which every claim is judged.

- A mean difference: `t_interval` over the seeds, with the test part's sampling error
  (`variance_of_test_part`) where all seeds share one test part.
- A mean rank correlation: `rank_interval`, which stays inside [-1, 1].
- Many claims at once: `holm`.
- The end of a learning curve: `is_rising`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import factorial

import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

Values = Sequence[float] | np.ndarray | pd.Series

VERDICTS = ("confirmed", "inconclusive", "refuted")
ALPHA = 0.05  # a claim is decided where its p-value lies below

MOST_EXACT = 50_000  # so many resamples or permutations are listed one by one
ROUNDS = 9_999  # else so many are drawn, with a seed of their own


def prediction_score(metric: str, y: Values, p: Values) -> float:
    """Score predicted probabilities p of class 1 against the classes y, both of shape (n,).

    "auc" is the area under the ROC curve of p. "accuracy" is the share of the n predictions for
    which (p > 1/2) equals y.
    """
    if metric == "auc":
        return float(roc_auc_score(y, p))
    return float(np.mean((np.asarray(p) > 0.5) == y))


def mean_se(values: Values) -> tuple[float, float, int]:
    """Mean, standard error and number n of the values.

    The error is sd / sqrt(n), with n - 1 in the standard deviation sd. It is nan for one value;
    for no values the mean is nan too.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n == 0:
        return float("nan"), float("nan"), 0
    mean = float(values.mean())
    if n == 1:
        return mean, float("nan"), 1
    return mean, float(values.std(ddof=1) / np.sqrt(n)), n


@dataclass(frozen=True)
class Interval:
    """A mean difference with its two-sided 95% interval [low, high] over n seeds.

    p is the two-sided p-value of the hypothesis that the difference is zero; None where there is
    none (one seed).
    """

    mean: float
    low: float
    high: float
    n: int
    p: float | None = None


def one_value(value: float) -> Interval:
    """A number that was measured once: it has no bounds."""
    return Interval(value, float("nan"), float("nan"), 1)


# Differences


def variance_of_test_part(terms: Iterable[tuple[float, Values]], n_test: float | None) -> float:
    """Variance of a contrast of accuracies by the choice of the n_test test samples.

    The contrast is sum c_k a_k, with a_k the mean accuracy of some students on one test part. Its
    sampling variance is taken as

        sum c_k^2 a_k (1 - a_k) / n_test

    For two students this is the variance of a paired difference,
    (p_10 + p_01 - (p_10 - p_01)^2) / n (Agresti, Categorical Data Analysis, 2nd ed., Sec. 10.1),
    with p_10 and p_01 the shares of samples that only one of them has right, where the students
    are right independently of each other. Records hold accuracies, not predictions, so p_10 and
    p_01 are not known. Students that find the same samples easy have a smaller variance, so the
    interval is rather too wide. For the mean over several students a (1 - a) / n is an upper
    bound, too.

    Args:
        terms: (c_k, accuracies over seeds) for each k.
        n_test: size of the test part that all seeds share; None: not known, or each seed has its
            own test part, whose error is in the differences between seeds already. Returns 0.
    """
    if n_test is None:
        return 0.0
    variances = []
    for coefficient, accuracies in terms:
        accuracy = mean_se(accuracies)[0]
        variances.append(coefficient**2 * accuracy * (1 - accuracy))
    return float(sum(variances) / n_test)


def half_width(se: float, df: int, variance: float, alpha: float) -> float:
    """Half the width of the interval of a mean at level 1 - alpha.

        sqrt((t se)^2 + z^2 variance)

    t and z are the quantiles at 1 - alpha / 2 of Student's distribution with df degrees of freedom
    and of the normal one; se is the standard error over seeds, and variance that of an independent
    error of known size. Margins of independent parts are joined in quadrature (Zou and Donner,
    Statistics in Medicine 27, 2008, 1693-1702), so a further error never narrows an interval.
    """
    of_seeds = stats.t.isf(alpha / 2, df) * se
    of_test_part = stats.norm.isf(alpha / 2) * np.sqrt(variance)
    return float(np.hypot(of_seeds, of_test_part))


def p_value(mean: float, se: float, df: int, variance: float) -> float:
    """The alpha at which the interval of `half_width` begins or ends at zero.

    Without the further variance it is the p-value of the t-test.
    """
    if variance == 0:
        if se == 0:
            return float(mean == 0)
        return float(2 * stats.t.sf(abs(mean) / se, df))

    def width_left(log_alpha: float) -> float:
        return half_width(se, df, variance, np.exp(log_alpha)) - abs(mean)

    smallest = np.log(1e-300)
    if width_left(smallest) < 0:
        return 0.0
    if width_left(0.0) >= 0:
        return 1.0
    return float(np.exp(optimize.brentq(width_left, smallest, 0.0, xtol=1e-12)))


def t_interval(
    differences: Values, confidence: float = 0.95, variance_of_test_part: float = 0.0
) -> Interval:
    """Interval of the mean of n differences, one for each seed.

    mean ± t((1 + confidence) / 2, n - 1) * sd / sqrt(n), where t is the quantile of Student's
    distribution with n - 1 degrees of freedom; wider by the test part's sampling error where that
    is given (`half_width`). The bounds are nan for one seed.
    """
    mean, se, n = mean_se(differences)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n)
    half = half_width(se, n - 1, variance_of_test_part, 1 - confidence)
    p = p_value(mean, se, n - 1, variance_of_test_part)
    return Interval(mean, mean - half, mean + half, n, p)


def paired_interval(a: Values, b: Values, confidence: float = 0.95) -> Interval:
    """Interval of the mean of a - b, where a[i] and b[i] belong to the same seed."""
    differences = np.asarray(a, float) - np.asarray(b, float)
    return t_interval(differences, confidence)


def interval_of(
    differences: pd.Series, confidence: float = 0.95, variance_of_test_part: float = 0.0
) -> Interval | None:
    """Interval of a Series of differences over seeds, without the seeds that lack a side (nan).

    Returns None if no seed is left.
    """
    complete = differences.dropna().to_numpy()
    if not len(complete):
        return None
    return t_interval(complete, confidence, variance_of_test_part)


# Bounded statistics


def bootstrap_bounds(values: Values, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap of the mean of n values, one for each seed.

    The bounds lie between the smallest and the largest value. All n^n resamples are listed where
    they are few (n up to 6), else 9,999 are drawn with seed 0. It is coarse for few seeds, which
    is why `rank_interval` has a permutation test beside it. Source: Efron and Tibshirani, An
    Introduction to the Bootstrap, Sec. 13.3.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n**n <= MOST_EXACT:
        resamples = np.array(list(product(range(n), repeat=n)))
    else:
        resamples = np.random.default_rng(0).integers(n, size=(ROUNDS, n))
    means = values[resamples].mean(axis=1)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(means, tails, method="inverted_cdf")
    return float(low), float(high)


def permutation_p(statistic: Callable[[np.ndarray], float], k: int) -> float:
    """Two-sided p-value: how often |statistic| of k shuffled points reaches that of the real order.

    statistic takes an order of the points, a permutation of range(k). All k! orders are listed
    where they are few (k up to 8), else 9,999 are drawn with seed 0 and the real one is counted.
    """
    real = abs(statistic(np.arange(k)))
    if factorial(k) <= MOST_EXACT:
        orders = permutations(range(k))
        reached = [abs(statistic(np.array(order))) >= real - 1e-12 for order in orders]
        return float(np.mean(reached))
    rng = np.random.default_rng(0)
    shuffled = (rng.permutation(k) for _ in range(ROUNDS))
    times_reached = sum(abs(statistic(order)) >= real - 1e-12 for order in shuffled)
    return (1 + times_reached) / (1 + ROUNDS)


def pair_scores(values: np.ndarray, kind: str) -> np.ndarray:
    """Scores of all pairs of points, (k, k): signs of the differences, or differences of ranks."""
    if kind == "kendall":
        return np.sign(values[:, None] - values[None, :])
    ranks = stats.rankdata(values)
    return ranks[:, None] - ranks[None, :]


def correlation_of_scores(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation from the scores of all pairs; 0 where one side has no order.

        sum a_ij b_ij / sqrt(sum a_ij^2 sum b_ij^2)

    With the two `pair_scores` it is Kendall's tau-b or Spearman's rho (Daniels, Biometrika 33,
    1944).
    """
    norm = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def rank_interval(x: pd.DataFrame, y: pd.DataFrame, kind: str) -> Interval | None:
    """Mean over seeds of the rank correlation of x and y; both have a row a seed, a column a point.

    The bounds are those of the bootstrap over seeds, inside [-1, 1]; p is that of shuffling the
    points, in the same way for all seeds because the seeds share the points.

    kind: "kendall" (tau-b) or "spearman". Returns None without seeds or with less than 3 points.
    """
    seeds = x.index.intersection(y.index)
    k = x.shape[1]
    if not len(seeds) or k < 3:
        return None
    x_scores = [pair_scores(x.loc[seed].to_numpy(float), kind) for seed in seeds]
    y_scores = [pair_scores(y.loc[seed].to_numpy(float), kind) for seed in seeds]
    score_pairs = list(zip(x_scores, y_scores, strict=True))

    def mean_correlation(order: np.ndarray) -> float:
        shuffled = np.ix_(order, order)
        return float(np.mean([correlation_of_scores(a, b[shuffled]) for a, b in score_pairs]))

    interval = correlation_interval([correlation_of_scores(a, b) for a, b in score_pairs])
    if len(seeds) == 1:
        return interval
    return replace(interval, p=permutation_p(mean_correlation, k))


def correlation_interval(correlations: Values) -> Interval:
    """Mean of rank correlations, one a seed; the bounds are the bootstrap's, inside [-1, 1]."""
    mean = float(np.mean(correlations))
    if len(correlations) == 1:
        return one_value(mean)
    low, high = bootstrap_bounds(correlations)
    return Interval(mean, low, high, len(correlations))


# Verdicts


def verdict(interval: Interval) -> str:
    """What an interval says of a difference that is claimed to lie above zero.

    "confirmed" if the whole interval lies above zero, "refuted" if it lies below, "inconclusive"
    if it includes zero or has no bounds (one seed), and where the p-value that belongs to it (of
    several comparisons, or of a permutation test) is not below 0.05.
    """
    if interval.n < 2 or (interval.p is not None and interval.p >= ALPHA):
        return "inconclusive"
    if interval.low > 0:
        return "confirmed"
    if interval.high < 0:
        return "refuted"
    return "inconclusive"


def equivalence_verdict(interval: Interval, margin: float) -> str:
    """What an interval says of a difference that is claimed to lie within ± margin.

    "confirmed" if the whole interval lies inside [-margin, margin], "refuted" if it lies outside,
    else "inconclusive": a wide interval, one of noise, confirms nothing. A 95% interval is two
    one-sided tests at 2.5% each (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15,
    1987).
    """
    if interval.n < 2:
        return "inconclusive"
    if -margin <= interval.low and interval.high <= margin:
        return "confirmed"
    if interval.low > margin or interval.high < -margin:
        return "refuted"
    return "inconclusive"


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for a family of m claims, in the order given.

    With p_(1) <= ... <= p_(m) the adjusted i-th is max over j <= i of min(1, (m - j + 1) p_(j)).
    Claims whose adjusted p lies below alpha have a familywise error of at most alpha, however they
    depend on each other (Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    m = len(p_values)
    adjusted = [0.0] * m
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


# Learning curves


def last_quarter(curves: pd.DataFrame) -> pd.DataFrame:
    """The evaluations of the last quarter of training, at least the last three.

    curves: a row for each seed, a column for each epoch.
    """
    epochs = np.sort(np.asarray(curves.columns, float))
    first = min(0.75 * epochs[-1], *epochs[-3:])
    return curves[[epoch for epoch in curves.columns if epoch >= first]]


def is_rising(curves: pd.DataFrame, confidence: float = 0.95) -> bool:
    """Whether learning curves still rise at their end, above the noise of their points.

    A line of one slope b and of an intercept for each seed is fitted to the `last_quarter` by least
    squares. With S seeds of k points at epochs x_i, residuals r_si and df = S (k - 1) - 1,

        se(b)^2 = sum r_si^2 / df / (S sum (x_i - mean(x))^2)

    The curves rise if b > t(confidence, df) se(b): a one-sided t-test. False where df is 0.

    Args:
        curves: a row for each seed, a column for each epoch.
        confidence: of the test.
    """
    end = last_quarter(curves).dropna()
    seeds, k = end.shape
    df = seeds * (k - 1) - 1
    if df < 1:
        return False
    x = np.asarray(end.columns, float)
    x = x - x.mean()
    y = end.to_numpy(float)
    y = y - y.mean(axis=1, keepdims=True)
    spread = seeds * np.square(x).sum()
    slope = float((y * x).sum() / spread)
    residuals = y - slope * x
    se = float(np.sqrt(np.square(residuals).sum() / df / spread))
    rounding = 1e-12 / np.ptp(x)
    return slope > max(stats.t.ppf(confidence, df) * se, rounding)
