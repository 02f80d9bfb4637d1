"""Pipelines in pipelines, conditions and loops, from text to what they give: real programs, real processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from mlp_lang.compiler.graph import Graph, Run
from mlp_lang.decompiler import compile_yaml
from mlp_lang.runner import RunResult

from runner.hand_made import states
from runner.programs_that_steer import graph_of, outputs, step

Go = Callable[..., RunResult]


class Case(NamedTuple):
    """A program, its states (those that are not told completed), and its outputs."""

    title: str
    body: str
    outputs: dict[str, str]
    states: dict[str, str] = {}  # noqa: RUF012
    pipelines: str = ""
    params: dict[str, str] = {}  # noqa: RUF012
    absent: tuple[str, ...] = ()


THREE_DEEP = """
pipeline inner {
  param i: string = "5"
  step one using add { i = i }
  step two using add { i = one.n }
  output n = two.n
  output out = two.out
}
pipeline middle {
  param start: string
  step low using inner {}
  step high using inner { i = start }
  step third using add { i = high.n }
  output n = third.n
  output low = low.out
}
"""
WHEN = """
  param go: bool = {go}
  step a using add {{ i = "1" }}
  when {condition} as w {{
    step yes using read {{ f = a.out }}
    step more using read {{ f = yes.out }}
  }} else {{
    step no using read {{ s = "no" }}
  }}
  step after_yes using read {{ f = more.out }}
  output yes = after_yes.out
  output no = no.out
"""
YES = {"no": "omitted"}
NO = {"yes": "omitted", "more": "omitted", "after_yes": "omitted"}
EACH = """
  step made using put {{ s = "{json}" }}
  for each item in {items} as all {{
    step r using {body}
  }}
  step z using read {{
    {takes}
  }}
  output out = z.out
"""


def each(title: str, items: str, body: str, takes: str, out: str, text: str = "x", **fields: object) -> Case:
    return Case(title, EACH.format(items=items, body=body, takes=takes, json=text), {"out": out}, **fields)  # type: ignore[arg-type]


CASES = (
    Case(
        "three deep, bound to a parent's parameter, outputs handed up",
        """
  param first: string = "10"
  step outer using middle { start = first }
  step end using add { i = outer.n }
  output n = end.out
  output low = outer.low
""",
        {"n": "14", "low": "7"},
        pipelines=THREE_DEEP,
    ),
    Case(
        "a parameter of the outermost from the command line",
        """
  param first: string = "10"
  step outer using middle { start = first }
  output n = outer.n
""",
        {"n": "23"},
        pipelines=THREE_DEEP,
        params={"first": "20"},
    ),
    Case(
        "a text with a pipeline's input in it",
        """
  step greet using said { who = "you" }
  output out = greet.out
""",
        {"out": "hello you"},
        pipelines="""
pipeline said {
  param who: string
  step s using read { s = "hello ${who}" }
  output out = s.out
}
""",
    ),
    Case("when an output is true", WHEN.format(condition="a.again", go="true"), {"yes": "2"}, YES),
    Case("when not", WHEN.format(condition="not a.again", go="true"), {"no": "no"}, NO),
    Case("when a parameter is true", WHEN.format(condition="go", go="true"), {"yes": "2"}, YES),
    Case("when it is false", WHEN.format(condition="go", go="false"), {"no": "no"}, NO),
    Case("when it is set so", WHEN.format(condition="go", go="true"), {"no": "no"}, NO, params={"go": "false"}),
    Case(
        "a choice in a choice, and a pipeline in it",
        """
  param go: bool = false
  step a using add {}
  when a.again as w {
    when go as v {
      step yes using inner {}
    } else {
      step no using inner { i = "1" }
    }
  }
  output yes = yes.n
  output no = no.n
""",
        {"no": "3"},
        {"yes.one": "omitted", "yes.two": "omitted"},
        THREE_DEEP,
    ),
    Case(
        "the output of a pipeline as the condition",
        """
  step p using asks {}
  when p.again as w { step yes using read { s = "yes" } }
  output yes = yes.out
""",
        {"yes": "yes"},
        pipelines="pipeline asks {\n  step a using add {}\n  output again = a.again\n}",
    ),
    Case(
        "repeat until the condition",
        """
  repeat r up to 9 until not a.again {
    carry x = "0" then a.n
    step a using add { i = x }
  }
  output n = a.out
""",
        {"n": "3"},
        absent=("r.4.a",),
    ),
    Case(
        "repeat up to the limit",
        """
  repeat r up to 2 until not a.again {
    carry x = "0" then a.n
    step a using add { i = x }
  }
  output n = a.out
""",
        {"n": "2"},
        absent=("r.3.a",),
    ),
    Case(
        "repeat a number of times",
        """
  repeat r up to 4 {
    carry x = "0" then a.n
    step a using add { i = x }
  }
  output n = a.out
""",
        {"n": "4"},
        absent=("r.5.a",),
    ),
    Case(
        "several stages a turn, one of them a choice",
        """
  step zero using add { i = "-1" }
  repeat r up to 9 until not b.again {
    carry x = zero.n then b.n
    step a using add { i = x }
    step b using add { i = a.n }
    when a.again as w { step c using read { s = "seen" } }
  }
  output n = b.out
""",
        {"n": "4"},
        {"r.2.c": "omitted"},
        absent=("r.3.a",),
    ),
    Case(
        "what a choice leaves out is not carried",
        """
  step first using add { i = "6" }
  repeat r up to 3 {
    carry x = first.out then b.out
    step a using add {}
    when not a.again as w { step b using add { i = "8" } }
    step c using read { f = x }
  }
  output c = c.out
""",
        {"c": "7"},
        {f"r.{turn}.b": "omitted" for turn in (1, 2, 3)},
    ),
    each("for each of a list", '[{ i: "1" }, { i: "5" }]', "add { i = item.i }", "t = all.out", "2 6"),
    each("its values", '[{ i: "1" }, { i: "5" }]', "add { i = item.i }", "s = all.n", '["2", "6"]'),
    each("its verdicts", '[{ i: "1" }, { i: "5" }]', "add { i = item.i }", "s = all.again", "[true, false]"),
    each("for each of a map", '{ few: { i: "1" }, "a/b": { i: "5" } }', "add { i = item.i }", "t = all.out", "6 2"),
    each("one at a time", '[{ i: "1" }, { i: "5" }]', "add { i = item.i }", "t = all.out", "2 6"),
    each(
        "for each of JSON that a step wrote",
        "made.o",
        "add { i = item.i }",
        "t = all.out",
        "4 3",
        r"[{\"i\": 3}, {\"i\": \"2\"}]",
    ),
    each("for each of nothing", "made.o", "add { i = item.i }", "t = all.out", "", "[]"),
    each("for each file in a folder", "made.d", "read { f = item.f }", "t = all.out", "xa xb"),
    each("for each path of an MLTable", "made.t", "read { f = item.f }", "t = all.out", "xa xb"),
    Case(
        "for each of JSON in a parameter",
        """
  param items: string = "[]"
  for each item in items as all { step r using add { i = item.i } }
  step z using read { t = all.out }
  output out = z.out
""",
        {"out": "8 9"},
        params={"items": '[{"i": 7}, {"i": 8}]'},
    ),
    Case(
        "a parameter in an item, several stages a turn",
        """
  param high: string = "6"
  for each item in [{ i: high, s: "x" }, { i: "1", s: "y" }] as all {
    step a using add { i = item.i }
    step b using read {
      f = a.out
      s = item.s
    }
  }
  step z using read { t = all.b_out }
  output out = z.out
""",
        {"out": "7 x 2 y"},
    ),
    Case(
        "a loop in a pipeline in a loop",
        """
  for each item in [{ from: "0" }, { from: "7" }] as all { step u using upward { from = item.from } }
  step z using read { t = all.out }
  output out = z.out
""",
        {"out": "3 8"},
        {},
        """
pipeline upward {
  preview = true
  param from: string
  repeat r up to 5 until not a.again {
    carry x = from then a.n
    step a using add { i = x }
  }
  output out = a.out
}
""",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_what_it_gives_and_what_ran(go: Go, tmp_path: Path, case: Case) -> None:
    made = graph_of(tmp_path, case.body, case.pipelines, case.params)
    first = go(made)
    assert first.status == "completed", [d.message for d in first.diagnostics]
    assert outputs(first) == case.outputs
    told = states(first)
    assert {name: told[name] for name in case.states} == case.states
    assert {told[name] for name in told.keys() - case.states.keys()} <= {"completed", "cached"}
    assert not set(case.absent) & told.keys()
    assert {s["name"] for s in first.record["steps"]} == told.keys()

    second = go(made)
    assert outputs(second) == case.outputs
    assert not [n for n, s in states(second).items() if s == "completed" and step(second, n)["log"]]
    digests = {s["name"]: s["digests"] for s in first.record["steps"]}
    assert {s["name"]: s["digests"] for s in second.record["steps"]} == digests


def test_steps_are_called_by_where_they_stand(go: Go, tmp_path: Path) -> None:
    body = """
  step outer using middle { start = "1" }
  repeat r up to 1 { step x using add {} }
  repeat s up to 1 {
    step y using add {}
    step z using inner { i = y.n }
  }
"""
    made = graph_of(tmp_path, body, THREE_DEEP)
    titles = [s["title"] for s in go(made).record["steps"]]
    inside = [f"outer/{part}" for part in ("low/one", "low/two", "high/one", "high/two", "third")]
    assert titles == [*inside, "r", "r/1/x", "s", "s/1/y", "s/1/z/one", "s/1/z/two"]


def test_what_the_items_of_a_table_are(go: Go, tmp_path: Path) -> None:
    """Of an MLTable that reads delimited text or JSON lines, each row is an item."""
    table = tmp_path / "table"
    table.mkdir()
    body = """
  data table: mltable = "table"
  step rows using copy { t = table }
  for each item in rows.out as all { step r using add { i = item.i } }
  step z using read { t = all.out }
  output out = z.out
"""
    (table / "MLTable").write_text("paths:\n- file: ./x.csv\ntransformations:\n- read_delimited:\n    delimiter: ';'\n")
    (table / "x.csv").write_text("i;other\n1;a\n2;b\n")
    assert outputs(go(graph_of(tmp_path, body))) == {"out": "2 3"}
    (table / "MLTable").write_text("paths:\n- pattern: ./*.jsonl\ntransformations:\n- read_json_lines\n")
    (table / "x.jsonl").write_text('{"i": 4}\n{"i": "5"}\n')
    assert outputs(go(graph_of(tmp_path, body))) == {"out": "5 6"}


BAD_ITEMS = (
    ("[1, 2]", "item 1 is no map"),
    ('[{"j": 1}]', "item 1 has no `i`"),
    ('[{"i": 1, "j": 1}]', "item 1 has `j`, which is no input of the body"),
    ("[{", "they are no JSON"),
    ("7", "neither a list nor a map"),
)


@pytest.mark.parametrize(("items", "said"), BAD_ITEMS)
def test_items_that_cannot_be_used(go: Go, tmp_path: Path, items: str, said: str) -> None:
    body = """
  param items: string
  for each item in items as all { step r using add { i = item.i } }
  step z using read { t = all.out }
"""
    result = go(graph_of(tmp_path, body, params={"items": items}))
    assert states(result) == {"all": "failed", "z": "skipped"}
    error = next(d for d in result.diagnostics if d.code == "MLP0960")
    assert said in error.message
    assert error.span is not None and error.span.source.text[error.span.start : error.span.end] == "items"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "https://example.com/x"])
def test_a_table_cannot_lead_out_of_its_folder(go: Go, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "MLTable").write_text(f"paths:\n- file: {path}\n")
    body = """
  data table: mltable = "table"
  step rows using copy { t = table }
  for each item in rows.out as all { step r using read { f = item.f } }
"""
    result = go(graph_of(tmp_path, body))
    assert [d.code for d in result.diagnostics if d.severity.value == "error"] == ["MLP0960"]


def test_keys_of_items_are_no_paths(go: Go, tmp_path: Path) -> None:
    items = json.dumps({"../../out": {"i": 1}, "..": {"i": 2}, "a b": {"i": 3}, "a/b": {"i": 4}})
    body = """
  param items: string
  for each item in items as all { step r using add { i = item.i } }
  step z using read { t = all.out }
  output out = z.out
"""
    result = go(graph_of(tmp_path, body, params={"items": items}))
    names = [s["name"] for s in result.record["steps"] if s["name"].endswith(".r")]
    assert names == ["all.______out.r", "all.__.r", "all.a_b.r", "all.a_b_2.r"]
    assert {p.name for p in (Path(result.folder) / "steps").iterdir()} == {*names, "all", "z"}


def test_a_condition_that_is_none(go: Go, tmp_path: Path) -> None:
    odd = """
component odd: command {
  output said: bool
  environment = image("any")
  command = "echo perhaps > ${said}"
}
"""
    body = """
  step a using odd {}
  when a.said as w { step b using add {} }
  repeat r up to 3 until not c.said { step c using odd {} }
"""
    result = go(graph_of(tmp_path, body, odd))
    told = states(result)
    assert told.pop("r.1.c") in ("completed", "cached")  # the same as `a`, and at the same time
    assert told.pop("a") in ("completed", "cached")
    assert told == {"w": "failed", "b": "skipped", "r": "failed"}
    assert [d.code for d in result.diagnostics if d.severity.value == "error"] == ["MLP0961", "MLP0961"]
    assert all("`Perhaps`" in d.message for d in result.diagnostics if d.code == "MLP0961")


def test_a_turn_that_fails(go: Go, tmp_path: Path) -> None:
    """The other turns go on; the loop fails, and what needs it is skipped. What was good is not made again."""
    body = """
  for each item in [{ by: "3" }, { by: "0" }, { by: "4" }] as all {
    max_concurrency = 1
    step d using divide { by = item.by }
    step e using read { f = d.out }
  }
  step z using read { t = all.e_out }
  step other using add {}
"""
    made = graph_of(tmp_path, body)
    result = go(made)
    good = {f"all.{turn}.{name}": "completed" for turn in (1, 3) for name in "de"}
    bad = {"all.2.d": "failed", "all.2.e": "skipped", "all": "failed", "z": "skipped", "other": "completed"}
    assert states(result) == {**good, **bad}
    assert [d.code for d in result.diagnostics if d.severity.value == "error"] == ["MLP0902", "MLP0962"]
    assert "`all` failed in 1 of 3 turns" in next(d.message for d in result.diagnostics if d.code == "MLP0962")
    again = go(made, result.folder, resume=True)
    assert {n: s for n, s in states(again).items() if n in good} == dict.fromkeys(good, "cached")


def test_a_repeat_ends_with_the_turn_that_fails(go: Go, tmp_path: Path) -> None:
    body = """
  repeat r up to 5 {
    carry x = "2" then less.o
    step d using divide { by = x }
    step less using put after d { s = "0" }
  }
  step z using read { f = d.out }
"""
    result = go(graph_of(tmp_path, body))
    assert states(result) == {
        "r": "failed",
        "r.1.d": "completed",
        "r.1.less": "completed",
        "r.2.d": "failed",
        "r.2.less": "skipped",
        "z": "skipped",
    }


def test_no_more_turns_at_a_time_than_allowed(go: Go, tmp_path: Path) -> None:
    body = """
  for each item in [{ i: "1" }, { i: "2" }, { i: "3" }, { i: "4" }] as all {
    max_concurrency = 2
    step a using add { i = item.i }
    step b using add { i = a.n }
  }
"""
    result = go(graph_of(tmp_path, body), jobs=8)
    going: set[str] = set()
    most = 0
    for line in (Path(result.folder) / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        turn = str(event.get("step", "")).split(".")[1:2]
        if event["event"] == "started" and turn:
            going.add(turn[0])
            most = max(most, len(going))
        elif event["event"] == "finished" and turn and event["step"].endswith(".b"):
            going.discard(turn[0])
    assert result.status == "completed" and most <= 2


def test_a_component_in_a_file_that_is_a_pipeline(go: Go, tmp_path: Path) -> None:
    job = """
type: command
inputs: {i: {type: string}}
outputs: {out: {type: uri_file}}
environment: {image: any}
command: echo $((${{inputs.i}} * 2)) > ${{outputs.out}}
"""
    (tmp_path / "double.yml").write_text(f"name: double\n{job.lstrip()}")
    (tmp_path / "twice.yml").write_text("""
type: pipeline
name: twice
inputs: {start: {type: string, default: "4"}}
outputs: {out: {type: uri_file}}
jobs:
  one:
    type: command
    component: ./double.yml
    inputs: {i: "${{parent.inputs.start}}"}
    outputs: {out: "${{parent.outputs.out}}"}
""")
    body = """
  step a using twice {}
  step b using twice { start = "7" }
  step z using read { f = b.out }
  output a = a.out
  output z = z.out
"""
    result = go(graph_of(tmp_path, body, uses='use "twice.yml" as twice'))
    assert result.status == "completed", [d.message for d in result.diagnostics]
    assert outputs(result) == {"a": "8", "z": "14"}
    assert list(states(result)) and set(states(result)) == {"a.one", "b.one", "z"}


TOLD = """
component tell: command {
  output out: file
  environment = image("any")
  command = "echo $WHO > ${out}"
}
pipeline told {
  param who: string
  step one using tell {}
  output out = one.out
}
"""


def with_variable(made: Graph) -> Graph:
    """The Graph, the steps of its pipelines with a variable that names an input of theirs."""
    run = Run(environment_variables={"WHO": "it is ${{parent.inputs.who}}"})
    nodes = []
    for node in made.nodes:
        inner = node.component.graph
        if inner is not None:
            inner = inner._replace(nodes=tuple(n._replace(run=run) for n in inner.nodes))
        nodes.append(node._replace(component=node.component._replace(graph=inner)))
    return made._replace(nodes=tuple(nodes))


def test_variables_of_inner_steps_name_inputs_of_their_own_pipeline(go: Go, tmp_path: Path) -> None:
    body = """
  param who: string = "nobody"
  param mine: string = "me"
  step a using told { who = mine }
  for each item in [{ who: "x" }, { who: "y" }] as all { step b using told { who = item.who } }
  step z using read { t = all.out }
  output a = a.out
  output z = z.out
"""
    result = go(with_variable(graph_of(tmp_path, body, TOLD)))
    assert outputs(result) == {"a": "it is me", "z": "it is x it is y"}


def test_a_pipeline_that_holds_itself_is_refused(go: Go, tmp_path: Path) -> None:
    (tmp_path / "round.yml").write_text("""
type: pipeline
name: round
inputs: {start: {type: string, default: "4"}}
jobs:
  again: {type: pipeline, component: ./round.yml}
""")
    result = go(graph_of(tmp_path, "  step a using round {}", uses='use "round.yml" as round'))
    assert result.folder == "" and "MLP0910" in {d.code for d in result.diagnostics}


JOB = """
type: pipeline
display_name: steered
settings: {default_compute: azureml:cpu}
inputs: {start: "1"}
outputs: {last: {type: uri_file}, all: {type: mltable}}
jobs:
  nested: {type: pipeline, component: ./pipe.yml, inputs: {start: "${{parent.inputs.start}}"}}
  choice:
    type: if_else
    condition: ${{parent.jobs.nested.outputs.again}}
    true_block: ${{parent.jobs.yes}}
    false_block: ${{parent.jobs.no}}
  yes: {type: command, component: ./add.yml}
  no: {type: command, component: ./add.yml, inputs: {i: "5"}}
  body: {type: command, component: ./add.yml, inputs: {i: "0"}, outputs: {out: "${{parent.outputs.last}}"}}
  loop:
    type: do_while
    body: ${{parent.jobs.body}}
    condition: again
    mapping: {n: i}
    limits: {max_iteration_count: 5}
  each:
    type: parallel_for
    body: ${{parent.jobs.item}}
    items: '{"few": {"start": "3"}, "many": {"start": "7"}}'
    max_concurrency: 1
    outputs: {out: "${{parent.outputs.all}}"}
  item: {type: pipeline, component: ./pipe.yml}
"""
ADD = """
type: command
name: add
inputs: {i: {type: string, default: "0"}}
outputs:
  n: {type: string, is_control: true}
  again: {type: boolean, is_control: true}
  out: {type: uri_file}
environment: {image: any}
command: >-
  echo $((${{inputs.i}} + 1)) | tee ${{outputs.n}} > ${{outputs.out}};
  test ${{inputs.i}} -lt 2 && echo true > ${{outputs.again}} || echo false > ${{outputs.again}}
"""
PIPE = """
type: pipeline
name: pipe
inputs: {start: {type: string, default: "3"}}
outputs: {out: {type: uri_file}, again: {type: boolean}}
jobs:
  one:
    type: command
    component: ./add.yml
    inputs: {i: "${{parent.inputs.start}}"}
    outputs: {out: "${{parent.outputs.out}}", again: "${{parent.outputs.again}}"}
"""


def test_a_job_as_azure_ml_has_it(go: Go, tmp_path: Path) -> None:
    for name, text in (("job", JOB), ("add", ADD), ("pipe", PIPE)):
        (tmp_path / f"{name}.yml").write_text(text)
    compiled = compile_yaml(tmp_path / "job.yml")
    assert compiled.graphs, compiled.diagnostics
    result = go(compiled.graphs[0])
    assert result.status == "completed", [d.message for d in result.diagnostics]
    turns = [f"loop.{turn}.body" for turn in (1, 2, 3)] + ["each.few.item.one", "each.many.item.one"]
    assert set(states(result)) == {"nested.one", "choice", "yes", "no", "loop", "each", *turns}
    assert states(result)["no"] == "omitted"
    folder = Path(result.folder) / "outputs"
    assert (folder / "last").read_text() == "3\n"
    assert [(folder / "all" / name).read_text() for name in ("few", "many")] == ["4\n", "8\n"]
    assert (folder / "all" / "MLTable").read_text() == "type: mltable\npaths:\n  - file: ./few\n  - file: ./many\n"
