"""What a user gives to compress_network: settings, images, a teacher, an objective, checked."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ganmc_utils.core.arguments import check_whole_numbers, is_number
from ganmc_utils.core.errors import own_code, user_error
from ganmc_utils.networks import training
from ganmc_utils.networks.objectives import Batch

FEWEST_IMAGES = 50
ASKED_AT_ONCE = 100  # images; large ones fill the memory
MOST_STEPS = 10**7
LARGEST_SEED = 2**31 - 1


def check_settings(given: dict) -> None:
    """Raises GanmcError for settings that are no numbers, or out of their range."""
    check_whole_numbers("compress_network", given, steps=1, batch=1, seed=0)
    for name, most in (("steps", MOST_STEPS), ("seed", LARGEST_SEED)):
        if given[name] > most:
            raise user_error(name, f"{given[name]}", f"choose a whole number up to {most}")
    lr, p_fake = given["lr"], given["p_fake"]
    if not is_number(lr) or not 0 < lr < float("inf"):
        raise user_error("lr", f"{lr!r}", "choose a number above 0")
    if not is_number(p_fake) or not 0 <= p_fake <= 1:
        raise user_error("p_fake", f"{p_fake!r}", "choose a number in [0, 1]")


def copied(where: str, net: nn.Module) -> nn.Module:
    """A copy of a network.

    Raises:
        GanmcError: it cannot be copied.
    """
    with own_code(where, "give one that copy.deepcopy takes", "cannot be copied"):
        return copy.deepcopy(net)


def checked_images(images: object, labels: object, device) -> tuple[Tensor, Tensor | None]:
    """Images as float32 (n, C, H, W) and classes as int64 (n,), on the device.

    Raises:
        GanmcError: they are none, too few, not finite, or not as many as the labels.
    """
    x = plain_tensor("images", images)
    if x.ndim != 4 or not x.is_floating_point():
        problem = f"{x.dtype} of shape {tuple(x.shape)}".removeprefix("torch.")
        cure = "give float32 (n, C, H, W), as the teacher takes them"
        raise user_error("images", problem, cure)
    if len(x) < FEWEST_IMAGES:
        raise user_error("images", f"{len(x)} of them", f"bring {FEWEST_IMAGES} or more")
    x = x.to(device, torch.float32)
    if not torch.isfinite(x).all():
        raise user_error("images", "NaN or infinity", "leave those images out")
    if labels is None:
        return x, None
    y = plain_tensor("labels", labels).to(device)
    if y.shape != (len(x),) or y.is_floating_point() or y.is_complex():
        problem = f"{y.dtype} of shape {tuple(y.shape)} for {len(x)} images"
        raise user_error("labels", problem.removeprefix("torch."), "give an integer for each image")
    return x, y.long()


def plain_tensor(where: str, given: object) -> Tensor:
    """What the user gave as a tensor of values, without a history of gradients.

    Raises:
        GanmcError: it is none.
    """
    cure = "give an array or a dense tensor of numbers"
    try:
        is_array = isinstance(given, np.ndarray)  # one that is turned round torch does not take
        tensor = torch.as_tensor(np.ascontiguousarray(given) if is_array else given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise user_error(where, f"{type(given).__name__} is no tensor", cure) from None
    if tensor.layout != torch.strided or tensor.is_meta:
        raise user_error(where, "a sparse tensor, or one without values", cure)
    return tensor.detach()


def check_teacher(teacher: object, x: Tensor, y: Tensor | None) -> int:
    """The number of a teacher's classes; a network moves to the device of images x (n, C, H, W).

    Raises:
        GanmcError: it gives no logits, or has fewer classes than the labels y.
    """
    if isinstance(teacher, nn.Module):
        try:
            teacher.to(x.device)
        except RuntimeError as failed:
            raise user_error("teacher", f"cannot move ({failed})", "load its weights") from failed
    n_classes = asked(teacher, x).shape[1]
    if y is None or (y.min() >= 0 and y.max() < n_classes):
        return n_classes
    problem = f"from {y.min()} to {y.max()}, and the teacher gives {n_classes} logits"
    raise user_error("labels", problem, f"number the classes from 0 to {n_classes - 1}, as it does")


def asked(net: Callable[[Tensor], Tensor], x: Tensor, n_classes: int | None = None) -> Tensor:
    """Logits (n, K) of a network in evaluation mode, or of a function, for images (n, C, H, W).

    Raises:
        GanmcError: it fails, or gives no logits, or not n_classes of them.
    """
    blocks = []
    for block in x.split(ASKED_AT_ONCE):
        problem = f"fails on images of shape {tuple(block.shape)}"
        with own_code("teacher", "give a function images -> logits", problem), torch.no_grad():
            is_network = isinstance(net, nn.Module)
            z = training.logits(net, block) if is_network else net(block)
            z = torch.as_tensor(z, device=x.device)
        if z.ndim != 2 or len(z) != len(block) or z.shape[1] < 2 or z.is_complex():
            problem = f"gives {z.dtype} of shape {tuple(z.shape)} for {len(block)} images"
            cure = "it must give logits (n, K), one a class"
            raise user_error("teacher", problem.replace("torch.", ""), cure)
        if n_classes and z.shape[1] != n_classes:
            problem = f"gives {z.shape[1]} logits where it gave {n_classes} before"
            raise user_error("teacher", problem, "it must give one a class, for all images")
        if not torch.isfinite(z).all():
            cure = "train it anew, or leave out what it cannot take"
            raise user_error("teacher", "gives logits that are not finite", cure)
        blocks.append(z.float())
    return torch.cat(blocks)


def check_objective(objective: object, x: Tensor, n_classes: int) -> None:
    """Raises GanmcError unless an objective gives a loss that logits of images x can lower."""
    cure = "give a function of logits (B, K) and a Batch, such as Distillation(T=4, alpha=0.9)"
    z = torch.zeros(len(x), n_classes, device=x.device)
    g = torch.ones_like(z).requires_grad_()
    with own_code("objective", cure):
        loss = objective(g, Batch(x, z.argmax(1), z))
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = f" of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else ""
        problem = f"gives a {type(loss).__name__}{shape}"
        raise user_error("objective", problem, "it must give one number, as a tensor")
    if not loss.requires_grad:
        raise user_error("objective", "gives a loss without a gradient", "compute it of the logits")
