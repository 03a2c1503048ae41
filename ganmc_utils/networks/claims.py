"""The claims of Sec. 3, each measured by a paired interval over the runs of a student.

A run is a trained set where the record has several (own training images, teacher and GAN), else a
seed of the students, which share the rest: such a verdict is conditional on the one set. The
interval of a contrast of accuracies has the sampling error of the test part in it (`contrast`).

The paper prints no interval. CLAIMS, at the end, names the measure of each claim.
"""

import numpy as np
import pandas as pd

from ganmc_utils.report.claim import (
    Claim,
    Measure,
    MethodText,
    PaperText,
    StillRises,
    method_text,
    text_on,
    worst,
)
from ganmc_utils.report.paper import paper_accuracy
from ganmc_utils.report.statistics import (
    Interval,
    interval_of,
    is_rising,
    rank_interval,
    variance_of_test_part,
)

IMAGE_DATASETS = ("cifar10", "digits")

PAIRS = (1, 2, 3)  # the rows of Table 1
PERFECT = 0.995  # rounds to the paper's 100%

# The distillation loss of Table 1, by its variant.
LOSSES = {
    "text": "the loss of its text, without T squared: the teacher has little weight",
    "hinton": "Hinton's loss, with T squared",
    "li": "the loss of the code that it names (Li, 2018)",
}

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


def n_test(frame: pd.DataFrame) -> float | None:
    """How many test images the rows of a chapter have in common; None where they do not say."""
    if "n_test" not in frame or frame.empty:
        return None
    [count] = frame.n_test.unique()
    return float(count)


def contrast(frame: pd.DataFrame, *terms: tuple[float, pd.Series]) -> Interval | None:
    """Interval of sum c_k a_k, with a_k the test accuracies of some students by seed.

    It holds the luck of the seeds and the sampling error of the test part (see
    `report.statistics.variance_of_test_part`).

    terms: (c_k, a_k) for each k. Returns None if no seed has all of them.
    """
    table = pd.concat([accuracies for _, accuracies in terms], axis=1, join="inner").dropna()
    if table.empty:
        return None
    coefficients = [coefficient for coefficient, _ in terms]
    differences = sum(c * table.iloc[:, k] for k, c in enumerate(coefficients))
    of_complete_seeds = [(c, table.iloc[:, k]) for k, c in enumerate(coefficients)]
    variance = variance_of_test_part(of_complete_seeds, n_test(frame))
    return interval_of(differences, variance_of_test_part=variance)


# The measures.


def accuracy_above(experiment: str, source: str, baseline: str) -> Measure:
    """Measure: accuracy of source - accuracy of baseline."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        accuracy = by_seed(frame, dataset, experiment, source)
        return contrast(frame, (1, accuracy), (-1, by_seed(frame, dataset, experiment, baseline)))

    return measure


def doubled_gain(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """(mixture - student only) - 2 (training data - student only)."""
    mixture = by_seed(frame, dataset, "l2", "train+gan")
    train = by_seed(frame, dataset, "l2", "train")
    student_only = by_seed(frame, dataset, "l2", "student_only")
    return contrast(frame, (1, mixture), (-2, train), (1, student_only))


def every_pair(source: str, baseline: str) -> Measure:
    """Measure: the worst over the pairs of Table 1 of source - baseline."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        pairs = [f"pair_{number}" for number in PAIRS]
        return worst([accuracy_above(pair, source, baseline)(frame, dataset) for pair in pairs])

    return measure


def share_between_above_ends(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The best share strictly between 0 and 1 (by validation) - the better end, on test."""
    test = sweep(frame, dataset, "sweep")
    between = [share for share in test if 0 < share < 1]
    if not between or 0 not in test or 1 not in test:
        return None
    best = test[best_on_validation(frame, dataset, between)]
    return worst([contrast(frame, (1, best), (-1, test[end])) for end in (0, 1)])


def best_on_validation(frame: pd.DataFrame, dataset: str, shares: list[float]) -> float:
    """The share of the sweep with the best mean validation accuracy among these."""
    return sweep(frame, dataset, "sweep", "validation")[shares].mean().idxmax()


def share_above_half(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The best share above 1/2 - the best share up to 1/2 (each by validation), on test."""
    test = sweep(frame, dataset, "sweep")
    above = [share for share in test if share > 0.5]
    up_to_half = [share for share in test if share <= 0.5]
    if not above or not up_to_half:
        return None
    best_above = test[best_on_validation(frame, dataset, above)]
    best_up_to_half = test[best_on_validation(frame, dataset, up_to_half)]
    return contrast(frame, (1, best_above), (-1, best_up_to_half))


def every_share_above_train(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The worst over the shares above 0 of their accuracy - that of the training data."""
    test = sweep(frame, dataset, "sweep")
    if 0 not in test:
        return None
    return worst([contrast(frame, (1, test[s]), (-1, test[0])) for s in test if s > 0])


def gan_above_noise(experiment: str) -> Measure:
    """Measure: GAN images - noise, each at the share above 0 that validation chooses for it."""

    def measure(frame: pd.DataFrame, dataset: str) -> Interval | None:
        gan = at_best_share(frame, dataset, experiment, ("train+gan", "gan"))
        noise = at_best_share(frame, dataset, experiment, ("noise",))
        if gan is None or noise is None:
            return None
        return contrast(frame, (1, gan), (-1, noise))

    return measure


def at_best_share(
    frame: pd.DataFrame, dataset: str, experiment: str, sources: tuple[str, ...]
) -> pd.Series | None:
    """Test accuracies by seed at the best share above 0 on validation; None without such rows."""
    if "p_fake" not in frame:
        return None
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.metric == "accuracy")
        & (frame.student != "none")
        & frame.source.isin(sources)
        & (frame.p_fake > 0)
    ]
    if "last" in rows:
        rows = rows[rows["last"] == 1]
    if rows.empty:
        return None
    by_share = rows.pivot_table(index="seed", columns=["split", "p_fake"], values="value")
    return by_share["test"][by_share["validation"].mean().idxmax()]


def slope_contrast(frame: pd.DataFrame, accuracies: pd.DataFrame, sign: int) -> Interval | None:
    """Interval of sign * the least-squares slope of each row over the columns x.

    sum (x - mean(x)) y / sum (x - mean(x))^2
    """
    x = np.asarray(accuracies.columns, float)
    centred = x - x.mean()
    weights = sign * centred / np.square(centred).sum()
    terms = [(w, accuracies[share]) for w, share in zip(weights, accuracies, strict=True)]
    return contrast(frame, *terms)


def rise_and_fall(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Rising up to the best share (by validation), falling after it: the worse of two slopes."""
    test = sweep(frame, dataset, "sweep")
    if len(test.columns) < 3:
        return None
    peak = best_on_validation(frame, dataset, list(test))
    before = test[[share for share in test if share <= peak]]
    after = test[[share for share in test if share >= peak]]
    intervals = []
    if before.shape[1] > 1:
        intervals.append(slope_contrast(frame, before, 1))
    if after.shape[1] > 1:
        intervals.append(slope_contrast(frame, after, -1))
    return worst(intervals)


def rank_correlation_with_epochs(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Spearman's rank correlation of a student's accuracy with the GAN's epochs.

    Its interval is the bootstrap's over seeds, its p-value that of shuffling the epochs.
    """
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == "gan_quality")
        & (frame.split == "test")
        & (frame.metric == "accuracy")
        & (frame.source == "gan")
    ]
    if rows.empty:
        return None
    accuracy = rows.pivot_table(index="seed", columns="gan_epoch", values="value").dropna()
    epochs = pd.DataFrame([accuracy.columns] * len(accuracy), accuracy.index, accuracy.columns)
    return rank_interval(epochs, accuracy, "spearman")


def mixtures_and_train(
    frame: pd.DataFrame, dataset: str, objective: str
) -> tuple[pd.Series, pd.Series] | None:
    """Fig. 2d by seed: the mean over the shares between 0 and 1, and the training data alone."""
    test = sweep(frame, dataset, "supervised_learning", objective=objective)
    mixtures = [share for share in test if 0 < share < 1]
    if 0 not in test or not mixtures:
        return None
    return test[mixtures].mean(axis=1), test[0]


def harm_without_teacher(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Without a teacher: the training data alone - the mean over the mixtures."""
    accuracies = mixtures_and_train(frame, dataset, "supervised")
    if accuracies is None:
        return None
    mixtures, train = accuracies
    return contrast(frame, (1, train), (-1, mixtures))


def augmentation(frame: pd.DataFrame, dataset: str) -> dict[str, pd.Series]:
    """The arms of Fig. 2b by seed; the teacher is trained with flips when the student is."""
    rows = frame[(frame.dataset == dataset) & (frame.experiment == "augmentation")]
    if rows.empty:
        return {}
    teacher_has_flips = rows.teacher.str.endswith("+flips")
    with_flips = rows[teacher_has_flips]
    without_flips = rows[~teacher_has_flips]
    return {
        "both": by_seed(with_flips, dataset, "augmentation", "train+gan", flips=1),
        "gan": by_seed(without_flips, dataset, "augmentation", "train+gan", flips=0),
        "flips": by_seed(with_flips, dataset, "augmentation", "train", flips=1),
        "neither": by_seed(without_flips, dataset, "augmentation", "train", flips=0),
    }


def flips_and_gan_above_either(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Both - the better of one alone."""
    arms = augmentation(frame, dataset)
    if not arms:
        return None
    return worst([contrast(frame, (1, arms["both"]), (-1, arms[one])) for one in ("gan", "flips")])


def flips_above_neither(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Training data with flips - training data without."""
    arms = augmentation(frame, dataset)
    if not arms:
        return None
    return contrast(frame, (1, arms["flips"]), (-1, arms["neither"]))


def train_ahead_at_start(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Accuracy with the training data - with the mixture, at the first evaluation."""
    rows = frame[(frame.experiment == "l2") & (frame.dataset == dataset)]
    if rows.empty:
        return None
    first = rows.epoch.min()
    train = by_seed(frame, dataset, "l2", "train", final=False, epoch=first)
    mixture = by_seed(frame, dataset, "l2", "train+gan", final=False, epoch=first)
    return contrast(frame, (1, train), (-1, mixture))


def loss_above_that_of_train(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """Loss on the compression set at the end: mixture - training data."""
    mixture = by_seed(frame, dataset, "l2", "train+gan", part="train", metric="loss")
    train = by_seed(frame, dataset, "l2", "train", part="train", metric="loss")
    return interval_of(mixture - train)


def teachers_know_training_images(frame: pd.DataFrame, dataset: str) -> Interval | None:
    """The worst over the teachers of their accuracy on the training images - PERFECT.

    Trained once a teacher is one value; with several sets it has an interval over them.
    """
    rows = frame[
        (frame.dataset == dataset)
        & (frame.student == "none")
        & (frame.source == "none")
        & (frame.split == "train")
        & (frame.metric == "accuracy")
        & frame.experiment.isin(["teacher", *(f"pair_{number}" for number in PAIRS)])
    ]
    intervals = []
    for _, rows_of_teacher in rows.groupby("teacher"):
        accuracies = rows_of_teacher.groupby("seed", dropna=False).value.mean()
        intervals.append(interval_of(accuracies - PERFECT))
    return worst(intervals)


# Whether training had ended.


def curves(frame: pd.DataFrame, dataset: str, source: str) -> pd.DataFrame:
    """Validation accuracy along the training of Fig. 1: a row for each seed, a column an epoch."""
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == "l2")
        & (frame.split == "validation")
        & (frame.metric == "accuracy")
        & (frame.source == source)
    ]
    if rows.empty:
        return pd.DataFrame()
    return rows.pivot_table(index="seed", columns="epoch", values="value")


def still_rises(*sources: str) -> StillRises:
    """Whether the curve of one of these sources rises at its end (`report.statistics.is_rising`).

    Then the difference between them at the end says little of where it leads.
    """

    def rises(frame: pd.DataFrame, dataset: str) -> bool:
        of_sources = [curves(frame, dataset, source) for source in sources]
        return any(is_rising(curve) for curve in of_sources if len(curve.columns))

    return rises


# Whose method it is.


def pair_method(number: int) -> MethodText:
    """The form of the distillation loss in Table 1: the paper's text, or the code it used."""

    def method(parameters: dict, frame: pd.DataFrame, dataset: str) -> str:
        pairs = parameters.get("pairs", [])
        variants = pairs[number - 1].get("variants", ["text"]) if len(pairs) >= number else ["text"]
        return f"the paper's; {LOSSES[variants[0]]}"

    return method


# What the paper prints.


def paper_gain(where: str, source: str, baseline: str) -> str:
    """The paper's accuracy of source - that of baseline, with its sign."""
    accuracy = paper_accuracy(f"{where}/{source}")
    return f"{accuracy - paper_accuracy(f'{where}/{baseline}'):+.3f}"


def paper_smallest_gain_of_pairs() -> str:
    """The paper's smallest gain of the mixture above training data in Table 1."""
    gains = [paper_gain(f"table1/pair_{number}", "train+gan", "train") for number in PAIRS]
    return f"{min(gains, key=float)} or more"


def paper_doubled_gain() -> str:
    """The paper's gain of the mixture - 2 * that of training data."""
    gain = paper_accuracy("fig1/gain/train+gan")
    return f"{gain - 2 * paper_accuracy('fig1/gain/train'):+.3f}"


def paper_gain_of_gan() -> str:
    """Version 1's accuracy of GAN data alone - that of training data; version 2 prints none."""
    gain = paper_accuracy("fig1/gan_v1") - paper_accuracy("fig1/train_v1")
    return f"{gain:+.3f} (version 1)"


def image_claim(
    id: str,
    section: str,
    words: str,
    measure: Measure,
    paper: str = "",
    *,
    notebook: str,
    **fields,
) -> Claim:
    """A claim about images; the paper's words stand beside CIFAR-10 only.

    fields: further fields of the claim.
    """
    of_cifar10: PaperText = text_on(paper, ("cifar10",))
    about = {"notebook": notebook, "shares_one_set": True, "paper": of_cifar10}
    return Claim(id, section, words, IMAGE_DATASETS, measure, **(about | fields))


def l2_claim(
    id: str, words: str, source: str, baseline: str, paper: str, section: str = "Sec. 3, Fig. 1a"
) -> Claim:
    """The claim that one curve of Fig. 1a ends above another."""
    return image_claim(
        id,
        section,
        words,
        accuracy_above("l2", source, baseline),
        paper,
        notebook="01_dnn_compression",
        still_rises=still_rises(source, baseline),
    )


def pair_claims(number: int) -> list[Claim]:
    """The claims about one row of Table 1."""
    return [
        image_claim(
            f"pair_{number}_mixture_over_train",
            "Sec. 3, Table 1",
            f"Distillation, pair {number}: training + GAN beats training data",
            accuracy_above(f"pair_{number}", "train+gan", "train"),
            paper_gain(f"table1/pair_{number}", "train+gan", "train"),
            notebook="01_dnn_compression",
            method=pair_method(number),
        ),
        image_claim(
            f"pair_{number}_train_over_student_only",
            "Sec. 3, Table 1",
            f"Distillation, pair {number}: compression with training data beats none",
            accuracy_above(f"pair_{number}", "train", "student_only"),
            paper_gain(f"table1/pair_{number}", "train", "student_only"),
            notebook="01_dnn_compression",
            method=pair_method(number),
        ),
    ]


def method_of_augmentation(parameters: dict, frame: pd.DataFrame, dataset: str) -> str:
    """Whether validation chose the mixture's share in chapter 03, as Fig. 1's, or had one only."""
    shares = parameters.get("p_fakes", [])
    return f"the paper's; p_fake fixed at {shares[0]:g}" if len(shares) == 1 else "the paper's"


CONTROL = method_text("ours: a control of random pixels, share chosen on validation")

CLAIMS = [
    l2_claim(
        "l2_mixture_over_train",
        "L2: training + GAN beats training data",
        "train+gan",
        "train",
        paper_gain("fig1", "train+gan", "train"),
    ),
    l2_claim(
        "l2_mixture_over_gan",
        "L2: training + GAN beats GAN data alone",
        "train+gan",
        "gan",
        "figure",
    ),
    l2_claim(
        "l2_gan_over_train",
        "L2: GAN data alone beat training data",
        "gan",
        "train",
        paper_gain_of_gan(),
    ),
    l2_claim(
        "l2_gan_over_student_only",
        "L2: compression with GAN data alone beats none",
        "gan",
        "student_only",
        "figure",
    ),
    l2_claim(
        "l2_train_over_student_only",
        "L2: compression with training data beats none",
        "train",
        "student_only",
        paper_gain("fig1", "train", "student_only"),
    ),
    image_claim(
        "l2_mixture_doubles_gain",
        "Sec. 3",
        "L2: training + GAN gains at least twice what training data gain",
        doubled_gain,
        paper_doubled_gain(),
        notebook="01_dnn_compression",
        still_rises=still_rises("train+gan", "train", "student_only"),
    ),
    image_claim(
        "l2_train_ahead_at_start",
        "Sec. 3, Fig. 1a",
        "Training data are ahead of the mixture at the start",
        train_ahead_at_start,
        "figure",
        notebook="01_dnn_compression",
    ),
    image_claim(
        "l2_train_overfits",
        "Sec. 3, Fig. 1b",
        "At the end the loss on the compression set is lower for training data",
        loss_above_that_of_train,
        "figure",
        notebook="01_dnn_compression",
    ),
    image_claim(
        "teachers_at_100",
        "Sec. 3",
        "Every teacher has 100% accuracy on the training images (at least 99.5%)",
        teachers_know_training_images,
        "100%",
        notebook="01_dnn_compression",
        method=method_text("ours: our own teachers"),
    ),
    image_claim(
        "pairs_mixture_over_train",
        "Sec. 1, contribution 2; Table 1",
        "Distillation, every pair: training + GAN beats training data",
        every_pair("train+gan", "train"),
        paper_smallest_gain_of_pairs(),
        notebook="01_dnn_compression",
        method=pair_method(1),
    ),
    *[claim for number in PAIRS for claim in pair_claims(number)],
    image_claim(
        "p_fake_every_share",
        "Sec. 3, Fig. 2a",
        "Every p_fake above 0 beats training data alone",
        every_share_above_train,
        "figure",
        notebook="02_p_fake_sweep",
    ),
    image_claim(
        "p_fake_interior",
        "Sec. 3, Fig. 2a",
        "A share between 0 and 1 beats both ends",
        share_between_above_ends,
        "figure",
        notebook="02_p_fake_sweep",
    ),
    image_claim(
        "p_fake_unimodal",
        "Sec. 3, Fig. 2a",
        "Accuracy rises to the best p_fake and falls after it (slopes)",
        rise_and_fall,
        "figure",
        notebook="02_p_fake_sweep",
    ),
    image_claim(
        "p_fake_above_half",
        "Sec. 3, Fig. 2a",
        "The best p_fake lies above 0.5: it beats the best one up to 0.5",
        share_above_half,
        "p_fake 0.8",
        notebook="02_p_fake_sweep",
    ),
    image_claim(
        "realism_l2",
        "ours, a control",
        "L2: GAN images beat noise, each at its best share",
        gan_above_noise("l2"),
        notebook="01_dnn_compression",
        method=CONTROL,
        still_rises=still_rises("train+gan", "noise"),
    ),
    image_claim(
        "realism_sweep",
        "ours, a control",
        "Over p_fake: GAN images beat noise, each at its best share",
        gan_above_noise("sweep"),
        notebook="02_p_fake_sweep",
        method=CONTROL,
    ),
    image_claim(
        "flips_and_gan",
        "Sec. 3, Fig. 2b",
        "Flips and GAN together beat either alone",
        flips_and_gan_above_either,
        "figure",
        notebook="03_augmentation",
        method=method_of_augmentation,
    ),
    image_claim(
        "flips_alone",
        "Sec. 3, Fig. 2b",
        "Flips alone help",
        flips_above_neither,
        "figure",
        notebook="03_augmentation",
    ),
    image_claim(
        "gan_epochs",
        "Sec. 3, Fig. 2c",
        "A student of GAN data is better after more GAN epochs (rank correlation)",
        rank_correlation_with_epochs,
        "figure",
        notebook="04_gan_quality",
    ),
    image_claim(
        "gan_harms_supervised",
        "Sec. 3, Fig. 2d",
        "Without a teacher mixtures with GAN data harm (mean over p_fake)",
        harm_without_teacher,
        "figure",
        notebook="05_supervised_learning",
    ),
]
