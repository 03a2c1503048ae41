"""`ganmc compress data.csv --target y`: from a table to a small model file.

It runs the notebook 09_your_own_model through papermill, with the settings of the command line,
and writes its page as one HTML file beside the model.

Imports take seconds. Those of libraries are made after it is settled what Ctrl-C means.
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ganmc_utils.core.errors import GanmcError, user_error

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STANDARD_ERROR = 2  # its buffer may be in use when the signal comes


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from ganmc_utils.compress.estimators import MAX_QUERIES
    from ganmc_utils.compress.sources import SOURCE_NAMES
    from ganmc_utils.compress.students import FAMILIES

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
        "--max-loss", type=number_from(0, kind=float), default=0.01, help="allowed loss of AUC, "
        "accuracy or R squared (%(default)s)"
    )  # fmt: skip
    compress.add_argument(
        "--max-nodes", type=number_from(1), help="limit of the nodes of all trees"
    )
    compress.add_argument(
        "--max-bytes", type=number_from(1), help="limit of the bytes of the ONNX file"
    )
    compress.add_argument("--student", default="auto", choices=["auto", *FAMILIES])
    compress.add_argument("--source", default="auto", choices=SOURCE_NAMES)
    compress.add_argument(
        "--task", default="auto", choices=["auto", "classification", "regression"]
    )
    compress.add_argument("--separator", default=",", help="of the columns (a comma)")
    compress.add_argument(
        "--queries",
        type=number_from(0, MAX_QUERIES),
        default=0,
        help="rows that the teacher labels (0: ten for each row)",
    )
    compress.add_argument(
        "--seconds", type=number_from(1), default=120, help="for the search (%(default)s)"
    )
    compress.add_argument("--seed", type=number_from(0, 2**31 - 1), default=0)
    return top


def number_from(
    least: int, most: float = math.inf, kind: type = int
) -> Callable[[str], int | float]:
    """What reads the number of an option, within limits."""

    def number(text: str) -> int | float:
        value = kind(text)
        if not least <= value <= most:
            limits = f"{least} or more" if most == math.inf else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} is not {limits}")
        return value

    number.__name__ = kind.__name__  # as argparse calls it
    return number


def main(words: list[str] | None = None) -> int:
    """Run a command line; returns its exit status. A mistake of the user is one line."""
    began = time.time()
    with signals_end_it(lambda: "no model was written"):
        asked = parser().parse_args(words)
        with signals_end_it(lambda: what_is_there(Path(os.path.expanduser(asked.out)), began)):
            return status_of(asked)


def status_of(asked: argparse.Namespace) -> int:
    """Do what was asked; returns the exit status."""
    from ganmc_utils.compress import steps
    from ganmc_utils.core.paths import cure_of

    try:
        steps.run(asked)
    except (GanmcError, ValueError) as failed:
        print(f"ganmc: {' '.join(str(failed).split())}", file=sys.stderr)
        return 1
    except OSError as failed:
        line = user_error(
            failed.filename or asked.out,
            f"cannot be written or read ({failed.strerror or failed})",
            cure_of(failed, "choose another folder"),
        )
        print(f"ganmc: {line}", file=sys.stderr)
        return 1
    return 0


def what_is_there(out: Path, began: float) -> str:
    """Whether a model was written to a folder since then."""
    is_written = any(path.stat().st_mtime >= began for path in out.glob("model.*"))
    return "before the report was written" if is_written else "no model was written"


@contextmanager
def signals_end_it(what_is_left: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the process at once, with one line and without its children.

    A KeyboardInterrupt would come out of whatever library is at work, as something else at times.

    what_is_left: gives the end of the line.
    """

    def end(number, _):
        for child in psutil.Process().children(recursive=True):  # the notebook's kernel
            with suppress(psutil.Error):
                child.kill()
        os.write(STANDARD_ERROR, f"\nganmc: stopped; {what_is_left()}\n".encode())
        os._exit(128 + number)  # as shells have it

    before = [signal.signal(number, end) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
