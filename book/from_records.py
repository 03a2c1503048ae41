"""Sphinx extension: sentences and tables that are made from the records of the book being built.

A page or a notebook's Markdown cell says {{ answer_01 }}, alone on its line, where the answer of
chapter 01 shall stand. There are, with NN the number of a chapter:

- answer_NN: its answer in sentences; claims_NN: its claim box; ran_on_NN: what it ran on;
- in_short: the answer of the book in two sentences; findings: those of the first page as a list;
  recommendations: its table of what to use; beside_the_paper: what its last table holds; moons:
  mean accuracies of the models in its picture;
- the tables of the reproduction report, see ganmc_utils/report/reproduction_report.py.

The words are in ganmc_utils/report/answers.py and findings.py. In a book of smoke tests a banner
says so on every page.
"""

import json
import re
from pathlib import Path

import repository

from ganmc_utils.core import profiles, records
from ganmc_utils.report import answers, findings, reproduction_report

SMOKE_TEST = (
    "<strong>Smoke test</strong>: quick settings, small data that are not the paper's. No evidence."
)


def records_of(folder: Path) -> dict:
    """The records of a book, by notebook."""
    run_records = records.load_all(folder / "published" / "records")
    return {record.notebook: record for record in run_records}


def substitutions(run_records: dict, tree: str = "") -> dict[str, str]:
    """What stands for each name of a page, in Markdown.

    tree: where the files of the repository are read; "" for none.
    """
    book = findings.book_of(run_records)
    texts = {
        "in_short": findings.in_short(book) or answers.NOT_RUN,
        "findings": findings.findings(book),
        "recommendations": findings.recommendations(book),
        "beside_the_paper": findings.beside_the_paper(book),
    }
    scoreboard = run_records.get(findings.SCOREBOARD)
    verdicts = records.as_frame(scoreboard) if scoreboard else None
    texts |= reproduction_report.tables(run_records, verdicts)
    for notebook, answer in answers.ANSWERS.items():
        number = notebook[:2]
        has_run = notebook in book
        texts[f"answer_{number}"] = answer(book[notebook]) if has_run else answers.NOT_RUN
        texts[f"claims_{number}"] = findings.claim_box(notebook, verdicts)
        texts[f"ran_on_{number}"] = ""
    own_model = run_records.get(answers.OWN_MODEL)
    texts["answer_09"] = answers.answer_own_model(own_model) if own_model else answers.NOT_RUN
    texts["ran_on_09"] = ""
    for notebook, record in run_records.items():
        texts[f"ran_on_{notebook[:2]}"] = findings.ran_on(record, tree)
    return texts


def moons(folder: Path) -> str:
    """Mean accuracy of each model of the first page's picture, as its chapter prints them."""
    path = folder / "published" / "notebooks" / "from_scratch.ipynb"
    if not path.exists():
        return ""
    outputs = [
        output
        for cell in json.loads(path.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    for output in outputs:
        text = "".join(output.get("data", {}).get("text/markdown", []))
        rows = re.findall(r"(?m)^\| ([^|]+) \| ([\d.]+%) \|$", text)
        if rows:
            means = "; ".join(f"{name[0].lower()}{name[1:]}: {mean}" for name, mean in rows)
            return f"On average over the seeds of that chapter: {means}."
    return ""


def read_records(app, config):
    """Give the pages their sentences, and a book of smoke tests its banner."""
    run_records = records_of(Path(app.srcdir))
    texts = substitutions(run_records, repository.tree(config))
    texts["moons"] = moons(Path(app.srcdir))
    config.myst_substitutions = {**config.myst_substitutions, **texts}
    if any(map(profiles.is_smoke_test, run_records.values())):
        config.html_theme_options = {**config.html_theme_options, "announcement": SMOKE_TEST}


def setup(app):
    """Called by Sphinx; before the pages are read."""
    app.connect("config-inited", read_records)
    return {"parallel_read_safe": True}
