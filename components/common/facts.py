"""From a facts JSON file (schemas/facts.schema.json) to what a step may rely on: columns, bounds, categories, roles."""

import json
import math
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from common.entry import Refusal

Scalar: TypeAlias = str | int | float | bool


class Kind(Enum):
    """What a column holds, missing values aside."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    MIXED = "mixed"


class Column(NamedTuple):
    """One column. `categories` is the closed vocabulary (never null), `minimum` and `maximum` are inclusive bounds.

    `rules` is the column's JSON Schema as it was written.
    """

    name: str
    kind: Kind
    nullable: bool
    minimum: float | None
    maximum: float | None
    categories: tuple[Scalar, ...] | None
    rules: dict[str, Any]

    @property
    def bounded(self) -> bool:
        """Whether the encoding of the column is known without looking at rows."""
        return self.categories is not None or self.kind is Kind.BOOLEAN or None not in (self.minimum, self.maximum)


class Private(NamedTuple):
    """The privacy declaration of the data; `epsilon` and `delta` are the whole budget."""

    unit: str
    neighbours: str
    epsilon: float
    delta: float


class Facts(NamedTuple):
    """What is known of a table. `columns` is empty if no schema is known, `features` is then None: all but the rest."""

    name: str
    columns: dict[str, Column]
    required: tuple[str, ...]
    label: str | None
    positive: Scalar | None
    sensitive: tuple[str, ...]
    features: tuple[str, ...] | None
    private: Private | None
    document: dict[str, Any]

    @property
    def classes(self) -> tuple[Scalar, ...] | None:
        """Class names in the schema's order, or None where the label has no closed vocabulary."""
        column = self.columns.get(self.label) if self.label is not None else None
        if column is None:
            return None
        return (False, True) if column.kind is Kind.BOOLEAN else column.categories

    def feature_names(self, columns: list[str]) -> list[str]:
        """The features among a table's columns, in the schema's order (the table's, without a schema)."""
        if self.features is not None:
            return list(self.features)
        left_out = {self.label, *self.sensitive}
        return [name for name in columns if name not in left_out]


def load(path: Path | str | None) -> Facts | None:
    """Facts from a file, None for None. Raises Refusal for an unreadable or contradictory document."""
    if path is None:
        return None
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"facts file {path}: {error}") from None
    return parse(document)


def parse(document: Any) -> Facts:
    """Facts from the parsed document."""
    if not isinstance(document, dict):
        raise Refusal("facts: expected a JSON object")
    schema = document.get("schema") or {}
    properties = schema.get("properties", {}) if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        raise Refusal("facts: `schema` must be the JSON Schema of one row, an object with `properties`")
    columns = {name: _column(name, rules) for name, rules in properties.items()}
    label = document.get("label")
    sensitive = tuple(document.get("sensitive") or ())
    listed = document.get("features")
    for role, names in (("label", [label] if label else []), ("sensitive", sensitive), ("features", listed or ())):
        for name in names:
            if columns and name not in columns:
                raise Refusal(f"facts: {role} column {name!r} is not in the schema")
    if listed is not None and label in listed:
        raise Refusal(f"facts: the label {label!r} cannot be a feature")
    if listed is not None:
        features: tuple[str, ...] | None = tuple(listed)
    elif columns:
        features = tuple(name for name in columns if name != label and name not in sensitive)
    else:
        features = None
    facts = Facts(
        name=str(document.get("name", "table")),
        columns=columns,
        required=tuple(schema.get("required", ())),
        label=label,
        positive=document.get("positive"),
        sensitive=sensitive,
        features=features,
        private=_private(document.get("private")),
        document=document,
    )
    if facts.positive is not None and facts.classes is not None and facts.positive not in facts.classes:
        raise Refusal(f"facts: positive class {facts.positive!r} is not a value of the label {label!r}")
    return facts


def _private(section: Any) -> Private | None:
    if not section:
        return None
    try:
        private = Private(
            section.get("unit", "row"),
            section.get("neighbours", "replace_one"),
            float(section["epsilon"]),
            float(section["delta"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f"facts: bad `private` section: {type(error).__name__}: {error}") from None
    if private.neighbours not in ("replace_one", "add_remove"):
        raise Refusal(f"facts: neighbours {private.neighbours!r} is neither replace_one nor add_remove")
    return private


def _column(name: str, rules: Any) -> Column:
    if rules is True:
        rules = {}
    if not isinstance(rules, dict):
        raise Refusal(f"facts: the schema of column {name!r} is not an object")
    written = rules.get("type", [])
    types = {written} if isinstance(written, str) else set(written)
    members = [rules["const"]] if "const" in rules else rules.get("enum")
    nullable = ("null" in types or not types) if members is None else None in members and (not types or "null" in types)
    categories = None if members is None else tuple(x for x in members if x is not None)
    kind = _kind(types - {"null"}, categories)
    if kind is Kind.BOOLEAN:
        categories = None
    low, high = rules.get("minimum"), rules.get("maximum")
    if kind is Kind.INTEGER:  # an open bound of integers is a closed one next to it
        if low is None and "exclusiveMinimum" in rules:
            low = math.floor(rules["exclusiveMinimum"]) + 1
        if high is None and "exclusiveMaximum" in rules:
            high = math.ceil(rules["exclusiveMaximum"]) - 1
    low = rules.get("exclusiveMinimum") if low is None else low
    high = rules.get("exclusiveMaximum") if high is None else high
    if low is not None and high is not None and low > high:
        raise Refusal(f"facts: column {name!r} has a minimum above its maximum")
    return Column(name, kind, nullable, low, high, categories, rules)


def _kind(types: set[str], categories: tuple[Scalar, ...] | None) -> Kind:
    """The kind that the types allow, narrowed by the values that are listed."""
    if categories:
        seen = {type(x) for x in categories}
        if seen == {bool}:
            return Kind.BOOLEAN
        if seen == {str}:
            return Kind.STRING
        if seen <= {int, float}:
            return Kind.INTEGER if all(float(x).is_integer() for x in categories) else Kind.NUMBER
        return Kind.MIXED
    if types == {"integer"}:
        return Kind.INTEGER
    if types and types <= {"integer", "number"}:
        return Kind.NUMBER
    if types == {"boolean"}:
        return Kind.BOOLEAN
    if types == {"string"}:
        return Kind.STRING
    return Kind.MIXED
