"""SLURM and a bare machine end with the records of a local run: `make test-cluster`.

The cluster is this machine (slurm.sh). A job is killed, one is told to stop as if it were
preempted, the node is drained for a while, and a unit ends as it does at its time limit.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from ganmc_utils import bare_node
from ganmc_utils.core.units import units_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FOLDERS = ("ganmc_utils", "notebooks", "book", "cluster")
FILES = ("Snakefile", "pyproject.toml", "requirements.txt", "requirements.lock", ".gitignore")
CHAPTERS = {  # the settings of the smoke test, which are split into units here
    "00_teachers_and_gan": "profile: toy\nsets: [0, 1]\n",
    "02_p_fake_sweep": "profile: toy\nsets: [0, 1]\np_fakes: [0.0, 0.5]\nbaseline_p_fakes: [0.5]\n",
    "06_random_forests": "profile: toy\n",
}
TARGET = "results/toy/notebooks/08_scoreboard.ipynb"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIMIT = 48  # MiB of a transfer
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")


def project(folder):
    """A copy of the project with a profile of a few short units."""
    for part in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for part in FILES:
        shutil.copy(ROOT / part, folder)
    (folder / "profiles" / "toy").mkdir(parents=True)
    for chapter, given in CHAPTERS.items():
        (folder / "profiles" / "toy" / f"{chapter}.yml").write_text(given)
    return folder


def environment(folder, **more):
    one_thread = {"OMP_NUM_THREADS": "1", "GANMC_THREADS": "1"}
    path = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    return os.environ | path | one_thread | more


def workflow(*options):
    return [sys.executable, "-m", "ganmc_utils.core.workflow", "toy", "units=1", *options]


def rows(out):
    """The rows of all records but for what measures time."""
    rows_of = {}
    for file in sorted((out / "records").glob("*.json")):
        metrics = json.loads(file.read_text())["metrics"]
        lasting = [row for row in metrics if not measures_time(row)]
        rows_of[file.stem] = sorted(json.dumps(row, sort_keys=True) for row in lasting)
    return rows_of


def measures_time(row):
    return any(word in row["metric"] for word in ("seconds", "per_second", "speedup", "time"))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("local"))
    command = workflow("--cores", "2", TARGET)
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return folder / "results/toy"


@pytest.fixture
def slurm(tmp_path):
    """The settings of a running SLURM."""
    if os.geteuid() or not all(shutil.which(name) for name in NEEDED):
        pytest.skip("this needs root and SLURM: apt install slurmctld slurmd slurm-client munge")
    script, folder = ROOT / "cluster/test/slurm.sh", tmp_path / "slurm"
    subprocess.run(["bash", script, "start", folder], check=True)
    yield {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run(["bash", script, "stop", folder], check=True)


def running_jobs(settings):
    command = ["squeue", "-h", "-t", "running", "-o", "%i"]
    said = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    return said.stdout.split()


def wait_for_job(settings, but=(), seconds=200):
    end = time.time() + seconds
    while time.time() < end:
        if jobs := [job for job in running_jobs(settings) if job not in but]:
            return jobs[0]
        time.sleep(1)
    raise AssertionError("no job runs")


def control(settings, *words):
    subprocess.run(words, env=settings, check=True)


def end_a_unit(folder, seconds=300):
    """Have the first unit whose kernel has surely started save and exit with 75."""
    end = time.time() + seconds
    while time.time() < end:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_unit = process.cmdline()[1:3] == ["-m", "ganmc_utils.core.units"]
                is_old = time.time() - process.create_time() > 15
                if is_unit and is_old and process.children() and process.cwd() == str(folder):
                    process.terminate()
                    return
        time.sleep(1)
    raise AssertionError("no unit runs")


def test_slurm_ends_with_the_records_of_the_local_run(local, slurm, tmp_path):
    folder = project(tmp_path / "project")
    settings = environment(folder, **slurm)
    with open(tmp_path / "log", "w") as log:
        command = workflow("--workflow-profile", "cluster/test", TARGET)
        run = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log)
        killed = wait_for_job(settings)
        control(settings, "scancel", "--signal=KILL", "--full", killed)
        stopped = wait_for_job(settings, but=[killed])
        time.sleep(15)  # its kernel has started
        control(settings, "scancel", "--signal=TERM", "--full", stopped)
        node = subprocess.check_output(["sinfo", "-h", "-o", "%n"], env=settings, text=True).strip()
        about = ["scontrol", "update", f"nodename={node}"]
        control(settings, *about, "state=drain", "reason=test")
        time.sleep(10)
        control(settings, *about, "state=resume")
        end_a_unit(folder)
        status = run.wait(timeout=3000)
    assert status == 0, (tmp_path / "log").read_text()[-3000:]
    assert rows(folder / "results/toy") == rows(local)
    jobs = subprocess.check_output(["scontrol", "show", "jobs"], env=settings, text=True)
    assert "Restarts=1" in jobs, "the job of a unit that is out of time is put into the queue again"


@pytest.fixture
def no_network():
    """The words before a command that cut off the network."""
    loopback = 'ip link set lo up && exec "$@"'  # Jupyter's kernels speak through it
    words = ["unshare", "-n", "sh", "-c", loopback, "sh"]
    if subprocess.run([*words, "true"]).returncode:
        pytest.skip("this may not cut off the network (unshare -n)")
    return words


def test_a_profile_in_pieces_without_a_network_ends_with_the_same_records(
    local, no_network, tmp_path
):
    """Each piece on a fresh machine that only has what was packed."""
    folder = project(tmp_path / "project")
    status, runs = 75, 0
    while status == 75 and runs < 20:
        out = tmp_path / f"machine{runs}"
        words = ["toy", "--out", out, "--earned", tmp_path / "earned", "--minutes", "2"]
        command = [*no_network, sys.executable, "-m", "ganmc_utils.stages", *words]
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True)
        status, runs = done.returncode, runs + 1
    assert status == 0, done.stderr.decode()[-3000:]
    assert rows(out) == rows(local)


def bare_python(folder):
    """A fresh environment with torch and torchvision and nothing else; its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    lock = bare_node.read_lock((ROOT / "requirements.lock").read_text(), PYTHON)
    for name in bare_node.brought_by(bare_node.THERE, lock) - {"setuptools"}:
        package = metadata.distribution(name)
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (site / top).exists():  # nvidia is shared by many
                (site / top).symlink_to(package.locate_file(top))
    return folder / "bin"


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def values(out):
    """What the store of a run holds but for what measures time."""
    stored = {file.name: json.loads(file.read_text()) for file in (out / "store").glob("*.json")}
    return {name: without_seconds(result["value"]) for name, result in stored.items()}


def without_seconds(value):
    if isinstance(value, list):
        return [without_seconds(one) for one in value]
    if isinstance(value, dict):
        return {key: without_seconds(one) for key, one in value.items() if key != "seconds"}
    return value


def test_what_a_bare_machine_lacks_is_brought_below_a_limit_and_a_unit_comes_back(
    local, no_network, tmp_path
):
    tree, home = project(tmp_path / "tree"), tmp_path / "home"
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
    words = ["toy", "--only", "00-set-0", "--python", PYTHON, "--limit", str(LIMIT)]
    collect = [sys.executable, "-m", "ganmc_utils.bare_node", *words]
    said = subprocess.run(collect, cwd=tree, env=environment(tree), capture_output=True, text=True)
    if "with a network" in said.stderr:
        pytest.skip("there is no network to fetch wheels from")
    assert said.returncode == 0, said.stderr
    machine = {"HOME": str(home), "PATH": f"{bare_python(tmp_path / 'bare')}:/usr/bin:/bin"}
    machine |= {"GANMC_THREADS": "1", "OMP_NUM_THREADS": "1"}
    _, *transfers = re.split("^# Transfer .*", said.stdout, flags=re.MULTILINE)
    assert len(transfers) > 1
    for number, commands in enumerate(transfers, 1):
        there, piece = tmp_path / f"transfer{number}", f"results/bare_node/{number}"
        shutil.copytree(tree, there, ignore=shutil.ignore_patterns("results", ".git"))
        shutil.copytree(tree / piece, there / piece)
        assert size(there) <= LIMIT << 20
        run = [*no_network, "sh", "-ec", commands]
        done = subprocess.run(run, cwd=there, env=machine, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(home / "ganmc/earned", tree / "earned")
    (at_home,) = re.findall(r"^# (python .*--only none)$", said.stdout, re.MULTILINE)
    subprocess.run(at_home.split(), cwd=tree, env=environment(tree), check=True)
    out = tree / "results/toy"
    assert (out / "units/00-set-0/done").exists()
    assert values(out) and values(out).items() <= values(local).items()


def test_snakemake_spreads_units_over_workers_as_the_model_says(monkeypatch):
    """Jobs that sleep, in the order that our Snakefile gives them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import schedule

    units = [unit for unit in units_of("paper") if unit.name < "02"]
    seconds = {unit.name: 3.0 if "pair" in unit.name else 6.0 for unit in units}
    for workers in (2, 8):
        forecast = schedule.wall_time(units, seconds, workers)
        taken = schedule.snakemake_time("paper", seconds, workers, sleep=1.0)
        assert forecast <= taken < 1.5 * forecast
