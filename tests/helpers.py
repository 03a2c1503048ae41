"""What several test files need."""

import linecache
import sys
import types

import nbformat
import numpy as np
import pytest
import torch

from ganmc_utils.core import parameters, records
from ganmc_utils.core.plan import notebook_path
from ganmc_utils.networks import models, training
from ganmc_utils.networks import sources as image_sources
from ganmc_utils.networks.batches import EpochBatches, Mixture, TeacherLabelledStream
from ganmc_utils.networks.objectives import logit_matching


def defaults(notebook):
    """The literals of a notebook's parameter cell."""
    return parameters.notebook_defaults(notebook)


TOY = {
    "data": {
        "name": "digits",
        "image_size": 8,
        "n_train": 100,
        "n_validation": 60,
        "n_test": 60,
        "n_fresh": 100,
    },
    "teacher": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 1e-3},
    "student": {
        "network": "lenet_authors_padded",
        "width": 2,
        "epochs": 2,
        "batch": 50,
        "lr": 1e-3,
    },
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
}


def at_toy_size(notebook, **change):
    """What a chapter of networks is given at toy size: seconds of training."""
    runs = {"sets": [0, 1]} if notebook < "03" else {"seeds": [0, 1]}
    less = {}
    if notebook.startswith("01"):
        small = {name: TOY[name] for name in ("teacher", "student")}
        pair = {"T": 5.0, "alpha": 0.9, "p_fakes": [0.5], "variants": ["li", "text"], "sets": [0]}
        nin = TOY["teacher"] | {"network": "nin", "width": 8}
        less = {"pairs": [small | pair], "dropout_teacher": nin, "other_student": TOY["student"]}
    return TOY | runs | less | change


def toy_parameters(notebook, **change):
    """A chapter's parameters at toy size."""
    return parameters.check_dict(notebook, defaults(notebook) | at_toy_size(notebook, **change))


def row(**change):
    """A row of chapter 06's record, with these fields changed."""
    fields = {
        "experiment": "compression",
        "dataset": "magic",
        "teacher": "forest_sqrt",
        "student": "forest",
        "source": "gan",
        "setting": {"trees": 1},
        "seed": 0,
        "split": "test",
        "metric": "auc",
        "value": 0.9,
    }
    return records.Row(**fields | change)


def record(rows, **change):
    """A record of these rows, with these fields changed."""
    fields = {
        "profile": "quick",
        "notebook": "06_random_forests",
        "metrics": rows,
        "parameters": {"a": [1]},
        "seconds": 1.5,
        "hardware": {"gpu": None},
        "versions": {"python": "3"},
        "data": {"magic": "ab"},
        "commit": "unknown",
    }
    return records.Record(**fields | change)


def run_notebook(notebook, to_its_end=False, **change):
    """Run the cells of a notebook up to the one that saves its record, here and not in a kernel.

    to_its_end: the cells after that one, too. change: parameters that differ from the notebook's.
    Returns all names that the cells define.
    """
    module = types.ModuleType("__main__")  # where cells are run in a kernel too
    cells = nbformat.read(notebook_path(notebook), as_version=4).cells
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", module)
        for cell in cells:
            if cell.cell_type != "code":
                continue
            file = f"<{notebook}, cell {cell.id}>"
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
            exec(compile(cell.source, file, "exec"), vars(module))
            if "parameters" in cell.metadata.get("tags", []):
                vars(module).update(change)
            if "run.save()" in cell.source and not to_its_end:
                break
    return vars(module)


def run_toy_chapter(notebook, out, **change):
    """A chapter of networks at toy size; the names of its cells."""
    return run_notebook(notebook, **at_toy_size(notebook, **{"out_dir": str(out)} | change))


def rows_of_chapter(notebook, out, **change):
    """The rows of a chapter of networks at toy size."""
    return run_toy_chapter(notebook, out, **change)["run"].rows


SMALL_SCORES = {
    "seeds": [0, 1],
    "teacher": {"network": "cnn6", "width": 8, "epochs": 8, "batch": 50, "lr": 3e-3},
    "student": {"network": "cnn5", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "classifier": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
    "inferior_epochs": [1, 2],
    "levels": {"distinct": [0.1, 1.0], "label_noise": [0.0, 1.0]},
    "timing_images": 1,
    "teacher_trees": 10,
}


def two_blobs(seeds=1, n=100):
    """For each seed n points in the plane: class 0 around (-1.5, -1.5), 1 around (1.5, 1.5)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (seeds, n))
    x = rng.normal(0, 0.2, (seeds, n, 2)) + np.where(y[..., None] == 1, 1.5, -1.5)
    return x.astype(np.float32), y


def gan_weights(gan, r=slice(None)):
    """The parameters of both players as arrays: those of all GANs, or of GAN r."""
    return [p.detach()[r].numpy() for net in (gan.G, gan.D) for p in net.parameters()]


N_TOY_IMAGES = 60
TOY_BATCH = 20


def toy_images(n=N_TOY_IMAGES, seed=0):
    """Images of 8 x 8 noise and random classes of three."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1
    return x, torch.randint(3, (n,), generator=rng)


def toy_teacher(seed=9):
    """An untrained teacher of toy_images."""
    return models.make_network("cnn6", seed, 4, 1, 8, 3).eval().requires_grad_(False)


def toy_streams(teacher=None):
    """Batches of toy_images and of the jitter of them, both labelled by the teacher."""
    x, y = toy_images()
    teacher = teacher or toy_teacher()

    def ask(images):
        return training.logits(teacher, images)

    jitter = image_sources.PixelJitter(x, y, 0.3)
    real = EpochBatches(x, y, TOY_BATCH, ask(x))
    return real, TeacherLabelledStream(jitter, TOY_BATCH, ask, "cpu", "jitter")


def toy_learner(
    p_fake=0.5, seed=0, name="lenet_authors_padded", teacher=None, objective=logit_matching
):
    """A student of toy_images and jitter."""
    net = models.make_network(name, seed, 2, 1, 8, 3)
    batches = Mixture(*toy_streams(teacher), p_fake)
    return training.Learner(f"{name} {p_fake}", net, objective, batches, seed)


def train_toys(*learners, steps=12, checkpoint=None, **schedule):
    """Train learners; for each its weights and its history without the seconds."""
    schedule = training.Schedule(steps, **{"lr": 1e-2, "evaluations": 3} | schedule)
    parts = {"test": toy_images(30, seed=1)}
    training.train(list(learners), schedule, parts, checkpoint, "same", progress=False)
    return [(weights_of(learner.net), without_seconds(learner.history)) for learner in learners]


def weights_of(net):
    """All numbers of a network's state in one tensor."""
    return torch.cat([tensor.double().flatten() for tensor in net.state_dict().values()])


def without_seconds(history):
    """A learner's history without what differs from run to run."""
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


def same_result(a, b):
    """Whether two results of train_toys are equal bit for bit."""
    return torch.equal(a[0], b[0]) and a[1] == b[1]
