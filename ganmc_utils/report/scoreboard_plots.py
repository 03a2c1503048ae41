"""The scoreboard as a picture: a dot and an interval for each claim, the paper's value beside."""

import re
import textwrap
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from ganmc_utils.report import text
from ganmc_utils.report.claim import Judgement
from ganmc_utils.report.phrases import dataset_in_words

# verdict: (colour, marker); blue and red that the colour-blind can tell apart, no source's colours.
VERDICT_STYLE = {
    "confirmed": ("#2166AC", "o"),
    "inconclusive": ("#767676", "s"),
    "refuted": ("#B2182B", "v"),
}
PAPER = {"color": "black", "marker": "|", "markersize": 11, "markeredgewidth": 2, "ls": "none"}

PANEL_SIZE = (4.0, 4.0)  # inches, so that type is legible on a phone; the height follows the rows
LINE_HEIGHT = 0.165  # inches; places are counted in lines
LABEL_WIDTH = 50  # characters
FONT_SIZE = 9.5
BAND = "#EEEEEE"  # behind the words of a claim
LARGEST_DRAWN = 0.35  # accuracy, AUC and scores differ by less; other units are written

IN_BRACKETS = re.compile(r" \([^)]*\)")
LEADING_NUMBER = re.compile(r"[+-]\d+\.\d+")


def rows_of(judgements: Sequence[Judgement]) -> dict[tuple[str, str], list[Judgement]]:
    """{(claim, dataset): judgements}, one for each method: what stands in one row of a panel."""
    rows = {}
    for judgement in judgements:
        rows.setdefault((judgement.claim.words, judgement.dataset), []).append(judgement)
    return rows


def words_of(claim_words: str) -> str:
    """A claim in the width of a panel; the table has what it says in brackets."""
    return textwrap.fill(IN_BRACKETS.sub("", claim_words), LABEL_WIDTH)


def verdict_panel(judgements: Sequence[Judgement]) -> Callable[[Axes], None]:
    """What draws the judgements of one section."""
    return lambda ax: draw_verdicts(ax, judgements)


def draw_verdicts(ax: Axes, judgements: Sequence[Judgement]) -> None:
    """A claim in words, below it a row for each dataset; methods stand closely in one row."""
    rows = rows_of(judgements)
    limit = largest_drawn(judgements)
    top, place_of, last = 0.0, {}, None
    for (claim_words, dataset), of_row in rows.items():
        if claim_words != last:
            top = draw_words(ax, top, words_of(claim_words))
            last = claim_words
        height = 0.5 + 0.7 * len(of_row)
        place_of[top + height / 2] = dataset_in_words(dataset)
        draw_row(ax, top + height / 2, of_row, limit)
        top += height
    ax.figure.set_size_inches(PANEL_SIZE[0], 0.75 + LINE_HEIGHT * top)
    ax.axvline(0, color="black", lw=0.8, zorder=0)
    has_several = len({dataset for _, dataset in rows}) > 1
    ax.set_yticks(list(place_of), list(place_of.values()) if has_several else [""] * len(place_of))
    ax.set(ylim=(top, 0), xlim=(-1.12 * limit, 1.12 * limit))
    ax.set_xlabel("Difference", fontsize=FONT_SIZE)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.tick_params(labelsize=FONT_SIZE)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)  # they would cross the words
    ax.grid(axis="x", alpha=0.3)
    add_legend_entries(ax)


def draw_words(ax: Axes, top: float, words: str) -> float:
    """The words of a claim across the whole panel from line `top` on; the line that follows."""
    height = 1.1 * (words.count("\n") + 1) + 0.3
    across = blended_transform_factory(ax.figure.transFigure, ax.transData)
    band = Rectangle((0, top), 1, height, transform=across, color=BAND, lw=0, clip_on=False)
    band.set_in_layout(False)
    ax.add_patch(band)
    middle = top + height / 2
    label = ax.text(0.01, middle, words, transform=across, fontsize=FONT_SIZE, va="center")
    label.set_in_layout(False)
    return top + height


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
        side = limit if judgement.interval.mean > 0 else -limit
        alignment = "right" if side > 0 else "left"
        look = {"color": colour, "fontsize": 8, "ha": alignment, "va": "center"}
        look["bbox"] = {"color": "white", "pad": 0.5}  # over the line at zero
        ax.text(0.95 * side, place, words, **look)
        ax.plot(1.02 * side, place, marker, color=colour, ms=5)
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
