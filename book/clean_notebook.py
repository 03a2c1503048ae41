"""Move an executed notebook into place without timestamps and papermill's notes, so that a rerun differs only in results."""

import os
import sys

import nbformat

source, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
notebook.metadata.pop("papermill", None)
for cell in notebook.cells:
    cell.metadata.pop("papermill", None)
    cell.metadata.pop("execution", None)
    # progress bars are for the one who waits
    cell["outputs"] = (
        [
            o
            for o in cell.get("outputs", [])
            if o.get("name") != "stderr"
            and "tqdm" not in str(o.get("data", ""))
            and "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
        ]
        if cell.cell_type == "code"
        else []
    )
    if cell.cell_type != "code":
        del cell["outputs"]
notebook.metadata.pop("widgets", None)
nbformat.write(notebook, target)
os.remove(source)
