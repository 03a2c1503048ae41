"""Training objectives of Sec. 2.1: what a network minimizes on a batch.

Each is a function of the logits g (B, K) of the network in training and of a batch, and returns a
scalar: a sum over the K classes, then the mean over the B samples. (nn.KLDivLoss with its default
reduction averages over the classes too: another objective.)
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.registry import Registry


@dataclass
class Batch:
    """A batch of compression data.

    x: images, float32 (B, C, H, W).
    y: classes, int64 (B,); of a generated image the class it was asked for.
    z: the teacher's logits, float32 (B, K); None where there is no teacher.
    """

    x: Tensor
    y: Tensor
    z: Tensor | None = None


def supervised(g: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy with the class: -log q_y(g), q the softmax; mean over the batch."""
    return F.cross_entropy(g, batch.y)


def logit_matching(g: Tensor, batch: Batch) -> Tensor:
    """Eq. 1: ||g - z||^2 = sum_j (g_j - z_j)^2 over the classes; mean over the batch."""
    squares = (g - batch.z).square()
    return squares.sum(1).mean()


@dataclass(frozen=True)
class Distillation:
    """Annealed cross-entropy: alpha L_T + (1 - alpha) L_0, mean over the batch.

        L_T = -sum_j q_j(z / T) log q_j(g / T)
        L_0 = -log q_y(g)

    with q the softmax, z the teacher's logits and y the class.

    Args:
        T: temperature, above 0.
        alpha: weight of the teacher, in (0, 1].
        scaled: multiply L_T by T^2, as Hinton et al. (2015) do so that its gradient does not
            vanish as 1 / T^2. The paper's text has no such factor.

    Raises:
        GanmcError: T or alpha is out of its range.
    """

    T: float
    alpha: float
    scaled: bool = False

    def __post_init__(self):
        if not self.T > 0:
            raise GanmcError(f"distillation: T = {self.T}; choose a temperature above 0")
        if not 0 < self.alpha <= 1:
            raise GanmcError(f"distillation: alpha = {self.alpha}; choose it in (0, 1]")

    def __call__(self, g: Tensor, batch: Batch) -> Tensor:
        """The objective of logits g (B, K) and a batch with z: a scalar."""
        soft_labels = F.softmax(batch.z / self.T, 1)
        annealed = F.cross_entropy(g / self.T, soft_labels)
        scale = self.T**2 if self.scaled else 1
        with_class = F.cross_entropy(g, batch.y)
        return self.alpha * annealed * scale + (1 - self.alpha) * with_class


# By their ids in records. `kd` is a class: it has to be given T and alpha.
OBJECTIVES = Registry(l2=logit_matching, kd=Distillation, supervised=supervised)
