"""Profiles and notebooks agree; a wrong parameter ends the run with one line."""

import ast
import json

import pytest
import yaml

from ganmc_utils.core import parameters, paths
from ganmc_utils.core.errors import GanmcError

PROFILES = sorted(p for p in paths.ROOT.glob("profiles/*/*.yml") if p.stem in parameters.NOTEBOOKS)


def defaults(notebook):
    """The literals of a notebook's parameter cell."""
    cells = json.loads((paths.ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    return {
        node.target.id: ast.literal_eval(node.value)
        for node in ast.parse("".join(cell["source"])).body
    }


@pytest.mark.parametrize("notebook", parameters.NOTEBOOKS)
def test_the_notebook_holds_every_parameter_as_a_literal(notebook):
    assert set(defaults(notebook)) == set(parameters.NOTEBOOKS[notebook].model_fields)
    parameters.check_dict(notebook, defaults(notebook))


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_profiles_fit_their_notebook(path):
    given = yaml.safe_load(path.read_text())
    assert set(given) <= set(defaults(path.stem))
    parameters.check_dict(path.stem, defaults(path.stem) | given | {"profile": path.parent.name})


def test_the_example_of_the_page_is_one():
    page = (paths.ROOT / "book" / "how_to.md").read_text()
    given = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    assert (
        parameters.check_dict("06_random_forests", defaults("06_random_forests") | given)
        .datasets[0]
        .path
        == "mine.csv"
    )


@pytest.mark.parametrize("folder", ["quick", *{path.parent.name for path in PROFILES}])
def test_the_cast_is_the_same_in_all_chapters_of_networks(folder):
    files = {
        path.stem: yaml.safe_load(path.read_text())
        for path in PROFILES
        if path.parent.name == folder
    }
    casts = [
        defaults(n) | files.get(n, {})
        for n in parameters.NOTEBOOKS
        if n < "06" or n.startswith("07")
    ]
    assert len(casts) == 7 and all(
        c[k] == casts[0][k] for c in casts for k in ("seeds", "data", "teacher", "student", "gan")
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"n_tres": 3}, "n_tres"),
        ({"teacher_trees": 2.5}, "teacher_trees"),
        ({"teacher_trees": 0}, "teacher_trees"),
        ({"profile": "Big Run"}, "profile"),
        ({"jitter_scales": [-1.0]}, "jitter_scales.0"),
        ({"datasets": []}, "datasets"),
    ],
)
def test_one_line_for_a_bad_parameter(change, words):
    with pytest.raises(GanmcError) as failed:
        parameters.check(
            "06_random_forests", defaults("06_random_forests") | change | {"In": [], "_": 1}
        )
    assert words in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.parametrize("notebook", parameters.NOTEBOOKS)
def test_what_nbval_checks_is_there_and_nothing_else_is_stored(notebook):
    cells = json.loads((paths.ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    checked = [
        "NBVAL_CHECK_OUTPUT" in "".join(c["source"]) for c in cells if c["cell_type"] == "code"
    ]
    stored = [
        bool(c["outputs"]) and c["execution_count"] is not None
        for c in cells
        if c["cell_type"] == "code"
    ]
    assert any(checked) and checked == stored
