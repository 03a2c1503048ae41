"""The claims of Sec. 5 about the Compression Score, each measured over the draws of chapter 07.

A draw is one set of samples; the records call it a seed. CLAIMS, at the end, names the measure of
each claim.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ganmc_utils.networks.claims import image_claim
from ganmc_utils.report.claim import Measure
from ganmc_utils.report.paper import paper_value
from ganmc_utils.report.statistics import Interval, interval_of, point
from ganmc_utils.scores.degraded import SERIES


@dataclass(frozen=True)
class Metric:
    """A score of a generator: its label for readers, and whether a higher value says better."""

    label: str
    higher_is_better: bool


METRICS = {
    "compression_score": Metric("Compression Score", higher_is_better=True),
    "compression_score_v1": Metric("Compression Score, five epochs", higher_is_better=True),
    "cas": Metric("Classification accuracy", higher_is_better=True),
    "inception_score": Metric("Inception Score", higher_is_better=True),
    "confidence": Metric("Confidence", higher_is_better=True),
    "fid": Metric("FID", higher_is_better=False),
    "kid": Metric("KID", higher_is_better=False),
    "intra_fid": Metric("Intra-class FID", higher_is_better=False),
}


def of_sets(frame: pd.DataFrame, metric: str, dataset: str | None = None) -> pd.DataFrame:
    """Values of a score by draw (rows) and set of samples (columns); empty where it was not run.

    The sets are train, fresh, gan, inferior and the epochs of the GAN.
    """
    rows = frame[(frame.experiment == "generators") & (frame.metric == metric)]
    if dataset is not None:
        rows = rows[rows.dataset == dataset]
    if rows.empty:
        return pd.DataFrame()
    return rows.pivot_table(index="seed", columns="samples", values="value")


def order_agreement(frame: pd.DataFrame, series: str, metric: str) -> pd.Series:
    """Kendall's tau between the known order of a series and what a score says of it, by draw.

    A score that sees no difference anywhere has tau 0.
    """
    rows = frame[
        (frame.experiment == "series") & (frame.series == series) & (frame.metric == metric)
    ]
    same_direction = SERIES[series].higher_is_better == METRICS[metric].higher_is_better
    sign = 1 if same_direction else -1
    taus = {
        seed: kendalltau(rows_of_draw.level, sign * rows_of_draw.value).statistic
        for seed, rows_of_draw in rows.groupby("seed")
    }
    return pd.Series(taus).fillna(0.0)


# The measures.


def score_above(metric: str, samples: str, others: str) -> Measure:
    """Measure: the score of one set of samples - that of another."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        scores = of_sets(frame, metric, dataset)
        if samples not in scores or others not in scores:
            return None
        return interval_of(scores[samples] - scores[others])

    return measure


def real_is_one(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """2 se - |score of the real data - 1|.

    One number, above 0 where the score is 1 within two standard errors.
    """
    rows = frame[(frame.experiment == "real") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    score = rows[rows.version == "v2"].set_index("metric").value
    if not np.isfinite(score.get("error", np.nan)):
        return None
    return point(float(2 * score["error"] - abs(score["value"] - 1)))


def same_order_after_one_epoch(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Kendall's tau, over the sets of a draw, between the scores after one epoch and after five."""
    one_epoch = of_sets(frame, "compression_score", dataset)
    five_epochs = of_sets(frame, "compression_score_v1", dataset)
    if one_epoch.empty:
        return None
    taus = {
        seed: kendalltau(one_epoch.loc[seed], five_epochs.loc[seed]).statistic
        for seed in one_epoch.index
    }
    return interval_of(pd.Series(taus))


def times_cheaper(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Seconds of the Inception Score / seconds of the Compression Score - 1."""
    rows = frame[(frame.experiment == "timing") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    seconds = rows.set_index("metric").value
    return point(float(seconds["inception_score"] / seconds["compression_score"] - 1))


# What the paper prints.


def paper_gain(metric: str, samples: str, others: str) -> str:
    """The paper's score of one set of samples - that of another, with its sign."""
    score = paper_value(f"table4/{samples}/{metric}")
    return f"{score - paper_value(f'table4/{others}/{metric}'):+.3f}"


def paper_times_cheaper() -> str:
    """The paper's seconds of the Inception Score / those of the Compression Score - 1."""
    inception_score = paper_value("sec5/seconds/inception_score")
    return f"{inception_score / paper_value('sec5/seconds/compression_score') - 1:+.3f}"


CLAIMS = [
    image_claim(
        "score_of_real_is_one",
        "Sec. 5.1",
        "The Compression Score of the real data is 1 (2 se - distance)",
        real_is_one,
        f"score {paper_value('table4/v2/train/compression_score')}",
    ),
    image_claim(
        "inferior_scores_lower",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a lower Compression Score",
        score_above("compression_score", "gan", "inferior"),
        paper_gain("compression_score", "v2/gan", "v2/inferior"),
    ),
    image_claim(
        "inferior_scores_lower_v1",
        "v1, Table 4",
        "The inferior GAN has a lower Compression Score after five epochs, too",
        score_above("compression_score_v1", "gan", "inferior"),
        paper_gain("compression_score", "v1/gan", "v1/inferior"),
    ),
    image_claim(
        "inception_score_rises",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a higher Inception Score",
        score_above("inception_score", "inferior", "gan"),
        paper_gain("inception_score", "inferior", "gan"),
    ),
    image_claim(
        "gan_below_real",
        "Sec. 5.2, Table 4",
        "GAN images score lower than real ones",
        score_above("compression_score", "train", "gan"),
        paper_gain("compression_score", "v2/train", "v2/gan"),
    ),
    image_claim(
        "one_epoch_is_enough",
        "Sec. 5.1",
        "One epoch and five order generators alike (Kendall's tau)",
        same_order_after_one_epoch,
    ),
    image_claim(
        "score_is_cheaper",
        "Sec. 5.2",
        "Inception Score seconds / Compression Score seconds - 1",
        times_cheaper,
        paper_times_cheaper(),
    ),
]
