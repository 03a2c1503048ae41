"""Move an executed notebook into place without timestamps, so that a rerun differs in results only.

python book/clean_notebook.py executed.ipynb clean.ipynb
"""

import argparse
import os

import nbformat

WIDGET = "application/vnd.jupyter.widget-view+json"


def is_for_the_page(output) -> bool:
    """Whether a cell's output is more than a progress bar, which is for the one who waits."""
    data = output.get("data", {})
    is_progress = output.get("name") == "stderr" or "tqdm" in str(data) or WIDGET in data
    return not is_progress


def fold(cell):
    """Fold the cell of parameters that papermill has put in, as the one above it is."""
    tags = cell.metadata.get("tags", [])
    if "injected-parameters" in tags and "hide-input" not in tags:
        cell.metadata["tags"] = [*tags, "hide-input"]


def clean(notebook):
    """The notebook without what papermill and the kernel noted of this run."""
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        fold(cell)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if is_for_the_page(output)]
    return notebook


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="an executed notebook; it is removed")
    parser.add_argument("target")
    asked = parser.parse_args()
    if not os.path.isfile(asked.source):
        parser.error(f"{asked.source}: no such file; execute the notebook first")
    nbformat.write(clean(nbformat.read(asked.source, as_version=4)), asked.target)
    os.remove(asked.source)
