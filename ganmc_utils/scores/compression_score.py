"""The Compression Score of Sec. 5: a set of samples is as good as the student that it trains.

    CompressionScore(D; D_real) = (acc(D) - baseline) / (acc(D_real) - baseline)

acc(D) is the accuracy, on real test data, of a student that learned the teacher's predictions on D.
The two versions of the paper differ in the baseline and in the training of students:

    "v2"  the share of the most common class; one epoch
    "v1"  1 / number of classes; five epochs

The same call scores images, whose students are networks, and tables, whose students are trees.
"""

from __future__ import annotations

import hashlib
import operator
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn

from ganmc_utils.core.arguments import checked_first, is_number
from ganmc_utils.core.errors import GanmcError, own_code, user_error
from ganmc_utils.core.source import Source
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests.data import Dataset
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches
from ganmc_utils.networks.data import ImageDataset
from ganmc_utils.networks.objectives import logit_matching
from ganmc_utils.report import statistics

EPOCHS_OF_VERSION = {"v2": 1, "v1": 5}
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
FEWEST_ROWS = 2  # of a table
ROUNDING = 1.001  # pixels in [-1, 1] may leave it by so much
LARGEST_IMAGE = 1 << 24  # pixels of a file
EIGHT_BITS = ("1", "L", "LA", "P", "RGB", "RGBA")  # modes of images, as Pillow calls them
FAR = 5  # deviations of a column; no mean of samples in the units of the real rows is so far off

# Added to the seeds of the students of D for those of D_real, which are drawn independently.
REFERENCE_SEEDS = 1_000_000

# Accuracies of the students of D_real, by the content of everything that decides them.
_REFERENCE_ACCURACIES: dict[str, list[float]] = {}

Array = np.ndarray | Tensor
ImageTeacher = nn.Module | Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """The Compression Score of a set of samples D, and what it is made of.

    Attributes:
        value: 1 where D is as good as the real data, 0 where its students know nothing.
        error: standard error of the value over the students' seeds, those of the real data
            included; NaN for one student.
        accuracy: acc(D), the mean over students.
        reference: acc(D_real), the mean over students.
        baseline: accuracy without any knowledge of x.
        seconds: that the score took.
        n: students of D.
        version: "v2" or "v1".
    """

    value: float
    error: float
    accuracy: float
    reference: float
    baseline: float
    seconds: float
    n: int
    version: str


def compression_score(
    samples: Array | Source | str | Path,
    dataset: ImageDataset | Dataset,
    teacher: ImageTeacher | RandomForestClassifier,
    student: Callable[[int], nn.Module] | None = None,
    *,
    version: str = "v2",
    seeds: int | Sequence[int] = 3,
    reference_seeds: Sequence[int] | None = None,
    batch: int = 50,
    lr: float = 1e-3,
    progress: bool = False,
) -> Score:
    """Score samples against the real data of `dataset`.

    Students take as many steps on the samples as on the real data, in an order that is drawn anew
    for each student.

    Args:
        samples: an array (n, C, H, W) or (n, d), scaled as dataset.x_train is (uint8 images are
            scaled here), a Source, an .npz file with one array, or a folder of images.
        dataset: the real data: students are tested on its test part, D_real is its training part.
        teacher: for images a network or any function x -> logits (n, K); for tables a forest.
        student: for images a function seed -> new network; for tables None (one regression tree).
        version: of the paper, "v2" or "v1".
        seeds: how many students of the samples, or a list of their seeds.
        reference_seeds: of the students of the real data, which are trained once for each set of
            arguments; None: as many others, so that the two accuracies are independent.
        batch: images per training step of a student.
        lr: learning rate of Adam, of a student.
        progress: whether a progress bar is shown.

    Raises:
        GanmcError: wrong shape, range or number of samples, an unknown version, no seeds, or a
            reference that is no better than the baseline; one line.
    """
    if version not in EPOCHS_OF_VERSION:
        raise GanmcError(f"compression score: version {version!r}; choose v2 or v1")
    seeds = checked_seeds(seeds)
    if reference_seeds is None:
        reference_seeds = [REFERENCE_SEEDS + seed for seed in seeds]
    reference_seeds = checked_seeds(reference_seeds)
    check_settings(dataset, batch, lr)
    started = time.monotonic()
    if dataset.x_train.ndim == 4:
        epochs = EPOCHS_OF_VERSION[version]
        students = ImageStudents(dataset, teacher, student, epochs, batch, lr, progress)
    else:
        students = TreeStudents(dataset, teacher)
    x = in_fixed_order(students.scaled(read_samples(samples, students)))
    settings = (version, list(reference_seeds), batch, lr)
    reference_accuracies = accuracies_of_real_data(students, settings, reference_seeds)
    accuracies = students.accuracies(x, seeds)
    baseline = baseline_accuracy(dataset.y_train, version)
    value, error = ratio(accuracies, reference_accuracies, baseline)
    return Score(
        value=value,
        error=error,
        accuracy=float(np.mean(accuracies)),
        reference=float(np.mean(reference_accuracies)),
        baseline=baseline,
        seconds=time.monotonic() - started,
        n=len(seeds),
        version=version,
    )


@dataclass
class CheckedSource(Source):
    """A source of the user's own; whatever it raises is one line, and classes may be left out."""

    source: Source

    def sample(self, n: int, rng: np.random.Generator | torch.Generator) -> tuple[Array, object]:
        """Draw n samples.

        Raises:
            GanmcError: it fails, or gives neither samples nor a pair of them and their classes.
        """
        with own_code("samples", "mend it", f"sample({n}, rng) fails"):
            drawn = self.source.sample(n, rng)
        pair = drawn if isinstance(drawn, tuple) else (drawn, None)
        if drawn is None or len(pair) != 2:
            given = "None" if drawn is None else f"{len(pair)} values"
            cure = "it must give samples, or a pair (samples, classes)"
            raise user_error("samples", f"sample({n}, rng) gives {given}", cure)
        return pair


def check_arguments(given: dict) -> None:
    """Raises GanmcError for numbers that are none, and for tensors without plain values.

    A source of the user's own is checked when it is drawn from.
    """
    where, samples = "compression score", given["samples"]
    for name in ("batch", "lr"):
        if not is_number(given[name]):
            raise user_error(where, f"{name} {given[name]!r}", "choose a number above 0")
    is_tensor = isinstance(samples, Tensor)
    if is_tensor and (samples.layout != torch.strided or samples.is_meta):
        raise user_error(where, "samples in a sparse or empty tensor", "bring samples.to_dense()")
    if hasattr(samples, "sample") and not hasattr(samples, "to_numpy"):  # a DataFrame has both
        given["samples"] = CheckedSource(samples)


compression_score = checked_first(check_arguments)(compression_score)


def checked_seeds(seeds: int | Sequence[int]) -> list[int]:
    """The seeds of students, each its own.

    Raises:
        GanmcError: none, a seed twice, or one that is no whole number from 0 on.
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    try:
        as_given = list(seeds)
        whole = [operator.index(seed) for seed in as_given]
    except TypeError:
        raise user_error("compression score", f"seeds {seeds!r}", "give whole numbers") from None
    if not whole:
        problem = "no seeds"
        cure = "train at least one student of the samples and one of the real data"
    elif len(set(whole)) < len(whole):
        problem, cure = "a seed is there twice", "name each once: it would count twice in the error"
    elif min(whole) < 0 or max(whole) >= 2**32:
        problem, cure = f"seeds {whole}", "choose them from 0 to 4294967295"
    else:
        return whole
    raise user_error("compression score", problem, cure)


def check_settings(dataset: ImageDataset | Dataset, batch: int, lr: float) -> None:
    """Raises GanmcError for data without a part, or a batch or a learning rate not above 0."""
    where = "compression score"
    parts = {part: getattr(dataset, f"x_{part}", None) for part in ("train", "test")}
    if any(x is None for x in parts.values()):
        problem = f"a dataset of type {type(dataset).__name__}"
        raise user_error(where, problem, "bring what load_images or split_table gives")
    empty = [part for part, x in parts.items() if not len(x)]
    if empty:
        raise user_error(where, f"the {empty[0]} part of the dataset is empty", "ask for more rows")
    if not isinstance(batch, int) or batch < 1:
        raise user_error(where, f"batch {batch}", "choose a whole number above 0")
    if not 0 < lr < float("inf"):
        raise user_error(where, f"lr {lr}", "choose a number above 0")


def accuracies_of_real_data(
    students: ImageStudents | TreeStudents, settings: tuple, seeds: Sequence[int]
) -> list[float]:
    """Test accuracies of students of the real data, trained once for each content and settings."""
    key = hashlib.sha256(students.content() + repr(settings).encode()).hexdigest()
    if key not in _REFERENCE_ACCURACIES:
        real = in_fixed_order(students.x_train)
        _REFERENCE_ACCURACIES[key] = students.accuracies(real, seeds)
    return _REFERENCE_ACCURACIES[key]


def baseline_accuracy(y: Array, version: str) -> float:
    """The accuracy that needs no x: classes y (n,); see the versions at the top of this module."""
    classes = torch.as_tensor(y).cpu().numpy()
    if version == "v1":
        return 1 / len(np.unique(classes))
    return float(np.bincount(classes).max() / len(classes))


def ratio(
    accuracies: Sequence[float], reference_accuracies: Sequence[float], baseline: float
) -> tuple[float, float]:
    """The score and its standard error, from the accuracies of students of D and of D_real.

    First-order error propagation: with a = acc(D) - baseline and b = acc(D_real) - baseline,

        (standard error of a / b)^2 = (se_a / b)^2 + (a se_b / b^2)^2

    It is NaN for one student of D.

    Raises:
        GanmcError: b is not above 0.
    """
    mean, se_a, n = statistics.mean_se(accuracies)
    reference, se_b, _ = statistics.mean_se(reference_accuracies)
    a = mean - baseline
    b = reference - baseline
    if not b > 0:
        raise GanmcError(
            f"compression score: students of the real data score {reference:.3f}, no better than "
            f"the baseline {baseline:.3f}; train them longer (a smaller batch, a larger lr) or "
            "choose a stronger student"
        )
    warn_near_baseline(np.subtract(reference_accuracies, baseline))
    error = float(np.hypot(se_a / b, a * se_b / b**2)) if n > 1 else float("nan")
    return a / b, error


def warn_near_baseline(gains: np.ndarray) -> None:
    """Warn where the interval of b reaches 0: a score over such a number says little.

    Args:
        gains: acc(D_real) - baseline of each student.
    """
    interval = statistics.t_interval(gains)
    if interval.low <= 0:
        warnings.warn(
            f"compression score: students of the real data are {interval.mean:.3f} above the "
            f"baseline, with an interval from {interval.low:.3f} to {interval.high:.3f}; "
            "train them longer (a smaller batch, version v1) or train more of them (seeds)",
            stacklevel=5,  # the line that called compression_score
        )


# Ways to bring samples


def read_samples(
    samples: Array | Source | str | Path, students: ImageStudents | TreeStudents
) -> Array:
    """An array of samples; a Source draws as many as there are real data."""
    if hasattr(samples, "sample") and not hasattr(samples, "to_numpy"):  # a DataFrame has both
        x, _ = samples.sample(len(students.x_train), students.random_stream())
        return plain_array(x)
    if isinstance(samples, (str, Path)):
        path = Path(samples)
        return plain_array(read_folder(path) if path.is_dir() else read_npz(path))
    return plain_array(samples)


def plain_array(samples: object) -> Array:
    """A tensor, or an array of this machine's own number types in one piece of memory.

    Raises:
        GanmcError: they are no numbers, or lists of different lengths.
    """
    if isinstance(samples, Tensor) and not samples.is_complex():
        return samples.detach()
    try:
        array = np.asarray(samples)
    except (ValueError, TypeError, RuntimeError) as failed:
        raise user_error("samples", f"no array ({failed})", "bring an array of numbers") from None
    if array.dtype.kind not in "biuf":
        kind = type(samples).__name__ if array.ndim == 0 else f"values of type {array.dtype}"
        cure = "bring an array of numbers, a Source, an .npz file or a folder of images"
        raise user_error("samples", kind, cure)
    return np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)


def read_npz(path: Path) -> np.ndarray:
    """The one array of an .npz file; no pickle is opened.

    Raises:
        GanmcError: it cannot be read, or holds something else than one array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = getattr(file, "files", "no names")
            if isinstance(names, str) or len(names) != 1:
                cure = "save one array, with np.savez(path, x=samples)"
                raise user_error(path, f"holds {names}", cure)
            return file[names[0]]
    except GanmcError:
        raise
    except Exception as failed:  # absent, truncated, no zip, a pickle inside: each of another kind
        problem = f"cannot be read as .npz ({failed})"
        cure = "save the samples with np.savez(path, x=samples)"
        raise user_error(path, problem, cure) from None


def read_folder(path: Path) -> np.ndarray:
    """The .png and .jpg images of a folder, in the order of their names: uint8 (n, C, H, W).

    Raises:
        GanmcError: there are none, one cannot be read, or they are not all of one shape.
    """
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_ENDINGS)
    if not files:
        raise user_error(path, "no .png or .jpg in it", "choose a folder of images")
    images = [read_image(file) for file in files]
    if len({image.shape for image in images}) > 1:
        raise user_error(path, "images of several sizes or colours", "make them alike")
    return np.stack(images)


def read_image(file: Path) -> np.ndarray:
    """One image, grey or RGB: uint8 (C, H, W).

    Raises:
        GanmcError: it is damaged, huge, or of more than 8 bits a colour.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > LARGEST_IMAGE:
                problem = f"{image.width} x {image.height} pixels"
                raise user_error(file, problem, "bring images of the size of the real ones")
            if image.mode not in EIGHT_BITS:
                raise user_error(file, f"an image of mode {image.mode}", "save it with 8 bits")
            is_grey = image.mode in ("L", "1")
            pixels = np.asarray(image.convert("L" if is_grey else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as failed:
        problem = f"cannot be read ({failed})"
        raise user_error(file, problem, "delete it or bring the original") from None
    return pixels[None] if is_grey else pixels.transpose(2, 0, 1)


def in_fixed_order(x: Array) -> Array:
    """The samples sorted along a fixed random direction.

    So the order in which they were brought has no part in the score.
    """
    flat = torch.as_tensor(x).flatten(1).double().cpu()
    rng = torch.Generator().manual_seed(0)
    direction = torch.randn(flat.shape[1], generator=rng, dtype=torch.float64)
    order = (flat @ direction).argsort()
    return x[order.numpy()] if isinstance(x, np.ndarray) else x[order.to(x.device)]


def check_samples(x: Tensor, real: Array, fewest: int) -> None:
    """Check samples x against the real ones.

    Raises:
        GanmcError: another shape, fewer than `fewest`, or numbers that are not finite.
    """
    expected = tuple(real.shape[1:])
    if tuple(x.shape[1:]) != expected:
        raise GanmcError(
            f"samples: shape {tuple(x.shape)}, the real data have "
            f"(n, {', '.join(map(str, expected))}); {cure_of_shape(x, expected)}"
        )
    if len(x) < fewest:
        raise GanmcError(f"samples: {len(x)}; bring at least {fewest}")
    if not torch.isfinite(x).all():
        raise GanmcError(
            "samples: not all numbers are finite; leave out the rows with NaN or infinity"
        )


def check_units(rows: np.ndarray, real: np.ndarray) -> None:
    """Raises GanmcError for rows (n, d) in other units: means FAR from those of the real rows."""
    mean, deviation = real.mean(axis=0, dtype=np.float64), real.std(axis=0, dtype=np.float64)
    off = np.abs(rows.mean(axis=0, dtype=np.float64) - mean) / np.where(deviation, deviation, 1)
    if off.max() > FAR:
        j = int(off.argmax())
        problem = f"the mean of column {j} is {off[j]:.3g} deviations from that of the real rows"
        cure = "bring rows in the units of dataset.x_train, which split_table has standardized"
        raise user_error("samples", problem, cure)


def cure_of_shape(x: Tensor, expected: tuple) -> str:
    """What to do with samples of a wrong shape."""
    if x.ndim == 4 and (x.shape[3], *x.shape[1:3]) == expected:
        return "the channels come first: x.transpose(0, 3, 1, 2)"
    return "bring samples of that shape"


# Students


class ImageStudents:
    """Networks that match the teacher's logits (Eq. 1), trained with Adam.

    Args:
        dataset: the real images.
        teacher: a network, or any function x -> logits (n, K).
        student: a function seed -> new network.
        epochs: passes over as many images as there are real ones.
        batch: images per training step.
        lr: learning rate.
        progress: whether a progress bar is shown.

    Raises:
        GanmcError: no student, or a batch larger than the real data.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        teacher: ImageTeacher,
        student: Callable[[int], nn.Module] | None,
        epochs: int,
        batch: int,
        lr: float,
        progress: bool,
    ):
        if not callable(student):
            raise GanmcError("compression score: no student; give a function seed -> network")
        self.data = dataset
        self.x_train = dataset.x_train
        self.device = dataset.x_train.device
        self.teacher = teacher
        self.student = student
        self.batch = batch
        self.lr = lr
        self.progress = progress
        if batch > len(self.x_train):
            raise GanmcError(
                f"compression score: batch {batch} is larger than the {len(self.x_train)} real "
                "images; lower the batch"
            )
        self.steps = epochs * (len(self.x_train) // batch)
        self.check_students()

    def random_stream(self) -> torch.Generator:
        """What samples of a Source are drawn with."""
        return torch.Generator(self.device).manual_seed(0)

    @torch.no_grad()
    def teacher_logits(self, x: Tensor) -> Tensor:
        """The teacher's logits (n, K) of images x."""
        problem = f"fails on images of shape {tuple(x.shape)}"
        with own_code("teacher", "give a function images -> logits", problem):
            is_network = isinstance(self.teacher, nn.Module)
            z = training.logits(self.teacher, x) if is_network else self.teacher(x)
            z = torch.as_tensor(z, dtype=torch.float32, device=self.device)
        self.check_logits("teacher", z, len(x))
        return z

    def check_logits(self, whose: str, z: Tensor, n: int) -> None:
        """Raises GanmcError for logits that are not finite numbers (n, K)."""
        n_classes = self.data.n_classes
        if tuple(z.shape) != (n, n_classes):
            problem = f"gives numbers of shape {tuple(z.shape)} for {n} images"
            raise user_error(whose, problem, f"it must give logits ({n}, {n_classes}), one a class")
        if not torch.isfinite(z).all():
            raise user_error(whose, "gives logits that are not finite", "train it anew")

    def check_students(self) -> None:
        """Check that the function of students makes a new network of the right shape each time.

        Raises:
            GanmcError: it does not; a network that is given twice would be trained on and on.
        """
        where = "student"
        with own_code(where, "give a function seed -> network", "fails on the real images"):
            first, second = self.student(0), self.student(1)
            with torch.no_grad():
                z = first.to(self.device).eval()(self.x_train[:2])
        weights = {id(weight) for weight in first.parameters()}
        if first is second or weights & {id(weight) for weight in second.parameters()}:
            cure = "make it in the function: lambda seed: make_network(name, seed)"
            raise user_error(where, "gives the same network for two seeds", cure)
        self.check_logits(where, z, min(2, len(self.x_train)))

    def scaled(self, x: Array) -> Tensor:
        """Images as float32 in [-1, 1] on the device.

        Raises:
            GanmcError: they do not fit the real images, or seem to be of another range.
        """
        x = torch.as_tensor(x)
        pixels = x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()
        pixels = pixels.to(self.device)
        check_samples(pixels, self.x_train, self.batch)
        low, high = float(pixels.min()), float(pixels.max())
        is_outside = low < -ROUNDING or high > ROUNDING
        is_from_0 = low >= 0 and float(self.x_train.min()) < 0
        if is_outside or is_from_0:
            raise GanmcError(
                f"samples: values from {low:.3g} to {high:.3g}, the real data go from -1 to 1; "
                "scale them (from [0, 1]: 2 x - 1) or pass uint8"
            )
        return pixels

    def content(self) -> bytes:
        """All that decides the reference: images, labels, teacher's logits, a student's weights."""
        d = self.data
        tensors = [
            *(d.x_train, d.y_train, d.x_test, d.y_test),
            self.teacher_logits(d.x_train),
            *self.student(0).state_dict().values(),
        ]
        return b"".join(t.detach().cpu().contiguous().numpy().tobytes() for t in tensors)

    def accuracies(self, x: Tensor, seeds: Sequence[int]) -> list[float]:
        """Test accuracy of a student of images x for each seed, all trained side by side."""
        no_labels = torch.zeros(len(x), dtype=torch.long, device=self.device)
        batches = EpochBatches(x, no_labels, self.batch, self.teacher_logits(x), name="samples")
        learners = [self.learner(batches, seed) for seed in seeds]
        schedule = training.Schedule(self.steps, self.lr, evaluations=1)
        test_part = {"test": (self.data.x_test, self.data.y_test)}
        training.train(
            learners, schedule, test_part, label="Compression Score", progress=self.progress
        )
        return [learner.history[-1]["test"] for learner in learners]

    def learner(self, batches: EpochBatches, seed: int) -> training.Learner:
        """A new student of the batches."""
        net = self.student(seed).to(self.device, memory_format=torch.channels_last)
        return training.Learner(f"student {seed}", net, logit_matching, batches, seed)


class TreeStudents:
    """Regression trees on the teacher's probability of class 1, of as many rows as the real data.

    Args:
        dataset: the real rows.
        teacher: a forest.
    """

    def __init__(self, dataset: Dataset, teacher: RandomForestClassifier):
        self.data = dataset
        self.x_train = dataset.x_train
        self.teacher = teacher
        with own_code("teacher", "fit a forest of these columns", "fails on the real rows"):
            forest_models.probability_of_class_1(teacher, dataset.x_train[:2])

    def random_stream(self) -> np.random.Generator:
        """What samples of a Source are drawn with."""
        return np.random.default_rng(0)

    def scaled(self, x: Array) -> np.ndarray:
        """Rows as float32 (n, d).

        Raises:
            GanmcError: they do not fit the real rows.
        """
        rows = np.asarray(x.cpu() if isinstance(x, Tensor) else x, np.float32)
        check_samples(torch.as_tensor(rows), self.x_train, FEWEST_ROWS)
        check_units(rows, self.x_train)
        return rows

    def content(self) -> bytes:
        """All that decides the reference: rows, labels, the teacher's predictions."""
        d = self.data
        predictions = forest_models.probability_of_class_1(self.teacher, d.x_train)
        arrays = (d.x_train, d.y_train, d.x_test, d.y_test, predictions)
        return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)

    def accuracies(self, x: np.ndarray, seeds: Sequence[int]) -> list[float]:
        """Test accuracy of a tree for each seed; each sees other rows of x where x has too many."""
        return [self.accuracy(x, seed) for seed in seeds]

    def accuracy(self, x: np.ndarray, seed: int) -> float:
        """Test accuracy of one tree."""
        order = np.random.default_rng(seed).permutation(len(x))
        rows = x[order[: len(self.x_train)]]
        target = forest_models.probability_of_class_1(self.teacher, rows)
        tree = forest_models.fit_student(rows, target, seed=seed)
        predictions = tree.predict(self.data.x_test)
        return statistics.prediction_score("accuracy", self.data.y_test, predictions)
