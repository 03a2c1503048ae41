"""The image AC-GAN: it learns its condition, resumes bit for bit, and says what it cannot do."""

import pytest
import torch

from ganmc_utils.core import checkpoints
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.source import Source
from ganmc_utils.gan import image_networks
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.networks.sources import GeneratedImages


def grey_images(n=200):
    """Noisy constant images of two classes, around -0.6 and 0.6, for one GAN."""
    y = torch.arange(n) % 2
    rng = torch.Generator().manual_seed(0)
    level = (y * 1.2 - 0.6).view(n, 1, 1, 1)
    x = level + 0.1 * torch.randn(n, 1, 8, 8, generator=rng)
    return x.clamp(-1, 1)[None], y[None]


def test_the_image_gan_learns_both_classes_and_its_condition():
    settings = GanSettings(epochs=40, snapshots=(40,), members=1, batch=20, lr=1e-3)
    networks = image_networks.image_networks(8)
    gan = AcGan(*grey_images(), settings, [0], networks).train(progress=False)
    source = GeneratedImages(gan, 40)
    assert isinstance(source, Source)
    x, c = source.sample(300, torch.Generator().manual_seed(1))
    means = [x[c == k].mean().item() for k in (0, 1)]
    assert means[0] == pytest.approx(-0.6, abs=0.25)
    assert means[1] == pytest.approx(0.6, abs=0.25)
    again, _ = GeneratedImages(gan, 40).sample(300, torch.Generator().manual_seed(1))
    assert torch.equal(x, again) and x.shape == (300, 1, 8, 8)


def test_the_image_gan_resumes_bit_for_bit(tmp_path, monkeypatch):
    path = tmp_path / "gan.safetensors"

    def train(checkpoint=None):
        settings = GanSettings(epochs=4, snapshots=(2, 4), members=1, batch=20)
        gan = AcGan(*grey_images(60), settings, [0], image_networks.image_networks(4))
        return gan.train(checkpoint, progress=False)

    monkeypatch.setenv("GANMC_DEADLINE", "0")
    for epoch in (1, 2, 3):
        with pytest.raises(checkpoints.OutOfTime, match=f"epoch {epoch} of 4"):
            train(path)
    monkeypatch.delenv("GANMC_DEADLINE")
    uninterrupted = train()
    resumed = train(path)
    assert resumed.seconds > 0 and set(resumed.pool) == {2, 4}
    for epoch in (2, 4):
        for name, tensor in uninterrupted.pool[epoch].items():
            assert torch.equal(tensor, resumed.pool[epoch][name])


@pytest.mark.parametrize("size, members, words", [(12, 1, "12 x 12"), (8, 2, "2 GANs")])
def test_what_the_image_gan_cannot_do_is_one_line(size, members, words):
    x = torch.zeros(1, 50, 1, size, size)
    y = torch.arange(50)[None] % 2
    settings = GanSettings(epochs=1, snapshots=(1,), members=members, batch=10)
    with pytest.raises(GanmcError, match=words):
        AcGan(x, y, settings, [0], image_networks.image_networks(4))
