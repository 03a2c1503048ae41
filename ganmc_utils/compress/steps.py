"""What `ganmc compress` does: check the table, run the notebook, write its page."""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import nbformat
import pandas as pd
import papermill
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from ganmc_utils.compress.columns import Columns
from ganmc_utils.compress.estimators import ClassifierCompressor, RegressorCompressor
from ganmc_utils.compress.table import (
    features_and_target,
    load_teacher,
    read_rows,
    report_rows,
)
from ganmc_utils.compress.teachers import make_teacher
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.paths import typed_path
from ganmc_utils.core.plan import notebook_path

NOTEBOOK = "09_your_own_model"
PAGE = "report.html"
CARD_FILE = "README.md"
OTHER_FILES = (PAGE, "rules.txt", "model.onnx", "model.skops", "model.c")
FIRST_ROWS = 50  # about which a teacher is asked before all else
AWAKE = 0.2  # seconds: how often the main thread looks for signals


def run(asked: argparse.Namespace) -> None:
    """Check what can be checked at once, run the notebook, write its page, name the files."""
    out = typed_path("--out", asked.out).absolute()
    check_folder(out)
    frame, y, task = features_and_target(
        read_rows(asked.data, asked.separator), asked.target, asked.task
    )
    check_columns(frame, y, task, asked)
    out.mkdir(parents=True, exist_ok=True)
    size = f"{len(frame):,} rows, {frame.shape[1]} columns, {task}"
    print(f"{size}: a teacher, then at most {asked.seconds} s of search.", flush=True)
    run_notebook(parameters_of(asked, out), out)
    write_page(out)
    card = out / CARD_FILE
    _, verdict, *_ = card.read_text().split("\n\n")
    print(verdict)
    print(f"The report is {out / PAGE}, the model card {card}.")
    files = sorted(path.name for path in out.glob("model.*"))
    print(f"The model is there as {', '.join(files)}; {executed(out)} is the notebook that ran.")


def check_folder(out: Path) -> None:
    """Raises GanmcError where files would be replaced that no earlier run has written.

    An earlier run has left its card, or its notebook where it was stopped before.
    """
    card = out / CARD_FILE
    there = [path for path in (card, *map(out.joinpath, OTHER_FILES)) if path.exists()]
    is_ours = is_card(card) if card.exists() else executed(out).exists()
    if there and not is_ours:
        raise user_error(there[0], "is not of an earlier run", "choose another folder as --out")


def is_card(path: Path) -> bool:
    """Whether a file is a model card of this tool, of any version."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    return text.startswith("# Model card\n") and 'InferenceSession("model.onnx")' in text


def check_columns(frame: pd.DataFrame, y: pd.Series, task: str, asked: argparse.Namespace) -> None:
    """Raises GanmcError at once where columns, target, teacher or report cannot be used.

    The teacher is asked about the first rows.
    """
    is_regression = task == "regression"
    compressor = RegressorCompressor() if is_regression else ClassifierCompressor()
    numbers = compressor.learn_target(y)
    columns = Columns().fit(frame, numbers)
    if asked.teacher:
        loaded = load_teacher(asked.teacher, is_regression)
        x = columns.transform(frame.head(FIRST_ROWS))
        classes = compressor.class_names()
        make_teacher(loaded, x, numbers[:FIRST_ROWS], columns, classes, seed=0).ask(x)
    if asked.report:
        x_report, y_report = report_rows(asked.report, asked.separator, frame, y, task)
        columns.transform(x_report, asked.report)
        compressor.known_target(y_report)


def parameters_of(asked: argparse.Namespace, out: Path) -> dict:
    """The parameters of the notebook."""
    return {
        "profile": "own",
        "out_dir": str(out / "run"),
        "folder": str(out),
        "table": "csv",
        "path": full_path(asked.data),
        "separator": asked.separator,
        "target": asked.target,
        "task": asked.task,
        "teacher": full_path(asked.teacher),
        "report_path": full_path(asked.report),
        "student": asked.student,
        "source": asked.source,
        "max_loss": asked.max_loss,
        "max_nodes": asked.max_nodes,
        "max_bytes": asked.max_bytes,
        "queries": asked.queries,
        "max_seconds": asked.seconds,
        "seeds": [asked.seed],
    }


def full_path(path: str) -> str:
    """The absolute path of a file that was read already; "" stays."""
    return str(Path(path).expanduser().absolute()) if path else ""


def run_notebook(parameters: dict, out: Path) -> None:
    """Execute the notebook into out/run.

    Raises:
        GanmcError: a cell failed; its own line. Or the kernel was killed.
    """
    (out / "run").mkdir(exist_ok=True)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    os.environ["GANMC_PROGRESS"] = "text"  # bars of cells reach the terminal as text alone
    # In the main thread papermill would take Ctrl-C for itself, and answer with a traceback.
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(
            papermill.execute_notebook,
            notebook_path(NOTEBOOK),
            executed(out),
            parameters,
            progress_bar=False,
            stderr_file=sys.stderr,
        )
        # A signal may reach any thread; its handler runs when the main thread is next awake.
        while wait([running], timeout=AWAKE).not_done:
            pass
        try:
            running.result()
        except PapermillExecutionError as failed:
            raise GanmcError(failed.evalue) from None
        except DeadKernelError:
            raise user_error(
                NOTEBOOK, "its process was killed", "bring fewer rows: memory may have been short"
            ) from None


def executed(out: Path) -> Path:
    """Where the executed notebook is."""
    return out / "run" / f"{NOTEBOOK}.ipynb"


def write_page(out: Path) -> None:
    """What the executed notebook tells, as one HTML file: no code, no progress bars."""
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = (
        "book",  # what is for readers of the book
        "hide-cell",
        "parameters",
        "injected-parameters",
        "plan",
    )
    exporter = HTMLExporter(config=config, exclude_input=True, exclude_output_prompt=True)
    notebook = nbformat.read(executed(out), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    page, _ = exporter.from_notebook_node(notebook)
    (out / PAGE).write_text(page)
