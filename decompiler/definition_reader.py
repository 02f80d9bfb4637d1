"""From one definition's YAML to the lines of its declaration, by the rows that the compiler reads it with."""

import os
import re
from typing import Any

from mlp_lang.compiler.definition_words import (
    ENVIRONMENT,
    IDENTITIES,
    IDENTITY_FIELDS,
    IMPORT_SOURCES,
    MODEL,
    MONITOR,
    TYPES,
    Each,
    Flag,
    Folded,
    Free,
    Group,
    Kind,
    Local,
    Port,
    Row,
    Seconds,
    Via,
    rows,
)
from mlp_lang.compiler.fit import kind_of as literal_kind
from mlp_lang.compiler.fit import misfit
from mlp_lang.compiler.schedules import JOB, PATTERN, TRIGGER, VOCABULARY
from mlp_lang.compiler.settings import Words
from mlp_lang.compiler.types import PORTS, ListType, Scalar
from mlp_lang.compiler.vocabulary import SETTINGS
from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.program import Escape, Program
from mlp_lang.decompiler.spelling import RESERVED, duration, key, no_binding, quoted, slug
from mlp_lang.decompiler.spelling import value as spelled
from mlp_lang.decompiler.statements import Statement
from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.relocate import is_local

_SHORT = {"uri_file": "file", "uri_folder": "folder"}
_OF_SCHEDULES = ("display_name", "description", "tags", "properties")
_IMAGE: dict[str, tuple[tuple[str, ...], str]] = {"image": (("image",), ""), "conda": (("conda_file",), "conda")}
_BUILD: dict[str, tuple[tuple[str, ...], str]] = {
    "build": (("build", "path"), "context"),
    "dockerfile": (("build", "dockerfile_path"), ""),
}
_NAMED = ("name", "version")
_STARTED = {"create_job": "job", "import_data": "data"}


class Reader:
    """Reads definitions into one program that is written into the folder `out`."""

    def __init__(self, out: str, findings: Findings) -> None:
        self.out = out
        self.findings = findings
        self.program = Program(out, out, findings)
        self.names: set[str] = set(RESERVED)
        self.endpoints: dict[str, str] = {}  # by their names in Azure ML
        self.escapes: list[Escape] = []
        self.title = ""

    def definition(self, root: Place, kind: str) -> list[Statement]:
        """The declarations that say what a YAML file says."""
        self.program = Program(os.path.dirname(root.path), self.out, self.findings)
        self.program.names = self.names
        fields = Fields(root)
        fields.take("$schema")
        if kind == "component":
            return [self._use(os.path.basename(root.path), fields.text("name") or "component", root)]
        return self._schedule(fields) if kind == "schedule" else [self._resource(kind, fields)]

    def _name(self, wanted: str) -> str:
        self.title = self.program.distinct(slug(wanted) or "definition")
        return self.title

    def _use(self, path: str, wanted: str, origin: "Field | Place") -> Statement:
        return Statement(f"use {quoted(self.program.path(path))} as {self._name(wanted)}", origin)

    # --- resources ----------------------------------------------------------------------------------------------------

    def _resource(self, kind: str, fields: Fields) -> Statement:
        stem = os.path.splitext(os.path.basename(fields.place.path))[0]
        title = self._name(fields.text("name") or stem)
        if kind == "environment":
            call = self._environment_call(fields)
            head, table = f"environment {title}" + (f" = {call}" if call else ""), rows("environment", kind)
        elif kind in ("data", "model"):
            head, table = f"asset {title} = {kind}({self._named(fields)})", rows(kind, kind)
        elif kind == "online" or kind.endswith("endpoint"):
            word = kind.partition(" ")[0]
            name = fields.peek("name")
            if name is not None:
                self.endpoints[name.value.text] = title
            arguments = self._named(fields)
            compute = fields.peek("compute") if word == "kubernetes" else None
            if compute is not None and arguments:
                fields.take("compute")
                arguments += f", compute = {quoted(compute.value.text)}"
            head, table = f"endpoint {title} = {word}({arguments})", rows("endpoint", word)
        else:
            head, table = self._deployment(title, kind, fields), rows("deployment", kind)
        doc = self._doc(fields)
        body = self._body(fields, table)
        if kind in ("managed", "kubernetes", "batch", "flat", "pipeline") and "name" not in fields.entries:
            body.insert(0, Statement("name = none"))
        return Statement(head, fields.place, body if body or kind not in ("online", "data") else None, doc=doc)

    def _named(self, fields: Fields) -> str:
        name = fields.take("name")
        return quoted(name.value.text) if name is not None else ""

    def _deployment(self, title: str, kind: str, fields: Fields) -> str:
        endpoint = fields.take("endpoint_name")
        arguments = []
        if endpoint is not None:
            declared = self.endpoints.get(endpoint.value.text)
            arguments.append(declared or quoted(endpoint.value.text))
        said = fields.peek("type")
        if said is not None and said.value.text.lower() == TYPES.get(kind, "managed"):
            fields.take("type")
        name = fields.peek("name")
        if name is not None and name.value.text == title.replace("_", "-"):
            fields.take("name")
        if kind == "flat":
            arguments.append("flat = true")
        return f"deployment {title} = {'batch' if kind == 'flat' else kind}({', '.join(arguments)})"

    def _doc(self, fields: Fields) -> str:
        """The `##` above a declaration, where its lines can say the description."""
        found = fields.peek("description")
        text = found.value.text if found is not None and isinstance(found.value.value(), str) else ""
        lines = text.split("\n")
        if (
            not text
            or any(line != line.strip() or not line.isprintable() for line in lines)
            or not (lines[0] and lines[-1])
        ):
            return ""
        fields.take("description")
        return text

    # --- fields -------------------------------------------------------------------------------------------------------

    def _body(self, fields: Fields, table: dict[str, Row], prefix: str = "") -> list[Statement]:
        """A line for each row whose field is there, in the YAML's order, and the escape for what is left."""
        found = []
        for row in table.values():
            field = fields.peek(".".join(row.path))
            if field is None:
                continue
            line = self._line(row, field, f"{prefix}{'.'.join(row.path)}.")
            if line is not None:
                fields.take(".".join(row.path))
                found.append(line)
        found.sort(key=lambda statement: statement.first)
        return [*found, *self._escape(fields, prefix)]

    def _escape(self, fields: Fields, prefix: str = "") -> list[Statement]:
        source = fields.place.source.path
        for path, field in fields.left():
            self.escapes.append(Escape(self.title, prefix + path, field.key.node.start_mark.line + 1, source))
        body = [Statement(f"{key(name)} = {spelled}", field) for name, field, spelled in fields.rest()]
        return [Statement("azureml", body=body, inline=True)] if body else []

    def _line(self, row: Row, field: Field, prefix: str) -> Statement | None:
        """The line for a field, or None where the language cannot say its value."""
        made = self._spelled(row.type, field.value, prefix)
        if made is None:
            return None
        if isinstance(made, list):
            return Statement(row.word, field, made, inline=True)
        return Statement(f"{row.word} = {made}", field)

    def _spelled(self, kind: Kind, place: Place, prefix: str) -> "str | list[Statement] | None":
        value = plain(place)
        if isinstance(kind, Via):
            return self._via(kind.form, place, prefix)
        if isinstance(kind, Group):
            return self._body(Fields(place), {r.word: r for r in kind.rows}, prefix) if place.is_mapping else None
        if isinstance(kind, Each):
            return self._each(kind, place, prefix)
        if isinstance(kind, Free):
            return _free(place) if isinstance(value, dict) else None
        if isinstance(kind, Words | Folded):
            spellings = (value,) if isinstance(kind, Words) else (value, str(value).lower(), _snake(str(value)))
            return next((s for s in spellings if s in kind.members), None)
        if isinstance(kind, Port):
            text = _SHORT.get(value, value) if isinstance(value, str) else None
            return text if text in PORTS else None
        if isinstance(kind, Seconds):
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return duration(value, kind.parts) if whole else None
        if isinstance(kind, Flag):
            text = str(value).lower()
            return text if text in ("true", "false") else None
        if isinstance(kind, Local):
            return self._path(kind.sort, value, place)
        return literal(place) if misfit(value, literal_kind(value), kind) is None else None

    def _each(self, kind: Each, place: Place, prefix: str) -> list[Statement] | None:
        table = {row.word: row for row in kind.rows}
        found = []
        for name, field in place.fields().items():
            if not field.value.is_mapping:
                return None
            body = self._body(Fields(field.value), table, f"{prefix}{name}.")
            found.append(Statement(key(name), field, body, inline=True))
        return found if place.is_mapping else None

    def _path(self, sort: str, value: Any, place: Place) -> str | None:
        if sort == "conda" and isinstance(value, dict):
            return literal(place)
        if not isinstance(value, str) or not value:
            return None
        return quoted(self.program.path(value) if is_local(value) else value)

    # --- what has a form of its own -----------------------------------------------------------------------------------

    def _via(self, form: str, place: Place, prefix: str) -> "str | list[Statement] | None":
        value = plain(place)
        if form == "component":
            return self._path("component", value, place)
        if form == "compute" or (form in ("environment", "model") and isinstance(value, str)):
            return quoted(value) if isinstance(value, str) else None
        if not place.is_mapping:
            return None
        if form == "environment":
            fields = Fields(place)
            call = self._environment_call(fields, _NAMED)
            if call is not None and not fields.rest():
                return call
            return self._body(Fields(place), {row.word: row for row in ENVIRONMENT}, prefix)
        if form == "model":
            if set(value) == {"type", "path"} and value["type"] in ("mlflow_model", "custom_model", "triton_model"):
                path = self._path("data", value["path"], place)
                return f"{value['type']}({path})" if path is not None else None
            return self._body(Fields(place), {row.word: row for row in MODEL}, prefix)
        if form == "identity":
            return _identity(place)
        return _source(place)

    def _environment_call(self, fields: Fields, named: tuple[str, ...] = ()) -> str | None:
        """`image("…", conda = "…")` or `build("…")`, with what ``named`` lists; None where it is neither or both."""
        context = fields.peek("build.path")
        if (fields.peek("image") is None) == (context is None):
            return None
        table = _BUILD if context is not None else _IMAGE
        arguments: list[str] = []
        for name, (path, sort) in {**table, **{word: ((word,), "") for word in named}}.items():
            field = fields.peek(".".join(path))
            if field is None:
                continue
            value = plain(field.value)
            sayable = isinstance(value, str) or (name == "version" and type(value) is int) or sort == "conda"
            text = self._path(sort, value, field.value) if sort else literal(field.value)
            if text is None or not sayable:
                if not arguments:
                    return None
                continue  # the block says it, or the escape
            fields.take(".".join(path))
            arguments.append(f"{name} = {text}" if arguments else text)
        return f"{next(iter(table))}({', '.join(arguments)})"

    # --- schedules ----------------------------------------------------------------------------------------------------

    def _schedule(self, fields: Fields) -> list[Statement]:
        before: list[Statement] = []
        stem = os.path.splitext(os.path.basename(fields.place.path))[0]
        name = fields.text("name") or stem
        body: list[Statement] = []
        target, more = self._target(fields, before)
        doc = self._doc(fields)
        title = self._name(name)
        said = fields.peek("name")
        if said is not None:
            fields.take("name")
            if said.value.text != title:
                body.append(Statement(f"name = {quoted(said.value.text)}", said))
        body += self._settings(fields, {word: ((word,), VOCABULARY[word]) for word in _OF_SCHEDULES})
        body += [*self._trigger(fields), *more]
        body += self._escape(fields)
        return [*before, Statement(f"schedule {title} for {target}", fields.place, body, doc=doc)]

    def _trigger(self, fields: Fields) -> list[Statement]:
        kind = fields.peek("trigger.type")
        cron = kind is not None and kind.value.text.lower() == "cron"
        table: dict[str, tuple[str, ...]] = {"cron": ("expression",)}
        if not cron:
            table = {"every": ("frequency",), "interval": ("interval",)}
            table.update((word, ("schedule", azure)) for word, azure in PATTERN.items())
        table |= {word: (azure,) for word, azure in TRIGGER.items()}
        if kind is not None:
            fields.take("trigger.type")
        interval = fields.peek("trigger.interval")
        if interval is not None and plain(interval.value) == 1 and not cron:
            fields.take("trigger.interval")
        return self._settings(fields, {w: (("trigger", *path), VOCABULARY[w]) for w, path in table.items()})

    def _settings(self, fields: Fields, table: dict[str, tuple[tuple[str, ...], Any]]) -> list[Statement]:
        """A line for each word whose field is there and holds what the word may."""
        found = []
        for word, (path, kind) in table.items():
            field = fields.peek(".".join(path))
            if field is None:
                continue
            folded = Folded(kind.members) if isinstance(kind, Words) else kind
            made = self._spelled(folded, field.value, "")
            if isinstance(made, str):
                fields.take(".".join(path))
                found.append(Statement(f"{word} = {made}", field))
        return sorted(found, key=lambda statement: statement.first)

    def _target(self, fields: Fields, before: list[Statement]) -> tuple[str, list[Statement]]:
        """What is scheduled, declared in ``before``; and what the schedule says of it."""
        for name, wanted in _STARTED.items():
            field = fields.take(name)
            if field is None:
                continue
            if field.value.is_scalar:
                before.append(self._use_of(field.value, wanted, field))
                return self.title, []
            if name == "import_data":
                inner = Fields(field.value)
                before.append(self._resource("data", inner))
                return self.title, []
            return self._job(Fields(field.value), before)
        monitor = fields.take("create_monitor")
        if monitor is not None:
            title = self._name("monitor")
            body = self._body(Fields(monitor.value), {row.word: row for row in MONITOR}, "create_monitor.")
            before.append(Statement(f"asset {title} = monitor()", monitor, body))
            return title, []
        return "job", []

    def _use_of(self, place: Place, wanted: str, origin: Field) -> Statement:
        text = place.text.removeprefix("file:")
        stem = os.path.splitext(os.path.basename(text))[0]
        named = stem if is_local(text) else text.removeprefix("azureml:").split(":")[0]
        return self._use(text, named or wanted, origin)

    def _job(self, inner: Fields, before: list[Statement]) -> tuple[str, list[Statement]]:
        kind, reference = inner.take("type"), inner.take("job")
        more: list[Statement] = []
        if reference is not None:
            before.append(self._use_of(reference.value, "job", reference))
            if not is_local(reference.value.text) and kind is not None and kind.value.text != "pipeline":
                before[-1].body = [Statement(f"kind = {kind.value.text}")]
        target = self.title
        job: dict[str, tuple[tuple[str, ...], Any]] = {
            w: (("experiment_name" if w == "experiment" else w,), kind) for w, kind in JOB.items()
        }
        settings: dict[str, tuple[tuple[str, ...], Any]] = {r.word: (r.path, r.type) for r in SETTINGS}
        for name, table in (("job", job), ("settings", settings)):
            said = self._settings(inner, table)
            if said:
                more.append(Statement(name, body=said, inline=True))
        inputs = inner.peek("inputs")
        if inputs is not None and inputs.value.fields():
            inner.take("inputs")
            more.append(Statement("inputs", inputs, _free(inputs.value), inline=True))
        left = self._escape(inner, "create_job.")
        if left and left[0].body is not None:
            left[0].body = [Statement("create_job", body=left[0].body, inline=True)]
        return target, [*more, *left]


def _snake(text: str) -> str:
    """`AMLToken` as Azure ML takes it, `aml_token`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()


def _free(place: Place) -> list[Statement]:
    """A block of literals under Azure ML's own names."""
    found = []
    for name, field in place.fields().items():
        if field.value.is_mapping and field.value.fields():
            found.append(Statement(key(name), field, _free(field.value), inline=True))
        else:
            found.append(Statement(f"{key(name)} = {literal(field.value)}", field))
    return found


def _identity(place: Place) -> str | None:
    value = plain(place)
    words = {azure: word for word, azure in IDENTITIES.items()}
    word = words.get(str(value.get("type", "")).lower())
    listed = value.get("user_assigned_identities", [])
    if (
        word is None
        or set(value) - {"type", "user_assigned_identities"}
        or not isinstance(listed, list)
        or len(listed) > 1
    ):
        return None
    given = listed[0] if listed else {}
    if word != "managed":
        return None if given else word
    if not isinstance(given, dict) or set(given) - set(IDENTITY_FIELDS):
        return None
    fields = place.fields()["user_assigned_identities"].value.items()[0].fields() if given else {}
    arguments = [f"{name} = {literal(fields[name].value)}" for name in IDENTITY_FIELDS if name in fields]
    return f"managed({', '.join(arguments)})" if arguments else "managed"


def _source(place: Place) -> str | None:
    value, fields = plain(place), place.fields()
    signature = IMPORT_SOURCES.get(str(value.get("type")))
    if signature is None or set(value) - {"type", *(field for _, field in signature)}:
        return None
    given = [(a, value[field]) for a, field in signature if field in value]
    if {a.name for a, _ in signature if a.required} - {a.name for a, _ in given}:
        return None
    if any(isinstance(a.type, Scalar | ListType) and misfit(v, literal_kind(v), a.type) for a, v in given):
        return None
    said = [f"{a.name} = {literal(fields[field].value)}" for a, field in signature if field in fields]
    return f"{value['type']}({', '.join(said)})"


def literal(place: Place) -> str:
    """A scalar, a list or a map; nothing in it is bound."""
    return spelled(place, no_binding)


def plain(place: Place) -> Any:
    """The data in a YAML node; what is no JSON (a date) is its text."""
    if place.is_mapping:
        return {name: plain(field.value) for name, field in place.fields().items()}
    if place.is_scalar:
        found = place.value()
        return found if found is None or isinstance(found, bool | int | float | str) else place.text
    return [plain(item) for item in place.items()]
