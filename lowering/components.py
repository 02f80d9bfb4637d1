"""From the components that nodes use to `components/<name>/`: component.yml, code, environment, each distinct one once.

Two nodes share a definition if what would be written is the same. Code lies in `components/<name>/code`, apart from
component.yml, because the digest by which Azure ML reuses a step's results covers the code folder: a comment in the
definition must not change it. Components over the same code share the first one's folder.
"""

import os
import re
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Component, Environment, OutputPort, Parameter, Value
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.emit import emit
from mlp_lang.lowering.files import collect
from mlp_lang.lowering.lock import digest, tree_digest
from mlp_lang.lowering.provenance import Provenance
from mlp_lang.lowering.values import json_text, yaml_value

SCHEMA = "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json"
PRIMITIVES = frozenset(["number", "integer", "boolean", "string"])
LONGEST = 120
"""Letters of a component's folder; names that differ only after these are told apart by a number."""
DONE = "done"
"""Output that an emitted copy gets if the component has none and another stage comes `after` it."""


class After(NamedTuple):
    """An edge without data, as the input that carries it."""

    input: str
    azure_type: str


class Placed(NamedTuple):
    """Where a component went: what a job says after `component:`."""

    reference: str
    uses: "list[Span | None] | None"


class Components:
    """Gathers definitions, code and includes while the nodes are walked, in the nodes' order."""

    def __init__(self, provenance: Provenance, reserved: frozenset[str]) -> None:
        """`reserved` are the names of shared folders, lower case: scripts import those by name, so they go first."""
        self.provenance = provenance
        self.copies: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.lock: dict[str, dict[str, str]] = {}
        self.environments: dict[str, str] = {}
        self.registered: dict[str, str] = {}
        self.diagnostics: list[Diagnostic] = []
        self._names = set(reserved)
        self._reserved = reserved
        self._by_identity: dict[tuple[int, tuple[After, ...], bool], tuple[Component, Placed]] = {}
        self._by_text: dict[str, Placed] = {}
        self._bodies: list[tuple[str, str, Placed]] = []
        self._code: dict[str, str] = {}
        self._includes: dict[str, str] = {}
        self._digests: dict[tuple[str, tuple[str, ...]], str] = {}

    def place(self, component: Component, after: tuple[After, ...], done: bool, span: Span | None) -> str:
        """The reference of a component with these extra inputs (and output `done`); `span` is the node that uses it."""
        key = (id(component), after, done)
        known = self._by_identity.get(key)
        if known is None:
            known = (component, self._new(component, after, done))
            self._by_identity[key] = known
        placed = known[1]
        if placed.uses is not None:
            placed.uses.append(span)
        return placed.reference

    def files(self) -> dict[str, str]:
        """Texts of all definitions, each with the header that names its uses."""
        result = dict(self.texts)
        for path, body, placed in self._bodies:
            header = self.provenance.header(placed.uses or ())
            result[path] = "".join(f"# {line}\n" for line in header.split("\n")) + body
        return result

    def _new(self, component: Component, after: tuple[After, ...], done: bool) -> Placed:
        if component.kind == "registered":
            reference = component.reference or component.azure_name
            interface: list[Value] = [[p.name, p.azure_type, p.optional] for p in component.inputs]
            interface += [[p.name, p.azure_type] for p in component.outputs]
            self.registered[reference] = digest(json_text(interface).encode())
            return Placed(reference, None)
        probe = emit(self._document(component, after, done, component.azure_name, probing=True))
        known = self._by_text.get(probe)
        if known is not None:
            return known
        # Said by what it waits for, not by a number, so that a stage more in the program renames no other component.
        variant = "".join(f"_{edge.input}" for edge in after) + (f"_{DONE}" if done else "")
        name = self._name((component.azure_name + variant)[:LONGEST])
        placed = Placed(f"./components/{name}/component.yml", [])
        self._by_text[probe] = placed
        document = self._document(component, after, done, name)
        self._bodies.append((f"components/{name}/component.yml", emit(document), placed))
        self.lock[name] = self._origin(component)
        return placed

    def _name(self, wanted: str) -> str:
        """A folder name that is free whatever the case of the file system, and leads nowhere else."""
        name = wanted = re.sub(r"[^A-Za-z0-9_]", "_", wanted) or "component"
        number = 1
        while name.lower() in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name.lower())
        return name

    def _document(
        self, component: Component, after: tuple[After, ...], done: bool, name: str, probing: bool = False
    ) -> dict[str, Any]:
        """The definition; while `probing` nothing is copied and paths are the sources' own: equal ones are the same."""
        document: dict[str, Any] = {"$schema": SCHEMA, "type": "command", "name": name, "version": component.version}
        if component.display_name:
            document["display_name"] = component.display_name
        if component.description:
            document["description"] = component.description
        document["is_deterministic"] = component.deterministic
        inputs = {p.name: parameter_document(p) for p in component.inputs}
        for edge in after:
            inputs[edge.input] = {
                "type": edge.azure_type,
                "optional": True,
                "mode": "direct",
                "description": "Order alone: this step starts when that output is there. Nothing reads it.",
            }
        if inputs:
            document["inputs"] = inputs
        outputs = {p.name: _port_document(p) for p in component.outputs}
        if done:
            outputs[DONE] = {"type": "uri_folder", "description": "Order alone: other steps start after this one."}
        if outputs:
            document["outputs"] = outputs
        if component.code is not None:
            source = f"{component.folder}\n{component.code}"
            document["code"] = source if probing else self._place_code(component, name)
        if component.includes:
            document["additional_includes"] = (
                list(component.includes) if probing else [self._place_include(component, x) for x in component.includes]
            )
        document["command"] = component.command
        document["environment"] = (
            list(component.environment[:-1])
            if probing
            else self.place_environment(component.environment, f"components/{name}", component.source)
        )
        for key, value in component.extra.items():
            document.setdefault(key, value)
        return document

    def _place_code(self, component: Component, name: str) -> str:
        code = component.code or "."
        if "://" in code or code.startswith(("azureml:", "git+")):
            return code
        folder = os.path.realpath(os.path.join(component.folder, code))
        if os.path.isfile(folder):
            owner = self._code.setdefault(folder, name)
            self.copies[f"components/{owner}/code/{os.path.basename(folder)}"] = folder
            return f"{'.' if owner == name else '../' + owner}/code/{os.path.basename(folder)}"
        owner = self._code.get(folder, "")
        if not owner:
            owner = self._code[folder] = name
            for path, source in self._collect(folder, self._definitions(component, folder), component.source).items():
                self.copies[f"components/{name}/code/{path}"] = source
        return "./code" if owner == name else f"../{owner}/code"

    @staticmethod
    def _definitions(component: Component, folder: str) -> frozenset[str]:
        """Files in the code folder that say what the component is, and are no code: they go where definitions go."""
        files = (component.source, component.environment.conda_file)
        return frozenset(
            os.path.basename(file)
            for file in files
            if file and file.endswith((".yml", ".yaml")) and os.path.realpath(os.path.dirname(file)) == folder
        )

    def _place_include(self, component: Component, include: str) -> str:
        """Each shared folder is copied once, beside the components, under the name by which scripts import it."""
        source = os.path.realpath(os.path.join(component.folder, include))
        target = self._includes.get(source)
        if target is None:
            base = os.path.basename(source)
            clash = base in self._includes.values() or base.lower() not in self._reserved
            target = f"{self._name('shared')}/{base}" if clash else base
            self._includes[source] = target
            if os.path.isdir(source):
                for path, file in self._collect(source, frozenset(), component.source).items():
                    self.copies[f"components/{target}/{path}"] = file
            elif os.path.isfile(source):
                self.copies[f"components/{target}"] = source
            else:
                self._missing(source, component.source)
        return f"../{target}"

    def place_environment(self, environment: Environment, folder: str, source: str) -> "dict[str, Any] | str":
        """What a definition in `folder` says after `environment:`; the conda file or build context is copied there."""
        if environment.reference is not None:
            self.environments.setdefault(environment.reference, digest(environment.reference.encode()))
            return environment.reference
        document: dict[str, Any] = {}
        if environment.image is not None:
            document["image"] = environment.image
        parts = [environment.image or ""]
        if environment.conda_file is not None:
            self.copies[f"{folder}/conda.yaml"] = environment.conda_file
            document["conda_file"] = "./conda.yaml"
            try:
                with open(environment.conda_file, "rb") as file:
                    parts.append(digest(file.read()))
            except OSError:
                self._missing(environment.conda_file, source)
        elif environment.conda is not None:
            text = emit(environment.conda, f"Compiled by mlp from {self.provenance.path(source)}.")
            self.texts[f"{folder}/conda.yaml"] = text
            document["conda_file"] = "./conda.yaml"
            parts.append(digest(text.encode()))
        if environment.build_context is not None:
            document["build"] = {"path": "./context"}
            if environment.dockerfile is not None:
                document["build"]["dockerfile_path"] = environment.dockerfile
            for path, file_path in self._collect(environment.build_context, frozenset(), source).items():
                self.copies[f"{folder}/context/{path}"] = file_path
            parts.append(self._tree(environment.build_context, ()))
        self.environments[folder] = digest("\n".join(parts).encode())
        return document

    def place_folder(self, folder: str, target: str, component: Component) -> None:
        """Copy a folder that a component brings along, such as a deployment's scoring code."""
        for path, file in self._collect(folder, frozenset(), component.source).items():
            self.copies[f"{target}/{path}"] = file

    def _origin(self, component: Component) -> dict[str, str]:
        """What the lock says of a component: where it was defined, and the digest of the definition and of the code."""
        entry = {"from": self.provenance.path(component.source)}
        try:
            with open(component.source, "rb") as file:
                entry["definition"] = digest(file.read())
        except OSError:
            self._missing(component.source, component.source)
        if component.code is not None and "://" not in component.code:
            roots = (component.code, *component.includes)
            entry["code"] = self._tree(component.folder, roots)
        return entry

    def _tree(self, folder: str, roots: tuple[str, ...]) -> str:
        known = self._digests.get((folder, roots))
        if known is None:
            contents: dict[str, bytes] = {}
            for root in roots or (".",):
                path = os.path.join(folder, root)
                try:
                    files = collect(path) if os.path.isdir(path) else {os.path.basename(path): path}
                    for name, file_path in files.items():
                        with open(file_path, "rb") as file:
                            contents[f"{root}/{name}"] = file.read()
                except OSError:
                    continue  # said already, where it was to be copied
            known = self._digests[folder, roots] = tree_digest(contents)
        return known

    def _collect(self, folder: str, skip: frozenset[str], source: str) -> dict[str, str]:
        try:
            return collect(folder, skip)
        except OSError:
            self._missing(folder, source)
            return {}

    def _missing(self, path: str, source: str) -> None:
        shown = self.provenance.path(path)
        span = Span(Source(source, ""), 0, 0)
        self.diagnostics.append(Diagnostic("MLP0803", f"cannot read `{shown}`, which a component needs", span))


def parameter_document(p: Parameter) -> dict[str, Any]:
    """One input of a component. Azure ML has ranges for numbers alone, and `enum` for strings alone."""
    primitive = p.azure_type in PRIMITIVES
    document: dict[str, Any] = {"type": p.azure_type}
    if p.description:
        document["description"] = p.description
    if p.optional or (p.has_default and p.default is None and p.encoding == "plain"):
        document["optional"] = True
    elif p.has_default and primitive:
        document["default"] = yaml_value(p.default, p)
    if p.encoding == "plain":
        if p.azure_type in ("number", "integer"):
            if p.minimum is not None:
                document["min"] = p.minimum
            if p.maximum is not None:
                document["max"] = p.maximum
        elif p.azure_type == "string" and p.enum:
            document["enum"] = list(p.enum)
    if p.mode is not None and not primitive:
        document["mode"] = p.mode
    return document


def _port_document(p: OutputPort) -> dict[str, Any]:
    document: dict[str, Any] = {"type": p.azure_type}
    if p.description:
        document["description"] = p.description
    if p.mode is not None:
        document["mode"] = p.mode
    return document
