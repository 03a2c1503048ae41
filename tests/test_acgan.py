"""The AC-GAN against Eq. 2a in numpy, against itself alone, and against kill -9."""

import os
import signal
import subprocess
import sys
import time
from typing import get_args

import numpy as np
import pytest
import torch
from helpers import gan_weights, two_blobs

from ganmc_utils.core import parameters
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.gan import acgan

SMALL = {
    "epochs": 4,
    "snapshots": (2, 4),
    "members": 2,
    "hidden": 8,
    "noise": 6,
    "batch": 20,
}
SETTINGS = acgan.GanSettings(**SMALL)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def probability_of(c, logits):
    """Softmax of logits (..., K) at the classes c (...)."""
    e = np.exp(logits)
    p = e / e.sum(-1, keepdims=True)
    return np.take_along_axis(p, c[..., None], -1)[..., 0]


def test_objectives_are_equation_2a():
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(2, 3, 7))
    real_class, fake_class = rng.normal(size=(2, 3, 7, 4))
    c_real, c_fake = rng.integers(0, 4, (2, 3, 7))
    log_p_real_class = np.log(probability_of(c_real, real_class)).mean(1)
    log_p_fake_class = np.log(probability_of(c_fake, fake_class)).mean(1)
    l_source = np.log(sigmoid(real)).mean(1) + np.log(1 - sigmoid(fake)).mean(1)
    l_class = log_p_real_class + log_p_fake_class

    of_real = [torch.as_tensor(part) for part in (real, real_class, c_real)]
    of_fake = [torch.as_tensor(part) for part in (fake, fake_class, c_fake)]
    ours = acgan.objectives(*of_real, *of_fake)
    np.testing.assert_allclose(ours[0], l_source)
    np.testing.assert_allclose(ours[1], l_class)

    literal = acgan.generator_objective(*of_fake, 1.0, saturating=True)
    log_p_fake = np.log(1 - sigmoid(fake)).mean(1)
    np.testing.assert_allclose(literal, log_p_fake_class - log_p_fake)

    usual = acgan.generator_objective(*of_fake, 0.5)
    log_p_real = np.log(sigmoid(fake)).mean(1)
    np.testing.assert_allclose(usual, 0.5 * log_p_fake_class + log_p_real)


def test_together_equals_alone():
    x, y = two_blobs(seeds=3)
    together = acgan.AcGan(x, y, SETTINGS, [5, 6, 7]).train(progress=False)
    alone = acgan.AcGan(x[1:2], y[1:2], SETTINGS, [6]).train(progress=False)
    for a, b in zip(gan_weights(together, slice(2, 4)), gan_weights(alone)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_sample_has_the_shape_shares_and_seed():
    x, y = two_blobs(n=200)
    gan = acgan.AcGan(x, y, SETTINGS, [0]).train(progress=False)

    def draw(seed):
        return gan.sample(0, (2, 4), (0, 1), 4001, np.random.default_rng(seed))

    sample, intended = draw(1)
    assert sample.shape == (4001, 2)
    assert sample.dtype == np.float32
    assert intended.shape == (4001,)
    assert abs(intended.mean() - y.mean()) < 4 * np.sqrt(0.25 / 4001)
    np.testing.assert_array_equal(sample, draw(1)[0])
    assert not np.array_equal(sample, draw(2)[0])


def test_learns_two_blobs_and_obeys_the_class():
    x, y = two_blobs(n=400)
    settings = acgan.GanSettings(
        epochs=300, snapshots=(300,), members=2, hidden=32, noise=8, batch=50, lr=1e-3
    )
    gan = acgan.AcGan(x, y, settings, [0]).train(progress=False)
    sample, intended = gan.sample(0, (300,), (0, 1), 2000, np.random.default_rng(0))
    for c, centre in ((0, -1.5), (1, 1.5)):
        np.testing.assert_allclose(sample[intended == c].mean(0), centre, atol=0.5)


def test_batch_larger_than_the_data():
    x, y = two_blobs(n=10)
    with pytest.raises(GanmcError, match="batch 20 is larger than the 10 training rows"):
        acgan.AcGan(x, y, SETTINGS, [0])


LONG = SMALL | {"epochs": 400, "snapshots": (200, 400)}
VICTIM = """
import sys, pathlib
sys.path.insert(0, {tests!r})
from helpers import two_blobs
from ganmc_utils.gan import acgan
settings = acgan.GanSettings(**{settings!r})
gan = acgan.AcGan(*two_blobs(), settings, [0])
gan.train(pathlib.Path({path!r}), every=5, progress=False)
"""


def test_kill_minus_9_and_rerun_is_bit_identical(tmp_path):
    settings = acgan.GanSettings(**LONG)
    path = tmp_path / "gan.safetensors"
    code = VICTIM.format(tests=os.path.dirname(__file__), settings=LONG, path=str(path))
    victim = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.time() + 120
    while not path.exists():
        assert victim.poll() is None and time.time() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()

    resumed = acgan.AcGan(*two_blobs(), settings, [0])
    resumed.load(path)
    assert 0 < resumed.epoch < 400, "the kill came too late to prove anything"
    resumed.train(path, progress=False)
    uninterrupted = acgan.AcGan(*two_blobs(), settings, [0]).train(progress=False)
    for a, b in zip(gan_weights(resumed), gan_weights(uninterrupted)):
        np.testing.assert_array_equal(a, b)
    assert resumed.pool.keys() == uninterrupted.pool.keys()
    for epoch, state in uninterrupted.pool.items():
        for name, tensor in state.items():
            np.testing.assert_array_equal(resumed.pool[epoch][name], tensor)


def test_a_checkpoint_of_other_data_is_ignored(tmp_path):
    x, y = two_blobs()
    path = tmp_path / "gan.safetensors"
    acgan.AcGan(x, y, SETTINGS, [0]).train(path, progress=False)
    gan_of_other_data = acgan.AcGan(x + 1, y, SETTINGS, [0])
    gan_of_other_data.load(path)
    assert gan_of_other_data.epoch == 0


def test_an_objective_that_is_not_finite_ends_with_one_line_and_nothing_is_kept(tmp_path):
    settings = acgan.GanSettings(**SMALL | {"lr": 1e30})
    gan = acgan.AcGan(*two_blobs(), settings, [0])
    line = r"not finite in epoch \d+ at lr 1e\+30; lower lr"
    with pytest.raises(GanmcError, match=line) as failed:
        gan.train(tmp_path / "gan", every=1, progress=False)
    assert "\n" not in str(failed.value)
    assert not (tmp_path / "gan").exists()


# The details of the Keras script, none of them by default.


def with_keras(*details, **change):
    return acgan.GanSettings(**SMALL | change, keras=details)


def test_objectives_with_smoothing_and_classes_of_real_rows_only():
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(2, 3, 7))
    real_class, fake_class = rng.normal(size=(2, 3, 7, 4))
    c_real, c_fake = rng.integers(0, 4, (2, 3, 7))
    logits = (real, real_class, c_real, fake, fake_class, c_fake)
    tensors = [torch.as_tensor(part) for part in logits]
    l_source, l_class = acgan.objectives(*tensors, ("smoothing", "real_class_loss"))

    # Keras' cross-entropies with target 0.95 and with sample weights 2 and 0, both means over 2B.
    target = np.concatenate([np.full(real.shape, 0.95), np.zeros(fake.shape)], 1)
    p = sigmoid(np.concatenate([real, fake], 1))
    of_source = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(1)
    of_classes = -np.log(probability_of(c_real, real_class))
    weighted = np.concatenate([2 * of_classes, np.zeros(fake.shape)], 1).mean(1)
    np.testing.assert_allclose(l_source, -2 * of_source)
    np.testing.assert_allclose(l_source + l_class, -2 * (of_source + weighted))


def first_weights(settings):
    x, y = two_blobs()
    return acgan.AcGan(x, y, settings, [3])


def test_glorot_weights_are_within_their_bound_and_biases_zero():
    plain, glorot = first_weights(SETTINGS), first_weights(with_keras("glorot"))
    for net in (glorot.G, glorot.D):
        for layer in net.children():
            _, n_in, n_out = layer.weight.shape
            bound = np.sqrt(6 / (n_in + n_out))
            assert 0.7 * bound < layer.weight.abs().max() <= bound
            assert not layer.bias.any()
    assert plain.D.hidden.bias.all(), "torch draws the biases"


def test_even_classes_are_generated_whatever_the_data_hold():
    x, y = two_blobs(n=400)
    y = y * 0
    y[:, :40] = 1
    gan = acgan.AcGan(x, y, with_keras("even_classes"), [0]).train(progress=False)
    drawn = gan.draw_classes(4000).float().mean(1)
    np.testing.assert_allclose(drawn, 0.5, atol=0.04)
    _, intended = gan.sample(0, (4,), (0,), 4000, np.random.default_rng(0))
    assert abs(intended.mean() - 0.5) < 0.04


def test_a_discriminator_leaks_below_zero_and_drops_units_only_while_it_trains():
    x = torch.randn(2, 500, 2)
    plain = first_weights(SETTINGS).D
    leaky = first_weights(with_keras("leaky_relu")).D
    h = plain.hidden(x)
    slope = plain.out(torch.where(h > 0, h, acgan.LEAK * h))
    torch.testing.assert_close(leaky(x)[0], slope[..., 0])

    dropping = first_weights(with_keras("dropout")).D
    masks = dropping.dropout_masks((4000, 8))
    assert masks.shape == (2, 4000, 8)
    np.testing.assert_allclose(masks.unique(), [0, 1 / (1 - acgan.DROPOUT)], rtol=1e-6)
    np.testing.assert_allclose(masks.mean(), 1, atol=0.01)
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(dropping(x)[0], plain(x)[0])
    torch.testing.assert_close(dropping.eval()(x)[0], plain(x)[0])


def test_separate_steps_are_two_steps_of_d_and_one_of_g():
    x, y = two_blobs(n=20)
    steps = {}
    for details in ((), ("separate_steps",)):
        gan = acgan.AcGan(x, y, with_keras(*details, epochs=1, snapshots=(1,)), [0])
        gan.train(progress=False)
        count = {
            name: gan.adam[net].state_dict()["state"][0]["step"]
            for name, net in (("D", gan.D), ("G", gan.G))
        }
        steps[details] = {name: int(n) for name, n in count.items()}
    assert steps == {(): {"D": 1, "G": 1}, ("separate_steps",): {"D": 2, "G": 1}}


ALL_DETAILS = get_args(parameters.KerasDetail)


@pytest.mark.parametrize("detail", ALL_DETAILS)
def test_every_detail_changes_what_is_trained(detail):
    x, y = two_blobs(n=100)
    y[:, ::3] = 0  # uneven classes
    plain = acgan.AcGan(x, y, SETTINGS, [0]).train(progress=False)
    gan = acgan.AcGan(x, y, with_keras(detail), [0]).train(progress=False)
    weights, plain_weights = gan_weights(gan), gan_weights(plain)
    assert not all(np.array_equal(a, b) for a, b in zip(weights, plain_weights))
    assert gan.fingerprint != plain.fingerprint


def test_all_details_at_once_resume_bit_for_bit(tmp_path):
    x, y = two_blobs()
    whole = acgan.AcGan(x, y, with_keras(*ALL_DETAILS), [0]).train(progress=False)
    stopped = acgan.AcGan(x, y, with_keras(*ALL_DETAILS), [0])
    for _ in range(2):
        stopped.train_epoch(stopped.step)
        if stopped.epoch in stopped.settings.snapshots:
            stopped.pool[stopped.epoch] = acgan.rounding.to_float16(stopped.G.state_dict())
    stopped.save(tmp_path / "gan.safetensors")
    resumed = acgan.AcGan(x, y, with_keras(*ALL_DETAILS), [0])
    resumed.train(tmp_path / "gan.safetensors", progress=False)
    for a, b in zip(gan_weights(resumed), gan_weights(whole)):
        np.testing.assert_array_equal(a, b)
