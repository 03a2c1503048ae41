"""The source of compress_network: one of Sec. 3 by its name, or the user's own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganmc_utils.compress.network_checks import plain_tensor
from ganmc_utils.core.errors import own_code, user_error
from ganmc_utils.core.source import Source
from ganmc_utils.networks.batches import random_stream
from ganmc_utils.networks.sources import IMAGE_SOURCES

JITTER_SCALE = 0.3  # of the source `jitter`, in standard deviations of a pixel
BRIGHTEST = 10  # times the largest value of your images: a source of another scale


def check_source(source: object, x: Tensor) -> None:
    """Raises GanmcError for an unknown name, or for what draws no images like x (n, C, H, W)."""
    names = ("train", *IMAGE_SOURCES)
    if isinstance(source, str):
        if source not in names:
            raise user_error(
                "source", f"unknown name {source}", f"choose one of {', '.join(names)}"
            )
    elif callable(getattr(source, "sample", source)):
        OwnImages(source, x).sample(2, random_stream(x.device, "first"))
    else:
        cure = "give a name, an object with sample(n, rng) or a function of (n, rng)"
        raise user_error("source", f"{type(source).__name__} draws no images", cure)


def source_of(source: object, x: Tensor, y: Tensor) -> Source | None:
    """The Source of what the user gave, which is checked; None for "train"."""
    if not isinstance(source, str):
        return OwnImages(source, x)
    if source == "train":
        return None
    scale = [JITTER_SCALE] if source == "jitter" else []
    return IMAGE_SOURCES[source](x, y, *scale)


@dataclass
class OwnImages(Source):
    """The user's own: an object with sample(n, rng), or a function of (n, rng).

    Args:
        draw: the object or function; a pair (images, classes) is taken as well, and the classes
            are of no use: the teacher tells them.
        like: images of the shape that is expected.
    """

    draw: object
    like: Tensor

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, None]:
        """Draw n images.

        Raises:
            GanmcError: it fails, or gives not n images of the right shape and scale.
        """
        with own_code("source", "mend its sample(n, rng)"), torch.no_grad():
            drawn = getattr(self.draw, "sample", self.draw)(n, rng)
        x = plain_tensor("source", drawn[0] if isinstance(drawn, tuple) and drawn else drawn)
        expected = (n, *self.like.shape[1:])
        if tuple(x.shape) != expected or not x.is_floating_point():
            problem = f"{x.dtype} of shape {tuple(x.shape)}".removeprefix("torch.")
            cure = f"draw float32 {expected}, scaled as the teacher's images are"
            raise user_error("source", problem, cure)
        x = x.to(self.like.device, torch.float32)
        if not torch.isfinite(x).all():
            raise user_error("source", "draws NaN or infinity", "train it anew")
        largest, usual = float(x.abs().max()), float(self.like.abs().max())
        if largest > BRIGHTEST * usual:
            problem = f"draws values up to {largest:.3g}, your images have {usual:.3g}"
            raise user_error("source", problem, "scale them as your images are")
        return x, None
