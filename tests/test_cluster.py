"""SLURM and a bare machine end with the records of a local run: `make test-cluster`.

The cluster is this machine (slurm.sh). A job is killed, one is told to stop as if it were preempted
or at its time limit, and the node is drained for a while.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PARTS = ("ganmc_utils", "notebooks", "book", "cluster", "Snakefile")
CHAPTERS = {  # the settings of the smoke test, which are split into units here
    "00_teachers_and_gan": "profile: toy\nsets: [0, 1]\n",
    "02_p_fake_sweep": "profile: toy\nsets: [0, 1]\np_fakes: [0.0, 0.5]\nbaseline_p_fakes: [0.5]\n",
    "06_random_forests": "profile: toy\n",
}
TARGET = "results/toy/notebooks/08_scoreboard.ipynb"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")


def project(folder):
    """A copy of the project with a profile of a few short units."""
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)
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
    return any(word in row["metric"] for word in ("seconds", "per_second", "speedup"))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("local"))
    command = workflow("--cores", "2", TARGET)
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return rows(folder / "results/toy")


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
        status = run.wait(timeout=3000)
    assert status == 0, (tmp_path / "log").read_text()[-3000:]
    assert rows(folder / "results/toy") == local


def test_a_bare_machine_without_a_network_ends_with_the_same_records(local, tmp_path):
    """Runs in pieces, each on a fresh machine that only has what was packed."""
    folder = project(tmp_path / "project")
    loopback = 'ip link set lo up && exec "$@"'  # Jupyter's kernels speak through it
    no_network = ["unshare", "-n", "sh", "-c", loopback, "sh"]
    if subprocess.run([*no_network, "true"]).returncode:
        pytest.skip("this may not cut off the network (unshare -n)")
    status, runs = 75, 0
    while status == 75 and runs < 20:
        out = tmp_path / f"machine{runs}"
        words = ["toy", "--out", out, "--earned", tmp_path / "earned", "--minutes", "2"]
        command = [*no_network, sys.executable, "-m", "ganmc_utils.stages", *words]
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True)
        status, runs = done.returncode, runs + 1
    assert status == 0, done.stderr.decode()[-3000:]
    assert rows(out) == local
