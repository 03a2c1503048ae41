"""What chapter 06 (Sec. 4) needs beside the loop that stands in its notebook.

A unit of work is one table, one seed (its random split) and one teacher. The notebook says what is
done with it: teacher, source, label, student, score. Here are the parts that it names: splits and
GANs that are made when they are first asked for, the candidates of each source and the choice
among them on validation, and the record's rows. forests/small_students.py asks how small a student
may be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ganmc_utils.core.errors import user_error
from ganmc_utils.core.meaning import result_key
from ganmc_utils.core.own_source import OwnRows
from ganmc_utils.core.parameters import CompressionScores, ForestTask, RandomForests
from ganmc_utils.core.progress import tqdm
from ganmc_utils.core.records import Row
from ganmc_utils.core.registry import Registry, is_own, own_entry
from ganmc_utils.core.source import Source
from ganmc_utils.core.store import Store
from ganmc_utils.forests import models
from ganmc_utils.forests.data import READERS, Dataset, read_table, split_table, table_checksum
from ganmc_utils.forests.sources import (
    TABLE_SOURCES,
    PooledGan,
    RealRows,
    RowJitter,
    Smote,
    too_few_rows,
)
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.report.statistics import prediction_score

Rows = tuple[np.ndarray, np.ndarray | None]  # x (n, d) and the classes meant (n,), or None
ForestParameters = RandomForests | CompressionScores  # of the notebooks that compress forests

# What ranks the candidates of a source; the compression set is drawn anew.
RANKING_ROWS = 10_000
RANKING_TREES = 3

SNAPSHOTS = 12  # of a GAN's generators
GAN_BATCH = 100  # the Keras script that the authors built on


@dataclass(frozen=True)
class Unit:
    """One unit of work: what is stored, and resumed, as a whole.

    Args:
        task: what is done with the table.
        seed: of the random split, the teacher and all that follows.
        max_features: features that the teacher considers at a split, "sqrt" or "none" (all).
    """

    task: ForestTask
    seed: int
    max_features: str

    def __str__(self) -> str:
        return f"{self.task.name}, seed {self.seed}, {self.teacher_name}"

    @property
    def teacher_name(self) -> str:
        """What records call the teacher."""
        return f"forest_{self.max_features}"

    @property
    def features_per_split(self) -> str | None:
        """`max_features` as scikit-learn spells it."""
        return None if self.max_features == "none" else self.max_features

    @property
    def is_main(self) -> bool:
        """Whether this is the task's main teacher; the others have students of one tree only."""
        return self.max_features == self.task.max_features[0]

    @property
    def trees(self) -> int:
        """Trees of the largest student."""
        return self.task.max_trees if self.is_main else 1

    @property
    def seed_index(self) -> int:
        """Which of the task's seeds this is: the GANs of all seeds train side by side."""
        return self.task.seeds.index(self.seed)


# data and GANs


def task_splits(task: ForestTask, data_dir: str) -> list[Dataset]:
    """One random split of the task's table for each of its seeds."""
    table = read_table(task.table, data_dir, task.path, task.target)
    return [
        split_table(
            table,
            task.n_train,
            task.n_validation,
            task.n_test,
            task.n_fresh,
            seed,
            task.preparation,
        )
        for seed in task.seeds
    ]


def snapshot_epochs(epochs: int, n: int = SNAPSHOTS) -> tuple[int, ...]:
    """Epochs whose generators are kept: n, evenly over the last three quarters of the training."""
    evenly = np.linspace(epochs / 4, epochs, n).round()
    return tuple(sorted({int(epoch) for epoch in evenly if epoch >= 1}))


def trained_gans(task: ForestTask, splits: list[Dataset], store: Store) -> list[AcGan]:
    """The AC-GANs of a task, one AcGan (of all seeds and members) for each entry of task.gans.

    Training resumes from the checkpoint in the run's store, where the trained GANs stay: two
    chapters that train the same GANs on the same rows share them.
    """
    gans = untrained_gans(task, splits)
    return [gan.train(store.own / f"{gan_name(gan)}.safetensors") for gan in gans]


def untrained_gans(task: ForestTask, splits: list[Dataset]) -> list[AcGan]:
    """The AC-GANs of a task as they are before their first epoch."""
    x = np.stack([split.x_train for split in splits])
    y = np.stack([split.y_train for split in splits])
    gans = []
    for choice in task.gans:
        settings = GanSettings(
            epochs=task.gan_epochs,
            snapshots=snapshot_epochs(task.gan_epochs),
            members=choice.members,
            class_weight=choice.class_weight,
            keras=tuple(choice.keras),
            batch=min(GAN_BATCH, task.n_train),
        )
        gans.append(AcGan(x, y, settings, task.seeds))
    return gans


def gan_name(gan: AcGan) -> str:
    """The name of an AcGan in the store: all its settings, its training rows and its code."""
    return f"acgan-{result_key({'gan': gan.fingerprint}, AcGan)}"


class TaskData:
    """Splits and GANs of a task, read and trained when they are first asked for.

    A unit that is stored asks for neither.
    """

    def __init__(self, task: ForestTask, data_dir: str, store: Store):
        self.task, self.data_dir, self.store = task, data_dir, store

    @cached_property
    def checksum(self) -> str:
        """Sha256 of the table, known without reading it where the project knows the file."""
        return table_checksum(self.task.table, self.data_dir, self.task.path)

    @cached_property
    def splits(self) -> list[Dataset]:
        """One random split a seed.

        Raises:
            GanmcError: the rows are not those that the checksum speaks of, or too few for SMOTE.
        """
        splits = task_splits(self.task, self.data_dir)
        if splits[0].checksum != self.checksum:  # a download brought a larger file
            raise user_error(
                self.task.table, "its file is another than at the start", "run this chapter again"
            )
        if "smote" in self.task.sources:  # told before any work is done for the first seed
            n_smallest = min(np.bincount(split.y_train).min() for split in splits)
            if n_smallest <= Smote.neighbours:
                raise too_few_rows(n_smallest, Smote.neighbours)
        if self.task.table == "csv":
            self.tell_unused_rows()
        return splits

    def tell_unused_rows(self) -> None:
        """Say how many rows of the user's own file are in no part of a split."""
        task = self.task
        table = read_table(task.table, self.data_dir, task.path, task.target)
        n_unused = len(table.x) - task.n_train - task.n_validation - task.n_test - task.n_fresh
        if n_unused > 0:
            tqdm.write(
                f"{task.name}: {n_unused:,} of {len(table.x):,} rows are in no part of a split; "
                "raise n_train, n_validation or n_test to use them"
            )

    def split(self, unit: Unit) -> Dataset:
        """The random split of a unit's seed."""
        return self.splits[unit.seed_index]

    @cached_property
    def gans(self) -> list[AcGan]:
        """The trained AC-GANs; none where `gan` is not among the sources."""
        if "gan" not in self.task.sources:
            return []
        return trained_gans(self.task, self.splits, self.store)


def unit_name(unit: Unit, p: ForestParameters, checksum: str, compress: Callable) -> str:
    """The name of a unit in the store: all its settings, its rows and the code that decides.

    Args:
        unit: the unit.
        p: the notebook's parameters.
        checksum: of the table.
        compress: the notebook's function, which does the work.
    """
    about = unit_settings(unit, p, checksum)
    about |= {"is_main": unit.is_main, "throughput_rows": p.throughput_rows}
    key = result_key(about, compress, *deciders(unit.task))
    return f"forest-{unit.task.table}-{unit.seed}-{unit.max_features}-{key}"


def unit_settings(unit: Unit, p: ForestParameters, checksum: str) -> dict:
    """The settings that whatever is done with a unit depends on; checksum: of the table."""
    return {
        "task": unit.task.model_dump(exclude={"seeds", "max_features", "path"}),
        "seed": unit.seed,
        "max_features": unit.max_features,
        "data": checksum,
        "teacher_trees": p.teacher_trees,
        "fake_per_real": p.fake_per_real,
        "jitter_scales": p.jitter_scales,
    }


def deciders(task: ForestTask) -> list[Callable]:
    """The code that decides a task's results and that no name in the notebook's loop leads to."""
    own = [source for source in task.sources if is_own(source)]
    named = [source for source in task.sources if source not in own]
    chosen = [CANDIDATES[source] for source in named if source in CANDIDATES]
    chosen += [TABLE_SOURCES[source] for source in named if source in TABLE_SOURCES]
    for source in own:
        chosen += [own_candidates, own_entry(source)]
    if "gan" in task.sources:
        chosen.append(trained_gans)
    return [Unit, task_splits, READERS.entry(task.table, "dataset"), *chosen]


# rows


class UnitRecord:
    """The rows that a unit adds to the chapter's record."""

    def __init__(self, unit: Unit, data: Dataset):
        self.unit, self.data = unit, data
        self.rows: list[Row] = []
        # Of the teacher, by part:
        self.teacher_score: dict[str, float] = {}
        self.teacher_probability: dict[str, np.ndarray] = {}
        # Of the main teacher, by metric:
        self.teacher_cost: dict[str, float] = {}

    def add(
        self,
        experiment: str,
        part: str,
        value: float,
        source: str = "none",
        setting: dict | None = None,
        metric: str | None = None,
        teacher: str | None = None,
        student: str = "forest",
    ) -> None:
        """Add one row, by default in the table's metric and of the unit's teacher."""
        row = Row(
            experiment=experiment,
            dataset=self.unit.task.name,
            teacher=teacher or self.unit.teacher_name,
            student=student,
            source=source,
            setting=setting or {},
            seed=self.unit.seed,
            split=part,
            metric=metric or self.data.metric,
            value=float(value),
        )
        self.rows.append(row)

    def score(self, part: str, prediction: np.ndarray) -> float:
        """Score of predictions (n,) for the rows of a part: "train", "validation" or "test"."""
        return prediction_score(self.data.metric, getattr(self.data, f"y_{part}"), prediction)

    def add_teacher(self, teacher: RandomForestClassifier, batch: int) -> None:
        """Score the teacher on validation and test; of the main teacher, measure the cost.

        Args:
            teacher: the teacher.
            batch: rows that are predicted in one call where throughput is measured.
        """
        for part in ("validation", "test"):
            probability = models.probability_of_class_1(teacher, getattr(self.data, f"x_{part}"))
            self.teacher_probability[part] = probability
            self.teacher_score[part] = self.score(part, probability)
            self.add("teacher", part, self.teacher_score[part], student="none")
        if self.unit.is_main:
            self.add_data()
            self.add_cost(teacher, batch)

    def add_data(self) -> None:
        """Table 2: rows that the split uses, features, and the share of class 1."""
        data = self.data
        y = np.concatenate([data.y_train, data.y_validation, data.y_test])
        self.add("data", "none", len(y) + len(data.x_fresh), metric="rows", student="none")
        self.add("data", "none", data.x_train.shape[1], metric="features", student="none")
        self.add("data", "none", y.mean(), metric="class_1", student="none")

    def add_student(self, source: str, student: RandomForestRegressor) -> None:
        """Score a student of the teacher at each size; of the main teacher's, count the nodes."""
        self.add_sizes("compression", source, student)
        if self.unit.is_main:
            nodes = models.count_nodes(models.first_trees(student, 1))
            self.add("cost", "none", nodes, source, {"trees": 1}, "nodes")

    def add_sizes(
        self,
        experiment: str,
        source: str,
        student: RandomForestRegressor,
        setting: dict | None = None,
        teacher: str | None = None,
    ) -> None:
        """Score the forests of a student's first 1, 2, ..., k trees on validation and test."""
        setting = setting or {}
        for part in ("validation", "test"):
            by_size = models.predictions_by_size(student, getattr(self.data, f"x_{part}"))
            for trees, prediction in enumerate(by_size, 1):
                value = self.score(part, prediction)
                size = setting | {"trees": trees}
                self.add(experiment, part, value, source, size, teacher=teacher)

    def add_cost(self, teacher: RandomForestClassifier, batch: int) -> None:
        """What the teacher costs (the nodes of single trees are counted with their scores)."""
        self.teacher_cost = models.cost(teacher, self.data.x_test, batch)
        for metric, value in self.teacher_cost.items():
            self.add("cost", "none", value, metric=metric, student="none")


# sources, and the choice between their settings


@dataclass(frozen=True)
class Candidate:
    """A source with settings that validation decides on."""

    setting: dict
    source: Source


def gan_candidates(
    unit: Unit, data: Dataset, gans: list[AcGan], p: ForestParameters
) -> list[Candidate]:
    """Every generator by itself where it is the paper's, then pools of them."""
    pools = [pool for gan in gans for pool in pooled_gans(unit, gan)]
    return single_gans(unit, gans) + pools


def single_gans(unit: Unit, gans: list[AcGan]) -> list[Candidate]:
    """What the paper uses: one generator trained with Eq. 2a, a candidate for each snapshot."""
    return [
        pooled_gan(unit, gan, (epoch,), members=1)
        for gan in gans
        if gan.settings.class_weight == 1.0
        for epoch in gan.settings.snapshots
    ]


def pooled_gans(unit: Unit, gan: AcGan) -> list[Candidate]:
    """All members of a seed, over all snapshots, their first half and their second."""
    snapshots = gan.settings.snapshots
    half = len(snapshots) // 2
    ranges = [snapshots, snapshots[:half], snapshots[half:]]
    return [pooled_gan(unit, gan, epochs, gan.settings.members) for epochs in ranges if epochs]


def pooled_gan(unit: Unit, gan: AcGan, epochs: tuple[int, ...], members: int) -> Candidate:
    """The generators of the unit's seed at some epochs, of the first so many members."""
    setting = {
        "class_weight": gan.settings.class_weight,
        "members": members,
        "first_epoch": epochs[0],
        "last_epoch": epochs[-1],
    }
    if gan.settings.keras:
        setting["keras"] = ", ".join(gan.settings.keras)
    return Candidate(setting, PooledGan(gan, unit.seed_index, epochs, tuple(range(members))))


def jitter_candidates(
    unit: Unit, data: Dataset, gans: list[AcGan], p: ForestParameters
) -> list[Candidate]:
    """Jittered training rows, a candidate for each scale."""
    return [
        Candidate({"scale": scale}, RowJitter(data.x_train, data.y_train, scale))
        for scale in p.jitter_scales
    ]


def fresh_candidates(
    unit: Unit, data: Dataset, gans: list[AcGan], p: ForestParameters
) -> list[Candidate]:
    """Real rows that were held back: what a perfect generator would draw."""
    return [Candidate({}, RealRows(data.x_fresh))]


def own_candidates(
    source: str, unit: Unit, data: Dataset, gans: list[AcGan], p: ForestParameters
) -> list[Candidate]:
    """The source of the user's own file; there is nothing to choose."""
    return [Candidate({}, OwnRows(source, data.x_train, data.y_train))]


class CandidateRegistry(Registry):
    """Functions that give the candidates of a source; "my.py:Generator" has one of its own."""

    def __missing__(self, name: str) -> Callable[..., list[Candidate]]:
        return partial(own_candidates, name)


# Sources that have something to choose or need more than the training rows; see also TABLE_SOURCES.
CANDIDATES = CandidateRegistry(gan=gan_candidates, jitter=jitter_candidates, fresh=fresh_candidates)


class SourceChoice:
    """Compression data of a unit: each source with the settings that do best on validation.

    Args:
        unit: the unit.
        data: its split.
        teacher: its teacher.
        gans: the trained GANs of its task, none where `gan` is not among the sources.
        p: the notebook's parameters.
        record: takes the rows that tell of the choice.
    """

    def __init__(
        self,
        unit: Unit,
        data: Dataset,
        teacher: RandomForestClassifier,
        gans: list[AcGan],
        p: ForestParameters,
        record: UnitRecord,
    ):
        self.unit, self.data, self.teacher = unit, data, teacher
        self.gans, self.p, self.record = gans, p, record
        self.chosen: dict[str, Candidate] = {}  # by source
        self.drawn: dict[str, Rows] = {}  # by source
        self.validation_scores: dict[tuple, float] = {}  # by source and setting

    def samples(self, source: str) -> Rows:
        """The rows x (n, d) of a source that the teacher is to label, and the classes meant (n,).

        `train` and `train_oob` are the training rows. All other sources have fake_per_real rows
        for each of those; `fresh` has fewer where the held-back rows run out, `train+gan` has the
        training rows in addition.
        """
        if source in ("train", "train_oob"):
            return self.data.x_train, self.data.y_train
        if source == "train+gan":
            return self.after_training_rows(self.samples("gan"))
        if source not in self.drawn:
            self.drawn[source] = self.draw(source)
        return self.drawn[source]

    def after_training_rows(self, rows: Rows) -> Rows:
        """The training rows and then these."""
        x, intended = rows
        x = np.concatenate([self.data.x_train, x])
        return x, np.concatenate([self.data.y_train, intended])

    def labels(self, source: str, x: np.ndarray) -> np.ndarray:
        """The teacher's probability of class 1 for the rows of a source: x (n, d) -> (n,)."""
        if source == "train_oob":
            return self.out_of_bag
        return models.probability_of_class_1(self.teacher, x)

    @cached_property
    def out_of_bag(self) -> np.ndarray:
        """The teacher's out-of-bag probability of class 1 for each training row, (n,).

        How well they and the usual predictions tell the classes of the training rows is recorded,
        and how many rows have the usual prediction because every tree saw them.
        """
        x = self.data.x_train
        probability, n_seen_by_all = models.out_of_bag_probability(self.teacher, x)
        add = self.record.add
        add("out_of_bag", "none", n_seen_by_all, "train_oob", metric="rows_seen_by_all_trees")
        usual = models.probability_of_class_1(self.teacher, x)
        for source, p in (("train", usual), ("train_oob", probability)):
            add("out_of_bag", "train", self.record.score("train", p), source, student="none")
        return probability

    @cached_property
    def paper_gan(self) -> Candidate | None:
        """The paper's generator: one AC-GAN (Eq. 2a), its epoch chosen on validation.

        None where no GAN of the task has the class weight 1.
        """
        candidates = single_gans(self.unit, self.gans)
        return self.best("gan", candidates) if candidates else None

    def paper_samples(self, source: str) -> Rows:
        """Rows of the paper's generator, for `train+gan` after the training rows.

        They are as many as `samples` has of `gan`, and the same at each call.
        """
        n = self.p.fake_per_real * self.unit.task.n_train
        rows = self.paper_gan.source.sample(n, self.rng("gan/single"))
        return self.after_training_rows(rows) if source == "train+gan" else rows

    def draw(self, source: str) -> Rows:
        """Rows of the best candidate of a source, and the classes meant."""
        chosen = self.best_candidate(source)
        n = self.p.fake_per_real * self.unit.task.n_train
        if source == "fresh":
            n = min(n, len(self.data.x_fresh))
        x, intended = chosen.source.sample(n, self.rng(source))
        self.record.add("queries", "none", n, source, chosen.setting, "rows")
        return x, intended

    def rng(self, stream: str) -> np.random.Generator:
        """A stream of its own for each use, so that leaving one out changes no other."""
        return np.random.default_rng([self.unit.seed, *stream.encode()])

    def best_candidate(self, source: str) -> Candidate:
        """The candidate whose labelled rows train the best single tree, by validation score."""
        if source not in self.chosen:
            self.chosen[source] = self.best(source, self.candidates(source))
        return self.chosen[source]

    def candidates(self, source: str) -> list[Candidate]:
        """The settings of a source between which validation decides."""
        if source in CANDIDATES:
            return CANDIDATES[source](self.unit, self.data, self.gans, self.p)
        from_training_rows = TABLE_SOURCES.entry(source, "source")
        return [Candidate({}, from_training_rows(self.data.x_train, self.data.y_train))]

    def best(self, source: str, candidates: list[Candidate]) -> Candidate:
        """The best on validation, the first of equals; a single candidate needs no scores."""
        if len(candidates) == 1:
            return candidates[0]
        return max(candidates, key=lambda candidate: self.validation_score(source, candidate))

    def validation_score(self, source: str, candidate: Candidate) -> float:
        """Mean score of a few single trees from a candidate, computed and recorded once."""
        key = source, *candidate.setting.items()
        if key not in self.validation_scores:
            self.validation_scores[key] = self.score_of_single_trees(source, candidate)
            value = self.validation_scores[key]
            self.record.add("choice", "validation", value, source, candidate.setting)
        return self.validation_scores[key]

    def score_of_single_trees(self, source: str, candidate: Candidate) -> float:
        """Mean validation score of RANKING_TREES single trees, fitted to RANKING_ROWS rows."""
        n = min(self.p.fake_per_real * self.unit.task.n_train, RANKING_ROWS)
        x, _ = candidate.source.sample(n, self.rng(f"{source}/choice"))
        probability = models.probability_of_class_1(self.teacher, x)
        student = models.fit_student(x, probability, RANKING_TREES, seed=self.unit.seed)
        trees = student.estimators_
        x = self.data.x_validation
        return np.mean([self.record.score("validation", tree.predict(x)) for tree in trees])


def compression_sets(
    unit: Unit,
    data: Dataset,
    teacher: RandomForestClassifier,
    gans: list[AcGan],
    p: ForestParameters,
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """(x (n, d), teacher's probability of class 1 (n,), classes meant (n,) or None) by source."""
    choice = SourceChoice(unit, data, teacher, gans, p, UnitRecord(unit, data))
    sets = {}
    for source in unit.task.sources:
        x, intended = choice.samples(source)
        sets[source] = x, choice.labels(source, x), intended
    return sets
