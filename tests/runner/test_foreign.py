"""Pipelines, jobs and components in Azure ML's YAML run as they are, with local copies of what a workspace has."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import Graph
from mlp_lang.decompiler import compile_yaml
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import display_path
from mlp_lang.runner import RunResult
from mlp_lang.runner.elsewhere import at_home
from mlp_lang.runner.local import HERE, NOTHING, Local, line, read_local

from runner.hand_made import states

FOREIGN = Path(__file__).parent / "foreign"
Go = Callable[..., RunResult]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of the projects in `foreign/`: what runs must not leave anything there."""
    return Path(shutil.copytree(FOREIGN, tmp_path / "projects"))


def local_for(file: Path, *words: str) -> Local:
    local, problems = read_local(str(file.parent), words)
    assert not problems, problems
    return local


def graph_of(file: Path, local: Local, **params: str) -> Graph:
    made = compile_yaml(file, params=params, registered=local.component)
    assert len(made.graphs) == 1, made.diagnostics
    return made.graphs[0]


def start(go: Go, file: Path, *words: str, data: dict[str, str] | None = None, **params: str) -> RunResult:
    local = local_for(file, *words)
    return go(graph_of(file, local, **params), local=local, data=data)


def output(result: RunResult, step: str, port: str) -> Path:
    assert result.status == "completed", result.diagnostics
    return Path(result.steps[step].outputs[port])


def codes(found: tuple[Diagnostic, ...]) -> list[tuple[str, int]]:
    """Code and line of each."""
    return [(d.code, d.span.source.position(d.span.start)[0]) for d in found]


# --- whole projects -----------------------------------------------------------------------------------------------


def test_a_pipeline_with_mapped_data_and_a_mapped_component_runs_unchanged(go: Go, place: Path) -> None:
    result = start(go, place / "taxi" / "pipeline.yml")
    assert states(result) == {"prep": "completed", "train": "completed", "judge": "completed"}
    report = json.loads(output(result, "judge", "report").read_text())
    assert report == {
        "slope": 2.0,
        "rate": 0.5,
        "start": 0,
        "name": "line",
        "bound": None,
        "variable": "line",
        "plain": "plain words",
    }
    assert (place / "taxi" / "data" / "trips" / "b.csv").exists()  # the step deleted what it had downloaded
    assert Path(result.folder, "outputs", "model", "line.json").exists()


def test_inputs_can_be_given_other_values(go: Go, place: Path) -> None:
    data = {"trips": str(place / "taxi" / "data" / "trips" / "2023")}
    result = start(go, place / "taxi" / "pipeline.yml", data=data, rate="0.25", model_name="bent")
    report = json.loads(output(result, "judge", "report").read_text())
    assert (report["rate"], report["name"], report["variable"]) == (0.25, "bent", "bent")
    log = Path(result.folder, "steps", "prep", "log.txt").read_text()
    assert log.split() == ["2", "trips"]


def test_tables_shells_and_files_of_the_web(go: Go, place: Path) -> None:
    result = start(go, place / "tables" / "pipeline.yml")
    assert output(result, "show", "out").read_text() == "hello\n"
    assert (output(result, "count_rows", "counted") / "count.txt").read_text().strip() == "3"


def test_values_arrive_whole_and_spelled_as_azure_spells_them(go: Go, place: Path) -> None:
    result = start(go, place / "flags" / "pipeline.yml")
    assert json.loads(output(result, "alone", "kept").read_text()) == [
        *("--greeting", "hello; rm -rf $HOME 'x'", "--number", "1e-08", "--many", "3", "--flag", "True"),
        *("--standard", "2.5"),
    ]


def test_a_job_that_runs_a_pipeline_component_runs_what_the_component_holds(go: Go, tmp_path: Path) -> None:
    (tmp_path / "inner.yml").write_text("""
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: greeting
inputs: {word: {type: string, default: hello}, whom: {type: string, default: you}}
outputs: {said: {type: uri_file}}
jobs:
  say:
    type: command
    command: echo ${{inputs.word}} ${{inputs.whom}} > ${{outputs.said}}
    environment: {image: any}
    inputs: {word: "${{parent.inputs.word}}", whom: "${{parent.inputs.whom}}"}
    outputs: {said: "${{parent.outputs.said}}"}
""")
    file = tmp_path / "job.yml"
    file.write_text("""
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
component: inner.yml
inputs: {word: good day}
""")
    result = start(go, file)
    assert states(result) == {"greeting.say": "completed"}
    assert output(result, "greeting.say", "said").read_text() == "good day you\n"
    assert Path(result.folder, "outputs", "said").read_text() == "good day you\n"


# --- what stands alone --------------------------------------------------------------------------------------------

JOB = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
name: greet_{}
experiment_name: greetings
command: echo ${{inputs.word}} $(cat ${{inputs.file}}) > ${{outputs.said}}
inputs:
  word: hello
  file: {type: uri_file, path: who.txt}
outputs:
  said: {type: uri_file}
environment: {image: any}
compute: azureml:cpu
""".replace("_{}", "")


def test_a_job_alone_is_a_pipeline_of_it(go: Go, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(JOB)
    (tmp_path / "who.txt").write_text("you")
    (tmp_path / "others.txt").write_text("all")
    assert output(start(go, tmp_path / "job.yml"), "greet", "said").read_text() == "hello you\n"
    other = start(go, tmp_path / "job.yml", data={"file": str(tmp_path / "others.txt")}, word="bye")
    assert output(other, "greet", "said").read_text() == "bye all\n"
    assert graph_of(tmp_path / "job.yml", local_for(tmp_path / "job.yml")).experiment == "greetings"


def test_a_component_alone_takes_its_inputs_from_the_call(go: Go, place: Path) -> None:
    component = place / "taxi" / "prep" / "prep.yml"
    data = {"raw": str(place / "taxi" / "data" / "trips")}
    result = start(go, component, data=data, drop_missing="true")
    assert states(result) == {"prep_taxi": "completed"}
    assert Path(result.folder, "outputs", "clean", "trips.csv").exists()
    lacking = start(go, component)
    assert [(d.code, d.span.source.path) for d in lacking.diagnostics] == [("MLP0907", "projects/taxi/prep/prep.yml")]


def test_a_pipeline_component_alone(go: Go, tmp_path: Path) -> None:
    text = "type: pipeline\nname: p\ninputs:\n  n: {type: integer, default: 2}\njobs:\n  a:\n    type: command\n"
    text += "    command: echo ${{inputs.n}} > ${{outputs.o}}\n    environment: {image: any}\n"
    text += "    inputs: {n: '${{parent.inputs.n}}'}\n    outputs: {o: {type: uri_file}}\n"
    (tmp_path / "p.yml").write_text(text)
    assert output(start(go, tmp_path / "p.yml"), "a", "o").read_text() == "2\n"
    assert output(start(go, tmp_path / "p.yml", n="5"), "a", "o").read_text() == "5\n"


# --- what is not here ---------------------------------------------------------------------------------------------


def test_what_is_not_mapped_is_refused_before_anything_runs(go: Go, place: Path, tmp_path: Path) -> None:
    """One diagnostic for each sort of thing, at the YAML's line, with the lines that map it."""
    (place / "taxi" / "mlp.toml").unlink()
    result = start(go, place / "taxi" / "pipeline.yml")
    assert result.status == "failed" and not result.steps and not (tmp_path / "home").exists()
    assert codes(result.diagnostics) == [("MLP0906", 12), ("MLP0910", 30)]
    data, component = result.diagnostics
    assert data.help.split("\n")[1:] == ["[local-data]", '"azureml:taxi_trips:1" = "data/taxi_trips"']
    assert '"azureml:fit_line@latest" = "components/fit_line/component.yml"' in component.help
    taxi = place / "taxi"
    words = (f"azureml:taxi_trips={taxi}/data/trips", f"azureml:fit_line={taxi}/train/component.yml")
    assert start(go, taxi / "pipeline.yml", *words).status == "completed"


def test_files_of_the_web_are_not_fetched(go: Go, place: Path) -> None:
    (place / "tables" / "mlp.toml").unlink()
    errors = [d for d in start(go, place / "tables" / "pipeline.yml").diagnostics if d.severity is Severity.ERROR]
    assert codes(tuple(errors)) == [("MLP0906", 39)] and "nothing from the web" in errors[0].notes[0]


def test_an_environment_that_is_not_known_is_only_said(go: Go, place: Path) -> None:
    file = place / "taxi" / "pipeline.yml"
    assert codes(start(go, file).diagnostics) == [("MLP0971", 30)]
    (place / "taxi" / "mlp.toml").open("a").write(f'\n[local-environments]\n"azureml://registries/*" = "{HERE}"\n')
    assert start(go, file).diagnostics == ()
    (place / "taxi" / "needs.txt").write_text("no-such-package-anywhere>=2  # said\n")
    words = f"azureml://registries/azureml/environments/sklearn-1.5={place}/taxi/needs.txt"
    (found,) = start(go, file, words).diagnostics
    assert found.code == "MLP0904" and "no-such-package-anywhere" in found.message


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (("type: command\n    component: ./prep", "type: command\n    compnent: ./prep"), []),
        (("raw: ${{parent.inputs.trips}}", "rwa: ${{parent.inputs.trips}}"), [("MLP0817", 25)]),
        (("${{parent.inputs.rate}}", "many"), [("MLP0204", 35)]),
    ],
)
def test_what_the_compiler_says_is_said_of_the_yaml(
    place: Path, edit: tuple[str, str], found: list[tuple[str, int]]
) -> None:
    file = place / "taxi" / "pipeline.yml"
    file.write_text(file.read_text().replace(*edit))
    made = compile_yaml(file, registered=local_for(file).component)
    assert {d.span.source.path for d in made.diagnostics} <= {display_path(file)}
    assert set(found) <= set(codes(tuple(made.diagnostics)))
    assert not any("as a program" in text for d in made.diagnostics for text in (d.message, d.help, *d.notes))


def test_every_part_of_a_graph_knows_its_place_in_the_yaml(place: Path) -> None:
    file = place / "taxi" / "pipeline.yml"
    graph = graph_of(file, local_for(file))
    places = {n.name: n.span.text for n in graph.nodes if n.span}
    places |= {i.parameter.name: i.span.text for i in graph.inputs if i.span}
    assert all(places[name] == name for name in ("prep", "train", "judge", "trips", "rate", "model_name"))
    lines = file.read_text().split("\n")
    for node in graph.nodes:
        assert node.span is not None
        assert lines[node.span.source.position(node.span.start)[0] - 1] == f"  {node.name}:"


# --- mappings -----------------------------------------------------------------------------------------------------

TABLE = """
[local-data]
"azureml:rows:1" = "a.csv"
"azureml:rows" = "b.csv"
"azureml://datastores/raw/paths/*" = "folder"
"azureml://datastores/raw/paths/deep/*" = "folder/deep"
"wasbs://c@account.blob.core.windows.net/" = "folder"

[local-environments]
"azureml:tools@latest" = "installed"
"azureml:AzureML-*" = "a.csv"

[other]
x = 1
"""


@pytest.mark.parametrize(
    ("section", "address", "found"),
    [
        ("data", "azureml:rows:1", "a.csv"),
        ("data", "azureml:rows:2", "b.csv"),
        ("data", "azureml:rows@latest", "b.csv"),
        ("data", "azureml:other:1", None),
        ("data", "azureml://datastores/raw/paths/x/y.csv", "folder/x/y.csv"),
        ("data", "azureml://datastores/raw/paths/", "folder"),
        ("data", "azureml://datastores/raw/paths/deep/z", "folder/deep/z"),
        ("data", "azureml://datastores/raw/paths/../../secret", None),
        ("data", "azureml://datastores/raw/paths/link/secret", None),
        ("data", "wasbs://c@account.blob.core.windows.net/", "folder"),
        ("components", "azureml:rows:1", None),
        ("environments", "azureml:tools@latest", HERE),
        ("environments", "azureml:tools/labels/latest", HERE),
        ("environments", "azureml:AzureML-sklearn@latest", "a.csv"),
    ],
)
def test_what_stands_for_an_address(tmp_path: Path, section: str, address: str, found: str | None) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to(tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    (tmp_path / "mlp.toml").write_text(TABLE)
    (tmp_path / "below").mkdir()
    mapped = local_for(tmp_path / "below" / "x.yml").find(section, address)
    wanted = found if found in (None, HERE) else str(tmp_path / str(found))
    assert (mapped and mapped.path.rstrip("/")) == wanted


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("[local-data]\nx = ", 2, "cannot read"),
        ('[local-dta]\n"azureml:a:1" = "x"', 1, "no section"),
        ('local-data = "x"', 1, "must be a table"),
        ('[local-data]\n"azureml:a:1" = 3', 2, "in quotes"),
        ('[local-data]\n"azureml:a:1" = "nowhere"', 2, "does not exist"),
        ('[local-data]\n"azureml:*" = "mlp.toml"', 2, "no folder"),
    ],
)
def test_a_mapping_that_cannot_be(tmp_path: Path, text: str, at: int, said: str) -> None:
    (tmp_path / "mlp.toml").write_text(text)
    _, (found,) = read_local(str(tmp_path))
    assert codes((found,)) == [("MLP0970", at)] and said in found.message


def test_words_of_the_call_win(tmp_path: Path) -> None:
    (tmp_path / "mlp.toml").write_text('[local-data]\n"azureml:a:1" = "mlp.toml"\n')
    local, _ = read_local(str(tmp_path), [f"azureml:a:1={tmp_path}"])
    found = local.find("data", "azureml:a:1")
    assert found is not None and found.path == str(tmp_path)
    _, (wrong,) = read_local(str(tmp_path), ["azureml:a:1"])
    assert wrong.code == "MLP0970" and wrong.span.text == "azureml:a:1"


def test_the_line_to_write_is_toml_whatever_the_address() -> None:
    import tomllib

    for address in ("azureml:a:1", 'x"y\\z://\u00e9', "azureml://registries/r/components/c/versions/1"):
        assert list(tomllib.loads(line("components", address))) == [address]


def test_an_address_may_be_given_to_a_step_as_text(go: Go, tmp_path: Path) -> None:
    text = "type: pipeline\njobs:\n  a:\n    type: command\n    command: echo ${{inputs.d}} > ${{outputs.o}}\n"
    text += "    environment: {image: any}\n    outputs: {o: {type: uri_file}}\n"
    text += "    inputs: {d: {type: uri_folder, path: 'azureml:d:1', mode: direct}}\n"
    (tmp_path / "p.yml").write_text(text)
    assert output(start(go, tmp_path / "p.yml"), "a", "o").read_text() == "azureml:d:1\n"


@pytest.mark.slow
def test_what_people_wrote_becomes_a_graph_or_is_told_why_not(corpus: Path) -> None:
    """Every pipeline, job and component of the corpus; what of it is not here is told at its line."""
    graphs = 0
    for file in sorted(corpus.glob("cli/jobs/**/*.yml")):
        made = compile_yaml(file)
        if not made.graphs:
            assert made.diagnostics or made.definitions, file
            continue
        graphs += 1
        nodes = frozenset(node.name for node in made.graphs[0].nodes)
        _, found = at_home(made.graphs[0], NOTHING, nodes)
        assert {d.code for d in found} <= {"MLP0906", "MLP0910", "MLP0970", "MLP0971"}, file
        assert all(d.span.end > d.span.start for d in found), file
    assert graphs > 100
