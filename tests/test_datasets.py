"""Tables: real files, every mistake as one line, disjoint splits, HIGGS as a stream; no network."""

import errno
import gzip
import hashlib
import io
import os
from email.message import Message
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest

from ganmc_utils.core import download, paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import data as table_data
from ganmc_utils.forests.data import Table, read_table, split_table, table_checksum

DATA = Path(os.environ.get("GANMC_DATA") or paths.ROOT.parent / "shared" / "data")
real = pytest.mark.skipif(
    not (DATA / "magic" / "magic04.data").exists(),
    reason="no real data: set GANMC_DATA to its folder",
)
GOOD = "a,b,label\n1,2,no\n3,5,yes\n4,1,no\n"
KAGGLE_COLUMNS = [
    "url",
    "urlid",
    "boilerplate",
    "alchemy_category",
    "alchemy_category_score",
    "is_news",
    "news_front_page",
    "framebased",
    "label",
]
KAGGLE = (
    "\t".join(KAGGLE_COLUMNS)
    + """
"a"\t1\t"{""t"":""x\ty""}"\t"?"\t"?"\t"?"\t"?"\t0\t1
"b"\t2\t"z"\t"sports"\t"0.5"\t"1"\t"0"\t0\t0
"""
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(url, timeout):
        raise URLError("no network\nin tests")

    monkeypatch.setattr(download, "urlopen", refuse)


def fails(call, *words):
    with pytest.raises(GanmcError) as failed:
        call()
    line = str(failed.value)
    assert "\n" not in line and "; " in line
    for word in words:
        assert str(word) in line, line


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(n=400):
    """Row i holds i in column a: parts can be told apart once standardization is undone."""
    rng = np.random.default_rng(0)
    x = np.stack([np.arange(n), rng.normal(5, 3, n)], 1).astype(np.float32)
    return Table("toy", x, rng.permutation(np.arange(n) % 2), ["a", "b"], "auc", "c0ffee", "toy")


# real files

GOES_FIRST = {"higgs": ["HIGGS.csv.gz", "HIGGS.csv"], "evergreen": ["train.tsv"]}


def small_file_is_read(name):
    """Whether a dataset is there without a file of the user's own that goes first."""
    goes_first = [DATA / name / file for file in GOES_FIRST.get(name, [])]
    return (DATA / name).exists() and not any(path.exists() for path in goes_first)


@real
@pytest.mark.parametrize(
    "name, shape, ones, metric",
    [
        ("magic", (19020, 10), 12332, "auc"),
        ("evergreen", (1464, 34), 740, "auc"),
        ("higgs", (2 * 21783, 28), 21783, "accuracy"),
    ],
)
def test_real_files(name, shape, ones, metric):
    if not small_file_is_read(name):
        pytest.skip(f"{name}: the small file is not the one that is read here")
    whole = read_table(name, DATA)
    assert whole.x.shape == shape and whole.x.dtype == np.float32
    assert len(whole.columns) == shape[1]
    assert whole.y.dtype == np.int64 and whole.y.sum() == ones and len(whole.y) == shape[0]
    assert whole.metric == metric and whole.note
    assert len(whole.checksum) == 64 and whole.checksum == table_checksum(name, DATA)


@pytest.mark.skipif(
    not small_file_is_read("higgs"),
    reason="higgs_46k.npz is not the file that is read",
)
def test_every_row_of_higgs_keeps_its_label():
    higgs_table = read_table("higgs", DATA)
    saved = np.load(DATA / "higgs" / "higgs_46k.npz", allow_pickle=False)
    assert higgs_table.columns == saved["columns"].tolist()
    np.testing.assert_array_equal(higgs_table.x, read_table("higgs", DATA).x)
    label_of_row = {row.tobytes(): y for row, y in zip(saved["X"], saved["y"])}
    rows = [row.tobytes() for row in higgs_table.x]
    assert len(set(rows)) == len(rows)
    assert [label_of_row[row] for row in rows] == higgs_table.y.tolist()


@pytest.mark.skipif(
    not small_file_is_read("evergreen"),
    reason="evergreen_1464.csv is not the file that is read",
)
def test_evergreen_is_a_stand_in_with_its_category_one_hot():
    evergreen = read_table("evergreen", DATA)
    assert "framebased" not in evergreen.columns and "framebased" in evergreen.note
    assert "stand-in" in evergreen.note
    levels = [
        j
        for j, column in enumerate(evergreen.columns)
        if column.startswith("alchemy_category_") and column != "alchemy_category_score"
    ]
    assert len(levels) == 13 and (evergreen.x[:, levels].sum(1) == 1).all()
    assert evergreen.x[:, evergreen.columns.index("alchemy_category_?")].sum() == 448


def test_breast_cancer_needs_no_file(tmp_path):
    cancer = read_table("breast_cancer", tmp_path)
    assert cancer.x.shape == (569, 30) and cancer.y.sum() == 357 and cancer.metric == "auc"


# checksums


def test_known_checksums_need_no_file(tmp_path):
    assert table_checksum("magic", tmp_path) == table_data.MAGIC_SHA256
    assert table_checksum("higgs", tmp_path) == table_data.HIGGS_SMALL_SHA256
    assert table_checksum("evergreen", tmp_path) == table_data.EVERGREEN_SHA256
    cancer = read_table("breast_cancer", tmp_path)
    assert table_checksum("breast_cancer", tmp_path) == cancer.checksum


def test_the_checksum_is_that_of_the_file_that_is_read(tmp_path):
    put(tmp_path / "higgs" / "higgs_46k.npz", "not opened")
    assert table_checksum("higgs", tmp_path) == table_data.HIGGS_SMALL_SHA256
    for name in ("HIGGS.csv", "HIGGS.csv.gz"):  # the second goes before the first
        text = higgs(60).to_csv(header=False, index=False).encode()
        put(tmp_path / "higgs" / name, gzip.compress(text) if name.endswith("gz") else text)
        assert table_checksum("higgs", tmp_path) == read_table("higgs", tmp_path).checksum
    assert table_checksum("higgs", tmp_path) == sha256(tmp_path / "higgs" / "HIGGS.csv.gz")

    path = put(tmp_path / "evergreen" / "train.tsv", KAGGLE)
    assert table_checksum("evergreen", tmp_path) == sha256(path)
    assert table_checksum("evergreen", tmp_path) == read_table("evergreen", tmp_path).checksum

    path = put(tmp_path / "mine.csv", GOOD)
    assert table_checksum("csv", tmp_path, "mine.csv") == sha256(path)
    assert sha256(path) == read_table("csv", tmp_path, "mine.csv", "label").checksum


def test_a_checksum_that_cannot_be_had_is_one_line(tmp_path):
    fails(lambda: table_checksum("cifar", tmp_path), "cifar: unknown dataset", "magic")
    fails(lambda: table_checksum("csv", tmp_path), "no path", "set path")
    fails(lambda: table_checksum("csv", tmp_path, "absent.csv"), "absent.csv", "correct the path")


# altered files and other preparations


@real
def test_altered_files(tmp_path):
    for file in ("magic/magic04.data", "higgs/higgs_46k.npz", "evergreen/evergreen_1464.csv"):
        whole = (DATA / file).read_bytes()
        for broken in (whole[:-100], b"0" + whole[1:-1] + b"0"):
            path = put(tmp_path / file, broken)
            read = partial(read_table, path.parent.name, tmp_path)
            fails(read, path, "truncated or altered", "delete it")


@real
def test_authors_preparation():
    magic = read_table("magic", DATA)
    d = split_table(magic, 13312, 0, 5707, preparation="authors")
    assert len(d.x_train) + len(d.x_test) == 19019 and "first row lost" in d.note
    everything = np.concatenate([d.x_train, d.x_test]).astype(np.float64)
    np.testing.assert_allclose(everything.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(everything.std(0), 1, atol=1e-6)
    rest = magic.x[1:].astype(np.float64)
    rest = ((rest - rest.mean(0)) / rest.std(0)).astype(np.float32)
    np.testing.assert_allclose(np.sort(everything, 0), np.sort(rest, 0), atol=1e-5)
    fails(
        lambda: split_table(magic, 13313, 0, 5707, preparation="authors"),
        "19020 rows asked",
        "there are 19019",
    )


# mistakes


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["empty"]),
        ("a,b,label\n", ["0 rows", "at least one"]),
        ("label\nno\nyes\n", ["0 feature columns"]),
        ("a,b\n1,2\n3,4\n", ["no column label", "a, b"]),
        (GOOD.replace("5", "x"), ["non-numeric", ": b", "remove"]),
        (GOOD.replace("5", ""), ["NaN or infinite", "b (1)", "fill"]),
        (GOOD.replace("5", "inf"), ["NaN or infinite", "b (1)"]),
        (GOOD.replace("5", "1e300"), ["b (1)"]),
        (GOOD.replace("3,5", "3,2").replace("4,1", "4,2"), ["constant", ": b", "remove"]),
        (GOOD.replace("yes", "no"), ["one class only (no)", "two classes"]),
        (GOOD + "5,5,maybe\n", ["more than two classes (3)"]),
        (GOOD.replace("yes", ""), ["1 rows", "column label", "remove"]),
        (GOOD + "1,2,3,4\n", ["line 5 has 4 fields", "comma"]),
        (b"\xff\xfe\x00,\n", ["cannot be read", "UTF-8"]),
    ],
)
def test_bad_csv(tmp_path, text, words):
    path = put(tmp_path / "mine.csv", text)
    fails(lambda: read_table("csv", tmp_path, path, "label"), path, *words)


def test_csv(tmp_path):
    put(tmp_path / "mine.csv", GOOD)
    # a relative path may start at the data directory
    own = read_table("csv", tmp_path, "mine.csv", "label")
    assert own.y.tolist() == [0, 1, 0]
    assert own.columns == ["a", "b"]
    assert own.metric == "auc"
    assert "yes = 1" in own.note
    absent = tmp_path / "absent.csv"
    read_absent = partial(read_table, "csv", tmp_path, absent, "label")
    fails(read_absent, absent, "No such file", "correct the path")
    fails(lambda: read_table("csv", tmp_path, tmp_path, "label"), tmp_path, "cannot be read")
    fails(lambda: read_table("csv", tmp_path, "", "label"), "no path", "set path")
    fails(lambda: read_table("csv", tmp_path, "mine.csv"), "no target", "target")


def test_unknown_names(tmp_path):
    fails(
        lambda: read_table("cifar", tmp_path),
        "cifar: unknown dataset",
        "breast_cancer, magic, higgs, evergreen, csv",
    )
    fails(
        lambda: split_table(table(), 9, 9, 9, preparation="dirty"),
        "toy: unknown preparation dirty",
        "clean or authors",
    )


def test_missing_files(tmp_path):
    for name, path in {"magic": "magic/magic04.data", "higgs": "higgs/HIGGS.csv.gz"}.items():
        read = partial(read_table, name, tmp_path)
        fails(read, tmp_path / path, "download", "no network in tests", "by hand")
    fails(
        lambda: read_table("evergreen", tmp_path),
        "evergreen_1464.csv",
        "No such file",
        "train.tsv",
        "GANMC_DATA",
    )
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    put(tmp_path / "flat", "a file, not a folder")
    fails(lambda: read_table("magic", tmp_path / "flat"), "magic04.data", "failed")


class Response(io.BytesIO):
    """What a server sends, and the length that it promised (0: none)."""

    def __init__(self, content, promised):
        super().__init__(content)
        self.headers = Message()
        if promised:
            self.headers["Content-Length"] = str(promised)


@pytest.mark.parametrize(
    "content, promised, words",
    [
        (b"half", 8, "4 of 8 bytes"),
        (b"", 0, "0 of an unknown number"),
        (b"a page, not a table", 19, "another sha256"),
        (b"\n<!doctype HTML>\nlog in", 0, "a web page came"),
        (b"1," * 900_000, 0, "more than the 1,477,391 bytes"),
    ],
)
def test_a_bad_download_leaves_nothing(tmp_path, monkeypatch, content, promised, words):
    monkeypatch.setattr(download, "urlopen", lambda url, timeout: Response(content, promised))
    fails(lambda: read_table("magic", tmp_path), "magic04.data", words, "try again")
    assert not list((tmp_path / "magic").iterdir())


def test_a_disk_that_fills_during_a_download_asks_for_space(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "urlopen", lambda url, timeout: Response(b"1", 0))
    monkeypatch.setattr(download.os, "fsync", full)
    fails(lambda: read_table("magic", tmp_path), "No space left on device", "free space")


@pytest.mark.parametrize("name", download.KNOWN_SHA256)
def test_a_file_of_known_sha256_is_no_other(tmp_path, monkeypatch, name):
    monkeypatch.setattr(download, "urlopen", lambda url, timeout: Response(b"1,2", 3))
    fails(lambda: download.fetch(f"https://x/{name}", tmp_path / name), "another sha256")


@real
def test_a_good_download_is_kept(tmp_path, monkeypatch):
    content = (DATA / "magic" / "magic04.data").read_bytes()
    urls = []

    def respond(url, timeout):
        urls.append(url)
        return Response(content, len(content))

    monkeypatch.setattr(download, "urlopen", respond)
    for _ in range(2):
        assert len(read_table("magic", tmp_path).x) == 19020
    assert urls == [table_data.MAGIC_URL], "the second time it is there"
    assert [path.name for path in (tmp_path / "magic").iterdir()] == ["magic04.data"]


def test_kaggle_file(tmp_path):
    path = put(tmp_path / "evergreen" / "train.tsv", KAGGLE)
    evergreen = read_table("evergreen", tmp_path)
    assert evergreen.columns == [
        "alchemy_category_score",
        "is_news",
        "news_front_page",
        "alchemy_category_?",
        "alchemy_category_sports",
    ]
    assert evergreen.x.tolist() == [[0, 0, -1, 1, 0], [0.5, 1, 0, 0, 1]]
    assert evergreen.y.tolist() == [1, 0]
    put(path, "url\turlid\n1\t2\n")
    fails(
        lambda: read_table("evergreen", tmp_path), path, "no column alchemy_category", "unchanged"
    )


# splits


PARTS = ("train", "validation", "test", "fresh")


def rows_of_parts(d):
    """{part: the numbers in table() of its rows}, of a split that uses up the table.

    Every row is in some part, so its rank in column a over all parts is its number in the table.
    """
    column_a = {part: getattr(d, f"x_{part}")[:, 0] for part in PARTS}
    in_order = np.sort(np.concatenate(list(column_a.values())))
    return {part: np.searchsorted(in_order, values) for part, values in column_a.items()}


def test_split_parts():
    t = table()
    d = split_table(t, 200, 60, 80, 60, seed=3)
    again = split_table(t, 200, 60, 80, 60, seed=3)
    smaller = split_table(t, 90, 60, 80, 170, seed=3)

    parts = rows_of_parts(d)
    assert [len(parts[part]) for part in PARTS] == [200, 60, 80, 60]
    assert len(np.unique(np.concatenate(list(parts.values())))) == 400
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(d, f"y_{part}"), t.y[parts[part]])
        assert getattr(d, f"x_{part}").dtype == np.float32
    for field in ("x_train", "y_train", "x_validation", "x_test", "y_test", "x_fresh"):
        np.testing.assert_array_equal(getattr(d, field), getattr(again, field))
    for part in ("test", "validation"):
        np.testing.assert_array_equal(parts[part], rows_of_parts(smaller)[part])
    assert not np.array_equal(split_table(t, 200, 60, 80, 60, seed=4).y_test, d.y_test)
    assert split_table(t, 200, 60, 80).x_fresh.shape == (0, 2)
    assert (d.checksum, d.metric, d.n_classes) == ("c0ffee", "auc", 2)


def test_clean_standardizes_by_train_only():
    d = split_table(table(), 200, 60, 80)
    np.testing.assert_allclose(d.x_train.mean(0, dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(d.x_train.std(0, dtype=float), 1, atol=1e-6)
    assert abs(d.x_test.mean(0)).max() > 1e-3
    t = table()
    t.x[:, 1] = np.float32(0.1)
    t.x[np.random.default_rng(0).permutation(400)[0], 1] = 7  # constant in train, not in test
    d = split_table(t, 200, 60, 80)
    assert (d.x_train[:, 1] == 0).all() and np.isclose(d.x_test[0, 1], 6.9)


def test_impossible_splits():
    fails(
        lambda: split_table(table(), 300, 60, 80),
        "440 rows asked",
        "there are 400",
        "ask for fewer",
    )
    fails(lambda: split_table(table(), 0, 60, 80), "impossible", "at least one train row")
    fails(lambda: split_table(table(), 10, -1, 80), "impossible")
    fails(
        lambda: split_table(table(), 1, 60, 80),
        "toy: the train part (1 rows, seed 0) has one class only",
        "another seed",
    )


# HIGGS as a stream


def higgs(n=500, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(np.column_stack([rng.random(n) < 0.6, rng.normal(size=(n, 28))]))


@pytest.mark.parametrize("name", ["HIGGS.csv.gz", "HIGGS.csv"])
def test_streamed_higgs(tmp_path, monkeypatch, name):
    frame = higgs()
    (tmp_path / "higgs").mkdir()
    frame.to_csv(tmp_path / "higgs" / name, header=False, index=False)
    monkeypatch.setattr(table_data, "HIGGS_ROWS", 200)
    monkeypatch.setattr(table_data, "CHUNK", 64)
    subset = read_table("higgs", tmp_path)
    assert subset.x.shape == (200, 28) and subset.y.sum() == 100
    assert "200 class-balanced rows at random of the 500" in subset.note
    where = [int(np.argmin(abs(frame[1] - row[0]))) for row in subset.x]
    assert len(set(where)) == 200 and min(where) < 50 and max(where) > 450
    np.testing.assert_array_equal(frame[0].to_numpy()[where], subset.y)
    np.testing.assert_allclose(frame.to_numpy()[where, 1:], subset.x, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(table_data, "CHUNK", 1000)  # the same rows however the file is cut
    np.testing.assert_array_equal(subset.x, read_table("higgs", tmp_path).x)
    monkeypatch.setattr(table_data, "HIGGS_SEED", 1)
    assert not np.array_equal(subset.x, read_table("higgs", tmp_path).x)
    # fewer rows than wanted: all of the smaller class
    monkeypatch.setattr(table_data, "HIGGS_ROWS", 10_000)
    assert len(read_table("higgs", tmp_path).x) == 2 * int((1 - frame[0]).sum())


def test_every_row_is_as_likely(monkeypatch):
    x, y = np.zeros((100, 28), np.float32), np.arange(100) % 2
    x[:, 0] = np.arange(100)
    monkeypatch.setattr(table_data, "HIGGS_ROWS", 20)
    hits = np.zeros(100)
    for seed in range(1000):
        monkeypatch.setattr(table_data, "HIGGS_SEED", seed)
        rows, _, _ = table_data.balanced_subset([(x[:30], y[:30]), (x[30:], y[30:])])
        hits[rows[:, 0].astype(int)] += 1
    assert abs(hits - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)


def test_bad_higgs(tmp_path):
    path = tmp_path / "higgs" / "HIGGS.csv.gz"
    good = higgs()
    not_finite = higgs()
    not_finite.iloc[7, 3] = np.inf
    wrong_label = higgs()
    wrong_label.iloc[7, 0] = 2
    one_class = higgs()
    one_class[0] = 1

    def text(frame):
        return frame.to_csv(header=False, index=False).encode()

    packed = gzip.compress(text(good))
    for content, words in [
        (b"", "empty"),
        (packed[:-2000], "truncated"),
        (b"not gzip", "truncated or altered"),
        (packed[:5000] + b"?" * 50 + packed[5050:], "altered"),
        (gzip.compress(text(good)[:-40]), "NaN"),
        (gzip.compress(b"head,er\n" + text(good)), "altered"),
        (gzip.compress(text(not_finite)), "lepton_phi (1)"),
        (gzip.compress(text(good.iloc[:, :20])), "20 columns where 29"),
        (gzip.compress(text(wrong_label)), "labels other than 0 and 1"),
        (gzip.compress(text(one_class)), "one class only"),
    ]:
        put(path, content)
        fails(partial(read_table, "higgs", tmp_path), path, words)
