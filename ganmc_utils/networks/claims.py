"""The claims of Sec. 3, each measured by a paired interval over the runs of a student (the paper prints no interval)."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ganmc_utils.forests.claims import Claim, interval, worst
from ganmc_utils.report.paper import paper_accuracy

DATASETS = ("cifar10", "digits")
NEVER = None  # what a measure returns where the record lacks a side


def at(
    frame, dataset, experiment, source=None, part="test", metric="accuracy", final=True, **setting
):
    """Values over seeds of one experiment; several rows of a seed (a mixture of shares, say) are averaged."""
    here = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == metric)
        & (frame.student != "none")
    ]
    if source is not None:
        here = here[here.source == source]
    if final and "last" in here:
        here = here[here["last"] == 1]
    for column, value in setting.items():
        here = here[here[column] == value] if column in here else here[:0]
    return here.groupby("seed").value.mean()


def above(experiment, a, b):
    """Measure: accuracy of source a - accuracy of source b."""
    return lambda f, d: interval(at(f, d, experiment, a) - at(f, d, experiment, b))


def sweep(frame, dataset, experiment, part="test", **setting):
    """Accuracy by seed (rows) and p_fake (columns) of the training data, the mixtures and the GAN alone."""
    here = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == "accuracy")
        & frame.source.isin(["student_only", "train", "train+gan", "gan"])
    ]
    for column, value in setting.items():
        here = here[here[column] == value] if column in here else here[:0]
    return (
        here.pivot_table(index="seed", columns="p_fake", values="value")
        if len(here)
        else pd.DataFrame()
    )


def interior(f, d):
    """The best share strictly between 0 and 1 (by validation) - the better end, on test."""
    test, validation = sweep(f, d, "sweep"), sweep(f, d, "sweep", "validation")
    inner = [p for p in test if 0 < p < 1]
    if not inner or not {0, 1} <= set(test):
        return NEVER
    best = test[validation[inner].mean().idxmax()]
    return worst([interval(best - test[0]), interval(best - test[1])])


def every_share_helps(f, d):
    """The worst over the shares above 0 of their accuracy - that of the training data."""
    test = sweep(f, d, "sweep")
    return worst([interval(test[p] - test[0]) for p in test if p > 0]) if 0 in test else NEVER


def slope(values):
    """Least-squares slope of each row over the columns."""
    x = np.asarray(values.columns, float)
    return pd.Series(
        values.to_numpy() @ (x - x.mean()) / np.square(x - x.mean()).sum(), values.index
    )


def unimodal(f, d):
    """Rising up to the best share (by validation) and falling after it: the slopes on either side of it."""
    test, validation = sweep(f, d, "sweep"), sweep(f, d, "sweep", "validation")
    if len(test.columns) < 3:
        return NEVER
    peak = validation.mean().idxmax()
    left, right = test[[p for p in test if p <= peak]], test[[p for p in test if p >= peak]]
    return worst(
        [
            interval(sign * slope(side))
            for sign, side in ((1, left), (-1, right))
            if side.shape[1] > 1
        ]
    )


def more_epochs(f, d):
    """Rank correlation (Spearman) of a student's accuracy with the GAN's epochs."""
    here = f[
        (f.dataset == d)
        & (f.experiment == "gan_quality")
        & (f.split == "test")
        & (f.metric == "accuracy")
        & (f.source == "gan")
    ]
    if here.empty or here.gan_epoch.nunique() < 3:
        return NEVER
    return interval(
        here.groupby("seed").apply(
            lambda s: spearmanr(s.gan_epoch, s.value).statistic, include_groups=False
        )
    )


def harm(f, d):
    """Without a teacher: the training data alone - the mean over the shares above 0."""
    test = sweep(f, d, "supervised_learning", objective="supervised")
    shares = [p for p in test if p > 0]
    return interval(test[0] - test[shares].mean(axis=1)) if 0 in test and shares else NEVER


def flips_and_gan(f, d):
    """Both - the better of one alone, with a teacher trained with flips when the student is, as in Fig. 2b."""
    here = f[(f.dataset == d) & (f.experiment == "augmentation")]
    if here.empty:
        return NEVER

    def score(source, flips):
        matching = here[here.teacher.str.endswith("+flips") == bool(flips)]
        return at(matching, d, "augmentation", source, flips=flips)

    both = score("train+gan", 1)
    return worst([interval(both - score("train+gan", 0)), interval(both - score("train", 1))])


def at_the_start(f, d):
    """Training data - mixture, at the first evaluation."""
    here = f[(f.experiment == "l2") & (f.dataset == d)]
    if here.empty:
        return NEVER
    first = here.epoch.min()
    return interval(
        at(f, d, "l2", "train", final=False, epoch=first)
        - at(f, d, "l2", "train+gan", final=False, epoch=first)
    )


def overfitting(f, d):
    """Loss on the compression set at the end: mixture - training data."""

    def loss(source):
        return at(f, d, "l2", source, "train", "loss")

    return interval(loss("train+gan") - loss("train"))


def gain(where, a, b):
    """The paper's a - b, spelt with its sign."""
    return f"{paper_accuracy(f'{where}/{a}') - paper_accuracy(f'{where}/{b}'):+.3f}"


def claim(id, section, words, measure, paper=""):
    return Claim(id, section, words, DATASETS, measure, lambda d: paper if d == "cifar10" else "")


CLAIMS = [
    claim(
        "l2_mixture_over_train",
        "Sec. 3, Fig. 1a",
        "L2: training + GAN beats training data",
        above("l2", "train+gan", "train"),
        gain("fig1", "train+gan", "train"),
    ),
    claim(
        "l2_mixture_over_gan",
        "Sec. 3, Fig. 1a",
        "L2: training + GAN beats GAN data alone",
        above("l2", "train+gan", "gan"),
        "figure",
    ),
    claim(
        "l2_gan_over_train",
        "Sec. 3, Fig. 1a",
        "L2: GAN data alone beat training data",
        above("l2", "gan", "train"),
        "figure",
    ),
    claim(
        "l2_train_over_student_only",
        "Sec. 3, Fig. 1a",
        "L2: compression with training data beats none",
        above("l2", "train", "student_only"),
        gain("fig1", "train", "student_only"),
    ),
    claim(
        "l2_train_ahead_at_start",
        "Sec. 3, Fig. 1a",
        "Training data are ahead of the mixture at the start",
        at_the_start,
        "figure",
    ),
    claim(
        "l2_train_overfits",
        "Sec. 3, Fig. 1b",
        "At the end the loss on the compression set is lower for training data",
        overfitting,
        "figure",
    ),
    *[
        claim(
            f"pair_{i}_mixture_over_train",
            "Sec. 3, Table 1",
            f"Distillation, pair {i}: training + GAN beats training data",
            above(f"pair_{i}", "train+gan", "train"),
            gain(f"table1/pair_{i}", "train+gan", "train"),
        )
        for i in (1, 2, 3)
    ],
    claim(
        "p_fake_every_share",
        "Sec. 3, Fig. 2a",
        "Every p_fake above 0 beats training data alone",
        every_share_helps,
        "figure",
    ),
    claim(
        "p_fake_interior",
        "Sec. 3, Fig. 2a",
        "A share between 0 and 1 beats both ends",
        interior,
        "figure",
    ),
    claim(
        "p_fake_unimodal",
        "Sec. 3, Fig. 2a",
        "Accuracy rises to the best p_fake and falls after it (slopes)",
        unimodal,
        "figure",
    ),
    claim(
        "flips_and_gan",
        "Sec. 3, Fig. 2b",
        "Flips and GAN together beat either alone",
        flips_and_gan,
        "figure",
    ),
    claim(
        "gan_epochs",
        "Sec. 3, Fig. 2c",
        "A student of GAN data is better after more GAN epochs (rank correlation)",
        more_epochs,
        "figure",
    ),
    claim(
        "gan_harms_supervised",
        "Sec. 3, Fig. 2d",
        "Without a teacher GAN data harm (mean over p_fake)",
        harm,
        "figure",
    ),
]
