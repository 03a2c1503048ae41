"""The auxiliary-classifier GAN of Odena et al. (2017), as Sec. 2.3 of the paper trains it.

Every tensor carries a leading axis R, the number of independent GANs that train side by side: the
losses are summed over R and no parameter is shared, so each GAN takes the steps that it would take
alone, in a fraction of the time (one 50-unit network leaves a core idle). Other shapes: B samples
of a batch, d features, K classes.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganmc_utils.core import checkpoints, cuda_graphs, rounding
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.parameters import KerasDetail
from ganmc_utils.core.progress import tqdm

CHUNK = 10_000  # samples generated at a time
NOISE_SCALE = 0.5  # standard deviation of w, as in the authors' script

# Numbers of the Keras script's details, see core.parameters.KerasDetail.
LEAK = 0.2  # slope of the leaky ReLU below 0
SMOOTH_TARGET = 0.95  # of the source of real rows
DROPOUT = 0.3  # share of D's hidden units that a step leaves out


@dataclass(frozen=True)
class GanSettings:
    """The paper's values (Sec. 4) where it states them; the rest are choices on validation."""

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
    keras: tuple[KerasDetail, ...] = ()  # for "glorot", "leaky_relu", "dropout": tables only


class StackedLinear(nn.Module):
    """R independent linear layers: (R, B, n_in) -> (R, B, n_out).

    Args:
        generators: R random streams; each draws the initial weights of one layer.
        n_in: inputs of each layer.
        n_out: outputs of each layer.
        glorot: weights from U(-b, b) with b = sqrt(6 / (n_in + n_out)) and biases 0, instead of
            torch's own default, both from U(-b, b) with b = 1 / sqrt(n_in).
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        n_in: int,
        n_out: int,
        glorot: bool = False,
    ):
        super().__init__()
        bound = math.sqrt(6 / (n_in + n_out)) if glorot else 1 / math.sqrt(n_in)
        layers = [
            torch.empty(n_in + 1, n_out).uniform_(-bound, bound, generator=generator)
            for generator in generators
        ]
        self.weight = nn.Parameter(torch.stack([layer[:-1] for layer in layers]))
        biases = torch.stack([layer[-1:] for layer in layers])
        self.bias = nn.Parameter(torch.zeros_like(biases) if glorot else biases)

    def forward(self, x: Tensor) -> Tensor:
        """X W + b, each GAN with its own W and b."""
        return torch.baddbmm(self.bias, x, self.weight)


class TabularGenerator(nn.Module):
    """G(w, c) = out(relu(hidden(w * embed(c)))): noise times an embedding of the class.

    w is (R, B, noise), c int (R, B), G(w, c) (R, B, d).
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        settings: GanSettings,
        n_features: int,
        n_classes: int,
    ):
        super().__init__()
        self.n_classes = n_classes
        glorot = "glorot" in settings.keras
        self.embed = StackedLinear(generators, n_classes, settings.noise, glorot)
        self.hidden = StackedLinear(generators, settings.noise, settings.hidden, glorot)
        self.out = StackedLinear(generators, settings.hidden, n_features, glorot)

    def forward(self, w: Tensor, c: Tensor) -> Tensor:
        """(R, B, noise), (R, B) -> (R, B, d)."""
        one_hot = F.one_hot(c, self.n_classes).to(w.dtype)
        h = w * self.embed(one_hot)
        return self.out(F.relu(self.hidden(h)))

    @staticmethod
    def state_of_gan(state: rounding.StateDict, r: int) -> rounding.StateDict:
        """The parameters of GAN r alone, from a state_dict of all."""
        return {name: tensor[r : r + 1] for name, tensor in state.items()}


class TabularDiscriminator(nn.Module):
    """D(x) = out(relu(hidden(x))): a source logit, positive for real, and K class logits.

    As in the Keras script the ReLU may leak, and hidden units may drop out while it trains; which
    ones is drawn from the streams of the GANs.
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator],
        settings: GanSettings,
        n_features: int,
        n_classes: int,
    ):
        super().__init__()
        glorot = "glorot" in settings.keras
        self.streams = generators
        self.leaks = "leaky_relu" in settings.keras
        self.drops_out = "dropout" in settings.keras
        self.hidden = StackedLinear(generators, n_features, settings.hidden, glorot)
        self.out = StackedLinear(generators, settings.hidden, 1 + n_classes, glorot)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(R, B, d) -> (R, B), (R, B, K)."""
        h = self.hidden(x)
        h = F.leaky_relu(h, LEAK) if self.leaks else F.relu(h)
        if self.drops_out and self.training:
            h = h * self.dropout_masks(h.shape[1:]).to(h.device)
        out = self.out(h)
        return out[..., 0], out[..., 1:]

    def dropout_masks(self, shape: Sequence[int]) -> Tensor:
        """Factors 0 (dropped) and 1 / (1 - DROPOUT) of the hidden units: (R, *shape)."""
        draws = [torch.rand(shape, generator=g, device=g.device) for g in self.streams]
        return (torch.stack(draws) >= DROPOUT) / (1 - DROPOUT)


def tabular_networks(
    streams: Sequence[torch.Generator],
    settings: GanSettings,
    shape: Sequence[int],
    n_classes: int,
) -> tuple[TabularGenerator, TabularDiscriminator]:
    """(G, D) for rows of shape (d,): the paper's networks of Sec. 4."""
    (n_features,) = shape
    generator = TabularGenerator(streams, settings, n_features, n_classes)
    discriminator = TabularDiscriminator(streams, settings, n_features, n_classes)
    return generator, discriminator


def log_p_class(logits: Tensor, c: Tensor) -> Tensor:
    """Mean over the batch of log P(C = c | x): logits (R, B, K), c (R, B) -> (R,)."""
    return -F.cross_entropy(logits.movedim(-1, 1), c, reduction="none").mean(1)


def objectives(
    real_source: Tensor,
    real_class: Tensor,
    c_real: Tensor,
    fake_source: Tensor,
    fake_class: Tensor,
    c_fake: Tensor,
    keras: Sequence[KerasDetail] = (),
) -> tuple[Tensor, Tensor]:
    """Eq. 2a from the discriminator's logits, per GAN.

        L_source = mean log P(S = real | x) + mean log P(S = fake | G(W, C))
        L_class  = mean log P(C = c | x)    + mean log P(C | G(W, C))

    with means over the batch. D maximizes L_class + L_source. With the details "smoothing" and
    "real_class_loss" of the Keras script, where s is SMOOTH_TARGET, the terms are instead

        mean [s log P(S = real | x) + (1 - s) log P(S = fake | x)]    for real rows in L_source
        2 mean log P(C = c | x)                                       for L_class

    Args:
        real_source: source logits of real samples, (R, B).
        real_class: their class logits, (R, B, K).
        c_real: their classes, (R, B).
        fake_source: source logits of generated samples, (R, B).
        fake_class: their class logits, (R, B, K).
        c_fake: the classes they were asked for, (R, B).
        keras: as above.

    Returns:
        L_source and L_class, each (R,).
    """
    of_real = terms_of_real(real_source, real_class, c_real, keras)
    of_fake = terms_of_fake(fake_source, fake_class, c_fake, keras)
    return of_real[0] + of_fake[0], of_real[1] + of_fake[1]


def terms_of_real(
    source: Tensor, class_logits: Tensor, c: Tensor, keras: Sequence[KerasDetail]
) -> tuple[Tensor, Tensor]:
    """The terms of `objectives` in real samples: those of L_source and of L_class, each (R,)."""
    l_source = F.logsigmoid(source).mean(1)
    if "smoothing" in keras:
        l_source_if_fake = F.logsigmoid(-source).mean(1)
        l_source = SMOOTH_TARGET * l_source + (1 - SMOOTH_TARGET) * l_source_if_fake
    l_class = log_p_class(class_logits, c)
    if "real_class_loss" in keras:
        l_class = 2 * l_class
    return l_source, l_class


def terms_of_fake(
    source: Tensor, class_logits: Tensor, c: Tensor, keras: Sequence[KerasDetail]
) -> tuple[Tensor, Tensor]:
    """The terms of `objectives` in generated samples."""
    l_class = log_p_class(class_logits, c)
    if "real_class_loss" in keras:
        l_class = torch.zeros_like(l_class)
    return F.logsigmoid(-source).mean(1), l_class


def generator_objective(
    fake_source: Tensor,
    fake_class: Tensor,
    c_fake: Tensor,
    class_weight: float = 1.0,
    saturating: bool = False,
) -> Tensor:
    """What G maximizes of L_class - L_source (the terms in real data are constants to it): (R,).

        mean -log P(S = fake | G(W, C)) + class_weight * mean log P(C | G(W, C))

    With saturating=False, -log P(fake | G) is replaced by log P(real | G) (Goodfellow et al., 2014,
    Sec. 3): the same fixed point, and a gradient early in training.

    Args:
        fake_source: source logits of generated samples, (R, B).
        fake_class: their class logits, (R, B, K).
        c_fake: the classes they were asked for, (R, B).
        class_weight: 1 is Eq. 2a.
        saturating: as above.
    """
    source = -F.logsigmoid(-fake_source) if saturating else F.logsigmoid(fake_source)
    return source.mean(1) + class_weight * log_p_class(fake_class, c_fake)


class AcGan:
    """R = seeds x members AC-GANs, trained in one loop.

    GAN r learns from dataset r // members and draws its initial weights, batches, noise and classes
    from its own stream, seeded by (seeds[r // members], r % members).

    Args:
        x: a dataset for each seed, float32 (seeds, n, ...): standardized rows or images.
        y: their classes, int64 (seeds, n).
        settings: of all GANs.
        seeds: one per dataset.
        networks: function (streams, settings, shape of a sample, n_classes) -> (G, D).

    Raises:
        GanmcError: a batch is larger than the data.
    """

    def __init__(
        self,
        x: np.ndarray | Tensor,
        y: np.ndarray | Tensor,
        settings: GanSettings,
        seeds: Sequence[int],
        networks: Callable[..., tuple[nn.Module, nn.Module]] = tabular_networks,
    ):
        if settings.batch > x.shape[1]:
            raise GanmcError(
                f"AC-GAN: batch {settings.batch} is larger than the {x.shape[1]} training rows; "
                "lower the batch"
            )
        self.settings = settings
        self.epoch = 0
        self.seconds = 0.0
        self.pool = {}  # {snapshot epoch: state_dict of G in float16}
        self.x = torch.as_tensor(x)
        self.y = torch.as_tensor(y)
        self.device = self.x.device

        # Of GAN r: its dataset, and the stream that all its draws come from.
        dataset_numbers = torch.arange(len(seeds), device=self.device)
        self.dataset_of_gan = dataset_numbers.repeat_interleave(settings.members)
        self.streams = [
            torch.Generator(self.device).manual_seed(1_000_003 * seed + member)
            for seed in seeds
            for member in range(settings.members)
        ]

        n_classes = int(self.y.max()) + 1
        shares = [torch.bincount(c, minlength=n_classes) / len(c) for c in self.y]
        self.prior = torch.stack(shares)  # (seeds, K): each dataset's class distribution
        if "even_classes" in settings.keras:
            self.prior = torch.full_like(self.prior, 1 / n_classes)
        generator, discriminator = networks(self.streams, settings, x.shape[2:], n_classes)
        self.G = generator.to(self.device)
        self.D = discriminator.to(self.device)
        self.adam = self.optimizers()
        self.finite = torch.tensor(True, device=self.device)

        data = self.x.cpu().numpy().tobytes() + self.y.cpu().numpy().tobytes()
        configuration = json.dumps([asdict(settings), list(seeds)])
        self.fingerprint = hashlib.sha256(data).hexdigest() + configuration

    def optimizers(self) -> dict[nn.Module, torch.optim.Adam]:
        """A new Adam for each player."""
        betas = (self.settings.beta1, 0.999)
        return {
            net: cuda_graphs.recordable_adam(net, lr=self.settings.lr, betas=betas)
            for net in (self.D, self.G)
        }

    def draw_classes(self, n: int) -> Tensor:
        """Draw n classes per GAN from its data's class distribution: int64 (R, n)."""
        classes = [
            torch.multinomial(self.prior[dataset], n, replacement=True, generator=stream)
            for dataset, stream in zip(self.dataset_of_gan, self.streams)
        ]
        return torch.stack(classes)

    def draw_noise(self, *shape: int) -> Tensor:
        """Draw N(0, 0.5^2) noise as in the authors' script: (R, *shape)."""
        noise = [torch.randn(*shape, generator=g, device=self.device) for g in self.streams]
        return torch.stack(noise) * NOISE_SCALE

    def draw_orders(self) -> Tensor:
        """Draw an order of the data for each GAN: int64 (R, n)."""
        n = self.x.shape[1]
        orders = [torch.randperm(n, generator=g, device=self.device) for g in self.streams]
        return torch.stack(orders)

    def train_epoch(self, step: Callable[[Tensor, Tensor, Tensor, Tensor], None]) -> None:
        """One pass over the data: per batch one step of D, then one of G on the same fakes.

        Args:
            step: self.step, or its recording.

        Raises:
            GanmcError: the objective was not finite in some step.
        """
        batch = self.settings.batch
        n_steps = self.x.shape[1] // batch
        n_gans = len(self.streams)
        order = self.draw_orders()
        classes = self.draw_classes(n_steps * batch).view(n_gans, n_steps, batch)
        noise = self.draw_noise(n_steps, batch, self.settings.noise)
        dataset = self.dataset_of_gan[:, None]
        for t in range(n_steps):
            rows = order[:, t * batch : (t + 1) * batch]
            step(self.x[dataset, rows], self.y[dataset, rows], noise[:, t], classes[:, t])
        self.epoch += 1
        if not self.finite:
            raise GanmcError(
                f"AC-GAN: the objective is not finite in epoch {self.epoch} "
                f"at lr {self.settings.lr}; lower lr"
            )

    def step(self, x: Tensor, y: Tensor, w: Tensor, c: Tensor) -> None:
        """One step of each player on a batch.

        Args:
            x: real samples, (R, B, ...).
            y: their classes, (R, B).
            w: noise, (R, B, noise).
            c: classes of the samples to generate, (R, B).
        """
        fake = self.G(w, c)
        if "separate_steps" in self.settings.keras:
            self.separate_steps_of_d(x, y, fake.detach(), c)
        else:
            self.joint_step_of_d(x, y, fake.detach(), c)

        fake_source, fake_class = self.D(fake)
        value = generator_objective(
            fake_source, fake_class, c, self.settings.class_weight, self.settings.saturating
        )
        self.ascend(self.G, value)

    def joint_step_of_d(self, x: Tensor, y: Tensor, fake: Tensor, c: Tensor) -> None:
        """One step of D on a batch of real and one of generated samples together."""
        B = x.shape[1]
        source_logits, class_logits = self.D(torch.cat([x, fake], 1))
        l_source, l_class = objectives(
            real_source=source_logits[:, :B],
            real_class=class_logits[:, :B],
            c_real=y,
            fake_source=source_logits[:, B:],
            fake_class=class_logits[:, B:],
            c_fake=c,
            keras=self.settings.keras,
        )
        self.ascend(self.D, l_source + l_class)

    def separate_steps_of_d(self, x: Tensor, y: Tensor, fake: Tensor, c: Tensor) -> None:
        """A step of D on a batch of real samples, then one on a batch of generated samples."""
        for terms, samples, classes in ((terms_of_real, x, y), (terms_of_fake, fake, c)):
            l_source, l_class = terms(*self.D(samples), classes, self.settings.keras)
            self.ascend(self.D, l_source + l_class)

    def ascend(self, net: nn.Module, objective: Tensor) -> None:
        """One step of net's Adam up the gradient of an objective (R,), summed over the GANs."""
        total = objective.sum()
        self.finite.logical_and_(torch.isfinite(total))  # looked at after the epoch
        parameters = list(net.parameters())
        gradients = torch.autograd.grad(-total, parameters)
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        self.adam[net].step()

    def train(
        self, checkpoint: Path | None = None, every: int = 25, progress: bool = True
    ) -> "AcGan":
        """Train to settings.epochs, keeping the generators of settings.snapshots; returns itself.

        Args:
            checkpoint: a file that the run resumes from, if it is this run's, and saves to.
            every: epochs between two saves.
            progress: show a progress bar.

        Raises:
            OutOfTime: see checkpoints.out_of_time; only with a checkpoint.
            GanmcError: the objective is not finite.
        """
        if checkpoint is not None:
            self.load(checkpoint)
        step = cuda_graphs.RecordedStep(self.step, self.device)
        self.G.train()
        self.D.train()
        with tqdm(
            total=self.settings.epochs,
            initial=self.epoch,
            desc="AC-GAN epochs",
            disable=not progress,
            mininterval=5,
        ) as progress_bar:
            while self.epoch < self.settings.epochs:
                started = time.monotonic()
                self.train_epoch(step)
                self.seconds += time.monotonic() - started
                progress_bar.update()
                if self.epoch in self.settings.snapshots:
                    self.pool[self.epoch] = rounding.to_float16(self.G.state_dict())
                if checkpoint is not None:
                    self.save_when_due(checkpoint, every)
        return self

    def save_when_due(self, path: Path, every: int) -> None:
        """Save after every `every` epochs, at the end, and when the time is up.

        Raises:
            OutOfTime: the time is up before the end.
        """
        at_end = self.epoch == self.settings.epochs
        time_is_up = not at_end and checkpoints.out_of_time()
        if at_end or time_is_up or self.epoch % every == 0:
            self.save(path)
        if time_is_up:
            raise checkpoints.OutOfTime(
                f"AC-GAN: out of time after epoch {self.epoch} of {self.settings.epochs}; "
                "the same command resumes from there"
            )

    def save(self, path: Path) -> None:
        """Write the state; Adam's, two thirds of it, only while the training is not at its end."""
        state = {}
        if self.epoch != self.settings.epochs:
            state["adam_G"] = self.adam[self.G].state_dict()["state"]
            state["adam_D"] = self.adam[self.D].state_dict()["state"]
        state["G"] = self.G.state_dict()
        state["D"] = self.D.state_dict()
        state["pool"] = self.pool
        state["streams"] = {r: stream.get_state() for r, stream in enumerate(self.streams)}
        checkpoints.save(path, self.fingerprint, state, (self.epoch, self.seconds))

    def load(self, path: Path) -> None:
        """Take up the state in path; a checkpoint of other data or settings is ignored."""
        saved = checkpoints.load(path, self.fingerprint, self.device)
        if saved is None:
            return
        state, (self.epoch, self.seconds) = saved
        for name, net in (("G", self.G), ("D", self.D)):
            net.load_state_dict(state[name])
            if f"adam_{name}" in state:
                checkpoints.restore_optimizer(self.adam[net], state[f"adam_{name}"])
        for r, stream in enumerate(self.streams):
            # The state of a stream is always on the CPU, wherever it draws.
            stream.set_state(state["streams"][str(r)].cpu())
        self.pool = {int(epoch): tensors for epoch, tensors in state.get("pool", {}).items()}

    def generator(
        self, seed_index: int, epoch: int, member: int
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The generator of one seed and member as it was kept at an epoch.

        Returns:
            A function of w (1, n, noise) and c (1, n) that gives n samples, (1, n, ...).
        """
        pooled_state = rounding.to_float32(self.pool[epoch])
        r = seed_index * self.settings.members + member
        state = self.G.state_of_gan(pooled_state, r)

        @torch.no_grad()
        def generate(w: Tensor, c: Tensor) -> Tensor:
            self.G.eval()
            return torch.func.functional_call(self.G, state, (w, c))

        return generate

    def sample(
        self,
        seed_index: int,
        epochs: Sequence[int],
        members: Sequence[int],
        n: int,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw n samples from the pooled generators of one seed: even shares, shuffled.

        Args:
            seed_index: which of the seeds.
            epochs: snapshot epochs that are pooled.
            members: GANs of the seed that are pooled.
            n: number of samples.
            rng: draws classes, noise and the order.

        Returns:
            x: float32 (n, ...).
            c: the class that each was asked for, int64 (n,).
        """
        prior = self.prior[seed_index].double().cpu().numpy()
        prior = prior / prior.sum()  # choice asks for a sum of 1 in float64
        pooled = [(epoch, member) for epoch in epochs for member in members]
        ends = np.linspace(0, n, len(pooled) + 1).astype(int)
        samples, classes = [], []
        for (epoch, member), share in zip(pooled, np.diff(ends)):
            c = rng.choice(len(prior), (1, share), p=prior)
            w = rng.normal(0, NOISE_SCALE, (1, share, self.settings.noise)).astype(np.float32)
            generate = self.generator(seed_index, epoch, member)
            for start in range(0, share, CHUNK):
                chunk = slice(start, start + CHUNK)
                w_chunk = torch.as_tensor(w[:, chunk]).to(self.device)
                c_chunk = torch.as_tensor(c[:, chunk]).to(self.device)
                samples.append(generate(w_chunk, c_chunk)[0].cpu().numpy())
            classes.append(c[0])
        order = rng.permutation(n)
        return np.concatenate(samples)[order], np.concatenate(classes)[order]
