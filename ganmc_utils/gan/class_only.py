"""The inferior GAN of Sec. 5.2: a trained AC-GAN goes on for some epochs on L_class alone."""

import copy
from dataclasses import replace

import torch

from ganmc_utils.gan.acgan import AcGan, log_p_class


def set_names(epochs):
    """{name of a set of samples: epochs on L_class alone before it}; the last one is the inferior GAN."""
    *before, last = sorted(set(epochs))
    return {f"inferior {e}": e for e in before} | {"inferior": last}


class ClassOnly(AcGan):
    """`gan` as it stands goes on for max(epochs) more in which both players maximize L_class of Eq. 2a and L_source is ignored;
    kept after each of `epochs` (a list). Adam starts anew: its state is not kept of a GAN that is done."""

    def __init__(self, gan, epochs):
        vars(self).update(copy.deepcopy(vars(gan)))
        kept = tuple(gan.epoch + e for e in sorted(epochs))
        self.settings, self.pool = replace(gan.settings, epochs=kept[-1], snapshots=kept), {}
        self.adam = self.optimizers()
        self.fingerprint = f"{gan.fingerprint} and {epochs} epochs on L_class"

    def step(self, x, y, w, c):
        fake = self.G(w, c)
        _, label = self.D(torch.cat([x, fake.detach()], 1))
        B = x.shape[1]
        self.ascend(self.D, log_p_class(label[:, :B], y) + log_p_class(label[:, B:], c))
        self.ascend(self.G, log_p_class(self.D(fake)[1], c))
