"""The inferior GAN of Sec. 5.2: a trained AC-GAN trains on for some epochs on L_class alone."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganmc_utils.gan.acgan import AcGan, log_p_class


def set_names(epochs: Iterable[int]) -> dict[str, int]:
    """{name of a set of samples: epochs on L_class alone}; the last one is the inferior GAN."""
    *before, last = sorted(set(epochs))
    names = {f"inferior {epoch}": epoch for epoch in before}
    names["inferior"] = last
    return names


class ClassOnly(AcGan):
    """A trained GAN that trains max(epochs) more, in which both players maximize L_class of Eq. 2a.

    L_source is ignored. Adam starts anew: its state is not kept of a GAN that is done. The GAN
    that is given stays as it is.

    Args:
        gan: the trained AC-GAN.
        epochs: numbers of such epochs after each of which the generator is kept.
    """

    def __init__(self, gan: AcGan, epochs: Sequence[int]):
        vars(self).update(copy.deepcopy(vars(gan)))
        snapshots = tuple(gan.epoch + epoch for epoch in sorted(epochs))
        self.settings = replace(gan.settings, epochs=snapshots[-1], snapshots=snapshots)
        self.pool = {}
        self.adam = self.optimizers()
        self.fingerprint = f"{gan.fingerprint} and {epochs} epochs on L_class"

    def step(self, x: Tensor, y: Tensor, w: Tensor, c: Tensor) -> None:
        """One step of each player up L_class; arguments as in AcGan.step."""
        B = x.shape[1]
        fake = self.G(w, c)
        _, class_logits = self.D(torch.cat([x, fake.detach()], 1))
        l_class = log_p_class(class_logits[:, :B], y) + log_p_class(class_logits[:, B:], c)
        self.ascend(self.D, l_class)

        _, fake_class = self.D(fake)
        self.ascend(self.G, log_p_class(fake_class, c))
