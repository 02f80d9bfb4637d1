"""From a scoring request to predictions: the entry script of a deployment, for any MLflow model that has a signature.

Azure ML calls `init()` once and `run(body)` for each request. A body is JSON in MLflow's protocol for Azure ML,
`{"input_data": {"columns": […], "index": […], "data": [[…], …]}}`, or a list of records, bare or under `input_data`.
Columns are found by name and brought into the order of the signature, every value is checked against its type, and what
is wrong is answered with status 400 and a sentence. An answer is the list of predictions, one a row.
"""

import difflib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

os.environ.setdefault("MLFLOW_ENABLE_TELEMETRY", "false")
MOST_ROWS = 100_000
DEEPEST = 4  # levels below AZUREML_MODEL_DIR at which a model is looked for


class BadRequestError(Exception):
    """What the caller can mend; the text says what is wrong with the request."""


class Column(NamedTuple):
    """A column of the signature, in MLflow's words: string, long, integer, double, float, boolean."""

    name: str
    type: str
    required: bool


class Service(NamedTuple):
    """A loaded model: its columns, and what answers a table of them."""

    columns: tuple[Column, ...]
    predict: Callable[[pd.DataFrame], list[Any]]


_service: Service | None = None


def init() -> None:
    """Load the model under AZUREML_MODEL_DIR. Raises ValueError if there is none with a signature."""
    global _service
    _service = load(Path(os.environ["AZUREML_MODEL_DIR"]))


def run(body: str) -> Any:
    """The predictions for a request, or a response with status 400 and `{"error": …}`."""
    if _service is None:
        raise RuntimeError("init() was not called")
    try:
        table = read(body, _service.columns)
    except BadRequestError as error:
        return refused(str(error))
    return _service.predict(table) if len(table) else []


def refused(message: str) -> Any:
    """A response with status 400. `AMLResponse` belongs to the inference server, in which this script runs."""
    from azureml_inference_server_http.api.aml_response import AMLResponse

    return AMLResponse({"error": message}, 400, json_str=True)


def load(folder: Path) -> Service:
    """The MLflow model in `folder` or below it, where Azure ML puts a registered model's own folder."""
    found = [path for depth in range(DEEPEST) for path in sorted(folder.glob("*/" * depth + "MLmodel"))]
    if not found:
        raise ValueError(f"no MLflow model (a folder with a file MLmodel) in {folder}")
    document = yaml.safe_load(found[0].read_text(encoding="utf-8"))
    columns = signature(document)
    classes = ((document.get("metadata") or {}).get("mlp") or {}).get("classes")
    home = found[0].parent.resolve()  # MLflow refuses a folder behind a symbolic link
    if "onnx" in document["flavors"]:
        file = (home / document["flavors"]["onnx"].get("data", "model.onnx")).resolve()
        if not file.is_relative_to(home):
            raise ValueError("MLmodel names a file outside its folder")
        return Service(columns, onnx_model(file, columns, classes))
    return Service(columns, any_model(home))


def signature(document: dict[str, Any]) -> tuple[Column, ...]:
    """The columns that a model takes. Raises ValueError if it does not say, or takes tensors."""
    inputs = json.loads((document.get("signature") or {}).get("inputs") or "[]")
    if not inputs or not all("name" in one and isinstance(one.get("type"), str) for one in inputs):
        raise ValueError("the model has no signature of named columns")
    unknown = [one["type"] for one in inputs if one["type"] not in READERS]
    if unknown:
        raise ValueError(f"the model's signature has the type {unknown[0]!r}, which this script does not serve")
    return tuple(Column(one["name"], one["type"], one.get("required", True)) for one in inputs)


def onnx_model(
    file: Path, columns: tuple[Column, ...], classes: list[Any] | None
) -> Callable[[pd.DataFrame], list[Any]]:
    """Answers by onnxruntime: the first output. Missing text is the empty string, as the export has it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    ports = {port.name: port.type for port in session.get_inputs()}
    absent = [name for name in ports if name not in {column.name for column in columns}]
    if absent:
        raise ValueError(f"the ONNX model has the input {absent[0]!r}, which its signature lacks")
    first = session.get_outputs()[0].name
    truth = classes if classes and all(isinstance(name, bool) for name in classes) else None

    def predict(table: pd.DataFrame) -> list[Any]:
        feed = {name: tensor(table[name], kind) for name, kind in ports.items()}
        answers = plain(session.run([first], feed)[0])
        return [bool(answer) for answer in answers] if truth else answers

    return predict


def tensor(cells: pd.Series, kind: str) -> np.ndarray:
    """A column as a (rows × 1) tensor of ONNX. A missing code is the smallest integer, which no vocabulary has."""
    match kind:
        case "tensor(string)":
            found = cells.astype(object).where(cells.notna(), "").to_numpy(dtype=object)
        case "tensor(int64)":
            found = np.array([np.iinfo(np.int64).min if pd.isna(x) else int(x) for x in cells], dtype=np.int64)
        case "tensor(bool)":
            found = cells.to_numpy(dtype=np.bool_)
        case _:
            found = cells.to_numpy(dtype=np.float64 if kind == "tensor(double)" else np.float32)
    return found.reshape(-1, 1)


def any_model(home: Path) -> Callable[[pd.DataFrame], list[Any]]:
    """Answers by MLflow's own loader of the model's flavour."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(home))
    return lambda table: plain(model.predict(table))


def plain(values: Any) -> list[Any]:
    """Predictions as JSON has them: one value a row, not-a-number as null."""
    found = np.asarray(values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    return [_finite(value) for value in found.tolist()]


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(body: str | bytes, columns: tuple[Column, ...]) -> pd.DataFrame:
    """The table that a request holds, its columns and types those of the signature. Raises BadRequestError."""
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    names, rows = _rows(document, columns)
    if len(rows) > MOST_ROWS:
        raise BadRequestError(f"{len(rows)} rows in one request; at most {MOST_ROWS} are answered")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadRequestError(f"the column {twice[0]!r} is given twice")
    places = {name: place for place, name in enumerate(names)}
    absent = [column.name for column in columns if column.name not in places]
    unknown = [name for name in names if name not in {column.name for column in columns}]
    for name in absent:
        column = next(column for column in columns if column.name == name)
        if column.required or unknown:
            raise BadRequestError(f"the column {name!r} is missing{_meant(name, unknown)}")
    found = {}
    for column in columns:
        place = places.get(column.name)
        cells = [None if place is None else row[place] for row in rows]
        found[column.name] = _typed(column, cells)
    return pd.DataFrame(found)


def _rows(document: Any, columns: tuple[Column, ...]) -> tuple[list[str], list[list[Any]]]:
    """Names and rows of any of the admitted forms."""
    data = document
    if isinstance(document, dict):
        if "input_data" not in document:
            raise BadRequestError('expected {"input_data": {"columns": […], "data": [[…], …]}} or a list of records')
        data = document["input_data"]
    if isinstance(data, dict):
        names, rows = data.get("columns"), data.get("data")
        if names is None and isinstance(rows, list):
            names = [column.name for column in columns]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRequestError("`columns` must be a list of names")
        if not isinstance(rows, list):
            raise BadRequestError("`data` must be a list of rows")
    elif isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = list(dict.fromkeys(name for row in data for name in row))
        rows = [[row.get(name) for name in names] for row in data]
    elif isinstance(data, list):
        names, rows = [column.name for column in columns], data
    else:
        raise BadRequestError("the rows must be a list, or an object with `columns` and `data`")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            size = f"{len(row)} values" if isinstance(row, list) else f"a {_called(row)}"
            raise BadRequestError(f"row {number} is {size}, {len(names)} values are expected")
    return names, rows


def _typed(column: Column, cells: list[Any]) -> pd.Series:
    reader, dtype = READERS[column.type]
    found: list[Any] = []
    for number, cell in enumerate(cells):
        if cell is None:
            if column.required:
                raise BadRequestError(f"row {number}, column {column.name!r}: a {column.type} is expected, found null")
            found.append(None)
            continue
        value = reader(cell)
        if value is None:
            raise BadRequestError(
                f"row {number}, column {column.name!r}: a {column.type} is expected, found {_shown(cell)}"
            )
        found.append(value)
    if dtype is not object and None in found:
        return pd.Series(found, dtype=object if dtype is np.bool_ else np.float64)
    return pd.Series(found, dtype=dtype)


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        value = float(cell)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _long(cell: Any) -> int | None:
    if (
        isinstance(cell, bool)
        or not isinstance(cell, int | float)
        or (isinstance(cell, float) and not cell.is_integer())
    ):
        return None
    value = int(cell)
    return value if -(2**63) < value < 2**63 else None


def _integer(cell: Any) -> int | None:
    value = _long(cell)
    return value if value is not None and -(2**31) <= value < 2**31 else None


def _truth(cell: Any) -> bool | None:
    return cell if isinstance(cell, bool) else None


READERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "string": (_text, object),
    "long": (_long, np.int64),
    "integer": (_integer, np.int32),
    "double": (_number, np.float64),
    "float": (_number, np.float32),
    "boolean": (_truth, np.bool_),
}
"""How a JSON value becomes one of MLflow's types: None if it is not of the type; and the dtype of a whole column."""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _meant(name: str, unknown: list[str]) -> str:
    near = difflib.get_close_matches(name, unknown, 1)
    return f"; {near[0]!r} is no column of the model" if near else ""


def _called(value: Any) -> str:
    return {dict: "object", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:40] + "…"
