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
    assert other_scores.inception_score(sure[sure.argmax(1) == 3]) == pytest.approx(1), (
        "sure of one class only"
    )
    p = torch.tensor(
        [[0.9, 0.1], [0.4, 0.6]]
    )  # by hand: exp of the mean KL to the mean (0.65, 0.35)
    kl = [sum(a * math.log(a / b) for a, b in zip(row, (0.65, 0.35))) for row in p.tolist()]
    assert other_scores.inception_score(p.log()) == pytest.approx(math.exp(sum(kl) / 2), rel=1e-4)
    assert other_scores.confidence(p.log()) == pytest.approx(0.75)


def test_fid_of_shifted_and_scaled_normals():
    x = normal(4000, 5)
    assert other_scores.fid(x, x) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([1.0, 2, 0, 0, -1], dtype=torch.float64)
    assert other_scores.fid(x, x + shift) == pytest.approx(6, rel=1e-6)
    spread = x.var(0).sum()  # of 3x: tr(S + 9 S - 2 * 3 S) = 4 tr S, and the mean moves by 2 m
    assert other_scores.fid(x, 3 * x) == pytest.approx(
        float(4 * spread + 4 * x.mean(0).square().sum()), rel=1e-4
    )


def test_kid_is_near_0_for_one_distribution_and_repeats():
    a, b = normal(1500, 5).float(), normal(1500, 5, 1).float()
    same, other = other_scores.kid(a, b), other_scores.kid(a, b + 1)
    assert abs(same) < 0.05 < 1 < other and other_scores.kid(a, b + 1) == other
    state = torch.get_rng_state()
    other_scores.kid(a, b)
    assert torch.equal(state, torch.get_rng_state()), "the global stream is left alone"


def test_intra_fid_sees_swapped_classes_and_fid_does_not():
    x, y = normal(2000, 4), torch.arange(2000) % 2
    x[y == 1] += 3
    fake = x[torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    c = (fake.mean(1) > 1.5).long()
    assert other_scores.fid(x, fake) < 1e-6 and other_scores.intra_fid(
        x, y, fake, c
    ) < 1 < 30 < other_scores.intra_fid(x, y, fake, 1 - c)
    with pytest.raises(GanmcError, match="no class"):
        other_scores.intra_fid(x, y, fake, c + 5)


def test_features_are_what_the_last_layer_takes():
    net = network_models.make_network("cnn6", 0, 4, 1, 8)
    x = torch.rand(7, 1, 8, 8)
    features, logits = other_scores.classifier_of_network("it", net)(x)
    assert (
        torch.allclose(net[-1](features), logits)
        and torch.allclose(net.eval()(x), logits)
        and features.shape == (7, 16)
    )


def test_inception_without_its_weights_is_one_line(monkeypatch):
    def offline(*_, **more):
        assert more["weights_only"] and more["check_hash"], "no pickle, no other file"
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(GanmcError, match="weights cannot be fetched .no network.") as failed:
        other_scores.inception_v3_classifier()
    assert "\n" not in str(failed.value)


@pytest.fixture(scope="module")
def digits():
    return image_data.load_images("digits", 400, 50, 300, 600, 8, seed=0)


def test_classification_accuracy_needs_the_right_classes(digits):
    def cas(c):
        return other_scores.classification_accuracy(
            digits.x_fresh,
            c,
            digits,
            lambda s: network_models.make_network("cnn5", s, 4, 1, 8),
            0,
            batch=20,
            lr=3e-3,
        )

    assert cas(digits.y_fresh) > 0.8 > 0.4 > cas((digits.y_fresh + 1) % 10)


def test_the_series_are_what_they_say(digits):
    x, y = digits.x_fresh, digits.y_fresh
    fake = (-torch.ones_like(x), y.flip(0))

    def at(name, level):
        return degraded.degrade(name, x, y, level, torch.Generator().manual_seed(1), fake)

    for name, series in degraded.SERIES.items():
        clean, c = at(name, 1.0 if series.higher_is_better else 0.0)
        assert torch.equal(clean.flatten(1).sum(1).sort()[0], x.flatten(1).sum(1).sort()[0]), (
            f"{name}: the best level changes nothing"
        )
        assert torch.equal(c.sort()[0], y.sort()[0])
        assert at(name, 0.3)[0].shape == x.shape
    half = at("real_share", 0.5)
    assert torch.equal(half[0][:300], x[:300]) and torch.equal(half[1][300:], fake[1][300:])
    assert len(at("distinct", 0.1)[0].unique(dim=0)) == 60
    collapsed, c = at("within_class", 0.1)
    assert torch.equal(c.bincount(), y.bincount()) and all(
        len(collapsed[c == k].unique(dim=0)) <= 7 for k in range(10)
    )
    assert collapsed[c == 3].std(0).mean() < 0.7 * x[y == 3].std(0).mean()
    assert at("blur", 2.0)[0].std() < 0.6 * x.std() and torch.equal(at("blur", 2.0)[1], y)
    noisy = at("label_noise", 0.5)
    assert torch.equal(noisy[0], x) and 0.35 < (noisy[1] != y).float().mean() < 0.55
    with pytest.raises(GanmcError, match="level 1.5"):
        at("distinct", 1.5)


def test_the_inferior_gan_knows_the_class_loss_alone(digits, tmp_path):
    def gan():
        return AcGan(
            digits.x_train[None],
            digits.y_train[None],
            GanSettings(epochs=2, snapshots=(2,), members=1, batch=50, lr=1e-3),
            [0],
            image_networks.image_networks(4),
        ).train(progress=False)

    start = gan()
    before = {k: v.clone() for k, v in start.G.state_dict().items()}
    worse = ClassOnly(start, [3, 1]).train(progress=False)
    assert (
        worse.epoch == 5
        and set(worse.pool) == {3, 5}
        and start.epoch == 2
        and set(start.pool) == {2}
    )
    assert all(torch.equal(before[k], v) for k, v in start.G.state_dict().items()), (
        "the well-trained GAN stays as it was"
    )
    assert not worse.D.out.weight.grad[0].any() and worse.D.out.weight.grad[1:].any(), (
        "no gradient comes from real or fake"
    )
    killed = ClassOnly(start, [1, 3])
    killed.train_epoch(killed.step)
    killed.save(tmp_path / "gan.safetensors")
    resumed = ClassOnly(start, [1, 3]).train(tmp_path / "gan.safetensors", progress=False)
    assert all(torch.equal(v, worse.G.state_dict()[k]) for k, v in resumed.G.state_dict().items())
