"""From a fitted scikit-learn pipeline, or an encoder and a network behind it, to an ONNX graph with one input a column.

Text columns become string inputs, in which the empty string stands for a missing value; codes of a vocabulary become
64-bit integers; every other number is a double. Scaling runs in double precision, exactly as in scikit-learn, and what
it gives is rounded to float once: a tree whose thresholds lie between the values of a column then takes the same turn,
where scaling in float would now and then put a value on the other side.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from common.entry import Refusal

OPSET = {"": 18, "ai.onnx.ml": 3}
"""ONNX 1.13 of December 2022: old enough for every runtime in use, new enough for skl2onnx's converters."""


def convert(pipeline: Pipeline, task: str, name: str) -> onnx.ModelProto:
    """The pipeline as a checked ONNX model: first output the label or value, second the probabilities if there are any.

    Raises Refusal for a pipeline that was not made by the library's trainer, and for what skl2onnx cannot convert.
    """
    columns, inputs = _inputs(pipeline.steps[0][1])
    estimator = pipeline.steps[1][1]
    steps = [("columns", columns), *pipeline.steps[0][1].steps[1:], pipeline.steps[1]]
    probabilities = task == "classifier" and hasattr(estimator, "predict_proba")
    options = {id(estimator): {"zipmap": False} if probabilities else {}} if task == "classifier" else None
    model = _converted(Pipeline(steps), inputs, name, options, type(estimator).__name__)
    if task == "classifier" and not probabilities:
        del model.graph.output[1:]  # decision values, which are no probabilities
    return checked(model)


def network(
    model: onnx.ModelProto, classes: Sequence[Any] | None, encode: Pipeline | None, name: str
) -> onnx.ModelProto:
    """A network as a model of the library: first output the label or value, second the probabilities.

    `model` has one float input and one output: probabilities (rows × classes), or without `classes` values (rows × 1).
    With `encode`, the schema's encoder, the inputs become the table's columns; without, the input stays (images).
    """
    model = copy.deepcopy(model)
    _prefix(model, "network_", keep_inputs=encode is None)
    if encode is not None:
        model = _behind(_encoder(encode, name), model)
    graph = model.graph
    given = graph.output[0].name
    if classes is None:
        column = helper.make_tensor("value_shape", TensorProto.INT64, [1], [-1])
        graph.initializer.append(column)
        graph.node.append(helper.make_node("Reshape", [given, "value_shape"], ["value"]))
        outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None])]
    else:
        names = _vocabulary(classes)
        graph.initializer.append(names)
        graph.node.append(helper.make_node("ArgMax", [given], ["likeliest"], axis=1, keepdims=0))
        graph.node.append(helper.make_node("Gather", [names.name, "likeliest"], ["label"], axis=0))
        graph.node.append(helper.make_node("Identity", [given], ["probabilities"]))
        outputs = [
            helper.make_tensor_value_info("label", names.data_type, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)]),
        ]
    del graph.output[:]
    graph.output.extend(outputs)
    graph.name = name
    return checked(model)


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without its maker's name, found valid by onnx. Raises Refusal."""
    model.doc_string = ""
    model.producer_name = "mlp"
    model.producer_version = ""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise Refusal(f"the converted model is not valid ONNX: {_short(error)}") from None
    return model


def _vocabulary(classes: Sequence[Any]) -> onnx.TensorProto:
    """The classes as a tensor of text or of whole numbers; other numbers and mixtures become text."""
    if all(isinstance(x, int) for x in classes):  # true and false are 1 and 0 in ONNX
        return numpy_helper.from_array(np.array([int(x) for x in classes], dtype=np.int64), "classes")
    words = [str(x).encode() for x in classes]
    return helper.make_tensor("classes", TensorProto.STRING, [len(words)], words)


def _encoder(encode: Pipeline, name: str) -> onnx.ModelProto:
    """The encoder alone: columns to one float matrix `encoded`."""
    columns, inputs = _inputs(encode)
    model = _converted(Pipeline([("columns", columns), *encode.steps[1:]]), inputs, name, None, "encoder")
    old, output = model.graph.output[0].name, "encoded"
    for node in model.graph.node:
        for place, port in enumerate(node.output):
            node.output[place] = output if port == old else port
        for place, port in enumerate(node.input):
            node.input[place] = output if port == old else port
    model.graph.output[0].name = output
    return model


def _behind(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """The second model on the only output of the first."""
    version = max(first.ir_version, second.ir_version)
    opsets = {entry.domain: entry.version for entry in [*first.opset_import, *second.opset_import]}
    for entry in first.opset_import:
        if entry.domain == "" and entry.version != opsets[""]:
            raise Refusal(f"the network asks for operator set {opsets['']}, the encoder for {entry.version}")
    source, target = first.graph.output[0].name, second.graph.input[0].name
    for node in second.graph.node:
        for place, port in enumerate(node.input):
            node.input[place] = source if port == target else port
    graph = helper.make_graph(
        [*first.graph.node, *second.graph.node],
        "merged",
        list(first.graph.input),
        list(second.graph.output),
        [*first.graph.initializer, *second.graph.initializer],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()], ir_version=version
    )


def _prefix(model: onnx.ModelProto, prefix: str, keep_inputs: bool) -> None:
    """Every name of the graph behind a prefix, so that none is a column's or one of ours. Refuses a graph with
    branches or loops, whose sub-graphs name ports too."""
    graph = model.graph
    if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for n in graph.node for a in n.attribute):
        raise Refusal("the network's ONNX graph has a branch or a loop, which this export does not merge")
    del graph.value_info[:]
    inputs = {port.name for port in graph.input} if keep_inputs else set()

    def named(port: str) -> str:
        return port if not port or port in inputs else prefix + port

    for node in graph.node:
        node.name = named(node.name)
        node.input[:] = [named(port) for port in node.input]
        node.output[:] = [named(port) for port in node.output]
    for tensor in [*graph.initializer, *graph.output, *graph.input]:
        tensor.name = named(tensor.name)


def _converted(
    pipeline: Pipeline, inputs: list[tuple[str, Any]], name: str, options: Any, what: str
) -> onnx.ModelProto:
    placeholders = [(_placeholder(place), kind) for place, (_, kind) in enumerate(inputs)]
    try:
        with _plain_attributes():
            model = convert_sklearn(
                pipeline, name=name, initial_types=placeholders, options=options, target_opset=OPSET
            )
    except Exception as error:  # whatever its converters trip over: it has no error class of its own
        raise Refusal(f"skl2onnx cannot convert this {what}: {type(error).__name__}: {_short(error)}") from None
    _rename(model, [column for column, _ in inputs])
    return model


@contextmanager
def _plain_attributes() -> Iterator[None]:
    """Let converters give numpy scalars and booleans in the attributes of nodes, as some of skl2onnx 1.20 do
    (HistGradientBoosting), which newer onnx refuses: they become Python's own integers and floats on the way."""
    make = onnx.helper.make_attribute

    def plain(key: str, value: Any, *more: Any, **named: Any) -> Any:
        if isinstance(value, list | tuple):
            value = [x.item() if isinstance(x, np.generic) else x for x in value]
            value = [int(x) if isinstance(x, bool) else x for x in value]
        return make(key, value, *more, **named)

    onnx.helper.make_attribute = plain
    try:
        yield
    finally:
        onnx.helper.make_attribute = make


def _placeholder(place: int) -> str:
    return f"mlp_column_{place}"


def _rename(model: onnx.ModelProto, columns: list[str]) -> None:
    """Give the inputs their columns' names, in order, as they are; skl2onnx would put `_` for what is no identifier."""
    used = {name for node in model.graph.node for name in (*node.input, *node.output)}
    used |= {tensor.name for tensor in (*model.graph.initializer, *model.graph.output)}
    clash = [column for column in columns if column in used]
    if clash:
        raise Refusal(f"the column {clash[0]!r} has a name that the ONNX graph needs for itself; rename the column")
    names = {port.name: column for port, column in zip(model.graph.input, columns, strict=True)}
    for port in model.graph.input:
        port.name = names[port.name]
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)


def _inputs(encode: Pipeline) -> tuple[ColumnTransformer, list[tuple[str, Any]]]:
    """A copy of the encoder's first step that rounds to float after scaling and knows columns by placeholders; the
    columns with their ONNX types in order."""
    try:
        given = encode.steps[0][1]
        fitted, names = given.transformers_, given.feature_names_in_.tolist()
    except (AttributeError, IndexError, TypeError):
        raise Refusal("the model is not an encoder and an estimator as `sklearn.<Estimator>` trains them") from None
    columns = copy.deepcopy(given)
    places = {column: _placeholder(place) for place, column in enumerate(names)}
    columns.transformers_ = [
        (group, _rounded(step), [places[column] for column in chosen]) for group, step, chosen in columns.transformers_
    ]
    columns.feature_names_in_ = np.array(list(places.values()), dtype=object)
    kinds: dict[str, Any] = {}
    for _, step, chosen in fitted:
        for place, column in enumerate(chosen):
            kinds[column] = _kind(step, place)([None, 1])
    unused = [column for column in names if column not in kinds]
    if unused:
        raise Refusal(f"the encoder does not use the column {unused[0]!r}; its input would have no type")
    return columns, [(column, kinds[column]) for column in names]


def _rounded(step: Any) -> Any:
    """A fitted transformer of the encoder, in double precision up to a cast to float. ONNX imputes floats only, so what
    fills gaps comes after the cast, and fills in the scaled value where scikit-learn fills first and scales then."""
    if isinstance(step, OneHotEncoder):
        step.categories_ = [_named(categories) for categories in step.categories_]
        return step
    cast = ("rounded", CastTransformer(dtype=np.float32).fit(np.zeros((1, 1))))
    if not isinstance(step, Pipeline):
        return Pipeline([("scale", step), cast])
    parts = dict(step.steps)
    if list(parts) == ["fill", "scale"]:
        filled = parts["fill"].statistics_
        parts["fill"].statistics_ = parts["scale"].transform(filled.reshape(1, -1))[0]
    elif list(parts) != ["scale", "fill"]:
        raise Refusal(f"the encoder has a step {list(parts)}, which the export does not know")
    return Pipeline([("scale", parts["scale"]), cast, ("fill", parts["fill"])])


def _named(categories: np.ndarray) -> np.ndarray:
    """A vocabulary with the empty string for a missing value, for which ONNX has no other text."""
    if categories.dtype.kind in "iuf":
        return categories
    words = ["" if word is None or word != word else word for word in categories.tolist()]
    if not all(isinstance(word, str) for word in words):
        raise Refusal("a column mixes text and numbers in one vocabulary, for which ONNX has no type")
    if len(set(words)) < len(words):
        raise Refusal("a column holds both the empty text and missing values, which ONNX cannot tell apart")
    return np.array(words, dtype=object)


def _kind(step: Any, place: int) -> Any:
    if not isinstance(step, OneHotEncoder):
        return DoubleTensorType
    kind = step.categories_[place].dtype.kind
    if kind == "f":
        raise Refusal(
            "a column has a vocabulary of fractions, which skl2onnx does not convert; write it as text or bounds"
        )
    return Int64TensorType if kind in "iu" else StringTensorType


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
