"""The claims of Sec. 4 (both versions of the paper), each measured by a paired interval over seeds.

A claim is a difference d that the paper says is above 0. With d_s of seed s and n seeds, the interval is
mean(d) ± t(0.975, n - 1) sd(d) / sqrt(n): confirmed if it lies above 0, refuted if below, else not seen."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.report import statistics
from ganmc_utils.report.paper import paper_difference

DATASETS = ("magic", "higgs_1k", "higgs_30k", "higgs_100k", "evergreen", "breast_cancer")
MARGIN = 0.012  # the paper's 1.2% cutoff; also our reading of "nearly" and "scarcely"
FOLD = 25  # the smallest reduction the paper reports
HEADLINE = ("teacher", "student_only", "train", "gan", "train+gan")


def main_teacher(frame, dataset):
    """forest_sqrt if the records have it (it gives the paper's MAGIC score), else the first forest."""
    names = sorted(
        t for t in frame[frame.dataset == dataset].teacher.unique() if t.startswith("forest")
    )
    return "forest_sqrt" if "forest_sqrt" in names or not names else names[0]


def by_seed(frame, dataset, source, experiment="compression", trees=None):
    """Test scores, a Series over seeds; trees: a number, a function of the number (True: keep), or None for all
    (the mean over forest sizes). Empty where absent. GanmcError if a row is there twice."""
    here = frame[
        (frame.dataset == dataset)
        & (frame.split == "test")
        & (frame.experiment == experiment)
        & frame.metric.isin(["auc", "accuracy"])
        & (frame.source == source)
    ]
    if experiment != "supervised":  # which has no teacher
        here = here[here.teacher == main_teacher(frame, dataset)]
    sized = "trees" in here and experiment != "teacher"  # a teacher has one size
    if here.duplicated(["seed", "trees"] if sized else ["seed"]).any():
        raise GanmcError(
            f"two records hold {experiment} rows of {dataset}, {source}; keep one of the records"
        )
    if sized and trees is not None:
        here = here[here.trees.map(trees).astype(bool) if callable(trees) else here.trees == trees]
    return here.groupby("seed").value.mean()


def interval(difference):
    """Paired interval of a Series over seeds (a difference already taken); None if no seed has both sides."""
    values = difference.dropna().to_numpy()
    return statistics.paired_interval(values, 0 * values) if len(values) else None


def worst(intervals):
    """Of claims that must all hold, the one that fails if any does, else the one nearest to failing; None if one is missing."""
    failed = [] if None in intervals else [i for i in intervals if i.high < 0] or intervals
    return min(failed, key=lambda i: i.mean if i.n < 2 else i.low, default=None)


def over(a, b, margin=0.0, trees=1, b_experiment="compression"):
    """Measure: a - b + margin, scores of students of the same size."""
    return lambda f, d: interval(
        by_seed(f, d, a, trees=trees) - by_seed(f, d, b, b_experiment, trees) + margin
    )


def best_of_four(source, margin=0.0, trees=None):
    """Measure: the worst of source - rival + margin over its three rivals, each the mean over forest sizes."""
    return lambda f, d: worst(
        [over(source, r, margin, trees)(f, d) for r in HEADLINE[1:] if r != source]
    )


def near_own_maximum(f, d):
    """One tree - (the largest forest - margin), both trained on GAN data."""
    largest = (
        f[(f.dataset == d) & (f.experiment == "compression") & (f.source == "gan")]
        .get("trees", pd.Series())
        .max()
    )
    return (
        interval(by_seed(f, d, "gan", trees=1) - by_seed(f, d, "gan", trees=largest) + MARGIN)
        if largest > 1
        else None
    )


def boost(source, times, trees):
    """Measure: (source - student only) - times * (train - student only)."""

    def measure(f, d):
        base = by_seed(f, d, "student_only", trees=trees)
        return interval(
            by_seed(f, d, source, trees=trees)
            - base
            - times * (by_seed(f, d, "train", trees=trees) - base)
        )

    return measure


def headline_rows(f, d, metric):
    """Chapter 06's small GAN-MC students at the 1.2% limit, a Series over seeds."""
    here = f[
        (f.dataset == d)
        & (f.experiment == "headline_gan")
        & (f.metric == metric)
        & (f.teacher == main_teacher(f, d))
    ]
    return (here[here.limit == MARGIN] if "limit" in here else here).groupby("seed").value.mean()


@dataclass(frozen=True)
class Claim:
    """measure(frame, dataset) -> Interval of a difference that the paper says is above 0, or None if not run."""

    id: str
    section: str
    words: str
    datasets: tuple
    measure: Callable
    paper: Callable = lambda dataset: ""
    fold: str = ""  # metric whose mean over seeds must also reach FOLD


def table3(id, a, b, words, section="Sec. 4, Table 3"):
    return Claim(id, section, words, DATASETS, over(a, b), lambda d: paper_difference(d, a, b))


CLAIMS = [
    table3("gan_over_train", "gan", "train", "One tree: GAN data beat training data"),
    table3(
        "gan_over_student_only", "gan", "student_only", "One tree: GAN data beat no compression"
    ),
    table3(
        "train_gan_over_train",
        "train+gan",
        "train",
        "One tree: adding GAN data to the training data helps",
        "Sec. 1, contribution 1; Table 3",
    ),  # the paper's own Evergreen row says otherwise; its column shows it
    table3(
        "train_over_student_only",
        "train",
        "student_only",
        "One tree: compression with training data beats none",
    ),
    Claim(
        "gan_boost_ten_times",
        "Sec. 4",
        "One tree: GAN data gain at least 10 times what training data gain",
        ("higgs_30k", "higgs_100k"),
        boost("gan", 10, 1),
        lambda d: "10 times (Table 3: 12.5)",
    ),
    Claim(
        "one_tree_near_teacher",
        "Sec. 4",
        "One GAN-MC tree nearly matches the teacher (within 0.012)",
        ("evergreen",),
        over("gan", "none", MARGIN, 1, "teacher"),
        lambda d: paper_difference(d, "gan", "teacher"),
    ),
    Claim(
        "one_tree_near_maximal",
        "Sec. 4, Fig. 3",
        "One GAN-MC tree is within 0.012 of the largest GAN-MC forest",
        ("magic", "evergreen"),
        near_own_maximum,
        lambda d: "figure",
    ),
    Claim(
        "gan_best_or_nearly",
        "Sec. 4, Fig. 3",
        "GAN data are best or within 0.012 of it (mean over forest sizes)",
        tuple(d for d in DATASETS if d != "higgs_1k"),
        best_of_four("gan", MARGIN),
        lambda d: "figure" * (d != "breast_cancer"),
    ),
    Claim(
        "train_gan_best_multi_tree",
        "Sec. 4, Fig. 3a",
        "Training + GAN is the best of four (mean over forests of 2 or more trees)",
        ("higgs_1k",),
        best_of_four("train+gan", trees=lambda k: k > 1),
        lambda d: "figure",
    ),
    Claim(
        "train_gan_boost_twice",
        "Sec. 4, Fig. 3a",
        "Training + GAN gains at least twice what training data gain (2 or more trees)",
        ("higgs_1k",),
        boost("train+gan", 2, lambda k: k > 1),
        lambda d: "2-4 times",
    ),
    Claim(
        "compression_over_supervised",
        "Sec. 4, Fig. 3e",
        "GAN data help compression more than supervised learning (mean over sizes)",
        DATASETS,
        over("gan", "gan", trees=None, b_experiment="supervised"),
        lambda d: "figure" * (d == "magic"),
    ),
    Claim(
        "supervised_gan_no_help",
        "Sec. 4, Fig. 3e",
        "Without a teacher GAN data harm or scarcely help (at most 0.012; mean over sizes)",
        DATASETS,
        over("student_only", "gan", MARGIN, None, "supervised"),
        lambda d: "figure" * (d == "magic"),
    ),
] + [
    Claim(
        f"headline_{what}",
        "Sec. 1, contribution 3; Fig. 3f",
        f"At most 1.2% loss at a 25-fold or greater cut of {what} (25 to 336-fold; version 1: 25 to 500-fold)",
        DATASETS,
        lambda f, d: interval(MARGIN - headline_rows(f, d, "loss")),
        lambda d: {"evergreen": "336-fold", "breast_cancer": ""}.get(d, "25- to 336-fold"),
        metric,
    )
    for what, metric in (("time", "speedup"), ("storage", "fewer_bytes"))
]
