"""The networks of Sec. 3, by their papers, for images of any size that can be halved three times.

Every constructor takes (width, in_channels, image_size, num_classes) and returns a network that
maps images, float32 (B, C, H, W), to logits (B, K). `width` scales all layers; its default is the
paper's, so that a laptop runs the same code narrow.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.registry import Registry


def conv_batch_norm(n_in: int, n_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the image size (at stride 1), without bias, then batch norm."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


def nin(
    width: int = 192, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """Network in Network (Lin et al., 2014), as its authors' CIFAR-10 model.

    0.97 million parameters at width 192.
    """

    def block(n_in, size, widths):
        """A convolution of `size`, then 1x1 convolutions, each followed by a ReLU."""
        layers = []
        for n_out in widths:
            layers += [nn.Conv2d(n_in, n_out, size, padding=size // 2), nn.ReLU()]
            n_in = n_out
            size = 1
        return layers

    return nn.Sequential(
        *block(in_channels, 5, (width, width * 5 // 6, width // 2)),
        nn.MaxPool2d(3, 2, padding=1),
        nn.Dropout(0.5),
        *block(width // 2, 5, (width, width, width)),
        nn.AvgPool2d(3, 2, padding=1),
        nn.Dropout(0.5),
        *block(width, 3, (width, width, num_classes)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def lenet_authors(
    width: int = 64, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """The paper's student, as in its authors' code: 3,497,866 parameters at width 64.

    5x5 convolutions without padding, of 64 and 128 channels, each max-pooled, then 1,024 hidden
    units; as in Caffe's LeNet the only nonlinearity besides pooling is the ReLU of the hidden
    layer. Biases start at N(0, 0.5^2).

    Raises:
        GanmcError: the images are too small for convolutions without padding.
    """
    side = ((image_size - 4) // 2 - 4) // 2
    if image_size < 32:
        problem = f"images of {image_size} x {image_size} leave {max(side, 0)} x {max(side, 0)}"
        cure = "choose lenet_authors_padded, or images of 32 x 32"
        raise GanmcError(f"lenet_authors: {problem} pixels after its convolutions; {cure}")
    return authors_lenet(width, in_channels, num_classes, side, padding=0)


def lenet_authors_padded(
    width: int = 64, in_channels: int = 3, image_size: int = 16, num_classes: int = 10
) -> nn.Sequential:
    """The paper's student for small images: its convolutions are padded, so that pixels are left.

    Not in the paper; on 32 x 32 images it has 8,609,674 parameters at width 64.
    """
    return authors_lenet(width, in_channels, num_classes, image_size // 4, padding=2)


def authors_lenet(
    width: int, in_channels: int, num_classes: int, side: int, padding: int
) -> nn.Sequential:
    """The layers of lenet_authors; side: pixels that are left after the second pooling."""
    net = nn.Sequential(
        nn.Conv2d(in_channels, width, 5, padding=padding),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 5, padding=padding),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * side**2, 16 * width),
        nn.ReLU(),
        nn.Linear(16 * width, num_classes),
    )
    for layer in net:
        if hasattr(layer, "bias"):
            nn.init.normal_(layer.bias, std=0.5)
    return net


def lenet(
    width: int = 6, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """LeNet-5 (LeCun et al., 1998) with ReLU and max-pooling.

    62,006 parameters at width 6 on 32 x 32 colour images. Below 32 x 32 the convolutions are
    padded, so that an image is left to pool.
    """
    pad = 0 if image_size >= 32 else 2
    side_after_first_pool = (image_size - 4 + 2 * pad) // 2
    side = (side_after_first_pool - 4 + 2 * pad) // 2
    width2 = width * 16 // 6
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width2, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(width2 * side**2, 20 * width),
        nn.ReLU(),
        nn.Linear(20 * width, 14 * width),
        nn.ReLU(),
        nn.Linear(14 * width, num_classes),
    )


def cnn5(
    width: int = 32, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """The 5-layer CNN of the second pair (Li, 2018).

    Three convolutions with batch norm and pooling, then two dense layers.
    """
    layers = []
    n_in = in_channels
    for n_out in (width, 2 * width, 4 * width):
        layers += [
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.MaxPool2d(2),
            nn.ReLU(),
        ]
        n_in = n_out
    side = image_size // 8
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(n_in * side**2, 4 * n_in),
        nn.BatchNorm1d(4 * n_in),
        nn.ReLU(),
        nn.Linear(4 * n_in, num_classes),
    )


def cnn6(
    width: int = 48, in_channels: int = 3, image_size: int = 16, num_classes: int = 10
) -> nn.Sequential:
    """Six 3x3 convolutions with batch norm, max-pooled after every second.

    A teacher for small machines, not in the paper.
    """
    layers = []
    n_in = in_channels
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
    """Every `step`-th row and column of images (B, C, H, W).

    Before a 1x1 convolution it is the same as the convolution's own stride, whose gradient corrupts
    memory on some CPUs (oneDNN in torch 2.11, with 2 to 4 channels).
    """

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / step, W / step)."""
        return x[:, :, :: self.step, :: self.step]


class BasicBlock(nn.Module):
    """Residual block of He et al. (2016): relu(BN(conv(relu(BN(conv(x))))) + shortcut(x)).

    The shortcut is x itself, or a 1x1 convolution of x with batch norm where shapes differ.
    """

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.conv1 = conv_batch_norm(n_in, n_out, 3, stride)
        self.conv2 = conv_batch_norm(n_out, n_out)
        if n_in == n_out and stride == 1:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(Stride(stride), conv_batch_norm(n_in, n_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H / stride, W / stride)."""
        h = F.relu(self.conv1(x))
        return F.relu(self.conv2(h) + self.shortcut(x))


class WideBlock(nn.Module):
    """Pre-activated residual block of Zagoruyko and Komodakis (2016).

    conv(dropout(relu(BN(conv(h))))) + shortcut with h = relu(BN(x)). The shortcut is x itself, or a
    1x1 convolution of h where shapes differ.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, dropout: float = 0.3):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        if n_in == n_out and stride == 1:
            self.project = None
        else:
            self.project = nn.Sequential(Stride(stride), nn.Conv2d(n_in, n_out, 1, bias=False))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H / stride, W / stride)."""
        h = F.relu(self.bn1(x))
        shortcut = x if self.project is None else self.project(h)
        h = self.dropout(F.relu(self.bn2(self.conv1(h))))
        return self.conv2(h) + shortcut


def resnet18(
    width: int = 64, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """ResNet-18 (He et al., 2016) for small images: a 3x3 stem without pooling.

    11.17 million parameters at width 64.
    """
    layers = [conv_batch_norm(in_channels, width), nn.ReLU()]
    n_in = width
    for n_out, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        layers += [BasicBlock(n_in, n_out, stride), BasicBlock(n_out, n_out, 1)]
        n_in = n_out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, num_classes)
    )


def wrn28(
    width: int = 10, in_channels: int = 3, image_size: int = 32, num_classes: int = 10
) -> nn.Sequential:
    """WideResNet-28-k (Zagoruyko and Komodakis, 2016), k = width.

    36.5 million parameters at k = 10.
    """
    layers = [nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)]
    n_in = 16
    for n_out, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        layers.append(WideBlock(n_in, n_out, stride))
        layers += [WideBlock(n_out, n_out, 1) for _ in range(3)]
        n_in = n_out
    return nn.Sequential(
        *layers,
        nn.BatchNorm2d(n_in),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(n_in, num_classes),
    )


NETWORKS = Registry(
    nin=nin,
    lenet_authors=lenet_authors,
    lenet_authors_padded=lenet_authors_padded,
    lenet=lenet,
    cnn5=cnn5,
    cnn6=cnn6,
    resnet18=resnet18,
    wrn28=wrn28,
)


class InBfloat16(nn.Sequential):
    """Layers whose convolutions and matrix products are computed in bfloat16, on float32 weights.

    Under torch.autocast, without a cache of casts: a recorded step (core.cuda_graphs) makes its
    own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """As nn.Sequential; the result is bfloat16."""
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return super().forward(x)


def make_network(
    name: str,
    seed: int,
    width: int | None = None,
    in_channels: int = 3,
    image_size: int = 32,
    num_classes: int = 10,
    precision: str = "float32",
) -> nn.Sequential:
    """The network called name, with initial weights drawn from seed; width None is its own default.

    precision: of its products, "float32" or "bfloat16".

    Raises:
        GanmcError: unknown name, or an image size that cannot be halved three times.
    """
    build = NETWORKS.entry(name, "network")
    if image_size % 8:
        raise GanmcError(
            f"network {name}: image_size {image_size} cannot be halved three times; "
            "choose a multiple of 8"
        )
    arguments = {
        "in_channels": in_channels,
        "image_size": image_size,
        "num_classes": num_classes,
    }
    if width is not None:
        arguments["width"] = width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build(**arguments)
    return InBfloat16(*net) if precision == "bfloat16" else net


def count_parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters())
