"""Numbers are printed as the book says they are."""

import pandas as pd

from ganmc_utils.report import text
from ganmc_utils.report.statistics import Interval


def test_a_mean_has_its_error_where_there_are_several_values():
    assert text.mean_and_error([1.0, 2.0, 3.0]) == "2.000 ± 0.577"
    assert text.mean_and_error([1.0, 2.0, 3.0], digits=1) == "2.0 ± 0.6"
    assert text.mean_and_error([0.25]) == "0.250"


def test_a_difference_has_its_sign_and_its_interval():
    assert text.difference_and_interval(Interval(0.5, -0.25, 1.25, 3)) == "+0.500 [-0.250, +1.250]"
    assert text.difference_and_interval(Interval(-0.5, -0.5, -0.5, 1)) == "-0.500"
    assert text.paired_difference([2.0], [1.0]) == "+1.000"


def test_a_published_number_stands_in_brackets():
    assert text.in_brackets(0.918) == " (0.918)"
    assert text.in_brackets(5.80, "g") == " (5.8)"
    assert text.in_brackets(None) == ""


def test_a_table_is_written_as_it_is_shown(tmp_path):
    table = text.table_of([{"a": "0.10"}, {"a": "+1.5", "b": "x"}])
    assert table.b.tolist() == ["", "x"]
    shown = text.show_table(table, tmp_path, "name")
    written = (tmp_path / "tables" / "name.md").read_text()
    assert written == shown.data + "\n" and "| 0.10 |" in written and "| +1.5 |" in written


def test_errors_and_intervals_are_in_smaller_type():
    cells = {
        "0.912 ± 0.002 (0.918)": "0.912 <small>±&nbsp;0.002</small> (0.918)",
        "+0.044 [-0.023, +0.066], n = 3": "+0.044 <small>[-0.023,&nbsp;+0.066]</small>, n = 3",
        "in 1 ± 0.05": "in 1 <small>±&nbsp;0.05</small>",
        "[text](link), [a, b]": "[text](link), [a, b]",
    }
    for cell, shorter in cells.items():
        assert text.short_cell(cell) == shorter
    assert "| 2 " in text.markdown(pd.DataFrame({"n": [2]}))


def test_a_table_without_rows_says_so(tmp_path):
    shown = text.show_table(pd.DataFrame(), tmp_path, "name")
    assert shown.data == "Not part of this profile."
    assert (tmp_path / "tables" / "name.md").read_text() == shown.data + "\n"


def documented():
    """What it does.

    Returns:
        Nothing.
    """

    def inner():
        """One line."""
        return None

    return inner


def test_code_is_shown_as_it_stands_with_short_docstrings():
    shown = text.show_code(documented, Interval).data
    assert shown.startswith(
        '```python\ndef documented():\n    """What it does."""\n\n    def inner'
    )
    assert '        """One line."""\n        return None\n\n    return inner\n\n\n' in shown
    assert "class Interval" in shown and shown.endswith("\n```")
