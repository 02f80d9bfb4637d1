"""`when`, `repeat` and `for each`: the nodes that they become, and what Azure ML cannot do."""

# ruff: noqa: E501 - a table is read by its columns

import json
from typing import Any

import jsonschema
import pytest
from compiling import PRIVATE, Bench, nodes
from mlp_lang.compiler import graph_schema
from mlp_lang.compiler.graph import Control, FromInput, FromNode, Literal
from mlp_lang.compiler.graph_json import from_json, to_json
from mlp_lang.compiler.order import topological
from mlp_lang.dsl.diagnostics import Severity

STEP = """component work: command {
  param raw: table
  param share: float(0..1) = 0.5
  param extra: table?
  output rows: table
  output again: bool
  output count: int
  environment = "azureml:pandas:1"
  command = "python work.py ${raw} ${share} ${rows} ${again} ${count} $[[${extra}]]"
  privacy { }
}
"""


def program(*lines: str, data: str = '  data people: table = "people.csv"\n') -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f"{STEP}pipeline p {{\n  preview = true\n  param careful: bool = true\n  param plans: list[map[float]] = [{{ share: 0.5 }}]\n{data}{body}  output checked = first.again\n}}\n"


FIRST = "step first using work { raw = people }"


def step(name: str, raw: str = "first.rows", more: str = "") -> str:
    return f"step {name} using work {{\n raw = {raw}\n {more}\n }}"


def control(bench: Bench, name: str, *lines: str) -> Control:
    found = nodes(bench.graph(program(FIRST, *lines)))[name].control
    assert found is not None
    return found._replace(condition=_bare(found.condition), items=_bare(found.items))


def _bare(binding: Any) -> Any:
    return binding._replace(span=None) if binding is not None else None


JUDGED = FromNode("first", "again")
GIVEN = FromInput("careful")
YES, NO = "when %s {", "} else {"
CHOICES: list[tuple[str, tuple[str, ...], str, Control]] = [
    ("an output", (YES % "first.again" + step("a") + "}", "output a = a.rows"), "when_a", Control(JUDGED, ("a",))),
    ("a parameter", (YES % "careful" + step("a") + "}", "output a = a.rows"), "when_a", Control(GIVEN, ("a",))),
    ("a constant", (YES % "true" + step("a") + "}", "output a = a.rows"), "when_a", Control(Literal(True), ("a",))),
    ("a computed constant", (YES % "(1 < 2 and true)" + step("a") + "}", "output a = a.rows"), "when_a", Control(Literal(True), ("a",))),
    ("both sides", (YES % "careful" + step("a") + NO + step("b") + "}", "output a = a.rows", "output b = b.rows"), "when_a", Control(GIVEN, ("a",), ("b",))),
    ("not", (YES % "not careful" + step("a") + NO + step("b") + "}", "output a = a.rows", "output b = b.rows"), "when_a", Control(GIVEN, ("b",), ("a",))),
    ("not not", (YES % "not (not careful)" + step("a") + "}", "output a = a.rows"), "when_a", Control(GIVEN, ("a",))),
    ("a name", ("when careful as gate {" + step("a") + "}", "output a = a.rows"), "gate", Control(GIVEN, ("a",))),
    ("several stages", (YES % "careful" + step("a") + "\n" + step("b", "a.rows") + "}", "output b = b.rows"), "when_a", Control(GIVEN, ("a", "b"))),
    ("a clause of a header", ("step a using work when careful { raw = people }", "output a = a.rows"), "when_a", Control(GIVEN, ("a",))),
    ("one in the other", (YES % "careful" + YES % "first.again" + step("a") + "}}", "output a = a.rows"), "when_when_a", Control(GIVEN, ("when_a",))),
    ("else when", (YES % "careful" + step("a") + "} else when first.again {" + step("b") + "}", "output a = a.rows", "output b = b.rows"), "when_a", Control(GIVEN, ("a",), ("when_b",))),
    ("copies", (YES % "careful" + 'for k in ["x", "y"] {' + step("a") + "}}", "output a = a[\"x\"].rows"), "when_a_x", Control(GIVEN, ("a_x", "a_y"))),
    ("a choice in a for", ('for k in ["x", "y"] {' + YES % "careful" + step("a") + "}}", "output a = a[\"x\"].rows"), "when_a_y", Control(GIVEN, ("a_y",))),
]  # fmt: skip
LOOPS: list[tuple[str, tuple[str, ...], str, Control]] = [
    ("repeat", ("repeat loop up to 5 until not a.again {\n carry x = people then a.rows\n" + step("a", "x") + "}", "output a = a.rows"), "loop", Control(FromNode("a", "again"), body="a", mapping={"rows": ("raw",)}, limit=5)),
    ("no end but the number", ("repeat loop up to 5 {\n carry x = people then a.rows\n" + step("a", "x") + "}", "output a = a.rows"), "loop", Control(body="a", mapping={"rows": ("raw",)}, limit=5)),
    ("one output for two inputs", ("repeat loop up to 5 {\n carry x = people then a.rows\n" + step("a", "x", "extra = (x)") + "}", "output a = a.rows"), "loop", Control(body="a", mapping={"rows": ("raw", "extra")}, limit=5)),
    ("two values", ("repeat loop up to 5 {\n carry x = people then a.rows\n carry y = first.rows then a.rows\n" + step("a", "x", "extra = y") + "}", "output a = a.rows"), "loop", Control(body="a", mapping={"rows": ("raw", "extra")}, limit=5)),
    ("nothing in the first round", ("repeat loop up to 5 {\n carry x = none then a.rows\n" + step("a", "people", "extra = x") + "}", "output a = a.rows"), "loop", Control(body="a", mapping={"rows": ("extra",)}, limit=5)),
    ("items", ("for each i in [{ share: 0.1 }, { share: 0.2 }] as fan {\n max_concurrency = 3\n" + step("a", "people", "share = i.share") + "}", "output a = fan.rows"), "fan", Control(body="a", items=Literal([{"share": 0.1}, {"share": 0.2}]), keys=("share",), max_concurrency=3)),
    ("items by name", ("for each i in { one: { share: 0.1 } } as fan {\n" + step("a", "people", "share = i.share") + "}", "output a = fan.rows"), "fan", Control(body="a", items=Literal({"one": {"share": 0.1}}), keys=("share",))),
    ("assets as items", ('for each i in [{ raw: file("azureml:people:1") }] as fan {\n' + step("a", "i.raw") + "}", "output a = fan.rows"), "fan", Control(body="a", items=Literal([{"raw": {"type": "uri_file", "path": "azureml:people:1"}}]), keys=("raw",))),
    ("items as Azure ML spells them", ('for each i in [{ share: { value: 0.5 }, raw: { type: "uri_file", path: "azureml:a:1", mode: "download" } }] as fan {\n' + step("a", "i.raw", "share = i.share") + "}", "output a = fan.rows"), "fan", Control(body="a", items=Literal([{"share": {"value": 0.5}, "raw": {"type": "uri_file", "path": "azureml:a:1", "mode": "download"}}]), keys=("raw", "share"))),
    ("a parameter of items", ("for each i in plans as fan {\n" + step("a", "people", "share = i.share") + "}", "output a = fan.rows"), "fan", Control(body="a", items=FromInput("plans"), keys=("share",))),
    ("an output of items", ("for each i in first.rows as fan {\n" + step("a", "people", "share = i.share") + "}", "output a = fan.rows"), "fan", Control(body="a", items=FromNode("first", "rows"), keys=("share",))),
    ("no name", ("for each i in plans {\nstep a using work {\n raw = people\n share = i.share\n outputs {\n rows {\n name = \"x\"\n }\n }\n }\n}",), "each_a", Control(body="a", items=FromInput("plans"), keys=("share",))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "name", "expected"), [c[1:] for c in CHOICES + LOOPS], ids=[c[0] for c in CHOICES + LOOPS]
)
def test_nodes(bench: Bench, lines: tuple[str, ...], name: str, expected: Control) -> None:
    split = tuple(part for line in lines for part in [line.replace("{step", "{\nstep").replace("}}", "}\n}").replace("{when", "{\nwhen").replace("{for", "{\nfor")])  # fmt: skip
    assert control(bench, name, *split) == expected


def test_the_first_round_is_bound_and_items_are_not(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            "repeat loop up to 2 {\n carry x = first.rows then a.rows\n" + step("a", "x") + "\n}",
            "for each i in plans as fan {\n" + step("b", "a.rows", "share = i.share") + "\n}",
            "output b = fan.rows",
        )
    )
    raw = dict(nodes(graph)["a"].inputs)["raw"]
    assert isinstance(raw, FromNode) and (raw.node, raw.port) == ("first", "rows")
    assert dict(nodes(graph)["b"].inputs).keys() == {"raw"}
    gathered = {o.name: o.azure_type for o in nodes(graph)["fan"].component.outputs}
    assert gathered == {"rows": "mltable", "again": "string", "count": "string"}


def test_what_a_construct_says_of_its_own_job(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            'for each i in plans as fan {\n outputs {\n rows {\n mode = upload\n name = "all"\n }\n }\n'
            + step("a", "people", "share = i.share")
            + "\n}",
            "repeat loop up to 2 {\n azureml { on = 1 }\n carry x = people then b.rows\n" + step("b", "x") + "\n}",
            "when careful as gate {\n azureml { off = 2 }\n" + step("c", "people") + "\n}",
            "output a = fan.rows",
            "output b = b.rows",
            "output c = c.rows",
        )
    )
    found = nodes(graph)
    assert [(o.port, o.mode, o.name, o.pipeline_output) for o in found["fan"].outputs] == [
        ("rows", "upload", "all", "a")
    ]
    assert (found["loop"].run.extra, found["gate"].run.extra) == ({"on": 1}, {"off": 2})


def test_a_loop_of_several_stages_may_start_with_nothing(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            "repeat loop up to 5 {\n carry x = none then b.rows\n"
            + step("a", "people", "extra = x")
            + "\n"
            + step("b", "a.rows")
            + "\n}",
            "output b = b.rows",
        )
    )
    body = nodes(graph)["loop_body"]
    assert {p.name: p.optional for p in body.component.inputs} == {"people": False, "x": True}
    assert dict(body.inputs).keys() == {"people"}


def test_order_and_json(bench: Bench) -> None:
    graph = bench.graph(
        program(
            "when first.again {\n" + step("late", "people") + "\n}",
            FIRST,
            "for each i in late.rows as fan {\n" + step("b", "people", "share = i.share") + "\n}",
            "output b = fan.rows",
        )
    )
    names = [n.name for n in topological(graph)]
    assert names.index("first") < names.index("when_late") < names.index("late") < names.index("b") < names.index("fan")
    document = to_json(graph)
    jsonschema.Draft202012Validator(graph_schema.schema()).validate(document)
    assert to_json(from_json(json.loads(json.dumps(document)))) == document


def when(condition: str) -> str:
    return program(FIRST, f"when {condition} {{\n{step('a')}\n}}", "output a = a.rows")


def repeat(until: str = "", carry: str = "carry x = people then a.rows", raw: str = "x", limit: str = "5") -> str:
    return program(FIRST, f"repeat loop up to {limit}{until} {{\n{carry}\n{step('a', raw)}\n}}", "output a = a.rows")


def each(items: str, more: str = "share = i.share", said: str = "") -> str:
    return program(FIRST, f"for each i in {items} as fan {{\n{said}\n{step('a', 'people', more)}\n}}", "output a = fan.rows")  # fmt: skip


ERRORS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("a comparison", when("first.count > 3"), [("MLP0323", "first.count > 3")]),
    ("and", when("first.again and careful"), [("MLP0323", "first.again and careful")]),
    ("not of a comparison", when("not (first.count == 3)"), [("MLP0323", "first.count == 3")]),
    ("an unknown name in a comparison", when("frst.count > 3"), [("MLP0101", "frst")]),
    ("a table", when("first.rows"), [("MLP0324", "first.rows")]),
    ("a number", when("first.count"), [("MLP0324", "first.count")]),
    ("a word", when('"yes"'), [("MLP0324", '"yes"')]),
    ("nothing on either side", program(FIRST, "when careful {}"), [("MLP0326", "when")]),
    ("a condition within its own side", program(FIRST, f"when a.again {{\n{step('a')}\n}}", "output a = a.rows"), [("MLP0302", "when")]),
    ("two stages of one name", program(FIRST, f"when careful {{\n{step('a')}\n}} else {{\n{step('a')}\n}}", "output a = a.rows"), [("MLP0104", "a")]),
    ("until it is so", repeat(" until a.again"), [("MLP0325", "a.again")]),
    ("until another stage says so", repeat(" until not first.again"), [("MLP0325", "not first.again")]),
    ("too many rounds", repeat(limit="1001"), [("MLP0205", "1001")]),
    ("no rounds", repeat(limit="0"), [("MLP0205", "0")]),
    ("rounds that only a run knows", repeat(limit="careful"), [("MLP0212", "careful")]),
    ("carried from elsewhere", repeat(carry="carry x = people then first.rows"), [("MLP0328", "first.rows")]),
    ("carried and not taken", repeat(raw="people"), [("MLP0328", "x")]),
    ("carried in a list", program(FIRST, f"repeat loop up to 5 {{\ncarry x = people then a.rows\n{step('a', 'x', 'extra = [x]')}\n}}", "output a = a.rows"), [("MLP0328", "x")]),
    ("carried into another type", program(FIRST, f"repeat loop up to 5 {{\ncarry x = 0.5 then a.rows\n{step('a', 'people', 'share = x')}\n}}", "output a = a.rows"), [("MLP0204", "a.rows")]),
    ("a first value of another type", repeat(carry="carry x = 3 then a.rows"), [("MLP0204", "x")]),
    ("a loop in a loop", program(FIRST, f"repeat loop up to 5 {{\ncarry x = people then a.rows\nfor each i in plans {{\n{step('a', 'x', 'share = i.share')}\n}}\n}}"), [("MLP0326", "repeat")]),
    ("nothing in a loop", program(FIRST, "repeat loop up to 5 {}"), [("MLP0326", "repeat")]),
    ("out of a loop and in again", program(FIRST, f"repeat loop up to 5 {{\n{step('a', 'people')}\n{step('b', 'c.rows')}\n}}", step("c", "a.rows"), "output b = b.rows"), [("MLP0302", "loop")]),
    ("one of several turns from outside", program(FIRST, f"for each i in plans as fan {{\n{step('a', 'people', 'share = i.share')}\n{step('b', 'a.rows')}\n}}", "output a = b.rows"), [("MLP0331", "b.rows")]),
    ("a search in a loop", program(FIRST, "for each i in plans as fan {\nstep a using wide {\nraw = people\nsize = i.size\n}\n}", "output a = fan.rows").replace("pipeline p", 'component wide: parallel {\n  param raw: table\n  param size: int\n  output rows: folder\n  entry = "x.py"\n  environment = "azureml:e:1"\n}\npipeline p'), [("MLP0327", "a")]),
    ("an entry as another input", each("plans", "share = i.rate"), [("MLP0329", "i.rate")]),
    ("a whole item", each("plans", "share = i"), [("MLP0329", "i")]),
    ("an entry in a string", each("plans", 'share = i.share\n extra = "${i.extra}"'), [("MLP0329", "i.extra")]),
    ("a number of items", each("3"), [("MLP0330", "3")]),
    ("a parameter that holds no items", each("careful"), [("MLP0330", "careful")]),
    ("a datum that holds no items", each("people"), [("MLP0330", "people")]),
    ("items that are no maps", each("[1, 2]"), [("MLP0330", "1"), ("MLP0330", "2")]),
    ("no items", each("[]"), [("MLP0330", "[]")]),
    ("a key that is missing", each("[{ share: 0.1 }, {}]"), [("MLP0330", "{}")]),
    ("a key that no input takes", each("[{ share: 0.1, rate: 2 }]"), [("MLP0330", "2")]),
    ("a key that the body does not take", each("[{ share: 0.1 }]", ""), [("MLP0330", "0.1")]),
    ("an input that no key gives", each("[{ extra: file(\"azureml:a:1\") }]", "share = i.share"), [("MLP0330", "i.share")]),
    ("an entry of the wrong type", each('[{ share: "much" }]'), [("MLP0204", '"much"')]),
    ("an entry out of range", each("[{ share: 0.1 }, { share: 2.0 }]"), [("MLP0205", "2.0")]),
    ("a local file as an entry", each('[{ extra: file("people.csv") }]', "extra = i.extra"), [("MLP0330", 'file("people.csv")')]),
    ("a local file as Azure ML spells it", each('[{ extra: { type: "uri_file", path: "people.csv" } }]', "extra = i.extra"), [("MLP0330", '{ type: "uri_file", path: "people.csv" }')]),
    ("a spelled value of the wrong type", each('[{ share: { value: "much" } }]'), [("MLP0204", '{ value: "much" }')]),
    ("a spelled asset of the wrong type", each('[{ extra: { type: "custom_model", path: "azureml:m:1" } }]', "extra = i.extra"), [("MLP0204", '{ type: "custom_model", path: "azureml:m:1" }')]),
    ("an output that a loop has not", each("plans", said="outputs {\nrow { mode = upload }\n}"), [("MLP0303", "row")]),
    ("nothing where something is needed", repeat(carry="carry x = none then a.rows"), [("MLP0204", "x")]),
    ("a setting that a loop has not", each("plans", said="concurrency = 3"), [("MLP0208", "concurrency")]),
    ("one turn from outside", program(FIRST, f"for each i in plans as fan {{\n{step('a', 'people', 'share = i.share')}\n}}", "output a = a.rows", "output b = fan.rows"), [("MLP0331", "a.rows")]),
    ("an output of a choice", program(FIRST, f"when careful as gate {{\n{step('a')}\n}}", "output a = gate.rows", "output b = a.rows"), [("MLP0303", "rows")]),
    ("after a choice", program(FIRST, f"when careful as gate {{\n{step('a')}\n}}", "step b using work after gate { raw = people }", "output a = a.rows", "output b = b.rows"), [("MLP0332", "gate")]),
    ("no preview", when("careful").replace("  preview = true\n", ""), [("MLP0310", "when")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in ERRORS], ids=[c[0] for c in ERRORS])
def test_errors(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(bench.errors(text)) == sorted(expected)


def test_after_a_loop_is_after_its_body(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            f"repeat loop up to 2 {{\ncarry x = people then a.rows\n{step('a', 'x')}\n}}",
            f"for each i in plans as fan {{\n{step('b', 'people', 'share = i.share')}\n}}",
            "step c using work after loop, fan { raw = people }",
            "output c = c.rows",
        )
    )
    assert nodes(graph)["c"].after == ("a", "fan")


PRIVATELY: list[tuple[str, tuple[str, ...], list[tuple[str, str]]]] = [
    ("rounds", (f"repeat loop up to 2 {{\ncarry x = people then a.rows\n{step('a', 'x')}\n}}", "output a = a.rows"), [("MLP0501", "x")]),
    ("turns", (f"for each i in plans as fan {{\n{step('a', 'people', 'share = i.share')}\n}}", "output a = fan.rows"), [("MLP0501", "people")]),
    ("items", (f"for each i in first.rows as fan {{\n{step('a', 'open', 'share = i.share')}\n}}", "output a = fan.rows"), [("MLP0501", "fan")]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), [c[1:] for c in PRIVATELY], ids=[c[0] for c in PRIVATELY])
def test_private_rows_go_into_no_loop(bench: Bench, lines: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    text = program(FIRST, *lines, data=PRIVATE + '  data open: table = "people.csv"\n')
    assert bench.errors(text) == expected


def test_a_condition_on_private_rows_is_a_verdict(bench: Bench) -> None:
    text = program(FIRST, f"when first.again {{\n{step('a')}\n}}", "output a = a.rows", data=PRIVATE)
    assert [d for d in bench.check(text) if d.severity is Severity.ERROR] == []
    assert bench.graph(text).privacy.verdicts == ("when_a",)


def test_several_stages_become_a_pipeline(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            "repeat loop up to 5 until not b.again {\ncarry x = first.rows then b.rows\n"
            + step("a", "x", "extra = people")
            + "\nwhen a.again {\n"
            + step("c", "a.rows", "extra = first.rows")
            + "\n}\n"
            + step("b", "a.rows", "extra = x")
            + "\n}",
            "step last using work after loop { raw = b.rows }",
            "output b = b.rows",
            "output c = c.rows",
            "output last = last.rows",
        )
    )
    assert [n.name for n in graph.nodes] == ["first", "loop", "loop_body", "last"]
    found = nodes(graph)
    body = found["loop_body"]
    loop = found["loop"].control
    assert loop is not None and _bare(loop.condition) == FromNode("loop_body", "b_again")
    assert (loop.body, loop.mapping, loop.limit) == ("loop_body", {"b_rows": ("x",)}, 5)
    assert {k: _bare(b) for k, b in body.inputs} == {
        "x": FromNode("first", "rows"),
        "people": FromInput("people"),
        "first_rows": FromNode("first", "rows"),
    }
    inner = body.component.graph
    assert inner is not None and [n.name for n in inner.nodes] == ["a", "when_c", "c", "b"]
    assert {k: _bare(b) for k, b in nodes(inner)["a"].inputs} == {"raw": FromInput("x"), "extra": FromInput("people")}
    assert _bare(dict(found["last"].inputs)["raw"]) == FromNode("loop_body", "b_rows")
    assert {o.name: _bare(o.source) for o in graph.outputs}["c"] == FromNode("loop_body", "c_rows")
    assert found["last"].after == ("loop_body",)
    document = to_json(graph)
    jsonschema.Draft202012Validator(graph_schema.schema()).validate(document)
    assert to_json(from_json(json.loads(json.dumps(document)))) == document


def test_entries_of_items_go_anywhere_in_a_loop_of_several_stages(bench: Bench) -> None:
    graph = bench.graph(
        program(
            FIRST,
            "for each i in [{ much: 0.1 }] as fan {\n"
            + step("a", "people", "share = i.much")
            + "\n"
            + step("b", "a.rows", "share = i.much")
            + "\n}",
            "output all = fan.b_rows",
        )
    )
    body = nodes(graph)["fan_body"]
    assert [k for k, _ in body.inputs] == ["people"]
    assert [p.name for p in body.component.inputs] == ["people", "much"]
    fan = nodes(graph)["fan"].control
    assert fan is not None and fan.keys == ("much",)
