"""A network of the user's own file: found by its name, keyed by its code, taken as it comes."""

import pytest
import torch
from helpers import TOY, at_toy_size, defaults, toy_parameters

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.meaning import result_key
from ganmc_utils.core.parameters import Network, check_dict
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
        ("leaves.py:net", "leaves.py: fails when it is imported (SystemExit: 3); mend it"),
        ("loop.py:net", "loop.py: cannot be read (S"),
        ("folder.py:net", "folder.py: cannot be read (Is a directory); name a file of yours"),
        (
            "~nobody_here/net.py:net",
            "~nobody_here/net.py: cannot be read (Could not determine home",
        ),
        ("a\0b.py:net", "cannot be read (embedded null byte); name a file of yours"),
        ("x" * 300 + ".py:net", "cannot be read (File name too long); name a file of yours"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(mine, network, words):
    mine.with_name("broken.py").write_text("net = 1 / 0\n")
    mine.with_name("leaves.py").write_text("raise SystemExit(3)\n")
    mine.with_name("loop.py").symlink_to("loop.py")
    mine.with_name("folder.py").mkdir()
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


LAYER = "nn.Linear(in_channels * image_size**2, num_classes)"
LOGITS = "self.layer(x.flatten(1))"
UNUSABLE = [
    # layer, logits, what the line must say
    (LAYER.replace("num_classes", "3"), LOGITS, "gives numbers of shape (2, 3) for 2 images"),
    (LAYER.replace("num_classes", "1"), LOGITS, "it must give logits (2, 10), one a class"),
    (LAYER, f"{LOGITS}[:1]", "gives numbers of shape (1, 10) for 2 images"),
    (LAYER, f"{LOGITS}[:1] if self.training else {LOGITS}", "gives numbers of shape (1, 10)"),
    (LAYER, "self.layer(x)", "fails on images of shape (2, 1, 8, 8) (RuntimeError"),
    (LAYER, "self.forward(x)", "fails on images of shape (2, 1, 8, 8) (RecursionError"),
    (LAYER, "None", "gives NoneType; it must give a tensor of logits"),
    (LAYER, f"({LOGITS}, x)", "gives tuple; it must give a tensor of logits"),
    (LAYER, f"{LOGITS}.argmax(1)", "gives torch.int64; it must give a tensor of logits"),
    (LAYER, f"{LOGITS} / 0", "gives logits that are not finite"),
    (LAYER, f"{LOGITS}.detach()", "has nothing to learn with; let its weights require"),
    (f"{LAYER}.requires_grad_(False)", LOGITS, "has nothing to learn with; let its weights"),
    ("None", "x.flatten(1)[:, :10]", "has no weights; give a network that learns"),
    (f"{LAYER}.to('meta')", LOGITS, "has weights without values"),
    ("nn.LazyLinear(num_classes)", LOGITS, "has weights without values"),
    ("1 / 0", LOGITS, "cannot be made (ZeroDivisionError: division by zero); mend it"),
    ("exec('raise SystemExit(4)')", LOGITS, "cannot be made (SystemExit: 4); mend it"),
]


def network_of(layer, logits):
    return f"""
from torch import nn


class Net(nn.Module):
    def __init__(self, in_channels, image_size, num_classes):
        super().__init__()
        self.layer = {layer}

    def forward(self, x):
        return {logits}
"""


def refused(words, notebook="03_augmentation", role="student", **given):
    """Assert that a chapter's parameters are refused in one line because of a network."""
    at_size = defaults(notebook) | at_toy_size(notebook)
    with pytest.raises(GanmcError) as failed:
        check_dict(notebook, at_size | {role: at_size[role] | given})
    line = str(failed.value)
    assert words in line and "\n" not in line and len(line) < 800
    assert line.startswith(f"{notebook}: parameter values: {role}: ")


@pytest.mark.parametrize("layer, logits, words", UNUSABLE)
def test_a_network_of_no_use_is_told_before_any_work(mine, layer, logits, words):
    mine.write_text(network_of(layer, logits))
    refused(words, network="mine.py:Net", width=None)


@pytest.mark.parametrize(
    "notebook, role",
    [
        ("00_teachers_and_gan", "teacher"),
        ("01_dnn_compression", "other_student"),
        ("01_dnn_compression", "dropout_teacher"),
        ("07_compression_score", "classifier"),
    ],
)
def test_so_it_is_in_every_role(mine, notebook, role):
    mine.write_text(network_of("None", "x"))
    refused("has no weights", notebook, role, network="mine.py:Net", width=None)


def test_so_it_is_in_the_pairs(mine):
    mine.write_text(network_of("None", "x"))
    given = defaults("01_dnn_compression") | at_toy_size("01_dnn_compression")
    (pair,) = given["pairs"]
    pair = pair | {"teacher": pair["teacher"] | {"network": "mine.py:Net", "width": None}}
    with pytest.raises(GanmcError, match=r"pairs\.0\.teacher: mine\.py:Net: has no weights"):
        check_dict("01_dnn_compression", given | {"pairs": [pair]})


def test_what_is_no_network_or_always_the_same_one_is_told(mine):
    own = {"network": "mine.py:net", "width": None}
    takes = "def net(in_channels, image_size, num_classes):\n"
    mine.write_text(f"{takes}    return None\n")
    refused("mine.py:net: NoneType is no network; give a torch.nn.Module", **own)
    one = f"from torch import nn\nNET = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n{takes}"
    mine.write_text(f"{one}    return NET\n")
    refused("gives the same network twice; make it anew", **own)
    at_size = defaults("03_augmentation") | at_toy_size("03_augmentation")
    p = check_dict("03_augmentation", at_size | {"teacher": "mine.py:net"})
    assert p.teacher.epochs == 0, "one that comes trained may be the same each time"


def test_bfloat16_needs_layers_in_a_row(mine):
    mine.write_text(network_of(LAYER, LOGITS))
    own = {"network": "mine.py:Net", "width": None, "precision": "bfloat16"}
    refused("is no plain nn.Sequential, which precision bfloat16 needs; return one, or set", **own)
    mine.write_text(CODE)
    toy_parameters("03_augmentation", student=TOY["student"] | own | {"network": "mine.py:net"})


def test_a_network_of_the_book_that_cannot_take_the_images_is_told_before_any_work():
    refused("lenet_authors: images of 8 x 8 leave 0 x 0 pixels", network="lenet_authors")


def test_trying_a_network_leaves_random_numbers_as_they_were(mine):
    mine.write_text(network_of(LAYER, "nn.functional.dropout(" + LOGITS + ")"))
    before = torch.get_rng_state()
    toy_parameters(
        "03_augmentation", student=TOY["student"] | {"network": "mine.py:Net", "width": None}
    )
    assert torch.equal(torch.get_rng_state(), before)
