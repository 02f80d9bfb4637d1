"""From `compute`, `environment` and `endpoint` declarations to what the Graph says of them, each read once."""

import os
from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.assets import is_remote
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Endpoint, Environment
from mlp_lang.compiler.settings import Argument, strings
from mlp_lang.compiler.suggestions import did_you_mean
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import ANY, INT, STRING, MapType, Union
from mlp_lang.compiler.values import Bad, Constant, Thing
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

_COMPUTES: dict[str, tuple[Argument, ...]] = {
    "cluster": (Argument("name", STRING, True),),
    "instance": (Argument("name", STRING, True),),
    "kubernetes": (Argument("name", STRING, True),),
    "serverless": (),
}
_NAMED = (Argument("name", STRING), Argument("version", Union((STRING, INT))))
ENVIRONMENTS: dict[str, tuple[Argument, ...]] = {
    "image": (Argument("image", STRING, True), Argument("conda", Union((STRING, MapType(ANY)))), *_NAMED),
    "build": (Argument("folder", STRING, True), Argument("dockerfile", STRING), *_NAMED),
}


class Resources:
    """Computes, environments and endpoints as one compilation sees them: a profile may replace some by name."""

    def __init__(self, evaluator: Evaluator, *, complete: bool) -> None:
        self.evaluator = evaluator
        self.report = evaluator.report
        self.complete = complete
        self.replaced: dict[tuple[str, str], tuple[syntax.Expr, Scope]] = {}  # (keyword, name) to a profile's value
        self._computes: dict[Symbol, str | None] = {}
        self._environments: dict[Symbol, Environment | None] = {}
        self._endpoints: dict[Symbol, Endpoint | None] = {}

    def thing(self, expr: syntax.Expr, scope: Scope, kind: Kind) -> Symbol | None:
        """The declared thing of a kind that an expression names, or None once reported."""
        value = self.evaluator.evaluate(expr, scope)
        if isinstance(value, Thing) and value.symbol.kind is kind:
            return value.symbol
        if not isinstance(value, Bad):
            known = sorted(n for n in scope.visible() if (s := scope.find(n)) is not None and s.kind is kind)
            found = f"a {value.symbol.kind.value}" if isinstance(value, Thing) else "a value"
            near = (
                f"declared are {', '.join(f'`{k}`' for k in known)}" if known else f"declare one with `{kind.value} …`"
            )
            self.report.error("MLP0109", f"expected a {kind.value}, found {found}", expr.span, help=near)
        return None

    def value(self, symbol: Symbol) -> tuple[syntax.Expr | None, Scope]:
        replaced = self.replaced.get((symbol.kind.value, symbol.name))
        return replaced if replaced is not None else (symbol.node.value, symbol.scope)

    def compute(self, expr: syntax.Expr, scope: Scope) -> str | None:
        """Azure ML's name of a compute: `on cpu`, `compute = cpu`, a plain string, or a `param` that holds one."""
        if isinstance(expr, syntax.String):
            value = self.evaluator.constant(expr, scope, "a compute")
            return str(value.value).removeprefix("azureml:") if value is not None else None
        if isinstance(expr, syntax.Reference):
            named = scope.find(expr.name)
            if named is not None and named.kind is Kind.PARAM:
                return settings.run_time_text(self.evaluator.evaluate(expr, scope))
        symbol = self.thing(expr, scope, Kind.COMPUTE)
        return self.compute_of(symbol) if symbol is not None else None

    def compute_of(self, symbol: Symbol) -> str | None:
        """Azure ML's name of a declared compute, or None once its declaration is reported."""
        if symbol not in self._computes:
            expr, scope = self.value(symbol)
            self._computes[symbol] = self._compute(symbol, expr, scope)
        return self._computes[symbol]

    def _compute(self, symbol: Symbol, expr: syntax.Expr | None, scope: Scope) -> str | None:
        if isinstance(expr, syntax.Call):
            found = self.call(expr, scope, _COMPUTES, "compute")
            if found is None:
                return None
            name: Any = found.get("name", "serverless")
        elif expr is not None:
            value = self.evaluator.constant(expr, scope, "a compute")
            name = value.value if value is not None else None
        else:
            self.report.error(
                "MLP0228", f"`{symbol.name}` needs a value", symbol.span, help='such as `= cluster("cpu")`'
            )
            return None
        return str(name).removeprefix("azureml:") if isinstance(name, str) else None

    def call(
        self, expr: syntax.Call, scope: Scope, table: dict[str, tuple[Argument, ...]], what: str
    ) -> dict[str, Any] | None:
        signature = table.get(expr.function.text)
        if signature is None:
            help, fixes = did_you_mean(expr.function.text, table, expr.function.span)
            help = help or "known are " + ", ".join(f"`{t}(…)`" for t in table)
            message = f"`{expr.function.text}` makes no {what}"
            self.report.error("MLP0214", message, expr.function.span, help=help, fixes=fixes)
            return None
        return settings.arguments(self.evaluator, expr, scope, signature)

    # --- environments -------------------------------------------------------------------------------------------------

    def environment(self, expr: syntax.Expr, scope: Scope) -> Environment | None:
        """The environment that an expression says: a declared one, `image(…)`, `build(…)`, `"azureml:…"`, or a map."""
        if isinstance(expr, syntax.Call):
            return self._environment_call(expr, scope)
        if isinstance(expr, syntax.MapExpr):
            return self._environment_map(expr, scope)
        value = self.evaluator.evaluate(expr, scope)
        if isinstance(value, Constant) and isinstance(value.value, str):
            return Environment(reference=value.value)
        if isinstance(value, Thing) and value.symbol.kind is Kind.ENVIRONMENT:
            symbol = value.symbol
            if symbol not in self._environments:
                self._environments[symbol] = None  # an environment that names itself comes to nothing
                inner, where = self.value(symbol)
                if symbol.node.items is not None:
                    from mlp_lang.compiler.definition_fields import Reader

                    self._environments[symbol] = Reader(self).stage_environment(symbol)
                elif inner is None:
                    self.report.error("MLP0228", f"`{symbol.name}` needs a value", symbol.span, help='`= image("…")`')
                else:
                    self._environments[symbol] = self.environment(inner, where)
            return self._environments[symbol]
        if not isinstance(value, Bad):
            self.report.error(
                "MLP0109",
                "expected an environment",
                expr.span,
                help='an `environment`, `image("…", conda = "conda.yml")`, `build("folder")` or `"azureml:name:1"`',
            )
        return None

    def _environment_call(self, expr: syntax.Call, scope: Scope) -> Environment | None:
        found = self.call(expr, scope, ENVIRONMENTS, "environment")
        if found is None:
            return None
        if expr.function.text == "build":
            folder = self._local(found["folder"], expr, scope, os.path.isdir)
            if folder is None:
                return None
            return Environment(
                name=found.get("name"),
                build_context=folder,
                dockerfile=found.get("dockerfile"),
                version=_version(found),
            )
        conda_file: str | None = None
        conda: Any = found.get("conda")
        if isinstance(conda, str):
            conda_file = self._local(found["conda"], expr, scope, os.path.isfile)
            if conda_file is None:
                return None
            if self.complete:
                conda = self.conda(conda_file, expr.span)
        return Environment(
            name=found.get("name"),
            image=found["image"],
            conda=conda if isinstance(conda, dict) else None,
            conda_file=conda_file,
            version=_version(found),
        )

    def _environment_map(self, expr: syntax.MapExpr, scope: Scope) -> Environment | None:
        """`{ image: "…", os_type: "linux" }`: an environment under Azure ML's own names, local paths included."""
        found = self.evaluator.constant(expr, scope, "an environment")
        if found is None or not isinstance(found.value, dict):
            return None
        extra: dict[str, Any] = dict(found.value)
        image, conda, build = extra.pop("image", None), extra.pop("conda_file", None), extra.pop("build", None)
        rest: dict[str, Any] = dict(build) if isinstance(build, dict) else {}
        context, dockerfile = rest.pop("path", None), rest.pop("dockerfile_path", None)
        if build is not None and (not isinstance(context, str) or rest):
            self.report.error("MLP0370", "`build` holds a `path`, and may hold a `dockerfile_path`", expr.span)
            return None
        if image is None and context is None:
            help = 'write `image: "…"` or `build: { path: "…" }`'
            self.report.error("MLP0370", "this environment has neither `image` nor `build`", expr.span, help=help)
            return None
        conda_file = conda if isinstance(conda, str) else None
        if conda_file is not None and not is_remote(conda_file):
            conda_file = self._local(conda_file, expr, scope, os.path.isfile)
            if conda_file is None:
                return None
            conda = self.conda(conda_file, expr.span) if self.complete else None
        if context is not None and not is_remote(context):
            context = self._local(context, expr, scope, os.path.isdir)
            if context is None:
                return None
        return Environment(
            name=_text(extra.get("name")),
            image=_text(image),
            conda=conda if isinstance(conda, dict) else None,
            conda_file=conda_file,
            build_context=context,
            dockerfile=_text(dockerfile),
            version=_text(extra.get("version")),
            extra=extra,
        )

    def _local(self, path: str, expr: syntax.Expr, scope: Scope, exists: Any) -> str | None:
        full = os.path.normpath(os.path.join(scope.folder, path))
        if is_remote(path) or not exists(full):
            help = f"paths start from the folder of `{expr.span.source.path}`"
            self.report.error("MLP0603", f"`{path}` does not exist", expr.span, help=help)
            return None
        return full

    def conda(self, path: str, span: Span) -> Any:
        """The conda specification in a file, or None once it is reported."""
        from mlp_lang.compiler.yaml_files import BadYaml, load_yaml

        try:
            return load_yaml(path)
        except BadYaml as error:
            self.report.error("MLP0603", str(error), span)
            return None

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def endpoint(self, symbol: Symbol) -> Endpoint | None:
        """A declared endpoint, or None once its declaration is reported."""
        if symbol not in self._endpoints:
            self._endpoints[symbol] = self._endpoint(symbol)
        return self._endpoints[symbol]

    def _endpoint(self, symbol: Symbol) -> Endpoint | None:
        from mlp_lang.compiler.definitions import Definitions

        made = Definitions(self).endpoint(symbol)
        if made is None:
            return None
        fields = dict(made.document)
        tags = strings(fields.pop("tags", {}))
        shown = {key: fields.pop(key, "") for key in ("name", "description")}
        auth, traffic = fields.pop("auth_mode", "key"), fields.pop("traffic", None)
        return Endpoint(
            symbol.name,
            str(shown["name"]),
            made.kind.partition(" ")[0],
            str(auth),
            str(shown["description"]),
            tags,
            dict(traffic) if isinstance(traffic, dict) else {},  # type: ignore[arg-type]
            symbol.span,
            fields,
        )


def _text(value: Any) -> str | None:
    return str(value) if value is not None else None


def _version(found: dict[str, Any]) -> str | None:
    return str(found["version"]) if "version" in found else None
