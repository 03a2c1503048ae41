"""The plan of a chapter, read without running it.

Each chapter has a cell tagged `parameters` and one tagged `plan`, which lists what is to be trained
and trains nothing. Whoever must know the units of work (the workflow, the cost model, the stages,
the tests) executes these two cells alone.
"""

import json
from pathlib import Path

import nbformat

from ganmc_utils.core import paths
from ganmc_utils.core.parameters import notebook_defaults


def notebook_path(notebook: str) -> Path:
    """Where the notebook of that name is."""
    return paths.ROOT / "notebooks" / f"{notebook}.ipynb"


def tagged_cell(notebook: str, tag: str) -> str:
    """The source of the one cell that bears a tag.

    Raises:
        LookupError: there is no such cell, or there are several.
    """
    cells = nbformat.read(notebook_path(notebook), as_version=4).cells
    sources = [cell.source for cell in cells if tag in cell.metadata.get("tags", [])]
    if len(sources) != 1:
        raise LookupError(f"{notebook}: {len(sources)} cells tagged {tag}, there should be one")
    return sources[0]


def planned(notebook: str, **parameters) -> dict:
    """The names that a notebook's plan cell defines, under its defaults and these parameters."""
    names = notebook_defaults(notebook) | json.loads(json.dumps(parameters))
    exec(compile(tagged_cell(notebook, "plan"), f"{notebook}, plan", "exec"), names)
    return names
