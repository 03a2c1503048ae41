"""The parameters of each notebook, typed and bounded; papermill itself only warns about an unknown name."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ganmc_utils.core.errors import GanmcError

TableSourceId = Literal[
    "train", "gan", "train+gan", "jitter", "smote", "munge", "munge_authors", "fresh"
]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    profile: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    out_dir: str = ""


class ParameterGroup(BaseModel):
    """A group of parameters inside a notebook's own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TableGan(ParameterGroup):
    """AC-GANs trained with one objective; class_weight 1 with one member is the paper's."""

    class_weight: Positive  # weight of L_class in the generator's objective
    members: Count  # GANs per seed, pooled


class ForestTask(ParameterGroup):
    """What chapter 06 does with one dataset."""

    name: str  # how records and pages call it
    table: str  # breast_cancer, magic, higgs, evergreen or csv
    path: str = ""  # csv only: the file
    target: str = ""  # csv only: the column of labels
    n_train: Count
    n_validation: Count
    n_test: Count
    n_fresh: Annotated[int, Field(ge=0)] = 0
    seeds: Annotated[list[int], Field(min_length=1)]
    max_features: Annotated[list[Literal["sqrt", "none"]], Field(min_length=1)]
    max_trees: Annotated[int, Field(ge=1, le=20)]  # the student's size axis ends here
    sources: Annotated[list[TableSourceId], Field(min_length=1)]
    gan_epochs: Count = 1
    gans: list[TableGan] = []  # needed where sources has gan or train+gan
    leaf_caps: list[Annotated[int, Field(ge=2)]] = []  # empty: no small students
    small_trees: Count = 3  # the small students have 1 to this many trees
    small_budget: Count = 9  # teacher queries per training row for the small students
    preparation: Literal["clean", "authors"] = "clean"

    @model_validator(mode="after")
    def gan_rows_need_gans(self):
        if "train+gan" in self.sources and "gan" not in self.sources:
            raise ValueError("train+gan needs gan among the sources")
        if "gan" in self.sources and not self.gans:
            raise ValueError(
                "the source gan needs gans, for example [{class_weight: 1.0, members: 1}]"
            )
        return self


class RandomForests(Parameters):
    data_dir: str
    teacher_trees: Count
    fake_per_real: Count
    jitter_scales: Annotated[list[Positive], Field(min_length=1)]
    throughput_rows: Count
    datasets: Annotated[list[ForestTask], Field(min_length=1)]


class ImageData(ParameterGroup):
    """Which images, and how they are split; fresh ones are real images that nobody trains on."""

    name: Literal["digits", "cifar10"]
    image_size: Count  # averaged down to this by a whole factor
    n_train: Count
    n_validation: Count
    n_test: Count
    n_fresh: Annotated[int, Field(ge=0)]
    seed: int = 0  # of the split


class Network(ParameterGroup):
    """A network of ganmc_utils.networks and how it is trained."""

    network: str
    width: Count | None = None  # none: the paper's
    epochs: Count  # passes over as many rows as the training part has
    batch: Count
    lr: Positive
    optimizer: Literal["adam", "sgd"] = "adam"
    decay: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    augment: Literal["none", "flips", "flips+crops"] = (
        "none"  # of its training images; students: none or flips
    )


class ImageGan(ParameterGroup):
    """The image AC-GAN: width of its first layer, epochs, and the epochs whose generators are kept."""

    width: Count
    epochs: Count
    snapshots: Annotated[list[Count], Field(min_length=1)]
    batch: Count
    lr: Positive  # paper: 2e-4
    choice_epochs: Count  # of the short students that choose a snapshot on validation


class NetworkChapter(Parameters):
    """What chapters 00 to 05 share: the cast."""

    data_dir: str
    device: Literal["auto", "cpu", "cuda"]
    compile: bool  # training steps through torch.compile: results equal within rounding
    seeds: Annotated[list[int], Field(min_length=1)]  # one run of each student per seed
    data: ImageData
    teacher: Network
    student: Network
    gan: ImageGan


Shares = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]


class Pair(ParameterGroup):
    """A row of Table 1: distillation with alpha L_T + (1 - alpha) L_0; p_fakes: candidates, chosen on validation."""

    teacher: Network
    student: Network
    T: Positive
    alpha: Annotated[float, Field(gt=0, le=1)]
    p_fakes: Shares


class DnnCompression(NetworkChapter):
    other_student: Network
    p_fakes: Shares
    jitter_scale: Positive
    pairs: list[Pair]


class PFakeSweep(NetworkChapter):
    p_fakes: Shares
    jitter_scale: Positive


class MixtureChapter(NetworkChapter):
    p_fakes: Shares


class ScoreStudents(ParameterGroup):
    """The students that a set of samples trains (Adam): for one epoch, for five in the paper's first version."""

    students: Count  # of each set and draw
    batch: Count
    lr: Positive


Series = Literal["real_share", "distinct", "within_class", "blur", "label_noise"]


class CompressionScores(NetworkChapter):
    score: ScoreStudents
    classifier: Network  # what Inception Score, FID and KID see through
    inception: bool  # see through Inception-v3 instead; its weights are a download
    inferior_epochs: Annotated[
        list[Count], Field(min_length=1)
    ]  # on L_class alone after which the GAN is scored (paper: 10)
    levels: dict[Series, Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2)]]
    timing_images: Count  # that Inception-v3 is timed on
    teacher_trees: Count  # these three and table: as in chapter 06
    fake_per_real: Count
    jitter_scales: Annotated[list[Positive], Field(min_length=1)]
    table: ForestTask


class Scoreboard(Parameters):
    pass


NOTEBOOKS = {
    "00_teachers_and_gan": NetworkChapter,
    "01_dnn_compression": DnnCompression,
    "02_p_fake_sweep": PFakeSweep,
    "03_augmentation": MixtureChapter,
    "04_gan_quality": NetworkChapter,
    "05_supervised_learning": MixtureChapter,
    "06_random_forests": RandomForests,
    "07_compression_score": CompressionScores,
    "08_scoreboard": Scoreboard,
}


def check(notebook, names):
    """Validate a notebook's globals() right after its parameter cell; names that begin with _ or hold
    no literal (imports, IPython's own) are not parameters. Raises GanmcError with one line."""
    literal = (bool, int, float, str, list, dict, tuple, type(None))
    given = {
        k: v
        for k, v in names.items()
        if not k.startswith("_") and k not in ("In", "Out") and isinstance(v, literal)
    }
    return check_dict(notebook, given)


def check_dict(notebook, given):
    """Validate a dict of parameters (a profile file merged over the notebook's own)."""
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
