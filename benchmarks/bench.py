"""The ratios this project claims, each taken in one run on one machine: `make bench`."""
import time

import numpy as np

from ganmc_utils import acgan, forests, sources
from ganmc_utils.datasets import read, split
from ganmc_utils.errors import GanmcError


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


if __name__ == "__main__":
    print(f"{'what':<44}{'plain s':>9}{'ours s':>9}{'ratio':>8}  goal")
    for name, bench, goal in (("MUNGE, 9 x 13,000 rows", munge, 100),
                              ("forest of 1..20 trees", forest_sweep, 8), ("AC-GANs of five seeds", gan_seeds, 3)):
        slow, fast = bench()
        print(f"{name:<44}{slow:>9.2f}{fast:>9.2f}{slow / fast:>7.1f}x  >= {goal}x")
