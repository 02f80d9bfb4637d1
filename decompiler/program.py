"""From what jobs name (components, computes, environments) to the declarations at the top of a program."""

import os
import re
from collections import Counter
from typing import NamedTuple

import yaml
from mlp_lang.compiler.catalog import names
from mlp_lang.decompiler.document import compose
from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.spelling import Binder, is_name, no_binding, quoted, slug, string, value
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.vocabulary import CONTAINERS, WORDS
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source
from mlp_lang.lowering.checker.document import Findings, Place

_REMOTE = re.compile(r"[A-Za-z][\w+.-]+:|/|\\\\|~")
_CLUSTER = re.compile(r"azureml:([A-Za-z0-9][\w.-]*)")
_GENERIC = frozenset(["component", "spec", "entry_spec", "index", "main", "conda", "environment", "env", "run", "dag"])
_FILES = frozenset(["code", "conda_file"])
_HOLDERS = frozenset(["task", "environment", "build"])
"""Fields with paths that stand in `azureml` blocks, and mappings that hold some."""
_BUILD = {"path": "", "dockerfile_path": "dockerfile"}


class Escape(NamedTuple):
    """A field of the YAML that has no word: it stands in an `azureml` block."""

    where: str  # the job, or empty for the pipeline; of what stands beside pipelines, the declaration
    field: str
    line: int
    source: str = ""  # the YAML file, where a program comes from several


class Decompiled(NamedTuple):
    """`text` is the program in canonical form; None where ``diagnostics`` has errors."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]
    escapes: tuple[Escape, ...]
    name: str = ""  # of the pipeline
    definitions: tuple[tuple[str, str], ...] = ()  # beside pipelines: each file, and its kind as `Definition` has it


def canonical(text: str, path: str) -> str:
    """The text as `mlp fmt` prints it. Raises ValueError if it does not parse: then this package is wrong."""
    from mlp_lang.dsl.formatter import format_file
    from mlp_lang.dsl.parser import parse

    tree, problems = parse(Source(path, text))
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors:
        line, _ = errors[0].span.source.position(errors[0].span.start)
        raise ValueError(f"the program made of {path} does not parse: {errors[0].message} (line {line})")
    return format_file(tree)


class Program:
    """What stands above the pipeline, and the names that are taken."""

    def __init__(self, folder: str, target: str, findings: Findings) -> None:
        self.folder = folder  # of the YAML
        self.target = target  # folder of the program
        self.findings = findings
        self.names: set[str] = set()
        self.escapes: list[Escape] = []
        self.warned: set[str] = set()
        self._uses: dict[tuple[str, str], str] = {}  # path and kind -> alias
        self._computes: dict[str, str] = {}  # value -> name
        self._environments: dict[str, str] = {}
        self._environment_counts: Counter[str] = Counter()
        self._interfaces: dict[str, Fields | None] = {}

    def distinct(self, base: str, suffix: str = "") -> str:
        """A name that nothing has yet, now taken."""
        candidates = [base, *([f"{base}_{suffix}"] if suffix else [])]
        number = 2
        name = next((c for c in candidates if c not in self.names), "")
        while not name:
            candidate = f"{base}_{number}"
            name = candidate if candidate not in self.names else ""
            number += 1
        self.names.add(name)
        return name

    def declarations(self) -> list[Statement]:
        found = []
        for (path, kind), alias in self._uses.items():
            block = [Statement(f"kind = {kind if is_name(kind) else quoted(kind)}")] if kind else None
            found.append(Statement(f"use {quoted(path)} as {alias}", body=block, inline=True))
        for keyword, table in (("compute", self._computes), ("environment", self._environments)):
            for number, (spelled, name) in enumerate(table.items()):
                found.append(Statement(f"{keyword} {name} = {spelled}", blank=bool(found) and number == 0))
        return found

    # --- files ----------------------------------------------------------------------------------------------------

    def path(self, text: str) -> str:
        """A path of the YAML as the program writes it, relative to its own folder; addresses stay as they are."""
        local = text.removeprefix("file:") if not text.startswith("file://") else text
        if not local or _REMOTE.match(local) or "${{" in local:
            return text
        if os.path.normpath(self.folder) == os.path.normpath(self.target):
            while local.startswith("./") and local.lstrip("./"):
                local = local[2:].lstrip("/")
            return local if local.strip("./") else os.path.normpath(local)
        slash = "/" if local.endswith("/") else ""
        return os.path.relpath(os.path.join(self.folder, local), self.target).replace(os.sep, "/") + slash

    def interface(self, text: str) -> Fields | None:
        """The fields of a component's file; None for what is registered or cannot be read."""
        local = text.removeprefix("file:")
        if _REMOTE.match(local) or "${{" in local or not local:
            return None
        path = os.path.join(self.folder, local)
        if path not in self._interfaces:
            self._interfaces[path] = self._read(path)
        return self._interfaces[path]

    def _read(self, path: str) -> Fields | None:
        silent = Findings(path)
        try:
            with open(path, "rb") as file:
                source = Source(path, file.read().decode("utf-8"))
        except (OSError, ValueError):
            return None
        document = compose(source, path, silent)
        return Fields(document.root) if document is not None else None

    # --- use ------------------------------------------------------------------------------------------------------

    def use(self, place: Place, kind: str) -> str:
        """The alias of the component that a job names; `kind` is what the job's `type` says."""
        text = place.text
        face = self.interface(text)
        local = text.removeprefix("file:")
        if face is None and not _REMOTE.match(local) and place.text not in self.warned:
            self.warned.add(place.text)
            message = f"cannot read the component `{local}`: its outputs and its kind are not known"
            self.findings.report("MLP0815", message, place, severity=Severity.WARNING)
        path = self.path(text)
        own = "command" if face is None else face.text("type") or "command"
        stated = kind if kind and kind != own else ""
        if (path, stated) not in self._uses:
            self._uses[path, stated] = self._alias(text, face)
        return self._uses[path, stated]

    def _alias(self, text: str, face: Fields | None) -> str:
        found = re.search(r"/components/([^/]+)", text) if text.startswith("azureml://") else None
        if found:
            candidates = [found[1]]
        elif text.startswith("azureml:"):
            candidates = [re.split(r"[:@]", text[len("azureml:") :])[0]]
        else:
            parts = [p for p in text.removeprefix("file:").replace("\\", "/").split("/") if p not in ("", ".", "..")]
            stem = parts.pop().split(".")[0] if parts else ""
            named = face.text("name") if face is not None else ""
            candidates = [named, *([] if slug(stem) in _GENERIC else [stem]), *reversed(parts), stem]
        base = next((slug(c) for c in candidates if slug(c)), "component")
        taken = base in WORDS or any(name.startswith(f"{base}.") for name in names())  # after `using`, that is ours
        return self.distinct(f"{base}_component" if taken else base, "component")

    # --- computes and environments --------------------------------------------------------------------------------

    def compute(self, place: Place, bind: Binder = no_binding) -> str | None:
        """A compute as a value: a declared one where its text allows; None if the YAML says something else."""
        if not place.is_scalar or not isinstance(place.value(), str):
            return None
        text = place.text
        if text == "serverless":
            return self._declared(self._computes, "serverless()", "serverless")
        found = _CLUSTER.fullmatch(text)
        if found and found[1] != "serverless":
            base = slug(found[1])
            short = re.sub(r"_cluster$", "", base)
            name = short if is_name(short) and short not in self.names else base
            return self._declared(self._computes, f"cluster({quoted(found[1])})", name or "compute")
        return string(text, bind)

    def _declared(self, table: dict[str, str], spelled: str, base: str) -> str:
        if spelled not in table:
            table[spelled] = self.distinct(base)
        return table[spelled]

    def count_environment(self, place: Place) -> None:
        """Remember that an environment is used once more, before any is spelled."""
        spelled = self._environment(place)
        if spelled is not None:
            self._environment_counts[spelled] += 1

    def environment(self, place: Place) -> str | None:
        """An environment as a value: declared at the top where several jobs have the same."""
        spelled = self._environment(place)
        if spelled is None or self._environment_counts[spelled] < 2:
            return spelled
        return self._declared(self._environments, spelled, self._environment_name(place))

    def _environment_name(self, place: Place) -> str:
        fields = Fields(place)
        text = place.text
        if place.is_mapping:
            conda = slug(os.path.basename(fields.text("conda_file")).split(".")[0])
            image = re.split(r"[\d:@]", fields.text("image").rsplit("/", 1)[-1])[0]
            candidates = [fields.text("name"), conda if conda not in _GENERIC else "", image, "environment"]
        else:
            found = re.search(r"/environments/([^/]+)", text)
            candidates = [found[1] if found else re.split(r"[:@]", text.removeprefix("azureml:"))[0], "environment"]
        return next(slug(c) for c in candidates if slug(c))

    def _environment(self, place: Place) -> str | None:
        if place.is_scalar:
            text = place.value()
            return quoted(self.path(text) if not text.startswith("azureml:") else text) if _text(text) else None
        if not place.is_mapping:
            return None
        return self._environment_call(Fields(place)) or self._environment_map(Fields(place))

    def _environment_map(self, fields: Fields) -> str | None:
        """An environment of which calls cannot say all: a map under Azure ML's names, its paths from the program."""
        spelled = []
        build = fields.inner("build")
        if "image" not in fields and build is None:
            return None
        for name, field in fields.entries.items():
            found = field.value.value() if field.value.is_scalar else None
            if name == "conda_file" and isinstance(found, str):
                text = quoted(self.path(found))
            elif name == "build" and build is not None:
                inner = [
                    f"{key_of(n)}: {quoted(self.path(f.value.text)) if n == 'path' else value(f.value, no_binding)}"
                    for n, f in build.entries.items()
                ]
                if "path" not in build or build.entries.keys() - _BUILD:
                    return None
                text = "{ " + ", ".join(inner) + " }"
            else:
                text = value(field.value, no_binding)
            spelled.append(f"{key_of(name)}: {text}")
        return "{ " + ", ".join(spelled) + " }"

    def _environment_call(self, fields: Fields) -> str | None:
        arguments = []
        image, build = fields.take("image"), fields.inner("build")
        if (image is None) == (build is None):
            return None
        if image is not None:
            if not _text(image.value.value()):
                return None
            arguments.append(quoted(image.value.text))
            conda = fields.take("conda_file")
            if conda is not None:
                text = conda.value.value()
                spelled = quoted(self.path(text)) if _text(text) else value(conda.value, no_binding)
                arguments.append(f"conda = {spelled}")
        elif build is not None:
            for name, word in _BUILD.items():
                field = build.take(name)
                if field is not None and _text(field.value.value()):
                    spelled = quoted(field.value.text if word else self.path(field.value.text))
                    arguments.append(f"{word} = {spelled}" if word else spelled)
                elif not word or field is not None:
                    return None
            if build.rest():
                return None
            fields.take("build")
        for name in ("name", "version"):
            field = fields.take(name)
            if field is not None:
                arguments.append(f"{name} = {value(field.value, no_binding)}")
        if fields.rest():
            return None
        return f"{'image' if image is not None else 'build'}({', '.join(arguments)})"

    # --- escapes --------------------------------------------------------------------------------------------------

    def escaped(self, fields: Fields, where: str, silent: tuple[str, ...], prefix: str = "") -> Statement | None:
        """The block `azureml` with what is left of a mapping; None if nothing is."""
        for name, field in fields.entries.items():
            empty = is_null(field.value) or (field.value.is_mapping and not field.value.fields())
            if name in CONTAINERS and empty:
                fields.take_name(name)
        whole = set(fields.entries) - {path for path, _ in fields.left()}  # what is left of these is spelled already
        left = [
            (n, f, spelled if n in whole else self._raw(n, f.value) or spelled)
            for n, f, spelled in fields.rest()
            if n not in silent
        ]
        if not left:
            return None
        for path, field in fields.left():
            if path.partition(".")[0] not in silent:
                self.escapes.append(Escape(where, prefix + path, field.key.node.start_mark.line + 1))
        body = [Statement(f"{key_of(n)} = {spelled}", field) for n, field, spelled in left]
        return Statement("azureml", body=body, inline=True)

    def _raw(self, name: str, place: Place) -> str:
        """A field as Azure ML has it, with local files and folders as the program sees them; empty for all others."""
        found = place.value() if place.is_scalar else None
        if name in _FILES and isinstance(found, str):
            return quoted(self.seen(found))
        if name not in _HOLDERS or not place.is_mapping:
            return ""
        inner = []
        for key, field in place.fields().items():
            at = "code" if name == "build" and key == "path" else key
            inner.append(f"{key_of(key)}: {self._raw(at, field.value) or value(field.value, no_binding)}")
        return "{ " + ", ".join(inner) + " }"

    def seen(self, text: str) -> str:
        """A path of the YAML as the program writes it, if it leads somewhere; else it may be no path at all."""
        there = os.path.exists(os.path.join(self.folder, text.removeprefix("file:")))
        return self.path(text) if there or text.startswith(".") else text


def key_of(name: str) -> str:
    return name if is_name(name) else quoted(name)


def _text(found: object) -> bool:
    return isinstance(found, str) and bool(found)


def is_null(place: Place) -> bool:
    return isinstance(place.node, yaml.ScalarNode) and place.value() is None
