"""From a Graph to a Build: components placed, edges without data made inputs, definitions and lock written as text.

Azure ML has no edge without data. A stage that comes `after` another gets an optional input, `after_<stage>`, on an
emitted copy of its component, bound to an output of the other stage in mode `direct`: nothing is read, the order holds.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mlp_lang import __version__
from mlp_lang.compiler import Compilation
from mlp_lang.compiler.graph import Component, Definition, FromNode, Graph, Node, PipelineInput, Template
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.build import Build, BuildError
from mlp_lang.lowering.components import Components, seen_from
from mlp_lang.lowering.control import all_graphs
from mlp_lang.lowering.deployments import deployment_document, deployment_folder, endpoint_document
from mlp_lang.lowering.emit import emit
from mlp_lang.lowering.lock import LOCK_NAME, digest, lock_text
from mlp_lang.lowering.pipeline import Extra, component_document, jobs_document, pipeline_document, schedule_document
from mlp_lang.lowering.ports import DONE, PRIMITIVES, After
from mlp_lang.lowering.provenance import Provenance
from mlp_lang.lowering.values import json_text

if TYPE_CHECKING:
    from mlp_lang.lowering.definitions import PlacedDefinition

_IN_COMPONENT = "components/_"
"""Where a component lies, whatever its name: paths in it are relative, and all lie beside one another."""
DEFINITIONS = "definitions"
"""Input of a deploying component that takes the folder with its deployment's definitions."""


def lower(graph: Graph, definitions: tuple[Definition, ...] = ()) -> Build:
    """The Azure ML definitions of a pipeline, in memory. Reads code and conda files; writes nothing.

    ``definitions`` are those of the file, where the pipeline is the one that they share a folder with.

    What Azure ML cannot express is in the build's `diagnostics`; nothing is raised for a user's mistake.
    """
    root = os.path.dirname(os.path.abspath(graph.sources[0])) if graph.sources else os.getcwd()
    lowering = _Lowering(graph, Provenance(root))
    lowering.nodes()
    lowering.definitions()
    lowering.define(definitions)
    diagnostics = (*lowering.diagnostics, *lowering.components.diagnostics)
    return Build(graph.name, os.path.join(root, "build"), lowering.components.copies, diagnostics, lowering.render)


def lower_all(made: Compilation, path: str, profile: str | None = None) -> list[Build]:
    """A Build for each pipeline of a file, and one for what it defines beside them: in the folder of the pipeline that
    is called like the file, if there is one."""
    if not made.definitions:
        return [lower(graph) for graph in made.graphs]
    from mlp_lang.lowering.definitions import definition_name, lower_definitions

    name = definition_name(path)
    shared = next((graph for graph in made.graphs if graph.name == name), None)
    builds = [lower(graph, made.definitions if graph is shared else ()) for graph in made.graphs]
    return builds if shared is not None else [*builds, lower_definitions(made.definitions, path, profile)]


class _Lowering:
    def __init__(self, graph: Graph, provenance: Provenance, around: "_Lowering | None" = None) -> None:
        """`around` is the one that places the component which the pipeline is, if it is one."""
        self.graph = graph
        self.provenance = provenance
        if around is None:
            includes = {n.component.includes for one in all_graphs(graph) for n in one.nodes}
            shared = frozenset(os.path.basename(os.path.normpath(path)).lower() for paths in includes for path in paths)
            self.components = Components(provenance, shared, self.jobs)
        else:
            self.components = around.components
        self.base = "" if around is None else _IN_COMPONENT
        self.diagnostics: list[Diagnostic] = [] if around is None else around.diagnostics
        self.extras: dict[str, Extra] = {}
        self.folders: dict[str, str] = {}  # added pipeline input -> folder of definitions
        self.texts: dict[str, str] = {}
        self.placed: list[PlacedDefinition] = []
        self.component: str | None = None  # what the job runs instead of stages

    def jobs(self, graph: Graph) -> Callable[[Callable[[str], str]], dict[str, Any]]:
        """The jobs of a pipeline that is a component, all that they use placed."""
        inner = _Lowering(graph, self.provenance, self)
        inner.nodes()
        return partial(jobs_document, graph, inner.extras, self.provenance)

    def nodes(self) -> None:
        """Place every node's component and give it the inputs that lowering adds."""
        graph = self.graph
        by_name = {node.name: node for node in graph.nodes}
        edges = {node.name: _orders(node) for node in graph.nodes if node.after}
        awaited = {name for names in edges.values() for name in names}
        taken = {item.parameter.name for item in graph.inputs}
        place = self.components.place
        for node in graph.nodes:
            after: list[After] = []
            added: list[tuple[str, Any]] = []
            component = node.component
            if node.name in edges:
                names = {p.name for p in component.inputs}
                for name in edges[node.name]:
                    port, azure_type = _token(by_name[name].component)
                    edge = After(_free(f"after_{name}", names), azure_type)
                    after.append(edge)
                    text = f"${{{{parent.jobs.{name}.outputs.{port}}}}}"
                    added.append((edge.input, _order(edge, text, component, node.kind)))
                if after and (component.origin == "registered" or node.kind == "automl"):
                    self._report_registered(node, edges[node.name])
            done = node.name in awaited and _token(component)[0] == DONE
            if done and component.origin == "registered":
                self._report_registered(node, (node.name,))
            if done and (component.graph is not None or node.control is not None):
                self._report_orderless(node)
            if node.control is not None:
                self.extras[node.name] = Extra({}, ())
                continue
            if node.deployment is not None:
                self._hand_definitions(node, taken, added)
            if node.run.retries and node.kind == "command":
                self._report_retries(node)
            run = self.components.beside(node, self.provenance.root, component.source)
            if component.in_place and node.kind == "sweep":
                trial = self.components.trial(component, node.name, tuple(after), done, self.base)
                self.extras[node.name] = Extra(trial, tuple(added), run=run)
            elif component.in_place:
                definition = self.components.in_place(component, node.name, self.base)
                self.extras[node.name] = Extra(definition, tuple(added), (DONE,) if done else (), run)
            else:
                reference = place(component, tuple(after), done, node.span)
                if self.base and reference.startswith("./"):
                    reference = seen_from(self.base, reference, "")
                self.extras[node.name] = Extra(reference, tuple(added), run=run)
        if graph.component is not None:
            self.component = place(graph.component, (), False, graph.span)
        fed: dict[FromNode, str] = {}
        for output in graph.outputs:
            if output.source is None:
                continue
            other_name = fed.setdefault(output.source._replace(span=None), output.name)
            if other_name != output.name:
                self._report(
                    "MLP0804",
                    f"port `{output.source.node}.{output.source.port}` feeds `{other_name}` and `{output.name}`",
                    output.span,
                    help="Azure ML binds a port to one pipeline output; keep one of them",
                )

    def _hand_definitions(self, node: Node, taken: set[str], added: list[tuple[str, Any]]) -> None:
        deployment = node.deployment
        wanted = any(p.name == DEFINITIONS for p in node.component.inputs)
        if deployment is None or not wanted or any(name == DEFINITIONS for name, _ in node.inputs):
            return
        name = _free(f"{node.name}_definitions", taken)
        self.folders[name] = f"./{deployment_folder(deployment)}"
        added.append((DEFINITIONS, f"${{{{parent.inputs.{name}}}}}"))

    def definitions(self) -> None:
        """Facts, endpoints, deployments and schedules; what they copy goes with the components' copies."""
        graph = self.graph
        texts = self.texts
        for facts in graph.facts:
            texts[f"facts/{facts.name}.json"] = _json_document(facts.document)
        endpoints = {e.title: e for e in graph.endpoints}
        for endpoint in graph.endpoints:
            header = self.provenance.header([endpoint.span])
            texts[f"endpoints/{endpoint.title}.yml"] = emit(endpoint_document(endpoint), header)
        for node in graph.nodes:
            if node.deployment is None:
                continue
            deployment = node.deployment
            folder = deployment_folder(deployment)
            found = endpoints.get(deployment.endpoint)
            environment = self.components.place_environment(deployment.environment, folder, node.component.source)
            document = deployment_document(graph, deployment, found, environment)
            texts[f"{folder}/deployment.yml"] = emit(document, self.provenance.header([node.span]))
            if found is not None:
                texts[f"{folder}/endpoint.yml"] = texts[f"endpoints/{found.title}.yml"]
            self.components.place_folder(deployment.scoring_folder, f"{folder}/scoring", node.component)
        for schedule in graph.schedules:
            header = self.provenance.header([schedule.span])
            texts[f"schedules/{schedule.name}.yml"] = emit(schedule_document(schedule, graph), header)
        for item in graph.inputs:
            if graph.kind == "component":
                continue
            if item.value is None and item.facts is None and not item.parameter.optional:
                self._report_valueless(item)

    def define(self, definitions: tuple[Definition, ...]) -> None:
        """Place what the file defines beside its pipelines."""
        if not definitions:
            return
        from mlp_lang.lowering.definitions import place_definitions

        for one in place_definitions(definitions, self.components, self.provenance, self.diagnostics):
            if one.path in self.texts:
                span = next((d.span for d in definitions if one.path.endswith(f"/{d.title}/deployment.yml")), None)
                self._report("MLP0104", f"a `deploy` stage writes `{one.path}` too", span, help="rename one of them")
            self.placed.append(one)

    def render(self, target: str) -> dict[str, bytes]:
        """All files of a build that lies at `target`."""
        graph = self.graph

        def local(folder: str, path: str) -> str:
            full = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            relative = os.path.relpath(full, os.path.join(target, folder)).replace(os.sep, "/")
            return relative if relative.startswith("../") else f"./{relative}"

        component = graph.kind == "component"
        here = partial(local, "")
        if component:
            document = component_document(graph, self.extras, self.provenance, here)
        else:
            document = pipeline_document(graph, self.extras, self.folders, self.provenance, here, self.component)
        missing = [i for i in graph.inputs if i.value is None and i.facts is None and not component]
        header = self.provenance.header([graph.span])
        for name, type_ in ((i.parameter.name, i.parameter.type) for i in missing):
            header += f"\nInput {name} ({type_}) has no value: --set inputs.{name}=…"
        for output in () if component else graph.outputs:
            if output.azure_type in PRIMITIVES:
                header += f"\nOutput {output.name} ({output.type}) is a value: only a pipeline around this one has it."
        root = "component.yml" if component else "pipeline.yml"
        texts = {root: emit(document, header), **self.components.files(local), **self.texts}
        texts |= {one.path: one.text(target) for one in self.placed}
        files = {path: text.encode() for path, text in texts.items()}
        try:
            for path, source in self.components.copies.items():
                with open(source, "rb") as file:
                    files[path] = file.read()
            files[LOCK_NAME] = self._lock(files).encode()
        except OSError as error:
            raise BuildError(f"cannot read `{error.filename}`: {error.strerror}") from error
        return dict(sorted(files.items()))

    def _lock(self, files: dict[str, bytes]) -> str:
        graph = self.graph
        sources = {}
        for path in graph.sources:
            with open(path, "rb") as file:
                sources[self.provenance.path(path)] = digest(file.read())
        return lock_text(
            {
                "mlp": __version__,
                "pipeline": graph.name,
                "profile": graph.profile,
                "sources": dict(sorted(sources.items())),
                "schemas": {f.name: digest(json_text(f.document.get("schema")).encode()) for f in graph.facts},
                "components": dict(sorted(self.components.lock.items())),
                "environments": dict(sorted(self.components.environments.items())),
                "registered": dict(sorted(self.components.registered.items())),
                "files": {path: digest(files[path]) for path in sorted(files)},
            }
        )

    def _report(
        self, code: str, message: str, span: Span | None, severity: Severity = Severity.ERROR, help: str = ""
    ) -> None:
        where = span or self.graph.span or Span(Source(self.graph.sources[0] if self.graph.sources else "", ""), 0, 0)
        self.diagnostics.append(Diagnostic(code, message, where, severity=severity, help=help))

    def _report_registered(self, node: Node, names: tuple[str, ...]) -> None:
        what = "AutoML" if node.kind == "automl" else f"registered component `{node.component.name}`"
        fixed = "AutoML" if node.kind == "automl" else "a registered component"
        self._report(
            "MLP0801",
            f"{what} cannot carry the order of {_listed(names)}",
            node.span,
            help=f"Azure ML orders steps by data alone, and the interface of {fixed} is fixed; "
            "pass data along the edge, or use a component with a definition",
        )

    def _report_orderless(self, node: Node) -> None:
        self._report(
            "MLP0801",
            f"`{node.title}` gives no asset that another stage could wait for",
            node.span,
            help="Azure ML orders steps by data alone; give it an output, or wait for a stage that has one",
        )

    def _report_retries(self, node: Node) -> None:
        self._report(
            "MLP0805",
            f"Azure ML does not retry a command step, so `retries = {node.run.retries}` of `{node.title}` is left out",
            node.span,
            Severity.WARNING,
        )

    def _report_valueless(self, item: PipelineInput) -> None:
        self._report(
            "MLP0802",
            f"pipeline input `{item.parameter.name}` has no value, so the job needs one when it is submitted",
            item.span,
            Severity.WARNING,
            help=f"give it a default, a value in a profile, or submit with `--set inputs.{item.parameter.name}=…`",
        )


def _orders(node: Node) -> tuple[str, ...]:
    """Stages that a node comes after and takes no data from: where data flows, the order is there already."""
    fed: set[str] = set()
    for _, binding in node.inputs:
        if type(binding) is FromNode:
            fed.add(binding.node)
        elif type(binding) is Template:
            fed.update(part.node for part in binding.parts if type(part) is FromNode)
    return tuple(name for name in dict.fromkeys(node.after) if name not in fed)


def _order(edge: After, text: str, component: Component, kind: str) -> Any:
    """The binding that carries order alone; a definition in place has no port of this name to say how it is handed."""
    said = component.in_place and kind != "sweep"
    return {"type": edge.azure_type, "path": text, "mode": "direct"} if said else text


def _token(component: Component) -> tuple[str, str]:
    """The output of a component that stands for "it has run": the default one, else the first asset; else `done`."""
    assets = [o for o in component.outputs if o.azure_type not in PRIMITIVES]
    if not assets:
        return DONE, "uri_folder"
    chosen = next((o for o in assets if o.name == component.default_output), assets[0])
    return chosen.name, chosen.azure_type


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number if it is taken; taken from now on."""
    free = name
    number = 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _json_document(document: Any) -> str:
    import json

    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
