"""A result's key follows what the code means: not its words, not its place, not its layout."""

import ast
import importlib
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganmc_utils.core import meaning, paths
from ganmc_utils.core.meaning import result_key
from ganmc_utils.networks import models, training
from ganmc_utils.networks.experiment import Student
from ganmc_utils.networks.trained import TrainedModels

FILES = {
    "rates.py": """
FAST = 0.5


def decay(rate, step):
    return rate / (1 + step)
""",
    "loop.py": '''
"""A toy training loop."""
import math

from {package} import rates
from {package}.rates import FAST


class Model:
    """Keeps one weight."""

    weight: float = 1.0

    def step(self, lr):
        """One step."""
        if not math.isfinite(lr):
            raise ValueError(f"lr {{lr}} is not finite")
        self.weight -= lr * self.weight


def fit(steps, rate=FAST):
    """Fit for some steps."""
    model = Model()
    for step in range(steps):  # one after another
        model.step(rates.decay(rate, step))
    return model.weight


def unused():
    return 3
''',
}
EDITS = [  # (file, before, after, whether the key stays)
    ("loop.py", '"""Fit for some steps."""', '"""Other words."""', True),
    ("loop.py", '        """One step."""\n', "", True),
    ("loop.py", '"""A toy training loop."""', '"""Something else."""', True),
    ("loop.py", "  # one after another", "", True),
    (
        "loop.py",
        "def fit(steps, rate=FAST):",
        "def fit(steps: int, rate: float = FAST) -> float:",
        True,
    ),
    ("loop.py", "    weight: float = 1.0", "    weight: int = 1.0", True),
    ("loop.py", "lr {{lr}} is not finite", "the rate {{lr}} is no number", True),
    (
        "loop.py",
        "rates.decay(rate, step)",
        "rates.decay(\n            rate,\n            step,\n        )",
        True,
    ),
    ("loop.py", "return 3", "return 4", True),
    ("loop.py", "import math\n", "import os\nimport math\n", True),
    ("loop.py", "from {package} import rates\n", "import {package}.rates as rates\n", True),
    ("loop.py", "weight: float = 1.0", "weight: float = 1.5", False),
    ("loop.py", "self.weight -= lr", "self.weight += lr", False),
    ("loop.py", "range(steps)", "range(steps + 1)", False),
    ("loop.py", "if not math", "if math", False),
    ("rates.py", "FAST = 0.5", "FAST = 0.25", False),
    ("rates.py", "1 + step", "2 + step", False),
    ("rates.py", "1 + step", "1 - step", False),
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Writes a package of its own for each version of the files; returns the key of its `fit`."""
    folder = tmp_path_factory.mktemp("packages")
    sys.path.insert(0, str(folder))
    count = iter(range(10**6))

    def key(files, module="loop", function="fit"):
        package = f"toy{next(count)}"
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
        for name, text in files.items():
            path = folder / package / name
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text.format(package=package))
        importlib.invalidate_caches()
        loaded = importlib.import_module(f"{package}.{module}")
        return result_key({"steps": 3}, getattr(loaded, function))

    yield key
    sys.path.remove(str(folder))


@pytest.mark.parametrize("file, before, after, stays", EDITS)
def test_what_changes_a_key_and_what_does_not(toy, file, before, after, stays):
    assert before in FILES[file]
    edited = FILES | {file: FILES[file].replace(before, after)}
    assert (toy(edited) == toy(FILES)) is stays


def reformatted(text):
    """A file as ruff writes it for narrow screens; {package} and braces stay as they are."""
    plain = text.replace("{package}", "PACKAGE").replace("{{", "{").replace("}}", "}")
    command = [sys.executable, "-m", "ruff", "format", "--line-length", "40", "-"]
    done = subprocess.run(command, input=plain, capture_output=True, text=True, check=True)
    braces = done.stdout.replace("{", "{{").replace("}", "}}")
    return braces.replace("PACKAGE", "{package}")


def test_a_formatter_leaves_the_key(toy):
    packed = FILES["rates.py"].replace("FAST = 0.5", "FAST=.5").replace("rate, step", "rate,step")
    formatted = {name: reformatted(text) for name, text in FILES.items()}
    assert formatted["loop.py"] != FILES["loop.py"], "the formatter had something to do"
    assert toy(formatted) == toy(FILES | {"rates.py": packed}) == toy(FILES)


def test_a_moved_file_leaves_the_key(toy):
    moved = {
        "deep/numbers.py": FILES["rates.py"],
        "deep/training.py": FILES["loop.py"]
        .replace("from {package} import rates\n", "from {package}.deep import numbers\n")
        .replace("from {package}.rates", "from {package}.deep.numbers")
        .replace("rates.decay", "numbers.decay"),
    }
    assert toy(moved, "deep.training") == toy(FILES)
    direct = moved | {
        "deep/training.py": moved["deep/training.py"]
        .replace("import numbers\n", "import numbers\nfrom {package}.deep.numbers import decay\n")
        .replace("numbers.decay(", "decay(")
    }
    assert toy(direct, "deep.training") == toy(FILES), "and so does another way to import it"


def test_names_of_a_package_that_imports_lazily_are_followed(toy):
    lazy = """
import {package}


def fit(steps):
    return {package}.decay(0.5, steps)
"""
    face = """
from importlib import import_module


def __getattr__(name):
    return getattr(import_module("{package}.rates"), name)
"""
    files = {"rates.py": FILES["rates.py"], "lazy.py": lazy, "__init__.py": face}
    changed = files | {"rates.py": FILES["rates.py"].replace("1 + step", "2 + step")}
    assert toy(files, "lazy") == toy(files, "lazy") != toy(changed, "lazy")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(constant=st.floats(0.01, 9, allow_nan=False), operator=st.sampled_from("+-*/"))
def test_drawn_constants_and_operators(toy, constant, operator):
    decay = f"def decay(rate, step):\n    return rate / (1 {operator} step)\n"
    edited = f"FAST = {constant!r}\n\n\n{decay}"
    same_meaning = constant == 0.5 and operator == "+"
    assert (toy(FILES | {"rates.py": edited}) == toy(FILES)) is same_meaning


def test_the_settings_are_part_of_the_key():
    keys = [result_key(about, training.train) for about in ({"seed": 0}, {"seed": 1}, {"n": 0})]
    assert len(set(keys)) == 3 and result_key({"seed": 0}, training.train) == keys[0]


def test_two_processes_agree_on_a_key():
    code = """
from ganmc_utils.core.meaning import result_key
from ganmc_utils.networks import training
print(result_key({'a': 1}, training.train, training.Learner))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=paths.ROOT
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said[0] == said[1] == result_key({"a": 1}, training.train, training.Learner)


def test_a_function_inside_a_function_is_refused():
    def inner():
        return 1

    with pytest.raises(TypeError, match="top level"):
        result_key({}, inner)


def test_what_keeps_results_is_no_part_of_their_meaning():
    trees = meaning.trees_used_by(training.train, (meaning.PACKAGE,))
    names = {tree.split(" = ")[0] for tree in trees}
    assert {"train", "Batch", "one_step", "logits"} <= names
    assert not names & {"save", "load", "write_atomically", "GanmcError", "OutOfTime"}


@pytest.fixture
def student_key(tmp_path):
    """The file name of a student of generated images, by its network."""
    from helpers import toy_parameters

    from ganmc_utils.core.store import Store

    p = toy_parameters("02_p_fake_sweep")
    trained = TrainedModels(p, Store(tmp_path))

    def name(network="lenet_authors_padded", source="gan", gan_epoch=1):
        plan = p.student.model_copy(update={"network": network})
        return trained.student_name(Student(p.teacher, plan, source, gan_epoch=gan_epoch), 0)

    return name


def other_forward(width=6, in_channels=3, image_size=32, num_classes=10):
    """Stands in for an edited network."""
    return SimpleNamespace(width=width)


def test_a_new_network_leaves_all_keys_and_an_edited_one_changes_its_own(student_key, monkeypatch):
    before = student_key("lenet"), student_key("cnn5")
    monkeypatch.setitem(models.NETWORKS, "mine", other_forward)
    assert (student_key("lenet"), student_key("cnn5")) == before
    monkeypatch.setitem(models.NETWORKS, "cnn5", other_forward)
    assert student_key("lenet") == before[0] and student_key("cnn5") != before[1]


def test_keys_are_short_words_that_a_file_system_takes(student_key):
    name = student_key()
    assert len(name) < 100 and "/" not in name and json.dumps(name) == f'"{name}"'
    assert student_key(source="gan") != student_key(source="jitter", gan_epoch=None)


def test_keys_are_the_same_on_every_python():
    """As Python 3.11 writes it; later ones have a field more, or leave empty ones out."""
    tree = ast.parse("class A:\n    def f(self): return 1")
    function = (
        "FunctionDef(name='f', args=arguments(posonlyargs=[], args=[arg(arg='self')], "
        "kwonlyargs=[], kw_defaults=[], defaults=[]), body=[Return(value=Constant(value=1))], "
        "decorator_list=[])"
    )
    of_class = f"ClassDef(name='A', bases=[], keywords=[], body=[{function}], decorator_list=[])"
    assert meaning.written(tree) == f"Module(body=[{of_class}], type_ignores=[])"
