"""The files of CIFAR-10: every archive is verified before it is unpacked, once, into the cache."""

import hashlib
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path, PurePosixPath

from torchvision.datasets import CIFAR10

from ganmc_utils.core import paths
from ganmc_utils.core.download import ELSEWHERE, fetch
from ganmc_utils.core.errors import GanmcError, user_error

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE = "cifar-10-python.tar.gz"  # of the cache, where the one above was fetched
BATCHES = "cifar-10-batches-py"  # the folder that torchvision looks for
MOST_BYTES = 200_000_000  # unpacked: it has 186 million

# The checksums that torchvision compares the files with before it opens them.
MD5S = dict([*CIFAR10.train_list, *CIFAR10.test_list])
MD5S[CIFAR10.meta["filename"]] = CIFAR10.meta["md5"]


def after_verified_unpacking(read: Callable) -> Callable:
    """A reader of CIFAR-10 that finds the files unpacked, or archives that are worth unpacking.

    It keeps the reader's name: the key of a stored result holds what `read` does, and not this,
    which cannot change the images.
    """

    @wraps(read)
    def read_verified(folder: Path):
        with paths.locked("cifar10"):  # the second of two first runs waits for the first
            prepare(folder)
            return read(folder)

    return read_verified


def prepare(folder: Path) -> None:
    """Remove from the cache what is of no use, and verify the archives where they are needed.

    Raises:
        GanmcError: an archive is altered, too large or missing.
    """
    if (folder / BATCHES).is_dir():
        return  # the user's own
    cache = paths.cache_dir()
    unpacked = cache / BATCHES
    if unpacked.is_dir():
        if not altered_files(unpacked):
            return
        remove(unpacked)
    for left_over in cache.glob(".cifar10.*.part"):  # of a run that was killed
        remove(left_over)
    archives = sorted((folder / "cifar10").glob("*.tar.gz"))
    if not archives and (cache / ARCHIVE).exists():
        archives = [cache / ARCHIVE]
    if archives:
        check_archives(archives)


def remove(folder: Path) -> None:
    """Delete a folder of the cache.

    Raises:
        GanmcError: it cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
    except OSError as failed:
        raise user_error(
            folder, f"altered, and cannot be deleted ({failed.strerror})", "delete it by hand"
        ) from None


def altered_files(batches: Path) -> list[str]:
    """The files of CIFAR-10 that are missing in a folder or have another checksum."""
    return [name for name, md5 in MD5S.items() if md5_of(batches / name) != md5]


def md5_of(path: Path) -> str:
    """The checksum of a file; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError:
        return ""


def check_archives(archives: list[Path]) -> None:
    """Check, without writing anything, that archives hold the files of CIFAR-10 and little else.

    Raises:
        GanmcError: one is no archive, holds an altered file or too much; or a file is in none.
    """
    verified_names, n_bytes = set(), 0
    for archive in archives:
        try:
            with tarfile.open(archive) as files:
                for member in files:
                    n_bytes += member.size
                    if n_bytes > MOST_BYTES:
                        raise tarfile.TarError(f"more than {MOST_BYTES:,} bytes, unpacked")
                    name = PurePosixPath(member.name).name
                    if name in MD5S and member.isfile():
                        md5 = hashlib.file_digest(files.extractfile(member), "md5").hexdigest()
                        if md5 != MD5S[name]:
                            raise tarfile.TarError(f"{name} is altered")
                        verified_names.add(member.name)
        except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as failed:
            raise unpacking_failed(archive, failed) from None
    missing = [name for name in MD5S if f"{BATCHES}/{name}" not in verified_names]
    if missing:
        where = archives[0] if len(archives) == 1 else archives[0].parent
        problem = f"no {', '.join(missing)} in what is there"
        raise user_error(where, problem, f"bring all of CIFAR-10, or {ELSEWHERE}")


def unpacking_failed(archive: Path, failed: Exception) -> GanmcError:
    """What was wrong with an archive, or with the disk that it was to be unpacked to."""
    if getattr(failed, "errno", None) in paths.FULL:
        return paths.disk_error(paths.cache_dir(), failed, "")
    return user_error(
        archive,
        f"cannot be unpacked ({failed})",
        f"delete it and bring the original file, or {ELSEWHERE}",
    )


def unpack_cifar10(folder: Path) -> Path:
    """Unpack CIFAR-10 into the user's cache, whole or not at all; returns where.

    The archives are folder/cifar10/*.tar.gz, else the one that its authors offer is fetched.

    Raises:
        GanmcError: an archive cannot be fetched or unpacked.
    """
    cache = paths.cache_dir()
    archives = sorted((folder / "cifar10").glob("*.tar.gz"))
    if not archives:
        archives = [cache / "cifar-10-python.tar.gz"]
        if not archives[0].exists():
            fetch(CIFAR10_URL, archives[0])
    part = cache / f".cifar10.{os.getpid()}.part"
    try:
        for archive in archives:
            with tarfile.open(archive) as files:
                files.extractall(part, filter="data")
        os.replace(part / BATCHES, cache / BATCHES)
    except (OSError, tarfile.TarError, EOFError) as failed:
        raise unpacking_failed(archive, failed) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return cache
