"""Every claim of the paper against our records: the verdicts, their table, their rows, and the book's first table."""

from collections import namedtuple

import pandas as pd

from ganmc_utils.core import records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.records import Row
from ganmc_utils.forests.claims import CLAIMS as FOREST_CLAIMS
from ganmc_utils.forests.claims import DATASETS, FOLD, HEADLINE, by_seed, headline_rows, interval
from ganmc_utils.forests.tables import difference_and_interval, mean_and_error
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.report import plots, statistics
from ganmc_utils.report.paper import paper_score
from ganmc_utils.scores import claims as score_claims

CLAIMS = network_claims.CLAIMS + FOREST_CLAIMS + score_claims.CLAIMS
Judged = namedtuple("Judged", "claim dataset interval verdict fold")  # one claim on one dataset


def judge(found):
    """Every claim on every dataset that the records (a list of Record) hold; GanmcError if none can be judged."""
    judged, frame = [], records.as_frame(*found) if found else pd.DataFrame()
    for claim, d in [(c, d) for c in CLAIMS for d in c.datasets if len(frame)]:
        measured = claim.measure(frame, d)
        folds = headline_rows(frame, d, claim.fold)
        if measured is None or (claim.fold and not len(folds)):
            continue
        verdict, fold = statistics.verdict(measured), float(folds.mean()) if claim.fold else None
        if (
            claim.fold and fold < FOLD
        ):  # the other half of the claim: falling short cannot confirm it
            verdict = (
                "refuted"
                if "refuted" in (verdict, statistics.verdict(interval(folds - FOLD)))
                else "not seen"
            )
        judged.append(Judged(claim, d, measured, verdict, fold))
    if not judged:
        raise GanmcError(
            "no record holds what a claim needs; run notebooks/06_random_forests.ipynb first"
        )
    return judged


def table(found):
    """One row per claim and dataset: claim (section), verdict, dataset, ours (mean [low, high], n), the paper's difference."""
    return pd.DataFrame(
        [
            {
                "Claim": f"{j.claim.words} ({j.claim.section})",
                "Verdict": j.verdict,
                "Dataset": j.dataset,
                "Ours": f"{difference_and_interval(j.interval)}, n = {j.interval.n}"
                + (f"; {j.fold:,.0f}-fold" if j.fold is not None else ""),
                "Paper": j.claim.paper(j.dataset),
            }
            for j in judge(found)
        ]
    )


def rows(found):
    """The verdicts as rows of a record: metric = claim id, value = mean of the interval."""
    return [
        Row(
            experiment="claim",
            dataset=j.dataset,
            teacher="none",
            student="none",
            source="none",
            seed=None,
            split="test",
            metric=j.claim.id,
            value=j.interval.mean,
            setting={
                "verdict": j.verdict,
                "low": j.interval.low if j.interval.n > 1 else None,
                "high": j.interval.high if j.interval.n > 1 else None,
                "n": j.interval.n,
                "fold": j.fold,
            },
        )
        for j in judge(found)
    ]


def headline_scores(frame, dataset):
    """{source: Series over seeds} of one-tree students and of the teacher, for those that were run."""
    where = {s: (s, "compression", 1) for s in HEADLINE} | {"teacher": ("none", "teacher")}
    return {s: v for s in HEADLINE if len(v := by_seed(frame, dataset, *where[s]))}


def headline_table(found):
    """Markdown like Table 3: one row per dataset, ours as mean ± se, the paper's value in brackets."""
    frame = records.as_frame(*found)
    lines = [
        {"Dataset": d}
        | {
            plots.label(s): mean_and_error(v)
            + (f" ({paper_score(d, s):.3f})" if paper_score(d, s) else "")
            for s, v in by.items()
        }
        for d in DATASETS
        if (by := headline_scores(frame, d))
    ]
    return pd.DataFrame(lines).fillna("").to_markdown(index=False, disable_numparse=True)
