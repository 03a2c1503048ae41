"""The auxiliary-classifier GAN of Odena et al. (2017), as Sec. 2.3 of the paper trains it.

Every tensor carries a leading axis R, the number of independent GANs that train side by side: the
losses are summed over R and no parameter is shared, so each GAN takes the steps it would take alone,
in a fraction of the time (one 50-unit network leaves a core idle).
"""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ganmc_utils.core import checkpoints, cuda_graphs, rounding
from ganmc_utils.core.errors import GanmcError

CHUNK = 10_000  # samples made at a time


@dataclass(frozen=True)
class GanSettings:
    """The paper's values (Sec. 4) where it states them; the rest are choices, made on validation."""

    epochs: int = 1000
    snapshots: tuple = (250, 500, 750, 1000)  # epochs whose generators are kept
    members: int = 4  # GANs per seed: pooling them fills the modes that one of them misses
    hidden: int = 50  # units of the one hidden layer (paper)
    noise: int = 100  # length of w (paper)
    batch: int = 100  # the Keras script the authors built on
    lr: float = 2e-4  # Adam (paper)
    beta1: float = 0.5  # Adam (paper)
    class_weight: float = 1.0  # weight of L_class in the generator's objective; 1 is Eq. 2a
    saturating: bool = False  # True: the generator minimizes log P(fake | G), Eq. 2a to the letter


class StackedLinear(nn.Module):
    """R independent linear layers: (R, B, n_in) -> (R, B, n_out)."""

    def __init__(self, generators, n_in, n_out):
        super().__init__()
        bound = 1 / math.sqrt(n_in)  # torch's own default for nn.Linear
        draw = [
            torch.empty(n_in + 1, n_out).uniform_(-bound, bound, generator=g) for g in generators
        ]
        self.weight = nn.Parameter(torch.stack([d[:-1] for d in draw]))
        self.bias = nn.Parameter(torch.stack([d[-1:] for d in draw]))

    def forward(self, x):
        return torch.baddbmm(self.bias, x, self.weight)


class TabularGenerator(nn.Module):
    """G(w, c): noise (R, B, noise) times an embedding of the class (R, B), one hidden layer, features."""

    def __init__(self, generators, settings, n_features, n_classes):
        super().__init__()
        self.n_classes = n_classes
        self.embed = StackedLinear(generators, n_classes, settings.noise)
        self.hidden = StackedLinear(generators, settings.noise, settings.hidden)
        self.out = StackedLinear(generators, settings.hidden, n_features)

    def forward(self, w, c):
        h = w * self.embed(F.one_hot(c, self.n_classes).to(w.dtype))
        return self.out(F.relu(self.hidden(h)))

    @staticmethod
    def one(state, r):
        """The parameters of GAN r alone, from a state_dict of all."""
        return {k: v[r : r + 1] for k, v in state.items()}


class TabularDiscriminator(nn.Module):
    """D(x): features (R, B, d) -> source logit (R, B), positive for real, and class logits (R, B, K)."""

    def __init__(self, generators, settings, n_features, n_classes):
        super().__init__()
        self.hidden = StackedLinear(generators, n_features, settings.hidden)
        self.out = StackedLinear(generators, settings.hidden, 1 + n_classes)

    def forward(self, x):
        out = self.out(F.relu(self.hidden(x)))
        return out[..., 0], out[..., 1:]


def tabular_networks(streams, settings, shape, n_classes):
    """(G, D) for rows of shape (d,): the paper's networks of Sec. 4."""
    return TabularGenerator(streams, settings, *shape, n_classes), TabularDiscriminator(
        streams, settings, *shape, n_classes
    )


def log_p_class(logits, c):
    """Mean over the batch of log P(C = c | x): logits (R, B, K), c (R, B) -> (R,)."""
    return -F.cross_entropy(logits.movedim(-1, 1), c, reduction="none").mean(1)


def objectives(real_source, real_class, c_real, fake_source, fake_class, c_fake):
    """Eq. 2a from the discriminator's logits, per GAN.

    L_source = mean log P(S = real | x) + mean log P(S = fake | G(W, C))
    L_class  = mean log P(C = c | x)    + mean log P(C | G(W, C))
    Returns (L_source, L_class), each (R,). D maximizes L_class + L_source.
    """
    l_source = F.logsigmoid(real_source).mean(1) + F.logsigmoid(-fake_source).mean(1)
    return l_source, log_p_class(real_class, c_real) + log_p_class(fake_class, c_fake)


def generator_objective(fake_source, fake_class, c_fake, class_weight=1.0, saturating=False):
    """What G maximizes of L_class - L_source (the terms in real data are constants to it), per GAN (R,).

    With saturating=False, -log P(fake | G) is replaced by log P(real | G) (Goodfellow et al., 2014,
    Sec. 3): the same fixed point, and a gradient early in training.
    """
    source = -F.logsigmoid(-fake_source) if saturating else F.logsigmoid(fake_source)
    return source.mean(1) + class_weight * log_p_class(fake_class, c_fake)


class AcGan:
    """R = seeds x members AC-GANs, trained in one loop.

    x: float32 (seeds, n, ...), standardized rows or images; y: int (seeds, n). GAN r learns from dataset r // members and draws its
    initial weights, batches, noise and classes from its own stream, seeded by (seeds[r // members], r % members).
    """

    def __init__(self, x, y, settings, seeds, networks=tabular_networks):
        if settings.batch > x.shape[1]:
            raise GanmcError(
                f"AC-GAN: batch {settings.batch} is larger than the {x.shape[1]} training rows; lower the batch"
            )
        self.settings, self.epoch, self.seconds, self.pool = settings, 0, 0.0, {}
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)
        self.device = self.x.device
        streams = [(s, m) for s in seeds for m in range(settings.members)]
        self.owner = torch.arange(len(seeds), device=self.device).repeat_interleave(
            settings.members
        )
        self.streams = [
            torch.Generator(self.device).manual_seed(1_000_003 * s + m) for s, m in streams
        ]
        n_classes = int(self.y.max()) + 1
        self.prior = torch.stack([torch.bincount(c, minlength=n_classes) / len(c) for c in self.y])
        self.G, self.D = (
            net.to(self.device) for net in networks(self.streams, settings, x.shape[2:], n_classes)
        )
        self.adam, self.finite = self.optimizers(), torch.tensor(True, device=self.device)
        content = hashlib.sha256(self.x.cpu().numpy().tobytes() + self.y.cpu().numpy().tobytes())
        self.fingerprint = content.hexdigest() + json.dumps([asdict(settings), list(seeds)])

    def optimizers(self):
        return {
            net: cuda_graphs.recordable_adam(
                net, lr=self.settings.lr, betas=(self.settings.beta1, 0.999)
            )
            for net in (self.D, self.G)
        }

    def draw_classes(self, n):
        """n classes per GAN from its data's class distribution: (R, n)."""
        return torch.stack(
            [
                torch.multinomial(self.prior[o], n, replacement=True, generator=g)
                for o, g in zip(self.owner, self.streams)
            ]
        )

    def draw_noise(self, *shape):
        """N(0, 0.5^2) noise as in the authors' script: (R, *shape)."""
        return (
            torch.stack(
                [torch.randn(*shape, generator=g, device=self.device) for g in self.streams]
            )
            * 0.5
        )

    def train_epoch(self, step):
        """One pass over the data: per batch one step of D, then one of G on the same fakes. step: self.step, or its recording."""
        s, n = self.settings, self.x.shape[1]
        steps, R = n // s.batch, len(self.streams)
        order = torch.stack(
            [torch.randperm(n, generator=g, device=self.device) for g in self.streams]
        )
        classes = self.draw_classes(steps * s.batch).view(R, steps, s.batch)
        w = self.draw_noise(steps, s.batch, s.noise)
        for t in range(steps):
            rows = order[:, t * s.batch : (t + 1) * s.batch]
            step(
                self.x[self.owner[:, None], rows],
                self.y[self.owner[:, None], rows],
                w[:, t],
                classes[:, t],
            )
        self.epoch += 1
        if not self.finite:
            raise GanmcError(
                f"AC-GAN: the objective is not finite in epoch {self.epoch} at lr {self.settings.lr}; lower lr"
            )

    def step(self, x, y, w, c):
        """One step of each player on a batch: x (R, B, d), y (R, B), w (R, B, noise), c (R, B)."""
        fake = self.G(w, c)
        source, label = self.D(torch.cat([x, fake.detach()], 1))
        B = x.shape[1]
        l_source, l_class = objectives(
            source[:, :B], label[:, :B], y, source[:, B:], label[:, B:], c
        )
        self.ascend(self.D, l_source + l_class)
        value = generator_objective(
            *self.D(fake), c, self.settings.class_weight, self.settings.saturating
        )
        self.ascend(self.G, value)

    def ascend(self, net, objective):
        total = objective.sum()
        self.finite.logical_and_(torch.isfinite(total))  # looked at after the epoch
        grads = torch.autograd.grad(-total, list(net.parameters()))
        for p, g in zip(net.parameters(), grads):
            p.grad = g
        self.adam[net].step()

    def train(self, checkpoint=None, every=25, progress=True):
        """Train to settings.epochs, keeping generators at settings.snapshots; resume from checkpoint if it fits."""
        if checkpoint is not None:
            self.load(checkpoint)
        s, step = self.settings, cuda_graphs.RecordedStep(self.step, self.device)
        self.G.train(), self.D.train()
        with tqdm(
            total=s.epochs,
            initial=self.epoch,
            desc="AC-GAN epochs",
            disable=not progress,
            mininterval=5,
        ) as bar:
            while self.epoch < s.epochs:
                started = time.monotonic()
                self.train_epoch(step)
                self.seconds += time.monotonic() - started
                bar.update()
                if self.epoch in s.snapshots:
                    self.pool[self.epoch] = rounding.to_float16(self.G.state_dict())
                stop = (
                    checkpoint is not None and self.epoch < s.epochs and checkpoints.out_of_time()
                )
                if checkpoint is not None and (
                    stop or self.epoch % every == 0 or self.epoch == s.epochs
                ):
                    self.save(checkpoint)
                if stop:
                    raise checkpoints.OutOfTime(
                        f"AC-GAN: out of time after epoch {self.epoch} of {s.epochs}; the same command goes on from there"
                    )
        return self

    def save(self, path):
        """The state; Adam's, two thirds of it, only while the training is not at its end."""
        adam = (
            {}
            if self.epoch == self.settings.epochs
            else {
                "adam_G": self.adam[self.G].state_dict()["state"],
                "adam_D": self.adam[self.D].state_dict()["state"],
            }
        )
        checkpoints.save(
            path,
            self.fingerprint,
            adam
            | {
                "G": self.G.state_dict(),
                "D": self.D.state_dict(),
                "pool": self.pool,
                "streams": {r: g.get_state() for r, g in enumerate(self.streams)},
            },
            (self.epoch, self.seconds),
        )

    def load(self, path):
        """Take up the state in path; a checkpoint of other data or settings is ignored."""
        if (found := checkpoints.load(path, self.fingerprint, self.device)) is None:
            return
        tree, (self.epoch, self.seconds) = found
        for name, net in (("G", self.G), ("D", self.D)):
            net.load_state_dict(tree[name])
            if f"adam_{name}" in tree:
                checkpoints.restore_optimizer(self.adam[net], tree[f"adam_{name}"])
        for r, g in enumerate(self.streams):
            g.set_state(tree["streams"][str(r)].cpu())  # a generator's state is always on the CPU
        self.pool = {int(epoch): state for epoch, state in tree.get("pool", {}).items()}

    def generator(self, seed_index, epoch, member):
        """The generator of one seed and member as kept at an epoch: (w (1, n, noise), c (1, n)) -> (1, n, ...)."""
        state = self.G.one(
            rounding.to_float32(self.pool[epoch]), seed_index * self.settings.members + member
        )

        @torch.no_grad()
        def make(w, c):
            self.G.eval()
            return torch.func.functional_call(self.G, state, (w, c))

        return make

    def sample(self, seed_index, epochs, members, n, rng):
        """n rows from the pooled generators of one seed: x float32 (n, ...), intended class (n,).

        Rows are shared evenly among the given members and snapshot epochs.
        """
        parts_x, parts_c, prior = [], [], self.prior[seed_index].double().cpu().numpy()
        shares = [(e, m) for e in epochs for m in members]
        for (e, m), k in zip(shares, np.diff(np.linspace(0, n, len(shares) + 1).astype(int))):
            c = rng.choice(len(prior), (1, k), p=prior / prior.sum())
            w = rng.normal(0, 0.5, (1, k, self.settings.noise)).astype(np.float32)
            make = self.generator(seed_index, e, m)
            for i in range(0, k, CHUNK):
                part = (
                    torch.as_tensor(w[:, i : i + CHUNK]).to(self.device),
                    torch.as_tensor(c[:, i : i + CHUNK]).to(self.device),
                )
                parts_x.append(make(*part)[0].cpu().numpy())
            parts_c.append(c[0])
        order = rng.permutation(n)
        return np.concatenate(parts_x)[order], np.concatenate(parts_c)[order]
