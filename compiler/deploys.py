"""From `deploy` stages to deployments, each after every gate that judges what it deploys."""

import os
from typing import Any

from mlp_lang.compiler.flow import edges, setting_span
from mlp_lang.compiler.graph import Asset, Deployment, Endpoint, Environment, FromInput, FromNode, Literal
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.report import replace
from mlp_lang.compiler.stages import Context
from mlp_lang.compiler.types import Port
from mlp_lang.compiler.values import Thing
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span


def compile_deploys(context: Context, instances: list[Instance], *, complete: bool) -> list[Endpoint]:
    """Fill in the deployments, check their gates; the endpoints that they use, in order of use."""
    endpoints: dict[str, Endpoint] = {}
    judges: dict[Instance, list[Instance]] = {}  # by what they judge
    for instance in instances:
        if any(g.hard for g in instance.gates):
            for subject in dict.fromkeys(_subjects(instance)):
                judges.setdefault(subject, []).append(instance)
    taken: dict[tuple[str, str], Instance] = {}
    for instance in instances:
        ungated = _ungated(context, instance)
        if not instance.acts_as("deploy"):
            continue
        face = instance.interface
        if face is None:
            continue
        _check_traffic(context, instance)
        model = _model_input(instance)
        if face.deployment is not None and model is not None:
            endpoint = _deployment(context, instance, model, complete=complete)
            if endpoint is not None:
                endpoints[endpoint.title] = endpoint
                _claim(context, instance, endpoint, taken)
        missing = _unjudged(instance, judges)
        if ungated is not None:
            instance.ungated = ungated[0]
            if not missing:
                context.report.warning("MLP0410", "nothing to lift: every gate stands before it", ungated[1])
        elif missing:
            _report_missing(context, instance, missing)
    return list(endpoints.values())


def _ungated(context: Context, instance: Instance) -> tuple[str, Span] | None:
    for item in instance.spec.items or ():
        if isinstance(item, syntax.Ungated):
            if not instance.acts_as("deploy"):
                message = "only a `deploy` waits for gates"
                context.report.error("MLP0404", message, item.span)
                return None
            reason = context.evaluator.constant(item.reason, instance.scope, "a reason")
            return (str(reason.value), item.span) if reason is not None else None
    return None


def _check_traffic(context: Context, instance: Instance) -> None:
    """A stage that moves traffic says where all of it goes."""
    binding = instance.bindings.get("traffic")
    if isinstance(binding, Literal) and isinstance(binding.value, dict):
        shares = [v for v in binding.value.values() if isinstance(v, int)]
        if sum(shares) != 100 or min(shares) < 0:
            span = setting_span(instance, "traffic")
            context.report.error("MLP0407", f"traffic sums to {sum(shares)}, expected 100", span)


def _model_input(instance: Instance) -> str | None:
    """The input whose model is deployed: the one of a model's type."""
    assert instance.interface is not None
    for name, asked in instance.interface.inputs.items():
        if isinstance(asked.type, Port) and asked.type.azure.endswith("_model"):
            return name
    return "model" if "model" in instance.interface.inputs else None


def _deployment(context: Context, instance: Instance, model: str, *, complete: bool) -> Endpoint | None:
    face = instance.interface
    assert face is not None and face.deployment is not None
    where = instance.evaluated.get("endpoint")
    bound = instance.bindings.get(model)
    if not isinstance(where, Thing):
        if "endpoint" in instance.bindings:
            context.report.error(
                "MLP0409",
                "a deployment belongs to a declared endpoint",
                setting_span(instance, "endpoint"),
                help='endpoint scoring = online("name")',
            )
        return None
    endpoint = context.resources.endpoint(where.symbol)
    if endpoint is not None and endpoint.kind != "online":
        context.report.error(
            "MLP0353",
            f"`{endpoint.title}` is a {endpoint.kind} endpoint, expected an online one",
            setting_span(instance, "endpoint"),
            related=(Related(where.symbol.span, "declared here"),),
            help="a `deploy` stage serves online; declare a `deployment` for this endpoint",
        )
        return None
    if endpoint is None or not isinstance(bound, FromNode | FromInput | Asset):
        return None
    folder = os.path.join(face.folder, str(face.deployment.get("scoring", "scoring")))
    conda_file = os.path.join(folder, "conda.yaml")
    conda: Any = None
    if complete and os.path.isfile(conda_file):
        from mlp_lang.compiler.yaml_files import load_yaml

        conda = load_yaml(conda_file)
    image = face.deployment.get("image")
    name = instance.name.replace("_", "-")
    instance.deployment = Deployment(
        name=name,
        endpoint=endpoint.title,
        model=bound,
        instance_type=str(_value(context, instance, "instance", "Standard_DS3_v2")),
        instance_count=int(_value(context, instance, "instances", 1)),
        scoring_folder=folder,
        environment=Environment(
            name=face.deployment.get("environment"),
            image=image,
            conda=conda,
            conda_file=conda_file if os.path.isfile(conda_file) else None,
        ),
    )
    return endpoint


def _value(context: Context, instance: Instance, name: str, otherwise: Any) -> Any:
    binding = instance.bindings.get(name)
    if isinstance(binding, Literal):
        return binding.value
    if binding is not None:
        context.evaluator.not_constant(instance.evaluated[name], setting_span(instance, name), f"`{name}`")
        return otherwise
    asked = instance.interface.inputs.get(name) if instance.interface is not None else None
    return asked.parameter.default if asked is not None and asked.parameter.has_default else otherwise


def _claim(context: Context, instance: Instance, endpoint: Endpoint, taken: dict[tuple[str, str], Instance]) -> None:
    """Names of deployments: Azure ML takes 3 to 32 letters, digits and hyphens, once per endpoint."""
    assert instance.deployment is not None
    name = instance.deployment.name
    if not (3 <= len(name) <= 32 and name[0].isalpha()):
        context.report.error(
            "MLP0411",
            f"`{name}` is no name for a deployment",
            instance.spec.name.span,
            help="3 to 32 letters, digits and underscores, a letter first",
        )
    earlier = taken.setdefault((endpoint.name, name), instance)
    if earlier is not instance:
        message = f"`{endpoint.title}` has two deployments called `{name}`"
        related = (Related(earlier.spec.name.span, "the first"),)
        context.report.error("MLP0104", message, instance.spec.name.span, related=related)


def _before(instance: Instance) -> set[Instance]:
    """The stages that must have succeeded before this one, directly or by way of others."""
    found = {instance}
    todo = [instance]
    while todo:
        for other in edges(todo.pop()):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def _model_ancestors(instance: Instance) -> set[Instance]:
    """What the deployed model comes from, along the inputs that may be seen in it."""
    found: set[Instance] = set()
    name = _model_input(instance)
    todo = list(instance.sources.get(name, ())) if name is not None else []
    seen = set(todo)
    while todo:
        one, port = todo.pop()
        found.add(one)
        face = one.interface
        output = face.outputs.get(port) if face is not None else None
        for key, pairs in one.sources.items():
            if output is None or key in output.origin or key not in (face.inputs if face is not None else {}):
                for pair in pairs:
                    if pair not in seen:
                        seen.add(pair)
                        todo.append(pair)
    return found


def _unjudged(instance: Instance, judges: dict[Instance, list[Instance]]) -> list[Instance]:
    """The stages with a `require` over the deployed model, or what it comes from, that do not stand before it."""
    if not judges:
        return []
    wanted = {j for one in _model_ancestors(instance) for j in judges.get(one, ())}
    if not wanted:
        return []
    missing = wanted - _before(instance)
    return sorted(missing, key=lambda j: (j.spec.span.start, j.name))


def _subjects(judge: Instance) -> list[Instance]:
    """What a stage judges: the models that flow into it, or everything if none does."""
    face = judge.interface
    assert face is not None
    models: list[Instance] = []
    every: list[Instance] = []
    for pairs in judge.sources.values():
        sources = [s for s, _ in pairs]
        every += sources
        if any(port in s.frameworks for s, port in pairs):
            models += sources
    return models or every


def _report_missing(context: Context, instance: Instance, missing: list[Instance]) -> None:
    names = [j.title for j in missing]
    shown = ", ".join(f"`{n}`" for n in names)
    spec = instance.spec
    if spec.after:
        where, text = spec.after[-1].span, "".join(f", {n}" for n in names)
    else:
        last = spec.on.span if spec.on is not None else spec.component[-1].span
        where, text = last, f" after {', '.join(names)}"
    at = Span(where.source, where.end, where.end)
    related = tuple(
        Related(
            next(i.span for i in j.spec.items or () if isinstance(i, syntax.Requirement) and i.hard),
            f"`{j.title}` judges the model",
        )
        for j in missing
    )
    context.report.error(
        "MLP0403",
        f"`{instance.title}` does not wait for {shown}",
        spec.name.span,
        "would deploy a model that has not passed",
        help=f'write `after {", ".join(names)}`, or `ungated "why"` in the stage',
        related=related,
        fixes=(replace(f"Deploy after {', '.join(names)}", at, text),),
    )
