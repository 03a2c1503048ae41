"""What is tried, and what is chosen: the source and the smallest student, on validation rows.

A student meets the limit where its loss on the validation rows is known to be small enough:

    loss = score(teacher) - score(student)         loss + standard error <= max_loss

with the standard error of paired bootstrap resamples. AUC and accuracy do not see whether
probabilities can be trusted, so the excess error of a classifier is limited, too:

    excess error = error(student) - error(teacher) <= max_loss

    error = mean over rows of 1/2 sum_c (p_c - [c is the class])^2       Brier score
    error = mean over rows of (y - p)^2 / variance of y                  of a regression

Of those that meet the limit, the one with the fewest bytes as an ONNX file is chosen. Where none
does, they are compared by their misfit, and so are sources:

    misfit = error against the mean of label and teacher's prediction, minus the teacher's own
           = 1/2 (excess error + mean over rows of 1/2 sum_c (p_c - t_c)^2)

Labels are right on average, but few and noisy; the teacher's predictions t have no noise, but a
student may well be nearer to the truth than they are. Their mean has half of each fault. The one
with the fewest bytes is chosen whose misfit is within a standard error of the least (Breiman et
al., 1984, for the size of a tree): validation cannot tell the two apart.

What teaches best depends on the size of the student: small ones learn most from training rows whose
targets know the labels, large ones from generated rows, and many from both, as in Sec. 3.2. So
students of all sizes learn from each: the training rows, the best generated rows, and half of each.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator

from ganmc_utils.compress.columns import Columns, DataError
from ganmc_utils.compress.measures import METRICS, score
from ganmc_utils.compress.onnx_file import onnx_model
from ganmc_utils.compress.sources import Gan, Jitter, TrainingRows, make_source
from ganmc_utils.compress.students import (
    LADDERS,
    Design,
    boosted_iterations,
    count_nodes,
    fit_student,
    new_student,
    predictions,
)
from ganmc_utils.compress.teachers import Teacher
from ganmc_utils.core.progress import tqdm
from ganmc_utils.core.source import Source

TRIAL_QUERIES = 5_000  # teacher queries for each source that is tried
FINALISTS = 2  # sources of generated rows that are tried again, with all queries
JITTER_SCALES = (0.1, 0.3, 0.8)
RESAMPLES = 100  # of the validation rows, for a standard error
QUERIES_SHARE = 0.15  # of the time, at most, for which the teacher labels the rows of a finalist
GAN_SHARE = 0.3  # of the time: a GAN is tried only while no more has passed
SOURCES_SHARE = 0.5  # of the time, at most, that sources are tried
MORE_ITERATIONS = 1.3  # factors by which boosted trees are made longer or shorter
FEWER_ITERATIONS = 0.8
OF_TRAINING_ROWS = ("labels", "train", "train_oob")
BYTES_OF_NODE = 30  # of an ONNX file, at least; a node of many classes takes more
BYTES_BESIDE = 1500  # its nodes, at least
REFERENCE_LEAVES = 16  # of the boosted trees that sources are tried with
FINAL_LEAVES = 31  # of those that the best sources are tried with again


@dataclass
class Judge:
    """The validation rows, the limits and the clock.

    x: validation rows of the matrix, float32 (n, d); y: their classes or values (n,).
    teacher: its predictions for them.
    """

    metric: str
    columns: Columns
    classes: np.ndarray | None
    x: np.ndarray
    y: np.ndarray
    teacher: np.ndarray
    max_loss: float
    max_nodes: int | None
    max_bytes: int | None
    seed: int
    deadline: float

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        n = len(self.y)
        self.resamples = [rng.integers(n, size=n) for _ in range(RESAMPLES)]
        self.teacher_score = score(self.metric, self.y, self.teacher)
        self.teacher_resampled = self.resampled(self.teacher)
        self.truth = self.y if self.is_regression else np.eye(self.n_classes)[self.y]
        self.variance = self.y.var() or 1.0
        self.teacher_errors = self.errors(self.teacher, self.truth)

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return self.classes is None

    @property
    def n_classes(self) -> int:
        """0 for a regression."""
        return 0 if self.classes is None else len(self.classes)

    def resampled(self, p: np.ndarray) -> np.ndarray:
        """Scores of predictions on the resamples, (R,)."""
        return np.array([score(self.metric, self.y[rows], p[rows]) for rows in self.resamples])

    def loss(self, p: np.ndarray) -> float:
        """The loss of predictions for the validation rows; 0 where no score is defined."""
        return float(np.nan_to_num(self.teacher_score - score(self.metric, self.y, p)))

    def errors(self, p: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Of each row the Brier score of (n, K); of values (n,) the square in variances: (n,)."""
        if self.is_regression:
            return np.square(p - target) / self.variance
        return np.square(p - target).sum(1) / 2

    def excess_error(self, p: np.ndarray) -> float:
        """The error of predictions minus the teacher's."""
        return float((self.errors(p, self.truth) - self.teacher_errors).mean())

    def misfits(self, p: np.ndarray) -> np.ndarray:
        """Of each row half of the excess error, and half of the error as the teacher's: (n,)."""
        excess = self.errors(p, self.truth) - self.teacher_errors
        return (excess + self.errors(p, self.teacher)) / 2

    def is_kept(self, p: np.ndarray, standard_error: float) -> bool:
        """Whether predictions are sure to keep the limit."""
        surely = self.loss(p) + standard_error <= self.max_loss
        return surely and self.excess_error(p) <= self.max_loss

    def standard_error(self, p: np.ndarray) -> float:
        """The standard error of their loss."""
        return float(np.nan_to_num(np.nanstd(self.teacher_resampled - self.resampled(p))))

    def time_is_up(self, share: float = 1.0, started: float = 0.0) -> bool:
        """Whether the deadline has passed, or a share of the time from started to it."""
        return time.monotonic() > started + share * (self.deadline - started)


@dataclass(frozen=True)
class Trial:
    """A student that was tried."""

    design: Design
    student: BaseEstimator
    loss: float
    standard_error: float
    misfits: np.ndarray  # of the validation rows, (n,)
    is_kept: bool  # whether it is sure to keep the limit
    nodes: int | None
    bytes: int
    source: str = ""  # of the rows that taught it

    @property
    def misfit(self) -> float:
        """The mean over the validation rows."""
        return float(self.misfits.mean())

    def fits(self, judge: Judge) -> bool:
        """Whether it is small enough."""
        too_many_nodes = judge.max_nodes and (self.nodes or 0) > judge.max_nodes
        too_many_bytes = judge.max_bytes and self.bytes > judge.max_bytes
        return not (too_many_nodes or too_many_bytes)


def tried(design: Design, x: np.ndarray, target: np.ndarray, judge: Judge) -> Trial:
    """Fit a student and judge it."""
    student = new_student(design, judge.columns, judge.is_regression, judge.seed)
    student = fit_student(student, x, target)
    return judged(design, student, judge)


def judged(design: Design, student: BaseEstimator, judge: Judge) -> Trial:
    """The Trial of a fitted student."""
    p = predictions(student, judge.x)
    n_bytes = len(onnx_model(judge.columns, student, judge.classes).SerializeToString())
    standard_error = judge.standard_error(p)
    return Trial(
        design,
        student,
        judge.loss(p),
        standard_error,
        judge.misfits(p),
        judge.is_kept(p, standard_error),
        count_nodes(student),
        n_bytes,
    )


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
    near = near_the_best(np.array([trial.misfits for trial in trials]))
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


def best_of(trials: list[Trial], judge: Judge) -> Trial:
    """The smallest student that meets the limit, else the smallest that hardly misfits more."""
    meeting = [trial for trial in trials if trial.is_kept]
    if not meeting:
        near = near_the_best(np.array([trial.misfits for trial in trials]))
        meeting = [trials[k] for k in near]
    return min(meeting, key=lambda trial: (trial.bytes, trial.misfit))


def near_the_best(misfits: np.ndarray) -> np.ndarray:
    """Positions of the models whose misfit is within a standard error of the least.

    Args:
        misfits: of each model and validation row, (models, n).

    Returns:
        Positions, at least that of the least misfit.
    """
    excess = misfits - misfits[misfits.mean(1).argmin()]
    standard_error = excess.std(1) / np.sqrt(misfits.shape[1])
    return np.flatnonzero(excess.mean(1) <= standard_error)


@dataclass
class Choice:
    """What a search ended with.

    source: name of what taught the student; trial: the student.
    n_queries: rows that it has learned; words: how it was chosen, in a sentence or two.
    """

    source: str
    trial: Trial
    n_queries: int
    words: str


@dataclass
class LabelledRows:
    """Rows that students learn from.

    source: its name; x: (n, d); target: the teacher's predictions for them.
    """

    source: str
    x: np.ndarray
    target: np.ndarray

    def half_and_half(self, other: "LabelledRows", rng: np.random.Generator) -> "LabelledRows":
        """As many rows as the other has, half of them its own, which are repeated if need be."""
        n = max(1, len(other.x) // 2)
        own = np.resize(rng.permutation(len(self.x)), n)
        return LabelledRows(
            f"{self.source}+{other.source}",
            np.concatenate([self.x[own], other.x[:n]]),
            np.concatenate([self.target[own], other.target[:n]]),
        )


@dataclass
class Taught:
    """A source, some of its rows, and the student that they have taught."""

    source: Source
    rows: LabelledRows
    trial: Trial


class Search:
    """The search for a source and a student.

    Args:
        teacher: who labels.
        rows: the training rows.
        judge: of the students.
        family: a family of LADDERS, or "auto".
        source: what `make_source` takes, or "auto".
        n_queries: rows that the teacher labels.
        progress: show a progress bar.
    """

    def __init__(
        self,
        teacher: Teacher,
        rows: TrainingRows,
        judge: Judge,
        family: str,
        source: object,
        n_queries: int,
        progress: bool = True,
    ):
        self.teacher, self.rows, self.judge = teacher, rows, judge
        self.family, self.source, self.n_queries = family, source, n_queries
        self.rng = np.random.default_rng(judge.seed)
        self.started = time.monotonic()
        self.families = list(LADDERS) if family == "auto" else [family]
        self.candidates = self.source_candidates()
        self.n_tried = 0
        self.seconds_of_query = 0.0  # the teacher's, as last measured
        n_steps = len(self.families)
        if len(self.candidates) > 1:
            n_real = sum(name in OF_TRAINING_ROWS for name in self.candidates)
            n_steps = len(self.candidates) + (n_real + 2) * len(self.families)
        self.bar = tqdm(total=n_steps, desc="compressing", disable=not progress, leave=False)

    def source_candidates(self) -> dict[str, Callable[[], Source]]:
        """Names of the sources to try, each with what builds it; those that take long come last."""
        if not (isinstance(self.source, str) and self.source == "auto"):
            name = self.source if isinstance(self.source, str) else type(self.source).__name__
            return {name: lambda: make_source(self.source, self.rows)}
        names = ["labels", "train", "munge", "gaussian_mixture"]
        if self.teacher.out_of_bag is not None:
            names.append("train_oob")
        if not self.judge.is_regression:
            names.append("smote")
        named = {name: lambda name=name: make_source(name, self.rows) for name in names}
        named |= {
            f"jitter {scale}": lambda scale=scale: Jitter(self.rows, scale)
            for scale in JITTER_SCALES
        }
        return named | {"gan": lambda: Gan(self.rows, self.judge.seed)}

    def labelled(self, name: str, source: Source, n: int) -> LabelledRows:
        """N rows of a source and the teacher's predictions for them."""
        x, _ = source.sample(n, self.rng)
        if name == "train_oob":
            if self.teacher.out_of_bag is None:
                raise DataError(
                    "source: train_oob needs the tool's own forest; give no teacher, or use jitter"
                )
            return LabelledRows(name, x, self.teacher.out_of_bag)
        if name == "labels":
            return LabelledRows(name, x, self.rows.labels)
        x = self.rows.columns.plausible(x)
        started = time.monotonic()
        target = self.teacher.ask(x)
        self.seconds_of_query = (time.monotonic() - started) / len(x)
        return LabelledRows(name, x, target)

    def affordable_queries(self) -> int:
        """Queries of a finalist: all that are wanted, unless the teacher is too slow for it."""
        time_for_them = QUERIES_SHARE * (self.judge.deadline - self.started)
        in_time = int(time_for_them / max(self.seconds_of_query, 1e-9))
        return min(self.n_queries, max(TRIAL_QUERIES, in_time))

    def run(self) -> Choice:
        """Choose a source, then a student.

        Raises:
            DataError: the one source that was asked for cannot be used.
        """
        trials: list[Trial] = []
        n_queries = {}
        with self.bar:
            for rows in self.choose_rows():
                n_queries[rows.source] = len(rows.x)
                trials += self.students(rows, trials)
        if not trials:
            raise DataError(
                "student: none is small enough; raise max_nodes or max_bytes, "
                "or choose another family"
            )
        trial = best_of(trials, self.judge)
        words = self.explanation(trials, trial)
        return Choice(trial.source, trial, n_queries[trial.source], words)

    def choose_rows(self) -> list[LabelledRows]:
        """The sets of rows that students are to learn from: the smallest sets first.

        Where the source is open, these are the training rows, with the labels, the teacher's
        predictions and its out-of-bag ones as targets; the best mixture of these with generated
        rows; the best generated rows. A generated source is tried with a few queries, and the
        best again with all: more rows help one more than another.
        """
        if len(self.candidates) == 1:
            ((name, build),) = self.candidates.items()
            return [self.labelled(name, build(), self.n_queries)]
        first = self.first_students()
        ranking = sorted(first, key=lambda name: first[name].trial.misfit)
        real = [first[name].rows for name in ranking if name in OF_TRAINING_ROWS]
        generated = [name for name in ranking if name not in OF_TRAINING_ROWS]
        n_queries = self.affordable_queries()
        finalists = []
        for name in generated[:FINALISTS]:
            if finalists and self.judge.time_is_up(SOURCES_SHARE, self.started):
                break
            finalists.append(self.labelled(name, first[name].source, n_queries))
        best = self.best_teaching(finalists)
        mixtures = [rows.half_and_half(best, self.rng) for rows in real]
        return [*real, self.best_teaching(mixtures), best]

    def first_students(self) -> dict[str, Taught]:
        """Sources that can be used, each with a student that a few of its rows have taught."""
        first: dict[str, Taught] = {}
        design = self.reference(REFERENCE_LEAVES)
        for name, build in self.candidates.items():
            self.bar.set_postfix_str(name)
            self.bar.update()
            if name == "gan" and not self.gan_is_worth_it(first):
                continue
            try:
                source = build()
                rows = self.labelled(name, source, min(TRIAL_QUERIES, self.n_queries))
            except DataError:  # no source for these columns or classes
                continue
            first[name] = Taught(source, rows, tried(design, rows.x, rows.target, self.judge))
            is_enough = any(name not in OF_TRAINING_ROWS for name in first)
            if is_enough and self.judge.time_is_up(SOURCES_SHARE, self.started):
                break
        self.n_tried = len(first)
        return first

    def best_teaching(self, candidates: list[LabelledRows]) -> LabelledRows:
        """The rows that teach a larger student best, as far as there is time to try them."""
        best, least = candidates[0], np.inf
        if len(candidates) == 1:
            return best
        for rows in candidates:
            if least < np.inf and self.judge.time_is_up(SOURCES_SHARE, self.started):
                break
            self.bar.set_postfix_str(rows.source)
            trial = tried(self.reference(FINAL_LEAVES), rows.x, rows.target, self.judge)
            if trial.misfit < least:
                best, least = rows, trial.misfit
        return best

    def reference(self, leaves: int) -> Design:
        """The student that sources are tried with, of the family asked for.

        leaves: of boosted trees; other families have their medium size.
        """
        if self.family in ("auto", "boosted"):
            n_iterations = boosted_iterations(self.judge.n_classes) // 4
            return Design("boosted", {"max_leaf_nodes": leaves, "max_iter": n_iterations})
        ladder = LADDERS[self.family]
        return Design(self.family, ladder[len(ladder) // 2])

    def gan_is_worth_it(self, first: dict[str, Taught]) -> bool:
        """A GAN is trained only where no other source meets the limit, and early enough."""
        too_late = self.judge.time_is_up(GAN_SHARE, self.started)
        least = min((taught.trial.loss for taught in first.values()), default=np.inf)
        return least > self.judge.max_loss and not too_late

    def students(self, rows: LabelledRows, others: list[Trial]) -> list[Trial]:
        """Students of each family, as far as they may be smaller than those that meet the limit.

        Args:
            rows: that they learn from.
            others: students of other rows.
        """
        trials: list[Trial] = []
        for family in self.families:
            self.bar.set_postfix_str(f"{family} of {rows.source}")
            so_far = others + trials
            smallest = min((t.bytes for t in so_far if t.is_kept), default=np.inf)
            is_last_resort = family == "boosted" and smallest == np.inf and not others
            if so_far and self.judge.time_is_up() and not is_last_resort:
                self.bar.update()
                continue
            climbed = climb(family, rows.x, rows.target, self.judge, smallest)
            trials += [replace(trial, source=rows.source) for trial in climbed]
            self.bar.update()
        return trials

    def explanation(self, trials: list[Trial], trial: Trial) -> str:
        """How source and student were chosen."""
        metric = METRICS[self.judge.metric]
        size = f"{trial.bytes:,} bytes"
        if trial.nodes:
            size += f" and {trial.nodes:,} nodes"
        loss = f"{trial.loss:+.4f} ± {trial.standard_error:.4f} of {metric}"
        taught = f"{trial.design.words()}, taught by {trial.source},"
        sentences = []
        if self.n_tried:
            sentences.append(f"{self.n_tried} sources were tried on validation.")
        if trial.is_kept:
            sentences.append(
                f"Of {len(trials)} students, {taught} has the smallest file, "
                f"{size}, that loses no more than {self.judge.max_loss:g} ({loss})."
            )
        else:
            sentences.append(
                f"None of {len(trials)} students is sure to lose no more than "
                f"{self.judge.max_loss:g}; {taught} of {size} is the smallest that validation "
                f"cannot tell from the best ({loss})."
            )
        if self.judge.time_is_up():
            sentences.append("The time was up before all were tried: raise max_seconds for more.")
        return " ".join(sentences)
