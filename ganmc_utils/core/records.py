"""The record of a run: one JSON file with tidy rows, what made them, and on what."""

import os
import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.paths import ROOT, write_atomically
from ganmc_utils.core.registry import is_own
from ganmc_utils.core.store import cpu_name, gpu_name

SourceId = Literal[
    "none",
    "student_only",
    "train",
    "gan",
    "train+gan",
    "jitter",
    "smote",
    "munge",
    "munge_authors",
    "mixup",
    "flips",
    "fresh",
    "train_oob",
    "noise",
    "shuffled",
    "independent",
    "gaussian_mixture",
    "own",
]
OwnSourceId = Annotated[str, Field(pattern=r"\.py:\w+$")]  # of the user's own file
Finite = Annotated[float, Field(allow_inf_nan=False)]
VERSIONS_OF = ("numpy", "scikit-learn", "torch", "imbalanced-learn")
OLD_VERDICTS = {"not seen": "inconclusive"}  # the words of records before version 0.2


class Row(BaseModel):
    """One number: who was scored, on what, how, and the value.

    A row of the teacher itself has the source "none".
    """

    model_config = ConfigDict(extra="forbid", strict=True)
    experiment: str
    dataset: str
    teacher: str
    student: str
    source: SourceId | OwnSourceId
    setting: dict[str, int | Finite | str | None]
    seed: int | None
    split: Literal["train", "validation", "test", "none"]
    metric: str
    value: Finite

    @field_validator("setting")
    @classmethod
    def read_old_verdicts(cls, setting: dict) -> dict:
        """Old words for a verdict are read as the new ones."""
        if setting.get("verdict") in OLD_VERDICTS:
            setting["verdict"] = OLD_VERDICTS[setting["verdict"]]
        return setting


class Record(BaseModel):
    """What a notebook's run leaves behind."""

    model_config = ConfigDict(extra="forbid", strict=True)
    profile: str
    notebook: str
    metrics: Annotated[list[Row], Field(min_length=1)]
    parameters: dict
    seconds: float  # that its results took, whenever and wherever they were computed
    hardware: dict
    versions: dict
    data: dict[str, str]  # dataset: sha256 of what was read
    commit: str
    # since version 0.2
    seconds_of_this_run: float | None = None  # little where the results were in the store
    results: dict[str, float] = {}  # file of the store: the seconds that it took
    machines: list[str] = []  # on which the results were computed
    date: str = ""  # of the run, such as "2026-11-22"


def save(record: Record, out: Path) -> Path:
    """Write out/records/<notebook>.json whole or not at all; returns its path."""
    path = out / "records" / f"{record.notebook}.json"
    one_row_a_line = record.model_dump_json().replace('{"experiment"', '\n{"experiment"')
    write_atomically(path, one_row_a_line + "\n")
    return path


def load(path: Path) -> Record:
    """Read and check a record.

    Raises:
        GanmcError: it is missing, broken or of another schema.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise GanmcError(f"{path}: no such record; run its notebook first (make book)") from None
    except OSError as failed:
        problem = f"cannot be read ({failed.strerror})"
        raise user_error(path, problem, "delete it and run its notebook again") from None
    except ValidationError as failed:
        first = failed.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        problem = f"{where}: {first['msg'].lower()}"
        cure = "delete it and run its notebook again"
        raise user_error(path, f"not a record ({problem})", cure) from None


def load_all(folder: Path) -> list[Record]:
    """The records in a folder, in the order of their notebooks; none where there is no folder."""
    return [load(file) for file in sorted(folder.glob("*.json"))]


def as_frame(*records: Record) -> pd.DataFrame:
    """All rows of some records, one column for each key of their settings.

    Column n_test, where a record is of images: see `shared_test_images`.
    """
    frame = frame_of_rows(row for record in records for row in record.metrics)
    counts = np.array([shared_test_images(record) for record in records], float)  # nan for None
    if not np.isnan(counts).all():
        frame["n_test"] = np.repeat(counts, [len(record.metrics) for record in records])
    return frame


def shared_test_images(record: Record) -> int | None:
    """How many test images the rows of a record have in common; None for tables.

    Seeds of one replicate share its test part. Several replicates draw their validation and test
    parts from one pool: what their differences do not show is the choice of that pool. The tables
    of chapter 06 have another split for each seed.
    """
    data = record.parameters.get("data")
    if not data:
        return None
    pool = data["n_validation"] + data["n_test"]
    return pool if has_several_sets(record) else data["n_test"]


def has_several_sets(record: Record) -> bool:
    """Whether the seeds of a record are replicates: each its split, teacher, GAN and students."""
    return len(record.parameters.get("sets", [])) > 1


def frame_of_rows(rows) -> pd.DataFrame:
    """A DataFrame of Rows, one column for each key of their settings.

    The source of the user's own file, of which a record has one at most, is "own".
    """
    return pd.DataFrame([_one_line(row.model_dump()) for row in rows])


def _one_line(dump: dict) -> dict:
    fields = {key: value for key, value in dump.items() if key != "setting"}
    source = "own" if is_own(fields["source"]) else fields["source"]
    return fields | {"source": source} | dump["setting"]


def hardware() -> dict:
    """Processor, cores, memory and GPU of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "gpu": gpu_name(),
    }


def versions() -> dict:
    """Versions of Python, of the libraries that decide results, and of this package."""
    libraries = {name: version(name) for name in VERSIONS_OF}
    return {"python": platform.python_version()} | libraries | {"ganmc-utils": own_version()}


def own_version() -> str:
    """The version of this package, also where it runs from its folder without being installed."""
    try:
        return version("ganmc-utils")
    except PackageNotFoundError:
        return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def commit() -> str:
    """The commit the code is at, "+changes" if files differ from it, "unknown" outside git."""
    try:
        changes = _git("status", "--porcelain", "--", "ganmc_utils", "notebooks")
        return _git("rev-parse", "--short", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
