"""The training loop of all networks, teachers and students: many learners side by side on shared batches."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from tqdm.auto import tqdm

from ganmc_utils.core import checkpoints, cuda_graphs
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks.objectives import Batch

CHECK = 100  # steps between looks at the losses: a look waits for the device
SAVE_EVERY = 60  # seconds between checkpoints
EVALUATE_BATCH = 1000


@dataclass(frozen=True)
class Schedule:
    """steps of `batch` rows. decay "cosine": lr rises over the first twentieth of the steps, then falls to 0."""

    steps: int
    lr: float
    optimizer: str = "adam"  # Adam, or SGD with Nesterov momentum 0.9
    decay: str = "constant"
    weight_decay: float = 0.0
    evaluations: int = 10  # evenly over the steps; the last is at the end

    def make(self, net):
        """The optimizer of net; its learning rate is a tensor, so that a recorded step sees it change."""
        more = dict(
            lr=torch.tensor(self.lr, device=next(net.parameters()).device),
            weight_decay=self.weight_decay,
        )
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                net.parameters(), momentum=0.9, nesterov=True, fused=True, **more
            )
        return cuda_graphs.recordable_adam(net, **more)

    def lr_at(self, step):
        if self.decay == "constant":
            return self.lr
        rise = max(1, self.steps // 20)
        return self.lr * min((step + 1) / rise, 0.5 * (1 + math.cos(math.pi * step / self.steps)))

    def evaluate_after(self):
        return {
            round(self.steps * k / self.evaluations) for k in range(1, self.evaluations + 1)
        } - {0}


@dataclass
class Learner:
    """A network, what it minimizes, and where its batches come from (at(step, seed) -> Batch)."""

    name: str
    net: nn.Module
    objective: Callable
    batches: object
    seed: int
    history: list = field(
        default_factory=list
    )  # one dict per evaluation: step, loss, and the accuracies
    compile: bool = False

    def __post_init__(self):
        self.forward = torch.compile(self.net) if self.compile else self.net
        self.dropout = any(isinstance(m, nn.Dropout) for m in self.net.modules())


def accuracy(net, x, y):
    """Share of rows whose largest logit is their class."""
    return float((logits(net, x).argmax(1) == y).float().mean())


@torch.no_grad()
def logits(net, x):
    """Logits (n, K) in float32, evaluated in blocks; no gradient reaches the network."""
    mode = net.training
    net.eval()
    with autocast(x.device):
        found = torch.cat([net(part) for part in x.split(EVALUATE_BATCH)]).float()
    net.train(mode)
    return found


def autocast(device):
    """bfloat16 where it is faster at the same result within noise: on CUDA. No cache of casts: a recorded step makes its own."""
    return torch.autocast(
        device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False
    )


def train(
    learners, schedule, parts, checkpoint=None, fingerprint="", label="training", progress=True
):
    """Train all learners for schedule.steps, step by step side by side; parts: {"test": (x, y), ...} to evaluate on.

    Each learner's result is the one it would have alone. With a checkpoint file a killed run goes on where it was, to
    the same result bit for bit on the same machine. GanmcError if a loss is not finite."""
    device = next(learners[0].net.parameters()).device
    optimizers = [schedule.make(learner.net) for learner in learners]
    pool = cuda_graphs.shared_pool(device)
    descents = [
        cuda_graphs.RecordedStep(descent(l, o, device), device, pool)
        for l, o in zip(learners, optimizers)
    ]
    losses = torch.zeros(len(learners), schedule.steps, device=device)  # of every step
    step, spent, started, saved = 0, 0.0, time.monotonic(), time.monotonic()

    def state():
        return {
            "nets": {i: l.net.state_dict() for i, l in enumerate(learners)},
            "losses": losses,
            "adam": {i: o.state_dict()["state"] for i, o in enumerate(optimizers)},
        }

    if checkpoint is not None and (found := checkpoints.load(checkpoint, fingerprint, device)):
        tree, (step, spent, histories) = found
        losses.copy_(tree["losses"])
        for i, (learner, optimizer) in enumerate(zip(learners, optimizers)):
            learner.net.load_state_dict(tree["nets"][str(i)])
            checkpoints.restore_optimizer(optimizer, tree["adam"][str(i)])
            learner.history = histories[i]
    evaluate_after = schedule.evaluate_after()
    for learner in learners:
        learner.net.train()
    with tqdm(
        total=schedule.steps, initial=step, desc=label, disable=not progress, mininterval=5
    ) as bar:
        while step < schedule.steps:
            for i, learner in enumerate(learners):
                losses[i, step] = one_step(
                    learner, optimizers[i], descents[i], schedule.lr_at(step), step
                )
            step += 1
            bar.update()
            if step in evaluate_after or step % CHECK == 0:
                check(losses[:, :step], learners, schedule)
            if step in evaluate_after:
                evaluate(learners, losses, step, parts, spent + time.monotonic() - started)
                bar.set_postfix(
                    accuracy=f"{learners[0].history[-1]['validation']:.3f}"
                    if "validation" in parts
                    else ""
                )
            stop = checkpoint is not None and step < schedule.steps and checkpoints.out_of_time()
            if checkpoint is not None and (
                stop or step == schedule.steps or time.monotonic() - saved > SAVE_EVERY
            ):
                check(losses[:, :step], learners, schedule)
                checkpoints.save(
                    checkpoint,
                    fingerprint,
                    state(),
                    (step, spent + time.monotonic() - started, [l.history for l in learners]),
                )
                saved = time.monotonic()
            if stop:
                raise checkpoints.OutOfTime(
                    f"{label}: out of time at step {step:,} of {schedule.steps:,}; the same command goes on from there"
                )
    return learners


def one_step(learner, optimizer, descend, lr, step):
    """Descend on the learner's batch of this step; returns the loss, detached."""
    for group in optimizer.param_groups:
        group["lr"].fill_(lr)
    batch = learner.batches.at(step, learner.seed)
    if learner.dropout:  # its masks, too, follow from seed and step
        torch.manual_seed(1_000_003 * learner.seed + step)
    return descend(batch.x, batch.y, batch.z)


def descent(learner, optimizer, device):
    """A function of a batch's x, y, z: one step down the objective's gradient; the loss."""

    def descend(x, y, z):
        with autocast(device):
            g = learner.forward(x)
        loss = learner.objective(g.float(), Batch(x, y, z))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return descend


def evaluate(learners, losses, step, parts, seconds):
    """Add to each history: the mean loss since the last evaluation (on the compression set), accuracy on each part, and
    the seconds that all learners have trained together."""
    for i, learner in enumerate(learners):
        last = learner.history[-1]["step"] if learner.history else 0
        learner.history.append(
            {"step": step, "loss": float(losses[i, last:step].mean()), "seconds": seconds}
            | {part: accuracy(learner.net, x, y) for part, (x, y) in parts.items()}
        )


def check(losses, learners, schedule):
    """One line for the first loss that is not finite."""
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        i, step = bad[bad[:, 1].argmin()].tolist()
        raise GanmcError(
            f"{learners[i].name}: the loss is not finite at step {step + 1} of {schedule.steps}, "
            f"lr {schedule.lr_at(step):.2g}; lower lr"
        )
