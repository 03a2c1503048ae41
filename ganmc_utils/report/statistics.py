"""Scores of predictions, and the paired interval by which every claim is judged."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score


def prediction_score(metric, y, p):
    """ "auc": area under the ROC curve of p; "accuracy": share of rows where (p > 1/2) is y."""
    return (
        float(roc_auc_score(y, p))
        if metric == "auc"
        else float(np.mean((np.asarray(p) > 0.5) == y))
    )


def mean_se(values):
    """(mean, standard error sd / sqrt(n) with n - 1 in sd, n); the error is nan for one value."""
    values = np.asarray(values, float)
    n = len(values)
    if n == 0:
        return float("nan"), float("nan"), 0
    return (
        float(values.mean()),
        float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
        n,
    )


@dataclass(frozen=True)
class Interval:
    """A mean difference with its two-sided t-interval over n seeds."""

    mean: float
    low: float
    high: float
    n: int


def paired_interval(a, b, confidence=0.95):
    """Interval of the mean of a - b, seeds paired: mean ± t(n - 1) * sd / sqrt(n); nan bounds for one seed."""
    difference = np.asarray(a, float) - np.asarray(b, float)
    mean, se, n = mean_se(difference)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * se if n > 1 else float("nan")
    return Interval(mean, mean - half, mean + half, n)


def verdict(interval):
    """ "confirmed" if the interval lies above 0, "refuted" if below, else (or with one seed) "not seen"."""
    return "confirmed" if interval.low > 0 else "refuted" if interval.high < 0 else "not seen"
