"""Recorded steps without a GPU: a recording on the CPU that, as a CUDA graph, runs the same kernels on the same memory again and
nothing of Python, must do what the plain loop does. On a GPU the real thing."""

import pytest
import torch
from test_acgan import blobs
from test_acgan import weights as gan_weights
from test_training import images, learner, run, same
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganmc_utils.core import checkpoints, cuda_graphs
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import training
from ganmc_utils.networks.objectives import Batch


class Recorder(TorchDispatchMode):
    """Keeps every kernel with the tensors it read and wrote."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def __torch_dispatch__(self, kernel, types, given=(), named=None):
        assert kernel is not torch.ops.aten._local_scalar_dense.default, (
            "a recorded step must not look at a value"
        )
        out = kernel(*given, **(named or {}))
        self.kernels.append(
            (
                kernel,
                given,
                named or {},
                [t.detach() for t in tree_leaves(out) if isinstance(t, torch.Tensor)],
            )
        )
        return out

    @torch.no_grad()
    def again(self):
        for kernel, given, named, written in self.kernels:
            new = [t for t in tree_leaves(kernel(*given, **named)) if isinstance(t, torch.Tensor)]
            for mine, theirs in zip(written, new, strict=True):
                mine.copy_(theirs)


def record(f, given, pool):
    with Recorder() as recorder:
        out = f(*given)
    assert len(recorder.kernels) > 10
    RECORDED.append(recorder)
    return out, recorder.again


RECORDED = []


@pytest.fixture
def recorded(monkeypatch):
    """Recordings on the CPU: switched on by calling it."""

    def on():
        RECORDED.clear()
        monkeypatch.setattr(cuda_graphs, "usable", lambda device: True)
        monkeypatch.setattr(cuda_graphs, "warm", lambda f, given: f(*given))
        monkeypatch.setattr(cuda_graphs, "shared_pool", lambda device: None)
        monkeypatch.setattr(cuda_graphs, "record", record)
        plain = torch.optim.Adam
        monkeypatch.setattr(
            torch.optim, "Adam", lambda *given, capturable, **more: plain(*given, **more)
        )  # it is for CUDA alone
        monkeypatch.setattr(
            F, "one_hot", lambda c, n: (c[..., None] == torch.arange(n)).long()
        )  # torch's looks at values on the CPU

    return on


@pytest.mark.parametrize(
    "name, schedule",
    [
        ("lenet_authors", {}),
        ("cnn5", {"optimizer": "sgd", "decay": "cosine"}),
        ("nin", {"decay": "cosine"}),
    ],
)
def test_recorded_steps_are_plain_steps_bit_for_bit(name, schedule, recorded):
    students = lambda: (learner(0.2, 0, name), learner(0.5, 1, name))
    plain = run(*students(), **schedule)
    recorded()
    again = run(*students(), **schedule)
    assert len(RECORDED) == 2, "one recording per learner"
    assert same(plain[0], again[0]) and same(plain[1], again[1])


def test_a_run_that_is_resumed_records_anew(recorded, tmp_path, monkeypatch):
    recorded()
    (whole,) = run(learner(), decay="cosine")
    asked = iter(range(99))
    monkeypatch.setattr(checkpoints, "out_of_time", lambda: next(asked) == 6)
    with pytest.raises(checkpoints.OutOfTime):
        run(learner(), decay="cosine", checkpoint=tmp_path / "c")
    assert same(whole, *run(learner(), decay="cosine", checkpoint=tmp_path / "c"))


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_a_recorded_gan_is_the_plain_one(kind, recorded):
    settings = acgan.GanSettings(epochs=3, snapshots=(3,), members=1, hidden=8, noise=6, batch=20)

    def made():
        if kind == "rows":
            return acgan.AcGan(*blobs(), settings, [0]).train(progress=False)
        x, y = images()
        return acgan.AcGan(x[None], y[None], settings, [0], image_networks.image_networks(4)).train(
            progress=False
        )

    plain = made()
    recorded()
    again = made()
    assert len(RECORDED) == 1
    for a, b in zip(gan_weights(plain), gan_weights(again)):
        assert (a == b).all()


def test_a_step_that_looks_at_a_value_is_found(recorded):
    recorded()
    step = cuda_graphs.RecordedStep(lambda x: x * 2 if x.sum() > 0 else x, torch.device("cpu"))
    for _ in range(cuda_graphs.WARM_UP_CALLS):
        step(torch.ones(3))
    with pytest.raises(AssertionError, match="look at a value"):
        step(torch.ones(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["lenet_authors", "cnn5", "nin", "resnet18"])
def test_on_cuda_recorded_steps_are_plain_steps(name, monkeypatch):
    def trained():
        made = learner(0.5, 0, name)
        made.net.cuda()
        x, y, z = (
            t.cuda()
            for t in (*images(20), torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))
        )
        made.batches = type(
            "Same", (), {"at": lambda self, step, seed: Batch(x + 0.01 * step, y, z)}
        )()
        training.train([made], training.Schedule(20, 1e-2, evaluations=1), {}, progress=False)
        return torch.cat([v.double().flatten() for v in made.net.state_dict().values()])

    recorded = trained()
    monkeypatch.setattr(cuda_graphs, "WARM", 10**9)
    torch.testing.assert_close(recorded, trained(), rtol=0.05, atol=0.02)  # atomics and bfloat16
