"""What a Graph lowers to: the documents, told as data, and the folder as a whole."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lowering_programs as programs
import pytest
import yaml
from lowering_programs import census, component, node, project
from mlp_lang.compiler.graph import (
    Asset,
    Environment,
    FromNode,
    Graph,
    Literal,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Run,
)
from mlp_lang.lowering import BuildError, lower

Change = Callable[[Graph, Path], Graph]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("project"))


def documents(graph: Graph, out: Path | None = None) -> dict[str, Any]:
    return {
        path: yaml.safe_load(content)
        for path, content in lower(graph).files(out).items()
        if path.endswith((".yml", ".lock"))
    }


def changed(graph: Graph, name: str, **changes: object) -> Graph:
    """The Graph with some fields of one node changed."""
    nodes = tuple(n._replace(**changes) if n.name == name else n for n in graph.nodes)  # type: ignore[arg-type]
    return graph._replace(nodes=nodes)


def bind(graph: Graph, name: str, **inputs: Any) -> Graph:
    """The Graph with some inputs of one node bound anew."""
    old = dict(next(n for n in graph.nodes if n.name == name).inputs)
    return changed(graph, name, inputs=tuple({**old, **inputs}.items()))


def run(**fields: Any) -> Change:
    return lambda graph, _: changed(graph, "split", run=Run(**fields))


def pipeline_input(name: str, azure_type: str, value: Any) -> Change:
    parameter = Parameter(name, "any", azure_type)
    return lambda g, _: g._replace(inputs=(*g.inputs, PipelineInput(parameter, value)))


def component_of(graph: Graph, name: str, **changes: Any) -> Graph:
    used = next(n for n in graph.nodes if n.name == name).component
    return changed(graph, name, component=used._replace(**changes))


SPLIT = "jobs.split."
LOWERED: list[tuple[str, Change, str, Any]] = [
    ("type", lambda g, _: g, "type", "pipeline"),
    ("schema", lambda g, _: g, "$schema", "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"),
    ("default compute", lambda g, _: g, "settings.default_compute", "azureml:cpu-cluster"),
    ("serverless", lambda g, _: g._replace(default_compute="serverless"), "settings.default_compute", "serverless"),
    ("no compute said", lambda g, _: g._replace(default_compute=None), "settings.default_compute", "serverless"),
    ("experiment", lambda g, _: g._replace(experiment="e"), "experiment_name", "e"),
    ("profile", lambda g, _: g._replace(profile="prod"), "tags.mlp/profile", "prod"),
    ("own tag", lambda g, _: g, "tags.team", "data"),
    (
        "budget",
        lambda g, _: g,
        "tags.mlp/privacy/rows",
        "epsilon 1.0 of 2.0, delta 1e-06 of 1e-06 per row, neighbours replace_one",
    ),
    ("declassified", lambda g, _: g, "tags.mlp/declassified/quality/metrics", "only sums"),
    ("verdicts", lambda g, _: g, "tags.mlp/verdicts", "quality"),
    ("number", pipeline_input("n", "number", Literal(1e-5)), "inputs.n", 1e-5),
    ("boolean", pipeline_input("b", "boolean", Literal(True)), "inputs.b", True),
    ("word like a boolean", pipeline_input("s", "string", Literal("no")), "inputs.s", "no"),
    (
        "remote data",
        pipeline_input("d", "uri_file", Asset("uri_file", "azureml:census:3", False, mode="download")),
        "inputs.d",
        {"type": "uri_file", "path": "azureml:census:3", "mode": "download"},
    ),
    ("local data", lambda g, _: g, "inputs.rows", {"type": "uri_file", "path": "../../data/rows.csv"}),
    ("facts", lambda g, _: g, "inputs.rows_facts", {"type": "uri_file", "path": "./facts/rows.json"}),
    ("from input", lambda g, _: g, SPLIT + "inputs.table", "${{parent.inputs.rows}}"),
    ("from node", lambda g, _: g, "jobs.model.inputs.table", "${{parent.jobs.split.outputs.train}}"),
    ("small number", lambda g, _: g, "jobs.model.inputs.alpha", 1e-05),
    ("none as json", lambda g, _: g, "jobs.model.inputs.max_iter", "null"),
    ("union as json", lambda g, _: bind(g, "model", max_iter=Literal(50)), "jobs.model.inputs.max_iter", "50"),
    ("none left out", lambda g, _: bind(g, "split", facts=Literal(None)), SPLIT + "inputs.facts", None),
    (
        "inline asset",
        lambda g, r: bind(g, "split", table=Asset("uri_file", str(r / "data/rows.csv"), True)),
        SPLIT + "inputs.table",
        {"type": "uri_file", "path": "../../data/rows.csv"},
    ),
    (
        "gates with a bound value",
        lambda g, _: g,
        "jobs.quality.inputs.gates",
        '[{"hard": true, "text": "r2 >= bound", "condition": [">=", ["metric", "r2"], '
        '["value", "${{parent.inputs.bound}}"]]}]',
    ),
    (
        "output to pipeline",
        lambda g, _: changed(g, "model", outputs=()),
        "jobs.model.outputs.model",
        "${{parent.outputs.best}}",
    ),
    (
        "output and mode",
        lambda g, _: g,
        "jobs.model.outputs.model",
        {"mode": "upload", "path": "${{parent.outputs.best}}"},
    ),
    ("pipeline output", lambda g, _: g, "outputs.best", {"type": "mlflow_model", "name": "best"}),
    ("compute", run(compute="gpu"), SPLIT + "compute", "azureml:gpu"),
    ("serverless job", run(compute="serverless"), SPLIT + "compute", "serverless"),
    ("nodes", run(instance_count=4, shm_size="2g"), SPLIT + "resources", {"instance_count": 4, "shm_size": "2g"}),
    ("timeout", run(timeout=60), SPLIT + "limits", {"timeout": 60}),
    ("identity", run(identity="user"), SPLIT + "identity", {"type": "user_identity"}),
    ("environment variables", run(environment_variables={"A": "0"}), SPLIT + "environment_variables", {"A": "0"}),
    ("distribution", run(distribution={"type": "mpi"}), SPLIT + "distribution", {"type": "mpi"}),
    (
        "other fields",
        run(extra={"queue_settings": {"job_tier": "Spot"}}),
        SPLIT + "queue_settings",
        {"job_tier": "Spot"},
    ),
    ("after with data", lambda g, _: g, "jobs.blue.inputs.after_model", None),
    ("after", lambda g, _: g, "jobs.blue.inputs.after_quality", "${{parent.jobs.quality.outputs.metrics}}"),
    ("definitions", lambda g, _: g, "jobs.blue.inputs.definitions", "${{parent.inputs.blue_definitions}}"),
    ("description", lambda g, _: changed(g, "split", description="Apart."), SPLIT + "comment", "Apart."),
    ("title", lambda g, _: changed(g, "split", title="split[0.5]"), SPLIT + "display_name", "split[0.5]"),
    ("no further fields", lambda g, _: changed(g, "split", run=Run()), "jobs.split.compute", None),
]


@pytest.mark.parametrize(("change", "where", "expected"), [x[1:] for x in LOWERED], ids=[x[0] for x in LOWERED])
def test_pipeline(root: Path, change: Change, where: str, expected: Any) -> None:
    found = documents(change(census(root), root))["pipeline.yml"]
    for step in where.split("."):
        found = found.get(step.replace("/", "."))
        if found is None:
            break
    assert found == expected


def test_component(root: Path) -> None:
    """The section `mlp` has no way in, ranges and defaults are Azure ML's, shared code is named where it lies."""
    split = documents(census(root))["components/tabular_split/component.yml"]
    assert set(split) <= {
        "$schema", "type", "name", "version", "display_name", "description", "is_deterministic",
        "inputs", "outputs", "code", "additional_includes", "command", "environment",
    }  # fmt: skip
    assert split["inputs"] == {
        "table": {"type": "uri_file", "description": "rows to split"},
        "test_size": {"type": "number", "default": 0.2, "min": 0, "max": 1},
        "facts": {"type": "uri_file", "optional": True},
    }
    assert (split["code"], split["additional_includes"]) == ("./code", ["../common"])
    assert split["environment"] == {"image": programs.IMAGE, "conda_file": "./conda.yaml"}


@pytest.mark.parametrize(
    ("environment", "expected", "files"),
    [
        (Environment(reference="azureml:sklearn:3"), "azureml:sklearn:3", []),
        (Environment(image="i"), {"image": "i"}, []),
        (
            Environment(image="i", conda={"dependencies": ["python=3.11"]}),
            {"image": "i", "conda_file": "./conda.yaml"},
            ["components/tabular_split/conda.yaml"],
        ),
        (
            Environment(build_context="components/ridge", dockerfile="Dockerfile"),
            {"build": {"path": "./context", "dockerfile_path": "Dockerfile"}},
            ["components/tabular_split/context/train.py"],
        ),
    ],
)
def test_environments(root: Path, environment: Environment, expected: Any, files: list[str]) -> None:
    if environment.build_context:
        environment = environment._replace(build_context=str(root / environment.build_context))
    graph = component_of(census(root), "split", environment=environment)
    built = lower(graph).files()
    assert yaml.safe_load(built["components/tabular_split/component.yml"])["environment"] == expected
    assert set(files) <= set(built)


def test_deployment(root: Path) -> None:
    """A deployment's folder is complete in itself."""
    built = documents(census(root))
    folder = "deployments/scoring/blue/"
    deployment = built[folder + "deployment.yml"]
    assert deployment["endpoint_name"] == "census-scoring" == built[folder + "endpoint.yml"]["name"]
    assert deployment["model"] == "azureml:census-model@latest"
    assert deployment["code_configuration"] == {"code": "./scoring", "scoring_script": "score.py"}
    assert (deployment["instance_type"], deployment["instance_count"]) == ("Standard_DS3_v2", 1)
    assert built["endpoints/scoring.yml"] == built[folder + "endpoint.yml"]
    assert {folder + "scoring/score.py", folder + "conda.yaml"} <= set(lower(census(root)).files())
    assert built["pipeline.yml"]["inputs"]["blue_definitions"] == {"type": "uri_folder", "path": "./" + folder[:-1]}


def test_schedule(root: Path) -> None:
    schedule = documents(census(root))["schedules/nightly.yml"]
    assert schedule["trigger"] == {"type": "cron", "expression": "0 2 * * *"}
    assert schedule["create_job"] == {"type": "pipeline", "job": "../pipeline.yml", "inputs": {"bound": 0.5}}


def test_facts_keep_the_order_of_columns(root: Path) -> None:
    built = lower(census(root)).files()
    assert json.loads(built["facts/rows.json"])["schema"]["properties"] == {"age": {}}


def chain(root: Path, count: int, **changes: Any) -> Graph:
    """A chain of `count` nodes over one component."""
    step = component(
        root, "split", "step", [programs.table("table")], [OutputPort("out", "table", "uri_file")],
        "python split.py --table ${{inputs.table}} --out ${{outputs.out}}",
    )._replace(**changes)  # fmt: skip
    graph = census(root)
    nodes: list[Node] = [node(root, 4, "prepare", "s0", step, table=programs.FromInput("rows"))]
    nodes += [
        node(root, 4, "prepare", f"s{i}", step._replace(), table=FromNode(f"s{i - 1}", "out")) for i in range(1, count)
    ]
    return graph._replace(
        nodes=tuple(nodes), outputs=(), facts=(), endpoints=(), schedules=(), inputs=graph.inputs[1:2]
    )


def test_a_component_is_emitted_once(root: Path) -> None:
    """Same interface, same definition: one folder, however many nodes and Component objects there are."""
    built = lower(chain(root, 50)).files()
    assert [p for p in built if p.endswith("component.yml")] == ["components/step/component.yml"]
    assert b"From census.mlp:4.\n" in built["components/step/component.yml"]


def test_different_interfaces_are_different_components(root: Path) -> None:
    """Over the same code, which is copied once."""
    graph = chain(root, 3)
    one = graph.nodes[1].component
    extra = (*one.inputs, Parameter("n", "int", "integer", default=1, has_default=True))
    graph = changed(graph, "s1", component=one._replace(inputs=extra))
    built = lower(graph).files()
    assert [p for p in built if p.endswith("component.yml")] == [
        "components/step/component.yml",
        "components/step_2/component.yml",
    ]
    second = yaml.safe_load(built["components/step_2/component.yml"])
    assert (second["name"], second["code"]) == ("step_2", "../step/code")
    assert [p for p in built if p.endswith("split.py")] == ["components/step/code/split.py"]


def test_no_name_leads_out_of_the_build(root: Path, tmp_path: Path) -> None:
    """Names come from files that others wrote."""
    graph = component_of(census(root), "split", azure_name="../../../escaped")
    target = lower(graph).write(tmp_path / "out")
    assert (target / "components/_________escaped/component.yml").is_file()
    for stray in (
        graph._replace(name="../up"),
        graph._replace(schedules=(graph.schedules[0]._replace(name="../../x"),)),
    ):
        with pytest.raises(BuildError, match="outside of the build"):
            lower(stray).write(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_after_a_stage_without_outputs(root: Path) -> None:
    """The awaited stage gets an output that nothing writes to and nothing reads."""
    graph = census(root)
    late = node(root, 4, "prepare", "late", graph.nodes[0].component, table=programs.FromInput("rows"))
    graph = graph._replace(nodes=(*graph.nodes, late._replace(after=("blue",))))
    built = documents(graph)
    deploying = built["pipeline.yml"]["jobs"]["blue"]["component"]
    assert built[deploying.removeprefix("./")]["outputs"]["done"]["type"] == "uri_folder"
    assert built["pipeline.yml"]["jobs"]["late"]["inputs"]["after_blue"] == "${{parent.jobs.blue.outputs.done}}"
    assert built["pipeline.yml"]["jobs"]["split"]["component"] != built["pipeline.yml"]["jobs"]["late"]["component"]


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        (
            lambda g, _: component_of(
                g, "blue", origin="registered", reference="azureml:remote:1", code=None, includes=()
            ),
            "MLP0801",
            "error",
        ),
        (pipeline_input("n", "number", None), "MLP0802", "warning"),
        (lambda g, r: component_of(g, "split", code="nowhere"), "MLP0803", "error"),
        (lambda g, r: component_of(g, "split", includes=("../nowhere",)), "MLP0803", "error"),
        (
            lambda g, _: g._replace(
                outputs=(*g.outputs, PipelineOutput("b", "model", "mlflow_model", g.outputs[0].source))
            ),
            "MLP0804",
            "error",
        ),
        (run(retries=2), "MLP0805", "warning"),
    ],
)
def test_what_azure_cannot_express(root: Path, change: Change, code: str, severity: str) -> None:
    build = lower(change(census(root), root))
    assert [(d.code, d.severity.value) for d in build.diagnostics] == [(code, severity)]
    if severity == "error":
        with pytest.raises(BuildError, match=code):
            build.files()


def test_every_file_says_where_it_came_from(root: Path) -> None:
    built = lower(census(root)).files()
    for path, content in built.items():
        if path.endswith(".yml"):
            assert b"# From census.mlp:" in content, path
    pipeline = built["pipeline.yml"].decode()
    for comment in ("# census.mlp:5 train model using sklearn.ridge\n  model:", "# census.mlp:3 table\n  rows:"):
        assert comment in pipeline


def test_lock_names_all_that_went_in(root: Path) -> None:
    built = lower(census(root)).files()
    lock = yaml.safe_load(built["mlp.lock"])
    assert set(lock["files"]) == set(built) - {"mlp.lock"}
    assert set(lock["sources"]) == {"census.mlp"}
    assert lock["components"]["tabular_split"]["from"] == "components/split/component.yml"
    assert set(lock["schemas"]) == {"rows"}


def test_no_junk_travels(root: Path) -> None:
    assert not [p for p in lower(census(root)).files() if "__pycache__" in p or p.endswith("code/component.yml")]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("*.txt\n!keep.txt\n", ["component.yml", "keep.txt", "sub/a.py"]),
        ("sub/\n", ["component.yml", "drop.txt", "keep.txt"]),
        ("/sub/a.*\n**/*.txt", ["component.yml"]),
        ("# nothing\n\n[unclosed\n", ["component.yml", "drop.txt", "keep.txt", "sub/a.py"]),
    ],
)
def test_ignored_code_stays_behind(tmp_path: Path, ignore: str, left: list[str]) -> None:
    from mlp_lang.lowering.files import collect

    for name in ("component.yml", "keep.txt", "drop.txt", "sub/a.py", "build/x/mlp.lock", "build/x/big.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".amlignore").write_text(ignore)
    (tmp_path / "out").symlink_to("/")
    (tmp_path / "round").symlink_to(tmp_path)
    assert [p for p in collect(str(tmp_path)) if p != ".amlignore"] == left


# --- the same bytes ---------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lowering_programs import census
from mlp_lang.lowering import lower
lower(census(Path(sys.argv[2]))).write(Path(sys.argv[3]))
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("cwd", "environment"),
    [
        (".", {"PYTHONHASHSEED": "1"}),
        ("data", {"PYTHONHASHSEED": "2", "LC_ALL": "C"}),
        ("/", {"PYTHONHASHSEED": "3", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"}),
    ],
)
def test_same_bytes_whatever_the_surroundings(
    root: Path, tmp_path: Path, cwd: str, environment: dict[str, str]
) -> None:
    """Another machine's folder, working directory, locale, hash seed and time zone leave no trace."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("build"))
    command = [sys.executable, "-c", SCRIPT, str(Path(programs.__file__).parent), str(copy), str(copy / "build")]
    subprocess.run(command, cwd=copy / cwd, env={**os.environ, **environment}, check=True)
    expected = lower(census(root)).files(root / "build")
    assert tree(copy / "build/census") == expected
    assert not [c for c in expected.values() if str(root).encode() in c or b"\r" in c]


# --- whole or not at all ----------------------------------------------------------------------------------------------


def test_a_build_replaces_a_build_and_nothing_else(root: Path, tmp_path: Path) -> None:
    target = lower(census(root)).write(tmp_path)
    (target / "stale.txt").write_text("old")
    assert lower(census(root)).write(tmp_path) == target == tmp_path / "census"
    assert not (target / "stale.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["census"]


@pytest.mark.parametrize("kind", ["folder", "file", "link", "lock of somebody else"])
def test_what_is_not_ours_stays(root: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out/census"
    target.parent.mkdir()
    match kind:
        case "file":
            target.write_text("mine")
        case "link":
            (tmp_path / "real").mkdir()
            target.symlink_to(tmp_path / "real")
        case _:
            target.mkdir()
            (target / ("mlp.lock" if "lock" in kind else "thesis.tex")).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(BuildError, match="choose another output folder"):
        lower(census(root)).write(target.parent)
    assert tree(tmp_path) == before


def test_a_failing_write_leaves_the_old_build(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(census(root)).write(tmp_path)
    before = tree(tmp_path)

    def fail(source: str, target: str) -> None:
        if source.endswith(".new"):
            raise OSError(28, "No space left on device")
        real(source, target)

    real = os.rename
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(BuildError, match="No space left"):
        lower(census(root)._replace(description="new")).write(tmp_path)
    assert tree(tmp_path) == before


def test_an_unreadable_file_is_told(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    build = lower(census(copy))
    (copy / "components/split/split.py").unlink()
    with pytest.raises(BuildError, match=r"cannot read .*split\.py"):
        build.write(tmp_path / "out")
    assert not (tmp_path / "out/census").exists()
