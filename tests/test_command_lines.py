"""Words that a command of the project does not know end in a line that says so, and do nothing."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from ganmc_utils.core import paths, units, workflow

UNIT = ("run", "quick", "06_random_forests")


def script(name):
    """A script of the project that is no part of the package, as a module."""
    path = paths.ROOT / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def last_line(capsys, command, words):
    """The status of a command and the last line that it printed."""
    try:
        status = command(list(words))
    except SystemExit as ended:
        status = ended.code
    return status, capsys.readouterr().err.strip().splitlines()[-1]


UNITS_REFUSE = [
    ((*UNIT, "--out", "."), "the project's own files are there; name another folder"),
    ((*UNIT, "--out", ""), "--out: '' is no path; give one as text"),
    ((*UNIT, "--out", "published"), "the project's own files are there; name another folder"),
    ((*UNIT, "--out", "README.md"), "--out README.md: a file; name a folder"),
    ((*UNIT, "--out", "~nobody_at_all/o"), "--out: ~nobody_at_all/o: no such user"),
    ((*UNIT, "--out", "o", "--minutes", "0"), "invalid minutes value: '0'"),
    ((*UNIT, "--out", "o", "--minutes", "nan"), "invalid minutes value: 'nan'"),
    ((*UNIT, "--out", "o", "--minutes", "inf"), "invalid minutes value: 'inf'"),
    (("run", "quick", "10_more", "--out", "o"), "`units plan quick` lists them"),
    (("plan", "nope"), "no such profile"),
]
WORKFLOW_REFUSES = [
    ((), "the following arguments are required: profile"),
    (("laptp",), "choose one of quick, laptop, paper"),
    (("quick", "units=maybe"), "neither 0 nor 1"),
    (("quick", "--workflow-profile", "cluster/nope"), "choose one of slurm"),
]


@pytest.mark.parametrize(
    "main, words, says",
    [(units.main, *case) for case in UNITS_REFUSE]
    + [(workflow.main, *case) for case in WORKFLOW_REFUSES],
)
def test_a_command_refuses_it(main, words, says, capsys, monkeypatch):
    monkeypatch.chdir(paths.ROOT)
    monkeypatch.setattr(units, "run_unit", pytest.fail)
    monkeypatch.setattr(units, "end_in_time", lambda _: None)
    monkeypatch.setattr(workflow, "hold_lock", pytest.fail)
    status, line = last_line(capsys, main, words)
    assert status
    assert says in line


@pytest.mark.parametrize(
    "words, says",
    [
        ((), "the following arguments are required: command"),
        (("nope",), "invalid choice: 'nope'"),
        (("check", "paper"), "check takes no profile; leave paper out"),
        (("plan", "nope"), "no such profile"),
    ],
)
def test_the_schedule_refuses_it(words, says, capsys, monkeypatch):
    monkeypatch.syspath_prepend(paths.ROOT / "benchmarks")
    schedule = script("benchmarks/schedule.py")
    monkeypatch.setattr(schedule, "check", pytest.fail)
    try:
        schedule.main(list(words))
    except SystemExit as ended:
        line = (capsys.readouterr().err or str(ended.code)).strip().splitlines()[-1]
    assert says in line


@pytest.mark.parametrize(
    "words, says",
    [
        ((), "name a run"),
        (("results/laptp",), "holds no store of results; name a run"),
        (("README.md",), "holds no store of results; name a run"),
        (("--tidy", "results/laptop"), "--tidy takes nothing else"),
        (("--tidy", "--unfinished"), "--tidy takes nothing else"),
    ],
)
def test_the_published_store_refuses_it(words, says, capsys, monkeypatch):
    publish_store = script("book/publish_store.py")
    monkeypatch.setattr(publish_store, "tidy", pytest.fail)
    with pytest.raises((SystemExit, publish_store.GanmcError)) as ended:
        publish_store.main(list(words))
    assert says in str(ended.value) + capsys.readouterr().err


def test_nothing_is_tidied_away_where_a_record_is_missing(tmp_path):
    published = tmp_path / "published"
    shutil.copytree(paths.ROOT / "published" / "records", published / "records")
    (published / "store").mkdir()
    (published / "store" / "forest.json").write_text("{}")
    (published / "records" / "06_random_forests.json").unlink()
    publish_store = script("book/publish_store.py")
    with pytest.raises(publish_store.GanmcError, match="no record of 06_random_forests; restore"):
        publish_store.tidy(published / "store")
    assert (published / "store" / "forest.json").exists()


@pytest.mark.parametrize(
    "words, says",
    [
        (("-m", "ganmc_utils.report.reproduction"), "arguments are required: out"),
        (("-m", "ganmc_utils.report.reproduction", "nope"), "nope: holds no records"),
        (("-m", "ganmc_utils.core.profiles", "quick", "laptop"), "unrecognized arguments: laptop"),
        (("book/clean_notebook.py", "x"), "arguments are required: target"),
        (("book/clean_notebook.py", "x", "y"), "x: no such file; execute the notebook first"),
    ],
)
def test_other_commands_refuse_it(words, says):
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not (paths.ROOT / ".venv/.installed").exists(), reason="make would install")
@pytest.mark.parametrize("target", ["run", "plan", "publish"])
def test_make_gives_its_words_to_the_shell_as_words(target, tmp_path):
    file = tmp_path / "made"
    profile = f'x";touch {file};"`touch {file}`'
    environment = {name: word for name, word in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(
        ["make", target, f"PROFILE={profile}"],
        cwd=paths.ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "no such profile" in done.stderr
    assert not file.exists()
