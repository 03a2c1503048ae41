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


VARIANTS = ("text", "hinton", "li")


@dataclass(frozen=True)
class Distillation:
    """Annealed cross-entropy with the teacher, and cross-entropy with the class c.

    With q(a) the softmax of a, L_0 = -log q_c(g) and L_T = -sum_j q_j(z / T) log q_j(g / T), means
    over the batch:

        text    alpha L_T + (1 - alpha) L_0, as the paper's text has it
        hinton  alpha T^2 L_T + (1 - alpha) L_0 (Hinton et al., 2015)
        li      alpha T^2 KL / K + (1 - alpha) L_0, with KL = L_T less the teacher's own entropy

    `li` is what Table 1 was run with (Li, 2018): its KLDivLoss averages over the K classes, too.
    The teacher's part of the gradient is (q_j(g / T) - q_j(z / T)) times alpha / T in `text`, T^2
    times that in `hinton`, T^2 / K times that in `li`.

    Args:
        T: temperature, above 0.
        alpha: weight of the teacher, in (0, 1].
        variant: text, hinton or li.

    Raises:
        GanmcError: T or alpha is out of its range, or the variant is unknown.
    """

    T: float
    alpha: float
    variant: str = "li"

    def __post_init__(self):
        if not self.T > 0:
            raise GanmcError(f"distillation: T = {self.T}; choose a temperature above 0")
        if not 0 < self.alpha <= 1:
            raise GanmcError(f"distillation: alpha = {self.alpha}; choose it in (0, 1]")
        if self.variant not in VARIANTS:
            names = ", ".join(VARIANTS)
            raise GanmcError(f"distillation: variant {self.variant!r}; choose one of {names}")

    def __call__(self, g: Tensor, batch: Batch) -> Tensor:
        """The objective of logits g (B, K) and a batch with z: a scalar."""
        with_class = F.cross_entropy(g, batch.y)
        return self.alpha * self.with_teacher(g, batch.z) + (1 - self.alpha) * with_class

    def with_teacher(self, g: Tensor, z: Tensor) -> Tensor:
        """The teacher's part, before it is weighted by alpha: a scalar."""
        soft_labels = F.softmax(z / self.T, 1)
        if self.variant == "li":
            log_predictions = F.log_softmax(g / self.T, 1)
            divergence = F.kl_div(log_predictions, soft_labels, reduction="none")  # (B, K)
            return self.T**2 * divergence.mean()
        annealed = F.cross_entropy(g / self.T, soft_labels)
        return annealed * (self.T**2 if self.variant == "hinton" else 1)


# By their ids in records. `kd` is a class: it has to be given T, alpha and the variant.
OBJECTIVES = Registry(l2=logit_matching, kd=Distillation, supervised=supervised)
