"""One colour and one label per method in the whole book (Okabe and Ito's colour-blind-safe set)."""
import matplotlib.pyplot as plt
import numpy as np

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
    "flips": ("Flips", "#6A51A3"),
    "fresh": ("Fresh real data", "#4D4D4D"),
}
SCORE = {"auc": "Test AUC", "accuracy": "Test accuracy"}


def label(source):
    return STYLE[source][0]


def colour(source):
    return STYLE[source][1]


def curves(ax, frame, x="trees"):
    """Mean over seeds against x, one line per source, band = standard error."""
    for source in [s for s in STYLE if s in set(frame["source"])]:
        by = frame[frame["source"] == source].groupby(x)["value"]
        mean, se = by.mean(), by.sem().fillna(0)
        ax.plot(mean.index, mean, "o-", ms=3, color=colour(source), label=label(source))
        ax.fill_between(mean.index, mean - se, mean + se, color=colour(source), alpha=0.2, lw=0)
    ax.grid(alpha=0.3)


def pareto(ax, nodes, one_tree, teacher, capped):
    """Loss against the teacher over nodes: single full-grown trees by source, capped students, the teacher.

    nodes: cost rows; one_tree: test scores (seeds x sources); teacher: its test score by seed; capped: rows of
    loss and nodes by source, trees and leaf_cap."""
    size = nodes.groupby("source").value.mean()
    ax.plot(size["none"], 0, "*", ms=13, color=colour("teacher"), label=label("teacher"), ls="none")
    for source in [s for s in STYLE if s in one_tree and s in size]:
        loss = teacher - one_tree[source]
        ax.errorbar(size[source], loss.mean(), loss.sem() if len(loss) > 1 else None, fmt="o", ms=7, capsize=2,
                    color=colour(source), label=label(source))
    for (source, trees), here in capped.groupby(["source", "trees"]):
        by = here.groupby(["leaf_cap", "metric"]).value.mean().unstack()
        ax.plot(by["nodes"], by["loss"], "^-", ms=3, lw=0.8, color=colour(source))
    for limit in (0.005, 0.012):
        ax.axhline(limit, color="black", ls=":", lw=1)
    ax.grid(alpha=0.3)


def legend_below(figure, axes, ncol=3):
    """One legend for all panels: each label once, in the order of first appearance."""
    found = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels())}
    figure.legend(found.values(), found.keys(), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=ncol, frameon=False)


def save(figure, out, name):
    """Write out/figures/<name>.png at a width that a phone still shows legibly."""
    path = out / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})
    return path


def grid(n, width=4.2, height=3.4):
    """A figure with n panels, at most two side by side."""
    columns = min(n, 2)
    figure, axes = plt.subplots(-(-n // columns), columns, figsize=(width * columns, height * -(-n // columns)),
                                squeeze=False, layout="constrained")
    for ax in axes.ravel()[n:]:
        ax.remove()
    return figure, np.ravel(axes)[:n]
