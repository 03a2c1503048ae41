"""The claims of Sec. 5 about the Compression Score, each measured over the draws of chapter 07."""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ganmc_utils.forests.claims import interval
from ganmc_utils.networks.claims import claim
from ganmc_utils.report.paper import paper_value
from ganmc_utils.report.statistics import Interval
from ganmc_utils.scores.degraded import SERIES

METRICS = {  # metric: (label, a higher value says better)
    "compression_score": ("Compression Score", True),
    "compression_score_v1": ("Compression Score, five epochs", True),
    "cas": ("Classification accuracy", True),
    "inception_score": ("Inception Score", True),
    "confidence": ("Confidence", True),
    "fid": ("FID", False),
    "kid": ("KID", False),
    "intra_fid": ("Intra-class FID", False),
}


def of_sets(frame, metric, dataset=None):
    """Values by draw (rows) and set of samples (columns): train, fresh, gan, inferior and the GAN's epochs."""
    here = frame[(frame.experiment == "generators") & (frame.metric == metric)]
    here = here if dataset is None else here[here.dataset == dataset]
    return (
        here.pivot_table(index="seed", columns="samples", values="value")
        if len(here)
        else pd.DataFrame()
    )


def difference(metric, a, b):
    """Measure: metric of set a - that of set b."""

    def measure(f, d):
        by = of_sets(f, metric, d)
        return interval(by[a] - by[b]) if {a, b} <= set(by) else None

    return measure


def real_is_one(f, d):
    """2 se - |score of the real data - 1|: one number, above 0 where the score is 1 within two standard errors."""
    here = f[(f.experiment == "real") & (f.dataset == d)]
    if here.empty:
        return None
    value = here[here.version == "v2"].set_index("metric").value
    if not np.isfinite(value.get("error", np.nan)):
        return None
    within = float(2 * value["error"] - abs(value["value"] - 1))
    return Interval(within, within, within, 1)


def same_order(f, d):
    """Kendall's tau, over the sets of one draw, between the scores after one epoch and after five."""
    one, five = (of_sets(f, m, d) for m in ("compression_score", "compression_score_v1"))
    return (
        interval(pd.Series({s: kendalltau(one.loc[s], five.loc[s]).statistic for s in one.index}))
        if len(one)
        else None
    )


def cheaper(f, d):
    """Seconds of the Inception Score / seconds of the Compression Score - 1."""
    here = f[(f.experiment == "timing") & (f.dataset == d)].set_index("metric").value
    ratio = float(here["inception_score"] / here["compression_score"] - 1) if len(here) else 0
    return Interval(ratio, ratio, ratio, 1) if len(here) else None


def in_order(frame, series, metric):
    """Kendall's tau between the known order of a series and what a score says of it, a Series over draws; a score that
    sees no difference anywhere has tau 0."""
    here = frame[
        (frame.experiment == "series") & (frame.series == series) & (frame.metric == metric)
    ]
    sign = 1 if SERIES[series][2] == METRICS[metric][1] else -1
    tau = {
        seed: kendalltau(by.level, sign * by.value).statistic for seed, by in here.groupby("seed")
    }
    return pd.Series(tau).fillna(0.0)


def gain(metric, a, b):
    """The paper's a - b, spelt with its sign."""
    return f"{paper_value(f'table4/{a}/{metric}') - paper_value(f'table4/{b}/{metric}'):+.3f}"


CLAIMS = [
    claim(
        "score_of_real_is_one",
        "Sec. 5.1",
        "The Compression Score of the real data is 1 (2 se - distance)",
        real_is_one,
        f"score {paper_value('table4/v2/train/compression_score')}",
    ),
    claim(
        "inferior_scores_lower",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a lower Compression Score",
        difference("compression_score", "gan", "inferior"),
        gain("compression_score", "v2/gan", "v2/inferior"),
    ),
    claim(
        "inferior_scores_lower_v1",
        "v1, Table 4",
        "So it has after five epochs",
        difference("compression_score_v1", "gan", "inferior"),
        gain("compression_score", "v1/gan", "v1/inferior"),
    ),
    claim(
        "inception_score_rises",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a higher Inception Score",
        difference("inception_score", "inferior", "gan"),
        gain("inception_score", "inferior", "gan"),
    ),
    claim(
        "gan_below_real",
        "Sec. 5.2, Table 4",
        "GAN images score lower than real ones",
        difference("compression_score", "train", "gan"),
        gain("compression_score", "v2/train", "v2/gan"),
    ),
    claim(
        "one_epoch_is_enough",
        "Sec. 5.1",
        "One epoch and five order generators alike (Kendall's tau)",
        same_order,
    ),
    claim(
        "score_is_cheaper",
        "Sec. 5.2",
        "Inception Score seconds / Compression Score seconds - 1",
        cheaper,
        f"{paper_value('sec5/seconds/inception_score') / paper_value('sec5/seconds/compression_score') - 1:+.3f}",
    ),
]
