"""From azure-ai-ml's own schemas to JSON on standard output: fields, whether they are required, what they take.

Run as a process of its own, because the switch that shows what is in preview is read when azure-ai-ml is imported.
Arguments: `module:Class` below `azure.ai.ml._schema`.
"""

import importlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml._schema.core import fields as own  # noqa: E402
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY  # noqa: E402
from marshmallow import fields, validate  # noqa: E402

WORDS: list[tuple[type, str]] = [
    (fields.Boolean, "boolean"),
    (fields.Integer, "integer"),
    (fields.Number, "number"),
    (fields.String, "text"),
    (own.VersionField, "version"),
    (own.ArmStr, "text"),
    (own.RegistryStr, "text"),
    (own.FileRefField, "text"),
]


def alternatives(field: Any, found: dict[str, type]) -> list[Any]:
    """What a field takes: words, `{"words": [...]}`, `{"table": name}`, `{"list": [...]}`, `{"map": [...]}`."""
    if isinstance(field, own.UnionField):
        return [kind for one in field.union_fields for kind in alternatives(one, found)]
    if isinstance(field, own.DataBindingStr):
        return []  # every field of a job may be bound, and the checker lets it
    if isinstance(field, own.ExperimentalField):
        return alternatives(field.experimental_field, found)
    if isinstance(field, own.StringTransformedEnum):
        return [{"words": sorted(map(str, field.allowed_values))}]
    if isinstance(field, fields.Nested):
        nested = field.nested if isinstance(field.nested, type) else type(field.schema)
        found[nested.__name__] = nested
        return [{"table": nested.__name__}]
    if isinstance(field, fields.List):
        return [{"list": alternatives(field.inner, found)}]
    if isinstance(field, fields.Dict):
        return [{"map": alternatives(field.value_field, found) if field.value_field else ["any"]}]
    for check in field.validators:
        if isinstance(check, validate.OneOf):
            return [{"words": sorted(check.choices)}]
    return [next((word for kind, word in WORDS if isinstance(field, kind)), "any")]


def main() -> None:
    waiting: dict[str, type] = {}
    for argument in sys.argv[1:]:
        module, _, name = argument.partition(":")
        waiting[name] = getattr(importlib.import_module(f"azure.ai.ml._schema.{module}"), name)
    schemas: dict[str, Any] = {}
    while waiting:
        name, kind = waiting.popitem()
        if name in schemas:
            continue
        try:
            schema = kind(context={BASE_PATH_CONTEXT_KEY: Path()})
        except TypeError:
            schema = kind()
        schemas[name] = {
            field.data_key or key: {
                "required": field.required,
                "ignored": field.dump_only,
                "kinds": alternatives(field, waiting),
            }
            for key, field in schema.fields.items()
        }
    json.dump(schemas, sys.stdout)


if __name__ == "__main__":
    main()
