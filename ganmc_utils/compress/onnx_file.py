"""The student as an ONNX model: raw columns in, probabilities out.

    numbers     float32 (n, columns of numbers); NaN where missing
    categories  string (n, columns of categories); "" where missing; absent without such columns
    ->
    probabilities  float32 (n, K), and label (n,); of a regression: value, float32 (n, 1)

The names of the columns, in their order, are in the model's metadata.
"""

import json
import warnings

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.base import BaseEstimator, is_classifier

from ganmc_utils.compress.columns import UNKNOWN, Columns, as_frame

OPSETS = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 8  # that goes with these, for runtimes of some years ago


def onnx_model(
    columns: Columns, student: BaseEstimator, classes: np.ndarray | None = None
) -> onnx.ModelProto:
    """The model of a student and the columns before it.

    Args:
        columns: raw columns -> matrix.
        student: of the matrix.
        classes: names of the classes in the order of their numbers; None for a regression.
    """
    from skl2onnx import to_onnx  # takes a second
    from skl2onnx.common.data_types import FloatTensorType

    matrix = [("matrix", FloatTensorType([None, len(columns.is_category_)]))]
    options = {id(student): {"zipmap": False}} if is_classifier(student) else None
    with warnings.catch_warnings():
        # skl2onnx writes booleans where protobuf 7.34 wants integers: requirements.txt pins 6.
        warnings.filterwarnings("ignore", "Field onnx.AttributeProto", DeprecationWarning)
        model = to_onnx(student, initial_types=matrix, options=options, target_opset=OPSETS)
    graph = compose.add_prefix(model, "student_", rename_inputs=False).graph
    inputs, first_nodes, first_constants = encoder(columns)
    output = graph.output[1 if is_classifier(student) else 0].name
    outputs, last_nodes, last_constants = decoder(output, classes)

    nodes = [*first_nodes, *graph.node, *last_nodes]
    constants = [*first_constants, *graph.initializer, *last_constants]
    whole = helper.make_graph(nodes, "student", inputs, outputs, constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(whole, opset_imports=opsets, ir_version=IR_VERSION)
    names = np.array(columns.names_)
    about = {
        "numbers": list(names[columns.numbers_]),
        "categories": list(names[columns.categories_]),
        "classes": [] if classes is None else [str(c) for c in classes],
    }
    helper.set_model_props(
        model, {name: json.dumps(list(map(str, v))) for name, v in about.items()}
    )
    onnx.checker.check_model(model)
    return model


def encoder(columns: Columns) -> tuple[list, list, list]:
    """Inputs, nodes and constants that turn raw columns into the matrix, as Columns does."""
    inputs, blocks = [], []
    nodes, constants = [], []
    if columns.numbers_:
        medians = columns.transformer_.named_transformers_["numbers"].statistics_
        flagged = [columns.numbers_.index(j) for j in columns.flagged_]
        shape = ["n", len(columns.numbers_)]
        inputs.append(helper.make_tensor_value_info("numbers", TensorProto.FLOAT, shape))
        constants.append(numpy_helper.from_array(medians.astype(np.float32), "medians"))
        nodes.append(helper.make_node("IsNaN", ["numbers"], ["missing"]))
        nodes.append(helper.make_node("Where", ["missing", "medians", "numbers"], ["filled"]))
        blocks.append("filled")
        if flagged:
            constants.append(numpy_helper.from_array(np.array(flagged, np.int64), "flagged"))
            nodes.append(helper.make_node("Gather", ["missing", "flagged"], ["flag"], axis=1))
            nodes.append(helper.make_node("Cast", ["flag"], ["flags"], to=TensorProto.FLOAT))
            blocks.append("flags")
    if columns.categories_:
        shape = ["n", len(columns.categories_)]
        inputs.append(helper.make_tensor_value_info("categories", TensorProto.STRING, shape))
    for k, kinds in enumerate(columns.kinds_):
        constants.append(numpy_helper.from_array(np.array([k], np.int64), f"position_{k}"))
        one_column = ["categories", f"position_{k}"]
        nodes.append(helper.make_node("Gather", one_column, [f"texts_{k}"], axis=1))
        codes = helper.make_node(
            "LabelEncoder",
            [f"texts_{k}"],
            [f"codes_{k}"],
            domain="ai.onnx.ml",
            keys_strings=[str(kind) for kind in kinds],
            values_floats=[float(code) for code in range(len(kinds))],
            default_float=float(UNKNOWN),
        )
        nodes.append(codes)
        blocks.append(f"codes_{k}")
    nodes.append(helper.make_node("Concat", blocks, ["matrix"], axis=1))
    return inputs, nodes, constants


def decoder(output: str, classes: np.ndarray | None) -> tuple[list, list, list]:
    """Outputs, nodes and constants that name what the student puts out."""
    if classes is None:
        values = helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n", 1])
        return [values], [helper.make_node("Identity", [output], ["value"])], []
    names = np.array(classes)
    if names.dtype.kind not in "iu":
        names = names.astype(str).astype(object)
    kind = TensorProto.INT64 if names.dtype.kind in "iu" else TensorProto.STRING
    if kind == TensorProto.INT64:
        names = names.astype(np.int64)
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(classes)]),
        helper.make_tensor_value_info("label", kind, ["n"]),
    ]
    nodes = [
        helper.make_node("Identity", [output], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["number"], axis=1, keepdims=0),
        helper.make_node("Gather", ["class_names", "number"], ["label"]),
    ]
    return outputs, nodes, [numpy_helper.from_array(names, "class_names")]


def onnx_inputs(columns: Columns, X) -> dict[str, np.ndarray]:
    """Raw rows as the inputs of the ONNX model."""
    frame: pd.DataFrame = columns.texts(as_frame(X))
    inputs = {}
    if columns.numbers_:
        inputs["numbers"] = frame.iloc[:, columns.numbers_].to_numpy(np.float32)
    if columns.categories_:
        texts = frame.iloc[:, columns.categories_].to_numpy(object)
        inputs["categories"] = np.where(pd.isna(texts), "", texts)
    return inputs


def onnx_session(model: onnx.ModelProto | bytes):
    """An onnxruntime session of a model, on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def onnx_predictions(session, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities (n, K), or values (n,), of a session of onnx_model."""
    first = session.run([session.get_outputs()[0].name], inputs)[0]
    return first[:, 0] if session.get_outputs()[0].name == "value" else first
