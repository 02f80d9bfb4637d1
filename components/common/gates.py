"""From the gates that the compiler passes and the metrics of a step to verdicts (docs/contracts.md, Gates)."""

import json
import math
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from common.entry import Refusal
from common.entry import value as read_value

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class Verdict(NamedTuple):
    """One gate after the metrics are known. `bound` is what its one metric was compared with, None if it is not so."""

    text: str
    hard: bool
    passed: bool
    values: dict[str, float]
    bound: Any
    span: str

    def line(self) -> str:
        """As printed: `passed: require accuracy >= 0.8 (accuracy = 0.85, bound 0.8)`."""
        return (
            f"{'passed' if self.passed else 'failed'}: {'require' if self.hard else 'expect'} {self.text} {self._why()}"
        )

    def _why(self) -> str:
        pieces = [f"{name} = {value:.6g}" for name, value in self.values.items()]
        if self.bound is not None:
            bound = f"{self.bound:.6g}" if isinstance(self.bound, float) else str(self.bound)
            pieces.append(f"bound {bound}")
        return f"({', '.join(pieces)})"

    def failure(self) -> str:
        """The error of a failed `require`."""
        return f"require failed: {self.text} {self._why()} at {self.span}"


def load(text: str | None) -> list[dict[str, Any]]:
    """Gates from the input's text: JSON itself, or the path of a JSON file; none for None and the empty string."""
    if not text:
        return []
    try:
        document = json.loads(text if text.lstrip().startswith("[") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"gates: {error}") from None
    if not isinstance(document, list) or not all(isinstance(gate, dict) and "condition" in gate for gate in document):
        raise Refusal("gates: expected a list of objects with a condition")
    return document


def judge(gates: list[dict[str, Any]], metrics: Mapping[str, float]) -> list[Verdict]:
    """A verdict for each gate. A comparison with a metric that is NaN fails. Raises Refusal for an unknown metric."""
    verdicts = []
    for gate in gates:
        text = str(gate.get("text", "condition"))
        condition = gate["condition"]
        try:
            passed = _evaluate(condition, metrics)
            values = {name: metrics[name] for name in _metrics(condition)}
            passed = bool(passed) and not any(math.isnan(x) for x in values.values())
            bound = _bound(condition, metrics)
        except (TypeError, ZeroDivisionError, OverflowError, ValueError) as error:
            raise Refusal(f"gate {text}: {error} at {gate.get('span', 'unknown')}") from None
        verdict = Verdict(text, bool(gate.get("hard", True)), passed, values, bound, str(gate.get("span", "unknown")))
        verdicts.append(verdict)
    return verdicts


def report(verdicts: list[Verdict]) -> None:
    """Print a line a gate. Raises Refusal for the first hard one that failed: call it after writing the outputs."""
    for verdict in verdicts:
        print(verdict.line(), flush=True)
    for verdict in verdicts:
        if verdict.hard and not verdict.passed:
            raise Refusal(verdict.failure())


def _evaluate(node: Any, metrics: Mapping[str, float]) -> Any:
    match node:
        case ["metric", str(name)]:
            if name not in metrics:
                known = ", ".join(sorted(metrics))
                raise Refusal(f"gate: there is no metric {name!r}; this step computes {known}")
            return metrics[name]
        case ["value", str(text)]:
            return _literal(text)
        case ["value", literal]:
            return literal
        case ["not", operand]:
            return not _evaluate(operand, metrics)
        case ["neg", operand]:
            return -_evaluate(operand, metrics)
        case ["and", *operands]:
            return all(_evaluate(operand, metrics) for operand in operands)
        case ["or", *operands]:
            return any(_evaluate(operand, metrics) for operand in operands)
        case ["in", item, collection]:
            return _evaluate(item, metrics) in _evaluate(collection, metrics)
        case [str(symbol), left, right] if symbol in BINARY:
            return BINARY[symbol](_evaluate(left, metrics), _evaluate(right, metrics))
    raise Refusal(f"gates: {json.dumps(node)} is not a condition")


def _literal(text: str) -> Any:
    """A bound value arrives as text and is read as JSON; what is not JSON is the text itself."""
    if text.startswith("${{"):
        raise Refusal(f"gates: {text} was not bound to a value")
    try:
        return read_value(text)
    except Refusal:
        return text


def _metrics(node: Any) -> list[str]:
    """Names of the metrics that a condition reads, in order, once each."""
    if isinstance(node, list):
        if len(node) == 2 and node[0] == "metric":
            return [node[1]]
        return list(dict.fromkeys(name for part in node[1:] for name in _metrics(part)))
    return []


def _bound(node: Any, metrics: Mapping[str, float]) -> Any:
    """The side of a comparison without metrics, computed; None for any other condition."""
    if isinstance(node, list) and len(node) == 3 and node[0] in COMPARISONS:
        left, right = bool(_metrics(node[1])), bool(_metrics(node[2]))
        if left != right:
            return _evaluate(node[2] if left else node[1], metrics)
    return None
