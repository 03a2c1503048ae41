"""The tables of Sec. 4 of the paper: found, checked, read, split and standardized; every mistake is one line.

read() gives a whole Table in the units of its source, split() the standardized parts of one random split.
"""

import gzip
import hashlib
import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.datasets import load_breast_cancer
from tqdm.auto import tqdm

from ganmc_utils.core import paths
from ganmc_utils.core.download import ELSEWHERE, content, fetch
from ganmc_utils.core.errors import user_error

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
MAGIC_URL, HIGGS_URL = f"{UCI}/magic/magic04.data", f"{UCI}/00280/HIGGS.csv.gz"
MAGIC_SHA256 = "e9314b7ebd4b4b59a3b3d65f7316663963777b16a46786877651dbbaa640b36a"
HIGGS_SHA256 = "ce57640afc550c338be4d7a911146be62e4d48fe61cd702fc175cd500ef54d41"  # higgs_46k.npz
EVERGREEN_SHA256 = (
    "f33e9adcf01255ea0f3efa98625f3ab5838b58975d39ad172192de1518f94997"  # evergreen_1464.csv
)
MAGIC_COLUMNS = "fLength fWidth fSize fConc fConc1 fAsym fM3Long fM3Trans fAlpha fDist".split()
HIGGS_COLUMNS = (
    "lepton_pT lepton_eta lepton_phi missing_energy_magnitude missing_energy_phi "
    + " ".join(f"jet_{j}_{part}" for j in range(1, 5) for part in ("pt", "eta", "phi", "btag"))
    + " m_jj m_jjj m_lv m_jlv m_bb m_wbb m_wwbb"
).split()
HIGGS_ROWS = 200_000  # the paper's number, half of each class
HIGGS_SEED = 0  # of the keys that choose them
CHUNK = 200_000  # rows of HIGGS.csv in memory at a time (about 50 MB)


@dataclass(frozen=True, eq=False)
class Table:
    """A whole dataset, not standardized: x float32 (n, d) in the units of its source, y int64 (n,) of 0 and 1."""

    name: str
    x: np.ndarray
    y: np.ndarray
    columns: list
    metric: str  # "auc" or "accuracy", as the paper scores it
    checksum: str  # sha256 of the file, of the bytes of x and y where there is no file
    note: str  # what differs from the paper


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """One split of a Table: x_* float32 (rows, d), standardized; y_* int64 (rows,). x_fresh may have 0 rows."""

    name: str
    metric: str
    n_classes: int = 2
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    x_fresh: np.ndarray
    checksum: str
    note: str


def first_names(names):
    """At most five names, for a line that stays readable."""
    names = list(map(str, names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def parse_csv(found, path, **how):
    """pandas.read_csv of bytes; what it cannot read is a GanmcError."""
    try:
        return pd.read_csv(io.BytesIO(found), low_memory=False, **how)
    except ValueError as failed:  # pandas' own errors and UnicodeDecodeError are ValueErrors
        raise user_error(
            path,
            f"cannot be read as a table ({failed})",
            "save it as comma-separated text in UTF-8",
        ) from None


def check_finite(x, columns, where):
    """Raises GanmcError naming the columns of x (n, d) that hold NaN or infinite values, with their counts."""
    bad = (~np.isfinite(x)).sum(axis=0)
    if bad.any():
        named = first_names(f"{columns[j]} ({bad[j]})" for j in np.flatnonzero(bad))
        raise user_error(
            where, f"NaN or infinite values in {named}", "fill them in or remove those rows"
        )


def checked_table(name, frame, labels, where, metric, checksum, note):
    """The Table of a frame of features and a column of labels, or the GanmcError that says what is wrong with it.
    The smaller label in sorted order becomes 0, the larger 1."""
    if len(frame) == 0 or frame.shape[1] == 0:
        raise user_error(
            where,
            f"{len(frame)} rows and {frame.shape[1]} feature columns",
            "bring a file with at least one of each",
        )
    if words := [c for c in frame if not is_numeric_dtype(frame[c])]:
        raise user_error(
            where,
            f"non-numeric columns: {first_names(words)}",
            "remove them or write them as numbers",
        )
    with np.errstate(
        over="ignore"
    ):  # what float32 cannot hold becomes infinite and is reported as such
        x = frame.to_numpy(np.float32)
    check_finite(x, list(frame), where)
    if len(constant := frame.columns[x.min(axis=0) == x.max(axis=0)]):
        raise user_error(
            where,
            f"constant columns: {first_names(constant)}",
            "remove them, they tell nothing of the class",
        )
    if labels.isna().any():
        raise user_error(
            where,
            f"{labels.isna().sum()} rows have no value in column {labels.name}",
            "label or remove those rows",
        )
    classes = np.unique(labels)
    if len(classes) != 2:
        problem = (
            f"one class only ({classes[0]})"
            if len(classes) == 1
            else f"more than two classes ({len(classes)})"
        )
        raise user_error(
            where, f"{problem} in column {labels.name}", "bring rows of exactly two classes"
        )
    return Table(
        name,
        x,
        (labels == classes[1]).to_numpy(np.int64),
        list(map(str, frame)),
        metric,
        checksum,
        note,
    )


def read_breast_cancer(folder):
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    checksum = hashlib.sha256(x.to_numpy().tobytes() + y.to_numpy().tobytes()).hexdigest()
    return checked_table(
        "breast_cancer",
        x,
        y,
        "breast_cancer",
        "auc",
        checksum,
        "not in the paper: Wisconsin breast cancer as scikit-learn carries it, for a first look without files",
    )


def read_magic(folder):
    path = folder / "magic" / "magic04.data"
    if not path.exists():
        fetch(MAGIC_URL, path, MAGIC_SHA256)
    found, checksum = content(path, MAGIC_SHA256)
    frame = parse_csv(found, path, header=None, names=[*MAGIC_COLUMNS, "class"])
    labels = (frame.pop("class") == "g").rename("class")
    return checked_table(
        "magic",
        frame,
        labels,
        path,
        "auc",
        checksum,
        "UCI MAGIC with all 19,020 rows, 115 of them exact duplicates, g = 1; the paper lost the first row",
    )


def balanced_subset(pieces):
    """A class-balanced subset, uniformly at random, of a stream of (x (n, 28), y (n,)) pieces: every row gets a random
    key and the smallest keys of each class stay, so memory holds one piece and the subset, and the length of the
    pieces does not matter. At most HIGGS_ROWS rows: x (2m, 28), y (2m,), and how many rows were read."""
    rng, total = np.random.default_rng(HIGGS_SEED), 0
    kept = [(np.empty(0), np.empty((0, len(HIGGS_COLUMNS)), np.float32))] * 2
    for x, y in pieces:
        keys, total = rng.random(len(x)), total + len(x)
        for label, (k, rows) in enumerate(kept):
            k, rows = np.concatenate([k, keys[y == label]]), np.concatenate([rows, x[y == label]])
            first = np.argsort(k)[: HIGGS_ROWS // 2]
            kept[label] = k[first], rows[first]
    m = min(len(k) for k, _ in kept)
    order = np.argsort(np.concatenate([k[:m] for k, _ in kept]))  # mixes the classes
    return np.concatenate([rows[:m] for _, rows in kept])[order], np.repeat([0, 1], m)[order], total


def higgs_pieces(path):
    """(x float32 (CHUNK, 28), y (CHUNK,)) pieces of HIGGS.csv or HIGGS.csv.gz (no header, the label first)."""
    cure = "delete it and bring the whole file of the UCI archive"
    try:
        with (
            open(path, "rb") as raw,
            tqdm(
                total=os.path.getsize(path), unit="B", unit_scale=True, desc=path.name
            ) as progress,
        ):
            text = gzip.open(raw) if path.suffix == ".gz" else raw
            for chunk in pd.read_csv(text, header=None, dtype=np.float32, chunksize=CHUNK):
                progress.update(raw.tell() - progress.n)
                values = chunk.to_numpy()
                if values.shape[1] != 1 + len(HIGGS_COLUMNS):
                    raise user_error(path, f"{values.shape[1]} columns where 29 are expected", cure)
                check_finite(
                    values,
                    ["label", *HIGGS_COLUMNS],
                    f"{path} rows {chunk.index[0] + 1} to {chunk.index[-1] + 1}",
                )
                if not np.isin(values[:, 0], (0, 1)).all():
                    raise user_error(path, "labels other than 0 and 1 in the first column", cure)
                yield values[:, 1:], values[:, 0]
    except (OSError, EOFError, zlib.error, ValueError) as failed:
        raise user_error(path, f"empty, truncated or altered ({failed})", cure) from None


def read_higgs(folder):
    # The full file goes first: who brings 2.8 GB wants the paper's 200,000 rows.
    whole = [folder / "higgs" / name for name in ("HIGGS.csv.gz", "HIGGS.csv")]
    path = next((p for p in [*whole, folder / "higgs" / "higgs_46k.npz"] if p.exists()), None)
    if path is None:
        path = whole[0]
        fetch(HIGGS_URL, path)  # no sha256 known: its length and gzip's own check stand in
    if path.suffix == ".npz":
        found, checksum = content(path, HIGGS_SHA256)
        with np.load(io.BytesIO(found), allow_pickle=False) as saved:
            x, y, total = balanced_subset([(saved["X"], saved["y"])])
    else:
        x, y, total = balanced_subset(higgs_pieces(path))
        with open(path, "rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if not len(x):
        raise user_error(
            path, f"one class only in its {total} rows", "bring the file of the UCI archive"
        )
    note = f"UCI HIGGS, {len(x):,} class-balanced rows at random of the {total:,} in {path.name}; the paper draws 200,000 of 11 million"
    return checked_table(
        "higgs",
        pd.DataFrame(x, columns=HIGGS_COLUMNS),
        pd.Series(y, name="label"),
        path,
        "accuracy",
        checksum,
        note,
    )


def read_evergreen(folder):
    path = folder / "evergreen" / "train.tsv"
    if path.exists():  # the user's own download, with no known sha256
        found, checksum = content(path)
    else:
        path = folder / "evergreen" / "evergreen_1464.csv"
        found, checksum = content(
            path,
            EVERGREEN_SHA256,
            "put train.tsv from https://www.kaggle.com/c/stumbleupon/data "
            f"beside it, or {ELSEWHERE}",
        )
    frame = parse_csv(
        found,
        path,
        sep="\t" if path.suffix == ".tsv" else ",",
        na_values="?",
        usecols=lambda c: c not in ("url", "urlid", "boilerplate"),
    )
    # '?' as the 1,464-row file has it rewritten; a missing score is 0, below every real one, and its level '?' tells.
    filled = {
        "alchemy_category": "?",
        "alchemy_category_score": 0,
        "is_news": 0,
        "news_front_page": -1,
    }
    if absent := [c for c in [*filled, "label"] if c not in frame]:
        raise user_error(
            path,
            f"no column {first_names(absent)}",
            "bring the labelled file of the Kaggle competition unchanged",
        )
    frame = frame.fillna(filled)
    labels = frame.pop("label")
    frame = pd.get_dummies(frame, columns=["alchemy_category"])
    constant = [c for c in frame if frame[c].nunique(dropna=False) == 1]
    note = (
        f"stand-in for the paper's Evergreen (29 MLBench features, not published): {len(frame):,} of the 7,395 labelled Kaggle rows, "
        f"page text left out, alchemy_category one-hot, constant columns dropped: {first_names(constant) or 'none'}"
    )
    return checked_table(
        "evergreen", frame.drop(columns=constant), labels, path, "auc", checksum, note
    )


def read_csv(folder, path, target):
    if not path or not target:
        raise user_error(
            "csv",
            f"no {'target' if path else 'path'} given",
            "set path to the file and target to its column of labels",
        )
    path = Path(path).expanduser()
    path = (
        path if path.exists() else folder / path
    )  # a relative path: from here, else from the data directory
    found, checksum = content(path, cure="correct the path")
    frame = parse_csv(found, path)
    if target not in frame:
        raise user_error(path, f"no column {target}", f"set target to one of: {first_names(frame)}")
    labels = frame.pop(target)
    classes = labels.dropna().unique()
    note = f"not in the paper: your own file, label {max(classes)} = 1" if len(classes) else ""
    return checked_table("csv", frame, labels, path, "auc", checksum, note)


READERS = {
    "breast_cancer": read_breast_cancer,
    "magic": read_magic,
    "higgs": read_higgs,
    "evergreen": read_evergreen,
}


def read_table(name, data_dir="", path="", target=""):
    """The Table called name: breast_cancer, magic, higgs, evergreen, or csv with path and target.

    Files are looked for in data_dir, else $GANMC_DATA, else data/; magic and higgs are downloaded from the UCI
    archive when missing. Raises GanmcError (one line: file, problem, cure) for whatever it cannot use."""
    folder = paths.data_dir(data_dir)
    if name == "csv":
        return read_csv(folder, path, target)
    if name not in READERS:
        raise user_error(name, "unknown dataset", f"choose one of {', '.join([*READERS, 'csv'])}")
    return READERS[name](folder)


def split_table(table, n_train, n_validation, n_test, n_fresh=0, seed=0, preparation="clean"):
    """A Dataset of disjoint random parts. They are dealt in the order test, validation, train, fresh, so that one
    seed has one test part whatever n_train is.

    preparation "clean": mean 0 and deviation 1 by the train part. "authors", as their published code does: the first
    row of the table is lost and all other rows, test rows too, set mean and deviation. A deviation of 0 divides by 1.
    Raises GanmcError: unknown preparation, impossible counts, too few rows, a part of one class."""
    if preparation not in ("clean", "authors"):
        raise user_error(
            table.name, f"unknown preparation {preparation}", "choose clean or authors"
        )
    counts = {"test": n_test, "validation": n_validation, "train": n_train, "fresh": n_fresh}
    if min(counts.values()) < 0 or n_train == 0:
        raise user_error(
            table.name,
            f"impossible row counts {counts}",
            "ask for at least one train row and no negative count",
        )
    x, y, note = table.x, table.y, table.note
    lost = int(preparation == "authors")
    order = np.random.default_rng(seed).permutation(len(x))
    order = order[order >= lost]  # the same deal with and without the first row
    if sum(counts.values()) > len(order):
        raise user_error(
            table.name,
            f"{sum(counts.values())} rows asked for ("
            + ", ".join(f"{k} {n}" for k, n in counts.items())
            + f") but there are {len(order)}",
            "ask for fewer",
        )
    ends = np.cumsum(list(counts.values()))
    rows = dict(zip(counts, np.split(order, ends)))  # what is left over falls off the end
    for part in ("test", "validation", "train"):
        if counts[part] and len(np.unique(y[rows[part]])) < 2:
            raise user_error(
                table.name,
                f"the {part} part ({counts[part]} rows, seed {seed}) has one class only",
                "ask for more rows or another seed",
            )
    basis = x[lost:] if lost else x[rows["train"]]
    mean, deviation = basis.mean(axis=0, dtype=np.float64), basis.std(axis=0, dtype=np.float64)
    deviation[basis.min(axis=0) == basis.max(axis=0)] = 1  # exact, where a computed 0 may be 1e-17
    scaled = {
        f"x_{part}": ((x[r] - mean) / deviation).astype(np.float32) for part, r in rows.items()
    }
    labelled = {f"y_{part}": y[rows[part]] for part in ("train", "validation", "test")}
    if lost:
        note += "; prepared as the authors did: first row lost, standardized with all rows before the split"
    return Dataset(
        name=table.name,
        metric=table.metric,
        checksum=table.checksum,
        note=note,
        **scaled,
        **labelled,
    )
