"""Scores of others against closed forms, the known orders, and the inferior GAN."""

import math

import pytest
import torch
from torch import nn

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.gan import image_networks
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.gan.class_only import ClassOnly
from ganmc_utils.networks import data as image_data
from ganmc_utils.networks import models as network_models
from ganmc_utils.scores import degraded, other_scores


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_inception_score_at_its_ends():
    assert other_scores.inception_score(torch.zeros(50, 7)) == pytest.approx(1)
    sure = 50 * nn.functional.one_hot(torch.arange(70) % 7).float()
    assert other_scores.inception_score(sure) == pytest.approx(7, rel=1e-4)
    sure_of_one_class = sure[sure.argmax(1) == 3]
    assert other_scores.inception_score(sure_of_one_class) == pytest.approx(1)


def test_inception_score_by_hand():
    # exp of the mean Kullback-Leibler divergence to the mean (0.65, 0.35)
    p = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    kl = [sum(a * math.log(a / b) for a, b in zip(row, (0.65, 0.35))) for row in p.tolist()]
    assert other_scores.inception_score(p.log()) == pytest.approx(math.exp(sum(kl) / 2), rel=1e-4)
    assert other_scores.confidence(p.log()) == pytest.approx(0.75)


def test_fid_of_shifted_and_scaled_normals():
    x = normal(4000, 5)
    assert other_scores.fid(x, x) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([1.0, 2, 0, 0, -1], dtype=torch.float64)
    assert other_scores.fid(x, x + shift) == pytest.approx(6, rel=1e-6)
    # of 3x: tr(S + 9 S - 2 * 3 S) = 4 tr S, and the mean moves by 2 m
    of_3x = 4 * x.var(0).sum() + 4 * x.mean(0).square().sum()
    assert other_scores.fid(x, 3 * x) == pytest.approx(float(of_3x), rel=1e-4)


def test_kid_is_near_0_for_one_distribution_and_repeats():
    a, b = normal(1500, 5).float(), normal(1500, 5, 1).float()
    kid_of_same = other_scores.kid(a, b)
    kid_of_shifted = other_scores.kid(a, b + 1)
    assert abs(kid_of_same) < 0.05 < 1 < kid_of_shifted
    assert other_scores.kid(a, b + 1) == kid_of_shifted
    state = torch.get_rng_state()
    other_scores.kid(a, b)
    assert torch.equal(state, torch.get_rng_state()), "the global stream is left alone"


def test_intra_fid_sees_swapped_classes_and_fid_does_not():
    x, y = normal(2000, 4), torch.arange(2000) % 2
    x[y == 1] += 3
    fake = x[torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    c = (fake.mean(1) > 1.5).long()
    assert other_scores.fid(x, fake) < 1e-6
    right = other_scores.intra_fid(x, y, fake, c)
    swapped = other_scores.intra_fid(x, y, fake, 1 - c)
    assert right < 1 < 30 < swapped
    with pytest.raises(GanmcError, match="no class"):
        other_scores.intra_fid(x, y, fake, c + 5)


def test_features_are_what_the_last_layer_takes():
    net = network_models.make_network("cnn6", 0, 4, 1, 8)
    x = torch.rand(7, 1, 8, 8)
    features, logits = other_scores.classifier_of_network("cnn6", net)(x)
    assert features.shape == (7, 16)
    assert torch.allclose(net[-1](features), logits)
    assert torch.allclose(net.eval()(x), logits)


def test_inception_without_its_weights_is_one_line(monkeypatch):
    def offline(*_, **options):
        assert options["weights_only"] and options["check_hash"], "no pickle, no other file"
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(GanmcError, match="weights cannot be fetched .no network.") as failed:
        other_scores.inception_v3_classifier()
    assert "\n" not in str(failed.value)


@pytest.fixture(scope="module")
def digits():
    return image_data.load_images("digits", 400, 50, 300, 600, 8, seed=0)


def test_classification_accuracy_needs_the_right_classes(digits):
    def student(seed):
        return network_models.make_network("cnn5", seed, 4, 1, 8)

    def score(c):
        return other_scores.classification_accuracy(
            digits.x_fresh, c, digits, student, seed=0, batch=20, lr=3e-3
        )

    assert score(digits.y_fresh) > 0.8 > 0.4 > score((digits.y_fresh + 1) % 10)


def generated_images(digits):
    """Black images with the classes of the fresh ones in another order."""
    return -torch.ones_like(digits.x_fresh), digits.y_fresh.flip(0)


def degrade(digits, name, level):
    """The fresh digits at one level of a series, always by the same draws."""
    rng = torch.Generator().manual_seed(1)
    fake = generated_images(digits)
    return degraded.degrade(name, digits.x_fresh, digits.y_fresh, level, rng, fake)


def sorted_sums(x):
    """The sum of each image's pixels, in increasing order."""
    return x.flatten(1).sum(1).sort()[0]


@pytest.mark.parametrize("name", degraded.SERIES)
def test_the_best_level_of_a_series_changes_nothing(digits, name):
    x, y = digits.x_fresh, digits.y_fresh
    best_level = 1.0 if degraded.SERIES[name].higher_is_better else 0.0
    clean, c = degrade(digits, name, best_level)
    assert torch.equal(sorted_sums(clean), sorted_sums(x))
    assert torch.equal(c.sort()[0], y.sort()[0])
    assert degrade(digits, name, 0.3)[0].shape == x.shape


def test_the_series_are_what_they_say(digits):
    x, y = digits.x_fresh, digits.y_fresh

    half_real, c = degrade(digits, "real_share", 0.5)
    assert torch.equal(half_real[:300], x[:300])
    assert torch.equal(c[300:], generated_images(digits)[1][300:])

    few, _ = degrade(digits, "distinct", 0.1)
    assert len(few.unique(dim=0)) == 60

    collapsed, c = degrade(digits, "within_class", 0.1)
    assert torch.equal(c.bincount(), y.bincount())
    assert all(len(collapsed[c == k].unique(dim=0)) <= 7 for k in range(10))
    assert collapsed[c == 3].std(0).mean() < 0.7 * x[y == 3].std(0).mean()

    blurred, c = degrade(digits, "blur", 2.0)
    assert blurred.std() < 0.6 * x.std() and torch.equal(c, y)

    unchanged, c = degrade(digits, "label_noise", 0.5)
    assert torch.equal(unchanged, x) and 0.35 < (c != y).float().mean() < 0.55


def test_an_impossible_level_and_an_unknown_series_are_one_line(digits):
    with pytest.raises(GanmcError, match="level 1.5"):
        degrade(digits, "distinct", 1.5)
    with pytest.raises(GanmcError, match="fog: unknown series; choose one of real_share"):
        degrade(digits, "fog", 0.5)


def test_the_inferior_gan_knows_the_class_loss_alone(digits, tmp_path):
    x, y = digits.x_train[None], digits.y_train[None]
    settings = GanSettings(epochs=2, snapshots=(2,), members=1, batch=50, lr=1e-3)
    start = AcGan(x, y, settings, [0], image_networks.image_networks(4)).train(progress=False)
    before = {name: tensor.clone() for name, tensor in start.G.state_dict().items()}

    inferior = ClassOnly(start, [3, 1]).train(progress=False)
    assert inferior.epoch == 5 and set(inferior.pool) == {3, 5}
    assert start.epoch == 2 and set(start.pool) == {2}
    for name, tensor in start.G.state_dict().items():
        assert torch.equal(before[name], tensor), "the well-trained GAN stays as it was"
    gradient = inferior.D.out.weight.grad
    assert not gradient[0].any(), "no gradient comes from real or fake"
    assert gradient[1:].any()

    path = tmp_path / "gan.safetensors"
    killed = ClassOnly(start, [1, 3])
    killed.train_epoch(killed.step)
    killed.save(path)
    resumed = ClassOnly(start, [1, 3]).train(path, progress=False)
    for name, tensor in resumed.G.state_dict().items():
        assert torch.equal(tensor, inferior.G.state_dict()[name])
