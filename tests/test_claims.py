"""A verdict follows the data, and the scoreboard shows nothing that was not run."""

import re
from importlib import import_module

import pytest
from helpers import record, row

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.report import scoreboard
from ganmc_utils.report.claim import Judgement


def synthetic(seeds=3, **change):
    """A record of one-tree and two-tree students, whose scores differ a little by seed."""
    return record([each for seed in range(seeds) for each in rows_of_seed(seed, **change)])


def rows_of_seed(
    seed,
    gan=0.9,
    train=0.8,
    dataset="magic",
    teacher="forest_sqrt",
    supervised=0.72,
    larger=0.02,
    **headline,
):
    """One seed's rows; larger: what the second tree adds; headline: metrics of small students."""
    scores = {"student_only": 0.7, "train": train, "gan": gan, "train+gan": 0.87}
    rows = []

    def add(value, source="gan", **change):
        wobble = 0.0005 * (seed * (seed + len(source)) % 5)  # another difference for each seed
        fields = {
            "dataset": dataset,
            "teacher": teacher,
            "seed": seed,
            "source": source,
            "value": value + wobble,
        }
        rows.append(row(**fields | change))

    for trees in (1, 2):
        second_tree = larger * (trees - 1)
        setting = {"trees": trees}
        for source, value in scores.items():
            add(value + second_tree, source=source, setting=setting)
        add(supervised + second_tree, experiment="supervised", teacher="none", setting=setting)
    add(0.93, experiment="teacher", student="none", source="none", setting={})
    for metric, value in headline.items():
        split = "test" if metric == "loss" else "none"
        for limit, value_at_limit in ((0.005, -9.0), (0.012, value)):
            add(
                value_at_limit,
                experiment="headline_gan",
                metric=metric,
                split=split,
                setting={"limit": limit, "trees": 1},
            )
    return rows


def judged(*run_records) -> dict[tuple[str, str], Judgement]:
    judgements = scoreboard.judge(list(run_records))
    return {(judgement.claim.id, judgement.dataset): judgement for judgement in judgements}


def verdict(claim, dataset="magic", **change):
    """The verdict on a claim by a synthetic record."""
    return judged(synthetic(dataset=dataset, **change))[claim, dataset].verdict


def test_gan_over_train_follows_the_data():
    assert verdict("gan_over_train") == "confirmed"
    assert verdict("gan_over_train", gan=0.8, train=0.9) == "refuted"
    assert verdict("gan_over_train", seeds=1) == "inconclusive"
    assert verdict("gan_over_train", teacher="forest_none") == "confirmed"


def test_one_tree_near_the_largest_forest_follows_the_data():
    assert verdict("one_tree_near_maximal", larger=0.001) == "confirmed"
    assert verdict("one_tree_near_maximal", larger=0.02) == "refuted"


def test_supervised_learning_follows_the_data():
    assert verdict("supervised_gan_no_help", supervised=0.65) == "confirmed"
    assert verdict("supervised_gan_no_help", supervised=0.8) == "refuted"
    assert verdict("compression_over_supervised") == "confirmed"
    assert verdict("compression_over_supervised", supervised=0.95) == "refuted"


def test_the_best_of_four_follows_the_data():
    claim = "train_gan_best_multi_tree"
    assert verdict(claim, "higgs_1k") == "refuted"
    assert verdict(claim, "higgs_1k", gan=0.82) == "confirmed"


@pytest.mark.parametrize(
    "loss, speedup, expected",
    [(0.002, 60.0, "confirmed"), (0.05, 60.0, "refuted"), (0.002, 10.0, "refuted")],
)
def test_the_headline_needs_both_a_small_loss_and_the_fold(loss, speedup, expected):
    judgements = judged(synthetic(loss=loss, speedup=speedup))
    assert judgements["headline_time", "magic"].verdict == expected
    assert judgements["headline_time", "magic"].fold == pytest.approx(speedup, abs=0.01)
    assert ("headline_storage", "magic") not in judgements


def test_every_claim_has_its_own_id_and_a_measure_that_is_named_and_explained():
    ids = [claim.id for claim in scoreboard.CLAIMS]
    assert len(set(ids)) == len(ids)
    for claim in scoreboard.CLAIMS:
        name = claim.measure.__qualname__.partition(".")[0]
        module = import_module(claim.measure.__module__)
        assert module.__name__.endswith(".claims") and claim in module.CLAIMS, claim.id
        assert getattr(module, name).__doc__, claim.id
        for dataset in claim.datasets:
            assert isinstance(claim.paper(dataset), str), claim.id


def test_scoreboard_and_headline_table():
    run_records = [synthetic()]
    board = scoreboard.table(run_records)
    assert list(board) == ["Claim", "Verdict", "Dataset", "Ours", "Paper"]
    assert set(board.Dataset) == {"magic"}, "a dataset that was not run has no row"
    assert board.Paper[0] == "+0.023"
    assert re.fullmatch(r"\+0\.1\d\d \[\+0\.\d{3}, \+0\.\d{3}\], n = 3", board.Ours[0])
    table = scoreboard.headline_table(run_records)
    assert "(0.918)" in table and "(0.935)" in table and "±" in table and table.count("\n") == 2
    metrics = {verdict_row.metric for verdict_row in scoreboard.rows(run_records)}
    assert metrics <= {claim.id for claim in scoreboard.CLAIMS}


def test_one_seed_still_makes_rows():
    assert scoreboard.rows([synthetic(seeds=1)])[0].setting["low"] is None


def test_nothing_is_made_up():
    for nothing in ([], [record([row(experiment="p_fake")])]):
        with pytest.raises(GanmcError, match="06_random_forests"):
            scoreboard.table(nothing)
    with pytest.raises(GanmcError, match="two records"):
        scoreboard.table([synthetic(), synthetic()])
