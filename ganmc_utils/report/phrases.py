"""Intervals, verdicts and scales in words.

`compare` is the one place where an interval becomes "above" or "below": it never claims a
difference that the interval does not show.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ganmc_utils.report import statistics
from ganmc_utils.report.claim import reason_beside_interval
from ganmc_utils.report.statistics import Interval


@dataclass(frozen=True)
class Unit:
    """How a difference is written: times factor, with so many digits, and its name behind."""

    name: str = ""
    factor: float = 1.0
    digits: int = 2

    def signed(self, value: float) -> str:
        """The value with its sign, such as "+4.1"; the sign of a rounded zero is left out."""
        digits = f"{self.factor * value:+.{self.digits}f}"
        return digits[1:] if float(digits) == 0 else digits.replace("-", "−")

    def plain(self, value: float) -> str:
        """The value, such as "4.1"; zero has no sign."""
        return f"{self.factor * value:z.{self.digits}f}".replace("-", "−")

    def amount(self, value: float) -> str:
        """The value and what it counts, such as "4.1 points"."""
        return f"{self.plain(value)} {self.name}".strip()


POINTS = Unit("points", 100, 1)  # of accuracy or of AUC
SCORE = Unit()  # of a rank correlation or a score of generators


def bounds(interval: Interval, unit: Unit, sign: int = 1) -> str:
    """The bounds of sign * the difference, such as "[3.2, 5.0]"."""
    low, high = sorted([sign * interval.low, sign * interval.high])
    return f"[{unit.plain(low)}, {unit.plain(high)}]"


def signed_with_bounds(interval: Interval, unit: Unit = POINTS) -> str:
    """The difference and its bounds: "+0.3 points [−1.0, 1.6]"; of one run without bounds."""
    difference = f"{unit.signed(interval.mean)} {unit.name}".strip()
    if interval.n < 2:
        return f"{difference} in one run"
    return f"{difference} {bounds(interval, unit)}{p_beside(interval)}"


def with_bounds(interval: Interval, unit: Unit = POINTS) -> str:
    """As `signed_with_bounds`, of what is no difference: "0.96 [0.94, 1.00]"."""
    if interval.n < 2:
        return f"{unit.amount(interval.mean)} in one run"
    return f"{unit.amount(interval.mean)} {bounds(interval, unit)}{p_beside(interval)}"


def p_beside(interval: Interval) -> str:
    """The p-value, where it leaves open what the bounds alone seem to decide."""
    reason = reason_beside_interval(interval)
    return f", {reason}" if reason else ""


def compare(
    interval: Interval, other: str, unit: Unit = POINTS, *, margin: float | None = None
) -> str:
    """What an interval says of something against `other`, to stand behind its subject.

    - the interval lies above zero: "is 4.1 points above training data [3.2, 5.0]"
    - below: "is 4.1 points below training data [3.2, 5.0]"
    - it includes zero, or its p-value is not below 0.05: "is not clearly different from training
      data (+0.3 points [−1.0, 1.6])"
    - one value: "was 4.1 points above training data in the one run"
    - it lies inside ± margin, where there is one: "is level with training data, within 1.2 points
      (+0.1 [−0.4, 0.6])"

    Args:
        interval: of the difference, something minus `other`.
        other: what it is compared with.
        unit: of the difference.
        margin: differences up to here are no matter; None: every difference is.
    """
    side = "above" if interval.mean > 0 else "below"
    amount = unit.amount(abs(interval.mean))
    if interval.n < 2:
        return f"was {amount} {side} {other} in the one run"
    if margin is not None and statistics.equivalence_verdict(interval, margin) == "confirmed":
        within = signed_with_bounds(interval, replace(unit, name=""))
        return f"is level with {other}, within {unit.amount(margin)} ({within})"
    if statistics.verdict(interval) == "inconclusive":
        return f"is not clearly different from {other} ({signed_with_bounds(interval, unit)})"
    sign = 1 if side == "above" else -1
    return f"is {amount} {side} {other} {bounds(interval, unit, sign)}"


def change(interval: Interval, unit: Unit = POINTS) -> str:
    """As `compare`, of something before and after: "falls by 0.24 [0.16, 0.32]"."""
    if interval.n < 2:
        return f"changed by {signed_with_bounds(interval, unit)}"
    decided = statistics.verdict(interval)
    if decided == "inconclusive":
        return f"does not clearly change ({signed_with_bounds(interval, unit)})"
    amount = unit.amount(abs(interval.mean))
    if decided == "confirmed":
        return f"rises by {amount} {bounds(interval, unit)}"
    return f"falls by {amount} {bounds(interval, unit, -1)}"


GROUPS = {
    "confirmed": "beats {other} on {places}",
    "refuted": "does worse than {other} on {places}",
    "inconclusive": "is not clearly different from {other} on {places}",
}
BUT_WORSE = "but does worse on {places}"
LEFT_OPEN = "on {places} no difference can be shown"


def compare_on_each(
    intervals: dict[str, Interval],
    other: str,
    unit: Unit = POINTS,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """As `compare`, of several datasets at once, grouped by what their intervals say.

    Such as "beats training data on MAGIC (+1.7 points [1.1, 2.4]) but does worse on Higgs 1k (−5.0
    [−7.0, −2.9]); on Evergreen (+1.7 [−1.4, 4.7]) no difference can be shown".

    Args:
        intervals: of the difference, by what the dataset is called.
        other: what is compared with.
        unit: of the difference; its name stands behind the first one.
        notes: what stands beside the interval of a dataset, such as "p = 0.12 after Holm".
    """
    groups = {}
    for verdict in GROUPS:
        places = [place for place in intervals if statistics.verdict(intervals[place]) == verdict]
        if places:
            groups[verdict] = places
    phrases = []
    unnamed = replace(unit, name="")
    for verdict, places in groups.items():
        differences = []
        for place in places:
            is_first = not phrases and not differences
            difference = signed_with_bounds(intervals[place], unit if is_first else unnamed)
            note = f", {notes[place]}" if notes.get(place) else ""
            differences.append(f"{place} ({difference}{note})")
        words, link = GROUPS[verdict], ""
        if phrases:
            words, link = (LEFT_OPEN, "; ") if verdict == "inconclusive" else (BUT_WORSE, " ")
        phrases.append(link + words.format(other=other, places=listed(differences)))
    return "".join(phrases)


def caveat(reason: str) -> str:
    """What must be said behind a difference whose verdict is open for that reason."""
    if reason == "still rising":
        return (
            ", but training stopped before the learning curves were flat, so the order could still "
            "change"
        )
    if reason.endswith("after Holm"):
        p = reason.removesuffix(" after Holm")
        return f"; after correction for the number of primary claims this is not significant ({p})"
    return ""  # the others stand beside the interval


def listed(words: Iterable[str]) -> str:
    """The words in a row, such as "a, b and c"."""
    parts = list(words)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


INTERVAL = re.compile(r"\[([^\[\],]+), ([^\[\],]+)\]")


def sentence(*parts: str) -> str:
    """One sentence of these parts: a capital at its beginning, a full stop at its end.

    The two bounds of an interval stay on one line.
    """
    text = " ".join(part for part in parts if part)
    text = INTERVAL.sub("[\\1,\N{NO-BREAK SPACE}\\2]", text)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def count(n: int, noun: str) -> str:
    """A number and what it counts, such as "3 replicates"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def percent(value: float, digits: int = 1) -> str:
    """A share in percent."""
    return f"{100 * value:.{digits}f}%"


def duration(seconds: float) -> str:
    """A time in words, such as "41 s", "12 minutes" or "3.2 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


# Datasets and scales


DATASETS = {
    "digits": "the digits of scikit-learn",
    "magic": "MAGIC",
    "magic_authors": "MAGIC as the authors prepared it",
    "higgs_1k": "Higgs 1k",
    "higgs_30k": "Higgs 30k",
    "higgs_100k": "Higgs 100k",
    "evergreen": "Evergreen",
    "breast_cancer": "breast cancer",
}
PAPERS_IMAGE_SIZE = 32
NO_PARAMETERS = MappingProxyType({})


def dataset_in_words(dataset: str, parameters: Mapping = NO_PARAMETERS) -> str:
    """What readers call a dataset; one of the reader's own keeps its name.

    parameters: of the chapter; they give the size that CIFAR-10 was averaged to.
    """
    if dataset == "cifar10":
        size = parameters.get("data", {}).get("image_size", PAPERS_IMAGE_SIZE)
        if size == PAPERS_IMAGE_SIZE:
            return "CIFAR-10"
        return f"CIFAR-10 averaged to {size} × {size}"
    return DATASETS.get(dataset, dataset)
