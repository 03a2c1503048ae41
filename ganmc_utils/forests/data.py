"""The tables of Sec. 4 of the paper: fetched, checked, read, split and standardized.

read_table gives a whole Table in the units of its source, split_table the standardized parts of one
random split. Every mistake is one line.
"""

import csv
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.datasets import load_breast_cancer

from ganmc_utils.core import paths
from ganmc_utils.core.arguments import check_whole_numbers, checked_first
from ganmc_utils.core.download import ELSEWHERE, content, fetch
from ganmc_utils.core.errors import user_error
from ganmc_utils.core.progress import tqdm
from ganmc_utils.core.registry import Registry

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

MAGIC_URL = f"{UCI}/magic/magic04.data"
MAGIC_FILE = Path("magic", "magic04.data")
MAGIC_SHA256 = "e9314b7ebd4b4b59a3b3d65f7316663963777b16a46786877651dbbaa640b36a"
MAGIC_COLUMNS = [
    "fLength",
    "fWidth",
    "fSize",
    "fConc",
    "fConc1",
    "fAsym",
    "fM3Long",
    "fM3Trans",
    "fAlpha",
    "fDist",
]

HIGGS_URL = f"{UCI}/00280/HIGGS.csv.gz"
HIGGS_WHOLE_FILES = (Path("higgs", "HIGGS.csv.gz"), Path("higgs", "HIGGS.csv"))
HIGGS_SMALL_FILE = Path("higgs", "higgs_46k.npz")
HIGGS_SMALL_SHA256 = "ce57640afc550c338be4d7a911146be62e4d48fe61cd702fc175cd500ef54d41"
HIGGS_JET_COLUMNS = [
    f"jet_{jet}_{quantity}" for jet in range(1, 5) for quantity in ("pt", "eta", "phi", "btag")
]
HIGGS_COLUMNS = [
    "lepton_pT",
    "lepton_eta",
    "lepton_phi",
    "missing_energy_magnitude",
    "missing_energy_phi",
    *HIGGS_JET_COLUMNS,
    "m_jj",
    "m_jjj",
    "m_lv",
    "m_jlv",
    "m_bb",
    "m_wbb",
    "m_wwbb",
]
HIGGS_ROWS = 200_000  # the paper's number, half of each class
HIGGS_SEED = 0  # of the keys that choose them
CHUNK = 200_000  # rows of HIGGS.csv in memory at a time (about 50 MB)

EVERGREEN_KAGGLE_FILE = Path("evergreen", "train.tsv")
EVERGREEN_FILE = Path("evergreen", "evergreen_1464.csv")
EVERGREEN_SHA256 = "f33e9adcf01255ea0f3efa98625f3ab5838b58975d39ad172192de1518f94997"
EVERGREEN_TEXT_COLUMNS = ("url", "urlid", "boilerplate")


@dataclass(frozen=True, eq=False)
class Table:
    """A whole dataset, not standardized.

    x: float32 (n, d) in the units of its source.
    y: int64 (n,) of 0 and 1.
    columns: d names.
    metric: "auc" or "accuracy", as the paper scores it.
    checksum: sha256 of the file; where there is no file, of the bytes of x and y.
    note: what differs from the paper's data.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    columns: list[str]
    metric: str
    checksum: str
    note: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """One split of a Table.

    x_*: float32 (rows, d), standardized; x_fresh may have 0 rows.
    y_*: int64 (rows,).
    """

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


def first_names(names: Iterable) -> str:
    """At most five names, for a line that stays readable."""
    names = [str(name) for name in names]
    line = ", ".join(names[:5])
    if len(names) > 5:
        line += f" and {len(names) - 5} more"
    return line


def parse_csv(text: bytes, path: Path, **options) -> pd.DataFrame:
    """pandas.read_csv of the bytes of a file.

    Raises:
        GanmcError: pandas cannot read them.
    """
    try:
        return pd.read_csv(io.BytesIO(text), low_memory=False, **options)
    except ValueError as failed:  # pandas' own errors and UnicodeDecodeError are ValueErrors
        raise user_error(
            path,
            f"cannot be read as a table ({failed})",
            "save it as comma-separated text in UTF-8",
        ) from None


def check_finite(x: np.ndarray, columns: Sequence[str], where: object) -> None:
    """Raises GanmcError naming the columns of x (n, d) that hold NaN or infinite values."""
    n_bad = (~np.isfinite(x)).sum(axis=0)
    if n_bad.any():
        counted = first_names(f"{columns[j]} ({n_bad[j]})" for j in np.flatnonzero(n_bad))
        raise user_error(
            where, f"NaN or infinite values in {counted}", "fill them in or remove those rows"
        )


def checked_features(frame: pd.DataFrame, where: object) -> np.ndarray:
    """The features of a frame as float32 (n, d).

    Raises:
        GanmcError: no rows, no columns, words, NaN or infinite values, constant columns.
    """
    if len(frame) == 0 or frame.shape[1] == 0:
        raise user_error(
            where,
            f"{len(frame)} rows and {frame.shape[1]} feature columns",
            "bring a file with at least one of each",
        )
    words = [column for column in frame if not is_numeric_dtype(frame[column])]
    if words:
        raise user_error(
            where,
            f"non-numeric columns: {first_names(words)}",
            "remove them or write them as numbers",
        )
    # What float32 cannot hold becomes infinite and is reported as such.
    with np.errstate(over="ignore"):
        x = frame.to_numpy(np.float32)
    check_finite(x, list(frame), where)
    constant = frame.columns[x.min(axis=0) == x.max(axis=0)]
    if len(constant):
        raise user_error(
            where,
            f"constant columns: {first_names(constant)}",
            "remove them, they tell nothing of the class",
        )
    return x


def checked_classes(labels: pd.Series, where: object) -> np.ndarray:
    """Labels as int64 (n,): the smaller one in sorted order becomes 0, the larger 1.

    Raises:
        GanmcError: missing labels, or not exactly two different ones.
    """
    if labels.isna().any():
        raise user_error(
            where,
            f"{labels.isna().sum()} rows have no value in column {labels.name}",
            "label or remove those rows",
        )
    classes = np.unique(labels)
    if len(classes) == 2:
        return (labels == classes[1]).to_numpy(np.int64)
    if len(classes) == 1:
        problem = f"one class only ({classes[0]})"
    else:
        problem = f"more than two classes ({len(classes)})"
    raise user_error(
        where, f"{problem} in column {labels.name}", "bring rows of exactly two classes"
    )


def checked_table(
    name: str,
    frame: pd.DataFrame,
    labels: pd.Series,
    where: object,
    metric: str,
    checksum: str,
    note: str,
) -> Table:
    """The Table of a frame of features and a column of labels.

    Raises:
        GanmcError: see checked_features and checked_classes; `where` begins the line.
    """
    x = checked_features(frame, where)
    y = checked_classes(labels, where)
    columns = [str(column) for column in frame]
    return Table(name, x, y, columns, metric, checksum, note)


def read_breast_cancer(folder: Path) -> Table:
    """Wisconsin breast cancer as scikit-learn carries it; no file is read."""
    frame, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    return checked_table(
        "breast_cancer",
        frame,
        labels,
        "breast_cancer",
        "auc",
        breast_cancer_checksum(),
        "not in the paper: Wisconsin breast cancer as scikit-learn carries it, "
        "for a first look without files",
    )


def breast_cancer_checksum() -> str:
    """Sha256 of the bytes of all features, then of all labels."""
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return hashlib.sha256(x.to_numpy().tobytes() + y.to_numpy().tobytes()).hexdigest()


def read_magic(folder: Path) -> Table:
    """UCI MAGIC (19,020 rows, 10 features), fetched where it is missing; class 1 is gamma."""
    path = folder / MAGIC_FILE
    if not path.exists():
        fetch(MAGIC_URL, path, MAGIC_SHA256)
    text, checksum = content(path, MAGIC_SHA256)
    frame = parse_csv(text, path, header=None, names=[*MAGIC_COLUMNS, "class"])
    labels = (frame.pop("class") == "g").rename("class")
    return checked_table(
        "magic",
        frame,
        labels,
        path,
        "auc",
        checksum,
        "UCI MAGIC with all 19,020 rows, 115 of them exact duplicates, g = 1; "
        "the paper lost the first row",
    )


def higgs_file(folder: Path) -> Path | None:
    """The HIGGS file that is read: the whole one where there is one, else the small one, else none.

    Who brings 2.8 GB wants the paper's 200,000 rows.
    """
    files = [folder / name for name in (*HIGGS_WHOLE_FILES, HIGGS_SMALL_FILE)]
    return next((path for path in files if path.exists()), None)


def read_higgs(folder: Path) -> Table:
    """UCI HIGGS (28 features): a class-balanced random subset, fetched where no file is there."""
    path = higgs_file(folder)
    if path is None:
        path = folder / HIGGS_WHOLE_FILES[0]
        fetch(HIGGS_URL, path)  # no sha256 known: its length and gzip's own check stand in
    if path.suffix == ".npz":
        saved_bytes, checksum = content(path, HIGGS_SMALL_SHA256)
        with np.load(io.BytesIO(saved_bytes), allow_pickle=False) as saved:
            x, y, n_read = balanced_subset([(saved["X"], saved["y"])])
    else:
        x, y, n_read = balanced_subset(higgs_pieces(path))
        checksum = file_sha256(path)
    if not len(x):
        raise user_error(
            path, f"one class only in its {n_read} rows", "bring the file of the UCI archive"
        )
    return checked_table(
        "higgs",
        pd.DataFrame(x, columns=HIGGS_COLUMNS),
        pd.Series(y, name="label"),
        path,
        "accuracy",
        checksum,
        f"UCI HIGGS, {len(x):,} class-balanced rows at random of the {n_read:,} in {path.name}; "
        "the paper draws 200,000 of 11 million",
    )


def balanced_subset(
    pieces: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, int]:
    """A class-balanced subset, uniformly at random, of a stream of rows.

    Every row gets a random key and the smallest keys of each class stay, so memory holds one piece
    and the subset, and the length of the pieces does not matter.

    Args:
        pieces: (x (n, 28), y (n,) of 0 and 1), of any lengths n.

    Returns:
        x: float32 (2m, 28) with 2m at most HIGGS_ROWS; classes mixed.
        y: int (2m,).
        How many rows were read.
    """
    rng = np.random.default_rng(HIGGS_SEED)
    n_read = 0
    kept_keys = [np.empty(0), np.empty(0)]  # of class 0, of class 1; in increasing order
    kept_rows = [np.empty((0, len(HIGGS_COLUMNS)), np.float32) for _ in range(2)]
    for x, y in pieces:
        keys = rng.random(len(x))
        n_read += len(x)
        for label in (0, 1):
            all_keys = np.concatenate([kept_keys[label], keys[y == label]])
            all_rows = np.concatenate([kept_rows[label], x[y == label]])
            smallest = np.argsort(all_keys)[: HIGGS_ROWS // 2]
            kept_keys[label] = all_keys[smallest]
            kept_rows[label] = all_rows[smallest]

    m = min(len(keys) for keys in kept_keys)
    order = np.argsort(np.concatenate([keys[:m] for keys in kept_keys]))  # mixes the classes
    x = np.concatenate([rows[:m] for rows in kept_rows])[order]
    y = np.repeat([0, 1], m)[order]
    return x, y, n_read


def higgs_pieces(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces of HIGGS.csv or HIGGS.csv.gz (no header, the label first), with a progress bar.

    Yields:
        x float32 (CHUNK, 28), y (CHUNK,); the last piece may be shorter.

    Raises:
        GanmcError: the file is empty, truncated or altered.
    """
    cure = "delete it and bring the whole file of the UCI archive"
    try:
        with (
            open(path, "rb") as raw,
            tqdm(
                total=os.path.getsize(path), unit="B", unit_scale=True, desc=path.name
            ) as progress,
        ):
            text = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            for chunk in pd.read_csv(text, header=None, dtype=np.float32, chunksize=CHUNK):
                progress.update(raw.tell() - progress.n)
                values = chunk.to_numpy()
                if values.shape[1] != 1 + len(HIGGS_COLUMNS):
                    raise user_error(path, f"{values.shape[1]} columns where 29 are expected", cure)
                where = f"{path} rows {chunk.index[0] + 1} to {chunk.index[-1] + 1}"
                check_finite(values, ["label", *HIGGS_COLUMNS], where)
                if not np.isin(values[:, 0], (0, 1)).all():
                    raise user_error(path, "labels other than 0 and 1 in the first column", cure)
                yield values[:, 1:], values[:, 0]
    except (OSError, EOFError, zlib.error, ValueError) as failed:
        raise user_error(path, f"empty, truncated or altered ({failed})", cure) from None


def read_evergreen(folder: Path) -> Table:
    """Kaggle's StumbleUpon pages without their text: a stand-in for the paper's Evergreen."""
    path = folder / EVERGREEN_KAGGLE_FILE
    if path.exists():  # the user's own download, with no known sha256
        text, checksum = content(path)
    else:
        path = folder / EVERGREEN_FILE
        cure = (
            "put train.tsv from https://www.kaggle.com/c/stumbleupon/data "
            f"beside it, or {ELSEWHERE}"
        )
        text, checksum = content(path, EVERGREEN_SHA256, cure)
    frame = parse_csv(
        text,
        path,
        sep="\t" if path.suffix == ".tsv" else ",",
        na_values="?",
        usecols=lambda column: column not in EVERGREEN_TEXT_COLUMNS,
    )
    # '?' as the 1,464-row file has it rewritten. A missing score becomes 0, below every real one;
    # that it is missing shows in the category, which is '?' then.
    value_where_missing = {
        "alchemy_category": "?",
        "alchemy_category_score": 0,
        "is_news": 0,
        "news_front_page": -1,
    }
    absent = [column for column in [*value_where_missing, "label"] if column not in frame]
    if absent:
        raise user_error(
            path,
            f"no column {first_names(absent)}",
            "bring the labelled file of the Kaggle competition unchanged",
        )
    frame = frame.fillna(value_where_missing)
    labels = frame.pop("label")
    frame = pd.get_dummies(frame, columns=["alchemy_category"])
    constant = [column for column in frame if frame[column].nunique(dropna=False) == 1]
    return checked_table(
        "evergreen",
        frame.drop(columns=constant),
        labels,
        path,
        "auc",
        checksum,
        "stand-in for the paper's Evergreen (29 MLBench features, not published): "
        f"{len(frame):,} of the 7,395 labelled Kaggle rows, page text left out, "
        "alchemy_category one-hot, "
        f"constant columns dropped: {first_names(constant) or 'none'}",
    )


def csv_file(folder: Path, path: str | Path) -> Path:
    """The user's file: a relative path starts here, else at the data directory.

    Raises:
        GanmcError: path is empty.
    """
    if not path:
        raise user_error(
            "csv", "no path given", "set path to the file and target to its column of labels"
        )
    path = Path(path).expanduser()
    return path if os.path.exists(path) else folder / path


def check_csv_header(text: bytes, path: Path) -> None:
    """Check what pandas would mend in silence.

    Raises:
        GanmcError: a name is there twice or is empty, or a row has more fields than the header.
    """
    if b"\0" in text:
        raise user_error(path, "cannot be read as a table (NUL bytes)", "save it as text in UTF-8")
    rows = csv.reader(io.StringIO(text.decode("utf-8-sig", errors="replace"), newline=""))
    try:
        header = [name.strip() for name in next(rows, [])]
        repeated = [name for i, name in enumerate(header) if name in header[:i]]
        if repeated:
            problem = f"two columns are named {repeated[0]!r}"
            raise user_error(path, problem, "name each column once")
        if "" in header:
            problem = f"column {header.index('') + 1} has no name"
            raise user_error(path, problem, "name it, or leave it out if it counts the rows")
        check_row_lengths(rows, len(header), path)
    except csv.Error as failed:
        cure = "save it as comma-separated text in UTF-8"
        raise user_error(path, f"cannot be read as a table ({failed})", cure) from None


def check_row_lengths(rows, n_columns: int, path: Path) -> None:
    """Check that no row has more fields than the header: pandas would shift or cut them.

    rows: a csv.reader that has read the header.

    Raises:
        GanmcError: a row does.
    """
    for row in rows:
        if len(row) > n_columns:
            problem = f"line {rows.line_num} has {len(row)} fields, the header {n_columns}"
            raise user_error(path, problem, "name every column, and quote fields that hold commas")


def check_float32(frame: pd.DataFrame, path: Path) -> None:
    """Features are kept in float32, which has 24 bits: long numbers may become equal in it.

    Raises:
        GanmcError: a column of several numbers would be constant.
    """
    for name in frame.select_dtypes("number"):
        values = frame[name].dropna()
        if values.nunique() > 1 and values.astype(np.float32).nunique() == 1:
            raise user_error(
                path,
                f"the numbers of column {name} differ too little for float32",
                "subtract their smallest, or leave the column out",
            )


def read_csv(folder: Path, path: str | Path, target: str) -> Table:
    """A file of the user's own, with column names in its first line; target is the label's."""
    path = csv_file(folder, path)
    if not target or not isinstance(target, str):
        raise user_error(
            "csv", "no target given", "set path to the file and target to its column of labels"
        )
    text, checksum = content(path, cure="correct the path")
    check_csv_header(text, path)
    frame = parse_csv(text, path, index_col=False)
    check_float32(frame.drop(columns=target, errors="ignore"), path)
    if target not in frame:
        raise user_error(path, f"no column {target}", f"set target to one of: {first_names(frame)}")
    labels = frame.pop(target)
    classes = labels.dropna().unique()
    note = f"not in the paper: your own file, label {max(classes)} = 1" if len(classes) else ""
    return checked_table("csv", frame, labels, path, "auc", checksum, note)


READERS = Registry(
    breast_cancer=read_breast_cancer,
    magic=read_magic,
    higgs=read_higgs,
    evergreen=read_evergreen,
    csv=read_csv,
)


def read_table(
    name: str, data_dir: str | Path = "", path: str | Path = "", target: str = ""
) -> Table:
    """The Table called name.

    magic and higgs are downloaded from the UCI archive where they are missing.

    Args:
        name: breast_cancer, magic, higgs, evergreen, or csv.
        data_dir: folder of the files; empty: $GANMC_DATA, else data/ in the project.
        path: of csv: the file.
        target: of csv: its column of labels.

    Raises:
        GanmcError: one line (file, problem, cure) for whatever cannot be used.
    """
    reader = READERS.entry(name, "dataset")
    folder = paths.data_dir(data_dir)
    if name == "csv":
        return reader(folder, path, target)
    return reader(folder)


def table_checksum(table: str, data_dir: str | Path = "", path: str | Path = "") -> str:
    """The checksum of the table that read_table gives, read only where it is not known.

    Of a dataset with a known file it is that file's, be it there or not, so that stored results
    are found on a machine without data. A file of the user's own that goes first is hashed.

    Args:
        table: as `name` of read_table.
        data_dir: as of read_table.
        path: as of read_table.

    Raises:
        GanmcError: unknown dataset, or a file of the user's own that cannot be read.
    """
    READERS.entry(table, "dataset")  # or the error that lists them
    folder = paths.data_dir(data_dir)
    if table == "breast_cancer":
        return breast_cancer_checksum()
    if table == "magic":
        return MAGIC_SHA256
    if table == "higgs":
        file = higgs_file(folder)
        if file is None or file.suffix == ".npz":
            return HIGGS_SMALL_SHA256
        return file_sha256(file)
    if table == "evergreen":
        file = folder / EVERGREEN_KAGGLE_FILE
        return file_sha256(file) if file.exists() else EVERGREEN_SHA256
    if table == "csv":
        return content(csv_file(folder, path), cure="correct the path")[1]
    return read_table(table, data_dir).checksum


def file_sha256(path: Path) -> str:
    """Sha256 of a file of any size.

    Raises:
        GanmcError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as failed:
        raise user_error(path, f"cannot be read ({failed.strerror})", "bring the file") from None


def split_table(
    table: Table,
    n_train: int,
    n_validation: int,
    n_test: int,
    n_fresh: int = 0,
    seed: int = 0,
    preparation: str = "clean",
) -> Dataset:
    """A Dataset of disjoint random parts.

    They are dealt in the order test, validation, train, fresh, so that one seed has one test part
    whatever n_train is. Features become (x - mean) / deviation, where a deviation of 0 counts as 1.

    Args:
        table: the whole table.
        n_train: rows of the train part.
        n_validation: rows that choices are made on.
        n_test: rows that results are reported on.
        n_fresh: real rows for the source `fresh`.
        seed: of the deal.
        preparation: "clean": mean and deviation are those of the train part. "authors", as their
            published code does: the first row of the table is lost, and all other rows, test rows
            too, set mean and deviation.

    Raises:
        GanmcError: unknown preparation, impossible counts, too few rows, a part of one class.
    """
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
    x, y = table.x, table.y
    n_lost = 1 if preparation == "authors" else 0
    order = np.random.default_rng(seed).permutation(len(x))
    order = order[order >= n_lost]  # the same deal with and without the first row
    n_asked = sum(counts.values())
    if n_asked > len(order):
        each = ", ".join(f"{part} {n}" for part, n in counts.items())
        raise user_error(
            table.name,
            f"{n_asked} rows asked for ({each}) but there are {len(order)}",
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

    basis = x[n_lost:] if n_lost else x[rows["train"]]
    mean = basis.mean(axis=0, dtype=np.float64)
    deviation = basis.std(axis=0, dtype=np.float64)
    # Exact, where a computed deviation of 0 may be 1e-17.
    deviation[basis.min(axis=0) == basis.max(axis=0)] = 1
    parts = {}
    for part, rows_of_part in rows.items():
        standardized = (x[rows_of_part] - mean) / deviation
        parts[f"x_{part}"] = standardized.astype(np.float32)
    for part in ("train", "validation", "test"):
        parts[f"y_{part}"] = y[rows[part]]

    note = table.note
    if n_lost:
        note += (
            "; prepared as the authors did: first row lost, "
            "standardized with all rows before the split"
        )
    return Dataset(
        name=table.name, metric=table.metric, checksum=table.checksum, note=note, **parts
    )


def check_arguments(given: dict) -> None:
    """Raises GanmcError for arguments of split_table that no table could have."""
    table = given["table"]
    if not isinstance(table, Table):
        problem = f"a {type(table).__name__} in the place of a table"
        raise user_error("split_table", problem, "bring what read_table gives")
    counts = {"n_train": 0, "n_validation": 0, "n_test": 0, "n_fresh": 0, "seed": 0}
    check_whole_numbers(table.name, given, **counts)


split_table = checked_first(check_arguments)(split_table)
