"""The paper's published numbers (book/paper_numbers.json), looked up by what they measure."""

import json
from functools import cache

from ganmc_utils.core.paths import ROOT

# Our subset of Higgs ends at 30k rows; the paper's row beside it is the one of 100k.
PAPER_NAME = {"higgs_30k": "higgs_100k"}


@cache
def paper_numbers() -> list[dict]:
    """Every published number as a dict; "text" is the place in the paper, word for word."""
    return json.loads((ROOT / "book" / "paper_numbers.json").read_text())


def published_number(id: str) -> dict | None:
    """The published number of that id as a dict, or None where the paper has none."""
    for number in paper_numbers():
        if number["id"] == id:
            return number
    return None


def paper_score(dataset: str, source: str) -> float | None:
    """Table 3's score as a fraction, or None where the paper has none."""
    number = published_number(f"table3/{PAPER_NAME.get(dataset, dataset)}/{source}")
    if number is None:
        return None
    if number["unit"] == "percent":
        return number["value"] / 100
    return number["value"]


def paper_difference(dataset: str, a: str, b: str) -> str:
    """Table 3's a - b with its sign; "" where the paper has no such dataset."""
    score_of_a = paper_score(dataset, a)
    if score_of_a is None:
        return ""
    return f"{score_of_a - paper_score(dataset, b):+.3f}"


def paper_value(id: str) -> float:
    """A published number as it is printed, such as that of "table4/v2/gan/compression_score"."""
    return published_number(id)["value"]


def paper_accuracy(id: str) -> float:
    """A published accuracy of Sec. 3 as a fraction, such as that of "fig1/train"."""
    return paper_value(id) / 100
