"""The units of a profile cover its chapters, share no model at a time, and stop when told to."""

import re
import signal
import subprocess
import sys
import time

import pytest
import yaml
from helpers import TOY, defaults

from ganmc_utils.core import parameters, units
from ganmc_utils.core.errors import GanmcError


@pytest.fixture(scope="module")
def paper():
    return units.units_of("paper")


def ancestors(listed):
    """{unit: all that it waits for, directly or not}"""
    waits_for = {}
    for unit in listed:
        waits_for[unit.name] = set(unit.after).union(*(waits_for[name] for name in unit.after))
    return waits_for


def test_units_have_safe_names_and_valid_parameters(paper):
    names = [unit.name for unit in paper]
    assert len(set(names)) == len(names) > 40
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)
    for unit in paper:
        parameters.check_dict(unit.notebook, defaults(unit.notebook) | unit.parameters)
    assert {unit.name for unit in paper if unit.is_chapter} == set(parameters.NOTEBOOKS)


def test_a_chapter_waits_for_its_units_which_train_what_it_shows(paper):
    waits_for = ancestors(paper)
    scoreboard = waits_for["08_scoreboard"]
    for chapter in (unit for unit in paper if unit.is_chapter and unit.name < "08"):
        parts = [unit for unit in paper if unit.notebook == chapter.name and unit != chapter]
        assert {part.name for part in parts} <= waits_for[chapter.name]
        assert {part.name for part in parts} | {chapter.name} <= scoreboard
        others = [unit for unit in paper if unit.name in waits_for[chapter.name]]
        trained = {model for unit in others for model in units.models_of(unit.plan)}
        assert set(units.models_of(chapter.plan)) <= trained


def test_no_two_units_that_may_run_at_one_time_share_a_model(paper):
    waits_for, users = ancestors(paper), {}
    trained, trainers = set(), {}
    for unit in paper:
        if unit.name in ("08_scoreboard", "09_your_own_model"):
            continue
        for model in units.models_of(unit.plan):
            first = users.setdefault(model, unit.name)
            assert first == unit.name or first in waits_for[unit.name], (unit.name, model)
            trained.add(model)
            if first == unit.name:  # it trains it, perhaps of an epoch that validation chooses
                others = trainers.setdefault(units.at_any_epoch(model), set())
                assert others <= waits_for[unit.name] | {unit.name}, (unit.name, model)
                others.add(unit.name)
    assert len(trained) > 200


def test_the_paper_on_a_cluster_waits_only_for_what_it_needs(paper):
    after = {unit.name: set(unit.after) for unit in paper}
    assert after["00-set-1"] == after["06-magic-seed-0"] == set()
    assert after["01-set-1"] == {"00-set-1"}
    assert after["01-pair-3-set-1"] == {"00-set-1", "01-set-1"}
    assert after["06-magic-seed-3"] == {"06-magic-seed-0"}, "which trains the AC-GANs of all seeds"
    assert "06-magic-seed-0" in after["07-table-seed-2"], "the AC-GANs are those of chapter 06"
    assert not any(name.startswith("02-") for name in after), "chapter 01 trains every share"
    assert after["04-seed-0"] == {"00-set-0", "01-set-0"}, "which may train one of its epochs"
    needs_gpu = {unit.name for unit in paper if unit.needs_gpu}
    assert {"00-set-0", "07-seed-2"} <= needs_gpu
    assert not any(name.startswith(("06", "08")) for name in needs_gpu)


def test_a_unit_does_its_part_of_the_plan_and_ends_with_its_record(paper):
    (unit,) = [unit for unit in paper if unit.name == "06-magic-seed-1"]
    assert [str(part) for part in unit.plan["units"]] == [
        "magic, seed 1, forest_sqrt",
        "magic, seed 1, forest_none",
    ]
    cells = [cell.source for cell in units.notebook_of(unit).cells]
    assert "run.save()" in cells[-1]
    assert "parameters.check(" in cells[cells.index(unit.narrowing) - 1]


@pytest.fixture
def long_gan(tmp_path):
    """A profile of one chapter of one set, whose GAN takes minutes."""
    folder = tmp_path / "long"
    folder.mkdir()
    gan = TOY["gan"] | {"epochs": 2000, "snapshots": [2000], "batch": 10}
    given = TOY | {"profile": "long", "sets": [0], "gan": gan, "device": "cpu"}
    (folder / "00_teachers_and_gan.yml").write_text(yaml.safe_dump(given))
    return folder


def wait_for(is_there, seconds=120):
    end = time.time() + seconds
    while not is_there() and time.time() < end:
        time.sleep(0.2)
    assert is_there()


def test_a_unit_that_is_told_its_end_saves_and_exits_with_75(long_gan, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "ganmc_utils.core.units", "run", long_gan, "00_teachers_and_gan"]
    words = [str(word) for word in [*words, "--out", out]]
    victim = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: list(out.glob("store/teacher-*.safetensors")))
    time.sleep(1)  # the GAN has begun
    victim.send_signal(signal.SIGTERM)
    said, _ = victim.communicate(timeout=60)
    assert victim.returncode == units.MORE_TO_DO and "00_teachers_and_gan" in said
    assert not (out / "units/00_teachers_and_gan/done").exists()
    (unfinished,) = out.glob("store/acgan-*.safetensors")
    before = unfinished.read_bytes()
    again = subprocess.run([*words, "--minutes", "0.25"], capture_output=True, text=True)
    assert again.returncode == units.MORE_TO_DO, again.stderr
    assert "out of time" in again.stdout and unfinished.read_bytes() != before


def test_a_kernel_that_is_told_its_end_before_it_is_ready_has_more_to_do(
    paper, tmp_path, monkeypatch
):
    def die(*_, **__):
        raise RuntimeError("Kernel died before replying to kernel_info")

    unit, part = paper[0], tmp_path / "part.ipynb"
    monkeypatch.setattr(units.papermill, "execute_notebook", die)
    monkeypatch.setenv("GANMC_DEADLINE", "0")
    assert not units.execute(units.notebook_of(unit), unit, part)
    monkeypatch.setenv("GANMC_DEADLINE", "inf")
    with pytest.raises(GanmcError, match=f"{unit.name}: Kernel died"):
        units.execute(units.notebook_of(unit), unit, part)


def test_wrong_names_are_one_line(capsys):
    for profile in ("nowhere", "some/where"):
        assert units.main(["plan", profile]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(GanmcError, match="no such unit"):
        units.unit_named("paper", "nothing")
