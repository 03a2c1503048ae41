"""The user's files: a table of text, and a fitted teacher. Every mistake is one line."""

import codecs
import csv
import os
import shlex
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import skops.io
from onnx import TensorProto, numpy_helper
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype
from sklearn.frozen import FrozenEstimator

from ganmc_utils.compress.columns import check_names, check_texts
from ganmc_utils.compress.estimators import MAX_CLASSES, MIN_ROWS
from ganmc_utils.core.errors import own_code, user_error
from ganmc_utils.core.paths import typed_path
from ganmc_utils.forests.data import first_names

MEMORY_PER_BYTE = 5  # of a file: text becomes numbers, and both are there for a moment
MAX_NUMERIC_CLASSES = 20  # a target of more different whole numbers is a regression's
# What a teacher in a skops file may consist of, beside the types that skops itself trusts. A prefix
# such as "sklearn." is not enough: loading may call whatever is named, and scikit-learn and NumPy
# hold functions that start other programs.
TRUSTED = {
    "numpy.dtype",
    "numpy.mean",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
}
PASSING = ("Cast", "Identity", "Reshape", "Squeeze")  # nodes that leave labels as they are
CHOOSING = ("Gather", "ArrayFeatureExtractor")  # nodes that take labels from a constant
MEGABYTE = 2**20
PACKED = {  # what files begin with, and the program that unpacks them
    b"\x1f\x8b": "gunzip",
    b"PK\x03\x04": "unzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ\0": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
}
PICKLES = (".pkl", ".pickle", ".joblib", ".sav")


def free_memory() -> int:
    """Bytes of memory that are free."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def read_rows(path: str | Path, separator: str = ",") -> pd.DataFrame:
    """A table with column names in its first line.

    Raises:
        GanmcError: no such file, too large, not UTF-8, another separator, names that are missing
            or doubled, rows of other lengths, too few rows.
    """
    path = typed_path("data", path)
    separator = {"\\t": "\t"}.get(separator, separator)  # as it is typed in a shell
    if len(separator) != 1:
        raise user_error(f"separator {separator!r}", "no single character", "such as , or ;")
    check_size(path)
    check_is_text(path)
    options = {"low_memory": False, "encoding": "utf-8-sig", "compression": None}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=separator)
            header = next(rows, [])
            check_header(header, path, separator)
            check_rows(rows, len(header), path)
        frame = pd.read_csv(path, sep=separator, **options)
    except UnicodeDecodeError:
        raise user_error(path, "not in UTF-8", convert_from("latin1", path)) from None
    except (OSError, ValueError, csv.Error) as failed:
        if isinstance(failed, ValueError) and "named twice" in str(failed):
            raise
        raise user_error(
            path, f"cannot be read as a table ({failed})", "save it as comma-separated text"
        ) from None
    if len(frame) < MIN_ROWS:
        raise user_error(
            path,
            f"{len(frame)} row{'s' if len(frame) != 1 else ''}",
            f"bring {MIN_ROWS} at least: some are held back to choose and to judge",
        )
    return frame


def check_file(path: Path) -> None:
    """Raises GanmcError where there is no file that can be read."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise user_error(path, "no such file", "correct the path") from None
    except OSError as failed:
        raise user_error(path, f"cannot be read ({failed.strerror})", "correct the path") from None
    if stat.S_ISDIR(mode):
        raise user_error(path, "is a folder", "name a file in it")
    if not stat.S_ISREG(mode):
        raise user_error(path, "is no regular file", "save what it holds as a file")
    if not os.access(path, os.R_OK):
        raise user_error(path, "cannot be read (Permission denied)", "ask its owner, or copy it")


def check_is_text(path: Path) -> None:
    """Raises GanmcError for a file that is packed, of two bytes a character, or with NUL bytes."""
    with path.open("rb") as file:
        start = file.read(8)
        for magic, program in PACKED.items():
            if start.startswith(magic):
                raise user_error(path, "is packed", f"unpack it ({program} {quoted(path)})")
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise user_error(path, "not in UTF-8", convert_from("utf-16", path))
        file.seek(0)
        if any(b"\0" in part for part in iter(lambda: file.read(MEGABYTE), b"")):
            raise user_error(path, "NUL bytes in it", "save it as comma-separated text in UTF-8")


def convert_from(encoding: str, path: Path) -> str:
    """How to convert a file."""
    return f"convert it (iconv -f {encoding} -t utf-8 {quoted(path)} > utf8.csv)"


def quoted(path: Path) -> str:
    """The name of a file as a shell takes it."""
    return shlex.quote(path.name)


def check_size(path: Path) -> None:
    """Raises GanmcError where a file is not there or needs more memory than there is."""
    check_file(path)
    n_bytes = path.stat().st_size
    needed, free = n_bytes * MEMORY_PER_BYTE, free_memory()
    if needed > free:
        raise user_error(
            path,
            f"{n_bytes / 1e9:.1f} GB need about {needed / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} are free",
            "bring a sample of its rows",
        )


def check_header(header: list[str], path: Path, separator: str) -> None:
    """Raises GanmcError for names that are missing, doubled or not separated."""
    if not header:
        raise user_error(path, "is empty", "bring a table with column names in its first line")
    if len(header) == 1:
        others = [other for other in (";", "\t", ",", "|") if other in header[0]]
        if others:
            raise user_error(
                path,
                f"one column, with {others[0]!r} in its name",
                f"pass --separator {others[0]!r}",
            )
        raise user_error(path, "one column only", "bring features beside the target")
    nameless = [number for number, name in enumerate(header, 1) if not name.strip()]
    if nameless:
        cure = "name it, or leave it out if it counts the rows"
        raise user_error(path, f"column {nameless[0]} has no name", cure)
    check_names(header)


def check_rows(rows, n_columns: int, path: Path) -> None:
    """Check that each row has as many fields as the header; blank lines count for nothing.

    rows: a csv.reader that has read the header.

    Raises:
        GanmcError: a row has not: pandas would cut or shift it, or fill it up with missing values.
    """
    cures = {
        True: "name every column, and quote fields that hold the separator",
        False: "bring the file whole, with as many separators in each line",
    }
    for row in rows:
        is_blank = len(row) < 2 and not "".join(row).strip()
        if len(row) != n_columns and not is_blank:
            problem = f"line {rows.line_num} has {len(row)} fields, the header {n_columns}"
            raise user_error(path, problem, cures[len(row) > n_columns])


def features_and_target(
    frame: pd.DataFrame, target: str, task: str = "auto"
) -> tuple[pd.DataFrame, pd.Series, str]:
    """Split a table into its features and its target.

    Args:
        frame: from `read_rows`.
        target: the column to be predicted.
        task: "classification", "regression", or "auto": a regression where the target is a number
            with a fraction, or one of more than 20 different whole numbers.

    Returns:
        Features, target, task.

    Raises:
        GanmcError: no such column, missing values, too many classes, one class.
    """
    if target not in frame:
        cure = f"choose one of {first_names(frame)}"
        alike = [name for name in frame if name.strip() == target.strip()]
        if alike:
            cure = f"there is {alike[0]!r}: mind the blanks"
        raise user_error(f"target {target}", "no such column", cure)
    y = frame[target]
    if y.isna().any():
        raise user_error(
            f"target {target}", f"missing in {y.isna().sum()} rows", "fill it in or drop them"
        )
    n_different = y.nunique()
    is_number = is_numeric_dtype(y) and not is_bool_dtype(y)
    if task == "auto":
        has_fractions = is_number and is_float_dtype(y) and (y != y.round()).any()
        many = is_number and n_different > MAX_NUMERIC_CLASSES
        task = "regression" if has_fractions or many else "classification"
    is_unclear = task == "regression" or n_different > MAX_CLASSES
    if is_unclear and not is_number:
        check_texts(y, f"target {target}")
    if task == "regression" and not is_number:
        raise user_error(f"target {target}", "no numbers", "use --task classification")
    if task == "classification" and n_different > MAX_CLASSES:
        raise user_error(
            f"target {target}",
            f"{n_different} classes",
            f"group them into at most {MAX_CLASSES}, or use --task regression for numbers",
        )
    if n_different < 2:
        raise user_error(f"target {target}", "one value only", "bring rows of others")
    return frame.drop(columns=target), y, task


def report_rows(
    path: str | Path, separator: str, frame: pd.DataFrame, y: pd.Series, task: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Features and target of rows for the report.

    Args:
        path: of their file.
        separator: of its columns.
        frame: features of the table; those of the report are put into their order.
        y: target of the table.
        task: "classification" or "regression".

    Raises:
        GanmcError: a column or a class is not as in the table.
    """
    rows = read_rows(path, separator)
    absent = [name for name in (*frame, y.name) if name not in rows]
    if absent:
        cure = "bring rows with all columns of the table"
        raise user_error(path, f"no column {first_names(absent)}", cure)
    if rows[y.name].nunique() < 2:
        raise user_error(path, f"one value of {y.name} only", "bring rows of others")
    x_report, y_report, _ = features_and_target(rows, y.name, task)
    strange = sorted(set(y_report) - set(y), key=str)
    if task == "classification" and strange:
        raise user_error(path, f"unknown classes {first_names(strange)}", "leave them out")
    return x_report[list(frame)], y_report


def load_teacher(path: str | Path, is_regression: bool) -> FrozenEstimator | Callable:
    """A fitted teacher of raw columns, from a skops or an ONNX file. A pickle is never loaded.

    Raises:
        GanmcError: a pickle, another kind of file, one that cannot be read or trusted.
    """
    path = typed_path("teacher", path)
    if path.suffix.lower() in PICKLES:
        raise user_error(
            path,
            "a pickle runs whatever code it holds, and is not loaded",
            "save the model with skops.io.dump(model, 'model.skops'), or as ONNX",
        )
    if path.suffix.lower() not in (".skops", ".onnx"):
        raise user_error(path, "no .skops or .onnx file", "save the teacher as one of them")
    check_file(path)
    if path.suffix.lower() == ".onnx":
        return load_onnx(path, is_regression)
    # Whatever a file may hold, such as a module that is gone, or nesting without end.
    with own_code(path, "save it again with the versions of this environment", "cannot be loaded"):
        return FrozenEstimator(load_skops(path))


def load_skops(path: Path):
    """The model of a skops file that consists of known types of scikit-learn alone.

    Raises:
        GanmcError: other types, or no skops file.
    """
    try:
        types = skops.io.get_untrusted_types(file=path)
        strange = [name for name in types if name not in TRUSTED]
        if strange:
            raise user_error(
                path,
                f"holds what is not known to be safe ({first_names(strange)})",
                "bring it as ONNX, or call ClassifierCompressor from Python",
            )
        return skops.io.load(path, trusted=types)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as failed:
        raise user_error(
            path, f"is no skops file ({failed})", "save it with skops.io.dump(model, path)"
        ) from None


def load_onnx(path: Path, is_regression: bool) -> Callable:
    """A function of raw rows that runs an ONNX file.

    The file takes one float matrix of all columns in their order; or a matrix of numbers and one
    of texts, as the files of this tool; or one input for each column, by its name. Of its outputs
    the first of floats counts (in a classification, the first with a column for each class).

    Returns:
        The function; its attribute `classes_` has the names of the classes, None where the file
        does not tell.

    Raises:
        GanmcError: onnxruntime cannot read it, or it takes any number of columns.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as failed:  # onnxruntime's own errors have no common class
        raise user_error(path, f"cannot be run ({failed})", "save the teacher again") from None
    for expected in session.get_inputs():
        if not expected.shape or not isinstance(expected.shape[-1], int):
            raise user_error(
                path,
                f"its input {expected.name} takes any number of columns",
                "save it with the number of columns that it was fitted to as the input's width",
            )

    def predict(rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        frame = pd.DataFrame(rows)
        try:
            outputs = session.run(None, inputs_of(session, frame))
        except Exception as failed:
            raise ValueError(str(failed)) from None
        return prediction_of(outputs, is_regression)

    predict.classes_ = labels_of(graph)
    return predict


def labels_of(graph: onnx.GraphProto) -> list | None:
    """The classes of an ONNX classifier, in the order of its probabilities; None: not told.

    They are constants of the node that makes the labels, or of the one that names probabilities.
    """
    makers = {output: node for node in graph.node for output in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    named = [node for node in graph.node if node.op_type == "ZipMap"]
    for output in graph.output:
        if output.type.tensor_type.elem_type in (TensorProto.INT64, TensorProto.STRING):
            node = makers.get(output.name)
            while node is not None and node.op_type in PASSING:
                node = makers.get(node.input[0])
            named += [] if node is None else [node]
    for node in named:
        if node.op_type in CHOOSING and node.input[0] in constants:
            values = numpy_helper.to_array(constants[node.input[0]]).ravel()
        else:
            lists = [a for a in node.attribute if a.name.startswith("classlabels_")]
            values = [value for a in lists for value in (*a.ints, *a.strings)]
        if len(values):
            names = [v.decode() if isinstance(v, bytes) else v for v in values]
            return sorted(names) if node.op_type == "ZipMap" else names  # whose maps are sorted
    return None


def inputs_of(session, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Raw rows as the inputs of a session, by their number, type and names."""
    expected = session.get_inputs()
    names = {str(name): name for name in frame.columns}
    if expected and all(e.name in names for e in expected):
        columns = {e.name: frame[[names[e.name]]] for e in expected}
    else:
        numbers = frame.select_dtypes(["number", "bool"])
        texts = frame.drop(columns=numbers.columns)
        taken = {"string" in e.type for e in expected}
        left_out = [*([] if False in taken else numbers), *([] if True in taken else texts)]
        if left_out:
            raise ValueError(f"it has no input for {first_names(left_out)}")
        columns = {e.name: texts if "string" in e.type else numbers for e in expected}
    return {e.name: typed(columns[e.name], e.type) for e in expected}


def typed(frame: pd.DataFrame, kind: str) -> np.ndarray:
    """A block of columns as an array of an ONNX type."""
    if "string" in kind:
        return frame.astype(object).where(frame.notna(), "").astype(str).to_numpy(object)
    dtypes = {"double": np.float64, "int64": np.int64, "int32": np.int32}
    dtype = next((dtype for name, dtype in dtypes.items() if name in kind), np.float32)
    if np.issubdtype(dtype, np.integer):
        check_whole(frame, dtype)
    return frame.to_numpy(dtype)


def check_whole(frame: pd.DataFrame, dtype: type) -> None:
    """Raises ValueError where a type of integers would change a number."""
    limits = np.iinfo(dtype)
    for name in frame:
        values = frame[name].to_numpy(np.float64)
        is_kept = (values == np.round(values)) & (np.abs(values) <= limits.max)
        if not is_kept.all():
            strange = values[~is_kept][0]
            raise ValueError(f"{strange:g} in column {name}, of which it takes {limits.dtype}")


def prediction_of(outputs: list, is_regression: bool) -> np.ndarray:
    """The probabilities or values among the outputs of an ONNX model."""
    for output in outputs:
        if isinstance(output, list) and output and isinstance(output[0], dict):
            return np.array([list(row.values()) for row in output])
        is_float = isinstance(output, np.ndarray) and output.dtype.kind == "f"
        if is_float and (is_regression or output.ndim == 2):
            return output
    raise ValueError("no output of floats" if is_regression else "no output of probabilities")
