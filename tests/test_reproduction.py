"""The reproduction notes: every effect is a difference of records, every point has its words."""

import pandas as pd
import pytest
from helpers import record, row

from ganmc_utils.core import paths, records
from ganmc_utils.report import reproduction, text
from ganmc_utils.report.statistics import t_interval

PUBLISHED = paths.ROOT / "published"
DIGITS = "the digits of scikit-learn"


def frame_of(rows):
    return records.as_frame(record(rows))


def image_rows(experiment, source, values, **setting):
    """One row a seed of a student of images, at the end of its training."""
    about = {"dataset": "digits", "teacher": "cnn6", "student": "lenet", "metric": "accuracy"}
    return [
        row(experiment=experiment, source=source, seed=s, value=v, setting=setting, **about)
        for s, v in enumerate(values)
    ]


def tree_rows(source, values, experiment="compression", teacher="forest_sqrt", **setting):
    """One row a seed of a single tree on MAGIC."""
    return [
        row(
            experiment=experiment,
            source=source,
            seed=s,
            value=v,
            teacher=teacher,
            setting={"trees": 1} | setting,
        )
        for s, v in enumerate(values)
    ]


def in_words(*differences):
    """What the table prints for paired differences by hand."""
    interval = t_interval(list(differences))
    return f"{text.difference_and_interval(interval)}, n = {interval.n}"


def test_loss_variants_are_compared_by_source_and_seed():
    rows = image_rows("variants", "train", [0.5, 0.6], variant="text", last=1)
    rows += image_rows("variants", "train", [0.56, 0.64], variant="li", last=1)
    rows += image_rows("variants", "train+gan", [0.5, 0.6], variant="text", last=1)
    rows += image_rows("variants", "train+gan", [0.5, 0.62], variant="hinton", last=1)
    # rows that have no part in it: along the training, and of the other experiment
    rows += image_rows("variants", "train", [0.1, 0.1], variant="li", last=0)
    rows += image_rows("pair_1", "train", [0.9, 0.9], variant="li", last=1)
    words = reproduction.effect_in_words("loss_variant", frame_of(rows))
    assert words.split("<br>") == [
        f"{DIGITS}, Training data: Li's - the text's loss: {in_words(0.06, 0.04)}",
        f"{DIGITS}, Training + GAN: T squared - the text's loss: {in_words(0.0, 0.02)}",
    ]


def test_the_teachers_dropout_is_with_minus_without():
    rows = image_rows("variants", "train", [0.5, 0.6], teacher_dropout=0, last=1)
    rows += image_rows("variants", "train", [0.55, 0.63], teacher_dropout=1, last=1)
    words = reproduction.effect_in_words("teacher_dropout", frame_of(rows))
    assert (
        words == f"{DIGITS}, Training data: teacher with dropout - without: {in_words(0.05, 0.03)}"
    )


def test_realism_is_the_mixture_minus_each_control():
    rows = image_rows("l2", "train+gan", [0.6, 0.62], p_fake=0.5, last=1)
    rows += image_rows("l2", "noise", [0.57, 0.57], p_fake=0.3, last=1)
    words = reproduction.effect_in_words("realism", frame_of(rows))
    assert words == f"{DIGITS}: Training + GAN - Noise: {in_words(0.03, 0.05)}"


def test_the_controls_are_the_other_ends_of_training_data():
    rows = image_rows("l2", "train+gan", [0.6, 0.62], p_fake=0.5, last=1)
    rows += image_rows("controls", "train", [0.5, 0.51], control="early_stopped")
    rows += image_rows("controls", "train", [0.52, 0.52], control="same_passes")
    words = reproduction.effect_in_words("controls", frame_of(rows))
    assert [part.split(": ")[1] for part in words.split("<br>")] == [
        "Training + GAN - Training data stopped early",
        "Training + GAN - Training data for as many passes",
    ]
    assert words.startswith(
        f"{DIGITS}: Training + GAN - Training data stopped early: {in_words(0.1, 0.11)}"
    )


def test_out_of_bag_labels_alone_and_with_gan_rows():
    rows = tree_rows("train", [0.89, 0.9]) + tree_rows("train_oob", [0.9, 0.904])
    rows += tree_rows("train+gan", [0.91, 0.92])
    rows += tree_rows("train+gan", [0.914, 0.922], labels="oob")
    rows += tree_rows("train", [0.1, 0.1], teacher="forest_none")  # not the main teacher
    words = reproduction.effect_in_words("out_of_bag", frame_of(rows))
    assert words.split("<br>") == [
        f"MAGIC: Out-of-bag labels - Training data: {in_words(0.01, 0.004)}",
        f"MAGIC: Training + GAN, out-of-bag - usual labels: {in_words(0.004, 0.002)}",
    ]


def test_a_pool_is_compared_with_the_single_gan_of_its_seed():
    rows = tree_rows("gan", [0.91, 0.92]) + tree_rows("gan", [0.89, 0.88], "single_gan")
    words = reproduction.effect_in_words("single_gan", frame_of(rows))
    assert words == f"MAGIC: pool - one GAN: {in_words(0.02, 0.04)}"


def test_teachers_are_compared_by_their_features():
    rows = [
        row(experiment="teacher", student="none", source="none", seed=s, setting={}, **fields)
        for fields in (
            {"teacher": "forest_sqrt", "value": 0.935},
            {"teacher": "forest_none", "value": 0.93},
        )
        for s in (0, 1)
    ]
    effect = reproduction.max_features(frame_of(rows))
    assert effect["MAGIC: teacher, sqrt - none"].mean == pytest.approx(0.005)


def test_sets_on_the_way_are_in_the_order_of_their_epochs():
    scores = pd.DataFrame(columns=["gan", "inferior 25", "inferior", "inferior 3", "100"])
    assert reproduction.sets_on_the_way(scores) == ["inferior 3", "inferior 25", "inferior"]
    assert reproduction.sets_on_the_way(scores[["gan", "100"]]) == []


@pytest.mark.parametrize("name", reproduction.EFFECTS)
def test_what_was_not_run_is_not_measured(name):
    frame = frame_of([row(experiment="cost", metric="nodes", dataset="mine")])
    assert reproduction.effect_in_words(name, frame) == reproduction.NOT_YET


def test_every_point_has_its_words_and_every_effect_a_point():
    points = reproduction.points()
    assert len({point["id"] for point in points}) == len(points)
    for point in points:
        assert set(point) == {"id", "where", "disagreement", "ours", "effect"}
        assert all(point[field].strip() for field in ("where", "disagreement", "ours"))
        assert not any("|" in point[field] for field in ("where", "disagreement", "ours"))
    effects = [point["effect"] for point in points if point["effect"]]
    assert sorted(effects) == sorted(reproduction.EFFECTS)


def test_the_page_shows_the_published_effects(tmp_path):
    published_table = (PUBLISHED / "tables" / "reproduction_notes.md").read_text()
    (tmp_path / "records").symlink_to(PUBLISHED / "records")
    path = reproduction.write_notes(tmp_path)
    assert path.read_text() == published_table, "run: make publish"
    page = (paths.ROOT / "book" / "reproduction_notes.md").read_text()
    assert f"../published/tables/{path.name}" in page
