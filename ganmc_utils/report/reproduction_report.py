"""The tables of the reproduction report: claims tested, settings, computing time, all from records.

Each function returns Markdown, which book/from_records.py puts into book/reproduction_report.md.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import yaml

from ganmc_utils.core import paths
from ganmc_utils.core.records import Record
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.report import answers, findings, text
from ganmc_utils.report.phrases import dataset_in_words, duration
from ganmc_utils.report.statistics import VERDICTS
from ganmc_utils.scores import claims as score_claims

NOT_RUN = "Not run in this book."
SECTIONS = {
    "Sec. 3, deep networks": network_claims.CLAIMS,
    "Sec. 4, random forests": forest_claims.CLAIMS,
    "Sec. 5, the Compression Score": score_claims.CLAIMS,
}
IMAGE_CHAPTER = "01_dnn_compression"
TABLE_CHAPTER = "06_random_forests"


def tables(
    run_records: Mapping[str, Record], verdicts: pd.DataFrame | None = None
) -> dict[str, str]:
    """Every table of the report by the name that the page gives it.

    Args:
        run_records: the records of a book, by notebook.
        verdicts: the rows of the scoreboard's record; None where it has not been run.
    """
    return {
        "verdict_counts": verdict_counts(verdicts),
        "primary_claims": primary_claims(verdicts),
        "image_settings": image_settings(run_records.get(IMAGE_CHAPTER)),
        "table_settings": table_settings(run_records.get(TABLE_CHAPTER)),
        "compute_used": compute_used(run_records),
    }


# Claims


def verdict_counts(verdicts: pd.DataFrame | None) -> str:
    """How many claims of each section, and controls of ours, came out with each verdict."""
    if verdicts is None:
        return NOT_RUN
    rows = []
    for section, claims in SECTIONS.items():
        of_section = verdicts[verdicts.metric.isin([c.id for c in claims if not c.is_control])]
        for family in ("primary", "exploratory"):
            row = {"Section": section, "Claims": family}
            rows.append(row | counts(of_section[of_section.family == family]))
    controls = [c.id for claims in SECTIONS.values() for c in claims if c.is_control]
    row = {"Section": "Our controls", "Claims": "exploratory"}
    rows.append(row | counts(verdicts[verdicts.metric.isin(controls)]))
    return text.markdown(text.table_of(rows))


def counts(verdicts: pd.DataFrame) -> dict[str, str]:
    """How many rows of the scoreboard have each verdict."""
    numbers = verdicts.verdict.value_counts()
    return {verdict: str(numbers.get(verdict, 0)) for verdict in VERDICTS}


def primary_claims(verdicts: pd.DataFrame | None) -> str:
    """The primary claims with their verdicts, in the order of the paper."""
    if verdicts is None:
        return NOT_RUN
    claims = {claim.id: claim for of_section in SECTIONS.values() for claim in of_section}
    primary = verdicts[verdicts.family == "primary"]
    if primary.empty:
        return NOT_RUN
    return text.markdown(
        text.table_of([findings.claim_row(claims[row.metric], row) for row in primary.itertuples()])
    )


# Settings


def of_paper_profile(notebook: str) -> dict:
    """The parameters of a chapter in the profile that has the paper's settings."""
    path = paths.ROOT / "profiles" / "paper" / f"{notebook}.yml"
    return yaml.safe_load(path.read_text())


def image_settings(record: Record | None) -> str:
    """The settings of Fig. 1: this book's beside those of the paper profile."""
    if record is None:
        return NOT_RUN
    ours = network_facts(record.parameters)
    papers = network_facts(of_paper_profile(IMAGE_CHAPTER))
    rows = [
        {"Setting": fact, "This book": value, "Paper profile": papers[fact]}
        for fact, value in ours.items()
    ]
    return text.markdown(text.table_of(rows))


def network_facts(parameters: dict) -> dict[str, str]:
    """What chapter 01 is run with, by the name of the setting."""
    data, gan = parameters["data"], parameters["gan"]
    return {
        "Images": f"{data['name']}, {data['image_size']} x {data['image_size']}",
        "Training images": f"{data['n_train']:,}",
        "Test images": f"{data['n_test']:,}",
        "Teacher": network_in_words(parameters["teacher"]),
        "Student": network_in_words(parameters["student"]),
        "AC-GAN": f"{gan['epochs']:,} epochs, width {gan['width']}",
        "Repetitions": repetitions(parameters),
    }


def network_in_words(network: dict) -> str:
    """A network and how it is trained."""
    width = f", width {network['width']}" if network.get("width") else ""
    training = f"{network['optimizer']} at {network['lr']:g}, batches of {network['batch']}"
    return f"{network['network']}{width}: {network['epochs']:,} epochs of {training}"


def repetitions(parameters: dict) -> str:
    """Over what the intervals are."""
    if parameters.get("sets"):
        return f"{len(parameters['sets'])} replicates, each with its own split, teacher and GAN"
    return f"{len(parameters['seeds'])} students, one split, teacher and GAN"


def table_settings(record: Record | None) -> str:
    """The settings of chapter 06: a row for each of its tables."""
    if record is None:
        return NOT_RUN
    rows = [task_facts(task) for task in record.parameters["datasets"]]
    return text.markdown(text.table_of(rows))


def task_facts(task: dict) -> dict[str, str]:
    """What one table of chapter 06 is run with."""
    parts = ("n_train", "n_validation", "n_test")
    epochs = f"{task['gan_epochs']:,}" if task["gans"] else "no GAN"
    return {
        "Dataset": dataset_in_words(task["name"]),
        "Train / validation / test": " / ".join(f"{task[part]:,}" for part in parts),
        "Splits": str(len(task["seeds"])),
        "Epochs of a GAN": epochs,
    }


# Computing time


def compute_used(run_records: Mapping[str, Record]) -> str:
    """What each chapter of the paper took, on which machine, and all of them together."""
    of_paper = [record for record in run_records.values() if record.notebook in answers.ANSWERS]
    if not of_paper:
        return NOT_RUN
    rows = [
        {
            "Chapter": findings.link(record.notebook, record.notebook[:2]),
            "Profile": f"`{record.profile}`",
            "Computing": computing_time(record),
            "Machine": findings.listed_machines(record),
        }
        for record in of_paper
    ]
    total = time_of_all(of_paper)
    if total:
        rows.append({"Chapter": "all", "Computing": total})
    return text.markdown(text.table_of(rows))


def computing_time(record: Record) -> str:
    """How long the results of a chapter took; old records know only how long they were drawn."""
    return duration(sum(record.results.values())) if record.results else "not recorded"


def time_of_all(run_records: Sequence[Record]) -> str:
    """The time of all results, each counted once; "" where a record does not name its results."""
    if not all(record.results or record.notebook == findings.SCOREBOARD for record in run_records):
        return ""
    results = {name: s for record in run_records for name, s in record.results.items()}
    return duration(sum(results.values()))
