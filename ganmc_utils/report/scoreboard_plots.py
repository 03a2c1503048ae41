"""The scoreboard as a picture: a dot and an interval for each claim, the paper's value beside."""

import re
import textwrap
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ganmc_utils.report import text
from ganmc_utils.report.claim import Judgement

# verdict: (colour, marker); blue and red that the colour-blind can tell apart, no source's colours.
VERDICT_STYLE = {
    "confirmed": ("#2166AC", "o"),
    "inconclusive": ("#767676", "s"),
    "refuted": ("#B2182B", "v"),
}
PAPER = {"color": "black", "marker": "|", "markersize": 11, "markeredgewidth": 2, "ls": "none"}

PANEL_SIZE = (4.8, 4.0)  # inches; the height follows from the rows
LINE_HEIGHT = 0.118  # inches
LEAST_LINES = 1.4  # of a row
LABEL_WIDTH = 44  # characters
LARGEST_DRAWN = 0.35  # accuracy, AUC and scores differ by less; other units are written

IN_BRACKETS = re.compile(r" \([^)]*\)")
LEADING_NUMBER = re.compile(r"[+-]\d+\.\d+")


def rows_of(judgements: Sequence[Judgement]) -> dict[tuple[str, str], list[Judgement]]:
    """{(claim, dataset): judgements}, one for each method: what stands in one row of a panel."""
    rows = {}
    for judgement in judgements:
        rows.setdefault((judgement.claim.words, judgement.dataset), []).append(judgement)
    return rows


def labels_of(keys: Sequence[tuple[str, str]]) -> list[str]:
    """What stands before the rows: a claim once, above its datasets where there are several.

    The table has what the claim says in brackets.
    """
    several = len({dataset for _, dataset in keys}) > 1
    labels, last = [], None
    for words, dataset in keys:
        short = textwrap.fill(IN_BRACKETS.sub("", words), LABEL_WIDTH)
        parts = [short] if words != last else []
        labels.append("\n".join(parts + [dataset] if several else parts))
        last = words
    return labels


def verdict_panel(judgements: Sequence[Judgement]) -> Callable[[Axes], None]:
    """What draws the judgements of one section."""
    return lambda ax: draw_verdicts(ax, judgements)


def draw_verdicts(ax: Axes, judgements: Sequence[Judgement]) -> None:
    """One row per claim and dataset; its methods stand closely one below the other."""
    rows = rows_of(judgements)
    labels = labels_of(list(rows))
    limit = largest_drawn(judgements)
    top, places = 0.0, []
    for label, of_row in zip(labels, rows.values()):
        height = max(LEAST_LINES, label.count("\n") + 1.4, 0.3 + 0.7 * len(of_row))
        places.append(top + height / 2)
        draw_row(ax, places[-1], of_row, limit)
        top += height
    ax.figure.set_size_inches(PANEL_SIZE[0], 0.75 + LINE_HEIGHT * top)
    ax.axvline(0, color="black", lw=0.8, zorder=0)
    ax.set_yticks(places, labels, fontsize=7.5)
    ax.set(ylim=(top, 0), xlim=(-1.08 * limit, 1.08 * limit))
    ax.set_xlabel("Difference", fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", alpha=0.3)
    add_legend_entries(ax)


def draw_row(ax: Axes, place: float, of_row: Sequence[Judgement], limit: float) -> None:
    """The judgements of one claim on one dataset around a place, and the paper's value."""
    for k, judgement in enumerate(of_row):
        draw_verdict(ax, place + 0.7 * (k - (len(of_row) - 1) / 2), judgement, limit)
    paper = paper_value(of_row[0])
    if paper is not None and abs(paper) <= limit:
        ax.plot(paper, place, zorder=1, **PAPER)


def largest_drawn(judgements: Sequence[Judgement]) -> float:
    """The largest bound that is drawn to scale."""
    bounds = [abs(value) for judgement in judgements for value in bounds_of(judgement)]
    return max([bound for bound in bounds if bound <= LARGEST_DRAWN], default=LARGEST_DRAWN)


def bounds_of(judgement: Judgement) -> tuple[float, ...]:
    """The interval's mean and bounds; the mean alone for one value."""
    interval = judgement.interval
    if interval.n < 2:
        return (interval.mean,)
    return interval.low, interval.mean, interval.high


def draw_verdict(ax: Axes, place: float, judgement: Judgement, limit: float) -> None:
    """A dot with its interval, or the numbers in words where they are in another unit."""
    colour, marker = VERDICT_STYLE[judgement.verdict]
    bounds = bounds_of(judgement)
    if max(abs(bound) for bound in bounds) > limit:
        words = text.difference_and_interval(judgement.interval)
        side = 0.97 * limit if judgement.interval.mean > 0 else -0.97 * limit
        alignment = "right" if side > 0 else "left"
        ax.text(side, place, words, color=colour, fontsize=7.5, ha=alignment, va="center")
        ax.plot(side * 1.04, place, marker, color=colour, ms=5)
        return
    ax.plot([bounds[0], bounds[-1]], [place, place], color=colour, lw=1.4)
    face = "white" if judgement.verdict == "inconclusive" else colour
    ax.plot(judgement.interval.mean, place, marker, color=colour, markerfacecolor=face, ms=5)


def paper_value(judgement: Judgement) -> float | None:
    """The paper's value of the same difference, None where it prints none."""
    number = LEADING_NUMBER.match(judgement.claim.paper(judgement.dataset))
    return float(number.group()) if number else None


def add_legend_entries(ax: Axes) -> None:
    """The verdicts and the paper's mark, for the legend of the figure."""
    for verdict, (colour, marker) in VERDICT_STYLE.items():
        face = "white" if verdict == "inconclusive" else colour
        line = Line2D([], [], color=colour, marker=marker, markerfacecolor=face, label=verdict)
        ax.add_line(line)
    ax.add_line(Line2D([], [], label="the paper's value", **PAPER))
