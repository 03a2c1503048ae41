"""The networks of the image AC-GAN (Sec. 3, after the Keras script the paper built on); acgan.AcGan trains them.

They carry the leading axis of that loop with one GAN on it: images are (1, B, C, H, W).
"""

import torch
from torch import nn
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError


def with_seed(stream, make):
    """make() with torch's initial weights drawn from a generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.initial_seed())
        return make()


class ImageGenerator(nn.Module):
    """G(w, c): noise (1, B, noise) and the class as one-hot (Odena et al.: 100 + 10 = the paper's 110), a dense layer to
    an eighth of the image size, three deconvolutions that double it, tanh."""

    def __init__(self, noise, width, channels, size, n_classes):
        super().__init__()
        self.side, self.width, self.n_classes = size // 8, width, n_classes
        self.dense = nn.Linear(noise + n_classes, 4 * width * self.side**2)

        def up(n_in, n_out):
            return nn.Sequential(
                nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            )

        self.deconvolve = nn.Sequential(
            up(4 * width, 2 * width),
            up(2 * width, width),
            nn.ConvTranspose2d(width, channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, w, c):
        h = torch.relu(
            self.dense(torch.cat([w[0], F.one_hot(c[0], self.n_classes).to(w.dtype)], 1))
        )
        return self.deconvolve(h.view(-1, 4 * self.width, self.side, self.side))[None]

    @staticmethod
    def one(state, r):
        return state


class ImageDiscriminator(nn.Module):
    """D(x): six convolutions, every second one halving the image, Leaky ReLU; source logit (1, B), class logits (1, B, K).

    Normalized over each image by itself: batch norm would tell D which batches are fake."""

    def __init__(self, width, channels, size, n_classes):
        super().__init__()
        layers, n_in = [], channels
        for i, stride in enumerate((2, 1, 2, 1, 2, 1)):
            n_out = width * 2 ** (i // 2)
            norm = [nn.GroupNorm(1, n_out)] if i else []
            layers += [nn.Conv2d(n_in, n_out, 3, stride, 1), *norm, nn.LeakyReLU(0.2)]
            n_in = n_out
        self.convolve = nn.Sequential(*layers, nn.Flatten())
        self.out = nn.Linear(n_in * (size // 8) ** 2, 1 + n_classes)

    def forward(self, x):
        out = self.out(self.convolve(x[0]))[None]
        return out[..., 0], out[..., 1:]


def image_networks(width):
    """What AcGan asks for: a function that makes (G, D) of a width for images of shape (C, H, W). The paper's size is
    about width 96."""

    def make(streams, settings, shape, n_classes):
        channels, size, _ = shape
        if len(streams) != 1 or size % 8:
            raise GanmcError(
                f"image AC-GAN: {len(streams)} GANs of {size} x {size} asked for; train one at a time, "
                "on images whose size is a multiple of 8"
            )
        return with_seed(
            streams[0],
            lambda: (
                ImageGenerator(settings.noise, width, channels, size, n_classes),
                ImageDiscriminator(width, channels, size, n_classes),
            ),
        )

    return make
