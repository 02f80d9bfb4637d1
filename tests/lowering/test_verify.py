"""The judge of builds: a real one is accepted without a remark, each single corruption is refused with its own code."""

import shutil
from pathlib import Path

import pytest
import yaml
from lowering_programs import census, project
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.lowering import lower
from mlp_lang.lowering.checker import check_folder
from mlp_lang.lowering.checker.document import Findings
from mlp_lang.lowering.checker.pipelines import check_pipeline
from mlp_lang.lowering.emit import emit
from mlp_lang.lowering.lock import LOCK_HEADER, digest
from mlp_lang.lowering.verify import verify


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = project(tmp_path_factory.mktemp("project"))
    return lower(census(root)).write(root / "build")


def relock(folder: Path) -> None:
    """Write the digests anew, so that a corruption is found for what it is."""
    lock = yaml.safe_load((folder / "mlp.lock").read_text())
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "mlp.lock"]
    lock["files"] = {p.relative_to(folder).as_posix(): digest(p.read_bytes()) for p in files}
    (folder / "mlp.lock").write_text(emit(lock, LOCK_HEADER))


PIPELINE = "pipeline.yml"
SPLIT = "components/tabular_split/component.yml"
RIDGE = "components/sklearn_ridge/component.yml"
DEPLOYMENT = "deployments/scoring/blue/deployment.yml"
ENDPOINT = "endpoints/scoring.yml"
SCHEDULE = "schedules/nightly.yml"

# name, file, what is there, what takes its place (None: the file goes), the codes that mlp finds, the line blamed
MUTATIONS: list[tuple[str, str, str, str | None, set[str], str]] = [
    ("no YAML", PIPELINE, "settings:\n", "settings: [\n", {"MLP0810"}, ""),
    ("key twice", PIPELINE, "type: pipeline\n", "type: pipeline\ntype: pipeline\n", {"MLP0811"}, "type: pipeline"),
    (
        "unknown field of a node", PIPELINE, "    compute: azureml:gpu\n",
        "    computer: azureml:gpu\n", {"MLP0812"}, "computer",
    ),
    ("unknown field of the pipeline", PIPELINE, "settings:\n", "seting: 1\nsettings:\n", {"MLP0812"}, "seting"),
    ("unknown field of a component", SPLIT, "code: ./code", "mlp:\n  verbs: [a]\ncode: ./code", {"MLP0812"}, "mlp:"),
    (
        "unknown setting", PIPELINE, "  default_compute:",
        "  default_computer:", {"MLP0812"}, "default_computer",
    ),
    ("no environment", RIDGE, "environment:\n", "tags:\n", {"MLP0813"}, "$schema"),
    ("word of no vocabulary", PIPELINE, "type: managed_identity", "type: manged", {"MLP0814"}, "type: manged"),
    ("timeout that is no number", PIPELINE, "timeout: 7200", "timeout: 2h", {"MLP0814"}, "timeout: 2h"),
    (
        "component file missing", PIPELINE, "sklearn_ridge/component.yml",
        "sklearn_rdge/component.yml", {"MLP0815"}, "sklearn_rdge",
    ),
    ("code missing", SPLIT, "code: ./code", "code: ./cod", {"MLP0815"}, "code: ./cod"),
    ("shared code missing", SPLIT, "- ../common", "- ../commn", {"MLP0815"}, "../commn"),
    ("conda file missing", SPLIT, "conda_file: ./conda.yaml", "conda_file: ./c.yaml", {"MLP0815"}, "./c.yaml"),
    ("facts missing", "facts/rows.json", "", None, {"MLP0815"}, "path: ./facts/rows.json"),
    ("data missing", PIPELINE, "data/rows.csv", "data/row.csv", {"MLP0815"}, "data/row.csv"),
    ("scoring script missing", "deployments/scoring/blue/scoring/score.py", "", None, {"MLP0815"}, "score.py"),
    (
        "dangling job", PIPELINE, "parent.jobs.split.outputs.train",
        "parent.jobs.splt.outputs.train", {"MLP0816"}, "splt",
    ),
    (
        "dangling port", PIPELINE, "parent.jobs.split.outputs.train",
        "parent.jobs.split.outputs.trian", {"MLP0816"}, "trian",
    ),
    ("dangling input", PIPELINE, "parent.inputs.rows}", "parent.inputs.row}", {"MLP0816"}, "inputs.row}"),
    (
        "dangling in a text", PIPELINE, "\"${{parent.inputs.bound}}\"",
        "\"${{parent.inputs.bond}}\"", {"MLP0816"}, "gates",
    ),
    ("dangling output", PIPELINE, "parent.outputs.best", "parent.outputs.bst", {"MLP0816"}, "bst"),
    ("schedule of an unknown input", SCHEDULE, "bound: 0.5", "bond: 0.5", {"MLP0816"}, "bond"),
    (
        "unknown component input", PIPELINE, "      alpha: 1.0e-05\n",
        "      alpha: 1.0e-05\n      beta: 1\n", {"MLP0817"}, "beta",
    ),
    (
        "unknown component output", PIPELINE, "    outputs:\n      model:",
        "    outputs:\n      modl:", {"MLP0817"}, "modl",
    ),
    ("required input missing", PIPELINE, "      alpha: 1.0e-05\n", "", {"MLP0818"}, "inputs:"),
    ("value that is no number", PIPELINE, "alpha: 1.0e-05", "alpha: much", {"MLP0819"}, "alpha: much"),
    ("number out of range", PIPELINE, "alpha: 1.0e-05", "alpha: -1", {"MLP0819"}, "alpha: -1"),
    ("word not in the enum", PIPELINE, "solver: svd", "solver: svdd", {"MLP0819"}, "svdd"),
    ("value that is no boolean", PIPELINE, "fit_intercept: true", "fit_intercept: 3", {"MLP0819"}, "fit_intercept: 3"),
    ("default out of range", SPLIT, "default: 0.2", "default: 7", {"MLP0819"}, "default: 7"),
    (
        "table for a model", PIPELINE, "model: ${{parent.jobs.model.outputs.model}}\n      table",
        "model: ${{parent.jobs.split.outputs.train}}\n      table", {"MLP0820"}, "split.outputs.train",
    ),
    (
        "number for a table", PIPELINE, "table: ${{parent.inputs.rows}}",
        "table: ${{parent.inputs.bound}}", {"MLP0820"}, "inputs.bound",
    ),
    ("literal for a table", PIPELINE, "table: ${{parent.inputs.rows}}", "table: 5", {"MLP0819"}, "table: 5"),
    (
        "cycle", PIPELINE, "table: ${{parent.inputs.rows}}",
        "table: ${{parent.jobs.quality.outputs.metrics}}", {"MLP0821"}, "table",
    ),
    ("placeholder of no input", SPLIT, "${{inputs.test_size}}", "${{inputs.test_sise}}", {"MLP0822"}, "test_sise"),
    ("placeholder of no output", SPLIT, "${{outputs.test}}", "${{outputs.tset}}", {"MLP0822"}, "tset"),
    (
        "optional input asked for", SPLIT, "$[[--facts ${{inputs.facts}}]]",
        "--facts ${{inputs.facts}}", {"MLP0822"}, "inputs.facts",
    ),
    (
        "endpoint that nobody makes", DEPLOYMENT, "endpoint_name: census-scoring",
        "endpoint_name: census-scorin", {"MLP0823"}, "scorin",
    ),
    ("no instance", DEPLOYMENT, "instance_count: 1", "instance_count: 0", {"MLP0824"}, "instance_count"),
    ("no machine size", DEPLOYMENT, "Standard_DS3_v2", "big", {"MLP0824"}, "big"),
    ("no model reference", DEPLOYMENT, "azureml:census-model@latest", "census-model", {"MLP0814"}, "model"),
    ("endpoint's name", ENDPOINT, "name: census-scoring", "name: -scoring", {"MLP0814"}, "name"),
    ("traffic", ENDPOINT, "auth_mode: key", "auth_mode: key\ntraffic:\n  blue: 50", {"MLP0826"}, "traffic"),
    ("way of authentication", ENDPOINT, "auth_mode: key", "auth_mode: kee", {"MLP0814"}, "kee"),
    ("cron", SCHEDULE, "0 2 * * *", "0 2 * *", {"MLP0814"}, "expression"),
    ("schedule of no pipeline", SCHEDULE, "../pipeline.yml", "../pipelin.yml", {"MLP0815"}, "pipelin.yml"),
    ("output that nobody feeds", PIPELINE, "        path: ${{parent.outputs.best}}\n", "", {"MLP0829"}, "best"),
]  # fmt: skip


def mutate(build: Path, target: Path, file: str, old: str, new: str | None) -> Path:
    """A copy of the project with one file of its build changed in one place."""
    shutil.copytree(build.parents[1], target)
    folder = target / build.parent.name / build.name
    path = folder / file
    if new is None:
        path.unlink()
    else:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "codes", "blamed"), [m[1:] for m in MUTATIONS], ids=[m[0] for m in MUTATIONS]
)
def test_each_corruption_is_refused(
    build: Path, tmp_path: Path, file: str, old: str, new: str | None, codes: set[str], blamed: str
) -> None:
    folder = mutate(build, tmp_path / "copy", file, old, new)
    relock(folder)
    findings = check_folder(str(folder))
    assert {d.code for d in findings} == codes
    assert blamed in "\n".join(line_of(d) for d in findings)
    assert all(d.span.source.path.startswith("census/") for d in findings)


def line_of(finding: Diagnostic) -> str:
    span = finding.span
    return span.source.line(span.source.position(span.start)[0])


@pytest.mark.parametrize(
    ("file", "new"),
    [
        (PIPELINE, "# edited\n"),
        ("components/tabular_split/code/split.py", "import os\n"),
        ("extra.txt", "x"),
        (SPLIT, None),
    ],
)
def test_the_lock_tells_of_any_change(build: Path, tmp_path: Path, file: str, new: str | None) -> None:
    folder = mutate(build, tmp_path / "copy", PIPELINE, "", "")
    path = folder / file
    if new is None:
        path.unlink()
    else:
        path.write_text((path.read_text() if path.exists() else "") + new)
    assert "MLP0825" in {d.code for d in check_folder(str(folder))}


def test_a_build_is_accepted_without_a_remark(build: Path) -> None:
    assert check_folder(str(build)) == []


def test_suggestions_can_be_applied(build: Path, tmp_path: Path) -> None:
    folder = mutate(build, tmp_path / "copy", PIPELINE, "      alpha:", "      alpah:")
    finding = next(d for d in check_folder(str(folder)) if d.code == "MLP0817")
    (edit,) = finding.fixes[0].edits
    text = edit.span.source.text
    fixed = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert fixed == (build / PIPELINE).read_text()


@pytest.mark.parametrize(
    "content", [b"", b"- 1", b"\xff\xfe", b"a: !!python/object:os.system 1", b"a: &a [*a]", b"[" * 5000]
)
def test_no_file_makes_it_raise(build: Path, tmp_path: Path, content: bytes) -> None:
    for number, file in enumerate((PIPELINE, SPLIT, DEPLOYMENT, ENDPOINT, SCHEDULE, "mlp.lock")):
        folder = mutate(build, tmp_path / str(number), file, "", "")
        (folder / file).write_bytes(content)
        assert check_folder(str(folder))


def test_no_folder_is_a_finding(tmp_path: Path) -> None:
    assert [d.code for d in check_folder(str(tmp_path / "nowhere"))] == ["MLP0815"]


@pytest.mark.slow
class TestWithAzure:
    """azure-ai-ml itself, in this process, without a network."""

    def test_a_build_is_accepted_without_a_remark(self, build: Path, capfd: pytest.CaptureFixture[str]) -> None:
        assert verify(build) == []
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("file", "old", "new", "code"),
        [
            (PIPELINE, "type: pipeline\n", "type: pipelin\n", "MLP0830"),
            (RIDGE, "type: boolean", "type: bolean", "MLP0830"),
            (DEPLOYMENT, "instance_type: Standard_DS3_v2\n", "", "MLP0830"),
            (ENDPOINT, "auth_mode: key", "auth_mode: kee", "MLP0830"),
            (SCHEDULE, "type: cron", "type: corn", "MLP0830"),
            (SPLIT, "environment:\n", "environment:\n  name: mine\n", "MLP0831"),
        ],
    )
    def test_what_it_refuses_or_warns_of_is_a_finding(
        self, build: Path, tmp_path: Path, file: str, old: str, new: str, code: str
    ) -> None:
        folder = mutate(build, tmp_path / "copy", file, old, new)
        found = [d for d in verify(folder) if d.code == code]
        assert any(file in d.message for d in found)


def test_public_pipelines_give_no_false_alarm(corpus: Path) -> None:
    """Whatever it says of files that are there was read and found to be so; data that the examples fetch is missing."""
    found = set()
    count = 0
    for path in sorted(corpus.rglob("*.yml")):
        text = path.read_text(errors="replace")
        if "type: pipeline" not in text or "\njobs:" not in text or "pipelineComponent" in text:
            continue
        findings = Findings(str(path.parent))
        root = findings.load(str(path))
        assert root is not None
        check_pipeline(root, findings)
        count += 1
        found |= {(path.parent.name, d.code, d.severity) for d in findings.diagnostics if d.code != "MLP0815"}
    assert count > 40
    assert found == {
        ("4c_web_url_input", "MLP0820", Severity.WARNING),  # a file where a folder is asked
        ("image_classification_with_densenet", "MLP0819", Severity.ERROR),  # center_crop: 224, of True and False
        ("nyc_taxi_data_regression_with_pipeline_component", "MLP0817", Severity.ERROR),  # an input that went away
    }
