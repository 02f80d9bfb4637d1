"""From a pipeline's YAML to findings: fields, files, every binding, every literal, order."""

import os
import re

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.bindings import Job, Level
from mlp_lang.lowering.checker.components import DECLARED, check_component, check_work, kind_of_component
from mlp_lang.lowering.checker.control import CONTROL, LOOPS, check_control, filler, named_job
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Findings, Place, near, said
from mlp_lang.lowering.checker.fields import check_fields, fields_of, word
from mlp_lang.lowering.checker.files import check_environment, check_path, check_reference, is_remote
from mlp_lang.lowering.checker.interfaces import (
    UNKNOWN,
    Interface,
    Port,
    declared,
    free_port,
    literal_problem,
    own_interface,
    read_interface,
)
from mlp_lang.lowering.checker.searching import check_sweep
from mlp_lang.lowering.checker.spark import check_spark
from mlp_lang.lowering.checker.tables.common import JOB_INPUT, JOB_OUTPUT, PORT_TYPES, PRIMITIVES
from mlp_lang.lowering.checker.tables.nodes import NODES, PIPELINE
from mlp_lang.lowering.checker.transfer import check_transfer

_NODE_NAME = re.compile(r"[a-z_][a-z\d_]*")
_REFERENCE = ("azureml:", "azureml://", "http:", "https:", "git+")
# What is judged on its own, or holds placeholders of the component's own.
_APART = frozenset(
    [
        *("inputs", "outputs", "component", "trial", "command"),
        *("body", "condition", "items", "mapping", "true_block", "false_block"),
    ]
)
_COMPONENT_OF = {"sweep": ("command", "sweep"), "parallel": ("parallel", "promptflow_parallel")}


class Scope(Level):
    """The jobs of a pipeline or of a pipeline component, with the files that lead to it."""

    def __init__(self, root: Place, findings: Findings, stack: tuple[str, ...] = ()) -> None:
        super().__init__(root, findings)
        self.stack = (*stack, root.path)
        self.components: dict[str, tuple[str, Interface, Place | None]] = {}  # by the text that names its file
        self.definitions: dict[str, Place] = {}  # the component of a job, where it can be read
        self.adrift = False  # there is a loop whose body is not known: it may fill any input
        self.bodies: dict[str, str] = {}  # of a loop's body, the loop
        fields = root.fields()
        for name, field in declared(fields, "jobs").items():
            self.jobs[name] = self._job(name, field)
        for job in list(self.jobs.values()):
            self._lend(job)

    def _job(self, name: str, field: Field) -> Job:
        fields = field.value.fields()
        kind = said(fields, "type")
        kind = word(kind, NODES) or kind
        if kind in NODES and field.value.is_mapping:
            check_fields(field.value, NODES[kind].table, self.findings)
            fields = field.value.fields()
        chosen = fields.get("trial" if kind == "sweep" or "trial" in fields else "component")
        found, interface, definition = self._component(chosen.value, kind) if chosen is not None else ("", None, None)
        if definition is not None:
            self.definitions[name] = definition
        if not kind:
            kind = {"promptflow_parallel": "parallel"}.get(found, found) or self._implied(fields)
            if kind in NODES and field.value.is_mapping:
                check_fields(field.value, NODES[kind].table, self.findings)
                fields = field.value.fields()
        elif found and found not in _COMPONENT_OF.get(kind, (kind,)) and kind in NODES and chosen is not None:
            message = f"job `{name}` is of type {kind}, its component of type {found}"
            self.findings.report("MLP0833", message, chosen.value)
        if interface is None:
            lacks = kind in NODES and any(name not in fields for name in NODES[kind].alone)
            interface = UNKNOWN if lacks else self._own_interface(kind, fields)
        return Job(name, field.key, field.value, fields, kind, interface, set())

    @staticmethod
    def _implied(fields: dict[str, Field]) -> str:
        for name, kind in (("trial", "sweep"), ("command", "command"), ("component", "command")):
            if name in fields:
                return kind
        return ""

    @staticmethod
    def _own_interface(kind: str, fields: dict[str, Field]) -> Interface:
        if kind in ("command", "spark", "parallel") or (
            kind == "data_transfer" and "task" in fields and fields["task"].value.text == "copy_data"
        ):
            return own_interface(fields)
        if kind == "import" and "output" in fields:
            return Interface({}, {"output": free_port("output", fields["output"].value)})
        return Interface({}, {}) if kind == "if_else" else UNKNOWN

    def _lend(self, job: Job) -> None:
        """A loop has the outputs of its body, and fills inputs of it."""
        found = filler(job)
        body = self.jobs.get(found.body) if found is not None else None
        if found is None or body is None or body.kind in CONTROL:
            if job.kind in LOOPS:
                self.adrift = True
            return
        if found.body in self.bodies:
            message = f"job `{found.body}` is the body of `{self.bodies[found.body]}` already"
            self.findings.report("MLP0835", message, job.fields["body"].value)
        self.bodies[found.body] = job.name
        body.filled.update(found.inputs)
        if job.kind == "parallel_for" and not found.inputs:
            body.filled.add("*")  # items come from a binding: they may fill anything
        outputs = {n: free_port(n, p.place, p.type) for n, p in body.interface.outputs.items()}
        if job.kind == "parallel_for":
            # Gathered over the items: of assets a table, of values a text.
            outputs = {n: p._replace(type=_gathered(p.type)) for n, p in outputs.items()}
        self.jobs[job.name] = job._replace(interface=Interface({}, outputs, body.interface.known))

    def _component(self, place: Place, kind: str) -> tuple[str, Interface, Place | None]:
        """Type, interface and definition of what a job names: a file, something in place, something registered."""
        if place.is_mapping:
            fields = place.fields()
            found = kind_of_component(fields)
            own = found or ("command" if kind == "sweep" else kind)
            self._check_component(place, own)
            return found, read_interface(place) if own in DECLARED else UNKNOWN, place
        if not place.is_scalar or place.text.startswith(_REFERENCE) or "${{" in place.text:
            return "", UNKNOWN, None
        text = place.text.removeprefix("file:")
        if is_remote(text):
            check_reference(place, "component", self.folder, self.findings)
            return "", UNKNOWN, None
        known = self.components.get(text)
        if known is None:
            known = self._component_file(place)
            if known[2] is not None:
                self.components[text] = known
        return known

    def _component_file(self, place: Place) -> tuple[str, Interface, Place | None]:
        path = check_path(place, self.folder, self.findings)
        if path is None or not os.path.isfile(path):
            return "", UNKNOWN, None
        path = os.path.realpath(path)
        first = not self.findings.has_read(path)
        root = self.findings.load(path, place)
        if root is None:
            return "", UNKNOWN, None
        found = kind_of_component(root.fields())
        if first:
            self._check_component(root, found)
        return found, read_interface(root) if found in DECLARED else UNKNOWN, root

    def _check_component(self, root: Place, kind: str) -> None:
        if kind:
            check_component(root, kind, self.findings)
        if kind == "pipeline" and root.path not in self.stack:
            Scope(root, self.findings, self.stack).check()

    def whole(self, component: Field) -> Job:
        """The pipeline itself as a job of its component."""
        found, interface, _ = self._component(component.value, "pipeline")
        if found not in ("", "pipeline"):
            self.findings.report("MLP0833", f"a pipeline cannot be a component of type {found}", component.value)
        return Job("pipeline", component.key, self.root, self.root.fields(), "pipeline", interface, set())

    def check(self) -> None:
        for job in self.jobs.values():
            self._check_job(job)
        self.check_fed()
        self.check_cycles()
        self._check_ends(declared(self.root.fields(), "settings"))

    def _check_ends(self, settings: dict[str, Field]) -> None:
        """The jobs that run before and after all others are there, and nothing flows between them and the others."""
        ends = {}
        for name in ("on_init", "on_finalize"):
            place = settings[name].value if name in settings else None
            job = self.job(named_job(place) or place.text, place) if place is not None else None
            if place is None or job is None:
                continue
            waited = [other for other, targets in self.edges.items() if job.name in targets]
            if job.kind in CONTROL:
                self.findings.report("MLP0835", f"`{name}` cannot be {job.kind}", place)
            elif self.edges.get(job.name) or waited:
                other = next(iter([*self.edges.get(job.name, ()), *waited]))
                self.findings.report(
                    "MLP0835", f"`{name}` stands alone, and `{job.name}` shares data with `{other}`", place
                )
            ends[name] = job.name
        if len(ends) == 2 and ends["on_init"] == ends["on_finalize"]:
            self.findings.report(
                "MLP0835", "one job cannot both begin and end a pipeline", settings["on_finalize"].value
            )

    def _check_job(self, job: Job) -> None:
        findings = self.findings
        if not job.place.is_mapping:
            findings.report("MLP0814", f"job `{job.name}` must be a mapping", job.key)
            return
        if not _NODE_NAME.fullmatch(job.name):
            help = "lower case letters, digits and `_`, no digit first"
            findings.report("MLP0814", f"`{job.name}` cannot name a job", job.key, help=help)
        kind = NODES.get(job.kind)
        if kind is None:
            if job.kind:
                message = f"`type` cannot be `{job.kind}`"
                findings.unknown("MLP0814", message, job.fields["type"].value, job.kind, NODES)
            else:
                findings.report("MLP0813", f"job `{job.name}` has no `type`", job.key)
        else:
            self._check_alone(job, kind.component, kind.alone)
        if job.kind in CONTROL:
            check_control(job, self)
        if job.kind == "sweep":
            check_sweep(job.fields, job.interface, findings)
        if job.kind == "data_transfer":
            check_transfer(job, self)
        if job.kind == "spark":
            self._check_spark(job)
        self.check_inputs(job)
        for name, field in declared(job.fields, "outputs").items():
            self._check_output(job, name, field)
        known = fields_of(kind.table) if kind is not None else frozenset()
        for name, field in job.fields.items():
            if name == "output":
                self.check_output(field, None)
            elif name not in _APART and name in known:
                for scalar in field.value.scalars():
                    self.resolve_all(job, scalar)

    def _check_spark(self, job: Job) -> None:
        """A Spark job is judged with what its component says, where that can be read."""
        component = self.definitions.get(job.name)
        if "component" in job.fields and component is None:
            return
        fields = component.fields() if component is not None else {}
        check_spark(job.key, job.fields, fields, job.interface if component is not None else None, self.findings)

    def _check_alone(self, job: Job, component: str, alone: tuple[str, ...]) -> None:
        """What a job needs where it names no component, and whether what it runs is there."""
        if not component:
            return
        if component in job.fields:
            if job.interface.known:
                check_work(job.place, job.kind, job.interface, self.findings)
            elif "environment" in job.fields:
                check_environment(job.fields["environment"].value, self.folder, self.findings)
            return
        missing = [name for name in alone if name not in job.fields]
        if missing or not alone:
            wanted = f"neither `{component}` nor `{missing[0]}`" if alone and len(missing) == len(alone) else ""
            name = missing[0] if missing else component
            self.findings.report("MLP0813", f"job `{job.name}` has {wanted or f'no `{name}`'}", job.key)
        check_work(job.place, job.kind, job.interface, self.findings)

    def check_inputs(self, job: Job) -> None:
        """What a job binds against what its component asks for."""
        findings = self.findings
        bound = declared(job.fields, "inputs")
        for name, field in bound.items():
            given = job.interface.inputs.get(name)
            if given is None and job.interface.known and not _grouped(name, job.interface):
                message = f"`{job.name}` has no input `{name}`"
                findings.unknown("MLP0817", message, field.key, name, job.interface.inputs)
            self._check_input(job, field, given)
        if not job.interface.known or job.kind in CONTROL:
            return
        searched = declared(job.fields, "search_space") if job.kind == "sweep" else {}
        suspects = [name for name in (*bound, *searched) if name not in job.interface.inputs]
        for given in job.interface.inputs.values():
            free = given.optional or given.has_default or given.name in searched
            if free or self.adrift or job.filled & {given.name, "*"} or _is_bound(given.name, bound):
                continue
            if near(given.name, suspects):
                continue  # said already: what is bound instead has the wrong name
            place = job.fields["inputs"].key if "inputs" in job.fields else job.key
            findings.report("MLP0818", f"`{job.name}` needs input `{given.name}`", place)

    def _check_output(self, job: Job, name: str, field: Field) -> None:
        port = job.interface.outputs.get(name)
        if port is None and job.interface.known and job.kind not in LOOPS:
            message = f"`{job.name}` has no output `{name}`"
            self.findings.unknown("MLP0817", message, field.key, name, job.interface.outputs)
        if field.value.is_mapping:
            check_fields(field.value, JOB_OUTPUT, self.findings)
        elif field.value.value() is not None and "${{" not in field.value.text:
            message = f"output `{name}` is a mapping or a binding"
            self.findings.report("MLP0814", message, field.value, help="write `${{parent.outputs.<name>}}`")
        self.check_output(field, port)

    def _check_input(self, job: Job, field: Field, given: Port | None) -> None:
        findings = self.findings
        place = field.value
        if place.is_mapping:
            check_input(place, findings)
            inner = place.fields()
            if "path" in inner and "${{" not in inner["path"].value.text:
                check_path(inner["path"].value, self.folder, findings, findings.missing_data)
            for scalar in place.scalars():
                self.resolve_all(job, scalar)
            if given is not None and given.type and "type" in inner:
                self.check_types(inner["type"].value.text, given, place)
            return
        if not place.is_scalar:
            findings.report("MLP0819", f"input `{field.key.text}` cannot be a list", place)
            return
        if place.value() is None:
            findings.report("MLP0818", f"input `{field.key.text}` of `{job.name}` has no value", field.key)
            return
        whole = EXPRESSION.fullmatch(place.text.strip())
        if whole is None:
            self.resolve_all(job, place)
            if given is not None and (problem := literal_problem(place.value(), given)):
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", place)
            return
        source = self.resolve(job, whole[1], place)
        if source is None or given is None or given.type is None:
            return
        if isinstance(source, Port):
            if source.type is not None:
                self.check_types(source.type, given, place)
        else:
            self._check_parent(job, source, given, place)

    def _check_parent(self, job: Job, source: Field, given: Port, place: Place) -> None:
        """An input of the pipeline that feeds an input of a job: its type, or its literal."""
        findings = self.findings
        if source.value.is_mapping:
            inner = source.value.fields()
            type_ = inner["type"].value.text if "type" in inner else None
            literal = inner.get("default") or inner.get("value")
            if type_ in PORT_TYPES or given.type in PORT_TYPES:
                self.check_types(type_ or "uri_folder", given, place)
            elif literal is not None and (problem := literal_problem(literal.value.value(), given)):
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", literal.value)
        elif source.value.value() is not None and (problem := literal_problem(source.value.value(), given)):
            if given.type in PORT_TYPES:
                message = f"input `{given.name}` of `{job.name}` wants {given.type}, and `{source.key.text}` is a value"
                findings.report("MLP0820", message, place)
            else:
                findings.report("MLP0819", f"input `{given.name}` of `{job.name}`: {problem}", source.value)


def _gathered(type_: str | None) -> str | None:
    return None if type_ is None else "string" if type_ in PRIMITIVES else "mltable"


def _grouped(name: str, interface: Interface) -> bool:
    return "." in name and any(known.split(".", 1)[0] == name.split(".", 1)[0] for known in interface.inputs)


def _is_bound(name: str, bound: dict[str, Field]) -> bool:
    """A group of inputs is bound by its members."""
    return name in bound or any(n.startswith(name + ".") or name.startswith(n + ".") for n in bound)


def check_input(place: Place, findings: Findings) -> None:
    """The fields of an asset that is bound; some ways of reading are for tables alone."""
    check_fields(place, JOB_INPUT, findings)
    fields = place.fields()
    if "mode" in fields and fields["mode"].value.text.lower().startswith("eval_"):
        type_ = fields["type"].value.text.lower() if "type" in fields else "mltable"
        if type_ != "mltable":
            message = f"only an mltable is read by `{fields['mode'].value.text}`, this is {type_}"
            findings.report("MLP0814", message, fields["mode"].value)


def check_inputs(inputs: dict[str, Field], folder: str, findings: Findings) -> None:
    """The inputs of a job that is submitted: fields, values, data that are there."""
    for field in inputs.values():
        if field.value.is_mapping:
            check_input(field.value, findings)
            inner = field.value.fields()
            if "path" in inner:
                check_path(inner["path"].value, folder, findings, findings.missing_data)
        elif field.value.is_scalar and field.value.value() is None:
            findings.report("MLP0818", f"input `{field.key.text}` has no value", field.key)
        elif not field.value.is_scalar:
            findings.report("MLP0819", f"input `{field.key.text}` cannot be a list", field.value)


def check_outputs(outputs: dict[str, Field], findings: Findings) -> None:
    """The outputs of a job that is submitted; one of which nothing is said is a folder."""
    for field in outputs.values():
        if not field.value.is_scalar or field.value.value() is not None:
            check_fields(field.value, JOB_OUTPUT, findings)


def check_settings(fields: dict[str, Field], folder: str, findings: Findings) -> None:
    """What a pipeline runs on by default: references that the service can resolve."""
    inner = declared(fields, "settings")
    for name, what in (("default_compute", "compute"), ("default_datastore", "datastore")):
        place = inner[name].value if name in inner else None
        if place is None or not place.is_scalar or place.value() is None:
            continue
        fine = place.text.startswith("azureml:") or "${{" in place.text
        if not fine and not (what == "compute" and place.text.lower() == "serverless"):
            check_reference(place, what, folder, findings)


def check_pipeline(root: Place, findings: Findings) -> None:
    """Everything about a pipeline job: its own fields, its inputs and outputs, its jobs and their components."""
    check_fields(root, PIPELINE, findings)
    fields = root.fields()
    folder = os.path.dirname(root.path)
    check_inputs(declared(fields, "inputs"), folder, findings)
    check_outputs(declared(fields, "outputs"), findings)
    check_settings(fields, folder, findings)
    if "component" in fields:
        _check_whole(root, fields, findings)
        return
    if "jobs" not in fields:
        findings.report("MLP0813", "pipeline has no `jobs`", root, severity=Severity.WARNING)
    scope = Scope(root, findings)
    scope.check()
    settings = declared(fields, "settings")
    if "default_compute" not in settings and "compute" not in fields:
        for job in scope.jobs.values():
            lacks = "compute" not in job.fields and "resources" not in job.fields
            if job.kind == "command" and lacks:
                findings.report("MLP0828", f"job `{job.name}` has no compute, and the pipeline no default", job.key)


def _check_whole(root: Place, fields: dict[str, Field], findings: Findings) -> None:
    """A pipeline job that is one component: its inputs are judged as a job's are."""
    if "jobs" in fields:
        findings.report("MLP0814", "a pipeline has `jobs` or a `component`, not both", fields["component"].key)
        return
    level = Scope(root, findings)
    job = level.whole(fields["component"])
    level.check_inputs(job)
