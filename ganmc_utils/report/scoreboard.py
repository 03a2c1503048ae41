"""Every claim of the paper against our records: verdicts, their table, and the book's first table.

A number of the scoreboard leads to what measures it in two hops:

1. the claim, by its words or its id in the record: in CLAIMS of networks/claims.py (Sec. 3),
   forests/claims.py (Sec. 4) or scores/claims.py (Sec. 5);
2. its `measure`, a function in the same file: it says which rows are subtracted from which.

The intervals and the verdict are in report/statistics.py; a claim with a second half ("25 times
smaller") is judged by `judge_with_fold` in report/claim.py.

Each claim is judged at 95% on its own, except for the few of PRIMARY: they share one familywise
error of 5% (`report.statistics.holm`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ganmc_utils.core import profiles, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.records import Record, Row
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.forests import tables as forest_tables
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.report import statistics, text
from ganmc_utils.report.claim import Judgement, judge_claim
from ganmc_utils.report.paper import has_scale_of_paper
from ganmc_utils.report.phrases import dataset_in_words
from ganmc_utils.scores import claims as score_claims

CLAIMS = network_claims.CLAIMS + forest_claims.CLAIMS + score_claims.CLAIMS

MOST_PRIMARY = 12
PRIMARY = {
    ("l2_mixture_over_train", "cifar10"): "Abstract (deep networks); Fig. 1",
    ("pairs_mixture_over_train", "cifar10"): "Contribution 2; Table 1: every pair",
    ("p_fake_interior", "cifar10"): "Fig. 2a: a mixture is best",
    ("flips_and_gan", "cifar10"): "Fig. 2b: both together are best",
    ("gan_epochs", "cifar10"): "Fig. 2c: a better GAN, a better student",
    ("gan_harms_supervised", "cifar10"): "Fig. 2d: it is compression that gains",
    ("gan_over_train_single", "magic"): "Abstract (random forests); Table 3 and Figs. 3a to 3d",
    ("gan_over_train_single", "higgs_1k"): "The same: the smallest of its tables",
    ("gan_over_train_single", "evergreen"): "The same: the third of its tables",
    ("supervised_gan_no_help_single", "magic"): "Fig. 3e",
    ("paper_time_any", "magic"): "Contribution 3; Fig. 3f: any of the paper's students",
    ("inferior_scores_lower_paper", "cifar10"): "Abstract and contribution 4; Table 4",
}
"""The primary claims, by id and dataset, and why: the abstract's and each figure's headline."""

NOTEBOOK = "08_scoreboard"
CONDITIONAL = "conditional on one split, teacher and GAN"


def records_in(folder: Path) -> list[Record]:
    """The records in a folder, but for the scoreboard's own; none where there is no folder."""
    return [record for record in records.load_all(folder) if record.notebook != NOTEBOOK]


def about(run_records: Sequence[Record]) -> str:
    """Whose records these are, such as "8 records, profile laptop, commits 0a1b2c3"."""
    names = sorted({record.profile for record in run_records})
    commits = sorted({record.commit for record in run_records})
    words = f"{len(run_records)} records, profile {', '.join(names)}, "
    words += f"commits {', '.join(commits)}"
    if any(map(profiles.is_smoke_test, run_records)):
        words += "\nwith smoke tests: small data that are not the paper's, no evidence"
    return words


def judge(run_records: Sequence[Record]) -> list[Judgement]:
    """Judge every claim on every dataset for which the record of its chapter holds what it needs.

    Raises:
        GanmcError: if not one claim can be judged.
    """
    by_chapter: dict[str, list[Record]] = {}
    for record in run_records:
        by_chapter.setdefault(record.notebook, []).append(record)
    frames = {
        (notebook, dataset): rows_of_dataset
        for notebook, of_chapter in by_chapter.items()
        for dataset, rows_of_dataset in evidence(of_chapter).groupby("dataset")
    }
    judgements = []
    for claim in CLAIMS:
        for dataset in claim.datasets:
            if (claim.notebook, dataset) not in frames:
                continue
            frame, record = frames[claim.notebook, dataset], by_chapter[claim.notebook][0]
            judgement = judge_claim(claim, frame, dataset)
            if judgement is not None:
                judgements.append(with_scale_and_method(judgement, record, frame))
    if not judgements:
        raise GanmcError(
            "no record holds what a claim needs; run notebooks/06_random_forests.ipynb first"
        )
    return with_primary_verdicts(judgements)


def evidence(run_records: Sequence[Record]) -> pd.DataFrame:
    """The rows of the records of one chapter, with what the intervals need of its parameters.

    Column real_students: how many students are behind the Compression Score of the real data.
    Column last_inferior: how many epochs the inferior GAN was trained on its class loss.
    """
    frame = records.as_frame(*run_records)
    parameters = run_records[0].parameters
    if "score" in parameters:
        frame["real_students"] = parameters["score"]["students"] * len(parameters["seeds"])
        frame["last_inferior"] = max(parameters["inferior_epochs"])
    return frame


def with_scale_and_method(judgement: Judgement, record: Record, frame: pd.DataFrame) -> Judgement:
    """The judgement with what its verdict is about."""
    claim, dataset = judgement.claim, judgement.dataset
    method = claim.method(record.parameters, frame, dataset)
    if claim.shares_one_set and not records.has_several_sets(record):
        method = f"{method}; {CONDITIONAL}"
    return replace(judgement, scale=scale_of(record, dataset), method=method)


def scale_of(record: Record, dataset: str) -> str:
    """At which scale a record has a dataset: a smoke test, the paper's, or smaller than that."""
    if profiles.is_smoke_test(record):
        return "smoke test"
    return "paper's setting" if has_scale_of_paper(record.parameters, dataset) else "reduced"


def with_primary_verdicts(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The judgements, with the p-values of the primary ones adjusted for their number (Holm).

    A primary verdict whose adjusted p-value is not below 0.05 becomes inconclusive. A claim without
    a p-value (one value) counts with p = 1.
    """
    primary = [j for j in judgements if (j.claim.id, j.dataset) in PRIMARY]
    adjusted = statistics.holm([1.0 if j.interval.p is None else j.interval.p for j in primary])
    p_holm = {(j.claim.id, j.dataset): p for j, p in zip(primary, adjusted, strict=True)}
    return [with_adjusted_p(j, p_holm.get((j.claim.id, j.dataset))) for j in judgements]


def with_adjusted_p(judgement: Judgement, p_holm: float | None) -> Judgement:
    """The judgement of a primary claim by its adjusted p-value, any other as it is (None)."""
    if p_holm is None:
        return judgement
    if judgement.verdict == "inconclusive" or p_holm < statistics.ALPHA:
        return replace(judgement, p_holm=p_holm)
    reason = f"p = {p_holm:#.2g} after Holm"
    return replace(judgement, p_holm=p_holm, verdict="inconclusive", reason=reason)


def table(run_records: Sequence[Record]) -> pd.DataFrame:
    """One row per claim and dataset.

    Columns: the claim and its section; the verdict, and the reason where the interval alone does
    not give it; the dataset; ours, the mean [low, high] of the difference and the number n of
    seeds, and the factor for claims that have one; the paper's; scale and method of ours; and
    whether the claim is primary or exploratory.
    """
    return text.table_of([table_row(judgement) for judgement in judge(run_records)])


def table_row(judgement: Judgement) -> dict[str, str]:
    """One row of the scoreboard by its headers."""
    claim = judgement.claim
    ours = f"{text.difference_and_interval(judgement.interval)}, n = {judgement.interval.n}"
    if judgement.fold is not None:
        ours += f"; {text.fold_and_interval(judgement.fold)}"
    verdict = judgement.verdict
    if judgement.reason:
        verdict += f" ({judgement.reason})"
    return {
        "Claim": f"{claim.words} ({claim.section})",
        "Verdict": verdict,
        "Dataset": dataset_in_words(judgement.dataset),
        "Ours": ours,
        "Paper": claim.paper(judgement.dataset),
        "Scale": judgement.scale,
        "Method": judgement.method,
        "Family": judgement.family,
    }


SECTIONS = (
    "Primary claims",
    "Sec. 3: deep networks",
    "Sec. 4, Table 3: one tree",
    "Sec. 4, Fig. 3: forests",
    "Sec. 4, Fig. 3f: size and speed",
    "Sec. 5: the Compression Score",
    "Our controls",
)
"""What the book shows under one title, in the order of the paper."""


SECTION_COLUMNS = ("Claim", "Dataset", "Ours", "Paper", "Verdict", "Runs")


def section_of(judgement: Judgement) -> str:
    """Under which title of SECTIONS a judgement stands."""
    claim = judgement.claim
    if judgement.family == "primary":
        return "Primary claims"
    if claim.is_control:
        return "Our controls"
    if claim.notebook.startswith("07"):
        return "Sec. 5: the Compression Score"
    if not claim.notebook.startswith("06"):
        return "Sec. 3: deep networks"
    if claim.fold is not None:
        return "Sec. 4, Fig. 3f: size and speed"
    is_in_table = "Table 3" in claim.section
    return "Sec. 4, Table 3: one tree" if is_in_table else "Sec. 4, Fig. 3: forests"


def by_section(judgements: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    """{title: judgements} in the order of SECTIONS, those without judgements left out."""
    of_title = {title: [] for title in SECTIONS}
    for judgement in judgements:
        of_title[section_of(judgement)].append(judgement)
    return {title: section for title, section in of_title.items() if section}


def section_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """The rows of `table` in fewer columns: n, scale and method of a verdict share one."""
    rows = []
    for judgement in judgements:
        claim, n = judgement.claim, judgement.interval.n
        ours, _, fold = table_row(judgement)["Ours"].partition(f", n = {n}")
        row = table_row(judgement) | {"Ours": ours + fold}
        row["Claim"] = f"{claim.words} <small>({claim.section})</small>"
        row["Runs"] = f"<small>n = {n}; {judgement.scale}; {judgement.method}</small>"
        rows.append({column: row[column] for column in SECTION_COLUMNS})
    return text.table_of(rows)


def folded(judgements: Sequence[Judgement]) -> str:
    """The tables of the sections in Markdown, each folded below the counts of its verdicts."""
    parts = []
    for title, section in by_section(judgements).items():
        summary = f"<b>{title}</b>: {counts(section)}"
        table_text = text.markdown(section_table(section))
        parts.append(f"<details><summary>{summary}</summary>\n\n{table_text}\n\n</details>")
    return "\n\n".join(parts)


def counts(judgements: Sequence[Judgement]) -> str:
    """How many claims have each verdict, such as "2 confirmed, 9 inconclusive, 1 refuted"."""
    verdicts = [judgement.verdict for judgement in judgements]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in statistics.VERDICTS)


def rows(run_records: Sequence[Record]) -> list[Row]:
    """The verdicts as rows of a record: metric = id of the claim, value = mean of the interval."""
    return [row_of(judgement) for judgement in judge(run_records)]


def row_of(judgement: Judgement) -> Row:
    """One verdict as a row; the bounds and the p-value of one seed are null."""
    interval, fold = judgement.interval, judgement.fold
    has_bounds = interval.n > 1
    return Row(
        experiment="claim",
        dataset=judgement.dataset,
        teacher="none",
        student="none",
        source="none",
        seed=None,
        split="test",
        metric=judgement.claim.id,
        value=interval.mean,
        setting={
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "low": interval.low if has_bounds else None,
            "high": interval.high if has_bounds else None,
            "n": interval.n,
            "p": interval.p,
            "p_holm": judgement.p_holm,
            "fold": None if fold is None else fold.mean,
            "fold_low": fold.low if fold is not None and has_bounds else None,
            "fold_high": fold.high if fold is not None and has_bounds else None,
            "scale": judgement.scale,
            "method": judgement.method,
            "family": judgement.family,
        },
    )


def headline_scores(frame: pd.DataFrame, dataset: str) -> dict[str, pd.Series]:
    """{source: Series over seeds} of the teacher and of one-tree students, for those that were run.

    The keys are those of Table 3, and for the paper's single GAN "one gan" and "one train+gan".
    """
    scores = {"teacher": forest_claims.by_seed(frame, dataset, "none", "teacher")}
    for source in forest_claims.COMPRESSION_SOURCES:
        if source in forest_claims.GAN_SOURCES:
            single = forest_claims.by_seed(frame, dataset, source, trees=1, gan="single")
            scores[f"one {source}"] = single
        scores[source] = forest_claims.by_seed(frame, dataset, source, trees=1)
    return {source: values for source, values in scores.items() if len(values)}


def headline_table(run_records: Sequence[Record]) -> str:
    """Table 3 in Markdown: one row per source, ours as mean ± se, the paper's in brackets."""
    frame = records.as_frame(*run_records)
    cells = {}
    for dataset in forest_claims.TABLE_DATASETS:
        scores = headline_scores(frame, dataset)
        if scores:
            cells[dataset_in_words(dataset)] = forest_tables.beside_the_paper(dataset, scores)
    return text.markdown(forest_tables.rows_by_source(cells))
