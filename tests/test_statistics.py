"""The intervals are the textbook's, and a verdict follows its interval."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

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


def test_one_value_decides_nothing():
    assert statistics.verdict(statistics.one_value(5.0)) == "inconclusive"
    assert statistics.verdict(Interval(5.0, 5.0, 5.0, 1)) == "inconclusive"
    assert statistics.equivalence_verdict(statistics.one_value(0.0), 0.05) == "inconclusive"


def test_the_p_value_is_that_of_the_t_test():
    differences = [0.3, -0.1, 0.4, 0.2, 0.5]
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert statistics.t_interval(differences).p == pytest.approx(expected, rel=1e-12)
    assert statistics.t_interval([0.2, 0.2]).p < 1e-9 and statistics.t_interval([0.0, 0.0]).p == 1


# The test part's sampling error


def test_the_variance_of_a_difference_of_accuracies_by_hand():
    terms = [(1, [0.6, 0.8]), (-1, [0.5, 0.5])]  # means 0.7 and 0.5
    expected = (0.7 * 0.3 + 0.5 * 0.5) / 100
    assert statistics.variance_of_test_part(terms, 100) == pytest.approx(expected)
    assert statistics.variance_of_test_part(terms, None) == 0
    doubled = statistics.variance_of_test_part([(2, [0.7])], 100)
    assert doubled == pytest.approx(4 * 0.21 / 100)


def test_students_that_find_the_same_samples_easy_have_a_smaller_variance():
    # right together with the largest probability that their accuracies allow
    rng = np.random.default_rng(0)
    n = 500
    u = rng.random((4000, n))
    differences = (u < 0.7).mean(axis=1) - (u < 0.6).mean(axis=1)
    bound = statistics.variance_of_test_part([(1, [0.7]), (-1, [0.6])], n)
    assert differences.var() < bound / 3
    apart = (rng.random((4000, n)) < 0.7).mean(axis=1) - (u < 0.6).mean(axis=1)
    assert apart.var() == pytest.approx(bound, rel=0.1)


def test_margins_are_joined_in_quadrature():
    plain = statistics.t_interval([1.0, 2.0, 3.0])
    wider = statistics.t_interval([1.0, 2.0, 3.0], variance_of_test_part=0.25)
    z = stats.norm.ppf(0.975)
    assert wider.high - 2 == pytest.approx(math.hypot(plain.high - 2, z * 0.5))
    assert wider.mean == plain.mean and wider.p > plain.p
    only_test_part = statistics.t_interval([0.3, 0.3], variance_of_test_part=0.04)
    assert only_test_part.high - 0.3 == pytest.approx(z * 0.2)
    assert only_test_part.p == pytest.approx(2 * stats.norm.sf(0.3 / 0.2))


@pytest.mark.parametrize("mean", [0.5, 1.0, 1.7, 2.4, 4.0])
@pytest.mark.parametrize("variance", [0.0, 0.1, 1.0])
def test_the_interval_excludes_zero_where_p_is_below_its_level(mean, variance):
    differences = np.array([-0.5, 0.1, 0.4]) + mean
    for confidence in (0.8, 0.95, 0.99):
        interval = statistics.t_interval(differences, confidence, variance)
        excludes_zero = interval.low > 0 or interval.high < 0
        assert excludes_zero == (interval.p < 1 - confidence)


def test_the_interval_covers_what_it_says():
    rng = np.random.default_rng(1)
    truth, covered = 1.0, 0
    for _ in range(400):
        luck_of_test_part = rng.normal(0, 1)  # shared by the three seeds
        differences = truth + luck_of_test_part + rng.normal(0, 1, 3)
        interval = statistics.t_interval(differences, variance_of_test_part=1.0)
        covered += interval.low <= truth <= interval.high
    assert 0.94 < covered / 400 < 1


# Equivalence


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (-0.05, 0.05, "confirmed"),
        (0.01, 0.04, "confirmed"),  # not zero, but near enough
        (-0.06, 0.01, "inconclusive"),
        (-3.0, 3.0, "inconclusive"),  # noise
        (0.051, 0.2, "refuted"),
        (-0.2, -0.051, "refuted"),
        (0.05, 0.2, "inconclusive"),
    ],
)
def test_an_equivalence_is_shown_by_an_interval_inside_the_margin(low, high, expected):
    interval = Interval((low + high) / 2, low, high, 5)
    assert statistics.equivalence_verdict(interval, 0.05) == expected


def test_noise_never_passes_an_equivalence():
    rng = np.random.default_rng(2)
    verdicts = [
        statistics.equivalence_verdict(statistics.t_interval(rng.normal(0, 1, 3)), 0.05)
        for _ in range(200)
    ]
    assert verdicts.count("confirmed") <= 2


# Holm


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; then never smaller than the one before
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.02]) == [0.02]
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def step_down(p_values, alpha):
    """Holm's procedure as he wrote it: reject from the smallest on, up to the first failure."""
    rejected = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    for rank, index in enumerate(order):
        if p_values[index] * (len(p_values) - rank) >= alpha:
            break
        rejected[index] = True
    return rejected


def test_adjusted_p_values_decide_as_the_procedure():
    rng = np.random.default_rng(3)
    for _ in range(200):
        p_values = list(rng.random(6) ** 3)
        adjusted = statistics.holm(p_values)
        assert [p < 0.05 for p in adjusted] == step_down(p_values, 0.05)
        assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


# Rank correlations


@pytest.mark.parametrize("kind", ["kendall", "spearman"])
def test_rank_correlations_are_those_of_scipy(kind):
    rng = np.random.default_rng(4)
    of_scipy = {"kendall": stats.kendalltau, "spearman": stats.spearmanr}[kind]
    for _ in range(20):
        x, y = rng.integers(0, 5, 9), rng.integers(0, 5, 9)  # with ties
        a, b = (statistics.pair_scores(values.astype(float), kind) for values in (x, y))
        expected = of_scipy(x, y).statistic
        assert statistics.correlation_of_scores(a, b) == pytest.approx(expected)
    flat = statistics.pair_scores(np.ones(4), kind)
    assert statistics.correlation_of_scores(flat, flat) == 0


def ranks(*rows):
    return pd.DataFrame(rows, columns=range(len(rows[0])), dtype=float)


def test_the_interval_of_a_rank_correlation_stays_inside_its_bounds():
    x = ranks(*[range(6)] * 3)
    y = ranks([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 5, 4], [1, 0, 2, 3, 4, 5])
    interval = statistics.rank_interval(x, y, "spearman")
    assert interval.n == 3 and -1 <= interval.low <= interval.mean <= interval.high <= 1
    t = statistics.t_interval([1, 33 / 35, 33 / 35])
    assert t.high > 1, "which the t-interval does not"
    assert interval.mean == pytest.approx(t.mean)


def test_a_perfect_order_of_few_points_is_no_evidence():
    x = ranks([0, 1, 2], [0, 1, 2])
    interval = statistics.rank_interval(x, x, "kendall")
    assert (interval.mean, interval.low, interval.high) == (1, 1, 1)
    assert interval.p == pytest.approx(2 / 6), "two of the six orders are as strict"
    assert statistics.verdict(interval) == "inconclusive"
    x = ranks(range(5), range(5))
    interval = statistics.rank_interval(x, x, "kendall")
    assert interval.p == pytest.approx(2 / 120) and statistics.verdict(interval) == "confirmed"


def test_seeds_that_share_their_points_are_shuffled_together():
    x = ranks(*[range(4)] * 10)
    y = ranks(*[[0, 1, 3, 2]] * 10)  # ten seeds say the same: no more than one says
    of_ten, of_two = (statistics.rank_interval(x[:n], y[:n], "kendall") for n in (10, 2))
    assert of_ten.p == of_two.p > 0.05


def test_too_little_for_a_rank_correlation():
    x = ranks(range(4))
    one_seed = statistics.rank_interval(x, x, "kendall")
    assert (one_seed.mean, one_seed.n) == (1, 1) and math.isnan(one_seed.low)
    assert statistics.rank_interval(x[[0, 1]], x[[0, 1]], "kendall") is None
    assert statistics.rank_interval(x[:0], x[:0], "kendall") is None


def test_the_bootstrap_by_hand():
    # resamples of (0, 1): means 0, 1/2, 1/2, 1; the 2.5% and 97.5% quantiles are the ends
    assert statistics.bootstrap_bounds([0.0, 1.0]) == (0.0, 1.0)
    assert statistics.bootstrap_bounds([0.0, 1.0], confidence=0.4) == (0.5, 0.5)
    assert statistics.bootstrap_bounds([0.3] * 4) == pytest.approx((0.3, 0.3))
    many = np.random.default_rng(5).normal(0, 1, 40)
    low, high = statistics.bootstrap_bounds(many)
    t = statistics.t_interval(many)
    assert (low, high) == pytest.approx((t.low, t.high), abs=0.06)
    assert statistics.bootstrap_bounds(many) == (low, high), "its draws have a seed"


def test_drawn_permutations_agree_with_all_of_them():
    rng = np.random.default_rng(6)
    x, y = np.arange(7.0), rng.random(7)

    def correlation(order):
        return float(np.corrcoef(x, y[order])[0, 1])

    exact = statistics.permutation_p(correlation, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "MOST_EXACT", 0)
        drawn = statistics.permutation_p(correlation, 7)
    assert drawn == pytest.approx(exact, abs=0.02)


# Curves that still rise

EPOCHS = np.arange(4, 41, 4)


def curve(shape, seeds=3, noise=0.0):
    rng = np.random.default_rng(7)
    rows = [shape(EPOCHS) + 0.1 * s + noise * rng.normal(size=len(EPOCHS)) for s in range(seeds)]
    return pd.DataFrame(rows, columns=EPOCHS)


def early_end(epochs):
    return 0.6 - 0.3 * np.exp(-epochs / 3)


def steady(epochs):
    return 0.3 + 0.005 * epochs


def test_a_line_upwards_rises_and_a_flat_or_falling_one_does_not():
    assert statistics.is_rising(curve(steady))
    assert not statistics.is_rising(curve(lambda epochs: 0 * epochs + 0.5))
    assert not statistics.is_rising(curve(lambda epochs: 0.5 - 0.005 * epochs))
    assert statistics.is_rising(curve(steady, seeds=1))


def test_a_slope_within_the_noise_is_no_rise():
    assert statistics.is_rising(curve(steady, noise=0.002))
    assert not statistics.is_rising(curve(steady, noise=0.2))
    assert not statistics.is_rising(curve(early_end, noise=0.002))


def test_a_flat_curve_with_noise_seldom_rises():
    rng = np.random.default_rng(8)
    flat = [pd.DataFrame(rng.normal(size=(3, 10)), columns=EPOCHS) for _ in range(400)]
    assert np.mean([statistics.is_rising(one) for one in flat]) == pytest.approx(0.05, abs=0.03)


def test_the_slope_is_tested_as_in_a_regression_with_one_seed():
    values = [0.5, 0.52, 0.51, 0.56]
    curves = pd.DataFrame([values], columns=[300, 320, 350, 400])
    line = stats.linregress([300, 320, 350, 400], values)
    one_sided = stats.t.sf(line.slope / line.stderr, 2)
    assert 0.02 < one_sided < 0.2
    assert statistics.is_rising(curves, 1 - one_sided - 0.001)
    assert not statistics.is_rising(curves, 1 - one_sided + 0.001)


def test_what_is_the_end_of_training():
    ends = statistics.last_quarter(curve(steady))
    assert list(ends.columns) == [32, 36, 40], "the last quarter begins after epoch 30"
    few = pd.DataFrame([[0.0] * 4], columns=[1, 10, 100, 200])
    assert list(statistics.last_quarter(few).columns) == [10, 100, 200], "three at least"
    assert not statistics.is_rising(pd.DataFrame([[0.1, 0.2]], columns=[1, 2])), "no residual left"


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
    of_size = claim.Claim("id", "", "", (), lambda *_: interval, "", least_fold=25)
    judgement = claim.Judgement(of_size, "magic", interval, "inconclusive", fold=None)
    assert claim.judge_with_fold(judgement, pd.Series(folds)).verdict == verdict


def test_the_best_of_many_students_must_be_shown_for_all_of_them():
    folds, interval = pd.Series([30.0, 31.0, 32.0]), Interval(2, 1, 3, 3, 0.01)
    best = claim.Claim("id", "", "", (), lambda *_: interval, "", least_fold=25)
    for candidates, verdict in ((1, "confirmed"), (4, "confirmed"), (5, "inconclusive")):
        of_some = replace(best, candidates=candidates)
        judgement = claim.Judgement(of_some, "magic", interval, "inconclusive", fold=None)
        judgement = claim.judge_with_fold(judgement, folds)
        assert judgement.verdict == verdict
        assert judgement.interval.p == pytest.approx(candidates * 0.01)
    assert judgement.reason == "p = 0.05 among 5 students"


def test_the_p_value_of_several_claims():
    above = [Interval(3, 2, 4, 5, 0.001), Interval(2, 1, 3, 5, 0.01)]
    assert claim.worst(above) == Interval(2, 1, 3, 5, 0.01), "all hold where the weakest does"
    below = Interval(-2, -3, -1, 5, 0.02)
    assert claim.worst([*above, below]) == Interval(-2, -3, -1, 5, 0.06), "one of three may fail"
    assert statistics.verdict(claim.worst([*above, below])) == "inconclusive"
    assert claim.worst([below] * 3).p == pytest.approx(0.06)


def test_an_interval_of_correlations_stays_inside_their_bounds():
    interval = statistics.correlation_interval([1.0, 1.0, 0.2])
    assert -1 <= interval.low < interval.mean < interval.high <= 1
    assert interval.mean == pytest.approx(2.2 / 3)
    assert statistics.t_interval([1.0, 1.0, 0.2]).high > 1  # what it takes the place of
    assert statistics.correlation_interval([0.5]).n == 1
