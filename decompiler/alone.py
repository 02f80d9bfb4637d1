"""From a definition of one job or one component to the pipeline of which it is the only job."""

import os

import yaml
from mlp_lang.decompiler.document import Document
from mlp_lang.decompiler.spelling import is_name, slug
from mlp_lang.lowering.checker.document import Place

JOBS = frozenset(["command", "sweep", "spark", "automl"])
COMPONENTS = frozenset(["command", "parallel", "spark"])
_OF_PIPELINE = frozenset(["experiment_name", "display_name", "description", "tags"])
"""Fields of a job that say what they say of a job in a pipeline of the whole."""
_SILENT = frozenset(["$schema", "name"])
_PORT_FIELDS = frozenset(["type", "description", "default", "optional", "min", "max", "enum", "mode", "datastore"])
_DATA = frozenset(["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"])


def in_pipeline(document: Document) -> Document:
    """The document, or the pipeline around it if it defines a job or a component that can stand alone.

    All nodes keep their places in the file. What is something else stays as it is.
    """
    root = document.root
    fields = root.fields()
    if "jobs" in fields or not isinstance(root.node, yaml.MappingNode):
        return document
    kind = fields["type"].value.text.lower() if "type" in fields else "command" if "command" in fields else ""
    component = _is_component(root)
    if kind not in (COMPONENTS if component else JOBS):
        return document
    made = _Wrap(root)
    node = made.of_component() if component else made.of_job(kind)
    return document._replace(root=root._replace(node=node))


def _is_component(root: Place) -> bool:
    """Whether a definition declares inputs rather than gives them values."""
    fields = root.fields()
    schema = fields["$schema"].value.text.lower() if "$schema" in fields else ""
    if "component.schema" in schema or "job.schema" in schema:
        return "component.schema" in schema
    if {"trial", "compute", "experiment_name", "search_space"} & fields.keys():
        return False
    inputs = fields["inputs"].value.fields() if "inputs" in fields else {}
    return all(f.value.is_mapping and f.value.fields().keys() <= _PORT_FIELDS for f in inputs.values())


class _Wrap:
    def __init__(self, root: Place) -> None:
        self.root = root
        self.fields = root.fields()
        stem = os.path.splitext(os.path.basename(root.path))[0]
        named = self.fields["name"].value.text if "name" in self.fields else ""
        candidates = (slug(named), slug(stem), slug(os.path.basename(os.path.dirname(root.path))), "job")
        self.name = next(name for name in candidates if is_name(name))

    def of_component(self) -> yaml.MappingNode:
        """A pipeline with the inputs and outputs of a component's file, which its one job uses."""
        inputs, outputs = self._side("inputs"), self._side("outputs")
        job = {
            "component": self._text(os.path.basename(self.root.path), self.root.node),
            "inputs": self._mapping({n: self._text(f"${{{{parent.inputs.{n}}}}}", k) for n, (k, _) in inputs.items()}),
            "outputs": self._mapping(
                {n: self._text(f"${{{{parent.outputs.{n}}}}}", k) for n, (k, _) in outputs.items()}
            ),
        }
        declared = {name: value for name, (_, value) in inputs.items()}
        published = {name: value for name, (_, value) in outputs.items()}
        return self._pipeline(self._mapping(job), declared, published, ())

    def of_job(self, kind: str) -> yaml.MappingNode:
        """A pipeline around a job, whose inputs become its own, so that they can be given other values."""
        assert isinstance(self.root.node, yaml.MappingNode)
        inputs = self._side("inputs") if kind != "automl" else {}
        lifted: dict[str, yaml.Node] = {}
        bound: dict[str, yaml.Node] = {}
        for name, (key, value) in inputs.items():
            reference = self._text(f"${{{{parent.inputs.{name}}}}}", key)
            entries = Place(self.root.path, self.root.source, value).fields()
            lifted[name] = value
            if entries and entries["type"].value.text in _DATA if "type" in entries else False:
                bound[name] = self._mapping({"type": entries["type"].value.node, "path": reference})
            else:
                bound[name] = reference
        pairs = []
        for key, value in self.root.node.value:
            if key.value in _SILENT or key.value in _OF_PIPELINE:
                continue
            pairs.append((key, self._mapping(bound) if key.value == "inputs" and bound else value))
        job = yaml.MappingNode("tag:yaml.org,2002:map", pairs, self.root.node.start_mark, self.root.node.end_mark)
        return self._pipeline(job, lifted, {}, _OF_PIPELINE)

    def _pipeline(
        self,
        job: yaml.Node,
        inputs: dict[str, yaml.Node],
        outputs: dict[str, yaml.Node],
        kept: "frozenset[str] | tuple[str, ...]",
    ) -> yaml.MappingNode:
        whole: dict[str, yaml.Node] = {"type": self._text("pipeline", self.root.node)}
        whole |= {name: field.value.node for name, field in self.fields.items() if name in kept}
        if "display_name" not in whole:
            whole["display_name"] = self._text(self.name, self.root.node)
        whole |= {"inputs": self._mapping(inputs)} if inputs else {}
        whole |= {"outputs": self._mapping(outputs)} if outputs else {}
        whole["jobs"] = self._mapping({self._job_name(inputs, outputs): job})
        return self._mapping(whole)

    def _job_name(self, inputs: dict[str, yaml.Node], outputs: dict[str, yaml.Node]) -> str:
        return self.name if self.name not in {*inputs, *outputs} else f"{self.name}_job"

    def _side(self, side: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        found = self.fields[side].value.fields() if side in self.fields else {}
        return {name: (field.key.node, field.value.node) for name, field in found.items()}

    def _text(self, text: str, at: yaml.Node) -> yaml.ScalarNode:
        return yaml.ScalarNode("tag:yaml.org,2002:str", text, at.start_mark, at.end_mark, style='"')

    def _mapping(self, entries: dict[str, yaml.Node]) -> yaml.MappingNode:
        pairs = [(self._text(name, value), value) for name, value in entries.items()]
        start, end = self.root.node.start_mark, self.root.node.end_mark
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, start, end, flow_style=False)
