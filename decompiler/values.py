"""From the value of a field, by the Kind of its row, to its spelling; None where the language has none for it."""

from collections.abc import Callable
from typing import NamedTuple

from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.program import Program, is_null
from mlp_lang.decompiler.scope import Scope
from mlp_lang.decompiler.spelling import (
    Binder,
    command,
    duration,
    is_name,
    key,
    quoted,
    scalar,
    string,
    value,
)
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.vocabulary import (
    DISTRIBUTIONS,
    IDENTITIES,
    MANAGED,
    PORT_TYPES,
    SERVICE,
    SOURCE_FIELDS,
    SOURCES,
    Kind,
    Row,
)
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Place


class Site(NamedTuple):
    """Where a field stands: what its bindings may name."""

    program: Program
    scope: Scope
    bind: Binder


def spelled(place: Place, kind: Kind, site: Site) -> str | None:
    """The value of a field, or None where it is none that the kind has."""
    return _KINDS[kind](place, site)


def row_statements(fields: Fields, rows: tuple[Row, ...], site: Site, node: str = "") -> list[Statement]:
    """A statement for each row whose field is there and can be said; those fields are then taken."""
    found = []
    for row in rows:
        if row.nodes and node not in row.nodes:
            continue
        field = fields.take(row.path)
        if field is None:
            continue
        statement = _statement(row, field, site)
        if statement is None:
            fields.put_back(row.path)
        else:
            found.append(statement)
    return found


def _statement(row: Row, field: Field, site: Site) -> Statement | None:
    if row.kind is Kind.SERVICES:
        return _services(row.word, field, site)
    text = spelled(field.value, row.kind, site)
    return None if text is None else Statement(f"{key(row.word)} = {text}", field)


def _value(place: Place, site: Site) -> str | None:
    return value(place, site.bind)


def _word(place: Place, site: Site) -> str | None:
    if not place.is_scalar or not isinstance(place.value(), str):
        return None
    text = PORT_TYPES.get(place.text, place.text)
    return text if is_name(text) else string(text, site.bind)


def _seconds(place: Place, site: Site) -> str | None:
    if not place.is_scalar:
        return None
    number = place.value()
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        return duration(number)
    whole = EXPRESSION.fullmatch(place.text.strip())
    return site.bind(whole[1]) if whole else None


def _path(place: Place, site: Site) -> str | None:
    if not place.is_scalar or not isinstance(place.value(), str):
        return None
    return string(site.program.path(place.text), site.bind)


def _command(place: Place, site: Site) -> str | None:
    if not place.is_scalar or not isinstance(place.value(), str):
        return None
    text = place.text
    lines = None
    if getattr(place.node, "style", None) == ">":  # folded: the author's own lines
        start, end = place.node.start_mark.index, place.node.end_mark.index
        written = [line.strip() for line in place.source.text[start:end].splitlines()[1:]]
        while written and not written[-1]:
            written.pop()
        lines = written if " ".join(written) == text.rstrip("\n") else None
    return command(text, site.bind, lines)


def _port(place: Place, site: Site) -> str | None:
    found = EXPRESSION.fullmatch(place.text.strip()) if place.is_scalar else None
    if found and found[1].startswith("inputs.") and is_name(found[1][len("inputs.") :]):
        return found[1][len("inputs.") :]
    return value(place, site.bind) if place.is_scalar else None


def _environment(place: Place, site: Site) -> str | None:
    return site.program.environment(place)


def _arguments(fields: Fields, names: dict[str, str], site: Site) -> list[str] | None:
    """`word = value` for the fields, by their words; None if there are others."""
    given = []
    for word, name in names.items():
        field = fields.take(name)
        if field is not None and not is_null(field.value):
            given.append(f"{word} = {value(field.value, site.bind)}")
    return None if any(name != "type" for name, _, _ in fields.rest()) else given


def _identity(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    name = IDENTITIES.get(fields.text("type").lower())
    given = _arguments(fields, MANAGED if name == "managed" else {}, site) if name else None
    if name is None or given is None:
        return None
    return f"{name}({', '.join(given)})" if given else name


def _distribution(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    name = fields.text("type").lower()
    given = _arguments(fields, DISTRIBUTIONS[name], site) if name in DISTRIBUTIONS else None
    return None if given is None else f"{name}({', '.join(given)})"


def _stage(place: Place, site: Site) -> str | None:
    name = site.scope.job(place) if place.is_scalar else None
    return name if name and is_name(name) else None


def _entry(place: Place, site: Site) -> str | None:
    if place.is_scalar:
        return string(place.text, site.bind) if isinstance(place.value(), str) else None
    fields = Fields(place)
    file, class_name = fields.take("file"), fields.take("class_name")
    chosen = file or class_name
    if chosen is None or fields.rest() or (file and class_name) or not chosen.value.is_scalar:
        return None
    text = scalar(chosen.value, site.bind)
    return text if file else f"class({text})"


def _source(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    kind = fields.text("type")
    if kind not in SOURCES:
        return None
    function, typed = SOURCES[kind]
    given = _arguments(fields, {n: n for n in SOURCE_FIELDS}, site)
    if given is None:
        return None
    return f"{function}({', '.join([quoted(kind), *given] if typed else given)})"


def _services(word: str, field: Field, site: Site) -> Statement | None:
    body = []
    for name, service in field.value.fields().items():
        inner = Fields(service.value)
        statements = row_statements(inner, SERVICE, site)
        if not service.value.is_mapping or inner.rest():
            return None
        body.append(Statement(key(name), service, statements, inline=True))
    return Statement(word, field, body, inline=True) if body else None


_KINDS: dict[Kind, Callable[[Place, Site], str | None]] = {
    Kind.VALUE: _value,
    Kind.WORD: _word,
    Kind.SECONDS: _seconds,
    Kind.PATH: _path,
    Kind.COMMAND: _command,
    Kind.PORT: _port,
    Kind.ENVIRONMENT: _environment,
    Kind.IDENTITY: _identity,
    Kind.DISTRIBUTION: _distribution,
    Kind.STAGE: _stage,
    Kind.ENTRY: _entry,
    Kind.SOURCE: _source,
}
