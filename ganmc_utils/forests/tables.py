"""The tables of chapter 06, made from its record.

In every function `frame` holds the rows of the record (`core.records.as_frame`), `p` the
parameters of the chapter and `task` one of its datasets. A cell is the mean over seeds with its
standard error, or the mean of a paired difference with its 95% interval (`report.text`).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from ganmc_utils.core.parameters import ForestTask, RandomForests
from ganmc_utils.forests.small_students import LOSS_LIMITS
from ganmc_utils.report import plots, text
from ganmc_utils.report.claim import Measure
from ganmc_utils.report.paper import paper_score, published_number
from ganmc_utils.report.phrases import compare_on_each, dataset_in_words, sentence

# Sources that generate rows; fresh ones are collected.
GENERATED_SOURCES = (
    "gan",
    "jitter",
    "smote",
    "munge",
    "munge_authors",
    "independent",
    "own",
)

# What chapter 06 calls the rows of our pool, and those of the paper's single GAN.
GAN_NAMES = {
    "gan": "GAN pool",
    "one gan": "One GAN, as in the paper",
    "train+gan": "Training + GAN pool",
    "one train+gan": "Training + one GAN",
}

# What small_students calls the students of each experiment, and its columns of factors.
SMALL_STUDENTS = {
    "headline": "Best source",
    "headline_tree": "Best source, one tree",
    "headline_gan": GAN_NAMES["gan"],
}
FACTORS = {
    "fewer_nodes": "Fewer nodes",
    "fewer_bytes": "Fewer bytes",
    "speedup": "Faster",
    "speedup_batch_1": "Faster, one row",
}

# The columns of Table 2: metric, header, the paper's unit in ours, and how it is written.
TABLE_2 = (
    ("rows", "Rows", 1, ",.0f"),
    ("features", "Features", 1, ".0f"),
    ("class_1", "Class 1, %", 100, ".1f"),
)


def teacher_of(task: ForestTask, max_features: str | None = None) -> str:
    """What the records call the teacher with that max_features, by default the task's first."""
    return f"forest_{max_features or task.max_features[0]}"


def rows_of(
    frame: pd.DataFrame,
    task: ForestTask,
    experiment: str,
    part: str = "test",
    teacher: str | None = None,
    **columns,
) -> pd.DataFrame:
    """The rows of one experiment on one dataset and teacher (the task's first by default).

    columns: further conditions, each as column = value.
    """
    rows = frame[
        (frame.dataset == task.name)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.teacher == (teacher or teacher_of(task)))
    ]
    for column, value in columns.items():
        rows = rows[rows[column] == value]
    return rows


def one_tree(
    frame: pd.DataFrame, task: ForestTask, max_features: str | None = None, part: str = "test"
) -> pd.DataFrame:
    """Scores of single-tree students: one column per source, one row per seed."""
    teacher = teacher_of(task, max_features)
    rows = rows_of(frame, task, "compression", part, teacher, trees=1)
    return rows.pivot(index="seed", columns="source", values="value")


def source_name(source: str) -> str:
    """What the chapter calls a source of rows, or a key of GAN_NAMES."""
    return GAN_NAMES.get(source) or plots.label(source)


def in_order_of_style(sources) -> list[str]:
    """The sources among these that the book knows, in the order of its legends."""
    return [source for source in plots.STYLE if source in sources]


def rows_by_source(cells: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """One row per source in the order of the legends, one column per dataset.

    cells: {dataset: {source, or key of GAN_NAMES: text}}.
    """
    rows = []
    for key in (key for source in plots.STYLE for key in (source, f"one {source}")):
        texts = {dataset: of_dataset.get(key, "") for dataset, of_dataset in cells.items()}
        if any(texts.values()):
            rows.append({"Source": source_name(key)} | texts)
    return text.table_of(rows)


def main_tasks(p: RandomForests) -> list[ForestTask]:
    """The datasets of a run, without the authors' preparation of one unless all are of it."""
    return [task for task in p.datasets if task.preparation == "clean"] or p.datasets


def table3(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """Table 3: one row per source, one column per dataset, the paper's in brackets.

    The teacher is the dataset's first. In bold: the source that is best on validation. The last
    row counts the seeds.
    """
    columns = {dataset_in_words(task.name): (task, task.max_features[0]) for task in main_tasks(p)}
    return scores_of_one_tree(frame, columns)


def other_teachers(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """As `table3`, of teachers with another `max_features` and of the authors' preparation."""
    columns = {}
    for task in p.datasets:
        name = dataset_in_words(task.name)
        if task not in main_tasks(p):
            columns[name] = (task, task.max_features[0])
        for max_features in task.max_features[1:]:
            columns[f"{name}, max_features = {max_features}"] = (task, max_features)
    return scores_of_one_tree(frame, columns) if columns else text.table_of([])


def scores_of_one_tree(
    frame: pd.DataFrame, columns: Mapping[str, tuple[ForestTask, str | None]]
) -> pd.DataFrame:
    """Test scores of single trees, one row per source; the last row counts the seeds.

    columns: {header: dataset and the teacher's max_features}.
    """
    cells, seeds = {}, {}
    for header, (task, max_features) in columns.items():
        students = one_tree(frame, task, max_features)
        teacher = teacher_of(task, max_features)
        scores = {"teacher": rows_of(frame, task, "teacher", teacher=teacher).value}
        scores |= {source: students[source].dropna() for source in in_order_of_style(students)}
        singles = rows_of(frame, task, "single_gan", teacher=teacher, trees=1)
        scores |= {f"one {source}": rows.value for source, rows in singles.groupby("source")}
        best = best_on_validation(frame, task, max_features)
        cells[header] = beside_the_paper(task.name, scores)
        if best in cells[header]:
            cells[header][best] = f"**{cells[header][best]}**"
        seeds[header] = str(len(students))
    table = rows_by_source(cells)
    table.loc[len(table)] = {"Source": "Seeds"} | seeds
    return table


def beside_the_paper(dataset: str, scores: Mapping[str, Iterable[float]]) -> dict[str, str]:
    """Mean and standard error of each source's scores, the paper's value in brackets.

    The paper has one GAN, so its values stand beside ours of one GAN wherever that was run.

    scores: {source, or key of GAN_NAMES: scores of single trees by seed}.
    """
    cells = {}
    for key, values in scores.items():
        of_paper = None
        if f"one {key}" not in scores:
            of_paper = paper_score(dataset, key.removeprefix("one "))
        cells[key] = text.mean_and_error(values) + text.in_brackets(of_paper)
    return cells


def best_on_validation(frame: pd.DataFrame, task: ForestTask, max_features: str | None) -> str:
    """The source whose single trees score best on validation; fresh rows do not compete."""
    scores = one_tree(frame, task, max_features, part="validation")
    candidates = [s for s in (*GENERATED_SOURCES, "train+gan", "train_oob", "train") if s in scores]
    return scores[candidates].mean().idxmax() if candidates else ""


def against(frame: pd.DataFrame, p: RandomForests, base: str) -> pd.DataFrame:
    """Paired difference over seeds of every source from `base`: single trees, first teacher."""
    cells = {}
    for task in main_tasks(p):
        if base not in task.sources:
            continue
        scores = one_tree(frame, task)
        cells[dataset_in_words(task.name)] = {
            source: text.paired_difference(scores[source], scores[base])
            for source in in_order_of_style(scores)
            if source != base
        }
    return rows_by_source(cells)


def compared(
    frame: pd.DataFrame, p: RandomForests, subject: str, measure: Measure, other: str
) -> str:
    """What a measure of `forests.claims` says on each table, in one sentence.

    subject and other: what is compared, such as "one tree of MUNGE" and "one of training rows".
    """
    intervals = {}
    for task in p.datasets:
        interval = measure(frame, task.name)
        if interval is not None and task.preparation == "clean":
            intervals[dataset_in_words(task.name)] = interval
    if not intervals:
        return "Not part of this profile."
    return sentence(subject, compare_on_each(intervals, other))


def single_gan(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """The paper's generator beside the pool that validation chose: single trees on test.

    The paper's is one AC-GAN with the objective of Eq. 2a.
    """
    rows = []
    for task in p.datasets:
        singles = rows_of(frame, task, "single_gan", trees=1)
        single = singles[singles.source == "gan"].set_index("seed").value
        mixture = singles[singles.source == "train+gan"].set_index("seed").value
        if single.empty:
            continue
        scores = one_tree(frame, task)
        row = {
            "Dataset": dataset_in_words(task.name),
            "One AC-GAN": text.mean_and_error(single),
            "Pool": text.mean_and_error(scores["gan"]),
            "Pool - one": text.paired_difference(scores["gan"], single),
            "One - training data": text.paired_difference(single, scores["train"]),
        }
        if len(mixture):
            row["Training + one AC-GAN"] = text.mean_and_error(mixture)
        rows.append(row)
    return text.table_of(rows)


def out_of_bag(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """Usual and out-of-bag labels of the training rows, and what the latter gain on test.

    The first two columns are scores of the main teacher's labels on the training rows themselves;
    a usual label near 1 tells that the teacher has memorized the row.
    """
    rows = []
    for task in main_tasks(p):
        labels = rows_of(frame, task, "out_of_bag", "train")
        if labels.empty or "train" not in task.sources:
            continue
        labels = labels.pivot(index="seed", columns="source", values="value")
        scores = one_tree(frame, task)
        row = {
            "Dataset": dataset_in_words(task.name),
            "Usual labels": text.mean_and_error(labels["train"]),
            "Out-of-bag labels": text.mean_and_error(labels["train_oob"]),
            "One tree, gain": text.paired_difference(scores["train_oob"], scores["train"]),
        }
        mixture = rows_of(frame, task, "oob_mixture", trees=1).set_index("seed").value
        if len(mixture):
            row["In training + GAN pool, gain"] = text.paired_difference(
                mixture, scores["train+gan"]
            )
        rows.append(row)
    return text.table_of(rows)


def realism(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """What of a source's gain is realism: paired differences from independent columns, one tree."""
    tasks = [task for task in main_tasks(p) if {"independent", "train"} <= set(task.sources)]
    rows = []
    for task in tasks:
        scores = one_tree(frame, task)
        control = scores["independent"]
        row = {
            "Dataset": dataset_in_words(task.name),
            "Independent columns - training data": text.paired_difference(control, scores["train"]),
        }
        for source in in_order_of_style(scores):
            if source in GENERATED_SOURCES and source != "independent":
                difference = text.paired_difference(scores[source], control)
                row[f"{source_name(source)} - independent columns"] = difference
        rows.append(row)
    return text.table_of(rows)


def preparation(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """What the authors' preparation changes: paired differences from the clean one, same splits."""
    cells = {}
    for task in p.datasets:
        if task.preparation != "authors":
            continue
        of_same_splits = [
            other
            for other in p.datasets
            if (other.table, other.seeds, other.preparation) == (task.table, task.seeds, "clean")
        ]
        if not of_same_splits:
            continue
        clean_task = of_same_splits[0]
        teacher = teacher_scores(frame, task)
        clean_teacher = teacher_scores(frame, clean_task)
        differences = {"teacher": text.paired_difference(teacher, clean_teacher)}
        scores = one_tree(frame, task)
        clean_scores = one_tree(frame, clean_task)
        for source in in_order_of_style(scores):
            if source in clean_scores:
                differences[source] = text.paired_difference(scores[source], clean_scores[source])
        cells[dataset_in_words(clean_task.name)] = differences
    return rows_by_source(cells)


def teacher_scores(frame: pd.DataFrame, task: ForestTask) -> np.ndarray:
    """Test scores of the task's first teacher in the order of the seeds."""
    return rows_of(frame, task, "teacher").sort_values("seed").value.to_numpy()


def panels(draw: Callable, tasks: Iterable[ForestTask]) -> dict[str, Callable]:
    """Panels of a figure, one for each dataset, under its name; draw(ax, task) draws one."""
    return {dataset_in_words(task.name): partial(draw, task=task) for task in tasks}


def storage_rows(frame: pd.DataFrame, task: ForestTask) -> pd.DataFrame:
    """The rows of Fig. 3f: metric loss, fewer_nodes, fewer_bytes or speedup, by source and trees.

    Empty where it was not run.
    """
    return frame[(frame.dataset == task.name) & (frame.experiment == "paper_storage")]


def paper_storage(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """Fig. 3f at fixed sizes, one tree and the most: test loss, and medians of the reductions."""
    rows = []
    for task in main_tasks(p):
        of_task = storage_rows(frame, task)
        for source in in_order_of_style(set(of_task.source)):
            for trees in sorted({1, task.max_trees}):
                forests = of_task[(of_task.source == source) & (of_task.trees == trees)]
                row = {
                    "Dataset": dataset_in_words(task.name),
                    "Trees": trees,
                    "Source": plots.label(source),
                    "Test loss": text.mean_and_error(forests[forests.metric == "loss"].value),
                }
                median = forests.groupby("metric").value.median()
                for metric in ("fewer_nodes", "fewer_bytes", "speedup"):
                    row[FACTORS[metric]] = f"{median[metric]:,.3g}×"
                rows.append(row)
    return text.table_of(rows)


def datasets(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """Table 2: rows and features of each dataset, and its classes; the paper's in brackets.

    The rows are those that a split uses, the share of class 1 is the mean over the splits.
    """
    rows = []
    for task in main_tasks(p):
        about = frame[(frame.dataset == task.name) & (frame.experiment == "data")]
        if about.empty:
            continue
        row = {"Dataset": dataset_in_words(task.name)}
        ours = about.groupby("metric").value.mean()
        for metric, header, scale, spec in TABLE_2:
            paper = published_number(f"table2/{task.table}/{metric}")
            in_paper = text.in_brackets(paper["value"], spec) if paper else ""
            row[header] = f"{scale * ours[metric]:{spec}}" + in_paper
        rows.append(row)
    return text.table_of(rows)


def small_students(
    frame: pd.DataFrame, p: RandomForests, limit: float = max(LOSS_LIMITS)
) -> pd.DataFrame:
    """The smallest students within a limit of loss on validation, medians over seeds.

    How many times fewer nodes and bytes they have, and how many times more rows a second they
    predict, than their teacher.
    """
    rows = []
    for task in p.datasets:
        if not task.leaf_caps:
            continue
        for experiment, name in SMALL_STUDENTS.items():
            students = frame[(frame.dataset == task.name) & (frame.experiment == experiment)]
            if students.empty:
                continue
            students = students[students.limit == limit]
            if students.empty:
                continue
            row = {
                "Dataset": dataset_in_words(task.name),
                "Source": name,
                "Test loss": text.mean_and_error(students[students.metric == "loss"].value),
            }
            within = students[students.metric == "within_limit"].value
            if len(within):
                row["Limit kept"] = f"{within.sum():.0f} of {len(within)}"
            for metric, header in FACTORS.items():
                factor = students[students.metric == metric].value
                row[header] = f"{np.median(factor):,.0f}×"
            rows.append(row)
    return text.table_of(rows)


def costs(frame: pd.DataFrame, p: RandomForests) -> pd.DataFrame:
    """Size and speed of the teacher and of the small students, medians over seeds.

    Of single full-grown trees only the nodes are counted.
    """
    rows = []
    for task in main_tasks(p):
        for name, model in models_with_costs(frame, task).items():
            if model.empty:
                continue
            median = model.groupby("metric").value.median()
            row = {
                "Dataset": dataset_in_words(task.name),
                "Model": name,
                "Nodes": f"{median.nodes:,.0f}",
            }
            if "bytes" in median:
                row["MB"] = f"{median.bytes / 1e6:,.3g}"
                row["Rows/s"] = f"{median.rows_per_second:,.0f}"
                row["One row, ms"] = f"{1000 / median.rows_per_second_batch_1:,.2g}"
            rows.append(row)
    return text.table_of(rows)


def models_with_costs(frame: pd.DataFrame, task: ForestTask) -> dict[str, pd.DataFrame]:
    """The rows of costs of each model, by the name that the table gives it."""
    rows = frame[(frame.dataset == task.name) & (frame.split == "none")]
    full_grown = rows[rows.experiment == "cost"]
    models = {"Teacher": full_grown[full_grown.source == "none"]}
    for source in ("student_only", "train", "gan"):
        of_source = full_grown[full_grown.source == source]
        models[f"One tree: {source_name(source)}"] = of_source
    for experiment, name in (("headline", "best source"), ("headline_gan", GAN_NAMES["gan"])):
        students = rows[rows.experiment == experiment]
        if len(students):  # without small students the records have no limits
            students = students[students.limit == max(LOSS_LIMITS)]
        models[f"Small student, {name}"] = students
    return models
