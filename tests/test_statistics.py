"""The intervals are the textbook's, and a verdict follows its interval."""

import math

import numpy as np
import pandas as pd
import pytest

from ganmc_utils.report import claim, statistics
from ganmc_utils.report.statistics import Interval


def test_paired_interval_by_hand():
    # differences 1, 2, 3: mean 2, sd 1, se 1 / sqrt(3); t(0.975, 2) = 4.302653
    interval = statistics.paired_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    half = 4.302653 / math.sqrt(3)
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.low == pytest.approx(2 - half, abs=1e-5)
    assert interval.high == pytest.approx(2 + half, abs=1e-5)
    assert statistics.mean_se([1.0, 2.0, 3.0])[1] == pytest.approx(1 / math.sqrt(3))


def test_differences_already_taken_have_the_same_interval():
    differences = pd.Series([1.0, 2.0, 3.0], index=[0, 1, 2])
    paired = statistics.paired_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert statistics.t_interval(differences) == paired
    assert statistics.interval_of(differences) == paired


def test_a_seed_without_one_side_is_left_out():
    a = pd.Series([2.0, 4.0, 6.0], index=[0, 1, 2])
    b = pd.Series([1.0, 2.0, 9.0], index=[0, 1, 3])
    assert statistics.interval_of(a - b) == statistics.t_interval([1.0, 2.0])
    assert statistics.interval_of(a[:1] - b[1:]) is None


def test_one_value_has_no_error_and_none_has_no_mean():
    mean, se, n = statistics.mean_se([0.5])
    assert (mean, n) == (0.5, 1) and math.isnan(se)
    mean, se, n = statistics.mean_se([])
    assert n == 0 and math.isnan(mean) and math.isnan(se)


def test_scores_by_hand():
    assert statistics.prediction_score("auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    accuracy = statistics.prediction_score("accuracy", np.array([0, 0, 1, 1]), [0.1, 0.6, 0.7, 0.8])
    assert accuracy == 0.75
    assert statistics.prediction_score("accuracy", [0, 0, 1, 1], [0.1, 0.6, 0.7, 0.8]) == 0.75


def test_verdicts():
    assert statistics.verdict(Interval(2, 1, 3, 5)) == "confirmed"
    assert statistics.verdict(Interval(-2, -3, -1, 5)) == "refuted"
    assert statistics.verdict(Interval(1, -1, 3, 5)) == "inconclusive"
    assert statistics.verdict(statistics.paired_interval([1.0], [0.0])) == "inconclusive"


CLEAR = Interval(3, 2, 4, 5)
OPEN = Interval(1, -1, 3, 5)
BELOW = Interval(-2, -3, -1, 5)
FAR_BELOW = Interval(-6, -7, -5, 5)
NEAR_BELOW_BUT_OPEN = Interval(0, -9, 9, 5)


@pytest.mark.parametrize(
    "intervals, decides",
    [
        ([CLEAR, OPEN], OPEN),
        ([CLEAR, OPEN, BELOW], BELOW),
        ([BELOW, FAR_BELOW], FAR_BELOW),
        ([BELOW, NEAR_BELOW_BUT_OPEN], BELOW),  # one that is refuted comes first
        ([CLEAR, None], None),
        ([], None),
    ],
)
def test_the_worst_of_several_intervals_decides(intervals, decides):
    assert claim.worst(intervals) == decides


@pytest.mark.parametrize(
    "interval, folds, verdict",
    [
        (CLEAR, [30.0, 31.0, 32.0], "confirmed"),
        (OPEN, [30.0, 31.0, 32.0], "inconclusive"),
        (BELOW, [30.0, 31.0, 32.0], "refuted"),
        (CLEAR, [10.0, 10.1, 10.2], "refuted"),  # the factor is clearly too small
        (CLEAR, [5.0, 20.0, 40.0], "inconclusive"),  # too small on average, but not clearly
        (BELOW, [5.0, 20.0, 40.0], "refuted"),
    ],
)
def test_a_factor_that_falls_short_is_never_confirmed(interval, folds, verdict):
    assert claim.verdict_with_fold(interval, pd.Series(folds), 25) == verdict
