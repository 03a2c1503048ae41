"""The AC-GAN against Eq. 2a in numpy, against itself alone, and against kill -9."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.gan import acgan

SMALL = dict(epochs=4, snapshots=(2, 4), members=2, hidden=8, noise=6, batch=20)


def blobs(seeds=1, n=100):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (seeds, n))
    x = rng.normal(0, 0.2, (seeds, n, 2)) + np.where(y[..., None] == 1, 1.5, -1.5)
    return x.astype(np.float32), y


def weights(gan, r=slice(None)):
    return [p.detach()[r].numpy() for net in (gan.G, gan.D) for p in net.parameters()]


def test_objectives_are_equation_2a():
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(2, 3, 7))
    real_class, fake_class = rng.normal(size=(2, 3, 7, 4))
    c_real, c_fake = rng.integers(0, 4, (2, 3, 7))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    softmax = lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    picked = lambda z, c: np.take_along_axis(softmax(z), c[..., None], -1)[..., 0]
    l_source = np.log(sigmoid(real)).mean(1) + np.log(1 - sigmoid(fake)).mean(1)
    l_class = np.log(picked(real_class, c_real)).mean(1) + np.log(picked(fake_class, c_fake)).mean(
        1
    )
    t = torch.as_tensor
    ours = acgan.objectives(t(real), t(real_class), t(c_real), t(fake), t(fake_class), t(c_fake))
    np.testing.assert_allclose(ours[0], l_source)
    np.testing.assert_allclose(ours[1], l_class)
    literal = acgan.generator_objective(t(fake), t(fake_class), t(c_fake), 1.0, saturating=True)
    np.testing.assert_allclose(
        literal, np.log(picked(fake_class, c_fake)).mean(1) - np.log(1 - sigmoid(fake)).mean(1)
    )
    usual = acgan.generator_objective(t(fake), t(fake_class), t(c_fake), 0.5)
    np.testing.assert_allclose(
        usual, 0.5 * np.log(picked(fake_class, c_fake)).mean(1) + np.log(sigmoid(fake)).mean(1)
    )


def test_together_equals_alone():
    x, y = blobs(seeds=3)
    together = acgan.AcGan(x, y, acgan.GanSettings(**SMALL), [5, 6, 7]).train(progress=False)
    alone = acgan.AcGan(x[1:2], y[1:2], acgan.GanSettings(**SMALL), [6]).train(progress=False)
    for a, b in zip(weights(together, slice(2, 4)), weights(alone)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_sample_has_the_shape_shares_and_seed():
    x, y = blobs(n=200)
    gan = acgan.AcGan(x, y, acgan.GanSettings(**SMALL), [0]).train(progress=False)
    draw = lambda seed: gan.sample(0, (2, 4), (0, 1), 4001, np.random.default_rng(seed))
    sample, intended = draw(1)
    assert sample.shape == (4001, 2) and sample.dtype == np.float32 and intended.shape == (4001,)
    assert abs(intended.mean() - y.mean()) < 4 * np.sqrt(0.25 / 4001)
    np.testing.assert_array_equal(sample, draw(1)[0])
    assert not np.array_equal(sample, draw(2)[0])


def test_learns_two_blobs_and_obeys_the_class():
    x, y = blobs(n=400)
    settings = acgan.GanSettings(
        epochs=300, snapshots=(300,), members=2, hidden=32, noise=8, batch=50, lr=1e-3
    )
    gan = acgan.AcGan(x, y, settings, [0]).train(progress=False)
    sample, intended = gan.sample(0, (300,), (0, 1), 2000, np.random.default_rng(0))
    for c, centre in ((0, -1.5), (1, 1.5)):
        np.testing.assert_allclose(sample[intended == c].mean(0), centre, atol=0.5)


def test_batch_larger_than_the_data():
    x, y = blobs(n=10)
    with pytest.raises(GanmcError, match="batch 20 is larger than the 10 training rows"):
        acgan.AcGan(x, y, acgan.GanSettings(**SMALL), [0])


VICTIM = """
import sys, pathlib
sys.path.insert(0, {tests!r})
from test_acgan import blobs
from ganmc_utils.gan import acgan
settings = acgan.GanSettings(epochs=400, snapshots=(200, 400), members=2, hidden=8, noise=6, batch=20)
acgan.AcGan(*blobs(), settings, [0]).train(pathlib.Path({path!r}), every=5, progress=False)
"""


def test_kill_minus_9_and_rerun_is_bit_identical(tmp_path):
    settings = acgan.GanSettings(
        epochs=400, snapshots=(200, 400), members=2, hidden=8, noise=6, batch=20
    )
    path = tmp_path / "gan.safetensors"
    code = VICTIM.format(tests=os.path.dirname(__file__), path=str(path))
    victim = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.time() + 120
    while not path.exists():
        assert victim.poll() is None and time.time() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    resumed = acgan.AcGan(*blobs(), settings, [0])
    resumed.load(path)
    assert 0 < resumed.epoch < 400, "the kill came too late to prove anything"
    resumed.train(path, progress=False)
    straight = acgan.AcGan(*blobs(), settings, [0]).train(progress=False)
    for a, b in zip(weights(resumed), weights(straight)):
        np.testing.assert_array_equal(a, b)
    assert resumed.pool.keys() == straight.pool.keys()
    for epoch in straight.pool:
        for key, value in straight.pool[epoch].items():
            np.testing.assert_array_equal(resumed.pool[epoch][key], value)


def test_a_checkpoint_of_other_data_is_ignored(tmp_path):
    x, y = blobs()
    path = tmp_path / "gan.safetensors"
    acgan.AcGan(x, y, acgan.GanSettings(**SMALL), [0]).train(path, progress=False)
    other = acgan.AcGan(x + 1, y, acgan.GanSettings(**SMALL), [0])
    other.load(path)
    assert other.epoch == 0


def test_an_objective_that_is_not_finite_ends_with_one_line_and_nothing_is_kept(tmp_path):
    with pytest.raises(
        GanmcError, match=r"not finite in epoch \d+ at lr 1e\+30; lower lr"
    ) as failed:
        acgan.AcGan(*blobs(), acgan.GanSettings(**SMALL | {"lr": 1e30}), [0]).train(
            tmp_path / "gan", every=1, progress=False
        )
    assert "\n" not in str(failed.value) and not (tmp_path / "gan").exists()
