"""The claims of Sec. 3 follow the data: a hill as in the paper, a fall, a rise, toy chapters."""

import pytest
from helpers import record, row, rows_of_chapter

from ganmc_utils.core import parameters, records
from ganmc_utils.networks import claims, tables
from ganmc_utils.report import scoreboard, statistics, text
from ganmc_utils.report.claim import judge_claim

SHARES = {0.0: "train", 0.25: "train+gan", 0.5: "train+gan", 0.75: "train+gan", 1.0: "gan"}


def synthetic(accuracy, experiment="sweep", **setting):
    """Students of three seeds whose accuracy at p_fake is accuracy(p_fake)."""
    rows = [
        row(
            experiment=experiment,
            dataset="cifar10",
            teacher="nin",
            student="lenet",
            source=source,
            seed=seed,
            setting={"p_fake": p_fake, "last": 1} | setting,
            split=split,
            metric="accuracy",
            value=accuracy(p_fake) + 0.001 * seed * p_fake,
        )
        for seed in range(3)
        for p_fake, source in SHARES.items()
        for split in ("validation", "test")
    ]
    return records.as_frame(record(rows))


def hill(p_fake):
    return 0.7 + p_fake * (1.2 - p_fake) / 5


def fall(p_fake):
    return 0.7 - p_fake / 10


def rise(p_fake):
    return 0.7 + p_fake / 10


def verdict(claim_id, frame):
    (claim,) = [claim for claim in claims.CLAIMS if claim.id == claim_id]
    interval = claim.measure(frame, "cifar10")
    return interval and statistics.verdict(interval)


@pytest.mark.parametrize(
    "accuracy, every_share, interior, unimodal",
    [
        (hill, "confirmed", "confirmed", "confirmed"),  # the paper's
        (fall, "refuted", "refuted", "confirmed"),  # from the first share on
        (rise, "confirmed", "refuted", "confirmed"),  # GAN data alone are best
    ],
)
def test_verdicts_on_the_sweep(accuracy, every_share, interior, unimodal):
    frame = synthetic(accuracy)
    assert verdict("p_fake_every_share", frame) == every_share
    assert verdict("p_fake_interior", frame) == interior
    assert verdict("p_fake_unimodal", frame) == unimodal


@pytest.mark.parametrize(
    "accuracy, objective, expected",
    [
        (fall, "supervised", "confirmed"),
        (rise, "supervised", "refuted"),
        (lambda p_fake: 0.7 - 0.5 * (p_fake == 1), "supervised", "inconclusive"),  # no mixture
        (lambda p_fake: 0.7, "l2", None),
    ],
)
def test_verdicts_without_a_teacher(accuracy, objective, expected):
    frame = synthetic(accuracy, "supervised_learning", objective=objective)
    assert verdict("gan_harms_supervised", frame) == expected


def test_verdicts_of_the_toy_chapters(tmp_path):
    chapters = [name for name in parameters.NOTEBOOKS if name < "06"]
    rows = [record(rows_of_chapter(chapter, tmp_path)) for chapter in chapters]
    intervals = {c.id: c.measure(records.as_frame(*rows), "digits") for c in claims.CLAIMS}
    missing = {claim_id for claim_id, interval in intervals.items() if interval is None}
    of_other_pairs = {
        f"pair_{number}_{claim}"
        for number in (2, 3)
        for claim in ("mixture_over_train", "train_over_student_only")
    }
    one_pair_and_two_snapshots = of_other_pairs | {"pairs_mixture_over_train", "gan_epochs"}
    assert missing == one_pair_and_two_snapshots


# Fig. 1, with chosen accuracies


def l2_rows(ends, slopes=None, seeds=3, experiment="l2", **fields):
    """Students of Fig. 1: at the end ends[source], before that slopes[source] less an epoch."""
    rows = []
    for source, end in ends.items():
        slope = (slopes or {}).get(source, 0.0)
        p_fake = {"train+gan": 0.5, "noise": 0.5, "gan": 1.0}.get(source, 0.0)
        for seed in range(seeds):
            for epoch in (10.0, 32.0, 36.0, 40.0):
                value = end - slope * (40 - epoch) + 0.002 * (seed + len(source)) % 0.005
                setting = {"p_fake": p_fake, "epoch": epoch, "last": int(epoch == 40)}
                about = {"experiment": experiment, "dataset": "cifar10", "teacher": "nin"}
                about |= {"student": "lenet", "source": source, "seed": seed, "setting": setting}
                about |= fields
                for split in ("validation", "test"):
                    rows.append(row(split=split, metric="accuracy", value=value, **about))
    return rows


def frame_of(rows, n_test=None):
    frame = records.as_frame(record(rows))
    return frame if n_test is None else frame.assign(n_test=n_test)


def claim_of(claim_id):
    (claim,) = [claim for claim in claims.CLAIMS if claim.id == claim_id]
    return claim


PAPER_ENDS = {"student_only": 0.662, "train": 0.715, "gan": 0.737, "train+gan": 0.767}


def test_the_gain_of_the_mixture_is_at_least_doubled():
    assert verdict("l2_mixture_doubles_gain", frame_of(l2_rows(PAPER_ENDS))) == "inconclusive"
    more = PAPER_ENDS | {"train+gan": 0.80}
    assert verdict("l2_mixture_doubles_gain", frame_of(l2_rows(more))) == "confirmed"
    less = PAPER_ENDS | {"train+gan": 0.74}
    assert verdict("l2_mixture_doubles_gain", frame_of(l2_rows(less))) == "refuted"
    assert claim_of("l2_mixture_doubles_gain").paper("cifar10") == "-0.001", "10.5 - 2 * 5.3"


def test_gan_data_alone_are_compared_with_no_compression():
    frame = frame_of(l2_rows(PAPER_ENDS))
    interval = claim_of("l2_gan_over_student_only").measure(frame, "cifar10")
    assert interval.mean == pytest.approx(0.075, abs=0.005)


def test_a_small_test_part_makes_the_interval_wide():
    rows = l2_rows(PAPER_ENDS)
    plain, large, small = (
        claim_of("l2_mixture_over_train").measure(frame_of(rows, n), "cifar10")
        for n in (None, 10_000, 100)
    )
    assert plain.mean == large.mean == small.mean
    expected = (0.767 * 0.233 + 0.715 * 0.285) / 100
    added = ((small.high - small.mean) ** 2 - (plain.high - plain.mean) ** 2) / 1.959964**2
    assert added == pytest.approx(expected, rel=0.02)
    assert plain.high < large.high < small.high
    assert statistics.verdict(large) == "confirmed" and statistics.verdict(small) == "inconclusive"


def test_a_table_has_the_interval_of_the_verdict():
    frame = frame_of(l2_rows(PAPER_ENDS), n_test=100)
    interval = claim_of("l2_mixture_over_train").measure(frame, "cifar10")
    table = tables.gain_parts(frame).set_index("Compared with")
    cell = table.loc["Training data", "Mixture minus it"]
    assert cell == text.difference_and_interval(interval)
    without_test_part = tables.gain_parts(frame_of(l2_rows(PAPER_ENDS)))
    assert cell not in set(without_test_part["Mixture minus it"])


@pytest.mark.parametrize(
    "slopes, expected",
    [
        ({}, False),
        ({"train+gan": 0.004}, True),
        ({"train": 0.004}, True),
        ({"train": -0.004}, False),
        ({"gan": 0.004}, False),  # not among the two
    ],
)
def test_no_verdict_on_a_curve_that_still_rises(slopes, expected):
    claim, frame = claim_of("l2_mixture_over_train"), frame_of(l2_rows(PAPER_ENDS, slopes))
    assert claim.still_rises(frame, "cifar10") == expected
    judgement = judge_claim(claim, frame, "cifar10")
    if expected:
        assert (judgement.verdict, judgement.reason) == ("inconclusive", "still rising")
    else:
        assert (judgement.verdict, judgement.reason) == ("confirmed", "")


def test_the_start_is_judged_while_curves_rise():
    assert claim_of("l2_train_ahead_at_start").still_rises is None
    rows = l2_rows(PAPER_ENDS, {"train+gan": 0.02})
    assert judge_claim(claim_of("l2_train_ahead_at_start"), frame_of(rows), "cifar10").verdict == (
        "confirmed"
    )


@pytest.mark.parametrize("noise, expected", [(0.70, "confirmed"), (0.80, "refuted")])
def test_what_of_the_gain_is_realism(noise, expected):
    frame = frame_of(l2_rows(PAPER_ENDS | {"noise": noise}))
    assert verdict("realism_l2", frame) == expected
    assert verdict("realism_l2", frame_of(l2_rows(PAPER_ENDS))) is None
    assert verdict("realism_sweep", frame) is None


def test_each_side_of_realism_has_the_share_that_validation_chose():
    ends = {0.2: ("train+gan", 0.74), 0.8: ("train+gan", 0.76), 1.0: ("gan", 0.75)}
    rows = []
    for share, (source, end) in ends.items():
        rows += with_share(l2_rows({source: end}, experiment="sweep"), share)
    for share, end in {0.2: 0.72, 0.8: 0.50}.items():
        rows += with_share(l2_rows({"noise": end}, experiment="sweep"), share)
    rows += with_share(l2_rows({"noise": 0.9}, experiment="sweep"), 0.0)  # no noise at all
    interval = claim_of("realism_sweep").measure(frame_of(rows), "cifar10")
    assert interval.mean == pytest.approx(0.76 - 0.72, abs=0.005)


def with_share(rows, share):
    return [
        each.model_copy(update={"setting": each.setting | {"p_fake": share}})
        for each in rows
        if each.setting["last"]
    ]


@pytest.mark.parametrize("accuracy, expected", [(rise, "confirmed"), (fall, "refuted")])
def test_where_the_best_share_lies(accuracy, expected):
    assert verdict("p_fake_above_half", synthetic(accuracy)) == expected


def test_every_pair_must_hold():
    rows = []
    for pair, end in ((1, 0.75), (2, 0.74), (3, 0.70)):
        ends = {"student_only": 0.6, "train": 0.72, "train+gan": end}
        rows += l2_rows(ends, experiment=f"pair_{pair}")
    frame = frame_of(rows)
    assert verdict("pair_1_mixture_over_train", frame) == "confirmed"
    assert verdict("pair_3_mixture_over_train", frame) == "refuted"
    assert verdict("pairs_mixture_over_train", frame) == "refuted"
    assert verdict("pair_2_train_over_student_only", frame) == "confirmed"


@pytest.mark.parametrize(
    "pairs, words",
    [
        ([{}], "the loss of its text"),
        ([{"variants": ["li", "text"]}], "the code that it names"),
        ([{"variants": ["hinton"]}], "Hinton's"),
        ([], "the loss of its text"),
    ],
)
def test_the_verdict_on_a_pair_says_which_loss(pairs, words):
    method = claim_of("pair_1_mixture_over_train").method({"pairs": pairs}, None, "cifar10")
    assert words in method


def flips_rows(flips_alone):
    accuracies = {("train", 0): 0.70, ("train", 1): flips_alone, ("train+gan", 1): 0.80}
    rows = []
    for (source, flips), value in accuracies.items():
        teacher = "nin+flips" if flips else "nin"
        of_arm = l2_rows({source: value}, experiment="augmentation", teacher=teacher)
        rows += [
            each.model_copy(update={"setting": each.setting | {"flips": flips}}) for each in of_arm
        ]
    return rows


@pytest.mark.parametrize("value, expected", [(0.75, "confirmed"), (0.65, "refuted")])
def test_flips_alone(value, expected):
    assert verdict("flips_alone", frame_of(flips_rows(value))) == expected


def teacher_rows(accuracies, seeds):
    return [
        row(
            experiment=experiment,
            dataset="cifar10",
            teacher=experiment,
            student="none",
            source="none",
            seed=seed,
            split="train",
            metric="accuracy",
            value=accuracy - 1e-5 * (seed or 0),
            setting={},
        )
        for experiment, accuracy in accuracies.items()
        for seed in seeds
    ]


def test_teachers_that_know_their_training_images():
    perfect = {"teacher": 1.0, "pair_2": 0.999}
    assert verdict("teachers_at_100", frame_of(teacher_rows(perfect, range(3)))) == "confirmed"
    one_fails = perfect | {"pair_3": 0.68}
    assert verdict("teachers_at_100", frame_of(teacher_rows(one_fails, range(3)))) == "refuted"
    trained_once = frame_of(teacher_rows(one_fails, [None]))
    judgement = judge_claim(claim_of("teachers_at_100"), trained_once, "cifar10")
    assert (judgement.verdict, judgement.reason) == ("inconclusive", "one value, no interval")


# What the verdicts are conditional on


def methods(sets):
    parameters = {"data": {"n_test": 5000, "n_validation": 5000, "image_size": 16}}
    parameters |= {"data": parameters["data"] | {"n_train": 5000}, "gan": {"epochs": 2}}
    parameters["student"] = {"width": 2, "epochs": 2}
    if sets:
        parameters["sets"] = sets
    run = record(l2_rows(PAPER_ENDS), notebook="01_dnn_compression", parameters=parameters)
    frame = scoreboard.evidence([run])
    judgements = scoreboard.judge([run.model_copy(update={"profile": "laptop"})])
    assert {judgement.scale for judgement in judgements} == {"reduced"}
    return {judgement.method for judgement in judgements}, set(frame.n_test)


def test_a_verdict_on_one_trained_set_says_so():
    condition = "the paper's; conditional on one split, teacher and GAN"
    assert methods(None) == ({condition}, {5000})
    assert methods([0]) == ({condition}, {5000})
    assert methods([0, 1, 2]) == ({"the paper's"}, {10_000}), "the pool of their test parts"
