"""What several test files need."""

from ganmc_utils.core import parameters


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
