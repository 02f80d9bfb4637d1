"""From an Interface and one use of it to the Component that its node carries: set hyper-parameters, opened lists."""

from mlp_lang.compiler import automl, inline
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Binding, Component, FromNode, Literal, Parameter
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface, component_of
from mlp_lang.compiler.nested import on
from mlp_lang.compiler.spaces import texts_alone
from mlp_lang.compiler.types import ListType, Port, azure_scalar, canonical
from mlp_lang.compiler.values import InputRef, PortList, Text
from mlp_lang.compiler.vocabulary import DESCRIBED


class Specialiser:
    """Makes each distinct Component once."""

    def __init__(self, evaluator: Evaluator, *, complete: bool) -> None:
        self.evaluator = evaluator
        self.complete = complete
        self._made: dict[tuple[object, ...], Component] = {}

    def component(self, instance: Instance) -> Component:
        """The component of an instance whose interface is known; opens the instance's lists into inputs."""
        face = instance.interface
        assert face is not None
        if face.kind == "automl":
            return automl.component(instance, face)
        if face.family is not None:
            return self._member(instance, face)
        if face.origin == "inline":
            apart = face.kind in DESCRIBED and "comment" in instance.extra
            sweep = instance.kind == "sweep"
            base = inline.finish(self.evaluator, face, instance.bindings.keys(), sweep=sweep, apart=apart)
        else:
            base = component_of(face, complete=self.complete)
        lists = [k for k, v in instance.evaluated.items() if isinstance(v, PortList) and k in face.inputs]
        for key in lists:
            base = _opened(base, instance, key, face)
        return base

    def elsewhere(self, component: Component, compute: str) -> Component:
        """A pipeline whose jobs run on a compute where they say nothing."""
        key = ("on", id(component), compute)
        made = self._made.get(key)
        if made is None:
            assert component.graph is not None
            made = self._made[key] = component._replace(graph=on(component.graph, compute))
        return made

    def _member(self, instance: Instance, face: Interface) -> Component:
        """`sklearn.SVC` with C and kernel set is a component with just these two hyper-parameters."""
        chosen: list[tuple[str, bool]] = []
        for name, asked in face.inputs.items():
            if asked.hyper and (name in instance.bindings or name in instance.spaces):
                chosen.append((name, _as_string(instance, name, asked.parameter)))
        key = (face.name, tuple(chosen))
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(face, chosen)
        return made

    def _make(self, face: Interface, chosen: list[tuple[str, bool]]) -> Component:
        family = component_of(face, complete=self.complete)
        member = face.name.partition(".")[2]
        inputs: list[Parameter] = [i.parameter for i in face.inputs.values() if not i.hyper]
        command = family.command.replace("${{inputs.estimator}}", member)
        for name, text in chosen:
            shown = face.inputs[name].parameter
            inputs.append(shown._replace(encoding="plain", azure_type="string") if text else shown)
            # Azure ML puts the text in as it is, so the shell must see one word: `[10, 5]` has a blank, `"auto"` quotes
            command += f" --{'string' if text else 'json'} {name} '${{{{inputs.{name}}}}}'"
        return family._replace(
            name=face.name,
            azure_name=f"{face.name.replace('.', '_').lower()}",
            display_name=f"Train {member}",
            inputs=tuple(
                p._replace(default=None, has_default=False, optional=p.optional and not face.inputs[p.name].hyper)
                for p in inputs
            ),
            command=command,
        )


def _as_string(instance: Instance, name: str, parameter: Parameter) -> bool:
    """Whether a hyper-parameter travels as plain text rather than JSON."""
    if parameter.azure_type == "string" and parameter.encoding == "plain":
        return True
    value = instance.evaluated.get(name)
    if isinstance(value, Text) or (name in instance.spaces and texts_alone(instance.spaces[name])):
        return True
    return isinstance(value, InputRef) and azure_scalar(value.type) == ("string", "plain")


def _opened(base: Component, instance: Instance, key: str, face: Interface) -> Component:
    """Azure ML has no list of assets: `models = noisy[*]` becomes an input for each, named after the stage."""
    asked = face.inputs[key]
    item = asked.type.item if isinstance(asked.type, ListType) else asked.type
    azure = item.azure if isinstance(item, Port) else asked.parameter.azure_type
    made: list[Parameter] = []
    bindings: dict[str, Binding] = {}
    pairs = instance.sources.pop(key, ())
    for source, port in pairs:
        name = f"{key}_{source.name}"
        if name in bindings:
            name = f"{name}_{port}"
        made.append(asked.parameter._replace(name=name, type=canonical(item), azure_type=azure, encoding="plain"))
        bindings[name] = FromNode(source.name, port, getattr(instance.bindings.get(key), "span", None))
        instance.sources[name] = ((source, port),)
    rest = {k: v for k, v in instance.bindings.items() if k != key or not isinstance(v, Literal)}
    instance.bindings = {**rest, **bindings}
    inputs: list[Parameter] = []
    for p in base.inputs:
        inputs += made if p.name == key else [p]
    text = " ".join(f"${{{{inputs.{p.name}}}}}" for p in made)
    outputs = tuple(
        o._replace(depends_on=tuple(n for d in o.depends_on for n in ([p.name for p in made] if d == key else [d])))
        for o in base.outputs
    )
    command = base.command.replace(f"${{{{inputs.{key}}}}}", text)
    suffix = "_".join(source.name for source, _ in pairs)
    return base._replace(
        inputs=tuple(inputs), outputs=outputs, command=command, azure_name=f"{base.azure_name}_{suffix}"[:255]
    )
