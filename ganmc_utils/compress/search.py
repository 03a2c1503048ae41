"""What is tried: sources of rows to learn from, and students of each.

What teaches best depends on the size of the student: small ones learn most from training rows whose
targets know the labels, large ones from generated rows, and many from both, as in Sec. 3.2. So
students of all sizes learn from each: the training rows, the best generated rows, and half of each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ganmc_utils.compress.climbing import climb
from ganmc_utils.compress.columns import DataError
from ganmc_utils.compress.judge import Judge, Trial, best_of, tried
from ganmc_utils.compress.measures import METRICS
from ganmc_utils.compress.sources import Gan, Jitter, TrainingRows, make_source
from ganmc_utils.compress.students import LADDERS, Design, boosted_iterations
from ganmc_utils.compress.teachers import Teacher
from ganmc_utils.core.progress import tqdm
from ganmc_utils.core.source import Source

TRIAL_QUERIES = 5_000  # teacher queries for each source that is tried
FINALISTS = 2  # sources of generated rows that are tried again, with all queries
JITTER_SCALES = (0.1, 0.3, 0.8)
QUERIES_SHARE = 0.15  # of the time, at most, for which the teacher labels the rows of a finalist
GAN_SHARE = 0.3  # of the time: a GAN is tried only while no more has passed
SOURCES_SHARE = 0.5  # of the time, at most, that sources are tried
OF_TRAINING_ROWS = ("labels", "train", "train_oob")
REFERENCE_LEAVES = 16  # of the boosted trees that sources are tried with
FINAL_LEAVES = 31  # of those that the best sources are tried with again


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

    def enough_of_sources(self) -> bool:
        """Whether the time for trying sources has passed."""
        return self.judge.time_is_up(SOURCES_SHARE, self.started)

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
            if finalists and self.enough_of_sources():
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
            if is_enough and self.enough_of_sources():
                break
        self.n_tried = len(first)
        return first

    def best_teaching(self, candidates: list[LabelledRows]) -> LabelledRows:
        """The rows that teach a larger student best, as far as there is time to try them."""
        best, least = candidates[0], np.inf
        if len(candidates) == 1:
            return best
        for rows in candidates:
            if least < np.inf and self.enough_of_sources():
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
                f"Of the {len(trials)} students of the search, {taught} has the smallest file, "
                f"{size}, that is sure on validation to lose no more than "
                f"{self.judge.max_loss:g} ({loss})."
            )
        else:
            sentences.append(
                f"None of {len(trials)} students is sure to lose no more than "
                f"{self.judge.max_loss:g}; {taught} of {size} is the smallest that validation "
                f"can hardly tell from the best ({loss})."
            )
        if self.judge.time_is_up():
            sentences.append("The time was up before all were tried: raise max_seconds for more.")
        return " ".join(sentences)
