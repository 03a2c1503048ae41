"""The benchmark of small students, at toy size: what it reads from one search is what it says."""

import sys
from dataclasses import replace

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from ganmc_utils import ClassifierCompressor
from ganmc_utils.compress.climbing import climb
from ganmc_utils.compress.judge import best_of
from ganmc_utils.core.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import own_model  # noqa: E402


def test_students_of_a_looser_limit_are_those_of_a_search_of_its_own(monkeypatch):
    monkeypatch.setattr(own_model, "LADDERS", {"tree": None, "boosted": None})
    data = own_model.table_data("breast_cancer")
    compressor = ClassifierCompressor(
        RandomForestClassifier(20, random_state=0), source="jitter", queries=1000, progress=False
    )
    search = compressor.search_of(data.X, data.y)
    (rows,) = search.choose_rows()
    x, target = rows.x, rows.target
    judges = {limit: replace(search.judge, max_loss=limit) for limit in (0.005, 0.1)}
    trials = own_model.students(search, [rows], judges)
    for limit, judge in judges.items():
        for family in ("tree", "boosted"):
            ours = best_of([t for t in trials[limit] if t.design.family == family], judge)
            alone = best_of(climb(family, x, target, judge), judge)
            assert (ours.design, ours.bytes, ours.is_kept) == (
                alone.design,
                alone.bytes,
                alone.is_kept,
            )


def test_toy_rows_are_of_both_classes_where_the_table_is_sorted():
    rows = own_model.adult_like_data(300)
    order = np.argsort(rows.y)
    sorted_rows = own_model.Data(rows.X.iloc[order], rows.y[order])
    assert set(sorted_rows.some(40).y) == {0, 1}
