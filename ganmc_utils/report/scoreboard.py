"""Every claim of the paper against our records: verdicts, their table, and the book's first table.

A number of the scoreboard leads to what measures it in two hops:

1. the claim, by its words or its id in the record: in CLAIMS of networks/claims.py (Sec. 3),
   forests/claims.py (Sec. 4) or scores/claims.py (Sec. 5);
2. its `measure`, a function in the same file: it says which rows are subtracted from which.

The t-interval and the verdict are in report/statistics.py; a claim with a second half ("25 times
smaller") is judged by `verdict_with_fold` in report/claim.py.
"""

from collections.abc import Sequence

import pandas as pd

from ganmc_utils.core import records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.records import Record, Row
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.report import plots, text
from ganmc_utils.report.claim import Judgement, judge_claim
from ganmc_utils.report.paper import paper_score
from ganmc_utils.scores import claims as score_claims

CLAIMS = network_claims.CLAIMS + forest_claims.CLAIMS + score_claims.CLAIMS


def judge(run_records: Sequence[Record]) -> list[Judgement]:
    """Judge every claim on every dataset for which the records hold what it needs.

    Raises:
        GanmcError: if not one claim can be judged.
    """
    judgements = []
    if run_records:
        frame = records.as_frame(*run_records)
        for claim in CLAIMS:
            for dataset in claim.datasets:
                judgement = judge_claim(claim, frame, dataset)
                if judgement is not None:
                    judgements.append(judgement)
    if not judgements:
        raise GanmcError(
            "no record holds what a claim needs; run notebooks/06_random_forests.ipynb first"
        )
    return judgements


def table(run_records: Sequence[Record]) -> pd.DataFrame:
    """One row per claim and dataset: claim (section), verdict, dataset, ours, the paper's.

    Ours is the mean [low, high] of the difference and the number n of seeds, and the factor for
    claims that have one.
    """
    rows = []
    for judgement in judge(run_records):
        claim = judgement.claim
        interval = text.difference_and_interval(judgement.interval)
        ours = f"{interval}, n = {judgement.interval.n}"
        if judgement.fold is not None:
            ours += f"; {judgement.fold:,.0f}-fold"
        row = {
            "Claim": f"{claim.words} ({claim.section})",
            "Verdict": judgement.verdict,
            "Dataset": judgement.dataset,
            "Ours": ours,
            "Paper": claim.paper(judgement.dataset),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def rows(run_records: Sequence[Record]) -> list[Row]:
    """The verdicts as rows of a record: metric = id of the claim, value = mean of the interval."""
    return [row_of(judgement) for judgement in judge(run_records)]


def row_of(judgement: Judgement) -> Row:
    """One verdict as a row; the bounds of an interval of one seed are null."""
    interval = judgement.interval
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
            "low": interval.low if has_bounds else None,
            "high": interval.high if has_bounds else None,
            "n": interval.n,
            "fold": judgement.fold,
        },
    )


def headline_scores(frame: pd.DataFrame, dataset: str) -> dict[str, pd.Series]:
    """{source: Series over seeds} of the teacher and of one-tree students, for those that were run.

    The order is that of Table 3's columns.
    """
    scores = {}
    for source in forest_claims.TABLE3_COLUMNS:
        if source == "teacher":
            values = forest_claims.by_seed(frame, dataset, "none", "teacher")
        else:
            values = forest_claims.by_seed(frame, dataset, source, trees=1)
        if len(values):
            scores[source] = values
    return scores


def headline_table(run_records: Sequence[Record]) -> str:
    """Table 3 in Markdown: one row per dataset, ours as mean ± se, the paper's in brackets."""
    frame = records.as_frame(*run_records)
    table_rows = []
    for dataset in forest_claims.TABLE_DATASETS:
        scores = headline_scores(frame, dataset)
        if not scores:
            continue
        row = {"Dataset": dataset}
        for source, values in scores.items():
            published = text.in_brackets(paper_score(dataset, source))
            row[plots.label(source)] = text.mean_and_error(values) + published
        table_rows.append(row)
    return text.markdown(text.table_of(table_rows))
