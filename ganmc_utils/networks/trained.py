"""The trained models of Sec. 3: teachers, the AC-GAN, and students that share their batches.

Each is trained once, on the first occasion, and kept in the store under a key of everything that it
depends on. A chapter that finds all it shows in the store loads neither data nor weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch

from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.meaning import result_key
from ganmc_utils.core.own_source import OwnImages
from ganmc_utils.core.progress import tqdm
from ganmc_utils.core.registry import is_own, own_entry
from ganmc_utils.core.rounding import to_float16, to_float32
from ganmc_utils.core.source import Source
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.gan.image_networks import image_networks
from ganmc_utils.networks.batches import (
    BatchStream,
    EpochBatches,
    Mixture,
    TeacherLabelledStream,
)
from ganmc_utils.networks.data import READERS, choose_device, image_checksum, load_images
from ganmc_utils.networks.experiment import (
    Student,
    evaluation_epochs,
    network_name,
    short_students,
)
from ganmc_utils.networks.models import NETWORKS, make_network
from ganmc_utils.networks.objectives import OBJECTIVES
from ganmc_utils.networks.sources import IMAGE_SOURCES, Flipped, GeneratedImages
from ganmc_utils.networks.training import (
    Learner,
    Schedule,
    accuracy,
    logits,
    logits_with_dropout,
    train,
)

if TYPE_CHECKING:
    from ganmc_utils.core.parameters import ImageGan, Network, NetworkModels
    from ganmc_utils.core.store import Store

EVALUATIONS = 10  # of a network over its training
COLLAPSED = 0.3  # spread within a class, as a share of the real images', below which we warn
IMAGES_OF_SPREAD = 1000
SHOWN_PER_CLASS = 2  # images for people to look at
NOISE = 110  # length of w, as in both versions of the paper; the class comes beside it
TRAINING = (train, Learner, Schedule, EpochBatches)  # what decides any network's weights


class TrainedModels:
    """Teachers, the GAN and students of a chapter's parameters.

    Args:
        p: the chapter's parameters: data, teacher, student, gan.
        store: where results are found and kept.
        set_seed: of the trained set: its split (added to the seed of p.data), teacher and GAN.
    """

    def __init__(self, p: NetworkModels, store: Store, set_seed: int = 0):
        self.p, self.store, self.set_seed = p, store, set_seed
        self.images = p.data.model_copy(update={"seed": p.data.seed + set_seed})
        self.device = choose_device(p.device)
        self.checksum = image_checksum(p.data.name, p.data_dir)
        self.checksums = {p.data.name: self.checksum}
        self.teachers: dict[Network, torch.nn.Module] = {}
        self.own: dict[tuple[str, bool], OwnImages] = {}

    @cached_property
    def data(self):
        """The images, loaded when the first model has to be trained."""
        images = self.images.model_dump()
        data = load_images(**images, data_dir=self.p.data_dir, device=self.device)
        n_fewest = int(torch.bincount(data.y_train, minlength=data.n_classes).min())
        if n_fewest < SHOWN_PER_CLASS:
            problem = f"n_train {len(data.y_train)}: a class has {n_fewest} training images"
            raise user_error(self.p.data.name, problem, "raise n_train, or draw with another seed")
        return data

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, size, classes) of the images."""
        name = f"image-shape-{self.key({})}"

        def write():
            self.store.write(name, [*self.data.shape, self.data.n_classes], seconds=0)

        return tuple(self.store.value_written_by(name, write))

    def key(self, about: dict, *deciders: Callable) -> str:
        """The key of a result that comes from these images."""
        images = {"data": self.images.model_dump(), "checksum": self.checksum}
        return result_key(images | about, load_images, READERS[self.p.data.name], *deciders)

    def network(self, network: Network, seed: int) -> torch.nn.Module:
        """A new network, its weights drawn from the seed, on the device."""
        channels, size, n_classes = self.image_shape
        width, precision = network.width, network.precision
        net = make_network(network.network, seed, width, channels, size, n_classes, precision)
        return net.to(self.device, memory_format=torch.channels_last)

    def parts(self, *names: str) -> dict:
        """Images and labels of parts of the data: {"test": (x, y), ...}."""
        d = self.data
        return {name: (getattr(d, f"x_{name}"), getattr(d, f"y_{name}")) for name in names}

    def fingerprint(self, name: str) -> str:
        """What unfinished training belongs to: other devices round differently."""
        return f"{name} on {self.device.type}, compile {self.p.compile}"

    # teachers

    def teacher(self, network: Network) -> torch.nn.Module:
        """A network that was trained on the labels of the training images."""
        if network not in self.teachers:
            d = self.data
            parts = self.parts("train", "validation", "test")
            seed = self.set_seed
            trained = self.classifier("teacher", network, d.x_train, d.y_train, seed, parts)
            self.teachers[network] = trained[0]
        return self.teachers[network]

    def teacher_history(self, network: Network) -> list[dict]:
        """The teacher's evaluations along its training."""
        name = self.classifier_name("teacher", network, self.set_seed)
        return self.store.value_written_by(name, lambda: self.teacher(network))

    def out_of_fold_logits(self, network: Network, n_folds: int) -> torch.Tensor:
        """Logits (n, K) of the training images by teachers that have not seen them.

        Each of n_folds teachers is trained on all folds but one, which it then labels: what a
        forest's out-of-bag predictions are to its trees.
        """
        d = self.data
        fold = fold_of_images(len(d.x_train), n_folds, self.device)
        z = torch.empty(len(d.x_train), d.n_classes, device=self.device)
        for k in range(n_folds):
            rest = fold != k
            kind = f"fold_{k}_of_{n_folds}"
            x, y = d.x_train[rest], d.y_train[rest]
            parts = self.parts("validation", "test")
            teacher, _ = self.classifier(kind, network, x, y, self.set_seed, parts)
            z[~rest] = logits(teacher, d.x_train[~rest])
        return z

    def classifier_name(self, kind: str, network: Network, seed: int) -> str:
        """How the store calls a network that was trained on labels.

        kind: what it is, which also says on which images it was trained.
        """
        deciders = (*TRAINING, OBJECTIVES["supervised"], NETWORKS[network.network], make_network)
        about = {kind: network.model_dump(), "seed": seed}
        deciders += (fold_of_images,) if kind.startswith("fold") else ()
        key = self.key(about, to_float16, *deciders, schedule_of)
        return f"{kind}-{file_name(network_name(network))}-{key}"

    def classifier(self, kind: str, network: Network, x, y, seed: int, parts: dict) -> tuple:
        """(network, history), trained on images x and labels y and evaluated on parts.

        The weights are rounded to float16, as they are kept, so that a network is the same whether
        it was trained now or read from its file.
        """
        name = self.classifier_name(kind, network, seed)
        net = self.network(network, seed)
        stored = self.store.read_tensors(name, self.device)
        if stored is None:
            history = self.train_classifier(name, net, network, x, y, seed, parts)
        else:
            tree, history = stored
            net.load_state_dict(to_float32(tree["net"]))
        return net.eval().requires_grad_(False), history

    @torch.enable_grad()  # it may be asked for where gradients are off, as of a teacher that labels
    def train_classifier(self, name, net, network, x, y, seed, parts) -> list[dict]:
        """Train net on labels, round its weights and keep them; returns its history."""
        batches = EpochBatches(x, y, network.batch, augment=network.augment)
        label = f"{name.split('-')[0]} {network_name(network)}"
        supervised = OBJECTIVES["supervised"]
        learner = Learner(label, net, supervised, batches, seed, compile=self.p.compile)
        working = self.store.working_path(name)
        schedule = schedule_of(network, self.p.data.n_train)
        train([learner], schedule, parts, working, self.fingerprint(name), label)
        if not schedule.steps:  # it came trained
            learner.history.append({"step": 0, "seconds": 0.0})
        rounded = to_float16(net.state_dict())
        net.load_state_dict(to_float32(rounded))
        last = learner.history[-1]
        last |= {part: accuracy(net, *images) for part, images in parts.items()}
        self.store.write(name, learner.history, last["seconds"])
        self.store.write_tensors(name, {"net": rounded}, learner.history, 0)  # counted above
        working.unlink(missing_ok=True)
        return learner.history

    # the GAN

    @property
    def gan_name(self) -> str:
        """How the store calls the GAN."""
        about = {"gan": self.p.gan.model_dump(exclude={"choice_epochs"}), "seed": self.set_seed}
        return f"acgan-images-{self.key(about, *self.gan_deciders)}"

    @property
    def gan_deciders(self) -> tuple:
        """The code that decides what the GAN generates."""
        rounding = (to_float16, to_float32)
        return (AcGan, gan_settings, image_networks, GeneratedImages, *rounding)

    def gan(self) -> AcGan:
        """The AC-GAN, trained on the training images."""
        gan = self.trained_gan
        if self.store.read(self.gan_name) is None:
            self.write_gan_facts(gan)
        return gan

    @cached_property
    def trained_gan(self) -> AcGan:
        """The GAN, trained or read from its file."""
        p, d = self.p.gan, self.data
        x, y = d.x_train[None], d.y_train[None]
        gan = AcGan(x, y, gan_settings(p), [self.set_seed], image_networks(p.width))
        return gan.train(self.store.own / f"{self.gan_name}.safetensors")

    def generator(self, epoch: int) -> GeneratedImages:
        """The GAN as it was after an epoch, as a source."""
        return GeneratedImages(self.gan(), epoch)

    def write_gan_facts(self, gan: AcGan) -> None:
        """Keep how long the GAN was trained and how far its images spread."""
        generators = {str(e): GeneratedImages(gan, e) for e in self.p.gan.snapshots}
        spread = {epoch: self.spread(epoch, of) for epoch, of in generators.items()}
        self.store.write(self.gan_name, {"seconds": gan.seconds, "spread": spread}, gan.seconds)

    def gan_facts(self) -> dict:
        """{"seconds": of its training, "spread": {epoch: spread within a class}}."""
        facts = self.store.value_written_by(self.gan_name, self.gan)
        by_epoch = {int(epoch): value for epoch, value in facts["spread"].items()}
        return facts | {"spread": by_epoch}

    def spread(self, epoch: int | str, generator: GeneratedImages) -> float:
        """Spread of the generated images over that of the training images.

        Spread: standard deviation of a pixel within a class, mean over pixels and classes. Far
        below 1 the generator has collapsed, and a line says so.
        """
        rng = torch.Generator(self.device).manual_seed(0)
        generated = spread_within_classes(*generator.sample(IMAGES_OF_SPREAD, rng))
        spread = generated / spread_within_classes(self.data.x_train, self.data.y_train)
        if spread < COLLAPSED:
            words = f"its images of a class spread {spread:.2f} of the real ones: collapse"
            tqdm.write(f"AC-GAN after epoch {epoch}: {words}")
        return spread

    def pictures(self) -> dict:
        """Images for people by GAN epoch, and of the training images under "real".

        Each is (2 K, H, W, C) in [0, 1], the K classes in a row, two rows; the generated ones are
        drawn from the same noise at every epoch.
        """
        name = f"pictures-{self.gan_name}"
        stored = self.store.read_tensors(name)
        if stored is None:
            images = {str(e): self.pictures_of(self.generator(e)) for e in self.p.gan.snapshots}
            images["real"] = self.pictures_of(None)
            self.store.write_tensors(name, images, None, 0)
            stored = self.store.read_tensors(name)
        tree, _ = stored
        pictures = {name: images.numpy() / 255 for name, images in tree.items()}
        return {"real": pictures.pop("real")} | {int(e): image for e, image in pictures.items()}

    def pictures_of(
        self, generator: GeneratedImages | None, per_class: int = SHOWN_PER_CLASS
    ) -> torch.Tensor:
        """Images of each class for people: uint8 (per_class * K, H, W, C).

        generator: where they come from; None: training images.
        """
        d = self.data
        classes = torch.arange(d.n_classes, device=self.device).repeat(per_class)
        if generator is None:
            rows = range(per_class)
            x = torch.cat([first_of_each_class(d.x_train, d.y_train, d.n_classes, i) for i in rows])
        else:
            x = generator.of_classes(classes, torch.Generator(self.device).manual_seed(0))
        pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu()

    def gan_epoch(self) -> tuple[int, dict[int, float]]:
        """(epoch, validation accuracies): the snapshot whose images train the best short student.

        The students of the choice see generated images alone, for p.gan.choice_epochs epochs.
        """
        label = "short students that choose the GAN's epoch"
        histories = self.students(short_students(self.p), [self.set_seed], label)
        scores = {student.gan_epoch: h[-1]["validation"] for (student, _), h in histories.items()}
        return max(scores, key=scores.get), scores

    # students

    def students(self, students: list[Student], seeds: list[int], label: str) -> dict:
        """{(student, seed): history}, trained where the store has none.

        Students with the same teacher and schedule train side by side, on shared batches. The GAN's
        epoch that a plan leaves open is the one that validation has chosen.
        """
        decided = {student: self.with_gan_epoch(student) for student in students}
        names = {(s, seed): self.student_name(s, seed) for s in decided.values() for seed in seeds}
        missing = [unit for unit, name in names.items() if self.store.read(name) is None]
        for group in self.groups(missing):
            self.train_students(group, names, f"{label} ({len(group)})")
        self.note_use_of_models(decided.values())
        return {
            (student, seed): self.store.read(names[decided[student], seed])
            for student in decided
            for seed in seeds
        }

    def note_use_of_models(self, students: Iterable[Student]) -> None:
        """Count the teachers and the GAN behind some students among what a record shows."""
        teachers = {student.teacher for student in students if student.asks_teacher}
        for teacher in teachers:
            self.store.read(self.classifier_name("teacher", teacher, self.set_seed))
        if any(student.sees_gan for student in students):
            self.store.read(self.gan_name)

    def with_gan_epoch(self, student: Student) -> Student:
        """The student with the GAN's epoch that validation has chosen, if it leaves that open."""
        if not student.sees_gan or student.gan_epoch is not None:
            return student
        return replace(student, gan_epoch=self.gan_epoch()[0])

    def groups(self, units: list) -> list[list]:
        """(student, seed) pairs that can train side by side."""
        groups: dict[tuple, list] = {}
        for student, seed in units:
            schedule = student_schedule(student, self.p.data.n_train)
            shared = (student.teacher, schedule, student.network.batch)
            groups.setdefault(shared, []).append((student, seed))
        return list(groups.values())

    def train_students(self, group: list, names: dict, label: str) -> None:
        """Train some (student, seed) pairs side by side and keep their histories."""
        first, _ = group[0]
        learners = self.learners(group)
        name = f"students-{result_key({'students': [names[unit] for unit in group]})}"
        working = self.store.working_path(name)
        schedule = student_schedule(first, self.p.data.n_train)
        parts = self.parts("validation", "test")
        train(learners, schedule, parts, working, self.fingerprint(name), label)
        for unit, learner in zip(group, learners):
            seconds = learner.history[-1]["seconds"] / len(group)
            self.store.write(names[unit], learner.history, seconds)
        working.unlink()

    def student_name(self, student: Student, seed: int) -> str:
        """How the store calls a student's history: by all that it depends on."""
        about = {"seed": seed} | asdict(replace(student, teacher=None, network=None))
        about["network"] = student.network.model_dump()
        deciders = [*TRAINING, Mixture, TeacherLabelledStream, make_network, logits]
        deciders += [student_schedule, student_learner, training_batches, source_of, stream_of]
        deciders += [NETWORKS[student.network.network], OBJECTIVES[student.objective]]
        if student.asks_teacher:
            about["teacher"] = self.classifier_name("teacher", student.teacher, self.set_seed)
        if student.source == "train_oob":
            about["folds"] = self.p.folds
            deciders.append(fold_of_images)
        if student.sees_gan:
            # The generator after an epoch is the same however long the training went on.
            later = {"choice_epochs", "snapshots", "epochs"}
            about["gan"] = self.p.gan.model_dump(exclude=later) | {"seed": self.set_seed}
            deciders += self.gan_deciders
        if student.teacher_dropout:
            deciders.append(logits_with_dropout)
        if is_own(student.source):
            deciders += [own_stream, OwnImages, own_entry(student.source)]
        elif student.source in IMAGE_SOURCES:
            deciders.append(IMAGE_SOURCES[student.source])
        network, source = file_name(student.network.network), file_name(student.source)
        words = f"student-{network}-{student.objective}-{source}"
        return f"{words}-{seed}-{self.key({'student': about}, *deciders)}"

    def learners(self, group: list) -> list[Learner]:
        """The learners of (student, seed) pairs with one teacher; each source has one stream."""
        real, generated, learners = {}, {}, []
        for student, seed in group:
            network = student.network
            of_training = (network.batch, network.augment, student.teacher_dropout)
            of_training += (student.source == "train_oob",)
            if of_training not in real:
                real[of_training] = self.training_batches(group, student)
            of_source = (student.source.removeprefix("train+"), student.gan_epoch)
            of_source += (network.batch, student.jitter_scale, student.teacher_dropout)
            of_source += (network.augment == "flips",)
            if student.p_fake and of_source not in generated:
                generated[of_source] = self.source_batches(group, student)
            batches = Mixture(real[of_training], generated.get(of_source), student.p_fake)
            net = self.network(network, seed)
            learners.append(student_learner(student, seed, net, batches, self.p.compile))
        return learners

    def labeller(self, group: list, with_dropout: bool) -> Callable | None:
        """The function from images to the logits of the group's teacher; None: nobody asks it."""
        if not any(student.asks_teacher for student, _ in group):
            return None
        teacher = self.teacher(group[0][0].teacher)
        label = logits_with_dropout if with_dropout else logits
        return partial(label, teacher)

    def training_batches(self, group: list, student: Student) -> EpochBatches:
        """Batches of the training images as a student sees them."""
        label = self.labeller(group, student.teacher_dropout)
        if student.source == "train_oob":
            z = self.out_of_fold_logits(student.teacher, self.p.folds)
            return EpochBatches(self.data.x_train, self.data.y_train, student.network.batch, z)
        return training_batches(self.data, student, label)

    def source_batches(self, group: list, student: Student):
        """Batches of the images that are not training images."""
        label = self.labeller(group, student.teacher_dropout)
        if is_own(student.source):
            needs_classes = any(not other.asks_teacher for other, _ in group)
            source = self.own_images(student.source, needs_classes)
            return own_stream(source, student, label, self.device)
        generator = self.generator(student.gan_epoch) if student.sees_gan else None
        return stream_of(self.data, student, generator, label, self.device)

    def own_images(self, name: str, needs_classes: bool) -> OwnImages:
        """The source of the user's own file, made once: it may train itself for long.

        needs_classes: whether someone learns the classes that it means, without a teacher.
        """
        if (name, needs_classes) not in self.own:
            x, y = self.data.x_train, self.data.y_train
            self.own[name, needs_classes] = OwnImages(name, x, y, needs_classes)
        return self.own[name, needs_classes]


def file_name(name: str) -> str:
    """A name as part of a file's: that of one's own, folder/my.py:Net, has other signs."""
    return name.replace("/", "_").replace(":", "_")


def students_of_sets(models: dict[int, TrainedModels], students: list[Student], label: str) -> dict:
    """{(student, set): history} of one student of each kind in every set.

    models: the trained models of each set, by its seed.
    """
    histories = {}
    for seed, trained in models.items():
        histories |= trained.students(students, [seed], f"{label}, set {seed}")
    return histories


def gan_settings(gan: ImageGan) -> GanSettings:
    """How the image GAN is trained: the objective and the noise are the paper's."""
    return GanSettings(
        epochs=gan.epochs,
        snapshots=tuple(gan.snapshots),
        members=1,
        noise=NOISE,
        batch=gan.batch,
        lr=gan.lr,
    )


def schedule_of(
    network: Network,
    n_train: int,
    epochs: int | None = None,
    evaluations: int | tuple[int, ...] = EVALUATIONS,
) -> Schedule:
    """The schedule of a network: an epoch is as many images as the training part has.

    Args:
        network: how it is trained.
        n_train: images of the training part.
        epochs: None: those of the network.
        evaluations: how many, or after which steps.

    Raises:
        GanmcError: a batch is larger than the training part.
    """
    if network.batch > n_train:
        problem = f"batch {network.batch} is larger than the {n_train} training images"
        raise GanmcError(f"{network.network}: {problem}; lower the batch")
    return Schedule(
        (epochs or network.epochs) * (n_train // network.batch),
        network.lr,
        network.optimizer,
        network.decay,
        network.weight_decay,
        evaluations,
    )


def student_schedule(student: Student, n_train: int) -> Schedule:
    """The schedule of a student, evaluated densely at its start."""
    epochs = student.epochs or student.network.epochs
    steps_per_epoch = max(1, n_train // student.network.batch)
    steps = tuple(epoch * steps_per_epoch for epoch in evaluation_epochs(epochs))
    return schedule_of(student.network, n_train, epochs, steps)


def student_learner(student: Student, seed: int, net, batches, compile: bool) -> Learner:
    """The learner of a student: its network, its objective, its batches."""
    about = f"p_fake {student.p_fake}, seed {seed}"
    name = f"{network_name(student.network)} on {student.source_id}, {about}"
    return Learner(name, net, objective_of(student), batches, seed, compile=compile)


def objective_of(student: Student) -> Callable:
    """The objective that a student minimizes."""
    objective = OBJECTIVES[student.objective]
    if student.objective != "kd":
        return objective
    return objective(student.T, student.alpha, student.variant)


def training_batches(data, student: Student, label: Callable | None) -> EpochBatches:
    """Batches of the training images, with the teacher's logits where there is a teacher.

    They are computed once, unless the images are shifted or the teacher's dropout is on: then the
    teacher labels each image as it is seen.
    """
    x, y, network = data.x_train, data.y_train, student.network
    if label is None:
        return EpochBatches(x, y, network.batch, augment=network.augment)
    if network.augment == "flips+crops" or student.teacher_dropout:
        return EpochBatches(x, y, network.batch, augment=network.augment, teacher=label)
    z_flipped = label(x.flip(3)) if network.augment == "flips" else None
    return EpochBatches(x, y, network.batch, label(x), network.augment, z_flipped)


def source_of(data, student: Student, generator: GeneratedImages | None) -> Source:
    """The source of a student's images that are not training images."""
    name = student.source.removeprefix("train+")
    if name == "gan":
        # Generated images are flipped as the training images are (Fig. 2b).
        return Flipped(generator) if student.network.augment == "flips" else generator
    scale = [student.jitter_scale] if name == "jitter" else []
    return IMAGE_SOURCES[name](data.x_train, data.y_train, *scale)


def stream_of(data, student: Student, generator, label: Callable | None, device) -> BatchStream:
    """Batches of a student's source, labelled by the teacher as they are drawn.

    A generated image bears the class that the GAN was asked for, any other image the class that the
    teacher predicts: no generator would know the true one.
    """
    batch, name = student.network.batch, student.source.removeprefix("train+")
    if name == "fresh":
        z = label(data.x_fresh) if label else None
        y = z.argmax(1) if label else data.y_fresh
        return EpochBatches(data.x_fresh, y, batch, z, name="fresh")
    source = source_of(data, student, generator)
    classes = "source" if name == "gan" else "teacher"
    return TeacherLabelledStream(source, batch, label, device, name, classes)


def own_stream(source: OwnImages, student: Student, label: Callable | None, device) -> BatchStream:
    """Batches of the source of the user's own file, flipped where the GAN's images are."""
    images = Flipped(source) if student.network.augment == "flips" else source
    batch, name = student.network.batch, student.source
    classes = "source" if source.needs_classes else "teacher"
    return TeacherLabelledStream(images, batch, label, device, name, classes)


def fold_of_images(n: int, n_folds: int, device: torch.device) -> torch.Tensor:
    """The fold of each of n training images, which are in no order: int64 (n,)."""
    return torch.arange(n, device=device) % n_folds


def spread_within_classes(x, y) -> float:
    """Standard deviation of a pixel within a class, mean over pixels and classes."""
    classes = [c for c in y.unique() if (y == c).sum() > 1]
    return float(torch.stack([x[y == c].std(0).mean() for c in classes]).mean())


def first_of_each_class(x, y, n_classes: int, i: int):
    """The i-th image of each class, (K, C, H, W)."""
    return torch.stack([x[y == c][i] for c in range(n_classes)])
