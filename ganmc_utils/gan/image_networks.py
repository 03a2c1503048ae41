"""The networks of the image AC-GAN (Sec. 3, after the Keras script the paper built on).

acgan.AcGan trains them. They carry the leading axis of that loop with one GAN on it: images are
(1, B, C, H, W).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.rounding import StateDict
from ganmc_utils.gan.acgan import GanSettings


class ImageGenerator(nn.Module):
    """G(w, c): a dense layer, then three deconvolutions that each double the image size, tanh.

    The input is noise and the class as one-hot (Odena et al.: 100 + 10 = the paper's 110); the
    dense layer makes 4 * width channels of an eighth of the image size.
    """

    def __init__(self, noise: int, width: int, channels: int, size: int, n_classes: int):
        super().__init__()
        self.side = size // 8
        self.width = width
        self.n_classes = n_classes
        self.dense = nn.Linear(noise + n_classes, 4 * width * self.side**2)

        def doubling(n_in, n_out):
            return nn.Sequential(
                nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            )

        self.deconvolve = nn.Sequential(
            doubling(4 * width, 2 * width),
            doubling(2 * width, width),
            nn.ConvTranspose2d(width, channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, w: Tensor, c: Tensor) -> Tensor:
        """Noise (1, B, noise) and classes (1, B) -> images (1, B, C, H, W) in [-1, 1]."""
        one_hot = F.one_hot(c[0], self.n_classes).to(w.dtype)
        h = torch.relu(self.dense(torch.cat([w[0], one_hot], 1)))
        h = h.view(-1, 4 * self.width, self.side, self.side)
        return self.deconvolve(h)[None]

    @staticmethod
    def state_of_gan(state: StateDict, r: int) -> StateDict:
        """The parameters of GAN r, from a state_dict of all: there is one GAN only."""
        return state


class ImageDiscriminator(nn.Module):
    """D(x): six convolutions, every second one halving the image, leaky ReLU, a dense layer.

    Normalized over each image by itself: batch norm would tell D which batches are fake.
    """

    def __init__(self, width: int, channels: int, size: int, n_classes: int):
        super().__init__()
        layers = []
        n_in = channels
        for i, stride in enumerate((2, 1, 2, 1, 2, 1)):
            n_out = width * 2 ** (i // 2)
            layers.append(nn.Conv2d(n_in, n_out, 3, stride, 1))
            if i > 0:
                layers.append(nn.GroupNorm(1, n_out))
            layers.append(nn.LeakyReLU(0.2))
            n_in = n_out
        self.convolve = nn.Sequential(*layers, nn.Flatten())
        self.out = nn.Linear(n_in * (size // 8) ** 2, 1 + n_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (1, B, C, H, W) -> source logits (1, B), class logits (1, B, K)."""
        out = self.out(self.convolve(x[0]))[None]
        return out[..., 0], out[..., 1:]


def image_networks(width: int) -> Callable[..., tuple[ImageGenerator, ImageDiscriminator]]:
    """The `networks` argument of AcGan for images: a function that builds (G, D) of a width.

    The paper's size is about width 96. The function raises GanmcError for more than one GAN, or
    for an image size that is not a multiple of 8.
    """

    def build(
        streams: Sequence[torch.Generator],
        settings: GanSettings,
        shape: Sequence[int],
        n_classes: int,
    ) -> tuple[ImageGenerator, ImageDiscriminator]:
        channels, size, _ = shape
        if len(streams) != 1 or size % 8:
            raise GanmcError(
                f"image AC-GAN: {len(streams)} GANs of {size} x {size} asked for; train one at "
                "a time, on images whose size is a multiple of 8"
            )
        # torch draws initial weights from its global stream: seed it, and put it back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(streams[0].initial_seed())
            generator = ImageGenerator(settings.noise, width, channels, size, n_classes)
            discriminator = ImageDiscriminator(width, channels, size, n_classes)
        return generator, discriminator

    return build
