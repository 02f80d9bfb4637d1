"""Random programs for round trips, and what of their Graphs must come back the same.

A program is drawn as text, since a Graph is what the compiler makes of one; every kind of job that runs something is in
it, with inputs, settings and outputs of all sorts. `essence` leaves out where a Graph came from (spans, files, titles,
verbs, which are a reviewer's) and whether a definition stands in a job or in a file of the build.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from mlp_lang.compiler.graph import Asset, Component, FromInput, FromNode, Graph, Literal, Node, Run, Template

FIT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: fit
version: "3"
inputs:
  rows: {type: uri_folder}
  rate: {type: number, default: 0.5, min: 0, max: 1}
  rounds: {type: integer, optional: true}
  loss: {type: string, default: log, enum: [log, hinge]}
outputs:
  model: {type: mlflow_model}
  report: {type: uri_file}
command: >-
  python fit.py --rows ${{inputs.rows}} --rate ${{inputs.rate}} --loss ${{inputs.loss}}
  $[[--rounds ${{inputs.rounds}}]] --model ${{outputs.model}} --report ${{outputs.report}}
code: src
environment: azureml:sklearn:3
"""
_WORDS = st.text("abcdefgh ijk-_.:/\\\"'$#é", min_size=1, max_size=12).map(str.strip).filter(bool)
_NUMBERS = st.integers(-1000, 1000) | st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))
_MAPS = st.dictionaries(st.text("abc.", min_size=1, max_size=5), _WORDS, min_size=1, max_size=2)
_REMOTE = st.sampled_from(
    ["azureml:rows:1", "azureml:rows@latest", "https://example.org/a", "azureml://datastores/d/paths/p"]
)


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${") + '"'


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_string(k)}: {_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(map(_value, value)) + "]" if isinstance(value, list) else repr(value)


_SCALARS = st.booleans() | _NUMBERS | _WORDS
_RESOURCED = {
    "nodes": st.integers(1, 4),
    "max_nodes": st.integers(1, 9),
    "instance": st.just("Standard_DS3_v2"),
    "shm": st.just("2g"),
    "locations": st.just(["westeurope"]),
    "tags": _MAPS,
    "properties": _MAPS,
}
_RUN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "command": {**_RESOURCED, "env": _MAPS, "tier": st.just("Spot"), "priority": st.just("low")},
    "parallel": {
        **_RESOURCED,
        "env": _MAPS,
        "retries": st.integers(0, 5),
        "mini_batch_size": st.sampled_from(["10", "5kb"]),
        "error_threshold": st.integers(-1, 5),
        "logging_level": st.sampled_from(["INFO", "DEBUG"]),
        "partition_keys": st.just(["a", "b"]),
    },
    "spark": {"instance": st.just("standard_e4s_v3"), "runtime": st.just("3.4"), "tags": _MAPS},
    "sweep": {k: v for k, v in _RESOURCED.items() if k not in ("tags",)},
    "data_transfer": {"tags": _MAPS},
    "pipeline": {"properties": _MAPS},
}
_CALLS = {
    "distribution": ["pytorch(processes = 2)", "mpi(processes = 4)", "tensorflow(workers = 2, parameter_servers = 1)"],
    "identity": ["managed", "user", "aml_token", 'managed(client_id = "a-b")'],
    "timeout": ["2h", "90s"],
}
_KINDS = {"file": "command", "registered": "command", "nested": "pipeline", "transfer": "data_transfer"}
_STOPS = ["bandit(slack_factor = 0.1, every = 2)", "median(delay = 3)", "truncate(percent = 20)"]
_DEFINED = {
    "command": 'command = "python a.py {ports}"\n      environment = "azureml:e:1"',
    "parallel": 'entry = "a.py"\n      arguments = "{ports}"\n      environment = "azureml:e:1"\n      code = "src"',
    "spark": 'entry = "a.py"\n      code = "src"\n      args = "{ports}"\n      conf = { "spark.driver.cores": 1 }',
}


class _Writer:
    """Draws one program, statement by statement."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.scalars: list[str] = []
        self.ports: list[tuple[str, str]] = []  # reference, type
        self.lines: list[str] = []

    def maybe(self) -> bool:
        return bool(self.draw(st.booleans()))

    def program(self) -> str:
        draw = self.draw
        self.lines = ['use "fit.yml" as fit', 'use "azureml:clean@latest" as clean']
        self.lines += ['use "azureml:nest:2" as nest {', "  kind = pipeline", "}", ""]
        self.lines += ["pipeline random {", '  compute = "azureml:cpu"']
        if self.maybe():
            self.lines.append(f"  experiment = {_value(draw(_WORDS))}")
        if self.maybe():
            self.lines.append(f"  tags = {_value(draw(_MAPS))}")
        if self.maybe():
            self.lines.append("  identity = " + draw(st.sampled_from(_CALLS["identity"])))
        if self.maybe():
            self.lines.append(f"  settings {{\n    force_rerun = {_value(draw(st.booleans()))}\n  }}")
        for i in range(draw(st.integers(0, 3))):
            self.lines.append(f"  param p{i} = {_value(draw(_SCALARS))}")
            self.scalars.append(f"p{i}")
        for i in range(draw(st.integers(1, 3))):
            self.data(f"d{i}")
        made = [self.stage(f"s{i}") for i in range(draw(st.integers(1, 5)))]
        for i, (port, kind) in enumerate(p for ports in made for p in ports):
            if self.maybe():
                block = draw(
                    st.sampled_from(["", " { mode = upload }", ' { path = "azureml://datastores/d/paths/o" }'])
                )
                self.lines.append(f"  output o{i}: {kind} = {port}{block}")
        return "\n".join([*self.lines, "}", ""])

    def data(self, name: str) -> None:
        kind = self.draw(st.sampled_from(["folder", "file", "mltable", "mlflow_model", "custom_model"]))
        path = f" = {_string(self.draw(_REMOTE))}" if self.maybe() else ""
        mode = " { mode = ro_mount }" if path and self.maybe() else ""
        self.lines.append(f"  data {name}: {kind}{path}{mode}")
        self.ports.append((name, kind))

    def scalar(self) -> str:
        if self.scalars and self.maybe():
            return str(self.draw(st.sampled_from(self.scalars)))
        return _value(self.draw(_SCALARS))

    def stage(self, name: str) -> list[tuple[str, str]]:
        kind = self.draw(st.sampled_from(["file", "registered", "nested", "sweep", "transfer", *_DEFINED]))
        given, taken = self.draw(st.sampled_from(self.ports)), self.draw(st.sampled_from(["folder", "file"]))
        if kind in ("file", "sweep"):
            folders = [p for p, t in self.ports if t == "folder"]
            rows = self.draw(st.sampled_from(folders)) if folders else 'folder("azureml:rows:1")'
            inputs = [f"rows = {rows}"]
            outputs = [("model", "mlflow_model"), ("report", "file")]
            if kind == "sweep":
                inputs += ["rate = uniform(0.1, 0.9)", 'loss = choice("log", "hinge")']
            elif self.maybe():
                inputs += ["rate = 0.25", "rounds = 3"]
            header = f"{'tune' if kind == 'sweep' else 'step'} {name} using fit"
        elif kind in ("registered", "nested"):
            inputs = [f"a = {given[0]}", f"b = {self.scalar()}"]
            outputs = [("out", taken)]
            header = f"step {name} using {'clean' if kind == 'registered' else 'nest'}"
        else:
            inputs, outputs = [f"a = {given[0]}"], [("out", taken)]
            if kind != "transfer":
                inputs.append(f"b = {self.scalar()}")
            header = f"step {name} using {'copy_data' if kind == 'transfer' else kind}"
        if kind in ("command", "file") and self.maybe():
            header += ' on "azureml:gpu"'
        self.lines += ["", f"  {header} {{", *(f"    {line}" for line in inputs)]
        azure = _KINDS.get(kind, kind)
        if kind in _DEFINED or kind == "transfer":
            declared = [f"output out: {taken}"]
            if kind == "transfer" or self.maybe():
                declared.insert(0, f"param a: {given[1]}")
            body = _DEFINED.get(kind, "mode = merge_with_overwrite").replace("{ports}", "--a ${a} --out ${out}")
            self.lines += ["    define {", *(f"      {d}" for d in declared), f"      {body}", "    }"]
        if kind == "sweep":
            search = ['goal = maximize("acc")', "algorithm = random", "trials = 4"]
            search.append(f"stop = {self.draw(st.sampled_from(_STOPS))}")
            self.lines += ["    search {", *(f"      {line}" for line in search), "    }"]
        self.run(azure)
        if azure != "data_transfer" and self.maybe():
            self.lines.append(f"    outputs {{\n      {outputs[0][0]} {{\n        mode = upload\n      }}\n    }}")
        self.lines.append("  }")
        made = [(f"{name}.{port}", t) for port, t in outputs]
        self.ports += made
        return made

    def run(self, kind: str) -> None:
        rows = _RUN[kind]
        chosen = self.draw(st.lists(st.sampled_from(sorted(rows)), max_size=3, unique=True))
        lines = [f"{word} = {_value(self.draw(rows[word]))}" for word in chosen]
        words = {"command": ["distribution", "identity", "timeout"], "parallel": ["identity"], "spark": ["identity"]}
        calls = [word for word in words.get(kind, []) if self.draw(st.integers(0, 3)) == 0]
        lines += [f"{word} = {self.draw(st.sampled_from(_CALLS[word]))}" for word in calls]
        if lines:
            self.lines += ["    run {", *(f"      {line}" for line in lines), "    }"]


@st.composite
def programs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """A program that compiles beside `fit.yml` and a folder `src`."""
    return _Writer(draw).program()


# --- what must come back ----------------------------------------------------------------------------------------------


def essence(graph: Graph) -> dict[str, Any]:
    """What a Graph means to Azure ML, as plain data."""
    return {
        "head": [
            graph.description,
            graph.experiment,
            graph.display_name,
            graph.default_compute,
            graph.tags,
            graph.extra,
        ],
        "inputs": {i.parameter.name: (i.parameter.azure_type, _binding(i.value)) for i in graph.inputs},
        "outputs": {
            o.name: (o.azure_type, _binding(o.source), o.mode, o.asset_name, o.asset_version, o.path)
            for o in graph.outputs
        },
        "nodes": {n.name: _node(n) for n in graph.nodes},
    }


def _node(node: Node) -> dict[str, Any]:
    said = {s.port: (s.mode, s.path, s.name, s.version) for s in node.outputs if s.mode or s.path or s.name}
    return {
        "kind": node.kind,
        "description": node.description,
        "run": {f: getattr(node.run, f) for f in Run._fields},
        "inputs": {name: _binding(b) for name, b in node.inputs},
        "outputs": said,
        "search": node.search,
        "component": _component(node.component),
    }


def _component(component: Component) -> dict[str, Any]:
    if component.origin == "registered":
        return {"reference": component.reference, "kind": component.kind}
    return {
        "kind": component.kind,
        "command": component.command,
        "inputs": {p.name: (p.azure_type, p.optional, p.minimum, p.maximum, p.enum) for p in component.inputs},
        "outputs": {p.name: p.azure_type for p in component.outputs},
        "environment": component.environment.reference,
        "in_place": component.in_place,
        "extra": component.extra,
    }


def _binding(binding: Any) -> Any:
    match binding:
        case Literal(value):
            return ("literal", value)
        case Asset():
            return ("asset", binding.type, binding.path, binding.mode)
        case FromInput():
            return ("input", binding.name, binding.mode)
        case FromNode():
            return ("node", binding.node, binding.port, binding.mode)
        case Template(parts):
            return ("template", tuple(p if isinstance(p, str) else _binding(p) for p in parts))
    return None
