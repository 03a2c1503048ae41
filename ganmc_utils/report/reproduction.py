"""The table of the reproduction notes: where the paper's parts disagree, and what that changes.

    python -m ganmc_utils.report.reproduction OUT

reads OUT/records/*.json and writes OUT/tables/reproduction_notes.md, which the page
book/reproduction_notes.md includes. The words of each point are in book/reproduction_points.json;
its effect is measured by the function of EFFECTS that the point names. No result is typed.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ganmc_utils.core import paths, records
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.networks.claims import contrast
from ganmc_utils.report import plots, scoreboard, text
from ganmc_utils.report.phrases import dataset_in_words
from ganmc_utils.report.statistics import Interval, interval_of
from ganmc_utils.scores.claims import of_sets, score_difference

POINTS = paths.ROOT / "book" / "reproduction_points.json"
NOT_YET = "not yet measured"

Effect = Callable[[pd.DataFrame], dict[str, Interval | None]]
"""effect(frame): {what is subtracted from what: interval over seeds or None where a side lacks}."""


# Sec. 3: images


def variants(column: str, base: str | int, others: dict) -> Effect:
    """Effect: test accuracy of a variant of chapter 01 minus that of the base variant, by source.

    Args:
        column: of the setting of the rows of experiment "variants".
        base: its value in the base variant.
        others: {value of the column: what it is called}.
    """

    def effect(frame: pd.DataFrame) -> dict[str, Interval | None]:
        rows = frame[frame.experiment == "variants"]
        differences = {}
        for dataset, source in (
            rows[["dataset", "source"]].drop_duplicates().itertuples(index=False)
        ):
            place = dataset_in_words(dataset)
            about = (frame, dataset, "variants", source)
            base_accuracy = network_claims.by_seed(*about, **{column: base})
            for value, words in others.items():
                accuracy = network_claims.by_seed(*about, **{column: value})
                name = f"{place}, {plots.label(source)}: {words}"
                differences[name] = contrast(rows, (1, accuracy), (-1, base_accuracy))
        return differences

    return effect


def l2_difference(source: str, baselines: list[str]) -> Effect:
    """Effect: test accuracy of a source in Fig. 1 minus that of each baseline."""

    def effect(frame: pd.DataFrame) -> dict[str, Interval | None]:
        rows = frame[frame.experiment == "l2"]
        differences = {}
        for dataset in network_claims.IMAGE_DATASETS:
            place = dataset_in_words(dataset)
            accuracy = network_claims.by_seed(frame, dataset, "l2", source)
            for baseline in baselines:
                other = network_claims.by_seed(frame, dataset, "l2", baseline)
                name = f"{place}: {plots.label(source)} - {plots.label(baseline)}"
                differences[name] = contrast(rows, (1, accuracy), (-1, other))
        return differences

    return effect


def mixture_above_controls(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: the mixture of Fig. 1 minus training data stopped early, or for as many passes."""
    controls = {"early_stopped": "stopped early", "same_passes": "for as many passes"}
    rows = frame[frame.experiment == "controls"]
    differences = {}
    for dataset in network_claims.IMAGE_DATASETS:
        place = dataset_in_words(dataset)
        mixture = network_claims.by_seed(frame, dataset, "l2", "train+gan")
        for control, words in controls.items():
            about = (frame, dataset, "controls", "train")
            accuracy = network_claims.by_seed(*about, final=False, control=control)
            name = f"{place}: {plots.label('train+gan')} - {plots.label('train')} {words}"
            differences[name] = contrast(rows, (1, mixture), (-1, accuracy))
    return differences


# Sec. 4: tables


def one_tree(
    frame: pd.DataFrame, dataset: str, source: str, experiment: str = "compression", **setting
) -> pd.Series:
    """Test scores of one tree of a dataset's main teacher, by seed; empty where it was not run.

    setting: further conditions as column = value. Rows whose labels are out-of-bag predictions are
    left out unless labels="oob" asks for them.
    """
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == experiment)
        & (frame.split == "test")
        & (frame.source == source)
        & frame.metric.isin(["auc", "accuracy"])
        & (frame.teacher == forest_claims.main_teacher(frame, dataset))
    ]
    if "labels" in rows and "labels" not in setting:
        rows = rows[rows.labels.isna()]
    rows = network_claims.with_setting(rows, {"trees": 1} | setting)
    return rows.groupby("seed").value.mean()


def datasets_of_forests(frame: pd.DataFrame) -> list[str]:
    """The tables of Table 3 that the records hold."""
    return [name for name in forest_claims.TABLE_DATASETS if name in set(frame.dataset)]


def one_tree_difference(source: str, baseline: str) -> Effect:
    """Effect: test score of one tree of a source minus that of a baseline."""

    def effect(frame: pd.DataFrame) -> dict[str, Interval | None]:
        differences = {}
        for dataset in datasets_of_forests(frame):
            place = dataset_in_words(dataset)
            difference = one_tree(frame, dataset, source) - one_tree(frame, dataset, baseline)
            name = f"{place}: {plots.label(source)} - {plots.label(baseline)}"
            differences[name] = interval_of(difference)
        return differences

    return effect


def out_of_bag(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: one tree of out-of-bag labels minus one of the usual ones; alone, with GAN rows."""
    differences = one_tree_difference("train_oob", "train")(frame)
    for dataset in datasets_of_forests(frame):
        place = dataset_in_words(dataset)
        usual = one_tree(frame, dataset, "train+gan")
        mixed = one_tree(frame, dataset, "train+gan", labels="oob")
        name = f"{place}: {plots.label('train+gan')}, out-of-bag - usual labels"
        differences[name] = interval_of(mixed - usual)
    return differences


def pool_above_single_gan(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: one tree of the pool of GANs minus one of the paper's single GAN."""
    differences = {}
    for dataset in datasets_of_forests(frame):
        place = dataset_in_words(dataset)
        single = one_tree(frame, dataset, "gan", "single_gan")
        pool = one_tree(frame, dataset, "gan")
        differences[f"{place}: pool - one GAN"] = interval_of(pool - single)
    return differences


def teacher_scores(frame: pd.DataFrame, dataset: str, teacher: str) -> pd.Series:
    """Test scores of a teacher of a table, by seed."""
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == "teacher")
        & (frame.split == "test")
        & (frame.teacher == teacher)
    ]
    return rows.groupby("seed").value.mean()


def max_features(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: test score of the teacher with max_features sqrt minus that with none."""
    differences = {}
    for dataset in datasets_of_forests(frame):
        place = dataset_in_words(dataset)
        sqrt = teacher_scores(frame, dataset, "forest_sqrt")
        none = teacher_scores(frame, dataset, "forest_none")
        differences[f"{place}: teacher, sqrt - none"] = interval_of(sqrt - none)
    return differences


def preparation(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: the authors' preparation of MAGIC minus the clean one, of teacher and tree."""
    teacher = forest_claims.main_teacher(frame, "magic")
    authors = teacher_scores(frame, "magic_authors", teacher)
    clean = teacher_scores(frame, "magic", teacher)
    tree_of_authors = one_tree(frame, "magic_authors", "train")
    clean_tree = one_tree(frame, "magic", "train")
    return {
        "MAGIC: teacher, authors' - clean": interval_of(authors - clean),
        "MAGIC: tree of training data, authors' - clean": interval_of(tree_of_authors - clean_tree),
    }


# Sec. 5: scores


def epochs_on_class_loss(frame: pd.DataFrame) -> dict[str, Interval | None]:
    """Effect: the Compression Score of the GAN minus that after each number of further epochs."""
    rows = frame[frame.experiment.isin(["generators", "real"])]
    scores = of_sets(rows, "compression_score")
    differences = {}
    for samples in sets_on_the_way(scores):
        words = "all epochs (the inferior GAN)"
        if samples != "inferior":
            words = f"{samples.removeprefix('inferior ')} epochs"
        name = f"Compression Score: before - after {words}"
        differences[name] = score_difference(rows, "compression_score", "gan", samples)
    return differences


def sets_on_the_way(scores: pd.DataFrame) -> list[str]:
    """The sets on the way to the inferior GAN among the columns of scores, in their order."""
    epochs = [int(name.split()[1]) for name in scores if str(name).startswith("inferior ")]
    if "inferior" not in scores:
        return []
    return [*(f"inferior {epoch}" for epoch in sorted(epochs)), "inferior"]


EFFECTS: dict[str, Effect] = {
    "loss_variant": variants(
        "variant", "text", {"hinton": "T squared - the text's loss", "li": "Li's - the text's loss"}
    ),
    "teacher_dropout": variants("teacher_dropout", 0, {1: "teacher with dropout - without"}),
    "realism": l2_difference("train+gan", ["noise", "shuffled"]),
    "controls": mixture_above_controls,
    "out_of_fold": l2_difference("train_oob", ["train"]),
    "out_of_bag": out_of_bag,
    "independent": one_tree_difference("gan", "independent"),
    "jitter": one_tree_difference("jitter", "gan"),
    "munge": one_tree_difference("munge_authors", "munge"),
    "single_gan": pool_above_single_gan,
    "max_features": max_features,
    "preparation": preparation,
    "epochs_on_class_loss": epochs_on_class_loss,
}


def points() -> list[dict]:
    """Every point: number (of the list that it comes from), where, disagreement, ours, effect."""
    return json.loads(POINTS.read_text())


def effect_in_words(name: str | None, frame: pd.DataFrame) -> str:
    """The measured effect of a point, one difference a line; name: of EFFECTS, None: no effect."""
    if name is None:
        return ""
    differences = EFFECTS[name](frame)
    measured = [
        f"{words}: {text.difference_and_interval(interval)}, n = {interval.n}"
        for words, interval in differences.items()
        if interval is not None
    ]
    return "<br>".join(measured) or NOT_YET


def notes_table(run_records: list[records.Record]) -> pd.DataFrame:
    """The table of the page: one row per point, in the order of the file."""
    frame = records.as_frame(*run_records)
    rows = [
        {
            "Where": point["where"],
            "Text, figures and code": point["disagreement"],
            "What we do": point["ours"],
            "Measured effect": effect_in_words(point["effect"], frame),
        }
        for point in points()
    ]
    return text.table_of(rows)


def write_notes(out: Path) -> Path:
    """Make out/tables/reproduction_notes.md from out/records; returns its path."""
    run_records = scoreboard.records_in(out / "records")
    path = out / "tables" / "reproduction_notes.md"
    paths.write_atomically(path, text.markdown(notes_table(run_records)) + "\n")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=write_notes.__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a folder that holds the records of a run")
    folder = parser.parse_args().out
    if not (folder / "records").is_dir():
        parser.error(f"{folder}: holds no records; run the chapters first")
    write_notes(folder)
