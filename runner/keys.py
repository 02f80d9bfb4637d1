"""From a step whose inputs are there to its key: what decides the result, part by part, and what of it has changed."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Asset, FromInput, FromNode, Graph, Node
from mlp_lang.runner import automl, code, distribution, parallel, serving, spark
from mlp_lang.runner.bindings import Given
from mlp_lang.runner.content import Memory, digest_text
from mlp_lang.runner.environment import NEEDED, environment_of, requirements
from mlp_lang.runner.expand import releases
from mlp_lang.runner.rooms import Rooms
from mlp_lang.runner.store import FORMAT

KINDS = {"spark": spark.counted, "automl": automl.counted}
"""What of a job that is no command decides its result, beside its code and what it reads."""
SHORT = 16
"""Hexadecimal digits of a part's digest: enough to tell whether it is the same."""


class Key(NamedTuple):
    """`text` is the key; `parts` says what each thing that counts was; `read` are the data that the step reads."""

    text: str
    parts: dict[str, str]
    read: tuple[dict[str, str], ...]


class Known(NamedTuple):
    """What is known before a step's key can be: digests of files, and of what this run has made; versions installed."""

    graph: Graph
    memory: Memory
    made: Mapping[str, str]  # path that this run made -> digest of its content
    versions: Mapping[str, str]
    rooms: "Rooms | None" = None  # where steps run that this interpreter does not

    def digest(self, path: str) -> str:
        found = self.made.get(path)
        return found if found is not None else self.memory.tree(path)


def key_of(node: Node, given: list[Given], check: "serving.Check | None", known: Known) -> Key:
    """The key: definition, code, environment, parameters, and the content of everything read. Raises OSError."""
    c = node.component
    environment = environment_of(node)
    room = known.rooms.of(node) if known.rooms is not None else None
    versions = known.versions if room is None else room.versions
    wanted = sorted({r.name for r in requirements(environment)})
    document: dict[str, Any] = {
        "format": FORMAT,
        "python": list(sys.version_info[:2] if room is None else room.python),
        "environment": [environment.reference, environment.image, environment.conda, environment.dockerfile],
        "installed": {name: versions.get(name) for name in wanted},
        "outputs": [[p.name, p.azure_type] for p in c.outputs],
        "variables": node.run.environment_variables,
    }
    read: list[dict[str, str]] = []
    if releases(node, known.graph):
        document["release"] = node.name  # two releases in one program are two draws, even if nothing else differs
    if check is not None:
        document["check"] = [serving.FORMAT, check.endpoint, check.deployment, check.variables]
        paths = {name: getattr(check, name) for name in ("model", "scoring", "table", "facts")}
        read += [{"name": name, "source": "", "digest": known.digest(path)} for name, path in paths.items() if path]
        document["read"] = [r["digest"] for r in read]
    else:
        document["command"] = c.command
        document["code"] = code.digest(c, known.memory)
        document["distribution"] = distribution.counted(node)
        if node.kind == "parallel":
            document["parallel"] = parallel.counted(node)
        elif node.kind == "sweep":
            document["search"] = node.search
        elif node.kind in KINDS:
            document["settings"] = KINDS[node.kind](node, known.graph)
            document["installed"].update((name, known.versions.get(name)) for name in NEEDED[node.kind])
        inputs: list[list[Any]] = []
        document["inputs"] = inputs
        bound = dict(node.inputs)
        for g in given:
            if g.path is None:
                inputs.append([g.name, g.identity])
                continue
            digest = known.digest(g.path)
            inputs.append([g.name, digest if g.path in known.made else [digest, _file_name(g.path)]])
            read.append({"name": g.name, "source": _source(bound.get(g.name), known.graph), "digest": digest})
    text = digest_text(json.dumps(document, sort_keys=True, ensure_ascii=False, default=str))
    return Key(text, _parts(document), tuple(read))


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between the parts of two keys, in words."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        kind, _, what = name.partition(":")
        if kind == "package":
            found.append(f"{what} {before or 'not installed'} → {after or 'not installed'}")
        elif kind == "input":
            found.append(f"input `{what}`")
        else:
            found.append(_WORDS.get(kind, kind))
    return found


_WORDS = {
    "format": "mlp's format of results",
    "python": "the version of Python",
    "environment": "the environment",
    "outputs": "the component's outputs",
    "variables": "environment variables",
    "release": "the privacy accounting",
    "check": "the deployment",
    "read": "the model, its scoring code or the rows it is tried with",
    "command": "the command",
    "code": "the code",
    "distribution": "the distribution",
    "settings": "the job's settings",
    "parallel": "how the parallel job splits its data and what it does with a batch",
    "search": "the search",
}


def _parts(document: Mapping[str, Any]) -> dict[str, str]:
    parts = {}
    for name, value in document.items():
        if name == "installed":
            parts.update({f"package:{package}": version or "" for package, version in value.items()})
        elif name == "inputs":
            parts.update({f"input:{key}": _short(content) for key, content in value})
        else:
            parts[name] = _short(value)
    return parts


def _short(value: Any) -> str:
    return digest_text(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str))[:SHORT]


def _source(binding: object, graph: Graph) -> str:
    """Where an input's data comes from: `split.train`, the name of a `data`, or a path."""
    match binding:
        case FromNode(node=node, port=port):
            return f"{node}.{port}"
        case FromInput(name=name):
            facts = next((i.facts for i in graph.inputs if i.parameter.name == name), None)
            return f"facts of {facts}" if facts is not None else name
        case Asset(path=path):
            return path
        case _:
            return ""


def _file_name(path: str) -> str:
    """The name of a user's file, by which a script may tell its format; a folder's says nothing."""
    return "" if os.path.isdir(path) else os.path.basename(path)
