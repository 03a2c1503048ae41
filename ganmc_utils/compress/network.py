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
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_model
from torch import Tensor, nn

from ganmc_utils.compress.measures import Interval, interval, resampled_scores, score
from ganmc_utils.compress.network_checks import (
    ASKED_AT_ONCE,
    asked,
    check_objective,
    check_settings,
    check_teacher,
    checked_images,
    copied,
)
from ganmc_utils.compress.network_source import check_source, source_of
from ganmc_utils.compress.onnx_file import onnx_session
from ganmc_utils.core.errors import GanmcError, user_error
from ganmc_utils.core.paths import write_atomically
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches, Mixture, TeacherLabelledStream
from ganmc_utils.networks.models import count_parameters
from ganmc_utils.networks.objectives import Batch, logit_matching, supervised
from ganmc_utils.networks.own_network import check_logits, check_weights

HELD_BACK = 0.2  # of the images, for the report
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
        write_atomically(folder / "model.onnx", onnx_bytes)
        write_atomically(folder / "README.md", card)
        weights = folder / "model.safetensors"
        try:
            save_model(net, str(weights), {"settings": json.dumps(self.settings)})
        except (OSError, SafetensorError) as failed:
            cure = "free some space or choose another folder"
            raise user_error(weights, f"cannot be written ({failed})", cure) from None
        return [weights, folder / "model.onnx", folder / "README.md"]


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
