"""From a pipeline's YAML to the text of a program, and what there is to say of it."""

import os

from mlp_lang.decompiler.control import Controls, govern
from mlp_lang.decompiler.document import Document
from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.ports import Feeds, port_line, take_doc
from mlp_lang.decompiler.program import Decompiled, Program, canonical, is_null
from mlp_lang.decompiler.scope import Scope, mentioned, ordered
from mlp_lang.decompiler.spelling import RESERVED, is_name, key, quoted, scalar, slug, string
from mlp_lang.decompiler.stages import CONTROL, Stages, kind_of, side_of, well_formed
from mlp_lang.decompiler.statements import Statement, attach, marked
from mlp_lang.decompiler.values import Site, row_statements
from mlp_lang.decompiler.vocabulary import (
    INPUT,
    LITERAL_TYPES,
    OUTPUT,
    PIPELINE,
    PORT_TYPES,
    SETTINGS,
    SILENT,
    Kind,
    Row,
)
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import Field, Findings


def pipeline_of(document: Document, findings: Findings, target: str) -> Decompiled:
    """The program for a pipeline that was read; ``target`` is where it is to be written."""
    source, path = document.root.source, document.root.path
    program = Program(os.path.dirname(path), os.path.dirname(os.path.abspath(target)), findings)
    made = _Pipeline(document, program, findings).make(path)
    failed = any(d.severity is Severity.ERROR for d in findings.diagnostics)
    if made is None or failed:
        return Decompiled(None, tuple(findings.diagnostics), ())
    name, text = made
    return Decompiled(canonical(text, source.path), tuple(findings.diagnostics), tuple(program.escapes), name)


class _Pipeline:
    def __init__(self, document: Document, program: Program, findings: Findings) -> None:
        self.document = document
        self.program = program
        self.findings = findings
        self.root = Fields(document.root)
        self.jobs: dict[str, Field] = {}
        self.component = False

    def make(self, path: str) -> tuple[str, str] | None:
        if not self._shape():
            return None
        self.component = self._is_component()
        inputs, outputs = side_of(self.root, "inputs"), side_of(self.root, "outputs")
        shared = set(inputs) & set(self.jobs)
        scope = Scope(set(inputs) - shared, self.jobs)
        self.program.names |= {*inputs, *outputs, *self.jobs, *RESERVED}
        kinds = {name: kind_of(Fields(field.value)) for name, field in self.jobs.items()}
        controls = {name for name, kind in kinds.items() if kind in CONTROL}
        owner = govern(self.jobs, controls, scope, self.findings)
        self._check_bindings(set(inputs))
        if owner is None:
            return None
        self._look_ahead(scope)
        stages = Stages(
            self.program, scope, Feeds({name: Fields(field.value).text("type") for name, field in outputs.items()})
        )

        def statements(names: list[str]) -> list[Statement]:
            return [
                control.block(n, self.jobs[n], kinds[n]) if n in controls else stages.stage(n, self.jobs[n])
                for n in names
            ]

        control = Controls(stages, statements, self.findings)
        site = stages.site
        doc = take_doc(self.root, "description")
        name = self._name(path)
        settings = self._settings(site, name, bool(controls))
        body = statements(self._order(owner))
        ports = self._inputs(site, shared)
        published = self._outputs(site, stages.feeds)
        escaped = self.program.escaped(self.root, "", SILENT)
        groups = [settings, [escaped] if escaped is not None else [], ports, body, published]
        for group in groups:
            if group:
                group[0].blank = True
        pipeline = Statement(f"pipeline {name}", body=[s for group in groups for s in group], doc=doc)
        pipeline.first, pipeline.last, pipeline.column = 0, 1 << 30, 0
        return name, self._text(pipeline)

    def _text(self, pipeline: Statement) -> str:
        first = min((line for line, _ in self.document.content), default=0)
        head = [c for c in self.document.comments if c.own_line and c.line < first]
        rest = [c for c in self.document.comments if c not in head]
        whole = Statement("", body=[pipeline])
        attach(whole, rest, self.document.content)
        lines = [marked(c.text) for c in head]
        lines += [""] if head else []
        declarations = self.program.declarations()
        for statement in declarations:
            lines += statement.render()
        lines += [""] if declarations else []
        lines += [*pipeline.render(), *whole.closing]
        return "\n".join(lines) + "\n"

    # --- shape ----------------------------------------------------------------------------------------------------

    def _shape(self) -> bool:
        findings, root = self.findings, self.root
        kind = root.entries.get("type")
        if kind is not None and kind.value.text.lower() != "pipeline":
            findings.report("MLP0870", f"this defines no pipeline: its type is `{kind.value.text}`", kind.value)
            return False
        jobs = root.entries.get("jobs")
        whole = root.entries.get("component")
        runs = whole is not None and whole.value.is_scalar and bool(whole.value.text)
        if (jobs is None or is_null(jobs.value)) and not runs:
            place = jobs.key if jobs is not None else kind.value if kind is not None else self.document.root
            findings.report("MLP0870", "this defines no pipeline: it has no `jobs`", place)
            return False
        fine = True
        for side in ("jobs", "inputs", "outputs", "settings"):
            field = root.entries.get(side)
            if field is not None and not field.value.is_mapping and not is_null(field.value):
                findings.report("MLP0814", f"`{side}` must be a mapping", field.value)
                fine = False
        self.jobs = jobs.value.fields() if jobs is not None and jobs.value.is_mapping else {}
        root.take("jobs")
        for name, field in self.jobs.items():
            if not is_name(name):
                findings.report("MLP0871", f"`{name}` is no name that a stage can have", field.key)
                fine = False
            fine &= well_formed(name, field, findings)
        return fine

    def _is_component(self) -> bool:
        """Whether a YAML defines a component: its schema says so, or it names none and says what no job has."""
        schema = self.root.text("$schema").rpartition("/")[2]
        if schema:
            return "Component" in schema
        declared = [Fields(field.value) for field in side_of(self.root, "inputs").values() if field.value.is_mapping]
        return "version" in self.root or any(name in port for port in declared for name in ("optional", "default"))

    def _check_bindings(self, inputs: set[str]) -> None:
        """Bindings to what is not there stay as they are, with a warning."""
        for field in self.jobs.values():
            for what, name, place in mentioned(field.value):
                if name not in (inputs if what == "input" else self.jobs):
                    message = f"there is no {what} `{name}`; the binding stays as it is"
                    self.findings.report("MLP0816", message, place, severity=Severity.WARNING)

    def _look_ahead(self, scope: Scope) -> None:
        """What has to be known before the first stage is made: only outputs, and environments that several share."""
        for name, field in self.jobs.items():
            job = Fields(field.value)
            part = "trial" if "trial" in job else "component"
            chosen = job.entries.get(part)
            face: Fields | None = job
            if chosen is not None:
                face = Fields(chosen.value) if chosen.value.is_mapping else self.program.interface(chosen.value.text)
            if face is not None and kind_of(job) not in ("automl", "parallel_for"):
                outputs = side_of(face, "outputs")
                if chosen is None and kind_of(job) == "import" and "output" in job:
                    scope.single[name] = "output"
                elif len(outputs) == 1:
                    scope.single[name] = next(iter(outputs))
            for fields, path in ((job, "environment"), (job, "task.environment"), (job.inner(part), "environment")):
                found = fields.peek(path) if fields is not None else None
                if found is not None:
                    self.program.count_environment(found.value)

    def _order(self, owner: dict[str, str]) -> list[str]:
        top = [name for name in self.jobs if name not in owner]

        def unit(name: str) -> str:
            while name in owner:
                name = owner[name]
            return name

        needs: dict[str, set[str]] = {name: set() for name in top}
        for name, field in self.jobs.items():
            for what, other, _ in mentioned(field.value):
                if what == "job" and other in self.jobs and unit(other) != unit(name):
                    needs[unit(name)].add(unit(other))
        return ordered(top, needs)

    # --- the parts of a pipeline ----------------------------------------------------------------------------------

    def _name(self, path: str) -> str:
        stem, folder = os.path.splitext(os.path.basename(path))[0], os.path.basename(os.path.dirname(path))
        candidates = [
            self.root.text("display_name"),
            self.root.text("name"),
            folder if stem == "pipeline" else stem,
            stem,
        ]
        if self.component:
            candidates.insert(0, self.root.text("name"))
        base = next((slug(c) for c in candidates if slug(c)), "pipeline")
        name = self.program.distinct(base, "pipeline")
        if self.component and self.root.text("name") == name:
            self.root.take("name")
        return name

    def _settings(self, site: Site, name: str, preview: bool) -> list[Statement]:
        root = self.root
        found = []
        if self.component:
            found.append(Statement("kind = component"))
            found += row_statements(root, (Row("version", "version", Kind.TEXT),), site)
        runs = root.take("component")
        if runs is not None and runs.value.is_scalar:
            found.append(Statement(f"component = {self.program.use(runs.value, 'pipeline')}", runs))
        title = root.take("display_name")
        if title is None:
            found.append(Statement("display_name = none"))
        elif not title.value.is_scalar or title.value.value() != name:
            found.append(Statement(f"display_name = {scalar(title.value, site.bind)}", title))
            if not title.value.is_scalar:
                root.put_back("display_name")
                found.pop()
        text = root.take("description")
        if text is not None:
            if text.value.is_scalar:
                found.append(Statement(f"description = {string(text.value.text, site.bind)}", text))
            else:
                root.put_back("description")
        found += row_statements(root, PIPELINE, site)
        compute = root.take("settings.default_compute")
        if compute is not None:
            spelled = self.program.compute(compute.value)
            if spelled is None:
                root.put_back("settings.default_compute")
            else:
                found.append(Statement(f"compute = {spelled}", compute))
        if preview:
            found.append(Statement("preview = true"))
        below = root.inner("settings")
        settings = row_statements(below, SETTINGS, site) if below is not None else []
        if settings:
            found.append(Statement("settings", None, settings, inline=True))
        for side in ("inputs", "outputs", "settings"):
            field = root.peek(side)
            if field is not None and (is_null(field.value) or not field.value.fields()):
                root.take(side)
        return found

    def _inputs(self, site: Site, shared: set[str]) -> list[Statement]:
        side = self.root.inner("inputs")
        found = []
        for name in list(side.entries) if side is not None else ():
            assert side is not None
            statement = None if name in shared else self._input(side, name, site)
            if statement is not None:
                found.append(statement)
        return found

    def _input(self, side: Fields, name: str, site: Site) -> Statement | None:
        """`param` or `data`; None, and the field stays, for what is neither."""
        field = side.entries[name]
        if field.value.is_scalar:
            side.take_name(name)
            return Statement(f"param {key(name)} = {scalar(field.value, site.bind)}", field)
        fields = side.inner(name)
        if fields is None:
            return None
        kind = fields.text("type")
        path = fields.peek("path")
        literal = fields.peek("value")
        if kind in LITERAL_TYPES or (not kind and path is None):
            line = port_line(fields, "param", name, field, site)
            if line is not None and literal is not None and literal.value.is_scalar and "default" not in fields:
                fields.take("value")
                line.text += f" = {scalar(literal.value, site.bind)}"
            return line
        if kind and kind not in PORT_TYPES:
            return None
        line = port_line(fields, "data", name, field, site)
        if line is None:
            return None
        if not kind:
            line.text += ": folder"  # what Azure ML takes it for
        if path is not None and path.value.is_scalar and isinstance(path.value.value(), str):
            fields.take("path")
            line.text += f" = {string(self.program.path(path.value.text), site.bind)}"
        block = row_statements(fields, INPUT, site)
        line.body, line.inline = (block, True) if block else (None, False)
        return line

    def _outputs(self, site: Site, feeds: Feeds) -> list[Statement]:
        side = self.root.inner("outputs")
        found = []
        for name in list(side.entries) if side is not None else ():
            assert side is not None
            field, fields = side.entries[name], side.inner(name)
            text = f"output {key(name)}"
            doc = ""
            block: list[Statement] = []
            if fields is not None:
                kind = fields.text("type")
                word = PORT_TYPES.get(kind) or LITERAL_TYPES.get(kind)
                if word:
                    fields.take("type")
                    text += f": {word}"
                doc = take_doc(fields, "description")
                block = row_statements(fields, OUTPUT, site)
            elif is_null(field.value):
                side.take_name(name)
            if name in feeds.by_output:
                job, port = feeds.by_output[name]
                text += f" = {site.scope.bind(f'parent.jobs.{job}.outputs.{port}') or quoted('')}"
            found.append(Statement(text, field, block or None, doc=doc, inline=True))
        return found
