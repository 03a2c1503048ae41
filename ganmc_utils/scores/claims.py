"""The claims of Sec. 5 about the Compression Score, each measured over the draws of chapter 07.

A draw is one set of samples; the records call it a seed. All draws share one split, teacher and
GAN. CLAIMS, at the end, names the measure of each claim.
"""

from dataclasses import dataclass

import pandas as pd
from scipy.stats import kendalltau

from ganmc_utils.networks.claims import image_claim, n_test
from ganmc_utils.report.claim import Claim, Measure, MethodText, method_text, worst
from ganmc_utils.report.paper import paper_value
from ganmc_utils.report.statistics import (
    Interval,
    half_width,
    interval_of,
    one_value,
    rank_interval,
    variance_of_test_part,
)
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


ONE_EPOCH = "compression_score"
REAL = ("train", "fresh")  # sets of real samples
PAPER_INFERIOR_EPOCHS = int(paper_value("sec5/inferior_epochs"))


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


def reference(frame: pd.DataFrame, dataset: str, version: str) -> pd.Series | None:
    """What the score of the real data is made of, by metric; None where it was not run.

    Metrics: value and error, the score and its standard error; reference and baseline, the
    accuracies acc(D_real) and acc_mode (version "v1": 1 / classes).
    """
    rows = frame[(frame.experiment == "real") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    return rows[rows.version == version].set_index("metric").value


def score_above(metric: str, samples: str, others: str) -> Measure:
    """Measure: the score of one set of samples - that of another."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        return score_contrast(frame, dataset, metric, {samples: 1, others: -1})

    return measure


def score_difference(
    frame: pd.DataFrame, metric: str, samples: str, others: str
) -> Interval | None:
    """Interval of the score of one set of samples - that of another, of the frame's one dataset."""
    [dataset] = frame[frame.experiment == "generators"].dataset.unique()
    return score_above(metric, samples, others)(frame, dataset)


def score_contrast(
    frame: pd.DataFrame, dataset: str, metric: str, terms: dict[str, float], constant: float = 0.0
) -> Interval | None:
    """Interval of sum c_k score_k + constant over the draws, k a set of samples.

    A Compression Score is (acc - baseline) / (reference - baseline), so the sampling error of the
    test part in it is that of the accuracy acc = baseline + score (reference - baseline), divided
    by (reference - baseline). Classification accuracy is an accuracy on the test part itself. The
    other scores have no test part.
    """
    scores = of_sets(frame, metric, dataset)
    if any(samples not in scores for samples in terms):
        return None
    values = sum(c * scores[samples] for samples, c in terms.items()) + constant
    return interval_of(
        values, variance_of_test_part=score_variance(frame, dataset, metric, scores, terms)
    )


def score_variance(
    frame: pd.DataFrame, dataset: str, metric: str, scores: pd.DataFrame, terms: dict[str, float]
) -> float:
    """Variance of a contrast of scores by the choice of the test samples, 0 where there are none.

    scores: by draw (rows) and set of samples (columns). terms: {set of samples: c_k}.
    """
    if metric == "cas":
        return variance_of_test_part([(c, scores[k]) for k, c in terms.items()], n_test(frame))
    versions = {"compression_score": "v2", "compression_score_v1": "v1"}
    parts = reference(frame, dataset, versions[metric]) if metric in versions else None
    if parts is None or "reference" not in parts:
        return 0.0
    span = parts["reference"] - parts["baseline"]
    accuracies = [(c / span, parts["baseline"] + span * scores[k]) for k, c in terms.items()]
    return variance_of_test_part(accuracies, n_test(frame))


def distance_of_real_from_one(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Compression Score of the real data - 1, by the students of the real data.

    The interval is ± t(0.975, n - 1) times the standard error of the score, which has the luck of
    both the n students that are scored and the n of the reference in it
    (`compression_score.ratio`). The test part adds nothing: the students on both sides learn from
    the same images, so on whatever test part they have the same expected accuracy.
    """
    score = reference(frame, dataset, "v2")
    if score is None:
        return None
    distance = float(score["value"] - 1)
    n = int(frame.real_students.iloc[0]) if "real_students" in frame else 1
    if n < 2 or not score.get("error", 0) > 0:
        return one_value(distance)
    half = half_width(score["error"], n - 1, 0.0, alpha=0.05)
    return Interval(distance, distance - half, distance + half, n)


def within_unit_interval(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The worst over the sets of generated samples of score - 0 and 1 - score."""
    generated = [samples for samples in of_sets(frame, ONE_EPOCH, dataset) if samples not in REAL]
    intervals = []
    for samples in generated:
        intervals.append(score_contrast(frame, dataset, ONE_EPOCH, {samples: 1}))
        intervals.append(score_contrast(frame, dataset, ONE_EPOCH, {samples: -1}, constant=1))
    return worst(intervals)


def same_order_after_one_epoch(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Kendall's tau, over the sets of a draw, between the scores after one epoch and after five.

    Its interval is the bootstrap's over draws, its p-value that of shuffling the sets.
    """
    one_epoch = of_sets(frame, ONE_EPOCH, dataset)
    five_epochs = of_sets(frame, "compression_score_v1", dataset)
    if one_epoch.empty or five_epochs.empty:
        return None
    return rank_interval(one_epoch, five_epochs[one_epoch.columns], "kendall")


def times_cheaper(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Seconds of the Inception Score / seconds of the Compression Score - 1; measured once."""
    rows = frame[(frame.experiment == "timing") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    seconds = rows.set_index("metric").value
    return one_value(float(seconds["inception_score"] / seconds["compression_score"] - 1))


# The inferior GAN: after the paper's 10 epochs, and after more of them.


def has_epochs_of_paper(frame: pd.DataFrame) -> bool:
    """Whether the set "inferior" is the GAN after the paper's number of epochs on L_class."""
    return "last_inferior" in frame and bool((frame.last_inferior == PAPER_INFERIOR_EPOCHS).all())


def inferior_above(metric: str, higher: str, lower: str, *, papers: bool) -> Measure:
    """Measure: as `score_above`, with the inferior GAN after the paper's 10 epochs or after ours.

    Where the record ends with the paper's 10 epochs they have one line, as the paper's.
    """
    samples = f"inferior {PAPER_INFERIOR_EPOCHS}"

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        ends_as_paper = has_epochs_of_paper(frame)
        if ends_as_paper and not papers:
            return None
        inferior = samples if papers and not ends_as_paper else "inferior"
        names = {"inferior": inferior}
        terms = {names.get(higher, higher): 1, names.get(lower, lower): -1}
        return score_contrast(frame, dataset, metric, terms)

    return measure


def our_inferior(parameters: dict, frame: pd.DataFrame, dataset: str) -> str:
    """Method: how long the inferior GAN of the record was trained on its class loss."""
    epochs = max(parameters.get("inferior_epochs", [PAPER_INFERIOR_EPOCHS]))
    return f"ours: {epochs} epochs on L_class"


def scored_by(method: MethodText) -> MethodText:
    """Method: with the network behind the Inception Score, where it is not Inception-v3."""

    def words(parameters: dict, frame: pd.DataFrame, dataset: str) -> str:
        has_own_classifier = (frame.experiment == "classifier").any()
        text = method(parameters, frame, dataset)
        return f"{text}; a classifier of ours for Inception-v3" if has_own_classifier else text

    return words


# What the paper prints.


def paper_gain(metric: str, samples: str, others: str) -> str:
    """The paper's score of one set of samples - that of another, with its sign."""
    score = paper_value(f"table4/{samples}/{metric}")
    return f"{score - paper_value(f'table4/{others}/{metric}'):+.3f}"


def paper_times_cheaper() -> str:
    """The paper's seconds of the Inception Score / those of the Compression Score - 1."""
    inception_score = paper_value("sec5/seconds/inception_score")
    return f"{inception_score / paper_value('sec5/seconds/compression_score') - 1:+.3f}"


PAPERS_INFERIOR = method_text(f"the paper's: {PAPER_INFERIOR_EPOCHS} epochs on L_class")


def score_claim(id: str, section: str, words: str, measure: Measure, paper: str = "", **fields):
    """A claim that is judged by the record of chapter 07; fields: further fields of the claim."""
    return image_claim(
        id, section, words, measure, paper, notebook="07_compression_score", **fields
    )


def inferior_claims(
    id: str, section: str, words: str, metric: str, higher: str, lower: str, paper: str
) -> list[Claim]:
    """A claim about the inferior GAN, after the paper's 10 epochs and at the end of ours."""
    papers, ours = PAPERS_INFERIOR, our_inferior
    if metric == "inception_score":
        papers, ours = scored_by(papers), scored_by(ours)
    of_paper = inferior_above(metric, higher, lower, papers=True)
    at_end = inferior_above(metric, higher, lower, papers=False)
    return [
        score_claim(f"{id}_paper", section, words, of_paper, paper, method=papers),
        score_claim(id, section, words, at_end, paper, method=ours),
    ]


CLAIMS = [
    score_claim(
        "score_of_real_is_one",
        "Sec. 5.1",
        "The Compression Score of the real data is 1 (score - 1, within 0.05)",
        distance_of_real_from_one,
        f"score {paper_value('table4/v2/train/compression_score')}",
        margin=0.05,
    ),
    score_claim(
        "scores_in_unit_interval",
        "Sec. 5.1",
        "After one epoch the scores of generated samples lie in [0, 1] (distance from its ends)",
        within_unit_interval,
    ),
    *inferior_claims(
        "inferior_scores_lower",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a lower Compression Score",
        "compression_score",
        "gan",
        "inferior",
        paper_gain("compression_score", "v2/gan", "v2/inferior"),
    ),
    *inferior_claims(
        "inferior_scores_lower_v1",
        "v1, Table 4",
        "The inferior GAN has a lower Compression Score after five epochs, too",
        "compression_score_v1",
        "gan",
        "inferior",
        paper_gain("compression_score", "v1/gan", "v1/inferior"),
    ),
    *inferior_claims(
        "inception_score_rises",
        "Sec. 5.2, Table 4",
        "The inferior GAN has a higher Inception Score",
        "inception_score",
        "inferior",
        "gan",
        paper_gain("inception_score", "inferior", "gan"),
    ),
    score_claim(
        "gan_below_real",
        "Sec. 5.2, Table 4",
        "GAN images score lower than real ones",
        score_above("compression_score", "train", "gan"),
        paper_gain("compression_score", "v2/train", "v2/gan"),
    ),
    score_claim(
        "one_epoch_is_enough",
        "ours, a control",
        "Students of one epoch order generators as those of five do (Kendall's tau above 0)",
        same_order_after_one_epoch,
    ),
    score_claim(
        "score_is_cheaper",
        "Sec. 5.2",
        "The Compression Score is cheaper than the Inception Score (ratio of seconds - 1)",
        times_cheaper,
        paper_times_cheaper(),
        method=method_text("ours: both on the images here; Inception-v3 timed on a part of them"),
    ),
]
