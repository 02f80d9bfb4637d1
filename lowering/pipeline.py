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
from mlp_lang.lowering.emit import Commented
from mlp_lang.lowering.provenance import Provenance
from mlp_lang.lowering.values import plain_text, yaml_value

SCHEMA = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
SCHEDULE_SCHEMA = "https://azuremlschemas.azureedge.net/latest/schedule.schema.json"
IDENTITIES = {"managed": "managed_identity", "user": "user_identity", "aml_token": "aml_token"}
SERVERLESS = "serverless"


class Extra(NamedTuple):
    """What lowering adds to a node: its component's reference, inputs for `after` edges, the deploy step's folder."""

    component: str
    inputs: tuple[tuple[str, str], ...]  # name, text of the binding


def compute_reference(name: str) -> str:
    """`serverless`, an ARM id, or `azureml:` and the name."""
    return name if name == SERVERLESS or name.startswith(("azureml:", "/")) else f"azureml:{name}"


def binding_text(binding: FromInput | FromNode) -> str:
    """Azure ML's expression for a reference."""
    if type(binding) is FromInput:
        return f"${{{{parent.inputs.{binding.name}}}}}"
    assert type(binding) is FromNode
    return f"${{{{parent.jobs.{binding.node}.outputs.{binding.port}}}}}"


def pipeline_document(
    graph: Graph,
    extras: Mapping[str, Extra],
    definitions: Mapping[str, str],
    provenance: Provenance,
    local: Callable[[str], str],
) -> dict[str, Any]:
    """pipeline.yml. `definitions` are added folder inputs (name -> path), `local` spells a path on this machine."""
    document: dict[str, Any] = {"$schema": SCHEMA, "type": "pipeline", "display_name": graph.title or graph.name}
    if graph.description:
        document["description"] = graph.description
    document["experiment_name"] = graph.experiment or graph.name
    tags = {**graph.tags, **privacy_tags(graph.privacy)}
    if graph.profile is not None:
        tags.setdefault("mlp.profile", graph.profile)
    if tags:
        document["tags"] = tags
    document["settings"] = {"default_compute": compute_reference(graph.default_compute or SERVERLESS)}
    facts = {f.name: f for f in graph.facts}
    inputs: dict[str, Any] = {}
    for item in graph.inputs:
        if item.value is None and item.facts is None:
            continue
        place = provenance.place(item.span or (facts[item.facts].span if item.facts in facts else None))
        inputs[item.parameter.name] = _commented(_pipeline_input(item, local), _input_comment(item, place))
    for name, path in definitions.items():
        inputs[name] = {"type": "uri_folder", "path": path}
    if inputs:
        document["inputs"] = inputs
    bound: dict[tuple[str, str], str] = {}
    if graph.outputs:
        document["outputs"] = {o.name: _commented(_pipeline_output(o), provenance.place(o.span)) for o in graph.outputs}
        bound = {(o.source.node, o.source.port): o.name for o in graph.outputs}
    document["jobs"] = {
        node.name: _commented(_job(node, extras[node.name], bound, local), job_comment(node, provenance))
        for node in graph.nodes
    }
    return document


def _commented(value: Any, comment: str) -> Any:
    return Commented(value, comment) if comment else value


def _input_comment(item: PipelineInput, place: str) -> str:
    p = item.parameter
    said = p.type + (f": {p.description}" if p.description else "")
    return f"{place} {said}" if place else said


def job_comment(node: Node, provenance: Provenance) -> str:
    """`income.mlp:44-52 train model using sklearn.LogisticRegression`."""
    said = f"{node.verb} {node.title} using {node.component.name}"
    place = provenance.place(node.span)
    return f"{place} {said}" if place else said


def _pipeline_input(item: PipelineInput, local: Callable[[str], str]) -> Any:
    value = item.value
    if item.facts is not None:
        return {"type": "uri_file", "path": f"./facts/{item.facts}.json"}
    if type(value) is Literal:
        return yaml_value(value.value, item.parameter)
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


def _job(node: Node, extra: Extra, bound: Mapping[tuple[str, str], str], local: Callable[[str], str]) -> dict[str, Any]:
    job: dict[str, Any] = {"type": "command", "component": extra.component}
    if node.title and node.title != node.name:
        job["display_name"] = node.title
    if node.description:
        job["comment"] = node.description
    run = node.run
    if run is not _DEFAULT and run.compute is not None:
        job["compute"] = compute_reference(run.compute)
    inputs: dict[str, Any] = {}
    parameters: dict[str, Parameter] | None = None
    for name, binding in node.inputs:
        kind = type(binding)
        if kind is FromNode or kind is FromInput:
            text = binding_text(binding)  # type: ignore[arg-type]
            mode = binding.mode  # type: ignore[union-attr]
            inputs[name] = text if mode is None else {"path": text, "mode": mode}
        else:
            if parameters is None:
                parameters = {p.name: p for p in node.component.inputs}
            parameter = parameters.get(name)
            # None means "leave it": an optional input of Azure ML has no value, a json-encoded one has JSON's null.
            if kind is Literal and binding.value is None and (parameter is None or parameter.encoding == "plain"):  # type: ignore[union-attr]
                continue
            inputs[name] = _bound(binding, parameter, local)
    inputs.update(extra.inputs)
    if inputs:
        job["inputs"] = inputs
    outputs = _job_outputs(node, bound)
    if outputs:
        job["outputs"] = outputs
    if run is not _DEFAULT:
        _run(run, job)
    return job


_DEFAULT = Node._field_defaults["run"]


def _bound(binding: Binding, parameter: Parameter | None, local: Callable[[str], str]) -> Any:
    match binding:
        case Literal(value=value):
            return yaml_value(value, parameter) if parameter is not None else plain_text(value)
        case Asset():
            return _asset(binding, local)
        case FromInput() | FromNode():
            return binding_text(binding)
        case _:
            return "".join(part if isinstance(part, str) else binding_text(part) for part in binding.parts)


def _job_outputs(node: Node, bound: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the node says of its outputs, in the component's order of ports."""
    outputs: dict[str, Any] = {}
    settings = {s.port: s for s in node.outputs}
    for port in node.component.outputs:
        feeds = bound.get((node.name, port.name))
        setting = settings.get(port.name)
        document: dict[str, Any] = {}
        if setting is not None:
            fields = (("mode", setting.mode), ("path", setting.path), ("name", setting.name))
            document = {key: value for key, value in fields if value is not None}
            if setting.version is not None:
                document["version"] = setting.version
        if feeds is not None:
            parent = f"${{{{parent.outputs.{feeds}}}}}"
            outputs[port.name] = {**document, "path": parent} if document else parent
        elif document:
            outputs[port.name] = {"type": port.azure_type, **document}
    return outputs


def _run(run: Run, job: dict[str, Any]) -> None:
    named = ("instance_count", "instance_type", "shm_size", "docker_args")
    resources = {key: value for key in named if (value := getattr(run, key)) is not None}
    if resources:
        job["resources"] = resources
    if run.distribution is not None:
        job["distribution"] = dict(run.distribution)
    if run.timeout is not None:
        job["limits"] = {"timeout": run.timeout}
    if run.identity is not None:
        job["identity"] = {"type": IDENTITIES.get(run.identity, run.identity)}
    if run.environment_variables:
        job["environment_variables"] = dict(run.environment_variables)
    for key, value in run.extra.items():
        job.setdefault(key, value)


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
    document["trigger"] = dict(schedule.trigger)
    job: dict[str, Any] = {"type": "pipeline", "job": "../pipeline.yml"}
    if schedule.inputs:
        parameters = {item.parameter.name: item.parameter for item in graph.inputs}
        job["inputs"] = {
            name: yaml_value(value, parameters[name]) if name in parameters else value
            for name, value in schedule.inputs.items()
        }
    document["create_job"] = job
    return document
