"""Batches of compression data. Every draw is a function of (seed, step) alone: a learner sees the same batches whoever
trains beside it, a resumed run sees those it would have seen, and students that differ in p_fake alone share their draws."""

import hashlib

import torch

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks.objectives import Batch
from ganmc_utils.networks.sources import flip_crop

AUGMENTATIONS = ("none", "flips", "flips+crops")
BATCHES_AHEAD = 8  # batches that are made and answered in one go


def random_stream(device, *key):
    """A random stream of its own for each key (numbers and words)."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:6], "little"))


class EpochBatches:
    """Rows at hand: x (n, C, H, W), y (n,), z (n, K) the teacher's logits. An epoch is a random order of them.

    augment "flips" turns images left-right with probability 1/2 (z_flipped: the teacher's logits of x.flip(3));
    "flips+crops" shifts them too, for learners without a teacher."""

    def __init__(self, x, y, batch, z=None, augment="none", z_flipped=None, name="train"):
        if batch > len(x):
            raise GanmcError(
                f"{name} data: batch {batch} is larger than the {len(x)} rows; lower the batch"
            )
        if augment not in AUGMENTATIONS or (augment == "flips+crops" and z is not None):
            raise GanmcError(
                f"{name} data: augment {augment!r}; choose none or flips, without a teacher also flips+crops"
            )
        self.x, self.y, self.z, self.batch, self.augment, self.z_flipped, self.name = (
            x,
            y,
            z,
            batch,
            augment,
            z_flipped,
            name,
        )
        self.steps_per_epoch = len(x) // batch
        self.orders, self.batches = {}, {}

    def at(self, step, seed):
        """The batch of a step, made once for all learners of a seed."""
        if self.batches.get(seed, (None,))[0] != step:
            self.batches[seed] = step, self.make(step, seed)
        return self.batches[seed][1]

    def make(self, step, seed):
        epoch, k = divmod(step, self.steps_per_epoch)
        if self.orders.get(seed, (None,))[0] != epoch:
            self.orders[seed] = (
                epoch,
                torch.randperm(
                    len(self.x), generator=self.stream(seed, epoch), device=self.x.device
                ),
            )
        rows = self.orders[seed][1][k * self.batch : (k + 1) * self.batch]
        x, y, z = self.x[rows], self.y[rows], None if self.z is None else self.z[rows]
        if self.augment == "flips+crops":
            x = flip_crop(x, self.stream(seed, step, "augment"))
        elif self.augment == "flips":
            turned = (
                torch.rand(len(x), generator=self.stream(seed, step, "augment"), device=x.device)
                < 0.5
            )
            x = torch.where(turned[:, None, None, None], x.flip(3), x)
            z = None if z is None else torch.where(turned[:, None], self.z_flipped[rows], z)
        return Batch(x, y, z)

    def stream(self, *key):
        return random_stream(self.x.device, self.name, *key)


class TeacherLabelledStream:
    """Rows made as training goes by a source and answered by the teacher (logits of x, or None), shared by all who ask; those of AHEAD
    steps at a time."""

    def __init__(self, source, batch, teacher, device, name):
        self.source, self.batch, self.teacher, self.device, self.name = (
            source,
            batch,
            teacher,
            device,
            name,
        )
        self.block = None

    def at(self, step, seed=None):
        block, k = divmod(step, BATCHES_AHEAD)
        if block != self.block:
            x, y = self.source.sample(
                BATCHES_AHEAD * self.batch, random_stream(self.device, self.name, block)
            )
            self.block, self.made = block, (x, y, self.teacher(x) if self.teacher else None)
        return Batch(
            *(
                part if part is None else part[k * self.batch : (k + 1) * self.batch]
                for part in self.made
            )
        )


class Mixture:
    """With probability p_fake a made row, else a training row: each row for itself (the paper's words) or the batch as
    a whole (per="batch", the authors' code). At 0 nothing is made, at 1 no training row is read."""

    def __init__(self, real, made, p_fake, per="sample"):
        if not 0 <= p_fake <= 1:
            raise GanmcError(f"mixture: p_fake = {p_fake}; choose it in [0, 1]")
        if per not in ("sample", "batch"):
            raise GanmcError(f"mixture: per = {per!r}; choose sample or batch")
        self.real, self.made, self.p_fake, self.per = real, made, p_fake, per

    def at(self, step, seed):
        if self.p_fake in (0, 1):
            return (self.made if self.p_fake else self.real).at(step, seed)
        device = self.real.x.device
        u = torch.rand(
            self.real.batch if self.per == "sample" else 1,
            generator=random_stream(device, "mask", seed, step),
            device=device,
        )  # the same at every p_fake
        fake = u < self.p_fake
        if self.per == "batch":
            return (self.made if fake else self.real).at(step, seed)
        a, b = self.made.at(step, seed), self.real.at(step, seed)
        return Batch(
            torch.where(fake[:, None, None, None], a.x, b.x),
            torch.where(fake, a.y, b.y),
            None if b.z is None else torch.where(fake[:, None], a.z, b.z),
        )
