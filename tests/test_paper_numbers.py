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
    """The numbers that a text names: digits, thousands as 12k, and the word one."""
    values = []
    for digits, thousand in re.findall(r"(\d[\d,]*\.?\d*)(k?)", text):
        values.append(float(digits.replace(",", "")) * (1000 if thousand else 1))
    if "one" in text.split():
        values.append(1.0)
    return values


def test_every_value_is_in_its_own_words():
    for number in paper.paper_numbers():
        assert number["value"] in values_in(number["text"]), number["id"]
        assert number["version"] in ("v1", "v2", "both")
        assert set(number) == FIELDS


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
