"""From the schemas of the installed azure-ai-ml to tasks.json: what an AutoML job of each task may say.

python generate.py [FILE]     rewrites tasks.json beside this script, or FILE

Types are spelled as a component's interface spells them. A mapping is a block, with its fields; of a field that may be
searched `spaces` are the kinds of space that Azure ML takes there. Sentences are ours, in sentences.json.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from azure.ai.ml._schema.automl.automl_job import AutoMLJobSchema
from azure.ai.ml._schema.core.fields import ExperimentalField, StringTransformedEnum, UnionField
from azure.ai.ml._schema.pipeline.automl_node import AutoMLNodeSchema
from marshmallow import fields

HERE = Path(__file__).resolve().parent
NOT_OURS = frozenset(["task_type", "compute", "sweep", *AutoMLJobSchema._declared_fields]) - {"environment_id"}
"""What every job has, or what a stage says otherwise: `on`, `run`, `outputs`, `search`."""
PORTS = {"training_data": True, "validation_data": False, "test_data": False}
"""The tables of a job, and whether Azure ML learns nothing without."""


def table() -> dict[str, Any]:
    """The whole document, tasks in Azure ML's order."""
    sentences = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))
    tasks = {}
    for field in AutoMLNodeSchema():
        declared = field.nested._declared_fields
        name = declared["task_type"].allowed_values[0]
        inputs: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for key, inner in declared.items():
            word = inner.data_key or key
            if key in NOT_OURS or word in NOT_OURS:
                continue
            if word in PORTS:
                described = {"type": "mltable"} | ({"required": True} if PORTS[word] else {})
            else:
                described = describe(inner)
            if "fields" in described:
                blocks[word] = described
            else:
                inputs[word] = described | {"description": sentences[word]}
        order = sorted(inputs, key=lambda word: (not inputs[word].get("required", False), word not in PORTS))
        tasks[name] = {
            "description": sentences[name],
            "searches": "sweep" in declared,
            "inputs": {word: inputs[word] for word in order},
            "blocks": blocks,
        }
    return {"azure-ai-ml": version("azure-ai-ml"), "tasks": tasks}


def describe(field: fields.Field) -> dict[str, Any]:
    """One field: its type, default, whether it must be there; or the fields of a mapping, `many` of a list of them."""
    field = bare(field)
    if isinstance(field, fields.Nested):
        return {"fields": mapping(field)}
    if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested) and is_space(field.inner):
        return {"many": True, "fields": mapping(field.inner)}
    entry: dict[str, Any] = {"type": spelled(field)}
    if isinstance(field, fields.Dict) and isinstance(field.key_field, StringTransformedEnum):
        entry["keys"] = sorted(field.key_field.allowed_values)
    found = spaces(field)
    if found:
        entry["spaces"] = found
    if field.required:
        entry["required"] = True
    if isinstance(field.load_default, str | int | float | bool):
        value = field.load_default
        entry["default"] = field.casing_transform(value) if isinstance(field, StringTransformedEnum) else value
    return entry


def mapping(field: fields.Nested) -> dict[str, Any]:
    """The fields of a mapping, by the names that YAML has."""
    return {inner.data_key or key: describe(inner) for key, inner in schema(field)._declared_fields.items()}


def schema(field: fields.Nested) -> Any:
    """The class of a nested mapping."""
    return field.nested if isinstance(field.nested, type) else type(field.nested)


def is_space(field: fields.Nested) -> bool:
    """Whether a mapping has values that may be searched."""
    return any(spaces(bare(inner)) for inner in schema(field)._declared_fields.values())


def bare(field: fields.Field) -> fields.Field:
    """The field that another only wraps."""
    if isinstance(field, ExperimentalField):
        return bare(field.experimental_field)
    if isinstance(field, UnionField):
        members = list(field.union_fields)
        return bare(members[0]) if len(members) == 1 else field
    return field


def spelled(field: fields.Field) -> str:
    """The type of a field as components spell it."""
    match bare(field):
        case StringTransformedEnum() as words:
            return "enum(" + ", ".join(json.dumps(w) for w in dict.fromkeys(words.allowed_values)) + ")"
        case UnionField() as union:
            members = [spelled(m) for m in union.union_fields if not isinstance(m, fields.Nested)]
            members = list(dict.fromkeys(members))
            return " | ".join(m for m in members if not (m == "int" and "float" in members))
        case fields.List() as items:
            return f"list[{spelled(items.inner)}]"
        case fields.Dict() as entries:
            return f"map[{spelled(entries.value_field) if entries.value_field is not None else 'any'}]"
        case fields.Nested():
            return "map"
        case fields.Boolean():
            return "bool"
        case fields.Integer():
            return "int"
        case fields.Number():
            return "float"
        case fields.String():
            return "string"
        case other:
            raise TypeError(f"no spelling for {type(other).__name__}")


def spaces(field: fields.Field) -> list[str]:
    """The kinds of space that a field takes instead of a value."""
    found: list[str] = []
    if isinstance(field, UnionField):
        for member in field.union_fields:
            if isinstance(member, fields.Nested):
                kinds = schema(member)._declared_fields.get("type")
                found += [k for k in getattr(kinds, "allowed_values", ()) if k not in found]
    return found


def main(arguments: list[str]) -> None:
    target = Path(arguments[0]) if arguments else HERE / "tasks.json"
    target.write_text(render(table()), encoding="utf-8", newline="\n")


def render(document: dict[str, Any]) -> str:
    """One field a line, so that an update of azure-ai-ml reads as a diff."""
    return lines(document, "") + "\n"


def lines(value: Any, indent: str) -> str:
    """A mapping of mappings over several lines, anything else on one."""
    if not isinstance(value, dict) or not any(isinstance(v, dict) for v in value.values()):
        return json.dumps(value)
    inner = indent + "  "
    entries = [f"{inner}{json.dumps(k)}: {lines(v, inner)}" for k, v in value.items()]
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


if __name__ == "__main__":
    main(sys.argv[1:])
