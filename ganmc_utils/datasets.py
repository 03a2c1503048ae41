"""Real tables, checked, and their split into train, validation, test and fresh rows."""
import hashlib
import io
import urllib.request
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from tqdm.auto import tqdm

from .errors import GanmcError
from .paths import data_dir as find_data_dir
from .paths import write_atomically

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/"
SHA256 = {
    "magic/magic04.data": "e9314b7ebd4b4b59a3b3d65f7316663963777b16a46786877651dbbaa640b36a",
    "higgs/higgs_46k.npz": "ce57640afc550c338be4d7a911146be62e4d48fe61cd702fc175cd500ef54d41",
    "evergreen/evergreen_1464.csv": "f33e9adcf01255ea0f3efa98625f3ab5838b58975d39ad172192de1518f94997",
}
HIGGS_ROWS = 200_000  # class-balanced rows the paper draws (Sec. 4)
NAMES = ("breast_cancer", "magic", "higgs", "evergreen", "csv")


@dataclass(frozen=True)
class Table:
    """All rows of a dataset: x float32 (n, d), y int (n,) of 0 and 1."""
    name: str
    x: np.ndarray
    y: np.ndarray
    columns: list
    metric: str    # "auc" or "accuracy", as the paper scores it
    checksum: str  # sha256 of what was read
    note: str      # what differs from the paper


@dataclass(frozen=True)
class Dataset:
    """Standardized parts of a table. The test part is scored, never chosen by."""
    name: str
    metric: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    x_fresh: np.ndarray  # rows neither the teacher nor the student was given; may have no rows
    checksum: str
    note: str
    n_classes: int = 2


def read(name, data_dir="", path="", target=""):
    """Read a table by name; "csv" reads path with labels in column target. GanmcError, one line, on bad input."""
    readers = {"breast_cancer": breast_cancer, "magic": magic, "higgs": higgs, "evergreen": evergreen}
    if name == "csv":
        return checked(csv(path, target), path)
    if name not in readers:
        raise GanmcError(f"dataset {name!r} is unknown; use one of {', '.join(NAMES)}")
    return checked(readers[name](find_data_dir(data_dir)), name)


def breast_cancer(folder):
    data = load_breast_cancer()
    return Table("breast_cancer", data.data, data.target, list(data.feature_names), "auc",
                 sha256(data.data.tobytes()), "not in the paper: the embedded stand-in of the quick profile")


def magic(folder):
    content = fetch(folder, "magic/magic04.data", UCI + "magic/magic04.data")
    names = "length width size conc conc1 asym m3long m3trans alpha dist class".split()
    data = parse(content, "magic/magic04.data", header=None, names=names)
    return Table("magic", data[names[:-1]].to_numpy(), (data["class"] == "g").to_numpy(), names[:-1], "auc",
                 sha256(content), "the paper counts the class as an 11th feature")


def higgs(folder):
    """Class-balanced rows: HIGGS.csv(.gz) in a stream if it is there, else the 46,240-row subset, else a download."""
    full = [folder / "higgs" / name for name in ("HIGGS.csv.gz", "HIGGS.csv")]
    found = next((path for path in full if path.exists()), None)
    if found is None and (folder / "higgs/higgs_46k.npz").exists():
        content = fetch(folder, "higgs/higgs_46k.npz", None)
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            x, y, columns = data["X"], data["y"], [str(c) for c in data["columns"]]
        keep = balanced(y, int(2 * np.bincount(y).min()))
        return Table("higgs", x[keep], y[keep], columns, "accuracy", sha256(content),
                     f"{len(keep):,} class-balanced rows of a 46,240-row subset; the paper draws 200,000 of 11 million")
    if found is None:
        fetch(folder, "higgs/HIGGS.csv.gz", UCI + "00280/HIGGS.csv.gz", into_memory=False)
        found = full[0]
    return stream_higgs(found)


def balanced(y, n, seed=0):
    """Indices of n rows drawn at random, half of each class, in file order."""
    keys = np.random.default_rng(seed).random(len(y))
    return np.sort(np.concatenate([np.flatnonzero(y == c)[np.argsort(keys[y == c])[:n // 2]] for c in (0, 1)]))


def stream_higgs(path, n=HIGGS_ROWS, chunk=200_000):
    """A uniform class-balanced sample of a csv too large for memory: each class keeps its smallest random keys."""
    rng, kept = np.random.default_rng(0), {c: np.empty((0, 30)) for c in (0, 1)}
    with tqdm(unit=" rows", desc=f"reading {path.name}") as bar:
        for rows in pd.read_csv(path, header=None, chunksize=chunk, dtype=np.float32):
            keyed = np.column_stack([rng.random(len(rows)), rows.to_numpy()])
            for c in kept:
                both = np.concatenate([kept[c], keyed[keyed[:, 1] == c]])
                kept[c] = both[np.argsort(both[:, 0])[:n // 2]]
            bar.update(len(rows))
    size = min(len(rows) for rows in kept.values())
    rows = np.concatenate([rows[:size] for rows in kept.values()])
    return Table("higgs", rows[:, 2:], rows[:, 1], [f"f{i}" for i in range(28)], "accuracy",
                 sha256(rows.tobytes()), f"{len(rows):,} class-balanced rows drawn from {path.name}")


def evergreen(folder):
    if (folder / "evergreen/train.tsv").exists():
        content, sep = (folder / "evergreen/train.tsv").read_bytes(), "\t"
        note = "the full Kaggle table, numeric columns and category; the paper's 29 features are not published"
    else:
        content, sep = fetch(folder, "evergreen/evergreen_1464.csv", None), ","
        note = "a stand-in: 1,464 of 7,395 rows, numeric columns and category; the paper's 29 features are not published"
    data = parse(content, "evergreen", sep=sep, na_values="?")
    category = pd.get_dummies(data.pop("alchemy_category").fillna("?"), prefix="category", dtype=float)
    data["is_news"] = data["is_news"].fillna(0)
    data["news_front_page"] = data["news_front_page"].fillna(-1)
    data["alchemy_category_score"] = data["alchemy_category_score"].fillna(0)
    y = data.pop("label")
    data = pd.concat([data.drop(columns=["urlid", "url", "boilerplate"], errors="ignore"), category], axis=1)
    constant = [c for c in data if data[c].nunique() == 1]
    return Table("evergreen", data.drop(columns=constant).to_numpy(float), y.to_numpy(),
                 [c for c in data if c not in constant], "auc", sha256(content),
                 note + (f"; constant columns dropped: {', '.join(constant)}" if constant else ""))


def csv(path, target):
    """Any csv with a header: target holds two classes (sorted, the second is class 1), the rest are numbers."""
    try:
        content = open(path, "rb").read()
    except OSError as failed:
        raise GanmcError(f"{path}: cannot be read ({failed.strerror.lower()}); give the path of a csv file") from None
    data = parse(content, path)
    if target not in data:
        raise GanmcError(f"{path}: no column {target!r}; name one of {', '.join(map(str, data.columns[:8]))}")
    labels, x = data.pop(target), data
    classes = sorted(labels.dropna().unique())
    if len(classes) != 2 or labels.isna().any():
        raise GanmcError(f"{path}: column {target!r} holds {len(classes)} classes and {int(labels.isna().sum())} blanks; two classes and no blank are needed")
    text = [c for c in x if not pd.api.types.is_numeric_dtype(x[c])]
    if text:
        raise GanmcError(f"{path}: column {text[0]!r} is not numeric; encode it as numbers or drop it")
    return Table("csv", x.to_numpy(float), (labels == classes[1]).to_numpy(), list(x.columns), "auc", sha256(content),
                 "your own table")


def parse(content, name, **how):
    try:
        return pd.read_csv(io.BytesIO(content), **how)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as failed:
        raise GanmcError(f"{name}: not a readable table ({str(failed).splitlines()[0]}); bring a whole csv file") from None


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def fetch(folder, name, url, into_memory=True):
    """The bytes of folder/name, downloaded from url if absent, checked by sha256 where it is known."""
    path = folder / name
    if not path.exists():
        if url is None:
            raise GanmcError(f"{path}: no such file and it cannot be downloaded; put it there or point GANMC_DATA at a folder that has it")
        try:
            download(url, path)
        except OSError as failed:
            raise GanmcError(f"{path}: no such file and the download from {url} failed ({failed}); put it there or point GANMC_DATA at a folder that has it") from None
    if not into_memory:
        return None
    content = path.read_bytes()
    if name in SHA256 and sha256(content) != SHA256[name]:
        raise GanmcError(f"{path}: truncated or altered ({len(content):,} bytes, sha256 {sha256(content)[:8]}..., expected {SHA256[name][:8]}...); delete it and fetch it again")
    return content


def download(url, path, timeout=20):
    """Stream url into path with a progress bar; the file appears only when it is whole."""
    parts = []
    with urllib.request.urlopen(url, timeout=timeout) as reply, \
            tqdm(total=int(reply.headers.get("Content-Length") or 0), unit="B", unit_scale=True, desc=path.name) as bar:
        while part := reply.read(1 << 20):
            parts.append(part)
            bar.update(len(part))
    write_atomically(path, b"".join(parts))


def checked(table, where):
    """The table as float32 and int; GanmcError for blanks, constant columns, one class."""
    x, y = np.asarray(table.x, np.float32), np.asarray(table.y).astype(int)
    bad = ~np.isfinite(x)
    if bad.any():
        column = int(bad.any(0).argmax())
        raise GanmcError(f"{where}: column {table.columns[column]!r} has {bad[:, column].sum()} missing or infinite values; fill or drop these rows")
    constant = np.flatnonzero(x.min(0) == x.max(0)) if len(x) else []
    if len(set(y.tolist())) < 2:
        raise GanmcError(f"{where}: all {len(y)} rows are of one class; a classifier needs both")
    if len(constant):
        raise GanmcError(f"{where}: column {table.columns[constant[0]]!r} is constant; drop it")
    return Table(table.name, x, y, list(table.columns), table.metric, table.checksum, table.note)


def split(table, n_train, n_validation, n_test, n_fresh=0, seed=0, preparation="clean"):
    """Random disjoint parts, in the order test, validation, train, fresh, standardized.

    "clean": mean and deviation of the train part. "authors": the table's first row is lost (their code
    read it as a header) and mean and deviation are of all rows, before the split.
    """
    if preparation not in ("clean", "authors"):
        raise GanmcError(f"{table.name}: preparation {preparation!r} is unknown; use clean or authors")
    lost = int(preparation == "authors")
    x, y = table.x[lost:], table.y[lost:]
    asked = n_test + n_validation + n_train + n_fresh
    if asked > len(x):
        raise GanmcError(f"{table.name}: {asked:,} rows asked for but only {len(x):,} are there; lower n_train, n_validation, n_test or n_fresh")
    order = np.random.default_rng(seed).permutation(len(x))
    test, validation, train, fresh, _ = np.split(order, np.cumsum([n_test, n_validation, n_train, n_fresh]))
    base = x if lost else x[train]
    mean, deviation = base.mean(0, dtype=np.float64), base.std(0, dtype=np.float64)
    z = ((x - mean) / np.where(deviation == 0, 1, deviation)).astype(np.float32)
    if any(len(set(y[part].tolist())) < 2 for part in (train, validation, test)):
        raise GanmcError(f"{table.name}: a part of the split with seed {seed} has one class only; ask for larger parts")
    return Dataset(table.name, table.metric, z[train], y[train], z[validation], y[validation], z[test], y[test],
                   z[fresh], table.checksum, table.note)
