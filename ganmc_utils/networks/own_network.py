"""A network of the user's own file, "my.py:Net": made and tried on two images, before any work."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ganmc_utils.core.errors import own_code, user_error
from ganmc_utils.core.registry import is_own, own_entry
from ganmc_utils.networks.models import make_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganmc_utils.core.parameters import Network

N_TRIED = 2  # images: batch norm needs more than one


def check_network(network: Network, channels: int, size: int, n_classes: int) -> None:
    """Make a network of a chapter's parameters; try it on two images if it is the user's own.

    Args:
        network: its parameters.
        channels: of an image.
        size: height and width of an image.
        n_classes: how many logits it has to give.

    Raises:
        GanmcError: it cannot be made for such images, or cannot be used as it is.
    """
    entry = own_entry(network.network) if is_own(network.network) else None
    try_network(network, entry, channels, size, n_classes)


@cache  # parameters are checked many times in a run; an edited file has another entry
def try_network(
    network: Network, entry: Callable | None, channels: int, size: int, n_classes: int
) -> None:
    """As check_network; entry: what a name of the user's own stands for."""

    def made(precision: str = "float32") -> nn.Module:
        arguments = (network.network, 0, network.width, channels, size, n_classes)
        return make_network(*arguments, precision)

    if entry is None:
        with torch.device("meta"):  # without memory or time
            made()
        return
    name, comes_trained = network.network, network.epochs == 0
    with own_code(name, "mend it", "cannot be made"):
        first, second = made(), made()
    rng = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(N_TRIED, channels, size, size, generator=rng) - 1
    check_weights(name, first)
    check_logits(name, first, x, n_classes, comes_trained)
    if not comes_trained and shares_weights(first, second):
        raise user_error(name, "gives the same network twice", "make it anew in each call")
    if network.precision == "bfloat16":
        if type(first).forward is not nn.Sequential.forward:
            problem = "is no plain nn.Sequential, which precision bfloat16 needs"
            raise user_error(name, problem, "return one, or set precision: float32")
        check_logits(name, made("bfloat16"), x, n_classes, comes_trained)


def check_weights(where: str, net: object) -> None:
    """Raises GanmcError for what is no network, or one without numbers to learn."""
    if not isinstance(net, nn.Module):
        raise user_error(where, f"{type(net).__name__} is no network", "give a torch.nn.Module")
    weights = list(net.parameters())
    if not weights:
        raise user_error(where, "has no weights", "give a network that learns")
    if any(is_lazy(weight) or weight.is_meta for weight in weights):
        cure = "ask it about an image first, on the cpu or cuda"
        raise user_error(where, "has weights without values (lazy, or on meta)", cure)


def check_logits(
    where: str, net: nn.Module, x: Tensor, n_classes: int, comes_trained: bool = False
) -> None:
    """Check that a network gives logits, and that they can be trained unless it comes trained.

    Args:
        where: begins the line.
        net: a network; its averages, such as those of batch norm, may move.
        x: images (n, C, H, W).
        n_classes: how many logits of an image it has to give.
        comes_trained: whether it is only asked.

    Raises:
        GanmcError: it fails, gives something else, or cannot learn.
    """
    for is_training in (False,) if comes_trained else (False, True):
        z = answer(where, net.train(is_training), x)
        if not isinstance(z, Tensor) or not z.is_floating_point():
            given = str(z.dtype) if isinstance(z, Tensor) else type(z).__name__
            raise user_error(where, f"gives {given}", "it must give a tensor of logits")
        if tuple(z.shape) != (len(x), n_classes):
            problem = f"gives numbers of shape {tuple(z.shape)} for {len(x)} images"
            cure = f"it must give logits ({len(x)}, {n_classes}), one a class"
            raise user_error(where, problem, cure)
        if not torch.isfinite(z).all():
            raise user_error(where, "gives logits that are not finite", "mend it")
    if not comes_trained and not z.requires_grad:
        cure = "let its weights require gradients, and keep them in its logits"
        raise user_error(where, "has nothing to learn with", cure)


def answer(where: str, net: nn.Module, x: Tensor) -> object:
    """What a network gives for images; dropout leaves the user's random numbers as they were.

    Raises:
        GanmcError: it fails.
    """
    problem = f"fails on images of shape {tuple(x.shape)}"
    one_line = own_code(where, "give a network of such images", problem)
    with one_line, torch.random.fork_rng(devices=[]), torch.enable_grad():
        return net(x)


def shares_weights(first: nn.Module, second: nn.Module) -> bool:
    """Whether to train one network is to train the other."""
    weights = {id(weight) for weight in first.parameters()}
    return any(id(weight) in weights for weight in second.parameters())
