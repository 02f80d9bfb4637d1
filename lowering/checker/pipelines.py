"""From a pipeline's YAML to findings: fields, files, every binding, every literal, order."""

import os
import re
from typing import NamedTuple

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Findings, Place
from mlp_lang.lowering.checker.fields import (
    COMMAND_JOB,
    JOB_INPUT,
    JOB_OUTPUT,
    PIPELINE,
    PIPELINE_COMPONENT,
    PORT_TYPES,
    check_fields,
)
from mlp_lang.lowering.checker.interfaces import (
    UNKNOWN,
    Interface,
    Port,
    check_code,
    check_command,
    check_command_component,
    check_path,
    literal_problem,
    read_interface,
)

_MODELS = frozenset(["mlflow_model", "custom_model", "triton_model"])
# What may stand for an asset type beside itself without a remark; file for folder is remarked on, the rest is wrong.
_STANDS_FOR = {
    "uri_folder": _MODELS | {"mltable"},
    "custom_model": frozenset(["mlflow_model", "triton_model", "uri_folder", "uri_file"]),
    "mltable": frozenset(["uri_folder"]),
    "mlflow_model": frozenset(["uri_folder"]),
    "triton_model": frozenset(["uri_folder"]),
}
_DECLARED = frozenset(["command", "pipeline", "parallel", "spark", "sweep"])
"""Kinds of component whose `inputs` and `outputs` are the whole interface; a flow's, say, are elsewhere."""
_REMOTE = re.compile(r"[A-Za-z][\w+.-]+:")


class Job(NamedTuple):
    """A job with the interface that its bindings are judged by."""

    name: str
    key: Place
    place: Place
    fields: dict[str, Field]
    kind: str
    interface: Interface


class _Scope:
    """One level of jobs: a pipeline, or a pipeline component."""

    def __init__(self, root: Place, findings: Findings, stack: tuple[str, ...]) -> None:
        self.root = root
        self.findings = findings
        self.folder = os.path.dirname(root.path)
        self.stack = (*stack, root.path)
        fields = root.fields()
        self.inputs = fields["inputs"].value.fields() if "inputs" in fields else {}
        self.outputs = fields["outputs"].value.fields() if "outputs" in fields else {}
        declared = fields["jobs"].value.fields() if "jobs" in fields else {}
        self.jobs = {name: self._job(name, field) for name, field in declared.items()}
        self.fed: dict[str, Place] = {}
        self.mentioned: set[str] = (
            set()
        )  # pipeline outputs that a job names where mlp does not know what it does with it
        self.edges: dict[str, dict[str, Place]] = {name: {} for name in self.jobs}

    def _job(self, name: str, field: Field) -> Job:
        fields = field.value.fields()
        implied = "command" if "component" in fields or "command" in fields else ""
        kind = fields["type"].value.text if "type" in fields else implied
        chosen = fields.get("component") or fields.get("trial")
        interface = self._component(chosen.value) if chosen is not None else self._own_interface(kind, fields)
        return Job(name, field.key, field.value, fields, kind, interface)

    def _own_interface(self, kind: str, fields: dict[str, Field]) -> Interface:
        """A job without a component is its own interface: what it binds is what it has."""
        if kind != "command":
            return UNKNOWN
        sides = []
        for side in ("inputs", "outputs"):
            declared = fields[side].value.fields() if side in fields else {}
            ports = {}
            for name, entry in declared.items():
                inner = entry.value.fields()
                type_ = inner["type"].value.text if "type" in inner else None
                ports[name] = Port(name, type_, False, False, None, None, (), entry.value)
            sides.append(ports)
        return Interface(sides[0], sides[1])

    def _component(self, place: Place) -> Interface:
        """The interface of what `component:` names: a file, a definition in place, or something registered."""
        if place.is_mapping:
            check_code(place, self.findings)
            return read_interface(place)
        text = place.text.removeprefix("file:")
        if _REMOTE.match(text) or "${{" in text:
            return UNKNOWN
        path = check_path(place._replace(node=place.node), self.folder, self.findings) if text == place.text else None
        path = path or os.path.join(self.folder, text)
        if not os.path.isfile(path):
            return UNKNOWN
        path = os.path.realpath(path)
        first = not self.findings.has_read(path)
        root = self.findings.load(path, place)
        if root is None:
            return UNKNOWN
        fields = root.fields()
        kind = fields["type"].value.text if "type" in fields else ("command" if "command" in fields else "")
        if first:
            self._check_component(root, kind)
        return read_interface(root) if kind in _DECLARED else UNKNOWN

    def _check_component(self, root: Place, kind: str) -> None:
        if kind == "command":
            check_command_component(root, self.findings)
        elif kind == "pipeline" and root.path not in self.stack:
            check_fields(root, PIPELINE_COMPONENT, self.findings)
            _Scope(root, self.findings, self.stack).check()

    def check(self) -> None:
        for job in self.jobs.values():
            self._check_job(job)
        for name, field in self.outputs.items():
            if name not in self.fed and name not in self.mentioned:
                self.findings.report("MLP0829", f"no job feeds pipeline output `{name}`", field.key)
        self._cycles()

    def _check_job(self, job: Job) -> None:
        findings = self.findings
        if not job.place.is_mapping:
            findings.report("MLP0814", f"job `{job.name}` must be a mapping", job.key)
            return
        if job.kind == "command":
            check_fields(job.place, COMMAND_JOB, findings)
            if "component" not in job.fields:
                check_code(job.place, findings)
                if "command" in job.fields:
                    check_command(job.fields["command"].value, job.interface, findings)
                else:
                    findings.report("MLP0813", f"job `{job.name}` has no `component`", job.key)
        elif not job.kind:
            findings.report("MLP0813", f"job `{job.name}` has no `type`", job.key)
        bound = job.fields["inputs"].value.fields() if "inputs" in job.fields else {}
        for name, field in bound.items():
            given = job.interface.inputs.get(name)
            if given is None and job.interface.known and not self._grouped(name, job.interface):
                message = f"`{job.name}` has no input `{name}`"
                findings.unknown("MLP0817", message, field.key, name, job.interface.inputs)
            self._check_input(job, field, given)
        if job.interface.known:
            for given in job.interface.inputs.values():
                if not given.optional and not given.has_default and not self._is_bound(given.name, bound):
                    place = job.fields["inputs"].key if "inputs" in job.fields else job.key
                    findings.report("MLP0818", f"`{job.name}` needs input `{given.name}`", place)
        outputs = job.fields["outputs"].value.fields() if "outputs" in job.fields else {}
        for name, field in outputs.items():
            port = job.interface.outputs.get(name)
            if port is None and job.interface.known:
                message = f"`{job.name}` has no output `{name}`"
                findings.unknown("MLP0817", message, field.key, name, job.interface.outputs)
            if field.value.is_mapping:
                check_fields(field.value, JOB_OUTPUT, findings)
            self._check_output(field, port)
        for name, field in job.fields.items():
            if name not in ("inputs", "outputs", "component", "trial", "command", "body", "condition"):
                for scalar in field.value.scalars():
                    self._resolve_all(job, scalar)

    @staticmethod
    def _grouped(name: str, interface: Interface) -> bool:
        return "." in name and any(known.split(".", 1)[0] == name.split(".", 1)[0] for known in interface.inputs)

    @staticmethod
    def _is_bound(name: str, bound: dict[str, Field]) -> bool:
        """A group of inputs is bound by its members."""
        return name in bound or any(n.startswith(name + ".") or name.startswith(n + ".") for n in bound)

    def _check_input(self, job: Job, field: Field, given: Port | None) -> None:
        findings = self.findings
        place = field.value
        if place.is_mapping:
            check_fields(place, JOB_INPUT, findings)
            inner = place.fields()
            if "path" in inner and "${{" not in inner["path"].value.text:
                check_path(inner["path"].value, self.folder, findings)
            for scalar in place.scalars():
                self._resolve_all(job, scalar)
            if given is not None and given.type and "type" in inner:
                self._check_types(inner["type"].value.text, given, place)
            return
        if not place.is_scalar:
            findings.report("MLP0819", f"input `{field.key.text}` cannot be a list", place)
            return
        text = place.text
        whole = EXPRESSION.fullmatch(text.strip())
        if whole is None:
            self._resolve_all(job, place)
            if given is not None and (problem := literal_problem(place.value(), given)):
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", place)
            return
        source = self._resolve(job, whole[1], place)
        if source is None or given is None or given.type is None:
            return
        if isinstance(source, Port):
            if source.type is not None:
                self._check_types(source.type, given, place)
            return
        if source.value.is_mapping:
            inner = source.value.fields()
            type_ = inner["type"].value.text if "type" in inner else None
            literal = inner.get("default") or inner.get("value")
            if type_ in PORT_TYPES or given.type in PORT_TYPES:
                self._check_types(type_ or "uri_folder", given, place)
            elif literal is not None and (problem := literal_problem(literal.value.value(), given)):
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", literal.value)
        elif problem := literal_problem(source.value.value(), given):
            if given.type in PORT_TYPES:
                message = f"input `{given.name}` of `{job.name}` wants {given.type}, and `{source.key.text}` is a value"
                findings.report("MLP0820", message, place)
            else:
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", source.value)

    def _check_types(self, found: str, given: Port, place: Place) -> None:
        wanted = given.type or ""
        if found == wanted or found == "path" or found in _STANDS_FOR.get(wanted, ()):
            return
        if found not in PORT_TYPES and wanted not in PORT_TYPES:
            return  # numbers and strings become one another, as far as their text allows
        mild = {found, wanted} <= {"uri_file", "uri_folder", "mltable"}
        self.findings.report(
            "MLP0820",
            f"input `{given.name}` wants {wanted}, found {found}",
            place,
            severity=Severity.WARNING if mild else Severity.ERROR,
        )

    def _check_output(self, field: Field, port: Port | None) -> None:
        place = field.value
        target = place
        if place.is_mapping:
            inner = place.fields()
            if "path" not in inner:
                return
            target = inner["path"].value
        if not target.is_scalar:
            return
        whole = EXPRESSION.fullmatch(target.text.strip())
        if whole is None:
            return
        match whole[1].split("."):
            case ["parent", "outputs", name]:
                declared = self.outputs.get(name)
                if declared is None:
                    message = f"the pipeline has no output `{name}`"
                    self.findings.unknown("MLP0816", message, target, name, self.outputs)
                    return
                if name in self.fed:
                    self.findings.report("MLP0829", f"pipeline output `{name}` is fed twice", target)
                self.fed[name] = target
                inner = declared.value.fields()
                wanted = inner["type"].value.text if "type" in inner else None
                if port is not None and port.type and wanted and port.type != wanted:
                    self.findings.report(
                        "MLP0820",
                        f"pipeline output `{name}` is {wanted}, found {port.type}",
                        target,
                        severity=Severity.ERROR if wanted in _MODELS else Severity.WARNING,
                    )
            case ["parent", *_]:
                self.findings.report("MLP0816", f"`{whole[0]}` is no pipeline output", target)
            case _:
                pass  # `${{name}}` and `${{default_datastore}}`, which the service fills in

    def _resolve_all(self, job: Job, scalar: Place) -> None:
        for match in EXPRESSION.finditer(scalar.text):
            self._resolve(job, match[1], scalar)

    def _resolve(self, job: Job, expression: str, place: Place) -> "Port | Field | None":
        """What a binding refers to: a port of a job, or an entry of the pipeline's inputs; None if that is unknown."""
        findings = self.findings
        parts = expression.split(".")
        if parts[0] != "parent":
            return None
        match parts[1:]:
            case ["inputs", name, *_]:
                entry = self.inputs.get(name)
                if entry is None:
                    message = f"the pipeline has no input `{name}`"
                    findings.unknown("MLP0816", message, place, name, self.inputs)
                elif len(parts) == 3:
                    return entry
            case ["outputs", name]:
                self.mentioned.add(name)
                if name not in self.outputs:
                    message = f"the pipeline has no output `{name}`"
                    findings.unknown("MLP0816", message, place, name, self.outputs)
            case ["jobs", name, side, port] if side in ("inputs", "outputs"):
                other = self.jobs.get(name)
                if other is None:
                    findings.unknown("MLP0816", f"there is no job `{name}`", place, name, self.jobs)
                    return None
                self.edges[job.name].setdefault(name, place)
                known = other.interface.outputs if side == "outputs" else other.interface.inputs
                if port in known:
                    return known[port]
                if other.interface.known and other.kind != "automl":
                    message = f"job `{name}` has no {side[:-1]} `{port}`"
                    findings.unknown("MLP0816", message, place, port, known)
            case _:
                findings.report("MLP0816", f"`${{{{{expression}}}}}` refers to nothing", place)
        return None

    def _cycles(self) -> None:
        """Jobs that wait for one another, by taking away what waits for nothing."""
        waiting = {name: set(targets) for name, targets in self.edges.items()}
        dependents: dict[str, list[str]] = {name: [] for name in waiting}
        for name, targets in waiting.items():
            for target in targets:
                dependents[target].append(name)
        free = [name for name, targets in waiting.items() if not targets]
        while free:
            done = free.pop()
            for name in dependents[done]:
                waiting[name].discard(done)
                if not waiting[name]:
                    free.append(name)
        left = {name: targets for name, targets in waiting.items() if targets}
        if not left:
            return
        path = [next(iter(left))]
        while (step := min(left[path[-1]])) not in path:
            path.append(step)
        ring = [*path[path.index(step) :], step]
        place = self.edges[ring[0]][ring[1]]
        self.findings.report("MLP0821", f"jobs wait for one another: {' → '.join(f'`{n}`' for n in ring)}", place)


def check_pipeline(root: Place, findings: Findings) -> None:
    """Everything about a pipeline job: its own fields, its inputs and outputs, its jobs and their components."""
    check_fields(root, PIPELINE, findings)
    fields = root.fields()
    folder = os.path.dirname(root.path)
    if "inputs" in fields:
        for field in fields["inputs"].value.fields().values():
            if field.value.is_mapping:
                check_fields(field.value, JOB_INPUT, findings)
                inner = field.value.fields()
                if "path" in inner:
                    check_path(inner["path"].value, folder, findings)
            elif field.value.value() is None:
                findings.report("MLP0818", f"pipeline input `{field.key.text}` has no value", field.key)
    if "outputs" in fields:
        for field in fields["outputs"].value.fields().values():
            if field.value.is_mapping:
                check_fields(field.value, JOB_OUTPUT, findings)
    scope = _Scope(root, findings, ())
    scope.check()
    default = fields["settings"].value.fields().get("default_compute") if "settings" in fields else None
    if default is None and "compute" not in fields:
        for job in scope.jobs.values():
            if job.kind == "command" and "compute" not in job.fields and "resources" not in job.fields:
                findings.report("MLP0828", f"job `{job.name}` has no compute, and the pipeline no default", job.key)
