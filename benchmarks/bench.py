"""The ratios this project claims, each taken in one run on one machine: `make bench`. Writes its tables to published/benchmarks too."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import cost_model
import numpy as np
import pandas as pd
import torch

from ganmc_utils.core import paths, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests import sources as table_sources
from ganmc_utils.forests.data import read_table, split_table
from ganmc_utils.gan import acgan, image_networks
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks import sources as image_sources
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches, Mixture, TeacherLabelledStream
from ganmc_utils.networks.objectives import logit_matching
from ganmc_utils.scores import images as image_scores
from ganmc_utils.scores.compression_score import compression_score


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def munge(passes=9):
    """`passes` rows per row: a brute-force search in every pass against the k-d tree, same neighbours."""
    try:
        x = split_table(
            read_table("magic"), 13_000, 100, 5_000
        ).x_train  # real rows lie unevenly, as the tree likes
    except GanmcError:
        x = np.random.default_rng(0).normal(size=(13_000, 10)).astype(np.float32)
    found = {}

    def loop():
        source = table_sources.Munge.__new__(table_sources.Munge)
        source.x, source.p, source.s, rng = x, 0.5, 1.0, np.random.default_rng(0)
        for _ in range(passes):
            source.near = found["loop"] = np.array([brute(x, i) for i in range(len(x))])
            source.one_pass(rng)

    def tree():
        source = table_sources.Munge(x, None)
        found["tree"] = source.near
        source.sample(passes * len(x), np.random.default_rng(0))

    tree()  # warmed up
    slow, fast = seconds(loop), seconds(tree)
    assert np.array_equal(distance(x, found["loop"]), distance(x, found["tree"])), (
        "the neighbours differ"
    )
    return slow, fast


def brute(x, i):
    """The nearest other row of row i, by its distance to all."""
    apart = np.square(x - x[i]).sum(1)
    apart[i] = np.inf
    return apart.argmin()


def distance(x, near):
    """Distance of each row to its neighbour (equal rows may swap places without harm)."""
    return np.square(x - x[near]).sum(1)


def forest_sweep(n=5_000, d=10, trees=20):
    """Scores of students of 1..20 trees: a fit for each size against the prefixes of one fit."""
    rng = np.random.default_rng(0)
    x, p = rng.normal(size=(n, d)).astype(np.float32), rng.random(n)

    def each():
        for k in range(1, trees + 1):
            forest_models.fit_student(x, p, k).predict(x)

    return seconds(each), seconds(
        lambda: forest_models.predictions_by_size(forest_models.fit_student(x, p, trees), x)
    )


def gan_seeds(n=2_000, d=10, seeds=5, epochs=5):
    """AC-GANs of five seeds: one after another against one stacked loop."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(seeds, n, d)).astype(np.float32), rng.integers(0, 2, (seeds, n))
    settings = acgan.GanSettings(epochs=epochs, snapshots=(epochs,), members=1)

    def apart():
        for i in range(seeds):
            acgan.AcGan(x[i : i + 1], y[i : i + 1], settings, [i]).train(progress=False)

    return seconds(apart), seconds(
        lambda: acgan.AcGan(x, y, settings, list(range(seeds))).train(progress=False)
    )


IMAGES, STEPS, BATCH = 2_000, 20, 128


def cast():
    """Images, a teacher and a generator of the laptop profile's size (untrained: time does not depend on the weights)."""
    torch.manual_seed(0)
    x, y = torch.rand(IMAGES, 3, 16, 16) * 2 - 1, torch.arange(IMAGES) % 10
    teacher = (
        network_models.make_network("cnn6", 0, 48, 3, 16)
        .to(memory_format=torch.channels_last)
        .eval()
        .requires_grad_(False)
    )
    gan = acgan.AcGan(
        x[None],
        y[None],
        acgan.GanSettings(epochs=1, snapshots=(0,), members=1),
        [0],
        networks=image_networks.image_networks(32),
    )
    gan.pool[0] = gan.G.state_dict()
    return x, y, teacher, image_sources.GeneratedImages(gan, 0)


def compress(shares, x, y, teacher, generated):
    """Our loop: a student per share of GAN rows, the training rows' answers known beforehand, GAN rows answered once."""
    ask = lambda rows: training.logits(teacher, rows)
    real, made = (
        EpochBatches(x, y, BATCH, ask(x)),
        TeacherLabelledStream(generated, BATCH, ask, "cpu", "gan"),
    )
    students = [
        training.Learner(f"p_fake {p}", student(), logit_matching, Mixture(real, made, p), 0)
        for p in shares
    ]
    return seconds(
        lambda: training.train(
            students, training.Schedule(STEPS, 1e-3, evaluations=1), {}, progress=False
        )
    )


def student():
    return network_models.make_network("lenet_authors", 0, 24, 3, 16).to(
        memory_format=torch.channels_last
    )


def sweep():
    """Eleven shares: one student after another, each with its own GAN rows, against all on shared rows; also over one."""
    given, shares = cast(), [k / 10 for k in range(11)]
    compress([0.5], *given)
    slow = sum(compress([p], *given) for p in shares)
    return slow, compress(shares, *given)


def eleven_against_one():
    """All eleven shares on shared rows against one of them."""
    given = cast()
    compress([0.5], *given)
    return compress([k / 10 for k in range(11)], *given), compress([0.5], *given)


def plain_loop():
    """What the authors' script does: rows by index from numpy, the teacher asked again at every step."""
    x, y, teacher, _ = given = cast()
    rows, net, rng = x.numpy(), student(), np.random.default_rng(0)
    teacher, net = (
        teacher.to(memory_format=torch.contiguous_format),
        net.to(memory_format=torch.contiguous_format),
    )
    adam = torch.optim.Adam(net.parameters(), 1e-3)

    def loop():
        for _ in range(STEPS):
            batch = torch.from_numpy(np.stack([rows[i] for i in rng.integers(0, IMAGES, BATCH)]))
            with torch.no_grad():
                z = teacher(batch)
            loss = (net(batch) - z).square().sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    seconds(loop)
    slow = seconds(loop)
    teacher.to(memory_format=torch.channels_last)
    return slow, compress([0.0], *given)


def inception_against_compression(n=1000, timed=64):
    """The two scores of n images of 16 x 16: Inception-v3 (timed on fewer images) against a student of one epoch and the teacher's answers."""
    x, y, teacher, _ = cast()
    data = SimpleNamespace(x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:])

    def score():
        try:
            compression_score(
                x[:n], data, teacher, lambda s: student(), seeds=[0], reference_seeds=[1], batch=25
            )
        except GanmcError as failed:  # after all its work: random images teach a student nothing
            assert "baseline" in str(failed)

    return image_scores.inception_seconds(timed, x.device) * n, image_scores.seconds(score)


def quick_book():
    """make book's notebooks on a bare copy of the project, packages installed, against the five minutes they may take."""
    with tempfile.TemporaryDirectory() as folder:
        for name in subprocess.run(
            ["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")[:-1]:
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.ROOT / name, target)
        words = [
            "snakemake",
            "--cores",
            str(os.cpu_count()),
            "--quiet",
            "all",
            "--config",
            "profile=quick",
        ]
        bare = {k: v for k, v in os.environ.items() if k != "GANMC_OUT"}
        run = lambda: subprocess.run(
            [str(Path(sys.executable).with_name(words[0])), *words[1:]],
            cwd=folder,
            check=True,
            capture_output=True,
            env=bare
            | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": folder},
        )
        return 300.0, seconds(run)


def share_of_ceiling(name):
    """A training step of a network against the floor of its operations at the measured rate of a matrix product: seconds per image."""
    device = torch.device("cuda")
    unit = cost_model.step_of(name, device)
    return unit.seconds, unit.operations / cost_model.ceilings(device)["operations"]


BENCHES = (  # what, how, goal for the ratio plain / ours
    ("Quick book, against its 5 minutes", quick_book, ">= 1"),
    ("MUNGE, 9 x 13,000 rows, against a search per row", munge, ">= 100"),
    ("Forests of 1 to 20 trees, against a fit for each", forest_sweep, ">= 8"),
    ("AC-GANs of five seeds, against one by one", gan_seeds, ">= 3"),
    ("A compression step, against the authors' way", plain_loop, ">= 3"),
    ("Eleven shares of GAN rows, against one by one", sweep, ">= 1"),
    ("Eleven shares (plain) against one (ours)", eleven_against_one, "<= 4"),
    (
        "Inception Score (plain) against Compression Score (ours)",
        inception_against_compression,
        ">= 20",
    ),
)


def write(name, text):
    paths.write_atomically(paths.ROOT / "published" / "benchmarks" / f"{name}.md", text + "\n")
    print(text + "\n")


if __name__ == "__main__":
    torch.set_num_threads(paths.thread_count())
    device, rows = torch.device("cuda" if torch.cuda.is_available() else "cpu"), []
    hardware, versions, commit = records.describe_run()
    on = f"{hardware['gpu'] or str(hardware['cores']) + ' cores of ' + hardware['cpu']}, torch {versions['torch']}, commit {commit}"
    todo = BENCHES + tuple(
        (
            f"{n}: a training step against its operations at the matrix ceiling",
            lambda n=n: share_of_ceiling(n),
            "small",
        )
        for n in ("resnet18", "wrn28")
        if device.type == "cuda"
    )
    for name, bench, goal in todo:
        plain, ours = bench()
        rows.append(
            {
                "What": name,
                "Plain, s": f"{plain:,.3g}",
                "Ours, s": f"{ours:,.3g}",
                "Ratio": f"{plain / ours:,.1f}",
                "Goal": goal,
            }
        )
        print(f"{name}: {plain / ours:,.1f} ({goal})", flush=True)
    write(
        "ratios",
        f"On {on}.\n\n" + pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True),
    )
    rate, units, stage = cost_model.tables(device)
    write(
        "units",
        f"On {on}; measured here: {rate['operations'] / 1e9:,.0f} GFLOP/s in a matrix product, {rate['bytes'] / 1e9:,.0f} GB/s in a copy.\n\n"
        + pd.DataFrame(units).to_markdown(index=False, disable_numparse=True),
    )
    write("stages", pd.DataFrame(stage).to_markdown(index=False, disable_numparse=True))
