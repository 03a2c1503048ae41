"""What several test files need."""

from ganmc_utils.core import parameters


def defaults(notebook):
    """The literals of a notebook's parameter cell."""
    return parameters.notebook_defaults(notebook)
