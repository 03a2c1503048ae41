"""Sets of images and what scores them: drawn, trained and computed when they are asked for.

A chapter whose scores are all in the store asks for none of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import inception_v3

from ganmc_utils.core.own_source import OwnImages
from ganmc_utils.core.parameters import CompressionScores
from ganmc_utils.core.records import Row
from ganmc_utils.core.registry import is_own, own_entry
from ganmc_utils.core.source import Source
from ganmc_utils.gan.class_only import ClassOnly, set_names
from ganmc_utils.networks.batches import random_stream
from ganmc_utils.networks.data import ImageDataset
from ganmc_utils.networks.experiment import network_name
from ganmc_utils.networks.models import NETWORKS, make_network
from ganmc_utils.networks.sources import GeneratedImages
from ganmc_utils.networks.trained import TrainedModels
from ganmc_utils.networks.training import logits
from ganmc_utils.scores import compression_score as compression
from ganmc_utils.scores import other_scores
from ganmc_utils.scores.degraded import SERIES, degrade
from ganmc_utils.scores.experiment import OwnSet, SampleSet, image_row, real_source

# Added to the seeds of the students of the real data, which are the same for all sets of samples.
REFERENCE_SEEDS = 1_000_000

CLASSIFIER_SEED = 1
INCEPTION_SIZE = 299  # pixels
INCEPTION_BLOCK = 32  # images that Inception-v3 is given at a time
TIMED_RUNS = 3  # the paper's scores are means over three runs

LabelledImages = tuple[Tensor, Tensor]  # x (n, C, H, W) in [-1, 1], classes (n,)


class CachedByContent:
    """A function f(x, *settings) of a tensor, computed once for each content of x.

    Some sets hold the same images (a series at its best level, images whose labels alone are
    wrong): their students are trained once.
    """

    def __init__(self, f: Callable):
        self.f = f
        self.values: dict[tuple, object] = {}

    def __call__(self, x: Tensor, *settings):
        """f(x, *settings), computed or remembered."""
        content = hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).hexdigest()
        key = (content, *settings)
        if key not in self.values:
            self.values[key] = self.f(x, *settings)
        return self.values[key]


# Samples


class ImageSamples:
    """Draws sets of samples.

    Args:
        trained: the images and the GAN of the chapter's parameters.
    """

    def __init__(self, trained: TrainedModels):
        self.trained, self.p = trained, trained.p

    def draw(self, sample_set: SampleSet, seed: int) -> LabelledImages:
        """The images of a set, as many as there are training images, and the classes meant."""
        x, classes = self.undegraded(sample_set.name, seed)
        series, level = sample_set.series, sample_set.level
        if series is None:
            return x, classes
        rng = random_stream(self.trained.device, series, level, seed)
        generated = self.undegraded("gan", seed) if sample_set.sees_gan else None
        return degrade(series, x, classes, level, rng, generated)

    def undegraded(self, name: str, seed: int) -> LabelledImages:
        """Images of a set by its name, see SampleSet."""
        data, device = self.trained.data, self.trained.device
        if name == "train":
            return data.x_train, data.y_train
        rng = random_stream(device, "samples", name, seed)
        if name == "fresh":
            (x, y), _ = halves_of_fresh(data)
            rows = torch.randperm(len(x), generator=rng, device=device)[: len(data.x_train)]
            return x[rows], y[rows]
        return self.generator(name).sample(len(data.x_train), rng)

    def generator(self, name: str) -> GeneratedImages:
        """The generator behind a set of samples."""
        last = self.p.gan.epochs
        epochs_on_class = set_names(self.p.inferior_epochs)
        if name in epochs_on_class:
            return GeneratedImages(self.inferior_gan, last + epochs_on_class[name])
        return GeneratedImages(self.trained.gan(), last if name == "gan" else int(name))

    @cached_property
    def inferior_gan(self) -> ClassOnly:
        """The GAN after further epochs on L_class alone."""
        epochs = self.p.inferior_epochs
        key = self.trained.key({"gan": self.trained.gan_name, "epochs": epochs}, ClassOnly)
        file = self.trained.store.own / f"acgan-class-only-{key}.safetensors"
        return ClassOnly(self.trained.gan(), epochs).train(file)


class OwnImageSamples(ImageSamples):
    """As ImageSamples; it also draws from sources of the user's own file.

    It stands by itself, so that no stored result of another set depends on it.
    """

    def generator(self, name: str) -> Source:
        """The generator behind a set of samples, with the classes that it means."""
        return self.own[name] if is_own(name) else super().generator(name)

    @cached_property
    def own(self) -> dict[str, OwnImages]:
        """The sources of the user's own, made once for all draws."""
        data = self.trained.data
        return {
            name: OwnImages(name, data.x_train, data.y_train, needs_classes=True)
            for name in self.p.sources
        }


def halves_of_fresh(data: ImageDataset) -> tuple[LabelledImages, LabelledImages]:
    """The fresh images that are samples, and those that the classifier learns from."""
    half = len(data.x_fresh) // 2
    samples = (data.x_fresh[:half], data.y_fresh[:half])
    for_classifier = (data.x_fresh[half:], data.y_fresh[half:])
    return samples, for_classifier


# Scores


def uses_inception_v3(p: CompressionScores) -> bool:
    """Whether the other scores see through Inception-v3.

    "auto" means: where its weights are on this machine. Nothing is downloaded to find out.
    """
    if p.inception == "auto":
        return other_scores.has_inception_v3_weights()
    return p.inception


class ImageScores:
    """Scores sets of images; what they need is trained when the first score asks for it.

    Args:
        trained: the images and the teacher of the chapter's parameters.
    """

    def __init__(self, trained: TrainedModels):
        self.trained, self.p = trained, trained.p
        self.teacher_logits = CachedByContent(self.computed_teacher_logits)
        self.score_of_draw = CachedByContent(self.computed_score_of_draw)

    # the Compression Score

    def computed_teacher_logits(self, x: Tensor) -> Tensor:
        """The teacher's logits (n, K) of images x."""
        return logits(self.trained.teacher(self.p.teacher), x)

    def compression_score(self, x: Tensor, seed: int, version: str = "v2") -> float:
        """The Compression Score of one draw of a set of samples."""
        return self.score_of_draw(x, seed, version)

    def computed_score_of_draw(self, x: Tensor, seed: int, version: str) -> float:
        """What compression_score remembers."""
        return self.score(x, [seed], version).value

    def score(
        self,
        x: Tensor,
        seeds: Sequence[int],
        version: str = "v2",
        teacher: compression.ImageTeacher | None = None,
    ) -> compression.Score:
        """The Compression Score of images x.

        Args:
            x: samples (n, C, H, W).
            seeds: of draws; each trains p.score.students students of its own.
            version: of the paper, "v2" or "v1".
            teacher: None: the chapter's, its logits remembered for each content of x.
        """
        settings = self.p.score
        n = settings.students
        return compression.compression_score(
            x,
            self.trained.data,
            teacher or self.teacher_logits,
            self.student,
            version=version,
            seeds=[n * seed + k for seed in seeds for k in range(n)],
            reference_seeds=[REFERENCE_SEEDS + k for k in range(n * len(self.p.seeds))],
            batch=settings.batch,
            lr=settings.lr,
        )

    def student(self, seed: int) -> nn.Module:
        """A new student."""
        return self.trained.network(self.p.student, seed)

    # the other scores

    @cached_property
    def classifier(self) -> other_scores.FeatureClassifier:
        """The classifier behind Inception Score, FID and KID."""
        if uses_inception_v3(self.p):
            return other_scores.inception_v3_classifier(self.trained.device)
        net, _ = self.network_and_history
        return other_scores.classifier_of_network(self.classifier_name, net)

    @property
    def classifier_name(self) -> str:
        """What the classifier is, for readers."""
        if uses_inception_v3(self.p):
            return "Inception-v3"
        return f"{network_name(self.p.classifier)}, a classifier trained for it"

    @cached_property
    def network_and_history(self) -> tuple[nn.Module, list[dict]]:
        """The network that was trained as a classifier, and its history."""
        data = self.trained.data
        if real_source(self.p.data) == "fresh":
            _, (x, y) = halves_of_fresh(data)
        else:
            x, y = data.x_train, data.y_train
        parts = self.trained.parts("validation")
        network = self.p.classifier
        return self.trained.classifier("classifier", network, x, y, CLASSIFIER_SEED, parts)

    @cached_property
    def features_of_training_images(self) -> Tensor:
        """What FID and KID compare with: (n, d)."""
        features, _ = self.classifier(self.trained.data.x_train)
        return features

    def fid(self, features: Tensor) -> float:
        """FID between the training images and samples with these features (n, d)."""
        return other_scores.fid(self.features_of_training_images, features)

    def kid(self, features: Tensor) -> float:
        """KID between the training images and samples with these features (n, d)."""
        return other_scores.kid(self.features_of_training_images, features)

    def intra_fid(self, features: Tensor, classes: Tensor) -> float:
        """Mean of FID within the classes; classes (n,) are those that the samples are meant for."""
        y = self.trained.data.y_train
        return other_scores.intra_fid(self.features_of_training_images, y, features, classes)

    def classification_accuracy(self, x: Tensor, classes: Tensor, seed: int) -> float:
        """Accuracy of a student that learned the classes meant, with no teacher."""
        settings = self.p.score
        return other_scores.classification_accuracy(
            x,
            classes,
            self.trained.data,
            self.student,
            seed,
            batch=settings.batch,
            lr=settings.lr,
        )


def reference_rows(scores: ImageScores, version: str) -> list[Row]:
    """The Compression Score of the training images themselves, and what it is made of.

    The students of all draws train on them; those of the reference have other seeds. One student
    does not tell the standard error.
    """
    score = scores.score(scores.trained.data.x_train, scores.p.seeds, version)
    about = {"source": "train", "setting": {"version": version}}
    return [
        image_row(scores.p, "real", "test", getattr(score, metric), metric=metric, **about)
        for metric in ("value", "error", "reference", "baseline")
        if metric != "error" or score.n > 1
    ]


def classifier_rows(scores: ImageScores) -> list[Row]:
    """The classifier's validation accuracy; Inception-v3 was trained on other data."""
    if uses_inception_v3(scores.p):
        return []
    _, history = scores.network_and_history
    accuracy = history[-1]["validation"]
    return [image_row(scores.p, "classifier", "validation", accuracy, metric="accuracy")]


# Pictures


def pictures(samples: ImageSamples) -> list[tuple[np.ndarray, str]]:
    """Two images of each class: real, of the GAN, and of the inferior GAN from the same noise.

    Returns:
        (images for people, float (2 K, H, W, C) in [0, 1], and their title) for each of the three.
    """
    trained, store = samples.trained, samples.trained.store
    epochs = samples.p.inferior_epochs
    titles = {
        "train": "Training images",
        "gan": "GAN, well trained",
        "inferior": f"GAN, {max(epochs)} more epochs on its class loss",
    }
    about = {"gan": trained.gan_name, "inferior_epochs": epochs}
    name = f"pictures-scores-{trained.key(about, ImageSamples)}"
    stored = store.read_tensors(name)
    if stored is None:
        started = time.monotonic()
        generators = {set_name: samples.generator(set_name) for set_name in ("gan", "inferior")}
        images = {set_name: trained.pictures_of(generators.get(set_name)) for set_name in titles}
        store.write_tensors(name, images, None, time.monotonic() - started)
        stored = store.read_tensors(name)
    pixels, _ = stored
    return [(pixels[set_name].numpy() / 255, title) for set_name, title in titles.items()]


# Timing


def timing_rows(scores: ImageScores, samples: ImageSamples) -> list[Row]:
    """Seconds that each score takes for one set of samples; every work is warmed up first.

    The paper says "the Compression Score 350.1 s" and not what that counts. The metric
    compression_score counts all that the formula needs: TIMED_RUNS students of the samples, as
    many of the real data, the teacher's logits of both, and the test of every student. The metric
    compression_score_without_references leaves out the students of the real data, as whoever
    scores a second generator may.

    The teacher, the classifier and the samples are at hand: training them, and drawing the
    samples, is in no row. An Inception Score is computed once. Inception-v3 is given
    p.timing_images images and its time is scaled up: it grows with the number of images, and the
    weights have no part in it.
    """
    p, trained = scores.p, scores.trained
    x, _ = samples.draw(SampleSet("gan"), seed=0)

    def inception_score() -> float:
        _, class_logits = scores.classifier(x)
        return other_scores.inception_score(class_logits)

    of_samples = student_seconds(scores, x, range(TIMED_RUNS))
    reference_seeds = [REFERENCE_SEEDS + k for k in range(TIMED_RUNS)]
    of_real_images = student_seconds(scores, trained.data.x_train, reference_seeds)
    by_inception_v3 = inception_seconds(p.timing_images, trained.device) * len(x)
    with_references = {"students": TIMED_RUNS, "students_of_real_data": TIMED_RUNS}
    without_references = {"students": TIMED_RUNS, "students_of_real_data": 0}
    scaled = {"images": p.timing_images, "scaled_to": len(x)}
    timed = [
        ("compression_score", of_samples + of_real_images, with_references),
        ("compression_score_without_references", of_samples, without_references),
        ("inception_score_classifier", seconds(inception_score), {}),
        ("inception_score", by_inception_v3, scaled),
    ]
    return [
        image_row(p, "timing", "none", value, metric=metric, setting=setting)
        for metric, value, setting in timed
    ]


def student_seconds(scores: ImageScores, x: Tensor, seeds: Sequence[int]) -> float:
    """Seconds from images x to the test accuracies of their students: the teacher's logits too."""
    p, trained = scores.p, scores.trained
    students = compression.ImageStudents(
        trained.data,
        trained.teacher(p.teacher),
        scores.student,
        epochs=compression.EPOCHS_OF_VERSION["v2"],
        batch=p.score.batch,
        lr=p.score.lr,
        progress=False,
    )
    return seconds(lambda: sum(students.accuracies(x, seeds)))


def inception_seconds(n: int, device: str | torch.device) -> float:
    """Seconds per image that Inception-v3, whatever its weights, takes for n images."""
    net = inception_v3(weights=None, init_weights=False, aux_logits=False).eval().to(device)
    block = min(n, INCEPTION_BLOCK)
    images = torch.rand(block, 3, INCEPTION_SIZE, INCEPTION_SIZE, device=device)

    @torch.no_grad()
    def predict() -> float:
        starts = range(0, n, INCEPTION_BLOCK)
        return sum(float(net(images[: n - start]).sum()) for start in starts)

    return seconds(predict) / n


def seconds(work: Callable[[], float]) -> float:
    """Wall seconds of work(), after one run that warms up.

    It has to end by returning a number: only then has a GPU done its work.
    """
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# Names in the store


def unit_name(
    trained: TrainedModels, sample_set: SampleSet, seed: int, score_samples: Callable
) -> str:
    """The name of one draw of a set of samples: by all that its scores depend on.

    score_samples: the notebook's function, which draws and scores it.
    """
    about = {"samples": asdict(sample_set), "seed": seed}
    deciders = [score_samples, SampleSet, ImageSamples]
    if sample_set.sees_gan:
        about["gan"] = trained.gan_name
    if sample_set.name in set_names(trained.p.inferior_epochs):
        about["inferior_epochs"] = trained.p.inferior_epochs
        deciders.append(ClassOnly)
    if is_own(sample_set.name):
        deciders += [OwnSet, OwnImageSamples, own_entry(sample_set.name)]
    if sample_set.series is not None:
        deciders.append(SERIES[sample_set.series].function)
    return f"scores-{sample_set.words}-{seed}-{key_of_scores(trained, about, *deciders)}"


def reference_name(trained: TrainedModels, version: str) -> str:
    """The name of the Compression Score of the training images."""
    about = {"version": version, "seeds": trained.p.seeds}
    return f"scores-reference-{version}-{key_of_scores(trained, about, reference_rows)}"


def classifier_unit(trained: TrainedModels) -> str:
    """The name of the classifier's accuracy."""
    return f"scores-classifier-{key_of_scores(trained, {}, classifier_rows)}"


def timing_name(trained: TrainedModels) -> str:
    """The name of the timing."""
    about = {"images": trained.p.timing_images, "gan": trained.gan_name}
    return f"scores-timing-{key_of_scores(trained, about, timing_rows)}"


def key_of_scores(trained: TrainedModels, about: dict, *deciders: Callable) -> str:
    """The key of scores: what all of them depend on, and what is said about these."""
    p = trained.p
    classifier = trained.classifier_name("classifier", p.classifier, CLASSIFIER_SEED)
    settings = {
        "teacher": trained.classifier_name("teacher", p.teacher, trained.set_seed),
        "classifier": "Inception-v3" if uses_inception_v3(p) else classifier,
        "student": p.student.model_dump(include={"network", "width"}),
        "score": p.score.model_dump(),
        "students_of_real_images": p.score.students * len(p.seeds),
    }
    students = (make_network, NETWORKS[p.student.network])
    return trained.key(settings | about, ImageScores, *students, *deciders)
