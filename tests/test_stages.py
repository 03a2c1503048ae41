"""A profile in pieces: out of time, killed, carried to a bare machine as small files, and the same records in the end."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from helpers import SMALL_SCORES as SMALL
from test_cast import TOY
from test_parameters import defaults
from test_training import learner, same
from test_training import run as train

from ganmc_utils import stages
from ganmc_utils.core import checkpoints, parameters, paths, records
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.gan import acgan, image_networks

CAST = TOY | {
    "data": {
        "name": "digits",
        "image_size": 8,
        "n_train": 300,
        "n_validation": 60,
        "n_test": 60,
        "n_fresh": 0,
    },
    "teacher": {"network": "cnn6", "width": 8, "epochs": 15, "batch": 50, "lr": 5e-3},
    "student": {"network": "lenet_authors", "width": 4, "epochs": 2, "batch": 50, "lr": 1e-3},
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


def small(network):
    """A network of a profile at toy width and two epochs; how it is trained stays."""
    names = {"nin": "cnn6", "wrn28": "cnn6"}
    return network | {
        "network": names.get(network["network"], network["network"]),
        "width": 2,
        "epochs": 2,
        "batch": 50,
    }


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The paper's profile and its plan at toy size: same chapters and choices, digits, tiny networks; of the stages of one seed the first."""
    here = tmp_path_factory.mktemp("profiles") / "toy"
    here.mkdir()
    kept = [
        s
        for s in yaml.safe_load((paths.ROOT / "profiles/paper/stages.yml").read_text())
        if s["name"] == "a_fig1_run_0" or "_run_" not in s["name"]
    ]
    (here / "stages.yml").write_text(yaml.safe_dump(kept))
    for file in (paths.ROOT / "profiles/paper").glob("0*.yml"):
        if not file.stem.startswith("06"):
            given = yaml.safe_load(file.read_text())
            given |= CAST | {"profile": "toy", "seeds": [0, 1]}
            if "pairs" in given:
                given["pairs"] = [
                    pair | {k: small(pair[k]) for k in ("teacher", "student")} | {"p_fakes": [0.5]}
                    for pair in given["pairs"]
                ]
                given |= {"other_student": small(given["other_student"])}
            if "p_fakes" in given:
                given["p_fakes"] = given["p_fakes"][::5]
            if "table" in given:
                given |= {
                    k: SMALL[k]
                    for k in (
                        "classifier",
                        "inferior_epochs",
                        "levels",
                        "timing_images",
                        "teacher_trees",
                    )
                } | {"table": TABLE, "score": {"students": 1, "batch": 6, "lr": 1e-2}}
            (here / file.name).write_text(yaml.safe_dump(given))
    return here


def command(toy, out, earned, minutes):
    return [
        sys.executable,
        "-m",
        "ganmc_utils.stages",
        str(toy),
        "--out",
        str(out),
        "--earned",
        str(earned),
        "--minutes",
        str(minutes),
    ]


def results(out):
    """The rows of all records but for what measures time."""
    found = {}
    for file in sorted((out / "records").glob("*.json")):
        rows = [
            r
            for r in records.load(file).metrics
            if r.metric != "seconds" and r.experiment != "timing" and r.metric != "score_is_cheaper"
        ]
        found[file.stem] = sorted(r.model_dump_json() for r in rows)
    return found


@pytest.fixture(scope="module")
def straight(toy, tmp_path_factory):
    """(the folder of a run without a break, its minutes)"""
    out, started = tmp_path_factory.mktemp("straight"), time.time()
    whole = subprocess.run(
        command(toy, out, out.parent / "unneeded", 20), capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stdout + whole.stderr
    return out, (time.time() - started) / 60


def test_the_paper_from_start_to_scoreboard(straight):
    assert {n[:2] for n in results(straight[0])} == {"00", "01", "02", "03", "04", "05", "07", "08"}
    assert {r.metric for r in records.load(straight[0] / "records/08_scoreboard.json").metrics} > {
        "score_of_real_is_one"
    }


def test_cut_killed_and_carried_it_ends_as_if_it_had_not_been(toy, straight, tmp_path):
    earned, (whole, minutes) = tmp_path / "earned", straight
    victim = subprocess.Popen(
        command(toy, tmp_path / "machine", earned, 20),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 120
    while (
        not list((tmp_path / "machine" / "checkpoints").glob("student-*.json"))
        and time.time() < deadline
    ):
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert (
        not list(earned.glob("*")) and results(tmp_path / "machine").keys() < results(whole).keys()
    )
    done, machine, runs = stages.MORE, tmp_path / "machine", 0
    while (
        done == stages.MORE and runs < 40
    ):  # every time a bare machine, after the one that was killed
        run = subprocess.run(
            command(toy, machine, earned, minutes / 3), capture_output=True, text=True
        )
        done, runs = run.returncode, runs + 1
        pieces = list(earned.iterdir())
        assert len(pieces) <= 4 and all(p.stat().st_size < 16 << 20 for p in pieces)
        last, machine = machine, tmp_path / f"machine{runs}"
    assert done == 0 and runs > 1, run.stdout + run.stderr
    assert results(last) == results(whole)


def test_a_loop_that_is_out_of_time_saves_and_says_so(tmp_path, monkeypatch):
    (whole,) = train(learner(), steps=20)
    asked = iter(range(99))
    monkeypatch.setattr(checkpoints, "out_of_time", lambda: next(asked) == 6)
    with pytest.raises(checkpoints.OutOfTime, match="step 7 of 20"):
        train(learner(), steps=20, checkpoint=tmp_path / "c")
    assert same(whole, *train(learner(), steps=20, checkpoint=tmp_path / "c"))


def test_the_deadline_is_that_of_the_environment(monkeypatch):
    monkeypatch.delenv("GANMC_DEADLINE", raising=False)
    assert not checkpoints.out_of_time()
    for seconds, over in ((-1, True), (60, False)):
        monkeypatch.setenv("GANMC_DEADLINE", str(time.time() + seconds))
        assert checkpoints.out_of_time() is over


def test_what_does_not_fit_stays_and_is_named(tmp_path, capsys):
    out = tmp_path / "out"
    for name, size in {
        "records/a.json": 10,
        "checkpoints/teacher-a.safetensors": 30_000,
        "checkpoints/students-b.working": 80_000,
    }.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(os.urandom(size))
    packed = stages.pack(out, tmp_path / "earned", limit=90_000)
    assert {p.name for p in packed} == {
        "a.json",
        "teacher-a.safetensors",
    } and "students-b.working" in capsys.readouterr().out
    (tmp_path / "new/records").mkdir(parents=True)
    (tmp_path / "new/records/a.json").write_text("further on")
    stages.unpack(tmp_path / "earned", tmp_path / "new")
    assert (tmp_path / "new/records/a.json").read_text() == "further on"
    assert (tmp_path / "new/checkpoints/teacher-a.safetensors").read_bytes() == (
        out / "checkpoints/teacher-a.safetensors"
    ).read_bytes()
    (tmp_path / "earned/earned.tar.0").write_bytes(b"no archive")
    with pytest.raises(GanmcError, match="cannot be unpacked") as failed:
        stages.unpack(tmp_path / "earned", tmp_path / "newer")
    assert "\n" not in str(failed.value)


def test_a_finished_gan_is_small_and_makes_the_same_images(tmp_path):
    x, y = torch.rand(1, 40, 1, 8, 8) * 2 - 1, (torch.arange(40) % 2)[None]

    def made():
        return acgan.AcGan(
            x,
            y,
            acgan.GanSettings(epochs=1, snapshots=(1,), members=1, batch=20),
            [0],
            image_networks.image_networks(4),
        )

    gan = made().train(tmp_path / "gan", progress=False)
    again = made()
    again.load(tmp_path / "gan")
    w, c = torch.randn(1, 5, 100), torch.zeros(1, 5, dtype=torch.long)
    assert torch.equal(gan.generator(0, 1, 0)(w, c), again.generator(0, 1, 0)(w, c))
    assert set(checkpoints.load(tmp_path / "gan", gan.fingerprint)[0]) == {
        "G",
        "D",
        "pool",
        "streams",
    }, "without Adam's state"


def test_every_stage_of_the_paper_is_a_valid_run():
    found = stages.plan("paper")
    assert len({name for name, _, _ in found}) == len(found) > 10
    for _, notebook, given in found:
        parameters.check_dict(notebook, defaults(notebook) | given)
    assert {n for _, n, _ in found} == set(parameters.NOTEBOOKS) - {"06_random_forests"}
    last = {notebook: given for _, notebook, given in found}
    assert all(
        given == (yaml.safe_load((paths.ROOT / f"profiles/paper/{n}.yml").read_text()))
        for n, given in last.items()
        if n != "08_scoreboard"
    ), "the last stage of a chapter is the chapter as its profile says"


@pytest.mark.parametrize(
    "words, said", [(["nowhere"], "no stages.yml"), (["laptop"], "no stages.yml")]
)
def test_a_wrong_profile_is_one_line(words, said, tmp_path, capsys):
    assert stages.main([*words, "--out", str(tmp_path / "o")]) == 1
    said_so = capsys.readouterr().err
    assert said in said_so and said_so.count("\n") == 1
