"""Image data of Sec. 3: CIFAR-10 (real) and scikit-learn's digits (embedded with the library).

load_images gives one random split, shrunk and held on the device; every mistake is one line.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torchvision.datasets import CIFAR10

from ganmc_utils.core import paths
from ganmc_utils.core.arguments import check_whole_numbers, checked_first
from ganmc_utils.core.errors import user_error
from ganmc_utils.core.registry import Registry
from ganmc_utils.networks.cifar10 import (
    BATCHES,
    after_verified_unpacking,
    altered_files,
    unpack_cifar10,
)

N_HELD_DIGITS = 700  # digits that only validation and test are drawn from

# checksum_of what read_cifar10 reads: known, so that stored results are found without the data.
KNOWN_CHECKSUMS = {"cifar10": "88cb2239d6faefc5313a1d8af7f0e1a122be82a5a0930f0bea3314cf9c3f44ca"}


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageDataset:
    """One split of a dataset, all of it on one device.

    x_*: images, float32 (n, C, H, W) in [-1, 1].
    y_*: classes, int64 (n,).
    fresh: real images that neither teacher nor student is trained on; it may be empty.
    checksum: sha256 of the whole dataset (checksum_of), whatever the split.
    note: what differs from the paper's data.
    """

    name: str
    n_classes: int
    x_train: torch.Tensor
    y_train: torch.Tensor
    x_validation: torch.Tensor
    y_validation: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    x_fresh: torch.Tensor
    y_fresh: torch.Tensor
    checksum: str
    note: str

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, image size)."""
        return self.x_train.shape[1], self.x_train.shape[2]


@dataclass(frozen=True, eq=False)
class WholeDataset:
    """A dataset as it is read: the training part first, then the test part.

    x: uint8 (n, C, H, W).
    y: int (n,).
    n_training: images of the training part.
    note: what differs from the paper's data.
    """

    x: np.ndarray
    y: np.ndarray
    n_training: int
    note: str

    @property
    def checksum(self) -> str:
        """Sha256 of the bytes of all images, then of all labels as int64."""
        return hashlib.sha256(self.x.tobytes() + self.y.astype(np.int64).tobytes()).hexdigest()


def read_cifar10(folder: Path) -> WholeDataset:
    """CIFAR-10: 50,000 and 10,000 colour images of 32 x 32.

    torchvision compares each file with its known md5 before it opens it.

    Raises:
        GanmcError: the files are missing and cannot be fetched, or are altered.
    """
    folders = (folder, paths.cache_dir())
    root = next((place for place in folders if (place / BATCHES).is_dir()), None)
    if root is None:
        root = unpack_cifar10(folder)
    try:
        train = CIFAR10(str(root), train=True, download=False)
        test = CIFAR10(str(root), train=False, download=False)
    except (RuntimeError, OSError) as failed:
        raise user_error(
            root / BATCHES,
            f"altered or incomplete: {', '.join(altered_files(root / BATCHES)) or failed}",
            "delete that folder, so that it is made anew",
        ) from None
    x = np.concatenate([train.data, test.data]).transpose(0, 3, 1, 2)
    y = np.array(train.targets + test.targets)
    return WholeDataset(x, y, len(train), "CIFAR-10")


def read_digits(folder: Path) -> WholeDataset:
    """The 1,797 grey digits of 8 x 8 that scikit-learn carries."""
    digits = load_digits()
    x = (digits.images * (255 / 16)).round().astype(np.uint8)[:, None]
    note = "not in the paper: 8 x 8 digits as scikit-learn carries them"
    note += ", for a first look without files"
    return WholeDataset(x, digits.target, len(x) - N_HELD_DIGITS, note)


READERS = Registry(cifar10=after_verified_unpacking(read_cifar10), digits=read_digits)


def image_checksum(name: str, data_dir: str = "") -> str:
    """The checksum that load_images gives for a dataset, without reading one whose it is known.

    Raises:
        GanmcError: unknown dataset, or one that has to be read and cannot be.
    """
    reader = READERS.entry(name, "image dataset")
    if name in KNOWN_CHECKSUMS:
        return KNOWN_CHECKSUMS[name]
    return reader(paths.data_dir(data_dir)).checksum


def load_images(
    name: str,
    n_train: int,
    n_validation: int,
    n_test: int,
    n_fresh: int,
    image_size: int,
    seed: int,
    data_dir: str = "",
    device: str | torch.device = "cpu",
) -> ImageDataset:
    """Images of one random split.

    As in the paper, train and fresh images come from the dataset's training part, validation and
    test images from its test part.

    Args:
        name: one of READERS.
        n_train: images that teacher and students learn from.
        n_validation: images that choices are made on.
        n_test: images that results are reported on.
        n_fresh: real images for the source `fresh`.
        image_size: height and width in pixels, to which images are averaged down by a whole factor.
        seed: of the split.
        data_dir: where the files are; empty: see paths.data_dir.
        device: where the images are held.

    Raises:
        GanmcError: files are missing or altered, there are fewer images than asked for, or the
            image size does not divide the dataset's.
    """
    reader = READERS.entry(name, "image dataset")
    whole = reader(paths.data_dir(data_dir))
    size = whole.x.shape[-1]
    n_held = len(whole.x) - whole.n_training
    if image_size <= 0 or size % image_size:
        raise user_error(
            name,
            f"images of {size} x {size} cannot be averaged to {image_size} x {image_size}",
            f"choose a divisor of {size}",
        )
    check_count(name, "training", n_train + n_fresh, whole.n_training)
    check_count(name, "test", n_validation + n_test, n_held)

    rng = np.random.default_rng(seed)
    learning = rng.permutation(whole.n_training)
    held = whole.n_training + rng.permutation(n_held)
    rows_of_parts = {
        "train": learning[:n_train],
        "fresh": learning[n_train : n_train + n_fresh],
        "validation": held[:n_validation],
        "test": held[n_validation : n_validation + n_test],
    }
    parts = {}
    for part, rows in rows_of_parts.items():
        images = torch.as_tensor(whole.x[rows]).to(device).float() / 127.5 - 1
        if size > image_size and len(rows):
            images = F.avg_pool2d(images, size // image_size)
        parts[f"x_{part}"] = images
        parts[f"y_{part}"] = torch.as_tensor(whole.y[rows]).long().to(device)

    note = whole.note
    if image_size < size:
        note += f", averaged to {image_size} x {image_size}"
    return ImageDataset(
        name=name,
        n_classes=int(whole.y.max()) + 1,
        checksum=whole.checksum,
        note=f"{note}, {n_train:,} training images",
        **parts,
    )


def check_arguments(given: dict) -> None:
    """Raises GanmcError for arguments of load_images that no dataset could have."""
    counts = {"n_train": 1, "n_validation": 0, "n_test": 0, "n_fresh": 0, "seed": 0}
    check_whole_numbers(given["name"], given, **counts)
    try:
        torch.device(given["device"])
    except (RuntimeError, TypeError):
        problem = "no device of torch"
        raise user_error(f"device {given['device']}", problem, "choose cpu or cuda") from None


load_images = checked_first(check_arguments)(load_images)


def check_count(name: str, part: str, n_asked: int, n_there: int) -> None:
    """Raises GanmcError if more images are asked for than a part of the dataset has."""
    if n_asked > n_there:
        raise user_error(
            name, f"{n_asked} images asked for of the {n_there} in its {part} part", "ask for fewer"
        )


def choose_device(name: str) -> torch.device:
    """torch.device for "auto" (CUDA where there is one), "cpu" or "cuda".

    Raises:
        GanmcError: "cuda" is asked for and absent.
    """
    cuda_is_there = torch.cuda.is_available()
    if name == "cuda" and not cuda_is_there:
        raise user_error(
            "device cuda", "this machine has no CUDA device", "set device to auto or cpu"
        )
    if name == "auto":
        return torch.device("cuda" if cuda_is_there else "cpu")
    return torch.device(name)
