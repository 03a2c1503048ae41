"""Profiles and notebooks agree; a wrong parameter ends the run with one line."""

import json

import pytest
import yaml
from helpers import defaults

from ganmc_utils.core import parameter_page, parameters, paths, records
from ganmc_utils.core.errors import GanmcError

PROFILES = sorted(path for path in paths.ROOT.glob("profiles/*/*.yml") if path.stem[:2].isdigit())
FOLDERS = sorted({path.parent.name for path in PROFILES})
LEFT_TO_THE_MACHINE = {"out_dir", "data_dir", "device", "compile"}
NETWORK_CHAPTERS = [
    notebook
    for notebook, model in parameters.NOTEBOOKS.items()
    if issubclass(model, parameters.NetworkModels)
]


def name_of(path):
    return f"{path.parent.name}/{path.name}"


def profile(folder, notebook):
    """The parameters of a notebook in a profile; "quick" has no files, only the notebooks' own."""
    if folder == "quick":
        return defaults(notebook)
    return yaml.safe_load((paths.ROOT / "profiles" / folder / f"{notebook}.yml").read_text())


def names_in(value, where=""):
    """The dotted names of all parameters in a nested dictionary."""
    if isinstance(value, list):
        value = {str(i): item for i, item in enumerate(value) if isinstance(item, dict)}
    if not isinstance(value, dict):
        return set()
    names = set()
    for name, inner in value.items():
        names |= {where + name} | names_in(inner, f"{where}{name}.")
    return names


def faults(path):
    """What is wrong with a profile file, one line each, beginning with the file's name."""
    given = yaml.safe_load(path.read_text())
    try:
        complete = parameters.check_dict(path.stem, defaults(path.stem) | given).model_dump()
    except GanmcError as failed:
        return [f"{name_of(path)}: {failed}"]
    problems = []
    for name in sorted(names_in(complete) - names_in(given) - LEFT_TO_THE_MACHINE):
        problems.append(f"{name_of(path)}: {name} is not stated")
    for name in sorted(set(given) & LEFT_TO_THE_MACHINE):
        problems.append(f"{name_of(path)}: {name} is left to the machine")
    if given.get("profile") != path.parent.name:
        problems.append(f"{name_of(path)}: profile is not the folder's name")
    return problems


@pytest.mark.parametrize("notebook", parameters.NOTEBOOKS)
def test_the_notebook_holds_every_parameter_as_a_literal(notebook):
    assert set(defaults(notebook)) == set(parameters.NOTEBOOKS[notebook].model_fields)
    parameters.check_dict(notebook, defaults(notebook))


def test_every_profile_has_a_file_for_every_notebook():
    expected = {(folder, notebook) for folder in FOLDERS for notebook in parameters.NOTEBOOKS}
    assert {(path.parent.name, path.stem) for path in PROFILES} == expected


@pytest.mark.parametrize("path", PROFILES, ids=name_of)
def test_a_profile_states_every_parameter_of_its_notebook(path):
    assert not faults(path), "\n".join(faults(path))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda given: given.pop("fake_per_real"), "fake_per_real is not stated"),
        (lambda given: given["data"].pop("seed"), "data.seed is not stated"),
        (lambda given: given["table"]["gans"][1].pop("members"), "table.gans.1.members"),
        (lambda given: given.update(n_tres=3), "n_tres"),
        (lambda given: given["teacher"].update(n_tres=3), "teacher.n_tres"),
        (lambda given: given.update(device="cpu"), "device is left to the machine"),
        (lambda given: given.update(profile="paper"), "profile is not the folder's name"),
    ],
)
def test_a_fault_in_a_profile_names_its_file(tmp_path, change, words):
    path = tmp_path / "laptop" / "07_compression_score.yml"
    path.parent.mkdir()
    given = profile("laptop", path.stem)
    change(given)
    path.write_text(yaml.safe_dump(given))
    (fault,) = faults(path)
    assert fault.startswith("laptop/07_compression_score.yml: ") and words in fault


def test_the_example_of_the_page_is_one():
    page = (paths.ROOT / "book" / "how_to.md").read_text()
    given = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    checked = parameters.check_dict("06_random_forests", defaults("06_random_forests") | given)
    assert checked.datasets[0].path == "mine.csv"


@pytest.mark.parametrize("folder", ["quick", *FOLDERS])
def test_the_chapters_on_networks_share_what_they_train(folder):
    """The same data, teacher, student and GAN, so that one chapter finds what another trained."""
    chapters = {notebook: profile(folder, notebook) for notebook in NETWORK_CHAPTERS}
    assert len(chapters) == 7
    for notebook, given in chapters.items():
        for name in ("data", "teacher", "student", "gan"):
            assert given[name] == chapters["00_teachers_and_gan"][name], f"{notebook}: {name}"
        of_sets = "00_teachers_and_gan" if notebook < "03" else "03_augmentation"
        for name in {"sets", "seeds"} & set(given):
            assert given[name] == chapters[of_sets][name], f"{notebook}: {name}"
        assert 0 in given.get("sets", [0]), "set 0 is the one of the other chapters"
    sweep, compression = chapters["02_p_fake_sweep"], chapters["01_dnn_compression"]
    assert sweep["jitter_scale"] == compression["jitter_scale"]


@pytest.mark.parametrize("folder", ["quick", *FOLDERS])
def test_chapter_07_scores_the_tabular_gans_of_chapter_06(folder):
    scores, forests = profile(folder, "07_compression_score"), profile(folder, "06_random_forests")
    table = parameters.ForestTask(**scores["table"])
    tasks = [parameters.ForestTask(**task) for task in forests["datasets"]]
    (task,) = [task for task in tasks if task.name == table.name]
    decide_the_gan = {"table", "path", "target", "preparation", "seeds", "gan_epochs", "gans"}
    for name in decide_the_gan | {"n_train", "n_validation", "n_test", "n_fresh"}:
        assert getattr(table, name) == getattr(task, name), name
    assert set(table.sources) <= set(task.sources)
    assert table.max_features[0] in task.max_features
    assert scores["teacher_trees"] == forests["teacher_trees"]
    assert scores["jitter_scales"] == forests["jitter_scales"]
    if folder != "quick":  # the smoke test asks for fewer rows to save time
        assert scores["fake_per_real"] == forests["fake_per_real"]


@pytest.mark.parametrize("notebook", parameters.NOTEBOOKS)
def test_a_profile_is_what_its_published_record_used(notebook):
    path = paths.ROOT / "published" / "records" / f"{notebook}.json"
    if not path.exists():
        pytest.skip("not published yet")
    record = records.load(path)
    if record.profile not in FOLDERS:
        pytest.skip(f"published at {record.profile} settings, which are the notebook's own")
    used = {k: v for k, v in record.parameters.items() if k not in LEFT_TO_THE_MACHINE}
    given = profile(record.profile, notebook)
    if record.seconds_of_this_run is None and notebook != "08_scoreboard":
        pytest.skip("published before version 0.2, whose experiments are others: run it again")
    assert {name: given[name] for name in used} == used


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
    given = defaults("06_random_forests") | change | {"In": [], "_": 1}
    with pytest.raises(GanmcError) as failed:
        parameters.check("06_random_forests", given)
    assert words in str(failed.value) and "\n" not in str(failed.value)


def test_a_cell_that_is_run_again_does_not_take_its_own_names_for_parameters():
    names = defaults("06_random_forests")
    first = parameters.check("06_random_forests", names)
    names |= {"units": [1, 2], "students": {"a": 1}}
    assert parameters.check("06_random_forests", names) == first
    names["teacher_trees"] = 7
    assert parameters.check("06_random_forests", names).teacher_trees == 7


@pytest.mark.parametrize("change", [{"gans": []}, {"sources": ["train", "train+gan"]}])
def test_gan_rows_need_gans(change):
    (task,) = defaults("06_random_forests")["datasets"]
    given = defaults("06_random_forests") | {"datasets": [task | change]}
    with pytest.raises(GanmcError) as failed:
        parameters.check("06_random_forests", given)
    assert "needs gan" in str(failed.value) and "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "model", [*parameters.ParameterGroup.__subclasses__(), *parameters.NOTEBOOKS.values()]
)
def test_every_parameter_is_described_in_a_sentence(model):
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        assert field.description[0].isupper() or field.description[0] == "`", name
        assert field.description.endswith("."), name


def test_the_page_of_parameters_is_up_to_date():
    page = (paths.ROOT / "book" / "parameters.md").read_text()
    command = "python -m ganmc_utils.core.parameter_page > book/parameters.md"
    assert page == parameter_page.parameter_page(), f"run: {command}"


@pytest.mark.parametrize("notebook", parameters.NOTEBOOKS)
def test_what_nbval_checks_is_there_and_nothing_else_is_stored(notebook):
    cells = json.loads((paths.ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    checked = ["NBVAL_CHECK_OUTPUT" in "".join(cell["source"]) for cell in code]
    stored = [bool(cell["outputs"]) and cell["execution_count"] is not None for cell in code]
    assert any(checked) and checked == stored
