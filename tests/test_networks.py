"""The networks are those of their papers, at any size; the objectives are their equations."""

import numpy as np
import pytest
import torch

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks.objectives import (
    OBJECTIVES,
    Batch,
    Distillation,
    logit_matching,
    supervised,
)

PUBLISHED = {  # parameters at the paper's size, 32 x 32 in colour, 10 classes
    "nin": 966_986,  # Lin et al.'s CIFAR-10 model
    "lenet": 62_006,  # LeNet-5 on colour images
    "resnet18": 11_173_962,  # He et al., with a 3x3 stem
    "wrn28": 36_479_194,  # Zagoruyko and Komodakis print 36.5M
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    assert network_models.count_parameters(network_models.make_network(name, 0)) == PUBLISHED[name]


def test_the_authors_lenet_has_the_layers_they_list():
    layers = [m for m in network_models.make_network("lenet_authors", 0) if hasattr(m, "weight")]
    assert [tuple(m.weight.shape) for m in layers] == [
        (64, 3, 5, 5),
        (128, 64, 5, 5),
        (1024, 128 * 8 * 8),
        (10, 1024),
    ]


@pytest.mark.parametrize("name", network_models.NETWORKS)
@pytest.mark.parametrize("channels, size", [(1, 8), (3, 16), (3, 32)])
def test_every_network_takes_small_images(name, channels, size):
    width = 6 if name == "lenet" else 2
    net = network_models.make_network(name, 0, width, channels, size, 7)
    assert net(torch.zeros(3, channels, size, size)).shape == (3, 7)


def test_a_seed_is_its_weights():
    def first_weights(seed):
        return next(network_models.make_network("cnn6", seed, 4).parameters())

    assert torch.equal(first_weights(0), first_weights(0))
    assert not torch.equal(first_weights(0), first_weights(1))


def test_an_unknown_name_lists_the_known_ones():
    for registry in (network_models.NETWORKS, OBJECTIVES):
        with pytest.raises(GanmcError) as failed:
            registry.entry("vgg", "entry")
        line = str(failed.value)
        assert line == f"vgg: unknown entry; choose one of {', '.join(registry)}"
    assert OBJECTIVES.entry("l2") is logit_matching


@pytest.mark.parametrize("change, words", [({"name": "vgg"}, "vgg"), ({"image_size": 12}, "12")])
def test_bad_networks_are_one_line(change, words):
    with pytest.raises(GanmcError) as failed:
        network_models.make_network(**{"name": "nin", "seed": 0} | change)
    assert words in str(failed.value) and "\n" not in str(failed.value)


G = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
Z = torch.tensor([[0.5, -1.0, 2.0], [1.0, 1.0, -4.0]])
Y = torch.tensor([2, 1])


def softmax(a):
    e = np.exp(a - a.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_logit_matching_by_hand():
    # (0.5^2 + 1 + 1.5^2 + 1 + 2^2 + 3^2) / 2: summed over classes, mean over the batch
    by_hand = (0.25 + 1 + 2.25 + 1 + 4 + 9) / 2
    assert logit_matching(G, Batch(None, Y, Z)).item() == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "T, alpha, scaled", [(1.0, 1.0, False), (5.0, 0.9, False), (5.0, 0.9, True), (20.0, 0.3, False)]
)
def test_distillation_by_numpy(T, alpha, scaled):
    g, z = G.double().numpy(), Z.double().numpy()
    annealed = -(softmax(z / T) * np.log(softmax(g / T))).sum(1).mean()
    labels = -np.log(softmax(g)[[0, 1], Y.numpy()]).mean()
    scale = T**2 if scaled else 1
    expected = alpha * annealed * scale + (1 - alpha) * labels
    value = Distillation(T, alpha, scaled)(G, Batch(None, Y, Z)).item()
    assert value == pytest.approx(expected, rel=1e-6)
    assert supervised(G, Batch(None, Y)).item() == pytest.approx(labels, rel=1e-6)


def test_at_high_temperature_distillation_is_logit_matching():
    # Hinton et al. (2015): for zero-mean logits d L_T / d g -> (g - z) / (K T^2),
    # which is the gradient of L2 over 2 K T^2
    g = G.double() - G.double().mean(1, keepdim=True)
    z = Z.double() - Z.double().mean(1, keepdim=True)
    g.requires_grad_()
    T, K = 1e4, 3
    (l2,) = torch.autograd.grad(logit_matching(g, Batch(None, Y, z)), g)
    (kd,) = torch.autograd.grad(Distillation(T, 1.0, scaled=True)(g, Batch(None, Y, z)), g)
    assert torch.allclose(kd * 2 * K, l2, rtol=1e-3)


@pytest.mark.parametrize("objective", [logit_matching, Distillation(5.0, 0.9)])
def test_the_loss_moves_with_the_teacher_and_with_the_student(objective):
    change = torch.eye(3)[:2]
    value = objective(G, Batch(None, Y, Z))
    assert objective(G, Batch(None, Y, Z + change)) != value
    assert objective(G + change, Batch(None, Y, Z)) != value


@pytest.mark.parametrize("T, alpha", [(0, 0.9), (-1, 0.9), (5, 0), (5, 1.1), (float("nan"), 0.5)])
def test_bad_temperatures_and_weights_are_one_line(T, alpha):
    with pytest.raises(GanmcError) as failed:
        Distillation(T, alpha)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("name", ["resnet18", "wrn28"])
def test_a_strided_projection_is_a_slice_and_a_projection(name):
    width, n_strided = {"resnet18": (2, 3), "wrn28": (1, 2)}[name]
    slices = [
        module
        for module in network_models.make_network(name, 0, width).modules()
        if isinstance(module, network_models.Stride) and module.step == 2
    ]
    assert len(slices) == n_strided

    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    projection = torch.nn.Conv2d(4, 6, 1, bias=False)
    strided = torch.nn.functional.conv2d(x, projection.weight, stride=2)
    assert torch.allclose(projection(slices[0](x)), strided, atol=1e-6)
