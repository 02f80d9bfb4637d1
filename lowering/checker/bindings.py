"""From the jobs of one level to what their bindings refer to, the order that follows, and findings about both."""

import os
from typing import NamedTuple

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Findings, Place, near
from mlp_lang.lowering.checker.interfaces import Interface, Port, declared
from mlp_lang.lowering.checker.tables.common import PORT_TYPES

MODELS = frozenset(["mlflow_model", "custom_model", "triton_model"])
# What may stand for an asset type beside itself without a remark; file for folder is remarked on, the rest is wrong.
_STANDS_FOR = {
    "uri_folder": MODELS | {"mltable"},
    "custom_model": frozenset(["mlflow_model", "triton_model", "uri_folder", "uri_file"]),
    "mltable": frozenset(["uri_folder"]),
    "mlflow_model": frozenset(["uri_folder"]),
    "triton_model": frozenset(["uri_folder"]),
}


class Job(NamedTuple):
    """A job with the interface that its bindings are judged by. `filled` are inputs that something else binds."""

    name: str
    key: Place
    place: Place
    fields: dict[str, Field]
    kind: str
    interface: Interface
    filled: set[str]


class Level:
    """One level of jobs: a pipeline, or a pipeline component. Knows inputs, outputs, jobs and who waits for whom."""

    def __init__(self, root: Place, findings: Findings) -> None:
        self.root = root
        self.findings = findings
        self.folder = os.path.dirname(root.path)
        fields = root.fields()
        self.inputs = declared(fields, "inputs")
        self.outputs = declared(fields, "outputs")
        self.jobs: dict[str, Job] = {}
        self.fed: dict[str, Place] = {}
        # Pipeline outputs that a job names where mlp does not know what it does with them.
        self.mentioned: set[str] = set()
        self.edges: dict[str, dict[str, Place]] = {}
        self.astray: list[str] = []  # names of pipeline outputs that there are not

    def waits(self, name: str, target: str, place: Place) -> None:
        """Note that a job waits for another."""
        self.edges.setdefault(name, {}).setdefault(target, place)

    def resolve_all(self, job: Job, scalar: Place) -> None:
        """Judge every binding within a text."""
        for match in EXPRESSION.finditer(scalar.text):
            self.resolve(job, match[1], scalar)

    def resolve(self, job: Job, expression: str, place: Place) -> "Port | Field | None":
        """What a binding refers to: a port of a job, or an entry of the pipeline's inputs; None if that is unknown."""
        findings = self.findings
        parts = expression.split(".")
        if parts[0] != "parent":
            return None
        match parts[1:]:
            case ["inputs", name, *_]:
                entry = self.inputs.get(name) or self.inputs.get(".".join(parts[2:]))
                if entry is None and not any(known.startswith(f"{name}.") for known in self.inputs):
                    message = f"the pipeline has no input `{name}`"
                    findings.unknown("MLP0816", message, place, name, self.inputs, once=(id(self), "input", name))
                elif len(parts) == 3:
                    return entry
            case ["outputs", name]:
                self.mentioned.add(name)
                if name not in self.outputs:
                    message = f"the pipeline has no output `{name}`"
                    findings.unknown("MLP0816", message, place, name, self.outputs)
            case ["jobs", name, side, *rest] if side in ("inputs", "outputs") and rest:
                other = self.job(name, place)
                if other is None:
                    return None
                self.waits(job.name, name, place)
                known = other.interface.outputs if side == "outputs" else other.interface.inputs
                found = ".".join(rest)
                if found in known:
                    return known[found]
                if other.interface.known:
                    message = f"job `{name}` has no {side[:-1]} `{found}`"
                    findings.unknown("MLP0816", message, place, found, known, once=(id(self), name, side, found))
            case _:
                findings.report("MLP0816", f"`${{{{{expression}}}}}` refers to nothing", place)
        return None

    def job(self, name: str, place: Place) -> Job | None:
        """The job of a name; that there is none is reported."""
        job = self.jobs.get(name)
        if job is None:
            once = (id(self), "job", name)
            self.findings.unknown("MLP0816", f"there is no job `{name}`", place, name, self.jobs, once=once)
        return job

    def check_types(self, found: str, given: Port, place: Place) -> None:
        """Report an asset of another type than the input wants; what Azure ML mounts all the same is a warning."""
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

    def check_output(self, field: Field, port: Port | None) -> None:
        """What a job binds an output to: an output of the pipeline, fed once and of its type."""
        place = field.value
        target = place
        if place.is_mapping:
            inner = place.fields()
            if "path" not in inner:
                return
            target = inner["path"].value
        whole = EXPRESSION.fullmatch(target.text.strip()) if target.is_scalar else None
        if whole is None:
            return
        match whole[1].split("."):
            case ["parent", "outputs", name]:
                self._feed(name, target, port)
            case ["parent", *_]:
                self.findings.report("MLP0816", f"`{whole[0]}` is no pipeline output", target)
            case _:
                pass  # `${{name}}` and `${{default_datastore}}`, which the service fills in

    def _feed(self, name: str, target: Place, port: Port | None) -> None:
        entry = self.outputs.get(name)
        if entry is None:
            self.astray.append(name)
            message = f"the pipeline has no output `{name}`"
            self.findings.unknown("MLP0816", message, target, name, self.outputs)
            return
        if name in self.fed:
            self.findings.report("MLP0829", f"pipeline output `{name}` is fed twice", target)
        self.fed[name] = target
        inner = entry.value.fields()
        wanted = inner["type"].value.text if "type" in inner else None
        if port is not None and port.type and wanted and port.type != wanted:
            self.findings.report(
                "MLP0820",
                f"pipeline output `{name}` is {wanted}, found {port.type}",
                target,
                severity=Severity.ERROR if wanted in MODELS and port.type not in MODELS else Severity.WARNING,
            )

    def check_fed(self) -> None:
        """Every output of the pipeline is fed, unless something unknown may feed it."""
        for name, field in self.outputs.items():
            # One whose name is misspelt where it is fed has been spoken of.
            if name not in self.fed and name not in self.mentioned and not near(name, self.astray):
                self.findings.report("MLP0829", f"no job feeds pipeline output `{name}`", field.key)

    def check_cycles(self) -> None:
        """Jobs that wait for one another, by taking away what waits for nothing."""
        waiting = {name: {t for t in self.edges.get(name, ()) if t in self.jobs} for name in self.jobs}
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
