"""Records survive a round trip, refuse what is not a record, and let a killed run go on."""

import json
from importlib import metadata

import pytest
from helpers import record, row
from pydantic import ValidationError

from ganmc_utils.core import paths, records
from ganmc_utils.core.errors import GanmcError


def test_round_trip_and_one_column_per_setting(tmp_path):
    made = record([row(), row(setting={"leaf_cap": 8}, seed=None)])
    path = records.save(made, tmp_path)
    assert path == tmp_path / "records" / "06_random_forests.json"
    assert records.load(path) == made
    frame = records.as_frame(made)
    assert (
        frame.trees.tolist()[0] == 1 and frame.leaf_cap.tolist()[1] == 8 and "setting" not in frame
    )
    assert frame.trees.isna().tolist() == [False, True]


def test_a_frame_says_how_many_test_images_its_rows_share():
    data = {"n_validation": 300, "n_test": 200}
    one_set = record([row()], parameters={"data": data, "seeds": [0, 1]})
    several = record([row(), row()], parameters={"data": data, "sets": [0, 1]})
    tables = record([row()], parameters={})
    assert records.as_frame(one_set).n_test.tolist() == [200]
    assert records.as_frame(several).n_test.tolist() == [500] * 2, "from one pool"
    assert "n_test" not in records.as_frame(tables)
    of_all = records.as_frame(several, tables, one_set).n_test
    assert of_all.dropna().tolist() == [500, 500, 200] and of_all.isna()[2]


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": "0.9"},
        {"seed": 0.5},
        {"source": "magic wand"},
        {"split": "holdout"},
        {"note": "x"},
    ],
)
def test_a_row_refuses(change):
    with pytest.raises(ValidationError):
        row(**change)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("commit"),
        lambda d: d.update(note=1),
        lambda d: d["metrics"][0].update(source="ganx"),
        lambda d: d["metrics"][0].update(value=None),
        lambda d: d.update(metrics=[]),
    ],
)
def test_a_broken_schema_ends_in_one_line_with_a_cure(tmp_path, damage):
    path = records.save(record([row()]), tmp_path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(GanmcError) as failed:
        records.load(path)
    assert (
        "\n" not in str(failed.value)
        and path.name in str(failed.value)
        and "again" in str(failed.value)
    )


def test_half_a_file_and_no_file_end_in_one_line(tmp_path):
    path = records.save(record([row()]), tmp_path)
    path.write_text(path.read_text()[:80])
    for wrong in (path, tmp_path / "absent.json"):
        with pytest.raises(GanmcError) as failed:
            records.load(wrong)
        assert "\n" not in str(failed.value) and "run its notebook" in str(failed.value)


def test_a_failed_write_leaves_the_old_record(tmp_path, monkeypatch):
    path = records.save(record([row()]), tmp_path)
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(paths.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        records.save(record([row(value=0.1)]), tmp_path)
    assert path.read_bytes() == before


def test_a_record_says_what_made_the_numbers():
    hardware, versions = records.hardware(), records.versions()
    assert hardware["cpu"] and hardware["cores"] >= 1 and hardware["memory_gb"] > 0
    assert "gpu" in hardware and records.commit()
    assert {"python", "numpy", "torch", "scikit-learn"} <= set(versions)


def test_a_package_that_is_not_installed_has_the_version_of_its_folder(monkeypatch):
    installed = records.own_version()

    def not_installed(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(records, "version", not_installed)
    assert records.own_version() == installed == metadata.version("ganmc-utils")
