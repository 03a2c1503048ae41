"""What a student is judged by: score, loss, fidelity, calibration, and their intervals."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

METRICS = {"auc": "AUC", "accuracy": "accuracy", "r2": "R squared"}  # id: in words
RESAMPLES = 500
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Interval:
    """A value with the interval that holds 95% of its bootstrap resamples; NaN: not known."""

    value: float
    low: float
    high: float

    def words(self, digits: int = 3) -> str:
        """For people: 0.912 [0.901, 0.923]."""
        # Adding 0 makes a negative zero positive.
        value, low, high = (round(x, digits) + 0 for x in (self.value, self.low, self.high))
        return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def metric_of(n_classes: int) -> str:
    """The metric of a task: AUC of two classes, accuracy of more, R squared of none."""
    if n_classes == 0:
        return "r2"
    return "auc" if n_classes == 2 else "accuracy"


def score(metric: str, y: np.ndarray, p: np.ndarray) -> float:
    """The score of predictions.

    Args:
        metric: one of METRICS.
        y: classes 0, 1, ..., int (n,); values of a regression, (n,).
        p: probabilities (n, K); values (n,).

    Returns:
        AUC, accuracy or R squared; NaN where y does not define it (one class, a constant).
    """
    if metric == "auc":
        return area_under_curve(y, p[:, 1])
    if metric == "accuracy":
        return float((p.argmax(1) == y).mean())
    variance = np.square(y - y.mean()).mean()
    return float(1 - np.square(y - p).mean() / variance) if variance > 0 else float("nan")


def area_under_curve(y: np.ndarray, p: np.ndarray) -> float:
    """The share of pairs of a row of class 1 and one of class 0 that p orders rightly.

    Ties count half. By ranks (Mann and Whitney): a fraction of roc_auc_score's time, of which a
    bootstrap has thousands.
    """
    n1 = int(y.sum())
    n0 = len(y) - n1
    if n0 == 0 or n1 == 0:
        return float("nan")
    ranks = rankdata(p)
    return float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1))


def resampled_scores(
    metric: str, y: np.ndarray, all_predictions: Sequence[np.ndarray], seed: int = 0
) -> np.ndarray:
    """Scores of several models on bootstrap resamples of the rows, the same for all: (models, R).

    Args:
        metric: one of METRICS.
        y: as of `score`.
        all_predictions: of each model, as `p` of `score`.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    scores = np.empty((len(all_predictions), RESAMPLES))
    for r in range(RESAMPLES):
        rows = rng.integers(len(y), size=len(y))
        for m, p in enumerate(all_predictions):
            scores[m, r] = score(metric, y[rows], p[rows])
    return scores


def interval(value: float, resampled: np.ndarray) -> Interval:
    """The percentile interval of a value from its resamples (R,)."""
    known = resampled[np.isfinite(resampled)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def fidelity(teacher: np.ndarray, student: np.ndarray) -> float:
    """How well a student agrees with its teacher, whatever the truth is.

    The share of rows that both give the same class; of a regression R squared of the student's
    values as predictions of the teacher's.
    """
    if teacher.ndim == 2:
        return float((teacher.argmax(1) == student.argmax(1)).mean())
    return score("r2", teacher, student)


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error: the mean of |accuracy - confidence| over bins of the confidence.

        sum_b n_b / n |mean_b(right) - mean_b(confidence)|

    with ten bins of equal width. Of two classes the confidence is the probability of class 1 and
    right means class 1; of more it is the largest probability.

    Args:
        y: classes, int (n,).
        p: probabilities (n, K).
    """
    is_binary = p.shape[1] == 2
    confidence = p[:, 1] if is_binary else p.max(1)
    right = y == 1 if is_binary else y == p.argmax(1)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    n_right = np.bincount(bins, right, CALIBRATION_BINS)
    expected = np.bincount(bins, confidence, CALIBRATION_BINS)
    return float(np.abs(n_right - expected).sum() / len(y))


def seconds_of_call(call: Callable[[], object], repeats: int = 5) -> float:
    """The median of the seconds that a call takes, after one that warms up."""
    call()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))
