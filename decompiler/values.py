"""From the value of a field, by the Kind of its row, to its spelling; None where the language has none for it."""

from collections.abc import Callable
from typing import NamedTuple

from mlp_lang.compiler.settings import Argument, Raw, Words
from mlp_lang.compiler.types import ListType, MapType, Scalar, Type, Union
from mlp_lang.compiler.vocabulary import DISTRIBUTIONS, IDENTITY_ARGUMENTS, SOURCES
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
from mlp_lang.decompiler.vocabulary import IDENTITIES, PORT_TYPES, SERVICE, Kind, Row
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Place


class Site(NamedTuple):
    """Where a field stands: what its bindings may name."""

    program: Program
    scope: Scope
    bind: Binder


def spelled(place: Place, kind: Kind, site: Site) -> str | None:
    """The value of a field, or None where it is none that the kind has."""
    return _KINDS[kind](place, site)


def row_statements(fields: Fields, rows: tuple[Row, ...], site: Site) -> list[Statement]:
    """A statement for each row whose field is there and can be said; those fields are then taken."""
    found = []
    for row in rows:
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
    text = spelled(field.value, row.kind, site) if fits(field.value, row.type) else None
    return None if text is None else Statement(f"{key(row.word)} = {text}", field)


def fits(place: Place, asked: Type | Words | Raw) -> bool:
    """Whether a value is of the type that a word takes. Anything may be bound; what is read by itself is not judged."""
    if place.is_scalar and "${{" in place.text:
        return True
    match asked:
        case Words(members):
            return place.is_scalar and (not members or place.text in members)
        case Union(members):
            return any(fits(place, member) for member in members)
        case ListType(item):
            return not place.is_scalar and not place.is_mapping and all(fits(i, item) for i in place.items())
        case MapType(item):
            return place.is_mapping and all(fits(f.value, item) for f in place.fields().values())
        case Scalar(name, low, high) if name in ("bool", "int", "float", "string"):
            return place.is_scalar and _is(place.value(), name, low, high)
        case Scalar("size"):
            return False
    return True


def _is(found: object, name: str, low: float | None, high: float | None) -> bool:
    if name in ("bool", "string"):
        return isinstance(found, bool if name == "bool" else str)
    if isinstance(found, bool) or not isinstance(found, int if name == "int" else (int, float)):
        return False
    return (low is None or found >= low) and (high is None or found <= high)


def _value(place: Place, site: Site) -> str | None:
    return value(place, site.bind)


def _text(place: Place, site: Site) -> str | None:
    return string(place.text, site.bind) if place.is_scalar and not is_null(place) else None


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


def _model(place: Place, site: Site) -> str | None:
    if not place.is_scalar or not isinstance(place.value(), str):
        return None
    return string(site.program.seen(place.text), site.bind)


def _command(place: Place, site: Site) -> str | None:
    if not place.is_scalar or not isinstance(place.value(), str):
        return None
    text = place.text
    lines = None
    if getattr(place.node, "style", None) == ">":  # folded: the author's own lines
        start, end = place.node.start_mark.index, place.node.end_mark.index
        written = [line.lstrip(" ") for line in place.source.text[start:end].splitlines()[1:]]
        while written and not written[-1].strip():
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


def _call(function: str, fields: Fields, arguments: tuple[tuple[Argument, str], ...], site: Site) -> str | None:
    """`function(word = value, …)`; None if there are other fields, or one that has to be there is not."""
    given = []
    for argument, name in arguments:
        field = fields.take(name)
        if field is None or is_null(field.value):
            if argument.required:
                return None
        elif not fits(field.value, argument.type):
            return None
        elif argument.name == "type":
            given.append(quoted(field.value.text))
        else:
            given.append(f"{argument.name} = {value(field.value, site.bind)}")
    if any(name != "type" for name, _, _ in fields.rest()):
        return None
    return f"{function}({', '.join(given)})"


def _identity(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    name = IDENTITIES.get(fields.text("type").lower())
    call = _call(name, fields, IDENTITY_ARGUMENTS if name == "managed" else (), site) if name else None
    return call.removesuffix("()") if call else None


def _distribution(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    name = fields.text("type").lower()
    return _call(name, fields, DISTRIBUTIONS[name], site) if name in DISTRIBUTIONS else None


def _source(place: Place, site: Site) -> str | None:
    fields = Fields(place)
    kind = fields.text("type")
    transfer, imported = SOURCES["transfer"], SOURCES["import"]
    if kind in transfer:
        return _call(kind, fields, transfer[kind], site)
    function = kind if kind in imported and kind != "database" else "database"
    return _call(function, fields, imported[function], site) if kind else None


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
    Kind.TEXT: _text,
    Kind.WORD: _word,
    Kind.SECONDS: _seconds,
    Kind.PATH: _path,
    Kind.MODEL: _model,
    Kind.COMMAND: _command,
    Kind.PORT: _port,
    Kind.ENVIRONMENT: _environment,
    Kind.IDENTITY: _identity,
    Kind.DISTRIBUTION: _distribution,
    Kind.STAGE: _stage,
    Kind.ENTRY: _entry,
    Kind.SOURCE: _source,
}
