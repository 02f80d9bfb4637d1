"""From a Graph whose components are placed to the documents of pipeline.yml and of the schedules.

Documents are plain data in the order in which they are written; `emit` turns them into text.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    FromInput,
    FromNode,
    Graph,
    Literal,
    Node,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Privacy,
    Run,
    Schedule,
)
from mlp_lang.compiler.settings import reference_text
from mlp_lang.compiler.vocabulary import DESCRIBED, IDENTITIES, RUN, put, words
from mlp_lang.lowering.components import PRIMITIVES, parameter_document
from mlp_lang.lowering.control import all_graphs, control_fields
from mlp_lang.lowering.emit import Commented, merge
from mlp_lang.lowering.provenance import Provenance
from mlp_lang.lowering.values import yaml_value

SCHEMA = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
COMPONENT_SCHEMA = "https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json"
SCHEDULE_SCHEMA = "https://azuremlschemas.azureedge.net/latest/schedule.schema.json"
SERVERLESS = "serverless"
_COMPUTED = frozenset(["command", "parallel", "sweep"])
"""Kinds of job that need a compute."""


class Extra(NamedTuple):
    """What lowering adds to a node: where its component is, inputs for `after` edges, the deploy step's folder.

    `component` is the reference of a definition, or the fields of one that stands in the job itself. `run` is what the
    job says beside, where its paths lead in the build."""

    component: "str | dict[str, Any]"
    inputs: "tuple[tuple[str, Any], ...]"  # name, binding
    outputs: tuple[str, ...] = ()  # folders that a definition in place gives for order alone
    run: "Mapping[str, Any] | None" = None


def compute_reference(name: str) -> str:
    """`serverless`, an ARM id, an expression, or `azureml:` and the name."""
    known = name in (SERVERLESS, "local") or name.startswith(("azureml:", "/", "${{"))
    return name if known else f"azureml:{name}"


def pipeline_document(
    graph: Graph,
    extras: Mapping[str, Extra],
    definitions: Mapping[str, str],
    provenance: Provenance,
    local: Callable[[str], str],
    component: str | None = None,
) -> dict[str, Any]:
    """pipeline.yml. `definitions` are added folder inputs (name -> path), `local` spells a path on this machine.

    `component` is the reference of the component that the job runs instead of stages. Outputs that are values are left
    out: Azure ML has them of components, not of jobs."""
    graph = graph._replace(outputs=tuple(o for o in graph.outputs if o.azure_type not in PRIMITIVES))
    document: dict[str, Any] = {"$schema": SCHEMA, "type": "pipeline"}
    if graph.display_name is not None:
        document["display_name"] = graph.display_name
    if graph.description:
        document["description"] = graph.description
    if graph.experiment is not None:
        document["experiment_name"] = graph.experiment
    tags = {**graph.tags, **privacy_tags(graph.privacy)}
    if graph.profile is not None:
        tags.setdefault("mlp.profile", graph.profile)
    if tags:
        document["tags"] = tags
    default = graph.default_compute or _unsaid(graph)
    if default is not None:
        document["settings"] = {"default_compute": compute_reference(default)}
    facts = {f.name: f for f in graph.facts}
    inputs: dict[str, Any] = {}
    for item in graph.inputs:
        if item.value is None and item.facts is None and item.parameter.azure_type in PRIMITIVES:
            continue
        place = provenance.place(item.span or (facts[item.facts].span if item.facts in facts else None))
        inputs[item.parameter.name] = _commented(_pipeline_input(item, local), _input_comment(item, place))
    for name, path in definitions.items():
        inputs[name] = {"type": "uri_folder", "path": path}
    if inputs:
        document["inputs"] = inputs
    if graph.outputs:
        document["outputs"] = {o.name: _commented(_pipeline_output(o), provenance.place(o.span)) for o in graph.outputs}
    if component is not None:
        document["component"] = component
    else:
        document["jobs"] = jobs_document(graph, extras, provenance, local)
    merge(document, graph.extra)
    return document


def component_document(
    graph: Graph, extras: Mapping[str, Extra], provenance: Provenance, local: Callable[[str], str]
) -> dict[str, Any]:
    """component.yml of a pipeline that other jobs use: what it takes and gives, and its jobs."""
    document: dict[str, Any] = {"$schema": COMPONENT_SCHEMA, "type": "pipeline", "name": graph.name}
    fields = (
        ("version", graph.component_version),
        ("display_name", graph.display_name),
        ("description", graph.description),
    )
    document |= {key: value for key, value in fields if value}
    tags = {**graph.tags, **privacy_tags(graph.privacy)}
    if tags:
        document["tags"] = tags
    if graph.inputs:
        document["inputs"] = {
            i.parameter.name: _commented(parameter_document(_declared(i)), provenance.place(i.span))
            for i in graph.inputs
        }
    if graph.outputs:
        document["outputs"] = {
            o.name: _commented({**_pipeline_output(o), **_described(o)}, provenance.place(o.span))
            for o in graph.outputs
        }
    document["jobs"] = jobs_document(graph, extras, provenance, local)
    merge(document, graph.extra)
    return document


def _declared(item: PipelineInput) -> Parameter:
    """An input with what a profile says of it for a default."""
    value = item.value
    return item.parameter._replace(default=value.value, has_default=True) if type(value) is Literal else item.parameter


def _described(output: PipelineOutput) -> dict[str, Any]:
    return {"description": output.description} if output.description else {}


def jobs_document(
    graph: Graph, extras: Mapping[str, Extra], provenance: Provenance, local: Callable[[str], str]
) -> dict[str, Any]:
    """The `jobs` of a pipeline, or of a component that is one."""
    bound = {(o.source.node, o.source.port): o.name for o in graph.outputs if o.source is not None}
    nodes = {node.name: node for node in graph.nodes}
    return {
        node.name: _commented(_job(node, extras[node.name], bound, local, nodes), job_comment(node, provenance))
        for node in graph.nodes
    }


def _unsaid(graph: Graph) -> str | None:
    """Where jobs run that say nothing themselves: serverless, if there are any that must run somewhere."""
    if "compute" in graph.extra:
        return None
    wanting = any(n.kind in _COMPUTED and n.run.compute is None for one in all_graphs(graph) for n in one.nodes)
    return SERVERLESS if wanting else None


def _commented(value: Any, comment: str) -> Any:
    return Commented(value, comment) if comment else value


def _input_comment(item: PipelineInput, place: str) -> str:
    p = item.parameter
    said = p.type + (f": {p.description}" if p.description else "")
    return f"{place} {said}" if place else said


def job_comment(node: Node, provenance: Provenance) -> str:
    """`income.mlp:44-52 train model using sklearn.LogisticRegression`."""
    said = f"{node.verb} {node.title} using {node.component.name}"
    if node.control is not None:
        said = f"{node.component.name} {node.title}"
    place = provenance.place(node.span)
    return f"{place} {said}" if place else said


def _pipeline_input(item: PipelineInput, local: Callable[[str], str]) -> Any:
    value = item.value
    if item.facts is not None:
        return {"type": "uri_file", "path": f"./facts/{item.facts}.json"}
    if type(value) is Literal:
        return yaml_value(value.value, item.parameter)
    if value is None:
        return {"type": item.parameter.azure_type}
    assert type(value) is Asset
    return _asset(value, local, item.parameter)


def _asset(asset: Asset, local: Callable[[str], str], parameter: Parameter | None = None) -> dict[str, Any]:
    document = {"type": asset.type, "path": local(asset.path) if asset.local else asset.path}
    mode = asset.mode or (parameter.mode if parameter is not None else None)
    if mode is not None:
        document["mode"] = mode
    return document


def _pipeline_output(output: PipelineOutput) -> dict[str, Any]:
    document: dict[str, Any] = {"type": output.azure_type}
    if output.mode is not None:
        document["mode"] = output.mode
    if output.path is not None:
        document["path"] = output.path
    if output.asset_name is not None:
        document["name"] = output.asset_name
    if output.asset_version is not None:
        document["version"] = output.asset_version
    return document


def _job(
    node: Node,
    extra: Extra,
    bound: Mapping[tuple[str, str], str],
    local: Callable[[str], str],
    nodes: Mapping[str, Node],
) -> dict[str, Any]:
    job: dict[str, Any] = {"type": node.kind}
    if node.control is not None:
        job.update(control_fields(node.control, nodes))
        gathered = {p.name: bound[node.name, p.name] for p in node.component.outputs if (node.name, p.name) in bound}
        if gathered:
            job["outputs"] = {port: f"${{{{parent.outputs.{name}}}}}" for port, name in gathered.items()}
        return job
    if isinstance(extra.component, str):
        job["trial" if node.kind == "sweep" else "component"] = extra.component
    if node.title and node.title != node.name:
        job["display_name"] = node.title
    in_place = node.component.in_place and node.kind != "sweep"  # a trial in place declares its ports like any other
    if node.description:
        job["description" if in_place and node.kind in DESCRIBED else "comment"] = node.description
    if node.kind == "data_transfer":  # Azure ML wants to be told, though the component says it
        said = (node.component.document or node.component.extra).get("task")
        job.update({"task": said} if said is not None else {})
    if isinstance(extra.component, dict):
        job.update({"trial": extra.component} if node.kind == "sweep" else extra.component)
    run = node.run
    if run is not _DEFAULT and run.compute is not None:
        job["compute"] = compute_reference(run.compute)
    inputs: dict[str, Any] = {}
    parameters: dict[str, Parameter] | None = None
    for name, binding in node.inputs:
        kind = type(binding)
        if (kind is FromNode or kind is FromInput) and not in_place:
            text = reference_text(binding)  # type: ignore[arg-type]
            mode = binding.mode  # type: ignore[union-attr]
            inputs[name] = text if mode is None else {"path": text, "mode": mode}
        else:
            if parameters is None:
                parameters = {p.name: p for p in node.component.inputs}
            parameter = parameters.get(name)
            # None means "leave it": an optional input of Azure ML has no value, a json-encoded one has JSON's null.
            if kind is Literal and binding.value is None and (parameter is None or parameter.encoding == "plain"):  # type: ignore[union-attr]
                continue
            inputs[name] = _bound(binding, parameter, local, in_place, node.kind == "automl")
    inputs.update(extra.inputs)
    if node.kind == "automl":
        job.update(inputs)  # Azure ML has them among the other fields of the job
    elif inputs:
        job["inputs"] = inputs
    outputs = _job_outputs(node, bound)
    outputs.update((name, {"type": "uri_folder"}) for name in extra.outputs)
    if outputs and in_place and node.kind == "import":
        job["output"] = next(iter(outputs.values())) or dict(_FOLDER)  # its schema has one, in a field of its own
    elif outputs:
        job["outputs"] = outputs
    if node.search is not None:
        job.update(node.search)
    if run is not _DEFAULT:
        _run(node.kind, run, job)
    merge(job, run.extra if extra.run is None else extra.run)
    return job


_DEFAULT = Node._field_defaults["run"]


def _bound(
    binding: Binding, parameter: Parameter | None, local: Callable[[str], str], in_place: bool, literal: bool = False
) -> Any:
    """A binding as a job has it. A job that is its own definition says the type of an asset with its binding.

    ``literal`` if it has lists and maps as YAML, not as JSON in a string."""
    match binding:
        case Literal(value=value) if literal:
            return value
        case Literal(value=value):
            return yaml_value(value, parameter) if parameter is not None and parameter.type != "any" else value
        case Asset():
            return _asset(binding, local)
        case FromInput() | FromNode():
            text = reference_text(binding)
            mode = {"mode": binding.mode} if binding.mode is not None else {}
            typed = in_place and not literal  # azure-ai-ml makes a text of what AutoML is given in another form
            if typed and parameter is not None and parameter.azure_type not in PRIMITIVES and not parameter.inferred:
                return {"type": parameter.azure_type, "path": text, **mode}
            return {"path": text, **mode} if mode else text
        case _:
            return "".join(part if isinstance(part, str) else reference_text(part) for part in binding.parts)


def _job_outputs(node: Node, bound: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the node says of its outputs, in the component's order of ports.

    A job that is its own definition says their types; what a component says of them, its jobs need not repeat."""
    outputs: dict[str, Any] = {}
    settings = {s.port: s for s in node.outputs}
    in_place = node.component.in_place and node.kind not in ("sweep", "automl")
    for port in node.component.outputs:
        feeds = bound.get((node.name, port.name))
        setting = settings.get(port.name)
        document: dict[str, Any] = {}
        if setting is not None:
            fields = (("type", setting.type), ("mode", setting.mode), ("path", setting.path), ("name", setting.name))
            document = {key: value for key, value in fields if value is not None}
            if setting.version is not None:
                document["version"] = setting.version
        if in_place and (feeds is None or (document and port.azure_type != "uri_folder")):
            document = {"type": port.azure_type, **document}
        if feeds is not None:
            parent = f"${{{{parent.outputs.{feeds}}}}}"
            outputs[port.name] = {**document, "path": parent} if document else parent
        elif in_place and document == _FOLDER and (setting is None or setting.type is None):
            outputs[port.name] = None  # declared, which is enough
        elif document:
            outputs[port.name] = document
        elif node.component.origin == "registered":
            outputs[port.name] = None  # azure-ai-ml knows of it from its job alone
    return outputs


_FOLDER = {"type": "uri_folder"}
"""What Azure ML takes an output for that says nothing."""


def _run(kind: str, run: Run, job: dict[str, Any]) -> None:
    rows = words(RUN, kind)
    for word, field in _NAMED.items():
        value = getattr(run, field)
        if value is not None and word in rows and rows[word].path:
            put(job, rows[word].path, value)
    if run.distribution is not None:
        job["distribution"] = dict(run.distribution)
    if run.identity is not None:
        job["identity"] = {"type": IDENTITIES[run.identity]}
    if run.environment_variables:
        job["environment_variables"] = dict(run.environment_variables)


_NAMED = {
    "nodes": "instance_count",
    "instance": "instance_type",
    "shm": "shm_size",
    "docker_args": "docker_args",
    "timeout": "timeout",
    "retries": "retries",
}
"""Words of `run` with the fields of a Run that hold them."""


def privacy_tags(privacy: Privacy) -> dict[str, str]:
    """What the program spends of whose privacy, in tags that stay on the job in the workspace."""
    tags: dict[str, str] = {}
    for b in privacy.budgets:
        tags[f"mlp.privacy.{b.data}"] = (
            f"epsilon {b.spent_epsilon!r} of {b.epsilon!r}, delta {b.spent_delta!r} of {b.delta!r}"
            f" per {b.unit}, neighbours {b.neighbours}"
        )
    for r in privacy.releases:
        times = f", {r.times} times" if r.times != 1 else ""
        tags[f"mlp.release.{r.data}.{r.node}"] = (
            f"{r.mechanism}, epsilon {r.epsilon!r} ({r.epsilon_text}), delta {r.delta!r}{times}"
        )
    for d in privacy.declassified:
        tags[f"mlp.declassified.{d.node}.{d.port}"] = d.reason
    if privacy.verdicts:
        tags["mlp.verdicts"] = ", ".join(privacy.verdicts)
    return tags


def schedule_document(schedule: Schedule, graph: Graph) -> dict[str, Any]:
    """A schedule that starts pipeline.yml, with the inputs that it sets."""
    document: dict[str, Any] = {"$schema": SCHEDULE_SCHEMA, "name": schedule.name}
    if schedule.description:
        document["description"] = schedule.description
    extra = dict(schedule.extra)
    updates = extra.pop("create_job", None)
    document.update(extra)
    document["trigger"] = dict(schedule.trigger)
    job: dict[str, Any] = {"type": "pipeline", "job": "../pipeline.yml"}
    if isinstance(updates, dict):
        job.update(updates)
    if schedule.inputs:
        parameters = {item.parameter.name: item.parameter for item in graph.inputs}
        job["inputs"] = {
            name: yaml_value(value, parameters[name]) if name in parameters else value
            for name, value in schedule.inputs.items()
        }
    document["create_job"] = job
    return document
