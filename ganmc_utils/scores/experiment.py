"""What is scored in Sec. 5 (chapter 07), and the rows of the record that come of it.

The chapter's `plan` cell lists sets of samples; its loop draws each of them (scores.images), lets
every score judge it, and turns the values into rows with the functions at the bottom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganmc_utils.core.meaning import result_key
from ganmc_utils.core.records import Row
from ganmc_utils.forests.experiment import Unit, deciders, unit_settings

if TYPE_CHECKING:
    from ganmc_utils.core.parameters import CompressionScores, ImageData

REAL_SETS = ("train", "fresh")


@dataclass(frozen=True)
class SampleSet:
    """A set of images to score, as many as there are training images.

    Attributes:
        name: where they come from: "train" (the training images), "fresh" (real images that were
            held back), "gan" (the GAN at the end of its training), the epoch of one of its
            snapshots, or a name of class_only.set_names (on the way to the inferior GAN).
        series: a way in which they are degraded step by step (degraded.SERIES); None: they are not.
        level: how far, in the unit of the series.
    """

    name: str
    series: str | None = None
    level: float | None = None

    @property
    def experiment(self) -> str:
        """Its id in records: "generators" is Table 4, "series" has samples of a known order."""
        return "generators" if self.series is None else "series"

    @property
    def source(self) -> str:
        """The source as records call it."""
        return self.name if self.name in REAL_SETS else "gan"

    @property
    def setting(self) -> dict:
        """What distinguishes its rows in a record."""
        if self.series is None:
            return {"samples": self.name}
        return {"series": self.series, "level": self.level}

    @property
    def sees_gan(self) -> bool:
        """Whether generated images are in it."""
        return self.source == "gan" or self.series == "real_share"

    @property
    def words(self) -> str:
        """What the store calls it."""
        of_series = "" if self.series is None else f"-{self.series}-{self.level:g}"
        return self.name.replace(" ", "-") + of_series


@dataclass(frozen=True)
class OwnSet(SampleSet):
    """The samples of a source of the user's own file; name: "my.py:Generator"."""

    @property
    def source(self) -> str:
        """The source as records call it."""
        return self.name

    @property
    def setting(self) -> dict:
        """What distinguishes its rows in a record."""
        return {"samples": "own"}

    @property
    def sees_gan(self) -> bool:
        """Whether generated images of the GAN are in it."""
        return False

    @property
    def words(self) -> str:
        """What the store calls it."""
        return "own"


def real_source(data: ImageData) -> str:
    """Where real samples come from: "fresh" images that were held back, or the "train" part.

    One half of the fresh images are samples, the classifier behind Inception Score, FID and KID
    learns from the other. Where a half is smaller than the training part, both use that part.
    """
    return "fresh" if data.n_fresh // 2 >= data.n_train else "train"


# Rows of the record


def image_row(p: CompressionScores, experiment: str, split: str, value: float, **about) -> Row:
    """One row on images; about: any other field of records.Row."""
    fields = {
        "dataset": p.data.name,
        "teacher": p.teacher.network,
        "student": p.student.network,
        "source": "none",
        "setting": {},
        "seed": None,
    }
    return Row(experiment=experiment, split=split, value=float(value), **(fields | about))


def score_rows(
    p: CompressionScores, sample_set: SampleSet, seed: int, scores: dict[str, float]
) -> list[Row]:
    """The scores of one draw of a set of samples, by metric."""
    about = {"source": sample_set.source, "setting": sample_set.setting, "seed": seed}
    experiment = sample_set.experiment
    return [
        image_row(p, experiment, "test", value, metric=metric, **about)
        for metric, value in scores.items()
    ]


def table_rows(unit: Unit, source: str, scores: dict[str, float]) -> list[Row]:
    """The scores of a source of a table, by metric."""
    about = {
        "experiment": "tabular",
        "dataset": unit.task.name,
        "teacher": unit.teacher_name,
        "student": "forest",
        "source": source,
        "setting": {},
        "seed": unit.seed,
        "split": "test",
    }
    return [Row(metric=metric, value=value, **about) for metric, value in scores.items()]


# Names in the store


def table_name(unit: Unit, p: CompressionScores, checksum: str, score_table: Callable) -> str:
    """The name of one seed of the table in the store: by all that its scores depend on.

    Args:
        unit: the table and the seed.
        p: the chapter's parameters.
        checksum: of the table.
        score_table: the notebook's function, which does the work.
    """
    about = unit_settings(unit, p, checksum) | {"students": p.score.students}
    key = result_key(about, score_table, *deciders(unit.task))
    return f"scores-{unit.task.table}-{unit.seed}-{key}"
