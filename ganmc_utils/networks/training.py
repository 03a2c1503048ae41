"""The training loop of all networks, teachers and students: many learners side by side.

They share batches; each learner's result is the one that it would have alone.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ganmc_utils.core import checkpoints, cuda_graphs
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.progress import tqdm
from ganmc_utils.networks.batches import BatchStream
from ganmc_utils.networks.objectives import Batch

CHECK = 100  # steps between looks at the losses: a look waits for the device
SAVE_EVERY = 60  # seconds between checkpoints
EVALUATE_BATCH = 1000  # images evaluated at a time

Parts = dict[str, tuple[Tensor, Tensor]]  # {"test": (images, classes), ...}


@dataclass(frozen=True)
class Schedule:
    """How many steps, and with which learning rate.

    optimizer: "adam", or "sgd" with Nesterov momentum 0.9.
    decay: "constant"; "cosine": lr rises over the first twentieth of the steps, then falls to 0.
    evaluations: a number of them, evenly over the steps, the last at the end; or the steps
        themselves.
    """

    steps: int
    lr: float
    optimizer: str = "adam"
    decay: str = "constant"
    weight_decay: float = 0.0
    evaluations: int | tuple[int, ...] = 10

    def optimizer_for(self, net: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a network.

        Its learning rate is a tensor, so that a recorded step sees it change.
        """
        lr = torch.tensor(self.lr, device=next(net.parameters()).device)
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                net.parameters(),
                lr=lr,
                weight_decay=self.weight_decay,
                momentum=0.9,
                nesterov=True,
                fused=True,
            )
        return cuda_graphs.recordable_adam(net, lr=lr, weight_decay=self.weight_decay)

    def lr_at(self, step: int) -> float:
        """The learning rate of a step; steps count from 0."""
        if self.decay == "constant":
            return self.lr
        n_rising = max(1, self.steps // 20)
        rising = (step + 1) / n_rising
        falling = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.lr * min(rising, falling)

    def evaluation_steps(self) -> set[int]:
        """The numbers of steps after which the learners are evaluated."""
        if isinstance(self.evaluations, tuple):
            return set(self.evaluations)
        n = self.evaluations
        return {round(self.steps * k / n) for k in range(1, n + 1)} - {0}


@dataclass
class Learner:
    """A network, what it minimizes, and where its batches come from.

    name: for messages.
    objective: function of logits (B, K) and a Batch that gives a scalar.
    seed: of its batches and dropout masks.
    history: one dict per evaluation: step, loss, seconds, and the accuracy on each part.
    compile: run the network through torch.compile.
    """

    name: str
    net: nn.Module
    objective: Callable[[Tensor, Batch], Tensor]
    batches: BatchStream
    seed: int
    history: list[dict] = field(default_factory=list)
    compile: bool = False

    def __post_init__(self):
        self.forward = torch.compile(self.net) if self.compile else self.net
        self.has_dropout = any(isinstance(module, nn.Dropout) for module in self.net.modules())


class TrainingState:
    """What a checkpoint holds: networks, optimizers, losses, histories, step and seconds."""

    def __init__(self, learners: Sequence[Learner], schedule: Schedule):
        self.learners = learners
        self.optimizers = [schedule.optimizer_for(learner.net) for learner in learners]
        self.device = next(learners[0].net.parameters()).device
        self.losses = torch.zeros(len(learners), schedule.steps, device=self.device)
        self.step = 0  # steps that are done
        self.seconds_before = 0.0  # of the runs that this one resumes
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds that all learners have trained together."""
        return self.seconds_before + time.monotonic() - self.started

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the state to path, whole or not at all."""
        tensors = {
            "nets": {i: learner.net.state_dict() for i, learner in enumerate(self.learners)},
            "losses": self.losses,
            "adam": {i: adam.state_dict()["state"] for i, adam in enumerate(self.optimizers)},
        }
        histories = [learner.history for learner in self.learners]
        checkpoints.save(path, fingerprint, tensors, (self.step, self.seconds, histories))

    def load(self, path: Path, fingerprint: str) -> None:
        """Take up the state in path; one that is absent, broken or another run's is ignored."""
        saved = checkpoints.load(path, fingerprint, self.device)
        if saved is None:
            return
        tensors, (self.step, self.seconds_before, histories) = saved
        self.losses.copy_(tensors["losses"])
        for i, learner in enumerate(self.learners):
            learner.net.load_state_dict(tensors["nets"][str(i)])
            checkpoints.restore_optimizer(self.optimizers[i], tensors["adam"][str(i)])
            learner.history = histories[i]


def train(
    learners: Sequence[Learner],
    schedule: Schedule,
    parts: Parts,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    label: str = "training",
    progress: bool = True,
) -> Sequence[Learner]:
    """Train all learners for schedule.steps, step by step side by side.

    With a checkpoint file a killed run resumes where it was, to the same result bit for bit on the
    same machine.

    Args:
        learners: they are trained in place, and their histories filled.
        schedule: of all of them.
        parts: {"test": (x, y), ...} to evaluate on.
        checkpoint: a file that the run resumes from, if it is this run's, and saves to.
        fingerprint: names the run in its checkpoint.
        label: of the progress bar.
        progress: show one.

    Raises:
        OutOfTime: see checkpoints.out_of_time; only with a checkpoint.
        GanmcError: a loss is not finite.
    """
    state = TrainingState(learners, schedule)
    if checkpoint is not None:
        state.load(checkpoint, fingerprint)
    last_save = time.monotonic()

    pool = cuda_graphs.shared_pool(state.device)
    descents = []
    for learner, optimizer in zip(learners, state.optimizers):
        descend = descent(learner, optimizer)
        descents.append(cuda_graphs.RecordedStep(descend, state.device, pool))
        learner.net.train()

    evaluation_steps = schedule.evaluation_steps()
    with tqdm(
        total=schedule.steps, initial=state.step, desc=label, disable=not progress, mininterval=5
    ) as progress_bar:
        while state.step < schedule.steps:
            # one step of every learner
            lr = schedule.lr_at(state.step)
            for i, learner in enumerate(learners):
                loss = one_step(learner, state.optimizers[i], descents[i], lr, state.step)
                state.losses[i, state.step] = loss
            state.step += 1
            progress_bar.update()

            # look at the losses now and then, evaluate at the appointed steps
            evaluation_is_due = state.step in evaluation_steps
            if evaluation_is_due or state.step % CHECK == 0:
                check_losses(state, schedule)
            if evaluation_is_due:
                evaluate(learners, state.losses, state.step, parts, state.seconds)
                if "validation" in parts:
                    accuracy_now = learners[0].history[-1]["validation"]
                    progress_bar.set_postfix(accuracy=f"{accuracy_now:.3f}")

            # save now and then, at the end, and when the time is up
            if checkpoint is None:
                continue
            at_end = state.step == schedule.steps
            time_is_up = not at_end and checkpoints.out_of_time()
            if at_end or time_is_up or time.monotonic() - last_save > SAVE_EVERY:
                check_losses(state, schedule)
                state.save(checkpoint, fingerprint)
                last_save = time.monotonic()
            if time_is_up:
                raise checkpoints.OutOfTime(
                    f"{label}: out of time at step {state.step:,} of {schedule.steps:,}; "
                    "the same command resumes from there"
                )
    return learners


def one_step(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    descend: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    lr: float,
    step: int,
) -> Tensor:
    """Descend on the learner's batch of this step; returns the loss, detached."""
    for group in optimizer.param_groups:
        group["lr"].fill_(lr)
    batch = learner.batches.at(step, learner.seed)
    if learner.has_dropout:  # its masks, too, follow from seed and step
        torch.manual_seed(1_000_003 * learner.seed + step)
    return descend(batch.x, batch.y, batch.z)


def descent(
    learner: Learner, optimizer: torch.optim.Optimizer
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """A function of a batch's x, y, z: one step down the objective's gradient; gives the loss."""

    def descend(x: Tensor, y: Tensor, z: Tensor | None) -> Tensor:
        g = learner.forward(x)
        loss = learner.objective(g.float(), Batch(x, y, z))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return descend


@torch.no_grad()
def logits(net: nn.Module, x: Tensor) -> Tensor:
    """Logits (n, K) of images (n, C, H, W) in float32; the network is left in its mode."""
    was_training = net.training
    net.eval()
    blocks = [net(block) for block in x.split(EVALUATE_BATCH)]
    net.train(was_training)
    return torch.cat(blocks).float()


@torch.no_grad()
def logits_with_dropout(net: nn.Module, x: Tensor) -> Tensor:
    """Logits (n, K) of a network in evaluation mode but for its dropout, which stays on.

    The masks follow from the images, so that a resumed run sees those it would have seen.
    """
    dropouts = [module for module in net.modules() if isinstance(module, nn.Dropout)]
    seed = int(x.double().abs().sum() * 1e3) % 2**31
    on_cuda = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=on_cuda):
        torch.manual_seed(seed)
        for dropout in dropouts:
            dropout.train()
        blocks = [net(block) for block in x.split(EVALUATE_BATCH)]
        for dropout in dropouts:
            dropout.eval()
    return torch.cat(blocks).float()


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of images whose largest logit is their class."""
    return float((logits(net, x).argmax(1) == y).float().mean())


def evaluate(
    learners: Sequence[Learner], losses: Tensor, step: int, parts: Parts, seconds: float
) -> None:
    """Add an evaluation to the history of each learner.

    Args:
        learners: those that are evaluated.
        losses: of every learner and step, (learners, steps).
        step: steps that are done.
        parts: {"test": (x, y), ...}; the accuracy on each is added under its name.
        seconds: that all learners have trained together.
    """
    for learner, losses_of_learner in zip(learners, losses):
        last = learner.history[-1]["step"] if learner.history else 0
        mean_loss = float(losses_of_learner[last:step].mean())  # since the last evaluation
        evaluation = {"step": step, "loss": mean_loss, "seconds": seconds}
        for part, (x, y) in parts.items():
            evaluation[part] = accuracy(learner.net, x, y)
        learner.history.append(evaluation)


def check_losses(state: TrainingState, schedule: Schedule) -> None:
    """Raises GanmcError for the first loss that is not finite."""
    not_finite = (~torch.isfinite(state.losses[:, : state.step])).nonzero()
    if len(not_finite) == 0:
        return
    first = not_finite[:, 1].argmin()
    i, step = not_finite[first].tolist()
    raise GanmcError(
        f"{state.learners[i].name}: the loss is not finite at step {step + 1} of {schedule.steps}, "
        f"lr {schedule.lr_at(step):.2g}; lower lr"
    )
