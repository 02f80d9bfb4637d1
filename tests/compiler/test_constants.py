"""Constant expressions: what they come to, and what has no value."""

import pytest
from compiling import Bench
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Scope
from mlp_lang.compiler.values import Constant
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source
from mlp_lang.dsl.syntax import Let


def evaluate(text: str) -> tuple[object, Report]:
    file, problems = parse(Source("x.mlp", f"let x = {text}\n"))
    assert not problems
    item = file.items[0]
    assert isinstance(item, Let)
    report = Report()
    return Evaluator(report).evaluate(item.value, Scope(None, ".")), report


VALUES = [
    ("1 + 2 * 3", 7, "int"),
    ("(1 + 2) * 3", 9, "int"),
    ("7 // 2", 3, "int"),
    ("7 / 2", 3.5, "float"),
    ("-7 % 3", 2, "int"),
    ("2 * 0.5", 1.0, "float"),
    ("2h + 30min", 9000, "duration"),
    ("1h / 2", 1800, "duration"),
    ("2 * 16GiB", 32 * 1024**3, "size"),
    ('"a" + "b"', "ab", "string"),
    ("[1] + [2]", [1, 2], "list"),
    ("1 < 2 and not 2 < 1", True, "bool"),
    ("1 in [1, 2]", True, "bool"),
    ('"x" not in ["y"]', True, "bool"),
    ('"a" in { a: 1 }', True, "bool"),
    ("1 == 1.0", True, "bool"),
    ("1 == true", False, "bool"),
    ('"${1 + 1} and ${"x"} and ${true}"', "2 and x and true", "string"),
    ('"plain"', "plain", "string"),
    ('""', "", "string"),
    ("[1, 2, 3][1]", 2, "int"),
    ('{ a: 1, "b c": 2 }["b c"]', 2, "int"),
    ("{ a: { b: 3 } }.a.b", 3, "int"),
    ("range(1, 7, 2)", [1, 3, 5], "list"),
    ("length([1, 2])", 2, "int"),
    ("max(1, 2.5)", 2.5, "float"),
    ("none", None, "none"),
    ("1e-5", 1e-5, "float"),
]


@pytest.mark.parametrize(("text", "value", "kind"), VALUES)
def test_values(text: str, value: object, kind: str) -> None:
    found, report = evaluate(text)
    assert not report.findings
    assert found == Constant(value, kind)  # type: ignore[arg-type]


FAULTS = [
    ("1 / 0", "MLP0211", "division by zero"),
    ("1e308 * 10", "MLP0211", "too large"),
    ('1 + "a"', "MLP0211", "between int and string"),
    ('"a" * 3', "MLP0211", "between string and int"),
    ("1h + 1", "MLP0211", "between duration and int"),
    ("1h < 1GiB", "MLP0211", "cannot compare duration with size"),
    ("not 1", "MLP0211", "`not` takes a bool"),
    ("1 and true", "MLP0211", "`and` takes bools"),
    ("-true", "MLP0211", "`-` takes a number"),
    ("[1][2]", "MLP0211", "a list of 1 has no item 2"),
    ("{ a: 1 }.b", "MLP0211", "no key `b`"),
    ("{ a: 1, a: 2 }", "MLP0202", "stands twice"),
    ("range(1000000000)", "MLP0211", "at most"),
    ("rang(3)", "MLP0214", "unknown function `rang`"),
    ("range(stop = 3)", "MLP0215", "no named arguments"),
    ("nothing", "MLP0101", "unknown name `nothing`"),
    ("1[*]", "MLP0306", "copies of a stage"),
]


@pytest.mark.parametrize(("text", "code", "words"), FAULTS)
def test_what_has_no_value(text: str, code: str, words: str) -> None:
    _, report = evaluate(text)
    (finding,) = report.findings
    assert finding.code == code
    assert words in finding.message


def test_lets_may_be_used_above_their_declaration(bench: Bench) -> None:
    text = """
pipeline p {
  data people: table = "people.csv"

  prepare split using tabular.split {
    table = people
    seed = later
    test_size = share
  }

  let later = earlier + 1
  let share: float(0..1) = 1 / parts

  output train = split.train
}

let parts = 4
let earlier = 6
"""
    (node,) = bench.graph(text).nodes
    assert {k: getattr(b, "value", None) for k, b in node.inputs if k != "table"} == {"seed": 7, "test_size": 0.25}
