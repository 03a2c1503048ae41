"""One colour and one label per source in the whole book, and the pictures that chapters share.

Bands are one standard error over seeds on either side of the mean. No function changes
matplotlib's or seaborn's global style.
"""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from IPython.display import HTML
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from ganmc_utils.core import paths
from ganmc_utils.report import statistics

# source: (label for readers, colour); Okabe and Ito's colours, which the colour-blind can tell
# apart, and some between them.
STYLE = {
    "teacher": ("Teacher", "#000000"),
    "student_only": ("Student only", "#999999"),
    "train": ("Training data", "#E69F00"),
    "gan": ("GAN", "#009E73"),
    "train+gan": ("Training + GAN", "#D55E00"),
    "jitter": ("Jitter", "#0072B2"),
    "smote": ("SMOTE", "#56B4E9"),
    "munge": ("MUNGE", "#CC79A7"),
    "munge_authors": ("MUNGE of the GAN-MC authors", "#8C5A86"),
    "mixup": ("Mixup", "#B8A600"),
    "flips": ("Flips + crops", "#6A51A3"),
    "fresh": ("Fresh real data", "#4D4D4D"),
    "train_oob": ("Out-of-bag labels", "#A65628"),
    "noise": ("Noise", "#F781BF"),
    "shuffled": ("Shuffled pixels", "#66C2A5"),
    "independent": ("Independent columns", "#BDB76B"),
    "gaussian_mixture": ("Gaussian mixture", "#44AA99"),
    "own": ("A source of your own", "#332288"),
}
# The marker of a source whose colour some readers cannot tell from another's.
MARKERS = {
    "student_only": "s",
    "train+gan": "s",
    "munge": "D",
    "munge_authors": "v",
    "smote": "^",
    "mixup": "P",
    "flips": "s",
    "fresh": "X",
    "train_oob": "d",
    "noise": "*",
    "shuffled": "<",
    "independent": "p",
    "gaussian_mixture": ">",
}
SCORE = {"auc": "Test AUC", "accuracy": "Test accuracy"}


def label(source: str) -> str:
    """What readers call a source of the records."""
    return STYLE[source][0]


def colour(source: str) -> str:
    """The colour of a source in every figure."""
    return STYLE[source][1]


def marker(source: str) -> str:
    """The marker of a source in every figure with curves."""
    return MARKERS.get(source, "o")


# Curves with bands.


def mean_line(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    *,
    colour: str,
    label: str,
    marker: str = "o",
    linestyle: str = "-",
    markersize: float = 4,
) -> None:
    """Mean of rows.value at each place of column x, with a band of one standard error."""
    seaborn.lineplot(
        data=rows,
        x=x,
        y="value",
        ax=ax,
        errorbar="se",
        err_kws={"alpha": 0.2, "linewidth": 0},
        color=colour,
        label=label,
        marker=marker,
        markersize=markersize,
        markeredgecolor=colour,
        markeredgewidth=1,
        linestyle=linestyle,
        legend=False,
    )
    ax.grid(alpha=0.3)


def curves_by_source(
    ax: Axes, rows: pd.DataFrame, x: str = "trees", name: Callable[[str], str] = label
) -> None:
    """Mean over seeds against column x, one line per source that the rows hold, under its name."""
    for source in STYLE:
        of_source = rows[rows["source"] == source]
        if len(of_source):
            look = {"colour": colour(source), "label": name(source), "marker": marker(source)}
            mean_line(ax, of_source, x, markersize=3, **look)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)


def band(ax: Axes, values: pd.DataFrame, source: str, name: str | None = None) -> None:
    """Mean over the rows of values (seeds) against its columns, in the colour of a source."""
    rows = values.melt(var_name="place", value_name="value")
    rows["place"] = rows["place"].astype(float)
    look = {"colour": colour(source), "marker": marker(source)}
    mean_line(ax, rows, "place", label=name or label(source), **look)


def level(ax: Axes, values: pd.Series, source: str, name: str | None = None) -> None:
    """A horizontal line at the mean of one value per seed, with its band."""
    mean, se, n = statistics.mean_se(values)
    ax.axhline(mean, color=colour(source), ls="--", lw=1.2, label=name or label(source))
    if n > 1:
        ax.axhspan(mean - se, mean + se, color=colour(source), alpha=0.12, lw=0)


# Pictures of one chapter each.


def pareto(
    ax: Axes,
    nodes: pd.DataFrame,
    one_tree: pd.DataFrame,
    teacher: pd.Series,
    capped: pd.DataFrame,
    limits: Sequence[float] = (0.005, 0.012),
    name: Callable[[str], str] = label,
) -> None:
    """Loss against the teacher over nodes: the teacher, single full-grown trees, capped students.

    Args:
        ax: where to draw.
        nodes: cost rows of the teacher (source "none") and of single full-grown trees.
        one_tree: their test scores, one row per seed, one column per source.
        teacher: its test score by seed.
        capped: rows of loss and nodes by source, trees and leaf_cap.
        limits: losses that are marked by dotted lines, by default those of the paper.
        name: what the legend calls a source.
    """
    size = nodes.groupby("source").value.mean()
    ax.plot(size["none"], 0, "*", ms=13, color=colour("teacher"), label=label("teacher"), ls="none")
    for source in STYLE:
        if source not in one_tree or source not in size:
            continue
        loss = teacher - one_tree[source]
        ax.errorbar(
            size[source],
            loss.mean(),
            loss.sem() if len(loss) > 1 else None,
            fmt="o",
            ms=7,
            capsize=2,
            color=colour(source),
            label=name(source),
        )
    for (source, _), students in capped.groupby(["source", "trees"]):
        by_cap = students.groupby(["leaf_cap", "metric"]).value.mean().unstack()
        ax.plot(by_cap["nodes"], by_cap["loss"], "^-", ms=3, lw=0.8, color=colour(source))
    for limit in limits:
        ax.axhline(limit, color="black", ls=":", lw=1)
    ax.grid(alpha=0.3)


def headline(
    ax: Axes,
    dataset: str,
    scores: Mapping[str, pd.Series],
    name: Callable[[str], str],
) -> None:
    """Test scores of one dataset: mean ± standard error, one line per source, under its name.

    scores: {source: Series over seeds}; hollow marks: the paper's single GAN, "one " + source.
    """
    for place, (source, values) in enumerate(scores.items()):
        mean, se, n = statistics.mean_se(values)
        ax.errorbar(
            mean,
            place,
            xerr=se if n > 1 else None,
            fmt="o",
            ms=8,
            capsize=4,
            color=colour(source.removeprefix("one ")),
            mfc="white" if source.startswith("one ") else None,
        )
    ax.set_yticks(range(len(scores)), [name(source) for source in scores], fontsize=10)
    ax.invert_yaxis()
    ax.set_title(dataset, fontsize=11)
    ax.set_xlabel("Test score, mean ± se", fontsize=10)
    ax.tick_params(axis="x", labelsize=9)
    ax.margins(0.12)
    ax.grid(alpha=0.3)


# Images.


def montage(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (n, H, W, C) in [0, 1] row by row in one array, one white pixel between them."""
    height, width, channels = images.shape[1:]
    lines = -(-len(images) // columns)
    whole = np.ones((lines * (height + 1) - 1, columns * (width + 1) - 1, channels))
    for i, image in enumerate(images):
        top = i // columns * (height + 1)
        left = i % columns * (width + 1)
        whole[top : top + height, left : left + width] = image
    return whole


def show_images(ax: Axes, images: np.ndarray, columns: int, title: str = "") -> None:
    """Draw images (n, H, W, C) in [0, 1] as one montage."""
    picture = montage(images, columns)
    is_grey = picture.shape[2] == 1
    ax.imshow(
        picture.squeeze(),
        cmap="gray" if is_grey else None,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    ax.set_title(title, fontsize=10)
    ax.axis("off")


def animate(
    frames: Sequence[np.ndarray], columns: int, out: Path, name: str, titles: Sequence[str]
) -> HTML:
    """Write out/figures/<name>.gif, one montage a second per array of images, and show it."""
    height, width, _ = montage(frames[0], columns).shape
    inches = 5, 0.3 + 5 * height / width  # its title takes 0.3
    figure, ax = plt.subplots(figsize=inches, layout="constrained")

    def draw(i: int) -> None:
        ax.clear()
        show_images(ax, frames[i], columns, titles[i])

    path = out / "figures" / f"{name}.gif"
    path.parent.mkdir(parents=True, exist_ok=True)
    FuncAnimation(figure, draw, len(frames)).save(path, PillowWriter(fps=1), dpi=110)
    plt.close(figure)
    description = f"{titles[0]} to {titles[-1]}, one picture a second"
    return HTML(f'<img alt="{description}" src="{data_uri(path.read_bytes(), ".gif")}">')


# Figures and axes.


def plain_log(ax: Axes) -> None:
    """Numbers at 1, 2 and 5 of each decade of a logarithmic y axis."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.minorticks_off()


# A figure of the book: panels in a grid, one legend, number and caption.

# Inches of a panel by the number of panels, so that type is legible at the width of each.
PANEL_SIZES = {1: (4.8, 2.8), 2: (4.4, 3.2)}
SMALL_PANEL = (3.2, 2.4)  # three and over
GRID = (
    "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,{least}),1fr));"
    "gap:6px;background:#fff;padding:6px"
)
COLUMNS = "columns:19rem;column-gap:6px;background:#fff;padding:6px"  # of different heights
LEGEND = (
    "display:flex;flex-wrap:wrap;gap:2px 18px;justify-content:center;background:#fff;"
    "color:#222;padding:0 6px 8px;font-size:85%;line-height:1.4"
)
PANEL = "display:block;width:100%;height:auto;max-width:560px;margin:0 auto 6px;break-inside:avoid"
SWATCH = (
    "display:inline-block;width:30px;height:14px;margin-right:5px;vertical-align:-2px;"
    "background:center/contain no-repeat url({picture})"
)


def show_panels(
    panels: Mapping[str, Callable[[Axes], object]],
    out: Path,
    name: str,
    number: str,
    caption: str,
    alt: str,
    size: tuple[float, float] | None = None,
    in_columns: bool = False,
) -> HTML:
    """A numbered figure: several across on a wide screen, one below the other on a phone.

    Each panel is written to out/figures/<name>_<k>.svg or .png, whichever is smaller.

    Args:
        panels: {title: draw}; draw(ax) draws one panel on axes of its own. A title may be "".
        out: the folder of the run.
        name: file name of the figure, such as "06_curves".
        number: chapter and figure, such as "6.1".
        caption: plain text below the figure.
        alt: what the figure shows, for those who cannot see it; a panel's title is added.
        size: inches of one panel, by default as suits their number.
        in_columns: panels of different heights fill one column after the other.

    Returns:
        The figure; without panels the words that it is not part of this profile.
    """
    if not panels:
        return HTML("Not part of this profile.")
    images, handle_of_label = [], {}
    for k, (title, draw) in enumerate(panels.items(), 1):
        figure, ax = plt.subplots(figsize=size or panel_size(len(panels)), layout="constrained")
        draw(ax)
        ax.set_title(title, fontsize=11)
        handles, labels = ax.get_legend_handles_labels()
        for handle, text in zip(handles, labels):
            handle_of_label.setdefault(text, handle)
        source = data_uri(*write_smaller(figure, out / "figures" / f"{name}_{k}"))
        description = html.escape(f"{alt}: {title}" if title else alt)
        images.append(f'<img src="{source}" alt="{description}" style="{PANEL}">')
        plt.close(figure)
    grid = GRID.format(least="13rem" if len(panels) > 2 else "20rem")
    return HTML(
        f'<figure class="panels" style="margin:0.4em 0">'
        f'<div style="{COLUMNS if in_columns else grid}">{"".join(images)}</div>'
        f"{legend(handle_of_label)}"
        f"<figcaption><strong>Figure {number}.</strong> {html.escape(caption)}</figcaption>"
        f"</figure>"
    )


def panel_size(n: int) -> tuple[float, float]:
    """Inches of each of n panels."""
    return PANEL_SIZES.get(n, SMALL_PANEL)


def legend(handle_of_label: Mapping[str, Artist]) -> str:
    """The entries of a legend as a strip that wraps, "" where there are none."""
    if not handle_of_label:
        return ""
    entries = [
        f'<span><span style="{SWATCH.format(picture=swatch(handle))}"></span>'
        f"{html.escape(label)}</span>"
        for label, handle in handle_of_label.items()
    ]
    return f'<div style="{LEGEND}">{"".join(entries)}</div>'


def swatch(handle: Artist) -> str:
    """The line or marker of a legend's entry, as matplotlib draws it, in a data URI."""
    figure = plt.figure(figsize=(0.42, 0.2))
    figure.legend([handle], [""], loc="center", frameon=False, handletextpad=0, borderpad=0)
    uri = data_uri(as_svg(figure), ".svg")
    plt.close(figure)
    return uri


def write_smaller(figure: Figure, stem: Path) -> tuple[bytes, str]:
    """Write a figure as stem.svg or stem.png, whichever is smaller; returns bytes and suffix."""
    kinds = {".svg": as_svg(figure), ".png": as_png(figure)}
    suffix = min(kinds, key=lambda kind: len(kinds[kind]))
    for other in kinds:
        stem.with_suffix(other).unlink(missing_ok=True)
    paths.write_atomically(stem.with_suffix(suffix), kinds[suffix])
    return kinds[suffix], suffix


def as_svg(figure: Figure) -> bytes:
    """A figure as SVG whose bytes depend on nothing but the picture."""
    content = io.BytesIO()
    undated = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with plt.rc_context({"svg.hashsalt": "ganmc"}):
        figure.savefig(content, format="svg", metadata=undated)
    return content.getvalue()


def as_png(figure: Figure) -> bytes:
    """A figure as PNG, two to three of its pixels to one of a phone's page."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=220, metadata={"Software": None})
    return content.getvalue()


def data_uri(content: bytes, suffix: str) -> str:
    """A picture inside a page."""
    kind = {".svg": "svg+xml", ".png": "png", ".gif": "gif"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
