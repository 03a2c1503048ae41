"""Batches are what p_fake says, learners do not notice each other, killed runs end as if unhurt."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import (
    N_TOY_IMAGES,
    TOY_BATCH,
    same_result,
    toy_images,
    toy_learner,
    toy_streams,
    toy_teacher,
    train_toys,
    weights_of,
)

from ganmc_utils.core import checkpoints
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.source import Source
from ganmc_utils.networks import models, training
from ganmc_utils.networks import sources as image_sources
from ganmc_utils.networks.batches import (
    BATCHES_AHEAD,
    EpochBatches,
    Mixture,
    TeacherLabelledStream,
    random_stream,
)
from ganmc_utils.networks.objectives import logit_matching, supervised


class Untouchable:
    """Batches that nobody may ask for."""

    batch = TOY_BATCH
    x = torch.zeros(1)

    def at(self, step, seed):
        raise AssertionError("this source must not be asked")


def first_pixels(x):
    """A teacher that is easily checked: its three logits are the first three pixels."""
    return x.flatten(1)[:, :3]


# batches


def test_an_epoch_is_every_row_once():
    x = torch.arange(N_TOY_IMAGES).float().view(N_TOY_IMAGES, 1, 1, 1)
    y = torch.arange(N_TOY_IMAGES)
    batches = EpochBatches(x, y, TOY_BATCH)
    for epoch in range(2):
        rows = torch.cat([batches.at(3 * epoch + k, seed=4).y for k in range(3)])
        assert sorted(rows.tolist()) == list(range(N_TOY_IMAGES))
    anew = EpochBatches(x, y, TOY_BATCH)
    assert batches.at(5, 4).y.tolist() == anew.at(5, 4).y.tolist(), (
        "a batch is a function of seed and step"
    )
    assert batches.at(5, 4).y.tolist() != batches.at(5, 3).y.tolist()


def test_generated_samples_follow_from_the_step_and_the_teacher_labels_many_at_once():
    query_sizes = []

    def teacher(x):
        query_sizes.append(len(x))
        return first_pixels(x)

    def stream():
        source = image_sources.PixelJitter(*toy_images(), 0.3)
        return TeacherLabelledStream(source, TOY_BATCH, teacher, "cpu", "jitter")

    in_order = stream()
    batches = [in_order.at(step) for step in range(2 * BATCHES_AHEAD)]
    assert query_sizes == [BATCHES_AHEAD * TOY_BATCH] * 2
    step = BATCHES_AHEAD + 1
    assert torch.equal(stream().at(step).x, batches[step].x), "without those before it"
    assert len({float(batch.x.sum()) for batch in batches}) == 2 * BATCHES_AHEAD
    assert all(torch.equal(batch.z, first_pixels(batch.x)) for batch in batches)


def test_p_fake_0_is_training_data_bit_for_bit_and_p_fake_1_never_reads_it():
    real, generated = toy_streams()

    alone, mixed = toy_learner(), toy_learner()
    alone.batches = real
    mixed.batches = Mixture(real, Untouchable(), 0.0)
    assert same_result(*train_toys(alone), *train_toys(mixed))

    alone, mixed = toy_learner(), toy_learner()
    alone.batches = generated
    mixed.batches = Mixture(Untouchable(), generated, 1.0)
    assert same_result(*train_toys(alone), *train_toys(mixed))


@pytest.mark.parametrize("p_fake", [0.1, 0.5, 0.8])
def test_the_share_of_generated_samples_is_p_fake_sample_by_sample(p_fake):
    black = torch.zeros(N_TOY_IMAGES, 1, 8, 8)
    white = torch.ones(N_TOY_IMAGES, 1, 8, 8)
    y = torch.zeros(N_TOY_IMAGES, dtype=torch.long)
    mixture = Mixture(
        EpochBatches(black, y, TOY_BATCH),
        EpochBatches(white, y + 1, TOY_BATCH, name="fresh"),
        p_fake,
    )
    batches = [mixture.at(step, seed=0) for step in range(500)]
    is_fake = torch.stack([batch.y.float() for batch in batches])
    deviation = (p_fake * (1 - p_fake) / is_fake.numel()) ** 0.5
    assert abs(is_fake.mean() - p_fake) < 4 * deviation
    assert all(torch.equal(batch.x.mean((1, 2, 3)), batch.y.float()) for batch in batches), (
        "image and class come from the same row"
    )
    mixed_batches = is_fake.mean(1) % 1 != 0
    assert mixed_batches.float().mean() > 0, "samples are mixed within a batch"


def test_per_batch_takes_whole_batches():
    x = torch.zeros(N_TOY_IMAGES, 1, 8, 8)
    y = torch.zeros(N_TOY_IMAGES, dtype=torch.long)
    real = EpochBatches(x, y, TOY_BATCH)
    fresh = EpochBatches(x, y + 1, TOY_BATCH, name="fresh")
    mixture = Mixture(real, fresh, 0.5, per="batch")
    shares = {mixture.at(step, 0).y.float().mean().item() for step in range(60)}
    assert shares == {0.0, 1.0}


def test_flipped_images_bring_the_logits_of_the_flipped_image():
    x, y = toy_images()
    z = first_pixels(x)
    flips = EpochBatches(x, y, TOY_BATCH, z, "flips", z_flipped=first_pixels(x.flip(3)))
    batch = flips.at(0, 0)
    assert torch.equal(batch.z, first_pixels(batch.x))
    assert not torch.equal(batch.x, EpochBatches(x, y, TOY_BATCH, z).at(0, 0).x)


# sources


def test_crops_shift_and_keep_pixels():
    x = torch.arange(64.0).view(1, 1, 8, 8).repeat(200, 1, 1, 1)
    moved = image_sources.flip_crop(x, random_stream("cpu", 0))
    assert moved.shape == x.shape
    assert len({tuple(image.flatten().tolist()) for image in moved}) > 10
    assert set(moved.unique().tolist()) <= set(x.unique().tolist())


@pytest.mark.parametrize("name", image_sources.IMAGE_SOURCES)
def test_a_source_is_a_function_of_its_stream(name):
    arguments = {"scale": 0.2} if name == "jitter" else {}
    source = image_sources.IMAGE_SOURCES.entry(name)(*toy_images(), **arguments)
    assert isinstance(source, Source)
    x, c = source.sample(50, random_stream("cpu", 1))
    again, _ = source.sample(50, random_stream("cpu", 1))
    of_another_stream, _ = source.sample(50, random_stream("cpu", 2))
    assert x.shape == (50, 1, 8, 8) and x.dtype == torch.float32 and c.shape == (50,)
    assert torch.equal(x, again) and not torch.equal(x, of_another_stream)


# learners


@pytest.mark.parametrize(
    "name", ["lenet_authors_padded", "cnn5", "nin"]
)  # plain, batch norm, dropout
def test_learners_side_by_side_are_learners_alone(name):
    together = train_toys(
        toy_learner(0.2, 0, name), toy_learner(0.5, 1, name), toy_learner(1.0, 0, name)
    )
    assert same_result(together[1], *train_toys(toy_learner(0.5, 1, name)))
    assert same_result(together[2], *train_toys(toy_learner(1.0, 0, name)))


def test_same_seed_same_curve_other_seed_other_curve():
    (a,) = train_toys(toy_learner(seed=0))
    (b,) = train_toys(toy_learner(seed=0))
    (c,) = train_toys(toy_learner(seed=1))
    assert same_result(a, b)
    assert a[1] != c[1]


def test_the_teacher_stays_as_it_is_and_its_logits_count():
    teacher = toy_teacher()
    before = weights_of(teacher)
    (student,) = train_toys(toy_learner(teacher=teacher))
    assert torch.equal(before, weights_of(teacher))
    assert all(parameter.grad is None for parameter in teacher.parameters())
    (student_of_another,) = train_toys(toy_learner(teacher=toy_teacher(seed=10)))
    assert not torch.equal(student[0], student_of_another[0]), (
        "a student changes when its teacher does"
    )


def test_learning_works():
    x, y = toy_images()
    x = x * 0.1 + y.view(-1, 1, 1, 1).float() - 1
    net = models.make_network("cnn6", 0, 4, 1, 8, 3)
    learner = training.Learner("learner", net, supervised, EpochBatches(x, y, TOY_BATCH), 0)
    training.train([learner], training.Schedule(60, 1e-2), {"train": (x, y)}, progress=False)
    assert learner.history[-1]["train"] > 0.95
    assert learner.history[-1]["loss"] < learner.history[0]["loss"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_are_the_same_within_rounding():
    def weights(compile):
        net = models.make_network("cnn6", 0, 2, 1, 8, 3)
        batches = toy_streams()[0]
        learner = training.Learner("cnn6", net, logit_matching, batches, 0, compile=compile)
        return train_toys(learner, steps=6)[0][0]

    assert torch.allclose(weights(compile=False), weights(compile=True), atol=1e-4)


# checkpoints


@pytest.mark.parametrize("optimizer, name", [("adam", "cnn5"), ("sgd", "nin")])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, optimizer, name):
    def train(checkpoint=None):
        learners = (toy_learner(0.5, 0, name), toy_learner(0.2, 1, name))
        return train_toys(*learners, optimizer=optimizer, decay="cosine", checkpoint=checkpoint)

    uninterrupted = train()
    monkeypatch.setattr(training, "SAVE_EVERY", 0)
    save = checkpoints.save
    saved_paths = []

    def save_and_stop_after_seven(path, *state):
        save(path, *state)
        saved_paths.append(path)
        if len(saved_paths) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", save_and_stop_after_seven)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "c.safetensors")
    resumed = train(tmp_path / "c.safetensors")
    assert same_result(uninterrupted[0], resumed[0])
    assert same_result(uninterrupted[1], resumed[1])


VICTIM = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from helpers import toy_learner, train_toys, training
training.SAVE_EVERY = 0
train_toys(toy_learner(), steps=400, checkpoint=Path({path!r}))
"""


def test_kill_9_in_the_middle_of_training(tmp_path):
    (uninterrupted,) = train_toys(toy_learner(), steps=400)
    path = tmp_path / "c.safetensors"
    code = VICTIM.format(tests=str(Path(__file__).parent), path=str(path))
    victim = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.time() + 60
    while not path.exists() and time.time() < deadline:
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert path.exists() and checkpoints.load(path, "same")[1][0] < 400, "killed too late to tell"
    resumed = train_toys(toy_learner(), steps=400, checkpoint=path)
    assert same_result(uninterrupted, *resumed)


def test_a_checkpoint_of_another_run_or_a_broken_one_is_not_taken_up(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoints.save(path, "one", {"a": {0: torch.ones(3)}}, [1])
    assert checkpoints.load(path, "two") is None
    assert checkpoints.load(path, "one")[1] == [1]
    truncated = path.read_bytes()[:-4]
    for broken in (truncated, b"", b"\x05" + b"\0" * 7 + b"{}{}{", b"no tensors"):
        path.write_bytes(broken)
        assert checkpoints.load(path, "one") is None


# mistakes


def test_a_loss_that_is_not_finite_ends_with_one_line():
    with pytest.raises(GanmcError) as failed:
        train_toys(toy_learner(), lr=1e30)
    line = str(failed.value)
    assert "not finite at step" in line and "lr 1e+30" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "work, words",
    [
        (lambda: EpochBatches(*toy_images(), 61), "batch 61"),
        (lambda: Mixture(None, None, 1.2), "1.2"),
        (lambda: Mixture(None, None, -0.1), "-0.1"),
        (lambda: Mixture(None, None, 0.5, "row"), "row"),
        (lambda: EpochBatches(*toy_images(), 20, augment="rotate"), "rotate"),
        (lambda: image_sources.PixelJitter(*toy_images(), 0), "scale"),
        (lambda: image_sources.IMAGE_SOURCES.entry("crops"), "flips, mixup, jitter"),
    ],
)
def test_bad_parameters_are_one_line(work, words):
    with pytest.raises(GanmcError) as failed:
        work()
    assert words in str(failed.value) and "\n" not in str(failed.value)
