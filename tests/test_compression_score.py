"""The Compression Score by hand, at its limits, and with good and bad samples of every form."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.forests import data as table_data
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests import sources as table_sources
from ganmc_utils.networks import data as image_data
from ganmc_utils.networks import models as network_models
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import EpochBatches
from ganmc_utils.networks.objectives import supervised
from ganmc_utils.scores import compression_score as compression_score_module
from ganmc_utils.scores.compression_score import compression_score


@pytest.fixture(scope="module")
def digits():
    """(data, teacher): digits and a network that knows them."""
    d = image_data.load_images("digits", 500, 50, 300, 500, 8, seed=0)
    net = network_models.make_network("cnn6", 0, 8, 1, 8)
    batches = EpochBatches(d.x_train, d.y_train, 50)
    learner = training.Learner("teacher", net, supervised, batches, 0)
    training.train([learner], training.Schedule(150, 3e-3, evaluations=1), {}, progress=False)
    return d, learner.net


def student(seed):
    return network_models.make_network("cnn5", seed, 4, 1, 8)


def score(digits, samples, **change):
    settings = {"batch": 10, "lr": 3e-3} | change
    return compression_score(samples, digits[0], digits[1], student, **settings)


def noise(like):
    """Images of uniform noise, as many as there are in `like`."""
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_by_hand():
    # (0.6 - 0.2) / (0.7 - 0.2), both means with the same standard error se
    value, error = compression_score_module.ratio([0.5, 0.6, 0.7], [0.6, 0.7, 0.8], 0.2)
    se = 0.1 / math.sqrt(3)
    assert value == pytest.approx(0.8)
    assert error == pytest.approx(math.hypot(se / 0.5, 0.4 * se / 0.25))
    assert compression_score_module.ratio([0.55], [0.75], 0.1)[0] == pytest.approx(0.45 / 0.65)


@pytest.mark.parametrize(
    "reference, is_near",
    [
        ([0.15, 0.20, 0.13], True),  # the interval of the mean .16 goes down to .07
        ([0.21, 0.20, 0.22], False),
        ([0.15, 0.45], True),  # two tell little
        ([0.15], False),  # one has no interval
    ],
)
def test_a_reference_near_the_baseline_is_warned_of(reference, is_near):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        compression_score_module.ratio([0.3, 0.4], reference, 0.1)
    assert len(told) == is_near
    assert all("above the baseline" in str(one.message) for one in told)
    assert all("\n" not in str(one.message) for one in told)


def test_the_warning_names_the_line_of_the_caller_and_its_cure_helps(digits):
    with pytest.warns(UserWarning, match=r"a smaller batch, version v1.*\(seeds\)") as told:
        score(digits, digits[0].x_fresh, batch=125)
    assert [warning.filename for warning in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score(digits, digits[0].x_fresh, batch=25, version="v1").reference > 0.5


def test_a_function_that_is_a_teacher_is_called_without_gradients(digits):
    d, teacher = digits
    asked = []

    def ask(images):
        asked.append(torch.is_grad_enabled())
        return teacher(images)

    compression_score(d.x_fresh, d, ask, student, batch=10, lr=3e-3)
    assert asked and not any(asked)


def test_real_data_score_1_and_noise_0(digits):
    d, _ = digits
    itself = score(digits, d.x_train)
    assert abs(itself.value - 1) < 3 * itself.error
    assert itself.reference > 0.5
    assert itself.n == 3 and itself.seconds > 0
    paired = score(digits, d.x_train, seeds=[4, 5], reference_seeds=[4, 5])
    assert paired.value == 1 and paired.accuracy == paired.reference, "the same students"
    fresh = score(digits, d.x_fresh)
    assert abs(fresh.value - 1) < 3 * fresh.error + 0.05
    assert score(digits, noise(d.x_train)).value < 0.3 < fresh.value


def test_one_class_is_at_most_the_baseline(digits):
    d, _ = digits
    of_threes = score(digits, d.x_train[d.y_train == 3])
    assert of_threes.value < 0.15
    assert of_threes.baseline == pytest.approx(max(np.bincount(d.y_train)) / 500)


def test_more_real_images_score_higher(digits):
    d, _ = digits
    others = noise(d.x_train)
    mixtures = [torch.cat([d.x_fresh[:n], others[n:]]) for n in (0, 250, 500)]
    values = [score(digits, mixture).value for mixture in mixtures]
    assert values == sorted(values) and values[2] - values[0] > 0.3


def test_the_order_of_the_samples_has_no_part_in_it(digits):
    d, _ = digits
    by_class = d.x_fresh[d.y_fresh.argsort()]
    assert score(digits, by_class).accuracy == score(digits, d.x_fresh).accuracy


def test_versions_differ_in_baseline_and_epochs(digits, monkeypatch):
    steps = []
    train = training.train

    def counted_train(learners, schedule, *more, **settings):
        steps.append(schedule.steps)
        return train(learners, schedule, *more, **settings)

    monkeypatch.setattr(compression_score_module.training, "train", counted_train)
    v1 = score(digits, digits[0].x_fresh, version="v1")
    assert v1.baseline == 0.1 and v1.version == "v1" and steps == [250, 250]
    score(digits, digits[0].x_fresh, version="v1")
    assert steps == [250, 250, 250], "the reference is not trained again"


def test_samples_of_every_form(digits, tmp_path):
    d, _ = digits
    pixels = ((d.x_fresh + 1) * 127.5).round().to(torch.uint8).numpy()
    expected = score(digits, pixels)
    np.savez(tmp_path / "samples.npz", x=pixels)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image[0]).save(tmp_path / "images" / f"{i:04d}.png")
    assert score(digits, tmp_path / "samples.npz").accuracy == expected.accuracy
    assert score(digits, str(tmp_path / "images")).accuracy == expected.accuracy

    class Source:
        def sample(self, n, rng):
            return d.x_fresh[:n], None

    assert score(digits, Source()).accuracy == pytest.approx(expected.accuracy, abs=0.05)


def test_tables_too():
    d = table_data.split_table(table_data.read_table("breast_cancer"), 250, 100, 219, 0, 0)
    teacher = forest_models.fit_teacher(d.x_train, d.y_train, 50)
    itself = compression_score(d.x_train, d, teacher, seeds=10)
    jitter = compression_score(table_sources.RowJitter(d.x_train, d.y_train, 0.3), d, teacher)
    constant = compression_score(np.zeros_like(d.x_train), d, teacher)
    assert abs(itself.value - 1) < 3 * itself.error < 0.1
    assert jitter.value > 0.8
    assert constant.value < 0.05, "the same prediction for all is at most the baseline"
    assert itself.baseline == pytest.approx(max(np.mean(d.y_train), 1 - np.mean(d.y_train)))


class Malicious:
    def __reduce__(self):
        return (open, ("/tmp/ganmc-was-here", "w"))


def test_a_pickle_is_refused(tmp_path, digits):
    np.savez(tmp_path / "evil.npz", x=np.array([Malicious()], dtype=object))
    (tmp_path / "evil2.npz").write_bytes(pickle.dumps(Malicious()))
    for name in ("evil.npz", "evil2.npz"):
        with pytest.raises(GanmcError, match="cannot be read") as failed:
            score(digits, tmp_path / name)
        assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "bad, words",
    [
        (lambda x: x / 2 + 0.5, "2 x - 1"),
        (lambda x: x * 100, "values from"),
        (lambda x: x[:, :, :4], "shape"),
        (lambda x: x[:5], "at least 10"),
        (lambda x: x.permute(0, 2, 3, 1), "transpose"),
        (lambda x: x * float("nan"), "finite"),
        (lambda x: "/nowhere/samples.npz", "/nowhere/samples.npz"),
    ],
)
def test_bad_samples_are_one_line(digits, bad, words):
    with pytest.raises(GanmcError) as failed:
        score(digits, bad(digits[0].x_fresh))
    assert words in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"version": "v3"}, "v3"),
        ({"seeds": 0}, "seeds"),
        ({"batch": 501}, "batch 501"),
        ({"lr": 1e-9}, "no better than the baseline"),
    ],
)
def test_bad_settings_are_one_line(digits, change, words):
    with pytest.raises(GanmcError) as failed:
        score(digits, digits[0].x_fresh, **change)
    assert words in str(failed.value) and "\n" not in str(failed.value)
