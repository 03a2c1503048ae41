"""The plan of a chapter, read without running it.

Each chapter has a cell tagged `parameters` and one tagged `plan`, which lists what is to be trained
and trains nothing. Whoever must know the units of work (the workflow, the cost model, the stages,
the tests) executes these two cells alone.
"""

import json
from pathlib import Path

import nbformat

from ganmc_utils.core import paths
from ganmc_utils.core.parameters import NetworkModels, SetChapter, notebook_defaults


def notebook_path(notebook: str) -> Path:
    """Where the notebook of that name is."""
    return paths.ROOT / "notebooks" / f"{notebook}.ipynb"


def tagged_cell(notebook: str, tag: str) -> str:
    """The source of the one cell that bears a tag.

    Raises:
        LookupError: there is no such cell, or there are several.
    """
    cells = nbformat.read(notebook_path(notebook), as_version=4).cells
    sources = [cell.source for cell in cells if is_tagged(cell, tag)]
    if len(sources) != 1:
        raise LookupError(f"{notebook}: {len(sources)} cells tagged {tag}, there should be one")
    return sources[0]


def is_tagged(cell: nbformat.NotebookNode, tag: str) -> bool:
    """Whether a cell bears a tag."""
    return tag in cell.metadata.get("tags", [])


def planned(notebook: str, narrowing: str = "", **parameters) -> dict:
    """The names that a notebook's plan cell defines, under its defaults and these parameters.

    narrowing: code that runs after it and leaves a part of the plan.
    """
    names = notebook_defaults(notebook) | json.loads(json.dumps(parameters))
    exec(compile(tagged_cell(notebook, "plan"), f"{notebook}, plan", "exec"), names)
    exec(compile(narrowing, f"{notebook}, part of the plan", "exec"), names)
    return names


def set_seeds(p: NetworkModels, name: str, seeds: list[int]) -> dict[int, list[int]]:
    """The seeds of a named list of students by the trained set that they belong to.

    Of several sets each has one student of each kind, with its own seed; a pair of Table 1 is
    trained on the sets that it names. Chapters with seeds have set 0 alone.
    """
    if not isinstance(p, SetChapter):
        return {0: seeds}
    if name.startswith("pair_"):
        seeds = p.pairs[int(name.split("_")[1]) - 1].sets
    return {set_seed: [set_seed] for set_seed in seeds}
