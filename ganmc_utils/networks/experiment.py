"""Who is trained in Sec. 3, and the rows of the record that come of it.

A chapter's `plan` cell lists its students with the functions at the top; the chapter then trains
them (networks.trained) and turns their histories into rows with the functions at the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ganmc_utils.core.records import Row

if TYPE_CHECKING:
    from ganmc_utils.core.parameters import (
        DnnCompression,
        ImageData,
        Network,
        NetworkModels,
        Pair,
        PFakeSweep,
    )

# Every image is labelled by the teacher; the last two are controls: images of no use but for that.
IMAGE_BASELINES = ("flips", "jitter", "mixup", "noise", "shuffled")
LATER_EVALUATIONS = 10  # of a student, log-spaced after its first epochs
FIRST_EPOCHS = 20  # after each of which a student is evaluated
TEACHER_PARTS = ("train", "validation", "test")
STUDENT_PARTS = ("validation", "test")


@dataclass(frozen=True)
class Student:
    """One student: who teaches it, what it minimizes and which images it sees.

    Attributes:
        teacher: the network that labels its images; without a say where objective is "supervised".
        network: the student's own network and how it is trained.
        source: where the images come from that are not training images (an id of records);
            "train_oob": training images, labelled by teachers that have not seen them.
        p_fake: share of images that are not training images, in [0, 1]; None in a plan: the share
            that validation chooses.
        objective: "l2" (Eq. 1), "kd" (distillation) or "supervised" (the labels, no teacher).
        T: temperature of the distillation.
        alpha: the teacher's weight in the distillation.
        gan_epoch: the generator as it was after this epoch; None: the epoch that validation chose.
        jitter_scale: of the source jitter, in standard deviations of a pixel.
        variant: of the distillation: "text", "hinton" or "li".
        teacher_dropout: the teacher labels with its dropout on, as in the authors' script.
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
    variant: str | None = None
    teacher_dropout: bool | None = None
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
            "variant": self.variant,
        }
        if self.teacher_dropout is not None:
            setting["teacher_dropout"] = int(self.teacher_dropout)
        return {name: value for name, value in setting.items() if value is not None}


# The lists of a plan


def labels_only(teacher: Network, network: Network) -> Student:
    """The student that learns the labels of the training images: no compression."""
    return mixture(0.0, teacher, network, objective="supervised")


def mixture(p_fake: float | None, teacher: Network, network: Network, **settings) -> Student:
    """A student of training images (p_fake 0), of generated ones (1), or of both."""
    source = {0.0: "train", 1.0: "gan"}.get(p_fake, "train+gan")
    return Student(teacher, network, source, p_fake, **settings)


def baselines(p: DnnCompression | PFakeSweep) -> dict[str, list[Student]]:
    """Students of sources without a GAN, by source: one for each share that p lists."""
    return {source: baseline(p, source) for source in IMAGE_BASELINES}


def baseline(p: DnnCompression | PFakeSweep, source: str) -> list[Student]:
    """Students of a source without a GAN: one for each share that p lists."""
    scale = p.jitter_scale if source == "jitter" else None
    return [
        Student(p.teacher, p.student, source, share, jitter_scale=scale)
        for share in p.baseline_p_fakes
    ]


def fresh_images(data: ImageData, teacher: Network, network: Network, **settings) -> list[Student]:
    """The student of real images that nobody trained on, if the data hold some back."""
    return [Student(teacher, network, "fresh", **settings)] if data.n_fresh else []


def out_of_fold(p: DnnCompression) -> list[Student]:
    """The student of training images that are labelled by teachers that have not seen them."""
    return [Student(p.teacher, p.student, "train_oob", 0.0)] if p.folds else []


def with_and_without_dropout(p: DnnCompression) -> list[Student]:
    """Students of a teacher whose dropout is off and on as it labels."""
    if p.dropout_teacher is None:
        return []
    pair = (p.dropout_teacher, p.student)
    return [
        mixture(share, *pair, teacher_dropout=dropout)
        for dropout in (False, True)
        for share in (0.0, None)
    ]


def short_students(p: NetworkModels) -> list[Student]:
    """The students of generated images alone by which validation chooses the GAN's epoch."""
    epochs = p.gan.choice_epochs
    return [mixture(1.0, p.teacher, p.student, gan_epoch=e, epochs=epochs) for e in p.gan.snapshots]


def distillation(pair: Pair, variant: str) -> dict:
    """The settings that the students of a pair of Table 1 share."""
    return {
        "teacher": pair.teacher,
        "network": pair.student,
        "objective": "kd",
        "T": pair.T,
        "alpha": pair.alpha,
        "variant": variant,
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


def evaluation_epochs(epochs: int) -> list[int]:
    """The epochs after which a student is evaluated.

    Each of the first ones, where the curves of Fig. 1 may cross; then a log-spaced grid; and every
    tenth of the training, where a student of training images has made as many passes over them as
    a mixture makes in all.
    """
    first = range(1, min(FIRST_EPOCHS, epochs) + 1)
    ratio = (epochs / FIRST_EPOCHS) ** (1 / LATER_EVALUATIONS)
    later = [round(FIRST_EPOCHS * ratio**k) for k in range(1, LATER_EVALUATIONS + 1)]
    tenths = [round(epochs * k / 10) for k in range(1, 11)]
    return sorted({epoch for epoch in [*first, *later, *tenths] if 1 <= epoch <= epochs})


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

    def teacher(
        self,
        network: Network,
        history: list,
        experiment: str = "teacher",
        seed: int | None = None,
    ) -> list[Row]:
        """A teacher's accuracies at the end of its training; seed: its trained set."""
        about = {"teacher": network_name(network), "seed": seed}
        return [self.row(experiment, part, history[-1][part], **about) for part in TEACHER_PARTS]

    def teacher_curve(self, network: Network, history: list, seed: int | None = None) -> list[Row]:
        """A teacher's accuracies along its training."""
        rows = []
        for point in history:
            about = {"setting": {"epoch": self.epoch(network, point)}, "seed": seed}
            rows += [
                self.row("teacher_curve", part, point[part], **about) for part in TEACHER_PARTS
            ]
        return rows

    def seconds(self, experiment: str, seconds: float, seed: int | None = None) -> Row:
        """How long a training took."""
        return self.row(experiment, "none", seconds, metric="seconds", seed=seed)

    def size(self, network: str, parameters: int, **setting) -> Row:
        """How many parameters a network has."""
        about = {"student": network, "setting": setting, "metric": "parameters"}
        return self.row("parameters", "none", parameters, **about)

    def gan_spread(self, epoch: int, spread: float, seed: int | None = None) -> Row:
        """The spread of the images of a class after an epoch of the GAN."""
        about = {"source": "gan", "setting": {"gan_epoch": epoch}, "metric": "spread"}
        return self.row("gan_spread", "none", spread, seed=seed, **about)

    def gan_choice(
        self, epoch: int, accuracy: float, student: Network, seed: int | None = None
    ) -> Row:
        """The validation accuracy of a short student, by which the GAN's epoch is chosen."""
        about = {"source": "gan", "setting": {"gan_epoch": epoch}, "student": network_name(student)}
        return self.row("gan_choice", "validation", accuracy, seed=seed, **about)

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

    def controls(self, histories: dict, p_fake: float) -> list[Row]:
        """What a student of training images alone has at two other ends of its training.

        "early_stopped": where its validation accuracy is best. "same_passes": after as many passes
        over the training images as a mixture with p_fake makes in all its epochs.

        Args:
            histories: of the student of training images, by (student, seed).
            p_fake: the mixture's share of generated images.
        """
        rows = []
        for (student, seed), history in histories.items():
            steps = history[-1]["step"] * (1 - p_fake)
            points = {
                "early_stopped": max(history, key=lambda point: point["validation"]),
                "same_passes": min(history, key=lambda point: abs(point["step"] - steps)),
            }
            for control, point in points.items():
                about = who(student, seed)
                about["setting"] |= {
                    "control": control,
                    "epoch": self.epoch(student.network, point),
                }
                rows += [self.row("controls", part, point[part], **about) for part in STUDENT_PARTS]
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
