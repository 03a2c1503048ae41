"""Training objectives of Sec. 2.1. Each takes logits g (B, K) and a batch and returns the mean over the batch, a scalar.

A batch holds x (B, C, H, W), y (B,) the class (of a GAN image: the class it was asked for) and z (B, K) the teacher's logits.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError


@dataclass
class Batch:
    x: torch.Tensor
    y: torch.Tensor
    z: torch.Tensor | None = None


def supervised(g, batch):
    """Cross-entropy with the class: -log q_y(g)."""
    return F.cross_entropy(g, batch.y)


def logit_matching(g, batch):
    """Eq. 1: ||g - z||^2, summed over the classes."""
    return (g - batch.z).square().sum(1).mean()


@dataclass(frozen=True)
class Distillation:
    """alpha L_T + (1 - alpha) L_0 with L_T = -sum_j q_j(z / T) log q_j(g / T) and L_0 the cross-entropy with the class.

    scaled=True multiplies L_T by T^2 (Hinton et al., 2015, so that its gradient does not vanish as 1 / T^2);
    the paper's text has no such factor."""

    T: float
    alpha: float
    scaled: bool = False

    def __post_init__(self):
        if not self.T > 0:
            raise GanmcError(f"distillation: T = {self.T}; choose a temperature above 0")
        if not 0 < self.alpha <= 1:
            raise GanmcError(f"distillation: alpha = {self.alpha}; choose it in (0, 1]")

    def __call__(self, g, batch):
        annealed = F.cross_entropy(g / self.T, F.softmax(batch.z / self.T, 1))
        return self.alpha * annealed * (self.T**2 if self.scaled else 1) + (
            1 - self.alpha
        ) * F.cross_entropy(g, batch.y)
