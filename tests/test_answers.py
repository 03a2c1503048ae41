"""Sentences from records: they claim no more than the intervals, on any record there is."""

import re
import sys
import types

import numpy as np
import pandas as pd
import pytest
from helpers import record, row

from ganmc_utils.core import parameters, paths, profiles, records
from ganmc_utils.report import answers, findings, phrases
from ganmc_utils.report.phrases import POINTS, SCORE, compare, compare_on_each
from ganmc_utils.report.statistics import Interval

sys.path.insert(0, str(paths.ROOT / "book"))

import from_records  # noqa: E402  its folder is added above

PUBLISHED = paths.ROOT / "published" / "records"


@pytest.fixture(scope="module")
def published():
    """The published records by notebook."""
    run_records = [records.load(path) for path in sorted(PUBLISHED.glob("*.json"))]
    return {run.notebook: run for run in run_records}


# Intervals in words


@pytest.mark.parametrize(
    "interval, words",
    [
        (Interval(0.041, 0.032, 0.050, 3), "is 4.1 points above training data [3.2, 5.0]"),
        (Interval(-0.041, -0.050, -0.032, 3), "is 4.1 points below training data [3.2, 5.0]"),
        (
            Interval(0.003, -0.010, 0.016, 3),
            "is not clearly different from training data (+0.3 points [−1.0, 1.6])",
        ),
        (
            Interval(0.041, 0.032, 0.050, 3, p=0.3),
            "is not clearly different from training data (+4.1 points [3.2, 5.0], p = 0.30)",
        ),
        (
            Interval(0.041, float("nan"), float("nan"), 1),
            "was 4.1 points above training data in the one run",
        ),
        (
            Interval(0.003, -0.0004, 0.006, 3),
            "is not clearly different from training data (+0.3 points [0.0, 0.6])",
        ),
        (
            Interval(0.0001, -0.010, 0.010, 3),
            "is not clearly different from training data (0.0 points [−1.0, 1.0])",
        ),
    ],
)
def test_an_interval_in_words(interval, words):
    assert compare(interval, "training data") == words


def test_equivalence_is_said_only_where_it_is_asked_for_and_shown():
    narrow = Interval(0.001, -0.004, 0.006, 5)
    wide = Interval(0.001, -0.020, 0.022, 5)
    assert "level" not in compare(narrow, "the GAN")
    assert compare(narrow, "the GAN", margin=0.012) == (
        "is level with the GAN, within 1.2 points (+0.1 [−0.4, 0.6])"
    )
    assert "not clearly" in compare(wide, "the GAN", margin=0.012)


def test_no_difference_is_claimed_that_an_interval_does_not_show():
    rng = np.random.default_rng(0)
    for mean, half in rng.normal(size=(200, 2)):
        half = abs(half)
        words = compare(Interval(mean, mean - half, mean + half, 3), "it")
        assert ("not clearly" in words) == (mean - half <= 0 <= mean + half)
        if "not clearly" not in words:
            assert ("above" in words) == (mean > 0)


def test_several_datasets_are_grouped_by_what_their_intervals_say():
    intervals = {
        "A": Interval(0.02, 0.01, 0.03, 5),
        "B": Interval(0.0, -0.01, 0.01, 5),
        "C": Interval(0.03, 0.02, 0.04, 5),
    }
    assert compare_on_each(intervals, "the GAN", notes={"C": "p = 0.10 after Holm"}) == (
        "beats the GAN on A (+2.0 points [1.0, 3.0]) and C (+3.0 [2.0, 4.0], p = 0.10 after Holm); "
        "on B (0.0 [−1.0, 1.0]) no difference can be shown"
    )


def test_a_change_rises_falls_or_is_not_clear():
    assert phrases.change(Interval(0.5, 0.4, 0.6, 3), SCORE) == "rises by 0.50 [0.40, 0.60]"
    assert phrases.change(Interval(-0.5, -0.6, -0.4, 3), SCORE) == "falls by 0.50 [0.40, 0.60]"
    unclear = phrases.change(Interval(0.1, -0.2, 0.4, 3), SCORE)
    assert unclear == "does not clearly change (+0.10 [−0.20, 0.40])"


@pytest.mark.parametrize("reason, said", [
    ("", ""), ("p = 0.12", ""), ("still rising", "could still change"),
    ("p = 0.12 after Holm", "(p = 0.12)")])  # fmt: skip
def test_what_leaves_a_verdict_open_is_said(reason, said):
    words = phrases.caveat(reason)
    assert said in words and bool(words) == bool(said)


@pytest.mark.parametrize("words, text", [
    ([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])  # fmt: skip
def test_lists(words, text):
    assert phrases.listed(words) == text


def test_numbers_names_and_times():
    assert POINTS.signed(-0.0001) == "0.0" and POINTS.signed(-0.02) == "−2.0"
    cifar10 = {"data": {"image_size": 16}}
    assert phrases.dataset_in_words("cifar10", cifar10) == "CIFAR-10 averaged to 16 × 16"
    assert phrases.dataset_in_words("cifar10", {"data": {"image_size": 32}}) == "CIFAR-10"
    assert phrases.dataset_in_words("mine", {}) == "mine"
    assert [phrases.duration(t) for t in (41, 700, 11_520)] == ["41 s", "12 minutes", "3.2 hours"]


# Records


def test_every_published_chapter_has_an_answer(published):
    book = findings.book_of(published)
    assert set(book) == set(answers.ANSWERS)
    for notebook, evidence in book.items():
        answer = answers.ANSWERS[notebook](evidence)
        assert answer != answers.NOT_RUN and "nan" not in answer
        assert "interval" in answer.split("\n\n")[-1] and ".." not in answer


def test_an_answer_says_what_its_interval_says(published):
    evidence = findings.book_of(published)["01_dnn_compression"]
    judgement = evidence.judgement("l2_mixture_over_train")
    answer = answers.ANSWERS["01_dnn_compression"](evidence)
    assert POINTS.plain(abs(judgement.interval.mean)) in answer
    assert phrases.bounds(judgement.interval, POINTS) in answer.replace("\N{NO-BREAK SPACE}", " ")


def test_the_first_page_has_its_findings(published):
    book = findings.book_of(published)
    lines = [line for line in findings.findings(book).splitlines() if line.startswith("- ")]
    assert len(lines) >= 5
    for line in lines:
        assert (
            "[" in line and "/published/notebooks/" in line and line.rstrip(".").count(". ") == 0
        ), line


def test_the_answer_in_short_counts_the_primary_claims_and_names_each_dataset_once(published):
    book = findings.book_of(published)
    counts, without_gan = findings.in_short(book).split(". ", 1)
    verdicts = records.as_frame(published["08_scoreboard"])
    of_primary = verdicts[verdicts.family == "primary"].verdict
    assert f"{len(of_primary)} primary claims" in counts
    assert f"{(of_primary == 'confirmed').sum()} confirmed" in counts
    places = findings.gains_without_gan(book)
    assert len(places) > 3 and all(without_gan.count(place) == 1 for place in places)


def test_a_difference_that_is_left_open_is_not_called_a_win(monkeypatch):
    open_interval = Interval(0.1, -0.1, 0.3, 3)
    monkeypatch.setattr(findings, "gains_without_gan", lambda book: {"A": open_interval})
    words = findings.without_gan({})
    assert words == (
        "On A no difference between the best source without a GAN and our GANs can be shown."
    )
    assert findings.in_short({}) == words


def test_only_wrong_labels_cannot_be_seen_in_principle(published):
    words = answers.missed_damage(findings.book_of(published)["07_compression_score"])
    assert "cannot see wrong labels" in words and "relabels every sample" in words


def test_a_book_of_one_table_with_other_sources():
    rows = [
        row(source=source, dataset="mine", seed=seed, split=split, value=value + 0.01 * seed)
        for source, value in (("train", 0.8), ("jitter", 0.9))
        for split in ("validation", "test")
        for seed in range(3)
    ]
    rows.append(row(source="none", experiment="teacher", dataset="mine", setting={}))
    sizes = {"n_train": 2000, "n_validation": 500, "n_test": 500}
    task = {"name": "mine", "seeds": [0, 1, 2], "gans": [], **sizes}
    parameters = {"datasets": [task], "teacher_trees": 500, "fake_per_real": 9}
    run = record(rows, profile="mine", parameters=parameters)
    book = findings.book_of({"06_random_forests": run})
    assert answers.ANSWERS["06_random_forests"](book["06_random_forests"]) == answers.NOT_RUN
    table = findings.recommendations(book)
    assert "2,000 rows" in table and "mine" in table and "Jitter" in table
    assert "MAGIC" not in table and "has been run" not in table
    texts = from_records.substitutions({"06_random_forests": run})
    of_paper = [name for name, text in texts.items() if re.search("MAGIC|Higgs|Evergreen", text)]
    assert not of_paper, "a book of other data says nothing of the paper's"


def test_the_headline_table_says_where_rows_are_fewer_than_the_papers(published):
    words = findings.beside_the_paper(findings.book_of(published))
    assert words.startswith("Scores are AUC (accuracy for Higgs 1k and Higgs 30k). Our ")
    assert "Evergreen has 1,000 training rows (the paper's 5,000)" in words
    assert "MAGIC has" not in words


def test_a_book_without_records_says_so():
    texts = from_records.substitutions({})
    assert texts["answer_01"] == answers.NOT_RUN and texts["ran_on_01"] == ""
    assert "None of the chapters" in texts["findings"]
    assert "No claim" in texts["claims_06"]


# Claim boxes and what a chapter ran on


def test_a_claim_box_has_the_primary_claims_first_and_few_lines(published):
    verdicts = records.as_frame(published["08_scoreboard"])
    for notebook in answers.ANSWERS:
        box = findings.claim_box(notebook, verdicts)
        if notebook == "00_teachers_and_gan":
            assert "No claim" in box
            continue
        lines = [line for line in box.splitlines() if line.startswith("|")]
        assert 3 <= len(lines) <= findings.MOST_CLAIMS + 2
        assert any(word in lines[2] for word in ("confirmed", "refuted", "inconclusive"))
    first = findings.claim_box("06_random_forests", verdicts).splitlines()[2]
    assert "GAN data beat training data" in first and "MAGIC" in first


def test_the_verdicts_of_a_claim_box_are_those_of_the_scoreboard():
    setting = {
        "verdict": "refuted", "reason": "", "low": -0.03, "high": -0.01, "n": 5, "p": 0.01,
        "p_holm": None, "fold": None, "scale": "reduced", "method": "the paper's",
        "family": "exploratory",
    }  # fmt: skip
    verdict = row(experiment="claim", metric="gan_over_train", value=-0.02, setting=setting)
    box = findings.claim_box("06_random_forests", records.frame_of_rows([verdict]))
    assert "**refuted**" in box and "-0.020" in box and "MAGIC, reduced; the paper's" in box


def test_what_a_chapter_ran_on():
    run = record([row()], machines=["NVIDIA H100"], date="2026-11-22", commit="abc1234")
    line = findings.ran_on(run.model_copy(update={"seconds_of_this_run": 2.0, "seconds": 7200.0}))
    for words in ("NVIDIA H100", "2026-11-22", "2.0 hours", "`abc1234`", "`quick`", "notebook"):
        assert words in line
    assert "from stored results" in findings.ran_on(run)


def test_only_a_book_of_smoke_tests_has_a_banner(published, tmp_path):
    for profile, has_banner in (("quick", True), ("laptop", False)):
        run = published["03_augmentation"].model_copy(update={"profile": profile})
        records.save(run, tmp_path / profile / "published")
        config = types.SimpleNamespace(myst_substitutions={"a": "b"}, html_theme_options={})
        app = types.SimpleNamespace(srcdir=tmp_path / profile)
        from_records.read_records(app, config)
        assert ("announcement" in config.html_theme_options) == has_banner
        assert config.myst_substitutions["a"] == "b" and "answer_03" in config.myst_substitutions


def test_a_smoke_test_is_told_by_its_settings_not_by_its_name():
    notebook = "06_random_forests"
    defaults = parameters.check_dict(notebook, parameters.notebook_defaults(notebook)).model_dump()
    other = defaults | {"teacher_trees": defaults["teacher_trees"] + 1}
    for profile, given, is_smoke_test in (
        ("quick", other, True),
        ("mine", defaults | {"profile": "mine", "out_dir": "x"}, True),
        ("mine", other, False),
    ):
        run = record([row()], profile=profile, parameters=given)
        assert profiles.is_smoke_test(run) == is_smoke_test
    assert not profiles.is_smoke_test(record([row()], profile="mine", notebook="08_scoreboard"))


def test_a_missing_verdict_is_no_interval():
    assert findings.claim_box("01_dnn_compression", pd.DataFrame({"metric": [], "dataset": []}))


# A model of one's own


def own_model_rows(seed, lost):
    """Rows of chapter 09: a tree of `lost` points, and `lost` plus ten of one on the labels."""
    values = {
        ("teacher", "nodes"): 9000,
        ("student", "nodes"): 90,
        ("student", "loss"): lost,
        ("tree on the labels", "loss"): lost + 0.1,
        ("pruned tree on the labels", "loss"): 0.5,
    }
    about = {"experiment": "own_model", "dataset": "mine", "student": "tree", "seed": seed}
    return [
        row(**about, setting={"model": model}, metric=metric, value=value)
        for (model, metric), value in values.items()
    ]


def test_the_answer_on_a_model_of_ones_own():
    rows = [line for seed in range(3) for line in own_model_rows(seed, 0.01 * (seed + 1))]
    run = record(rows, parameters={"max_loss": 0.05})
    said = answers.answer_own_model(run)
    assert "On mine, the smallest student within 5.0 points" in said
    assert "has 100 times fewer nodes and loses 2.0 points" in said
    assert "It is 10.0 points above one of its family that was fitted to the labels" in said
    assert "over 3 splits" in said
    one = answers.answer_own_model(record(own_model_rows(0, 0.01), parameters={"max_loss": 0.05}))
    assert "in the one run" in one and one.endswith("no intervals.*")
    assert answers.answer_own_model(record([row()])) == answers.NOT_RUN
