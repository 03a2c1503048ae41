"""A claim of the paper: its words, how it is measured in the records, and its verdict.

A claim is a difference that the paper says lies above zero. Its `measure` takes the rows of the
record of its chapter and the name of a dataset and returns the interval of that difference over
seeds (`report.statistics`). The lists of claims stand in forests/claims.py, networks/claims.py and
scores/claims.py, each below the functions that measure them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ganmc_utils.report import statistics
from ganmc_utils.report.statistics import Interval

Measure = Callable[[pd.DataFrame, str], Interval | None]
"""measure(frame, dataset): the interval of the difference, None where the records lack a side."""

FoldMeasure = Callable[[pd.DataFrame, str], pd.Series]
"""fold(frame, dataset): how many times smaller or faster, by seed; empty where it was not run."""

StillRises = Callable[[pd.DataFrame, str], bool]
"""still_rises(frame, dataset): whether a learning curve that the claim compares still rises."""

MethodText = Callable[[dict, pd.DataFrame, str], str]
"""method(parameters, frame, dataset): whose method the runs of the record follow, in words."""

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


def method_text(words: str) -> MethodText:
    """The same method in every record."""

    def method(parameters: dict, frame: pd.DataFrame, dataset: str) -> str:
        return words

    return method


THE_PAPERS = method_text("the paper's")


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        id: what the record of the scoreboard calls it.
        section: where in the paper it stands.
        words: the claim in one line.
        datasets: the datasets on which it is judged.
        measure: returns the interval of the difference that should lie above zero.
        notebook: the chapter whose record it is judged by.
        method: returns whose method that is: the paper's, or ours and how it differs.
        shares_one_set: whether all seeds share one split, teacher and GAN, unless the record has
            several trained sets.
        paper: returns what the paper prints for that difference.
        fold: for claims of "so many times smaller or faster": the factor by seed.
        least_fold: the mean factor that such a claim must reach besides its difference.
        candidates: where the best of several students is judged, among how many it was picked: to
            be confirmed its p-value must be small for all of them (Bonferroni).
        margin: for claims that a difference is zero: it must lie within ± margin.
        still_rises: for claims about the end of training: whether a curve still rises there.
    """

    id: str
    section: str
    words: str
    datasets: tuple[str, ...]
    measure: Measure
    notebook: str
    method: MethodText = THE_PAPERS
    shares_one_set: bool = False
    paper: PaperText = no_text
    fold: FoldMeasure | None = None
    least_fold: float = 0.0
    candidates: int = 1
    margin: float | None = None
    still_rises: StillRises | None = None

    @property
    def is_control(self) -> bool:
        """Whether it is a question of ours and no claim of the paper."""
        return self.section.startswith("ours")


@dataclass(frozen=True)
class Judgement:
    """The verdict on one claim on one dataset.

    Attributes:
        claim, dataset: what was judged.
        interval: of its difference.
        verdict: one of statistics.VERDICTS.
        fold: the factor, None without one.
        reason: what else decided where the interval of the difference alone does not.
        scale: "paper's setting", "reduced" or "smoke test".
        method: whose method, and on what the verdict is conditional.
        p_holm: p-value adjusted for the primary claims; None for the exploratory ones.
    """

    claim: Claim
    dataset: str
    interval: Interval
    verdict: str
    fold: Interval | None
    reason: str = ""
    scale: str = ""
    method: str = ""
    p_holm: float | None = None

    @property
    def family(self) -> str:
        """Primary claims are few and share one error rate; all others are exploratory."""
        return "exploratory" if self.p_holm is None else "primary"


ONE_VALUE = "one value, no interval"
STILL_RISING = "still rising"


def judge_claim(claim: Claim, frame: pd.DataFrame, dataset: str) -> Judgement | None:
    """Judge a claim by the rows of its record; None where they do not hold what it needs."""
    interval = claim.measure(frame, dataset)
    if interval is None:
        return None
    judgement = Judgement(claim, dataset, interval, "inconclusive", fold=None)
    if claim.fold is not None:
        folds = claim.fold(frame, dataset)
        if folds.empty:
            return None
        judgement = judge_with_fold(judgement, folds)
    elif claim.margin is not None:
        verdict = statistics.equivalence_verdict(interval, claim.margin)
        judgement = replace(judgement, verdict=verdict)
    else:
        verdict, reason = statistics.verdict(interval), reason_beside_interval(interval)
        judgement = replace(judgement, verdict=verdict, reason=reason)
    if interval.n < 2:
        return replace(judgement, verdict="inconclusive", reason=ONE_VALUE)
    if claim.still_rises is not None and claim.still_rises(frame, dataset):
        return replace(judgement, verdict="inconclusive", reason=STILL_RISING)
    return judgement


def judge_with_fold(judgement: Judgement, folds: pd.Series) -> Judgement:
    """The judgement with the second half of its claim: the factor, by seed."""
    claim, interval = judgement.claim, judgement.interval
    above_least = statistics.interval_of(folds - claim.least_fold)
    halves = (statistics.verdict(interval), statistics.verdict(above_least))
    p = worst([interval, above_least]).p
    verdict, reason = "inconclusive", ""
    if "refuted" in halves:
        verdict = "refuted"
        reason = "" if halves[0] == "refuted" else f"the factor is below {claim.least_fold:g}"
    elif halves == ("confirmed", "confirmed"):
        p = None if p is None else min(1.0, claim.candidates * p)
        verdict = "confirmed" if p is None or p < statistics.ALPHA else "inconclusive"
        reason = "" if verdict == "confirmed" else f"p = {p:.2f} among {claim.candidates} students"
    elif halves[0] == "confirmed":
        reason = f"a factor above {claim.least_fold:g} is not shown"
    return replace(
        judgement,
        interval=replace(interval, p=p),
        verdict=verdict,
        fold=statistics.interval_of(folds),
        reason=reason,
    )


def reason_beside_interval(interval: Interval) -> str:
    """Why an interval without zero decides nothing: "" where it does decide, or includes zero."""
    includes_zero = interval.low <= 0 <= interval.high
    if includes_zero or interval.p is None or interval.p < statistics.ALPHA:
        return ""
    return f"p = {interval.p:.2f}"


def worst(intervals: Sequence[Interval | None]) -> Interval | None:
    """The interval that decides over several claims that must all hold.

    If any interval lies below zero it is the lowest of those, otherwise the lowest of all, by the
    lower bound (by the mean where there is one seed). None if there are no intervals or if one of
    them is missing.

    Its p-value is that of the whole claim. That all hold is shown where each does: the largest of
    the p-values (Berger, Technometrics 24, 1982). That not all hold is shown by one of k, which may
    be one by chance: k times its p-value (Bonferroni).
    """
    if None in intervals:
        return None
    refuted = [interval for interval in intervals if interval.high < 0]
    decisive = min(refuted or intervals, key=_lowest_value, default=None)
    p_values = [interval.p for interval in intervals]
    if decisive is None or None in p_values:
        return decisive
    if refuted:
        smallest = min(interval.p for interval in refuted)
        return replace(decisive, p=min(1.0, len(intervals) * smallest))
    return replace(decisive, p=max(p_values))


def _lowest_value(interval: Interval) -> float:
    return interval.mean if interval.n < 2 else interval.low
