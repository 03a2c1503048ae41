"""Students of a family from small to large, up to the first that meets the limit."""

import itertools
from dataclasses import replace

import numpy as np

from ganmc_utils.compress.judge import Judge, Trial, near_the_best, tried
from ganmc_utils.compress.students import LADDERS, Design, boosted_iterations

MORE_ITERATIONS = 1.3  # factors by which boosted trees are made longer or shorter
FEWER_ITERATIONS = 0.8
BYTES_OF_NODE = 30  # of an ONNX file, at least; a node of many classes takes more
BYTES_BESIDE = 1500  # its nodes, at least


def climb(
    family: str,
    x: np.ndarray,
    target: np.ndarray,
    judge: Judge,
    max_bytes: float = np.inf,
) -> list[Trial]:
    """Students of a family from small to large, up to the first that meets the limit.

    Boosted trees have two sizes, leaves and iterations: for each number of leaves the first
    iterations that meet the limit are kept.

    Args:
        family: one of LADDERS.
        x: rows of the matrix.
        target: the teacher's predictions for them, or the labels as probabilities.
        judge: of the students.
        max_bytes: larger students are of no use: a smaller one meets the limit.
    """
    trials, step = [], 0
    ladder = ladder_of(family, judge, max_bytes)
    while step < len(ladder):
        trial = tried(Design(family, ladder[step]), x, target, judge)
        if family == "boosted":
            trial = shortened(trial, x, target, judge, max_bytes)
        if trial.fits(judge):
            trials.append(trial)
        enough = trial.is_kept and family != "boosted"
        if enough or not trial.fits(judge) or trial.bytes > max_bytes or overfits(trials):
            break
        # When the time is up, the largest is the last that is tried.
        step = max(step + 1, len(ladder) - 1) if judge.time_is_up() else step + 1
    return trials


def overfits(trials: list[Trial]) -> bool:
    """Whether the last two students of a family surely misfit more than a smaller one.

    A rise within the standard error says nothing: a tree may need many leaves before any helps.
    """
    if len(trials) < 3:
        return False
    near = near_the_best(np.array([trial.misfits for trial in trials]), n_errors=1)
    return near.max() < len(trials) - 2


def ladder_of(family: str, judge: Judge, max_bytes: float = np.inf) -> list[dict]:
    """The sizes of a family that the limits allow; the smallest where they allow none.

    Trees are taken to have all the leaves that they may have; their nodes take BYTES_OF_NODE.

    Args:
        family: one of LADDERS.
        judge: its `max_nodes` and `max_bytes` are limits.
        max_bytes: another limit; there may be no size below it, and the ladder is empty then.
    """
    ladder = [dict(settings) for settings in LADDERS[family]]
    if family in ("linear", "network"):
        return ladder
    of_bytes = (min(max_bytes, judge.max_bytes or np.inf) - BYTES_BESIDE) / BYTES_OF_NODE
    n_allowed = min(of_bytes, judge.max_nodes or np.inf)
    if family == "boosted":
        n_iterations = boosted_iterations(judge.n_classes)
        trees = judge.n_classes if judge.n_classes > 2 else 1
        for settings in ladder:
            n_fit = n_allowed / (trees * nodes_of(settings))
            settings["max_iter"] = int(np.clip(n_fit, 0, n_iterations))
        allowed = [settings for settings in ladder if settings["max_iter"] > 0]
        first = [ladder[0] | {"max_iter": 1}]
    else:
        allowed = [settings for settings in ladder if nodes_of(settings) <= n_allowed]
        first = ladder[:1]
    if family == "tree" and judge.max_nodes and judge.max_nodes <= n_allowed:
        leaves = max(2, (judge.max_nodes + 1) // 2)  # exactly as large as allowed
        last = {"max_leaf_nodes": min(leaves, ladder[-1]["max_leaf_nodes"])}
        allowed = [settings for settings in allowed if settings != last] + [last]
    return allowed or (first if max_bytes == np.inf else [])


def nodes_of(settings: dict) -> int:
    """Nodes of a tree or forest, or of one boosted tree, that has all its leaves."""
    return settings.get("n_estimators", 1) * (2 * settings["max_leaf_nodes"] - 1)


def shortened(
    trial: Trial, x: np.ndarray, target: np.ndarray, judge: Judge, max_bytes: float
) -> Trial:
    """Boosted trees cut to the first iterations that meet the limit.

    Where none meets it, to those that misfit least. Fewer iterations take larger steps (see
    `learning_rate`), so they are fitted anew, and a few more where they then miss it.
    """
    whole, n_iterations = trial.student, trial.design.settings["max_iter"]
    share = min(
        1.0,
        (judge.max_nodes or np.inf) / trial.nodes,
        (judge.max_bytes or np.inf) / trial.bytes,
        max_bytes / trial.bytes,
    )
    longest = max(1, int(n_iterations * share))
    staged = whole.staged_predict if judge.is_regression else whole.staged_predict_proba
    stages = list(itertools.islice(staged(judge.x), longest))
    meets = steady(np.array([judge.is_kept(p, trial.standard_error) for p in stages]))
    best = int(np.argmin([judge.misfits(p).mean() for p in stages]))
    n_kept = 1 + int(meets[0] if len(meets) else best)

    def refitted(n: int) -> Trial:
        if n == n_iterations:
            return trial
        settings = trial.design.settings | {"max_iter": n}
        return tried(replace(trial.design, settings=settings), x, target, judge)

    shorter = refitted(n_kept)
    while len(meets) and not shorter.is_kept and n_kept < longest:
        n_kept = min(longest, int(np.ceil(n_kept * MORE_ITERATIONS)))
        shorter = refitted(n_kept)
    while not shorter.fits(judge) and n_kept > 1:  # a file has bytes beside its trees
        n_kept = max(1, int(n_kept * FEWER_ITERATIONS))
        shorter = refitted(n_kept)
    return shorter


def steady(is_kept: np.ndarray) -> np.ndarray:
    """Stages that meet the limit together with the next ones, up to MORE_ITERATIONS as many.

    Among hundreds of stages, one that meets it alone does so by chance.

    Args:
        is_kept: whether the students of 1, 2, ... iterations meet the limit, bool (n,).

    Returns:
        Positions of the stages.
    """
    n_missed = np.concatenate([[0], np.cumsum(~is_kept)])
    first = np.arange(len(is_kept))
    last = np.minimum(len(is_kept), np.ceil((first + 1) * MORE_ITERATIONS).astype(int))
    return np.flatnonzero(n_missed[last] == n_missed[first])
