"""A network of one's own: the student learns its teacher; its files work without the package."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ganmc_utils.compress.network import compress_network
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks.objectives import Distillation

rng = torch.Generator().manual_seed(0)
IMAGES = torch.randn(300, 1, 8, 8, generator=rng)
WEIGHTS = torch.randn(64, 3, generator=rng)


def teacher(x):
    """Linear logits: a student of the same form can learn them without error."""
    return x.flatten(1) @ WEIGHTS


LABELS = teacher(IMAGES).argmax(1)


def linear(seed=0, n_classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))


def compressed(student=None, labels=None, **settings):
    settings = {"steps": 400, "lr": 5e-2, "batch": 50, "progress": False} | settings
    return compress_network(teacher, student or linear(), IMAGES, labels, **settings)


@pytest.mark.parametrize("source", ["train", "flips", "jitter"])
def test_a_student_of_the_teachers_form_becomes_the_teacher(source):
    small = compressed(source=source)
    assert small.agreement.value > 0.95
    learned = small.net[1].weight.detach()
    assert torch.nn.functional.cosine_similarity(learned.T.ravel(), WEIGHTS.ravel(), 0) > 0.99


def test_the_objective_reaches_the_student():
    """Logits are matched up to a constant of each image where only their softmax counts."""
    matched, annealed = compressed(), compressed(objective=Distillation(2.0, 1.0, "hinton"))
    x = IMAGES[:100]
    offset = [(small.net(x) - teacher(x)).mean(1).abs().mean() for small in (matched, annealed)]
    assert offset[0] < 0.3 < offset[1]
    assert annealed.agreement.value > 0.9


def test_labels_are_compared_with_the_teacher():
    small = compressed(labels=torch.flip(LABELS, [0]), source="train")  # labels without meaning
    assert small.agreement.value > 0.95
    assert small.scores["teacher"].value < 0.6
    assert small.loss.value == small.scores["teacher"].value - small.scores["student"].value
    assert "labels" in str(small) and "labels" in small.scores
    assert compressed(steps=2).scores == {}


def test_the_students_own_weights_stay_and_a_seed_repeats():
    student = linear()
    before = student[1].weight.clone()
    first, second, other = (compressed(student, seed=s, steps=20) for s in (0, 0, 1))
    assert torch.equal(student[1].weight, before)
    assert torch.equal(first.net[1].weight, second.net[1].weight)
    assert not torch.equal(first.net[1].weight, other.net[1].weight)
    assert not torch.equal(first.net[1].weight, before)


def test_a_source_of_ones_own_is_drawn_from():
    asked = []

    def draw(n, rng):
        asked.append(n)
        return torch.randn(n, 1, 8, 8, generator=rng)

    assert compressed(source=draw, p_fake=1.0).agreement.value > 0.9
    assert sum(asked) >= 400 * 50


def test_the_files_work_without_the_package(tmp_path):
    small = compressed(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    )
    small.save(tmp_path)
    x = torch.rand(7, 1, 8, 8)
    np.save(tmp_path / "x.npy", x.numpy())
    np.save(tmp_path / "z.npy", small.net(x).detach().numpy())
    code = """
import sys
sys.modules["ganmc_utils"] = None
import numpy as np, onnxruntime, torch
from safetensors.torch import load_model
x, z = np.load("x.npy"), np.load("z.npy")
session = onnxruntime.InferenceSession("model.onnx")
(file,) = session.run(["logits"], {"images": x})
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
)
load_model(net, "model.safetensors")
print(np.abs(file - z).max() < 1e-4, np.abs(net(torch.tensor(x)).detach().numpy() - z).max() < 1e-6)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
    card = (tmp_path / "README.md").read_text()
    assert "float32 (n, 1, 8, 8)" in card and "network's within" in card


NOT_FINITE = IMAGES.clone()
NOT_FINITE[3, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"images": IMAGES[:, 0]}, "images: float32 of shape (300, 8, 8); give float32 (n, C, H"),
        ({"images": (IMAGES * 255).to(torch.uint8)}, "images: uint8"),
        ({"images": IMAGES[:20]}, "images: 20 of them; bring 50 or more"),
        ({"images": NOT_FINITE}, "images: NaN or infinity; leave"),
        ({"labels": LABELS[:5]}, "labels: int64 of shape (5,) for 300 images; give an integer"),
        ({"labels": LABELS.float()}, "labels: float32"),
        ({"teacher": lambda x: x.flatten(1).sum(1)}, "teacher: gives numbers of shape (60,)"),
        ({"teacher": lambda x: 0 / 0 * x}, "teacher: fails on images of shape (60, 1, 8, 8)"),
        ({"teacher": lambda x: teacher(x) / 0}, "teacher: gives logits that are not finite; train"),
        ({"student": linear(n_classes=4)}, "student: gives numbers of shape (2, 4) where"),
        ({"student": nn.Linear(5, 3)}, "student: fails on images of shape (2, 1, 8, 8)"),
        ({"source": "magic"}, "source: unknown name magic; choose one of train, flips"),
        ({"source": 3}, "source: int draws no images; give a name"),
        ({"source": lambda n, rng: IMAGES[:1]}, "source: images of shape (1, 1, 8, 8) where (2, 1"),
        ({"source": lambda n, rng: IMAGES[:n] / 0}, "source: draws NaN or infinity; train"),
        ({"p_fake": 2}, "p_fake = 2; choose it in [0, 1]"),
        ({"batch": 1000}, "batch 1000 is larger than the 240 rows; lower the batch"),
        ({"steps": 0}, "steps: 0; give a whole number above 0"),
        ({"lr": 1e30}, "the loss is not finite at step"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_with_a_cure(change, words):
    arguments = {"teacher": teacher, "student": linear(), "images": IMAGES, "labels": None}
    settings = {"steps": 100, "batch": 50, "progress": False}
    with pytest.raises(GanmcError) as failed:
        compress_network(**(arguments | settings | change))
    assert words in str(failed.value) and "\n" not in str(failed.value)


def test_a_network_that_onnx_cannot_express_is_told(tmp_path):
    class Unusual(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 3)

        def forward(self, x):
            return self.layer(torch.special.gammaln(x.flatten(1) + 2))

    with pytest.raises(GanmcError, match="cannot be written as ONNX"):
        compressed(Unusual(), steps=2).save(tmp_path)
