"""From a job to a stage: its verb, what it uses, its inputs and its blocks."""

import re
from itertools import pairwise

from mlp_lang.compiler.vocabulary import DESCRIBED
from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.ports import (
    Feeds,
    Ports,
    component_ports,
    read_input,
    read_inputs,
    read_outputs,
    take_doc,
)
from mlp_lang.decompiler.program import Program, is_null
from mlp_lang.decompiler.scope import Scope, own
from mlp_lang.decompiler.search import automl_space, search_block, searched, spaces
from mlp_lang.decompiler.spelling import key, value
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.values import Site, row_statements
from mlp_lang.decompiler.vocabulary import (
    AUTOML_BLOCKS,
    AUTOML_DATA,
    AUTOML_SETTINGS,
    AUTOML_TASKS,
    COMPONENT,
    NOISE,
    OTHER_VERBS,
    SILENT,
    VERBS,
    define_rows,
    run_rows,
)
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import Field, Findings
from mlp_lang.lowering.checker.interfaces import literal_problem, read_interface

DECLARED = frozenset(["command", "parallel", "spark", "pipeline", "data_transfer"])
"""Kinds of component whose file says all that they take."""
KINDS = frozenset(["command", "parallel", "spark", "sweep", "automl", "pipeline", "import", "data_transfer"])
CONTROL = frozenset(["if_else", "do_while", "parallel_for"])
TRANSFERS = frozenset(["copy_data", "import_data", "export_data"])


def kind_of(job: Fields) -> str:
    """The kind of a job; without a `type`, that of the component that it has in place, else a command."""
    inner = job.inner("component")
    return (job.text("type") or (inner.text("type") if inner is not None else "")).lower() or "command"


def task_of(job: Fields) -> str:
    """The `task` of a transfer, which may stand in the component that it has in place."""
    inner = job.inner("component")
    return job.text("task") or (inner.text("task") if inner is not None else "")


def well_formed(name: str, field: Field, findings: Findings) -> bool:
    """Whether a job has the shape of one; reports what has not."""
    if not field.value.is_mapping:
        findings.report("MLP0814", f"job `{name}` must be a mapping", field.key)
        return False
    job = Fields(field.value)
    fine = True
    for side in ("inputs", "outputs"):
        entry = job.entries.get(side)
        if entry is not None and not entry.value.is_mapping and not is_null(entry.value):
            findings.report("MLP0814", f"`{side}` of job `{name}` must be a mapping", entry.value)
            fine = False
    for fields in (job, job.inner("component"), job.inner("trial")):
        entry = fields.entries.get("type") if fields is not None else None
        if entry is not None and not entry.value.is_scalar:
            findings.report("MLP0814", f"`type` of job `{name}` must be a word", entry.value)
            fine = False
    for part in ("component", "trial"):
        entry = job.entries.get(part)
        if entry is not None and not entry.value.is_mapping and not (entry.value.is_scalar and entry.value.text):
            findings.report("MLP0814", f"`{part}` of job `{name}` must be a path, a name or a mapping", entry.value)
            fine = False
    kind = kind_of(job)
    registered = any(p in job and job.entries[p].value.is_scalar for p in ("component", "trial"))
    if kind in CONTROL:
        return fine
    if (kind not in KINDS and not registered) or (kind == "pipeline" and not registered):
        place = job.entries["type"].value if "type" in job else field.key
        message = f"job `{name}` is of a kind that is not known without a component" if kind not in KINDS else ""
        findings.report("MLP0814", message or f"job `{name}` names no pipeline component", place)
        fine = False
    task = task_of(job)
    wanted = {"automl": AUTOML_TASKS, "data_transfer": () if registered else tuple(sorted(TRANSFERS))}.get(kind, ())
    if wanted and task not in wanted:
        place = job.entries["task"].value if "task" in job else field.key
        findings.unknown("MLP0814", f"job `{name}` has no `task` that is known", place, task, wanted)
        fine = False
    return fine


def side_of(job: Fields, side: str) -> dict[str, Field]:
    """The entries of `inputs` or `outputs`."""
    inner = job.inner(side)
    return inner.entries if inner is not None else {}


class Stages:
    """Makes stages of the jobs of one pipeline."""

    def __init__(self, program: Program, scope: Scope, feeds: Feeds) -> None:
        self.program = program
        self.scope = scope
        self.feeds = feeds
        self.site = Site(program, scope, scope.bind)
        self.carried: dict[str, dict[str, str]] = {}  # by job and input: the expression that a loop gives
        self.added: dict[str, list[Statement]] = {}  # by job: inputs that only a loop gives

    def stage(self, name: str, field: Field) -> Statement:
        job = Fields(field.value)
        kind = kind_of(job)
        part = "trial" if "trial" in job else "component"
        inner = job.inner(part)
        described = part not in job and kind in DESCRIBED  # else `##` is Azure ML's `comment`
        doc = take_doc(job, "description" if described else "comment") if inner is None else ""
        if kind == "automl":
            using, body = f"automl.{job.text('task')}", self._automl(name, job)
            job.take("task")
            verb = "train"
        elif inner is not None:
            using, body = self._inline(name, job, kind, inner, part)
            verb = _verb(name, "")
        elif part in job:
            using, body = self._component(name, job, kind, part)
            verb = _verb(name, using)
        else:
            using, body = self._inline(name, job, kind, None, "")
            verb = _verb(name, "")
        verb = "tune" if kind == "sweep" else verb
        header = f"{verb} {name} using {using}"
        on = job.take("compute")
        if on is not None:
            compute = self.program.compute(on.value, self.scope.bind)
            if compute is None:
                job.put_back("compute")
            else:
                header += f" on {compute}"
        for side in ("inputs", "outputs"):
            entry = job.peek(side)
            below = job.inner(side)
            if entry is not None and (below is None or not below.entries):
                job.take(side)
        escaped = self.program.escaped(job, name, SILENT)
        body += [escaped] if escaped is not None else []
        _group(body)
        return Statement(header, field, body, doc=doc, blank=True)

    def _component(self, name: str, job: Fields, kind: str, part: str) -> tuple[str, list[Statement]]:
        chosen = job.take(part)
        assert chosen is not None
        alias = self.program.use(chosen.value, "" if part == "trial" or "type" not in job else kind)
        left = {**self._refused(name, job, chosen), **(dict.fromkeys(searched(job), "") if kind == "sweep" else {})}
        face = self.program.interface(chosen.value.text)
        if kind == "data_transfer" and face is not None and face.text("task") == job.text("task"):
            job.take("task")
        inputs = read_inputs(job, self.site, False, {**self.carried.get(name, {}), **left})
        outputs = read_outputs(job, name, self.site, False, self.feeds)
        return alias, self._blocks(name, job, kind, inputs, outputs, [])

    def _refused(self, name: str, job: Fields, chosen: Field) -> dict[str, str]:
        """Inputs that the component has not, or does not take so: warned of, and left as they are for `azureml`."""
        face = self.program.interface(chosen.value.text)
        if face is None or (face.text("type") or ("command" if "command" in face else "")) not in DECLARED:
            return {}
        interface = read_interface(face.place)
        refused: dict[str, str] = {}
        for given, field in side_of(job, "inputs").items():
            port = interface.inputs.get(given)
            if port is None:
                group = given.partition(".")[0]
                if "." in given and any(known.partition(".")[0] == group for known in interface.inputs):
                    continue
                message = f"the component of job `{name}` has no input `{given}`"
                self.program.findings.report("MLP0817", message, field.key, severity=Severity.WARNING)
            elif field.value.is_scalar and (problem := literal_problem(field.value.value(), port)):
                message = f"input `{given}` of job `{name}`: {problem}"
                self.program.findings.report("MLP0819", message, field.value, severity=Severity.WARNING)
            else:
                continue
            refused[given] = ""
        return refused

    def _inline(
        self, name: str, job: Fields, kind: str, inner: Fields | None, part: str
    ) -> tuple[str, list[Statement]]:
        using = task_of(job) if kind == "data_transfer" else "command" if kind == "sweep" else kind
        if kind == "data_transfer":
            for fields in (job, inner):
                if fields is not None:
                    fields.take("task")
        source = inner if inner is not None else job
        ports = {
            port
            for fields in (job, inner)
            for side in ("inputs", "outputs")
            for port in (side_of(fields, side) if fields is not None else ())
        }
        within = Site(self.program, self.scope, lambda expression: own(ports, expression))
        left = dict.fromkeys(searched(job), "") if kind == "sweep" else {}
        inputs = read_inputs(job, self.site, inner is None, {**self.carried.get(name, {}), **left})
        alone = "output" if kind == "import" and inner is None else ""
        outputs = read_outputs(job, name, self.site, inner is None, self.feeds, alone)
        declared = component_ports(inner, within) if inner is not None else [*inputs.declared, *outputs.declared]
        rows = define_rows(using)
        define = [*declared, *(row_statements(inner, COMPONENT, within) if inner is not None else [])]
        define += row_statements(source, rows, within)
        if inner is not None:
            said = kind if kind != "sweep" else "command"
            silent = SILENT if inner.text("type").lower() in ("", said) else ("$schema",)
            escaped = self.program.escaped(inner, name, silent, f"{part}.")
            define += [escaped] if escaped is not None else []
            job.take(part)
        return using, self._blocks(
            name, job, kind, inputs, outputs, [Statement("define", None, define)] if define else []
        )

    def _blocks(
        self, name: str, job: Fields, kind: str, inputs: Ports, outputs: Ports, define: list[Statement]
    ) -> list[Statement]:
        body = [*self.added.get(name, ()), *inputs.settings, *(spaces(job) if kind == "sweep" else []), *define]
        search = search_block(job, self.site) if kind == "sweep" else None
        body += [search] if search is not None else []
        run = row_statements(job, run_rows(kind), self.site)
        body += [Statement("run", None, run, inline=True)] if run else []
        for side, ports in (("inputs", inputs), ("outputs", outputs)):
            body += [Statement(side, None, ports.blocks, inline=True)] if ports.blocks else []
        return body

    def _automl(self, name: str, job: Fields) -> list[Statement]:
        inputs = Ports([], [], [])
        for data in AUTOML_DATA:
            if data in job:
                read_input(job, data, self.site, False, "", inputs)
        settings = []
        for word in AUTOML_SETTINGS:
            field = job.take(word)
            if field is not None:
                settings.append(Statement(f"{word} = {value(field.value, self.scope.bind)}", field))
        settings.sort(key=lambda s: s.first)
        blocks = []
        for word in AUTOML_BLOCKS:
            field = job.peek(word)
            if field is None or not field.value.is_mapping:
                continue
            job.take(word)
            lines = [
                Statement(f"{key(n)} = {value(f.value, self.scope.bind)}", f) for n, f in field.value.fields().items()
            ]
            blocks.append(Statement(word, field, lines, inline=True))
        space = job.take("search_space")
        if space is not None:
            settings.append(Statement(f"search_space = {automl_space(space.value)}", space))
        search = search_block(job, self.site, "sweep")
        outputs = read_outputs(job, name, self.site, False, self.feeds)
        body = [*inputs.settings, *settings, *blocks, *([search] if search is not None else [])]
        run = row_statements(job, run_rows("automl"), self.site)
        body += [Statement("run", None, run, inline=True)] if run else []
        for side, ports in (("inputs", inputs), ("outputs", outputs)):
            body += [Statement(side, None, ports.blocks, inline=True)] if ports.blocks else []
        return body


def _group(body: list[Statement]) -> None:
    """An empty line between the inputs of a stage and its blocks."""
    for before, after in pairwise(body):
        if before.body is None and after.body is not None:
            after.blank = True


def _verb(name: str, using: str) -> str:
    """What a stage is for, where its name or its component's shows it beyond doubt; else `step`.

    A name shows it in its first word or its last, a component's in its first: `text_generation_evaluation` may do more.
    """
    for text, last in ((name, True), (using, False)):
        words = [w for w in re.split(r"[^a-z]+", text.lower()) if w and w not in NOISE]
        if any(w in OTHER_VERBS for w in words):
            return "step"
        chosen = {*words[:1], *(words[-1:] if last else ())}
        found = {verb for verb, known in VERBS.items() if chosen & set(known) or text in known}
        if found:
            return found.pop() if len(found) == 1 else "step"
    return "step"
