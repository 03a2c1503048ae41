"""The pages around the chapters: contents, code, data cards, report and reference agree."""

import re
import sys
from pydoc import locate

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from helpers import record, row

import ganmc_utils
from ganmc_utils.core import paths
from ganmc_utils.forests.data import (
    EVERGREEN_SHA256,
    HIGGS_SMALL_SHA256,
    MAGIC_SHA256,
    read_table,
)
from ganmc_utils.networks.data import KNOWN_CHECKSUMS, READERS
from ganmc_utils.report import reproduction_report

BOOK = paths.ROOT / "book"
CARDS = paths.ROOT / "published" / "data_cards"
sys.path.insert(0, str(BOOK))

import cards  # noqa: E402
import data_cards  # noqa: E402  its folder is added above
import from_records  # noqa: E402
import public_names  # noqa: E402

PAGES = sorted(BOOK.glob("*.md"))


def files_in(contents):
    """The files of a table of contents, in their order."""
    if isinstance(contents, dict):
        own = [contents["file"]] if "file" in contents else []
        return own + [file for value in contents.values() for file in files_in(value)]
    if isinstance(contents, list):
        return [file for entry in contents for file in files_in(entry)]
    return []


# Contents


def test_every_page_is_in_the_contents_once():
    contents = yaml.safe_load((paths.ROOT / "_toc.yml").read_text())
    files = [contents["root"], *files_in(contents)]
    assert len(files) == len(set(files))
    assert {f"book/{page.stem}" for page in PAGES} == {f for f in files if f.startswith("book/")}


def test_one_page_lists_the_references():
    lists = [page.name for page in PAGES if "```{bibliography}" in page.read_text()]
    assert lists == ["bibliography.md"]


def test_every_reference_is_used():
    keys = re.findall(r"(?m)^@\w+\{(\w+),", (BOOK / "references.bib").read_text())
    cited = " ".join(page.read_text() for page in PAGES)
    unused = [key for key in keys if not re.search(rf"\b{key}\b", cited)]
    assert len(keys) == len(set(keys)) and not unused, unused


def test_the_terms_of_the_glossary_are_in_order():
    page = (BOOK / "glossary.md").read_text()
    terms = re.findall(r"(?m)^([^\s#`].*)\n  \S", page)
    assert len(terms) > 20 and terms == sorted(terms, key=str.lower)


# Code on the pages


def test_the_code_that_a_page_shows_is_in_the_package():
    names = re.findall(r"```\{package-code\} (\S+)", (BOOK / "method.md").read_text())
    absent = [name for name in names if locate(f"ganmc_utils.{name}") is None]
    assert len(names) > 15 and not absent, absent


def test_the_reference_lists_every_public_name_under_its_heading():
    listing = public_names.listing()
    listed = re.findall(r"(?m)^\.\. auto\w+:: ganmc_utils\.(\w+)$", listing)
    assert listed == ganmc_utils.__all__
    headings = re.findall(r"(?m)^## (.*)$", listing)
    assert headings[0] == "What is learned from" and "Runs" in headings


def restructured(docstring):
    """A docstring as the reference hands it to napoleon."""
    lines = docstring.splitlines()
    public_names.as_restructured_text(None, "function", "name", None, None, lines)
    return lines


def test_equations_are_literal_and_stars_are_stars():
    lines = ["The mean of x_*.", "", "    a * b", "", "Of `x` alone."]
    assert restructured("\n".join(lines)) == [
        r"The mean of x\_\*.",
        "",
        "::",
        "",
        "    a * b",
        "",
        "Of ``x`` alone.",
    ]


def test_several_results_and_the_fields_of_a_dataclass_are_lists():
    assert restructured("Two.\n\nReturns:\n    x: one,\n        long.\n    y: two.")[2:] == [
        ":returns:",
        "    - x: one,",
        "      long.",
        "    - y: two.",
    ]
    assert restructured("SMOTE: points.\n\nx: rows,\nfloat32.") == [
        "SMOTE: points.",
        "",
        "- x: rows,",
        "  float32.",
    ]


def test_types_are_named_without_their_modules():
    of = public_names.short_types(
        None, "class", "", None, None, "(x: ~numpy.ndarray, p: float = 0.5)", "torch.Tensor"
    )
    assert of == ("(x: ndarray, p: float = 0.5)", "Tensor")


# Tables on a phone


def table_with(cells, n_columns):
    headers = "".join(f"<th>Column {k}</th>" for k in range(n_columns))
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    soup = BeautifulSoup(
        f"<table><thead><tr>{headers}</tr></thead><tbody><tr>{row}</tr></tbody></table>",
        "html.parser",
    )
    cards.add_headers(soup.table)
    return soup.table


def test_a_table_that_is_too_wide_for_a_phone_becomes_cards():
    table = table_with(["MAGIC", "0.912", "", "a " * 60, *["+0.044\xa0[-0.023,\xa0+0.066]"] * 2], 6)
    assert table["class"] == ["cards"]
    cells = table.tbody.find_all("td")
    headers = [cell.get("data-header") for cell in cells]
    assert headers == [None, "Column 1", None, "Column 3", "Column 4", "Column 5"]
    assert cells[3]["class"] == ["long"]


@pytest.mark.parametrize("cells", [["MAGIC", "0.912"], ["a " * 60, "b " * 60, "c " * 60]])
def test_a_table_whose_words_fit_stays_a_table(cells):
    assert not table_with(cells, len(cells)).has_attr("class")


# Data cards


@pytest.mark.parametrize("name, checksum", [
    ("magic", MAGIC_SHA256), ("higgs", HIGGS_SMALL_SHA256), ("evergreen", EVERGREEN_SHA256),
    ("cifar10", KNOWN_CHECKSUMS["cifar10"])])  # fmt: skip
def test_a_card_names_the_checksum_that_the_code_verifies(name, checksum):
    card = (CARDS / f"{name}.md").read_text()
    assert "".join(re.findall(r"`([0-9a-f]{32})`", card)) == checksum


def test_cards_of_embedded_data_are_what_the_data_say():
    table = data_cards.card_of_table(read_table("breast_cancer"))
    assert (CARDS / "breast_cancer.md").read_text() == f"{table}\n"
    digits = data_cards.card_of_images("digits", READERS["digits"](paths.ROOT))
    assert (CARDS / "digits.md").read_text() == f"{digits}\n"


def test_every_dataset_has_a_card_and_a_picture_on_the_page():
    page = (BOOK / "data.md").read_text()
    for name in data_cards.SOURCES:
        assert f"../published/data_cards/{name}.md" in page
        assert f"../published/data_cards/{name}.png" in page and (CARDS / f"{name}.png").exists()
    assert set(data_cards.SOURCES) >= {*READERS, "breast_cancer", "magic", "higgs", "evergreen"}


def test_classes_are_counted():
    assert data_cards.share_of_classes(pd.Series([0, 0, 0, 1])) == "0: 3 (75.0%), 1: 1 (25.0%)"
    assert data_cards.share_of_classes(pd.Series([0, 1, 2, 2])) == "3, of 1 to 2 samples"
    assert data_cards.share_of_classes(pd.Series([0, 1, 2])) == "3, of 1 samples each"


# The report


def test_the_report_asks_for_tables_that_there_are():
    asked = re.findall(r"\{\{ (\w+) \}\}", (BOOK / "reproduction_report.md").read_text())
    there = from_records.substitutions({})
    assert set(reproduction_report.tables({})) < set(asked) and set(asked) <= set(there)


def test_a_book_without_records_says_so():
    assert set(reproduction_report.tables({}).values()) == {reproduction_report.NOT_RUN}


def test_verdicts_are_counted_by_section_and_family():
    verdicts = pd.DataFrame(
        [
            {"metric": "l2_mixture_over_train", "family": "primary", "verdict": "confirmed"},
            {"metric": "l2_mixture_over_gan", "family": "exploratory", "verdict": "refuted"},
            {"metric": "l2_gan_over_train", "family": "exploratory", "verdict": "refuted"},
            {"metric": "realism_l2", "family": "exploratory", "verdict": "confirmed"},  # ours
        ]
    )
    lines = reproduction_report.verdict_counts(verdicts).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert rows[0][1:] == ["primary", "1", "0", "0"]
    assert rows[1][1:] == ["exploratory", "0", "0", "2"]
    assert rows[-1] == ["Our controls", "exploratory", "1", "0", "0"]
    assert all(row[2:] == ["0", "0", "0"] for row in rows[2:-1])


def test_time_counts_each_stored_result_once():
    shared, own = {"gan.json": 60.0, "a.json": 30.0}, {"gan.json": 60.0, "b.json": 40.0}
    of = [record([row()]).model_copy(update={"results": results}) for results in (shared, own)]
    assert reproduction_report.time_of_all(of) == "2 minutes"
    nameless = record([row()]).model_copy(update={"notebook": "01_dnn_compression"})
    assert reproduction_report.time_of_all([*of, nameless]) == ""
