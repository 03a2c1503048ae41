"""Scores of predictions, and the paired t-interval by which every claim is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

Values = Sequence[float] | np.ndarray | pd.Series

VERDICTS = ("confirmed", "inconclusive", "refuted")


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
    """A mean difference with its two-sided t-interval [low, high] over n seeds."""

    mean: float
    low: float
    high: float
    n: int


def point(value: float) -> Interval:
    """The interval of a number that has no seeds: it begins and ends at the number itself."""
    return Interval(value, value, value, 1)


def t_interval(differences: Values, confidence: float = 0.95) -> Interval:
    """Interval of the mean of n differences, one for each seed.

    mean ± t((1 + confidence) / 2, n - 1) * sd / sqrt(n), where t is the quantile of Student's
    distribution with n - 1 degrees of freedom. The bounds are nan for one seed.
    """
    mean, se, n = mean_se(differences)
    half = float("nan")
    if n > 1:
        half = stats.t.ppf((1 + confidence) / 2, n - 1) * se
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(a: Values, b: Values, confidence: float = 0.95) -> Interval:
    """Interval of the mean of a - b, where a[i] and b[i] belong to the same seed."""
    differences = np.asarray(a, float) - np.asarray(b, float)
    return t_interval(differences, confidence)


def interval_of(differences: pd.Series, confidence: float = 0.95) -> Interval | None:
    """Interval of a Series of differences over seeds, without the seeds that lack a side (nan).

    Returns None if no seed is left.
    """
    complete = differences.dropna().to_numpy()
    if not len(complete):
        return None
    return t_interval(complete, confidence)


def verdict(interval: Interval) -> str:
    """What an interval says of a difference that is claimed to lie above zero.

    "confirmed" if the whole interval lies above zero, "refuted" if it lies below, "inconclusive"
    if it includes zero or has no bounds (one seed).
    """
    if interval.low > 0:
        return "confirmed"
    if interval.high < 0:
        return "refuted"
    return "inconclusive"
