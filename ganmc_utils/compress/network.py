"""A network of your own: from a teacher and images to a small network in a file.

The student learns the teacher's logits for your images and for images that a source draws. The
training loop, the sources and the objectives are those of Sec. 3 (ganmc_utils/networks).
"""

import copy
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_model
from torch import Tensor, nn

from ganmc_utils.compress.measures import Interval, interval, resampled_scores, score
from ganmc_utils.compress.onnx_file import onnx_session
from ganmc_utils.core.arguments import check_whole_numbers
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.paths import write_atomically
from ganmc_utils.core.source import Source
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import (
    EpochBatches,
    Mixture,
    TeacherLabelledStream,
    random_stream,
)
from ganmc_utils.networks.models import count_parameters
from ganmc_utils.networks.objectives import Batch, logit_matching, supervised
from ganmc_utils.networks.own_network import check_logits, check_weights
from ganmc_utils.networks.sources import IMAGE_SOURCES

HELD_BACK = 0.2  # of the images, for the report
FEWEST_IMAGES = 50
ASKED_AT_ONCE = 100  # images; large ones fill the memory
JITTER_SCALE = 0.3  # of the source `jitter`, in standard deviations of a pixel
MOST_STEPS = 10**7
LARGEST_SEED = 2**31 - 1
BRIGHTEST = 10  # times the largest value of your images: a source of another scale
TOLERANCE = 1e-4  # of the ONNX file's logits, as a share of the largest
OPSET = 18

CARD = """# Model card

{report}

Trained on {n_train:,} images; source {source}, p_fake {p_fake:g}, objective {objective}.

`model.onnx` takes `images`, float32 {shape}, as the teacher took them, and gives `logits`,
float32 (n, {n_classes}). {agreement}

```python
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
logits = session.run(["logits"], {{"images": images}})[0]
```

`model.safetensors` holds the weights for `safetensors.torch.load_model(network, file)`.
"""


@dataclass(frozen=True, eq=False)
class CompressedNetwork:
    """What `compress_network` gives; print it, save it, or take its parts.

    net: the student, in evaluation mode.
    scores: accuracy on the held-back images, by model: teacher, student, "labels" (the same network
        on the labels); empty without labels.
    loss: the teacher's accuracy minus the student's; gain: the student's minus that of "labels";
        None without labels.
    agreement: share of held-back images to which teacher and student give the same class.
    parameters: numbers that a network learns, by model; None of a function.
    settings: what it was trained with, for the card.
    images: the held-back images, (n, C, H, W).
    """

    net: nn.Module
    scores: dict[str, Interval]
    loss: Interval | None
    gain: Interval | None
    agreement: Interval
    parameters: dict[str, int | None]
    settings: dict
    images: Tensor

    def __str__(self) -> str:
        n_student, n_teacher = self.parameters["student"], self.parameters["teacher"]
        size = f"{n_student:,} parameters"
        if n_teacher:
            size += f" (the teacher has {n_teacher:,}, {n_teacher / n_student:.3g} times as many)"
        lines = [
            f"A student of {size} agrees with its teacher on {self.agreement.words()} of "
            f"{len(self.images):,} held-back images."
        ]
        if self.scores:
            words = {model: score.words() for model, score in self.scores.items()}
            lines.append(
                f"Accuracy: teacher {words['teacher']}, student {words['student']}, the same "
                f"network on the labels {words['labels']}. The student loses {self.loss.words()}."
            )
            lines.append(self.verdict())
        return " ".join(lines)

    def verdict(self) -> str:
        """Whether a teacher was needed."""
        difference = f"the student minus the network on the labels is {self.gain.words()}"
        if self.gain.low > 0:
            return f"Compression helped: {difference}."
        if self.gain.high >= 0:
            return f"Compression gained nothing that these images can show: {difference}."
        return f"Compression did harm: {difference}. Try more steps, or train on the labels."

    def save(self, folder: str | Path) -> list[Path]:
        """Write model.safetensors, model.onnx and a model card, README.md, into a folder.

        Args:
            folder: it is made if it is not there; files of these names in it are replaced.

        Returns:
            The paths of the files.

        Raises:
            GanmcError: the folder cannot be written, or ONNX cannot express the network.
        """
        if not isinstance(folder, (str, Path)):
            raise user_error("folder", f"{folder!r}", "give its path as text")
        folder = Path(folder)
        net = copy.deepcopy(self.net).cpu()
        images = self.images.cpu()
        onnx_bytes = exported(net, images[:2])
        agreement = agreement_of_file(onnx_bytes, net, images)
        shape = ", ".join(str(n) for n in images.shape[1:])
        card = CARD.format(report=self, shape=f"(n, {shape})", agreement=agreement, **self.settings)
        paths = []
        try:
            for name, content in {"model.onnx": onnx_bytes, "README.md": card}.items():
                write_atomically(folder / name, content)
                paths.append(folder / name)
            weights = folder / "model.safetensors"
            save_model(net, str(weights), {"settings": json.dumps(self.settings)})
        except (OSError, SafetensorError) as failed:
            problem = f"cannot be written ({getattr(failed, 'strerror', None) or failed})"
            cure = "free some space or choose another folder"
            raise user_error(folder, problem, cure) from None
        return [weights, *paths]


def compress_network(
    teacher: Callable[[Tensor], Tensor],
    student: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    source: object = "flips",
    objective: Callable[[Tensor, Batch], Tensor] = logit_matching,
    p_fake: float = 0.5,
    steps: int = 2000,
    batch: int = 100,
    lr: float = 1e-3,
    seed: int = 0,
    progress: bool = True,
) -> CompressedNetwork:
    """Compress a network of images into a small one that learns its logits.

    A fifth of the images is held back for the report. The student g minimizes, by Adam with a
    cosine schedule,

        mean over the batch of objective(g(x), z(x)),    Eq. 1: ||g(x) - z(x)||^2

    with the teacher's logits z; x is an image of the source with probability p_fake, else one of
    yours. With labels, the same network learns them alone beside it: was a teacher needed?

    Args:
        teacher: a network, or a function, of images (n, C, H, W) that gives logits (n, K).
        student: a network of the same images and classes. A copy of it is trained.
        images: float32 (n, C, H, W), as the teacher takes them.
        labels: their classes, int (n,), or None.
        source: "train" (your images alone), "flips" (left-right flips and shifts), "jitter",
            "mixup", "noise", "shuffled"; an object with sample(n, rng) or a function of (n, rng)
            that gives n images, float32 and scaled as yours, such as GeneratedImages; rng is a
            torch.Generator.
        objective: a function of logits (B, K) and a Batch, such as Distillation(T=4, alpha=0.9).
        p_fake: share of the source's images, in [0, 1].
        steps: of training.
        batch: images of a step.
        lr: the largest learning rate.
        seed: of the images held back and of the batches.
        progress: show a progress bar.

    Returns:
        The student with its report; `save(folder)` writes it as safetensors and ONNX.

    Raises:
        GanmcError: images, teacher, student, source or a setting cannot be used.
    """
    check_settings({"steps": steps, "batch": batch, "seed": seed, "lr": lr, "p_fake": p_fake})
    check_weights("student", student)
    device = next(student.parameters()).device
    x, y = checked_images(images, labels, device)
    n_report = round(HELD_BACK * len(x))
    if batch > len(x) - n_report:
        problem = f"{batch} of {len(x) - n_report} training images"
        raise user_error("batch", problem, "lower the batch")
    n_classes = check_teacher(teacher, x[:2], y)
    student = copied("student", student)
    check_logits("student", copied("student", student), x[:2], n_classes)
    check_objective(objective, x[:2], n_classes)
    check_source(source, x)

    def label(some: Tensor) -> Tensor:
        return asked(teacher, some, n_classes)

    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(device)
    x_report, x_train = x[order[:n_report]], x[order[n_report:]]
    z_report, z_train = label(x_report), label(x_train)
    y_train = z_train.argmax(1) if y is None else y[order[n_report:]]

    own = EpochBatches(x_train, y_train, batch, z_train)
    drawn = source_of(source, x_train, y_train)
    stream = own
    if drawn is not None:
        generated = TeacherLabelledStream(drawn, batch, label, device, "source", "teacher")
        stream = Mixture(own, generated, p_fake)
    learners = [training.Learner("student", student, objective, stream, seed)]
    if y is not None:
        augment = "flips+crops" if source == "flips" else "none"
        batches = EpochBatches(x_train, y_train, batch, augment=augment)
        peer = copy.deepcopy(student)
        learners.append(training.Learner("labels", peer, supervised, batches, seed))
    schedule = training.Schedule(steps, lr, decay="cosine", evaluations=1)
    training.train(learners, schedule, {}, label="student", progress=progress)

    nets = {learner.name: learner.net.eval() for learner in learners}
    all_z = {"teacher": z_report} | {name: asked(net, x_report) for name, net in nets.items()}
    n_teacher = count_parameters(teacher) if isinstance(teacher, nn.Module) else None
    return CompressedNetwork(
        net=student,
        **report_of(all_z, None if y is None else y[order[:n_report]]),
        parameters={"teacher": n_teacher, "student": count_parameters(student)},
        settings={
            "n_train": len(x_train),
            "source": source if isinstance(source, str) else type(source).__name__,
            "p_fake": 0.0 if drawn is None else float(p_fake),
            "objective": getattr(objective, "__name__", repr(objective)),
            "n_classes": n_classes,
        },
        images=x_report,
    )


def check_settings(given: dict) -> None:
    """Raises GanmcError for settings that are no numbers, or out of their range."""
    check_whole_numbers("compress_network", given, steps=1, batch=1, seed=0)
    for name, most in (("steps", MOST_STEPS), ("seed", LARGEST_SEED)):
        if given[name] > most:
            raise user_error(name, f"{given[name]}", f"choose a whole number up to {most}")
    lr, p_fake = given["lr"], given["p_fake"]
    if not is_number(lr) or not 0 < lr < float("inf"):
        raise user_error("lr", f"{lr!r}", "choose a number above 0")
    if not is_number(p_fake) or not 0 <= p_fake <= 1:
        raise user_error("p_fake", f"{p_fake!r}", "choose a number in [0, 1]")


def is_number(value: object) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def copied(where: str, net: nn.Module) -> nn.Module:
    """A copy of a network.

    Raises:
        GanmcError: it cannot be copied.
    """
    try:
        return copy.deepcopy(net)
    except Exception as failed:  # whatever a network of the user's own holds
        problem = f"cannot be copied ({type(failed).__name__}: {failed})"
        raise user_error(where, problem, "give one that copy.deepcopy takes") from failed


def checked_images(images: object, labels: object, device) -> tuple[Tensor, Tensor | None]:
    """Images as float32 (n, C, H, W) and classes as int64 (n,), on the device.

    Raises:
        GanmcError: they are none, too few, not finite, or not as many as the labels.
    """
    x = plain_tensor("images", images)
    if x.ndim != 4 or not x.is_floating_point():
        problem = f"{x.dtype} of shape {tuple(x.shape)}".removeprefix("torch.")
        cure = "give float32 (n, C, H, W), as the teacher takes them"
        raise user_error("images", problem, cure)
    if len(x) < FEWEST_IMAGES:
        raise user_error("images", f"{len(x)} of them", f"bring {FEWEST_IMAGES} or more")
    x = x.to(device, torch.float32)
    if not torch.isfinite(x).all():
        raise user_error("images", "NaN or infinity", "leave those images out")
    if labels is None:
        return x, None
    y = plain_tensor("labels", labels).to(device)
    if y.shape != (len(x),) or y.is_floating_point() or y.is_complex():
        problem = f"{y.dtype} of shape {tuple(y.shape)} for {len(x)} images"
        raise user_error("labels", problem.removeprefix("torch."), "give an integer for each image")
    return x, y.long()


def plain_tensor(where: str, given: object) -> Tensor:
    """What the user gave as a tensor of values, without a history of gradients.

    Raises:
        GanmcError: it is none.
    """
    cure = "give an array or a dense tensor of numbers"
    try:
        is_array = isinstance(given, np.ndarray)  # one that is turned round torch does not take
        tensor = torch.as_tensor(np.ascontiguousarray(given) if is_array else given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise user_error(where, f"{type(given).__name__} is no tensor", cure) from None
    if tensor.layout != torch.strided or tensor.is_meta:
        raise user_error(where, "a sparse tensor, or one without values", cure)
    return tensor.detach()


def check_teacher(teacher: object, x: Tensor, y: Tensor | None) -> int:
    """The number of a teacher's classes; a network moves to the device of images x (n, C, H, W).

    Raises:
        GanmcError: it gives no logits, or has fewer classes than the labels y.
    """
    if isinstance(teacher, nn.Module):
        try:
            teacher.to(x.device)
        except RuntimeError as failed:
            raise user_error("teacher", f"cannot move ({failed})", "load its weights") from failed
    n_classes = asked(teacher, x).shape[1]
    if y is None or (y.min() >= 0 and y.max() < n_classes):
        return n_classes
    problem = f"from {y.min()} to {y.max()}, and the teacher gives {n_classes} logits"
    raise user_error("labels", problem, f"number the classes from 0 to {n_classes - 1}, as it does")


def asked(net: Callable[[Tensor], Tensor], x: Tensor, n_classes: int | None = None) -> Tensor:
    """Logits (n, K) of a network in evaluation mode, or of a function, for images (n, C, H, W).

    Raises:
        GanmcError: it fails, or gives no logits, or not n_classes of them.
    """
    blocks = []
    for block in x.split(ASKED_AT_ONCE):
        try:
            with torch.no_grad():
                is_network = isinstance(net, nn.Module)
                z = training.logits(net, block) if is_network else net(block)
            z = torch.as_tensor(z, device=x.device)
        except Exception as failed:  # whatever a network or function of the user's may raise
            first_line = str(failed).split("\n")[0]
            problem = f"fails on images of shape {tuple(block.shape)} ({first_line})"
            raise user_error("teacher", problem, "give a function images -> logits") from failed
        if z.ndim != 2 or len(z) != len(block) or z.shape[1] < 2 or z.is_complex():
            problem = f"gives {z.dtype} of shape {tuple(z.shape)} for {len(block)} images"
            cure = "it must give logits (n, K), one a class"
            raise user_error("teacher", problem.replace("torch.", ""), cure)
        if n_classes and z.shape[1] != n_classes:
            problem = f"gives {z.shape[1]} logits where it gave {n_classes} before"
            raise user_error("teacher", problem, "it must give one a class, for all images")
        if not torch.isfinite(z).all():
            cure = "train it anew, or leave out what it cannot take"
            raise user_error("teacher", "gives logits that are not finite", cure)
        blocks.append(z.float())
    return torch.cat(blocks)


def check_objective(objective: object, x: Tensor, n_classes: int) -> None:
    """Raises GanmcError unless an objective gives a loss that logits of images x can lower."""
    cure = "give a function of logits (B, K) and a Batch, such as Distillation(T=4, alpha=0.9)"
    z = torch.zeros(len(x), n_classes, device=x.device)
    g = torch.ones_like(z).requires_grad_()
    try:
        loss = objective(g, Batch(x, z.argmax(1), z))
    except Exception as failed:  # whatever a function of the user's may raise
        raise user_error(
            "objective", f"fails ({type(failed).__name__}: {failed})", cure
        ) from failed
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = f" of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else ""
        problem = f"gives a {type(loss).__name__}{shape}"
        raise user_error("objective", problem, "it must give one number, as a tensor")
    if not loss.requires_grad:
        raise user_error("objective", "gives a loss without a gradient", "compute it of the logits")


def check_source(source: object, x: Tensor) -> None:
    """Raises GanmcError for an unknown name, or for what draws no images like x (n, C, H, W)."""
    names = ("train", *IMAGE_SOURCES)
    if isinstance(source, str):
        if source not in names:
            raise user_error(
                "source", f"unknown name {source}", f"choose one of {', '.join(names)}"
            )
    elif callable(getattr(source, "sample", source)):
        OwnImages(source, x).sample(2, random_stream(x.device, "first"))
    else:
        cure = "give a name, an object with sample(n, rng) or a function of (n, rng)"
        raise user_error("source", f"{type(source).__name__} draws no images", cure)


def source_of(source: object, x: Tensor, y: Tensor) -> Source | None:
    """The Source of what the user gave, which is checked; None for "train"."""
    if not isinstance(source, str):
        return OwnImages(source, x)
    if source == "train":
        return None
    scale = [JITTER_SCALE] if source == "jitter" else []
    return IMAGE_SOURCES[source](x, y, *scale)


@dataclass
class OwnImages(Source):
    """The user's own: an object with sample(n, rng), or a function of (n, rng).

    Args:
        draw: the object or function; a pair (images, classes) is taken as well, and the classes
            are of no use: the teacher tells them.
        like: images of the shape that is expected.
    """

    draw: object
    like: Tensor

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, None]:
        """Draw n images.

        Raises:
            GanmcError: it fails, or gives not n images of the right shape and scale.
        """
        try:
            with torch.no_grad():
                drawn = getattr(self.draw, "sample", self.draw)(n, rng)
        except Exception as failed:  # whatever the user's own code may raise
            problem = f"fails ({type(failed).__name__}: {failed})"
            raise user_error("source", problem, "mend its sample(n, rng)") from failed
        x = plain_tensor("source", drawn[0] if isinstance(drawn, tuple) and drawn else drawn)
        expected = (n, *self.like.shape[1:])
        if tuple(x.shape) != expected or not x.is_floating_point():
            problem = f"{x.dtype} of shape {tuple(x.shape)}".removeprefix("torch.")
            cure = f"draw float32 {expected}, scaled as the teacher's images are"
            raise user_error("source", problem, cure)
        x = x.to(self.like.device, torch.float32)
        if not torch.isfinite(x).all():
            raise user_error("source", "draws NaN or infinity", "train it anew")
        largest, usual = float(x.abs().max()), float(self.like.abs().max())
        if largest > BRIGHTEST * usual:
            problem = f"draws values up to {largest:.3g}, your images have {usual:.3g}"
            raise user_error("source", problem, "scale them as your images are")
        return x, None


def report_of(all_z: dict[str, Tensor], y: Tensor | None) -> dict:
    """Agreement, scores, loss and gain on the held-back images.

    Args:
        all_z: logits by model: teacher, student, and "labels" where there are labels.
        y: the classes, or None.
    """
    logits = {name: z.cpu().numpy() for name, z in all_z.items()}
    of_teacher = logits["teacher"].argmax(1)
    agreement = interval(
        score("accuracy", of_teacher, logits["student"]),
        resampled_scores("accuracy", of_teacher, [logits["student"]])[0],
    )
    if y is None:
        return {"agreement": agreement, "scores": {}, "loss": None, "gain": None}
    truth = y.cpu().numpy()
    values = {name: score("accuracy", truth, z) for name, z in logits.items()}
    resampled = dict(zip(logits, resampled_scores("accuracy", truth, list(logits.values()))))

    def difference(a: str, b: str) -> Interval:
        return interval(values[a] - values[b], resampled[a] - resampled[b])

    return {
        "agreement": agreement,
        "scores": {name: interval(values[name], resampled[name]) for name in logits},
        "loss": difference("teacher", "student"),
        "gain": difference("student", "labels"),
    }


def exported(net: nn.Module, x: Tensor) -> bytes:
    """The ONNX model of a network in evaluation mode: images (n, C, H, W) -> logits (n, K).

    Raises:
        GanmcError: ONNX cannot express it.
    """
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # The newer exporter of torch needs a package more, for the same file.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                net,
                (x,),
                file,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as failed:
        problem = f"cannot be written as ONNX ({str(failed).splitlines()[0]})"
        raise GanmcError(f"student: {problem}; take plain layers of torch.nn") from failed
    return file.getvalue()


def agreement_of_file(onnx_bytes: bytes, net: nn.Module, images: Tensor) -> str:
    """How well the ONNX file agrees with the network on images, in a sentence."""
    session = onnx_session(onnx_bytes)
    ours = asked(net, images).numpy()
    blocks = images.split(ASKED_AT_ONCE)
    file = np.concatenate([session.run(["logits"], {"images": b.numpy()})[0] for b in blocks])
    difference = np.abs(ours - file).max() / max(1.0, np.abs(ours).max())
    within = f"within {TOLERANCE:g}" if difference <= TOLERANCE else f"only within {difference:.2g}"
    return f"On {len(images):,} images its logits are the network's {within} of the largest."
