"""The scores that others give to samples.

Inception Score, FID and KID (by torchmetrics) and intra-class FID see images through a classifier;
which one is said beside every number. The Classification Accuracy Score trains a student instead.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches
from ganmc_utils.networks.data import ImageDataset
from ganmc_utils.networks.objectives import supervised

BLOCK = 500  # images classified in one go
KID_SUBSETS = 20
KID_SUBSET_SIZE = 1000  # samples of a subset, fewer where there are fewer


@dataclass(frozen=True)
class FeatureClassifier:
    """A classifier that scores see images through.

    name: for tables.
    classify: images (n, C, H, W) in [-1, 1] -> (features (n, d), logits (n, K)).
    """

    name: str
    classify: Callable[[Tensor], tuple[Tensor, Tensor]]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of any number of images, in float32."""
        features, logits = [], []
        for block in x.split(BLOCK):
            features_of_block, logits_of_block = self.classify(block)
            features.append(features_of_block)
            logits.append(logits_of_block)
        return torch.cat(features).float(), torch.cat(logits).float()


def classifier_of_network(name: str, net: nn.Sequential) -> FeatureClassifier:
    """A network of networks.models: its features are what its last layer takes."""
    net.eval()
    body, head = net[:-1], net[-1:]

    def classify(x: Tensor) -> tuple[Tensor, Tensor]:
        features = body(x)
        return features, head(features)

    return FeatureClassifier(name, classify)


def has_inception_v3_weights() -> bool:
    """Whether the file of Inception-v3's weights is where torch keeps downloads."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    file_name = PurePosixPath(fidelity.URL_INCEPTION_V3).name
    return (Path(torch.hub.get_dir()) / "checkpoints" / file_name).exists()


def inception_v3_classifier(device: str | torch.device = "cpu") -> FeatureClassifier:
    """Inception-v3 with the weights of the published scores.

    Raises:
        GanmcError: the weights, which are a download, cannot be had.
    """
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    try:  # first as bare tensors: the library itself would open a pickle
        torch.hub.load_state_dict_from_url(
            fidelity.URL_INCEPTION_V3, progress=False, check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as failed:
        raise GanmcError(
            f"Inception-v3: its weights cannot be fetched ({failed}); "
            f"bring {fidelity.URL_INCEPTION_V3} to {torch.hub.get_dir()}/checkpoints, "
            "or see through a classifier of your own"
        ) from None
    outputs = ["2048", "logits_unbiased"]
    net = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", outputs)
    net = net.eval().to(device)

    def classify(x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        if pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        return net(pixels)

    return FeatureClassifier("Inception-v3", classify)


class GivenFeatures(nn.Identity):
    """Hands torchmetrics features that were computed before; they are d wide."""

    def __init__(self, d: int):
        super().__init__()
        self.num_features = d


@contextmanager
def repeatable_torchmetrics() -> Iterator[None]:
    """Quiet, and the same at every call.

    torchmetrics warns that features take memory, and draws from torch's global stream: here always
    from the same state of it, which is put back afterwards.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(0)
        yield


@repeatable_torchmetrics()
def inception_score(logits: Tensor) -> float:
    """exp(mean over x of KL(p(c|x) || p(c))) from logits (n, K), p(c) the mean of p(c|x).

    From 1 to K (Salimans et al., 2016), over all samples at once.
    """
    score = InceptionScore(feature=GivenFeatures(logits.shape[1]), splits=1).to(logits.device)
    score.update(logits)
    mean, _ = score.compute()
    return float(mean)


def confidence(logits: Tensor) -> float:
    """Mean of the largest class probability, from logits (n, K)."""
    return float(logits.softmax(1).amax(1).mean())


@repeatable_torchmetrics()
def fid(real: Tensor, fake: Tensor) -> float:
    """Fréchet inception distance |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) (Heusel et al., 2017).

    m and S are the mean and covariance of the features of real images (n, d), m' and S' those of
    generated ones.

    Raises:
        GanmcError: fewer than 2 images of either kind.
    """
    if min(len(real), len(fake)) < 2:
        raise GanmcError(
            f"FID: {len(real)} real and {len(fake)} generated images; bring at least 2 of each"
        )
    distance = FrechetInceptionDistance(feature=GivenFeatures(real.shape[1]))
    distance = distance.set_dtype(torch.float64).to(real.device)
    distance.update(real.double(), real=True)
    distance.update(fake.double(), real=False)
    return max(0.0, float(distance.compute()))  # below 0 by rounding alone


@repeatable_torchmetrics()
def kid(real: Tensor, fake: Tensor) -> float:
    """Squared maximum mean discrepancy with the kernel (x'y / d + 1)^3 (Binkowski et al., 2018).

    The mean over random subsets of features of real and generated images, each (n, d).
    """
    distance = KernelInceptionDistance(
        feature=GivenFeatures(real.shape[1]),
        subsets=KID_SUBSETS,
        subset_size=min(KID_SUBSET_SIZE, len(real), len(fake)),
    ).to(real.device)
    distance.update(real, real=True)
    distance.update(fake, real=False)
    mean, _ = distance.compute()
    return float(mean)


def intra_fid(real: Tensor, y: Tensor, fake: Tensor, c: Tensor) -> float:
    """Mean over the classes of the FID within a class (Miyato and Koyama, 2018).

    Args:
        real: features of real images, (n, d).
        y: their classes, (n,).
        fake: features of generated images, (m, d).
        c: the classes they were asked for, (m,).

    Raises:
        GanmcError: no class has two images of each kind; one without is left out.
    """
    distances = []
    for k in y.unique():
        real_of_class = real[y == k]
        fake_of_class = fake[c == k]
        if min(len(real_of_class), len(fake_of_class)) > 1:
            distances.append(fid(real_of_class, fake_of_class))
    if not distances:
        raise GanmcError("intra-class FID: no class has two real and two generated images")
    return sum(distances) / len(distances)


def classification_accuracy(
    x: Tensor,
    c: Tensor,
    dataset: ImageDataset,
    student: Callable[[int], nn.Module],
    seed: int,
    epochs: int = 5,
    batch: int = 50,
    lr: float = 1e-3,
) -> float:
    """Classification Accuracy Score (Ravuri and Vinyals, 2019).

    It is the accuracy on the real test part of a student that was trained on samples and the
    classes that they were asked for.

    Args:
        x: samples, (n, C, H, W).
        c: the classes they were asked for, (n,).
        dataset: the real images.
        student: builds an untrained network from a seed.
        seed: of the student.
        epochs: the student takes as many steps as these epochs over the real data would.
        batch: samples of a step.
        lr: learning rate.
    """
    net = student(seed).to(x.device, memory_format=torch.channels_last)
    samples = EpochBatches(x, c, batch, name="samples")
    learner = training.Learner("student of labels", net, supervised, samples, seed)
    steps = epochs * (len(dataset.x_train) // batch)
    schedule = training.Schedule(steps, lr, evaluations=1)
    parts = {"test": (dataset.x_test, dataset.y_test)}
    training.train([learner], schedule, parts, progress=False)
    return learner.history[-1]["test"]
