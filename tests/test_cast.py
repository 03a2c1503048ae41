"""The cast of Sec. 3 at toy size: images, the image AC-GAN, shared students, the chapters' rows and their verdicts."""

import pandas as pd
import pytest
import torch
from test_parameters import defaults

from ganmc_utils.core import checkpoints, parameters, paths, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.gan import image_networks
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.networks import claims as network_claims
from ganmc_utils.networks import data as image_data
from ganmc_utils.networks import experiment as network_experiment
from ganmc_utils.networks import sources as image_sources
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


# images


def test_digits_are_split_without_overlap():
    d = image_data.load_images("digits", 100, 60, 60, 100, 8, seed=0)
    assert (
        d.shape == (1, 8)
        and d.n_classes == 10
        and d.x_train.dtype == torch.float32
        and d.x_train.abs().max() <= 1
    )
    assert [len(getattr(d, f"x_{part}")) for part in ("train", "validation", "test", "fresh")] == [
        100,
        60,
        60,
        100,
    ]
    rows = torch.cat(
        [getattr(d, f"x_{part}").flatten(1) for part in ("train", "validation", "test", "fresh")]
    )
    assert len(rows.unique(dim=0)) >= len(rows) - 2, (
        "an image is in one part only (a few digits are twins)"
    )
    other = image_data.load_images("digits", 100, 60, 60, 100, 8, seed=1)
    assert other.checksum == d.checksum and not torch.equal(other.x_train, d.x_train)


def cifar10_is_there():
    return any(paths.data_dir().glob("cifar10/*.tar.gz")) or any(
        (r / image_data.BATCHES).is_dir() for r in (paths.data_dir(), paths.cache_dir())
    )


@pytest.mark.skipif(not cifar10_is_there(), reason="CIFAR-10 is not in the data directory")
def test_cifar10_is_averaged_down():
    d = image_data.load_images("cifar10", 500, 100, 100, 200, 16, seed=0)
    assert d.shape == (3, 16) and d.n_classes == 10 and -0.5 < d.x_train.mean() < 0.2
    full = image_data.load_images("cifar10", 500, 100, 100, 200, 32, seed=0)
    assert torch.allclose(d.x_test[0, 0, 0, 0], full.x_test[0, 0, :2, :2].mean(), atol=1e-6)
    assert torch.equal(d.y_fresh, full.y_fresh)


def no_network(*_, **__):
    raise OSError("no network")


def test_broken_archives_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10/part1.tar.gz").write_bytes(b"no archive")
    with pytest.raises(GanmcError, match="part1.tar.gz: cannot be unpacked") as failed:
        image_data.read_cifar10(tmp_path)
    assert "\n" not in str(failed.value)
    (tmp_path / image_data.BATCHES).mkdir()
    (tmp_path / image_data.BATCHES / "test_batch").write_bytes(b"not what it was")
    with pytest.raises(GanmcError, match="altered or incomplete") as failed:
        image_data.read_cifar10(tmp_path)
    assert "\n" not in str(failed.value) and not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "mnist"}, "mnist"),
        ({"n_train": 2000}, "2000"),
        ({"n_test": 900}, "part"),
        ({"image_size": 3}, "3 x 3"),
        ({"name": "cifar10", "data_dir": "/nowhere"}, "cifar-10-python.tar.gz"),
    ],
)
def test_bad_image_data_are_one_line(change, words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("ganmc_utils.core.download.urlopen", no_network)
    with pytest.raises(GanmcError) as failed:
        image_data.load_images(
            **{
                "name": "digits",
                "n_train": 100,
                "n_validation": 10,
                "n_test": 10,
                "n_fresh": 0,
                "image_size": 8,
                "seed": 0,
            }
            | change
        )
    assert words in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_one_line():
    assert image_data.choose_device("auto").type == "cpu"
    with pytest.raises(GanmcError, match="no CUDA device"):
        image_data.choose_device("cuda")


# the image AC-GAN


def blobs(n=200):
    """Two classes of noisy constant images, around -0.6 and 0.6."""
    y = torch.arange(n) % 2
    rng = torch.Generator().manual_seed(0)
    return ((y * 1.2 - 0.6).view(n, 1, 1, 1) + 0.1 * torch.randn(n, 1, 8, 8, generator=rng)).clamp(
        -1, 1
    )[None], y[None]


def test_the_image_gan_learns_both_classes_and_its_condition():
    settings = GanSettings(epochs=40, snapshots=(40,), members=1, batch=20, lr=1e-3)
    gan = AcGan(*blobs(), settings, [0], image_networks.image_networks(8)).train(progress=False)
    x, c = image_sources.GeneratedImages(gan, 40).sample(300, torch.Generator().manual_seed(1))
    means = [x[c == k].mean().item() for k in (0, 1)]
    assert means[0] == pytest.approx(-0.6, abs=0.25) and means[1] == pytest.approx(0.6, abs=0.25)
    again, _ = image_sources.GeneratedImages(gan, 40).sample(300, torch.Generator().manual_seed(1))
    assert torch.equal(x, again) and x.shape == (300, 1, 8, 8)


def test_the_image_gan_resumes_bit_for_bit(tmp_path, monkeypatch):
    def made(path=None):
        gan = AcGan(
            *blobs(60),
            GanSettings(epochs=4, snapshots=(2, 4), members=1, batch=20),
            [0],
            image_networks.image_networks(4),
        )
        return gan.train(path, progress=False)

    monkeypatch.setenv("GANMC_DEADLINE", "0")
    for epoch in (1, 2, 3):
        with pytest.raises(checkpoints.OutOfTime, match=f"epoch {epoch} of 4"):
            made(tmp_path / "gan.safetensors")
    monkeypatch.delenv("GANMC_DEADLINE")
    whole, resumed = made(), made(tmp_path / "gan.safetensors")
    assert resumed.seconds > 0 and set(resumed.pool) == {2, 4}
    for epoch in (2, 4):
        assert all(
            torch.equal(whole.pool[epoch][k], resumed.pool[epoch][k]) for k in whole.pool[epoch]
        )


@pytest.mark.parametrize("size, members, words", [(12, 1, "12 x 12"), (8, 2, "2 GANs")])
def test_what_the_image_gan_cannot_do_is_one_line(size, members, words):
    with pytest.raises(GanmcError, match=words):
        AcGan(
            torch.zeros(1, 50, 1, size, size),
            torch.arange(50)[None] % 2,
            GanSettings(epochs=1, snapshots=(1,), members=members, batch=10),
            [0],
            image_networks.image_networks(4),
        )


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
