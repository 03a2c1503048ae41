"""One colour and one label per method in the whole book (Okabe and Ito's colour-blind-safe set)."""

import base64

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

STYLE = {  # source: (label for readers, colour)
    "teacher": ("Teacher", "#000000"),
    "student_only": ("Student only", "#999999"),
    "train": ("Training data", "#E69F00"),
    "gan": ("GAN", "#009E73"),
    "train+gan": ("Training + GAN", "#D55E00"),
    "jitter": ("Jitter", "#0072B2"),
    "smote": ("SMOTE", "#56B4E9"),
    "munge": ("MUNGE", "#CC79A7"),
    "munge_authors": ("MUNGE, authors' code", "#8C5A86"),
    "mixup": ("Mixup", "#B8A600"),
    "flips": ("Flips + crops", "#6A51A3"),
    "fresh": ("Fresh real data", "#4D4D4D"),
}
SCORE = {"auc": "Test AUC", "accuracy": "Test accuracy"}


def label(source):
    return STYLE[source][0]


def colour(source):
    return STYLE[source][1]


def curves_by_source(ax, frame, x="trees"):
    """Mean over seeds against x, one line per source, band = standard error."""
    for source in [s for s in STYLE if s in set(frame["source"])]:
        by = frame[frame["source"] == source].groupby(x)["value"]
        mean, se = by.mean(), by.sem().fillna(0)
        ax.plot(mean.index, mean, "o-", ms=3, color=colour(source), label=label(source))
        ax.fill_between(mean.index, mean - se, mean + se, color=colour(source), alpha=0.2, lw=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)


def pareto(ax, nodes, one_tree, teacher, capped):
    """Loss against the teacher over nodes: single full-grown trees by source, capped students, the teacher.

    nodes: cost rows; one_tree: test scores (seeds x sources); teacher: its test score by seed; capped: rows of
    loss and nodes by source, trees and leaf_cap."""
    size = nodes.groupby("source").value.mean()
    ax.plot(size["none"], 0, "*", ms=13, color=colour("teacher"), label=label("teacher"), ls="none")
    for source in [s for s in STYLE if s in one_tree and s in size]:
        loss = teacher - one_tree[source]
        ax.errorbar(
            size[source],
            loss.mean(),
            loss.sem() if len(loss) > 1 else None,
            fmt="o",
            ms=7,
            capsize=2,
            color=colour(source),
            label=label(source),
        )
    for (source, trees), here in capped.groupby(["source", "trees"]):
        by = here.groupby(["leaf_cap", "metric"]).value.mean().unstack()
        ax.plot(by["nodes"], by["loss"], "^-", ms=3, lw=0.8, color=colour(source))
    for limit in (0.005, 0.012):
        ax.axhline(limit, color="black", ls=":", lw=1)
    ax.grid(alpha=0.3)


def band(ax, values, source, name=None, style="o-"):
    """Mean over seeds (rows of values) against the columns, band = standard error."""
    mean, se = values.mean(), values.sem().fillna(0)
    ax.plot(mean.index, mean, style, ms=4, color=colour(source), label=name or label(source))
    ax.fill_between(mean.index, mean - se, mean + se, color=colour(source), alpha=0.2, lw=0)
    ax.grid(alpha=0.3)


def level(ax, values, source, name=None):
    """A horizontal line at the mean of one value per seed, band = standard error."""
    ax.axhline(values.mean(), color=colour(source), ls="--", lw=1.2, label=name or label(source))
    if len(values) > 1:
        ax.axhspan(
            values.mean() - values.sem(),
            values.mean() + values.sem(),
            color=colour(source),
            alpha=0.12,
            lw=0,
        )


def montage(images, columns):
    """Images (n, H, W, C) in [0, 1], row by row in one array, one pixel of white between them."""
    n, height, width, channels = images.shape
    lines = -(-n // columns)
    whole = np.ones((lines * (height + 1) - 1, columns * (width + 1) - 1, channels))
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        whole[top : top + height, left : left + width] = image
    return whole


def show_images(ax, images, columns, title=""):
    found = montage(images, columns)
    ax.imshow(
        found.squeeze(),
        cmap="gray" if found.shape[2] == 1 else None,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    ax.set_title(title, fontsize=10)
    ax.axis("off")


def animate(frames, columns, out, name, titles):
    """Write out/figures/<name>.gif, one montage a second per array of images, and show it."""
    figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")

    def draw(i):
        ax.clear()
        show_images(ax, frames[i], columns, titles[i])

    path = out / "figures" / f"{name}.gif"
    path.parent.mkdir(parents=True, exist_ok=True)
    FuncAnimation(figure, draw, len(frames)).save(path, PillowWriter(fps=1), dpi=110)
    plt.close(figure)
    content = base64.b64encode(path.read_bytes()).decode()
    return HTML(
        f'<img alt="{titles[0]} to {titles[-1]}, one picture a second" src="data:image/gif;base64,{content}">'
    )


def plain_log(ax):
    """Numbers at 1, 2 and 5 of each decade of a logarithmic y axis."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.minorticks_off()


def legend_below(figure, axes, ncol=3):
    """One legend for all panels: each label once, in the order of first appearance."""
    found = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels())}
    figure.legend(
        found.values(),
        found.keys(),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncol=ncol,
        frameon=False,
    )


def save_figure(figure, out, name):
    """Write out/figures/<name>.png at a width that a phone still shows legibly."""
    path = out / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})
    return path


def panels(n, width=5.6, height=3.2):
    """A figure with n panels, one below the other: side by side they are too small on a phone."""
    figure, axes = plt.subplots(
        n, 1, figsize=(width, height * n), squeeze=False, layout="constrained"
    )
    return figure, np.ravel(axes)
