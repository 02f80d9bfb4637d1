"""From Azure ML definitions in YAML (environments, assets, endpoints, deployments, schedules) to the program that says
the same: one file's definition, or several together in one program."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from mlp_lang.compiler.definition_words import SCHEMAS
from mlp_lang.decompiler.definition_lines import Line, attach
from mlp_lang.decompiler.definition_reader import Declared, Reader
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source, Span, display_path
from mlp_lang.lowering.checker.document import Findings, Place

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BY_SCHEMA = {schema.lower(): kind for kind, schema in SCHEMAS.items()}
_ASSETS = {
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), "data"),
    **dict.fromkeys(("mlflow_model", "custom_model", "triton_model"), "model"),
}
_LARGE = 200_000  # nodes, each as often as aliases repeat it
_DEEP = 32
_ONLINE = ("instance_type", "instance_count", "request_settings", "liveness_probe", "scale_settings")


class Escape(NamedTuple):
    """A field that stands in an `azureml` block: the declaration, its path there, and its line in the YAML."""

    where: str
    field: str
    line: int


class DecompiledDefinitions(NamedTuple):
    """`text` is the program in canonical form; None where ``diagnostics`` has errors. `kinds` are Definition's, one for
    each file that was read."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]
    escapes: tuple[Escape, ...]
    kinds: tuple[str, ...] = ()


def kind_of(root: Place) -> str | None:
    """What a YAML document defines, as `Definition.kind` calls it, or None for a job and for what is no definition."""
    fields = root.fields()
    texts = {name: field.value.text for name, field in fields.items()}
    schema = texts.get("$schema", "").rsplit("/", 1)[-1].partition(".")[0].lower()
    if schema.endswith("component"):
        return "component"
    if schema == "dataimport":
        return "data"
    found = _BY_SCHEMA.get(schema) or (None if schema else _by_shape(fields.keys(), texts))
    if found == "flat" and texts.get("type") in ("model", "pipeline"):
        return "batch" if texts["type"] == "model" else "pipeline"
    if found == "batch" and texts.get("type") != "model":
        return "flat"
    return found


def _by_shape(names: "frozenset[str] | set[str] | object", texts: dict[str, str]) -> str | None:
    """The kind of a document that names no schema."""
    if "trigger" in texts:
        return "schedule"
    if "endpoint_name" in texts or "code_configuration" in texts or "instance_type" in texts:
        kind = texts.get("type", "").lower()
        if kind in ("model", "pipeline", "kubernetes"):
            return "batch" if kind == "model" else kind
        return "managed" if any(word in texts for word in _ONLINE) else "flat"
    if "auth_mode" in texts:
        return "kubernetes endpoint" if "compute" in texts else "batch endpoint" if "defaults" in texts else "online"
    if "image" in texts or "conda_file" in texts or "build" in texts:
        return "environment" if "jobs" not in texts and "command" not in texts else None
    return _ASSETS.get(texts.get("type", "")) if "path" in texts else None


def decompile_definition(path: str, target: str | None = None) -> DecompiledDefinitions:
    """The program for one YAML file; ``target`` is where it is to be written, beside the YAML unless told otherwise."""
    return decompile_definitions([path], target)


def decompile_definitions(paths: Sequence[str], target: str | None = None) -> DecompiledDefinitions:
    """One program for the definitions in some YAML files. Files that define nothing are diagnostics."""
    diagnostics: list[Diagnostic] = []
    roots: list[tuple[Place, str]] = []
    for path in paths:
        root = _read(path, diagnostics)
        kind = kind_of(root) if root is not None else None
        if root is not None and kind is not None:
            roots.append((root, kind))
        elif root is not None:
            findings = Findings(path)
            findings.report(
                "MLP0810", f"`{root.source.path}` is no definition that a program could say", Span(root.source, 0, 0)
            )
            diagnostics += findings.diagnostics
    if any(d.severity is Severity.ERROR for d in diagnostics):
        return DecompiledDefinitions(None, tuple(diagnostics), ())
    out = os.path.dirname(os.path.abspath(target or paths[0]))
    endpoints = [pair for pair in roots if pair[1] == "online" or pair[1].endswith("endpoint")]
    reader = Reader(out)
    escapes: list[Escape] = []
    parts: list[str] = []
    made: dict[int, Declared] = {}
    for root, kind in [*endpoints, *(p for p in roots if p not in endpoints)]:
        made[id(root)] = reader.definition(root, kind)
    for root, _ in roots:
        declared = made[id(root)]
        lines: list[Line] = declared.lines
        left = attach(lines, root)
        parts += ["\n".join(text for line in [one] for text in line.render()) for one in lines]
        parts += ["\n".join(left)] if left else []
        escapes += [Escape(where, field, at + 1) for where, field, at in declared.escapes]
    text = canonical("\n\n".join(parts) + "\n", display_path(Path(paths[0])))
    return DecompiledDefinitions(text, tuple(diagnostics), tuple(escapes), tuple(kind for _, kind in roots))


def definitions_below(folder: str) -> list[str]:
    """YAML files below a folder that define something beside a job, sorted. Hidden folders are not looked into."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "__pycache__"))
        for name in sorted(files):
            path = os.path.normpath(os.path.join(here, name))
            if name.endswith((".yml", ".yaml")):
                root = _read(path, [])
                if root is not None and kind_of(root) is not None:
                    found.append(path)
    return found


def _read(path: str, diagnostics: list[Diagnostic]) -> Place | None:
    """The root of a YAML file, or None with what is wrong in ``diagnostics``."""
    shown = display_path(Path(path))
    findings = Findings(path)
    try:
        with open(path, "rb") as file:
            source = Source(shown, file.read().decode("utf-8-sig"))
        node = yaml.compose(source.text, Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        code = "MLP0815" if isinstance(error, OSError | ValueError) else "MLP0810"
        reason = getattr(error, "strerror", None) or getattr(error, "problem", None) or "unreadable"
        findings.report(code, f"cannot read `{shown}`: {reason}", Span(Source(shown, ""), 0, 0))
        diagnostics += findings.diagnostics
        return None
    problem = _problem(node) if isinstance(node, yaml.MappingNode) else "is no mapping"
    if node is None or problem:
        findings.report("MLP0810", f"`{shown}` {problem}", Span(source, 0, 0))
        diagnostics += findings.diagnostics
        return None
    return Place(os.path.abspath(path), source, node)


def _problem(root: yaml.Node) -> str:
    """What keeps a document from being read: keys that are no text, aliases that unfold without end."""
    waiting: list[tuple[yaml.Node, int]] = [(root, 0)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > _LARGE or depth > _DEEP:
            return "is too large" if seen > _LARGE else "is nested too deeply"
        if isinstance(node, yaml.MappingNode):
            if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
                return "has a key that is no text"
            names = [key.value for key, _ in node.value]
            if len(set(names)) < len(names):
                return f"says `{next(n for n in names if names.count(n) > 1)}` twice"
            waiting += [(value, depth + 1) for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(item, depth + 1) for item in node.value]
    return ""


def canonical(text: str, path: str) -> str:
    """The text as `mlp fmt` prints it. Raises ValueError if it does not parse: then this package is wrong."""
    from mlp_lang.dsl.formatter import format_file
    from mlp_lang.dsl.parser import parse

    tree, problems = parse(Source(path, text))
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if errors:
        line, _ = errors[0].span.source.position(errors[0].span.start)
        raise ValueError(f"the program made of {path} does not parse: {errors[0].message} (line {line})\n{text}")
    return format_file(tree)
