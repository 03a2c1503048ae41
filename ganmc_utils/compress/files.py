"""The files of a student: ONNX, skops, C, rules and a model card. None needs this package."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.tree import export_text

from ganmc_utils.compress.c_file import c_source
from ganmc_utils.compress.card import model_card
from ganmc_utils.compress.onnx_file import (
    onnx_inputs,
    onnx_model,
    onnx_predictions,
    onnx_session,
)
from ganmc_utils.compress.sources import Jitter, TrainingRows
from ganmc_utils.compress.students import node_tables, predictions
from ganmc_utils.core.paths import write_atomically

FRESH_ROWS = 10_000  # on which the ONNX file is compared with the estimator
TOLERANCE = 1e-5  # of a probability; of a value, as a share of the largest


@dataclass(frozen=True)
class Agreement:
    """How well a file agrees with the estimator on fresh rows.

    largest: difference; n_beyond: rows that differ by more than TOLERANCE; n_rows: compared.
    """

    largest: float
    n_beyond: int
    n_rows: int

    def words(self) -> str:
        """For people."""
        if not self.n_beyond:
            return (
                f"On {self.n_rows:,} fresh rows the file agrees with the estimator within "
                f"{TOLERANCE:g}."
            )
        return (
            f"On {self.n_beyond:,} of {self.n_rows:,} fresh rows the file differs from the "
            f"estimator by more than {TOLERANCE:g}, by {self.largest:.2g} at most: float32 "
            "arithmetic."
        )


def save(compressor, folder: str | Path) -> list[Path]:
    """Write the files of a fitted compressor into a folder.

        model.onnx     raw columns in, probabilities out (see onnx_file.py)
        model.skops    the same as a scikit-learn Pipeline of a raw DataFrame
        model.c        of trees, forests and boosted trees: plain C (see c_file.py)
        rules.txt      of one tree
        README.md      the model card

    Args:
        compressor: a fitted ClassifierCompressor or RegressorCompressor.
        folder: it is made if it is not there; files of these names in it are replaced.

    Returns:
        The paths of the files.

    Raises:
        GanmcError: the folder cannot be written, the disk is full.
    """
    folder = Path(folder)
    student, columns = compressor.student_, compressor.columns_
    classes = compressor.parts_.judge.classes
    onnx_bytes = onnx_model(columns, student, classes).SerializeToString()
    contents: dict[str, str | bytes] = {
        "model.onnx": onnx_bytes,
        "model.skops": skops.io.dumps(
            sklearn_pipeline(compressor), compression=zipfile.ZIP_DEFLATED
        ),
    }
    if node_tables(student):
        contents["model.c"] = c_source(columns, student, classes)
    if hasattr(student, "tree_"):
        contents["rules.txt"] = rules(compressor)
    agreement = agreement_of(compressor, onnx_bytes)
    contents["README.md"] = model_card(compressor, contents, agreement.words())
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [folder / name for name in contents]


def sklearn_pipeline(compressor) -> Pipeline:
    """A Pipeline of scikit-learn alone: a raw DataFrame in, the student's predictions out."""
    steps = [("columns", compressor.columns_.transformer_), ("student", compressor.student_)]
    return Pipeline(steps)


def agreement_of(compressor, onnx_bytes: bytes) -> Agreement:
    """Compare an ONNX file with the estimator on fresh rows: jittered training rows, from raw."""
    columns, parts = compressor.columns_, compressor.parts_
    rows = TrainingRows(parts.x_train, None, columns)
    x, _ = Jitter(rows, scale=0.5).sample(FRESH_ROWS, np.random.default_rng(FRESH_ROWS))
    raw = columns.back(columns.plausible(x))
    ours = predictions(compressor.student_, columns.transform(raw))
    file = onnx_predictions(onnx_session(onnx_bytes), onnx_inputs(columns, raw))
    unit = max(1.0, float(np.abs(ours).max()))
    difference = np.abs(ours - file).reshape(FRESH_ROWS, -1).max(1)
    n_beyond = int((difference > TOLERANCE * unit).sum())
    return Agreement(float(difference.max()), n_beyond, FRESH_ROWS)


def rules(compressor) -> str:
    """One tree as text, with what the codes of categories mean."""
    columns, student = compressor.columns_, compressor.student_
    classes = compressor.parts_.judge.classes
    options = {} if classes is None else {"class_names": [str(c) for c in classes]}
    text = export_text(
        student,
        feature_names=matrix_names(columns),
        decimals=6,
        max_depth=student.get_depth() + 1,
        show_weights=True,
        **options,
    )
    legend = [
        f"{columns.names_[j]}: " + ", ".join([f"{code} {kind}" for code, kind in enumerate(kinds)])
        for j, kinds in zip(columns.categories_, columns.kinds_)
    ]
    if legend:
        legend = ["Codes of the categories (-1: missing or unknown)", *legend, ""]
    if columns.numbers_:
        medians = columns.transformer_.named_transformers_["numbers"].statistics_
        flagged = [
            f"{columns.names_[j]}: {medians[columns.numbers_.index(j)]:g}" for j in columns.flagged_
        ]
        if flagged:
            legend += ["A missing number counts as", *flagged, ""]
    return "\n".join([*legend, text])


def matrix_names(columns) -> list[str]:
    """A name for each column of the matrix."""
    names = columns.names_
    flags = [f"{names[j]} is missing" for j in columns.flagged_]
    return [names[j] for j in columns.numbers_] + flags + [names[j] for j in columns.categories_]
