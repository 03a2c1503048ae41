"""Datasets: the real files, every mistake as one line, disjoint reproducible splits, HIGGS as a stream; no network."""

import gzip
import io
import os
from email.message import Message
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest

from ganmc_utils.core import download, paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import data as table_data
from ganmc_utils.forests.data import Table, read_table, split_table

DATA = Path(os.environ.get("GANMC_DATA") or paths.ROOT.parent / "shared" / "data")
real = pytest.mark.skipif(
    not (DATA / "magic" / "magic04.data").exists(),
    reason="no real data: set GANMC_DATA to its folder",
)
GOOD = "a,b,label\n1,2,no\n3,5,yes\n4,1,no\n"


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


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(n=400):
    """Row i holds i in column a, so that parts can be told apart after standardization is undone."""
    rng = np.random.default_rng(0)
    x = np.stack([np.arange(n), rng.normal(5, 3, n)], 1).astype(np.float32)
    return Table("toy", x, rng.permutation(np.arange(n) % 2), ["a", "b"], "auc", "c0ffee", "toy")


# real files


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
    if not (DATA / name).exists() or any(
        (DATA / name / own).exists() for own in ("HIGGS.csv.gz", "HIGGS.csv", "train.tsv")
    ):
        pytest.skip(f"{name}: the small file is not the one that is read here")
    found = read_table(name, DATA)
    assert found.x.shape == shape and found.x.dtype == np.float32 and len(found.columns) == shape[1]
    assert found.y.dtype == np.int64 and found.y.sum() == ones and len(found.y) == shape[0]
    assert found.metric == metric and len(found.checksum) == 64 and found.note
    if name == "higgs":
        saved = np.load(DATA / "higgs" / "higgs_46k.npz", allow_pickle=False)
        assert found.columns == saved["columns"].tolist()
        np.testing.assert_array_equal(found.x, read_table(name, DATA).x)
        label = {row.tobytes(): y for row, y in zip(saved["X"], saved["y"])}
        rows = [row.tobytes() for row in found.x]
        assert len(set(rows)) == len(rows) and [label[row] for row in rows] == found.y.tolist()
    if name == "evergreen":
        assert (
            "framebased" not in found.columns
            and "framebased" in found.note
            and "stand-in" in found.note
        )
        levels = [
            j
            for j, c in enumerate(found.columns)
            if c.startswith("alchemy_category_") and c != "alchemy_category_score"
        ]
        assert len(levels) == 13 and (found.x[:, levels].sum(1) == 1).all()
        assert found.x[:, found.columns.index("alchemy_category_?")].sum() == 448


def test_breast_cancer_needs_no_file(tmp_path):
    found = read_table("breast_cancer", tmp_path)
    assert found.x.shape == (569, 30) and found.y.sum() == 357 and found.metric == "auc"


@real
def test_altered_files(tmp_path):
    for name in ("magic/magic04.data", "higgs/higgs_46k.npz", "evergreen/evergreen_1464.csv"):
        whole = (DATA / name).read_bytes()
        for broken in (whole[:-100], b"0" + whole[1:-1] + b"0"):
            path = put(tmp_path / name, broken)
            fails(
                lambda: read_table(path.parent.name, tmp_path),
                path,
                "truncated or altered",
                "delete it",
            )


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
        (GOOD + "1,2,3,4\n", ["cannot be read", "comma"]),
        (b"\xff\xfe\x00,\n", ["cannot be read", "UTF-8"]),
    ],
)
def test_bad_csv(tmp_path, text, words):
    path = put(tmp_path / "mine.csv", text)
    fails(lambda: read_table("csv", tmp_path, path, "label"), path, *words)


def test_csv(tmp_path):
    put(tmp_path / "mine.csv", GOOD)
    found = read_table(
        "csv", tmp_path, "mine.csv", "label"
    )  # a relative path may start at the data directory
    assert (
        found.y.tolist() == [0, 1, 0]
        and found.columns == ["a", "b"]
        and found.metric == "auc"
        and "yes = 1" in found.note
    )
    fails(
        lambda: read_table("csv", tmp_path, tmp_path / "absent.csv", "label"),
        tmp_path / "absent.csv",
        "No such file",
        "correct the path",
    )
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
        fails(
            lambda: read_table(name, tmp_path),
            tmp_path / path,
            "download",
            "no network in tests",
            "by hand",
        )
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


class Answer(io.BytesIO):
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
    ],
)
def test_a_bad_download_leaves_nothing(tmp_path, monkeypatch, content, promised, words):
    monkeypatch.setattr(download, "urlopen", lambda url, timeout: Answer(content, promised))
    fails(lambda: read_table("magic", tmp_path), "magic04.data", words, "try again")
    assert not list((tmp_path / "magic").iterdir())


@real
def test_a_good_download_is_kept(tmp_path, monkeypatch):
    content = (DATA / "magic" / "magic04.data").read_bytes()
    asked = []
    monkeypatch.setattr(
        download, "urlopen", lambda url, timeout: asked.append(url) or Answer(content, len(content))
    )
    assert len(read_table("magic", tmp_path).x) == len(read_table("magic", tmp_path).x) == 19020
    assert asked == [table_data.MAGIC_URL] and [p.name for p in (tmp_path / "magic").iterdir()] == [
        "magic04.data"
    ]


def test_kaggle_file(tmp_path):
    path = put(
        tmp_path / "evergreen" / "train.tsv",
        "url\turlid\tboilerplate\talchemy_category\talchemy_category_score\tis_news\tnews_front_page\tframebased\tlabel\n"
        '"a"\t1\t"{""t"":""x\ty""}"\t"?"\t"?"\t"?"\t"?"\t0\t1\n"b"\t2\t"z"\t"sports"\t"0.5"\t"1"\t"0"\t0\t0\n',
    )
    found = read_table("evergreen", tmp_path)
    assert found.columns == [
        "alchemy_category_score",
        "is_news",
        "news_front_page",
        "alchemy_category_?",
        "alchemy_category_sports",
    ]
    assert found.x.tolist() == [[0, 0, -1, 1, 0], [0.5, 1, 0, 0, 1]] and found.y.tolist() == [1, 0]
    put(path, "url\turlid\n1\t2\n")
    fails(
        lambda: read_table("evergreen", tmp_path), path, "no column alchemy_category", "unchanged"
    )


# splits


def test_split_parts():
    t = table()
    d, again = split_table(t, 200, 60, 80, 60, seed=3), split_table(t, 200, 60, 80, 60, seed=3)
    smaller = split_table(t, 90, 60, 80, 170, seed=3)

    def rows(
        d,
    ):  # every row is in some part, so its rank in column a over all parts is its number in the table
        a = {
            part: getattr(d, f"x_{part}")[:, 0] for part in ("train", "validation", "test", "fresh")
        }
        return {
            part: np.searchsorted(np.sort(np.concatenate(list(a.values()))), v)
            for part, v in a.items()
        }

    parts = rows(d)
    assert [len(parts[p]) for p in ("train", "validation", "test", "fresh")] == [200, 60, 80, 60]
    assert len(np.unique(np.concatenate(list(parts.values())))) == 400
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(d, f"y_{part}"), t.y[parts[part]])
        assert getattr(d, f"x_{part}").dtype == np.float32
    for field in ("x_train", "y_train", "x_validation", "x_test", "y_test", "x_fresh"):
        np.testing.assert_array_equal(getattr(d, field), getattr(again, field))
    np.testing.assert_array_equal(parts["test"], rows(smaller)["test"])
    np.testing.assert_array_equal(parts["validation"], rows(smaller)["validation"])
    assert not np.array_equal(split_table(t, 200, 60, 80, 60, seed=4).y_test, d.y_test)
    assert split_table(t, 200, 60, 80).x_fresh.shape == (0, 2) and (
        d.checksum,
        d.metric,
        d.n_classes,
    ) == ("c0ffee", "auc", 2)


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
    found = read_table("higgs", tmp_path)
    assert (
        found.x.shape == (200, 28)
        and found.y.sum() == 100
        and "200 class-balanced rows at random of the 500" in found.note
    )
    where = [int(np.argmin(abs(frame[1] - row[0]))) for row in found.x]
    assert len(set(where)) == 200 and min(where) < 50 and max(where) > 450
    np.testing.assert_array_equal(frame[0].to_numpy()[where], found.y)
    np.testing.assert_allclose(frame.to_numpy()[where, 1:], found.x, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(table_data, "CHUNK", 1000)  # the same rows however the file is cut
    np.testing.assert_array_equal(found.x, read_table("higgs", tmp_path).x)
    monkeypatch.setattr(table_data, "HIGGS_SEED", 1)
    assert not np.array_equal(found.x, read_table("higgs", tmp_path).x)
    monkeypatch.setattr(
        table_data, "HIGGS_ROWS", 10_000
    )  # fewer rows than wanted: all of the smaller class
    assert len(read_table("higgs", tmp_path).x) == 2 * int((1 - frame[0]).sum())


def test_every_row_is_as_likely(monkeypatch):
    x, y = np.zeros((100, 28), np.float32), np.arange(100) % 2
    x[:, 0] = np.arange(100)
    monkeypatch.setattr(table_data, "HIGGS_ROWS", 20)
    hits = np.zeros(100)
    for seed in range(1000):
        monkeypatch.setattr(table_data, "HIGGS_SEED", seed)
        hits[
            table_data.balanced_subset([(x[:30], y[:30]), (x[30:], y[30:])])[0][:, 0].astype(int)
        ] += 1
    assert abs(hits - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)


def test_bad_higgs(tmp_path):
    path = tmp_path / "higgs" / "HIGGS.csv.gz"
    text = lambda frame: frame.to_csv(header=False, index=False).encode()
    good, nan, label, one = higgs(), higgs(), higgs(), higgs()
    nan.iloc[7, 3], label.iloc[7, 0], one[0] = np.inf, 2, 1
    packed = gzip.compress(text(good))
    for content, words in [
        (b"", "empty"),
        (packed[:-2000], "truncated"),
        (b"not gzip", "truncated or altered"),
        (packed[:5000] + b"?" * 50 + packed[5050:], "altered"),
        (gzip.compress(text(good)[:-40]), "NaN"),
        (gzip.compress(b"head,er\n" + text(good)), "altered"),
        (gzip.compress(text(nan)), "lepton_phi (1)"),
        (gzip.compress(text(good.iloc[:, :20])), "20 columns where 29"),
        (gzip.compress(text(label)), "labels other than 0 and 1"),
        (gzip.compress(text(one)), "one class only"),
    ]:
        put(path, content)
        fails(lambda: read_table("higgs", tmp_path), path, words)
