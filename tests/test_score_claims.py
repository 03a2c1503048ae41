"""The claims of Sec. 5 follow the data, and noise confirms none of them."""

import pytest
from helpers import record, row
from scipy import stats

from ganmc_utils.core import records
from ganmc_utils.report import scoreboard
from ganmc_utils.report.claim import judge_claim
from ganmc_utils.scores import claims

PARAMETERS = {
    "data": {"n_test": 5000, "n_validation": 5000, "n_train": 5000, "image_size": 16},
    "student": {"width": 2, "epochs": 2},
    "gan": {"epochs": 2},
    "score": {"students": 2},
    "seeds": [0, 1, 2],
    "inferior_epochs": [10, 50],
}
SETS = {"train": 1.0, "gan": 0.8, "10": 0.5, "inferior 10": 0.78, "inferior": 0.6}


def set_rows(sets, metric="compression_score"):
    return [
        row(
            experiment="generators",
            dataset="cifar10",
            source="gan",
            seed=seed,
            metric=metric,
            value=score + 0.004 * (seed * (seed + len(name)) % 3),
            setting={"samples": name},
        )
        for name, score in sets.items()
        for seed in range(3)
    ]


def real_rows(value=0.99, error=0.01):
    of_metric = {"value": value, "error": error, "reference": 0.4, "baseline": 0.1}
    return [
        row(
            experiment="real",
            dataset="cifar10",
            source="train",
            seed=None,
            metric=metric,
            value=number,
            setting={"version": "v2"},
        )
        for metric, number in of_metric.items()
    ]


def judged(rows, **parameters):
    run = record(rows, notebook="07_compression_score", parameters=PARAMETERS | parameters)
    return {judgement.claim.id: judgement for judgement in scoreboard.judge([run])}


@pytest.mark.parametrize(
    "value, error, expected",
    [
        (0.99, 0.01, "confirmed"),  # t(0.975, 5) = 2.57: [0.964, 1.016]
        (1.0, 0.019, "confirmed"),
        (1.0, 0.020, "inconclusive"),  # 1 +- 0.051
        (1.0, 5.0, "inconclusive"),  # noise
        (0.9, 0.01, "refuted"),
        (0.93, 0.01, "inconclusive"),
    ],
)
def test_the_score_of_the_real_data_is_1_within_a_margin(value, error, expected):
    judgement = judged(real_rows(value, error))["score_of_real_is_one"]
    assert judgement.verdict == expected
    half = stats.t.ppf(0.975, 5) * error
    assert judgement.interval.mean == pytest.approx(value - 1)
    assert judgement.interval.high == pytest.approx(value - 1 + half)
    assert judgement.interval.n == 6, "two students for each of three seeds"


def test_one_student_of_the_real_data_shows_nothing():
    one = judged(real_rows(1.0, 0.001), score={"students": 1}, seeds=[0])
    judgement = one["score_of_real_is_one"]
    assert (judgement.verdict, judgement.reason) == ("inconclusive", "one value, no interval")


@pytest.mark.parametrize(
    "change, expected",
    [({}, "confirmed"), ({"inferior": 1.2}, "refuted"), ({"10": -0.2}, "refuted")],
)
def test_scores_of_generated_samples_lie_between_0_and_1(change, expected):
    assert judged(set_rows(SETS | change))["scores_in_unit_interval"].verdict == expected


def test_real_samples_may_score_above_1():
    above = judged(set_rows(SETS | {"train": 1.3, "fresh": 1.2}))
    assert above["scores_in_unit_interval"].verdict == "confirmed"


def test_the_inferior_gan_is_judged_after_the_papers_epochs_and_after_ours():
    judgements = judged(set_rows(SETS))
    of_paper = judgements["inferior_scores_lower_paper"]
    at_end = judgements["inferior_scores_lower"]
    assert of_paper.interval.mean == pytest.approx(0.02, abs=0.005)
    assert at_end.interval.mean == pytest.approx(0.2, abs=0.005)
    assert of_paper.method.startswith("the paper's: 10 epochs on L_class; conditional on one split")
    assert at_end.method.startswith("ours: 50 epochs on L_class")


def test_ten_epochs_have_one_line():
    ten = {name: score for name, score in SETS.items() if name != "inferior 10"}
    judgements = judged(set_rows(ten), inferior_epochs=[10])
    assert "inferior_scores_lower" not in judgements
    assert judgements["inferior_scores_lower_paper"].interval.mean == pytest.approx(0.2, abs=0.005)


def test_the_test_part_is_in_the_interval_of_a_score():
    # with reference 0.4 and baseline 0.1 a score of 0.8 is an accuracy of 0.34, one of 0.6 of 0.28
    plain = judged(set_rows(SETS))["inferior_scores_lower"].interval
    wider = judged(set_rows(SETS) + real_rows())["inferior_scores_lower"].interval
    expected = (0.34 * 0.66 + 0.28 * 0.72) / 5000 / 0.3**2
    halves = [interval.high - interval.mean for interval in (plain, wider)]
    added = (halves[1] ** 2 - halves[0] ** 2) / stats.norm.ppf(0.975) ** 2
    assert added == pytest.approx(expected, rel=0.02)


def test_scores_without_a_test_part_have_the_t_interval():
    rows = set_rows(SETS, "inception_score")
    plain = judged(rows)["inception_score_rises"].interval
    assert judged(rows + real_rows())["inception_score_rises"].interval == plain


def test_a_classifier_of_ours_is_named():
    rows = set_rows(SETS, "inception_score")
    assert "Inception-v3" not in judged(rows)["inception_score_rises"].method
    classifier = row(experiment="classifier", dataset="cifar10", source="none", setting={})
    method = judged([*rows, classifier])["inception_score_rises"].method
    assert "a classifier of ours for Inception-v3" in method


def test_only_scores_that_are_accuracies_have_the_error_of_the_test_part():
    rows = set_rows({"gan": 0.6, "inferior": 0.4}, "cas") + set_rows(SETS, "fid")
    frame = records.as_frame(record(rows))
    added = {}
    for metric in ("cas", "fid"):
        plain, small = (
            claims.score_difference(f, metric, "gan", "inferior")
            for f in (frame, frame.assign(n_test=100))
        )
        assert plain.mean == small.mean
        added[metric] = (small.high - small.mean) ** 2 - (plain.high - plain.mean) ** 2
    expected = stats.norm.isf(0.025) ** 2 * (0.6 * 0.4 + 0.4 * 0.6) / 100
    assert added["cas"] == pytest.approx(expected, rel=0.02)
    assert added["fid"] == pytest.approx(0, abs=1e-12)


def test_the_order_after_one_epoch_has_an_interval_inside_its_bounds():
    rows = set_rows(SETS) + set_rows(SETS, "compression_score_v1")
    interval = judged(rows)["one_epoch_is_enough"].interval
    assert interval.high <= 1 and interval.p == pytest.approx(2 / 120)


def test_seconds_that_were_measured_once_confirm_nothing():
    rows = [
        row(
            experiment="timing",
            dataset="cifar10",
            source="none",
            seed=None,
            split="none",
            metric=metric,
            value=seconds,
            setting={},
        )
        for metric, seconds in (("compression_score", 2.0), ("inception_score", 400.0))
    ]
    (claim,) = [claim for claim in claims.CLAIMS if claim.id == "score_is_cheaper"]
    judgement = judge_claim(claim, records.as_frame(record(rows)), "cifar10")
    assert judgement.verdict == "inconclusive" and judgement.interval.mean == pytest.approx(199)
