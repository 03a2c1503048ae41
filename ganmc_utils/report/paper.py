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


def has_scale_of_paper(parameters: dict, dataset: str) -> bool:
    """Whether a run with these parameters has a dataset at the paper's size.

    Tables (chapter 06): the training rows of Table 3, the trees of the teacher and the GAN rows for
    each training row. Images (00 to 05 and 07): 32 x 32 pixels, the training, validation and test
    images, the unscaled student and the epochs of student and GAN. How a network is trained beside
    that (the learning rate, say) is no question of scale.
    """
    if "datasets" in parameters:
        return has_tables_of_paper(parameters, dataset)
    if "data" in parameters:
        return has_images_of_paper(parameters)
    return False


def has_tables_of_paper(parameters: dict, dataset: str) -> bool:
    """Whether chapter 06 ran a table at the paper's size."""
    n_train = published_number(f"table3/{dataset}/n_train")
    tasks = [task for task in parameters["datasets"] if task["name"] == dataset]
    if n_train is None or not tasks:
        return False
    sizes_of_paper = [
        (tasks[0]["n_train"], n_train["value"]),
        (parameters["teacher_trees"], paper_value("sec4/teacher_trees")),
        (parameters["fake_per_real"], paper_value("sec4/fake_per_real")),
    ]
    return all(ours == theirs for ours, theirs in sizes_of_paper)


def has_images_of_paper(parameters: dict) -> bool:
    """Whether a chapter on networks ran at the paper's size."""
    data, student, gan = (parameters[name] for name in ("data", "student", "gan"))
    sizes_of_paper = [
        (data["image_size"], paper_value("sec3/image_size")),
        (data["n_train"], paper_value("sec3/n_train")),
        (data["n_validation"], paper_value("sec3/n_validation")),
        (data["n_test"], paper_value("sec3/n_test")),
        (student["width"], None),
        (student["epochs"], paper_value("sec3/compression_epochs")),
        (gan["epochs"], paper_value("sec3/gan_epochs")),
    ]
    return all(ours == theirs for ours, theirs in sizes_of_paper)
