"""A claim of the paper: its words, how it is measured in the records, and its verdict.

A claim is a difference that the paper says lies above zero. Its `measure` takes the rows of the
records and the name of a dataset and returns the t-interval of that difference over seeds
(`report.statistics.t_interval`). The lists of claims stand in forests/claims.py,
networks/claims.py and scores/claims.py, each below the functions that measure them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ganmc_utils.report import statistics
from ganmc_utils.report.statistics import Interval

Measure = Callable[[pd.DataFrame, str], Interval | None]
"""measure(frame, dataset): the interval of the difference, None where the records lack a side."""

FoldMeasure = Callable[[pd.DataFrame, str], pd.Series]
"""fold(frame, dataset): how many times smaller or faster, by seed; empty where it was not run."""

PaperText = Callable[[str], str]
"""paper(dataset): the paper's own number for that dataset in words, "" where it has none."""


def text_on(text: str, datasets: Sequence[str]) -> PaperText:
    """The same words on each of the datasets, nothing on the others."""

    def paper(dataset: str) -> str:
        return text if dataset in datasets else ""

    return paper


def no_text(dataset: str) -> str:
    """Where the paper gives no number."""
    return ""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        id: what the record of the scoreboard calls it.
        section: where in the paper it stands.
        words: the claim in one line.
        datasets: the datasets on which it is judged.
        measure: returns the interval of the difference that should lie above zero.
        paper: returns what the paper prints for that difference.
        fold: for claims of "so many times smaller or faster": the factor by seed.
        least_fold: the mean factor that such a claim must reach besides its difference.
    """

    id: str
    section: str
    words: str
    datasets: tuple[str, ...]
    measure: Measure
    paper: PaperText = no_text
    fold: FoldMeasure | None = None
    least_fold: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """The verdict on one claim on one dataset; fold is the mean factor, None without one."""

    claim: Claim
    dataset: str
    interval: Interval
    verdict: str
    fold: float | None


def judge_claim(claim: Claim, frame: pd.DataFrame, dataset: str) -> Judgement | None:
    """Judge a claim by the rows of the records; None where they do not hold what it needs."""
    interval = claim.measure(frame, dataset)
    if interval is None:
        return None
    if claim.fold is None:
        return Judgement(claim, dataset, interval, statistics.verdict(interval), None)
    folds = claim.fold(frame, dataset)
    if folds.empty:
        return None
    verdict = verdict_with_fold(interval, folds, claim.least_fold)
    return Judgement(claim, dataset, interval, verdict, float(folds.mean()))


def verdict_with_fold(interval: Interval, folds: pd.Series, least_fold: float) -> str:
    """Verdict on a claim with two halves: a difference above zero at a factor of least_fold.

    Where the mean factor falls short the claim cannot be confirmed: it is refuted if either half
    is, the factor by the interval of folds - least_fold, and inconclusive otherwise.
    """
    verdict_on_difference = statistics.verdict(interval)
    if not folds.mean() < least_fold:
        return verdict_on_difference
    verdict_on_fold = statistics.verdict(statistics.interval_of(folds - least_fold))
    if "refuted" in (verdict_on_difference, verdict_on_fold):
        return "refuted"
    return "inconclusive"


def worst(intervals: Sequence[Interval | None]) -> Interval | None:
    """The interval that decides over several claims that must all hold.

    If any interval lies below zero it is the lowest of those, otherwise the lowest of all, by the
    lower bound (by the mean where there is one seed). None if there are no intervals or if one of
    them is missing.
    """
    if None in intervals:
        return None
    refuted = [interval for interval in intervals if interval.high < 0]
    return min(refuted or intervals, key=_lowest_value, default=None)


def _lowest_value(interval: Interval) -> float:
    return interval.mean if interval.n < 2 else interval.low
