"""What the paper's profile must compute, and how long that takes at least; part of `make bench`.

A unit is one image through one kind of work: a training step of a network (forward, backward, optimizer), a teacher's answer, a step of
the AC-GAN. Operations are counted by torch as the network runs; bytes are the fewest that must move: every activation written and
read once in each direction (two bytes each where training is in bfloat16), the optimizer's state once a step. The floor is the larger of
operations over the measured rate of a large matrix product and bytes over that of a large copy. How many units a stage takes is counted by running its chapter with a cast that trains nothing.
"""

import time
from ast import literal_eval
from collections import Counter, namedtuple
from types import SimpleNamespace

import papermill
import torch
from torch.utils.flop_counter import FlopCounterMode

from ganmc_utils import stages
from ganmc_utils.core import cuda_graphs, parameters, paths
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import experiment as network_experiment
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks import training
from ganmc_utils.networks.objectives import logit_matching

Unit = namedtuple(
    "Unit", "operations activations other seconds"
)  # of one image; activations: numbers moved; other: bytes that are float32 anywhere
H100 = {
    "operations": 989e12,
    "bytes": 3.35e12,
    "number": 2,
}  # per second: bf16 matrix units and memory, NVIDIA's data sheet (SXM), not measured here
IMAGES = {
    "nin": 64,
    "lenet_authors": 128,
    "lenet": 128,
    "cnn5": 128,
    "resnet18": 32,
    "wrn28": 4,
}  # of one timed step on the CPU
OPTIMIZER = 32  # bytes per parameter and step: gradient written and read, parameter and two moments read and written


def ceilings(device, sizes=(1024, 2048, 4096), repeats=10):
    """Measured operations and bytes per second, and bytes per number: the best product of n x n matrices, the best copy of 256 MB."""
    kind, found = torch.bfloat16 if device.type == "cuda" else torch.float32, []
    for n in sizes:
        a, b = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))
        found.append(2 * n**3 / min(all_seconds(lambda: a @ b, device, repeats)))
    big = torch.randn(64 << 20, device=device)
    other = torch.empty_like(big)
    return {
        "operations": max(found),
        "bytes": 2 * 4 * len(big) / min(all_seconds(lambda: other.copy_(big), device, repeats)),
        "number": kind.itemsize,
    }


def floor(unit, rates):
    """Seconds that one image takes at least."""
    return max(
        unit.operations / rates["operations"],
        (unit.activations * rates["number"] + unit.other) / rates["bytes"],
    )


def median_seconds(work, device, repeats=5):
    return sorted(all_seconds(work, device, repeats))[repeats // 2]


def all_seconds(work, device, repeats):
    """Seconds of each of `repeats` runs, after one that warms up."""

    def synchronize():
        if device.type == "cuda":
            torch.cuda.synchronize()

    taken = []
    for _ in range(repeats + 1):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        taken.append(time.perf_counter() - started)
    return taken[1:]


def moved(net, x):
    """How many numbers all layers put out for x."""
    sizes = []
    hooks = [
        m.register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
        for m in net.modules()
        if not list(m.children())
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    return sum(sizes)


def counted(work):
    with FlopCounterMode(display=False) as count:
        work()
    return count.get_total_flops()


def step_of(name, device):
    """Unit of a training step at the paper's width."""
    net, n = (
        network_models.make_network(name, 0).to(device, memory_format=torch.channels_last),
        IMAGES[name] * (16 if device.type == "cuda" else 1),
    )
    x, z = (
        torch.randn(n, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last),
        torch.randn(n, 10, device=device),
    )
    descend = training.descent(
        training.Learner(name, net, logit_matching, None, 0),
        training.Schedule(1, 1e-4).optimizer_for(net),
        device,
    )
    operations, through = counted(lambda: descend(x, None, z)), moved(net, x)
    return Unit(
        operations / n,
        4 * through / n,
        OPTIMIZER * network_models.count_parameters(net) / 128,
        median_seconds(as_trained(descend, device, x, None, z), device, 3) / n,
    )


def as_trained(f, device, *given):
    """f(*given) as the loops run it: on CUDA a recording."""
    replayed = cuda_graphs.RecordedStep(f, device)
    for _ in range((cuda_graphs.WARM_UP_CALLS + 1) * cuda_graphs.can_record(device)):
        replayed(*given)
    return lambda: replayed(*given)


def answer_of(name, device):
    """Unit of a teacher's answer."""
    net, n = (
        network_models.make_network(name, 0).to(device, memory_format=torch.channels_last).eval(),
        IMAGES[name] * (16 if device.type == "cuda" else 2),
    )
    x = torch.randn(n, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        return Unit(
            counted(lambda: net(x)) / n,
            2 * moved(net, x) / n,
            0,
            median_seconds(lambda: training.logits(net, x), device, 3) / n,
        )


def gan_of(width, device, n=100):
    """Unit, per real image, of a step of both players, which is in float32 (TF32 on CUDA)."""
    x, y = torch.randn(1, n, 3, 32, 32, device=device), torch.arange(n, device=device)[None] % 10
    gan = acgan.AcGan(
        x, y, acgan.GanSettings(batch=n, members=1), [0], image_networks.image_networks(width)
    )
    given = x, y, gan.draw_noise(n, gan.settings.noise), gan.draw_classes(n)
    with torch.no_grad():
        through = moved(
            gan.D.convolve, x[0]
        )  # of D; it sees three batches and G makes one of about that size: four in all
    size = sum(network_models.count_parameters(net) for net in (gan.G, gan.D))
    operations, taken = (
        counted(lambda: gan.step(*given)),
        median_seconds(as_trained(gan.step, device, *given), device, 3),
    )
    return Unit(operations / n, 0, (4 * 4 * 4 * through + OPTIMIZER * size) / n, taken / n)


class Counted:
    """In the place of the cast: trains nothing, counts the images that each kind of work would see. What one stage has made the
    next ones find, as with the real cast."""

    known = set()

    def __init__(self, p, out):
        self.p, self.work, self.data = p, Counter(), SimpleNamespace(checksum="")

    def images(self, plan, epochs=None):
        return (epochs or plan.epochs) * (self.p.data.n_train // plan.batch) * plan.batch

    def once(self, *key):
        new = key not in self.known
        self.known.add(key)
        return new

    def teacher(self, plan):
        if self.once(plan):
            self.work["step", plan.network] += self.images(plan)
        return None, [{"step": 1, "seconds": 0.0, "train": 0.0, "validation": 0.0, "test": 0.0}]

    def gan(self):
        if self.once("gan"):
            self.work["gan", self.p.gan.width] += self.p.gan.epochs * self.p.data.n_train
        return SimpleNamespace(
            seconds=0.0, settings=SimpleNamespace(snapshots=self.p.gan.snapshots)
        )

    def gan_epoch(self):
        self.gan()
        if self.once("choice"):
            p, n = self.p, len(self.p.gan.snapshots)
            self.work["step", p.student.network] += n * self.images(p.student, p.gan.choice_epochs)
            self.work["answer", p.teacher.network] += n * self.images(
                p.student, p.gan.choice_epochs
            )
        return self.p.gan.epochs, {}

    def spread(self, epoch):
        return 1.0

    def network(self, plan, seed):
        return network_models.make_network(plan.network, seed, plan.width)

    def students(self, runs, label):
        streams = set()
        for r in [r for r in runs if self.once(r)]:
            self.teacher(r.teacher) if r.objective != "supervised" else None
            self.work["step", r.student.network] += self.images(r.student)
            if r.p_fake and r.objective != "supervised":
                streams.add(
                    (
                        r.teacher.network,
                        r.source.removeprefix("train+"),
                        r.gan_epoch,
                        self.images(r.student),
                    )
                )
        for teacher, _, _, images in streams:
            self.work["answer", teacher] += images
        return [
            [{"step": 1, "loss": 0.0, "seconds": 0.0, "validation": 0.0, "test": 0.0}] for _ in runs
        ]


def stage_work(profile="paper"):
    """[(stage, Counter of images by kind of work)]; chapter 07 and the scoreboard take too little to count."""
    Counted.known, found = set(), []
    for name, notebook, given in stages.plan(profile):
        if notebook < "06":
            p = parameters.check_dict(notebook, defaults(notebook) | given)
            chapter = network_experiment.Chapter(p, None, Counted)
            getattr(chapter, notebook[3:])()
            found.append((name, chapter.cast.work))
    return found


def defaults(notebook):
    """A notebook's own parameters."""
    found = papermill.inspect_notebook(str(paths.ROOT / "notebooks" / f"{notebook}.ipynb"))
    return {name: literal_eval(about["default"]) for name, about in found.items()}


def tables(device):
    """(ceilings, rows of the units, rows of the stages) as lists of dicts for printing."""
    rate, stage = ceilings(device), stage_work()
    measure = {"step": step_of, "answer": answer_of, "gan": gan_of}
    words = {
        "step": "training step, {}",
        "answer": "teacher's answer, {}",
        "gan": "AC-GAN step, width {}",
    }
    units, rows = {}, []
    for kind in sorted({k for _, work in stage for k in work}, key=str):
        u = units[kind] = measure[kind[0]](kind[1], device)
        rows.append(
            {
                "One image": words[kind[0]].format(kind[1]),
                "MFLOP": f"{u.operations / 1e6:,.0f}",
                "MB": f"{(u.activations * rate['number'] + u.other) / 1e6:,.2f}",
                "Floor here, ms": f"{1e3 * floor(u, rate):,.2f}",
                "Taken here, ms": f"{1e3 * u.seconds:,.2f}",
                "Taken / floor": f"{u.seconds / floor(u, rate):,.1f}",
            }
        )

    def floor_hours(work, rates):
        return sum(n * floor(units[k], rates) for k, n in work.items()) / 3600

    lines = [
        {
            "Stage": name,
            "PFLOP": f"{sum(units[k].operations * n for k, n in work.items()) / 1e15:,.0f}",
            "Floor on an H100, min": f"{60 * floor_hours(work, H100):,.1f}",
            "Floor here, h": f"{floor_hours(work, rate):,.0f}",
            "At the speed taken here, h": f"{sum(units[k].seconds * n for k, n in work.items()) / 3600:,.0f}",
        }
        for name, work in [*stage, ("all", sum((work for _, work in stage), Counter()))]
    ]
    return rate, rows, lines
