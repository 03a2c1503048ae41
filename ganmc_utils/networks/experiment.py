"""Who is trained in Sec. 3, and the rows of the record that come of it.

A chapter's `plan` cell lists its students with the functions at the top; the chapter then trains
them (networks.trained) and turns their histories into rows with the functions at the bottom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ganmc_utils.core.records import Row

if TYPE_CHECKING:
    from ganmc_utils.core.parameters import ImageData, Network, NetworkChapter, Pair

IMAGE_BASELINES = ("flips", "jitter", "mixup", "fresh")  # every image labelled by the teacher
TEACHER_PARTS = ("train", "validation", "test")
STUDENT_PARTS = ("validation", "test")


@dataclass(frozen=True)
class Student:
    """One student: who teaches it, what it minimizes and which images it sees.

    Attributes:
        teacher: the network that labels its images; without a say where objective is "supervised".
        network: the student's own network and how it is trained.
        source: where the images come from that are not training images (an id of records).
        p_fake: share of images that are not training images, in [0, 1]; None in a plan: the share
            that validation chooses.
        objective: "l2" (Eq. 1), "kd" (distillation) or "supervised" (the labels, no teacher).
        T: temperature of the distillation.
        alpha: the teacher's weight in the distillation.
        gan_epoch: the generator as it was after this epoch; None: the epoch that validation chose.
        jitter_scale: of the source jitter, in standard deviations of a pixel.
        epochs: of its training; None: those of its network.
    """

    teacher: Network
    network: Network
    source: str
    p_fake: float | None = 1.0
    objective: str = "l2"
    T: float | None = None
    alpha: float | None = None
    gan_epoch: int | None = None
    jitter_scale: float | None = None
    epochs: int | None = None

    @property
    def asks_teacher(self) -> bool:
        """Whether it learns the teacher's predictions."""
        return self.objective != "supervised"

    @property
    def sees_gan(self) -> bool:
        """Whether generated images are among those it sees."""
        return self.source in ("gan", "train+gan")

    @property
    def source_id(self) -> str:
        """The source as records call it: training images with labels are no compression."""
        return "student_only" if not self.asks_teacher and self.p_fake == 0 else self.source

    @property
    def setting(self) -> dict:
        """What distinguishes its rows in a record."""
        setting = {
            "objective": self.objective,
            "p_fake": self.p_fake,
            "gan_epoch": self.gan_epoch,
            "flips": int(self.network.augment != "none"),
            "T": self.T,
            "alpha": self.alpha,
            "jitter_scale": self.jitter_scale,
        }
        return {name: value for name, value in setting.items() if value is not None}


# The lists of a plan


def labels_only(teacher: Network, network: Network) -> Student:
    """The student that learns the labels of the training images: no compression."""
    return mixture(0.0, teacher, network, objective="supervised")


def mixture(p_fake: float | None, teacher: Network, network: Network, **settings) -> Student:
    """A student of training images (p_fake 0), of generated ones (1), or of both."""
    source = {0.0: "train", 1.0: "gan"}.get(p_fake, "train+gan")
    return Student(teacher, network, source, p_fake, **settings)


def baselines(p: NetworkChapter, teacher: Network, network: Network) -> list[Student]:
    """Students of sources without a GAN; fresh images only where the data hold some back."""
    sources = [s for s in IMAGE_BASELINES if s != "fresh" or p.data.n_fresh]
    scale = {"jitter": p.jitter_scale}
    return [Student(teacher, network, s, jitter_scale=scale.get(s)) for s in sources]


def short_students(p: NetworkChapter) -> list[Student]:
    """The students of generated images alone by which validation chooses the GAN's epoch."""
    epochs = p.gan.choice_epochs
    return [mixture(1.0, p.teacher, p.student, gan_epoch=e, epochs=epochs) for e in p.gan.snapshots]


def distillation(pair: Pair) -> dict:
    """The settings that the students of a pair of Table 1 share."""
    return {
        "teacher": pair.teacher,
        "network": pair.student,
        "objective": "kd",
        "T": pair.T,
        "alpha": pair.alpha,
    }


def with_flips(network: Network, flips: bool) -> Network:
    """The network trained with left-right flips, or without."""
    return network.model_copy(update={"augment": "flips" if flips else "none"})


def with_chosen_share(student: Student, chosen: Student) -> Student:
    """A planned student with the share that validation has chosen for another one."""
    if student.p_fake is not None:
        return student
    return replace(student, p_fake=chosen.p_fake, source=chosen.source)


def best_on_validation(histories: dict) -> Student:
    """The student with the best mean accuracy on validation at the end of its training.

    histories: by (student, seed), as TrainedModels.students gives them.
    """
    accuracies: dict[Student, list[float]] = {}
    for (student, _), history in histories.items():
        accuracies.setdefault(student, []).append(history[-1]["validation"])
    return max(accuracies, key=lambda student: np.mean(accuracies[student]))


# Rows of a record


def network_name(network: Network) -> str:
    """How records call a network: by its augmentation too, where it has one."""
    augmentation = "" if network.augment == "none" else f"+{network.augment}"
    return network.network + augmentation


class RowMaker:
    """Makes the rows of a chapter of Sec. 3.

    Args:
        data: the chapter's images, which name the dataset and the length of an epoch.
        teacher: the teacher of rows that name no other.
    """

    def __init__(self, data: ImageData, teacher: Network):
        self.data, self.main_teacher = data, teacher

    def row(self, experiment: str, split: str, value: float, **about) -> Row:
        """One row; about: any other field of records.Row."""
        fields = {
            "dataset": self.data.name,
            "teacher": network_name(self.main_teacher),
            "student": "none",
            "source": "none",
            "setting": {},
            "seed": None,
            "metric": "accuracy",
        }
        return Row(experiment=experiment, split=split, value=float(value), **(fields | about))

    def teacher(self, network: Network, history: list, experiment: str = "teacher") -> list[Row]:
        """A teacher's accuracies at the end of its training."""
        name = network_name(network)
        return [
            self.row(experiment, part, history[-1][part], teacher=name) for part in TEACHER_PARTS
        ]

    def teacher_curve(self, network: Network, history: list) -> list[Row]:
        """A teacher's accuracies along its training."""
        return [
            self.row(
                "teacher_curve", part, point[part], setting={"epoch": self.epoch(network, point)}
            )
            for point in history
            for part in TEACHER_PARTS
        ]

    def seconds(self, experiment: str, seconds: float) -> Row:
        """How long a training took."""
        return self.row(experiment, "none", seconds, metric="seconds")

    def size(self, network: str, parameters: int, **setting) -> Row:
        """How many parameters a network has."""
        about = {"student": network, "setting": setting, "metric": "parameters"}
        return self.row("parameters", "none", parameters, **about)

    def gan_spread(self, epoch: int, spread: float) -> Row:
        """The spread of the images of a class after an epoch of the GAN."""
        about = {"source": "gan", "setting": {"gan_epoch": epoch}, "metric": "spread"}
        return self.row("gan_spread", "none", spread, **about)

    def gan_choice(self, epoch: int, accuracy: float, student: Network) -> Row:
        """The validation accuracy of a short student, by which the GAN's epoch is chosen."""
        about = {"source": "gan", "setting": {"gan_epoch": epoch}, "student": network_name(student)}
        return self.row("gan_choice", "validation", accuracy, **about)

    def choice(self, histories: dict) -> list[Row]:
        """The validation accuracies by which one of several students is chosen."""
        if len({student for student, _ in histories}) == 1:
            return []  # nothing to choose
        return [
            self.row("choice", "validation", history[-1]["validation"], **who(student, seed))
            for (student, seed), history in histories.items()
        ]

    def students(self, experiment: str, histories: dict, curves: bool = False) -> list[Row]:
        """Accuracies and losses of trained students.

        Args:
            experiment: its id in the record.
            histories: by (student, seed), as TrainedModels.students gives them.
            curves: also along the training, not only at its end.
        """
        rows = []
        for (student, seed), history in histories.items():
            for point in history if curves else history[-1:]:
                rows += self.student_rows(experiment, student, seed, point, point is history[-1])
        return rows

    def student_rows(
        self, experiment: str, student: Student, seed: int, point: dict, is_last: bool
    ) -> list[Row]:
        """The rows of one evaluation of a student."""
        about = who(student, seed)
        about["setting"] |= {"epoch": self.epoch(student.network, point), "last": int(is_last)}
        rows = [self.row(experiment, part, point[part], **about) for part in STUDENT_PARTS]
        rows.append(self.row(experiment, "train", point["loss"], metric="loss", **about))
        return rows

    def epoch(self, network: Network, point: dict) -> float:
        """Passes over as many images as the training part has."""
        return round(point["step"] / (self.data.n_train // network.batch), 2)


def who(student: Student, seed: int) -> dict:
    """The fields of a row that say whose it is."""
    return {
        "source": student.source_id,
        "setting": student.setting,
        "seed": seed,
        "teacher": network_name(student.teacher),
        "student": network_name(student.network),
    }


def merged(histories: Iterable[dict]) -> dict:
    """Histories of several calls in one dict."""
    return {key: history for part in histories for key, history in part.items()}
