"""What a source of compression data is: the one idea that every experiment hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = np.ndarray | torch.Tensor
    RandomStream = np.random.Generator | torch.Generator


@runtime_checkable
class Source(Protocol):
    """Anything that draws fresh feature vectors: a GAN, jitter, SMOTE, MUNGE, the training rows.

    Tables use numpy arrays and a numpy.random.Generator, images use torch tensors and a
    torch.Generator on the device of the images. A class of your own need not inherit from Source:
    it is one as soon as it has `sample`.
    """

    def sample(self, n: int, rng: RandomStream) -> tuple[Array, Array | None]:
        """Draw n samples, all randomness from rng.

        Args:
            n: number of samples.
            rng: the random stream; the same state of it gives the same samples.

        Returns:
            x: float32, (n, d) standardized rows, or (n, C, H, W) images in the range of the data.
            c: int (n,), the class that each sample is meant to be of, or None where the source
                means none (teacher and student ask for none; supervised learning does).
        """
        ...
