"""Sources of images. Each is a core.source.Source: sample(n, rng) -> (x, intended class).

x is float32 (n, C, H, W), c int64 (n,), both on the device of the images that the source was
given; rng is a torch.Generator on the same device.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.registry import Registry
from ganmc_utils.core.source import Source
from ganmc_utils.gan.acgan import AcGan


class AugmentationSource(Source):
    """Images of (x, y) drawn with replacement and changed by `change(x, rng)`; the class is y.

    Args:
        x: images, float32 (N, C, H, W).
        y: their classes, int64 (N,).
    """

    def __init__(self, x: Tensor, y: Tensor):
        self.x = x
        self.y = y

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw n images and change them; the classes are those of the images they come from."""
        rows = torch.randint(len(self.x), (n,), generator=rng, device=self.x.device)
        return self.change(self.x[rows], rng), self.y[rows]

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """A changed copy of x (n, C, H, W); what a subclass has to say."""
        raise NotImplementedError


class PixelJitter(AugmentationSource):
    """Gaussian noise of `scale` times the standard deviation of each pixel over the images.

    Raises:
        GanmcError: scale is not above 0.
    """

    def __init__(self, x: Tensor, y: Tensor, scale: float):
        if not scale > 0:
            raise GanmcError(f"jitter: scale = {scale}; choose it above 0")
        super().__init__(x, y)
        self.sd = scale * x.std(0)

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """X plus noise; nothing is clipped to the range of the images."""
        return x + self.sd * torch.randn(x.shape, generator=rng, device=x.device)


class Mixup(AugmentationSource):
    """Mixtures lam x + (1 - lam) x' of two images, lam uniform in [0, 1]; the class is that of x.

    Zhang et al. (2018) with Beta(1, 1). Their label lam y + (1 - lam) y' is not needed here: the
    teacher labels the mixture.
    """

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Each image of x mixed with one drawn at random."""
        lam = torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)
        partners = torch.randint(len(self.x), (len(x),), generator=rng, device=x.device)
        return lam * x + (1 - lam) * self.x[partners]


class FlipsCrops(AugmentationSource):
    """Left-right flips and shifts by up to an eighth of the image: see flip_crop."""

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Each image flipped or not, and shifted, by its own draw."""
        return flip_crop(x, rng)


class UniformNoise(AugmentationSource):
    """Pixels drawn uniformly from [-1, 1], each by itself: what labels alone can teach.

    The class is that of a training image that has nothing to do with it.
    """

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Noise in the shape of x."""
        return 2 * torch.rand(x.shape, generator=rng, device=x.device) - 1


class ShuffledPixels(AugmentationSource):
    """Training images with their pixels in a random order: their colours, not their shapes."""

    def change(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """X (n, C, H, W), the pixels of each image permuted by its own draw, channels together."""
        n, channels = x.shape[:2]
        pixels = x.flatten(2)  # (n, C, H W)
        keys = torch.rand(n, pixels.shape[2], generator=rng, device=x.device)
        order = keys.argsort(1)[:, None].expand(n, channels, -1)
        return pixels.gather(2, order).view_as(x)


class Flipped(Source):
    """The images of another source, each turned left-right with probability 1/2."""

    def __init__(self, source: Source):
        self.source = source

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw n images of the source and flip them."""
        x, c = self.source.sample(n, rng)
        return flip(x, rng), c


def flip(x: Tensor, rng: torch.Generator) -> Tensor:
    """X (n, C, H, W) with each image turned left-right with probability 1/2."""
    turned = torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) < 0.5
    return torch.where(turned, x.flip(3), x)


def flip_crop(x: Tensor, rng: torch.Generator) -> Tensor:
    """X (n, C, H, H) flipped with probability 1/2, then shifted, each image by its own draw.

    The shift is uniform over -pad, ..., pad pixels in each direction, pad = max(1, H / 8); what
    comes in at the border is the image's reflection.
    """
    n, size = len(x), x.shape[-1]
    pad = max(1, size // 8)
    x = flip(x, rng)
    padded = F.pad(x, (pad, pad, pad, pad), mode="reflect")

    shift = torch.randint(2 * pad + 1, (n, 2), generator=rng, device=x.device)
    pixels = torch.arange(size, device=x.device)
    rows = shift[:, 0, None] + pixels  # (n, H): the rows of `padded` that each crop keeps
    columns = shift[:, 1, None] + pixels
    image = torch.arange(n, device=x.device)[:, None, None]
    crops = padded[image, :, rows[:, :, None], columns[:, None, :]]  # (n, H, W, C)
    return crops.permute(0, 3, 1, 2)


class GeneratedImages(Source):
    """Images of the generator of a trained AC-GAN as it was after an epoch.

    Args:
        gan: the trained AC-GAN, of one seed and one member.
        epoch: one of its snapshots.
    """

    def __init__(self, gan: AcGan, epoch: int):
        self.generator = gan.generator(0, epoch, 0)
        self.noise = gan.settings.noise
        self.prior = gan.prior[0]

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw n classes from the data's distribution, and an image of each."""
        c = torch.multinomial(self.prior, n, replacement=True, generator=rng)
        return self.of_classes(c, rng), c

    def of_classes(self, c: Tensor, rng: torch.Generator) -> Tensor:
        """One image of each class in c (n,): (n, C, H, W)."""
        w = 0.5 * torch.randn(1, len(c), self.noise, generator=rng, device=c.device)
        return self.generator(w, c[None])[0]


# The sources that are made of the training images alone, by their ids in records.
IMAGE_SOURCES = Registry(
    flips=FlipsCrops,
    mixup=Mixup,
    jitter=PixelJitter,
    noise=UniformNoise,
    shuffled=ShuffledPixels,
)
