"""Image data of Sec. 3: CIFAR-10 (real) and scikit-learn's digits (embedded), split, shrunk and held on the device."""

import hashlib
import os
import shutil
import tarfile
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torchvision.datasets import CIFAR10

from ganmc_utils.core import paths
from ganmc_utils.core.download import ELSEWHERE, fetch
from ganmc_utils.core.errors import user_error

BATCHES = "cifar-10-batches-py"  # the folder that torchvision looks for


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageDataset:
    """One split. x_*: float32 (n, C, H, W) in [-1, 1]; y_*: int64 (n,); both on one device. `fresh` are real images
    that neither teacher nor student is given; it may be empty."""

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
    def shape(self):
        """(channels, image size)"""
        return self.x_train.shape[1], self.x_train.shape[2]


def read_cifar10(folder):
    """uint8 images (50,000 + 10,000, 3, 32, 32), labels, how many are training images, a note. torchvision compares each
    file with its known md5 before it opens it."""
    root = next(
        (r for r in (folder, paths.cache_dir()) if (r / BATCHES).is_dir()), None
    ) or unpack_cifar10(folder)
    try:
        train, test = (CIFAR10(str(root), train=part, download=False) for part in (True, False))
    except (RuntimeError, OSError) as failed:
        raise user_error(
            root / BATCHES,
            f"altered or incomplete ({failed})",
            "delete that folder, so that it is made anew",
        ) from None
    x = np.concatenate([train.data, test.data]).transpose(0, 3, 1, 2)
    return x, np.array(train.targets + test.targets), len(train), "CIFAR-10"


def unpack_cifar10(folder):
    """Unpack folder/cifar10/*.tar.gz, or the archive fetched from its authors, into the user's cache; returns where."""
    cache = paths.cache_dir()
    archives = sorted((folder / "cifar10").glob("*.tar.gz"))
    if not archives:
        archives = [cache / "cifar-10-python.tar.gz"]
        if not archives[0].exists():
            fetch("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", archives[0])
    part = cache / f".cifar10.{os.getpid()}.part"
    try:
        for archive in archives:
            with tarfile.open(archive) as files:
                files.extractall(part, filter="data")
        os.replace(part / BATCHES, cache / BATCHES)
    except (OSError, tarfile.TarError, EOFError) as failed:
        raise user_error(
            archive,
            f"cannot be unpacked ({failed})",
            f"delete it and bring the original file, or {ELSEWHERE}",
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return cache


def read_digits(folder):
    """The 1,797 digits of 8 x 8 that scikit-learn carries; all but the last 700 may train."""
    digits = load_digits()
    x = (digits.images * (255 / 16)).round().astype(np.uint8)[:, None]
    return (
        x,
        digits.target,
        len(x) - 700,
        "not in the paper: 8 x 8 digits as scikit-learn carries them, for a first look without files",
    )


READERS = {"cifar10": read_cifar10, "digits": read_digits}


def load_images(
    name, n_train, n_validation, n_test, n_fresh, image_size, seed, data_dir="", device="cpu"
):
    """Images of one random split. Train and fresh rows come from the dataset's training part, validation and test
    rows from its test part, as in the paper. image_size: averaged down by a whole factor. GanmcError for files that
    are missing or altered, more rows than there are, an image size that does not divide."""
    if name not in READERS:
        raise user_error(name, "unknown image dataset", f"choose one of {', '.join(READERS)}")
    x, y, n_learn, note = READERS[name](paths.data_dir(data_dir))
    size = x.shape[-1]
    if image_size <= 0 or size % image_size:
        raise user_error(
            name,
            f"images of {size} x {size} cannot be averaged to {image_size} x {image_size}",
            f"choose a divisor of {size}",
        )
    for asked, there, what in (
        (n_train + n_fresh, n_learn, "training"),
        (n_validation + n_test, len(x) - n_learn, "test"),
    ):
        if asked > there:
            raise user_error(
                name, f"{asked} rows asked for of the {there} in its {what} part", "ask for fewer"
            )
    rng = np.random.default_rng(seed)
    learn, held = rng.permutation(n_learn), n_learn + rng.permutation(len(x) - n_learn)
    rows = {
        "train": learn[:n_train],
        "fresh": learn[n_train : n_train + n_fresh],
        "validation": held[:n_validation],
        "test": held[n_validation : n_validation + n_test],
    }
    parts = {}
    for part, r in rows.items():
        image = torch.as_tensor(x[r]).to(device).float() / 127.5 - 1
        parts[f"x_{part}"] = (
            F.avg_pool2d(image, size // image_size) if size > image_size and len(r) else image
        )
        parts[f"y_{part}"] = torch.as_tensor(y[r]).long().to(device)
    checksum = hashlib.sha256(x.tobytes() + y.astype(np.int64).tobytes()).hexdigest()
    if image_size < size:
        note += f", averaged to {image_size} x {image_size}"
    return ImageDataset(
        name=name,
        n_classes=int(y.max()) + 1,
        checksum=checksum,
        note=f"{note}, {n_train:,} training images",
        **parts,
    )


def choose_device(name):
    """torch.device for "auto" (CUDA where there is one), "cpu" or "cuda". GanmcError if the asked one is absent."""
    if name == "cuda" and not torch.cuda.is_available():
        raise user_error(
            "device cuda", "this machine has no CUDA device", "set device to auto or cpu"
        )
    return torch.device(
        "cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu")
    )
