"""The Compression Score of Sec. 5: a set of samples is as good as the student it trains.

    CompressionScore(D; D_real) = (acc(D) - baseline) / (acc(D_real) - baseline)

acc(D): accuracy on real test data of a student that learned the teacher's answers on D. Version "v2": the baseline is the
share of the most common class, students train for one epoch; "v1": 1 / n_classes and five epochs. The same call scores
images (students are networks, accuracy) and tables (students are trees; accuracy too, the baseline is the same).
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.forests import models as forest_models
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches
from ganmc_utils.networks.objectives import logit_matching
from ganmc_utils.report import statistics

EPOCHS_OF_VERSION = {"v2": 1, "v1": 5}  # epochs
REFERENCE_SEEDS = (
    1_000_000  # added to the seeds of students of D for those of D_real, which are drawn apart
)
_REFERENCES = {}  # accuracies of students of D_real, by the content of everything they come from


@dataclass(frozen=True)
class Score:
    """value ± error (standard error over the students' seeds, with that of the reference), and what it is made of."""

    value: float
    error: float
    accuracy: float  # acc(D), mean over seeds
    reference: float  # acc(D_real)
    baseline: float
    seconds: float
    n: int  # students of D
    version: str


def compression_score(
    samples,
    dataset,
    teacher,
    student=None,
    *,
    version="v2",
    seeds=3,
    reference_seeds=None,
    batch=50,
    lr=1e-3,
    progress=False,
):
    """Score `samples` against the real data of `dataset`; Score.

    samples: an array (n, C, H, W) or (n, d) scaled as dataset.x_train is (uint8 images are scaled here), a Source, an .npz
    file with one array, or a folder of images. dataset: images.Images or datasets.Dataset. teacher: for images a network or any
    x -> logits (n, K); for tables a forest. student: for images seed -> new network; for tables None (one regression tree).
    seeds: how many students of the samples, or a list of their seeds; reference_seeds: those of the students of the real data,
    trained once for each set of arguments (None: as many others, so that the two accuracies are independent).
    batch, lr (Adam): of the students, who take as many steps on D as on D_real, in an order drawn anew for each.
    GanmcError (one line): wrong shape, range or number of samples, an unknown version, a reference no better than the baseline."""
    if version not in EPOCHS_OF_VERSION:
        raise GanmcError(f"compression score: version {version!r}; choose v2 or v1")
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    others = (
        [REFERENCE_SEEDS + s for s in seeds] if reference_seeds is None else list(reference_seeds)
    )
    if not seeds or not others:
        raise GanmcError(
            "compression score: no seeds; train at least one student of the samples and one of the real data"
        )
    started = time.monotonic()
    kind = (
        ImageStudents(dataset, teacher, student, EPOCHS_OF_VERSION[version], batch, lr, progress)
        if dataset.x_train.ndim == 4
        else TreeStudents(dataset, teacher)
    )
    x = in_fixed_order(kind.scaled(read_samples(samples, kind)))
    key = hashlib.sha256(kind.content() + repr((version, others, batch, lr)).encode()).hexdigest()
    if key not in _REFERENCES:
        _REFERENCES[key] = kind.accuracies(in_fixed_order(kind.x_train), others)
    real, found = _REFERENCES[key], kind.accuracies(x, seeds)
    labels = torch.as_tensor(dataset.y_train).cpu().numpy()
    baseline = (
        float(np.bincount(labels).max() / len(labels))
        if version == "v2"
        else 1 / len(np.unique(labels))
    )
    return Score(
        *ratio(found, real, baseline),
        float(np.mean(found)),
        float(np.mean(real)),
        baseline,
        time.monotonic() - started,
        len(seeds),
        version,
    )


def ratio(found, real, baseline):
    """(value, standard error) of the score from the accuracies of students of D and of D_real.

    First-order error propagation: with a = acc(D) - baseline and b = acc(D_real) - baseline, se^2 = (se_a / b)^2 + (a se_b / b^2)^2."""
    (a, se_a, n), (b, se_b, _) = statistics.mean_se(found), statistics.mean_se(real)
    a, b = a - baseline, b - baseline
    if not b > 0:
        raise GanmcError(
            f"compression score: students of the real data score {b + baseline:.3f}, no better than the baseline {baseline:.3f}; "
            "train them longer (a smaller batch, a larger lr) or choose a stronger student"
        )
    return a / b, float(np.hypot(se_a / b, a * se_b / b**2)) if n > 1 else float("nan")


def read_samples(samples, kind):
    """An array from whatever the samples are; a Source is asked for as many rows as the real data have."""
    if hasattr(samples, "sample"):
        return samples.sample(len(kind.x_train), kind.rng())[0]
    if isinstance(samples, (str, Path)):
        path = Path(samples)
        return read_folder(path) if path.is_dir() else read_npz(path)
    return samples


def read_npz(path):
    """The one array of an .npz file; no pickle is opened."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not hasattr(file, "files") or len(file.files) != 1:
                raise user_error(
                    path,
                    f"holds {getattr(file, 'files', 'no names')}",
                    "save one array, with np.savez(path, x=samples)",
                )
            return file[file.files[0]]
    except GanmcError:
        raise
    except (
        Exception
    ) as failed:  # numpy raises half a dozen kinds: absent, truncated, no zip, a pickle inside
        raise user_error(
            path,
            f"cannot be read as .npz ({failed})",
            "save the samples with np.savez(path, x=samples)",
        ) from None


def read_folder(path):
    """The .png and .jpg images of a folder, in the order of their names: uint8 (n, C, H, W)."""
    files = sorted(f for f in path.iterdir() if f.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not files:
        raise user_error(path, "no .png or .jpg in it", "choose a folder of images")
    found = []
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB" if image.mode not in ("L", "1") else "L"))
        except OSError as failed:
            raise user_error(
                file, f"cannot be read ({failed})", "delete it or bring the original"
            ) from None
        found.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
    if len({image.shape for image in found}) > 1:
        raise user_error(path, "images of several sizes or colours", "make them alike")
    return np.stack(found)


def in_fixed_order(x):
    """The rows in an order of their own (along a fixed random direction), so that the order they came in has no part in the score."""
    rows = torch.as_tensor(x).flatten(1).double().cpu()
    direction = torch.randn(
        rows.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return (
        x[(rows @ direction).argsort().numpy()]
        if isinstance(x, np.ndarray)
        else x[(rows @ direction).argsort().to(x.device)]
    )


def check(x, like, least):
    """One line for samples that are not numbers of the shape and range of the real ones."""
    shape = tuple(like.shape[1:])
    if tuple(x.shape[1:]) != shape:
        last = x.ndim == 4 and (x.shape[3], *x.shape[1:3]) == shape
        raise GanmcError(
            f"samples: shape {tuple(x.shape)}, the real data have (n, {', '.join(map(str, shape))}); "
            + (
                "the channels come first: x.transpose(0, 3, 1, 2)"
                if last
                else "bring samples of that shape"
            )
        )
    if len(x) < least:
        raise GanmcError(f"samples: {len(x)}; bring at least {least}")
    if not torch.isfinite(x).all():
        raise GanmcError(
            "samples: not all numbers are finite; leave out the rows with NaN or infinity"
        )


class ImageStudents:
    """Students are networks that match the teacher's logits (Eq. 1)."""

    def __init__(self, dataset, teacher, student, epochs, batch, lr, progress):
        if student is None:
            raise GanmcError("compression score: no student; give a function seed -> network")
        self.data, self.student, self.batch, self.lr, self.progress = (
            dataset,
            student,
            batch,
            lr,
            progress,
        )
        self.x_train, self.device = dataset.x_train, dataset.x_train.device
        self.ask = (
            (lambda x: training.logits(teacher, x))
            if isinstance(teacher, torch.nn.Module)
            else teacher
        )
        if batch > len(self.x_train):
            raise GanmcError(
                f"compression score: batch {batch} is larger than the {len(self.x_train)} real images; lower the batch"
            )
        self.steps = epochs * (len(self.x_train) // batch)

    def rng(self):
        return torch.Generator(self.device).manual_seed(0)

    def scaled(self, x):
        """float32 in [-1, 1] on the device."""
        x = torch.as_tensor(x)
        x = (x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()).to(self.device)
        check(x, self.x_train, self.batch)
        low, high = float(x.min()), float(x.max())
        if low < -1.001 or high > 1.001 or (low >= 0 and float(self.x_train.min()) < 0):
            raise GanmcError(
                f"samples: values from {low:.3g} to {high:.3g}, the real data go from -1 to 1; scale them (from [0, 1]: 2 x - 1) or pass uint8"
            )
        return x

    def content(self):
        """Bytes of all that the reference depends on: the images, the teacher's answers, a student's first weights."""
        parts = [
            self.x_train,
            self.data.y_train,
            self.data.x_test,
            self.data.y_test,
            self.ask(self.x_train),
            *self.student(0).state_dict().values(),
        ]
        return b"".join(part.detach().cpu().contiguous().numpy().tobytes() for part in parts)

    def accuracies(self, x, seeds):
        """Test accuracy of a student per seed, all trained side by side."""
        rows = EpochBatches(
            x,
            torch.zeros(len(x), dtype=torch.long, device=self.device),
            self.batch,
            self.ask(x),
            name="samples",
        )
        learners = [
            training.Learner(
                f"student {s}",
                self.student(s).to(self.device, memory_format=torch.channels_last),
                logit_matching,
                rows,
                s,
            )
            for s in seeds
        ]
        training.train(
            learners,
            training.Schedule(self.steps, self.lr, evaluations=1),
            {"test": (self.data.x_test, self.data.y_test)},
            label="Compression Score",
            progress=self.progress,
        )
        return [learner.history[-1]["test"] for learner in learners]


class TreeStudents:
    """Students are regression trees on the teacher's probability of class 1, as many rows as the real data."""

    def __init__(self, dataset, teacher):
        self.data, self.teacher, self.x_train = dataset, teacher, dataset.x_train

    def rng(self):
        return np.random.default_rng(0)

    def scaled(self, x):
        x = np.asarray(x, np.float32)
        check(torch.as_tensor(x), self.x_train, 2)
        return x

    def content(self):
        parts = (
            self.x_train,
            self.data.y_train,
            self.data.x_test,
            self.data.y_test,
            forest_models.probability_of_class_1(self.teacher, self.x_train),
        )
        return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

    def accuracies(self, x, seeds):
        found = []
        for seed in seeds:
            rows = np.random.default_rng(seed).permutation(len(x))[: len(self.x_train)]
            tree = forest_models.fit_student(
                x[rows], forest_models.probability_of_class_1(self.teacher, x[rows]), seed=seed
            )
            found.append(
                statistics.prediction_score(
                    "accuracy", self.data.y_test, tree.predict(self.data.x_test)
                )
            )
        return found
