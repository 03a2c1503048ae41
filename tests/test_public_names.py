"""The package's face: each public name resolves, is explained in the map, and costs no import."""

import inspect
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from helpers import defaults, run_notebook

import ganmc_utils
from ganmc_utils.core import paths

MAP = ganmc_utils.__doc__.splitlines()


def summary_in_the_map(name):
    return MAP[MAP.index(f"  {name}") + 1].strip()


@pytest.mark.parametrize("name", ganmc_utils.__all__)
def test_a_public_name_is_what_the_map_says(name):
    public = getattr(ganmc_utils, name)
    assert public.__name__ == name
    assert inspect.getdoc(public).splitlines()[0] == summary_in_the_map(name)


def test_the_map_and_completion_have_every_name_once():
    names = [line[2:] for line in MAP if line[:2] == "  " and line[2:].isidentifier()]
    assert names == ganmc_utils.__all__
    assert set(names) <= set(dir(ganmc_utils))


def test_the_map_has_every_folder_and_no_name_hides_one():
    modules = list(pkgutil.iter_modules(ganmc_utils.__path__))
    assert not {module.name for module in modules} & set(ganmc_utils.__all__)
    words = {line.split()[0] for line in MAP if line.startswith("  ")}
    assert {module.name for module in modules if module.ispkg} <= words


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'AcGam'"):
        ganmc_utils.AcGam  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"torch", "sklearn", "pandas", "numpy", "matplotlib"}
    code = f"import sys, ganmc_utils; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_of_the_package_import_each_other_directly():
    """A name taken through the face would hide from the keys of stored results."""
    for module in sorted((paths.ROOT / "ganmc_utils").rglob("*.py")):
        for name in ganmc_utils.__all__:
            assert f"from ganmc_utils import {name}\n" not in module.read_text(), module
            assert f"ganmc_utils.{name}(" not in module.read_text(), module


# The code of the page on using it.

PAGE = (paths.ROOT / "book/how_to.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SNIPPETS = dict(zip(("generator", "student", "network", "rating"), CODE, strict=True))


def test_a_generator_of_ones_own_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(SNIPPETS["generator"])
    sources = yaml.safe_load(re.search(r"sources: (\[train, jitter, .*?\])`", PAGE)[1])
    (task,) = defaults("06_random_forests")["datasets"]
    task |= {"sources": sources, "gans": [], "seeds": [0], "max_trees": 1, "leaf_caps": []}
    names = run_notebook("06_random_forests", datasets=[task], teacher_trees=50, out_dir="out")
    frame = names["frame"]
    one_tree = frame[(frame.experiment == "compression") & (frame.split == "test")]
    by_source = one_tree.set_index("source").value
    assert by_source["own"] > 0.9, "jitter is a kernel density, too"


def test_a_student_of_ones_own_as_the_page_says():
    names = {}
    exec(SNIPPETS["student"], names)
    data, student = names["data"], names["student"]
    assert len(student.estimators_) == 1
    right = (student.predict(data.x_test) > 0.5) == data.y_test
    assert right.mean() > 0.85


def test_a_network_is_compressed_as_the_page_says(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(SNIPPETS["network"], names)
    small = names["small"]
    assert "agrees with its teacher" in capsys.readouterr().out
    assert small.parameters["student"] * 500 < small.parameters["teacher"]
    assert small.scores["student"].value > 0.8
    written = {path.name for path in (tmp_path / "small_network").iterdir()}
    assert written == {"model.onnx", "model.safetensors", "README.md"}


def test_a_generator_is_rated_as_the_page_says():
    torch.manual_seed(0)
    names = {}
    exec(SNIPPETS["rating"], names)
    data, teacher, student = names["data"], names["teacher"], names["student"]

    def value(samples):
        return ganmc_utils.compression_score(samples, data, teacher, student, version="v1").value

    noise = np.random.default_rng(0).uniform(-1, 1, (200, 1, 8, 8))
    assert 0.8 < value(data.x_fresh) < 1.2
    assert 0.5 < names["score"].value < 1.2
    assert value(noise) < 0.5
