"""Every component.yml of this part: described, bound, self-contained, and loaded by azure-ai-ml as it is."""

import ast
import json
import re
import warnings
from pathlib import Path

import jsonschema
import pytest
import yaml
from common import metrics
from component_steps import COMPONENTS, ROOT, document

FILES = sorted(
    str(file.parent.relative_to(COMPONENTS))
    for file in COMPONENTS.glob("*/**/component.yml")
    if "automl" not in file.parts
)
METRICS = {
    "evaluate/sklearn/classification": metrics.CLASSIFICATION,
    "evaluate/sklearn/regression": metrics.REGRESSION,
    "evaluate/sklearn/clustering": metrics.CLUSTERING,
}
FILLED_BY_COMPILER = {"facts", "gates"}


@pytest.mark.parametrize("folder", FILES)
def test_every_port_is_described_and_bound_in_the_command(folder: str) -> None:
    spec = document(folder)
    ports = {("inputs", k): v for k, v in spec["inputs"].items()} | {
        ("outputs", k): v for k, v in spec["outputs"].items()
    }
    assert all(port["description"].endswith(".") for port in ports.values())
    bound = re.findall(r"\$\{\{(inputs|outputs)\.(\w+)\}\}", spec["command"])
    assert sorted(bound) == sorted(ports)
    for name, port in spec["inputs"].items():
        guarded = re.search(rf"\$\[\[[^\]]*inputs\.{name}\}}\}}'?\]\]", spec["command"]) is not None
        assert guarded == port.get("optional", False), name


@pytest.mark.parametrize("folder", FILES)
def test_the_interface_section_speaks_of_ports_that_exist(folder: str) -> None:
    spec = document(folder)
    section = spec["mlp"]
    assert set(section.get("inputs", {})) <= set(spec["inputs"])
    assert set(section["outputs"]) == set(spec["outputs"])
    for port in section["outputs"].values():
        assert set(port["from"]) <= set(spec["inputs"])
    schema = ROOT / "schemas/component.schema.json"
    if schema.exists():
        jsonschema.validate(spec, json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("folder", FILES)
def test_the_environment_has_ranges_for_everything(folder: str) -> None:
    conda = yaml.safe_load((COMPONENTS / folder / "conda.yaml").read_text(encoding="utf-8"))
    assert conda["dependencies"][0] == "python=3.11"
    packages = conda["dependencies"][-1]["pip"]
    assert packages == sorted(packages)
    assert all(">=" in package for package in packages)


@pytest.mark.parametrize("folder", METRICS)
def test_the_metrics_that_gates_may_name_are_those_that_are_computed(folder: str) -> None:
    assert tuple(document(folder)["mlp"]["metrics"]) == METRICS[folder]


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_no_component_imports_mlp_lang() -> None:
    files = [file for part in ("common", *FILES) for file in (COMPONENTS / part).rglob("*.py")]
    assert len(files) > 15
    for file in files:
        assert not any(name.split(".")[0] == "mlp_lang" for name in imported(file)), file


@pytest.mark.slow
@pytest.mark.parametrize("folder", FILES)
def test_azure_ai_ml_loads_it(folder: str, tmp_path: Path) -> None:
    from azure.ai.ml import load_component

    spec = document(folder)
    spec.pop("mlp")
    own = tmp_path / "component"
    own.mkdir()
    for file in (COMPONENTS / folder).iterdir():
        if file.is_file() and file.name != "component.yml":
            (own / file.name).write_bytes(file.read_bytes())
    spec["additional_includes"] = [str(COMPONENTS / "common")]
    (own / "component.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = load_component(own / "component.yml")
        assert load_component(COMPONENTS / folder / "component.yml").name == spec["name"]
    assert set(loaded.inputs) == set(spec["inputs"])
    assert loaded._validate().passed, loaded._validate().error_messages
