"""The search for a better AC-GAN on MAGIC, at toy size: it measures, resumes, keeps its hours."""

import sys

import pytest

from ganmc_utils.core.paths import ROOT
from ganmc_utils.gan.acgan import AcGan

sys.path.insert(0, str(ROOT / "benchmarks"))
import magic_gan  # noqa: E402

SETUP = magic_gan.Setup(
    table="breast_cancer",
    rows=(150, 100, 100),
    teacher_trees=5,
    fake_per_real=2,
    rounds=(2, 4, 6),
    measured=(1, 2, 4, 6),
)


@pytest.fixture
def few_recipes(monkeypatch):
    monkeypatch.setattr(magic_gan, "RECIPES", ((), ("glorot",), magic_gan.DETAILS))


def test_the_rounds_keep_the_best_and_a_second_search_trains_nothing(
    tmp_path, few_recipes, monkeypatch
):
    search = magic_gan.Search(SETUP, tmp_path, seconds=600)
    assert search.run()
    known = {recipe: set(search.measured(recipe)) for recipe in magic_gan.RECIPES}
    assert all(epochs >= {1, 2} for epochs in known.values())
    assert sorted(map(len, known.values())) == [2, 2, 4], "one of three goes on"
    (last,) = [recipe for recipe, epochs in known.items() if 6 in epochs]

    def first_round(recipe):
        return max(search.measured(recipe)[epoch]["score"] for epoch in (1, 2))

    assert first_round(last) == max(map(first_round, magic_gan.RECIPES))
    page = search.page(is_finished=True)
    assert magic_gan.name_of(last) in page and "came to its end" in page

    def fail(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(AcGan, "train_epoch", fail)
    again = magic_gan.Search(SETUP, tmp_path, seconds=600)
    assert again.run() and again.page(is_finished=True) == page


def test_a_search_without_time_stops_and_resumes_bit_for_bit(tmp_path, few_recipes):
    whole = magic_gan.Search(SETUP, tmp_path / "whole", seconds=600)
    whole.train(("glorot",), 4)
    for _ in range(4):  # an epoch at a time
        hurried = magic_gan.Search(SETUP, tmp_path / "parts", seconds=-1)
        with pytest.raises(magic_gan.HoursAreOver):
            hurried.train(("glorot",), 4)
    assert hurried.measured(("glorot",)) == whole.measured(("glorot",))
    assert set(hurried.measured(("glorot",))) == {1, 2, 4}
    assert not hurried.run(), "the other recipes need more than no time"
    assert "was not finished" in hurried.page(is_finished=False)


def test_no_test_row_is_read(tmp_path, few_recipes):
    search = magic_gan.Search(SETUP, tmp_path, seconds=600)
    search.splits = [
        magic_gan.split_table(
            magic_gan.read_table("breast_cancer", "", "", ""), 150, 100, 100, 0, seed, "clean"
        )
        for seed in magic_gan.SEEDS
    ]
    for split in search.splits:
        object.__setattr__(split, "x_test", None)
        object.__setattr__(split, "y_test", None)
    assert search.run()
    assert search.baselines["teacher"] > 0.9


def test_recipes_are_different_and_have_names_of_their_own():
    names = [magic_gan.name_of(recipe) for recipe in magic_gan.RECIPES]
    assert len(set(names)) == len(names) == len(set(map(frozenset, magic_gan.RECIPES)))
    assert {frozenset(), frozenset(magic_gan.DETAILS)} <= set(map(frozenset, magic_gan.RECIPES))
