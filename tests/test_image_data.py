"""Image data: splits without overlap, real files, checksums, and every mistake as one line."""

import pytest
import torch

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import data as image_data

PARTS = ("train", "validation", "test", "fresh")


def digits(seed=0):
    return image_data.load_images("digits", 100, 60, 60, 100, 8, seed=seed)


def cifar10_is_there():
    archives = any(paths.data_dir().glob("cifar10/*.tar.gz"))
    folders = (paths.data_dir(), paths.cache_dir())
    return archives or any((folder / image_data.BATCHES).is_dir() for folder in folders)


needs_cifar10 = pytest.mark.skipif(
    not cifar10_is_there(), reason="CIFAR-10 is not in the data directory"
)


def no_network(*_, **__):
    raise OSError("no network")


def test_digits_are_split_without_overlap():
    split = digits()
    assert split.shape == (1, 8) and split.n_classes == 10
    assert split.x_train.dtype == torch.float32 and split.x_train.abs().max() <= 1
    images = [getattr(split, f"x_{part}") for part in PARTS]
    assert [len(x) for x in images] == [100, 60, 60, 100]
    rows = torch.cat([x.flatten(1) for x in images])
    assert len(rows.unique(dim=0)) >= len(rows) - 2, (
        "an image is in one part only (a few digits are twins)"
    )
    other_split = digits(seed=1)
    assert other_split.checksum == split.checksum
    assert not torch.equal(other_split.x_train, split.x_train)


@needs_cifar10
def test_cifar10_is_averaged_down():
    small = image_data.load_images("cifar10", 500, 100, 100, 200, 16, seed=0)
    assert small.shape == (3, 16) and small.n_classes == 10
    assert -0.5 < small.x_train.mean() < 0.2
    full = image_data.load_images("cifar10", 500, 100, 100, 200, 32, seed=0)
    first_pixel = full.x_test[0, 0, :2, :2].mean()
    assert torch.allclose(small.x_test[0, 0, 0, 0], first_pixel, atol=1e-6)
    assert torch.equal(small.y_fresh, full.y_fresh)


@needs_cifar10
def test_the_known_checksum_of_cifar10_is_that_of_what_is_read():
    split = image_data.load_images("cifar10", 10, 10, 10, 0, 32, seed=0)
    assert split.checksum == image_data.image_checksum("cifar10")


def test_checksums_without_reading_cifar10(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ganmc_utils.core.download.urlopen", no_network)
    assert len(image_data.image_checksum("cifar10", tmp_path)) == 64
    assert image_data.image_checksum("digits", tmp_path) == digits().checksum
    with pytest.raises(GanmcError, match="mnist: unknown image dataset; choose one of cifar10"):
        image_data.image_checksum("mnist")


def test_broken_archives_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10/part1.tar.gz").write_bytes(b"no archive")
    with pytest.raises(GanmcError, match="part1.tar.gz: cannot be unpacked") as failed:
        image_data.read_cifar10(tmp_path)
    assert "\n" not in str(failed.value)

    (tmp_path / image_data.BATCHES).mkdir()
    (tmp_path / image_data.BATCHES / "test_batch").write_bytes(b"not what it was")
    with pytest.raises(GanmcError, match="altered or incomplete") as failed:
        image_data.read_cifar10(tmp_path)
    assert "\n" not in str(failed.value)
    assert not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "mnist"}, "mnist"),
        ({"n_train": 2000}, "2000"),
        ({"n_test": 900}, "part"),
        ({"image_size": 3}, "3 x 3"),
        ({"name": "cifar10", "data_dir": "/nowhere"}, "cifar-10-python.tar.gz"),
    ],
)
def test_bad_image_data_are_one_line(change, words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("ganmc_utils.core.download.urlopen", no_network)
    arguments = {
        "name": "digits",
        "n_train": 100,
        "n_validation": 10,
        "n_test": 10,
        "n_fresh": 0,
        "image_size": 8,
        "seed": 0,
    }
    with pytest.raises(GanmcError) as failed:
        image_data.load_images(**arguments | change)
    assert words in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_one_line():
    assert image_data.choose_device("auto").type == "cpu"
    with pytest.raises(GanmcError, match="no CUDA device"):
        image_data.choose_device("cuda")
