"""A pipeline as a component: what a stage sees of it, what comes with it, and what it cannot be."""

# ruff: noqa: E501 - a table is read by its columns

import json

import jsonschema
import pytest
from compiling import PEOPLE, PRIVATE, Bench, nodes, pipeline
from mlp_lang.compiler import graph_schema
from mlp_lang.compiler.graph import Asset, FromInput, FromNode, Graph, Literal
from mlp_lang.compiler.graph_json import from_json, to_json
from mlp_lang.dsl.diagnostics import Severity

INNER = """
pipeline inner {
  data raw: table
  data kept: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
  }
  param share: float(0.1..0.4) = 0.2
  prepare split using tabular.split {
    table = raw
    test_size = share
  }
  train model using sklearn.LogisticRegression {
    table = kept
  }
  output train = split.train
  output model = model {
    name = "registered"
  }
}
"""
USE = """
  step used using inner {
    raw = people
  }
  output train = used.train
"""
BARE = '  data people: table = "people.csv"\n'


def outer(bench: Bench, text: str, **options: object) -> Graph:
    return bench.graph(text, pipeline="p", **options)


def test_inputs_and_outputs_are_those_of_the_pipeline(bench: Bench) -> None:
    used = nodes(outer(bench, pipeline(BARE, USE, before=INNER)))["used"]
    component = used.component
    assert (used.kind, component.kind, component.origin, component.azure_name) == (
        "pipeline",
        "pipeline",
        "inline",
        "inner",
    )
    assert [(p.name, p.azure_type, p.default, p.has_default) for p in component.inputs] == [
        ("raw", "uri_file", None, False),
        ("kept", "uri_file", None, False),
        ("share", "number", 0.2, True),
        ("kept_facts", "uri_file", None, False),
    ]
    assert [(o.name, o.azure_type) for o in component.outputs] == [("train", "uri_file"), ("model", "mlflow_model")]
    assert component.graph is not None
    assert [n.name for n in component.graph.nodes] == ["split", "model"]


def test_what_it_brings_along_becomes_inputs_named_after_the_stage(bench: Bench) -> None:
    graph = outer(bench, pipeline(BARE, USE, before=INNER))
    assert dict(nodes(graph)["used"].inputs).keys() == {"raw", "kept", "kept_facts"}
    inputs = {i.parameter.name: i for i in graph.inputs}
    assert list(inputs) == ["people", "used_kept", "used_kept_facts"]
    assert isinstance(inputs["used_kept"].value, Asset)
    facts = graph.facts[0]
    assert (inputs["used_kept_facts"].facts, facts.name, facts.input_name) == (
        "used_kept",
        "used_kept",
        "used_kept_facts",
    )
    assert facts.document["label"] == "income"


def test_its_data_with_a_path_can_be_given_all_the_same(bench: Bench) -> None:
    graph = outer(
        bench,
        pipeline(BARE, USE.replace("raw = people", "raw = people\n    kept = people\n    share = 0.3"), before=INNER),
    )
    given = dict(nodes(graph)["used"].inputs)
    assert isinstance(given["kept"], FromInput) and given["kept"].name == "people"
    assert isinstance(given["share"], Literal) and given["share"].value == 0.3
    assert [i.parameter.name for i in graph.inputs] == ["people", "used_kept_facts"]


def test_a_pipeline_in_a_pipeline_in_a_pipeline(bench: Bench) -> None:
    middle = "pipeline middle {\n  data people: table\n" + USE + "}\n"
    graph = outer(bench, pipeline(BARE, USE.replace("inner", "middle").replace("raw", "people"), before=INNER + middle))
    assert [i.parameter.name for i in graph.inputs] == ["people", "used_used_kept", "used_used_kept_facts"]
    assert [p.name for p in nodes(graph)["used"].component.inputs] == ["people", "used_kept", "used_kept_facts"]


def test_copies_share_the_component_and_bring_their_own(bench: Bench) -> None:
    text = pipeline(
        BARE,
        "  for s in [0.2, 0.3] {\n    step used using inner {\n      raw = people\n      share = s\n    }\n  }\n  output train = used[0.2].train\n",
        before=INNER,
    )
    used = [n for n in outer(bench, text).nodes if n.kind == "pipeline"]
    assert [n.name for n in used] == ["used_0_2", "used_0_3"]
    assert used[0].component is used[1].component


def test_compute_goes_to_the_jobs_since_a_component_has_no_settings(bench: Bench) -> None:
    text = pipeline(
        BARE, USE.replace("inner {", 'inner on "big" {'), before=INNER.replace("split {", 'split on "own" {')
    )
    inner = nodes(outer(bench, text))["used"].component.graph
    assert inner is not None
    assert {n.name: n.run.compute for n in inner.nodes} == {"split": "own", "model": "big"}


def test_where_an_output_goes_is_said_by_the_stage(bench: Bench) -> None:
    settings = {s.port: s.name for s in nodes(outer(bench, pipeline(BARE, USE, before=INNER)))["used"].outputs}
    assert settings == {"model": "registered", "train": None}


def test_an_imported_pipeline(bench: Bench) -> None:
    bench.write(INNER, "inner.mlp")
    graph = outer(bench, pipeline(BARE, USE.replace("inner", "parts.inner"), before='use "inner.mlp" as parts\n'))
    assert nodes(graph)["used"].component.name == "inner"
    assert len(graph.sources) == 2


def test_a_profile_replaces_what_it_replaces_when_it_is_compiled_alone(bench: Bench) -> None:
    text = pipeline(BARE, USE, before=INNER, after="profile prod {\n  param share = 0.4\n}\n")
    share = next(p for p in nodes(outer(bench, text, profile="prod"))["used"].component.inputs if p.name == "share")
    assert share.default == 0.4


def test_facts_of_a_table_come_out(bench: Bench) -> None:
    text = (
        pipeline(
            BARE,
            USE.replace("train = used.train", "model = model"),
            "  train model using sklearn.LogisticRegression {\n    table = used.train\n  }\n",
            before=INNER.replace("table = raw", "table = kept").replace("  data raw: table\n", ""),
        )
        .replace("    raw = people\n", "")
        .replace(BARE, "")
    )
    graph = outer(bench, text)
    facts = dict(nodes(graph)["model"].inputs)["facts"]
    assert isinstance(facts, FromInput)
    assert facts.name in {f.input_name for f in graph.facts}


def test_the_graph_as_json_and_back(bench: Bench) -> None:
    document = to_json(outer(bench, pipeline(BARE, USE, before=INNER)))
    jsonschema.Draft202012Validator(graph_schema.schema()).validate(document)
    assert to_json(from_json(json.loads(json.dumps(document)))) == document


def test_nothing_is_unused_in_a_pipeline_that_is_a_component_alone(bench: Bench) -> None:
    assert bench.check(pipeline(BARE, USE, before=INNER)) == []


def test_a_private_table_does_not_lose_its_label(bench: Bench) -> None:
    found = bench.check(pipeline(PRIVATE, USE, before=INNER))
    assert [(d.code, d.span.text, d.help) for d in found if d.severity is Severity.ERROR] == [
        ("MLP0501", "people", "put the stages of that pipeline into this one")
    ]


ENDPOINT = 'endpoint scoring = online("people-scoring")\n'
DEPLOYS = INNER.replace(
    "  output train",
    '  deploy blue using azureml.online_deployment {\n    endpoint = scoring\n    model = model\n    ungated "a test"\n  }\n  output train',
)
PRIVATELY = (
    "pipeline inner {"
    + PRIVATE
    + "  data raw: table\n  prepare split using tabular.split {\n    table = people\n  }\n  prepare other using tabular.split {\n    table = raw\n  }\n  output train = split.train\n  output other = other.train\n}\n"
)
REFUSED: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("a deploy", pipeline(BARE, USE, before=ENDPOINT + DEPLOYS), [("MLP0322", "inner")]),
    ("private data of its own", pipeline(BARE, USE, before=PRIVATELY), [("MLP0322", "inner")]),
    ("an identity", pipeline(BARE, USE, before=INNER.replace("  param", "  identity = user\n  param")), [("MLP0322", "inner")]),
    ("settings", pipeline(BARE, USE, before=INNER.replace("  param", "  settings {\n    force_rerun = true\n  }\n  param")), [("MLP0322", "inner")]),
    ("fields of the job", pipeline(BARE, USE, before=INNER.replace("  param", "  azureml {\n    a = 1\n  }\n  param")), [("MLP0322", "inner")]),
    ("a missing input", pipeline(BARE, USE.replace("raw = people", "share = 0.3"), before=INNER), [("MLP0201", "used")]),
    ("an unknown input", pipeline(BARE, USE.replace("raw = people", "raw = people\n    shar = 0.3"), before=INNER), [("MLP0203", "shar")]),
    ("out of range", pipeline(BARE, USE.replace("raw = people", "raw = people\n    share = 0.5"), before=INNER), [("MLP0205", "0.5")]),
    ("an unknown output", pipeline(BARE, USE.replace("used.train", "used.test"), before=INNER), [("MLP0303", "test")]),
    ("what the compiler fills", pipeline(BARE, USE.replace("raw = people", "raw = people\n    kept_facts = people"), before=INNER), [("MLP0218", "kept_facts")]),
    ("a definition", pipeline(BARE, USE.replace("raw = people", "raw = people\n    define {\n    }"), before=INNER), [("MLP0208", "define")]),
    ("a mistake inside is one", pipeline(BARE, USE, before=INNER.replace("split.train", "splt.train")), [("MLP0101", "splt")]),
    ("a mistake in an imported one", pipeline(BARE, USE.replace("inner", "lib.nothing"), before='use "lib.mlp" as lib\n'), [("MLP0108", "nothing")]),
    ("round", (pipeline("  data raw: table\n", USE.replace("people", "raw").replace("inner", "q")) + pipeline("  data raw: table\n", USE.replace("people", "raw").replace("inner", "p")).replace("pipeline p", "pipeline q")), [("MLP0321", "p")]),
    ("a compute that only a run knows", pipeline('  param where: string = "x"\n', BARE, USE.replace("inner {", "inner on where {"), before=INNER), [("MLP0322", "where")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_errors(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(bench.errors(text)) == sorted(expected)


def test_data_of_the_outer_pipeline_flows_as_ever(bench: Bench) -> None:
    graph = outer(
        bench,
        pipeline(
            PEOPLE,
            USE,
            "  prepare more using tabular.split {\n    table = used.train\n  }\n  output more = more.train\n",
            before=INNER,
        ),
    )
    table = dict(nodes(graph)["more"].inputs)["table"]
    assert isinstance(table, FromNode) and (table.node, table.port) == ("used", "train")
