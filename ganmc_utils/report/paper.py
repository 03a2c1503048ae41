"""The paper's published numbers (book/paper_numbers.json), looked up by what they measure."""

import json
from functools import cache

from ganmc_utils.core.paths import ROOT

PAPER_NAME = {
    "higgs_30k": "higgs_100k"
}  # our subset ends at 30k rows; the paper's row beside it is the 100k one


@cache
def paper_numbers():
    """Every published number as a dict; "text" is the place in the paper, word for word."""
    return json.loads((ROOT / "book" / "paper_numbers.json").read_text())


def published_number(id):
    """The published number of that id as a dict, or None where the paper has none."""
    return next((n for n in paper_numbers() if n["id"] == id), None)


def paper_score(dataset, source):
    """Table 3's score as a fraction, or None where the paper has none."""
    found = published_number(f"table3/{PAPER_NAME.get(dataset, dataset)}/{source}")
    return found and found["value"] / (100 if found["unit"] == "percent" else 1)


def paper_difference(dataset, a, b):
    """Table 3's a - b, spelt with its sign; "" where the paper has no such dataset."""
    return (
        f"{paper_score(dataset, a) - paper_score(dataset, b):+.3f}"
        if paper_score(dataset, a)
        else ""
    )


def paper_value(id):
    """A published number as it is printed: paper_value("table4/v2/gan/compression_score")."""
    return published_number(id)["value"]


def paper_accuracy(id):
    """A published accuracy of Sec. 3 as a fraction: paper_accuracy("fig1/train")."""
    return paper_value(id) / 100
