"""From a mapping and the table of what may stand in it to findings: unknown, missing and wrong fields.

The tables themselves are in `tables/`, by subject; this module says what a table is and judges a mapping by one.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, cast

from mlp_lang.dsl.diagnostics import Edit, Fix, Severity
from mlp_lang.lowering.checker.document import EXPRESSION, Findings, Place, near

Kind: TypeAlias = "str | frozenset[str] | Number | Table | Variants | MapOf | ListOf | tuple[Kind, ...]"
"""What a value may be: a word of `_WORDS`, the words that are allowed, a number, a table, or any one of several."""


class Number(NamedTuple):
    """A number; Azure ML takes text that spells one as well. The bounds belong to it."""

    whole: bool = True
    low: float | None = None
    high: float | None = None


class Table(NamedTuple):
    """What a mapping may hold. `required` fields must be there; `name` is what a message calls the mapping.

    Of an `open` mapping Azure ML ignores what it does not know: there, only a field that is near to one that is
    known is an error.
    """

    name: str
    fields: "Mapping[str, Kind]"
    required: tuple[str, ...] = ()
    open: bool = False


class Variants(NamedTuple):
    """A mapping whose field `key` says which table it is judged by; without `key`, by the table of `default`."""

    name: str
    key: str
    tables: "Mapping[str, Table]"
    default: str | None = None


class MapOf(NamedTuple):
    """A mapping with keys of the author's own; null stands for a value where Azure ML lets it."""

    kind: "Kind"


class ListOf(NamedTuple):
    kind: "Kind"


INTEGER = Number()
POSITIVE = Number(low=1)
COUNT = Number(low=0)
NUMBER = Number(whole=False)
TEXTS = MapOf("text")
LIST = ListOf("text")

_WORDS = {
    "any": "",
    "text": "text",
    "scalar": "a value",
    "boolean": "true or false",
    "mapping": "a mapping",
    "list": "a list",
}
# What azure-ai-ml takes for a boolean.
_BOOLEANS = frozenset(["true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0"])
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_MACHINES = frozenset(["instance_count", "max_instance_count"])
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def of(kind: Kind, *names: str) -> "dict[str, Kind]":
    """The same kind for each of several fields."""
    return dict.fromkeys(names, kind)


def check_fields(place: Place, table: "Table | Variants", findings: Findings) -> None:
    """Report fields of a mapping that the table does not know, misses, or wants otherwise.

    A field whose name is misspelt is read on as the one that was meant, so that one mistake stays one.
    """
    if not place.is_mapping:
        findings.report("MLP0814", f"{table.name} must be a mapping", place)
        return
    fields = place.fields()
    if isinstance(table, Variants):
        chosen = _variant(place, table, findings)
        if chosen is not None:
            check_fields(place, chosen, findings)
        return
    for name, field in fields.items():
        kind = table.fields.get(name)
        if kind is None:
            message = f"unknown field `{name}` in {table.name}"
            severity = Severity.WARNING if table.open else Severity.ERROR
            findings.unknown("MLP0812", message, field.key, name, table.fields, otherwise=severity)
            meant = near(name, [other for other in table.fields if other not in fields])
            if meant is None:
                continue
            field.key.rename(meant)
            kind = table.fields[meant]
        if kind != "any":
            check_kind(name, field.value, kind, findings)
    fields = place.fields()
    for name in table.required:
        if name not in fields:
            findings.report("MLP0813", f"{table.name} has no `{name}`", place)


def fields_of(table: "Table | Variants") -> frozenset[str]:
    """Every field that a mapping may have."""
    tables = [table] if isinstance(table, Table) else list(table.tables.values())
    return frozenset(name for one in tables for name in one.fields)


def _variant(place: Place, table: Variants, findings: Findings) -> Table | None:
    fields = place.fields()
    if table.key not in fields:
        if table.default is None:
            findings.report("MLP0813", f"{table.name} has no `{table.key}`", place)
            return None
        return table.tables[table.default]
    key = fields[table.key].value
    name = word(key.text, table.tables)
    if name is None:
        findings.unknown("MLP0814", f"`{table.key}` cannot be `{key.text}`", key, key.text, table.tables)
        return None
    return table.tables[name]


def word(text: str, words: "frozenset[str] | Mapping[str, object]") -> str | None:
    """The word that a text spells: as it is, in other letters, or in camel case."""
    if text in words:
        return text
    for spelling in (text.lower(), _CAMEL.sub("_", text).lower()):
        if spelling in words:
            return spelling
    return None


def check_kind(name: str, place: Place, kind: Kind, findings: Findings) -> None:
    """Report a value that is not of the kind that field `name` wants. Bindings are judged elsewhere."""
    if kind == "any" or (place.is_scalar and EXPRESSION.search(place.text)):
        return
    if isinstance(kind, Table | Variants):
        check_fields(place, kind, findings)
    elif isinstance(kind, MapOf):
        _check_map(name, place, kind, findings)
    elif isinstance(kind, ListOf):
        if place.is_mapping or place.is_scalar:
            _wrong(name, place, "a list", findings)
        for item in place.items():
            check_kind(name, item, kind.kind, findings)
    elif isinstance(kind, frozenset):
        # `off` and `none` may be words: unquoted, YAML reads the first as false, and Azure ML takes text alone.
        if not place.is_scalar or not isinstance(place.value(), str):
            _wrong(name, place, "a word", findings, quote=word(place.text, kind) is not None)
        elif word(place.text, kind) is None:
            findings.unknown("MLP0814", f"`{name}` cannot be `{place.text}`", place, place.text, kind)
    elif isinstance(kind, Number):
        _check_number(name, place, kind, findings)
    elif isinstance(kind, tuple):  # after the others, which are tuples too
        check_kind(name, place, _closest(place, cast("tuple[Kind, ...]", kind)), findings)
    elif not _is_word(place, kind):
        _wrong(name, place, _WORDS[kind], findings, quote=kind == "text")


def _check_map(name: str, place: Place, kind: MapOf, findings: Findings) -> None:
    if not place.is_mapping:
        _wrong(name, place, "a mapping", findings)
        return
    for field in place.fields().values():
        if kind.kind != "text" or not field.value.is_scalar or field.value.value() is not None:
            check_kind(field.key.text, field.value, kind.kind, findings)


def _check_number(name: str, place: Place, kind: Number, findings: Findings) -> None:
    value = place.value() if place.is_scalar else None
    text = str(value).strip()
    wanted = "a whole number" if kind.whole else "a number"
    if kind.low is not None and kind.high is not None:
        wanted += f" from {kind.low:g} to {kind.high:g}"
    elif kind.low is not None:
        wanted += f" from {kind.low:g}"
    number = float(text) if not isinstance(value, bool) and _NUMBER.fullmatch(text) else None
    if (
        number is None
        or (kind.whole and number % 1 != 0)
        or (kind.low is not None and number < kind.low)
        or (kind.high is not None and number > kind.high)
    ):
        _wrong(name, place, wanted, findings)


def _is_word(place: Place, kind: str) -> bool:
    match kind:
        case "mapping":
            return place.is_mapping
        case "list":
            return not place.is_mapping and not place.is_scalar
        case "scalar":
            return place.is_scalar and place.value() is not None
        case "text":
            return place.is_scalar and isinstance(place.value(), str)
        case _:
            return place.is_scalar and place.text.lower() in _BOOLEANS


def _closest(place: Place, kinds: tuple[Kind, ...]) -> Kind:
    """Of several kinds the one that a value is judged by: one that it is, else one of its shape, else the first."""
    shaped = [kind for kind in kinds if _has_shape(place, kind)]
    quiet = Findings("")
    for kind in shaped if place.is_scalar else ():
        check_kind("", place, kind, quiet)
        if not quiet.diagnostics:
            return kind
        quiet.diagnostics.clear()
    return shaped[0] if shaped else kinds[0]


def _has_shape(place: Place, kind: Kind) -> bool:
    if isinstance(kind, Table | Variants | MapOf) or kind == "mapping":
        return place.is_mapping
    if isinstance(kind, ListOf) or kind == "list":
        return not place.is_mapping and not place.is_scalar
    return place.is_scalar


def _wrong(name: str, place: Place, wanted: str, findings: Findings, quote: bool = False) -> None:
    code = "MLP0824" if name in _MACHINES else "MLP0814"
    if not place.is_scalar:
        findings.report(code, f"`{name}` must be {wanted}, found a collection", place)
        return
    found = f"`{place.text}`" if place.text else "nothing"
    fixes: tuple[Fix, ...] = ()
    if quote and place.text and place.value() is not None:
        fixes = (Fix(f'Write `"{place.text}"`', (Edit(place.span, f'"{place.text}"'),)),)
    findings.report(code, f"`{name}` must be {wanted}, found {found}", place, fixes=fixes)
