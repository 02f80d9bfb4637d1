"""From the components that nodes use to `components/<name>/`: component.yml, code, environment, each distinct one once.

Two nodes share a definition if what would be written is the same. Code lies in `components/<name>/code`, apart from
component.yml, because the digest by which Azure ML reuses a step's results covers the code folder: a comment in the
definition must not change it. Components over the same code share the first one's folder.
"""

import os
import posixpath
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from mlp_lang.compiler.graph import Component, Environment, Graph, Node, OutputPort, Parameter, Value
from mlp_lang.compiler.interface import BadInterface, component_of, read_interface
from mlp_lang.compiler.vocabulary import put
from mlp_lang.compiler.yaml_files import BadYaml, load_yaml
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.emit import emit, merge
from mlp_lang.lowering.files import collect
from mlp_lang.lowering.lock import digest, tree_digest
from mlp_lang.lowering.provenance import Provenance
from mlp_lang.lowering.relocate import Place, is_local, relocate, sources
from mlp_lang.lowering.values import json_text, yaml_value

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}Component.schema.json"
PRIMITIVES = frozenset(["number", "integer", "boolean", "string"])
LONGEST = 120
"""Letters of a component's folder; names that differ only after these are told apart by a number."""
FLOW = "promptflow_parallel"
"""Kind of a component that is a flow: Azure ML knows it by its folder and its file."""
DONE = "done"
"""Output that an emitted copy gets if the component has none and another stage comes `after` it."""


class After(NamedTuple):
    """An edge without data, as the input that carries it."""

    input: str
    azure_type: str


def _order_document(edge: After) -> dict[str, Any]:
    return {
        "type": edge.azure_type,
        "optional": True,
        "mode": "direct",
        "description": "Order alone: this step starts when that output is there. Nothing reads it.",
    }


_DONE_DOCUMENT = {"type": "uri_folder", "description": "Order alone: other steps start after this one."}
_NO_ENVIRONMENT = Environment()


def seen_from(home: str, path: str, written: str) -> str:
    """A path that a definition in the folder `written` of a build says, as one in the folder `home` says it."""
    moved = posixpath.relpath(posixpath.join(written, path), home or ".")
    return moved if moved.startswith("../") else f"./{moved}"


class Placed(NamedTuple):
    """Where a component went: what a job says after `component:`."""

    reference: str
    uses: "list[Span | None] | None"


LowerJobs: TypeAlias = Callable[[Graph], Callable[[Callable[[str], str]], dict[str, Any]]]
"""From a pipeline that is a component to its jobs, once it is known how a path of this machine is spelled there."""


class Components:
    """Gathers definitions, code and includes while the nodes are walked, in the nodes' order."""

    def __init__(self, provenance: Provenance, reserved: frozenset[str], lower_jobs: LowerJobs | None = None) -> None:
        """`reserved` are the names of shared folders, lower case: scripts import those by name, so they go first.
        `lower_jobs` places what the jobs of a pipeline use that is a component, where there may be any."""
        self.provenance = provenance
        self.lower_jobs = lower_jobs
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
        self._pipelines: list[tuple[str, str, Callable[[Callable[[str], str]], dict[str, Any]], Placed]] = []
        self._code: dict[str, str] = {}
        self._includes: dict[str, str] = {}
        self._by_file: dict[str, Placed] = {}
        self._open: list[str] = []  # files that are being placed, outermost first
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

    def in_place(self, component: Component, name: str, base: str = "") -> dict[str, Any]:
        """The fields of a definition that stands in the job of a node; its files go to `components/<name>/`.

        `base` is the folder of the file that the job stands in, within the build."""
        folder = self._name(name[:LONGEST])
        document: dict[str, Any] = {}
        if component.kind == "command":
            document["command"] = component.command
        code = self._code_of(component, folder) if component.code is not None else None
        environment = None
        if component.environment != _NO_ENVIRONMENT:
            environment = self.place_environment(component.environment, f"components/{folder}", component.source)
            if isinstance(environment, dict):  # without effect in Azure ML, but said
                said = {k: v for k in ("name", "version") if (v := getattr(component.environment, k)) is not None}
                environment = {**said, **environment}
        home = f"components/{folder}"

        def here(path: str) -> str:
            return seen_from(base, path, home)

        place = sources("")._replace(code=here, conda=here, context=here)
        merge(document, component.extra)
        for key, value in (("code", code), ("environment", environment)):
            if value is not None:
                put(document, ("task", key) if component.kind == "parallel" else (key,), value)
        return relocate(document, place)

    def beside(self, node: Node, folder: str, source: str) -> dict[str, Any]:
        """What a job says beside its component, as Azure ML has it; files that it names go to `components/<name>/`.

        Paths start from the program's `folder`; one that leads nowhere is no path of ours."""
        extra: dict[str, Any] = dict(node.run.extra)
        named: dict[str, Any] = {key: extra[key] for key in ("task", "environment", "code") if key in extra}
        if node.environment is None and not named:
            return extra
        home = f"components/{self._name(node.name[:LONGEST])}"

        def there(move: Callable[[str], str]) -> Callable[[str], str]:
            return lambda path: seen_from("", move(path), home) if os.path.exists(os.path.join(folder, path)) else path

        owner = node.component._replace(folder=folder, source=source, kind="command")
        place = self._placing(owner, home.partition("/")[2])
        extra |= relocate(named, Place(*[there(move) for move in place]))
        if node.environment is not None:
            document = self.place_environment(node.environment, home, source)
            here = sources("")._replace(
                conda=lambda p: seen_from("", p, home), context=lambda p: seen_from("", p, home)
            )
            extra |= relocate({"environment": document}, here)
        return extra

    def trial(
        self, component: Component, name: str, after: tuple[After, ...], done: bool, base: str = ""
    ) -> dict[str, Any]:
        """The trial of a sweep that stands in its job: a definition, with its inputs and outputs but without a name."""
        document = {"type": component.kind, **_ports(component, after, done)}
        merge(document, self.in_place(component, name, base))
        return document

    def files(self, local: Callable[[str, str], str] = posixpath.join) -> dict[str, str]:
        """Texts of all definitions, each with the header that names its uses. `local` spells a path of this machine as
        a file in a folder of the build says it; pipelines alone need it."""
        result = dict(self.texts)
        pipelines = [
            (path, emit(made(partial(local, folder))), placed) for path, folder, made, placed in self._pipelines
        ]
        for path, body, placed in [*self._bodies, *pipelines]:
            header = self.provenance.header(placed.uses or ())
            result[path] = "".join(f"# {line}\n" for line in header.split("\n")) + body
        return result

    def _new(self, component: Component, after: tuple[After, ...], done: bool) -> Placed:
        if component.origin == "registered":
            reference = component.reference or component.azure_name
            interface: list[Value] = [[p.name, p.azure_type, p.optional] for p in component.inputs]
            interface += [[p.name, p.azure_type] for p in component.outputs]
            self.registered[reference] = digest(json_text(interface).encode())
            return Placed(reference, None)
        if component.graph is not None:
            return self._pipeline(component, component.graph, after)
        probe = emit(self._document(component, after, done, component.azure_name, probing=True))
        known = self._by_text.get(probe)
        if known is not None:
            return known
        # Said by what it waits for, not by a number, so that a stage more in the program renames no other component.
        variant = "".join(f"_{edge.input}" for edge in after) + (f"_{DONE}" if done else "")
        name = self._name((component.azure_name + variant)[:LONGEST])
        file = os.path.basename(component.source) if component.kind == FLOW else "component.yml"
        placed = Placed(f"./components/{name}/{file}", [])
        self._by_text[probe] = placed
        document = self._document(component, after, done, name)
        self._bodies.append((f"components/{name}/{file}", emit(document), placed))
        self.lock[name] = self._origin(component)
        return placed

    def _pipeline(self, component: Component, graph: Graph, after: tuple[After, ...]) -> Placed:
        """A pipeline that is a component: its jobs say where local data lies, which depends on where the build does."""
        assert self.lower_jobs is not None  # whoever has nodes says how pipelines among them become components
        jobs = self.lower_jobs(graph)

        def made(name: str, local: Callable[[str], str]) -> dict[str, Any]:
            document = self._head(component, after, name)
            del document["is_deterministic"]
            document["jobs"] = jobs(local)
            return document

        probe = emit(made(component.azure_name, str))
        known = self._by_text.get(probe)
        if known is not None:
            return known
        name = self._name((component.azure_name + "".join(f"_{edge.input}" for edge in after))[:LONGEST])
        home = f"components/{name}"
        placed = self._by_text[probe] = Placed(f"./{home}/component.yml", [])
        self._pipelines.append((f"{home}/component.yml", home, partial(made, name), placed))
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
        if component.document is not None:
            return self._as_it_is(component, after, done, name, probing)
        document = self._head(component, after, name, done)
        merge(document, component.extra)
        definition = document.setdefault("task", {}) if component.kind == "parallel" else document
        if component.code is not None:
            source = f"{component.folder}\n{component.code}"
            definition["code"] = source if probing else self._code_of(component, name)
        if component.includes:
            document["additional_includes"] = (
                list(component.includes)
                if probing
                else [self._place_include(component.folder, x, component.source) for x in component.includes]
            )
        if component.kind == "command":
            document["command"] = component.command
        if component.environment != _NO_ENVIRONMENT:
            definition["environment"] = (
                list(component.environment._replace(version=None))
                if probing
                else self.place_environment(component.environment, f"components/{name}", component.source)
            )
        return document

    @staticmethod
    def _head(component: Component, after: tuple[After, ...], name: str, done: bool = False) -> dict[str, Any]:
        """What a definition of any kind begins with, its ports included."""
        schema = {} if component.one_use else {"$schema": SCHEMA.format(component.kind)}  # a part of its job
        document: dict[str, Any] = {**schema, "type": component.kind, "name": name, "version": component.version}
        if component.display_name:
            document["display_name"] = component.display_name
        if component.description:
            document["description"] = component.description
        document["is_deterministic"] = component.deterministic
        return document | _ports(component, after, done)

    def _as_it_is(
        self, component: Component, after: tuple[After, ...], done: bool, name: str, probing: bool
    ) -> dict[str, Any]:
        """A user's YAML unchanged, but for paths, and for ports that carry order alone."""
        place = sources(component.folder) if probing else self._placing(component, name)
        document = relocate(component.document or {}, place)
        if after:
            document["inputs"] = {**document.get("inputs", {})}
            document["inputs"].update((edge.input, _order_document(edge)) for edge in after)
        if done:
            document["outputs"] = {**document.get("outputs", {}), DONE: dict(_DONE_DOCUMENT)}
        return document

    def _placing(self, component: Component, name: str) -> Place:
        """Where the paths of a user's YAML go that becomes `components/<name>/component.yml`."""
        folder, source, home = component.folder, component.source, f"components/{name}"
        if component.kind == FLOW:
            # a flow is its whole folder, and its definition lies in it
            for path, file in self._collect(folder, frozenset([os.path.basename(source)]), source).items():
                self.copies.setdefault(f"{home}/{path}", file)

        def conda(path: str) -> str:
            return self._copy_file(os.path.join(folder, path), f"{home}/{os.path.basename(path)}", source)

        def context(path: str) -> str:
            self._copy_folder(os.path.join(folder, path), f"{home}/context", source)
            return "./context"

        def inner(path: str) -> str:
            return self._place_file(os.path.join(folder, path.removeprefix("file:")), component, home)

        def whole(path: str) -> str:
            target = f"{home}/{os.path.basename(os.path.normpath(path))}"
            self._copy_folder(os.path.join(folder, path), target, source)
            return f"./{os.path.basename(target)}"

        def data(path: str) -> str:
            full = os.path.join(folder, path)
            base = os.path.basename(os.path.normpath(full))
            if os.path.isdir(full):
                self._copy_folder(full, f"{home}/data/{base}", source)
            else:
                self._copy_file(full, f"{home}/data/{base}", source)
            return f"./data/{base}"

        return Place(
            code=lambda path: self._place_code(folder, path, name, frozenset(), source),
            include=lambda path: self._place_include(folder, path, source),
            conda=conda,
            context=context,
            component=inner,
            folder=whole,
            data=data,
        )

    def _place_file(self, path: str, user: Component, home: str) -> str:
        """Place a component file that another definition names; what `home` says to refer to it."""
        path = os.path.normpath(path)
        if path in self._open:
            span = Span(Source(user.source, ""), 0, 0)
            self.diagnostics.append(Diagnostic("MLP0803", f"`{self.provenance.path(path)}` is a part of itself", span))
            return path
        self._open.append(path)
        try:
            raw = load_yaml(path)
            name = str(raw.get("name") or os.path.splitext(os.path.basename(path))[0]) if isinstance(raw, dict) else ""
            component = component_of(read_interface(name, "file", path, raw), complete=True)
            placed = self._by_file.get(path)
            if placed is None:
                placed = self._by_file[path] = self._new(component, (), False)
        except (BadInterface, BadYaml) as error:
            span = Span(Source(user.source, ""), 0, 0)
            message = f"cannot use `{self.provenance.path(path)}`: {error}"
            self.diagnostics.append(Diagnostic("MLP0803", message, span))
            return path
        finally:
            self._open.pop()
        return seen_from(home, placed.reference, "")

    def _copy_file(self, path: str, target: str, source: str) -> str:
        """Copy a file beside a definition, and give its path from there."""
        stem, suffix = os.path.splitext(target)
        path, number = os.path.normpath(path), 1
        while self.copies.get(target, path) != path:
            number += 1
            target = f"{stem}_{number}{suffix}"
        if not os.path.isfile(path):
            self._missing(path, source)
        self.copies[target] = path
        return f"./{target.split('/', 2)[2]}"

    def _copy_folder(self, folder: str, target: str, source: str) -> None:
        for path, file in self._collect(folder, frozenset(), source).items():
            self.copies[f"{target}/{path}"] = file

    def _place_code(self, home: str, code: str, name: str, skip: frozenset[str], source: str) -> str:
        """Copy code to `components/<name>/code`, unless it is there already for another; what `<name>` says of it."""
        if not is_local(code):
            return code
        folder = os.path.realpath(os.path.join(home, code))
        if os.path.isfile(folder):
            owner = self._code.setdefault(folder, name)
            self.copies[f"components/{owner}/code/{os.path.basename(folder)}"] = folder
            return f"{'.' if owner == name else '../' + owner}/code/{os.path.basename(folder)}"
        owner = self._code.get(folder, "")
        if not owner:
            owner = self._code[folder] = name
            for path, file in self._collect(folder, skip, source).items():
                self.copies[f"components/{name}/code/{path}"] = file
        return "./code" if owner == name else f"../{owner}/code"

    def _code_of(self, component: Component, name: str) -> str:
        skip = self._definitions(component)
        return self._place_code(component.folder, component.code or ".", name, skip, component.source)

    @staticmethod
    def _definitions(component: Component) -> frozenset[str]:
        """Files in the code folder that say what the component is, and are no code: they go where definitions go."""
        folder = os.path.realpath(os.path.join(component.folder, component.code or "."))
        files = (component.source, component.environment.conda_file)
        return frozenset(
            os.path.basename(file)
            for file in files
            if file and file.endswith((".yml", ".yaml")) and os.path.realpath(os.path.dirname(file)) == folder
        )

    def _place_include(self, home: str, include: str, source_file: str) -> str:
        """Each shared folder is copied once, beside the components, under the name by which scripts import it."""
        source = os.path.realpath(os.path.join(home, include))
        target = self._includes.get(source)
        if target is None:
            base = os.path.basename(source)
            clash = base in self._includes.values() or base.lower() not in self._reserved
            target = f"{self._name('shared')}/{base}" if clash else base
            self._includes[source] = target
            if os.path.isdir(source):
                for path, file in self._collect(source, frozenset(), source_file).items():
                    self.copies[f"components/{target}/{path}"] = file
            elif os.path.isfile(source):
                self.copies[f"components/{target}"] = source
            else:
                self._missing(source, source_file)
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
        if environment.conda_file is not None and not is_local(environment.conda_file):
            document["conda_file"] = environment.conda_file
            parts.append(environment.conda_file)
        elif environment.conda_file is not None:
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
            context = environment.build_context
            document["build"] = {"path": "./context" if is_local(context) else context}
            if environment.dockerfile is not None:
                document["build"]["dockerfile_path"] = environment.dockerfile
            if is_local(context):
                for path, file_path in self._collect(context, frozenset(), source).items():
                    self.copies[f"{folder}/context/{path}"] = file_path
                parts.append(self._tree(context, ()))
            else:
                parts.append(context)
        document.update(environment.extra)
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


def _ports(component: Component, after: tuple[After, ...], done: bool) -> dict[str, Any]:
    """`inputs` and `outputs` of a definition, with those that carry order alone."""
    document: dict[str, Any] = {}
    inputs = {p.name: parameter_document(p) for p in component.inputs}
    inputs.update((edge.input, _order_document(edge)) for edge in after)
    if inputs:
        document["inputs"] = inputs
    outputs = {p.name: _port_document(p) for p in component.outputs}
    if done:
        outputs[DONE] = dict(_DONE_DOCUMENT)
    if outputs:
        document["outputs"] = outputs
    return document


def parameter_document(p: Parameter) -> dict[str, Any]:
    """One input of a component. Azure ML has ranges for numbers alone, and `enum` for strings alone."""
    primitive = p.azure_type in PRIMITIVES
    document: dict[str, Any] = {"type": p.azure_type}
    if p.description:
        document["description"] = p.description
    empty = p.has_default and p.default is None and p.encoding == "plain"
    if p.optional or empty:
        document["optional"] = True
    if p.has_default and primitive and not empty:
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
