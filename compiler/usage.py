"""What is declared and never used: a warning where no pipeline under no profile needs it."""

from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Symbol
from mlp_lang.dsl.source import Span

# stages whose doing is their use: they judge, publish or watch
_ENDS = ("evaluate", "explain", "export", "deploy", "monitor")
_SILENT = frozenset({Kind.PIPELINE, Kind.LOOP, Kind.CARRY, Kind.OUTPUT})


class Usage:
    """Gathers over all compilations of a file; a name is unused if none of them used it."""

    def __init__(self) -> None:
        self._declared: dict[tuple[str, int], tuple[str, str, Span]] = {}
        self._used: set[tuple[str, int]] = set()

    def symbols(self, symbols: list[Symbol]) -> None:
        """Note what one compilation declared, and whether it used it."""
        for symbol in symbols:
            if symbol.kind in _SILENT or symbol.kind is Kind.STAGE:
                continue
            key = (symbol.span.source.path, symbol.span.start)
            if symbol.used:
                self._used.add(key)
            elif key not in self._declared:
                self._declared[key] = ("MLP0110", symbol.kind.value, symbol.span)

    def stages(self, instances: list[Instance]) -> None:
        """Note the stages of one compilation."""
        for instance in instances:
            if instance.plan is not None:
                continue
            span = instance.spec.name.span
            key = (span.source.path, span.start)
            if _is_used(instance):
                self._used.add(key)
            elif key not in self._declared:
                self._declared[key] = ("MLP0111", "stage", span)

    def tell(self, report: Report) -> None:
        """Report what nothing used."""
        for key, (code, kind, span) in self._declared.items():
            if key in self._used or span.text in report.forgiven:
                continue
            if code == "MLP0111":
                help = "use it, or remove the stage: it would run for nothing"
                report.warning(code, f"nothing uses what stage `{span.text}` makes", span, "unused", help=help)
            else:
                report.warning(code, f"{kind} `{span.text}` is never used", span, "unused", help="use it or remove it")


def _is_used(instance: Instance) -> bool:
    loop = instance.body_of
    if (
        instance.needed
        or (loop is not None and loop.needed)
        or instance.gates
        or any(instance.acts_as(verb) for verb in _ENDS)
    ):
        return True
    face = instance.interface
    if face is None or not face.outputs:
        return True
    return any(setting.name is not None for setting in instance.outputs.values())
