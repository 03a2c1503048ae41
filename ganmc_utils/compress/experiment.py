"""Chapter 09: the table that its parameters name, its compressors, and the rows of its record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from sklearn.frozen import FrozenEstimator

from ganmc_utils.compress.estimators import ClassifierCompressor, RegressorCompressor
from ganmc_utils.compress.measures import METRICS
from ganmc_utils.compress.report import Report
from ganmc_utils.compress.table import features_and_target, load_teacher, read_rows, report_rows
from ganmc_utils.core.parameters import OwnModel
from ganmc_utils.core.records import Row
from ganmc_utils.forests.data import file_sha256, read_table

# Ids of sources in records, where they differ from the names here.
IDS = {"labels": "student_only"}
KNOWN = ("train", "train_oob", "jitter", "smote", "munge", "gaussian_mixture", "gan")


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be compressed.

    report: raw rows and targets that the teacher has not seen, or empty: some are held back.
    """

    name: str
    frame: pd.DataFrame
    y: pd.Series
    kind: str  # "classification" or "regression"
    checksum: str
    teacher: FrozenEstimator | Callable | None
    report: dict


def read_task(p: OwnModel) -> Task:
    """The Task of a chapter's parameters.

    Raises:
        GanmcError: a file that cannot be used.
    """
    if p.table != "csv":
        table = read_table(p.table, p.data_dir)
        frame = pd.DataFrame(table.x, columns=table.columns)
        y = pd.Series(table.y)
        return Task(p.table, frame, y, "classification", table.checksum, None, {})
    frame, y, kind = features_and_target(read_rows(p.path, p.separator), p.target, p.task)
    teacher = load_teacher(p.teacher, kind == "regression") if p.teacher else None
    report = {}
    if p.report_path:
        x_report, y_report = report_rows(p.report_path, p.separator, frame, y, kind)
        report = {"X_report": x_report, "y_report": y_report}
    checksum = file_sha256(Path(p.path).expanduser())
    return Task(Path(p.path).stem, frame, y, kind, checksum, teacher, report)


def fitted(task: Task, p: OwnModel, seed: int) -> ClassifierCompressor | RegressorCompressor:
    """The compressor of one seed, fitted."""
    kind = RegressorCompressor if task.kind == "regression" else ClassifierCompressor
    compressor = kind(
        task.teacher,
        p.student,
        p.source,
        p.max_loss,
        p.max_nodes,
        p.max_bytes,
        queries=p.queries or "auto",
        max_seconds=p.max_seconds,
        random_state=seed,
    )
    return compressor.fit(task.frame, task.y, **task.report)


def rows_of(compressor, dataset: str, seed: int) -> list[Row]:
    """The record's rows of a fitted compressor: score, loss, nodes and bytes of each model."""
    choice, report = compressor.choice_, compressor.report_
    name = choice.source.split("+")[-1].split()[0]  # of "train+jitter 0.3" the generated rows
    source = IDS.get(name, name if name in KNOWN else "own")
    rows = []
    for line in report.lines:
        values = {report.metric: line.score.value, "nodes": line.nodes, "bytes": line.bytes}
        if line.loss is not None:
            values["loss"] = line.loss.value
        rows += [
            Row(
                experiment="own_model",
                dataset=dataset,
                teacher="given" if compressor.teacher_.is_given else "forest_sqrt",
                student=choice.trial.design.family,
                source="none" if line.model == "teacher" else source,
                setting={"model": line.model, "rows": choice.source},
                seed=seed,
                split="test",
                metric=metric,
                value=float(value),
            )
            for metric, value in values.items()
            if value is not None
        ]
    return rows


def draw_losses(ax: Axes, report: Report, max_loss: float) -> None:
    """Loss and interval of each model of a report against the bytes of its file, or its nodes."""
    drawn = [line for line in report.lines if line.loss is not None]
    for place, line in enumerate(reversed(drawn)):
        loss = line.loss
        colour = "#0072B2" if line.model == "student" else "#999999"
        ax.plot([loss.low, loss.high], [place, place], color=colour, linewidth=2)
        ax.plot(loss.value, place, "o", color=colour)
    names = []
    for line in reversed(drawn):
        size = f"{line.nodes:,} nodes" if line.nodes else f"{line.bytes:,} bytes"
        names.append(f"{line.model}\n{size}")
    ax.set_yticks(range(len(names)), names)
    ax.axvline(max_loss, color="black", linestyle=":", label="limit")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel(f"Loss of {METRICS[report.metric]} against the teacher")
