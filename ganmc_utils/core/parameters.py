"""The parameters of each notebook, typed, bounded and explained.

papermill only warns about a name that a notebook does not know; `check` stops the run with one
line. The descriptions here also make book/parameters.md (see ganmc_utils.core.parameter_page).
"""

import ast
import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WrapValidator,
    field_validator,
    model_validator,
)

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.registry import is_own, own_entry

TableSourceId = Literal[
    "train",
    "train_oob",
    "gan",
    "train+gan",
    "jitter",
    "smote",
    "munge",
    "munge_authors",
    "independent",
    "fresh",
]


def checked_own_source(name: str) -> str:
    """A name such as "my.py:Generator", if what it stands for can be a source."""
    from ganmc_utils.core.own_source import problem_of_call  # imports torch, which takes seconds

    if not is_own(name):
        raise ValueError("a source of your own is named my.py:Generator")
    if problem := problem_of_call(name):
        raise ValueError(problem)
    return name


def or_own_source(given: object, known: Callable[[object], str]) -> str:
    """One of the known sources, or that of the user's own file."""
    return checked_own_source(given) if is_own(given) else known(given)


def at_most_one_own(sources: list[str]) -> list[str]:
    """The sources, one of which may be the user's own: tables and figures call it that."""
    own = [source for source in sources if is_own(source)]
    if len(own) > 1:
        raise ValueError(f"{' and '.join(own)} are both your own; compare them in two runs")
    return sources


TableSource = Annotated[TableSourceId, WrapValidator(or_own_source), PlainSerializer(str)]
OwnSources = Annotated[
    list[Annotated[str, AfterValidator(checked_own_source)]], AfterValidator(at_most_one_own)
]

# What the AC-GAN script of Keras, which the authors built on, does otherwise than Sec. 2.3 says.
KerasDetail = Literal[
    "glorot",  # initial weights by Glorot and Bengio (2010), biases 0; else those of torch
    "even_classes",  # classes to generate are drawn evenly; else as the data's are distributed
    "real_class_loss",  # D's class loss on real rows only, at twice the weight; else on all
    "separate_steps",  # D takes a step on real and one on generated rows; else one on both
    "leaky_relu",  # D's hidden layer leaks; else ReLU
    "smoothing",  # D's target for real rows is 0.95; else 1
    "dropout",  # of D's hidden units; else none
]

Series = Literal["real_share", "distinct", "within_class", "blur", "label_noise"]
Count = Annotated[int, Field(gt=0, le=10**9)]
# Far above any use, and below what fills a machine hours after the start.
Epochs = Annotated[int, Field(gt=0, le=100_000)]
Width = Annotated[int, Field(gt=0, le=4_096)]
Trees = Annotated[int, Field(gt=0, le=100_000)]
QueriesPerRow = Annotated[int, Field(gt=0, le=10_000)]
BatchToTime = Annotated[int, Field(gt=0, le=10**7)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareAbove0 = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]

# What the datasets hold, where that is known without reading them.
ROWS_OF_TABLE = {"breast_cancer": 569, "magic": 19_020}
IMAGES_OF_PARTS = {"digits": (1_097, 700), "cifar10": (50_000, 10_000)}  # training, test
SIZE_OF_IMAGES = {"digits": 8, "cifar10": 32}
CHANNELS_AND_CLASSES = {"digits": (1, 10), "cifar10": (3, 10)}


def without_repeats(values: list) -> list:
    """The values, none of which may be there twice: it would count twice in means and errors."""
    repeated = [value for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        raise ValueError(f"{repeated[0]!s:.40} is there twice; name it once")
    return values


Once = AfterValidator(without_repeats)
Seeds = Annotated[list[Seed], Field(min_length=1), Once]
Shares = Annotated[list[Share], Field(min_length=1), Once]
SharesAbove0 = Annotated[list[ShareAbove0], Field(min_length=1), Once]


class ParameterGroup(BaseModel):
    """Parameters that belong together: those of a notebook, or a dictionary among them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Parameters(ParameterGroup):
    """What every notebook takes."""

    profile: str = Field(
        pattern=r"^[a-z0-9_]+$",
        description="Name of the run. `quick` is the smoke test and not evidence.",
    )
    out_dir: str = Field(
        default="",
        description="Folder that the run reads from and writes to. "
        "Empty: `$GANMC_OUT`, else `results/<profile>`.",
    )


class TableGan(ParameterGroup):
    """AC-GANs for a table, all trained with one objective."""

    class_weight: Positive = Field(
        description="Weight of L_class in the generator's objective. The paper's is 1."
    )
    members: int = Field(
        gt=0,
        le=1_000,
        description="GANs trained for each seed, whose samples are pooled. The paper trains one.",
    )
    keras: Annotated[list[KerasDetail], Once] = Field(
        default=[],
        description="What is done as in the AC-GAN script of Keras, which the authors built on: "
        "`glorot` (initial weights), `even_classes` (generated rows have all classes equally "
        "often), `real_class_loss` (D learns classes from real rows only), `separate_steps` (D "
        "takes one step on real and one on generated rows), `leaky_relu`, `smoothing` (D's target "
        "for real rows is 0.95) and `dropout` (of D's hidden units). Empty: as the paper says.",
    )


def check_of_csv(given: BaseModel, needed: tuple[str, ...], others: dict[str, object]) -> None:
    """Check that a table `csv` has all that it needs, and a table of the book nothing of it.

    Args:
        given: parameters with a `table`.
        needed: names of those that a csv file needs, all of them texts.
        others: further ones that a table of the book would leave out, and what they are if not set.

    Raises:
        ValueError: a parameter lacks, or would be ignored.
    """
    if given.table == "csv":
        if missing := [name for name in needed if not getattr(given, name)]:
            raise ValueError(f"the table csv needs {' and '.join(missing)}")
        return
    unset = dict.fromkeys(needed, "") | others
    if ignored := [name for name, value in unset.items() if getattr(given, name) != value]:
        raise ValueError(
            f"{' and '.join(ignored)} would be ignored for the table {given.table}, which the book "
            "reads by itself; set table: csv for a file of your own"
        )


class ForestTask(ParameterGroup):
    """What is done with one table, in chapters 06 and 07."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",  # names of files begin with it
        description="What records, tables and figures call this task: letters, digits, `_`, `.` "
        "and `-`.",
    )
    table: str = Field(
        description="Where the rows come from: `breast_cancer`, `magic`, `higgs`, `evergreen`, "
        "or `csv` for a file of your own."
    )
    path: str = Field(default="", description="The csv file. Empty unless the table is `csv`.")
    target: str = Field(
        default="",
        description="The column of the csv file that holds the labels. "
        "Empty unless the table is `csv`.",
    )
    n_train: Count = Field(
        description="Training rows. The paper uses 10,000 of MAGIC, 1,000 to 100,000 of Higgs and "
        "5,000 of Evergreen."
    )
    n_validation: Count = Field(
        description="Validation rows, on which settings and GAN epochs are chosen."
    )
    n_test: Count = Field(description="Test rows, which are looked at once, for reporting.")
    n_fresh: int = Field(
        default=0,
        ge=0,
        le=10**9,
        description="Further real rows that the teacher never sees: what the source `fresh` has "
        "to give.",
    )
    seeds: Seeds = Field(
        description="One entire run for each seed: split, teacher, GAN, sources and students.",
    )
    max_features: Annotated[list[Literal["sqrt", "none"]], Once] = Field(
        min_length=1,
        description="Features that the teacher considers at a split, one teacher for each entry; "
        "the first is the main one. `none` means all features, as the paper says; `sqrt` gives the "
        "score of the teacher that the paper reports for MAGIC.",
    )
    max_trees: int = Field(
        ge=1,
        le=20,
        description="Students have 1 to this many trees. The paper goes up to 20.",
    )
    sources: Annotated[list[TableSource], Once, AfterValidator(at_most_one_own)] = Field(
        min_length=1,
        description="Where the rows of the compression set come from. `train+gan` needs `gan`; "
        "`train_oob` means the training rows with the teacher's out-of-bag predictions, "
        "`independent` draws each column by itself, and `my.py:Generator` is a generator of your "
        "own file.",
    )
    gan_epochs: Epochs = Field(
        default=1, description="Epochs of AC-GAN training. It matters only with the source `gan`."
    )
    gans: Annotated[list[TableGan], Once] = Field(
        default=[],
        description="The AC-GANs to train and choose from on validation. "
        "Empty only where `gan` is not among the sources.",
    )
    leaf_caps: Annotated[list[Annotated[int, Field(ge=2, le=10**9)]], Once] = Field(
        default=[],
        description="Limits on the leaves of a tree in the small students. "
        "Empty: no small students are trained.",
    )
    small_trees: Trees = Field(
        default=3, description="The small students have 1 to this many trees."
    )
    small_budget: QueriesPerRow = Field(
        default=9, description="Teacher queries per training row for the small students."
    )
    preparation: Literal["clean", "authors"] = Field(
        default="clean",
        description="How features are standardized. `clean`: with the mean and deviation of the "
        "training rows. `authors`: with those of all rows, test rows too, and without the first "
        "row of the file, as the authors' published code does.",
    )

    @model_validator(mode="after")
    def check_that_nothing_is_ignored(self) -> "ForestTask":
        """What names a file of one's own has a meaning only for the table csv."""
        check_of_csv(self, ("path", "target"), {})
        return self

    @model_validator(mode="after")
    def check_that_gans_are_given(self) -> "ForestTask":
        """The sources `gan`, `train+gan` and `fresh` need something to sample from."""
        if "fresh" in self.sources and not self.n_fresh:
            raise ValueError("the source fresh needs rows; set n_fresh above 0")
        if "train+gan" in self.sources and "gan" not in self.sources:
            raise ValueError("train+gan needs gan among the sources")
        if "gan" in self.sources and not self.gans:
            raise ValueError(
                "the source gan needs gans, for example [{class_weight: 1.0, members: 1}]"
            )
        return self

    @model_validator(mode="after")
    def check_that_the_paper_s_comparison_is_there(self) -> "ForestTask":
        """Whatever a source is worth is told against the training rows."""
        if "train" not in self.sources:
            raise ValueError("sources lack train, which all others are compared with; add it")
        return self

    @model_validator(mode="after")
    def check_that_there_are_so_many_rows(self) -> "ForestTask":
        """The parts of a split are disjoint."""
        n_asked = self.n_train + self.n_validation + self.n_test + self.n_fresh
        n_there = ROWS_OF_TABLE.get(self.table, n_asked)
        if n_asked > n_there:
            raise ValueError(
                f"{n_asked} rows asked for of the {n_there} of {self.table}; lower n_train, "
                "n_validation, n_test or n_fresh"
            )
        return self


class RandomForests(Parameters):
    """Chapter 06: compression of random forests (Sec. 4 of the paper)."""

    data_dir: str = Field(
        description="Folder of the real data. Empty: `$GANMC_DATA`, else `data/`."
    )
    teacher_trees: Trees = Field(description="Trees of the teacher. The paper's has 500.")
    fake_per_real: QueriesPerRow = Field(
        description="Teacher queries per training row, the same for every source. "
        "The paper makes 9."
    )
    jitter_scales: Annotated[list[Positive], Once] = Field(
        min_length=1,
        description="Candidate scales of the baseline jitter, in standard deviations of a feature; "
        "validation chooses.",
    )
    throughput_rows: BatchToTime = Field(
        description="Rows in the batch that is timed for Fig. 3f. The paper times 30,000."
    )
    datasets: list[ForestTask] = Field(
        min_length=1, description="The tables, and what is done with each."
    )

    @model_validator(mode="after")
    def check_that_names_differ(self) -> "RandomForests":
        """Rows of a record are told apart by the name of their dataset."""
        without_repeats([task.name for task in self.datasets])
        return self


class ImageData(ParameterGroup):
    """Which images, and how they are split."""

    name: Literal["digits", "cifar10"] = Field(
        description="The images: `cifar10` as in the paper, or the `digits` of scikit-learn."
    )
    image_size: Count = Field(
        description="Height and width in pixels; the images are averaged down to it by a whole "
        "factor. The paper uses 32."
    )
    n_train: Count = Field(description="Training images. The paper uses 50,000.")
    n_validation: Count = Field(
        description="Validation images, on which p_fake and the GAN epoch are chosen. "
        "The paper uses 5,000."
    )
    n_test: Count = Field(description="Test images. The paper uses 5,000.")
    n_fresh: int = Field(
        ge=0,
        le=10**9,
        description="Further real images that neither the teacher nor the GAN is trained on: "
        "what a perfect generator would draw. 0 leaves them out, as the paper does.",
    )
    seed: Seed = Field(default=0, description="Seed of the split.")

    @model_validator(mode="after")
    def check_that_there_are_such_images(self) -> "ImageData":
        """Parts are disjoint, and images are averaged down by a whole factor."""
        n_training, n_held = IMAGES_OF_PARTS.get(self.name, (None, None))
        size = SIZE_OF_IMAGES.get(self.name, self.image_size)
        if size % self.image_size:
            raise ValueError(
                f"images of {size} x {size} cannot be averaged to {self.image_size} x "
                f"{self.image_size}; choose a divisor of {size}"
            )
        if n_training and self.n_train + self.n_fresh > n_training:
            raise ValueError(f"{self.name} has {n_training} images for n_train and n_fresh")
        if n_held and self.n_validation + self.n_test > n_held:
            raise ValueError(f"{self.name} has {n_held} images for n_validation and n_test")
        return self


class Network(ParameterGroup):
    """A network and how it is trained.

    A teacher of your own that comes trained is named alone, `teacher: "my.py:load"`.
    """

    network: str = Field(
        description="The architecture: `nin`, `lenet`, `lenet_authors`, `cnn5`, `cnn6`, "
        "`resnet18` or `wrn28`; or `my.py:Net`, a function or class of your own file that takes "
        "`in_channels`, `image_size`, `num_classes` (and `width`, where it is given)."
    )
    width: Width | None = Field(
        default=None,
        description="Channels of the first layer, which scale all other layers (for `wrn28` the "
        "widening factor). `null`: the paper's.",
    )
    epochs: int = Field(
        ge=0,
        le=100_000,
        description="Epochs: passes over as many images as the training part has, wherever the "
        "images come from. The paper trains students for 200. 0: a teacher of your own file that "
        "comes trained.",
    )
    batch: Count = Field(description="Images per training step.")
    lr: Positive = Field(
        description="Learning rate. The paper's students use 1e-4 with the L2 objective and 1e-3 "
        "or 0.1 with distillation."
    )
    optimizer: Literal["adam", "sgd"] = Field(
        default="adam",
        description="`adam`, or `sgd` with Nesterov momentum of 0.9. The paper uses SGD for its "
        "third pair of Table 1.",
    )
    decay: Literal["constant", "cosine"] = Field(
        default="constant",
        description="How the learning rate changes. `cosine`: it rises over the first twentieth "
        "of the steps, then falls to 0.",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Weight decay of the optimizer.")
    augment: Literal["none", "flips", "flips+crops"] = Field(
        default="none",
        description="Augmentation of the training images; a teacher labels the turned image. With "
        "`flips` a student's generated images are flipped, too.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Of convolutions and matrix products; weights and sums stay float32. "
        "`bfloat16` is faster on GPUs and on CPUs that compute in it (AVX512-BF16, AMX), slower "
        "on others.",
    )

    @model_validator(mode="before")
    @classmethod
    def a_name_alone_is_trained(cls, given: object) -> object:
        """A network that is named alone is one's own and comes trained."""
        if not isinstance(given, str):
            return given
        if not is_own(given):
            raise ValueError("a name alone is a trained network of your own, my.py:load")
        return {"network": given, "epochs": 0, "batch": 1, "lr": 1.0}

    @field_validator("network")
    @classmethod
    def check_that_it_is_known(cls, network: str) -> str:
        """The registry of networks has its name, or a file of one's own has it."""
        from ganmc_utils.networks.models import NETWORKS  # imports torch, which takes seconds

        if network not in NETWORKS:
            raise ValueError(f"unknown network; choose one of {', '.join(NETWORKS)}")
        return network

    @model_validator(mode="after")
    def check_that_it_can_be_made(self) -> "Network":
        """One of one's own takes what it will be given; any other has to be trained."""
        if not is_own(self.network):
            if self.epochs == 0:
                raise ValueError("epochs 0; only a network of your own file comes trained")
            return self
        arguments = {"in_channels": 1, "image_size": 8, "num_classes": 2}
        arguments |= {"width": self.width} if self.width is not None else {}
        try:
            inspect.signature(own_entry(self.network)).bind(**arguments)
        except TypeError as failed:
            names = ", ".join(arguments)
            raise ValueError(f"{self.network}: {failed}; let it take {names}") from None
        return self


class ImageGan(ParameterGroup):
    """The AC-GAN for images."""

    width: Width = Field(
        description="Channels of the generator's last hidden layer; all other layers of both "
        "networks scale with them."
    )
    epochs: Epochs = Field(description="Epochs of training. The paper trains for 1,000.")
    snapshots: Annotated[list[Epochs], Once] = Field(
        min_length=1,
        description="Epochs after which a copy of the generator is kept. Validation chooses one.",
    )
    batch: Count = Field(description="Real images per training step.")
    lr: Positive = Field(description="Learning rate of Adam. The paper's is 2e-4.")
    choice_epochs: Epochs = Field(
        description="Epochs of the short students that choose a snapshot on validation."
    )

    @model_validator(mode="after")
    def check_that_snapshots_are_reached(self) -> "ImageGan":
        """A snapshot is taken during the training."""
        if max(self.snapshots) > self.epochs:
            raise ValueError(
                f"a snapshot after epoch {max(self.snapshots)} of {self.epochs}; lower it or raise "
                "epochs"
            )
        return self


class NetworkModels(Parameters):
    """What the chapters on networks share (00 to 05 and 07)."""

    data_dir: str = Field(
        description="Folder of the real data. Empty: `$GANMC_DATA`, else `data/`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        description="Where to train. `auto`: on a GPU if there is one, else on the CPU."
    )
    compile: bool = Field(
        description="Whether training steps go through `torch.compile`: faster on a GPU after a "
        "slow start, and equal within rounding."
    )
    data: ImageData = Field(description="The images and how they are split.")
    teacher: Network = Field(
        description="The teacher, trained on the labels. The paper uses a pre-trained `nin`."
    )
    student: Network = Field(description="The student. The paper's is `lenet_authors`.")
    gan: ImageGan = Field(description="The AC-GAN, trained on the training images.")

    @model_validator(mode="after")
    def check_that_batches_fit(self) -> "NetworkModels":
        """No batch is larger than the images that it is drawn from."""
        for name, batch in self.batches().items():
            if batch > self.data.n_train:
                raise ValueError(
                    f"the batch of {name} is {batch}, larger than data.n_train "
                    f"{self.data.n_train}; lower the batch"
                )
        return self

    def batches(self) -> dict[str, int]:
        """Batch of everything that is trained on the training images, by its parameter."""
        of_networks = {name: network.batch for name, network in self.networks().items()}
        return of_networks | {"gan": self.gan.batch}

    @model_validator(mode="after")
    def check_that_networks_take_the_images(self) -> "NetworkModels":
        """No network is found to be of no use after others were trained."""
        # It imports torch, which takes seconds.
        from ganmc_utils.networks.own_network import check_network

        if self.data.name not in CHANNELS_AND_CLASSES:
            return self
        channels, n_classes = CHANNELS_AND_CLASSES[self.data.name]
        for name, network in self.networks().items():
            try:
                check_network(network, channels, self.data.image_size, n_classes)
            except GanmcError as failed:
                raise ValueError(f"{name}: {failed}") from None
        return self

    def networks(self) -> dict[str, Network]:
        """All networks, by their parameters."""
        return {"teacher": self.teacher, "student": self.student}


class NetworkChapter(NetworkModels):
    """A chapter with one replicate: one split, one teacher, one GAN, several students of each."""

    seeds: Seeds = Field(description="Each student is trained once with each seed.")


OWN_SOURCES = "A generator of your own file beside the GAN, `[my.py:Generator]`. Empty: none."


def with_training_images_alone(chapter):
    """The chapter, whose p_fakes has training images alone, and a share to compare with them."""
    if 0 not in chapter.p_fakes or max(chapter.p_fakes) == 0:
        raise ValueError("p_fakes needs 0.0, the students of training images, and another share")
    return chapter


class SetChapter(NetworkModels):
    """A chapter with several replicates (00 to 02).

    Each set has training images, a teacher and a GAN of its own, and one student of each kind.
    """

    sets: Seeds = Field(
        description="The replicates, by their seeds: of the split (added to the seed of `data`), "
        "the teacher, the GAN and the students. The other chapters have set 0.",
    )


class Pair(ParameterGroup):
    """A row of Table 1: distillation with the objective alpha L_T + (1 - alpha) L_0."""

    teacher: Network = Field(description="The teacher of this pair, trained on the labels.")
    student: Network = Field(description="The student of this pair.")
    T: Positive = Field(
        description="Temperature of the annealed class probabilities. "
        "The paper uses 5, 20 and 6 for its three pairs."
    )
    alpha: float = Field(
        gt=0,
        le=1,
        description="Weight of the distillation loss; the rest goes to the labels. "
        "The paper uses 0.9, 0.9 and 0.95 for its three pairs.",
    )
    p_fakes: Shares = Field(
        description="Candidate shares of GAN images in the mixture; validation chooses.",
    )
    variants: Annotated[list[Literal["text", "hinton", "li"]], Once] = Field(
        min_length=1,
        description="Forms of the objective (see `Distillation`). Table 1 shows the first; the "
        "paper's numbers come from `li`. The others are compared with it.",
    )
    sets: Seeds = Field(description="Which of the chapter's sets this pair is trained on.")


class DnnCompression(SetChapter):
    """Chapter 01: compression of networks (Fig. 1 and Table 1)."""

    other_student: Network = Field(
        description="A second student for the L2 objective: the classic LeNet, with a ReLU after "
        "each layer."
    )
    p_fakes: SharesAbove0 = Field(
        description="Candidate shares of GAN images in the mixture of Fig. 1; validation chooses.",
    )
    baseline_p_fakes: SharesAbove0 = Field(
        description="Candidate shares of each baseline's images, beside training images; "
        "validation chooses.",
    )
    folds: int = Field(
        ge=0,
        le=1_000,
        description="Teachers on parts of the training images that label the rest of them, as a "
        "forest's out-of-bag predictions do. 0: none.",
    )
    dropout_teacher: Network | None = Field(
        description="A teacher with dropout, by which the authors' way of leaving dropout on while "
        "it labels is compared with the usual one. Null: not compared."
    )
    jitter_scale: Positive = Field(
        description="Scale of the baseline jitter, in standard deviations of a pixel."
    )
    pairs: list[Pair] = Field(description="The rows of Table 1. Empty: none is trained.")

    def networks(self) -> dict[str, Network]:
        """The second student, the teacher with dropout and the pairs as well."""
        networks = super().networks() | {"other_student": self.other_student}
        if self.dropout_teacher:
            networks["dropout_teacher"] = self.dropout_teacher
        for i, pair in enumerate(self.pairs):
            networks[f"pairs.{i}.teacher"] = pair.teacher
            networks[f"pairs.{i}.student"] = pair.student
        return networks

    @model_validator(mode="after")
    def check_that_folds_fill_a_batch(self) -> "DnnCompression":
        """A teacher of all folds but one has batches of its own."""
        if self.folds == 1:
            raise ValueError("folds is 1, which leaves no images to learn from; set 0, 2 or more")
        n_train = self.data.n_train
        if self.folds and n_train - -(-n_train // self.folds) < self.teacher.batch:
            raise ValueError(
                f"teachers of {self.folds} folds learn from fewer images than a batch of "
                f"{self.teacher.batch}; lower teacher.batch"
            )
        return self

    @model_validator(mode="after")
    def check_that_pairs_have_sets(self) -> "DnnCompression":
        """A pair is trained on some of the chapter's sets."""
        for pair in self.pairs:
            if unknown := set(pair.sets) - set(self.sets):
                raise ValueError(
                    f"a pair is to be trained on sets {sorted(unknown)}, which sets lacks"
                )
        return self


class PFakeSweep(SetChapter):
    """Chapter 02: the share of GAN images (Fig. 2a)."""

    p_fakes: Shares = Field(
        description="Shares of GAN images to train with. The paper goes from 0 to 1 by 0.1.",
    )
    baseline_p_fakes: SharesAbove0 = Field(
        description="Shares of each baseline's images, beside training images, to train with.",
    )
    jitter_scale: Positive = Field(
        description="Scale of the baseline jitter, in standard deviations of a pixel."
    )

    @model_validator(mode="after")
    def check_that_there_is_a_curve(self) -> "PFakeSweep":
        """Fig. 2a compares mixtures with training images alone."""
        return with_training_images_alone(self)


class Augmentation(NetworkChapter):
    """Chapter 03: augmentation (Fig. 2b)."""

    p_fakes: SharesAbove0 = Field(
        description="Candidate shares of GAN images in the mixture; validation chooses."
    )
    sources: OwnSources = Field(default=[], description=OWN_SOURCES)


class SupervisedLearning(NetworkChapter):
    """Chapter 05: supervised learning (Fig. 2d)."""

    p_fakes: Shares = Field(
        description="Shares of GAN images in the mixture, each of which is reported: 0 and others."
    )
    sources: OwnSources = Field(default=[], description=OWN_SOURCES)

    @model_validator(mode="after")
    def check_that_there_is_a_gain(self) -> "SupervisedLearning":
        """Gains are told against training images alone."""
        return with_training_images_alone(self)


class ScoreStudents(ParameterGroup):
    """The students that a set of samples trains, for the Compression Score.

    They train for one epoch, and for five in the score of the paper's first version.
    """

    students: int = Field(
        gt=0, le=1_000, description="Students for each set of samples and each draw of it."
    )
    batch: Count = Field(
        description="Images per training step. The authors' script for Fig. 1 uses 256."
    )
    lr: Positive = Field(
        description="Learning rate of Adam. The paper's students of Fig. 1, whose setup Table 4 "
        "takes over, use 1e-4."
    )


class CompressionScores(NetworkChapter):
    """Chapter 07: scores for generators (Sec. 5, Table 4)."""

    score: ScoreStudents = Field(description="The students behind the Compression Score.")
    classifier: Network = Field(
        description="The network whose features and predictions Inception Score, FID and KID use."
    )
    inception: bool | Literal["auto"] = Field(
        description="Whether those scores use Inception-v3 instead, as the paper does; its weights "
        "are a download. `auto`: where the weights are on this machine already. The chapter says "
        "what was used."
    )
    inferior_epochs: Annotated[list[Epochs], Once] = Field(
        min_length=1,
        description="Further epochs on L_class alone after which the GAN is scored. "
        "The last gives the inferior GAN, after 10 epochs in the paper.",
    )
    levels: dict[Series, Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2)]] = (
        Field(
            description="Levels at which real images are degraded, for each series: "
            "`real_share` (share of real images, the rest generated), `distinct` (share of "
            "distinct images), `within_class` (share of each class that is kept), `blur` "
            "(standard deviation in pixels) and `label_noise` (share of random labels)."
        )
    )
    sources: OwnSources = Field(default=[], description=OWN_SOURCES)
    timing_images: BatchToTime = Field(description="Images that Inception-v3 is timed on.")
    teacher_trees: Trees = Field(
        description="Trees of the teacher of the table, as in chapter 06. The paper's has 500."
    )
    fake_per_real: QueriesPerRow = Field(
        description="Teacher queries per training row of the table, as in chapter 06. "
        "The paper makes 9."
    )
    jitter_scales: Annotated[list[Positive], Once] = Field(
        min_length=1,
        description="Candidate scales of the baseline jitter for the table, in standard deviations "
        "of a feature; validation chooses.",
    )
    table: ForestTask = Field(
        description="The table whose sources are scored, with the GANs of the task of the same "
        "name in chapter 06."
    )

    def networks(self) -> dict[str, Network]:
        """The classifier as well."""
        return super().networks() | {"classifier": self.classifier}

    def batches(self) -> dict[str, int]:
        """Of the score's students as well."""
        return super().batches() | {"score": self.score.batch}

    @model_validator(mode="after")
    def check_that_levels_are_levels(self) -> "CompressionScores":
        """All series but blur go by shares, two of them by shares above 0."""
        for series, levels in self.levels.items():
            without_repeats(levels)
            if series != "blur" and max(levels) > 1:
                raise ValueError(f"levels.{series} are shares; keep them between 0 and 1")
            if series in ("distinct", "within_class") and min(levels) == 0:
                raise ValueError(f"levels.{series} at 0 keeps no image; start above 0")
        return self


class Scoreboard(Parameters):
    """Chapter 08: the claims of the paper against the records in `out_dir`."""


class OwnModel(Parameters):
    """Chapter 09: a table, and perhaps a fitted teacher, to be compressed into a small file."""

    data_dir: str = Field(
        description="Folder of the real data. Empty: `$GANMC_DATA`, else `data/`."
    )
    folder: str = Field(
        description="Where the model's files are written. Empty: `own_model` in `out_dir`."
    )
    table: str = Field(
        description="The rows: a table of the book, such as `magic`, or `csv` for a file of your "
        "own."
    )
    path: str = Field(description="The csv file. Empty unless the table is `csv`.")
    separator: str = Field(min_length=1, description="What separates the columns of the csv file.")
    target: str = Field(
        description="The column of the csv file that is to be predicted. "
        "Empty unless the table is `csv`."
    )
    task: Literal["auto", "classification", "regression"] = Field(
        description="`auto`: a regression where the target is a number with a fraction, or one of "
        "more than 20 different whole numbers."
    )
    teacher: str = Field(
        description="A fitted model of the raw columns, as a `.skops` or `.onnx` file. Empty: a "
        "random forest of 500 trees is fitted."
    )
    report_path: str = Field(
        description="A csv file of rows for the report, which the teacher has not seen. Empty: a "
        "fifth of the rows is held back."
    )
    student: Literal["auto", "linear", "tree", "network", "boosted", "forest"] = Field(
        description="The family of the student. `auto`: all are tried."
    )
    source: Literal[
        "auto",
        "train",
        "train_oob",
        "labels",
        "jitter",
        "smote",
        "munge",
        "gaussian_mixture",
        "gan",
    ] = Field(
        description="Where the rows come from that the teacher labels. `auto`: validation "
        "chooses; `labels`: the training rows with their labels, without a teacher."
    )
    max_loss: float = Field(
        ge=0,
        description="How much lower than the teacher's the score of the student may be: AUC for "
        "two classes, accuracy for more, R squared for numbers.",
    )
    max_nodes: Count | None = Field(description="Limit of the nodes of all trees. Null: none.")
    max_bytes: Count | None = Field(description="Limit of the bytes of the ONNX file. Null: none.")
    queries: int = Field(
        ge=0,
        le=10**7,
        description="Rows that the teacher labels. 0: ten for each training row, within 10,000 "
        "and 200,000.",
    )
    max_seconds: Count = Field(description="Time for the search for source and student.")
    seeds: Seeds = Field(
        description="One entire run for each seed. The report and the files are those of the "
        "first.",
    )

    @model_validator(mode="after")
    def check_that_nothing_is_ignored(self) -> "OwnModel":
        """A table of the book has classes, and a teacher and a report of its own."""
        others = {"separator": ",", "teacher": "", "report_path": ""}
        if self.task == "regression":
            others["task"] = "auto"
        check_of_csv(self, ("path", "target"), others)
        return self


NOTEBOOKS: dict[str, type[Parameters]] = {
    "00_teachers_and_gan": SetChapter,
    "01_dnn_compression": DnnCompression,
    "02_p_fake_sweep": PFakeSweep,
    "03_augmentation": Augmentation,
    "04_gan_quality": NetworkChapter,
    "05_supervised_learning": SupervisedLearning,
    "06_random_forests": RandomForests,
    "07_compression_score": CompressionScores,
    "08_scoreboard": Scoreboard,
    "09_your_own_model": OwnModel,
}


def check(notebook: str, names: dict[str, Any]) -> Parameters:
    """Validate a notebook's globals() right after its parameter cell.

    Names that begin with _ or hold no literal (imports, IPython's own) are not parameters. Nor are
    names that appeared after the first check: they are the notebook's own, run once more by hand.

    Raises:
        GanmcError: an unknown, missing or wrong parameter; one line that names it.
    """
    names.setdefault("_parameter_names", [name for name in names if is_parameter(name, names)])
    still_there = (name for name in names["_parameter_names"] if name in names)
    return check_dict(notebook, {name: names[name] for name in still_there})


def is_parameter(name: str, names: dict[str, Any]) -> bool:
    """Whether a global name of a notebook is one of its parameters, known or not."""
    is_literal = type(names[name]) in (bool, int, float, str, list, dict, type(None))
    return is_literal and not name.startswith("_") and name not in ("In", "Out")


def check_dict(notebook: str, given: dict[str, Any]) -> Parameters:
    """Validate the parameters of a notebook.

    Raises:
        GanmcError: an unknown, missing or wrong parameter; one line that names it.
    """
    try:
        return NOTEBOOKS[notebook](**given)
    except ValidationError as failed:
        first = failed.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "values"
    value = first["input"]
    got = "" if isinstance(value, dict) else f" (got {value!r:.60})"
    if isinstance(value, str) and first["type"].startswith(("float", "int")):
        got += ", which YAML reads as text: write a plain number, such as 1.0e-3 for 1e-3"
    problem = first["msg"].removeprefix("Value error, ")
    group, known = fields_around(NOTEBOOKS[notebook], first["loc"])
    line = f"{notebook}: parameter {where}: {problem[:1].lower()}{problem[1:]}{got}"
    raise GanmcError(" ".join(f"{line}; known {group}: {known}".split()))


def fields_around(model: type[ParameterGroup], location: tuple) -> tuple[str, str]:
    """(what holds the parameter at a location, the names of its fields)."""
    kind = "parameters"
    for name in location:
        groups = (
            groups_in(model.model_fields[name].annotation) if name in model.model_fields else []
        )
        if groups:
            (model,) = groups
            kind = f"fields of {model.__name__}"
    return kind, ", ".join(model.model_fields)


def groups_in(annotation: Any) -> list[type[ParameterGroup]]:
    """The groups of parameters in a type such as `list[Pair]` or `Network | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ParameterGroup):
        return [annotation]
    return [group for inner in get_args(annotation) for group in groups_in(inner)]


def notebook_defaults(notebook: str) -> dict[str, Any]:
    """The literals of a notebook's parameter cell: the settings of the smoke test."""
    file = paths.ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = json.loads(file.read_text())["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {
        assignment.target.id: ast.literal_eval(assignment.value)
        for assignment in ast.parse("".join(cell["source"])).body
    }
