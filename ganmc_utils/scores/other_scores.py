"""The scores that others give to samples: Inception Score, FID and KID (by torchmetrics), intra-class FID, and the
Classification Accuracy Score. The first four see images through a classifier; which one is said beside every number."""

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError

import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches
from ganmc_utils.networks.objectives import supervised

BLOCK = 500  # images looked at in one go
KID_SUBSETS = 20
KID_ROWS = 1000  # rows of a subset, fewer where there are fewer


@dataclass(frozen=True)
class FeatureClassifier:
    """name, and what it sees: images (n, C, H, W) in [-1, 1] -> (features (n, d), logits (n, K))."""

    name: str
    see: Callable

    @torch.no_grad()
    def __call__(self, x):
        parts = [self.see(part) for part in x.split(BLOCK)]
        return tuple(torch.cat(side).float() for side in zip(*parts))


def classifier_of_network(name, net):
    """A network of ganmc_utils.networks: its features are what its last layer takes."""
    body, head = net.eval()[:-1], net[-1]

    def see(x):
        features = body(x)
        return features, head(features)

    return FeatureClassifier(name, see)


def inception_v3_classifier(device="cpu"):
    """Inception-v3 with the weights of the published scores. GanmcError where they can't be had: they are a download."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    try:  # first as bare tensors: the library itself would open a pickle
        torch.hub.load_state_dict_from_url(
            fidelity.URL_INCEPTION_V3, progress=False, check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as failed:
        raise GanmcError(
            f"Inception-v3: its weights cannot be fetched ({failed}); bring {fidelity.URL_INCEPTION_V3} to "
            f"{torch.hub.get_dir()}/checkpoints, or see through a classifier of your own"
        ) from None
    net = (
        fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"])
        .eval()
        .to(device)
    )

    def see(x):
        x = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return net(x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x)

    return FeatureClassifier("Inception-v3", see)


class GivenFeatures(nn.Identity):
    """Hands torchmetrics features that were computed before; they are d wide."""

    def __init__(self, d):
        super().__init__()
        self.num_features = d


@contextmanager
def by_torchmetrics():
    """Without its warning that features take memory, and with its draws (it takes them from the global stream) always the same."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(0)
        yield


@by_torchmetrics()
def inception_score(logits):
    """exp(mean over x of KL(p(c|x) || p(c))) from logits (n, K), p(c) the mean of p(c|x): 1 to K (Salimans et al., 2016)."""
    score = InceptionScore(feature=GivenFeatures(logits.shape[1]), splits=1).to(logits.device)
    score.update(logits)
    return float(score.compute()[0])


def confidence(logits):
    """Mean of the largest class probability."""
    return float(logits.softmax(1).amax(1).mean())


@by_torchmetrics()
def fid(real, fake):
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of the means and covariances of features (n, d) (Heusel et al., 2017)."""
    if min(len(real), len(fake)) < 2:
        raise GanmcError(
            f"FID: {len(real)} real and {len(fake)} generated images; bring at least 2 of each"
        )
    distance = (
        FrechetInceptionDistance(feature=GivenFeatures(real.shape[1]))
        .set_dtype(torch.float64)
        .to(real.device)
    )
    distance.update(real.double(), real=True)
    distance.update(fake.double(), real=False)
    return max(0.0, float(distance.compute()))  # below 0 by rounding alone


@by_torchmetrics()
def kid(real, fake):
    """Squared maximum mean discrepancy with the kernel (x'y / d + 1)^3 (Binkowski et al., 2018): the mean over random subsets."""
    rows = min(KID_ROWS, len(real), len(fake))
    distance = KernelInceptionDistance(
        feature=GivenFeatures(real.shape[1]), subsets=KID_SUBSETS, subset_size=rows
    ).to(real.device)
    distance.update(real, real=True)
    distance.update(fake, real=False)
    return float(distance.compute()[0])


def intra_fid(real, y, fake, c):
    """Mean over the classes of the FID between real images of the class y and those made for it (Miyato and Koyama, 2018);
    a class without two of each is left out."""
    found = [
        fid(real[y == k], fake[c == k])
        for k in y.unique()
        if min((y == k).sum(), (c == k).sum()) > 1
    ]
    if not found:
        raise GanmcError("intra-class FID: no class has two real and two generated images")
    return sum(found) / len(found)


def classification_accuracy(x, c, dataset, student, seed, epochs=5, batch=50, lr=1e-3):
    """Accuracy on the real test part of a student that was trained on samples x and the classes c they were made for
    (Ravuri and Vinyals, 2019), in as many steps as `epochs` over the real data take."""
    rows = EpochBatches(x, c, batch, name="samples")
    learner = training.Learner(
        "student of labels",
        student(seed).to(x.device, memory_format=torch.channels_last),
        supervised,
        rows,
        seed,
    )
    schedule = training.Schedule(epochs * (len(dataset.x_train) // batch), lr, evaluations=1)
    training.train([learner], schedule, {"test": (dataset.x_test, dataset.y_test)}, progress=False)
    return learner.history[-1]["test"]
