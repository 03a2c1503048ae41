"""The tables of chapters 00 to 05, made from their records.

In every function `frame` holds the rows of one record (`core.records.as_frame`). A cell is the
mean over seeds with its standard error, or the mean of a paired difference with its 95% interval,
that of the verdicts (`paired_difference`).
"""

import pandas as pd

from ganmc_utils.core.parameters import DnnCompression
from ganmc_utils.networks.claims import contrast, sweep
from ganmc_utils.networks.experiment import IMAGE_BASELINES
from ganmc_utils.report import plots, text
from ganmc_utils.report.paper import paper_accuracy

# The sources whose accuracy the paper prints.
PRINTED_SOURCES = ("teacher", "student_only", "train", "train+gan")

VARIANTS = {  # column of the settings: what its values mean
    "variant": {
        "li": "Pair 1, Li's code: T squared, mean over classes",
        "hinton": "Pair 1, Hinton et al.: T squared",
        "text": "Pair 1, the paper's text: no T squared",
    },
    "teacher_dropout": {
        0.0: "L2, teacher with dropout, off as it labels",
        1.0: "L2, the same teacher, dropout on as it labels",
    },
}


def final(
    frame: pd.DataFrame,
    experiment: str,
    part: str = "test",
    metric: str = "accuracy",
    **columns,
) -> pd.DataFrame:
    """The students of an experiment at the end of their training.

    columns: further conditions, each as column = value.
    """
    rows = frame[
        (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == metric)
        & (frame.student != "none")
        & (frame["last"] == 1)
    ]
    for column, value in columns.items():
        rows = rows[rows[column] == value]
    return rows


def teacher_score(
    frame: pd.DataFrame,
    experiment: str = "teacher",
    part: str = "test",
    name: str | None = None,
) -> float:
    """Accuracy of the experiment's teacher, mean over sets; name: where there are several."""
    rows = frame[
        (frame.experiment == experiment)
        & (frame.student == "none")
        & (frame.split == part)
        & (frame.metric == "accuracy")
    ]
    if name is not None:
        rows = rows[rows.teacher == name]
    return float(rows.value.mean())


def scores_of(rows: pd.DataFrame, source: str) -> pd.Series:
    """Values of one source, a Series over seeds; empty where it was not run."""
    return rows[rows.source == source].set_index("seed").value


def paired_difference(frame: pd.DataFrame, a: pd.Series, b: pd.Series) -> str:
    """The interval of a - b, test accuracies by seed, in words (`claims.contrast`)."""
    return text.difference_and_interval(contrast(frame, (1, a), (-1, b)))


def share_of_generated(rows: pd.DataFrame, source: str) -> float:
    """The share p_fake with which the students of a source were trained."""
    return rows[rows.source == source].p_fake.iloc[0]


def mixture_source(rows: pd.DataFrame) -> str:
    """The source that stands for the mixture: "gan" or "train" where validation chose an end."""
    return next(name for name in ("train+gan", "gan", "train") if name in set(rows.source))


def published(frame: pd.DataFrame, where: str, source: str) -> str:
    """The paper's accuracy in brackets, "" where it has none or the data are not the paper's."""
    if not where or source not in PRINTED_SOURCES or set(frame.dataset) != {"cifar10"}:
        return ""
    return text.in_brackets(paper_accuracy(f"{where}/{source}"))


def by_source(
    frame: pd.DataFrame, experiment: str, base: str = "train", paper: str = ""
) -> pd.DataFrame:
    """One row per source: share of generated samples, test accuracy, paired difference from base.

    paper: where the paper's accuracies stand, such as "fig1"; "" for none in brackets.
    """
    students = final(frame, experiment)
    base_scores = scores_of(students, base)
    rows = []
    for source in plots.STYLE:
        scores = scores_of(students, source)
        if scores.empty:
            continue
        difference = ""
        if source != base and len(base_scores):
            difference = paired_difference(frame, scores, base_scores)
        row = {
            "Source": plots.label(source),
            "Generated": f"{share_of_generated(students, source):.0%}",
            "Test accuracy": text.mean_and_error(scores) + published(frame, paper, source),
            f"Minus {plots.label(base).lower()}": difference,
            "n": str(len(scores)),
        }
        rows.append(row)
    return text.table_of(rows)


def table1(frame: pd.DataFrame, p: DnnCompression) -> pd.DataFrame:
    """Table 1: one row per pair, the paper's value in brackets.

    The mixture's share was chosen on validation.
    """
    rows = []
    for number, pair in enumerate(p.pairs, 1):
        experiment = f"pair_{number}"
        where = f"table1/{experiment}"
        students = final(frame, experiment)
        mixture = mixture_source(students)
        mixture_scores = scores_of(students, mixture)
        train_scores = scores_of(students, "train")
        fresh_scores = scores_of(students, "fresh")

        teacher = f"{teacher_score(frame, experiment):.3f}" + published(frame, where, "teacher")
        row = {
            "Pair": f"{pair.teacher.network} to {pair.student.network}",
            "Teacher": teacher,
        }
        for source, scores in (
            ("student_only", scores_of(students, "student_only")),
            ("train", train_scores),
            ("train+gan", mixture_scores),
        ):
            cell = text.mean_and_error(scores) + published(frame, where, source)
            row[plots.label(source)] = cell
        row["p_fake"] = f"{share_of_generated(students, mixture):.1f}"
        row["Mixture - training data"] = paired_difference(frame, mixture_scores, train_scores)
        if len(fresh_scores):
            row[plots.label("fresh")] = text.mean_and_error(fresh_scores)
        rows.append(row)
    return text.table_of(rows)


def shares(frame: pd.DataFrame, experiment: str, **setting) -> pd.DataFrame:
    """One row per p_fake: validation, test, and paired difference from training data alone."""
    dataset = frame.dataset.iloc[0]
    test = sweep(frame, dataset, experiment, "test", **setting)
    validation = sweep(frame, dataset, experiment, "validation", **setting)
    rows = []
    for share in test:
        row = {
            "p_fake": f"{share:.2g}",
            "Validation": text.mean_and_error(validation[share]),
            "Test": text.mean_and_error(test[share]),
            "Minus p_fake 0": "",
        }
        if share:
            row["Minus p_fake 0"] = paired_difference(frame, test[share], test[0])
        rows.append(row)
    return text.table_of(rows)


def flips(frame: pd.DataFrame) -> pd.DataFrame:
    """Fig. 2b: teachers and students with and without flips, with training data and mixture."""
    rows = []
    for (teacher, has_flips), students in final(frame, "augmentation").groupby(
        ["teacher", "flips"]
    ):
        mixture = mixture_source(students)
        mixture_scores = scores_of(students, mixture)
        train_scores = scores_of(students, "train")
        row = {
            "Teacher": f"{teacher} ({teacher_score(frame, name=teacher):.3f})",
            "Student": "flips" if has_flips else "no flips",
            plots.label("train"): text.mean_and_error(train_scores),
            plots.label("train+gan"): text.mean_and_error(mixture_scores),
            "p_fake": f"{share_of_generated(students, mixture):.1f}",
            "Difference": paired_difference(frame, mixture_scores, train_scores),
        }
        own_scores = scores_of(students, "own")
        if len(own_scores):
            row[plots.label("own")] = text.mean_and_error(own_scores)
            row["Its p_fake"] = f"{share_of_generated(students, 'own'):.1f}"
            row["Its difference"] = paired_difference(frame, own_scores, train_scores)
        rows.append(row)
    return text.table_of(rows)


def snapshots(frame: pd.DataFrame) -> pd.DataFrame:
    """Fig. 2c: students of GAN data alone, by the GAN's epochs."""
    students = final(frame, "gan_quality", source="gan")
    train_scores = scores_of(final(frame, "gan_quality"), "train")
    rows = []
    for epoch, students_of_epoch in students.groupby("gan_epoch"):
        scores = scores_of(students_of_epoch, "gan")
        row = {
            "GAN epochs": f"{epoch:.0f}",
            "Test accuracy": text.mean_and_error(scores),
            "Minus training data": paired_difference(frame, scores, train_scores),
        }
        rows.append(row)
    return text.table_of(rows)


def teacher_and_gan(frame: pd.DataFrame) -> pd.DataFrame:
    """Chapter 00: what the teacher knows, and how long the networks were trained."""
    rows = []
    for part in ("train", "validation", "test"):
        accuracy = teacher_score(frame, part=part)
        rows.append({"What": f"teacher, {part} accuracy", "Value": f"{accuracy:.3f}"})
    seconds = frame[frame.metric == "seconds"].groupby("experiment", sort=False).value
    for experiment, mean in seconds.mean().items():
        what = experiment.replace("gan", "GAN")
        rows.append({"What": f"{what}, training time", "Value": f"{mean:,.0f} s"})
    return text.table_of(rows)


def sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """Chapter 00: parameters of every network at the paper's size, and of those used here."""
    counts = frame[frame.metric == "parameters"]
    used_here = counts[counts.width.notna()] if "width" in counts else counts[:0]
    rows = []
    for count in counts.drop(used_here.index).itertuples():
        rows.append({"Network": count.student, "Width": "full", "Parameters": count.value})
    for count in used_here.itertuples():
        width = f"{count.width:.0f} (here)"
        rows.append({"Network": count.student, "Width": width, "Parameters": count.value})
    for row in rows:
        row["Parameters"] = f"{row['Parameters']:,.0f}"
    return text.table_of(rows)


def snapshot_choice(frame: pd.DataFrame) -> pd.DataFrame:
    """Chapter 00: the GAN's snapshots, and in how many trained sets each was chosen.

    The spread of their samples within a class, and the validation accuracy of a student that was
    trained briefly on each, by which one is chosen in each set.
    """
    spread_rows = frame[frame.experiment == "gan_spread"]
    choice_rows = frame[frame.experiment == "gan_choice"]
    if choice_rows.empty:
        return text.table_of([])
    spreads = spread_rows.groupby("gan_epoch").value.mean()
    set_seed = pd.to_numeric(choice_rows.seed).fillna(0).astype(int)
    by_set = choice_rows.assign(set_seed=set_seed)
    accuracy_by_set = by_set.pivot(index="set_seed", columns="gan_epoch", values="value")
    chosen = accuracy_by_set.idxmax(axis=1)
    rows = []
    for epoch, accuracies in choice_rows.groupby("gan_epoch").value:
        row = {
            "GAN epochs": f"{epoch:.0f}",
            "Spread within a class (real = 1)": f"{spreads[epoch]:.2f}",
            "Short student, validation": text.mean_and_error(accuracies) + mark(chosen, epoch),
        }
        rows.append(row)
    return text.table_of(rows)


def mark(chosen: pd.Series, epoch: int) -> str:
    """What is added where an epoch was chosen; chosen: the epoch of each set."""
    times = (chosen == epoch).sum()
    if times == 0:
        return ""
    return " (chosen)" if len(chosen) == 1 else f" (chosen in {times} of {len(chosen)} sets)"


def accuracy_by_share(
    frame: pd.DataFrame, experiment: str, source: str, objective: str
) -> pd.DataFrame:
    """Figs. 2a and 2d: accuracy by seed (rows) and share of the source's images (columns)."""
    if source == "gan":
        return sweep(frame, frame.dataset.iloc[0], experiment, objective=objective)
    return baseline_sweep(frame, source, experiment, objective=objective)


def baseline_sweep(
    frame: pd.DataFrame, source: str, experiment: str = "sweep", **setting
) -> pd.DataFrame:
    """Fig. 2a for another source: accuracy by seed (rows) and share of its images (columns).

    Share 0 is the training data alone.
    """
    end = final(frame, experiment, **setting)
    rows = end[end.source.isin(["train", "student_only", source])]
    return rows.pivot_table(index="seed", columns="p_fake", values="value")


def gain_parts(frame: pd.DataFrame) -> pd.DataFrame:
    """Chapter 01: what the mixture's gain over training data is made of, at the end of training.

    Each line is a paired difference on test. A part that any labelled image brings is in the
    mixture of noise, too; what is left of the gain is realism.
    """
    end = final(frame, "l2")
    controls = frame[(frame.experiment == "controls") & (frame.split == "test")]
    mixture = scores_of(end, mixture_source(end))
    others = {
        "Training data": scores_of(end, "train"),
        "Training data, stopped early on validation": scores_of_control(controls, "early_stopped"),
        "Training data, as many passes over it": scores_of_control(controls, "same_passes"),
        "Out-of-fold labels": scores_of(end, "train_oob"),
    }
    others |= {plots.label(source): scores_of(end, source) for source in IMAGE_BASELINES}
    rows = []
    for name, scores in others.items():
        if len(scores):
            row = {
                "Compared with": name,
                "Test accuracy": text.mean_and_error(scores),
                "Mixture minus it": paired_difference(frame, mixture, scores),
            }
            rows.append(row)
    return text.table_of(rows)


def scores_of_control(controls: pd.DataFrame, control: str) -> pd.Series:
    """Test accuracies by seed of the student of training data at another end of its training."""
    rows = controls[controls.control == control] if len(controls) else controls
    return rows.set_index("seed").value


def variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Chapter 01: forms of the distillation, and the teacher's dropout on and off as it labels."""
    end = final(frame, "variants")
    rows = []
    for column, words in VARIANTS.items():
        if column not in end:
            continue
        of_column = end[end[column].notna() & (end.source != "fresh")]
        for value, of_value in of_column.groupby(column):
            train = scores_of(of_value, "train")
            mixture = scores_of(of_value, mixture_source(of_value))
            row = {
                "What": words[value],
                plots.label("train"): text.mean_and_error(train),
                plots.label("train+gan"): text.mean_and_error(mixture),
                "Mixture minus training data": paired_difference(frame, mixture, train),
            }
            rows.append(row)
    return text.table_of(rows)
