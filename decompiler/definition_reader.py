"""From one definition's YAML to the lines of its declaration, by the rows that the compiler reads it with."""

import os
import re
from typing import Any, NamedTuple

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
from mlp_lang.decompiler.definition_lines import Line, duration, key, literal, moved, name_of, plain, string
from mlp_lang.lowering.checker.document import Field, Place
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


class Declared(NamedTuple):
    """The lines of declarations, and the fields that stand in `azureml` blocks: declaration, path, line from 0."""

    lines: list[Line]
    escapes: list[tuple[str, str, int]]


class _Fields:
    """What is left to be said of a mapping: rows take fields by their paths, and the rest is for the escape."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.entries = place.fields()
        self.taken: set[tuple[str, ...]] = set()

    def find(self, path: tuple[str, ...]) -> Field | None:
        """The field at a path, if it is there and nobody has it yet."""
        if any(path[: len(t)] == t for t in self.taken):
            return None
        place, found = self.place, None
        for name in path:
            found = place.fields().get(name)
            if found is None:
                return None
            place = found.value
        return found

    def take(self, *path: str) -> Field | None:
        """The same, taken."""
        found = self.find(path)
        if found is not None:
            self.taken.add(path)
        return found

    def left(self) -> list[tuple[tuple[str, ...], Field]]:
        """The topmost fields of which nothing was taken, with their paths."""
        return list(self._left((), self.entries))

    def _left(self, prefix: tuple[str, ...], entries: dict[str, Field]) -> "list[tuple[tuple[str, ...], Field]]":
        found = []
        for name, field in entries.items():
            path = (*prefix, name)
            if path in self.taken:
                continue
            if any(t[: len(path)] == path for t in self.taken):
                found += self._left(path, field.value.fields())
            else:
                found.append((path, field))
        return found


class Reader:
    """Reads definitions into one program that is written into the folder `out`."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.names: set[str] = set()
        self.endpoints: dict[str, str] = {}  # by their names in Azure ML
        self.escapes: list[tuple[str, str, int]] = []
        self.title = ""

    def definition(self, root: Place, kind: str) -> Declared:
        """The declarations that say what a YAML file says."""
        self.escapes = []
        fields = _Fields(root)
        fields.take("$schema")
        if kind == "component":
            lines = [self._use(root.path, _text(fields, "name") or "component", -1)]
        elif kind == "schedule":
            lines = self._schedule(fields)
        else:
            lines = [self._resource(kind, fields)]
        return Declared(lines, self.escapes)

    def _name(self, wanted: str) -> str:
        name = wanted = name_of(wanted)
        number = 1
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        self.title = name
        return name

    def _use(self, path: str, wanted: str, at: int) -> Line:
        shown = os.path.relpath(path, self.out).replace(os.sep, "/") if is_local(path) else path
        return Line(f"use {string(shown)} as {self._name(wanted)}", at)

    # --- resources ----------------------------------------------------------------------------------------------------

    def _resource(self, kind: str, fields: _Fields) -> Line:
        stem = os.path.splitext(os.path.basename(fields.place.path))[0]
        first = next((f.key.node.start_mark.line for n, f in fields.entries.items() if n != "$schema"), 0)
        title = self._name(_text(fields, "name") or stem)
        if kind == "environment":
            call = self._environment_call(fields)
            head, table = f"environment {title}" + (f" = {call}" if call else ""), rows("environment", kind)
        elif kind in ("data", "model"):
            head, table = f"asset {title} = {kind}({self._named(fields)})", rows(kind, kind)
        elif kind == "online" or kind.endswith("endpoint"):
            word = kind.partition(" ")[0]
            name = fields.find(("name",))
            if name is not None:
                self.endpoints[name.value.text] = title
            arguments = self._named(fields)
            compute = fields.find(("compute",)) if word == "kubernetes" else None
            if compute is not None and arguments:
                fields.take("compute")
                arguments += f", compute = {string(compute.value.text)}"
            head, table = f"endpoint {title} = {word}({arguments})", rows("endpoint", word)
        else:
            head, table = self._deployment(title, kind, fields), rows("deployment", kind)
        doc = self._doc(fields)
        body = self._body(fields, table)
        if kind in ("managed", "kubernetes", "batch", "flat", "pipeline") and "name" not in fields.entries:
            body.insert(0, Line("name = none"))
        return Line(head, first, body if body or kind not in ("online", "data") else None, doc)

    def _named(self, fields: _Fields) -> str:
        name = fields.take("name")
        return string(name.value.text) if name is not None else ""

    def _deployment(self, title: str, kind: str, fields: _Fields) -> str:
        endpoint = fields.take("endpoint_name")
        arguments = []
        if endpoint is not None:
            declared = self.endpoints.get(endpoint.value.text)
            arguments.append(declared or string(endpoint.value.text))
        said = fields.find(("type",))
        if said is not None and said.value.text.lower() == TYPES.get(kind, "managed"):
            fields.take("type")
        name = fields.find(("name",))
        if name is not None and name.value.text == title.replace("_", "-"):
            fields.take("name")
        if kind == "flat":
            arguments.append("flat = true")
        return f"deployment {title} = {'batch' if kind == 'flat' else kind}({', '.join(arguments)})"

    def _doc(self, fields: _Fields) -> str:
        """The `##` above a declaration, where its lines can say the description."""
        found = fields.find(("description",))
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

    def _body(self, fields: _Fields, table: dict[str, Row], prefix: str = "") -> list[Line]:
        """A line for each row whose field is there, in the YAML's order, and the escape for what is left."""
        found = []
        for row in table.values():
            field = fields.find(row.path)
            if field is None:
                continue
            line = self._line(row, field, f"{prefix}{'.'.join(row.path)}.")
            if line is not None:
                fields.taken.add(row.path)
                found.append(line)
        found.sort(key=lambda line: line.at)
        return [*found, *self._escape(fields, prefix)]

    def _escape(self, fields: _Fields, prefix: str = "") -> list[Line]:
        body: list[Line] = []
        for path, field in fields.left():
            self.escapes.append((self.title, prefix + ".".join(path), field.key.node.start_mark.line))
            at = body
            for name in path[:-1]:
                block = next((line for line in at if line.text == key(name)), None)
                if block is None or block.body is None:
                    block = Line(key(name), -1, [])
                    at.append(block)
                assert block.body is not None
                at = block.body
            at.append(Line(f"{key(path[-1])} = {literal(plain(field.value))}", field.key.node.start_mark.line))
        return [Line("azureml", -1, body)] if body else []

    def _line(self, row: Row, field: Field, prefix: str) -> Line | None:
        """The line for a field, or None where the language cannot say its value."""
        at = field.key.node.start_mark.line
        made = self._spelled(row.type, field.value, prefix)
        if made is None:
            return None
        return Line(row.word, at, made) if isinstance(made, list) else Line(f"{row.word} = {made}", at)

    def _spelled(self, kind: Kind, place: Place, prefix: str) -> "str | list[Line] | None":
        value = plain(place)
        if isinstance(kind, Via):
            return self._via(kind.form, place, prefix)
        if isinstance(kind, Group):
            return self._body(_Fields(place), {r.word: r for r in kind.rows}, prefix) if place.is_mapping else None
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
        return literal(value) if misfit(value, literal_kind(value), kind) is None else None

    def _each(self, kind: Each, place: Place, prefix: str) -> list[Line] | None:
        table = {row.word: row for row in kind.rows}
        found = []
        for name, field in place.fields().items():
            if not field.value.is_mapping:
                return None
            body = self._body(_Fields(field.value), table, f"{prefix}{name}.")
            found.append(Line(key(name), field.key.node.start_mark.line, body))
        return found if place.is_mapping else None

    def _path(self, sort: str, value: Any, place: Place) -> str | None:
        if sort == "conda" and isinstance(value, dict):
            return literal(value)
        if not isinstance(value, str) or not value:
            return None
        if not is_local(value):
            return string(value)
        return string(moved(value, os.path.dirname(place.path), self.out))

    # --- what has a form of its own -----------------------------------------------------------------------------------

    def _via(self, form: str, place: Place, prefix: str) -> "str | list[Line] | None":
        value = plain(place)
        if form == "component":
            return self._path("component", value, place)
        if form == "compute" or (form in ("environment", "model") and isinstance(value, str)):
            return string(value) if isinstance(value, str) else None
        if not place.is_mapping:
            return None
        if form == "environment":
            fields = _Fields(place)
            call = self._environment_call(fields, _NAMED)
            if call is not None and not fields.left():
                return call
            return self._body(_Fields(place), {row.word: row for row in ENVIRONMENT}, prefix)
        if form == "model":
            if set(value) == {"type", "path"} and value["type"] in ("mlflow_model", "custom_model", "triton_model"):
                path = self._path("data", value["path"], place)
                return f"{value['type']}({path})" if path is not None else None
            return self._body(_Fields(place), {row.word: row for row in MODEL}, prefix)
        if form == "identity":
            return _identity(value)
        return _source(value)

    def _environment_call(self, fields: _Fields, named: tuple[str, ...] = ()) -> str | None:
        """`image("…", conda = "…")` or `build("…")`, with what ``named`` lists; None where it is neither or both."""
        context = fields.find(("build", "path"))
        if (fields.find(("image",)) is None) == (context is None):
            return None
        table = _BUILD if context is not None else _IMAGE
        arguments: list[str] = []
        for name, (path, sort) in {**table, **{word: ((word,), "") for word in named}}.items():
            field = fields.find(path)
            if field is None:
                continue
            value = plain(field.value)
            sayable = isinstance(value, str) or (name == "version" and type(value) is int) or sort == "conda"
            text = self._path(sort, value, field.value) if sort else literal(value)
            if text is None or not sayable:
                if not arguments:
                    return None
                continue  # the block says it, or the escape
            fields.taken.add(path)
            arguments.append(f"{name} = {text}" if arguments else text)
        return f"{next(iter(table))}({', '.join(arguments)})"

    # --- schedules ----------------------------------------------------------------------------------------------------

    def _schedule(self, fields: _Fields) -> list[Line]:
        before: list[Line] = []
        stem = os.path.splitext(os.path.basename(fields.place.path))[0]
        name = _text(fields, "name") or stem
        body: list[Line] = []
        target, more = self._target(fields, before)
        doc = self._doc(fields)
        title = self._name(name)
        said = fields.find(("name",))
        if said is not None:
            fields.take("name")
            if said.value.text != title:
                body.append(Line(f"name = {string(said.value.text)}", said.key.node.start_mark.line))
        body += self._settings(fields, {word: ((word,), VOCABULARY[word]) for word in _OF_SCHEDULES})
        body += [*self._trigger(fields), *more]
        body += self._escape(fields)
        at = said.key.node.start_mark.line if said is not None else -1
        return [*before, Line(f"schedule {title} for {target}", at, body, doc)]

    def _trigger(self, fields: _Fields) -> list[Line]:
        kind = fields.find(("trigger", "type"))
        cron = kind is not None and kind.value.text.lower() == "cron"
        table: dict[str, tuple[str, ...]] = {"cron": ("expression",)}
        if not cron:
            table = {"every": ("frequency",), "interval": ("interval",)}
            table.update((word, ("schedule", azure)) for word, azure in PATTERN.items())
        table |= {word: (azure,) for word, azure in TRIGGER.items()}
        if kind is not None:
            fields.take("trigger", "type")
        interval = fields.find(("trigger", "interval"))
        if interval is not None and plain(interval.value) == 1 and not cron:
            fields.take("trigger", "interval")
        return self._settings(fields, {w: (("trigger", *path), VOCABULARY[w]) for w, path in table.items()})

    def _settings(self, fields: _Fields, table: dict[str, tuple[tuple[str, ...], Any]]) -> list[Line]:
        """A line for each word whose field is there and holds what the word may."""
        found = []
        for word, (path, kind) in table.items():
            field = fields.find(path)
            if field is None:
                continue
            folded = Folded(kind.members) if isinstance(kind, Words) else kind
            made = self._spelled(folded, field.value, "")
            if isinstance(made, str):
                fields.taken.add(path)
                found.append(Line(f"{word} = {made}", field.key.node.start_mark.line))
        return sorted(found, key=lambda line: line.at)

    def _target(self, fields: _Fields, before: list[Line]) -> tuple[str, list[Line]]:
        """What is scheduled, declared in ``before``; and what the schedule says of it."""
        for name, wanted in _STARTED.items():
            field = fields.take(name)
            if field is None:
                continue
            at = field.key.node.start_mark.line
            if field.value.is_scalar:
                before.append(self._use_of(field.value, wanted, at))
                return self.title, []
            if name == "import_data":
                inner = _Fields(field.value)
                before.append(self._resource("data", inner))
                before[-1].at = at
                return self.title, []
            return self._job(_Fields(field.value), before)
        monitor = fields.take("create_monitor")
        if monitor is not None:
            title = self._name("monitor")
            body = self._body(_Fields(monitor.value), {row.word: row for row in MONITOR}, "create_monitor.")
            before.append(Line(f"asset {title} = monitor()", monitor.key.node.start_mark.line, body))
            return title, []
        return "job", []

    def _use_of(self, place: Place, wanted: str, at: int) -> Line:
        text = place.text.removeprefix("file:")
        local = is_local(text)
        path = os.path.normpath(os.path.join(os.path.dirname(place.path), text)) if local else text
        stem = os.path.splitext(os.path.basename(path))[0] if local else text.removeprefix("azureml:").split(":")[0]
        return self._use(path, stem or wanted, at)

    def _job(self, inner: _Fields, before: list[Line]) -> tuple[str, list[Line]]:
        kind, reference = inner.take("type"), inner.take("job")
        more: list[Line] = []
        if reference is not None:
            before.append(self._use_of(reference.value, "job", reference.key.node.start_mark.line))
            if not is_local(reference.value.text) and kind is not None and kind.value.text != "pipeline":
                before[-1].body = [Line(f"kind = {kind.value.text}")]
        target = self.title
        job: dict[str, tuple[tuple[str, ...], Any]] = {
            w: (("experiment_name" if w == "experiment" else w,), kind) for w, kind in JOB.items()
        }
        settings: dict[str, tuple[tuple[str, ...], Any]] = {r.word: (r.path, r.type) for r in SETTINGS}
        for name, table in (("job", job), ("settings", settings)):
            said = self._settings(inner, table)
            if said:
                more.append(Line(name, -1, said))
        inputs = inner.find(("inputs",))
        if inputs is not None and inputs.value.fields():
            inner.take("inputs")
            more.append(Line("inputs", inputs.key.node.start_mark.line, _free(inputs.value)))
        left = self._escape(inner, "create_job.")
        if left and left[0].body is not None:
            left[0].body = [Line("create_job", -1, left[0].body)]
        return target, [*more, *left]


def _snake(text: str) -> str:
    """`AMLToken` as Azure ML takes it, `aml_token`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()


def _free(place: Place) -> list[Line]:
    """A block of literals under Azure ML's own names."""
    found = []
    for name, field in place.fields().items():
        at = field.key.node.start_mark.line
        if field.value.is_mapping and field.value.fields():
            found.append(Line(key(name), at, _free(field.value)))
        else:
            found.append(Line(f"{key(name)} = {literal(plain(field.value))}", at))
    return found


def _identity(value: dict[str, Any]) -> str | None:
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
    arguments = [f"{name} = {literal(given[name])}" for name in IDENTITY_FIELDS if name in given]
    return f"managed({', '.join(arguments)})" if arguments else "managed"


def _source(value: dict[str, Any]) -> str | None:
    signature = IMPORT_SOURCES.get(str(value.get("type")))
    if signature is None or set(value) - {"type", *(field for _, field in signature)}:
        return None
    given = [(a, value[field]) for a, field in signature if field in value]
    if {a.name for a, _ in signature if a.required} - {a.name for a, _ in given}:
        return None
    if any(isinstance(a.type, Scalar | ListType) and misfit(v, literal_kind(v), a.type) for a, v in given):
        return None
    return f"{value['type']}({', '.join(f'{a.name} = {literal(v)}' for a, v in given)})"


def _text(fields: _Fields, name: str) -> str:
    field = fields.find((name,))
    return field.value.text if field is not None else ""
