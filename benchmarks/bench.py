"""The ratios this project claims, each taken in one run on one machine: `make bench`."""
import time

import numpy as np

import torch

from ganmc_utils import acgan, forests, image_gan, image_sources, networks, paths, sources, training
from ganmc_utils.datasets import read, split
from ganmc_utils.errors import GanmcError
from ganmc_utils.mixing import Collected, Made, Mixture
from ganmc_utils.objectives import logit_matching


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def munge(passes=9):
    """`passes` rows per row: a brute-force search in every pass against the k-d tree, same neighbours."""
    try:
        x = split(read("magic"), 13_000, 100, 5_000).x_train  # real rows lie unevenly, as the tree likes
    except GanmcError:
        x = np.random.default_rng(0).normal(size=(13_000, 10)).astype(np.float32)
    found = {}

    def loop():
        source = sources.Munge.__new__(sources.Munge)
        source.x, source.p, source.s, rng = x, 0.5, 1.0, np.random.default_rng(0)
        for _ in range(passes):
            source.near = found["loop"] = np.array([brute(x, i) for i in range(len(x))])
            source.one_pass(rng)

    def tree():
        source = sources.Munge(x, None)
        found["tree"] = source.near
        source.sample(passes * len(x), np.random.default_rng(0))

    tree()  # warmed up
    slow, fast = seconds(loop), seconds(tree)
    assert np.array_equal(distance(x, found["loop"]), distance(x, found["tree"])), "the neighbours differ"
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
            forests.fit_student(x, p, k).predict(x)

    return seconds(each), seconds(lambda: forests.curve(forests.fit_student(x, p, trees), x))


def gan_seeds(n=2_000, d=10, seeds=5, epochs=5):
    """AC-GANs of five seeds: one after another against one stacked loop."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(seeds, n, d)).astype(np.float32), rng.integers(0, 2, (seeds, n))
    settings = acgan.Settings(epochs=epochs, snapshots=(epochs,), members=1)

    def apart():
        for i in range(seeds):
            acgan.AcGan(x[i:i + 1], y[i:i + 1], settings, [i]).train(progress=False)

    return seconds(apart), seconds(lambda: acgan.AcGan(x, y, settings, list(range(seeds))).train(progress=False))


IMAGES, STEPS, BATCH = 2_000, 20, 128


def cast():
    """Images, a teacher and a generator of the laptop profile's size (untrained: time does not depend on the weights)."""
    torch.manual_seed(0)
    x, y = torch.rand(IMAGES, 3, 16, 16) * 2 - 1, torch.arange(IMAGES) % 10
    teacher = networks.make("cnn6", 0, 48, 3, 16).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    gan = acgan.AcGan(x[None], y[None], acgan.Settings(epochs=1, snapshots=(0,), members=1), [0], networks=image_gan.networks(32))
    gan.pool[0] = gan.G.state_dict()
    return x, y, teacher, image_sources.Generated(gan, 0)


def compress(shares, x, y, teacher, generated):
    """Our loop: a student per share of GAN rows, the training rows' answers known beforehand, GAN rows answered once."""
    ask = lambda rows: training.logits(teacher, rows)
    real, made = Collected(x, y, BATCH, ask(x)), Made(generated, BATCH, ask, "cpu", "gan")
    students = [training.Learner(f"p_fake {p}", student(), logit_matching, Mixture(real, made, p), 0) for p in shares]
    return seconds(lambda: training.train(students, training.Schedule(STEPS, 1e-3, evaluations=1), {}, progress=False))


def student():
    return networks.make("lenet_authors", 0, 24, 3, 16).to(memory_format=torch.channels_last)


def sweep():
    """Eleven shares: one student after another, each with its own GAN rows, against all on shared rows; also over one."""
    given, shares = cast(), [k / 10 for k in range(11)]
    compress([0.5], *given)
    slow = sum(compress([p], *given) for p in shares)
    fast, one = compress(shares, *given), compress([0.5], *given)
    print(f"{'  (eleven students take so many times one student:':<58}{fast / one:>13.1f}x, goal <= 4x)")
    return slow, fast


def plain_loop():
    """What the authors' script does: rows by index from numpy, the teacher asked again at every step."""
    x, y, teacher, _ = given = cast()
    rows, net, rng = x.numpy(), student(), np.random.default_rng(0)
    teacher, net = teacher.to(memory_format=torch.contiguous_format), net.to(memory_format=torch.contiguous_format)
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


if __name__ == "__main__":
    torch.set_num_threads(paths.threads())
    print(f"{'what':<44}{'plain s':>9}{'ours s':>9}{'ratio':>8}  goal")
    for name, bench, goal in (("MUNGE, 9 x 13,000 rows", munge, 100),
                              ("forest of 1..20 trees", forest_sweep, 8), ("AC-GANs of five seeds", gan_seeds, 3),
                              ("a compression step, training data", plain_loop, 3), ("eleven shares of GAN rows", sweep, 1)):
        slow, fast = bench()
        print(f"{name:<44}{slow:>9.2f}{fast:>9.2f}{slow / fast:>7.1f}x  >= {goal}x")
