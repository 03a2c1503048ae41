"""How a student is judged on validation rows, and which of several is chosen.

A student meets the limit where its loss on the validation rows is known to be small enough:

    loss = score(teacher) - score(student)         loss + 1.64 standard errors <= max_loss

with the standard error of paired bootstrap resamples: in 95 of 100 cases the loss is within the
limit. AUC and accuracy do not see whether probabilities can be trusted, so the excess error of a
classifier is limited, too:

    excess error = error(student) - error(teacher) <= max_loss

    error = mean over rows of 1/2 sum_c (p_c - [c is the class])^2       Brier score
    error = mean over rows of (y - p)^2 / variance of y                  of a regression

Of those that meet the limit, the one with the fewest bytes as an ONNX file is chosen. Where none
does, they are compared by their misfit, and so are sources:

    misfit = error against the mean of label and teacher's prediction, minus the teacher's own
           = 1/2 (excess error + mean over rows of 1/2 sum_c (p_c - t_c)^2)

Labels are right on average, but few and noisy; the teacher's predictions t have no noise, but a
student may well be nearer to the truth than they are. Their mean has half of each fault. The one
with the fewest bytes is chosen whose misfit is within half a standard error of the least: nearly
the best, as validation sees it. Breiman et al. (1984) allow a whole one for the size of a tree;
among a hundred students and few validation rows, that one is too often small by luck.
"""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from ganmc_utils.compress.columns import Columns
from ganmc_utils.compress.measures import score
from ganmc_utils.compress.onnx_file import onnx_model
from ganmc_utils.compress.students import (
    Design,
    count_nodes,
    fit_student,
    new_student,
    predictions,
)

RESAMPLES = 100  # of the validation rows, for a standard error
SURE = 1.64  # standard errors, of which a normal variable exceeds as many in 5 of 100 cases
NEAR = 0.5  # standard errors


@dataclass
class Judge:
    """The validation rows, the limits and the clock.

    x: validation rows of the matrix, float32 (n, d); y: their classes or values (n,).
    teacher: its predictions for them.
    """

    metric: str
    columns: Columns
    classes: np.ndarray | None
    x: np.ndarray
    y: np.ndarray
    teacher: np.ndarray
    max_loss: float
    max_nodes: int | None
    max_bytes: int | None
    seed: int
    deadline: float

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        n = len(self.y)
        self.resamples = [rng.integers(n, size=n) for _ in range(RESAMPLES)]
        self.teacher_score = score(self.metric, self.y, self.teacher)
        self.teacher_resampled = self.resampled(self.teacher)
        self.truth = self.y if self.is_regression else np.eye(self.n_classes)[self.y]
        self.variance = self.y.var() or 1.0
        self.teacher_errors = self.errors(self.teacher, self.truth)

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return self.classes is None

    @property
    def n_classes(self) -> int:
        """0 for a regression."""
        return 0 if self.classes is None else len(self.classes)

    def resampled(self, p: np.ndarray) -> np.ndarray:
        """Scores of predictions on the resamples, (R,)."""
        return np.array([score(self.metric, self.y[rows], p[rows]) for rows in self.resamples])

    def loss(self, p: np.ndarray) -> float:
        """The loss of predictions for the validation rows; 0 where no score is defined."""
        return float(np.nan_to_num(self.teacher_score - score(self.metric, self.y, p)))

    def errors(self, p: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Of each row the Brier score of (n, K); of values (n,) the square in variances: (n,)."""
        if self.is_regression:
            return np.square(p - target) / self.variance
        return np.square(p - target).sum(1) / 2

    def excess_error(self, p: np.ndarray) -> float:
        """The error of predictions minus the teacher's."""
        return float((self.errors(p, self.truth) - self.teacher_errors).mean())

    def misfits(self, p: np.ndarray) -> np.ndarray:
        """Of each row half of the excess error, and half of the error as the teacher's: (n,)."""
        excess = self.errors(p, self.truth) - self.teacher_errors
        return (excess + self.errors(p, self.teacher)) / 2

    def is_kept(self, p: np.ndarray, standard_error: float) -> bool:
        """Whether predictions are sure to keep the limit."""
        surely = self.loss(p) + SURE * standard_error <= self.max_loss
        return surely and self.excess_error(p) <= self.max_loss

    def standard_error(self, p: np.ndarray) -> float:
        """The standard error of their loss."""
        return float(np.nan_to_num(np.nanstd(self.teacher_resampled - self.resampled(p))))

    def time_is_up(self, share: float = 1.0, started: float = 0.0) -> bool:
        """Whether the deadline has passed, or a share of the time from started to it."""
        return time.monotonic() > started + share * (self.deadline - started)


@dataclass(frozen=True)
class Trial:
    """A student that was tried."""

    design: Design
    student: BaseEstimator
    loss: float
    standard_error: float
    misfits: np.ndarray  # of the validation rows, (n,)
    is_kept: bool  # whether it is sure to keep the limit
    nodes: int | None
    bytes: int
    source: str = ""  # of the rows that taught it

    @property
    def misfit(self) -> float:
        """The mean over the validation rows."""
        return float(self.misfits.mean())

    def fits(self, judge: Judge) -> bool:
        """Whether it is small enough."""
        too_many_nodes = judge.max_nodes and (self.nodes or 0) > judge.max_nodes
        too_many_bytes = judge.max_bytes and self.bytes > judge.max_bytes
        return not (too_many_nodes or too_many_bytes)


def tried(design: Design, x: np.ndarray, target: np.ndarray, judge: Judge) -> Trial:
    """Fit a student and judge it."""
    student = new_student(design, judge.columns, judge.is_regression, judge.seed)
    student = fit_student(student, x, target)
    return judged(design, student, judge)


def judged(design: Design, student: BaseEstimator, judge: Judge) -> Trial:
    """The Trial of a fitted student."""
    p = predictions(student, judge.x)
    n_bytes = len(onnx_model(judge.columns, student, judge.classes).SerializeToString())
    standard_error = judge.standard_error(p)
    return Trial(
        design,
        student,
        judge.loss(p),
        standard_error,
        judge.misfits(p),
        judge.is_kept(p, standard_error),
        count_nodes(student),
        n_bytes,
    )


def best_of(trials: list[Trial], judge: Judge) -> Trial:
    """The smallest student that meets the limit, else the smallest that hardly misfits more."""
    meeting = [trial for trial in trials if trial.is_kept]
    if not meeting:
        near = near_the_best(np.array([trial.misfits for trial in trials]), NEAR)
        meeting = [trials[k] for k in near]
    return min(meeting, key=lambda trial: (trial.bytes, trial.misfit))


def near_the_best(misfits: np.ndarray, n_errors: float) -> np.ndarray:
    """Positions of the models whose misfit is within some standard errors of the least.

    Args:
        misfits: of each model and validation row, (models, n).
        n_errors: standard errors of the difference.

    Returns:
        Positions, at least that of the least misfit.
    """
    excess = misfits - misfits[misfits.mean(1).argmin()]
    standard_error = excess.std(1) / np.sqrt(misfits.shape[1])
    return np.flatnonzero(excess.mean(1) <= n_errors * standard_error)
