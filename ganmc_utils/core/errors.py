"""The one error the package raises at its users."""


class GanmcError(Exception):
    """A mistake the reader can mend: what is wrong, where, and the cure, in one line."""

    def _render_traceback_(self):
        # IPython (and so papermill) asks an exception how to print itself: one line, no stack.
        return [f"{type(self).__name__}: {self}"]
