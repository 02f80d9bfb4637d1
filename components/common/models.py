"""MLflow models in and out: saved without rows and without code, loaded without running any.

A scikit-learn model is saved in skops format with a signature and an input example that are made from the schema. Its
MLmodel carries, under the metadata key `mlp`, what a judge of the model needs (`Card`): task, class names and features.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from common.entry import Refusal
from common.facts import Column, Facts, Kind
from common.files import write_folder
from common.trusted import INTERPRET, TRUSTED

os.environ.setdefault("MLFLOW_ENABLE_TELEMETRY", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
EXAMPLE_ROWS = 3
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
ONNX_REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime", "pandas")
NATIVE = "native"


TASKS = ("classifier", "regressor", "clusterer", "image_classifier", "policy")


class Card(NamedTuple):
    """What a saved model says of itself. `classes` are in the order of the columns of its probabilities.

    `framework` trained it. `image` is what an image classifier takes: (height, width, channels), grey is one channel.
    `policy` says how the outputs of a policy become an action, see train/rllib.
    """

    task: str  # one of TASKS
    classes: tuple[Any, ...] | None
    features: tuple[str, ...]
    component: str = ""
    framework: str = "sklearn"
    image: tuple[int, int, int] | None = None
    policy: dict[str, Any] | None = None

    def to_metadata(self) -> dict[str, Any]:
        """For the `metadata` argument of MLflow's save_model."""
        document = self._asdict()
        document["classes"] = None if self.classes is None else [_plain(x) for x in self.classes]
        document["features"] = list(self.features)
        document["image"] = None if self.image is None else list(self.image)
        return {"mlp": {name: value for name, value in document.items() if value is not None or name == "classes"}}


class Model(NamedTuple):
    """A loaded model: `predict` gives labels or values, `scores` class probabilities (rows × classes) or None.

    Both take a table, or of a model of images an array (images × height × width × channels) of 0 to 255.

    `native` is the framework's own object: a scikit-learn pipeline, InterpretML's estimator, an onnxruntime session.
    """

    framework: str
    card: Card
    native: Any
    predict: Callable[[Any], np.ndarray]
    scores: Callable[[Any], np.ndarray | None]


def save_sklearn(pipeline: Any, path: Path | str, card: Card, frame: pd.DataFrame, facts: Facts | None) -> None:
    """Save a fitted pipeline as an MLflow model at `path`, whole or not at all.

    `frame` lends names and dtypes of the features, never values. Raises Refusal for an estimator that skops cannot
    save, or that holds types beyond `TRUSTED`. An explainable boosting machine of InterpretML's is saved the same way.
    """
    import mlflow.sklearn
    import skops.io
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    example = example_rows(frame, facts)
    signature = signature_of(frame, facts, card)

    def fill(folder: Path) -> None:
        folder.rmdir()
        try:
            held = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
        except Exception as error:
            raise Refusal(f"skops cannot save this estimator: {type(error).__name__}: {error}") from None
        strange = [name for name in held if name not in TRUSTED]
        if strange:
            raise Refusal(
                f"the model holds the type {strange[0]}, which is not among those that load without running code"
            )
        try:
            mlflow.sklearn.save_model(
                pipeline,
                str(folder),
                serialization_format="skops",
                skops_trusted_types=sorted(held),
                code_paths=code_paths(held),
                signature=signature,
                input_example=example,
                pip_requirements=requirements((*REQUIREMENTS, *(["interpret-core"] if INTERPRET & {*held} else []))),
                metadata=card.to_metadata(),
            )
        except MlflowException as error:
            raise Refusal(f"MLflow cannot save the model: {error.message}") from None

    write_folder(Path(path), fill)


def save_onnx(
    model: Any,
    path: Path | str,
    card: Card,
    signature: Any,
    example: Any,
    native: Callable[[Path], None] | None = None,
) -> None:
    """Save an ONNX model as an MLflow model in MLflow's onnx flavour, whole or not at all.

    `example` is made from a schema, never taken from rows. `native` fills the folder `native/`: the framework's own
    files, for going on with the training; nothing that predicts reads them.
    """
    import mlflow.onnx
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.ERROR)

    def fill(folder: Path) -> None:
        folder.rmdir()
        try:
            mlflow.onnx.save_model(
                model,
                str(folder),
                signature=signature,
                input_example=example,
                pip_requirements=requirements(ONNX_REQUIREMENTS),
                metadata=card.to_metadata(),
                save_as_external_data=False,
            )
        except MlflowException as error:
            raise Refusal(f"MLflow cannot save the model: {error.message}") from None
        if native is not None:
            (folder / NATIVE).mkdir()
            native(folder / NATIVE)

    write_folder(Path(path), fill)


def native_of(path: Path | str, framework: str) -> tuple[Path, Card]:
    """The folder of the framework's own files in a saved model, and its card. Raises Refusal for another's model."""
    path = Path(path)
    document = read_mlmodel(path)
    card = _card((document.get("metadata") or {}).get("mlp"), document)
    if card.framework != framework or not (path / NATIVE).is_dir():
        raise Refusal(f"model {path} was not trained by a `{framework}` component of this library; give one that was")
    return path / NATIVE, card


def code_paths(held: Sequence[str]) -> list[str] | None:
    """This package, to be put beside a model that holds types of it: MLflow's own loader finds them nowhere else."""
    package = Path(__file__).resolve().parent
    return [str(package)] if any(name.split(".")[0] == package.name for name in held) else None


def requirements(packages: Sequence[str]) -> list[str]:
    """The packages pinned to the versions installed here; asks no network."""
    return [f"{name}=={version(name)}" for name in packages]


def load(path: Path | str, allow_code: bool = False) -> Model:
    """The MLflow model at `path`.

    scikit-learn's and InterpretML's models in skops format load if they hold no type beyond `TRUSTED`; ONNX models run
    in onnxruntime. Any other MLflow model may run code while it loads, and is refused unless `allow_code`.
    """
    path = Path(path)
    if path.is_file():
        path = path.parent
    document = read_mlmodel(path)
    flavors = document["flavors"]
    section = (document.get("metadata") or {}).get("mlp")
    card = _card(section, document)
    if "sklearn" in flavors and flavors["sklearn"].get("serialization_format") == "skops":
        return _load_skops(_inside(path, flavors["sklearn"].get("pickled_model", "model.skops")), card)
    if "onnx" in flavors:
        return _load_onnx(_inside(path, flavors["onnx"].get("data", "model.onnx")), card)
    if allow_code:
        return _load_pyfunc(path, card)
    found = ", ".join(name for name in flavors if name != "python_function") or "python_function"
    raise Refusal(
        f"model {path} ({found}) may run code when it is loaded; give it in ONNX or skops format, "
        "or set allow_code = true if you trust where it comes from"
    )


def load_sklearn(path: Path | str) -> tuple[Any, Card]:
    """The fitted scikit-learn pipeline at `path` and its card. Raises Refusal for any other model."""
    model = load(path)
    if model.framework != "sklearn":
        raise Refusal(f"model {path} is an {model.framework} model, a scikit-learn model is expected")
    return model.native, model.card


def read_mlmodel(path: Path) -> dict[str, Any]:
    """The MLmodel document of a model folder."""
    try:
        document = yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8"))
    except OSError:
        raise Refusal(f"{path} is not an MLflow model: it has no MLmodel file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refusal(f"{path}/MLmodel is not YAML: {type(error).__name__}") from None
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise Refusal(f"{path}/MLmodel names no flavors")
    return document


def example_rows(frame: pd.DataFrame, facts: Facts | None, rows: int = EXAMPLE_ROWS) -> pd.DataFrame:
    """Rows that nobody ever was: bounds and midpoints of the numbers, the vocabulary's members in turn."""
    known = facts.columns if facts is not None else {}
    return pd.DataFrame({str(name): _made(known.get(str(name)), frame[name].dtype, rows) for name in frame.columns})


def _made(column: Column | None, dtype: Any, rows: int) -> Any:
    if column is None or not column.bounded:
        if pd.api.types.is_numeric_dtype(dtype):
            return np.zeros(rows, dtype=_stored(column, dtype))
        return np.array([""] * rows, dtype=object)
    if column.categories is not None:
        kind = object if column.kind is Kind.STRING else _stored(column, dtype)
        return np.resize(np.array(column.categories, dtype=kind), rows)
    if column.kind is Kind.BOOLEAN:
        return np.resize(np.array([False, True], dtype=_stored(column, dtype)), rows)
    assert column.minimum is not None and column.maximum is not None
    spread = np.linspace(float(column.minimum), float(column.maximum), rows)
    if column.kind is Kind.INTEGER:
        spread = np.clip(np.round(spread), np.ceil(column.minimum), np.floor(column.maximum))
    return spread.astype(_stored(column, dtype))


def _stored(column: Column | None, dtype: Any) -> Any:
    """The dtype of a column in signature and example: what the schema says, so that rows do not decide."""
    if column is None:
        return np.dtype(dtype) if isinstance(dtype, np.dtype) and dtype.kind in "iufb" else np.float64
    if column.kind is Kind.BOOLEAN and not column.nullable:
        return np.bool_
    return np.int64 if column.kind is Kind.INTEGER and not column.nullable else np.float64


def signature_of(frame: pd.DataFrame, facts: Facts | None, card: Card) -> Any:
    """The MLflow signature: inputs from the schema's types (nullable ones optional), output from the card."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    words = {"i": DataType.long, "f": DataType.double, "b": DataType.boolean}
    columns: list[Any] = []
    example = example_rows(frame, facts, 1)
    for name in example.columns:
        column = facts.columns.get(name) if facts is not None else None
        kind = words.get(example[name].dtype.kind, DataType.string)
        # Every column is required by name; a missing value is None or NaN in it.
        columns.append(ColSpec(kind, name, required=column is None or not column.nullable))
    return ModelSignature(Schema(columns), Schema([ColSpec(_output_type(card))]))


def _output_type(card: Card) -> Any:
    from mlflow.types import DataType

    match card.task, card.classes:
        case "classifier", classes if classes:
            kind = type(_plain(classes[0]))
            return {bool: DataType.boolean, int: DataType.long, float: DataType.double}.get(kind, DataType.string)
        case "clusterer", _:
            return DataType.long
    return DataType.double


def _load_skops(file: Path, card: Card) -> Model:
    import skops.io

    try:
        held = skops.io.get_untrusted_types(file=file)
    except Exception as error:
        raise Refusal(f"model {file} is not a skops file: {type(error).__name__}") from None
    strange = [name for name in held if name not in TRUSTED]
    if strange:
        raise Refusal(
            f"model {file} holds the type {strange[0]}, which is not among those that load without running code"
        )
    framework = "interpret" if INTERPRET & {*held} else "sklearn"
    if framework == "interpret" and importlib.util.find_spec("interpret") is None:
        raise Refusal(f"model {file} is an InterpretML model; install interpret-core, which is missing here")
    try:
        native = skops.io.load(file, trusted=held)
    except Exception as error:
        raise Refusal(f"model {file} cannot be loaded: {type(error).__name__}: {error}") from None

    def scores(rows: pd.DataFrame) -> np.ndarray | None:
        return np.asarray(native.predict_proba(rows)) if hasattr(native, "predict_proba") else None

    classes = getattr(native, "classes_", None) if card.task == "classifier" else None
    if classes is not None:
        card = card._replace(classes=tuple(_plain(x) for x in classes))
    return Model(framework, card, native, lambda rows: np.asarray(native.predict(rows)), scores)


def _load_onnx(file: Path, card: Card) -> Model:
    """Outputs by shape: the one-dimensional is the label or value, the two-dimensional the probabilities."""
    try:
        import onnxruntime
    except ImportError:
        raise Refusal("an ONNX model needs onnxruntime, which is not installed") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refusal(f"model {file} is not an ONNX model that onnxruntime can run: {type(error).__name__}") from None

    def outputs(rows: pd.DataFrame) -> list[Any]:
        return list(session.run(None, onnx_inputs(session, rows)))

    def predict(rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(outputs(rows)[0]).reshape(len(rows), -1)[:, 0]

    def scores(rows: pd.DataFrame) -> np.ndarray | None:
        found = outputs(rows)
        if card.task not in ("classifier", "image_classifier") or len(found) < 2:
            return None
        if isinstance(found[1], list):  # a zipmap: one map of class to probability a row
            order = card.classes or tuple(found[1][0])
            return np.array([[row[name] for name in order] for row in found[1]], dtype=float)
        return np.asarray(found[1], dtype=float)

    return Model("onnx", card, session, predict, scores)


ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def onnx_inputs(session: Any, rows: pd.DataFrame | np.ndarray) -> dict[str, np.ndarray]:
    """The feed of an onnxruntime session with one (rows × 1) input per column; missing text is the empty string.

    A session with one input that is no column's name takes the whole table, or an array of images, as one float tensor.
    """
    wanted = session.get_inputs()
    if isinstance(rows, np.ndarray):
        return {wanted[0].name: rows.astype(ONNX_TYPES.get(wanted[0].type, np.float32), copy=False)}
    if len(wanted) == 1 and wanted[0].name not in rows.columns:
        return {wanted[0].name: rows.to_numpy(dtype=ONNX_TYPES.get(wanted[0].type, np.float32))}
    feed = {}
    for port in wanted:
        if port.name not in rows.columns:
            raise Refusal(f"the ONNX model wants a column {port.name!r} that the table lacks")
        cells = rows[port.name]
        if port.type == "tensor(string)":
            text = cells.astype(object).where(cells.notna(), "").map(str).to_numpy(dtype=object)
            feed[port.name] = text.reshape(-1, 1)
        else:
            feed[port.name] = cells.to_numpy(dtype=ONNX_TYPES.get(port.type, np.float32)).reshape(-1, 1)
    return feed


def _load_pyfunc(path: Path, card: Card) -> Model:
    """Any MLflow model by its own loader, which may run code: labels, unless it gives a matrix of probabilities.

    What is behind the loader (FLAML's or Azure ML's AutoML, a pipeline) tells classes and probabilities if it has them.
    """
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        native = mlflow.pyfunc.load_model(str(path))
    except (MlflowException, ImportError, AttributeError) as error:
        raise Refusal(f"model {path} cannot be loaded: {type(error).__name__}: {error}") from None
    try:
        raw = native.get_raw_model()
    except Exception:
        raw = None
    names = getattr(raw, "classes_", None)
    proba = getattr(raw, "predict_proba", None)
    if card.classes is None and names is not None and callable(proba):
        card = card._replace(task="classifier", classes=tuple(_plain(x) for x in names))

    def scores(rows: pd.DataFrame) -> np.ndarray | None:
        if card.classes is not None and callable(proba):
            return np.asarray(proba(rows), dtype=float)
        found = np.asarray(native.predict(rows))
        return found if card.classes is not None and found.ndim == 2 and found.shape[1] == len(card.classes) else None

    def predict(rows: pd.DataFrame) -> np.ndarray:
        found = np.asarray(native.predict(rows))
        if card.classes is not None and found.ndim == 2 and found.shape[1] == len(card.classes):
            names: np.ndarray = np.array(card.classes, dtype=object)
            return np.asarray(names[found.argmax(axis=1)])
        return found.reshape(len(rows), -1)[:, 0]

    return Model("pyfunc", card, native, predict, scores)


def _card(section: Any, document: dict[str, Any]) -> Card:
    if isinstance(section, dict) and section.get("task") in TASKS:
        classes, image = section.get("classes"), section.get("image")
        return Card(
            section["task"],
            None if classes is None else tuple(classes),
            tuple(section.get("features") or ()),
            str(section.get("component", "")),
            str(section.get("framework", "sklearn")),
            None if image is None else (int(image[0]), int(image[1]), int(image[2])),
            section.get("policy"),
        )
    return Card("", None, _signature_names(document))


def _signature_names(document: dict[str, Any]) -> tuple[str, ...]:
    """Column names from an MLmodel's signature; empty where it has none."""
    try:
        inputs = yaml.safe_load((document.get("signature") or {}).get("inputs") or "[]")
        return tuple(str(column["name"]) for column in inputs)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return ()


def _inside(folder: Path, name: str) -> Path:
    """A file of the model's folder; refuses a name that leads out of it."""
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise Refusal(f"{folder}/MLmodel names the file {name!r}, which is not in the model's folder")
    return file


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
