"""The paper's numbers are the paper's: each stands, word for word, in its text."""

import re

import pytest

from ganmc_utils.core import paths
from ganmc_utils.forests.claims import TABLE3_COLUMNS
from ganmc_utils.report import paper

FILES = {"v1": "gan-mc_v1_submission.txt", "v2": "gan-mc_v2_revised.txt"}
PAPER = paths.ROOT.parent / "shared" / "paper"
FIELDS = {
    "id",
    "version",
    "table_or_figure",
    "dataset",
    "quantity",
    "source",
    "value",
    "unit",
    "text",
}
needs_paper = pytest.mark.skipif(
    not PAPER.is_dir(), reason="the paper's text is not beside the project"
)


def squeeze(text):
    return re.sub(r"\s+", " ", text)


@needs_paper
@pytest.mark.parametrize("version", FILES)
def test_every_paper_number_stands_in_the_text(version):
    text = squeeze((PAPER / FILES[version]).read_text())
    numbers = [n for n in paper.paper_numbers() if n["version"] in (version, "both")]
    assert len(numbers) > 50

    def stands_in_text(number):
        return re.search(r"(?<![\d.])" + re.escape(squeeze(number["text"])), text)

    assert [n["id"] for n in numbers if not stands_in_text(n)] == []


def values_in(text):
    """The numbers that a text names: digits, thousands as 12k, powers of ten, and the word one.

    The text of version 1 has lost its superscripts: its 10-3 is a power.
    """
    values = [10.0 ** -int(power) for power in re.findall(r"\b10(?:\^\{-|-)(\d)\b", text)]
    for digits, thousand in re.findall(r"(\d[\d,]*\.?\d*)(k?)", text):
        values.append(float(digits.replace(",", "")) * (1000 if thousand else 1))
    if "one" in text.split():
        values.append(1.0)
    return values


def test_every_value_is_in_its_own_words():
    for number in paper.paper_numbers():
        assert number["value"] in values_in(number["text"]), number["id"]
        assert number["version"] in ("v1", "v2", "both")
        assert set(number) - {"note"} == FIELDS


def test_powers_of_ten_are_values():
    assert values_in("with learning rate 10^{-4} and") == [1e-4, 10.0, 4.0]
    assert 1e-3 in values_in("learning rate 10-3 is used") and 1e-4 not in values_in("2-4 times")


def test_every_number_has_its_own_id():
    ids = [number["id"] for number in paper.paper_numbers()]
    assert len(set(ids)) == len(ids)


def test_the_two_versions_exchange_the_students_of_training_data():
    versions = {"v1": "_v1", "v2": ""}
    table1 = {v: paper.paper_value(f"table1/pair_1/train{end}") for v, end in versions.items()}
    fig1 = {v: paper.paper_value(f"fig1/train{end}") for v, end in versions.items()}
    assert table1 == {"v1": 71.5, "v2": 71.0}
    assert fig1 == {"v1": 71.0, "v2": 71.5}


def test_the_printed_gains_are_those_of_the_printed_accuracies():
    student_only = paper.paper_value("fig1/student_only")
    for source in ("train", "train+gan"):
        gain = paper.paper_value(f"fig1/{source}") - student_only
        assert gain == pytest.approx(paper.paper_value(f"fig1/gain/{source}"))


PAPER_TASK = {"name": "magic", "n_train": 10_000}
PAPER_TABLES = {"teacher_trees": 500, "fake_per_real": 9, "datasets": [PAPER_TASK]}
PAPER_IMAGES = {
    "data": {"image_size": 32, "n_train": 50_000, "n_validation": 5000, "n_test": 5000},
    "student": {"width": None, "epochs": 200},
    "gan": {"epochs": 1000},
}


def test_the_scale_of_tables():
    assert paper.has_scale_of_paper(PAPER_TABLES, "magic")
    assert not paper.has_scale_of_paper(PAPER_TABLES, "higgs_1k"), "it was not run"
    assert not paper.has_scale_of_paper(PAPER_TABLES | {"teacher_trees": 100}, "magic")
    smaller = [PAPER_TASK | {"n_train": 1000}]
    assert not paper.has_scale_of_paper(PAPER_TABLES | {"datasets": smaller}, "magic")
    ours = {"name": "breast_cancer", "n_train": 300}
    assert not paper.has_scale_of_paper(PAPER_TABLES | {"datasets": [ours]}, "breast_cancer")


@pytest.mark.parametrize(
    "part, change",
    [
        ("data", {"image_size": 16}),
        ("data", {"n_train": 5000}),
        ("student", {"width": 24}),
        ("student", {"epochs": 40}),
        ("gan", {"epochs": 200}),
    ],
)
def test_the_scale_of_images(part, change):
    assert paper.has_scale_of_paper(PAPER_IMAGES, "cifar10")
    reduced = PAPER_IMAGES | {part: PAPER_IMAGES[part] | change}
    assert not paper.has_scale_of_paper(reduced, "cifar10")


@needs_paper
def test_table_3_stands_row_by_row():
    text = squeeze((PAPER / FILES["v2"]).read_text())
    texts = {number["id"]: number["text"] for number in paper.paper_numbers()}
    for dataset in ("higgs_1k", "higgs_100k", "magic", "evergreen"):
        columns = ("n_train", *TABLE3_COLUMNS)
        row = " | ".join(texts[f"table3/{dataset}/{column}"] for column in columns)
        assert row in text, dataset


def test_scores_and_differences_of_table_3():
    assert paper.paper_score("magic", "gan") == 0.918
    assert paper.paper_score("higgs_30k", "gan") == paper.paper_score("higgs_100k", "gan")
    assert paper.paper_score("breast_cancer", "gan") is None
    assert paper.paper_difference("magic", "gan", "train") == "+0.023"
    assert paper.paper_difference("breast_cancer", "gan", "train") == ""
    assert paper.published_number("table3/magic/no such source") is None
