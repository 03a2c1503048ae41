"""What several test files need."""

import nbformat

from ganmc_utils.core import parameters, records
from ganmc_utils.core.plan import notebook_path


def defaults(notebook):
    """The literals of a notebook's parameter cell."""
    return parameters.notebook_defaults(notebook)


TOY = {
    "seeds": [0, 1],
    "data": {
        "name": "digits",
        "image_size": 8,
        "n_train": 100,
        "n_validation": 60,
        "n_test": 60,
        "n_fresh": 100,
    },
    "teacher": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 1e-3},
    "student": {"network": "lenet_authors", "width": 2, "epochs": 2, "batch": 50, "lr": 1e-3},
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
}


def toy_parameters(notebook, **change):
    """A chapter's parameters at toy size: seconds of training."""
    return parameters.check_dict(notebook, defaults(notebook) | TOY | change)


def row(**change):
    """A row of chapter 06's record, with these fields changed."""
    fields = {
        "experiment": "compression",
        "dataset": "magic",
        "teacher": "forest_sqrt",
        "student": "forest",
        "source": "gan",
        "setting": {"trees": 1},
        "seed": 0,
        "split": "test",
        "metric": "auc",
        "value": 0.9,
    }
    return records.Row(**fields | change)


def record(rows, **change):
    """A record of these rows, with these fields changed."""
    fields = {
        "profile": "quick",
        "notebook": "06_random_forests",
        "metrics": rows,
        "parameters": {"a": [1]},
        "seconds": 1.5,
        "hardware": {"gpu": None},
        "versions": {"python": "3"},
        "data": {"magic": "ab"},
        "commit": "unknown",
    }
    return records.Record(**fields | change)


def run_chapter(notebook, out, **change):
    """Execute a notebook's cells at toy size up to the one that saves its record; their names."""
    cells = nbformat.read(notebook_path(notebook), as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    last = next(i for i, source in enumerate(sources) if "run.save()" in source)
    names = defaults(notebook) | TOY | {"out_dir": str(out)} | change
    for source in sources[1 : last + 1]:  # the first holds the parameters
        exec(source, names)
    return names


def rows_of_chapter(notebook, out, **change):
    """The rows of a chapter at toy size."""
    return run_chapter(notebook, out, **change)["run"].rows


SMALL_SCORES = {
    "seeds": [0, 1],
    "teacher": {"network": "cnn6", "width": 8, "epochs": 8, "batch": 50, "lr": 3e-3},
    "student": {"network": "cnn5", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "classifier": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
    "inferior_epochs": [1, 2],
    "levels": {"distinct": [0.1, 1.0], "label_noise": [0.0, 1.0]},
    "timing_images": 1,
    "teacher_trees": 10,
}
