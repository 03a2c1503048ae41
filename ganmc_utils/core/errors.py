"""The one error the package raises at its users."""

LONGEST_PROBLEM = 300  # characters: messages of libraries go on for pages


class GanmcError(Exception):
    """A mistake the reader can mend: what is wrong, where, and the cure, in one line."""

    def _render_traceback_(self) -> list[str]:
        # IPython (and so papermill) asks an exception how to print itself: one line, no stack.
        return [f"{type(self).__name__}: {self}"]


def user_error(where: object, problem: str, cure: str) -> GanmcError:
    """The GanmcError "where: problem; cure", to be raised by the caller.

    It is one line whatever the parts hold: library messages and column names bring line ends. A
    long problem is cut.
    """
    problem = " ".join(problem.split())
    if len(problem) > LONGEST_PROBLEM:
        problem = problem[:LONGEST_PROBLEM] + " ..."
    return GanmcError(" ".join(f"{where}: {problem}; {cure}".split()))
