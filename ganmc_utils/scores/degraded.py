"""Samples whose order of quality is known: real images made worse step by step, each in one way.

Every function takes

    x: images, float32 (n, C, H, W)
    y: their classes, int64 (n,)
    level: how much of the series; what it counts is in SERIES
    rng: a torch.Generator on x's device
    generated: (images (n, C, H, W), classes (n,)) of a GAN

and returns as many images and classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.registry import Registry

Labelled = tuple[Tensor, Tensor]  # images and their classes


def real_share(
    x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled
) -> Labelled:
    """The first `level` of the images are real, the rest come from the GAN."""
    x_generated, y_generated = generated
    n_real = round(level * len(x))
    images = torch.cat([x[:n_real], x_generated[n_real:]])
    classes = torch.cat([y[:n_real], y_generated[n_real:]])
    return images, classes


def distinct(
    x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled
) -> Labelled:
    """Only a share `level` of the images is there, repeated."""
    order = torch.randperm(len(x), generator=rng, device=x.device)
    kept = order[: share_of(len(x), level)]
    rows = repeat_to(kept, len(x), rng)
    return x[rows], y[rows]


def within_class(
    x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled
) -> Labelled:
    """Mode collapse within each class.

    Of the images of a class only the share `level` nearest (in pixels) to one of them is there,
    repeated.
    """
    rows_by_class = []
    for k in y.unique():
        rows = (y == k).nonzero()[:, 0]
        centre = rows[torch.randint(len(rows), (1,), generator=rng, device=x.device)]
        distance = torch.cdist(x[centre].flatten(1), x[rows].flatten(1))[0]
        nearest = rows[distance.argsort()][: share_of(len(rows), level)]
        rows_by_class.append(repeat_to(nearest, len(rows), rng))
    rows = torch.cat(rows_by_class)
    return x[rows], y[rows]


def blur(x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled) -> Labelled:
    """A Gaussian blur of `level` pixels (standard deviation)."""
    if not level:
        return x, y
    reach = min(math.ceil(3 * level), x.shape[-1] - 1)  # pixels to each side of the centre
    return gaussian_blur(x, 2 * reach + 1, level), y


def label_noise(
    x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled
) -> Labelled:
    """A share `level` of the images bears a class drawn at random."""
    n_classes = int(y.max()) + 1
    random_class = torch.randint(n_classes, y.shape, generator=rng, device=y.device)
    replaced = torch.rand(y.shape, generator=rng, device=y.device) < level
    return x, torch.where(replaced, random_class, y)


def repeat_to(rows: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """The indices `rows` (m,), repeated at random to n of them."""
    n_repeats = max(0, n - len(rows))
    repeats = torch.randint(len(rows), (n_repeats,), generator=rng, device=rows.device)
    return torch.cat([rows, rows[repeats]])[:n]


def share_of(n: int, share: float) -> int:
    """A share of n, rounded up, at least 1.

    Raises:
        GanmcError: share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise GanmcError(f"series: level {share}; choose it in [0, 1]")
    return max(1, math.ceil(share * n))


@dataclass(frozen=True)
class QualitySeries:
    """One way of making images worse.

    function: see the functions above.
    label: what a level counts.
    higher_is_better: whether more of it leaves better images.
    """

    function: Callable[..., Labelled]
    label: str
    higher_is_better: bool


SERIES = Registry(
    real_share=QualitySeries(real_share, "Share of real images", higher_is_better=True),
    distinct=QualitySeries(distinct, "Share of distinct images", higher_is_better=True),
    within_class=QualitySeries(within_class, "Share of each class kept", higher_is_better=True),
    blur=QualitySeries(blur, "Blur (pixels)", higher_is_better=False),
    label_noise=QualitySeries(label_noise, "Share of random labels", higher_is_better=False),
)


def degrade(
    name: str, x: Tensor, y: Tensor, level: float, rng: torch.Generator, generated: Labelled
) -> Labelled:
    """Images and classes at one level of the series called name.

    Raises:
        GanmcError: there is no such series, or the level is outside its range.
    """
    return SERIES.entry(name, "series").function(x, y, level, rng, generated)
