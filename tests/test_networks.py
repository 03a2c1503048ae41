"""The networks are those of their papers, at any size; the objectives are their equations."""

import numpy as np
import pytest
import torch

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks import training
from ganmc_utils.networks.objectives import (
    OBJECTIVES,
    Batch,
    Distillation,
    logit_matching,
    supervised,
)

PUBLISHED = {  # parameters at the paper's size, 32 x 32 in colour, 10 classes
    "nin": 966_986,  # Lin et al.'s CIFAR-10 model
    "lenet_authors": 3_497_866,  # the authors' script
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
        (1024, 128 * 5 * 5),
        (10, 1024),
    ]
    biases = torch.cat([m.bias.detach() for m in layers])
    assert float(biases.std()) == pytest.approx(0.5, rel=0.1) and abs(biases.mean()) < 0.05


def test_the_padded_lenet_is_another_network_for_smaller_images():
    padded = network_models.make_network("lenet_authors_padded", 0)
    assert network_models.count_parameters(padded) == 8_609_674
    with pytest.raises(GanmcError, match="lenet_authors_padded") as failed:
        network_models.make_network("lenet_authors", 0, image_size=16)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("name", network_models.NETWORKS)
@pytest.mark.parametrize("channels, size", [(1, 8), (3, 16), (3, 32)])
def test_every_network_takes_small_images(name, channels, size):
    if name == "lenet_authors" and size < 32:
        pytest.skip("its convolutions are not padded")
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


@pytest.mark.parametrize("variant", ["text", "hinton", "li"])
@pytest.mark.parametrize("T, alpha", [(1.0, 1.0), (5.0, 0.9), (20.0, 0.3)])
def test_distillation_by_numpy(T, alpha, variant):
    g, z = G.double().numpy(), Z.double().numpy()
    q = softmax(z / T)
    annealed = -(q * np.log(softmax(g / T))).sum(1).mean()
    divergence = (q * np.log(q / softmax(g / T))).mean()  # over samples and classes
    with_teacher = {"text": annealed, "hinton": T**2 * annealed, "li": T**2 * divergence}
    labels = -np.log(softmax(g)[[0, 1], Y.numpy()]).mean()
    expected = alpha * with_teacher[variant] + (1 - alpha) * labels
    value = Distillation(T, alpha, variant)(G.double(), Batch(None, Y, Z.double())).item()
    assert value == pytest.approx(expected, rel=1e-6)
    assert supervised(G, Batch(None, Y)).item() == pytest.approx(labels, rel=1e-6)


def gradient(objective, g, z):
    g = g.clone().requires_grad_()
    (of_logits,) = torch.autograd.grad(objective(g, Batch(None, Y, z)), g)
    return of_logits


@pytest.mark.parametrize("T", [2.0, 5.0, 20.0])
def test_the_teachers_part_of_the_gradient_in_closed_form(T):
    g, z, K = G.double(), Z.double(), 3
    by_hand = torch.tensor(softmax((g / T).numpy()) - softmax((z / T).numpy())) / len(g)
    scale = {"text": 1 / T, "hinton": T, "li": T / K}
    for variant, factor in scale.items():
        of_teacher = gradient(Distillation(T, 1.0, variant), g, z)
        assert torch.allclose(of_teacher, factor * by_hand), variant


def test_at_temperature_20_the_text_hardly_distils_and_the_other_variants_do():
    # Typical logits: of a teacher that is sure of a class, of a student that is not yet.
    rng = torch.Generator().manual_seed(0)
    y = torch.randint(10, (256,), generator=rng)
    z = torch.randn(256, 10, generator=rng).double() * 2 + 10 * torch.eye(10)[y].double()
    g = torch.randn(256, 10, generator=rng).double()

    def share_of_teacher(variant):
        def norm(alpha):
            leaf = g.clone().requires_grad_()
            batch = Batch(None, y, z)
            distillation = Distillation(20.0, 0.9, variant)
            of_teacher = 0.9 * distillation.with_teacher(leaf, z)
            part = of_teacher if alpha else 0.1 * supervised(leaf, batch)
            return torch.autograd.grad(part, leaf)[0].norm()

        return float(norm(1) / norm(0))

    assert share_of_teacher("text") < 0.05
    assert 0.3 < share_of_teacher("li") < 3 < share_of_teacher("hinton")


def test_at_high_temperature_distillation_is_logit_matching():
    # Hinton et al. (2015): for zero-mean logits d L_T / d g -> (g - z) / (K T^2),
    # which is the gradient of L2 over 2 K T^2
    g = G.double() - G.double().mean(1, keepdim=True)
    z = Z.double() - Z.double().mean(1, keepdim=True)
    g.requires_grad_()
    T, K = 1e4, 3
    (l2,) = torch.autograd.grad(logit_matching(g, Batch(None, Y, z)), g)
    (kd,) = torch.autograd.grad(Distillation(T, 1.0, "hinton")(g, Batch(None, Y, z)), g)
    assert torch.allclose(kd * 2 * K, l2, rtol=1e-3)


@pytest.mark.parametrize(
    "objective", [logit_matching, Distillation(5.0, 0.9), Distillation(5.0, 0.9, "text")]
)
def test_the_loss_moves_with_the_teacher_and_with_the_student(objective):
    change = torch.eye(3)[:2]
    value = objective(G, Batch(None, Y, Z))
    assert objective(G, Batch(None, Y, Z + change)) != value
    assert objective(G + change, Batch(None, Y, Z)) != value


@pytest.mark.parametrize("T, alpha", [(0, 0.9), (-1, 0.9), (5, 0), (5, 1.1), (float("nan"), 0.5)])
def test_bad_temperatures_and_weights_are_one_line(T, alpha):
    with pytest.raises(GanmcError) as failed:
        Distillation(T, alpha)
    with pytest.raises(GanmcError, match="variant 'mine'"):
        Distillation(1.0, 0.5, "mine")
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


def test_bfloat16_computes_the_same_network_with_rounded_products():
    nets = {
        precision: network_models.make_network("cnn6", 0, 8, 3, 16, 10, precision).eval()
        for precision in ("float32", "bfloat16")
    }
    weights = {precision: net.state_dict() for precision, net in nets.items()}
    assert all(torch.equal(w, weights["bfloat16"][name]) for name, w in weights["float32"].items())
    x = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    exact, rounded = (training.logits(net, x) for net in nets.values())
    assert rounded.dtype == torch.float32
    difference = (exact - rounded).abs().max()
    assert 0 < difference < 2**-5 * exact.abs().max()  # bfloat16 has 8 significant bits
