"""A profile in pieces: out of time, killed, carried to a bare machine, and the same records."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from helpers import SMALL_SCORES, TOY, same_result, toy_learner, train_toys

from ganmc_utils import stages
from ganmc_utils.core import checkpoints, paths, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.units import MORE_TO_DO, Unit, unit_key
from ganmc_utils.gan import acgan, image_networks

PROFILE = paths.ROOT / "profiles/paper"
NETWORKS = TOY | {
    "data": TOY["data"] | {"n_train": 300, "n_fresh": 0},
    "teacher": {"network": "cnn6", "width": 8, "epochs": 15, "batch": 50, "lr": 5e-3},
    "student": {
        "network": "lenet_authors_padded",
        "width": 4,
        "epochs": 2,
        "batch": 50,
        "lr": 1e-3,
    },
    "profile": "toy",
}
TABLE = {
    "name": "breast_cancer",
    "table": "breast_cancer",
    "n_train": 250,
    "n_validation": 100,
    "n_test": 219,
    "seeds": [0],
    "max_features": ["sqrt"],
    "max_trees": 1,
    "sources": ["train", "jitter"],
}
SCORES = {
    name: SMALL_SCORES[name]
    for name in ("classifier", "inferior_epochs", "levels", "timing_images", "teacher_trees")
} | {"table": TABLE, "score": {"students": 1, "batch": 6, "lr": 1e-2}, "inception": False}


def small(network):
    """A network of a profile at toy width and two epochs; how it is trained stays."""
    others = {"nin": "cnn6", "wrn28": "cnn6", "lenet_authors": "lenet_authors_padded"}
    name = others.get(network["network"], network["network"])
    return network | {"network": name, "width": 2, "epochs": 2, "batch": 50}


def small_pair(pair):
    networks = {name: small(pair[name]) for name in ("teacher", "student")}
    return pair | networks | {"p_fakes": [0.5], "variants": ["li"], "sets": [0]}


def at_toy_size(given):
    """A chapter's parameters in the paper's profile: same choices, digits, tiny networks."""
    given = given | {name: value for name, value in NETWORKS.items() if name in given}
    if "sets" in given:
        given["sets"] = [0, 1]
    if "seeds" in given:
        given["seeds"] = [0, 1] if "table" in given else [0]
    if "pairs" in given:
        given["pairs"] = [small_pair(pair) for pair in given["pairs"][:1]]
        given["other_student"] = small(given["other_student"])
        given |= {"folds": 0, "dropout_teacher": None}
    if "p_fakes" in given:
        given["p_fakes"] = given["p_fakes"][::5]
    if "baseline_p_fakes" in given:
        given["baseline_p_fakes"] = [0.5]
    return given | SCORES if "table" in given else given


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The paper's profile at toy size, without its forests."""
    folder = tmp_path_factory.mktemp("profiles") / "toy"
    folder.mkdir()
    for file in PROFILE.glob("0*.yml"):
        if not file.stem.startswith(("06", "08", "09")):
            given = at_toy_size(yaml.safe_load(file.read_text()))
            (folder / file.name).write_text(yaml.safe_dump(given))
    return folder


def command(toy, out, earned, minutes, only="*"):
    words = [sys.executable, "-m", "ganmc_utils.stages", toy, "--out", out, "--earned", earned]
    return [str(word) for word in [*words, "--minutes", minutes, "--only", only]]


CARRIED = "0[01]*"  # the units of these chapters


def measures_time(row):
    return row.metric in ("seconds", "score_is_cheaper") or row.experiment == "timing"


def rows_of_records(out):
    """The rows of all records but for what measures time."""
    files = sorted((out / "records").glob("*.json"))
    rows = {file.stem: records.load(file).metrics for file in files}
    return {
        name: sorted(row.model_dump_json() for row in of_record if not measures_time(row))
        for name, of_record in rows.items()
    }


@pytest.fixture(scope="module")
def straight(toy, tmp_path_factory):
    """(the folder of a run of whole chapters, its minutes)"""
    out, started = tmp_path_factory.mktemp("straight"), time.time()
    words = command(toy, out, out.parent / "unneeded", 20, only="*_*")
    whole = subprocess.run(words, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    return out, (time.time() - started) / 60


def test_the_paper_from_start_to_scoreboard(straight):
    out, _ = straight
    chapters = {name[:2] for name in rows_of_records(out)}
    assert chapters == {"00", "01", "02", "03", "04", "05", "07", "08"}
    scoreboard = records.load(out / "records/08_scoreboard.json")
    assert {row.metric for row in scoreboard.metrics} > {"score_of_real_is_one"}


def test_cut_killed_and_carried_it_ends_as_if_it_had_not_been(toy, straight, tmp_path):
    earned, machine = tmp_path / "earned", tmp_path / "machine"
    whole, minutes = straight
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    victim = subprocess.Popen(command(toy, machine, earned, 20, only=CARRIED), **quiet)
    deadline = time.time() + 120
    while not list((machine / "store").glob("student-*.json")) and time.time() < deadline:
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not list(earned.glob("*"))
    assert rows_of_records(machine).keys() < rows_of_records(whole).keys()
    status, runs = MORE_TO_DO, 0
    while status == MORE_TO_DO and runs < 40:  # each on a bare machine, but for the first
        words = command(toy, machine, earned, minutes / 6, only=CARRIED)
        run = subprocess.run(words, capture_output=True, text=True)
        status, runs = run.returncode, runs + 1
        pieces = list(earned.iterdir())
        assert len(pieces) <= 1 + stages.FILES and all(
            piece.stat().st_size < 16 << 20 for piece in pieces
        )
        last, machine = machine, tmp_path / f"machine{runs}"
    assert status == 0 and runs > 1, run.stdout + run.stderr
    of_whole = rows_of_records(whole)
    carried = {name: of_whole[name] for name in ("00_teachers_and_gan", "01_dnn_compression")}
    assert rows_of_records(last) == carried


def test_a_loop_that_is_out_of_time_saves_and_says_so(tmp_path, monkeypatch):
    (whole,) = train_toys(toy_learner(), steps=20)
    asked = iter(range(99))
    monkeypatch.setattr(checkpoints, "out_of_time", lambda: next(asked) == 6)
    with pytest.raises(checkpoints.OutOfTime, match="step 7 of 20"):
        train_toys(toy_learner(), steps=20, checkpoint=tmp_path / "c")
    (resumed,) = train_toys(toy_learner(), steps=20, checkpoint=tmp_path / "c")
    assert same_result(whole, resumed)


def test_the_deadline_is_that_of_the_environment(monkeypatch):
    monkeypatch.delenv("GANMC_DEADLINE", raising=False)
    assert not checkpoints.out_of_time()
    for seconds, is_over in ((-1, True), (60, False)):
        monkeypatch.setenv("GANMC_DEADLINE", str(time.time() + seconds))
        assert checkpoints.out_of_time() is is_over


def test_what_does_not_fit_stays_and_is_named(tmp_path, capsys):
    out, new = tmp_path / "out", tmp_path / "new"
    sizes = {
        "records/a.json": 10,
        "store/teacher-a.safetensors": 30_000,
        "working/students-b.working": 80_000,
    }
    for name, size in sizes.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(os.urandom(size))
    packed = stages.pack(out, tmp_path / "earned", limit=90_000)
    assert {file.name for file in packed} == {"a.json", "teacher-a.safetensors"}
    assert "students-b.working" in capsys.readouterr().out
    (new / "records").mkdir(parents=True)
    (new / "records/a.json").write_text("further on")
    stages.unpack(tmp_path / "earned", new)
    assert (new / "records/a.json").read_text() == "further on"
    teacher = "store/teacher-a.safetensors"
    assert (new / teacher).read_bytes() == (out / teacher).read_bytes()
    assert len(stages.pack(out, tmp_path / "earned")) == 3
    (piece,) = (tmp_path / "earned").glob("*.tar.*")
    for spoil in (lambda: piece.write_bytes(piece.read_bytes()[:-1]), piece.unlink):
        spoil()
        with pytest.raises(GanmcError, match="missing or altered") as failed:
            stages.unpack(tmp_path / "earned", tmp_path / "newer")
        assert "\n" not in str(failed.value) and not (tmp_path / "newer").exists()


def test_a_finished_gan_is_small_and_generates_the_same_images(tmp_path):
    x, y = torch.rand(1, 40, 1, 8, 8) * 2 - 1, (torch.arange(40) % 2)[None]
    settings = acgan.GanSettings(epochs=1, snapshots=(1,), members=1, batch=20)

    def untrained():
        return acgan.AcGan(x, y, settings, [0], image_networks.image_networks(4))

    gan = untrained().train(tmp_path / "gan", progress=False)
    again = untrained()
    again.load(tmp_path / "gan")
    w, c = torch.randn(1, 5, 100), torch.zeros(1, 5, dtype=torch.long)
    assert torch.equal(gan.generator(0, 1, 0)(w, c), again.generator(0, 1, 0)(w, c))
    tree, _ = checkpoints.load(tmp_path / "gan", gan.fingerprint)
    assert set(tree) == {"G", "D", "pool", "streams"}, "without Adam's state"


def test_a_unit_runs_again_when_its_code_or_its_parameters_change():
    def key(seed):
        return unit_key(Unit("u", "02_p_fake_sweep", {"sets": [seed]}, "", (), False))

    assert key(0) == key(0) != key(1)


def test_a_wrong_profile_is_one_line(tmp_path, capsys):
    assert stages.main(["nowhere", "--out", str(tmp_path / "o")]) == 1
    said = capsys.readouterr().err
    assert "no such profile" in said and said.count("\n") == 1
