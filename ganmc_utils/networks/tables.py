"""The tables of chapters 00 to 05, made from their records."""

import pandas as pd

from ganmc_utils.forests.tables import difference_and_interval, mean_and_error, table_of
from ganmc_utils.networks.claims import sweep
from ganmc_utils.report import plots, statistics
from ganmc_utils.report.paper import paper_accuracy


def final(frame, experiment, part="test", metric="accuracy", **columns):
    """The students of an experiment at the end of their training; columns: name = value."""
    here = frame[
        (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.metric == metric)
        & (frame.student != "none")
    ]
    for column, value in {"last": 1, **columns}.items():
        here = here[here[column] == value]
    return here


def teacher_score(frame, experiment="teacher", part="test", name=None):
    """Accuracy of the experiment's teacher (the one of that name)."""
    here = frame[
        (frame.experiment == experiment)
        & (frame.student == "none")
        & (frame.split == part)
        & (frame.metric == "accuracy")
    ]
    return float((here if name is None else here[here.teacher == name]).value.iloc[0])


def said(frame, where, source):
    """The paper's accuracy in brackets, "" where it has none or the dataset is not the paper's."""
    known = (
        source in ("teacher", "student_only", "train", "train+gan")
        and where
        and set(frame.dataset) == {"cifar10"}
    )
    return f" ({paper_accuracy(f'{where}/{source}'):.3f})" if known else ""


def by_source(frame, experiment, base="train", paper=""):
    """One row per source: accuracy on test (the paper's at `paper` in brackets), the share of made rows, the paired
    difference from `base`."""
    found, rows = final(frame, experiment), []
    scored = {
        s: found[found.source == s].set_index("seed").value
        for s in plots.STYLE
        if s in set(found.source)
    }
    for s, values in scored.items():
        share = found[found.source == s].p_fake.iloc[0]
        rows.append(
            {
                "Source": plots.label(s),
                "Made rows": f"{share:.0%}",
                "Test accuracy": mean_and_error(values) + said(frame, paper, s),
            }
            | {
                f"Minus {plots.label(base).lower()}": difference_and_interval(
                    statistics.paired_interval(values, scored[base])
                )
                if s != base
                else "",
                "n": str(len(values)),
            }
        )
    return table_of(rows)


def table1(frame, p):
    """Table 1: one row per pair, the paper's value in brackets, the mixture's share chosen on validation."""
    rows = []
    for i, pair in enumerate(p.pairs, 1):
        found = final(frame, f"pair_{i}")
        scored = {
            s: found[found.source == s].set_index("seed").value
            for s in ("student_only", "train", "train+gan", "gan", "fresh")
        }
        mixture = "train+gan" if len(scored["train+gan"]) else "gan"
        where = f"table1/pair_{i}"
        rows.append(
            {
                "Pair": f"{pair.teacher.network} to {pair.student.network}",
                "Teacher": f"{teacher_score(frame, f'pair_{i}'):.3f}"
                + said(frame, where, "teacher"),
            }
            | {
                plots.label(s): mean_and_error(scored[s]) + said(frame, where, s)
                for s in ("student_only", "train")
            }
            | {
                plots.label("train+gan"): mean_and_error(scored[mixture])
                + said(frame, where, "train+gan"),
                "p_fake": f"{found[found.source == mixture].p_fake.iloc[0]:.1f}",
                "Mixture - training data": difference_and_interval(
                    statistics.paired_interval(scored[mixture], scored["train"])
                ),
            }
            | (
                {plots.label("fresh"): mean_and_error(scored["fresh"])}
                if len(scored["fresh"])
                else {}
            )
        )
    return table_of(rows)


def shares(frame, experiment, **setting):
    """One row per p_fake: accuracy on validation and test, paired difference from training data alone."""
    test, validation = (
        sweep(frame, frame.dataset.iloc[0], experiment, part, **setting)
        for part in ("test", "validation")
    )
    return table_of(
        [
            {
                "p_fake": f"{share:.2g}",
                "Validation": mean_and_error(validation[share]),
                "Test": mean_and_error(test[share]),
                "Minus p_fake 0": difference_and_interval(
                    statistics.paired_interval(test[share], test[0])
                )
                if share
                else "",
            }
            for share in test
        ]
    )


def best_share(frame, experiment):
    """(share with the best mean validation accuracy, its paired test difference from 0 and from 1)."""
    test, validation = (
        sweep(frame, frame.dataset.iloc[0], experiment, part) for part in ("test", "validation")
    )
    best = validation.mean().idxmax()
    return (
        best,
        statistics.paired_interval(test[best], test[0]),
        statistics.paired_interval(test[best], test[1]),
    )


def flips(frame):
    """Fig. 2b: teachers and students with and without flips, with training data and with the mixture."""
    found, rows = final(frame, "augmentation"), []
    for (teacher, turned), here in found.groupby(["teacher", "flips"]):
        by = {
            s: here[here.source == s].set_index("seed").value for s in ("train", "train+gan", "gan")
        }
        mixture = "train+gan" if len(by["train+gan"]) else "gan"
        rows.append(
            {
                "Teacher": f"{teacher} ({teacher_score(frame, name=teacher):.3f})",
                "Student": "flips" if turned else "no flips",
                plots.label("train"): mean_and_error(by["train"]),
                plots.label("train+gan"): mean_and_error(by[mixture]),
                "p_fake": f"{here[here.source == mixture].p_fake.iloc[0]:.1f}",
                "Difference": difference_and_interval(
                    statistics.paired_interval(by[mixture], by["train"])
                ),
            }
        )
    return table_of(rows)


def snapshots(frame):
    """Fig. 2c: students of GAN data alone, by the GAN's epochs."""
    found = final(frame, "gan_quality", source="gan")
    train = final(frame, "gan_quality", source="train").set_index("seed").value
    return table_of(
        [
            {
                "GAN epochs": f"{epoch:.0f}",
                "Test accuracy": mean_and_error(here.value),
                "Minus training data": difference_and_interval(
                    statistics.paired_interval(here.set_index("seed").value, train)
                ),
            }
            for epoch, here in found.groupby("gan_epoch")
        ]
    )


def cast(frame):
    """Chapter 00: what the teacher knows, what the GAN's snapshots are worth."""
    rows = [
        {"What": f"teacher, {part} accuracy", "Value": f"{teacher_score(frame, part=part):.3f}"}
        for part in ("train", "validation", "test")
    ]
    seconds = frame[frame.metric == "seconds"]
    return table_of(
        rows
        + [
            {"What": f"{r.experiment}, training time", "Value": f"{r.value:,.0f} s"}
            for r in seconds.itertuples()
        ]
    )


def sizes(frame):
    """Chapter 00: parameters of every network at the paper's size, and of those used here."""
    count = frame[frame.metric == "parameters"]
    here = count[count.width.notna()] if "width" in count else count[:0]
    return table_of(
        [
            {"Network": r.student, "Width": "full", "Parameters": f"{r.value:,.0f}"}
            for r in count.drop(here.index).itertuples()
        ]
        + [
            {
                "Network": r.student,
                "Width": f"{r.width:.0f} (here)",
                "Parameters": f"{r.value:,.0f}",
            }
            for r in here.itertuples()
        ]
    )


def ranked(frame):
    """Chapter 00: the GAN's snapshots: spread within a class, and the short student's validation accuracy that chooses."""
    spread = frame[frame.experiment == "gan_spread"].set_index("gan_epoch").value
    score = frame[frame.experiment == "gan_choice"].set_index("gan_epoch").value
    return pd.DataFrame(
        {
            "GAN epochs": [f"{e:.0f}" for e in score.index],
            "Spread within a class (real = 1)": [f"{spread[e]:.2f}" for e in score.index],
            "Short student, validation": [
                f"{v:.3f}" + (" (chosen)" if e == score.idxmax() else "") for e, v in score.items()
            ],
        }
    )
