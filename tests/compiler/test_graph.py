"""What a program means: nodes, bindings and settings of the Graph, compared with what the text says."""

# ruff: noqa: E501 - programs of one line a case

import pytest
from compiling import PEOPLE, TRAINED, Bench, nodes, pipeline
from mlp_lang.compiler import check_file, compile_file
from mlp_lang.compiler.graph import Asset, FromInput, FromNode, Graph, Literal, Template
from mlp_lang.compiler.order import predecessors, topological

COMMAND = """
  step made using command {
    rows = people
    most = 3
    share = limit
    note = "at most ${limit}"
    extra = folder("src")

    define {
      param least: int = 1
      output done: folder
      code = "src"
      environment = "azureml:sklearn:3"
      command = "python clean.py ${rows} ${most} ${share} ${note} ${extra} ${least} ${done} ${stay} ${{inputs.rows}}"
    }
  }
"""


def bindings(graph: Graph, node: str) -> dict[str, object]:
    """The bindings of a node without their spans."""
    bare: dict[str, object] = {}
    for name, binding in nodes(graph)[node].inputs:
        if isinstance(binding, Template):
            bare[name] = tuple(p if isinstance(p, str) else p._replace(span=None) for p in binding.parts)
        else:
            bare[name] = binding._replace(span=None)
    return bare


def test_inputs_of_every_kind(bench: Bench) -> None:
    graph = bench.graph(pipeline("  param limit: float(0..1) = 0.5\n", PEOPLE, COMMAND, before="let stay = 2\n"))
    assert bindings(graph, "made") == {
        "rows": FromInput("people"),
        "most": Literal(3),
        "share": FromInput("limit"),
        "note": ("at most ", FromInput("limit")),
        "extra": Asset("uri_folder", str(bench.folder / "src"), True),
    }
    component = nodes(graph)["made"].component
    assert component.command == (
        "python clean.py ${{inputs.rows}} ${{inputs.most}} ${{inputs.share}} ${{inputs.note}} ${{inputs.extra}} "
        "${{inputs.least}} ${{outputs.done}} 2 ${{inputs.rows}}"
    )
    assert {p.name: (p.type, p.azure_type) for p in component.inputs} == {
        "least": ("int", "integer"),
        "rows": ("table", "uri_file"),
        "most": ("int", "integer"),
        "share": ("float(0..1)", "number"),
        "note": ("string", "string"),
        "extra": ("folder", "uri_folder"),
    }
    (made,) = component.outputs
    assert (made.name, made.azure_type) == ("done", "uri_folder")
    assert set(made.depends_on) == {"least", "rows", "most", "share", "note", "extra"}


def test_a_family_gives_each_use_a_component_with_what_is_set(bench: Bench) -> None:
    text = pipeline(
        '  param solver: enum("lbfgs", "saga") = "lbfgs"\n  param gamma: string = "scale"\n', PEOPLE, TRAINED,
        "  train svm using sklearn.SVC {\n    table = people\n    gamma = 0.1\n    class_weight = none\n  }\n",
        "  train again using sklearn.LogisticRegression {\n    table = people\n    solver = solver\n  }\n",
    )  # fmt: skip
    found = nodes(bench.graph(text))
    svm = found["svm"].component
    assert [p.name for p in svm.inputs] == ["table", "validation", "facts", "gamma", "class_weight"]
    assert "--estimator SVC" in svm.command
    assert svm.command.endswith("--json gamma '${{inputs.gamma}}' --json class_weight '${{inputs.class_weight}}'")
    assert {p.name: p.encoding for p in svm.inputs}["gamma"] == "json"
    assert dict(found["svm"].inputs)["class_weight"] == Literal(None, dict(found["svm"].inputs)["class_weight"].span)
    assert found["again"].component.command.endswith("--string solver '${{inputs.solver}}'")
    assert found["model"].component != found["again"].component


def test_copies_are_named_after_their_values(bench: Bench) -> None:
    loop = """
  for seed in [1, -2] {
    for share in [0.25, 1e-5] {
      prepare split using tabular.split {
        table = people
        seed = length("x") + length([seed])
        test_size = share
      }

      prepare again using tabular.split after split {
        table = split.test
      }
    }
  }

  for name in ["Big one", "other"] {
    prepare last using tabular.split after again[*][0.25] {
      table = again[1][1e-5].train
    }
  }

  output all = last["Big one"].train
"""
    graph = bench.graph(pipeline(PEOPLE, loop))
    assert [(n.name, n.title) for n in graph.nodes] == [
        ("split_1_0_25", "split[1][0.25]"),
        ("again_1_0_25", "again[1][0.25]"),
        ("split_1_1e_05", "split[1][1e-05]"),
        ("again_1_1e_05", "again[1][1e-05]"),
        ("split_minus_2_0_25", "split[-2][0.25]"),
        ("again_minus_2_0_25", "again[-2][0.25]"),
        ("split_minus_2_1e_05", "split[-2][1e-05]"),
        ("again_minus_2_1e_05", "again[-2][1e-05]"),
        ("last_big_one", 'last["Big one"]'),
        ("last_other", 'last["other"]'),
    ]
    found = nodes(graph)
    assert found["again_1_0_25"].after == ("split_1_0_25",)
    assert found["last_other"].after == ("again_1_0_25", "again_minus_2_0_25")
    assert bindings(graph, "last_other")["table"] == FromNode("again_1_1e_05", "train")


def test_a_list_of_copies_opens_into_inputs_named_after_them(bench: Bench) -> None:
    text = pipeline(
        PEOPLE,
        '  for c in [1, 2] {\n    train m using sklearn.SVC {\n      table = people\n      C = c\n    }\n  }\n',
        "  step best using join {\n    models = m[*]\n  }\n  step pair using join {\n    models = [m[2], m[1]]\n  }\n",
        before='component join: command {\n  param models: list[model]\n  output best: model\n  environment = "azureml:e:1"\n'
        '  command = "x ${models} ${best}"\n}\n',
    )  # fmt: skip
    graph = bench.graph(text)
    assert bindings(graph, "best") == {"models_m_1": FromNode("m_1", "model"), "models_m_2": FromNode("m_2", "model")}
    found = nodes(graph)
    assert found["best"].component.command == "x ${{inputs.models_m_1}} ${{inputs.models_m_2}} ${{outputs.best}}"
    assert found["pair"].component.command == "x ${{inputs.models_m_2}} ${{inputs.models_m_1}} ${{outputs.best}}"
    assert found["best"].component.outputs[0].depends_on == ("models_m_1", "models_m_2")


OWN = """
component measure: command {
  param model: model
  param table: table
  param gates: string?
  param columns: file?
  param most: int? = none
  param least: int = 1
  output metrics: metrics
  environment = "azureml:e:1"
  command = "x ${model} ${table} $[[${gates}]] $[[--facts ${columns}]] $[[${most}]] ${least} ${metrics}"
  verbs = [evaluate]
  metrics = ["accuracy"]
  gates = gates

  facts {
    columns = table
  }
}
"""


def test_a_component_of_ones_own_gets_gates_and_facts(bench: Bench) -> None:
    stage = "  evaluate q using measure {\n    model = model\n    table = people\n    most = none\n    require accuracy > 0.5\n  }\n"
    graph = bench.graph(pipeline(PEOPLE, TRAINED, stage, before=OWN))
    found = bindings(graph, "q")
    assert list(found) == ["model", "table", "gates", "columns"]
    assert found["columns"] == FromInput("people_facts")
    described = {p.name: (p.type, p.optional, p.has_default) for p in nodes(graph)["q"].component.inputs}
    assert described == {
        "model": ("model", False, False),
        "table": ("table", False, False),
        "gates": ("string", True, False),
        "columns": ("file", True, False),
        "most": ("int", True, False),
        "least": ("int", False, True),
    }


GATED = """
  evaluate quality using sklearn.classification {
    model = model
    table = people
    require accuracy >= least and not (f1 < 0.5)
    expect -recall + 1 <= 2 * 0.25
  }
"""


def test_gates_reach_the_step_as_json_with_parameters_in_it(bench: Bench) -> None:
    graph = bench.graph(pipeline("  param least: float(0..1) = 0.8\n", PEOPLE, TRAINED, GATED))
    node = nodes(graph)["quality"]
    assert [(g.hard, g.text, g.metrics) for g in node.gates] == [
        (True, "accuracy >= least and not (f1 < 0.5)", ("accuracy", "f1")),
        (False, "-recall + 1 <= 2 * 0.25", ("recall",)),
    ]
    start, reference, end = bindings(graph, "quality")["gates"]  # type: ignore[misc]
    assert reference == FromInput("least")
    import json

    hard, soft = json.loads(f"{start}0.8{end}")
    assert hard["condition"] == [
        "and",
        [">=", ["metric", "accuracy"], ["value", "0.8"]],
        ["not", ["<", ["metric", "f1"], ["value", 0.5]]],
    ]
    assert soft["condition"] == [
        "<=",
        ["+", ["neg", ["metric", "recall"]], ["value", 1]],
        ["*", ["value", 2], ["value", 0.25]],
    ]
    line, column = hard["span"].split(":")[1:]
    assert graph.span is not None
    assert graph.span.source.line(int(line))[int(column) - 1 :] == hard["text"]


def test_facts_follow_the_table_to_every_step_that_asks(bench: Bench) -> None:
    text = pipeline(
        PEOPLE, '  data plain: table = "people.csv"\n',
        "  prepare split using tabular.split {\n    table = people\n  }\n",
        "  prepare deeper using tabular.split {\n    table = split.train\n  }\n",
        "  prepare bare using tabular.split {\n    table = plain\n  }\n",
        '  prepare wine using sklearn.dataset {\n    name = "wine"\n  }\n',
        "  prepare shared using tabular.split {\n    table = wine\n  }\n",
    )  # fmt: skip
    graph = bench.graph(text)
    facts = {name: bindings(graph, name).get("facts") for name in ("split", "deeper", "bare", "shared")}
    assert facts == {
        "split": FromInput("people_facts"),
        "deeper": FromInput("people_facts"),
        "bare": None,
        "shared": FromInput("wine_facts"),
    }
    documents = {f.input_name: f.document for f in graph.facts}
    assert documents["people_facts"]["label"] == "income"
    assert documents["wine_facts"]["name"] == "wine"
    assert {i.parameter.name: i.facts for i in graph.inputs if i.facts} == {
        "people_facts": "people",
        "wine_facts": "wine",
    }


def test_an_input_for_facts_gives_way_to_a_name_of_the_author(bench: Bench) -> None:
    text = pipeline(
        "  param people_facts: int = 3\n", PEOPLE,
        "  prepare split using tabular.split {\n    table = people\n    seed = people_facts\n  }\n",
    )  # fmt: skip
    found = bindings(bench.graph(text), "split")
    assert (found["seed"], found["facts"]) == (FromInput("people_facts"), FromInput("people_facts_"))


PROFILED = pipeline(
    "  compute = cpu\n  param n: int(1..9) = 1\n  let size = 0.25\n", PEOPLE,
    "  prepare split using tabular.split {\n    table = people\n    seed = n\n    test_size = size\n  }\n",
    before='compute cpu = cluster("small")\n',
    after='profile prod for p {\n  data people = "azureml:people:3"\n  param n = 5\n  let size = 0.5\n  compute cpu = cluster("big")\n}\n'
    'profile other for q {\n  param n = 7\n}\npipeline q {\n  param n: int = 2\n  data t: table = "people.csv"\n'
    "  prepare s using tabular.split {\n    table = t\n    seed = n\n  }\n}\n",
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "n", "path", "size", "compute"),
    [
        ({}, 1, "people.csv", 0.25, "small"),
        ({"profile": "prod"}, 5, "azureml:people:3", 0.5, "big"),
        ({"profile": "other"}, 1, "people.csv", 0.25, "small"),
        ({"profile": "prod", "params": {"n": "9"}}, 9, "azureml:people:3", 0.5, "big"),
    ],
)
def test_profiles_and_the_command_line(
    bench: Bench, options: dict[str, object], n: int, path: str, size: float, compute: str
) -> None:
    graph = bench.graph(PROFILED, pipeline="p", **options)
    values = {i.parameter.name: i.value for i in graph.inputs}
    assert isinstance(values["n"], Literal) and values["n"].value == n
    assert isinstance(values["people"], Asset) and values["people"].path.endswith(path)
    assert bindings(graph, "split")["test_size"] == Literal(size)
    assert (graph.default_compute, graph.profile) == (compute, options.get("profile"))


PARAMS = [
    ("int", "3", 3),
    ("float", "0.5", 0.5),
    ("float", "1e-3", 1e-3),
    ("bool", "true", True),
    ("string", "plain words", "plain words"),
    ("string", '"quoted"', "quoted"),
    ("string", "3", "3"),
    ('enum("a", "b")', "b", "b"),
    ("duration", "2h", 7200),
    ("list[int]", "[1, 2]", [1, 2]),
    ("map[int]", "{ a: 1 }", {"a": 1}),
    ("int?", "none", None),
]


@pytest.mark.parametrize(("type", "text", "value"), PARAMS)
def test_parameters_from_the_command_line(bench: Bench, type: str, text: str, value: object) -> None:
    program = pipeline(f"  param x: {type}\n", PEOPLE, "  step s using command {\n    rows = people\n    x = x\n    define {\n      environment = \"azureml:e:1\"\n      command = \"c ${rows} ${x}\"\n    }\n  }\n")  # fmt: skip
    graph = bench.graph(program, params={"x": text})
    given = {i.parameter.name: i.value for i in graph.inputs}["x"]
    assert isinstance(given, Literal) and given.value == value


def test_a_parameter_of_one_pipeline_is_nothing_to_the_others(bench: Bench) -> None:
    two = PROFILED.replace("param n: int = 2", "param m: int = 2").replace("seed = n\n  }\n}\n", "seed = m\n  }\n}\n")
    result = bench.compile(two.replace("profile other for q {\n  param n = 7\n}\n", ""), params={"m": "4"})
    values = [
        {i.parameter.name: i.value.value for i in g.inputs if isinstance(i.value, Literal)} for g in result.graphs
    ]
    assert values == [{"n": 1}, {"m": 4}]


@pytest.mark.parametrize(("type", "text"), [("int", "x"), ("int(1..3)", "4"), ('enum("a")', "b"), ("bool", "yes")])
def test_wrong_values_from_the_command_line(bench: Bench, type: str, text: str) -> None:
    path = bench.write(PROFILED.replace("param n: int(1..9)", f"param n: {type}").replace("seed = n\n    test", "test"))
    result = compile_file(path, pipeline="p", params={"n": text})
    assert {d.code for d in result.diagnostics if d.code != "MLP0110"} & {"MLP0204", "MLP0205", "MLP0206"}
    assert result.graphs == ()


def test_the_order_respects_data_and_after(bench: Bench) -> None:
    text = pipeline(
        PEOPLE,
        "  prepare last using tabular.split after first {\n    table = middle.train\n  }\n",
        "  prepare middle using tabular.split {\n    table = first.test\n  }\n",
        "  prepare first using tabular.split {\n    table = people\n  }\n",
        "  prepare free using tabular.split {\n    table = people\n  }\n",
    )  # fmt: skip
    graph = bench.graph(text)
    assert [n.name for n in graph.nodes] == ["last", "middle", "first", "free"]
    assert [n.name for n in topological(graph)] == ["first", "middle", "last", "free"]
    assert predecessors(nodes(graph)["last"]) == {"first", "middle"}


def test_a_long_chain_needs_no_deep_stack(bench: Bench) -> None:
    stages = "".join(
        f"  prepare s{i} using tabular.split {{\n    table = {'people' if i == 0 else f's{i - 1}.train'}\n  }}\n"
        for i in reversed(range(3000))
    )
    graph = bench.graph(pipeline(PEOPLE, stages))
    assert [n.name for n in topological(graph)] == [f"s{i}" for i in range(3000)]
    assert set(nodes(graph)["s2999"].private) == set()


def test_a_required_port_has_no_value(bench: Bench) -> None:
    text = pipeline("  data people: table\n", "  prepare s using tabular.split {\n    table = people\n  }\n")
    graph = bench.graph(text)
    assert [(i.parameter.name, i.value) for i in graph.inputs] == [("people", None)]


def test_check_and_compile_agree_and_do_not_disturb_each_other(bench: Bench) -> None:
    path = bench.write(pipeline(PEOPLE, TRAINED))
    before = compile_file(path)
    checked = [(d.code, d.message) for d in check_file(path)]
    assert checked == [(d.code, d.message) for d in before.diagnostics]
    after = compile_file(path)
    assert before.graphs[0].nodes[0].component == after.graphs[0].nodes[0].component
    assert after.graphs[0].nodes[0].component.environment.conda
