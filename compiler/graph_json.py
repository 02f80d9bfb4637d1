"""From a Graph to JSON under schemas/graph.schema.json and back; fields at their defaults are left out.

With ``root``, paths become relative to that folder, and those of bundled components start with `mlp:`, so that the same
program gives the same bytes wherever it lies.
"""

import os
from typing import Any

from mlp_lang.compiler import graph as g
from mlp_lang.compiler.catalog import ROOT
from mlp_lang.dsl.source import Source, Span

BINDINGS: dict[str, type] = {
    "literal": g.Literal,
    "asset": g.Asset,
    "input": g.FromInput,
    "node": g.FromNode,
    "template": g.Template,
}
_KINDS = {cls: kind for kind, cls in BINDINGS.items()}
# fields that hold parts of the Graph: one part, many, a binding, named bindings, or the pieces of a template
ONE: dict[type, dict[str, type]] = {
    g.Node: {
        "component": g.Component,
        "run": g.Run,
        "deployment": g.Deployment,
        "environment": g.Environment,
        "control": g.Control,
    },
    g.Component: {"environment": g.Environment, "graph": g.Graph},
    g.Deployment: {"environment": g.Environment},
    g.PipelineInput: {"parameter": g.Parameter},
    g.PipelineOutput: {"source": g.FromNode},
    g.Graph: {"privacy": g.Privacy, "component": g.Component},
}
MANY: dict[type, dict[str, type]] = {
    g.Graph: {
        "inputs": g.PipelineInput,
        "outputs": g.PipelineOutput,
        "nodes": g.Node,
        "facts": g.Facts,
        "endpoints": g.Endpoint,
        "schedules": g.Schedule,
    },
    g.Node: {"outputs": g.OutputSetting, "gates": g.Gate},
    g.Component: {"inputs": g.Parameter, "outputs": g.OutputPort},
    g.Privacy: {"budgets": g.PrivacyBudget, "releases": g.Release, "declassified": g.Declassified},
}
BINDING: dict[type, tuple[str, ...]] = {
    g.PipelineInput: ("value",),
    g.Deployment: ("model",),
    g.Control: ("condition", "items"),
}
PATHS: dict[type, tuple[str, ...]] = {
    g.Component: ("folder", "source"),
    g.Environment: ("conda_file", "build_context"),
    g.Deployment: ("scoring_folder",),
    g.Graph: ("sources",),
}


def to_json(graph: g.Graph, root: str | None = None) -> dict[str, Any]:
    """The Graph as plain JSON data."""
    return {"version": 1, **_encode(graph, root)}


def from_json(document: dict[str, Any], root: str | None = None) -> g.Graph:
    """The Graph that `to_json` wrote. Spans know their file and offsets, not the text.

    Raises KeyError, TypeError or ValueError for a document that the schema does not admit."""
    if document.get("version") != 1:
        raise ValueError(f"version 1 of the Graph is understood, found {document.get('version')!r}")
    sources: dict[str, Source] = {}
    graph = _decode(g.Graph, {k: v for k, v in document.items() if k != "version"}, root, sources)
    assert isinstance(graph, g.Graph)
    return graph


def definition_json(definition: g.Definition, root: str | None = None) -> dict[str, Any]:
    """A Definition as plain JSON data, its local paths as ``root`` sees them."""
    found = _encode(definition._replace(paths=(), component=None), root)
    if definition.component is not None:
        found["component"] = _encode(definition.component, root)
    if definition.paths:
        found["paths"] = [_encode(p._replace(path=_shorten(p.path, root) or ""), root) for p in definition.paths]
    for local in definition.paths:
        *above, last = local.where
        at = found["document"]
        for key in above:
            at = at[key]
        at[last] = _shorten(local.path, root)
    return found


def _encode(part: Any, root: str | None) -> dict[str, Any]:
    cls = type(part)
    defaults = cls._field_defaults
    one, many = ONE.get(cls, {}), MANY.get(cls, {})
    paths = PATHS.get(cls, ())
    found: dict[str, Any] = {}
    for field, value in zip(cls._fields, part, strict=True):
        if field in defaults and value == defaults[field] and type(value) is type(defaults[field]):
            continue
        if field == "span":
            found[field] = {"file": _shorten(value.source.path, None), "start": value.start, "end": value.end}
        elif field in one:
            found[field] = _encode(value, root) if value is not None else None
        elif field in many:
            found[field] = [_encode(v, root) for v in value]
        elif cls is g.Node and field == "inputs":
            found[field] = {name: _binding(b, root) for name, b in value}
        elif field in BINDING.get(cls, ()):
            found[field] = _binding(value, root) if value is not None else None
        elif field in paths:
            found[field] = [_shorten(v, root) for v in value] if isinstance(value, tuple) else _shorten(value, root)
        else:
            found[field] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _binding(binding: Any, root: str | None) -> dict[str, Any]:
    found = {"kind": _KINDS[type(binding)], **_encode(binding, root)}
    if isinstance(binding, g.Asset) and binding.local:
        found["path"] = _shorten(binding.path, root)
    elif isinstance(binding, g.Template):
        found["parts"] = [p if isinstance(p, str) else _binding(p, root) for p in binding.parts]
    return found


def _shorten(path: str | None, root: str | None) -> str | None:
    if path is None or root is None:
        return path
    if path.startswith(ROOT):
        return "mlp:components" + path[len(ROOT) :]
    return os.path.relpath(path, root).replace(os.sep, "/") if os.path.isabs(path) else path


def _lengthen(path: Any, root: str | None) -> Any:
    if not isinstance(path, str) or root is None:
        return path
    if path.startswith("mlp:components"):
        return ROOT + path[len("mlp:components") :]
    return os.path.normpath(os.path.join(root, path))


def _decode(cls: Any, document: dict[str, Any], root: str | None, sources: dict[str, Source]) -> Any:
    one, many = ONE.get(cls, {}), MANY.get(cls, {})
    values: dict[str, Any] = {}
    for field, value in document.items():
        if field not in cls._fields:
            raise ValueError(f"a {cls.__name__} has no `{field}`")
        if field == "span":
            file = sources.setdefault(value["file"], Source(value["file"], ""))
            values[field] = Span(file, value["start"], value["end"])
        elif field in one:
            values[field] = _decode(one[field], value, root, sources) if value is not None else None
        elif field in many:
            values[field] = tuple(_decode(many[field], v, root, sources) for v in value)
        elif cls is g.Node and field == "inputs":
            values[field] = tuple((k, _decode_binding(v, root, sources)) for k, v in value.items())
        elif field in BINDING.get(cls, ()):
            values[field] = _decode_binding(value, root, sources) if value is not None else None
        elif field in PATHS.get(cls, ()):
            values[field] = (
                tuple(_lengthen(v, root) for v in value) if isinstance(value, list) else _lengthen(value, root)
            )
        elif (cls is g.Node and field == "private") or (cls is g.Control and field == "mapping"):
            values[field] = {k: tuple(v) for k, v in value.items()}
        elif isinstance(value, list) and not (cls is g.Literal or field == "default"):
            values[field] = tuple(value)
        else:
            values[field] = value
    return cls(**values)


def _decode_binding(document: dict[str, Any], root: str | None, sources: dict[str, Source]) -> Any:
    cls = BINDINGS[document["kind"]]
    rest = {k: v for k, v in document.items() if k != "kind"}
    if cls is g.Template:
        pieces = rest.pop("parts")
        parts = tuple(p if isinstance(p, str) else _decode_binding(p, root, sources) for p in pieces)
        return _decode(cls, rest | {"parts": parts}, root, sources)
    found = _decode(cls, rest, root, sources)
    if isinstance(found, g.Asset) and found.local:
        found = found._replace(path=_lengthen(found.path, root))
    return found
