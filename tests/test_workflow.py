"""The workflow runs what changed and nothing else, resumes, and ends a bad run with one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from ganmc_utils.core import parameters, paths

BIN = Path(sys.executable).parent
CHAPTER = """
import os, pathlib, time
out = pathlib.Path(os.environ["GANMC_OUT"])
(out / "records").mkdir(exist_ok=True)
with open(out / "{name}.runs", "a") as runs:
    runs.write("run ")
while {waits} and not (out / "go").exists():
    time.sleep(0.1)
(out / "records" / "{name}.json").write_text("{{}}")
"""


def notebook(path, *cells):
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(c) for c in cells],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, path)


@pytest.fixture
def project(tmp_path):
    """The workflow with chapters that take no time, one of which waits to be let go."""
    for folder in ("ganmc_utils", "book"):
        shutil.copytree(
            paths.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(paths.ROOT / "Snakefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    for source in (paths.ROOT / "notebooks").glob("*.ipynb"):
        waits = not source.stem.startswith("08")
        notebook(
            tmp_path / "notebooks" / source.name,
            'profile: str = "quick"',
            CHAPTER.format(name=source.stem, waits=waits),
        )
    return tmp_path


def command():
    return [sys.executable, "-m", "ganmc_utils.core.workflow", "quick", "--cores", "2"]


def environment():
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "XDG_CACHE_HOME": "/tmp"}


def runs(project):
    return {p.stem: len(p.read_text().split()) for p in (project / "results/quick").glob("*.runs")}


def test_a_killed_workflow_resumes_and_a_second_run_does_nothing(project):
    first = subprocess.Popen(
        command(),
        cwd=project,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 120
    while not runs(project) and time.time() < deadline:
        time.sleep(0.2)
    second = subprocess.run(
        command(), cwd=project, env=environment(), capture_output=True, text=True
    )
    assert second.returncode == 1 and second.stderr.count("\n") == 1
    assert "another run is under way" in second.stderr
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    chapters = {p.stem for p in (project / "notebooks").glob("*.ipynb")}
    assert runs(project) and "08_scoreboard" not in runs(project)
    (project / "results/quick/go").touch()
    again = subprocess.run(
        command(), cwd=project, env=environment(), capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr[-2000:]
    assert set(runs(project)) == chapters and runs(project)["08_scoreboard"] == 1
    before = runs(project)
    third = subprocess.run(
        command(), cwd=project, env=environment(), capture_output=True, text=True
    )
    assert third.returncode == 0 and runs(project) == before, third.stderr[-2000:]
    notebook(
        project / "notebooks/08_scoreboard.ipynb",
        'profile: str = "quick"  # new',
        CHAPTER.format(name="08_scoreboard", waits=False),
    )
    subprocess.run(command(), cwd=project, env=environment(), capture_output=True, check=True)
    assert runs(project) == before | {"08_scoreboard": 2}, "only the changed notebook runs again"


@pytest.mark.parametrize("name", parameters.NOTEBOOKS)
def test_an_unknown_parameter_ends_the_run_with_one_line(tmp_path, name):
    source = paths.ROOT / "notebooks" / f"{name}.ipynb"
    words = [BIN / "papermill", source, tmp_path / "out.ipynb", "-p", "n_tres", "3"]
    done = subprocess.run(
        [str(word) for word in words],
        env=os.environ | {"GANMC_OUT": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("GanmcError") and "n_tres" in last and "known parameters" in last
