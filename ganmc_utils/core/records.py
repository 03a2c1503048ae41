"""The record of a run: one JSON with tidy rows, what made them, and on what."""

import hashlib
import json
import os
import platform
import subprocess
import time
from importlib.metadata import version
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.paths import ROOT, write_atomically

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
]


class Row(BaseModel):
    """One number: who was scored, on what, how, and the value. source "none": the teacher's own rows."""

    model_config = ConfigDict(extra="forbid", strict=True)
    experiment: str
    dataset: str
    teacher: str
    student: str
    source: SourceId
    setting: dict[str, int | Annotated[float, Field(allow_inf_nan=False)] | str | None]
    seed: int | None
    split: Literal["train", "validation", "test", "none"]
    metric: str
    value: Annotated[float, Field(allow_inf_nan=False)]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    profile: str
    notebook: str
    metrics: Annotated[list[Row], Field(min_length=1)]
    parameters: dict
    seconds: float
    hardware: dict
    versions: dict
    data: dict[str, str]  # dataset: sha256 of what was read
    commit: str


def save(record, out):
    """Write out/records/<notebook>.json whole or not at all; returns its path."""
    path = out / "records" / f"{record.notebook}.json"
    write_atomically(
        path, record.model_dump_json(indent=None).replace('{"experiment"', '\n{"experiment"') + "\n"
    )
    return path


def load(path):
    """Read and check a record; GanmcError (one line) if it is missing, broken or of another schema."""
    try:
        return Record.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise GanmcError(f"{path}: no such record; run its notebook first (make book)") from None
    except ValidationError as failed:
        first = failed.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise GanmcError(
            f"{path}: not a record ({where}: {first['msg'].lower()}); delete it and run its notebook again"
        ) from None


def as_frame(*records):
    """All rows as a DataFrame, one column for each key of the settings."""
    rows = [row.model_dump() for record in records for row in record.metrics]
    return pd.DataFrame(
        [{k: v for k, v in row.items() if k != "setting"} | row["setting"] for row in rows]
    )


def describe_run():
    """(hardware, versions, commit) of this run."""
    gpu = None
    try:
        import torch

        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    except ImportError:
        pass
    lines = open("/proc/cpuinfo").read().splitlines() if os.path.exists("/proc/cpuinfo") else []
    cpu = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    hardware = {"cpu": cpu, "cores": os.cpu_count(), "memory_gb": round(memory), "gpu": gpu}
    names = ("numpy", "scikit-learn", "torch", "imbalanced-learn", "ganmc-utils")
    return (
        hardware,
        {"python": platform.python_version()} | {n: version(n) for n in names},
        commit(),
    )


def commit():
    """The commit the code is at, "+changes" if files differ from it, "unknown" outside git."""

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--", "ganmc_utils", "notebooks") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def digest(key, modules):
    """What names a stored result: its key (anything JSON can hold) and the code of the modules that computed it."""
    code = b""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode() + code).hexdigest()[:16]


def stored(path):
    """What a JSON file holds, None if it is absent or broken."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def cached_rows(path, compute):
    """The rows stored at path by an earlier run, else those of compute(), stored there."""
    try:
        return [Row(**row) for row in stored(path)]
    except (ValueError, TypeError):  # absent or broken: compute it
        rows = compute()
        write_atomically(path, json.dumps([row.model_dump() for row in rows]))
        return rows


def save_run(notebook, p, rows, data, started, out):
    """Save a notebook's record, say in a line what it holds, and return its rows as a DataFrame."""
    hardware, versions, commit = describe_run()
    record = Record(
        profile=p.profile,
        notebook=notebook,
        metrics=rows,
        parameters=p.model_dump(),
        seconds=time.time() - started,
        hardware=hardware,
        versions=versions,
        data=data,
        commit=commit,
    )
    save(record, out)
    print(
        f"profile {p.profile}, {len(rows)} rows, commit {commit}, {hardware['gpu'] or str(hardware['cores']) + ' cores of ' + hardware['cpu']}"
    )
    if p.profile == "quick":
        print(
            "quick settings: the machinery at work on a small dataset that is not the paper's, not evidence"
        )
    return as_frame(record)
