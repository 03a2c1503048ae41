"""The chapter from scratch computes what the package computes, without the package."""

import json
import re

import numpy as np
import pytest
import torch
from helpers import TOY_BATCH, defaults, run_notebook, toy_images, toy_streams, toy_teacher

from ganmc_utils.core import paths
from ganmc_utils.forests import models
from ganmc_utils.gan import acgan
from ganmc_utils.networks.batches import Mixture, random_stream
from ganmc_utils.networks.objectives import Batch, logit_matching

NOTEBOOK = "from_scratch"
SMALL = {
    "n_repeats": 2,
    "n_moons": 60,
    "n_trees": 10,
    "n_images": 60,
    "gan_epochs": 1,
    "n_students": 2,
    "epochs": 5,
}


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """The names that the cells define, run at toy size."""
    with pytest.MonkeyPatch.context() as patch:
        out = tmp_path_factory.mktemp("out")
        patch.setenv("GANMC_OUT", str(out))
        patch.setenv("MPLBACKEND", "Agg")
        with torch.random.fork_rng():
            yield run_notebook(NOTEBOOK, **SMALL) | {"out": out}


def logits(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def in_two(outputs):
    """D's source logit and its class logits."""
    return outputs[:, 0], outputs[:, 1:]


def cells_of(folder):
    return json.loads((paths.ROOT / folder / f"{NOTEBOOK}.ipynb").read_text())["cells"]


def test_eq_1_is_the_package_s(chapter):
    g, z = logits(7, 10), logits(7, 11)[:, 1:]
    batch = Batch(x=None, y=None, z=z)
    torch.testing.assert_close(chapter["eq_1"](g, z), logit_matching(g, batch))


def test_eq_2a_is_the_package_s(chapter):
    real, fake = logits(8, 11), logits(8, 12)[:, 1:]
    c, c_fake = torch.arange(8), torch.arange(8) % 3
    one_gan = (tensor[None] for tensor in (*in_two(real), c, *in_two(fake), c_fake))
    of_package = acgan.objectives(*one_gan)
    for ours, theirs in zip(chapter["eq_2a"](real, c, fake, c_fake), of_package):
        torch.testing.assert_close(ours, theirs[0])
    one_gan = (tensor[None] for tensor in (*in_two(fake), c_fake))
    of_generator = acgan.generator_objective(*one_gan)
    torch.testing.assert_close(chapter["objective_of_generator"](fake, c_fake), of_generator[0])


@pytest.mark.parametrize("p_fake", [0.0, 0.4, 1.0])
def test_the_mixture_is_the_package_s_for_the_same_draw(chapter, p_fake):
    real, generated = toy_streams()
    mixed = Mixture(real, generated, p_fake).at(step=3, seed=5)
    u = torch.rand(TOY_BATCH, generator=random_stream("cpu", "mask", 5, 3))
    x_real = real.at(3, 5).x.flatten(1)
    x_fake = generated.at(3).x.flatten(1)
    x = chapter["mixture"](x_real, x_fake, p_fake, u)
    assert torch.equal(x, mixed.x.flatten(1))
    torch.testing.assert_close(toy_teacher()(x.view(-1, 1, 8, 8)), mixed.z)


def test_teacher_and_student_of_rows_are_the_package_s(chapter):
    x, y = toy_images(200)
    x, y = x.flatten(1).numpy()[:, :5], y.numpy() > 0
    teacher = chapter["fit_teacher"](x, y, seed=3)
    p = chapter["p_of"](teacher, x)
    theirs = models.fit_teacher(x, y, SMALL["n_trees"], seed=3)
    assert np.array_equal(p, models.probability_of_class_1(theirs, x))
    student = chapter["fit_student"](x, p, seed=4)
    assert np.array_equal(student.predict(x), models.fit_student(x, p, seed=4).predict(x))


def test_generated_points_lie_around_training_points(chapter):
    x = np.random.default_rng(0).normal(0, [1, 100], (3000, 2))
    drawn = chapter["generate"](x, 100_000, np.random.default_rng(1))
    wider = np.sqrt(1 + chapter["h"] ** 2)
    assert np.allclose(drawn.std(0) / x.std(0), wider, rtol=0.02)


def test_students_without_generated_images_learn_from_the_training_images(chapter):
    x_real, x_fake = torch.zeros(1000, 64), torch.ones(1000, 64)
    share = chapter["mixture"](x_real, x_fake, 0.3, torch.rand(1000)).mean()
    assert abs(share - 0.3) < 0.06
    assert chapter["of_training"].shape == (1, SMALL["n_students"])


@pytest.mark.parametrize(
    "a, words",
    [([0.9, 0.8], "beats b"), ([0.7, 0.6], "does worse"), ([0.9, 0.6], "is not clearly")],
)
def test_words_claim_no_more_than_the_interval(chapter, a, words):
    b = [0.8, 0.701]
    assert chapter["compared"](a, b, "b").startswith(words)


def test_the_picture_of_the_first_page_is_drawn(chapter):
    names = {path.name for path in (chapter["out"] / "figures").iterdir()}
    assert names >= {"idea.png", *(f"idea_{k}.png" for k in range(1, 5))}
    for name in names:
        assert (paths.ROOT / "published/figures" / name).exists()


def test_no_package():
    code = "\n".join("".join(cell["source"]) for cell in cells_of("notebooks"))
    assert "ganmc_utils" not in code


def test_exercises_change_a_parameter_that_there_is():
    text = "\n".join("".join(cell["source"]) for cell in cells_of("notebooks"))
    changed = re.findall(r"-p (\w+) ([\d.]+)", text)
    assert len(changed) >= 3
    for name, value in changed:
        assert type(defaults(NOTEBOOK)[name])(value) != defaults(NOTEBOOK)[name]


def test_sizes_in_the_text_are_the_parameters():
    """A size stands before its name, such as "300 points (`n_moons`)"."""
    text = "\n".join("".join(cell["source"]) for cell in cells_of("notebooks"))
    sizes = re.findall(r"(\d+) [a-z\s]+\(`(\w+)`\)", text)
    assert len(sizes) >= 4
    assert [(int(size), name) for size, name in sizes] == [
        (defaults(NOTEBOOK)[n], n) for _, n in sizes
    ]


def test_the_published_page_is_this_notebook():
    published = cells_of("published/notebooks")
    assert [cell["source"] for cell in published] == [c["source"] for c in cells_of("notebooks")]
    assert all(c["outputs"] for c in published if "figure;" in "".join(c["source"]))
