"""From a table and a model to rows as the endpoint takes them; uses the components' own reading and loading."""

import json
import os
import sys
from pathlib import Path
from typing import Any


def load_model(path: str) -> Any:
    """The model behind the endpoint, loaded in this process, apart from the scoring script."""
    return _common("models").load(path, allow_code=True)


def load_rows(table: str, facts: str | None, model: Any, model_path: str, limit: int) -> Any:
    """At most `limit` rows of the columns that the model takes, the first ones, as a DataFrame."""
    known = _common("facts").load(facts)
    frame = _common("tables").read(table, known)
    names = list(model.card.features)
    if not names:
        names = list(_common("encoding").features(frame, known).columns)
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise refusal()(f"the table {table} lacks the column {missing[0]!r} that the model takes")
    return as_signed(frame[names].head(limit).reset_index(drop=True), model_path)


def as_signed(frame: Any, path: str) -> Any:
    """Whole numbers as floats where the model's signature asks for floats: JSON and MLflow tell them apart."""
    import yaml

    signature = _common("models").read_mlmodel(Path(path)).get("signature") or {}
    columns = yaml.safe_load(signature.get("inputs") or "[]")
    floats = [c["name"] for c in columns if isinstance(c, dict) and c.get("type") in ("double", "float")]
    numbers = {c: "float64" for c in floats if c in frame.columns and frame[c].dtype.kind in "iu"}
    return frame.astype(numbers)


def payload(frame: Any) -> dict[str, Any]:
    """MLflow's protocol for Azure ML: `{"input_data": {"columns", "index", "data"}}`, missing cells as null."""
    split = json.loads(frame.to_json(orient="split", double_precision=15))
    return {"input_data": {"columns": split["columns"], "index": split["index"], "data": split["data"]}}


def example(model: str) -> dict[str, Any] | None:
    """The request that a saved model carries as its input example, one row of it; None if it has none."""
    try:
        with open(os.path.join(model, "serving_input_example.json"), encoding="utf-8") as stream:
            split = json.load(stream)["dataframe_split"]
        return {"input_data": {"columns": split["columns"], "index": [0], "data": split["data"][:1]}}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refusal() -> type[Exception]:
    found: type[Exception] = _common("entry").Refusal
    return found


def _common(name: str) -> Any:
    """A module of `components/common`, which is imported by that name in a step, and so here."""
    import importlib

    from mlp_lang import components

    folder = next(iter(components.__path__))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"common.{name}")
