"""Checks the `mlp:` section of a user's component YAML against schemas/component.schema.json."""

import json
import os
from typing import Any

from mlp_lang.compiler.interface import BadInterface

PATH = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "schemas", "component.schema.json"))


def check_section(document: dict[str, Any]) -> None:
    """Raises BadInterface with the place of the first thing that the schema does not admit."""
    import jsonschema  # slow to import: only a user's own section pays for it

    with open(PATH, encoding="utf-8") as file:
        schema = json.load(file)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(document), key=lambda e: list(map(str, e.path)))
    if errors:
        where = ".".join(map(str, errors[0].absolute_path)) or "the file"
        raise BadInterface(f"`{where}`: {errors[0].message}")
