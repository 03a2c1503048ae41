"""Sources of images: anything with sample(n, rng) -> (x, intended class). rng is a torch.Generator on x's device."""

import torch
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError


class ChangedImages:
    """Rows of (x, y) drawn with replacement and changed by `change(x, rng)`."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def sample(self, n, rng):
        rows = torch.randint(len(self.x), (n,), generator=rng, device=self.x.device)
        return self.change(self.x[rows], rng), self.y[rows]


class PixelJitter(ChangedImages):
    """Gaussian noise of `scale` times the standard deviation of each pixel over the rows."""

    def __init__(self, x, y, scale):
        if not scale > 0:
            raise GanmcError(f"jitter: scale = {scale}; choose it above 0")
        super().__init__(x, y)
        self.sd = scale * x.std(0)

    def change(self, x, rng):
        return x + self.sd * torch.randn(x.shape, generator=rng, device=x.device)


class Mixup(ChangedImages):
    """lam x + (1 - lam) x' of two rows, lam uniform (Zhang et al., 2018, with Beta(1, 1)); the class is x's."""

    def change(self, x, rng):
        lam = torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)
        other = self.x[torch.randint(len(self.x), (len(x),), generator=rng, device=x.device)]
        return lam * x + (1 - lam) * other


class FlipsCrops(ChangedImages):
    """Left-right flips with probability 1/2 and shifts by up to an eighth of the image, padded by reflection."""

    def change(self, x, rng):
        return flip_crop(x, rng)


def flip_crop(x, rng):
    """x (n, C, H, W) flipped and shifted, each image by its own draw."""
    n, _, size, _ = x.shape
    pad = max(1, size // 8)
    x = flip(x, rng)
    shift = torch.randint(2 * pad + 1, (n, 2), generator=rng, device=x.device)
    at = torch.arange(size, device=x.device)
    rows, columns = shift[:, 0, None] + at, shift[:, 1, None] + at
    padded = F.pad(x, (pad,) * 4, mode="reflect")
    return padded[
        torch.arange(n, device=x.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]
    ].permute(0, 3, 1, 2)


def flip(x, rng):
    """x with each image turned left-right with probability 1/2."""
    turned = torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) < 0.5
    return torch.where(turned, x.flip(3), x)


class GeneratedImages:
    """Images of a trained generator (acgan.AcGan) as it was after an epoch; classes from the data's distribution."""

    def __init__(self, gan, epoch):
        self.make, self.noise, self.prior = gan.maker(0, epoch, 0), gan.settings.noise, gan.prior[0]

    def sample(self, n, rng):
        c = torch.multinomial(self.prior, n, replacement=True, generator=rng)
        return self.of_classes(c, rng), c

    def of_classes(self, c, rng):
        """One image of each class in c (n,)."""
        w = 0.5 * torch.randn(1, len(c), self.noise, generator=rng, device=c.device)
        return self.make(w, c[None])[0]
