"""`mlp import` as a process: what it writes, where, and what it never writes over."""

import json
from pathlib import Path

import pytest
from cli_programs import Mlp

GOOD = "type: pipeline\ndisplay_name: p\njobs:\n  a: {component: azureml:c:1, odd: 1}\n"
PROGRAM = 'use "azureml:c:1" as c\n\npipeline p {\n  step a using c {\n    azureml { odd = 1 }\n  }\n}\n'
SERVING = {
    "serving/serving.yml": GOOD,
    "serving/component.yml": "$schema: x/commandComponent.schema.json\ntype: command\nname: c\ncommand: echo\n",
    "serving/endpoint.yml": "$schema: x/managedOnlineEndpoint.schema.json\nname: scoring\nauth_mode: key\n",
    "serving/blue.yml": "$schema: x/managedOnlineDeployment.schema.json\nname: blue\nendpoint_name: scoring\n"
    "model: azureml:m:1\ninstance_type: Standard_DS3_v2\ninstance_count: 1\nodd: 1\n",
}


@pytest.fixture
def jobs(folder: Path) -> Path:
    """A folder of two pipelines, and of things that are none."""
    for name, text in {"a/one.yml": GOOD, "two.yaml": GOOD, "component.yml": "type: command\n", "x.txt": GOOD}.items():
        path = folder / "jobs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "jobs"


def test_one_file_goes_to_standard_output(mlp: Mlp, jobs: Path) -> None:
    for arguments in (["import", "jobs/two.yaml"], ["import", "jobs/two.yaml", "-o", "-"]):
        done = mlp(*arguments)
        assert (done.returncode, done.stdout) == (0, PROGRAM)
        assert done.stderr == "jobs/two.yaml:4: azureml: job a: odd\n"


def test_a_file_is_written_once_and_over_only_by_force(mlp: Mlp, jobs: Path) -> None:
    assert mlp("import", "jobs/two.yaml", "-o", "deep/p.mlp").returncode == 0
    target = jobs.parent / "deep/p.mlp"
    assert target.read_text() == PROGRAM
    target.write_text("mine")
    done = mlp("import", "jobs/two.yaml", "-o", "deep/p.mlp")
    assert (done.returncode, target.read_text()) == (1, "mine")
    assert "--force" in done.stderr
    assert mlp("import", "jobs/two.yaml", "-o", "deep/p.mlp", "--force").returncode == 0
    assert target.read_text() == PROGRAM
    assert mlp("check", "deep/p.mlp").returncode == 0


def test_a_folder_keeps_its_layout(mlp: Mlp, jobs: Path) -> None:
    done = mlp("import", "jobs", "-o", "out")
    assert done.returncode == 0
    assert sorted(p.relative_to(jobs.parent).as_posix() for p in (jobs.parent / "out").rglob("*.mlp")) == [
        "out/a/one.mlp",
        "out/two.mlp",
    ]
    assert done.stderr.endswith("2 of 2 pipelines written; 2 fields in azureml blocks\n")
    assert mlp("import", "jobs").returncode == 0
    assert (jobs / "a/one.mlp").read_text() == PROGRAM


def test_a_report_for_scripts(mlp: Mlp, jobs: Path) -> None:
    (jobs / "bad.yml").write_text("type: pipeline\njobs: {a: 3}\n")
    (jobs / "bad2.yml").write_text("type: pipeline\njobs:\n  a: 3\n")
    done = mlp("import", "jobs", "-o", "out", "--format", "json")
    assert done.returncode == 1
    files = {f["source"]: f for f in json.loads(done.stdout)["files"]}
    assert files["jobs/two.yaml"] == {
        "source": "jobs/two.yaml",
        "target": "out/two.mlp",
        "pipelines": ["p"],
        "definitions": [],
        "escapes": [{"where": "a", "field": "odd", "line": 4}],
        "diagnostics": [],
    }
    assert files["jobs/bad2.yml"]["target"] is None
    assert files["jobs/bad2.yml"]["diagnostics"]


def test_definitions_of_a_folder_are_one_program(mlp: Mlp, folder: Path) -> None:
    """A pipeline beside them stays a program of its own; what they name is named by its declaration."""
    for name, text in SERVING.items():
        path = folder / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = mlp("import", "all", "-o", "out", "--format", "json")
    files = {f["target"]: f for f in json.loads(done.stdout)["files"]}
    assert done.returncode == 0
    assert {t: f["source"] for t, f in files.items()} == {
        "out/serving/serving.mlp": "all/serving/serving.yml",
        "out/serving/serving_definitions.mlp": "all/serving",
    }
    made = files["out/serving/serving_definitions.mlp"]
    assert [(d["source"], d["kind"]) for d in made["definitions"]] == [
        ("all/serving/blue.yml", "managed"),
        ("all/serving/endpoint.yml", "online"),
    ]
    assert made["escapes"] == [{"where": "blue", "field": "odd", "line": 7, "source": "all/serving/blue.yml"}]
    text = (folder / "out/serving/serving_definitions.mlp").read_text()
    assert "deployment blue = managed(scoring) {" in text
    done = mlp("import", "all", "-o", "out")
    assert done.returncode == 1
    assert "all/serving/blue.yml:7: azureml: blue: odd\n" in done.stderr
    assert done.stderr.endswith(
        "0 of 1 pipelines, 0 of 2 definitions written, 2 there already; 2 fields in azureml blocks\n"
    )
    done = mlp("import", "all", "-o", "out", "--force")
    assert done.stderr.endswith("1 of 1 pipelines, 2 of 2 definitions written; 2 fields in azureml blocks\n")


def test_one_definition_is_a_program(mlp: Mlp, folder: Path) -> None:
    (folder / "endpoint.yml").write_text(SERVING["serving/endpoint.yml"])
    done = mlp("import", "endpoint.yml")
    assert (done.returncode, done.stdout) == (0, 'endpoint scoring = online("scoring") {\n  auth = key\n}\n')
    (folder / "endpoint.yml").write_text("$schema: x/batchEndpoint.schema.json\nname: [\n")
    done = mlp("import", ".", "-o", "out")
    assert (done.returncode, "MLP0810" in done.stderr, (folder / "out").exists()) == (1, True, False)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["jobs", "-o", "-"], 2, "standard output"),
        (["jobs", "-o", "good.mlp"], 2, "is a file"),
        (["jobs/two.yaml", "-o", "jobs"], 2, "is a folder"),
        (["jobs/two.yaml", "-o", "good.mlp/x.mlp"], 1, "good.mlp"),
        (["jobs/component.yml"], 1, "MLP0870"),
        (["jobs/a/absent.yml"], 2, "does not exist"),
        (["good.mlp"], 1, "MLP08"),
    ],
)
def test_what_cannot_be_imported(mlp: Mlp, jobs: Path, arguments: list[str], code: int, said: str) -> None:
    before = {p: p.read_bytes() for p in jobs.parent.rglob("*") if p.is_file()}
    done = mlp("import", *arguments)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in jobs.parent.rglob("*") if p.is_file()} == before
