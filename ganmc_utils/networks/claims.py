"""The claims of Sec. 3, each measured by a paired interval over the runs of a student.

The paper prints no interval. CLAIMS, at the end, names the measure of each claim.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ganmc_utils.report.claim import Claim, Measure, text_on, worst
from ganmc_utils.report.paper import paper_accuracy
from ganmc_utils.report.statistics import Interval, interval_of

IMAGE_DATASETS = ("cifar10", "digits")

# The sources that differ in nothing but the share p_fake of GAN images.
SWEEP_SOURCES = ("student_only", "train", "train+gan", "gan")


def with_setting(frame: pd.DataFrame, setting: dict) -> pd.DataFrame:
    """The rows that have these values in these columns; none where a column is missing."""
    for column, value in setting.items():
        if column not in frame:
            return frame[:0]
        frame = frame[frame[column] == value]
    return frame


def by_seed(
    frame: pd.DataFrame,
    dataset: str,
    experiment: str,
    source: str,
    *,
    part: str = "test",
    metric: str = "accuracy",
    final: bool = True,
    **setting,
) -> pd.Series:
    """Values of the students of one source, a Series over seeds; empty where they are absent.

    Where a seed has several rows (a mixture of shares, say) its value is their mean.

    final: only at the end of training. setting: further conditions, each as column = value.
    """
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == metric)
        & (frame.student != "none")
        & (frame.source == source)
    ]
    if final and "last" in rows:
        rows = rows[rows["last"] == 1]
    return with_setting(rows, setting).groupby("seed").value.mean()


def sweep(
    frame: pd.DataFrame, dataset: str, experiment: str, part: str = "test", **setting
) -> pd.DataFrame:
    """Accuracy by seed (rows) and p_fake (columns); without rows where the experiment is absent.

    p_fake 0 is the training data, 1 the GAN alone, the mixtures lie between.
    """
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == "accuracy")
        & frame.source.isin(SWEEP_SOURCES)
    ]
    rows = with_setting(rows, setting)
    if rows.empty:
        return pd.DataFrame()
    return rows.pivot_table(index="seed", columns="p_fake", values="value")


# The measures.


def accuracy_above(experiment: str, source: str, baseline: str) -> Measure:
    """Measure: accuracy of source - accuracy of baseline."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        accuracy = by_seed(frame, dataset, experiment, source)
        return interval_of(accuracy - by_seed(frame, dataset, experiment, baseline))

    return measure


def share_between_above_ends(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The best share strictly between 0 and 1 (by validation) - the better end, on test."""
    test = sweep(frame, dataset, "sweep")
    validation = sweep(frame, dataset, "sweep", "validation")
    between = [share for share in test if 0 < share < 1]
    if not between or 0 not in test or 1 not in test:
        return None
    best = test[validation[between].mean().idxmax()]
    return worst([interval_of(best - test[0]), interval_of(best - test[1])])


def every_share_above_train(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The worst over the shares above 0 of their accuracy - that of the training data."""
    test = sweep(frame, dataset, "sweep")
    if 0 not in test:
        return None
    return worst([interval_of(test[share] - test[0]) for share in test if share > 0])


def slope(values: pd.DataFrame) -> pd.Series:
    """Least-squares slope of each row over the columns x.

    sum (x - mean(x)) y / sum (x - mean(x))^2
    """
    x = np.asarray(values.columns, float)
    centred = x - x.mean()
    slopes = values.to_numpy() @ centred / np.square(centred).sum()
    return pd.Series(slopes, values.index)


def rise_and_fall(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Rising up to the best share (by validation), falling after it: the worse of two slopes."""
    test = sweep(frame, dataset, "sweep")
    validation = sweep(frame, dataset, "sweep", "validation")
    if len(test.columns) < 3:
        return None
    peak = validation.mean().idxmax()
    before = test[[share for share in test if share <= peak]]
    after = test[[share for share in test if share >= peak]]
    intervals = []
    if before.shape[1] > 1:
        intervals.append(interval_of(slope(before)))
    if after.shape[1] > 1:
        intervals.append(interval_of(-slope(after)))
    return worst(intervals)


def rank_correlation_with_epochs(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Spearman's rank correlation of a student's accuracy with the GAN's epochs."""
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == "gan_quality")
        & (frame.split == "test")
        & (frame.metric == "accuracy")
        & (frame.source == "gan")
    ]
    if rows.empty or rows.gan_epoch.nunique() < 3:
        return None
    correlations = {
        seed: spearmanr(rows_of_seed.gan_epoch, rows_of_seed.value).statistic
        for seed, rows_of_seed in rows.groupby("seed")
    }
    return interval_of(pd.Series(correlations))


def harm_without_teacher(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Without a teacher: the training data alone - the mean over the shares above 0."""
    test = sweep(frame, dataset, "supervised_learning", objective="supervised")
    shares = [share for share in test if share > 0]
    if 0 not in test or not shares:
        return None
    return interval_of(test[0] - test[shares].mean(axis=1))


def flips_and_gan_above_either(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Both - the better of one alone.

    The teacher is trained with flips when the student is, as in Fig. 2b.
    """
    rows = frame[(frame.dataset == dataset) & (frame.experiment == "augmentation")]
    if rows.empty:
        return None
    teacher_has_flips = rows.teacher.str.endswith("+flips")
    with_flips = rows[teacher_has_flips]
    without_flips = rows[~teacher_has_flips]
    both = by_seed(with_flips, dataset, "augmentation", "train+gan", flips=1)
    gan_alone = by_seed(without_flips, dataset, "augmentation", "train+gan", flips=0)
    flips_alone = by_seed(with_flips, dataset, "augmentation", "train", flips=1)
    return worst([interval_of(both - gan_alone), interval_of(both - flips_alone)])


def train_ahead_at_start(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Accuracy with the training data - with the mixture, at the first evaluation."""
    rows = frame[(frame.experiment == "l2") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    first = rows.epoch.min()
    train = by_seed(frame, dataset, "l2", "train", final=False, epoch=first)
    mixture = by_seed(frame, dataset, "l2", "train+gan", final=False, epoch=first)
    return interval_of(train - mixture)


def loss_above_that_of_train(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Loss on the compression set at the end: mixture - training data."""
    mixture = by_seed(frame, dataset, "l2", "train+gan", part="train", metric="loss")
    train = by_seed(frame, dataset, "l2", "train", part="train", metric="loss")
    return interval_of(mixture - train)


# What the paper prints.


def paper_gain(where: str, source: str, baseline: str) -> str:
    """The paper's accuracy of source - that of baseline, with its sign."""
    accuracy = paper_accuracy(f"{where}/{source}")
    return f"{accuracy - paper_accuracy(f'{where}/{baseline}'):+.3f}"


def image_claim(id: str, section: str, words: str, measure: Measure, paper: str = "") -> Claim:
    """A claim about images; the paper's words stand beside CIFAR-10 only."""
    return Claim(id, section, words, IMAGE_DATASETS, measure, text_on(paper, ("cifar10",)))


def pair_claim(number: int) -> Claim:
    """The claim about one row of Table 1."""
    return image_claim(
        f"pair_{number}_mixture_over_train",
        "Sec. 3, Table 1",
        f"Distillation, pair {number}: training + GAN beats training data",
        accuracy_above(f"pair_{number}", "train+gan", "train"),
        paper_gain(f"table1/pair_{number}", "train+gan", "train"),
    )


CLAIMS = [
    image_claim(
        "l2_mixture_over_train",
        "Sec. 3, Fig. 1a",
        "L2: training + GAN beats training data",
        accuracy_above("l2", "train+gan", "train"),
        paper_gain("fig1", "train+gan", "train"),
    ),
    image_claim(
        "l2_mixture_over_gan",
        "Sec. 3, Fig. 1a",
        "L2: training + GAN beats GAN data alone",
        accuracy_above("l2", "train+gan", "gan"),
        "figure",
    ),
    image_claim(
        "l2_gan_over_train",
        "Sec. 3, Fig. 1a",
        "L2: GAN data alone beat training data",
        accuracy_above("l2", "gan", "train"),
        "figure",
    ),
    image_claim(
        "l2_train_over_student_only",
        "Sec. 3, Fig. 1a",
        "L2: compression with training data beats none",
        accuracy_above("l2", "train", "student_only"),
        paper_gain("fig1", "train", "student_only"),
    ),
    image_claim(
        "l2_train_ahead_at_start",
        "Sec. 3, Fig. 1a",
        "Training data are ahead of the mixture at the start",
        train_ahead_at_start,
        "figure",
    ),
    image_claim(
        "l2_train_overfits",
        "Sec. 3, Fig. 1b",
        "At the end the loss on the compression set is lower for training data",
        loss_above_that_of_train,
        "figure",
    ),
    pair_claim(1),
    pair_claim(2),
    pair_claim(3),
    image_claim(
        "p_fake_every_share",
        "Sec. 3, Fig. 2a",
        "Every p_fake above 0 beats training data alone",
        every_share_above_train,
        "figure",
    ),
    image_claim(
        "p_fake_interior",
        "Sec. 3, Fig. 2a",
        "A share between 0 and 1 beats both ends",
        share_between_above_ends,
        "figure",
    ),
    image_claim(
        "p_fake_unimodal",
        "Sec. 3, Fig. 2a",
        "Accuracy rises to the best p_fake and falls after it (slopes)",
        rise_and_fall,
        "figure",
    ),
    image_claim(
        "flips_and_gan",
        "Sec. 3, Fig. 2b",
        "Flips and GAN together beat either alone",
        flips_and_gan_above_either,
        "figure",
    ),
    image_claim(
        "gan_epochs",
        "Sec. 3, Fig. 2c",
        "A student of GAN data is better after more GAN epochs (rank correlation)",
        rank_correlation_with_epochs,
        "figure",
    ),
    image_claim(
        "gan_harms_supervised",
        "Sec. 3, Fig. 2d",
        "Without a teacher GAN data harm (mean over p_fake)",
        harm_without_teacher,
        "figure",
    ),
]
