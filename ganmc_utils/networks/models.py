"""The networks of Sec. 3, by their papers, for images of any size that can be halved three times.

Every constructor takes (width, in_channels, image_size, num_classes); `width` scales all layers, its default is the
paper's, so that a laptop runs the same code narrow.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError


def conv_batch_norm(n_in, n_out, size=3, stride=1):
    """Convolution that keeps the image size (at stride 1), without bias, then batch norm."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False), nn.BatchNorm2d(n_out)
    )


def nin(width=192, in_channels=3, image_size=32, num_classes=10):
    """Network in Network (Lin et al., 2014) as its authors' CIFAR-10 model: 0.97 million parameters at width 192."""

    def block(n_in, size, widths):
        layers = []
        for n_out in widths:
            layers += [nn.Conv2d(n_in, n_out, size, padding=size // 2), nn.ReLU()]
            n_in, size = n_out, 1
        return layers

    w = width
    return nn.Sequential(
        *block(in_channels, 5, (w, w * 5 // 6, w // 2)),
        nn.MaxPool2d(3, 2, padding=1),
        nn.Dropout(0.5),
        *block(w // 2, 5, (w, w, w)),
        nn.AvgPool2d(3, 2, padding=1),
        nn.Dropout(0.5),
        *block(w, 3, (w, w, num_classes)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def lenet_authors(width=64, in_channels=3, image_size=32, num_classes=10):
    """The paper's student: 5x5 convolutions of 64 and 128 channels, each max-pooled, 1,024 hidden units; as in Caffe's
    LeNet the only nonlinearity besides pooling is the ReLU of the hidden layer."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (image_size // 4) ** 2, 16 * width),
        nn.ReLU(),
        nn.Linear(16 * width, num_classes),
    )


def lenet(width=6, in_channels=3, image_size=32, num_classes=10):
    """LeNet-5 (LeCun et al., 1998) with ReLU and max-pooling: 62,006 parameters at width 6 on 32 x 32 colour images.
    Below 32 x 32 the convolutions are padded, so that an image is left to pool."""
    pad = 0 if image_size >= 32 else 2
    side = ((image_size - 4 + 2 * pad) // 2 - 4 + 2 * pad) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width * 16 // 6, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(width * 16 // 6 * side**2, 20 * width),
        nn.ReLU(),
        nn.Linear(20 * width, 14 * width),
        nn.ReLU(),
        nn.Linear(14 * width, num_classes),
    )


def cnn5(width=32, in_channels=3, image_size=32, num_classes=10):
    """The 5-layer CNN of the second pair (Li, 2018): three convolutions with batch norm and pooling, two dense layers."""
    layers, n_in = [], in_channels
    for n_out in (width, 2 * width, 4 * width):
        layers += [
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.MaxPool2d(2),
            nn.ReLU(),
        ]
        n_in = n_out
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(n_in * (image_size // 8) ** 2, 4 * n_in),
        nn.BatchNorm1d(4 * n_in),
        nn.ReLU(),
        nn.Linear(4 * n_in, num_classes),
    )


def cnn6(width=48, in_channels=3, image_size=16, num_classes=10):
    """Six 3x3 convolutions with batch norm, pooled after every second: a teacher for small machines, not in the paper."""
    layers, n_in = [], in_channels
    for n_out in (width, 2 * width, 4 * width):
        layers += [
            conv_batch_norm(n_in, n_out),
            nn.ReLU(),
            conv_batch_norm(n_out, n_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        n_in = n_out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, num_classes)
    )


class Stride(nn.Module):
    """Every `step`-th row and column: before a 1x1 convolution the same as its stride, whose gradient corrupts memory on some
    CPUs (oneDNN in torch 2.11, 2 to 4 channels)."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def forward(self, x):
        return x[:, :, :: self.step, :: self.step]


class BasicBlock(nn.Module):
    """Residual block of He et al. (2016): conv, BN, ReLU, conv, BN, plus the input (projected where shapes differ)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.one, self.two = conv_batch_norm(n_in, n_out, 3, stride), conv_batch_norm(n_out, n_out)
        self.shortcut = (
            nn.Identity()
            if n_in == n_out and stride == 1
            else nn.Sequential(Stride(stride), conv_batch_norm(n_in, n_out, 1))
        )

    def forward(self, x):
        return F.relu(self.two(F.relu(self.one(x))) + self.shortcut(x))


class WideBlock(nn.Module):
    """Pre-activated block of Zagoruyko and Komodakis (2016): BN, ReLU, conv, BN, ReLU, dropout, conv, plus the input."""

    def __init__(self, n_in, n_out, stride, dropout=0.3):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(n_in), nn.BatchNorm2d(n_out)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.project = (
            None
            if n_in == n_out and stride == 1
            else nn.Sequential(Stride(stride), nn.Conv2d(n_in, n_out, 1, bias=False))
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        h = F.relu(self.bn1(x))
        shortcut = x if self.project is None else self.project(h)
        return self.conv2(self.dropout(F.relu(self.bn2(self.conv1(h))))) + shortcut


def resnet18(width=64, in_channels=3, image_size=32, num_classes=10):
    """ResNet-18 (He et al., 2016) for small images: a 3x3 stem without pooling; 11.17 million parameters at width 64."""
    layers, n_in = [conv_batch_norm(in_channels, width), nn.ReLU()], width
    for n_out, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        layers += [BasicBlock(n_in, n_out, stride), BasicBlock(n_out, n_out, 1)]
        n_in = n_out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, num_classes)
    )


def wrn28(width=10, in_channels=3, image_size=32, num_classes=10):
    """WideResNet-28-k (Zagoruyko and Komodakis, 2016), k = width: 36.5 million parameters at k = 10."""
    layers, n_in = [nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)], 16
    for n_out, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        layers += [
            WideBlock(n_in if i == 0 else n_out, n_out, stride if i == 0 else 1) for i in range(4)
        ]
        n_in = n_out
    return nn.Sequential(
        *layers,
        nn.BatchNorm2d(n_in),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(n_in, num_classes),
    )


NETWORKS = {f.__name__: f for f in (nin, lenet_authors, lenet, cnn5, cnn6, resnet18, wrn28)}


def make_network(name, seed, width=None, in_channels=3, image_size=32, num_classes=10):
    """The network `name` with initial weights drawn from `seed`. GanmcError for an unknown name or image size."""
    if name not in NETWORKS:
        raise GanmcError(f"network {name}: unknown; choose one of {', '.join(NETWORKS)}")
    if image_size % 8:
        raise GanmcError(
            f"network {name}: image_size {image_size} cannot be halved three times; choose a multiple of 8"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        given = {} if width is None else {"width": width}
        return NETWORKS[name](
            in_channels=in_channels, image_size=image_size, num_classes=num_classes, **given
        )


def count_parameters(net):
    return sum(p.numel() for p in net.parameters())
