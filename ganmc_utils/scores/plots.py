"""The pictures of chapter 07: scores along a series and over epochs, and the grid of taus."""

import pandas as pd
import seaborn
from matplotlib.axes import Axes

from ganmc_utils.gan import class_only
from ganmc_utils.report import plots
from ganmc_utils.scores.claims import METRICS, of_sets
from ganmc_utils.scores.degraded import SERIES

# The scores that are drawn and how: colours that no source has.
LINE_STYLES = {
    "compression_score": {"colour": "#882255", "marker": "o", "linestyle": "-"},
    "cas": {"colour": "#332288", "marker": "s", "linestyle": "--"},
    "inception_score": {"colour": "#117733", "marker": "^", "linestyle": ":"},
}


def draw_share(ax: Axes, metric: str, values: pd.DataFrame, base: float) -> None:
    """One score as a share of its mean at `base`.

    values: one row per draw, one column per place on the x-axis, base among them.
    """
    share = values / values[base].mean()
    rows = share.melt(var_name="place", value_name="value")
    rows["place"] = rows["place"].astype(float)
    plots.mean_line(ax, rows, "place", label=METRICS[metric].label, **LINE_STYLES[metric])


def draw_series(ax: Axes, frame: pd.DataFrame, name: str) -> None:
    """Three scores against the level of a series, as shares of what its best level gets."""
    series = SERIES[name]
    rows = frame[(frame.experiment == "series") & (frame.series == name)]
    best = rows.level.max() if series.higher_is_better else rows.level.min()
    for metric in LINE_STYLES:
        of_metric = rows[rows.metric == metric]
        values = of_metric.pivot_table(index="seed", columns="level", values="value")
        draw_share(ax, metric, values, best)
    ax.set(xlabel=series.label, ylabel="Share of the best")


def draw_inferior(ax: Axes, frame: pd.DataFrame, epochs: list[int]) -> None:
    """Three scores against the epochs on L_class alone, as shares of what the GAN got before."""
    epochs_of_set = {"gan": 0} | class_only.set_names(epochs)
    for metric in LINE_STYLES:
        values = of_sets(frame, metric)[list(epochs_of_set)]
        draw_share(ax, metric, values.rename(columns=epochs_of_set), 0)
    ax.set(xlabel="Epochs on the class loss alone", ylabel="Share of the GAN before")


def draw_grid(ax: Axes, grid: pd.DataFrame) -> None:
    """Kendall's tau as numbers on colour: one row per score, one column per series."""
    seaborn.heatmap(
        grid.T,
        ax=ax,
        vmin=-1,
        vmax=1,
        cmap="cividis",
        annot=True,
        fmt="+.2f",
        annot_kws={"fontsize": 9},
        cbar=False,
        xticklabels=[name.replace(" ", "\n") for name in grid.index],
    )
    for number in ax.texts:  # seaborn would write white on the brighter half of the colours, too
        number.set_color("black" if float(number.get_text()) > 0.2 else "white")
    ax.tick_params(axis="both", labelsize=9, rotation=0)
