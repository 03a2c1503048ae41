"""The parameters of each notebook, typed, bounded and explained.

papermill only warns about a name that a notebook does not know; `check` stops the run with one
line. The descriptions here also make book/parameters.md (see ganmc_utils.core.parameter_page).
"""

import ast
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError

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
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ParameterGroup(BaseModel):
    """Parameters that belong together: those of a notebook, or a dictionary among them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    members: Count = Field(
        description="GANs trained for each seed, whose samples are pooled. The paper trains one."
    )
    keras: list[KerasDetail] = Field(
        default=[],
        description="What is done as in the AC-GAN script of Keras, which the authors built on: "
        "`glorot` (initial weights), `even_classes` (generated rows have all classes equally "
        "often), `real_class_loss` (D learns classes from real rows only), `separate_steps` (D "
        "takes one step on real and one on generated rows), `leaky_relu`, `smoothing` (D's target "
        "for real rows is 0.95) and `dropout` (of D's hidden units). Empty: as the paper says.",
    )


class ForestTask(ParameterGroup):
    """What is done with one table, in chapters 06 and 07."""

    name: str = Field(description="What records, tables and figures call this task.")
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
        description="Further real rows that the teacher never sees: what the source `fresh` has "
        "to give.",
    )
    seeds: list[int] = Field(
        min_length=1,
        description="One entire run for each seed: split, teacher, GAN, sources and students.",
    )
    max_features: list[Literal["sqrt", "none"]] = Field(
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
    sources: list[TableSourceId] = Field(
        min_length=1,
        description="Where the rows of the compression set come from. `train+gan` needs `gan`; "
        "`train_oob` means the training rows with the teacher's out-of-bag predictions, and "
        "`independent` draws each column by itself.",
    )
    gan_epochs: Count = Field(
        default=1, description="Epochs of AC-GAN training. It matters only with the source `gan`."
    )
    gans: list[TableGan] = Field(
        default=[],
        description="The AC-GANs to train and choose from on validation. "
        "Empty only where `gan` is not among the sources.",
    )
    leaf_caps: list[Annotated[int, Field(ge=2)]] = Field(
        default=[],
        description="Limits on the leaves of a tree in the small students. "
        "Empty: no small students are trained.",
    )
    small_trees: Count = Field(
        default=3, description="The small students have 1 to this many trees."
    )
    small_budget: Count = Field(
        default=9, description="Teacher queries per training row for the small students."
    )
    preparation: Literal["clean", "authors"] = Field(
        default="clean",
        description="How features are standardized. `clean`: with the mean and deviation of the "
        "training rows. `authors`: with those of all rows, test rows too, and without the first "
        "row of the file, as the authors' published code does.",
    )

    @model_validator(mode="after")
    def check_that_gans_are_given(self) -> "ForestTask":
        """The sources `gan` and `train+gan` need something to sample from."""
        if "train+gan" in self.sources and "gan" not in self.sources:
            raise ValueError("train+gan needs gan among the sources")
        if "gan" in self.sources and not self.gans:
            raise ValueError(
                "the source gan needs gans, for example [{class_weight: 1.0, members: 1}]"
            )
        return self


class RandomForests(Parameters):
    """Chapter 06: compression of random forests (Sec. 4 of the paper)."""

    data_dir: str = Field(
        description="Folder of the real data. Empty: `$GANMC_DATA`, else `data/`."
    )
    teacher_trees: Count = Field(description="Trees of the teacher. The paper's has 500.")
    fake_per_real: Count = Field(
        description="Teacher queries per training row, the same for every source. "
        "The paper makes 9."
    )
    jitter_scales: list[Positive] = Field(
        min_length=1,
        description="Candidate scales of the baseline jitter, in standard deviations of a feature; "
        "validation chooses.",
    )
    throughput_rows: Count = Field(
        description="Rows in the batch that is timed for Fig. 3f. The paper times 30,000."
    )
    datasets: list[ForestTask] = Field(
        min_length=1, description="The tables, and what is done with each."
    )


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
        description="Further real images that neither the teacher nor the GAN is trained on: the "
        "ceiling for any generator. 0 leaves that ceiling out, as the paper does.",
    )
    seed: int = Field(default=0, description="Seed of the split.")


class Network(ParameterGroup):
    """A network and how it is trained."""

    network: str = Field(
        description="The architecture: `nin`, `lenet`, `lenet_authors`, `cnn5`, `cnn6`, "
        "`resnet18` or `wrn28`."
    )
    width: Count | None = Field(
        default=None,
        description="Channels of the first layer, which scale all other layers (for `wrn28` the "
        "widening factor). `null`: the paper's.",
    )
    epochs: Count = Field(
        description="Epochs: passes over as many images as the training part has, wherever the "
        "images come from. The paper trains students for 200."
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


class ImageGan(ParameterGroup):
    """The AC-GAN for images."""

    width: Count = Field(
        description="Channels of the generator's last hidden layer; all other layers of both "
        "networks scale with them."
    )
    epochs: Count = Field(description="Epochs of training. The paper trains for 1,000.")
    snapshots: list[Count] = Field(
        min_length=1,
        description="Epochs after which a copy of the generator is kept. Validation chooses one.",
    )
    batch: Count = Field(description="Real images per training step.")
    lr: Positive = Field(description="Learning rate of Adam. The paper's is 2e-4.")
    choice_epochs: Count = Field(
        description="Epochs of the short students that choose a snapshot on validation."
    )


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


class NetworkChapter(NetworkModels):
    """A chapter with one trained set: one split, one teacher, one GAN, several students of each."""

    seeds: list[int] = Field(
        min_length=1, description="Each student is trained once with each seed."
    )


class SetChapter(NetworkModels):
    """A chapter with several trained sets (00 to 02).

    Each set has training images, a teacher and a GAN of its own, and one student of each kind.
    """

    sets: list[int] = Field(
        min_length=1,
        description="The trained sets, by their seeds: of the split (added to the seed of `data`), "
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
    p_fakes: list[Share] = Field(
        min_length=1,
        description="Candidate shares of GAN images in the mixture; validation chooses.",
    )
    variants: list[Literal["text", "hinton", "li"]] = Field(
        min_length=1,
        description="Forms of the objective (see `Distillation`). Table 1 shows the first; the "
        "paper's numbers come from `li`. The others are compared with it.",
    )
    sets: list[int] = Field(
        min_length=1, description="Which of the chapter's sets this pair is trained on."
    )


class DnnCompression(SetChapter):
    """Chapter 01: compression of networks (Fig. 1 and Table 1)."""

    other_student: Network = Field(
        description="A second student for the L2 objective: the classic LeNet, with a ReLU after "
        "each layer."
    )
    p_fakes: list[Share] = Field(
        min_length=1,
        description="Candidate shares of GAN images in the mixture of Fig. 1; validation chooses.",
    )
    baseline_p_fakes: list[Share] = Field(
        min_length=1,
        description="Candidate shares of each baseline's images, beside training images; "
        "validation chooses.",
    )
    folds: int = Field(
        ge=0,
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

    p_fakes: list[Share] = Field(
        min_length=1,
        description="Shares of GAN images to train with. The paper goes from 0 to 1 by 0.1.",
    )
    baseline_p_fakes: list[Share] = Field(
        min_length=1,
        description="Shares of each baseline's images, beside training images, to train with.",
    )
    jitter_scale: Positive = Field(
        description="Scale of the baseline jitter, in standard deviations of a pixel."
    )


class MixtureChapter(NetworkChapter):
    """Chapters 03 and 05: augmentation (Fig. 2b) and supervised learning (Fig. 2d)."""

    p_fakes: list[Share] = Field(
        min_length=1,
        description="Shares of GAN images in the mixture. In chapter 03 they are candidates, and "
        "validation chooses; in chapter 05 each is reported.",
    )


class ScoreStudents(ParameterGroup):
    """The students that a set of samples trains, for the Compression Score.

    They train for one epoch, and for five in the score of the paper's first version.
    """

    students: Count = Field(description="Students for each set of samples and each draw of it.")
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
    inferior_epochs: list[Count] = Field(
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
    timing_images: Count = Field(description="Images that Inception-v3 is timed on.")
    teacher_trees: Count = Field(
        description="Trees of the teacher of the table, as in chapter 06. The paper's has 500."
    )
    fake_per_real: Count = Field(
        description="Teacher queries per training row of the table, as in chapter 06. "
        "The paper makes 9."
    )
    jitter_scales: list[Positive] = Field(
        min_length=1,
        description="Candidate scales of the baseline jitter for the table, in standard deviations "
        "of a feature; validation chooses.",
    )
    table: ForestTask = Field(
        description="The table whose sources are scored, with the GANs of the task of the same "
        "name in chapter 06."
    )


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
        description="Where the rows come from: `breast_cancer`, `magic`, `higgs`, `evergreen`, "
        "or `csv` for a file of your own."
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
        description="Rows that the teacher labels. 0: ten for each training row, within 20,000 "
        "and 200,000.",
    )
    max_seconds: Count = Field(description="Time for the search for source and student.")
    seeds: list[int] = Field(
        min_length=1,
        description="One entire run for each seed. The report and the files are those of the "
        "first.",
    )


NOTEBOOKS: dict[str, type[Parameters]] = {
    "00_teachers_and_gan": SetChapter,
    "01_dnn_compression": DnnCompression,
    "02_p_fake_sweep": PFakeSweep,
    "03_augmentation": MixtureChapter,
    "04_gan_quality": NetworkChapter,
    "05_supervised_learning": MixtureChapter,
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
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(NOTEBOOKS[notebook].model_fields)
        raise GanmcError(
            f"{notebook}: parameter {where}: {first['msg'].lower()} (got {first['input']!r:.60}); "
            f"known parameters: {known}"
        ) from None


def notebook_defaults(notebook: str) -> dict[str, Any]:
    """The literals of a notebook's parameter cell: the settings of the smoke test."""
    file = paths.ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = json.loads(file.read_text())["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {
        assignment.target.id: ast.literal_eval(assignment.value)
        for assignment in ast.parse("".join(cell["source"])).body
    }
