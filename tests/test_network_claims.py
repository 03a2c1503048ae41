"""The claims of Sec. 3 follow the data: a hill as in the paper, a fall, a rise, toy chapters."""

import pytest
from helpers import record, row, rows_of_chapter

from ganmc_utils.core import parameters, records
from ganmc_utils.networks import claims
from ganmc_utils.report import statistics

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
    one_pair_and_two_snapshots = {"pair_2_mixture_over_train", "pair_3_mixture_over_train"}
    assert missing == one_pair_and_two_snapshots | {"gan_epochs"}
