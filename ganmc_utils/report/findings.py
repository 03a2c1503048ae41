"""What a book shows beside its chapters' answers, all from its records.

The findings and the recommendations of the first page, the claim box of a chapter, and the line
that says what a chapter ran on.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from ganmc_utils.core import records
from ganmc_utils.core.records import Record
from ganmc_utils.report import answers, text
from ganmc_utils.report.answers import Evidence
from ganmc_utils.report.phrases import (
    compare,
    dataset_in_words,
    duration,
    sentence,
)
from ganmc_utils.report.scoreboard import CLAIMS
from ganmc_utils.report.statistics import Interval

CHAPTER_PAGE = "/published/notebooks"
SCOREBOARD = "08_scoreboard"
MOST_CLAIMS = 8

Book = Mapping[str, Evidence]
"""The evidence of each chapter that has been run, by notebook."""


def book_of(run_records: Mapping[str, Record]) -> dict[str, Evidence]:
    """The evidence of a book from its records, by notebook."""
    verdicts = None
    if SCOREBOARD in run_records:
        verdicts = records.as_frame(run_records[SCOREBOARD])
    return {
        notebook: Evidence(record, verdicts)
        for notebook, record in run_records.items()
        if notebook in answers.ANSWERS
    }


def link(notebook: str, words: str) -> str:
    """A link to a chapter that is good on every page of the book."""
    return f"{{doc}}`{words} <{CHAPTER_PAGE}/{notebook}>`"


def chapter_link(notebook: str) -> str:
    """The link behind a finding, such as "(chapter 01)"."""
    return f"({link(notebook, f'chapter {notebook[:2]}')})"


def images_in_words(evidence: Evidence) -> str:
    """On which images a finding was made."""
    return f"on {dataset_in_words(evidence.images, evidence.parameters)}"


# The findings


def on_images(finding: Callable[[Evidence], list[str]], notebook: str) -> Callable[[Book], str]:
    """A finding of a chapter on images: where it was found, what, and the link."""

    def in_book(book: Book) -> str:
        parts = finding(book[notebook]) if notebook in book else []
        if not parts:
            return ""
        return sentence(f"{images_in_words(book[notebook])},", *parts, chapter_link(notebook))

    return in_book


def on_tables(finding: Callable[[Evidence], list[str]]) -> Callable[[Book], str]:
    """A finding of chapter 06 and the link."""

    def in_book(book: Book) -> str:
        notebook = "06_random_forests"
        parts = finding(book[notebook]) if notebook in book else []
        return sentence(*parts, chapter_link(notebook)) if parts else ""

    return in_book


def mixture(evidence: Evidence) -> list[str]:
    """The mixture against training images alone."""
    against = evidence.claimed("l2_mixture_over_train", "one that learns training images alone")
    if not against:
        return []
    return ["a small network that learns the teacher's logits of training and GAN images", against]


def any_images(evidence: Evidence) -> list[str]:
    """What of the mixture's gain comes with any images, if only the teacher labels them."""
    parts = answers.noise_comparison(evidence)
    if parts is None:
        return []
    over_train, of_gan = parts
    return [
        "noise that the teacher labels can take the place of GAN images: that student",
        f"{compare(over_train, answers.OF_TRAINING_IMAGES)}, and the mixture with GAN images",
        compare(of_gan, "it"),
    ]


def flips(evidence: Evidence) -> list[str]:
    """Flips and crops against the mixture."""
    against = answers.flips_over_mixture(evidence)
    if against is None:
        return []
    words = "a student of flipped and cropped training images, without any GAN,"
    return [words, compare(against, "one of the mixture with GAN images")]


def gan_rows(evidence: Evidence) -> list[str]:
    """GAN rows against training rows, for one tree."""
    against = answers.tree_against(evidence, "gan", "train", answers.OF_TRAINING_ROWS)
    if not against:
        return []
    return ["on tables, one tree that learns a forest's predictions of GAN rows", against]


def jittered_rows(evidence: Evidence) -> list[str]:
    """Jitter against the GAN."""
    against = answers.tree_against(evidence, "jitter", "gan", "one of GAN rows")
    return ["a tree of jittered training rows, without any GAN,", against] if against else []


def out_of_bag(evidence: Evidence) -> list[str]:
    """Labels that cost nothing."""
    over_train = answers.tree_against(evidence, "train_oob", "train", "one of the usual labels")
    if not over_train:
        return []
    return ["a tree of the forest's out-of-bag predictions, which cost no query,", over_train]


def scores(evidence: Evidence) -> list[str]:
    """What Compression Score and Inception Score say of collapse within each class."""
    agreements = answers.within_class(evidence)
    if not agreements:
        return []
    missed = answers.missed_damage(evidence)
    return [agreements + (f"; {missed}" if missed else "")]


FINDINGS: dict[str, Callable[[Book], str]] = {
    "mixture": on_images(mixture, "01_dnn_compression"),
    "any_images": on_images(any_images, "01_dnn_compression"),
    "flips": on_images(flips, "01_dnn_compression"),
    "gan_rows": on_tables(gan_rows),
    "jitter": on_tables(jittered_rows),
    "out_of_bag": on_tables(out_of_bag),
    "scores": on_images(scores, "07_compression_score"),
}
"""What the first page says: each is one sentence, or "" where the book's records lack it."""


def findings(book: Book) -> str:
    """The findings of a book as a list in Markdown."""
    sentences = [finding(book) for finding in FINDINGS.values()]
    lines = [f"- {finding}" for finding in sentences if finding]
    return "\n".join(lines) or "None of the chapters has been run in this book."


# The claim box of a chapter


def claim_box(notebook: str, verdicts: pd.DataFrame | None) -> str:
    """The verdicts on a chapter's claims as a table in Markdown, the primary ones first.

    Each further claim stands on the first of its datasets; the rest is on the scoreboard.

    verdicts: the rows of the scoreboard's record; None where it has not been run.
    """
    claims = {claim.id: claim for claim in CLAIMS if claim.notebook == notebook}
    rows = verdicts[verdicts.metric.isin(claims)] if verdicts is not None else pd.DataFrame()
    if rows.empty:
        return "The scoreboard of this book judges no claim of this chapter."
    primary = rows[rows.family == "primary"]
    others = rows[(rows.family != "primary") & ~rows.metric.isin(primary.metric)]
    others = others.drop_duplicates("metric")
    shown = pd.concat([primary, others])[:MOST_CLAIMS]
    table = text.table_of([claim_row(claims[row.metric], row) for row in shown.itertuples()])
    more = ""
    if len(shown) < len(rows):
        words = f"all {len(rows)} verdicts on this chapter's claims"
        more = f"\n\nThe {link(SCOREBOARD, 'scoreboard')} has {words}."
    return text.markdown(table) + more


def claim_row(claim, row) -> dict[str, str]:
    """One line of the claim box; row: of the scoreboard's record."""
    low, high = (float("nan") if pd.isna(bound) else bound for bound in (row.low, row.high))
    interval = Interval(row.value, low, high, int(row.n))
    ours = text.difference_and_interval(interval)
    if not pd.isna(row.fold):
        ours += f"; {row.fold:,.0f}-fold"
    reason = f" ({row.reason})" if isinstance(row.reason, str) and row.reason else ""
    place = dataset_in_words(row.dataset, {})
    return {
        "Claim": f"{claim.words} ({claim.section})",
        "Paper": claim.paper(row.dataset),
        "Ours": ours,
        "Scale and method": f"{place}, {row.scale}; {row.method}",
        "Verdict": f"**{row.verdict}**{reason}",
    }


# What a chapter ran on


def ran_on(record: Record) -> str:
    """One line: what a chapter ran on, when, how long, at which settings, from which commit."""
    machine = listed_machines(record)
    when = f", {record.date}" if record.date else ""
    profile = f"profile `{record.profile}`, commit `{record.commit}`"
    notebook = f"{{download}}`notebook <{CHAPTER_PAGE}/{record.notebook}.ipynb>`"
    return f"*Run on {machine}{when}: {time_taken(record)}; {profile}; {notebook}.*"


def listed_machines(record: Record) -> str:
    """The machines on which the results were computed, else the one that drew the chapter."""
    if record.machines:
        return " and ".join(record.machines)
    hardware = record.hardware
    return hardware.get("gpu") or f"{hardware.get('cores')} cores of {hardware.get('cpu')}"


def time_taken(record: Record) -> str:
    """How long the results took to compute; of old records only the last run is known."""
    if record.seconds_of_this_run is None:
        return f"drawn in {duration(record.seconds)} from stored results"
    return f"{duration(record.seconds)} of computing"


# What to use


def recommendations(book: Book) -> str:
    """Which source won where, as a table in Markdown."""
    return "Nothing has been run in this book."
