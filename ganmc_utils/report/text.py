"""Numbers, tables and code as the book prints them."""

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
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


def fold_and_interval(fold: Interval) -> str:
    """A factor and its bounds, such as "8-fold [2, 14]"; the factor alone for one seed."""
    if fold.n > 1:
        return f"{fold.mean:,.0f}-fold [{fold.low:,.0f}, {fold.high:,.0f}]"
    return f"{fold.mean:,.0f}-fold"


def paired_difference(a: Values, b: Values) -> str:
    """The paired interval of a - b in words: see `difference_and_interval`."""
    return difference_and_interval(statistics.paired_interval(a, b))


def in_brackets(number: float | None, spec: str = ".3f") -> str:
    """A published number behind ours, such as " (0.918)"; "" where the paper has none."""
    return f" ({number:{spec}})" if number is not None else ""


def table_of(rows: list[dict]) -> pd.DataFrame:
    """A table from dicts of {header: text}, in their order; cells that a row lacks are empty."""
    return pd.DataFrame(rows).fillna("")


ERROR = re.compile(r"(?<=\d) ± ([\d.]+)")
INTERVAL = re.compile(r" \[([-−+]?[\d.]+), ([-−+]?[\d.]+)\]")


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown: errors and intervals in smaller type."""
    return table.map(short_cell).to_markdown(index=False, disable_numparse=True)


def short_cell(cell: object) -> str:
    """A cell whose numbers come first, such as "0.912 <small>±&nbsp;0.002</small>"."""
    smaller = ERROR.sub(r" <small>±&nbsp;\1</small>", str(cell))
    return INTERVAL.sub(r" <small>[\1,&nbsp;\2]</small>", smaller)


def show_table(table: pd.DataFrame, out: Path, name: str) -> Markdown:
    """Write a table to out/tables/<name>.md and show it; a table without rows says so."""
    text = "Not part of this profile." if table.empty else markdown(table)
    paths.write_atomically(out / "tables" / f"{name}.md", text + "\n")
    return Markdown(text)


def show_tables(tables: Mapping[str, tuple[pd.DataFrame, str]], out: Path) -> Markdown:
    """Show tables beside each other, as far as the screen is wide, each under its title.

    tables: {title: (table, name)}; each is written as by `show_table`.
    """
    parts = [
        f"<div>\n\n**{title}**\n\n{show_table(table, out, name).data}\n\n</div>"
        for title, (table, name) in tables.items()
    ]
    return Markdown("\n\n".join(['<div class="side-by-side">', *parts, "</div>"]))


def show_code(*objects: object) -> Markdown:
    """The package's own source of functions and classes, so that page and code cannot differ.

    A docstring is shortened to its first line.
    """
    sources = [short_source(textwrap.dedent(inspect.getsource(each))) for each in objects]
    code = "\n\n\n".join(sources)
    return Markdown(f"```python\n{code}\n```")


def short_source(source: str) -> str:
    """Source whose docstrings have one line."""
    lines = source.rstrip().splitlines()
    docstrings = [
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node)
    ]
    for docstring in sorted(docstrings, key=lambda node: node.lineno, reverse=True):
        if docstring.end_lineno > docstring.lineno:
            first = docstring.lineno - 1
            lines[first : docstring.end_lineno] = [lines[first] + '"""']
    return "\n".join(lines)
