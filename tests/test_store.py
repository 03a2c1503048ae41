"""The store keeps what a unit of work earned, finds it elsewhere, and never trusts half a file."""

import json
import re
from pathlib import Path

import pytest
import torch
from helpers import record, row

from ganmc_utils.core import records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.notebook_run import NotebookRun
from ganmc_utils.core.parameters import Scoreboard
from ganmc_utils.core.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run", tmp_path / "published")


def counted(value):
    """(compute, calls): a function that returns value and how often it was called."""
    calls = []

    def compute():
        calls.append(1)
        return value

    return compute, calls


def test_a_value_is_computed_once(store):
    compute, calls = counted({"a": [0.1 + 0.2, None]})
    assert store.value("x-1", compute) == store.value("x-1", compute) == {"a": [0.1 + 0.2, None]}
    assert len(calls) == 1 and store.seconds.keys() == {"x-1.json"} and len(store.machines) == 1


@pytest.mark.parametrize("broken", ["", "{}", "[1]", "3", '{"value": 1', '{"value": 1}', "\0\0"])
def test_a_broken_file_is_computed_again(store, broken):
    compute, calls = counted(7)
    store.value("x-1", compute)
    (store.own / "x-1.json").write_text(broken)
    assert store.value("x-1", compute) == 7 and len(calls) == 2


def test_what_is_published_is_not_computed_and_keeps_its_seconds_and_its_machine(store):
    published = {"seconds": 123.5, "machine": "another machine", "value": [1, 2]}
    store.folders[1].mkdir()
    (store.folders[1] / "x-1.json").write_text(json.dumps(published))
    compute, calls = counted(0)
    assert store.value("x-1", compute) == [1, 2] and not calls
    assert store.seconds == {"x-1.json": 123.5} and store.machines == {"another machine"}
    store.write("x-1", [3], seconds=1)
    assert store.value("x-1", compute) == [3], "a run's own result comes first"


def test_tensors_come_back_bit_for_bit_and_only_under_their_name(store):
    tree = {"net": {"w": torch.tensor([1.5, -2.25]), "n": torch.tensor(3)}}
    store.write_tensors("net-1", tree, [{"step": 1}], seconds=2)
    read, note = store.read_tensors("net-1")
    assert torch.equal(read["net"]["w"], tree["net"]["w"]) and note == [{"step": 1}]
    (store.own / "net-1.safetensors").rename(store.own / "net-2.safetensors")
    assert store.read_tensors("net-2") is None and store.read_tensors("net-1") is None


@pytest.fixture
def run(tmp_path):
    return NotebookRun("08_scoreboard", Scoreboard(profile="quick", out_dir=str(tmp_path)))


def test_a_run_that_is_killed_resumes_after_its_last_unit(run, tmp_path):
    done, calls = counted([row(value=0.1 + 0.2)])

    def killed():
        raise KeyboardInterrupt

    run.add_stored("unit-1", done)
    with pytest.raises(KeyboardInterrupt):
        run.add_stored("unit-2", killed)
    again = NotebookRun("08_scoreboard", run.p)
    again.add_stored("unit-1", done)
    again.add_stored("unit-2", lambda: [row(value=0.5)])
    assert again.rows == [row(value=0.1 + 0.2), row(value=0.5)] and len(calls) == 1


def test_rows_that_are_no_rows_are_refused_when_they_are_stored(run):
    with pytest.raises(AttributeError):
        run.add_stored("unit-1", lambda: [{"experiment": 1}])
    assert not run.store.own.exists()


def test_a_record_names_its_results_their_seconds_and_their_machines(run, tmp_path, capsys):
    run.store.write("unit-1", [row().model_dump()], seconds=90)
    run.add_stored("unit-1", None)
    run.checksums["magic"] = "ab"
    frame = run.save()
    saved = records.load(tmp_path / "records/08_scoreboard.json")
    assert saved.metrics == [row()] and len(frame) == 1 and frame.trees[0] == 1
    assert saved.seconds == 90 and saved.results == {"unit-1.json": 90}
    assert 0 <= saved.seconds_of_this_run < 60 and len(saved.machines) == 1
    said, told = capsys.readouterr()
    assert "90 s of computing on" in said and "smoke test" in said
    record, folder = re.search(
        r"The record is (.*); tables and figures go to (.*)\.\n", told
    ).groups()
    assert records.load(Path(record)) == saved and Path(folder) == tmp_path
    assert str(tmp_path) not in said, "no folder of this machine is published"


def test_records_of_before_are_read_with_their_verdicts_in_the_new_words(tmp_path):
    old = record([row(experiment="claim", setting={"verdict": "not seen", "n": 3})]).model_dump()
    for new in ("seconds_of_this_run", "results", "machines"):
        del old[new]
    old["metrics"][0]["setting"]["verdict"] = "not seen"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    assert records.load(path).metrics[0].setting["verdict"] == "inconclusive"


# book/publish_store.py


@pytest.fixture
def publish():
    import importlib.util

    from ganmc_utils.core import paths

    spec = importlib.util.spec_from_file_location("it", paths.ROOT / "book/publish_store.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_publishing_takes_what_records_name_and_tidying_drops_the_rest(
    run, tmp_path, publish, monkeypatch
):
    monkeypatch.setattr(publish, "NOTEBOOKS", [run.notebook])
    published = tmp_path / "published/store"
    store = run.store
    store.write("unit-1", [row().model_dump()], seconds=1)
    store.write_tensors("unit-1", {"w": torch.ones(3)}, None, 0)
    store.write("unit-2", [row().model_dump()], seconds=1)
    store.write_tensors("unit-2", {"w": torch.ones(publish.LARGEST_WEIGHTS)}, None, 0)
    store.write("fold_0-3", [row().model_dump()], seconds=1)
    store.write_tensors("fold_0-3", {"w": torch.ones(3)}, None, 0)
    store.write("not-shown", 1, seconds=1)
    for name in ("unit-1", "unit-2", "fold_0-3"):
        run.add_stored(name, None)
    run.save()
    (tmp_path / "records").rename(tmp_path / "published_records")
    published.mkdir(parents=True)
    (tmp_path / "published_records").rename(tmp_path / "published/records")
    (published / "old-1.json").write_text("{}")

    named = {"unit-1.json", "unit-1.safetensors", "unit-2.json", "fold_0-3.json"}
    size = publish.publish(tmp_path, published)
    assert {file.name for file in published.iterdir()} == named | {"old-1.json"}
    assert size == sum(file.stat().st_size for file in published.iterdir())
    publish.publish(tmp_path, published, unfinished=True)
    kept = {file.name for file in published.iterdir()}
    assert kept == named | {"old-1.json", "not-shown.json"}
    assert publish.tidy(published) == ["not-shown.json", "old-1.json"]
    assert {file.name for file in published.iterdir()} == named


def test_a_store_that_is_too_large_is_one_line_and_nothing_is_lost(run, tmp_path, publish):
    published = tmp_path / "published/store"
    published.mkdir(parents=True)
    (published / "old-1.json").write_text("{}")
    run.store.write("unit-1", [row().model_dump()], seconds=1)
    run.add_stored("unit-1", None)
    run.save()
    (tmp_path / "records").rename(tmp_path / "published/records")
    publish.LARGEST_STORE = 10
    with pytest.raises(GanmcError, match="the largest is unit-1.json") as failed:
        publish.publish(tmp_path, published)
    assert "\n" not in str(failed.value) and (published / "old-1.json").exists()
