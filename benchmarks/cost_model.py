"""What the paper's profile must compute, and how long that takes at least; part of `make bench`.

The unit is one image through one kind of work: a training step of a network (forward, backward,
optimizer), a teacher's logits, a step of the AC-GAN. Operations are counted by torch as the network
runs. Bytes are the fewest that must move: every activation written and read once in each direction
(two bytes each where training is in bfloat16), the optimizer's state once a step. The floor is the
larger of operations over the measured rate of a large matrix product and bytes over that of a large
copy. How many images a unit of work takes is counted from its plan; nothing is trained.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ganmc_utils.core import cuda_graphs
from ganmc_utils.core.parameters import Network, NetworkModels
from ganmc_utils.core.plan import set_seeds
from ganmc_utils.core.units import Unit, units_of
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import training
from ganmc_utils.networks.experiment import Student, short_students, with_chosen_share
from ganmc_utils.networks.models import count_parameters, make_network
from ganmc_utils.networks.objectives import logit_matching
from ganmc_utils.networks.trained import NOISE, schedule_of, student_schedule

Kind = tuple[str, str | int]  # ("step", network), ("label", teacher's network), ("gan", width)
Work = Counter[Kind]  # images by kind of work
Trained = tuple[Student, int]  # a student and its seed

# Bytes a parameter costs in each step: its gradient is written and read, itself and Adam's two
# moments are read and written, 4 bytes each.
OPTIMIZER_BYTES = 32
PAPER_BATCH = 128
IMAGES_OF_TIMED_STEP = {  # on the CPU
    "nin": 64,
    "lenet_authors": 128,
    "lenet": 128,
    "cnn5": 128,
    "resnet18": 32,
    "wrn28": 4,
}
TIMES_AS_MANY_ON_CUDA = 16
TIMES_AS_MANY_TO_LABEL = 2  # on the CPU, where labelling a batch is quick
TIMED_STEPS = 3


@dataclass(frozen=True)
class ImageCost:
    """What one image costs in one kind of work.

    Attributes:
        operations: floating-point operations.
        activations: numbers written or read, as wide as the device computes with.
        other_bytes: bytes moved that are float32 on every device.
        seconds: measured here.
    """

    operations: float
    activations: float
    other_bytes: float
    seconds: float


@dataclass(frozen=True)
class Rates:
    """What a device does at best.

    Attributes:
        operations: per second.
        bytes: moved per second.
        bytes_per_number: width of an activation.
    """

    operations: float
    bytes: float
    bytes_per_number: int

    def bytes_of(self, cost: ImageCost) -> float:
        """Bytes that one image moves."""
        return cost.activations * self.bytes_per_number + cost.other_bytes

    def floor(self, cost: ImageCost) -> float:
        """Seconds that one image takes at least."""
        return max(cost.operations / self.operations, self.bytes_of(cost) / self.bytes)


# NVIDIA's data sheet (SXM): bfloat16 matrix units and memory, not measured here.
H100 = Rates(operations=989e12, bytes=3.35e12, bytes_per_number=2)


# Measurements


def measured_rates(
    device: torch.device, sizes: Sequence[int] = (1024, 2048, 4096), repeats: int = 10
) -> Rates:
    """The best of some products of n x n matrices, and of copies of 256 MB.

    The networks' products are in bfloat16; a CPU without instructions for it is faster in float32.
    """
    numbers = [torch.bfloat16] if device.type == "cuda" else [torch.bfloat16, torch.float32]
    best_operations = 0.0
    for n, number in product(sizes, numbers):
        a = torch.randn(n, n, device=device, dtype=number)
        b = torch.randn(n, n, device=device, dtype=number)
        seconds = min(seconds_of_repeats(lambda a=a, b=b: a @ b, device, repeats))
        best_operations = max(best_operations, 2 * n**3 / seconds)

    source = torch.randn(64 << 20, device=device)
    target = torch.empty_like(source)
    seconds = min(seconds_of_repeats(lambda: target.copy_(source), device, repeats))
    bytes_moved = 2 * source.element_size() * len(source)  # read and written
    return Rates(best_operations, bytes_moved / seconds, torch.bfloat16.itemsize)


def median_seconds(work: Callable, device: torch.device, repeats: int = TIMED_STEPS) -> float:
    """The median over some runs of work()."""
    return sorted(seconds_of_repeats(work, device, repeats))[repeats // 2]


def seconds_of_repeats(work: Callable, device: torch.device, repeats: int) -> list[float]:
    """Seconds of each of `repeats` runs, after one that warms up."""

    def synchronize():
        if device.type == "cuda":
            torch.cuda.synchronize()

    seconds = []
    for _ in range(repeats + 1):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def count_activations(net: nn.Module, x: Tensor) -> int:
    """How many numbers all layers of net put out for x."""
    sizes = []

    def note_size(_, __, output):
        sizes.append(output.numel())

    layers = [module for module in net.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(note_size) for layer in layers]
    net(x)
    for hook in hooks:
        hook.remove()
    return sum(sizes)


def count_operations(work: Callable) -> int:
    """Floating-point operations of work()."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def as_the_loops_run_it(step: Callable, device: torch.device, *tensors: Tensor | None) -> Callable:
    """A function that repeats step(*tensors): on CUDA a recording, else step itself."""
    recorded = cuda_graphs.RecordedStep(step, device)
    if cuda_graphs.can_record(device):
        for _ in range(cuda_graphs.WARM_UP_CALLS + 1):
            recorded(*tensors)
    return lambda: recorded(*tensors)


def paper_network(name: str, device: torch.device) -> nn.Module:
    """A network at the paper's width, untrained; on CUDA in the paper profile's precision."""
    precision = "bfloat16" if device.type == "cuda" else "float32"
    net = make_network(name, 0, precision=precision)
    return net.to(device, memory_format=torch.channels_last)


def random_images(n: int, device: torch.device) -> Tensor:
    """Noise in the shape of CIFAR-10's images."""
    x = torch.randn(n, 3, 32, 32, device=device)
    return x.contiguous(memory_format=torch.channels_last)


def cost_of_step(name: str, device: torch.device) -> ImageCost:
    """What a training step of a network costs per image."""
    n = IMAGES_OF_TIMED_STEP[name]
    if device.type == "cuda":
        n *= TIMES_AS_MANY_ON_CUDA
    net, x = paper_network(name, device), random_images(n, device)
    z = torch.randn(n, 10, device=device)
    learner = training.Learner(name, net, logit_matching, None, 0)
    optimizer = training.Schedule(1, 1e-4).optimizer_for(net)
    descend = training.descent(learner, optimizer)
    repeat_step = as_the_loops_run_it(descend, device, x, None, z)
    return ImageCost(
        operations=count_operations(lambda: descend(x, None, z)) / n,
        activations=4 * count_activations(net, x) / n,
        other_bytes=OPTIMIZER_BYTES * count_parameters(net) / PAPER_BATCH,
        seconds=median_seconds(repeat_step, device) / n,
    )


def cost_of_labelling(name: str, device: torch.device) -> ImageCost:
    """What a teacher's logits cost per image."""
    n = IMAGES_OF_TIMED_STEP[name]
    n *= TIMES_AS_MANY_ON_CUDA if device.type == "cuda" else TIMES_AS_MANY_TO_LABEL
    net, x = paper_network(name, device).eval(), random_images(n, device)
    with torch.no_grad():
        return ImageCost(
            operations=count_operations(lambda: net(x)) / n,
            activations=2 * count_activations(net, x) / n,
            other_bytes=0,
            seconds=median_seconds(lambda: training.logits(net, x), device) / n,
        )


def cost_of_gan_step(width: int, device: torch.device, n: int = 100) -> ImageCost:
    """What a step of both players costs per real image; in float32 (TF32 on CUDA)."""
    x = torch.randn(1, n, 3, 32, 32, device=device)
    y = torch.arange(n, device=device)[None] % 10
    settings = acgan.GanSettings(batch=n, members=1, noise=NOISE)
    gan = acgan.AcGan(x, y, settings, [0], image_networks.image_networks(width))
    batch = (x, y, gan.draw_noise(n, settings.noise), gan.draw_classes(n))
    with torch.no_grad():
        activations_of_d = count_activations(gan.D.convolve, x[0])
    # D sees three batches, and G generates one of about that size.
    activations = 4 * activations_of_d
    size = count_parameters(gan.G) + count_parameters(gan.D)
    repeat_step = as_the_loops_run_it(gan.step, device, *batch)
    return ImageCost(
        operations=count_operations(lambda: gan.step(*batch)) / n,
        activations=0,
        other_bytes=(4 * 4 * activations + OPTIMIZER_BYTES * size) / n,
        seconds=median_seconds(repeat_step, device) / n,
    )


MEASURES = {"step": cost_of_step, "label": cost_of_labelling, "gan": cost_of_gan_step}
WORDS = {
    "step": "training step, {}",
    "label": "teacher's logits, {}",
    "gan": "AC-GAN step, width {}",
}


# The work of a plan


class WorkCounter:
    """Counts the images that plans ask for. What one plan trains, the next ones find.

    Each trained set has its own teachers, GAN and students. A teacher is trained when the first of
    its students is: no plan lists one that nobody asks. A GAN epoch that a plan leaves to
    validation is taken to be the last snapshot, and a share of images the last candidate.
    """

    def __init__(self):
        self.trained = set()  # teachers, GANs and units, each with its set

    def is_new(self, *model) -> bool:
        """Whether nobody has trained it yet; from now on it is trained."""
        is_new = model not in self.trained
        self.trained.add(model)
        return is_new

    def work_of_plan(self, plan: dict) -> Work:
        """The images of a chapter.

        plan: the names that its plan cell defines: p, students, seeds, and perhaps candidates.
        """
        p, work = plan["p"], Counter()
        for name, students in in_order_of_training(plan):
            for set_seed, seeds in set_seeds(p, name, plan["seeds"]).items():
                work += self.work_of_students(p, students, seeds, set_seed)
        return work

    def work_of_students(
        self, p: NetworkModels, students: list[Student], seeds: list[int], set_seed: int
    ) -> Work:
        """The images of students that one call trains, and of the models they need."""
        work = Counter()
        if any(leaves_gan_epoch_open(student) for student in students):
            work += self.work_of_students(p, short_students(p), [set_seed], set_seed)
        if any(student.sees_gan for student in students):
            work += self.work_of_gan(p, set_seed)
        decided = [with_last_snapshot(p, student) for student in students]
        units = [(student, seed) for student in decided for seed in seeds]
        missing = [unit for unit in units if self.is_new(set_seed, without_idle_teacher(unit))]
        for group in side_by_side(p, missing):
            work += self.work_of_teachers(p, group, set_seed)
            work += work_of_group(p, group)
        return work

    def work_of_gan(self, p: NetworkModels, set_seed: int) -> Work:
        """The images of the GAN's training."""
        settings = p.gan.model_dump_json(exclude={"choice_epochs"})
        images = p.gan.epochs * (p.data.n_train // p.gan.batch) * p.gan.batch
        is_new = self.is_new(set_seed, settings)
        return Counter({("gan", p.gan.width): images}) if is_new else Counter()

    def work_of_teachers(self, p: NetworkModels, group: list[Trained], set_seed: int) -> Work:
        """The images of the trainings of the teacher that a group asks.

        The out-of-fold teachers take as many steps as the teacher that sees every fold.
        """
        if not asks_teacher(group):
            return Counter()
        kinds = ["teacher"]
        if any(student.source == "train_oob" for student, _ in group):
            kinds += [f"fold {k} of {p.folds}" for k in range(p.folds)]
        teacher = group[0][0].teacher
        n_new = sum(self.is_new(set_seed, kind, teacher) for kind in kinds)
        return Counter({("step", teacher.network): n_new * images_of_training(p, teacher)})


def in_order_of_training(plan: dict) -> list[tuple[str, list[Student]]]:
    """The named lists of a plan as its chapter trains them: candidates before the other students.

    The share that a student leaves open is that of the last candidate among the GAN's mixtures.
    """
    candidates, students = plan.get("candidates", {}), plan["students"]
    lists = list(candidates.items())
    for name in sorted(students, key=lambda name: name != "candidates"):
        decided = [with_last_candidate(student, candidates) for student in students[name]]
        lists.append((name, decided))
    return lists


def with_last_candidate(student: Student, candidates: dict[str, list[Student]]) -> Student:
    """The student with the share of the GAN's last candidate where it leaves its share open."""
    if student.p_fake is not None:
        return student
    return with_chosen_share(student, candidates["gan"][-1])


def leaves_gan_epoch_open(student: Student) -> bool:
    """Whether validation has to choose the generator."""
    return student.sees_gan and student.gan_epoch is None


def with_last_snapshot(p: NetworkModels, student: Student) -> Student:
    """The student with the last snapshot where it leaves the GAN's epoch open."""
    if not leaves_gan_epoch_open(student):
        return student
    return replace(student, gan_epoch=p.gan.snapshots[-1])


def without_idle_teacher(unit: Trained) -> Trained:
    """The unit as the store tells it from others: a teacher that is not asked has no say."""
    student, seed = unit
    return (student if student.asks_teacher else replace(student, teacher=None)), seed


def side_by_side(p: NetworkModels, units: Iterable[Trained]) -> list[list[Trained]]:
    """Units in the groups that share batches, as networks.trained forms them."""
    groups: dict[tuple, list[Trained]] = {}
    for student, seed in units:
        schedule = student_schedule(student, p.data.n_train)
        shared = (student.teacher, schedule, student.network.batch)
        groups.setdefault(shared, []).append((student, seed))
    return list(groups.values())


def asks_teacher(group: list[Trained]) -> bool:
    """Whether anyone in a group does; then all that the group sees is labelled."""
    return any(student.asks_teacher for student, _ in group)


def work_of_group(p: NetworkModels, group: list[Trained]) -> Work:
    """The images of units that train side by side, and those that their teacher labels."""
    work, (first, _) = Counter(), group[0]
    images = images_of_training(p, first.network, first.epochs)
    for student, _ in group:
        work["step", student.network.network] += images
    if asks_teacher(group):
        labelled = labels_of_training_images(p, group, images) + labels_of_sources(p, group, images)
        work["label", first.teacher.network] += labelled
    return work


def labels_of_training_images(p: NetworkModels, group: list[Trained], images: int) -> int:
    """How many training images are labelled for a group, each kind of batches by itself.

    images: that each unit sees in its training.
    """
    units_by_kind: dict[tuple, list[Trained]] = {}
    for student, seed in group:
        kind = (student.network.augment, student.teacher_dropout, student.source == "train_oob")
        units_by_kind.setdefault(kind, []).append((student, seed))
    return sum(labels_of_kind(p, units, images) for units in units_by_kind.values())


def labels_of_kind(p: NetworkModels, units: list[Trained], images: int) -> int:
    """Labels of the training images of units that see them in the same way.

    Shifted images, and those of a teacher that keeps its dropout on, are labelled at every step,
    once for all units of a seed that read them; others before the training.
    """
    student, _ = units[0]
    if student.source == "train_oob":
        return p.data.n_train  # each by the teacher that has not seen its fold
    if student.network.augment == "flips+crops" or student.teacher_dropout:
        return images * len({seed for unit, seed in units if unit.p_fake < 1})
    ways_to_see_an_image = 2 if student.network.augment == "flips" else 1
    return ways_to_see_an_image * p.data.n_train


def labels_of_sources(p: NetworkModels, group: list[Trained], images: int) -> int:
    """Labels of the images that are not training images: each stream is labelled once for all.

    images: that each unit sees in its training.
    """
    streams = {stream_of(student) for student, _ in group if student.p_fake != 0}
    return sum(p.data.n_fresh if source == "fresh" else images for source, *_ in streams)


def stream_of(student: Student) -> tuple:
    """What tells the stream of a student's images from others in its group."""
    return (
        student.source.removeprefix("train+"),
        student.gan_epoch,
        student.jitter_scale,
        student.teacher_dropout,
        student.network.augment == "flips",
    )


def images_of_training(p: NetworkModels, network: Network, epochs: int | None = None) -> int:
    """Images that a network sees in its training."""
    return schedule_of(network, p.data.n_train, epochs).steps * network.batch


def work_of_units(units: list[Unit]) -> dict[str, Work]:
    """The work of each unit of a profile, by its name.

    Chapters 06 to 09 are not counted.
    """
    counter = WorkCounter()
    return {
        unit.name: counter.work_of_plan(unit.plan) if unit.notebook < "06" else Counter()
        for unit in units
    }


# Tables


def costs_of(kinds: Iterable[Kind], device: torch.device) -> dict[Kind, ImageCost]:
    """The measured cost of each kind of work."""
    return {(kind, which): MEASURES[kind](which, device) for kind, which in kinds}


def rows_of_images(costs: dict[Kind, ImageCost], rates: Rates) -> list[dict]:
    """A row for each kind of work: what one image costs, and its floor."""
    return [
        {
            "One image": WORDS[kind].format(which),
            "MFLOP": f"{cost.operations / 1e6:,.0f}",
            "MB": f"{rates.bytes_of(cost) / 1e6:,.2f}",
            "Floor here, ms": f"{1e3 * rates.floor(cost):,.2f}",
            "Taken here, ms": f"{1e3 * cost.seconds:,.2f}",
            "Taken / floor": f"{cost.seconds / rates.floor(cost):,.1f}",
        }
        for (kind, which), cost in costs.items()
    ]


def row_of_unit(unit: str, work: Work, costs: dict[Kind, ImageCost], rates: Rates) -> dict:
    """What a unit of work takes."""
    operations = sum(costs[kind].operations * n for kind, n in work.items())
    taken = sum(costs[kind].seconds * n for kind, n in work.items())
    floor_on_h100 = sum(H100.floor(costs[kind]) * n for kind, n in work.items())
    floor = sum(rates.floor(costs[kind]) * n for kind, n in work.items())
    return {
        "Unit of work": unit,
        "PFLOP": f"{operations / 1e15:,.0f}",
        "Floor on an H100, min": f"{floor_on_h100 / 60:,.1f}",
        "Floor here, h": f"{floor / 3600:,.0f}",
        "At the speed taken here, h": f"{taken / 3600:,.0f}",
    }


def tables(device: torch.device) -> tuple[Rates, list[dict], list[dict]]:
    """The measured rates, the rows of one image and those of the units of work."""
    rates = measured_rates(device)
    work_by_unit = [item for item in work_of_units(units_of("paper")).items() if item[1]]
    work_of_all = sum((work for _, work in work_by_unit), Counter())
    costs = costs_of(sorted(work_of_all, key=str), device)
    rows = [
        row_of_unit(unit, work, costs, rates)
        for unit, work in [*work_by_unit, ("all", work_of_all)]
    ]
    return rates, rows_of_images(costs, rates), rows
