"""A verdict follows the data, and the scoreboard shows nothing that was not run."""

import re
from importlib import import_module

import pytest
from helpers import record, row

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.report import scoreboard
from ganmc_utils.report.claim import Judgement
from ganmc_utils.report.statistics import Interval


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
    gains = judged(synthetic())["compression_over_supervised", "magic"].interval
    assert gains.mean == pytest.approx((0.9 - 0.8) - (0.72 - 0.7), abs=0.003)


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
    assert judgements["headline_time", "magic"].fold.mean == pytest.approx(speedup, abs=0.01)
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
    columns = ["Claim", "Verdict", "Dataset", "Ours", "Paper", "Scale", "Method", "Family"]
    assert list(board) == columns
    assert set(board.Dataset) == {"MAGIC"}, "a dataset that was not run has no row"
    assert set(board.Scale) == {"smoke test"} and set(board.Family) == {"exploratory"}
    assert board.Paper[0] == "+0.023"
    assert re.fullmatch(r"\+0\.1\d\d \[\+0\.\d{3}, \+0\.\d{3}\], n = 3", board.Ours[0])
    lines = scoreboard.headline_table(run_records).splitlines()
    (of_teacher,) = [line for line in lines if line.startswith("| Teacher")]
    assert "(0.935)" in of_teacher and "±" in of_teacher
    (of_gan,) = [line for line in lines if "GAN" in line and "Training" not in line]
    assert "(0.918)" in of_gan
    metrics = {verdict_row.metric for verdict_row in scoreboard.rows(run_records)}
    assert metrics <= {claim.id for claim in scoreboard.CLAIMS}


def test_one_seed_still_makes_rows():
    setting = scoreboard.rows([synthetic(seeds=1)])[0].setting
    assert setting["low"] is None and setting["p"] is None
    assert (setting["verdict"], setting["reason"]) == ("inconclusive", "one value, no interval")


# The lines of one claim: the paper's GAN and ours, the teacher of its scores and of its text


def with_single_gan(single=0.78, seeds=3):
    """A record of both GANs for both teachers: each source better with the main teacher."""
    rows = []
    for seed in range(seeds):
        of_sqrt = rows_of_seed(seed)
        of_none = rows_of_seed(seed, gan=0.85, teacher="forest_none")
        rows += of_sqrt + [each for each in of_none if each.experiment != "supervised"]
        for teacher, score in (("forest_sqrt", single), ("forest_none", single - 0.1)):
            setting = {"trees": 1, "class_weight": 1.0}
            about = {"experiment": "single_gan", "teacher": teacher, "setting": setting}
            rows.append(row(seed=seed, value=score + 0.001 * seed, **about))
    return rows


def test_the_papers_score_stands_beside_one_gan():
    lines = scoreboard.headline_table([record(with_single_gan())]).splitlines()
    (of_pool,) = [line for line in lines if line.startswith("| GAN pool")]
    (of_one_gan,) = [line for line in lines if line.startswith("| One GAN, as in the paper")]
    assert "(0.918)" in of_one_gan and "0.781" in of_one_gan
    assert "(" not in of_pool and "0.9" in of_pool


def test_each_gan_and_each_teacher_has_its_own_line():
    judgements = judged(record(with_single_gan()))
    means = {
        id: judgements[id, "magic"].interval.mean
        for id in (
            "gan_over_train_single",
            "gan_over_train",
            "gan_over_train_single_none",
            "gan_over_train_none",
        )
    }
    wanted = [-0.02, 0.1, -0.12, 0.05]
    assert list(means.values()) == pytest.approx(wanted, abs=0.003)
    methods = {id: judgements[id, "magic"].method for id in means}
    assert (
        methods["gan_over_train_single"]
        == "one GAN, its epoch by validation; max_features=sqrt (the paper's scores)"
    )
    assert methods["gan_over_train_none"].startswith("ours: GANs chosen and pooled")
    assert methods["gan_over_train_none"].endswith("max_features=none (the paper's text)")
    assert judgements["gan_over_train_single", "magic"].verdict == "refuted"
    assert judgements["gan_over_train", "magic"].verdict == "confirmed"


def test_a_record_of_one_teacher_and_no_single_gan_has_one_line():
    ids = {id for id, _ in judged(synthetic(teacher="forest_none"))}
    assert "gan_over_train" in ids
    assert not ids & {"gan_over_train_none", "gan_over_train_single", "gan_over_train_single_none"}


def test_where_the_papers_gan_is_the_only_one_it_is_the_chosen_one():
    gans = [{"class_weight": 1.0, "members": 1}]
    only = synthetic().model_copy(
        update={"parameters": {"datasets": [{"name": "magic", "gans": gans}]}}
    )
    assert judged(only)["gan_over_train", "magic"].method.startswith("one GAN, ")
    weighted = [{"class_weight": 0.1, "members": 1}]
    other = only.model_copy(
        update={"parameters": {"datasets": [{"name": "magic", "gans": weighted}]}}
    )
    assert judged(other)["gan_over_train", "magic"].method.startswith("ours")


def test_students_of_the_single_gan_without_a_teacher_are_not_those_of_the_pool():
    rows = synthetic().metrics
    rows += [
        row(
            experiment="supervised",
            teacher="none",
            seed=seed,
            setting={"trees": trees, "gan": "single"},
            value=0.60 + 0.001 * seed,
        )
        for seed in range(3)
        for trees in (1, 2)
    ]
    judgements = judged(record(rows))
    pool = judgements["supervised_gan_no_help", "magic"].interval.mean
    single = judgements["supervised_gan_no_help_single", "magic"].interval.mean
    assert pool == pytest.approx(0.7 - 0.72 + 0.012, abs=0.003)
    assert single == pytest.approx(0.71 - 0.601 + 0.012, abs=0.003)


def test_students_of_other_sizes_are_not_compared():
    rows = [each for each in with_single_gan() if each.experiment != "supervised"]
    judgements = judged(record(rows))
    assert ("gan_best_or_nearly_single", "magic") not in judgements, "it has one tree only"
    assert ("gan_best_or_nearly", "magic") in judgements


@pytest.mark.parametrize("source, id", [("independent", "gan_over_independent")])
def test_controls_have_lines_where_they_were_run(source, id):
    rows = synthetic().metrics
    assert (id, "magic") not in judged(record(rows))
    rows = rows + [row(source=source, seed=s, value=0.6 + 0.001 * s) for s in range(3)]
    judgement = judged(record(rows))[id, "magic"]
    assert judgement.verdict == "confirmed" and judgement.claim.section == "ours, a control"


def with_students_of_fig_3f(of_size):
    """A record of uncapped forests: of_size gives (source, trees): (loss, speed-up)."""
    rows = synthetic().metrics
    for seed in range(3):
        for (source, trees), (loss, speedup) in of_size.items():
            about = {"experiment": "paper_storage", "seed": seed, "source": source}
            about["setting"] = {"trees": trees}
            rows.append(row(metric="loss", value=loss + 1e-4 * seed, **about))
            rows.append(row(metric="speedup", value=speedup + 0.01 * seed, split="none", **about))
    return record(rows)


@pytest.mark.parametrize(
    "loss, speedup, expected, reason",
    [
        (0.002, 60.0, "confirmed", ""),
        (0.05, 60.0, "refuted", ""),
        (0.002, 10.0, "refuted", "the factor is below 25"),
    ],
)
def test_the_papers_own_students_are_judged_at_fixed_sizes(loss, speedup, expected, reason):
    of_20 = {("train+gan", 20): (loss, speedup), ("gan", 20): (0.3, 60.0)}
    judgements = judged(with_students_of_fig_3f(of_20 | {("train", 1): (0.0, 500.0)}))
    judgement = judgements["paper_time_20", "magic"]
    assert (judgement.verdict, judgement.reason) == (expected, reason)
    assert judgement.fold.mean == pytest.approx(speedup + 0.01)
    assert ("paper_time_1", "magic") not in judgements, "that size was not run"
    assert ("paper_storage_20", "magic") not in judgements


@pytest.mark.parametrize(
    "of_size, expected, nearest_loss",
    [
        # some size keeps both limits, others only one
        ({1: (0.05, 300.0), 8: (0.006, 40.0), 20: (0.002, 9.0)}, "confirmed", 0.006),
        # every size breaks one of them
        ({1: (0.05, 300.0), 8: (0.03, 40.0), 20: (0.002, 9.0)}, "refuted", None),
    ],
)
def test_some_student_of_fig_3f_keeps_both_limits_or_none_does(of_size, expected, nearest_loss):
    students = {("gan", trees): facts for trees, facts in of_size.items()}
    students[("train", 1)] = (0.0, 500.0)  # not of GAN-MC
    judgement = judged(with_students_of_fig_3f(students))["paper_time_any", "magic"]
    assert judgement.verdict == expected
    if nearest_loss is not None:
        assert judgement.interval.mean == pytest.approx(0.012 - nearest_loss, abs=2e-4)


def test_a_factor_that_is_open_is_not_confirmed():
    wide = synthetic().metrics
    for seed, speedup in enumerate((5.0, 30.0, 60.0)):
        about = {"experiment": "headline_gan", "seed": seed, "setting": {"limit": 0.012}}
        wide.append(row(metric="loss", value=0.002 + 1e-4 * seed, **about))
        wide.append(row(metric="speedup", value=speedup, split="none", **about))
    judgement = judged(record(wide))["headline_time", "magic"]
    assert judgement.fold.mean > 25
    reason = "a factor above 25 is not shown"
    assert (judgement.verdict, judgement.reason) == ("inconclusive", reason)


# Scale, and the family of primary claims


def test_the_scale_is_that_of_the_record():
    paper = {"teacher_trees": 500, "fake_per_real": 9}
    paper["datasets"] = [{"name": "magic", "n_train": 10_000, "gans": []}]
    run = synthetic().model_copy(update={"profile": "laptop", "parameters": paper})
    assert {judgement.scale for judgement in judged(run).values()} == {"paper's setting"}
    smaller = run.model_copy(update={"parameters": paper | {"teacher_trees": 50}})
    assert {judgement.scale for judgement in judged(smaller).values()} == {"reduced"}
    assert {judgement.scale for judgement in judged(synthetic()).values()} == {"smoke test"}


def test_the_primary_claims_are_few_named_and_explained():
    assert len(scoreboard.PRIMARY) <= scoreboard.MOST_PRIMARY == 12
    claims = {claim.id: claim for claim in scoreboard.CLAIMS}
    for (id, dataset), reason in scoreboard.PRIMARY.items():
        assert dataset in claims[id].datasets and reason, id


def judgement_with(id, dataset, p, verdict):
    (claim,) = [claim for claim in scoreboard.CLAIMS if claim.id == id]
    mean = -1 if verdict == "refuted" else 1
    return Judgement(claim, dataset, Interval(mean, mean - 0.5, mean + 0.5, 5, p), verdict, None)


def test_only_primary_verdicts_are_adjusted_for_their_number():
    judgements = scoreboard.with_primary_verdicts(
        [
            judgement_with("l2_mixture_over_train", "cifar10", 0.001, "confirmed"),
            judgement_with("p_fake_interior", "cifar10", 0.03, "confirmed"),
            judgement_with("gan_epochs", "cifar10", 0.02, "refuted"),
            judgement_with("l2_gan_over_train", "cifar10", 0.03, "confirmed"),  # exploratory
            judgement_with("gan_epochs", "digits", 0.04, "confirmed"),  # not the paper's images
        ]
    )
    assert [judgement.p_holm for judgement in judgements] == [
        pytest.approx(0.003),
        pytest.approx(0.04),
        pytest.approx(0.04),
        None,
        None,
    ]
    families = [judgement.family for judgement in judgements]
    assert families == ["primary"] * 3 + ["exploratory"] * 2
    assert [judgement.verdict for judgement in judgements][2:] == [
        "refuted",
        "confirmed",
        "confirmed",
    ]
    more = [judgement_with("flips_and_gan", "cifar10", 0.9, "inconclusive")]
    first, second, third = scoreboard.with_primary_verdicts([*judgements[:3], *more])[:3]
    assert (first.verdict, second.verdict, third.verdict) == (
        "confirmed",
        "inconclusive",
        "inconclusive",
    )
    assert second.reason == "p = 0.060 after Holm"


def test_a_primary_claim_without_a_p_value_counts_as_one():
    no_p = judgement_with("gan_epochs", "cifar10", None, "inconclusive")
    other = judgement_with("p_fake_interior", "cifar10", 0.03, "confirmed")
    assert scoreboard.with_primary_verdicts([no_p, other])[1].verdict == "inconclusive"
    assert scoreboard.with_primary_verdicts([other])[0].verdict == "confirmed"


def test_nothing_is_made_up():
    for nothing in ([], [record([row(experiment="p_fake")])]):
        with pytest.raises(GanmcError, match="06_random_forests"):
            scoreboard.table(nothing)
    with pytest.raises(GanmcError, match="two records"):
        scoreboard.table([synthetic(), synthetic()])
