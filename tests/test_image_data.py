"""Image data: splits without overlap, real files, checksums, and every mistake as one line."""

import errno
import hashlib
import io
import random
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import cifar10
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


def read_cifar10(folder):
    return image_data.READERS["cifar10"](folder)


def refused(folder, *words):
    """Assert that CIFAR-10 is refused in one line, and that the cache keeps nothing of it."""
    with pytest.raises(GanmcError) as failed:
        read_cifar10(folder)
    line = str(failed.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line
    assert [path.name for path in paths.cache_dir().iterdir()] in ([], ["cifar10.lock"])


def archive(folder, name, **files):
    """A compressed archive of small files in the folder that CIFAR-10 has."""
    path = folder / "cifar10" / f"{name}.tar.gz"
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as archived:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{image_data.BATCHES}/{file}")
            member.size = len(content)
            archived.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch):
    """A folder with two archives of two small files that count as CIFAR-10, and an empty cache."""
    files = {"one": b"1" * 5000, "two": random.Random(0).randbytes(5000)}
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(cifar10, "MD5S", md5s)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, content in files.items():
        archive(tmp_path, name, **{name: content})
    return tmp_path


BAD_ARCHIVES = [
    (lambda path: path.write_bytes(b"no archive"), "cannot be unpacked"),
    (lambda path: path.write_text("<!DOCTYPE html><html>log in</html>"), "cannot be unpacked"),
    (lambda path: path.write_bytes(path.read_bytes()[:900]), "cannot be unpacked"),
    (lambda path: path.write_bytes(b""), "cannot be unpacked"),
    (lambda path: archive(path.parents[1], "two", two=b"x"), "two is altered"),
    (lambda path: archive(path.parents[1], "two", bomb=b"\0" * 300_000_000), "200,000,000 bytes"),
]


@pytest.mark.parametrize("damage, words", BAD_ARCHIVES)
def test_a_bad_archive_is_named_and_leaves_nothing(small_cifar10, damage, words):
    path = small_cifar10 / "cifar10" / "two.tar.gz"
    damage(path)
    refused(small_cifar10, f"{path}: ", words, "bring the original file")


def test_a_flipped_byte_is_seen_or_changes_nothing(small_cifar10):
    path = small_cifar10 / "cifar10" / "two.tar.gz"
    whole = path.read_bytes()
    n_seen = 0
    for i in range(0, len(whole), 97):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 16]) + whole[i + 1 :])
        try:
            cifar10.check_archives(sorted(path.parent.iterdir()))
        except GanmcError as failed:
            assert str(failed).startswith(str(path)) or "no two in" in str(failed)
            n_seen += 1
        else:
            with tarfile.open(path) as files:
                content = files.extractfile(f"{image_data.BATCHES}/two").read()
            assert hashlib.md5(content).hexdigest() == cifar10.MD5S["two"]
    assert n_seen > 50


def test_a_missing_archive_is_told(small_cifar10):
    (small_cifar10 / "cifar10" / "two.tar.gz").unlink()
    refused(small_cifar10, "one.tar.gz: no two in what is there")


def test_a_full_disk_asks_for_space_and_not_for_another_archive(small_cifar10, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cifar10.os, "replace", full)
    refused(small_cifar10, "No space left on device", "free space on this disk")


def test_an_altered_cache_is_made_anew(small_cifar10):
    unpacked = cifar10.unpack_cifar10(small_cifar10) / image_data.BATCHES
    (unpacked / "two").write_bytes(b"not what it was")
    left_over = paths.cache_dir() / ".cifar10.1.part"
    left_over.mkdir()
    cifar10.prepare(small_cifar10)
    assert not unpacked.exists() and not left_over.exists()


def test_a_folder_of_your_own_that_is_altered_is_named(tmp_path):
    (tmp_path / image_data.BATCHES).mkdir()
    (tmp_path / image_data.BATCHES / "test_batch").write_bytes(b"not what it was")
    with pytest.raises(GanmcError, match="altered or incomplete: data_batch_1, .*test_batch"):
        read_cifar10(tmp_path)
    assert (tmp_path / image_data.BATCHES).exists()


def test_the_second_of_two_first_runs_waits_for_the_first(small_cifar10, capsys):
    unpacked = []

    def read(folder):
        if not (paths.cache_dir() / image_data.BATCHES).is_dir():
            time.sleep(0.5)
            unpacked.append(cifar10.unpack_cifar10(folder))

    first_run = cifar10.after_verified_unpacking(read)
    with ThreadPoolExecutor(2) as runs:
        list(runs.map(first_run, [small_cifar10] * 2))
    assert len(unpacked) == 1
    assert "cifar10: waiting for another run" in capsys.readouterr().err


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
