"""`ganmc compress data.csv --target y`: from a table to a small model file.

It runs the notebook 09_your_own_model through papermill, with the settings of the command line,
and writes its page as one HTML file beside the model.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from traitlets.config import Config

from ganmc_utils.compress.columns import Columns
from ganmc_utils.compress.sources import SOURCE_NAMES
from ganmc_utils.compress.students import FAMILIES
from ganmc_utils.compress.table import features_and_target, load_teacher, read_rows
from ganmc_utils.compress.teachers import make_teacher
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.plan import notebook_path

NOTEBOOK = "09_your_own_model"
PAGE = "report.html"
FIRST_ROWS = 50  # about which a teacher is asked before all else
INTERRUPTED = 130  # exit status, as shells have it


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="ganmc", description="Model compression with GANs.")
    commands = top.add_subparsers(dest="command", required=True)
    compress = commands.add_parser(
        "compress",
        help="compress a model of your own",
        description="From a table (and a fitted teacher) to a small model file and its report.",
    )
    compress.add_argument("data", help="csv file with column names in its first line")
    compress.add_argument("--target", required=True, help="the column to be predicted")
    compress.add_argument(
        "--teacher", default="", help="fitted model of the raw columns, .skops or .onnx; "
        "without it a random forest of 500 trees is fitted"
    )  # fmt: skip
    compress.add_argument(
        "--report", default="", help="csv file of rows that the teacher has not seen"
    )
    compress.add_argument("--out", default="compressed", help="folder to write (%(default)s)")
    compress.add_argument(
        "--max-loss", type=float, default=0.01, help="allowed loss of AUC, accuracy or R squared "
        "(%(default)s)"
    )  # fmt: skip
    compress.add_argument("--max-nodes", type=int, help="limit of the nodes of all trees")
    compress.add_argument("--max-bytes", type=int, help="limit of the bytes of the ONNX file")
    compress.add_argument("--student", default="auto", choices=["auto", *FAMILIES])
    compress.add_argument("--source", default="auto", choices=SOURCE_NAMES)
    compress.add_argument(
        "--task", default="auto", choices=["auto", "classification", "regression"]
    )
    compress.add_argument("--separator", default=",", help="of the columns (a comma)")
    compress.add_argument(
        "--queries", type=int, default=0, help="rows that the teacher labels (0: ten for each row)"
    )
    compress.add_argument("--seconds", type=int, default=120, help="for the search (%(default)s)")
    compress.add_argument("--seed", type=int, default=0)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command line; returns its exit status. A mistake of the user is one line."""
    asked = parser().parse_args(words)
    try:
        run(asked)
    except KeyboardInterrupt:
        logging.disable()  # the kernel's death is no news
        print("ganmc: stopped; no model was written", file=sys.stderr)
        return INTERRUPTED
    except (GanmcError, ValueError) as failed:
        print(f"ganmc: {' '.join(str(failed).split())}", file=sys.stderr)
        return 1
    except OSError as failed:
        line = user_error(
            failed.filename or asked.out,
            f"cannot be written or read ({failed.strerror or failed})",
            "free some space or choose another folder",
        )
        print(f"ganmc: {line}", file=sys.stderr)
        return 1
    return 0


def run(asked: argparse.Namespace) -> None:
    """Check what can be checked at once, run the notebook, write its page, name the files."""
    frame, y, task = features_and_target(
        read_rows(asked.data, asked.separator), asked.target, asked.task
    )
    check_columns_and_teacher(frame, y, task, asked.teacher)
    if asked.report:
        features_and_target(read_rows(asked.report, asked.separator), asked.target, task)
    out = Path(asked.out).expanduser().resolve()
    out.mkdir(parents=True, exist_ok=True)
    run_notebook(parameters_of(asked, out), out)
    write_page(out)
    print(f"The report is {out / PAGE}, the model card {out / 'README.md'}.")
    files = sorted(path.name for path in out.glob("model.*"))
    print(f"The model is there as {', '.join(files)}.")


def check_columns_and_teacher(frame: pd.DataFrame, y: pd.Series, task: str, teacher: str) -> None:
    """Raises GanmcError at once where the columns or the teacher cannot be used.

    The teacher is asked about the first rows.
    """
    classes, numbers = np.unique(y, return_inverse=True)
    columns = Columns().fit(frame, numbers)
    if teacher:
        is_regression = task == "regression"
        loaded = load_teacher(teacher, is_regression)
        x = columns.transform(frame.head(FIRST_ROWS))
        known = None if is_regression else classes
        make_teacher(loaded, x, numbers[:FIRST_ROWS], columns, known, seed=0).ask(x)


def parameters_of(asked: argparse.Namespace, out: Path) -> dict:
    """The parameters of the notebook."""
    return {
        "profile": "own",
        "out_dir": str(out / "run"),
        "folder": str(out),
        "table": "csv",
        "path": str(Path(asked.data).expanduser().resolve()),
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
    """An absolute path; "" stays."""
    return str(Path(path).expanduser().resolve()) if path else ""


def run_notebook(parameters: dict, out: Path) -> None:
    """Execute the notebook into out/run.

    Raises:
        GanmcError: a cell failed; its own line.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    (out / "run").mkdir(exist_ok=True)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    os.environ["GANMC_PROGRESS"] = "text"  # bars of cells reach the terminal as text alone
    try:
        papermill.execute_notebook(
            notebook_path(NOTEBOOK),
            executed(out),
            parameters,
            progress_bar=False,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as failed:
        if failed.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from None
        raise GanmcError(failed.evalue) from None


def executed(out: Path) -> Path:
    """Where the executed notebook is."""
    return out / "run" / f"{NOTEBOOK}.ipynb"


def write_page(out: Path) -> None:
    """What the executed notebook tells, as one HTML file: no code, no progress bars."""
    from nbconvert import HTMLExporter

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


if __name__ == "__main__":
    sys.exit(main())
