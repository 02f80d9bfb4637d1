"""From a document and a tree of fields to the rows that the document exercises."""

import re
from collections.abc import Iterator
from typing import Any

from conformance.schema import Field

BINDING = re.compile(r"\$\{\{.*\}\}")
_WEB = re.compile(r"^https?://")


def covered(value: Any, field: Field, path: str) -> Iterator[str]:
    """Paths of the rows that a value exercises; of a form that is one of several, those that it can be."""
    yield path
    if field.type == "mapping" and isinstance(value, dict):
        children = dict(field.children)
        for key, item in value.items():
            if key in children:
                yield from covered(item, children[key], f"{path}.{key}")
    elif field.type == "map" and isinstance(value, dict) and field.item is not None:
        for item in value.values():
            yield from covered(item, field.item, f"{path}.*")
    elif field.type == "list" and isinstance(value, list) and field.item is not None:
        for item in value:
            yield from covered(item, field.item, f"{path}[]")
    elif field.type == "union":
        for name, variant in field.variants:
            if fits(value, variant):
                yield from covered(value, variant, f"{path}<{name}>")


def fits(value: Any, field: Field) -> bool:
    """Whether a value is of this form, as far as its keys, its `type` and its spelling tell."""
    if field.type == "union":
        return any(fits(value, variant) for _, variant in field.variants)
    if field.type == "mapping":
        return isinstance(value, dict) and _is_form(value, field)
    if field.type == "map" or (field.type.startswith("see ") and not isinstance(value, str)):
        return isinstance(value, dict)
    if field.type == "list":
        return isinstance(value, list)
    if field.type == "enum":
        return isinstance(value, str) and value.lower() in field.enum
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.type in ("integer", "number"):
        wanted = int if field.type == "integer" else float
        return isinstance(value, wanted) and not isinstance(value, bool)
    if field.type == "any":
        return True
    return isinstance(value, str) and _is_spelled(value, field.type)


def _is_form(value: dict[str, Any], field: Field) -> bool:
    children = dict(field.children)
    if any(child.required and name not in value for name, child in field.children):
        return False
    for key in ("type", "task"):
        child = children.get(key)
        if child is not None and child.enum and key in value and str(value[key]).lower() not in child.enum:
            return False
    return all(key in children for key in value)


def _is_spelled(value: str, type_: str) -> bool:
    registry = value.startswith("azureml://registries/")
    asset = value.startswith("azureml:") and not value.startswith("azureml://")
    web = bool(_WEB.match(value))
    git = value.startswith("git+")
    if type_ in ("asset", "resource"):
        return asset
    if type_ == "registry":
        return registry
    if type_ == "url":
        return web
    if type_ == "git":
        return git
    if type_ in ("path", "file"):
        return not (registry or asset or web or git)
    return True
