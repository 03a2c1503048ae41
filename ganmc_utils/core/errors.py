"""The one error the package raises at its users."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def own_code(
    where: object, cure: str, problem: str = "fails", error: Callable = user_error
) -> Iterator[None]:
    """Whatever code of the user's own raises in this block is one line: "where: problem (...)".

    So is its SystemExit, which would end a long run. A GanmcError stays as it is.

    Args:
        where: begins the line.
        cure: ends it.
        problem: what the code did.
        error: makes the exception of these three.
    """
    try:
        yield
    except GanmcError:
        raise
    except (Exception, SystemExit) as failed:
        raise error(where, f"{problem} ({type(failed).__name__}: {failed})", cure) from failed
