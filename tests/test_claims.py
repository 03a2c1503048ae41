"""The paper's numbers are the paper's, the intervals are the textbook's, and a verdict follows the data."""

import math
import re

import pytest
from test_records import record, row

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import claims as forest_claims
from ganmc_utils.report import paper, scoreboard, statistics

FILES = {"v1": "gan-mc_v1_submission.txt", "v2": "gan-mc_v2_revised.txt"}
PAPER = paths.ROOT.parent / "shared" / "paper"
needs_paper = pytest.mark.skipif(
    not PAPER.is_dir(), reason="the paper's text is not beside the project"
)


def squeeze(text):
    return re.sub(r"\s+", " ", text)


@needs_paper
@pytest.mark.parametrize("version", FILES)
def test_every_paper_number_stands_in_the_text(version):
    text = squeeze((PAPER / FILES[version]).read_text())
    checked = [n for n in paper.paper_numbers() if n["version"] in (version, "both")]
    assert len(checked) > 50
    assert [
        n["id"]
        for n in checked
        if not re.search(r"(?<![\d.])" + re.escape(squeeze(n["text"])), text)
    ] == []


def test_every_value_is_in_its_own_words():
    spelt = {"one": 1.0}
    for n in paper.paper_numbers():
        said = [
            float(x.replace(",", "")) * (1000 if k else 1)
            for x, k in re.findall(r"(\d[\d,]*\.?\d*)(k?)", n["text"])
        ]
        assert n["value"] in said + [v for w, v in spelt.items() if w in n["text"].split()], n["id"]
        assert n["version"] in ("v1", "v2", "both") and set(n) == {
            "id",
            "version",
            "table_or_figure",
            "dataset",
            "quantity",
            "source",
            "value",
            "unit",
            "text",
        }


@needs_paper
def test_table_3_stands_row_by_row():
    text = squeeze((PAPER / FILES["v2"]).read_text())
    texts = {n["id"]: n["text"] for n in paper.paper_numbers()}
    for d in ("higgs_1k", "higgs_100k", "magic", "evergreen"):
        assert (
            " | ".join(texts[f"table3/{d}/{s}"] for s in ("n_train", *forest_claims.HEADLINE))
            in text
        ), d


def test_paired_interval_by_hand():
    # differences 1, 2, 3: mean 2, sd 1, se 1 / sqrt(3); t(0.975, 2) = 4.302653
    found = statistics.paired_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    half = 4.302653 / math.sqrt(3)
    assert (found.mean, found.n) == (2.0, 3)
    assert found.low == pytest.approx(2 - half, abs=1e-5) and found.high == pytest.approx(
        2 + half, abs=1e-5
    )
    assert statistics.mean_se([1.0, 2.0, 3.0])[1] == pytest.approx(1 / math.sqrt(3))


def test_scores_by_hand():
    assert statistics.prediction_score("auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert statistics.prediction_score("accuracy", [0, 0, 1, 1], [0.1, 0.6, 0.7, 0.8]) == 0.75


def test_verdicts():
    assert statistics.verdict(statistics.Interval(2, 1, 3, 5)) == "confirmed"
    assert statistics.verdict(statistics.Interval(-2, -3, -1, 5)) == "refuted"
    assert statistics.verdict(statistics.Interval(1, -1, 3, 5)) == "not seen"
    assert statistics.verdict(statistics.paired_interval([1.0], [0.0])) == "not seen"


def synthetic(
    gan=0.9,
    train=0.8,
    seeds=3,
    dataset="magic",
    teacher="forest_sqrt",
    supervised=0.72,
    larger=0.02,
    **headline,
):
    """A record of one-tree and two-tree students, whose scores differ a little from seed to seed."""
    rows = []
    for seed in range(seeds):

        def add(value, source="gan", **change):
            wobble = 0.0005 * (seed * (seed + len(source)) % 5)  # another difference for each seed
            rows.append(
                row(
                    **{
                        "dataset": dataset,
                        "teacher": teacher,
                        "seed": seed,
                        "source": source,
                        "value": value + wobble,
                    }
                    | change
                )
            )

        for trees in (1, 2):
            more = larger * (trees - 1)
            for source, value in {
                "student_only": 0.7,
                "train": train,
                "gan": gan,
                "train+gan": 0.87,
            }.items():
                add(value + more, source=source, setting={"trees": trees})
            add(
                supervised + more, experiment="supervised", teacher="none", setting={"trees": trees}
            )
        add(0.93, experiment="teacher", student="none", source="none", setting={})
        for metric, value in headline.items():
            for limit in (0.005, 0.012):
                add(
                    value if limit == 0.012 else -9.0,
                    experiment="headline_gan",
                    metric=metric,
                    split="test" if metric == "loss" else "none",
                    setting={"limit": limit, "trees": 1},
                )
    return record(rows)


def verdicts(*found):
    return {(j.claim.id, j.dataset): j.verdict for j in scoreboard.judge(list(found))}


def test_the_verdict_follows_the_data():
    assert verdicts(synthetic())["gan_over_train", "magic"] == "confirmed"
    assert verdicts(synthetic(gan=0.8, train=0.9))["gan_over_train", "magic"] == "refuted"
    assert verdicts(synthetic(seeds=1))["gan_over_train", "magic"] == "not seen"
    assert verdicts(synthetic(teacher="forest_none"))["gan_over_train", "magic"] == "confirmed"
    assert verdicts(synthetic(larger=0.001))["one_tree_near_maximal", "magic"] == "confirmed"
    assert verdicts(synthetic(larger=0.02))["one_tree_near_maximal", "magic"] == "refuted"
    assert verdicts(synthetic(supervised=0.65))["supervised_gan_no_help", "magic"] == "confirmed"
    assert verdicts(synthetic(supervised=0.8))["supervised_gan_no_help", "magic"] == "refuted"
    assert verdicts(synthetic())["compression_over_supervised", "magic"] == "confirmed"
    assert verdicts(synthetic(supervised=0.95))["compression_over_supervised", "magic"] == "refuted"
    assert (
        verdicts(synthetic(dataset="higgs_1k"))["train_gan_best_multi_tree", "higgs_1k"]
        == "refuted"
    )
    assert (
        verdicts(synthetic(dataset="higgs_1k", gan=0.82))["train_gan_best_multi_tree", "higgs_1k"]
        == "confirmed"
    )


@pytest.mark.parametrize(
    "loss, speedup, verdict",
    [(0.002, 60.0, "confirmed"), (0.05, 60.0, "refuted"), (0.002, 10.0, "refuted")],
)
def test_the_headline_needs_both_a_small_loss_and_the_fold(loss, speedup, verdict):
    found = verdicts(synthetic(loss=loss, speedup=speedup))
    assert found["headline_time", "magic"] == verdict and ("headline_storage", "magic") not in found


def test_scoreboard_and_headline_table():
    found = [synthetic()]
    board = scoreboard.table(found)
    assert list(board) == ["Claim", "Verdict", "Dataset", "Ours", "Paper"]
    assert set(board.Dataset) == {"magic"}, "a dataset that was not run has no row"
    assert board.Paper[0] == "+0.023" and re.fullmatch(
        r"\+0\.1\d\d \[\+0\.\d{3}, \+0\.\d{3}\], n = 3", board.Ours[0]
    )
    table = scoreboard.headline_table(found)
    assert "(0.918)" in table and "(0.935)" in table and "±" in table and table.count("\n") == 2
    assert {r.metric for r in scoreboard.rows(found)} <= {c.id for c in scoreboard.CLAIMS}


def test_one_seed_still_makes_rows():
    assert scoreboard.rows([synthetic(seeds=1)])[0].setting["low"] is None


def test_nothing_is_made_up():
    for nothing in ([], [record([row(experiment="p_fake")])]):
        with pytest.raises(GanmcError, match="06_random_forests"):
            scoreboard.table(nothing)
    with pytest.raises(GanmcError, match="two records"):
        scoreboard.table([synthetic(), synthetic()])
