"""The tables of chapter 07, made from its record.

In every function `frame` holds the rows of the record (`core.records.as_frame`). A cell is the
mean over draws with its standard error, or the mean of a difference with its 95% interval
(`report.text`).
"""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ganmc_utils.core.parameters import CompressionScores
from ganmc_utils.gan.class_only import set_names
from ganmc_utils.report import plots, statistics, text
from ganmc_utils.report.paper import published_number
from ganmc_utils.report.phrases import SCORE, signed_with_bounds
from ganmc_utils.report.statistics import Interval
from ganmc_utils.scores.claims import (
    METRICS,
    PAPER_INFERIOR_EPOCHS,
    of_sets,
    order_agreement,
    score_difference,
)
from ganmc_utils.scores.degraded import SERIES

SETS = {
    "train": "Training images",
    "fresh": "Fresh real images",
    "gan": "Well-trained GAN",
    "inferior": "Inferior GAN",
    "own": plots.label("own"),
}

# The scores whose order of a series is shown: one epoch of the Compression Score is enough.
ORDERING_METRICS = [metric for metric in METRICS if metric != "compression_score_v1"]


def published(samples: str, metric: str) -> str:
    """Table 4's value in brackets, "" where it has none."""
    versions = {"compression_score": "v2/", "compression_score_v1": "v1/"}
    version = versions.get(metric, "")
    number = published_number(f"table4/{version}{samples}/{metric.removesuffix('_v1')}")
    if number is None:
        return ""
    return text.in_brackets(number["value"], "g")


def table4(frame: pd.DataFrame) -> pd.DataFrame:
    """Table 4: one row per score, one column per set of samples.

    The paper's values stand in brackets where the data are its own; beside the inferior GAN only if
    it was trained for as many epochs on its class loss.
    """
    datasets = set(frame[frame.experiment == "generators"].dataset)
    has_data_of_paper = datasets == {"cifar10"}
    rows = []
    for name, metric in METRICS.items():
        scores = of_sets(frame, name)
        better = "higher" if metric.higher_is_better else "lower"
        row = {"Score": f"{metric.label} ({better} is better)"}
        for samples, header in SETS.items():
            if samples not in scores:
                continue
            row[header] = text.mean_and_error(scores[samples])
            longer = samples == "inferior" and f"inferior {PAPER_INFERIOR_EPOCHS}" in scores
            if has_data_of_paper and not longer:
                row[header] += published(samples, name)
        difference = score_difference(frame, name, "gan", "inferior")
        row["Well-trained - inferior"] = text.difference_and_interval(difference)
        rows.append(row)
    return text.table_of(rows)


def by_epoch(frame: pd.DataFrame, epochs: list[int], last: int) -> pd.DataFrame:
    """One row per snapshot of the GAN: every score. The one after `last` epochs is set "gan"."""
    rows = []
    for epoch in epochs:
        samples = "gan" if epoch == last else str(epoch)
        row = {"GAN epochs": str(epoch)}
        for name, metric in METRICS.items():
            row[metric.label] = text.mean_and_error(of_sets(frame, name)[samples])
        rows.append(row)
    return text.table_of(rows)


def inferior(frame: pd.DataFrame, p: CompressionScores) -> pd.DataFrame:
    """One row per score: the GAN at the end of its training minus the GAN after L_class alone.

    A column for each number of epochs on L_class; the differences are paired over draws.
    """
    steps_per_epoch = p.data.n_train // p.gan.batch
    rows = []
    for name, metric in METRICS.items():
        row = {"Score": metric.label}
        for samples, epochs in set_names(p.inferior_epochs).items():
            header = f"After {epochs} epochs ({epochs * steps_per_epoch:,} steps)"
            difference = score_difference(frame, name, "gan", samples)
            row[header] = text.difference_and_interval(difference)
        rows.append(row)
    return text.table_of(rows)


def series_of(frame: pd.DataFrame) -> list[str]:
    """The series that were run, in the order of SERIES."""
    names = set(frame.series.dropna())
    return [name for name in SERIES if name in names]


def order_table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per score, one column per series: Kendall's tau with the known order, over draws."""
    rows = []
    for metric in ORDERING_METRICS:
        row = {"Score": METRICS[metric].label}
        for series in series_of(frame):
            interval = statistics.correlation_interval(order_agreement(frame, series, metric))
            row[SERIES[series].label] = text.difference_and_interval(interval)
        rows.append(row)
    return text.table_of(rows)


def rightly_ordered(frame: pd.DataFrame) -> dict[str, int]:
    """{score: number of series that it puts in their right order in every draw}.

    The right order is tau = 1: of no two levels the worse one, and no two equal.
    """
    counts = {}
    for metric in ORDERING_METRICS:
        agreements = [order_agreement(frame, series, metric) for series in series_of(frame)]
        counts[metric] = sum(bool(np.isclose(taus, 1).all()) for taus in agreements)
    return counts


def tau_grid(frame: pd.DataFrame) -> pd.DataFrame:
    """The means of order_table as numbers, with a row for each series, a column for each score."""
    names = series_of(frame)
    columns = {}
    for metric in ORDERING_METRICS:
        means = [order_agreement(frame, series, metric).mean() for series in names]
        columns[METRICS[metric].label] = means
    return pd.DataFrame(columns, index=[SERIES[series].label for series in names])


def timing(frame: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each score for one set of samples, and how many times the Compression Score's."""
    measured = frame[frame.experiment == "timing"].set_index("metric")
    images = f"{measured.images['inception_score']:.0f}"
    names = {
        "compression_score": compression_score_timed(measured, "compression_score"),
        "compression_score_without_references": compression_score_timed(
            measured, "compression_score_without_references"
        ),
        "inception_score_classifier": "Inception Score through our classifier",
        "inception_score": (
            f"Inception Score through Inception-v3 (timed on {images} images, scaled up)"
        ),
    }
    rows = []
    for metric, name in names.items():
        if metric not in measured.index:  # older records have one row of our score
            continue
        seconds = measured.value[metric]
        times = seconds / measured.value["compression_score"]
        row = {"Score": name, "Seconds": f"{seconds:,.3g}", "Times ours": f"{times:,.2f}"}
        rows.append(row)
    return text.table_of(rows)


def compression_score_timed(measured: pd.DataFrame, metric: str) -> str:
    """What the seconds of the Compression Score count; measured: the timing rows by metric."""
    if metric not in measured.index:
        return ""
    students = f"{measured.students[metric]:.0f} students"
    # older records timed the students of the samples alone
    of_real_data = measured.get("students_of_real_data", pd.Series(0.0, measured.index))[metric]
    if of_real_data > 0:
        students += f" of the samples, {of_real_data:.0f} of the real data"
    return f"Compression Score ({students}, the teacher's predictions included)"


def tabular(frame: pd.DataFrame) -> tuple[pd.DataFrame, Interval]:
    """Compression Score of each source of rows, and the test score of its tree in chapter 06.

    Returns:
        The table, one row per source, and the interval over seeds of Kendall's tau between the
        two scores.
    """
    rows = frame[frame.experiment == "tabular"]
    test_metric = next(name for name in rows.metric.unique() if name != "compression_score")
    scores = by_draw_and_source(rows, "compression_score")
    test_scores = by_draw_and_source(rows, test_metric)
    sources = [source for source in plots.STYLE if source in scores]
    taus = [
        kendalltau(scores.loc[seed, sources], test_scores.loc[seed, sources]).statistic
        for seed in scores.index
    ]
    table_rows = []
    for source in sources:
        row = {
            "Source": plots.label(source),
            "Compression Score": text.mean_and_error(scores[source]),
            plots.SCORE[test_metric]: text.mean_and_error(test_scores[source]),
        }
        table_rows.append(row)
    return text.table_of(table_rows), statistics.correlation_interval(taus)


def by_draw_and_source(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Values of a score by draw (rows) and source (columns)."""
    of_metric = rows[rows.metric == metric]
    return of_metric.pivot_table(index="seed", columns="source", values="value")


def of_known_orders(frame: pd.DataFrame) -> str:
    """Sentence: how many of the series each score puts in their right order in every draw."""
    counts = rightly_ordered(frame)
    phrases = []
    for count in sorted(set(counts.values()), reverse=True):
        labels = [METRICS[metric].label for metric in counts if counts[metric] == count]
        phrases.append(f"{count} by {', '.join(labels)}")
    in_order = "; ".join(phrases)
    n = len(series_of(frame))
    return f"Kinds of damage, of {n}, seen in their right order in every draw: {in_order}."


def of_tabular_sources(frame: pd.DataFrame) -> str:
    """Sentence: whether the Compression Score ranks tabular sources as their trees do."""
    _, tau = tabular(frame)
    return (
        "Kendall's tau between the Compression Score of a tabular source and the test score of "
        f"the tree that it trains: {signed_with_bounds(tau, SCORE)} over {tau.n} seeds."
    )
