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
NAN = float("nan")


class Student(nn.Module):
    """A student whose logits are those that a function makes of the images, and a weight."""

    def __init__(self, function, requires_grad=True):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(1), requires_grad)

    def forward(self, x):
        return self.function(x) + self.weight


class TiedToATensor(nn.Linear):
    """A network that cannot be copied: it holds a tensor with a history."""

    def __init__(self):
        super().__init__(64, 3)
        self.history = self.weight * 2


def some_logits(x):
    return x.flatten(1)[:, :3]


def teacher_of_other_classes_later():
    """A teacher with a further class in each answer."""
    n_classes = iter(range(3, 100))
    return lambda x: torch.zeros(len(x), next(n_classes))


def source_that_stops():
    """Images at first, then nothing."""
    answers = iter([IMAGES[:2]])
    return lambda n, rng: next(answers)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"images": IMAGES[:, 0]}, "images: float32 of shape (300, 8, 8); give float32 (n, C, H"),
        ({"images": (IMAGES * 255).to(torch.uint8)}, "images: uint8"),
        ({"images": IMAGES[:20]}, "images: 20 of them; bring 50 or more"),
        ({"images": NOT_FINITE}, "images: NaN or infinity; leave"),
        ({"labels": LABELS[:5]}, "labels: int64 of shape (5,) for 300 images; give an integer"),
        ({"labels": LABELS.float()}, "labels: float32"),
        ({"teacher": lambda x: x.flatten(1).sum(1)}, "teacher: gives float32 of shape (2,) for 2"),
        ({"teacher": lambda x: 0 / 0 * x}, "teacher: fails on images of shape (2, 1, 8, 8)"),
        ({"teacher": lambda x: teacher(x) / 0}, "teacher: gives logits that are not finite; train"),
        ({"student": linear(n_classes=4)}, "student: gives numbers of shape (2, 4) for 2 images"),
        ({"student": nn.Linear(5, 3)}, "student: fails on images of shape (2, 1, 8, 8)"),
        ({"source": "magic"}, "source: unknown name magic; choose one of train, flips"),
        ({"source": 3}, "source: int draws no images; give a name"),
        ({"source": lambda n, rng: IMAGES[:1]}, "source: float32 of shape (1, 1, 8, 8); draw floa"),
        ({"source": lambda n, rng: IMAGES[:n] / 0}, "source: draws NaN or infinity; train"),
        ({"batch": 1000}, "batch: 1000 of 240 training images; lower the batch"),
        ({"lr": 1e30}, "the loss is not finite at step"),
        *[({"steps": n}, f"impossible steps {n!r}; choose") for n in (0, -1, 1.5, "3", None, True)],
        *[({"batch": n}, f"impossible batch {n!r}; choose") for n in (0, -1, 2.5, "20", None)],
        *[({"seed": n}, f"impossible seed {n!r}; choose") for n in (-1, 1.5, "a", None)],
        ({"steps": 10**11}, "steps: 100000000000; choose a whole number up to"),
        ({"seed": 2**70}, "choose a whole number up to 2147483647"),
        *[
            ({"lr": lr}, f"lr: {lr!r}; choose a number above 0")
            for lr in (0, -1, NAN, "1e-3", None)
        ],
        *[({"p_fake": p}, f"p_fake: {p!r}; choose a number") for p in (2, -1, NAN, "x", True)],
        (
            {"objective": None},
            "objective: fails (TypeError: 'NoneType' object is not callable); give",
        ),
        ({"objective": "l2"}, "objective: fails (TypeError: 'str' object is not callable); give"),
        ({"objective": Distillation}, "objective: fails ("),
        ({"objective": lambda g, batch: 1 / 0}, "objective: fails (ZeroDivisionError: division by"),
        ({"objective": lambda g, batch: g}, "objective: gives a Tensor of shape (2, 3); it must"),
        ({"objective": lambda g, batch: 1.0}, "objective: gives a float; it must give one number"),
        (
            {"objective": lambda g, batch: batch.z.sum()},
            "objective: gives a loss without a gradient",
        ),
        ({"labels": LABELS - 1}, "labels: from -1 to 1, and the teacher gives 3 logits; number"),
        ({"labels": LABELS + 1}, "labels: from 1 to 3, and the teacher gives 3 logits; number the"),
        (
            {"labels": LABELS + 0j},
            "labels: complex64 of shape (300,) for 300 images; give an intege",
        ),
        ({"labels": ["a"] * 300}, "labels: list is no tensor; give an array"),
        ({"images": None}, "images: NoneType is no tensor; give an array"),
        ({"images": "file"}, "images: str is no tensor; give an array"),
        ({"images": IMAGES.numpy().astype(object)}, "images: ndarray is no tensor; give an array"),
        ({"images": IMAGES.to_sparse()}, "images: a sparse tensor, or one without values; give an"),
        ({"images": IMAGES.to("meta")}, "images: a sparse tensor, or one without values; give an"),
        ({"images": IMAGES.double() * 1e300}, "images: NaN or infinity; leave"),
        ({"teacher": None}, "teacher: fails on images of shape (2, 1, 8, 8) (TypeError: 'NoneT"),
        ({"teacher": linear().to("meta")}, "teacher: cannot move (Cannot copy out of meta tensor"),
        ({"teacher": lambda x: teacher(x) + 1j}, "teacher: gives complex64 of shape (2, 3) for 2"),
        ({"teacher": teacher_of_other_classes_later()}, "teacher: gives 4 logits where it gave 3"),
        ({"student": None}, "student: NoneType is no network; give a torch.nn.Module"),
        ({"student": teacher}, "student: function is no network; give a torch.nn.Module"),
        ({"student": nn.Flatten()}, "student: has no weights; give a network that learns"),
        (
            {"student": linear().to("meta")},
            "student: has weights without values (lazy, or on meta)",
        ),
        ({"student": TiedToATensor()}, "student: cannot be copied (RuntimeError: Only Tensors"),
        ({"student": Student(some_logits, requires_grad=False)}, "student: has nothing to learn"),
        ({"student": Student(lambda x: None)}, "fails on images of shape (2, 1, 8, 8) (TypeError"),
        (
            {"student": Student(lambda x: 1 / 0)},
            "(2, 1, 8, 8) (ZeroDivisionError: division by zero",
        ),
        (
            {"student": Student(lambda x: [][1])},
            "(2, 1, 8, 8) (IndexError: list index out of range",
        ),
        (
            {"student": Student(lambda x: NAN * some_logits(x))},
            "student: gives logits that are not",
        ),
        ({"source": None}, "source: NoneType draws no images; give a name"),
        ({"source": lambda: IMAGES}, "source: fails (TypeError: "),
        ({"source": lambda n, rng: None}, "source: NoneType is no tensor; give an array"),
        ({"source": lambda n, rng: ()}, "source: float32 of shape (0,); draw float32 (2, 1, 8, 8)"),
        ({"source": lambda n, rng: 1 / 0}, "source: fails (ZeroDivisionError: division by zero)"),
        ({"source": source_that_stops()}, "source: fails (StopIteration: ); mend"),
        ({"source": lambda n, rng: IMAGES[:n].byte()}, "source: uint8 of shape (2, 1, 8, 8); draw"),
        (
            {"source": lambda n, rng: IMAGES[:n] + 0j},
            "source: complex64 of shape (2, 1, 8, 8); dra",
        ),
        ({"source": lambda n, rng: IMAGES[:n] * 99}, "scale them as your images are"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_with_a_cure(change, words):
    arguments = {"teacher": teacher, "student": linear(), "images": IMAGES, "labels": None}
    settings = {"steps": 100, "batch": 50, "progress": False}
    with pytest.raises(GanmcError) as failed:
        compress_network(**(arguments | settings | change))
    assert words in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.parametrize("change", [
    {"images": IMAGES.numpy()[::-1]}, {"images": IMAGES.clone().requires_grad_()},
    {"images": IMAGES.double()}, {"labels": LABELS.numpy()}, {"labels": LABELS.tolist()},
    {"steps": np.int64(2)}, {"lr": np.float32(0.1)}, {"p_fake": np.float32(0.5)},
    {"p_fake": 0},
    {"source": lambda n, rng: (IMAGES.repeat(2, 1, 1, 1)[:n].numpy(), None)}])  # fmt: skip
def test_arrays_and_numbers_of_other_kinds_are_taken(tmp_path, change):
    arguments = {"teacher": teacher, "student": linear(), "images": IMAGES, "labels": LABELS}
    settings = {"steps": 2, "batch": 50, "progress": False}
    small = compress_network(**(arguments | settings | change))
    assert (tmp_path / "model.onnx") in small.save(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_a_folder_that_cannot_be_written_is_told(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(GanmcError, match="cannot be written"):
        compressed(steps=2).save(tmp_path)
    with pytest.raises(GanmcError, match="folder: None; give its path"):
        compressed(steps=2).save(None)


def test_a_network_that_onnx_cannot_express_is_told(tmp_path):
    class Unusual(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 3)

        def forward(self, x):
            return self.layer(torch.special.gammaln(x.flatten(1) + 2))

    with pytest.raises(GanmcError, match="cannot be written as ONNX"):
        compressed(Unusual(), steps=2).save(tmp_path)
