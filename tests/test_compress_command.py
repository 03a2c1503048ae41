"""`ganmc compress`: from a csv file to files and a page; each mistake is one line with its cure."""

import ast
import errno
import gzip
import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import skops.io
from nbclient.exceptions import DeadKernelError
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from ganmc_utils.compress import command, steps, table
from ganmc_utils.compress.teachers import checked_predictions
from ganmc_utils.core import paths
from ganmc_utils.core.errors import GanmcError

X, Y = load_breast_cancer(return_X_y=True, as_frame=True)
COLUMNS = ["mean radius", "mean texture", "mean area"]
FRAME = X[COLUMNS].assign(label=np.where(Y == 1, "benign", "malignant"))
QUICK = ["--student", "tree", "--source", "jitter", "--max-loss", "0.05", "--queries", "2000"]
FOREST = RandomForestClassifier(10, random_state=0).fit(X[COLUMNS], FRAME["label"])


def ganmc(capsys, *words):
    """Exit status and standard error of a command line."""
    status = command.main(["compress", *map(str, words)])
    return status, capsys.readouterr().err


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "cells.csv"
    FRAME.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def compressed(data, tmp_path_factory):
    """The folder that the command has written, with a teacher in a skops file."""
    out = tmp_path_factory.mktemp("out")
    teacher = data.with_name("teacher.skops")
    skops.io.dump(FOREST, teacher)
    words = [str(data), "--target", "label", "--teacher", str(teacher), "--out", str(out), *QUICK]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "ganmc_utils.compress.command", "compress", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=data.parent,
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_command_leaves_a_model_a_card_and_a_page(compressed):
    out, said = compressed
    expected = {"model.onnx", "model.skops", "model.c", "rules.txt", "README.md", "report.html"}
    assert expected <= {path.name for path in out.iterdir()}
    assert said.startswith(f"{len(FRAME)} rows, {len(FRAME.columns) - 1} columns, classification")
    assert (out / "README.md").read_text().split("\n\n")[1] in said, "the verdict"
    for file in ("report.html", "README.md", "run/09_your_own_model.ipynb"):
        assert str(out / file) in said
    page = (out / "report.html").read_text()
    assert "The student loses" in page
    assert "may have seen the rows of this report" in page
    for hidden in ("data_dir: str", "import plots", "Exercises"):
        assert hidden not in page, "no part of a report"
    assert not re.search(r'<(img|script|link)[^>]+(src|href)="(?!data:|https:)', page)


def test_the_model_imitates_the_given_teacher(compressed, data):
    out, _ = compressed
    teach = table.load_onnx(out / "model.onnx", is_regression=False)
    rows = FRAME[COLUMNS].astype(np.float32)
    agreement = teach(rows).argmax(1) == FOREST.predict_proba(X[COLUMNS]).argmax(1)
    assert agreement.mean() > 0.9


def test_the_console_script_is_declared():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ganmc": "ganmc_utils.compress.command:main"}


NAMES = {"imblearn": "imbalanced-learn", "sklearn": "scikit-learn", "google": "protobuf"}
OPTIONAL = {
    "torch_fidelity",
    "yaml",
    "IPython",
    "nbclient",
    "traitlets",
    "PIL",
}  # come with others, or are asked for


def test_the_package_declares_what_it_imports():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    imported = set()
    for path in (paths.ROOT / "ganmc_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"ganmc_utils", "__future__"} - OPTIONAL
    assert {NAMES.get(name, name) for name in others} <= declared


def written(folder, text, encoding="utf-8"):
    path = folder / "bad.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table_text(n=60, **columns):
    frame = pd.DataFrame({"a": np.arange(n), "y": np.arange(n) % 2} | columns)
    return frame.to_csv(index=False)


NOTES = [f"text {i % 100}" for i in range(200)]
BAD_TABLES = {
    "text of 100 kinds": (table_text(200, note=NOTES), "column note: 100 different texts", "group"),
    "rows longer than the header": (
        "a,b,y\n" + "1,2,3,0\n4,5,6,1\n" * 40,
        "line 2 has 4 fields, the header 3",
        "name every column",
    ),
    "one row": (table_text(1), "1 row; ", "bring 50"),
    "no rows": ("a,y\n", "0 rows; ", "bring 50"),
    "an empty file": ("", "is empty", "column names"),
    "duplicate headers": ("a,a,y\n1,2,0\n" * 60, "column a: named twice", "rename"),
    "no such target": (table_text().replace("y", "z"), "target y: no such column", "a, z"),
    "500 classes": (
        table_text(500, y=[f"k{i}" for i in range(500)]),
        "target y: 500 classes",
        "at most 100",
    ),
    "one class": (table_text(y=1), "one value only", "others"),
    "missing labels": (table_text(y=[None] * 5 + [0, 1] * 27 + [1]), "missing in 5 rows", "drop"),
    "an all-missing column": (table_text(b=np.nan), "column b: all values are missing", "drop it"),
    "infinity": (table_text(b=np.inf), "column b: infinity", "replace"),
    "semicolons": (table_text().replace(",", ";"), "one column, with ';'", "--separator ';'"),
    "NUL bytes": (table_text() + "3\0.7,1\n", "NUL bytes in it", "save it as"),
    "a last line that is cut off": (
        "y,a,b\n" + "0,1.5,2\n1,2.5,3\n" * 30 + "1,7",
        "line 62 has 2 fields, the header 3",
        "bring the file whole",
    ),
    "a short line": ("a,b,y\n" + "1,2\n3,4,1\n" * 60, "line 2 has 2 fields", "as many separators"),
    "a column that counts the rows": (
        pd.read_csv(io.StringIO(table_text())).to_csv(),
        "column 1 has no name",
        "leave it out if it counts the rows",
    ),
    "a question mark among numbers": (
        table_text(300, a=["?" if i % 97 == 3 else i % 60 for i in range(300)]),
        "column a: '?' among numbers",
        "nothing where it is missing",
    ),
    "a number beyond float64": (
        table_text(81, a=[*range(80), "1e400"]),
        "column a: '1e400' among numbers",
        "write a number",
    ),
    "a text among numbers": (
        table_text(300, a=[*(i % 8 for i in range(299)), "x"]),
        "column a: 'x' among numbers",
        "write a number",
    ),
    "a text among target values": (
        table_text(300, y=[*(i / 2 for i in range(299)), "x"]),
        "target y: 'x' among numbers",
        "write a number",
    ),
    "a target beyond float32": (
        table_text(y=1e160 * np.arange(60)),
        "y: values of up to 5.9e+161, which float32 cannot hold",
        "another unit",
    ),
    "an infinite target": (
        table_text(y=[np.inf, *range(59)]),
        "y: Input y contains inf",
        "replace",
    ),
    "a blank in the header": (table_text().replace("a,y", "a, y"), "target y: no such", "' y'"),
    "a blank header": (table_text().replace("a,y", "a, "), "column 2 has no name", "name it"),
    "lines of other lengths": (
        "a,y\n1,0\n1,2,3,4\n" * 60,
        "line 3 has 4 fields, the header 2",
        "name every column",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_cannot_be_used_is_one_line(case, tmp_path, capsys):
    text, problem, cure = BAD_TABLES[case]
    status, said = ganmc(capsys, written(tmp_path, text), "--target", "y", "--out", tmp_path / "o")
    assert status == 1
    assert said.count("\n") == 1
    assert said.startswith("ganmc: ")
    assert problem in said
    assert cure in said.split("; ", 1)[1]
    assert not (tmp_path / "o").exists()


def test_a_wrong_encoding_is_one_line(tmp_path, capsys):
    path = written(tmp_path, table_text(60, name="é"), "latin-1")
    status, said = ganmc(capsys, path, "--target", "y")
    assert (status, said.count("\n")) == (1, 1)
    assert "not in UTF-8; convert it (iconv -f latin1 -t utf-8 bad.csv > utf8.csv)" in said


PACKINGS = {
    "gzip": (gzip.compress, "is packed; unpack it (gunzip 'my data.csv.gz')"),
    "utf-16": (lambda text: text.decode().encode("utf-16"), "(iconv -f utf-16 -t utf-8 'my data"),
    "zip": (lambda text: b"PK\x03\x04" + text, "is packed; unpack it (unzip "),
}


@pytest.mark.parametrize("case", PACKINGS)
def test_a_file_that_is_no_text_is_one_line_with_what_unpacks_it(case, tmp_path, capsys):
    pack, says = PACKINGS[case]
    path = tmp_path / "my data.csv.gz"
    path.write_bytes(pack(table_text().encode()))
    status, said = ganmc(capsys, path, "--target", "y")
    assert (status, said.count("\n")) == (1, 1)
    assert says in said


def test_text_is_read_whatever_its_file_is_called_and_blank_lines_count_for_nothing(tmp_path):
    path = tmp_path / "plain.csv.gz"
    path.write_text(table_text() + "\n   \n")
    assert len(table.read_rows(path)) == 60


def paths_that_are_no_files(folder):
    """Paths that cannot be read, with what is said of each."""
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    return {
        "": "data: '' is no path; give one as text",
        folder: "is a folder; name a file in it",
        folder / "pipe": "is no regular file",
        "/dev/null": "is no regular file",
        folder / "loop": "cannot be read (Too many levels of symbolic links); correct the path",
        folder / ("x" * 300): "cannot be read (File name too long); correct the path",
        folder / "none.csv": "no such file; correct the path",
        "a\0b": "is no path",
        "~nobody_of_that_name/a.csv": "no such user; write the path without ~",
    }


def test_what_is_no_file_is_said_of_data_and_report_and_teacher(data, tmp_path, capsys):
    for path, says in paths_that_are_no_files(tmp_path).items():
        status, said = ganmc(capsys, path, "--target", "label")
        assert (status, said.count("\n")) == (1, 1), path
        assert says in said
        if not path:
            continue
        for option in ("--report", "--teacher"):
            named = f"{path}.onnx" if option == "--teacher" else path
            out = ["--out", tmp_path / "out"]
            status, said = ganmc(capsys, data, "--target", "label", option, named, *out)
            assert (status, said.count("\n")) == (1, 1), (option, path)
            assert option == "--teacher" or says in said


def test_a_huge_file_is_refused_before_it_is_read(data, capsys, monkeypatch):
    monkeypatch.setattr(table, "free_memory", lambda: 1000)
    monkeypatch.setattr(pd, "read_csv", None)
    status, said = ganmc(capsys, data, "--target", "label")
    assert (status, said.count("\n")) == (1, 1)
    assert "of memory" in said and "bring a sample of its rows" in said


@pytest.fixture
def to_the_notebook(monkeypatch):
    """The command ends where the notebook would run, with this error."""

    def stopped(*_):
        raise GanmcError("the notebook would run")

    monkeypatch.setattr(steps, "run_notebook", stopped)
    return "the notebook would run"


@pytest.mark.parametrize(
    "file", ["README.md", "report.html", "rules.txt", "model.onnx", "model.skops", "model.c"]
)
def test_files_of_other_programs_are_not_replaced(
    file, data, tmp_path, capsys, monkeypatch, to_the_notebook
):
    monkeypatch.chdir(tmp_path)
    Path(file).write_text("# My project\n")
    for out in (".", tmp_path, f"../{tmp_path.name}"):
        status, said = ganmc(capsys, data, "--target", "label", "--out", out)
        assert (status, said.count("\n")) == (1, 1)
        assert f"{file}: is not of an earlier run; choose another folder" in said
    assert Path(file).read_text() == "# My project\n"
    status, said = ganmc(capsys, data, "--target", "label", "--out", "")
    assert "--out: '' is no path; give one as text" in said


def test_an_earlier_run_may_be_replaced(compressed, data, tmp_path, capsys, to_the_notebook):
    finished, _ = compressed
    stopped = tmp_path / "stopped"
    (stopped / "run").mkdir(parents=True)
    steps.executed(stopped).touch()
    (stopped / "model.onnx").touch()
    other = tmp_path / "notes.txt"
    other.touch()
    for out in (finished, stopped, tmp_path, tmp_path / "new"):
        _, said = ganmc(capsys, data, "--target", "label", "--out", out)
        assert to_the_notebook in said, out
    shutil.copytree(finished, tmp_path / "edited")
    (tmp_path / "edited" / "README.md").write_text("# My project\n")
    _, said = ganmc(capsys, data, "--target", "label", "--out", tmp_path / "edited")
    assert "README.md: is not of an earlier run" in said


OUT_OF_REACH = {
    "a file": "choose another folder",
    "below a file": "choose another folder",
    "too long": "choose a shorter path",
    "~nobody_of_that_name/out": "no such user; write the path without ~",
}


@pytest.mark.parametrize("case", OUT_OF_REACH)
def test_an_out_that_cannot_be_a_folder_has_its_own_cure(case, data, tmp_path, capsys):
    (tmp_path / "file").touch()
    others = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "out"}
    out = others.get(case, "x" * 300 if case == "too long" else case)
    status, said = ganmc(capsys, data, "--target", "label", "--out", out)
    assert (status, said.count("\n")) == (1, 1)
    assert OUT_OF_REACH[case] in said
    assert "space" not in said


@pytest.mark.parametrize(
    "option, value, limit",
    [
        ("--max-loss", "nan", "nan is not 0 or more"),
        ("--max-loss", "-1", "-1 is not 0 or more"),
        ("--seconds", "-1", "-1 is not 1 or more"),
        ("--seconds", "1.5", "invalid int value"),
        ("--queries", "-5", "-5 is not 0 to 10000000"),
        ("--queries", "99999999999", "99999999999 is not 0 to 10000000"),
        ("--max-nodes", "0", "0 is not 1 or more"),
        ("--max-bytes", "0", "0 is not 1 or more"),
        ("--seed", "-1", "-1 is not 0 to 2147483647"),
        ("--seed", "99999999999", "99999999999 is not 0 to"),
    ],
)
def test_numbers_out_of_range_name_their_option(option, value, limit, capsys):
    with pytest.raises(SystemExit):
        command.main(["compress", "cells.csv", "--target", "label", option, value])
    assert f"error: argument {option}: {limit}" in capsys.readouterr().err


BAD_REPORTS = {
    "a column less": (FRAME.drop(columns="mean area"), "no column mean area; bring rows"),
    "no target": (FRAME.drop(columns="label"), "no column label; bring rows"),
    "another class": (FRAME.replace({"label": {"benign": "cyst"}}), "unknown classes cyst; leave"),
    "a text": (FRAME.assign(**{"mean area": "large"}), "not a number (could not convert"),
    "one class": (FRAME[FRAME["label"] == "benign"], "report.csv: one value of label only"),
}


@pytest.mark.parametrize("case", BAD_REPORTS)
def test_report_rows_that_cannot_be_used_are_told_at_once(
    case, data, tmp_path, capsys, to_the_notebook
):
    rows, says = BAD_REPORTS[case]
    rows.to_csv(tmp_path / "report.csv", index=False)
    words = [data, "--target", "label", "--report", tmp_path / "report.csv"]
    status, said = ganmc(capsys, *words, "--out", tmp_path / "out")
    assert (status, said.count("\n")) == (1, 1)
    assert says in said
    FRAME[[*reversed(FRAME.columns)]].assign(more=1).to_csv(tmp_path / "report.csv", index=False)
    assert to_the_notebook in ganmc(capsys, *words, "--out", tmp_path / "out")[1]


def test_a_missing_file_is_one_line(tmp_path, capsys):
    status, said = ganmc(capsys, tmp_path / "none.csv", "--target", "y")
    assert (status, said.count("\n")) == (1, 1)
    assert "no such file; correct the path" in said


class Exploding:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def bad_teachers(folder):
    """Paths of teachers that cannot be used, with the problem that each has."""
    two = RandomForestClassifier(3, random_state=0).fit(X.iloc[:, :2], FRAME["label"])
    three = DecisionTreeClassifier().fit(X[COLUMNS], np.arange(len(X)) % 3)
    other = DecisionTreeClassifier().fit(X[COLUMNS], Y)
    number = RandomForestRegressor(3).fit(X[COLUMNS], Y)
    models = {
        "wrong columns": (two, "cannot predict rows"),
        "three classes": (three, "its 3 classes"),
        "other names": (other, "its 2 classes (0, 1) are not the target's"),
        "no probabilities": (number, "has no predict_proba"),
    }
    cases = {}
    for name, (model, problem) in models.items():
        cases[name] = (folder / f"{name}.skops", problem)
        skops.io.dump(model, cases[name][0])
    for suffix in ("pkl", "skops", "txt"):
        path = folder / f"pickled.{suffix}"
        path.write_bytes(pickle.dumps(Exploding()))
        cases[f"a pickle as {suffix}"] = (path, "")
    cases["a pickle as pkl"] = (folder / "pickled.pkl", "is not loaded")
    cases["a pickle as skops"] = (folder / "pickled.skops", "is no skops file")
    cases["broken onnx"] = (folder / "broken.onnx", "cannot be run")
    (folder / "broken.onnx").write_bytes(b"nothing")
    cases["onnx of wrong columns"] = (folder / "two.onnx", "cannot predict rows")
    narrow = to_onnx(two, X.iloc[:1, :2].to_numpy(np.float32))
    (folder / "two.onnx").write_bytes(narrow.SerializeToString())
    cases["no file"] = (folder / "none.skops", "no such file")
    return cases


def test_a_teacher_that_cannot_be_used_is_one_line(data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for case, (path, problem) in bad_teachers(tmp_path).items():
        status, said = ganmc(capsys, data, "--target", "label", "--teacher", path)
        assert (status, said.count("\n")) == (1, 1), case
        assert problem in said, case
        assert "; " in said
    assert not Path("exploded").exists(), "a pickle was loaded"


def test_an_onnx_teacher_of_one_matrix_predicts(tmp_path):
    for options in (None, {id(FOREST): {"zipmap": False}}):
        model = to_onnx(FOREST, X[COLUMNS].iloc[:1].to_numpy(np.float32), options=options)
        path = tmp_path / "teacher.onnx"
        path.write_bytes(model.SerializeToString())
        teach = table.load_onnx(path, is_regression=False)
        rows = X[COLUMNS].astype(np.float32)
        np.testing.assert_allclose(teach(rows), FOREST.predict_proba(rows), atol=1e-6)


def test_a_teacher_that_returns_nan_is_told():
    with pytest.raises(ValueError, match="NaN or infinity for 1 of 3 rows; repair"):
        checked_predictions([0.5, np.nan, 0.1], 3, 2)


def test_a_full_disk_is_one_line(data, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(steps, "run_notebook", full)
    status, said = ganmc(capsys, data, "--target", "label", "--out", tmp_path)
    assert (status, said.count("\n")) == (1, 1)
    assert "No space left on device); free space on this disk" in said


def has_mapped(process, library):
    """Whether a process has loaded a library of that name."""
    return any(library in mapped.path for mapped in process.memory_maps())


# The moments at which a signal is sent: when this is true of the process and its folder.
MOMENTS = {
    "imports": lambda process, out: has_mapped(process, "pandas"),
    "before the kernel": lambda process, out: (out / "run").exists(),
    "the kernel starts": lambda process, out: process.children(),
    "the kernel works": lambda process, out: [
        child for child in process.children() if has_mapped(child, "sklearn")
    ],
}


@pytest.mark.parametrize(
    "moment, number", [*((m, signal.SIGINT) for m in MOMENTS), ("imports", signal.SIGTERM)]
)
def test_a_signal_ends_it_with_one_line_at_any_moment(data, tmp_path, moment, number):
    words = [str(data), "--target", "label", "--out", str(tmp_path), "--seconds", "500"]
    command_line = [sys.executable, "-m", "ganmc_utils.compress.command", "compress", *words]
    running = psutil.Popen(
        command_line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=paths.ROOT,
        start_new_session=True,
    )
    while not MOMENTS[moment](running, tmp_path):
        assert running.poll() is None
        time.sleep(0.02)
    children = running.children(recursive=True)
    os.killpg(running.pid, number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said.splitlines()[-1] == "ganmc: stopped; no model was written"
    assert "Traceback" not in said
    assert not psutil.wait_procs(children, timeout=20)[1], "its kernel went on"


def test_a_signal_that_reaches_another_thread_is_heard(tmp_path, monkeypatch):
    heard = threading.Event()
    in_time = []

    def execute_notebook(*_, **__):
        time.sleep(0.5)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        in_time.append(heard.wait(10))

    monkeypatch.setattr(steps.papermill, "execute_notebook", execute_notebook)
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())
    try:
        steps.run_notebook({}, tmp_path)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert in_time == [True]


def test_a_stop_after_the_model_says_so(tmp_path):
    (tmp_path / "model.onnx").touch()
    assert command.what_is_there(tmp_path, time.time() - 60) == "before the report was written"
    assert command.what_is_there(tmp_path, time.time() + 60) == "no model was written"


def test_a_kernel_that_dies_is_one_line(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(steps.papermill, "execute_notebook", killed)
    status, said = ganmc(capsys, data, "--target", "label", "--out", tmp_path)
    assert (status, said.count("\n")) == (1, 1)
    assert "its process was killed; bring fewer rows" in said


def killed(*_, **__):
    raise DeadKernelError("Kernel died")


def test_the_task_is_told_from_the_target():
    frame = pd.DataFrame({"a": np.arange(60), "half": np.arange(60) / 2, "few": np.arange(60) % 4})
    frame["text"] = np.where(frame["few"] > 1, "u", "v")
    tasks = {target: table.features_and_target(frame, target)[2] for target in frame}
    assert tasks == {
        "a": "regression",
        "half": "regression",
        "few": "classification",
        "text": "classification",
    }
