"""Batches are what p_fake says, learners do not notice each other, and a killed run ends as if it had not been."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ganmc_utils.core import checkpoints
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks import sources as image_sources
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import (
    BATCHES_AHEAD,
    EpochBatches,
    Mixture,
    TeacherLabelledStream,
    random_stream,
)
from ganmc_utils.networks.objectives import logit_matching, supervised

N, BATCH = 60, 20


def images(n=N, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1, torch.randint(3, (n,), generator=rng)


def teacher():
    return network_models.make_network("cnn6", 9, 4, 1, 8, 3).eval().requires_grad_(False)


def streams(net=None):
    x, y = images()
    net = net or teacher()
    ask = lambda x: training.logits(net, x)
    return EpochBatches(x, y, BATCH, ask(x)), TeacherLabelledStream(
        image_sources.PixelJitter(x, y, 0.3), BATCH, ask, "cpu", "jitter"
    )


def learner(p_fake=0.5, seed=0, name="lenet_authors", net=None, objective=logit_matching):
    return training.Learner(
        f"{name} {p_fake}",
        network_models.make_network(name, seed, 2, 1, 8, 3),
        objective,
        Mixture(*streams(net), p_fake),
        seed,
    )


def run(*learners, steps=12, checkpoint=None, **schedule):
    parts = {"test": images(30, seed=1)}
    schedule = {"lr": 1e-2, "evaluations": 3} | schedule
    training.train(
        list(learners),
        training.Schedule(steps, **schedule),
        parts,
        checkpoint,
        "same",
        progress=False,
    )
    return [
        (weights(l), [{k: v for k, v in h.items() if k != "seconds"} for h in l.history])
        for l in learners
    ]


def weights(l):
    return torch.cat([v.double().flatten() for v in l.net.state_dict().values()])


def same(a, b):
    return torch.equal(a[0], b[0]) and a[1] == b[1]


class Untouchable:
    batch, x = BATCH, torch.zeros(1)

    def at(self, step, seed):
        raise AssertionError("this source must not be asked")


def test_an_epoch_is_every_row_once():
    x, y = torch.arange(N).float().view(N, 1, 1, 1), torch.arange(N)
    rows = EpochBatches(x, y, BATCH)
    for epoch in range(2):
        seen = torch.cat([rows.at(3 * epoch + k, seed=4).y for k in range(3)])
        assert sorted(seen.tolist()) == list(range(N))
    assert rows.at(5, 4).y.tolist() == EpochBatches(x, y, BATCH).at(5, 4).y.tolist(), (
        "a batch is a function of seed and step"
    )
    assert rows.at(5, 4).y.tolist() != rows.at(5, 3).y.tolist()


def test_made_rows_follow_from_the_step_and_the_teacher_is_asked_for_many_at_once():
    asked = []
    made = lambda: TeacherLabelledStream(
        image_sources.PixelJitter(*images(), 0.3),
        BATCH,
        lambda x: asked.append(len(x)) or x.flatten(1)[:, :3],
        "cpu",
        "jitter",
    )
    rows = made()
    batches = [rows.at(step) for step in range(2 * BATCHES_AHEAD)]
    assert asked == [BATCHES_AHEAD * BATCH] * 2
    assert torch.equal(made().at(BATCHES_AHEAD + 1).x, batches[BATCHES_AHEAD + 1].x), (
        "without those before it"
    )
    assert len({float(b.x.sum()) for b in batches}) == 2 * BATCHES_AHEAD and all(
        torch.equal(b.z, b.x.flatten(1)[:, :3]) for b in batches
    )


def test_p_fake_0_is_training_data_bit_for_bit_and_p_fake_1_never_reads_it():
    real, made = streams()
    alone, mixed = learner(), learner()
    alone.batches, mixed.batches = real, Mixture(real, Untouchable(), 0.0)
    assert same(*run(alone), *run(mixed))
    only, mixed = learner(), learner()
    only.batches, mixed.batches = made, Mixture(Untouchable(), made, 1.0)
    assert same(*run(only), *run(mixed))


@pytest.mark.parametrize("p_fake", [0.1, 0.5, 0.8])
def test_the_share_of_made_rows_is_p_fake_row_by_row(p_fake):
    zero, one = torch.zeros(N, 1, 8, 8), torch.ones(N, 1, 8, 8)
    y = torch.zeros(N, dtype=torch.long)
    mixture = Mixture(
        EpochBatches(zero, y, BATCH), EpochBatches(one, y + 1, BATCH, name="fresh"), p_fake
    )
    batches = [mixture.at(step, seed=0) for step in range(500)]
    share = torch.stack([b.y.float() for b in batches])
    assert abs(share.mean() - p_fake) < 4 * (p_fake * (1 - p_fake) / share.numel()) ** 0.5
    assert all(torch.equal(b.x.mean((1, 2, 3)), b.y.float()) for b in batches), (
        "image and class come from the same row"
    )
    assert 0 < (share.mean(1) % 1 != 0).float().mean(), "rows are mixed within a batch"


def test_per_batch_takes_whole_batches():
    y = torch.zeros(N, dtype=torch.long)
    x = torch.zeros(N, 1, 8, 8)
    mixture = Mixture(
        EpochBatches(x, y, BATCH), EpochBatches(x, y + 1, BATCH, name="fresh"), 0.5, per="batch"
    )
    shares = {mixture.at(step, 0).y.float().mean().item() for step in range(60)}
    assert shares == {0.0, 1.0}


def test_flipped_rows_bring_the_flipped_answer():
    x, y = images()
    z, z_flipped = x.flatten(1)[:, :3], x.flip(3).flatten(1)[:, :3]
    batch = EpochBatches(x, y, BATCH, z, "flips", z_flipped).at(0, 0)
    assert torch.equal(batch.z, batch.x.flatten(1)[:, :3])
    assert not torch.equal(batch.x, EpochBatches(x, y, BATCH, z).at(0, 0).x)


def test_crops_shift_and_keep_pixels():
    x = torch.arange(64.0).view(1, 1, 8, 8).repeat(200, 1, 1, 1)
    moved = image_sources.flip_crop(x, random_stream("cpu", 0))
    assert moved.shape == x.shape and len({tuple(i.flatten().tolist()) for i in moved}) > 10
    assert set(moved.unique().tolist()) <= set(x.unique().tolist())


@pytest.mark.parametrize(
    "source",
    [
        image_sources.PixelJitter(*images(), 0.2),
        image_sources.Mixup(*images()),
        image_sources.FlipsCrops(*images()),
    ],
)
def test_a_source_is_a_function_of_its_stream(source):
    (x, c), (again, _), (other, _) = (source.sample(50, random_stream("cpu", k)) for k in (1, 1, 2))
    assert x.shape == (50, 1, 8, 8) and x.dtype == torch.float32 and c.shape == (50,)
    assert torch.equal(x, again) and not torch.equal(x, other)


@pytest.mark.parametrize("name", ["lenet_authors", "cnn5", "nin"])  # plain, batch norm, dropout
def test_learners_side_by_side_are_learners_alone(name):
    together = run(learner(0.2, 0, name), learner(0.5, 1, name), learner(1.0, 0, name))
    assert same(together[1], *run(learner(0.5, 1, name))) and same(
        together[2], *run(learner(1.0, 0, name))
    )


def test_same_seed_same_curve_other_seed_other_curve():
    a, b, c = run(learner(seed=0))[0], run(learner(seed=0))[0], run(learner(seed=1))[0]
    assert same(a, b) and a[1] != c[1]


def test_the_teacher_stays_as_it_is_and_its_answers_count():
    net = teacher()
    before = torch.cat([v.double().flatten() for v in net.state_dict().values()])
    (one,) = run(learner(net=net))
    assert torch.equal(before, torch.cat([v.double().flatten() for v in net.state_dict().values()]))
    assert all(v.grad is None for v in net.parameters())
    (other,) = run(learner(net=network_models.make_network("cnn6", 10, 4, 1, 8, 3).eval()))
    assert not torch.equal(one[0], other[0]), "a student changes when its teacher does"


@pytest.mark.parametrize("optimizer, name", [("adam", "cnn5"), ("sgd", "nin")])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, optimizer, name):
    whole = run(learner(0.5, 0, name), learner(0.2, 1, name), optimizer=optimizer, decay="cosine")
    monkeypatch.setattr(training, "SAVE_EVERY", 0)
    saved, steps = checkpoints.save, []

    def stop(*given):
        saved(*given)
        steps.append(1)
        if len(steps) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        run(
            learner(0.5, 0, name),
            learner(0.2, 1, name),
            optimizer=optimizer,
            decay="cosine",
            checkpoint=tmp_path / "c.safetensors",
        )
    again = run(
        learner(0.5, 0, name),
        learner(0.2, 1, name),
        optimizer=optimizer,
        decay="cosine",
        checkpoint=tmp_path / "c.safetensors",
    )
    assert same(whole[0], again[0]) and same(whole[1], again[1])


def test_kill_9_in_the_middle_of_training(tmp_path):
    (whole,) = run(learner(), steps=400)
    path = tmp_path / "c.safetensors"
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path; import test_training as t;"
            f"t.training.SAVE_EVERY = 0; t.run(t.learner(), steps=400, checkpoint=Path({str(path)!r}))",
        ]
    )
    deadline = time.time() + 60
    while not path.exists() and time.time() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert path.exists() and checkpoints.load(path, "same")[1][0] < 400, "killed too late to tell"
    assert same(whole, *run(learner(), steps=400, checkpoint=path))


def test_a_checkpoint_of_another_run_or_a_broken_one_is_not_taken_up(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoints.save(path, "one", {"a": {0: torch.ones(3)}}, [1])
    assert checkpoints.load(path, "two") is None and checkpoints.load(path, "one")[1] == [1]
    for broken in (path.read_bytes()[:-4], b"", b"\x05" + b"\0" * 7 + b"{}{}{", b"no tensors"):
        path.write_bytes(broken)
        assert checkpoints.load(path, "one") is None


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_are_the_same_within_rounding():
    def made(compile):
        return training.Learner(
            "cnn6",
            network_models.make_network("cnn6", 0, 2, 1, 8, 3),
            logit_matching,
            streams()[0],
            0,
            compile=compile,
        )

    (plain, _), (compiled, _) = *run(made(False), steps=6), *run(made(True), steps=6)
    assert torch.allclose(plain, compiled, atol=1e-4)


def test_a_loss_that_is_not_finite_ends_with_one_line():
    with pytest.raises(GanmcError) as failed:
        run(learner(), lr=1e30)
    assert (
        "not finite at step" in str(failed.value)
        and "lr 1e+30" in str(failed.value)
        and "\n" not in str(failed.value)
    )


@pytest.mark.parametrize(
    "work, words",
    [
        (lambda: EpochBatches(*images(), 61), "batch 61"),
        (lambda: Mixture(None, None, 1.2), "1.2"),
        (lambda: Mixture(None, None, -0.1), "-0.1"),
        (lambda: Mixture(None, None, 0.5, "row"), "row"),
        (lambda: EpochBatches(*images(), 20, augment="rotate"), "rotate"),
        (lambda: image_sources.PixelJitter(*images(), 0), "scale"),
    ],
)
def test_bad_parameters_are_one_line(work, words):
    with pytest.raises(GanmcError) as failed:
        work()
    assert words in str(failed.value) and "\n" not in str(failed.value)


def test_learning_works():
    x, y = images(60)
    x = x * 0.1 + y.view(-1, 1, 1, 1).float() - 1
    l = training.Learner(
        "learner",
        network_models.make_network("cnn6", 0, 4, 1, 8, 3),
        supervised,
        EpochBatches(x, y, BATCH),
        0,
    )
    training.train([l], training.Schedule(60, 1e-2), {"train": (x, y)}, progress=False)
    assert l.history[-1]["train"] > 0.95 and l.history[-1]["loss"] < l.history[0]["loss"]
