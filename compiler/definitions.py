"""From declarations beside the pipelines (environments, assets, endpoints, deployments) to what Azure ML is to hold."""

import os
import re
from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.definition_fields import Document, Reader
from mlp_lang.compiler.definition_words import ASSETS, ENDPOINTS, SERVES, TYPES, rows
from mlp_lang.compiler.graph import Definition
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.settings import RAW, Argument
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import BOOL
from mlp_lang.compiler.values import Bad, Constant, Thing
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
_MACHINE = re.compile(r"(Standard|Basic)_[A-Za-z]+[0-9]+[A-Za-z0-9_-]*", re.IGNORECASE)
_NAMES = "3 to 32 letters, digits and hyphens, a letter first and no hyphen last"
_MIRRORED = 50
"""Per cent of the traffic that Azure ML mirrors at most, to a single deployment."""
_DEPLOYMENTS: dict[str, tuple[Argument, ...]] = {
    "managed": (Argument("endpoint", RAW),),
    "kubernetes": (Argument("endpoint", RAW),),
    "batch": (Argument("endpoint", RAW), Argument("flat", BOOL)),
    "pipeline": (Argument("endpoint", RAW),),
}


class Definitions:
    """Reads declarations into Definitions; None where something is wrong with one, which is then reported."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.reader = Reader(resources)
        self.evaluator = resources.evaluator
        self.report = resources.report
        self.taken: dict[tuple[str, str], Symbol] = {}  # deployments by their endpoint and name in Azure ML

    def of_symbol(self, symbol: Symbol) -> Definition | None:
        """The definition that a declaration makes, if it makes one."""
        if symbol.kind is Kind.ENVIRONMENT:
            return self.environment(symbol)
        if symbol.kind is Kind.ENDPOINT:
            return self.endpoint(symbol)
        if symbol.kind is Kind.ASSET:
            return self.asset(symbol)
        if symbol.kind is Kind.DEPLOYMENT:
            return self.deployment(symbol)
        return None

    def environment(self, symbol: Symbol) -> Definition | None:
        """An environment is registered if it has a name there; without one, it is what its users run in."""
        made = self.reader.declared_environment(symbol)
        if not isinstance(made, Document) or "name" not in made.fields:
            return None
        return _definition("environment", symbol, made)

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def endpoint(self, symbol: Symbol) -> Definition | None:
        """An endpoint of any kind."""
        expr, scope = self.resources.value(symbol)
        if not isinstance(expr, syntax.Call):
            help = 'such as `endpoint scoring = online("name") { auth = key }`'
            self.report.error("MLP0406", f"`{symbol.name}` does not say what it is", symbol.span, help=help)
            return None
        found = self.resources.call(expr, scope, ENDPOINTS, "endpoint")
        if found is None:
            return None
        kind = expr.function.text
        document = Document()
        document.fields["name"] = found.get("name") or symbol.name.replace("_", "-")
        if not self._endpoint_name(str(document.fields["name"]), expr.span):
            return None
        if kind == "online":
            document.fields["auth_mode"] = "key"
        if "compute" in found:
            document.fields["compute"] = found["compute"]
        if symbol.node.doc:
            document.fields["description"] = symbol.node.doc
        given = self.reader.fields(
            rows("endpoint", kind), symbol.node.items or (), symbol.scope, "an endpoint", document
        )
        if kind == "kubernetes" and "compute" not in document.fields and "compute" not in given:
            help = 'kubernetes("name", compute = "azureml:cluster")'
            self.report.error("MLP0350", "a Kubernetes endpoint says on which `compute` it is", expr.span, help=help)
            return None
        if not self._traffic(symbol, document):
            return None
        return _definition(kind if kind == "online" else f"{kind} endpoint", symbol, document)

    def _endpoint_name(self, name: str, span: Span) -> bool:
        if _NAME.fullmatch(name):
            return True
        self.report.error("MLP0406", f'"{name}" is no name for an endpoint', span, help=_NAMES)
        return False

    def _traffic(self, symbol: Symbol, document: Document) -> bool:
        said = {i.name.text: i for i in symbol.node.items or () if isinstance(i, syntax.Setting | syntax.Block)}
        traffic, mirrored = document.value("traffic"), document.value("mirror_traffic")
        if traffic is not None:
            total = sum(traffic.values())
            if total not in (0, 100) or any(v < 0 for v in traffic.values()):
                span = _value_span(said["traffic"])
                self.report.error("MLP0407", f"traffic sums to {total}, expected 100", span)
                return False
        if mirrored is not None and (len(mirrored) != 1 or not all(0 <= v <= _MIRRORED for v in mirrored.values())):
            message = f"traffic is mirrored to one deployment, {_MIRRORED} per cent of it at most"
            self.report.error("MLP0354", message, _value_span(said["mirror_traffic"]))
            return False
        return True

    # --- assets -------------------------------------------------------------------------------------------------------

    def asset(self, symbol: Symbol) -> Definition | None:
        """Data, a model, or what a monitoring schedule watches."""
        found = self._call(symbol, ASSETS, "asset", '`= data("name") { … }` or `= model("name") { … }`')
        if found is None:
            return None
        call, given = found
        kind = call.function.text
        document = Document()
        if kind != "monitor":
            document.fields["name"] = given.get("name") or symbol.name
        if symbol.node.doc and kind != "monitor":
            document.fields["description"] = symbol.node.doc
        table = rows(kind, kind)
        said = self.reader.fields(table, symbol.node.items or (), symbol.scope, f"{_article(kind)} asset", document)
        if kind != "monitor" and "path" not in said and not self._forgiven(symbol):
            message = f"{_article(kind)} asset says where it is: its `path`"
            self.report.error("MLP0350", message, symbol.span, help='path = "…", or an address')
            return None
        return _definition(kind, symbol, document)

    # --- deployments --------------------------------------------------------------------------------------------------

    def deployment(self, symbol: Symbol) -> Definition | None:
        """A deployment, online or batch."""
        found = self._call(symbol, _DEPLOYMENTS, "deployment", '`= managed("endpoint") { … }`')
        if found is None:
            return None
        call, given = found
        kind = "flat" if given.get("flat") else call.function.text
        document = Document()
        document.fields["name"] = symbol.name.replace("_", "-")
        endpoint, title = self._endpoint_of(given.get("endpoint"), SERVES[kind], symbol.scope)
        if endpoint is not None:
            document.fields["endpoint_name"] = endpoint
        if kind in TYPES:
            document.fields["type"] = TYPES[kind]
        if symbol.node.doc:
            document.fields["description"] = symbol.node.doc
        items = tuple(i for i in symbol.node.items or () if not _unnamed(i))
        said = self.reader.fields(rows("deployment", kind), items, symbol.scope, "a deployment", document)
        if len(items) < len(symbol.node.items or ()):
            del document.fields["name"]  # given when it is created
        if not self._whole(kind, symbol, said, document):
            return None
        name = document.fields.get("name")
        if name is not None:
            self._claim(symbol, str(endpoint or ""), str(name), said.get("name"))
        return _definition(kind, symbol, document, title or endpoint)

    def _endpoint_of(self, expr: Any, kind: str, scope: Scope) -> tuple[str | None, str | None]:
        """The name in Azure ML and the title of the endpoint that a deployment names."""
        if expr is None:
            return None, None
        value = self.evaluator.evaluate(expr, scope)
        if isinstance(value, Constant) and isinstance(value.value, str):
            if not _NAME.fullmatch(value.value):  # it may stand for one that is put there later
                self.report.warning("MLP0406", f'"{value.value}" is no name for an endpoint', expr.span, help=_NAMES)
            return value.value, None
        if isinstance(value, Thing) and value.symbol.kind is Kind.ENDPOINT:
            made = self.resources.endpoint(value.symbol)
            if made is None:
                return None, None
            if made.kind != kind:
                message = f"`{made.title}` is {_a(made.kind)} endpoint, expected {_a(kind)} one"
                related = (Related(value.symbol.span, "declared here"),)
                self.report.error("MLP0353", message, expr.span, related=related)
            return made.name, made.title
        if not isinstance(value, Bad):
            help = "the name of an `endpoint` of this file, or a text"
            self.report.error("MLP0109", "expected an endpoint", expr.span, help=help)
        return None, None

    def _whole(self, kind: str, symbol: Symbol, said: dict[str, syntax.Name], document: Document) -> bool:
        """Whether all is there that such a deployment needs."""
        if self._forgiven(symbol):
            return False
        if kind == "pipeline" and ("component" in said) == ("job_definition" in said):
            help = "component = …, or job_definition = …"
            message = "a deployment of a pipeline says either `component` or `job_definition`"
            self.report.error("MLP0350", message, symbol.span, help=help)
            return False
        if kind == "managed":
            machine = document.value("instance_type")
            if "instance" not in said and machine is None:
                help = 'such as `instance = "Standard_DS3_v2"`'
                self.report.error("MLP0350", "a managed deployment says its `instance`", symbol.span, help=help)
                return False
            if isinstance(machine, str) and not _MACHINE.fullmatch(machine) and "instance" in said:
                help = "such as Standard_DS3_v2"
                span = _setting_span(symbol, "instance")
                self.report.error("MLP0352", f'"{machine}" is no size of a virtual machine', span, help=help)
        return self._script(said, symbol, document)

    def _script(self, said: dict[str, syntax.Name], symbol: Symbol, document: Document) -> bool:
        if ("code" in said) != ("scoring_script" in said):
            there, missing = ("code", "scoring_script") if "code" in said else ("scoring_script", "code")
            message = f"`{there}` without `{missing}`"
            self.report.error("MLP0351", message, said[there].span, help="both, or a model that needs none of them")
            return False
        code = document.value("code_configuration", "code")
        script = document.value("code_configuration", "scoring_script")
        local = isinstance(code, str) and os.path.isabs(code)
        if local and isinstance(script, str) and not os.path.isfile(os.path.join(code, script)):
            message = f"the scoring script `{script}` is not in the code folder"
            self.report.error("MLP0351", message, _setting_span(symbol, "scoring_script"))
            return False
        return True

    def _claim(self, symbol: Symbol, endpoint: str, name: str, said: syntax.Name | None) -> None:
        span = said.span if said is not None else symbol.span
        if not _NAME.fullmatch(name):
            self.report.warning("MLP0411", f"`{name}` is no name for a deployment", span, help=_NAMES)
        earlier = self.taken.setdefault((endpoint, name), symbol)
        if earlier is not symbol and endpoint:
            message = f"`{endpoint}` has two deployments called `{name}`"
            self.report.error("MLP0104", message, span, related=(Related(earlier.span, "the first"),))

    # --- for all ------------------------------------------------------------------------------------------------------

    def _call(
        self, symbol: Symbol, table: dict[str, tuple[Argument, ...]], what: str, help: str
    ) -> tuple[syntax.Call, dict[str, Any]] | None:
        expr, scope = self.resources.value(symbol)
        if expr is None:
            self.report.error("MLP0228", f"`{symbol.name}` needs a value", symbol.span, help=help)
            return None
        call = settings.call(self.report, expr, table, what)
        if call is None:
            return None
        found = settings.arguments(self.evaluator, call, scope, table[call.function.text])
        return (call, found) if found is not None else None

    def _forgiven(self, symbol: Symbol) -> bool:
        return any(isinstance(i, syntax.Invalid) for i in symbol.node.items or ())


def _definition(kind: str, symbol: Symbol, document: Document, endpoint: str | None = None) -> Definition:
    return Definition(kind, symbol.name, document.fields, tuple(document.paths), endpoint, None, symbol.span)


def _unnamed(item: syntax.Item) -> bool:
    """`name = none`: the name is given when the definition is created."""
    if not isinstance(item, syntax.Setting) or item.name.text != "name":
        return False
    return isinstance(item.value, syntax.Literal) and item.value.kind is syntax.LiteralKind.NONE


def _value_span(item: syntax.Setting | syntax.Block) -> Span:
    return item.value.span if isinstance(item, syntax.Setting) else item.name.span


def _setting_span(symbol: Symbol, name: str) -> Span:
    for item in symbol.node.items or ():
        if isinstance(item, syntax.Setting) and item.name.text == name:
            return item.value.span
    return symbol.span


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "online" else f"a {kind}"


def _article(kind: str) -> str:
    return "a monitored" if kind == "monitor" else f"a {kind}"
