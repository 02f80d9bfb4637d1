"""From Azure ML definitions in YAML (environments, assets, endpoints, deployments, schedules) to the program that says
the same: one file's definition, or several together in one program."""

import os
from collections.abc import Sequence

from mlp_lang.compiler.definition_words import SCHEMAS
from mlp_lang.decompiler.definition_reader import Reader
from mlp_lang.decompiler.document import Document, load
from mlp_lang.decompiler.program import Decompiled, canonical
from mlp_lang.decompiler.statements import Statement, attach
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.dsl.source import Span
from mlp_lang.lowering.checker.document import Findings, Place

_BY_SCHEMA = {schema.lower(): kind for kind, schema in SCHEMAS.items()}
_ASSETS = {
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), "data"),
    **dict.fromkeys(("mlflow_model", "custom_model", "triton_model"), "model"),
}
_ENDPOINTS = ("online", "kubernetes endpoint", "batch endpoint")
_ONLINE = ("instance_type", "instance_count", "request_settings", "liveness_probe", "scale_settings")


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


def decompile_definitions(paths: Sequence[str], target: str | None = None) -> Decompiled:
    """One program for the definitions in some YAML files. Files that define nothing are diagnostics.

    ``target`` is where the program is to be written, beside the first file unless told otherwise."""
    findings = Findings(paths[0])
    documents = [load(path, findings) for path in paths]
    return definitions_of([d for d in documents if d is not None], findings, target or paths[0])


def definitions_of(documents: Sequence[Document], findings: Findings, target: str) -> Decompiled:
    """One program for definitions that were read."""
    kinds = [(document, kind_of(document.root)) for document in documents]
    for document, kind in kinds:
        if kind is None:
            shown = document.root.source.path
            message = f"`{shown}` is no definition that a program could say"
            findings.report("MLP0810", message, Span(document.root.source, 0, 0))
    if any(d.severity is Severity.ERROR for d in findings.diagnostics):
        return Decompiled(None, tuple(findings.diagnostics), ())
    reader = Reader(os.path.dirname(os.path.abspath(target)), findings)
    roots = [(document, kind) for document, kind in kinds if kind is not None]
    made: dict[int, list[Statement]] = {}
    # a deployment names an endpoint that is declared: so those are read first, and all stand in the order of the files
    for document, kind in sorted(roots, key=lambda pair: pair[1] not in _ENDPOINTS):
        made[id(document)] = reader.definition(document.root, kind)
    parts: list[str] = []
    for document, _ in roots:
        whole = Statement("", body=made[id(document)])
        attach(whole, list(document.comments), document.content)
        parts += ["\n".join(statement.render()) for statement in made[id(document)]]
        parts += ["\n".join(whole.closing)] if whole.closing else []
    text = canonical("\n\n".join(parts) + "\n", documents[0].root.source.path)
    defined = tuple((document.root.source.path, kind) for document, kind in roots)
    escapes = sorted(reader.escapes, key=lambda escape: (escape.source, escape.line))
    return Decompiled(text, tuple(findings.diagnostics), tuple(escapes), definitions=defined)
