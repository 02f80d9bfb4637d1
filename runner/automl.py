"""From an AutoML job to FLAML on this machine, which stands in for Azure ML's AutoML: tables alone, and other models.

What is searched, how its trials are compared and when it ends follow the job as far as FLAML can; what it cannot is
said in the log and in `automl.json`, a report among the step's outputs.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from mlp_lang.compiler.graph import Graph, Literal, Node, OutputPort
from mlp_lang.runner.store import write_json

SEARCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "automl_process.py")
REPORT = "automl.json"
STANDS_IN = "FLAML"
TASKS = ("classification", "regression", "forecasting")
TABLES = ("training_data", "validation_data", "test_data")
FORMAT = 1
_PARENT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\Z")
_NO_TABLE = {"image": "images", "text": "texts"}


def unable(node: Node) -> tuple[str, str] | None:
    """Why this machine cannot do a task, and what to do instead; None if it can."""
    extra = node.component.extra
    task = str(extra.get("task"))
    title = node.title or node.name
    if task not in TASKS:
        what = _NO_TABLE.get(task.partition("_")[0], "what is no table")
        return (
            f"`{title}` is AutoML for {what} (`{task}`): Azure ML fine-tunes large models on GPUs for it, and "
            f"{STANDS_IN}, which stands in here, learns from tables alone",
            "run the other stages with `--only` or `--until`, train a model of your own here, or run it in Azure ML",
        )
    forecasting = extra.get("forecasting")
    if isinstance(forecasting, dict) and forecasting.get("time_series_id_column_names"):
        return (
            f"`{title}` forecasts many series at once (`time_series_id_column_names`), and {STANDS_IN} here does one",
            "forecast one series, or compile it and run it in Azure ML",
        )
    if task == "forecasting" and not (isinstance(forecasting, dict) and forecasting.get("time_column_name")):
        return (
            f"`{title}` does not say which column holds the time",
            'say `forecasting { time_column_name = "…" }`',
        )
    return None


def ports(node: Node) -> tuple[OutputPort, ...]:
    """Outputs of the search: those that the component declares, and the report."""
    own = [p for p in node.component.outputs if p.name != REPORT]
    return (*own, OutputPort(REPORT, "report", "uri_file"))


def counted(node: Node, graph: Graph) -> dict[str, Any]:
    """What of the job decides its result, beside its inputs."""
    return {"format": FORMAT, **_settings(node, graph)}


def command(
    node: Node, graph: Graph, inputs: Mapping[str, str], outputs: Mapping[str, str], scratch: str
) -> tuple[list[str], str, dict[str, str]]:
    """The search's process, as arguments and as people read it, and its variables. Raises OSError."""
    values = {name: text for name, text in inputs.items() if name not in TABLES}
    settings = {**_settings(node, graph), **{name: _plain(text) for name, text in values.items()}}
    models = [outputs[port.name] for port in node.component.outputs]
    spec = os.path.join(scratch, "automl.json")
    tables = {name: inputs[name] for name in TABLES if name in inputs}
    write_json(spec, {"settings": settings, "tables": tables, "models": models, "report": outputs[REPORT]})
    said = json.dumps({**settings, **tables}, ensure_ascii=False, default=str)
    return [sys.executable, "-P", SEARCH, spec], f"# {STANDS_IN} in place of Azure ML's AutoML: {said}", {}


def _settings(node: Node, graph: Graph) -> dict[str, Any]:
    given = {i.parameter.name: i.value.value for i in graph.inputs if isinstance(i.value, Literal)}
    found = _resolved({**node.component.extra}, given)
    assert isinstance(found, dict)
    return found


def _resolved(value: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, given) for inner in value]
    match = _PARENT.match(value) if isinstance(value, str) else None
    return value if match is None else given.get(match[1], value)


def _plain(text: str) -> Any:
    """The value of an input that is a list or a number, whose text is JSON; any other text is itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, list | int | float) and not isinstance(value, bool) else text
