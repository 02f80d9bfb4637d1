"""From a component's YAML (or its declaration in a program) to its Interface: inputs, outputs and what it promises."""

import math
import os
import re
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import (
    Component,
    Environment,
    Facts,
    OutputPort,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Value,
)
from mlp_lang.compiler.types import FROM_AZURE, PORTS, UNKNOWN, Like, Port, Type, azure_scalar, bounds, canonical


class Input(NamedTuple):
    """One input. `optional` may be left out without a default. `filled` is what the compiler gives where the author
    does not: "facts" (then `of` names the table whose facts they are), "gates" or "definitions". `column_of` names the
    input whose columns the value must name; `frameworks` are the model frameworks that it takes."""

    name: str
    type: Type
    parameter: Parameter
    required: bool
    optional: bool = False
    filled: str = ""
    of: str = ""
    column_of: str = ""
    frameworks: tuple[str, ...] = ()
    refusal: str = ""  # why a program cannot set it, if it cannot
    deprecated: str = ""
    hyper: bool = False  # a hyper-parameter of a family's member: an input only where it is set


class Output(NamedTuple):
    """One output. `origin` are the inputs whose data may be seen in it; `like` the input whose schema it has."""

    name: str
    type: Type
    port: OutputPort
    origin: tuple[str, ...]
    like: str = ""


class Need(NamedTuple):
    """What the stage that made an input must have said: its component, and values that some of its inputs may have."""

    components: tuple[str, ...]
    inputs: dict[str, tuple[Value, ...]]


class ReleaseRule(NamedTuple):
    """What lifts the label of the data in input `of` from `outputs`. `epsilon` and `delta` are a number or the name of
    an input; `delta` may be a choice by the value of an input, where "data" is the datum's own."""

    outputs: tuple[str, ...]
    of: str
    epsilon: float | str
    delta: Any
    mechanism: str
    neighbours: tuple[str, ...]
    needs: dict[str, Need]


class Fill(NamedTuple):
    """What a pipeline inside another brings along for one of its inputs: a datum with its path, or facts.

    `places` is what only Azure ML reads of a datum."""

    input: PipelineInput
    facts: Facts | None = None
    places: dict[str, Any] = {}  # noqa: RUF012 - read-only by convention


class Interface:
    """What a program may say of a component, and what the component promises.

    `component` is how it stands in the Graph (None for a family, which makes one per use). `known` tells whether
    anybody stated what it does with private data.
    """

    __slots__ = (
        "complete",
        "component",
        "convertible",
        "data",
        "default_output",
        "deployment",
        "emits",
        "emits_facts",
        "family",
        "fills",
        "folder",
        "gates",
        "inputs",
        "kind",
        "known",
        "metrics",
        "name",
        "open",
        "origin",
        "outputs",
        "published",
        "release",
        "source",
        "stable",
        "unstable_with",
        "verbs",
    )

    def __init__(self, name: str, origin: str, folder: str, source: str) -> None:
        self.name = name
        self.origin = origin
        self.folder = folder
        self.source = source
        self.inputs: dict[str, Input] = {}
        self.outputs: dict[str, Output] = {}
        self.verbs: tuple[str, ...] = ()
        self.default_output: str | None = None
        self.metrics: tuple[str, ...] = ()
        self.gates = ""
        self.stable: frozenset[str] = frozenset()
        self.unstable_with: frozenset[str] = frozenset()  # inputs that void `stable` when they are set
        self.release: ReleaseRule | None = None
        self.emits_facts: dict[str, str] | None = None
        self.deployment: dict[str, Any] | None = None
        self.family: str | None = None  # the table of a family, as `mlp.table` names it
        self.convertible: frozenset[str] = frozenset()  # inputs whose estimator the ONNX converter must know
        self.known = False
        self.kind = "command"  # of component, in Azure ML
        self.open = False  # whether nobody said what it takes and gives: then whatever a program names is taken
        self.component: Component | None = None
        self.complete = False  # whether `component` knows what its conda file says
        # of a pipeline: what it brings along for its inputs, what is known of its outputs, and where they go
        self.fills: dict[str, Fill] = {}
        self.emits: dict[str, Facts] = {}
        self.published: dict[str, PipelineOutput] = {}
        self.data: dict[str, Any] = {}  # the YAML as it was read, for what only the Graph needs


class BadInterface(Exception):
    """A component's file that says something wrong; the message names the place in it."""


def parameter(
    name: str,
    t: Type,
    azure: str | None,
    *,
    description: str = "",
    default: Value = None,
    has_default: bool = False,
    optional: bool = False,
    mode: str | None = None,
) -> Parameter:
    """An input as the Graph describes it; ``azure`` is what a YAML says, None to follow from the type."""
    if isinstance(t, Port):
        return Parameter(name, canonical(t), azure or t.azure, description, optional=optional, mode=mode)
    natural, encoding = azure_scalar(t)
    low, high = bounds(t)
    members = getattr(t, "members", ()) if natural == "string" and encoding == "plain" else ()
    return Parameter(
        name,
        canonical(t),
        azure or natural,
        description,
        default,
        has_default,
        optional,
        low,
        high,
        tuple(members),
        # a type of ours that Azure ML has no word for travels as JSON in a string
        encoding if azure in (None, "string") else "plain",
        mode,
    )


_LEGACY = {"path": "uri_folder"}
"""Older spellings of asset types that Azure ML still takes."""


def azure_type(raw: dict[str, Any]) -> Type:
    """The type of an input or output as plain Azure ML YAML states it."""
    word = str(raw.get("type", "uri_folder"))
    port = PORTS.get(_LEGACY.get(word, word))
    if port is not None:
        return port
    t = FROM_AZURE.get(word)
    if t is None:
        raise BadInterface(f"`{word}` is no type of Azure ML's")
    members = raw.get("enum")
    if isinstance(members, list) and members:
        from mlp_lang.compiler.types import EnumType

        return EnumType(tuple(members))
    low, high = _end(raw.get("min")), _end(raw.get("max"))
    return t if low is None and high is None else t._replace(low=low, high=high)


def _end(end: Any) -> int | float | None:
    """One end of a range: Azure ML takes a number, and the text of one."""
    if isinstance(end, str):
        try:
            end = int(end) if end.strip().lstrip("+-").isdecimal() else float(end)
        except ValueError:
            end = math.nan
    if isinstance(end, bool) or not isinstance(end, int | float | None) or end != end:
        raise BadInterface("`min` and `max` are numbers")
    return end


def read_interface(name: str, origin: str, path: str, raw: object) -> Interface:
    """The Interface that a component YAML gives, its `mlp:` section included.

    Raises BadInterface if the YAML is no component, or its section contradicts it."""
    from mlp_lang.compiler.typenames import type_of  # not needed where the parser is not

    if not isinstance(raw, dict):
        raise BadInterface("not a component")
    kind = _kind(raw)
    ours = raw.get("mlp")
    section: dict[str, Any] = ours if isinstance(ours, dict) else {}
    folder = path.rsplit("/", 1)[0]
    face = Interface(name, origin, folder, path)
    face.data = raw
    face.kind = kind
    face.open = kind in _OPEN
    face.known = ours is not None
    our_inputs = section.get("inputs") or {}
    facts = section.get("facts") or {}
    frameworks = section.get("frameworks") or {}
    face.gates = section.get("gates") or ""
    for key, spec in _ports(raw, "inputs") if not face.open else ():
        mine = our_inputs.get(key) or {}
        t = type_of(mine["type"]) if "type" in mine else azure_type(spec)
        optional = bool(spec.get("optional", False))
        has_default = "default" in spec
        default = spec.get("default")
        shown = parameter(
            key,
            t,
            str(spec.get("type", "uri_folder")),
            description=str(spec.get("description") or "").strip(),
            default=default,
            has_default=has_default,
            optional=optional,
            mode=spec.get("mode"),
        )
        if shown.encoding == "json" and isinstance(default, str):
            shown = shown._replace(default=_json(default, key))
        filled = "facts" if key in facts else "gates" if key == face.gates else ""
        if key == "definitions" and section.get("deployment"):
            filled = "definitions"  # the folder of the deployment's own definitions, which lowering hands over
        face.inputs[key] = Input(
            key,
            t,
            shown,
            not (has_default or optional),
            optional,
            filled,
            facts.get(key, ""),
            mine.get("column_of", ""),
            tuple(frameworks.get(key, ())),
        )
    every = tuple(k for k, i in face.inputs.items() if not i.filled)
    our_outputs = section.get("outputs") or {}
    for key, spec in _ports(raw, "outputs") if not face.open else ():
        mine = our_outputs.get(key) or {}
        t = type_of(mine["type"]) if "type" in mine else azure_type(spec)
        add_output(face, key, t, str(spec.get("type", "uri_folder")), spec, tuple(mine.get("from", every)))
    face.verbs = tuple(section.get("verbs") or ())
    face.default_output = section.get("default_output")
    face.metrics = tuple(section.get("metrics") or ())
    face.stable = frozenset(section.get("stable") or ())
    face.unstable_with = frozenset(section.get("unstable_with") or ())
    face.emits_facts = section.get("emits_facts")
    face.deployment = section.get("deployment")
    face.family = section.get("table")
    needs = section.get("needs") or {}
    face.convertible = frozenset(k for k, need in needs.items() if need.get("onnx"))
    releases = section.get("releases")
    face.release = read_release(releases) if releases else None
    _check_names(face, our_inputs, our_outputs, facts, frameworks)
    return face


def _ports(raw: dict[str, Any], what: str) -> list[tuple[str, dict[str, Any]]]:
    found = raw.get(what) or {}
    if not isinstance(found, dict):
        raise BadInterface(f"`{what}` is no map of names")
    for key, spec in found.items():
        if not isinstance(key, str) or not _PORT_NAME.fullmatch(key):
            raise BadInterface(f"`{key}` in `{what}` is no name")
        if not isinstance(spec, dict):
            raise BadInterface(f"`{what}.{key}` does not say its type")
    return list(found.items())


_PORT_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_OPEN = frozenset(["promptflow_parallel"])
"""Kinds of component that declare their ports elsewhere."""
_REQUIRED = {
    "command": "command",
    "parallel": "task",
    "spark": "entry",
    "pipeline": "jobs",
    "import": "source",
    "data_transfer": "task",
    "promptflow_parallel": "",
}
"""The kinds of component that a file may define, and a field without which it would define nothing."""


def _kind(raw: dict[str, Any]) -> str:
    """What kind of component a YAML defines. Raises BadInterface."""
    stated = raw.get("type")
    if stated is None:
        flow = "flow" in str(raw.get("$schema", "")).lower()
        stated = "promptflow_parallel" if flow else next((k for k, f in _REQUIRED.items() if f and f in raw), "command")
    if not isinstance(stated, str) or stated not in _REQUIRED:
        raise BadInterface(f"`type: {stated}` is no kind of component; known are {', '.join(_REQUIRED)}")
    field = _REQUIRED[stated]
    if field and field not in raw:
        raise BadInterface(f"not a {stated} component: it has no `{field}`")
    return str(stated)


def open_port(face: Interface, name: str, what: str) -> None:
    """Take an input or output that only a program names, of a component that nobody described here."""
    if what == "input":
        face.inputs[name] = Input(name, UNKNOWN, Parameter(name, "any", "string", optional=True), False, True)
    else:
        face.outputs[name] = Output(name, UNKNOWN, OutputPort(name, "any", "uri_folder"), ())


def add_output(face: Interface, key: str, t: Type, azure: str, spec: dict[str, Any], origin: tuple[str, ...]) -> None:
    """Add an output, `like` resolved to the type of the input that it names. Raises BadInterface."""
    like = ""
    if isinstance(t, Like):
        like = t.input
        model = face.inputs.get(like)
        if model is None:
            raise BadInterface(f"output `{key}` is `like {like}`, which is no input")
        t = model.type
    description = str(spec.get("description") or "").strip()
    shown = OutputPort(key, canonical(t), azure, description, origin, spec.get("mode"))
    face.outputs[key] = Output(key, t, shown, origin, like)


def _json(text: str, key: str) -> Value:
    import json

    try:
        value: Value = json.loads(text)
    except ValueError:
        raise BadInterface(f"the default of input `{key}` is no JSON") from None
    return value


def read_release(raw: dict[str, Any]) -> ReleaseRule:
    """The `releases` part of a section."""
    needs = {
        key: Need(
            tuple(need.get("component") or ()),
            {k: tuple(v) for k, v in (need.get("inputs") or {}).items()},
        )
        for key, need in (raw.get("needs") or {}).items()
    }
    return ReleaseRule(
        tuple(raw.get("outputs") or ()),
        raw.get("of", ""),
        raw.get("epsilon", 0),
        raw.get("delta", 0),
        raw.get("mechanism", ""),
        tuple(raw.get("neighbours") or ()),
        needs,
    )


def _check_names(face: Interface, *tables: dict[str, Any]) -> None:
    inputs, outputs, facts, frameworks = tables
    for where, names, known in (
        ("mlp.inputs", inputs, face.inputs),
        ("mlp.outputs", outputs, face.outputs),
        ("mlp.facts", facts, face.inputs),
        ("mlp.frameworks", frameworks, face.inputs),
        ("mlp.stable", face.stable, face.inputs),
        ("mlp.gates", (face.gates,) if face.gates else (), face.inputs),
        ("mlp.default_output", (face.default_output,) if face.default_output else (), face.outputs),
        ("mlp.releases.outputs", face.release.outputs if face.release else (), face.outputs),
        ("mlp.releases.of", (face.release.of,) if face.release else (), face.inputs),
    ):
        for name in names:
            if name not in known:
                raise BadInterface(f"`{where}` names `{name}`, which the component does not have")
    for out in face.outputs.values():
        for name in out.origin:
            if name not in face.inputs:
                raise BadInterface(f"output `{out.name}` is `from` `{name}`, which is no input")


def component_of(face: Interface, *, complete: bool) -> Component:
    """The component as a node carries it; its conda file is read only if ``complete``. Made once per interface."""
    if face.component is None or (complete and not face.complete):
        data = face.data
        face.complete = complete
        face.component = Component(
            name=face.name,
            azure_name=_azure_name(face),
            version=str(data.get("version") or "1"),
            display_name=str(data.get("display_name") or face.name),
            description=str(data.get("description") or "").strip(),
            origin=face.origin,
            kind=face.kind,
            folder=face.folder,
            source=face.source,
            inputs=tuple(i.parameter for i in face.inputs.values()),
            outputs=tuple(o.port for o in face.outputs.values()),
            command=str(data.get("command") or ""),
            code=data.get("code"),
            includes=tuple(map(str, data.get("additional_includes") or ())),
            environment=read_environment(data.get("environment"), face.folder, complete=complete),
            deterministic=bool(data.get("is_deterministic", True)),
            verbs=face.verbs,
            default_output=face.default_output,
            metrics=face.metrics,
            reference=data.get("reference") if face.origin == "registered" else None,
            extra={k: v for k, v in data.items() if k not in _SHOWN} if face.origin == "bundled" else {},
            document={k: v for k, v in data.items() if k != "mlp"} if face.origin == "file" else None,
        )
    return face.component


def _azure_name(face: Interface) -> str:
    if face.kind == "promptflow_parallel":  # Azure ML names a flow after its folder
        return os.path.basename(face.folder)
    return str(face.data.get("name") or face.name.replace(".", "_").lower())


_SHOWN = frozenset(
    [
        "$schema",
        "type",
        "name",
        "version",
        "display_name",
        "description",
        "inputs",
        "outputs",
        "command",
        "code",
        "additional_includes",
        "environment",
        "is_deterministic",
        "mlp",
    ]
)


def read_environment(raw: object, folder: str, *, complete: bool) -> Environment:
    """Azure ML's `environment` of a component: a reference, or an inline image with conda file or build context."""
    if isinstance(raw, str):
        return Environment(reference=raw)
    if not isinstance(raw, dict):
        return Environment()
    given = raw.get("build")
    build = given if isinstance(given, dict) else {}
    conda = raw.get("conda_file")
    conda_file = os.path.normpath(os.path.join(folder, conda)) if isinstance(conda, str) else None
    parsed = conda if isinstance(conda, dict) else None
    if complete and conda_file is not None:
        from mlp_lang.compiler.yaml_files import load_yaml

        parsed = load_yaml(conda_file)
    context = build.get("path")
    return Environment(
        name=raw.get("name"),
        image=raw.get("image"),
        conda=parsed,
        conda_file=conda_file,
        build_context=os.path.normpath(os.path.join(folder, context)) if isinstance(context, str) else None,
        dockerfile=build.get("dockerfile_path"),
        version=str(raw["version"]) if "version" in raw else None,
    )
