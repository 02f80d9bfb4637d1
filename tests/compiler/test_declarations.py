"""What a file defines beside its pipelines: documents, references between them, and what is wrong with them."""

import json

import pytest
from compiling import Bench
from mlp_lang.compiler import compile_definitions
from mlp_lang.compiler.graph import Definition
from mlp_lang.compiler.graph_json import definition_json

MANAGED = (
    'deployment blue = managed("income-scoring") {{\n  model = "azureml:m:1"\n  instance = "Standard_F4s_v2"\n{}\n}}\n'
)
PEOPLE = 'asset people = data("people") { path = "people.csv" }\n'
BATCH = 'deployment blue = batch("income-nightly") {{\n  model = "azureml:m:1"\n{}\n}}\n'

# what is wrong, the program, code and underlined text
WRONG: list[tuple[str, str, str, str]] = [
    ("a word of no deployment", MANAGED.format("  instnces = 2"), "MLP0208", "instnces"),
    ("a word of another kind", MANAGED.format("  mini_batch_size = 2"), "MLP0208", "mini_batch_size"),
    ("a word in a nested block", MANAGED.format("  liveness_probe { perod = 2s }"), "MLP0208", "perod"),
    ("a word in a block of named blocks",
     MANAGED.format("  data_collector {\n    collections {\n      a { enable = true }\n    }\n  }"),
     "MLP0208", "enable"),
    ("a word twice", MANAGED.format('  instance = "Standard_F2s_v2"'), "MLP0202", "instance"),
    ("a setting that is a block", MANAGED.format("  liveness_probe = 3"), "MLP0208", "liveness_probe"),
    ("a block that is a setting", MANAGED.format("  instances { n = 1 }"), "MLP0208", "instances"),
    ("a word of no enumeration", MANAGED.format("  egress = of"), "MLP0206", "of"),
    ("a number for a duration", MANAGED.format("  liveness_probe { period = 2 }"), "MLP0204", "2"),
    ("a size of machine that is none", 'deployment b = managed() {\n  instance = "big"\n}\n', "MLP0352", '"big"'),
    ("no machine", "deployment blue = managed() {}\n", "MLP0350", "blue"),
    ("no code folder", MANAGED.format('  code = "nowhere"\n  scoring_script = "clean.py"'), "MLP0351", '"nowhere"'),
    ("no scoring script", MANAGED.format('  code = "src"\n  scoring_script = "score.py"'), "MLP0351", '"score.py"'),
    ("code without a script", MANAGED.format('  code = "src"'), "MLP0351", "code"),
    ("no conda file", 'environment e = image("i", conda = "no.yml") {\n  name = "e"\n}\n',
     "MLP0603", 'image("i", conda = "no.yml")'),
    ("an endpoint that nobody declares",
     "deployment blue = managed(scorin) { instance = \"Standard_F2\" }\n", "MLP0101", "scorin"),
    ("an endpoint that is data",
     PEOPLE + "deployment blue = batch(people) {}\n", "MLP0109", "people"),
    ("a model that is data",
     PEOPLE + BATCH.replace('"azureml:m:1"', "people").format(""), "MLP0109", "people"),
    ("two deployments of one name",
     MANAGED.format("") + MANAGED.replace("deployment blue", "deployment b").format('  name = "blue"'),
     "MLP0104", "name"),
    ("an asset that is nowhere", 'asset a = model("a") {}\n', "MLP0350", "a"),
    ("an asset of no kind", 'asset a = dat("a") {}\n', "MLP0214", "dat"),
    ("a deployment of no kind", 'deployment a = managd("abc") {}\n', "MLP0214", "managd"),
    ("a deployment without a value", "deployment a {}\n", "MLP0228", "a"),
    ("both a component and a job",
     'deployment a = pipeline() {\n  component = "azureml:a:1"\n  job_definition = "azureml:b"\n}\n', "MLP0350", "a"),
    ("an identity of no kind", 'endpoint e = online("abc") { identity = usr }\n', "MLP0214", "usr"),
    ("traffic of 90 per cent", 'endpoint e = online("abc") { traffic = { a: 90 } }\n', "MLP0407", "{ a: 90 }"),
    ("a Kubernetes endpoint on nothing", 'endpoint e = kubernetes("abc")\n', "MLP0350", 'kubernetes("abc")'),
    ("a schedule of nothing", "schedule s for nothing {\n  cron = \"0 2 * * *\"\n}\n", "MLP0703", "nothing"),
    ("a schedule of what is no job", 'use "people.schema.json.yml" as x\nschedule s for x {\n  cron = "0 2 * * *"\n}\n',
     "MLP0222", '"people.schema.json.yml"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "where"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_one_mistake_is_one_error(text: str, code: str, where: str, bench: Bench) -> None:
    assert bench.errors(text) == [(code, where)]
    assert compile_definitions(bench.write(text))[0] == ()


def defined(bench: Bench, text: str, profile: str | None = None) -> dict[str, Definition]:
    found, diagnostics = compile_definitions(bench.write(text), profile=profile)
    assert diagnostics == []
    return {d.title: d for d in found}


def test_declarations_refer_to_each_other_by_name(bench: Bench) -> None:
    made = defined(
        bench,
        """
let version = 3
compute cpu = cluster("cpu-cluster")
environment scorer = image("base", conda = "conda.yml")
asset income = model("income") {
  path = "azureml://datastores/d/paths/m"
  version = version
}
asset latest = model() { path = "azureml://datastores/d/paths/m" }
endpoint nightly = batch("income-nightly")
deployment by_model = batch(nightly) {
  model = income
  environment = scorer
  compute = cpu
}
deployment by_latest = batch(nightly) { model = latest }
""",
    )
    assert list(made) == [
        "income",
        "latest",
        "nightly",
        "by_model",
        "by_latest",
    ]  # an environment without a name is none
    by_model = made["by_model"]
    assert by_model.document | {"environment": None} == {
        "name": "by-model",
        "endpoint_name": "income-nightly",
        "type": "model",
        "model": "azureml:income:3",
        "environment": None,
        "compute": "azureml:cpu-cluster",
    }
    assert [(p.where, p.sort) for p in by_model.paths] == [(("environment", "conda_file"), "conda")]
    assert made["by_latest"].document["model"] == "azureml:latest@latest"


def test_a_profile_replaces_what_definitions_are_made_of(bench: Bench) -> None:
    text = """
compute cpu = cluster("small")
deployment blue = batch("income-nightly") { compute = cpu }
profile prod { compute cpu = cluster("big") }
"""
    assert defined(bench, text)["blue"].document["compute"] == "azureml:small"
    assert defined(bench, text, "prod")["blue"].document["compute"] == "azureml:big"


def test_definitions_are_json(bench: Bench) -> None:
    made = defined(bench, 'asset people = data() {\n  path = "people.csv"\n}\n')["people"]
    document = definition_json(made, str(bench.folder))
    assert json.loads(json.dumps(document)) == {
        "kind": "data",
        "title": "people",
        "document": {"name": "people", "path": "people.csv"},
        "paths": [{"where": ["path"], "sort": "data", "path": "people.csv"}],
        "span": {"file": str(bench.folder / "main.mlp"), "start": 6, "end": 12},
    }


def test_an_environment_with_a_block_is_what_stages_run_in(bench: Bench) -> None:
    graph = bench.graph(
        """
environment e = image("base", conda = "conda.yml") {
  name = "shared"
  version = 2
}
pipeline p {
  step s using command {
    define {
      command = "true"
      environment = e
    }
  }
}
"""
    )
    environment = graph.nodes[0].component.environment
    assert (environment.name, environment.version, environment.image) == ("shared", "2", "base")
    assert environment.conda is not None


def test_a_component_whose_conda_file_is_gone_is_an_error(bench: Bench) -> None:
    (bench.folder / "gone.yml").write_text(
        "type: command\nname: gone\ncommand: echo\nenvironment: {image: base, conda_file: nowhere.yml}\n"
    )
    found, diagnostics = compile_definitions(bench.write('use "gone.yml" as gone\n'))
    assert found == ()
    assert [(d.code, d.span.text) for d in diagnostics] == [("MLP0222", '"gone.yml"')]
