"""Recorded steps do what the plain loop does, here without a GPU.

The recording is one on the CPU that, as a CUDA graph, runs the same kernels on the same memory
again and nothing of Python. On a GPU the real thing is tested.
"""

import itertools

import pytest
import torch
from helpers import (
    gan_weights,
    same_result,
    toy_images,
    toy_learner,
    train_toys,
    two_blobs,
    weights_of,
)
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganmc_utils.core import checkpoints, cuda_graphs
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import training
from ganmc_utils.networks.objectives import Batch

RECORDERS = []  # of all recordings of a test


def tensors_in(output):
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]


class Recorder(TorchDispatchMode):
    """Keeps every kernel with the tensors it read and wrote."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def __torch_dispatch__(self, kernel, types, args=(), kwargs=None):
        assert kernel is not torch.ops.aten._local_scalar_dense.default, (
            "a recorded step must not look at a value"
        )
        kwargs = kwargs or {}
        output = kernel(*args, **kwargs)
        written = [tensor.detach() for tensor in tensors_in(output)]
        self.kernels.append((kernel, args, kwargs, written))
        return output

    @torch.no_grad()
    def replay(self):
        for kernel, args, kwargs, written in self.kernels:
            new = tensors_in(kernel(*args, **kwargs))
            for recorded_tensor, new_tensor in zip(written, new, strict=True):
                recorded_tensor.copy_(new_tensor)


def record_on_the_cpu(f, arguments, pool):
    with Recorder() as recorder:
        output = f(*arguments)
    assert len(recorder.kernels) > 10
    RECORDERS.append(recorder)
    return output, recorder.replay


@pytest.fixture
def switch_recording_on(monkeypatch):
    """Recordings on the CPU from the moment that it is called."""
    plain_adam = torch.optim.Adam

    def adam(*args, capturable, **kwargs):  # capturable is for CUDA alone
        return plain_adam(*args, **kwargs)

    def one_hot(c, n_classes):  # torch's own looks at values on the CPU
        return (c[..., None] == torch.arange(n_classes)).long()

    def switch_on():
        RECORDERS.clear()
        monkeypatch.setattr(cuda_graphs, "can_record", lambda device: True)
        monkeypatch.setattr(cuda_graphs, "run_beside", lambda f, arguments: f(*arguments))
        monkeypatch.setattr(cuda_graphs, "shared_pool", lambda device: None)
        monkeypatch.setattr(cuda_graphs, "record_graph", record_on_the_cpu)
        monkeypatch.setattr(torch.optim, "Adam", adam)
        monkeypatch.setattr(F, "one_hot", one_hot)

    return switch_on


@pytest.mark.parametrize(
    "name, schedule",
    [
        ("lenet_authors_padded", {}),
        ("cnn5", {"optimizer": "sgd", "decay": "cosine"}),
        ("nin", {"decay": "cosine"}),
    ],
)
def test_recorded_steps_are_plain_steps_bit_for_bit(name, schedule, switch_recording_on):
    def train():
        students = (toy_learner(0.2, 0, name), toy_learner(0.5, 1, name))
        return train_toys(*students, **schedule)

    plain = train()
    switch_recording_on()
    recorded = train()
    assert len(RECORDERS) == 2, "one recording per learner"
    assert same_result(plain[0], recorded[0])
    assert same_result(plain[1], recorded[1])


def test_a_run_that_is_resumed_records_anew(switch_recording_on, tmp_path, monkeypatch):
    switch_recording_on()
    (uninterrupted,) = train_toys(toy_learner(), decay="cosine")
    looks_at_the_clock = itertools.count()
    monkeypatch.setattr(checkpoints, "out_of_time", lambda: next(looks_at_the_clock) == 6)
    with pytest.raises(checkpoints.OutOfTime):
        train_toys(toy_learner(), decay="cosine", checkpoint=tmp_path / "c")
    resumed = train_toys(toy_learner(), decay="cosine", checkpoint=tmp_path / "c")
    assert same_result(uninterrupted, *resumed)


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_a_recorded_gan_is_the_plain_one(kind, switch_recording_on):
    settings = acgan.GanSettings(epochs=3, snapshots=(3,), members=1, hidden=8, noise=6, batch=20)

    def train():
        if kind == "rows":
            gan = acgan.AcGan(*two_blobs(), settings, [0])
        else:
            x, y = toy_images()
            networks = image_networks.image_networks(4)
            gan = acgan.AcGan(x[None], y[None], settings, [0], networks)
        return gan.train(progress=False)

    plain = train()
    switch_recording_on()
    recorded = train()
    assert len(RECORDERS) == 1
    for a, b in zip(gan_weights(plain), gan_weights(recorded)):
        assert (a == b).all()


def test_a_step_that_looks_at_a_value_is_caught(switch_recording_on):
    switch_recording_on()
    step = cuda_graphs.RecordedStep(lambda x: x * 2 if x.sum() > 0 else x, torch.device("cpu"))
    for _ in range(cuda_graphs.WARM_UP_CALLS):
        step(torch.ones(3))
    with pytest.raises(AssertionError, match="look at a value"):
        step(torch.ones(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["lenet_authors_padded", "cnn5", "nin", "resnet18"])
def test_on_cuda_recorded_steps_are_plain_steps(name, monkeypatch):
    class SameImagesEveryStep:
        def __init__(self):
            x, y = toy_images(20)
            z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
            self.x = x.cuda()
            self.y = y.cuda()
            self.z = z.cuda()

        def at(self, step, seed):
            return Batch(self.x + 0.01 * step, self.y, self.z)

    def train():
        learner = toy_learner(0.5, 0, name)
        learner.net.cuda()
        learner.batches = SameImagesEveryStep()
        training.train([learner], training.Schedule(20, 1e-2, evaluations=1), {}, progress=False)
        return weights_of(learner.net)

    recorded = train()
    monkeypatch.setattr(cuda_graphs, "WARM_UP_CALLS", 10**9)
    torch.testing.assert_close(recorded, train(), rtol=0.05, atol=0.02)  # atomics and bfloat16
