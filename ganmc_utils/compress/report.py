"""The report: what the student costs, beside what needs no compression; and whether it was needed.

All numbers are from the report rows, which neither the teacher (if it was fitted here) nor any
choice has seen. Beside the student stand

    the labels         the same family, fitted to the labels of the training rows, no larger
    fewer trees        the first trees of a forest teacher, as few as meet the limit
    a pruned tree      one tree of the labels, pruned by its cost and complexity

each with its own size chosen on the validation rows.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ganmc_utils.compress import measures
from ganmc_utils.compress.climbing import climb
from ganmc_utils.compress.judge import Judge, Trial, best_of
from ganmc_utils.compress.measures import METRICS, Interval
from ganmc_utils.compress.onnx_file import (
    onnx_inputs,
    onnx_model,
    onnx_predictions,
    onnx_session,
)
from ganmc_utils.compress.students import count_nodes, predictions, round_thresholds
from ganmc_utils.compress.teachers import Teacher
from ganmc_utils.forests.models import first_trees

MAX_PRUNINGS = 30  # strengths of pruning that are tried
SAME_SIZE = 1.02  # no larger: files of one structure differ by a few bytes
BATCHES = (1, 10_000)  # rows of a call that is timed


@dataclass(frozen=True)
class Line:
    """One model of the report.

    loss: the teacher's score minus its own; None of the teacher.
    bytes: of the ONNX file; None where none is written.
    """

    model: str
    score: Interval
    loss: Interval | None
    nodes: int | None
    bytes: int | None


@dataclass(frozen=True)
class Report:
    """What `report_` holds; print it, or take its parts.

    verdict: whether compression was needed, and whether the limit was kept, in sentences.
    chosen: how source and student were chosen.
    lines: the teacher, the student and what stands beside it.
    n_rows: report rows.
    fidelity: share of rows to which student and teacher give the same class (regression: R squared
        of the student's values as predictions of the teacher's).
    calibration: expected calibration error by model; empty for a regression.
    latency: seconds of a call by model and number of rows.
    gain: the student's score minus that of the same family on the labels.
    warnings: what the numbers cannot know.
    """

    metric: str
    verdict: str
    chosen: str
    lines: list[Line]
    n_rows: int
    fidelity: float
    gain: Interval
    calibration: dict[str, float] = field(default_factory=dict)
    latency: dict[str, dict[int, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def as_frame(self) -> pd.DataFrame:
        """One row for each model: score and loss with their intervals, nodes, bytes."""
        rows = []
        for line in self.lines:
            loss = line.loss or Interval(np.nan, np.nan, np.nan)
            row = {"model": line.model, self.metric: line.score.value}
            row |= {"low": line.score.low, "high": line.score.high, "loss": loss.value}
            row |= {"loss_low": loss.low, "loss_high": loss.high}
            rows.append(row | {"nodes": line.nodes, "bytes": line.bytes})
        return pd.DataFrame(rows).astype({"nodes": "Int64", "bytes": "Int64"})

    def table(self) -> str:
        """The models as a Markdown table."""
        lines = [
            f"| Model | {METRICS[self.metric]} | Loss | Nodes | Bytes of the ONNX file |",
            "|:--|:--|:--|--:|--:|",
        ]
        for line in self.lines:
            loss = "" if line.loss is None else line.loss.words()
            sizes = ["" if n is None else f"{n:,}" for n in (line.nodes, line.bytes)]
            lines.append(f"| {line.model} | {line.score.words()} | {loss} | {' | '.join(sizes)} |")
        return "\n".join(lines)

    def latency_table(self) -> str:
        """Seconds of a call as a Markdown table."""
        head = " | ".join(f"{n:,} row{'s' if n > 1 else ''}" for n in BATCHES)
        lines = [f"| One call with | {head} |", "|:--|--:|--:|"]
        for model, seconds in self.latency.items():
            cells = " | ".join(in_words(seconds[n]) for n in BATCHES)
            lines.append(f"| {model} | {cells} |")
        return "\n".join(lines)

    def __str__(self) -> str:
        agreement = "Agreement with the teacher"
        facts = [f"{agreement} on {self.n_rows:,} report rows: {self.fidelity:.3f}."]
        facts += [
            f"Expected calibration error of the {model}: {error:.3f}."
            for model, error in self.calibration.items()
        ]
        paragraphs = [self.verdict, self.chosen, self.table(), " ".join(facts)]
        if self.latency:
            paragraphs.append(self.latency_table())
        paragraphs += self.warnings
        return "\n\n".join(paragraphs)

    def _repr_markdown_(self) -> str:
        return str(self)


def in_words(seconds: float) -> str:
    """Seconds with a unit: 85 µs, 12 ms, 1.5 s."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def report_of(compressor) -> Report:
    """The Report of a fitted compressor."""
    parts, judge = compressor.parts_, compressor.parts_.judge
    teacher, trial = compressor.teacher_, compressor.choice_.trial
    models = {"student": trial, **peers(teacher, trial, parts)}
    p_teacher = teacher.ask(parts.x_report)
    all_p = [p_teacher] + [model.predict(parts.x_report) for model in map(as_peer, models.values())]
    y, metric = parts.y_report, judge.metric
    resampled = measures.resampled_scores(metric, y, all_p)
    scores = [measures.score(metric, y, p) for p in all_p]
    lines = [
        Line("teacher", measures.interval(scores[0], resampled[0]), None, teacher.n_nodes(), None)
    ]
    for k, (name, model) in enumerate(models.items(), 1):
        score = measures.interval(scores[k], resampled[k])
        loss = measures.interval(scores[0] - scores[k], resampled[0] - resampled[k])
        lines.append(Line(name, score, loss, model.nodes, model.bytes))
    gain = measures.interval(scores[1] - scores[2], resampled[1] - resampled[2])
    calibration = {}
    if not judge.is_regression:
        calibration = {
            name: measures.calibration_error(y, p) for name, p in zip(("teacher", "student"), all_p)
        }
    return Report(
        metric=metric,
        verdict=verdict(lines, gain, judge),
        chosen=compressor.choice_.words,
        lines=lines,
        n_rows=len(y),
        fidelity=measures.fidelity(all_p[0], all_p[1]),
        gain=gain,
        calibration=calibration,
        latency=latency(compressor),
        warnings=warnings_of(compressor),
    )


@dataclass(frozen=True)
class Peer:
    """A model that stands beside the student: its predictions of the matrix, and its size."""

    predict: object
    nodes: int | None
    bytes: int | None


def as_peer(model: Trial | Peer) -> Peer:
    """The Peer of a student."""
    if isinstance(model, Peer):
        return model
    return Peer(lambda x: predictions(model.student, x), model.nodes, model.bytes)


def peers(teacher: Teacher, trial: Trial, parts) -> dict[str, Trial | Peer]:
    """What needs no compression, by name; the same family on the labels comes first."""
    judge = parts.judge
    labels = parts.y_train if judge.is_regression else np.eye(judge.n_classes)[parts.y_train]
    beside = {
        f"{trial.design.family} on the labels": on_the_labels(trial, parts.x_train, labels, judge)
    }
    if teacher.n_trees():
        beside["teacher with fewer trees"] = fewer_trees(teacher, judge)
    beside["pruned tree on the labels"] = pruned_tree(parts.x_train, parts.y_train, judge)
    return beside


def on_the_labels(trial: Trial, x: np.ndarray, labels: np.ndarray, judge: Judge) -> Trial:
    """The best of the student's family that learns the labels and is no larger."""
    validation = judge.y if judge.is_regression else np.eye(judge.n_classes)[judge.y]
    no_larger = replace(
        judge,
        teacher=validation,  # the labels are the teacher
        max_loss=-np.inf,  # the best, not the smallest that is good enough
        max_nodes=trial.nodes,
        max_bytes=None if trial.nodes else int(trial.bytes * SAME_SIZE),
        deadline=np.inf,
    )
    return best_of(climb(trial.design.family, x, labels, no_larger) or [trial], no_larger)


def fewer_trees(teacher: Teacher, judge: Judge) -> Peer:
    """The fewest first trees of a forest that meet the limit; all where none do."""

    def forest_of(k: int) -> Teacher:
        forest = first_trees(teacher.model, k)
        function = forest.predict if judge.is_regression else forest.predict_proba
        return replace(teacher, function=function, model=forest)

    sizes = np.unique(np.geomspace(1, teacher.n_trees(), 12).astype(int))
    for k in sizes:
        smaller = forest_of(int(k))
        p = smaller.ask(judge.x)
        if judge.is_kept(p, judge.standard_error(p)):
            break
    return Peer(smaller.ask, smaller.n_nodes(), None)


def pruned_tree(x: np.ndarray, y: np.ndarray, judge: Judge) -> Peer:
    """A tree of the labels, pruned by cost and complexity as strongly as validation likes best."""
    kind = DecisionTreeRegressor if judge.is_regression else DecisionTreeClassifier
    alphas = kind(random_state=judge.seed).cost_complexity_pruning_path(x, y).ccp_alphas
    some = alphas[np.unique(np.linspace(0, len(alphas) - 1, MAX_PRUNINGS).astype(int))]
    trees = [kind(random_state=judge.seed, ccp_alpha=max(0.0, alpha)).fit(x, y) for alpha in some]
    tree = min(trees, key=lambda tree: judge.loss(predictions(tree, judge.x)))
    round_thresholds(tree)
    return Peer(lambda x: predictions(tree, x), count_nodes(tree), bytes_of(tree, judge))


def bytes_of(student: BaseEstimator, judge: Judge) -> int:
    """Bytes of the ONNX file of a student."""
    return len(onnx_model(judge.columns, student, judge.classes).SerializeToString())


def verdict(lines: list[Line], gain: Interval, judge: Judge) -> str:
    """What the report comes to."""
    student, labels = lines[1], lines[2]
    metric = METRICS[judge.metric]
    loss = student.loss
    limit = f"the limit of {judge.max_loss:g}"
    if loss.high <= judge.max_loss:
        kept = f"within {limit}"
    elif loss.low > judge.max_loss:
        kept = f"beyond {limit}"
    else:
        kept = f"and these rows are too few to tell whether it keeps {limit}"
    joint = " " if kept.startswith("and") else ", "
    sentences = [f"The student loses {loss.words(4)} of {metric}{joint}{kept}."]
    if gain.low > 0:
        sentences.append(
            f"Compression helped: it is {gain.words(4)} above the same family on the labels."
        )
    else:
        what = "gained nothing that these rows can show" if gain.high >= 0 else "did harm"
        sentences.append(
            f"Compression {what}: the student minus the same family on the labels, no larger, "
            f"is {gain.words(4)}. A model of the labels alone will do ({labels.model})."
        )
    for line in lines[3:]:
        smaller = line.nodes and student.nodes and line.nodes <= student.nodes
        if smaller and line.loss.value <= loss.value:
            sentences.append(f"The {line.model} is smaller and loses no more.")
    return " ".join(sentences)


def warnings_of(compressor) -> list[str]:
    """What the numbers cannot know."""
    parts, teacher = compressor.parts_, compressor.teacher_
    said = []
    if not parts.held_back and not parts.report_is_given:
        said.append(
            "There were too few rows to hold any back: all scores are of the training rows. "
            "Bring X_report and y_report."
        )
    if teacher.is_given and not parts.report_is_given:
        said.append(
            "The teacher came fitted and may have seen the rows of this report: its score, and "
            "the loss with it, may be too high. Bring X_report and y_report that it has not seen."
        )
    return said


def latency(compressor) -> dict[str, dict[int, float]]:
    """Seconds of a call on raw rows, by model and number of rows; models run on one core."""
    parts, columns = compressor.parts_, compressor.columns_
    judge = parts.judge
    session = onnx_session(onnx_model(columns, compressor.student_, judge.classes))
    seconds = {"student, ONNX": {}, "student, scikit-learn": {}, "teacher": {}}
    for n in BATCHES:
        matrix = np.resize(parts.x_report, (n, parts.x_report.shape[1]))
        raw = columns.back(matrix)
        inputs = onnx_inputs(columns, raw)
        calls = {
            "student, ONNX": lambda inputs=inputs: onnx_predictions(session, inputs),
            "student, scikit-learn": lambda raw=raw: compressor.predict(raw),
            "teacher": lambda matrix=matrix: compressor.teacher_.ask(matrix),
        }
        for model, call in calls.items():
            repeats = 2 if model == "teacher" else 5
            seconds[model][n] = measures.seconds_of_call(call, repeats)
    return seconds
