"""A network of the user's own file: found by its name, keyed by its code, taken as it comes."""

import pytest
import torch
from helpers import TOY, toy_parameters

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.meaning import result_key
from ganmc_utils.core.parameters import Network
from ganmc_utils.core.store import Store
from ganmc_utils.networks.experiment import mixture
from ganmc_utils.networks.models import NETWORKS, make_network
from ganmc_utils.networks.trained import TrainedModels

CODE = '''
from torch import nn

HIDDEN = 5


def net(in_channels, image_size, num_classes):
    """A comment may change."""
    first, last = nn.Linear(in_channels * image_size**2, HIDDEN), nn.Linear(HIDDEN, num_classes)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)


def trained(in_channels, image_size, num_classes):
    made = net(in_channels, image_size, num_classes)
    for weights in made.parameters():
        nn.init.constant_(weights, 0.5)
    return made
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def models(folder, **networks):
    p = toy_parameters("00_teachers_and_gan", **networks)
    return TrainedModels(p, Store(folder))


def test_the_key_has_the_code_of_the_file(mine):
    def key():
        return result_key({}, NETWORKS["mine.py:net"])

    first = key()
    mine.write_text(CODE.replace("A comment", "A docstring"))
    assert key() == first
    mine.write_text(CODE.replace("HIDDEN = 5", "HIDDEN = 6"))
    assert key() != first
    mine.write_text(CODE)
    assert key() == first


def test_an_edited_file_trains_anew_and_leaves_other_results(mine, tmp_path):
    own = TOY["student"] | {"network": "mine.py:net", "width": None}
    known = models(tmp_path / "store")
    teacher = known.classifier_name("teacher", known.p.teacher, 0)

    def names():
        trained = models(tmp_path / "store", student=own)
        student = mixture(0.0, trained.p.teacher, trained.p.student)
        assert trained.classifier_name("teacher", trained.p.teacher, 0) == teacher
        return trained.student_name(student, 0)

    first = names()
    assert "/" not in first and first == names()
    mine.write_text(CODE.replace("nn.ReLU()", "nn.Tanh()"))
    assert names() != first


def test_a_student_and_a_trained_teacher_of_ones_own(mine, tmp_path):
    own = TOY["student"] | {"network": str(mine) + ":net", "width": None}
    trained = models(tmp_path / "store", student=own, teacher="mine.py:trained")
    teacher = trained.teacher(trained.p.teacher)
    assert all(bool((w == 0.5).all()) for w in teacher.parameters()), "it is not trained"
    history = trained.teacher_history(trained.p.teacher)
    assert [point["step"] for point in history] == [0] and 0 <= history[0]["test"] <= 0.3
    student = mixture(0.0, trained.p.teacher, trained.p.student)
    histories = trained.students([student], [0], "own")
    assert histories[student, 0][-1]["step"] > 0


def test_make_network_gives_ones_own(mine):
    net = make_network("mine.py:net", seed=0, in_channels=1, image_size=8)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    "network, words",
    [
        ("mine.py:other", "mine.py: does not define other; name one of its own functions"),
        ("mine.py:HIDDEN", "mine.py: does not define HIDDEN"),
        ("absent.py:net", "absent.py: cannot be read (No such file or directory); name a file"),
        ("broken.py:net", "broken.py: fails when it is imported (ZeroDivisionError: division"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(mine, network, words):
    mine.with_name("broken.py").write_text("net = 1 / 0\n")
    with pytest.raises(GanmcError) as failed:
        NETWORKS.entry(network)
    assert words in str(failed.value) and "\n" not in str(failed.value)


def test_parameters_refuse_what_cannot_be_made(mine):
    given = TOY["student"] | {"network": "mine.py:net", "width": 3}
    with pytest.raises(ValueError, match="got an unexpected keyword argument 'width'; let it take"):
        Network(**given)
    with pytest.raises(ValueError, match="epochs 0; only a network of your own file comes trained"):
        Network(**(TOY["student"] | {"epochs": 0}))
    with pytest.raises(ValueError, match="a name alone is a trained network of your own"):
        Network.model_validate("cnn5")
    assert Network.model_validate("mine.py:trained").epochs == 0
