"""Numbers as the book prints them, and tables written as Markdown beside the figures."""

from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from ganmc_utils.core import paths
from ganmc_utils.report import statistics
from ganmc_utils.report.statistics import Interval, Values


def mean_and_error(values: Values, digits: int = 3) -> str:
    """Mean ± standard error, such as "0.912 ± 0.002"; the mean alone for one value."""
    mean, se, n = statistics.mean_se(values)
    if n > 1:
        return f"{mean:.{digits}f} ± {se:.{digits}f}"
    return f"{mean:.{digits}f}"


def difference_and_interval(interval: Interval) -> str:
    """Mean [low, high] with signs, such as "+0.044 [+0.023, +0.066]"; the mean for one seed."""
    if interval.n > 1:
        return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
    return f"{interval.mean:+.3f}"


def paired_difference(a: Values, b: Values) -> str:
    """The paired interval of a - b in words: see `difference_and_interval`."""
    return difference_and_interval(statistics.paired_interval(a, b))


def in_brackets(number: float | None, spec: str = ".3f") -> str:
    """A published number behind ours, such as " (0.918)"; "" where the paper has none."""
    return f" ({number:{spec}})" if number is not None else ""


def table_of(rows: list[dict]) -> pd.DataFrame:
    """A table from dicts of {header: text}, in their order; cells that a row lacks are empty."""
    return pd.DataFrame(rows).fillna("")


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, its cells as they are spelt."""
    return table.to_markdown(index=False, disable_numparse=True)


def show_table(table: pd.DataFrame, out: Path, name: str) -> Markdown:
    """Write a table to out/tables/<name>.md and show it; a table without rows says so."""
    text = "Not part of this profile." if table.empty else markdown(table)
    paths.write_atomically(out / "tables" / f"{name}.md", text + "\n")
    return Markdown(text)
