"""A source of the user's own file, "my.py:Generator": made, asked and checked.

It is a class with `sample(n, rng)`, made with the training data `(x, y)` or with nothing, or else a
function of `(n, rng)`. It returns n samples, or a pair of them and the classes that they are meant
to be of; numpy arrays or torch tensors.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from ganmc_utils.core.errors import own_code, user_error
from ganmc_utils.core.registry import own_entry
from ganmc_utils.core.source import Source

if TYPE_CHECKING:
    from ganmc_utils.core.source import Array, RandomStream


class OwnSource(Source):
    """What a name such as "my.py:Generator" stands for; what it draws is checked.

    Args:
        name: of the class or function.
        x: training data (N, ...), in whose form and units it has to draw.
        y: their classes (N,).
        needs_classes: whether it has to say of which class a sample is meant to be.

    Raises:
        GanmcError: it cannot be made.
    """

    def __init__(self, name: str, x: Array, y: Array, needs_classes: bool = False):
        self.name, self.x = name, x
        self.needs_classes = needs_classes
        self.n_classes = int(y.max()) + 1
        entry = own_entry(name)
        if inspect.isfunction(entry):
            self.draw = entry
            return
        arguments = (x, y) if takes(entry, 2) else ()
        with own_code(name, "mend it"):
            instance = entry(*arguments)
        self.draw = getattr(instance, "sample", None)
        if not callable(self.draw):
            raise user_error(name, "has no sample(n, rng)", "give its class that method")

    def sample(self, n: int, rng: RandomStream) -> tuple[Array, Array | None]:
        """Draw n samples and the classes that they are meant to be of, None where it means none.

        Raises:
            GanmcError: it fails, or gives other than n samples of the form and units of x.
        """
        with own_code(self.name, "mend it"):
            with torch.no_grad():
                drawn = self.draw(n, rng)
            x, classes = drawn if isinstance(drawn, tuple) else (drawn, None)
            x = torch.as_tensor(x).detach()
        shape = (n, *self.x.shape[1:])
        if tuple(x.shape) != shape:
            problem = f"gives samples of shape {tuple(x.shape)} for n = {n}"
            raise user_error(self.name, problem, f"it must give {shape}")
        if not torch.isfinite(x).all():
            raise user_error(self.name, "gives NaN or infinity", "it must give finite numbers")
        return self.in_units(x), self.checked_classes(classes, n)

    def checked_classes(self, classes: object, n: int) -> Array | None:
        """The classes as the other sources give theirs: int64 (n,)."""
        if classes is None:
            if self.needs_classes:
                problem = "gives no classes, which are needed where no teacher labels the samples"
                raise user_error(self.name, problem, "return a pair (samples, classes)")
            return None
        with own_code(self.name, "mend it"):
            classes = torch.as_tensor(classes)
        is_whole = not (classes.is_floating_point() or classes.is_complex())
        if tuple(classes.shape) != (n,) or not is_whole or not self.are_known(classes):
            problem = f"gives classes that are not {n} whole numbers below {self.n_classes}"
            raise user_error(self.name, problem, "return a pair (samples, classes)")
        return self.as_training_data(classes.long())

    def are_known(self, classes: torch.Tensor) -> bool:
        """Whether all classes are among those of the training data."""
        return bool((classes >= 0).all() and (classes < self.n_classes).all())

    @abstractmethod
    def in_units(self, x: torch.Tensor) -> Array:
        """Samples of the right shape as float32 of the training data's kind.

        Raises:
            GanmcError: they are in other units.
        """

    @abstractmethod
    def as_training_data(self, tensor: torch.Tensor) -> Array:
        """A tensor as an array of the kind that the training data are, on their device."""


class OwnRows(OwnSource):
    """Rows of a table, numpy arrays; they are in the units of x, which are standardized."""

    far = 5  # deviations of a column; no mean of rows in the units of x is so far off

    def in_units(self, x: torch.Tensor) -> np.ndarray:
        """Rows, float32 (n, d)."""
        rows = self.as_training_data(x).astype(np.float32)
        mean, deviation = self.x.mean(0, dtype=np.float64), self.x.std(0, dtype=np.float64)
        off = np.abs(rows.mean(0, dtype=np.float64) - mean) / np.where(deviation, deviation, 1)
        if off.max() > self.far:
            j = int(off.argmax())
            problem = f"the mean of column {j} is {off[j]:.3g} deviations from the training rows'"
            raise user_error(self.name, problem, "it must give rows in the units of x")
        return rows

    def as_training_data(self, tensor: torch.Tensor) -> np.ndarray:
        """A numpy array."""
        return tensor.cpu().numpy()


class OwnImages(OwnSource):
    """Images, torch tensors in [-1, 1] on the device of x; those of type uint8 are scaled."""

    brightest = 10  # noise may leave [-1, 1]; what is brighter than that counts to 255

    def in_units(self, x: torch.Tensor) -> torch.Tensor:
        """Images, float32 (n, C, H, W)."""
        if x.dtype == torch.uint8:
            return self.as_training_data(x.float() / 127.5 - 1)
        low, high = float(x.min()), float(x.max())
        is_from_0 = low >= 0 and float(self.x.min()) < 0
        if is_from_0 or max(-low, high) > self.brightest:
            problem = f"gives values from {low:.3g} to {high:.3g}, the real images are in [-1, 1]"
            raise user_error(self.name, problem, "scale them (from [0, 1]: 2 x - 1)")
        return self.as_training_data(x.float())

    def as_training_data(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor on the device."""
        return tensor.to(self.x.device)


def takes(function: Callable, n: int) -> bool:
    """Whether a function or class can be called with n values."""
    try:
        inspect.signature(function).bind(*range(n))
    except (TypeError, ValueError):  # ValueError: what is built in may not tell
        return False
    return True


def problem_of_call(name: str) -> str:
    """Why what a name stands for cannot be a source, "" where it can."""
    entry = own_entry(name)
    if inspect.isfunction(entry):
        return "" if takes(entry, 2) else f"{name}: a function is called with (n, rng); let it take"
    draw = getattr(entry, "sample", None)
    is_method = inspect.isfunction(inspect.getattr_static(entry, "sample", None))  # takes self
    if not callable(draw) or not takes(draw, 3 if is_method else 2):
        return f"{name}: its class has no sample(n, rng); give it that method"
    if takes(entry, 2) or takes(entry, 0):
        return ""
    return f"{name}: its class is made with the training data (x, y) or with nothing; let it take"
