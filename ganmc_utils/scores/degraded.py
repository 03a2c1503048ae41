"""Samples whose order of quality is known: real images made worse step by step, each in one way."""

import math

import torch
from torchvision.transforms.functional import gaussian_blur

from ganmc_utils.core.errors import GanmcError


def repeat_to(rows, n, rng):
    """rows, repeated at random to n of them."""
    more = torch.randint(len(rows), (max(0, n - len(rows)),), generator=rng, device=rows.device)
    return torch.cat([rows, rows[more]])[:n]


def share_of(n, share):
    if not 0 <= share <= 1:
        raise GanmcError(f"series: level {share}; choose it in [0, 1]")
    return max(1, math.ceil(share * n))


def real_share(x, y, level, rng, made):
    """The first `level` of the rows are real, the rest made by the GAN; made: (images, their classes)."""
    k = round(level * len(x))
    return torch.cat([x[:k], made[0][k:]]), torch.cat([y[:k], made[1][k:]])


def distinct(x, y, level, rng, made):
    """Only a share `level` of the images is there, repeated."""
    rows = repeat_to(
        torch.randperm(len(x), generator=rng, device=x.device)[: share_of(len(x), level)],
        len(x),
        rng,
    )
    return x[rows], y[rows]


def within_class(x, y, level, rng, made):
    """Mode collapse within each class: of its images only the share `level` nearest (in pixels) to one of them, repeated."""
    kept = []
    for k in y.unique():
        rows = (y == k).nonzero()[:, 0]
        centre = rows[torch.randint(len(rows), (1,), generator=rng, device=x.device)]
        near = torch.cdist(x[centre].flatten(1), x[rows].flatten(1))[0].argsort()
        kept.append(repeat_to(rows[near[: share_of(len(rows), level)]], len(rows), rng))
    rows = torch.cat(kept)
    return x[rows], y[rows]


def blur(x, y, level, rng, made):
    """A Gaussian blur of `level` pixels (standard deviation)."""
    if not level:
        return x, y
    reach = min(math.ceil(3 * level), x.shape[-1] - 1)
    return gaussian_blur(x, 2 * reach + 1, level), y


def label_noise(x, y, level, rng, made):
    """A share `level` of the images bears a class drawn at random."""
    other = torch.randint(int(y.max()) + 1, y.shape, generator=rng, device=y.device)
    return x, torch.where(torch.rand(y.shape, generator=rng, device=y.device) < level, other, y)


SERIES = {  # name: (function, what a level is, whether more of it is better)
    "real_share": (real_share, "Share of real images", True),
    "distinct": (distinct, "Share of distinct images", True),
    "within_class": (within_class, "Share of each class kept", True),
    "blur": (blur, "Blur (pixels)", False),
    "label_noise": (label_noise, "Share of random labels", False),
}


def degrade(name, x, y, level, rng, made):
    """(x, y) at one level of a series."""
    return SERIES[name][0](x, y, level, rng, made)
