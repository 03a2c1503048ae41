"""The tables and pictures of chapter 07, made from its record."""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ganmc_utils.forests.tables import difference_and_interval, mean_and_error, table_of
from ganmc_utils.gan import class_only
from ganmc_utils.report import plots, statistics
from ganmc_utils.report.paper import published_number
from ganmc_utils.scores.claims import METRICS, in_order, of_sets
from ganmc_utils.scores.degraded import SERIES

SETS = {
    "train": "Training images",
    "fresh": "Fresh real images",
    "gan": "Well-trained GAN",
    "inferior": "Inferior GAN",
}
SHOWN = (
    "compression_score",
    "cas",
    "inception_score",
)  # in the picture of the series, as shares of what the best level gets
LINE = {
    "compression_score": ("#882255", "o-"),
    "cas": ("#332288", "s--"),
    "inception_score": ("#117733", "^:"),
}  # no source's colours


def published(name, metric):
    """The paper's value in brackets, "" where it has none."""
    version = {"compression_score": "v2/", "compression_score_v1": "v1/"}.get(metric, "")
    found = published_number(f"table4/{version}{name}/{metric.removesuffix('_v1')}")
    return f" ({found['value']:g})" if found else ""


def table4(frame):
    """Table 4: one row per score, one column per set of samples; the paper's values in brackets where the data are its own."""
    same = set(frame[frame.experiment == "generators"].dataset) == {"cifar10"}
    rows = []
    for metric, (label, up) in METRICS.items():
        by = of_sets(frame, metric)
        rows.append(
            {"Score": f"{label} ({'higher' if up else 'lower'} is better)"}
            | {
                words: mean_and_error(by[s]) + published(s, metric) * same
                for s, words in SETS.items()
                if s in by
            }
            | {
                "Well-trained - inferior": difference_and_interval(
                    statistics.paired_interval(by["gan"], by["inferior"])
                )
            }
        )
    return table_of(rows)


def by_epoch(frame, epochs, last):
    """One row per snapshot of the GAN: every score."""
    rows = []
    for epoch in epochs:
        rows.append(
            {"GAN epochs": str(epoch)}
            | {
                label: mean_and_error(of_sets(frame, m)["gan" if epoch == last else str(epoch)])
                for m, (label, _) in METRICS.items()
            }
        )
    return table_of(rows)


def order_table(frame):
    """One row per series, one column per score: Kendall's tau with the known order, mean [95% interval] over draws."""
    names = [s for s in SERIES if s in set(frame.series.dropna())]
    return table_of(
        [
            {"Series": SERIES[s][1]}
            | {
                label: difference_and_interval(
                    statistics.paired_interval(tau := in_order(frame, s, m), 0 * tau)
                )
                for m, (label, _) in METRICS.items()
                if m != "compression_score_v1"
            }
            for s in names
        ]
    )


def tau_grid(frame):
    """The means of order_table as numbers: rows series, columns scores."""
    names = [s for s in SERIES if s in set(frame.series.dropna())]
    return pd.DataFrame(
        {
            label: [in_order(frame, s, m).mean() for s in names]
            for m, (label, _) in METRICS.items()
            if m != "compression_score_v1"
        },
        index=[SERIES[s][1] for s in names],
    )


def draw_series(ax, frame, name):
    """Three scores against the level of a series, each as a share of its value at the best level."""
    here = frame[(frame.experiment == "series") & (frame.series == name)]
    best = here.level.max() if SERIES[name][2] else here.level.min()
    draw_shares(
        ax,
        lambda m: here[here.metric == m].pivot_table(index="seed", columns="level", values="value"),
        best,
    )
    ax.set(xlabel=SERIES[name][1], ylabel="Share of the best")


def draw_inferior(ax, frame, epochs):
    """The same against the epochs on L_class alone, as shares of what the well-trained GAN gets."""
    names = {"gan": 0} | class_only.set_names(epochs)
    draw_shares(
        ax, lambda m: of_sets(frame, m)[list(names)].rename(columns=names).sort_index(axis=1), 0
    )
    ax.set(xlabel="Epochs on the class loss alone", ylabel="Share of the GAN before")


def draw_shares(ax, values, base):
    """values(metric): its values by draw (rows) and place on the x-axis (columns); drawn as shares of the mean at base, band = se."""
    for metric in SHOWN:
        by = values(metric)
        share = by.div(by[base].mean())
        mean, se = share.mean(), share.sem().fillna(0)
        colour, style = LINE[metric]
        ax.plot(mean.index, mean, style, ms=4, color=colour, label=METRICS[metric][0])
        ax.fill_between(mean.index, mean - se, mean + se, color=colour, alpha=0.2, lw=0)
    ax.grid(alpha=0.3)


def draw_grid(ax, grid):
    """Kendall's tau as numbers on colour: one row per score, one column per series."""
    values = grid.to_numpy().T
    image = ax.imshow(values, vmin=-1, vmax=1, cmap="cividis", aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        ax.text(
            j,
            i,
            f"{value:+.2f}",
            ha="center",
            va="center",
            color="black" if value > 0.2 else "white",
            fontsize=9,
        )
    ax.set_yticks(range(values.shape[0]), list(grid.columns), fontsize=9)
    ax.set_xticks(
        range(values.shape[1]), [words.replace(" ", "\n") for words in grid.index], fontsize=9
    )
    return image


def timing(frame):
    """Seconds of each score for one set of samples, and how many times the Compression Score's they are."""
    here = frame[frame.experiment == "timing"].set_index("metric")
    base = here.value["compression_score"]
    words = {
        "compression_score": f"Compression Score ({here.students['compression_score']:.0f} students, the teacher's answers included)",
        "inception_score_classifier": "Inception Score through our classifier",
        "inception_score": f"Inception Score through Inception-v3 (timed on {here.images['inception_score']:.0f} images, scaled up)",
    }
    return table_of(
        [
            {
                "Score": words[m],
                "Seconds": f"{here.value[m]:,.3g}",
                "Times ours": f"{here.value[m] / base:,.2f}",
            }
            for m in words
        ]
    )


def tabular(frame):
    """One row per source: Compression Score, and the test score of the tree it makes later; then their rank agreement."""
    here = frame[frame.experiment == "tabular"]
    metric = next(m for m in here.metric.unique() if m != "compression_score")
    score, later = (
        here[here.metric == m].pivot_table(index="seed", columns="source", values="value")
        for m in ("compression_score", metric)
    )
    order = [s for s in plots.STYLE if s in score]
    tau = pd.Series(
        {
            seed: kendalltau(score.loc[seed, order], later.loc[seed, order]).statistic
            for seed in score.index
        }
    )
    table = table_of(
        [
            {
                "Source": plots.label(s),
                "Compression Score": mean_and_error(score[s]),
                plots.SCORE[metric]: mean_and_error(later[s]),
            }
            for s in order
        ]
    )
    return table, statistics.paired_interval(tau, 0 * tau)
