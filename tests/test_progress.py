"""A notebook's progress bar is a widget, or text that papermill passes on to a terminal."""

import nbformat
import pytest
from nbclient import NotebookClient

from ganmc_utils.core import paths

CELL = "from ganmc_utils.core.progress import tqdm\n\nlist(tqdm(range(2), desc='seeds'))"


@pytest.mark.parametrize("asked, is_text", [("text", True), ("", False)])
def test_a_bar_is_what_was_asked_for(monkeypatch, asked, is_text):
    monkeypatch.setenv("GANMC_PROGRESS", asked)
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    text = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert ("seeds: 100%" in text) == is_text
    assert any("widget" in str(output.get("data")) for output in outputs) != is_text
