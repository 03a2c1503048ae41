"""The cast of Sec. 3 at toy size: images, the image AC-GAN, shared students, the chapters' rows and their verdicts."""

import pandas as pd
import pytest
from test_parameters import defaults

from ganmc_utils.core import parameters, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.networks import experiment as network_experiment
from ganmc_utils.networks import trained
from ganmc_utils.report import statistics

TOY = {
    "seeds": [0, 1],
    "data": {
        "name": "digits",
        "image_size": 8,
        "n_train": 100,
        "n_validation": 60,
        "n_test": 60,
        "n_fresh": 100,
    },
    "teacher": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 1e-3},
    "student": {"network": "lenet_authors", "width": 2, "epochs": 2, "batch": 50, "lr": 1e-3},
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
}


def plan(chapter, **change):
    return parameters.check_dict(chapter, defaults(chapter) | TOY | change)


def run(chapter, out, **change):
    found = network_experiment.Chapter(plan(chapter, **change), out)
    getattr(found, chapter[3:])()
    return found


def without_seconds(rows):
    return [r for r in rows if r.metric != "seconds"]


# the chapters


@pytest.mark.parametrize("chapter", [c for c in parameters.NOTEBOOKS if c < "06"])
def test_a_second_run_trains_nothing_and_says_the_same(tmp_path, chapter, monkeypatch):
    first = run(chapter, tmp_path).rows
    assert {r.dataset for r in first} == {"digits"} and {r.split for r in first} >= {"test"}
    steps = []
    monkeypatch.setattr(trained.training, "one_step", lambda *given: steps.append(given))
    assert run(chapter, tmp_path).rows == first and not steps


def test_students_are_the_same_alone_and_in_a_sweep(tmp_path):
    sweep = run("02_p_fake_sweep", tmp_path / "a", p_fakes=[0.0, 0.5, 1.0])
    alone = run("02_p_fake_sweep", tmp_path / "b", p_fakes=[0.5], seeds=[1])
    pick = lambda rows: [
        (r.split, r.metric, r.value) for r in rows if r.setting.get("p_fake") == 0.5 and r.seed == 1
    ]
    assert pick(alone.rows) and pick(sweep.rows) == pick(alone.rows)


def test_the_sources_of_chapter_01(tmp_path):
    rows = run("01_dnn_compression", tmp_path, p_fakes=[0.2, 0.8], pairs=[]).rows
    end = [r for r in rows if r.experiment == "l2" and r.setting["last"] and r.split == "test"]
    assert {(r.source, r.seed) for r in end} == {
        (s, seed)
        for seed in (0, 1)
        for s in ("student_only", "train", "gan", "train+gan", "flips", "jitter", "mixup", "fresh")
    }
    choice = pd.DataFrame(
        [{"p": r.setting["p_fake"], "v": r.value} for r in rows if r.experiment == "choice"]
    )
    chosen = {r.setting["p_fake"] for r in end if r.source == "train+gan"}
    assert chosen == {choice.groupby("p").v.mean().idxmax()}, "the share is chosen on validation"


def test_the_gan_epoch_is_chosen_on_validation(tmp_path):
    made = trained.Cast(plan("04_gan_quality"), tmp_path)
    epoch, score = made.gan_epoch()
    assert set(score) == {1, 2} and score[epoch] == max(score.values())
    assert made.data.x_fresh.shape[0] == 100 and 0 < made.spread(2) < 2


def test_a_batch_larger_than_the_data_is_one_line(tmp_path):
    with pytest.raises(GanmcError, match="batch 200 is larger"):
        run("04_gan_quality", tmp_path, teacher=TOY["teacher"] | {"batch": 200})


# the verdicts


def record_of(rows):
    return records.Record(
        profile="toy",
        notebook="toy",
        metrics=rows,
        parameters={},
        seconds=1.0,
        hardware={},
        versions={},
        data={},
        commit="x",
    )


def synthetic(curve, experiment="sweep", **setting):
    """Students of three seeds whose accuracy at p_fake is curve(p_fake)."""
    rows = []
    for seed in range(3):
        for p_fake in (0.0, 0.25, 0.5, 0.75, 1.0):
            source = {0.0: "train", 1.0: "gan"}.get(p_fake, "train+gan")
            for split in ("validation", "test"):
                rows.append(
                    records.Row(
                        experiment=experiment,
                        dataset="cifar10",
                        teacher="nin",
                        student="lenet",
                        source=source,
                        seed=seed,
                        setting={"p_fake": p_fake, "last": 1} | setting,
                        split=split,
                        metric="accuracy",
                        value=curve(p_fake) + 0.001 * seed * p_fake,
                    )
                )
    return records.as_frame(record_of(rows))


def verdict(claim, frame):
    measured = next(c for c in network_claims.CLAIMS if c.id == claim).measure(frame, "cifar10")
    return measured and statistics.verdict(measured)


@pytest.mark.parametrize(
    "curve, every, interior, unimodal",
    [
        (
            lambda p: 0.7 + p * (1.2 - p) / 5,
            "confirmed",
            "confirmed",
            "confirmed",
        ),  # the paper's hill
        (
            lambda p: 0.7 - p / 10,
            "refuted",
            "refuted",
            "confirmed",
        ),  # falling from the first share on
        (lambda p: 0.7 + p / 10, "confirmed", "refuted", "confirmed"),
    ],
)  # GAN data alone best
def test_verdicts_on_the_sweep(curve, every, interior, unimodal):
    frame = synthetic(curve)
    assert (
        verdict("p_fake_every_share", frame),
        verdict("p_fake_interior", frame),
        verdict("p_fake_unimodal", frame),
    ) == (every, interior, unimodal)


def test_verdicts_without_a_teacher():
    assert (
        verdict(
            "gan_harms_supervised",
            synthetic(lambda p: 0.7 - p / 10, "supervised_learning", objective="supervised"),
        )
        == "confirmed"
    )
    assert (
        verdict(
            "gan_harms_supervised",
            synthetic(lambda p: 0.7 + p / 10, "supervised_learning", objective="supervised"),
        )
        == "refuted"
    )
    assert (
        verdict(
            "gan_harms_supervised", synthetic(lambda p: 0.7, "supervised_learning", objective="l2")
        )
        is None
    )


def test_verdicts_of_the_toy_chapters(tmp_path):
    frame = records.as_frame(
        *[record_of(run(c, tmp_path).rows) for c in parameters.NOTEBOOKS if c < "06"]
    )
    judged = {c.id: c.measure(frame, "digits") for c in network_claims.CLAIMS}
    missing = {id for id, interval in judged.items() if interval is None}
    assert missing == {"pair_2_mixture_over_train", "pair_3_mixture_over_train", "gan_epochs"}, (
        "one pair and two snapshots at toy size"
    )
