"""From the block of a definition and its rows to the fields of an Azure ML document; what is wrong is reported."""

import os
from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.assets import is_remote, locate
from mlp_lang.compiler.checks import unknown_word, value_fits
from mlp_lang.compiler.definition_words import (
    ENVIRONMENT,
    IDENTITIES,
    IDENTITY_FIELDS,
    IMPORT_SOURCES,
    JOB,
    MODEL,
    Each,
    Flag,
    Folded,
    Free,
    Given,
    Group,
    Local,
    Port,
    Row,
    Seconds,
    Via,
)
from mlp_lang.compiler.graph import Environment, LocalPath
from mlp_lang.compiler.program import mentioned
from mlp_lang.compiler.resources import ENVIRONMENTS, Resources
from mlp_lang.compiler.settings import Argument, Words
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import BOOL, PORTS, STRING, Scalar
from mlp_lang.compiler.unroll import duplicate, forgive
from mlp_lang.compiler.values import Bad, Constant, Thing
from mlp_lang.compiler.vocabulary import put
from mlp_lang.dsl import syntax

ESCAPE = "azureml"
_DURATION = Scalar("duration", 0)
_ALL_ENVIRONMENT = {row.word: row for row in ENVIRONMENT}
_JOB = Row("job_definition", ("job_definition",), Group(JOB))
_ALL_MODEL = {row.word: row for row in MODEL}


class Document:
    """An Azure ML document that is being made, and the local paths in it."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.paths: list[LocalPath] = []

    def put(self, path: tuple[str, ...], value: Any) -> None:
        """Set a field; a document in a document brings its paths along."""
        if isinstance(value, Document):
            self.paths += [p._replace(where=(*path, *p.where)) for p in value.paths]
            value = value.fields
        elif isinstance(value, LocalPath):
            self.paths.append(value._replace(where=path))
            value = value.path
        put(self.fields, path, value)

    def value(self, *path: str) -> Any:
        """A field, or None."""
        at: Any = self.fields
        for key in path:
            at = at.get(key) if isinstance(at, dict) else None
        return at


class Reader:
    """Reads the blocks of one file's definitions."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.evaluator = resources.evaluator
        self.report = resources.report

    # --- blocks -------------------------------------------------------------------------------------------------------

    def fields(
        self,
        rows: dict[str, Row],
        items: tuple[syntax.Item, ...],
        scope: Scope,
        where: str,
        document: Document,
        others: tuple[str, ...] = (),
    ) -> dict[str, syntax.Name]:
        """Put what a block says into a document; the names that it gives. ``others`` are read by the caller."""
        names: dict[str, syntax.Name] = {}
        escapes: list[syntax.Block] = []
        for item in items:
            if isinstance(item, syntax.Invalid):
                self.report.forgiven |= item.names
                continue
            if not isinstance(item, syntax.Setting | syntax.Block):
                forgive(self.report, (item,))
                continue
            name = item.name
            if name.text == ESCAPE and isinstance(item, syntax.Block):
                escapes.append(item)
                continue
            if name.text in others:
                continue
            row = rows.get(name.text)
            if row is None:
                unknown_word(self.report, "MLP0208", f"setting of {where}", name, [*rows, *others])
                self._look(item, scope)
                continue
            earlier = names.setdefault(name.text, name)
            if earlier is not name:
                duplicate(self.report, name, earlier)
                continue
            value = self._value(row, item, scope)
            if value is not None:
                document.put(row.path, value)
        for block in escapes:
            merge(document.fields, settings.literals(self.evaluator, block.items, scope))
        return names

    def _look(self, item: syntax.Setting | syntax.Block, scope: Scope) -> None:
        """Count the names in what nobody reads as used."""
        for name in mentioned((item,)):
            symbol = scope.find(name)
            if symbol is not None:
                symbol.used = True

    def _value(self, row: Row, item: syntax.Setting | syntax.Block, scope: Scope) -> Any:
        kind = row.type
        if isinstance(kind, Via):
            return self._via(kind.form, item, scope)
        if isinstance(kind, Given):
            return self._given(row, item, scope)
        if isinstance(item, syntax.Block):
            return self._block(row, item, scope)
        if isinstance(kind, Folded | Port):
            members = tuple(PORTS) if isinstance(kind, Port) else kind.members
            word = self._setting(item, scope, Words(members))
            return PORTS[word].azure if isinstance(kind, Port) and word is not None else word
        if isinstance(kind, Seconds):
            seconds = self._setting(item, scope, _DURATION)
            return round(seconds * kind.parts) if seconds is not None else None
        if isinstance(kind, Flag):
            flag = self._setting(item, scope, BOOL)
            return None if flag is None else str(flag).lower()
        if isinstance(kind, Local):
            return self._local(kind.sort, item.value, scope)
        if isinstance(kind, Free):
            value = self.evaluator.constant(item.value, scope, f"`{row.word}`")
            if value is not None and not isinstance(value.value, dict):
                self.report.error(
                    "MLP0204", f"`{row.word}` is {value.kind}, expected a map or a block", item.value.span
                )
                return None
            return value.value if value is not None else None
        if isinstance(kind, Group | Each):
            self.report.error("MLP0208", f"`{row.word}` is a block", item.name.span, help=f"{row.word} {{ … }}")
            return None
        return self._setting(item, scope, kind)

    def _setting(self, item: syntax.Setting, scope: Scope, asked: Any) -> Any:
        found = settings.one(self.evaluator, item, scope, asked)
        return found.value if found is not None else None

    def _block(self, row: Row, item: syntax.Block, scope: Scope) -> Any:
        kind = row.type
        if isinstance(kind, Group):
            inner = Document()
            self.fields({r.word: r for r in kind.rows}, item.items, scope, f"`{row.word}`", inner)
            return inner
        if isinstance(kind, Each):
            rows = {r.word: r for r in kind.rows}
            every = Document()
            for block in item.items:
                if isinstance(block, syntax.Block):
                    one = Document()
                    self.fields(rows, block.items, scope, f"`{row.word}`", one)
                    every.put((block.name.text,), one)
                elif isinstance(block, syntax.Setting):
                    message = f"`{block.name.text}` is a block"
                    self.report.error("MLP0208", message, block.name.span, help=f"{block.name.text} {{ … }}")
                else:
                    forgive(self.report, (block,))
            return every
        if isinstance(kind, Free) or getattr(kind, "item", None) is not None:
            return settings.literals(self.evaluator, item.items, scope)
        self.report.error("MLP0208", f"`{row.word}` is a setting, not a block", item.name.span)
        return None

    def _given(self, row: Row, item: syntax.Setting | syntax.Block, scope: Scope) -> Document:
        """Inputs, and where those of them are that lie here."""
        document = Document()
        values: Any = {}
        if isinstance(item, syntax.Block):
            values = settings.literals(self.evaluator, item.items, scope)
        else:
            found = self.evaluator.constant(item.value, scope, f"`{row.word}`")
            values = found.value if found is not None else {}
        if not isinstance(values, dict):
            self.report.error("MLP0208", f"`{row.word}` is a block", item.name.span, help=f"{row.word} {{ … }}")
            return document
        for name, value in values.items():
            document.put((name,), value)
            path = value.get("path") if isinstance(value, dict) else None
            if isinstance(path, str):
                document.put((name, "path"), self.path("data", path, item.name, scope) or path)
        return document

    # --- paths --------------------------------------------------------------------------------------------------------

    def _local(self, sort: str, expr: syntax.Expr, scope: Scope) -> Any:
        value = self.evaluator.constant(expr, scope, "a path")
        if value is None:
            return None
        if sort == "conda" and isinstance(value.value, dict):
            return value.value
        if not value_fits(self.report, value, STRING, expr.span, "the path"):
            return None
        return self.path(sort, str(value.value), expr, scope)

    def path(self, sort: str, path: str, expr: syntax.Expr | syntax.Name, scope: Scope) -> "LocalPath | str | None":
        """Where a path leads: what lies elsewhere stays as it is written; None once a missing one is reported."""
        path = path.removeprefix("file:")
        if is_remote(path) or path.startswith(("git+", "/subscriptions/")):
            return path
        full = os.path.normpath(os.path.join(scope.folder, path))
        if sort == "data":
            found = locate(self.report, "any", path, expr.span, scope.folder)
            return LocalPath((), sort, full) if found is not None else None
        exists = os.path.isdir if sort in ("code", "context") else os.path.isfile
        if not path or "\0" in path or not exists(full):
            help = f"paths start from the folder of `{expr.span.source.path}`"
            what = "the code folder " if sort == "code" else ""
            code = "MLP0351" if sort == "code" else "MLP0603"
            self.report.error(code, f"{what}`{path}` does not exist", expr.span, help=help)
            return None
        return LocalPath((), sort, full)

    # --- what has a form of its own -----------------------------------------------------------------------------------

    def _via(self, form: str, item: syntax.Setting | syntax.Block, scope: Scope) -> Any:
        if form == "environment":
            if isinstance(item, syntax.Block):
                return self.environment(None, item.items, scope)
            return self.environment(item.value, (), scope)
        if form == "model":
            return self._model(item, scope)
        if form == "job":
            if isinstance(item, syntax.Block):
                return self._block(_JOB, item, scope)
            return self._setting(item, scope, STRING)
        if isinstance(item, syntax.Block):
            self.report.error("MLP0208", f"`{item.name.text}` is a setting, not a block", item.name.span)
            return None
        if form == "compute":
            return self._compute(item.value, scope)
        if form == "identity":
            return self._identity(item.value, scope)
        if form == "source":
            return self._source(item.value, scope)
        return self._component(item.value, scope)

    def environment(self, expr: syntax.Expr | None, items: tuple[syntax.Item, ...], scope: Scope) -> Any:
        """An environment as a document, or as the reference that it is; None once it is reported."""
        document = Document()
        if isinstance(expr, syntax.Call):
            found = self.resources.call(expr, scope, ENVIRONMENTS, "environment")
            if found is None:
                return None
            for word, value in found.items():
                row = _ALL_ENVIRONMENT["build" if word == "folder" else word]
                if isinstance(row.type, Local) and isinstance(value, str):
                    value = self.path(row.type.sort, value, expr, scope)
                    if value is None:
                        return None
                document.put(row.path, value)
        elif expr is not None:
            evaluated = self.evaluator.evaluate(expr, scope)
            if isinstance(evaluated, Thing) and evaluated.symbol.kind is Kind.ENVIRONMENT:
                return self.declared_environment(evaluated.symbol)
            if isinstance(evaluated, Constant) and isinstance(evaluated.value, str):
                return evaluated.value
            if not isinstance(evaluated, Bad):
                self.resources.environment(expr, scope)  # says what is expected
            return None
        self.fields(_ALL_ENVIRONMENT, items, scope, "an environment", document)
        return document

    def declared_environment(self, symbol: Symbol) -> Any:
        """What an `environment` declaration says, or None once it is reported; a circle comes to nothing."""
        if symbol.busy:
            return None
        symbol.busy = True
        try:
            expr, scope = self.resources.value(symbol)
            items = symbol.node.items
            if expr is None and items is None:
                self.report.error("MLP0228", f"`{symbol.name}` needs a value", symbol.span, help='`= image("…")`')
                return None
            made = self.environment(expr, items or (), scope)
            if items and isinstance(made, str):
                message = f"`{made}` is there already: it takes no block"
                self.report.error("MLP0350", message, symbol.span, help="leave the block out, or say `image(…)`")
                return None
            if isinstance(made, Document) and symbol.node.doc:
                made.fields.setdefault("description", symbol.node.doc)
            return made
        finally:
            symbol.busy = False

    def stage_environment(self, symbol: Symbol) -> Environment | None:
        """What a declaration with a block says to stages that run in it."""
        made = self.declared_environment(symbol)
        if not isinstance(made, Document):
            return Environment(reference=made) if made is not None else None
        conda = made.value("conda_file")
        file = conda if isinstance(conda, str) else None
        if file is not None and self.resources.complete:
            conda = self.resources.conda(file, symbol.span)
        version = made.value("version")
        return Environment(
            name=made.value("name"),
            image=made.value("image"),
            conda=conda if isinstance(conda, dict) else None,
            conda_file=file,
            build_context=made.value("build", "path"),
            dockerfile=made.value("build", "dockerfile_path"),
            version=str(version) if version is not None else None,
        )

    def _model(self, item: syntax.Setting | syntax.Block, scope: Scope) -> Any:
        if isinstance(item, syntax.Block):
            document = Document()
            self.fields(_ALL_MODEL, item.items, scope, "a model", document)
            return document
        expr = item.value
        if isinstance(expr, syntax.Call) and expr.function.text in _ALL_MODEL["type"].type.members:  # type: ignore[union-attr]
            found = settings.arguments(self.evaluator, expr, scope, (Argument("path", STRING, True),))
            path = self.path("data", found["path"], expr, scope) if found is not None else None
            if path is None:
                return None
            document = Document()
            document.put(("type",), expr.function.text)
            document.put(("path",), path)
            return document
        value = self.evaluator.evaluate(expr, scope)
        if isinstance(value, Constant) and isinstance(value.value, str):
            return value.value
        if isinstance(value, Thing) and value.symbol.kind is Kind.ASSET:
            reference = self.asset_reference(value.symbol, "model")
            if reference is not None:
                return reference
        if not isinstance(value, Bad):
            help = '`model = "azureml:name:1"`, an `asset … = model("name")`, or `model { path = "…" }`'
            self.report.error("MLP0109", "expected a model", expr.span, help=help)
        return None

    def asset_reference(self, symbol: Symbol, kind: str) -> str | None:
        """`azureml:name:version` of a declared asset of a kind, None for any other."""
        expr, scope = symbol.node.value, symbol.scope
        if not isinstance(expr, syntax.Call) or expr.function.text != kind:
            return None
        said = {i.name.text: i.value for i in symbol.node.items or () if isinstance(i, syntax.Setting)}
        name = said.get("name") or (expr.arguments[0].value if expr.arguments else None)
        texts = []
        for part in (name, said.get("version")):
            value = self.evaluator.evaluate(part, scope) if part is not None else None
            texts.append(str(value.value) if isinstance(value, Constant) else None)
        title = texts[0] or symbol.name
        return f"azureml:{title}:{texts[1]}" if texts[1] is not None else f"azureml:{title}@latest"

    def _compute(self, expr: syntax.Expr, scope: Scope) -> str | None:
        if isinstance(expr, syntax.String):
            value = self.evaluator.constant(expr, scope, "a compute")
            return str(value.value) if value is not None else None
        name = self.resources.compute(expr, scope)
        return f"azureml:{name}" if name is not None else None

    def _identity(self, expr: syntax.Expr, scope: Scope) -> Any:
        call = settings.call(self.report, expr, IDENTITIES, "identity")
        if call is None:
            return None
        signature = tuple(Argument(n, STRING) for n in IDENTITY_FIELDS) if call.function.text == "managed" else ()
        found = settings.arguments(self.evaluator, call, scope, signature)
        if found is None:
            return None
        made: dict[str, Any] = {"type": IDENTITIES[call.function.text]}
        if found:
            made["user_assigned_identities"] = [{k: found[k] for k in IDENTITY_FIELDS if k in found}]
        return made

    def _source(self, expr: syntax.Expr, scope: Scope) -> Any:
        call = settings.call(self.report, expr, IMPORT_SOURCES, "source")
        if call is None:
            return None
        signature = IMPORT_SOURCES[call.function.text]
        found = settings.arguments(self.evaluator, call, scope, tuple(a for a, _ in signature))
        if found is None:
            return None
        return {"type": call.function.text} | {field: found[a.name] for a, field in signature if a.name in found}

    def _component(self, expr: syntax.Expr, scope: Scope) -> Any:
        value = self.evaluator.evaluate(expr, scope)
        if isinstance(value, Constant) and isinstance(value.value, str):
            return self.path("component", value.value, expr, scope)
        if isinstance(value, Thing) and value.symbol.kind is Kind.IMPORT:
            use: syntax.Use = value.symbol.node
            text = "".join(p for p in use.path.parts if isinstance(p, str))
            if text.endswith((".yml", ".yaml")) or text.startswith("azureml:"):
                return self.path("component", text, use.path, value.symbol.scope)
        if not isinstance(value, Bad):
            help = '`use "pipeline.yml" as name` or `"azureml:name:version"`'
            self.report.error("MLP0109", "expected a pipeline component", expr.span, help=help)
        return None


def merge(into: dict[str, Any], fields: dict[str, Any]) -> None:
    """Put fields into a document, mappings into mappings."""
    for key, value in fields.items():
        held = into.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            merge(held, value)
        else:
            into[key] = value
