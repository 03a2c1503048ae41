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


def legend_below(figure, axes, ncol=3):
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=ncol, frameon=False)


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
