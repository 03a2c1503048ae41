"""Batches of compression data.

Every draw is a function of (seed, step) alone: a learner sees the same batches whoever trains
beside it, a resumed run sees those it would have seen, and students that differ in p_fake alone
share their draws. Whatever has `at(step, seed) -> Batch` is a stream of batches.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.source import Source
from ganmc_utils.networks.objectives import Batch
from ganmc_utils.networks.sources import flip_crop

AUGMENTATIONS = ("none", "flips", "flips+crops")
BATCHES_AHEAD = 8  # batches that are drawn and labelled in one go

Teacher = Callable[[Tensor], Tensor]  # images (n, C, H, W) -> logits (n, K)


class BatchStream(Protocol):
    """A batch for every step of every learner."""

    def at(self, step: int, seed: int) -> Batch:
        """The batch of a step for learners of a seed."""
        ...


def random_stream(device: str | torch.device, *key: int | str) -> torch.Generator:
    """A random stream of its own for each key (numbers and words)."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:6], "little"))


class EpochBatches:
    """Images at hand; an epoch is a random order of them, of which the surplus is left out.

    Args:
        x: images, float32 (n, C, H, W).
        y: their classes, int64 (n,).
        batch: images of a batch.
        z: the teacher's logits of x, (n, K), or None.
        augment: "none"; "flips" turns images left-right with probability 1/2; "flips+crops" shifts
            them too.
        z_flipped: the teacher's logits of x.flip(3), where augment is "flips" and there is a z.
        teacher: labels the images as they are seen, after their augmentation; in the place of z.
        name: begins the random streams and the error messages.

    Raises:
        GanmcError: a batch is larger than the data, or augment is unknown or needs what is absent.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch: int,
        z: Tensor | None = None,
        augment: str = "none",
        z_flipped: Tensor | None = None,
        teacher: Teacher | None = None,
        name: str = "train",
    ):
        if batch > len(x):
            raise GanmcError(
                f"{name} data: batch {batch} is larger than the {len(x)} rows; lower the batch"
            )
        if augment not in AUGMENTATIONS or (augment == "flips+crops" and z is not None):
            raise GanmcError(
                f"{name} data: augment {augment!r}; "
                "choose none, flips or flips+crops, the last with a teacher in the place of logits"
            )
        self.x = x
        self.y = y
        self.z = z
        self.batch = batch
        self.augment = augment
        self.z_flipped = z_flipped
        self.teacher = teacher
        self.name = name
        self.steps_per_epoch = len(x) // batch
        # By seed, what was asked for last, as many learners of a seed ask for the same.
        self.last_order = {}  # seed: (epoch, order of the images)
        self.last_batch = {}  # seed: (step, batch)

    def at(self, step: int, seed: int) -> Batch:
        """The batch of a step, computed once for all learners of a seed."""
        last_step, batch = self.last_batch.get(seed, (None, None))
        if last_step != step:
            batch = self.batch_of(step, seed)
            self.last_batch[seed] = (step, batch)
        return batch

    def batch_of(self, step: int, seed: int) -> Batch:
        """The batch of a step: its images in the order of the epoch, augmented."""
        epoch, k = divmod(step, self.steps_per_epoch)
        rows = self.order_of(epoch, seed)[k * self.batch : (k + 1) * self.batch]
        x = self.x[rows]
        y = self.y[rows]
        z = None if self.z is None else self.z[rows]
        if self.augment == "flips+crops":
            x = flip_crop(x, self.stream(seed, step, "augment"))
        elif self.augment == "flips":
            stream = self.stream(seed, step, "augment")
            flipped = torch.rand(len(x), generator=stream, device=x.device) < 0.5
            x = torch.where(flipped[:, None, None, None], x.flip(3), x)
            if z is not None:
                z = torch.where(flipped[:, None], self.z_flipped[rows], z)
        if self.teacher:
            z = self.teacher(x)
        return Batch(x, y, z)

    def order_of(self, epoch: int, seed: int) -> Tensor:
        """The order of the images in an epoch: int64 (n,)."""
        last_epoch, order = self.last_order.get(seed, (None, None))
        if last_epoch != epoch:
            stream = self.stream(seed, epoch)
            order = torch.randperm(len(self.x), generator=stream, device=self.x.device)
            self.last_order[seed] = (epoch, order)
        return order

    def stream(self, *key: int | str) -> torch.Generator:
        """The random stream of these data for a key."""
        return random_stream(self.x.device, self.name, *key)


class TeacherLabelledStream:
    """Images that a source draws as training goes, labelled by the teacher, shared by all learners.

    Those of BATCHES_AHEAD steps are drawn and labelled together.

    Args:
        source: where the images come from.
        batch: images of a batch.
        teacher: gives their logits; None: no logits.
        device: of the random stream.
        name: of the random stream.
        classes: whose class an image bears: "source" (the one it was meant to be of) or "teacher"
            (the one that the teacher predicts).
    """

    def __init__(
        self,
        source: Source,
        batch: int,
        teacher: Teacher | None,
        device: str | torch.device,
        name: str,
        classes: str = "source",
    ):
        self.source = source
        self.classes = classes
        self.batch = batch
        self.teacher = teacher
        self.device = device
        self.name = name
        self.block = None

    def at(self, step: int, seed: int | None = None) -> Batch:
        """The batch of a step, the same for every seed."""
        block, k = divmod(step, BATCHES_AHEAD)
        if block != self.block:
            self.draw(block)
        part = slice(k * self.batch, (k + 1) * self.batch)
        y = None if self.y is None else self.y[part]
        z = None if self.z is None else self.z[part]
        return Batch(self.x[part], y, z)

    def draw(self, block: int) -> None:
        """Draw and label the images of a block of BATCHES_AHEAD steps."""
        stream = random_stream(self.device, self.name, block)
        self.x, self.y = self.source.sample(BATCHES_AHEAD * self.batch, stream)
        self.z = self.teacher(self.x) if self.teacher else None
        if self.classes == "teacher" and self.teacher:
            self.y = self.z.argmax(1)
        self.block = block


class Mixture:
    """With probability p_fake a generated sample, else a training sample.

    At p_fake 0 nothing is generated, at 1 no training sample is read.

    Args:
        real: batches of the training data.
        generated: batches of the source that is mixed in.
        p_fake: the share of generated samples, in [0, 1].
        per: "sample": each sample is drawn for itself (the paper's words); "batch": the batch as a
            whole (the authors' code).

    Raises:
        GanmcError: p_fake or per is out of range.
    """

    def __init__(
        self,
        real: BatchStream | None,
        generated: BatchStream | None,
        p_fake: float,
        per: str = "sample",
    ):
        if not 0 <= p_fake <= 1:
            raise GanmcError(f"mixture: p_fake = {p_fake}; choose it in [0, 1]")
        if per not in ("sample", "batch"):
            raise GanmcError(f"mixture: per = {per!r}; choose sample or batch")
        self.real = real
        self.generated = generated
        self.p_fake = p_fake
        self.per = per

    def at(self, step: int, seed: int) -> Batch:
        """The mixed batch of a step."""
        if self.p_fake == 0:
            return self.real.at(step, seed)
        if self.p_fake == 1:
            return self.generated.at(step, seed)
        device = self.real.x.device
        stream = random_stream(device, "mask", seed, step)  # the same at every p_fake
        n_draws = self.real.batch if self.per == "sample" else 1
        is_fake = torch.rand(n_draws, generator=stream, device=device) < self.p_fake
        if self.per == "batch":
            chosen = self.generated if is_fake else self.real
            return chosen.at(step, seed)

        fake = self.generated.at(step, seed)
        real = self.real.at(step, seed)
        x = torch.where(is_fake[:, None, None, None], fake.x, real.x)
        y = torch.where(is_fake, fake.y, real.y)
        z = None if real.z is None else torch.where(is_fake[:, None], fake.z, real.z)
        return Batch(x, y, z)
