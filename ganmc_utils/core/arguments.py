"""Checks of the arguments of public functions, which stay out of the keys of stored results.

    read = checked_first(check_arguments)(read)

below a function: a line `@checked_first(...)` above it would be a part of its code, and so of the
key of every result that the function decides.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real

from ganmc_utils.core.errors import user_error


def checked_first(check: Callable[[dict], None]) -> Callable[[Callable], Callable]:
    """A decorator: check({argument: value}) is called before the function.

    It may raise, and may put another value in the place of one.
    """

    def with_check(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*values, **named):
            given = signature.bind(*values, **named)
            given.apply_defaults()
            check(given.arguments)
            return function(*given.args, **given.kwargs)

        return checked

    return with_check


def check_whole_numbers(where: object, given: dict, **least: int) -> None:
    """Check that arguments are whole numbers from their least ones.

    Raises:
        GanmcError: one is not; the line begins with `where`.
    """
    for name, smallest in least.items():
        value = given[name]
        if not is_whole_number(value) or value < smallest:
            cure = f"choose a whole number from {smallest}"
            raise user_error(where, f"impossible {name} {value!r}", cure)


def is_number(value: object) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole_number(value: object) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)
