"""From what a file defines beside its pipelines to files: each definition's YAML, and copies of what travels with it.

Code, conda files and build contexts are copied beside the definition that names them; data, models and the files of
jobs are referred to where they lie, by a path from the folder that is written.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlp_lang import __version__
from mlp_lang.compiler.definition_words import SCHEMAS
from mlp_lang.compiler.graph import Definition, LocalPath
from mlp_lang.compiler.vocabulary import put
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.build import Build, BuildError
from mlp_lang.lowering.components import Components
from mlp_lang.lowering.deployments import folder_of_endpoint
from mlp_lang.lowering.emit import emit
from mlp_lang.lowering.files import collect
from mlp_lang.lowering.lock import LOCK_NAME, digest, lock_text
from mlp_lang.lowering.provenance import Provenance

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_PLACES = {
    "environment": "environments/{title}/environment.yml",
    "data": "assets/{title}.yml",
    "model": "assets/{title}.yml",
    "online": "endpoints/{title}.yml",
    "kubernetes endpoint": "endpoints/{title}.yml",
    "batch endpoint": "endpoints/{title}.yml",
    "schedule": "schedules/{title}.yml",
}
_DEPLOYMENT = "deployments/{endpoint}/{title}/deployment.yml"
NO_ENDPOINT = "any"
"""Folder of the deployments that name no endpoint: it is named when they are created."""


class PlacedDefinition(NamedTuple):
    """One definition as a file. `referred` are the paths that depend on where the build lies."""

    path: str
    document: dict[str, Any]
    referred: tuple[LocalPath, ...]
    header: str

    def text(self, target: str) -> str:
        """The YAML in a build at `target`."""
        document = _copied(self.document)
        home = os.path.join(target, os.path.dirname(self.path))
        for one in self.referred:
            put(document, one.where, relative(one.path, home))
        return emit(document, self.header)


def relative(path: str, home: str) -> str:
    """A local path as a file in the folder `home` says it; links on the way to it are followed, not the last one."""
    full = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    found = os.path.relpath(full, home).replace(os.sep, "/")
    return found if found.startswith("../") else f"./{found}"


def path_of(definition: Definition) -> str:
    """Where a definition lies in a build."""
    place = _PLACES.get(definition.kind, _DEPLOYMENT)
    endpoint = folder_of_endpoint(definition.endpoint or NO_ENDPOINT)
    return place.format(title=definition.title, endpoint=endpoint)


def place_definitions(
    definitions: Sequence[Definition], components: Components, provenance: Provenance, diagnostics: list[Diagnostic]
) -> list[PlacedDefinition]:
    """The files of definitions; what they copy goes with the components' copies, what is unreadable to diagnostics."""
    placed = []
    for definition in definitions:
        if definition.component is not None:
            components.place(definition.component, (), False, definition.span)
            continue
        path = path_of(definition)
        schema = SCHEMAS[definition.kind]
        if definition.kind == "data" and "source" in definition.document:
            schema = "dataImport"
        document = {"$schema": SCHEMA.format(schema), **_copied(definition.document)}
        referred = []
        for local in definition.paths:
            if local.sort in _TRAVELS:
                copies = _files(local, definition, provenance, diagnostics)
                name = _TRAVELS[local.sort]
                home = os.path.dirname(path)
                components.copies.update({f"{home}/{name}{inner}": source for inner, source in copies.items()})
                put(document, local.where, f"./{name}")
            else:
                referred.append(local)
        placed.append(PlacedDefinition(path, document, tuple(referred), provenance.header([definition.span])))
    return placed


_TRAVELS = {"code": "code", "conda": "conda.yaml", "context": "context"}


def _files(
    local: LocalPath, definition: Definition, provenance: Provenance, diagnostics: list[Diagnostic]
) -> dict[str, str]:
    """What is copied for a path: the end of each place, and the file."""
    try:
        if local.sort == "conda":
            return {"": local.path}
        return {f"/{name}": source for name, source in collect(local.path).items()}
    except OSError:
        span = definition.span or Span(Source("", ""), 0, 0)
        shown = provenance.path(local.path)
        diagnostics.append(Diagnostic("MLP0803", f"cannot read `{shown}`, which `{definition.title}` needs", span))
        return {}


def lower_definitions(definitions: Sequence[Definition], path: str, profile: str | None = None) -> Build:
    """The build of a file that defines more than pipelines, named after the file. Writes nothing."""
    root = os.path.dirname(os.path.abspath(path))
    provenance = Provenance(root)
    components = Components(provenance, frozenset())
    diagnostics: list[Diagnostic] = []
    placed = place_definitions(definitions, components, provenance, diagnostics)
    sources = {os.path.abspath(path), *(os.path.abspath(d.span.source.path) for d in definitions if d.span is not None)}

    def render(target: str) -> dict[str, bytes]:
        files = {p: text.encode() for p, text in components.files().items()}
        files |= {p.path: p.text(target).encode() for p in placed}
        read = {}
        try:
            for inner, source in components.copies.items():
                with open(source, "rb") as file:
                    files[inner] = file.read()
            for source in sorted(sources):
                with open(source, "rb") as file:
                    read[provenance.path(source)] = digest(file.read())
        except OSError as error:
            raise BuildError(f"cannot read `{error.filename}`: {error.strerror}") from error
        lock = lock_text(
            {
                "mlp": __version__,
                "definitions": definition_name(path),
                "profile": profile,
                "sources": read,
                "components": dict(sorted(components.lock.items())),
                "environments": dict(sorted(components.environments.items())),
                "files": {p: digest(files[p]) for p in sorted(files)},
            }
        )
        return dict(sorted({**files, LOCK_NAME: lock.encode()}.items()))

    found = (*diagnostics, *components.diagnostics)
    return Build(definition_name(path), os.path.join(root, "build"), components.copies, found, render)


def definition_name(path: str) -> str:
    """The folder of a file's definitions: the stem of its name."""
    return os.path.splitext(os.path.basename(path))[0].lower()


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return value
