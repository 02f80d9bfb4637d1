"""Values against types, reported: what was found, what was expected, and the nearest member of a closed vocabulary."""

from typing import TYPE_CHECKING

from mlp_lang.compiler.fit import Misfit, misfit
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.suggestions import did_you_mean, listing
from mlp_lang.compiler.symbols import Scope
from mlp_lang.compiler.types import UNKNOWN, Type, TypeProblem, resolve
from mlp_lang.compiler.values import Constant
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Fix, Related
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.expressions import Evaluator

_SAYS = {
    "MLP0204": "{what} is {found}, expected {expected}",
    "MLP0205": "{what} is {found}, out of the range of {expected}",
    "MLP0206": "{what} is {found}, expected {expected}",
}


def report_misfit(
    report: Report, problem: Misfit, span: Span, what: str, related: tuple[Related, ...] = (), help: str = ""
) -> bool:
    """Report a Misfit; tells whether compilation may go on with the value (a warning)."""
    if problem.code == "MLP0207":
        message = f"{what} takes {problem.expected}, found {problem.found}"
        report.warning("MLP0207", message, span, help="Azure ML accepts it; the step may not", related=related)
        return True
    fixes: tuple[Fix, ...] = ()
    if problem.candidates:
        word = problem.found.strip('"')
        quoted = span.text.startswith('"')
        near, fixes = did_you_mean(word, problem.candidates, None)
        help = near or help
        if near and quoted:
            best = near[len("did you mean `") : -2]
            _, fixes = did_you_mean(word, (best,), Span(span.source, span.start + 1, span.end - 1))
    message = _SAYS[problem.code].format(what=what, found=problem.found, expected=problem.expected)
    report.error(problem.code, message, span, f"expected {problem.expected}", help=help, related=related, fixes=fixes)
    return False


def value_fits(
    report: Report, value: Constant, target: Type, span: Span, what: str, related: tuple[Related, ...] = ()
) -> bool:
    """Whether a constant goes into a type; reports it if not."""
    problem = misfit(value.value, value.kind, target)
    return problem is None or report_misfit(report, problem, span, what, related)


def resolve_type(evaluator: "Evaluator", expr: syntax.TypeExpr, scope: Scope) -> Type:
    """The type that an annotation spells, ranges and members folded; UNKNOWN once a problem is reported."""

    def fold(part: syntax.Expr) -> Value:
        found = evaluator.constant(part, scope, "what stands in a type")
        if found is None:
            raise _SaidError
        return found.value

    try:
        return resolve(expr, fold)
    except _SaidError:
        return UNKNOWN
    except TypeProblem as problem:
        help, fixes = "", ()
        if problem.candidates:
            word = getattr(problem.node, "name", "")
            help, fixes = did_you_mean(word, problem.candidates, problem.node.span)  # type: ignore[assignment]
        if not problem.node.span.source.text:
            return UNKNOWN
        evaluator.report.error(problem.code, problem.message, problem.node.span, help=help, fixes=fixes)
        return UNKNOWN


class _SaidError(Exception):
    """The reason is in the report already."""


def unknown_word(report: Report, code: str, what: str, name: syntax.Name, known: "tuple[str, ...] | list[str]") -> None:
    """`unknown <what> <name>` with the nearest known word, or the whole list where it is short."""
    if name.text in report.forgiven:
        return
    help, fixes = did_you_mean(name.text, known, name.span)
    if not help:
        help = f"known are {listing(known)}" if known else ""
    report.error(code, f"unknown {what} `{name.text}`", name.span, help=help, fixes=fixes)
