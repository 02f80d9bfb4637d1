"""From a file to all that it declares for Azure ML beside its pipelines: every Definition, in the author's order."""

import os
from collections.abc import Iterator
from typing import Any

from mlp_lang.compiler import inline, settings
from mlp_lang.compiler.assets import is_remote
from mlp_lang.compiler.components import Components
from mlp_lang.compiler.definition_fields import merge
from mlp_lang.compiler.definitions import Definitions
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Component, Definition, LocalPath
from mlp_lang.compiler.interface import component_of
from mlp_lang.compiler.program import Module
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.schedules import standing
from mlp_lang.compiler.symbols import Kind, Symbol
from mlp_lang.dsl import syntax

_DEFINED = frozenset([Kind.ENVIRONMENT, Kind.ENDPOINT, Kind.ASSET, Kind.DEPLOYMENT])
_JOBS = ("pipeline", "command", "spark", "automl", "sweep")


def declared(
    module: Module, report: Report, profile: str | None, served: frozenset[str], *, complete: bool
) -> tuple[Definition, ...]:
    """The Definitions of a file under a profile. Endpoints in ``served`` are written with the pipeline that deploys to
    them; components are definitions in a file without pipelines, else what stages use."""
    evaluator = Evaluator(report, module.scope)
    resources = Resources(evaluator, complete=complete)
    _under(module, profile, evaluator, resources)
    reader = _Reader(module, resources, complete=complete)
    found: list[Definition] = []
    for symbol in list(module.scope.names.values()):
        if symbol.kind in _DEFINED:
            made = reader.definitions.of_symbol(symbol)
            if symbol.kind is not Kind.ENVIRONMENT or made is not None:
                symbol.used = True
            if made is not None and not (symbol.kind is Kind.ENDPOINT and symbol.name in served):
                found.append(made)
        elif not module.pipelines and symbol.kind in (Kind.COMPONENT, Kind.IMPORT) and not symbol.used:
            made = reader.component(symbol)
            if made is not None:
                found.append(made)
    scheduled: set[str] = set()
    for node in module.schedules:
        target = module.scope.names.get(node.target.text)
        if target is not None and target.kind in (Kind.IMPORT, Kind.ASSET):
            scheduled.add(target.name)
            made = reader.schedule(node, target, {d.title: d for d in found})
            if made is not None:
                found.append(made)
    return tuple(d for d in found if not _within_schedule(d, scheduled))


def _within_schedule(definition: Definition, scheduled: set[str]) -> bool:
    """What a schedule imports or monitors stands in the schedule."""
    if definition.kind == "monitor":
        return True
    return definition.kind == "data" and "source" in definition.document and definition.title in scheduled


def _under(module: Module, profile: str | None, evaluator: Evaluator, resources: Resources) -> None:
    """What a profile replaces, whatever pipeline it is for: definitions belong to the file."""
    for one in module.profiles:
        if profile is None or one.name.text != profile:
            continue
        for item in one.items:
            if not isinstance(item, syntax.Override):
                continue
            if item.keyword.text == "let":
                value = evaluator.constant(item.value, module.scope, "a `let`")
                if value is not None:
                    evaluator.lets.setdefault(item.name.text, value)
            elif item.keyword.text not in ("param", "data"):
                resources.replaced.setdefault((item.keyword.text, item.name.text), (item.value, module.scope))


class _Reader:
    def __init__(self, module: Module, resources: Resources, *, complete: bool) -> None:
        self.module = module
        self.complete = complete
        self.evaluator = resources.evaluator
        self.report = resources.report
        self.definitions = Definitions(resources)
        self.components = Components(resources)

    def component(self, symbol: Symbol) -> Definition | None:
        """A component that is there to be registered: a user's YAML, or one that the file declares."""
        if symbol.kind is Kind.IMPORT and (symbol.value is not None or not _path(symbol).endswith((".yml", ".yaml"))):
            return None
        face = self.components.of_symbol(symbol, symbol.span)
        symbol.used = True
        if face is None or self.report.failed:
            return None
        from mlp_lang.compiler.yaml_files import BadYaml

        made: Component
        try:
            if face.origin == "inline":
                made = inline.finish(self.evaluator, face)
            else:
                made = component_of(face, complete=self.complete)
        except BadYaml as error:  # of its conda file
            self.report.error("MLP0222", f"cannot use `{_path(symbol)}`: {error}", symbol.node.path.span)
            return None
        return Definition("component", symbol.name, {}, component=made, span=symbol.span)

    def schedule(self, node: syntax.Schedule, target: Symbol, found: dict[str, Definition]) -> Definition | None:
        """A schedule of a job, of an import of data, or of a monitor."""
        made = standing(self.evaluator, self.module, node)
        if made is None:
            return None
        document, job = made
        paths: tuple[LocalPath, ...] = ()
        if target.kind is Kind.ASSET:
            asset = found.get(target.name)
            if asset is None:
                return None  # reported
            field = {"monitor": "create_monitor", "data": "import_data"}.get(asset.kind)
            if field is None or (asset.kind == "data" and "source" not in asset.document):
                help = (
                    'a schedule is for a pipeline, a job (`use "job.yml" as name`), a monitor, or data with a `source`'
                )
                self.report.error("MLP0355", f"`{target.name}` cannot be scheduled", node.target.span, help=help)
                return None
            document[field] = asset.document
            paths = tuple(p._replace(where=(field, *p.where)) for p in asset.paths)
        else:
            started = self._started(node, target)
            if started is None:
                return None
            field, kind, reference = started
            where: tuple[str, ...] = (field,)
            if job:
                document[field] = {"type": kind, "job": reference, **job}
                where = (field, "job")
            else:
                document[field] = reference
            if os.path.isabs(reference):
                paths = (LocalPath(where, "job", reference),)
            else:
                paths = tuple(_given(job.get("inputs", {}), field, self.module.scope.folder))
        for block in node.items:
            if isinstance(block, syntax.Block) and block.name.text == "azureml":
                merge(document, settings.literals(self.evaluator, block.items, self.module.scope))
        return Definition("schedule", node.name.text, document, paths, span=node.name.span)

    def _started(self, node: syntax.Schedule, target: Symbol) -> tuple[str, str, str] | None:
        """The field that a schedule says what it starts in, the kind of job, and the job."""
        path = _path(target)
        if path.startswith("azureml:"):
            return "create_job", self._kind(target), path
        full = os.path.normpath(os.path.join(target.scope.folder, path))
        from mlp_lang.compiler.yaml_files import BadYaml, load_yaml

        try:
            raw: Any = load_yaml(full)
        except BadYaml as error:
            self.report.error("MLP0222", f"cannot use `{path}`: {error}", target.node.path.span)
            return None
        if isinstance(raw, dict) and "source" in raw:
            return "import_data", "", full
        kind = str(raw.get("type", "pipeline" if "jobs" in raw else "command")) if isinstance(raw, dict) else ""
        if kind not in _JOBS:
            message = f"`{target.name}` cannot be scheduled: `{path}` is no job"
            self.report.error("MLP0355", message, node.target.span)
            return None
        return "create_job", kind, full

    def _kind(self, target: Symbol) -> str:
        for item in target.node.items or ():
            if isinstance(item, syntax.Setting) and item.name.text == "kind":
                return settings.word_of(self.evaluator, item.value, target.scope) or "pipeline"
        return "pipeline"


def _given(inputs: dict[str, Any], field: str, folder: str) -> Iterator[LocalPath]:
    """The local paths among the inputs of a job that is registered: of any other, they start from its file."""
    for name, value in inputs.items():
        path = value.get("path") if isinstance(value, dict) else None
        if isinstance(path, str) and not is_remote(path) and "${{" not in path:
            full = os.path.normpath(os.path.join(folder, path.removeprefix("file:")))
            yield LocalPath((field, "inputs", name, "path"), "data", full)


def _path(symbol: Symbol) -> str:
    return "".join(p for p in symbol.node.path.parts if isinstance(p, str))
