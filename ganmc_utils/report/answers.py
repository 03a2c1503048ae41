"""What a book's records say, in sentences: each chapter's answer, and the findings of a book.

The sentences are made from the records of whatever book is built: the published one, a smoke test,
a reader's own. What a record does not hold is left out. Intervals are those of the claims
(`networks.claims`, `forests.claims`, `scores.claims`); `report.phrases` puts them into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ganmc_utils.core import profiles, records
from ganmc_utils.core.records import Record
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.report import plots, scoreboard, statistics
from ganmc_utils.report.claim import Judgement, judge_claim
from ganmc_utils.report.paper import has_scale_of_paper
from ganmc_utils.report.phrases import (
    POINTS,
    SCORE,
    caveat,
    change,
    compare,
    compare_on_each,
    count,
    dataset_in_words,
    listed,
    percent,
    sentence,
    with_bounds,
)
from ganmc_utils.report.statistics import Interval, correlation_interval, interval_of
from ganmc_utils.scores import claims as score_claims
from ganmc_utils.scores import tables as score_tables

NOT_RUN = "This chapter has not been run in this book."
CLAIMS = {claim.id: claim for claim in scoreboard.CLAIMS}

MIXTURE = "a student trained on the mixture"
OF_TRAINING_IMAGES = "one trained on training images alone"
OF_TRAINING_ROWS = "one trained on the training rows"
OF_GAN_ROWS = "one trained on rows of the pool"


@dataclass(frozen=True)
class Evidence:
    """One chapter's record and what the scoreboard of the same book says of its claims.

    Attributes:
        record: of the chapter.
        verdicts: the rows of the scoreboard's record; None where it has not been run.
    """

    record: Record
    verdicts: pd.DataFrame | None = None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows of the record, with what the intervals need of its parameters."""
        return scoreboard.evidence([self.record])

    @property
    def parameters(self) -> dict:
        """The parameters of the run."""
        return self.record.parameters

    @property
    def images(self) -> str:
        """The dataset of a chapter on networks."""
        return self.parameters["data"]["name"]

    @cached_property
    def tables(self) -> list[str]:
        """The datasets of chapter 06, but for the other preparations of one that is there."""
        tasks = self.parameters["datasets"]
        clean = [task["name"] for task in tasks if task.get("preparation", "clean") == "clean"]
        present = set(self.frame.dataset)
        return [name for name in clean or [task["name"] for task in tasks] if name in present]

    def judgement(self, claim_id: str, dataset: str | None = None) -> Judgement | None:
        """The verdict on a claim, on any dataset; None where the record lacks what it needs."""
        return judge_claim(CLAIMS[claim_id], self.frame, dataset or self.images)

    def reason(self, judgement: Judgement) -> str:
        """Why its verdict is open, as the scoreboard has it: it corrects the primary claims."""
        if self.verdicts is None:
            return judgement.reason
        rows = self.verdicts[
            (self.verdicts.metric == judgement.claim.id)
            & (self.verdicts.dataset == judgement.dataset)
        ]
        return str(rows.reason.iloc[0]) if len(rows) else judgement.reason

    def claimed(self, claim_id: str, other: str, unit=POINTS) -> str:
        """A claim's difference in words, with the reason where its verdict is open."""
        judgement = self.judgement(claim_id)
        if judgement is None:
            return ""
        words = compare(judgement.interval, other, unit)
        if judgement.interval.n < 2 or statistics.verdict(judgement.interval) == "inconclusive":
            return words
        return words + caveat(self.reason(judgement))


# What a run was


def runs_in_words(evidence: Evidence) -> str:
    """What the intervals of a chapter are taken over; "" of a single run."""
    parameters = evidence.parameters
    if evidence.record.notebook.startswith("00") and "sets" not in parameters:
        return ""
    if "datasets" in parameters:
        n = max(len(task["seeds"]) for task in parameters["datasets"])
        kind, shared = "split", "of each table, each with its own teacher and GANs"
    elif "score" in parameters:
        n = len(parameters["seeds"])
        kind, shared = "draw", "of samples from one GAN"
    elif "sets" in parameters:
        n = len(parameters["sets"])
        kind, shared = "replicate", "(each with its own images, teacher, GAN and students)"
    else:
        n = len(parameters["seeds"])
        kind, shared = "student", "of each kind, which share their images, teacher and GAN"
    return f"{count(n, kind)} {shared}" if n > 1 else ""


def data_in_words(evidence: Evidence) -> str:
    """The datasets of a chapter, and how many samples they train on."""
    parameters = evidence.parameters
    if "data" in parameters:
        n_train = parameters["data"]["n_train"]
        name = dataset_in_words(evidence.images, parameters)
        return f"{name}, {count(n_train, 'training image')}"
    return listed(dataset_in_words(name, parameters) for name in evidence.tables)


def size_in_words(evidence: Evidence) -> str:
    """Whether the runs have the paper's size."""
    if profiles.is_smoke_test(evidence.record):
        return "a smoke test, no evidence"
    names = evidence.tables if "datasets" in evidence.parameters else [evidence.images]
    of_paper = [name for name in names if has_scale_of_paper(evidence.parameters, name)]
    if len(of_paper) == len(names):
        return "at the paper's size"
    if not of_paper:
        return "not at the paper's size"
    return f"{listed(dataset_in_words(name) for name in of_paper)} at the paper's size"


def scale(evidence: Evidence) -> str:
    """A paragraph: what the brackets are, on which data, and how that compares with the paper."""
    runs = runs_in_words(evidence)
    brackets = f"In brackets: 95% intervals over {runs}." if runs else "One run: no intervals."
    metrics = points_in_words(evidence)
    return f"*{brackets} {metrics}Data: {data_in_words(evidence)}; {size_in_words(evidence)}.*"


def metrics_in_words(evidence: Evidence) -> str:
    """The scores of chapter 06, such as "AUC (accuracy for Higgs 1k)"; "" of other chapters."""
    if "datasets" not in evidence.parameters:
        return ""
    rows = evidence.frame[evidence.frame.metric.isin(["auc", "accuracy"])]
    metrics = rows[rows.dataset.isin(evidence.tables)].groupby("dataset").metric.first()
    of_accuracy = [dataset_in_words(name) for name in metrics[metrics == "accuracy"].index]
    if len(of_accuracy) == len(metrics):
        return "accuracy"
    return f"AUC (accuracy for {listed(of_accuracy)})" if of_accuracy else "AUC"


def points_in_words(evidence: Evidence) -> str:
    """What a point is worth in chapter 06; the others measure accuracy."""
    metrics = metrics_in_words(evidence)
    return f"A point is a hundredth of {metrics}. " if metrics else ""


def answer_of(evidence: Evidence, sentences: Iterable[str]) -> str:
    """The sentences that say something, more than three as a list, and a paragraph on the scale."""
    said = [sentence for sentence in sentences if sentence]
    if not said:
        return NOT_RUN
    is_long = len(said) > 3
    body = "\n".join(f"- {sentence}" for sentence in said) if is_long else " ".join(said)
    return f"{body}\n\n{scale(evidence)}"


# Sec. 3


def accuracies(evidence: Evidence, source: str, experiment: str = "l2") -> pd.Series:
    """Test accuracies of the students of a source by run; empty where it was not run."""
    return network_claims.by_seed(evidence.frame, evidence.images, experiment, source)


def difference(evidence: Evidence, a: pd.Series | None, b: pd.Series | None) -> Interval | None:
    """Interval of a - b, accuracies by run; None where a side is missing."""
    if a is None or b is None:
        return None
    return network_claims.contrast(evidence.frame, (1, a), (-1, b))


def compared(interval: Interval | None, other: str, unit=POINTS) -> str:
    """As `compare`; "" without an interval."""
    return "" if interval is None else compare(interval, other, unit)


def at_best_share(evidence: Evidence, experiment: str, *sources: str) -> pd.Series | None:
    """Test accuracies by run at the share that validation chooses; None where it was not run."""
    return network_claims.at_best_share(evidence.frame, evidence.images, experiment, sources)


def answer_00(evidence: Evidence) -> str:
    """How much the teacher overfits, and which GAN was chosen."""
    frame = evidence.frame
    rows = frame[(frame.experiment == "teacher") & (frame.metric == "accuracy")]
    by_part = rows.assign(run=numbered(rows.seed)).pivot_table(
        index="run", columns="split", values="value"
    )
    gap = difference(evidence, by_part["train"], by_part["test"])
    means = by_part.mean()
    sentences = [
        sentence(
            f"the teacher gets {percent(means['train'])} of its training images right and",
            f"{percent(means['test'])} of the test images: the room that GAN-MC has is a gap of",
            with_bounds(gap),
        )
    ]
    return answer_of(evidence, [*sentences, *chosen_gan(frame)])


def numbered(seeds: pd.Series) -> pd.Series:
    """Seeds of replicates; records of a single one have none, which is counted as 0."""
    return pd.to_numeric(seeds).fillna(0).astype(int)


def chosen_gan(frame: pd.DataFrame) -> list[str]:
    """Sentence: the epochs of the GAN that validation chose."""
    choice = frame[frame.experiment == "gan_choice"]
    if choice.empty:
        return []
    by_set = choice.assign(run=numbered(choice.seed)).pivot_table(
        index="run", columns="gan_epoch", values="value"
    )
    times = by_set.idxmax(axis=1).astype(int).value_counts().sort_index()
    last = int(max(by_set.columns))
    if len(times) == 1:
        chosen = count(times.index[0], "epoch")
    else:
        of_all = f"of {len(by_set)} replicates"
        chosen = listed(f"{epoch} epochs ({n} {of_all})" for epoch, n in times.items())
    return [
        sentence(
            f"the GAN was trained for {count(last, 'epoch')}; validation picks its snapshot after",
            chosen,
        )
    ]


def answer_01(evidence: Evidence) -> str:
    """What the mixture gains, what of it any image brings, and how distillation fares."""
    over_train = evidence.claimed("l2_mixture_over_train", OF_TRAINING_IMAGES)
    sentences = [
        sentence(MIXTURE, over_train) if over_train else "",
        what_any_image_brings(evidence),
        what_flips_bring(evidence),
        distillation(evidence),
    ]
    return answer_of(evidence, sentences)


def noise_comparison(evidence: Evidence) -> tuple[Interval, Interval] | None:
    """Noise at its best share - training images alone, and GAN images at theirs - noise."""
    noise = at_best_share(evidence, "l2", "noise")
    over_noise = evidence.judgement("realism_l2")
    if noise is None or over_noise is None:
        return None
    over_train = difference(evidence, noise, accuracies(evidence, "train"))
    return None if over_train is None else (over_train, over_noise.interval)


def what_any_image_brings(evidence: Evidence) -> str:
    """Sentence: noise that the teacher labels, against training images and the mixture."""
    intervals = noise_comparison(evidence)
    if intervals is None:
        return ""
    over_train, of_gan = intervals
    return sentence(
        "with noise in place of the GAN's images a student",
        f"{compare(over_train, OF_TRAINING_IMAGES)};",
        f"the mixture with GAN images {compare(of_gan, 'that')}",
    )


def flips_over_mixture(evidence: Evidence) -> Interval | None:
    """Flips with crops - the mixture of training and GAN images."""
    of_flips = accuracies(evidence, "flips")
    return difference(evidence, of_flips, accuracies(evidence, "train+gan"))


def what_flips_bring(evidence: Evidence) -> str:
    """Sentence: flips with crops against the mixture."""
    against = flips_over_mixture(evidence)
    if against is None:
        return ""
    return sentence(
        "a student trained on flipped and cropped images, which need no GAN,",
        compare(against, "one trained on the mixture"),
    )


def distillation(evidence: Evidence) -> str:
    """Sentence: the mixture against training images in the pairs of Table 1."""
    intervals = {}
    for number in network_claims.PAIRS:
        judgement = evidence.judgement(f"pair_{number}_mixture_over_train")
        if judgement is not None:
            intervals[f"pair {number}"] = judgement.interval
    if not intervals:
        return ""
    against = compare_on_each(intervals, "training images alone").replace(" on pair", " in pair")
    is_text = all(has_loss_of_text(evidence, number) for number in network_claims.PAIRS)
    loss = ", with a loss in which the teacher has little weight" if is_text else ""
    return sentence(f"in distillation (Table 1{loss}) the mixture {against}")


def has_loss_of_text(evidence: Evidence, number: int) -> bool:
    """Whether a pair of Table 1 was trained with the loss of the paper's text alone."""
    pairs = evidence.parameters.get("pairs", [])
    if len(pairs) < number:
        return True
    return pairs[number - 1].get("variants", ["text"]) == ["text"]


def answer_02(evidence: Evidence) -> str:
    """Which share of GAN images is best, and how it stands against the ends and the baselines."""
    test = network_claims.sweep(evidence.frame, evidence.images, "sweep")
    if test.empty:
        return NOT_RUN
    best = network_claims.best_on_validation(evidence.frame, evidence.images, list(test))
    ends = {0: "training images alone", 1: "GAN images alone"}
    against_ends = [
        compare(difference(evidence, test[best], test[end]), words)
        for end, words in ends.items()
        if end in test and end != best
    ]
    judgement = evidence.judgement("p_fake_interior")
    reason = caveat(evidence.reason(judgement)) if judgement and 0 < best < 1 else ""
    sentences = [
        sentence(
            f"validation chooses p_fake = {best:.2g}; on test this student",
            listed(against_ends).replace(" and is ", " and ") + reason,
        ),
        peak(evidence),
        best_baseline(evidence, "sweep"),
    ]
    return answer_of(evidence, sentences)


PEAK = {
    "confirmed": "accuracy rises up to the best share and falls after it",
    "inconclusive": "whether accuracy has one peak over p_fake stays open",
    "refuted": "accuracy does not rise to one peak and fall after it",
}


def peak(evidence: Evidence) -> str:
    """Sentence: whether the curve over p_fake rises and falls."""
    judgement = evidence.judgement("p_fake_unimodal")
    if judgement is None:
        return ""
    return sentence(PEAK[judgement.verdict])


NO_GAN = ("flips", "jitter", "mixup", "noise", "shuffled")


def best_baseline(evidence: Evidence, experiment: str) -> str:
    """Sentence: the best source without a GAN, by validation, against the GAN's best share."""
    name = best_source_of_images(evidence, experiment, NO_GAN)
    gan = at_best_share(evidence, experiment, "train+gan", "gan")
    if name is None or gan is None:
        return ""
    against = difference(evidence, at_best_share(evidence, experiment, name), gan)
    return sentence(
        f"among the sources that need no GAN, validation prefers {in_a_sentence(name)}, whose best",
        f"share {compare(against, 'that of GAN images')}",
    )


def in_a_sentence(source: str) -> str:
    """The label of a source inside a sentence: only names keep their capitals."""
    label = plots.label(source)
    keeps_capital = label.split()[0].rstrip(",").isupper()
    return label if keeps_capital else label[0].lower() + label[1:]


def best_source_of_images(
    evidence: Evidence, experiment: str, sources: Sequence[str]
) -> str | None:
    """The source whose best share does best on validation; None where none of them was run."""
    rows = evidence.frame[
        (evidence.frame.dataset == evidence.images)
        & (evidence.frame.experiment == experiment)
        & (evidence.frame.split == "validation")
        & (evidence.frame.metric == "accuracy")
        & evidence.frame.source.isin(sources)
    ]
    if "last" in rows:
        rows = rows[rows["last"] == 1]
    if rows.empty:
        return None
    return rows.groupby(["source", "p_fake"]).value.mean().groupby("source").max().idxmax()


def answer_03(evidence: Evidence) -> str:
    """What flips, GAN images and both together bring."""
    arms = network_claims.augmentation(evidence.frame, evidence.images)
    if not arms:
        return NOT_RUN
    alone = {"flips": "flips alone", "gan": "GAN images alone"}
    sentences = [
        sentence(
            f"with {words} a student",
            compared(difference(evidence, arms[arm], arms["neither"]), "one without either"),
        )
        for arm, words in alone.items()
        if len(arms[arm])
    ]
    both = evidence.claimed("flips_and_gan", "one with the better of the two alone")
    if both:
        sentences.append(sentence("with both together a student", both))
    return answer_of(evidence, sentences)


RANKS = {
    "confirmed": "students of GAN images get better as the GAN trains for longer",
    "inconclusive": "that students get better as the GAN trains for longer is not shown",
    "refuted": "students of GAN images get worse as the GAN trains for longer",
}


def answer_04(evidence: Evidence) -> str:
    """Whether students get better with the GAN's epochs, and whether its images ever suffice."""
    judgement = evidence.judgement("gan_epochs")
    snapshots = of_snapshots(evidence)
    if judgement is None or snapshots.empty:
        return NOT_RUN
    correlation = with_bounds(judgement.interval, SCORE)
    first, last = snapshots.columns[0], snapshots.columns[-1]
    gain = difference(evidence, snapshots[last], snapshots[first])
    train = accuracies(evidence, "train", "gan_quality")
    against = compared(difference(evidence, snapshots[last], train), OF_TRAINING_IMAGES)
    sentences = [
        sentence(
            RANKS[judgement.verdict],
            f"(rank correlation of accuracy with epochs {correlation})"
            + caveat(evidence.reason(judgement)),
        ),
        sentence(
            f"after {last:.0f} epochs of the GAN its student",
            compared(gain, f"that of epoch {first:.0f}"),
            f"and {against.removeprefix('is ')}" if against else "",
        ),
    ]
    return answer_of(evidence, sentences)


def of_snapshots(evidence: Evidence) -> pd.DataFrame:
    """Test accuracy of students of GAN images by run (rows) and epochs of the GAN (columns)."""
    frame = evidence.frame
    rows = frame[
        (frame.experiment == "gan_quality")
        & (frame.split == "test")
        & (frame.metric == "accuracy")
        & (frame.source == "gan")
    ]
    if rows.empty:
        return pd.DataFrame()
    return rows.pivot_table(index="seed", columns="gan_epoch", values="value")


def answer_05(evidence: Evidence) -> str:
    """What the same GAN images do with labels and with the teacher's predictions."""
    sentences = []
    for objective, words in (
        ("supervised", "trained on labels, without a teacher,"),
        ("l2", "trained on the teacher's predictions for the same images,"),
    ):
        about = (evidence.frame, evidence.images, objective)
        accuracies = network_claims.mixtures_and_train(*about)
        if accuracies is not None:
            over_train = difference(evidence, *accuracies)
            comparison = compare(over_train, OF_TRAINING_IMAGES)
            if objective == "supervised" and statistics.verdict(over_train) != "inconclusive":
                comparison += caveat(evidence.reason(evidence.judgement("gan_harms_supervised")))
            sentences.append(sentence(words, "a student of the mixtures", comparison))
    if sentences:
        sentences.append("Both are means over all shares p_fake between 0 and 1.")
    return answer_of(evidence, sentences)


# Sec. 4


def tree_against(
    evidence: Evidence, source: str, baseline: str, other: str, claim_id: str = "", **which
) -> str:
    """What the intervals of one tree of a source against another say, table by table.

    claim_id: of the claim about it, whose verdict may be open for a reason of its own.
    """
    measure = forest_claims.score_above(source, baseline, **which)
    intervals, notes = {}, {}
    for dataset in evidence.tables:
        interval = measure(evidence.frame, dataset)
        if interval is None:
            continue
        name = dataset_in_words(dataset)
        intervals[name] = interval
        judgement = evidence.judgement(claim_id, dataset) if claim_id else None
        if judgement is not None and statistics.verdict(interval) != "inconclusive":
            notes[name] = evidence.reason(judgement)
    return compare_on_each(intervals, other, notes=notes) if intervals else ""


def answer_06(evidence: Evidence) -> str:
    """What GAN rows bring to one tree, what needs no GAN, and how small a student can be."""
    trees = [
        ("a tree trained on rows of our pool of GANs", of_gan_rows(evidence, "chosen")),
        ("with the paper's single GAN in place of the pool, it", of_gan_rows(evidence, "single")),
        (
            "a tree trained on jittered rows, which need no GAN,",
            tree_against(evidence, "jitter", "gan", OF_GAN_ROWS),
        ),
        (
            "a tree trained on out-of-bag labels of the training rows, which cost nothing,",
            tree_against(evidence, "train_oob", "gan", OF_GAN_ROWS),
        ),
    ]
    sentences = [sentence(subject, against) for subject, against in trees if against]
    sentences.append(smallest_students(evidence))
    return answer_of(evidence, sentences)


def of_gan_rows(evidence: Evidence, gan: forest_claims.Gan) -> str:
    """One tree of GAN rows against one of training rows, table by table."""
    claim_id = "gan_over_train" + forest_claims.LINE_IDS[gan, "main"]
    return tree_against(evidence, "gan", "train", OF_TRAINING_ROWS, claim_id, gan=gan)


def smallest_students(evidence: Evidence) -> str:
    """Sentence: nodes that the small students of GAN rows save, and what they lose."""
    phrases = []
    for dataset in evidence.tables:
        about = (evidence.frame, dataset)
        nodes = forest_claims.small_students(*about, "fewer_nodes")
        losses = forest_claims.small_students(*about, "loss")
        if len(nodes) == 0 or len(losses) == 0:
            continue
        fewer = f"{np.median(nodes):,.0f} times fewer" + ("" if phrases else " nodes")
        facts = [f"test loss {with_bounds(interval_of(losses))}"]
        within = forest_claims.small_students(*about, "within_limit")
        if len(within):
            facts.append(f"limit kept on validation in {within.sum():.0f} of {len(within)} splits")
        phrases.append(f"{fewer} on {dataset_in_words(dataset)} ({'; '.join(facts)})")
    if not phrases:
        return ""
    limit = POINTS.amount(forest_claims.MARGIN)
    return sentence(
        "small forests of training and GAN rows, chosen to lose at most",
        f"{limit} on validation where any do, have {listed(phrases)}",
    )


# Sec. 5


def answer_07(evidence: Evidence) -> str:
    """How the scores rate a spoilt GAN, and which of them see known damage."""
    sentences = [
        *inferior_gan(evidence),
        sentence(known_orders(evidence)),
        sentence(within_class(evidence)),
        sentence(missed_damage(evidence)),
    ]
    return answer_of(evidence, sentences)


def inferior_gan(evidence: Evidence) -> list[str]:
    """Sentences: two scores of the GAN after epochs on its class loss, the paper's and ours."""
    epochs = {
        True: f"the paper's {score_claims.PAPER_INFERIOR_EPOCHS} epochs",
        False: count(max(evidence.parameters["inferior_epochs"]), "epoch"),
    }
    sentences = []
    for papers in (True, False):
        changes = changes_of_inferior(evidence, papers=papers)
        when = f"when the GAN trains on for {epochs[papers]} with its class loss alone,"
        if sentences:
            when = f"after {epochs[papers]}, more than the paper's,"
        if changes:
            sentences.append(sentence(when, " and ".join(changes)))
    return sentences


def changes_of_inferior(evidence: Evidence, *, papers: bool) -> list[str]:
    """What two scores of the GAN do; papers: after the paper's epochs, not at the end of ours."""
    changes = []
    for metric in ("compression_score", "inception_score"):
        measure = score_claims.inferior_above(metric, "inferior", "gan", papers=papers)
        interval = measure(evidence.frame, evidence.images)
        if interval is not None:
            changes.append(f"the {label_of(metric)} {change(interval, SCORE)}")
    return changes


def label_of(metric: str) -> str:
    """What readers call a score."""
    return score_claims.METRICS[metric].label


DAMAGE = {
    "real_share": "GAN images among real ones",
    "distinct": "fewer distinct images",
    "within_class": "collapse within each class",
    "blur": "blur",
    "label_noise": "wrong labels",
}
COMPARED_SCORES = ("compression_score", "inception_score", "fid")


def series_of(evidence: Evidence) -> list[str]:
    """The series of images in a known order of quality that were run."""
    return score_tables.series_of(evidence.frame) if "series" in evidence.frame else []


def agreement(evidence: Evidence, series: str, metric: str) -> Interval | None:
    """Kendall's tau of a score with the known order of a series, over draws."""
    return correlation_interval(score_claims.order_agreement(evidence.frame, series, metric))


def known_orders(evidence: Evidence) -> str:
    """How many of the known orders three scores see in every draw."""
    n = len(series_of(evidence))
    if n == 0:
        return ""
    right = score_tables.rightly_ordered(evidence.frame)
    first, *others = COMPARED_SCORES
    of_others = listed(f"{label_of(metric)} {right[metric]}" for metric in others)
    return (
        f"of {n} kinds of growing damage to real images the {label_of(first)} puts {right[first]} "
        f"in their right order in every draw ({of_others})"
    )


def within_class(evidence: Evidence) -> str:
    """What Compression Score and Inception Score say of collapse within each class."""
    if "within_class" not in series_of(evidence):
        return ""
    phrases = []
    for metric in ("compression_score", "inception_score"):
        interval = agreement(evidence, "within_class", metric)
        phrases.append(f"{with_bounds(interval, SCORE)} for the {label_of(metric)}")
    return f"for {DAMAGE['within_class']} Kendall's tau with the right order is {listed(phrases)}"


def missed_damage(evidence: Evidence) -> str:
    """The damage that the Compression Score does not see, and whether FID does.

    The score cannot see wrong labels, whatever the interval: it never reads them.
    """
    missed, unseen = [], ""
    for series in series_of(evidence):
        ours = agreement(evidence, series, "compression_score")
        if ours.n < 2 or statistics.verdict(ours) == "confirmed":
            continue
        of_fid = statistics.verdict(agreement(evidence, series, "fid")) == "confirmed"
        beside = "; FID sees it" if of_fid else ""
        words = f"{DAMAGE[series]} (tau {with_bounds(ours, SCORE)}{beside})"
        if series == "label_noise":
            unseen = f"cannot see {words}, because the teacher relabels every sample"
        else:
            missed.append(words)
    phrases = [f"is not shown to see {listed(missed)}"] if missed else []
    phrases += [unseen] if unseen else []
    return f"the Compression Score {' and '.join(phrases)}" if phrases else ""


# A model of one's own


OWN_MODEL = "09_your_own_model"


def answer_own_model(record: Record) -> str:
    """How small the student of chapter 09 became, and whether it needed its teacher."""
    frame = records.as_frame(record)
    frame = frame[frame.experiment == "own_model"]
    if frame.empty:
        return NOT_RUN
    of_teacher, of_student = (frame[frame.model == name] for name in ("teacher", "student"))
    losses = own_values(of_student, "loss")
    limit = POINTS.amount(record.parameters["max_loss"])
    fewer = own_values(of_teacher, "nodes") / own_values(of_student, "nodes")
    size = f"has {fewer.median():,.0f} times fewer nodes and " if fewer.notna().all() else ""
    subject = f"the smallest student within {limit} of its teacher on validation {size}loses"
    of_family = frame[frame.model == frame.student + " on the labels"]
    gain = interval_of(own_values(of_family, "loss") - losses)
    other = "one of its family that was fitted to the labels and is no larger"
    place = dataset_in_words(frame.dataset.iloc[0])
    said = [
        sentence(f"on {place}, {subject}", f"{with_bounds(interval_of(losses))} on unseen rows"),
        sentence("it", compare(gain, other)),
    ]
    runs = f"{len(losses)} splits of the table, each with its own teacher"
    brackets = f"In brackets: 95% intervals over {runs}."
    return f"{' '.join(said)}\n\n*{brackets if len(losses) > 1 else 'One split: no intervals.'}*"


def own_values(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Values of one model of chapter 09 by seed."""
    return rows[rows.metric == metric].set_index("seed").value


ANSWERS: dict[str, Callable[[Evidence], str]] = {
    "00_teachers_and_gan": answer_00,
    "01_dnn_compression": answer_01,
    "02_p_fake_sweep": answer_02,
    "03_augmentation": answer_03,
    "04_gan_quality": answer_04,
    "05_supervised_learning": answer_05,
    "06_random_forests": answer_06,
    "07_compression_score": answer_07,
}
"""The answer of each chapter: sentences in Markdown from its record."""
