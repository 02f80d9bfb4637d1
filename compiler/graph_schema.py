"""From the Graph's own types to schemas/graph.schema.json: `python -m mlp_lang.compiler.graph_schema` writes it.

Fields are named once, in compiler/graph.py; a test compares the file with what this module says.
"""

import inspect
import json
import os
import types
import typing
from typing import Any

from mlp_lang.compiler import graph as g
from mlp_lang.compiler.graph_json import BINDING, BINDINGS, MANY, ONE

PATH = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "schemas", "graph.schema.json"))
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
}
_CLOSED: dict[tuple[type, str], list[Any]] = {
    (g.Component, "origin"): ["bundled", "file", "inline", "registered"],
    (g.Component, "kind"): [*g.COMPONENT_KINDS, *g.CONTROL_KINDS],
    (g.Graph, "kind"): ["job", "component"],
    (g.Node, "kind"): list(g.NODE_KINDS),
    (g.Parameter, "encoding"): ["plain", "json"],
    (g.Endpoint, "auth"): ["key", "aml_token", "aad_token"],
    (g.Endpoint, "kind"): ["online"],
    (g.Run, "identity"): ["managed", "user", "aml_token", None],
    (g.PrivacyBudget, "neighbours"): ["replace_one", "add_remove"],
    (g.Release, "neighbours"): ["replace_one", "add_remove"],
}
_AZURE_TYPES = [
    "number",
    "integer",
    "boolean",
    "string",
    "uri_file",
    "uri_folder",
    "mltable",
    "mlflow_model",
    "custom_model",
    "triton_model",
]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `graph_json.to_json` writes; every object is closed."""
    definitions: dict[str, Any] = {
        "Span": {
            "description": "Half-open range of code points in a file.",
            "type": "object",
            "additionalProperties": False,
            "required": ["file", "start", "end"],
            "properties": {
                "file": {"type": "string"},
                "start": {"type": "integer", "minimum": 0},
                "end": {"type": "integer", "minimum": 0},
            },
        },
        "Value": {
            "description": "Any JSON value; Azure ML gets lists, maps and null as JSON in a string.",
            "type": ["null", "boolean", "number", "string", "array", "object"],
        },
        "Binding": {
            "description": "What an input is bound to.",
            "oneOf": [{"$ref": f"#/$defs/{c.__name__}"} for c in BINDINGS.values()],
        },
    }
    for kind, cls in BINDINGS.items():
        made = _object(cls)
        made["required"] = ["kind", *made["required"]]
        made["properties"] = {"kind": {"const": kind}, **made["properties"]}
        definitions[cls.__name__] = made
    todo: list[type] = [g.Graph]
    seen: set[type] = set()
    while todo:
        cls = todo.pop()
        if cls in seen or cls in BINDINGS.values():
            continue
        seen.add(cls)
        definitions[cls.__name__] = _object(cls)
        todo += [*ONE.get(cls, {}).values(), *MANY.get(cls, {}).values()]
    # written without its kind, since it can be nothing else
    source = definitions["FromNode"]
    definitions["Port"] = {
        **source,
        "required": [r for r in source["required"] if r != "kind"],
        "properties": {k: v for k, v in source["properties"].items() if k != "kind"},
    }
    definitions["PipelineOutput"]["properties"]["source"] = {"oneOf": [{"$ref": "#/$defs/Port"}, {"type": "null"}]}
    root = definitions["Graph"]  # which stands in its own components too
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Graph of one mlp pipeline under one profile",
        **root,
        "required": ["version", *root["required"]],
        "properties": {"version": {"const": 1}, **root["properties"]},
        "$defs": dict(sorted(definitions.items())),
    }


def _object(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties = {field: _field(cls, field, hints[field]) for field in cls._fields}
    described = inspect.getdoc(cls) or ""
    made: dict[str, Any] = {"description": " ".join(described.split())} if "(" not in described[:20] else {}
    made |= {
        "type": "object",
        "additionalProperties": False,
        "required": [f for f in cls._fields if f not in cls._field_defaults],
        "properties": properties,
    }
    return made


def _field(cls: Any, field: str, hint: Any) -> dict[str, Any]:
    if field == "span":
        return {"$ref": "#/$defs/Span"}
    if (cls, field) in _CLOSED:
        return {"enum": _CLOSED[cls, field]}
    if field == "azure_type":
        return {"enum": _AZURE_TYPES}
    if field in ONE.get(cls, {}):
        return {"$ref": f"#/$defs/{ONE[cls][field].__name__}"}
    if field in MANY.get(cls, {}):
        return {"type": "array", "items": {"$ref": f"#/$defs/{MANY[cls][field].__name__}"}}
    if cls is g.Template and field == "parts":
        pieces = [{"type": "string"}, {"$ref": "#/$defs/FromInput"}, {"$ref": "#/$defs/FromNode"}]
        return {"type": "array", "items": {"anyOf": pieces}}
    if cls is g.Node and field == "inputs":
        return {"type": "object", "additionalProperties": {"$ref": "#/$defs/Binding"}}
    if field in BINDING.get(cls, ()):
        binding: dict[str, Any] = {"$ref": "#/$defs/Binding"}
        return {"oneOf": [binding, {"type": "null"}]} if type(None) in typing.get_args(hint) else binding
    if cls is g.Node and field == "name":
        return {"type": "string", "pattern": "^[a-z0-9_]+$"}
    return _of_hint(hint)


def _of_hint(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _of_hint(arguments[0])}
    if origin is dict and _is_value(arguments[1]):
        return {"type": "object"}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_hint(arguments[1])}
    if _is_value(hint):
        return {"$ref": "#/$defs/Value"}
    if origin in (types.UnionType, typing.Union):
        members = [_of_hint(a) for a in arguments]
        kinds = [m["type"] for m in members if set(m) == {"type"} and isinstance(m["type"], str)]
        return {"type": kinds} if len(kinds) == len(members) else {"anyOf": members}
    raise TypeError(f"no schema for {hint}")


def _is_value(hint: Any) -> bool:
    """Whether a hint is graph.Value, a recursive alias that comes out as a string or a union with lists."""
    return isinstance(hint, str | typing.ForwardRef) or "list[" in str(hint)


def text() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text())
