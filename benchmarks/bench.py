"""The ratios that this project claims, each taken in one run on one machine: `make bench`.

It prints its tables and writes them to published/benchmarks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cost_model
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ganmc_utils.core import paths, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests import sources as table_sources
from ganmc_utils.forests.data import read_table, split_table
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches, Mixture, TeacherLabelledStream
from ganmc_utils.networks.models import make_network
from ganmc_utils.networks.objectives import logit_matching
from ganmc_utils.networks.sources import GeneratedImages
from ganmc_utils.scores import images as image_scores
from ganmc_utils.scores.compression_score import compression_score

BOOK_SECONDS = 300.0  # that the quick book may take
SHARES = tuple(k / 10 for k in range(11))  # of generated images, as in Fig. 2a
IMAGES, IMAGE_SIZE, BATCH = 2_000, 16, 128
STEPS = 20
LEARNING_RATE = 1e-3

Seconds = tuple[float, float]  # the plain way, ours


def seconds_of(work: Callable) -> float:
    """Wall seconds of work()."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# The book


def quick_book() -> Seconds:
    """The notebooks of `make book` in a bare copy of the project, against what they may take."""
    with tempfile.TemporaryDirectory() as folder:
        copy_tracked_files(Path(folder))
        (Path(folder) / ".venv").symlink_to(sys.prefix)
        # The packages are installed: make must not do it again.
        command = ["make", "--old-file=.venv/.installed", "run", "PROFILE=quick"]
        of_this_run = ("GANMC_OUT", "MAKEFLAGS", "MAKELEVEL")
        environment = {key: v for key, v in os.environ.items() if key not in of_this_run}
        environment["PYTHONPATH"] = folder  # the copy's package, not the installed one
        run = partial(subprocess.run, command, cwd=folder, env=environment, check=True)
        return BOOK_SECONDS, seconds_of(partial(run, capture_output=True))


def copy_tracked_files(folder: Path) -> None:
    """Copy the files that git tracks, as they are now."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0")[:-1]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / name, folder / name)


# Tables


class SearchedMunge(table_sources.Munge):
    """MUNGE that compares each row with all others, in every pass."""

    def __post_init__(self):
        pass  # no search ahead

    def one_pass(self, rng: np.random.Generator) -> np.ndarray:
        """The training rows after one pass over all of them."""
        self.near = np.array([nearest_by_search(self.x, i) for i in range(len(self.x))])
        return super().one_pass(rng)


def nearest_by_search(x: np.ndarray, i: int) -> int:
    """The nearest other row of row i, by its distance to all."""
    distance = np.square(x - x[i]).sum(1)
    distance[i] = np.inf
    return int(distance.argmin())


def munge(passes: int = 9) -> Seconds:
    """`passes` rows for each row: a search per row and pass, against the k-d tree."""
    x = rows_to_munge()
    n = passes * len(x)
    plain, ours = SearchedMunge(x, None), table_sources.Munge(x, None)

    def with_tree():
        table_sources.Munge(x, None).sample(n, np.random.default_rng(0))

    with_tree()  # warms up
    slow = seconds_of(lambda: plain.sample(n, np.random.default_rng(0)))
    fast = seconds_of(with_tree)
    # Equally near rows may swap places without harm.
    if not np.array_equal(distance_to(x, plain.near), distance_to(x, ours.near)):
        raise AssertionError("the neighbours differ")
    return slow, fast


def rows_to_munge(n: int = 13_000) -> np.ndarray:
    """MAGIC's rows, as real rows lie unevenly, which the tree likes; else noise."""
    try:
        return split_table(read_table("magic"), n, 100, 5_000).x_train
    except GanmcError:
        return np.random.default_rng(0).normal(size=(n, 10)).astype(np.float32)


def distance_to(x: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Squared distance of each row to its neighbour."""
    return np.square(x - x[near]).sum(1)


def forest_sweep(n: int = 5_000, d: int = 10, trees: int = 20) -> Seconds:
    """Predictions of students of 1 to 20 trees: a fit for each, against the parts of one fit."""
    rng = np.random.default_rng(0)
    x, p = rng.normal(size=(n, d)).astype(np.float32), rng.random(n)

    def fit_each_size():
        for k in range(1, trees + 1):
            forest_models.fit_student(x, p, k).predict(x)

    def fit_once():
        forest_models.predictions_by_size(forest_models.fit_student(x, p, trees), x)

    return seconds_of(fit_each_size), seconds_of(fit_once)


def gan_seeds(n: int = 2_000, d: int = 10, seeds: int = 5, epochs: int = 5) -> Seconds:
    """AC-GANs of five seeds: one after another, against one stacked loop."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(seeds, n, d)).astype(np.float32)
    y = rng.integers(0, 2, (seeds, n))
    settings = acgan.GanSettings(epochs=epochs, snapshots=(epochs,), members=1)

    def one_by_one():
        for i in range(seeds):
            acgan.AcGan(x[i : i + 1], y[i : i + 1], settings, [i]).train(progress=False)

    def side_by_side():
        acgan.AcGan(x, y, settings, list(range(seeds))).train(progress=False)

    return seconds_of(one_by_one), seconds_of(side_by_side)


# Networks


@dataclass(frozen=True)
class Compression:
    """Images, a teacher and a generator of the laptop profile's size.

    They are untrained: time does not depend on the weights.
    """

    x: Tensor
    y: Tensor
    teacher: nn.Module
    generated: GeneratedImages

    def label(self, x: Tensor) -> Tensor:
        """The teacher's logits."""
        return training.logits(self.teacher, x)

    def seconds(self, shares: Sequence[float]) -> float:
        """Seconds of our loop with a student for each share of generated images.

        The training images are labelled beforehand, the generated ones once for all students.
        """
        real = EpochBatches(self.x, self.y, BATCH, self.label(self.x))
        generated = TeacherLabelledStream(self.generated, BATCH, self.label, "cpu", "gan")
        students = [student_of(Mixture(real, generated, p_fake)) for p_fake in shares]
        schedule = training.Schedule(STEPS, LEARNING_RATE, evaluations=1)
        return seconds_of(lambda: training.train(students, schedule, {}, progress=False))


def laptop_compression() -> Compression:
    """Random images with an untrained teacher and generator."""
    torch.manual_seed(0)
    x = torch.rand(IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE) * 2 - 1
    y = torch.arange(IMAGES) % 10
    teacher = make_network("cnn6", 0, 48, 3, IMAGE_SIZE).to(memory_format=torch.channels_last)
    settings = acgan.GanSettings(epochs=1, snapshots=(0,), members=1)
    gan = acgan.AcGan(x[None], y[None], settings, [0], image_networks.image_networks(32))
    gan.pool[0] = gan.G.state_dict()
    return Compression(x, y, teacher.eval().requires_grad_(False), GeneratedImages(gan, 0))


def new_student() -> nn.Module:
    """The laptop profile's student."""
    net = make_network("lenet_authors_padded", 0, 24, 3, IMAGE_SIZE)
    return net.to(memory_format=torch.channels_last)


def student_of(batches: Mixture) -> training.Learner:
    """A student that matches the teacher's logits on a mixture."""
    return training.Learner(
        f"p_fake {batches.p_fake}", new_student(), logit_matching, batches, seed=0
    )


def shares_one_by_one() -> Seconds:
    """Eleven shares: one student after another, against all on shared batches."""
    compression = laptop_compression()
    compression.seconds([0.5])  # warms up
    one_by_one = sum(compression.seconds([p_fake]) for p_fake in SHARES)
    return one_by_one, compression.seconds(SHARES)


def eleven_against_one() -> Seconds:
    """All eleven shares on shared batches, against one of them."""
    compression = laptop_compression()
    compression.seconds([0.5])  # warms up
    return compression.seconds(SHARES), compression.seconds([0.5])


def authors_way() -> Seconds:
    """Compression as the authors' script does it, against ours.

    Images are picked one by one in numpy, and the teacher is queried again at every step.
    """
    compression = laptop_compression()
    images, rng = compression.x.numpy(), np.random.default_rng(0)
    teacher = compression.teacher.to(memory_format=torch.contiguous_format)
    net = new_student().to(memory_format=torch.contiguous_format)
    adam = torch.optim.Adam(net.parameters(), LEARNING_RATE)

    def train():
        for _ in range(STEPS):
            picked = [images[i] for i in rng.integers(0, IMAGES, BATCH)]
            x = torch.from_numpy(np.stack(picked))
            with torch.no_grad():
                z = teacher(x)
            loss = (net(x) - z).square().sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    train()  # warms up
    slow = seconds_of(train)
    teacher.to(memory_format=torch.channels_last)
    return slow, compression.seconds([0.0])


def inception_against_compression(n: int = 1000, timed: int = 64) -> Seconds:
    """The two scores of n images: Inception-v3, against a student of one epoch and the teacher.

    Inception-v3 is timed on fewer images: its time grows with their number.
    """
    compression = laptop_compression()
    x, y = compression.x, compression.y
    parts = {"x_train": x[:n], "y_train": y[:n], "x_test": x[n:], "y_test": y[n:]}
    data = SimpleNamespace(n_classes=10, **parts)

    def score() -> float:
        try:
            scored = compression_score(
                x[:n],
                data,
                compression.teacher,
                lambda seed: new_student(),
                seeds=[0],
                reference_seeds=[1],
                batch=25,
            )
        except GanmcError as failed:  # after all its work: noise teaches a student nothing
            if "baseline" not in str(failed):
                raise
            return 0.0
        return scored.value

    by_inception = image_scores.inception_seconds(timed, x.device) * n
    return by_inception, image_scores.seconds(score)


def step_against_ceiling(name: str) -> Seconds:
    """A training step, against its operations at the measured rate of a matrix product.

    Both in seconds per image, on CUDA.
    """
    device = torch.device("cuda")
    cost = cost_model.cost_of_step(name, device)
    return cost.seconds, cost.operations / cost_model.measured_rates(device).operations


# The tables


@dataclass(frozen=True)
class Bench:
    """A ratio that is claimed.

    Attributes:
        what: the row's name.
        measure: gives the seconds of the plain way and of ours.
        goal: for plain / ours.
    """

    what: str
    measure: Callable[[], Seconds]
    goal: str

    def row(self) -> dict[str, str]:
        """The bench's row, measured now."""
        plain, ours = self.measure()
        print(f"{self.what}: {plain / ours:,.1f} ({self.goal})", flush=True)
        return {
            "What": self.what,
            "Plain, s": f"{plain:,.3g}",
            "Ours, s": f"{ours:,.3g}",
            "Ratio": f"{plain / ours:,.1f}",
            "Goal": self.goal,
        }


BENCHES = (
    Bench("Quick book, against its 5 minutes", quick_book, ">= 1"),
    Bench("MUNGE, 9 x 13,000 rows, against a search per row", munge, ">= 100"),
    Bench("Forests of 1 to 20 trees, against a fit for each", forest_sweep, ">= 8"),
    Bench("AC-GANs of five seeds, against one by one", gan_seeds, ">= 3"),
    Bench("A compression step, against the authors' way", authors_way, ">= 3"),
    Bench("Eleven shares of generated images, against one by one", shares_one_by_one, ">= 1"),
    Bench("Eleven shares (plain) against one (ours)", eleven_against_one, "<= 4"),
    Bench(
        "Inception Score (plain) against Compression Score (ours)",
        inception_against_compression,
        ">= 20",
    ),
)
BENCHES_ON_CUDA = tuple(
    Bench(
        f"{name}: a training step against its operations at the matrix ceiling",
        partial(step_against_ceiling, name),
        "small",
    )
    for name in ("resnet18", "wrn28")
)


def machine() -> str:
    """What the tables say of where they come from."""
    hardware = records.hardware()
    processor = hardware["gpu"] or f"{hardware['cores']} cores of {hardware['cpu']}"
    return f"On {processor}, torch {records.versions()['torch']}, commit {records.commit()}"


def write_table(name: str, rows: list[dict], introduction: str = "") -> None:
    """Print a table and write it to published/benchmarks."""
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    text = f"{introduction}\n\n{table}\n" if introduction else f"{table}\n"
    paths.write_atomically(paths.ROOT / "published" / "benchmarks" / f"{name}.md", text)
    print(text)


def main() -> None:
    """Measure everything."""
    torch.set_num_threads(paths.thread_count())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    benches = [*BENCHES, *(BENCHES_ON_CUDA if device.type == "cuda" else ())]
    write_table("ratios", [bench.row() for bench in benches], f"{machine()}.")
    rates, rows_of_images, rows_of_units = cost_model.tables(device)
    in_a_product = f"{rates.operations / 1e9:,.0f} GFLOP/s in a matrix product"
    in_a_copy = f"{rates.bytes / 1e9:,.0f} GB/s in a copy"
    measured = f"{machine()}; measured here: {in_a_product}, {in_a_copy}."
    write_table("units", rows_of_images, measured)
    write_table("stages", rows_of_units)


if __name__ == "__main__":
    main()
