"""From a fitted scikit-learn pipeline to an ONNX graph with one input a column.

Text columns become string inputs, in which the empty string stands for a missing value; codes of a vocabulary become
64-bit integers; every other number is a double. Scaling runs in double precision, exactly as in scikit-learn, and what
it gives is rounded to float once: a tree whose thresholds lie between the values of a column then takes the same turn,
where scaling in float would now and then put a value on the other side.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from common.entry import Refusal
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

OPSET = {"": 18, "ai.onnx.ml": 3}
"""ONNX 1.13 of December 2022: old enough for every runtime in use, new enough for skl2onnx's converters."""


def convert(pipeline: Pipeline, task: str, name: str) -> onnx.ModelProto:
    """The pipeline as a checked ONNX model: first output the label or value, second the probabilities if there are any.

    Raises Refusal for a pipeline that was not made by the library's trainer, and for what skl2onnx cannot convert.
    """
    columns, inputs = _inputs(pipeline)
    steps = [("columns", columns), *pipeline.steps[0][1].steps[1:], pipeline.steps[1]]
    estimator = pipeline.steps[1][1]
    placeholders = [(_placeholder(place), kind) for place, (_, kind) in enumerate(inputs)]
    probabilities = task == "classifier" and hasattr(estimator, "predict_proba")
    options = {id(estimator): {"zipmap": False} if probabilities else {}} if task == "classifier" else None
    try:
        with _plain_attributes():
            model = convert_sklearn(
                Pipeline(steps), name=name, initial_types=placeholders, options=options, target_opset=OPSET
            )
    except Exception as error:  # whatever its converters trip over: it has no error class of its own
        raise Refusal(
            f"skl2onnx cannot convert this {type(estimator).__name__}: {type(error).__name__}: {_short(error)}"
        ) from None
    if task == "classifier" and not probabilities:
        del model.graph.output[1:]  # decision values, which are no probabilities
    _rename(model, [column for column, _ in inputs])
    model.doc_string = ""
    model.producer_version = ""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise Refusal(f"the converted model is not valid ONNX: {_short(error)}") from None
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


def _inputs(pipeline: Pipeline) -> tuple[ColumnTransformer, list[tuple[str, Any]]]:
    """A copy of the encoder's first step that rounds to float after scaling and knows columns by placeholders; the
    columns with their ONNX types in order."""
    try:
        given = pipeline.steps[0][1].steps[0][1]
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
