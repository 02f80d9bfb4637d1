"""Deployment: definitions by azure-ai-ml's own loaders, its own client, a stand-in for Azure at the end of the wire."""

import argparse
import json
from pathlib import Path
from typing import Any

import deploy
import pytest
import shift
import yaml
from azure_service import JOB, Azure
from common.entry import Refusal
from trust_steps import DEPLOY, SCORING, TRAFFIC, Folder, process, script

ENDPOINT = {"name": "income-scoring", "auth_mode": "key", "description": "Incomes", "tags": {"team": "census"}}
DEPLOYMENT = {
    "name": "blue",
    "endpoint_name": "income-scoring",
    "model": "azureml:income-portable@latest",
    "code_configuration": {"code": "./scoring", "scoring_script": "score.py"},
    "environment": {"image": "mcr.microsoft.com/azureml/x:latest", "conda_file": "./conda.yaml"},
    "instance_type": "Standard_DS3_v2",
    "instance_count": 1,
}
HERE = "/onlineEndpoints/income-scoring"


@pytest.fixture
def definitions(here: Folder) -> Folder:
    """A deployment's folder as lowering writes it, and a model beside it."""
    write(here, "endpoint.yml", ENDPOINT)
    write(here, "deployment.yml", DEPLOYMENT)
    (here / "scoring").mkdir()
    for name in ("score.py", "conda.yaml"):
        (here / f"scoring/{name}").write_bytes((SCORING / name).read_bytes())
    (here / "conda.yaml").write_bytes((SCORING / "conda.yaml").read_bytes())
    (here / "model").mkdir()
    (here / "model/MLmodel").write_text("flavors: {}\n")
    return here


def write(folder: Folder, name: str, document: Any) -> None:
    (folder / name).write_text(yaml.safe_dump(document))


def arguments(folder: Folder, **changes: Any) -> list[Any]:
    given = {
        "model": folder / "model",
        "definitions": folder.path,
        "endpoint": "income-scoring",
        "instance": "Standard_E4s_v3",
        "instances": 2,
        "deployed": folder / "deployed.json",
    } | changes
    return [x for name, value in given.items() for x in (f"--{name}", value)]


def run(folder: Folder, **changes: Any) -> Any:
    return script(DEPLOY, "deploy.py", *arguments(folder, **changes), **JOB)


def test_a_first_deployment(definitions: Folder, azure: Azure) -> None:
    done = run(definitions)
    assert done.returncode == 0, done.stderr
    endpoint = azure.resources[HERE]
    assert endpoint["properties"]["authMode"].lower() == "key"
    assert endpoint["properties"].get("traffic", {}) == {}
    assert endpoint["tags"] == {"team": "census"}
    model = next(path for path in azure.resources if path.startswith("/models/income-portable/versions/"))
    deployment = azure.resources[f"{HERE}/deployments/blue"]
    assert deployment["properties"]["model"].endswith(model)
    assert deployment["properties"]["instanceType"] == "Standard_E4s_v3"
    assert deployment["sku"]["capacity"] == 2
    assert deployment["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
    uploaded = {Path(path).name for path in azure.blobs}
    assert {"MLmodel", "score.py"} <= uploaded
    document = json.loads((definitions / "deployed.json").read_text())
    assert document["model"] == "azureml:" + model.removeprefix("/models/").replace("/versions/", ":")
    assert document["created_endpoint"] is True
    assert document["traffic"] == {}
    assert document["scoring_uri"].startswith("https://income-scoring.")
    assert "endpoint income-scoring: done" in done.stdout


def test_an_endpoint_that_is_there_keeps_its_traffic(definitions: Folder, azure: Azure) -> None:
    azure.resources[HERE] = endpoint_resource(traffic={"green": 100})
    azure.resources[f"{HERE}/deployments/green"] = deployment_resource()
    assert run(definitions).returncode == 0
    assert azure.resources[HERE]["properties"]["traffic"] == {"green": 100}
    assert json.loads((definitions / "deployed.json").read_text())["created_endpoint"] is False


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ({"blue": 100}, {"blue": 100}),
        ({"blue": 10, "green": 90}, {"blue": 10, "green": 90}),
        ({"blue": 10, "red": 90}, {"green": 100}),  # red is not there yet
    ],
)
def test_traffic_moves_as_the_endpoint_says(definitions: Folder, azure: Azure, traffic: Any, expected: Any) -> None:
    write(definitions, "endpoint.yml", ENDPOINT | {"traffic": traffic})
    azure.resources[HERE] = endpoint_resource(traffic={"green": 100})
    azure.resources[f"{HERE}/deployments/green"] = deployment_resource()
    done = run(definitions)
    assert done.returncode == 0, done.stderr
    assert azure.resources[HERE]["properties"]["traffic"] == expected
    assert json.loads((definitions / "deployed.json").read_text())["traffic"] == expected


def test_a_registered_model_is_not_registered_again(definitions: Folder, azure: Azure) -> None:
    write(definitions, "deployment.yml", DEPLOYMENT | {"model": "azureml:income:7"})
    azure.resources["/models/income/versions/7"] = {"properties": {"modelType": "mlflow_model"}}
    done = run(definitions)
    assert done.returncode == 0, done.stderr
    deployment = azure.resources[f"{HERE}/deployments/blue"]
    assert deployment["properties"]["model"].endswith("/models/income/versions/7")
    assert [path for path in azure.resources if path.startswith("/models/")] == ["/models/income/versions/7"]


def endpoint_resource(traffic: Any = None, auth: str = "Key") -> Any:
    properties = {
        "authMode": auth,
        "traffic": traffic or {},
        "provisioningState": "Succeeded",
        "scoringUri": "https://x",
    }
    return {"location": "westeurope", "tags": {}, "properties": properties, "identity": {"type": "SystemAssigned"}}


def deployment_resource() -> Any:
    properties = {"endpointComputeType": "Managed", "provisioningState": "Succeeded", "instanceType": "Standard_DS3_v2"}
    properties |= {"scaleSettings": {"scaleType": "Default"}}
    sku = {"name": "Default", "capacity": 1}
    return {"location": "westeurope", "tags": {}, "properties": properties, "sku": sku}


def test_authentication_does_not_change(definitions: Folder, azure: Azure) -> None:
    azure.resources[HERE] = endpoint_resource(auth="AMLToken")
    done = run(definitions)
    assert done.returncode == 1
    assert "Azure ML cannot change it" in done.stderr
    assert not [request for request in azure.requests if request[0] != "GET"]
    assert not (definitions / "deployed.json").exists()


def test_an_identity_that_azure_does_not_accept(definitions: Folder, azure: Azure) -> None:
    azure.denied = True
    done = run(definitions)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("mlp: Azure")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "document", "changes", "said"),
    [
        ("endpoint.yml", None, {}, "lacks endpoint.yml"),
        ("deployment.yml", None, {}, "lacks deployment.yml"),
        (
            "endpoint.yml",
            {"name": "income-scoring", "auth_mode": 5},
            {},
            "endpoint.yml is not what azure-ai-ml expects",
        ),
        ("deployment.yml", [1], {}, "deployment.yml is not what azure-ai-ml expects"),
        ("deployment.yml", DEPLOYMENT | {"endpoint_name": "other"}, {}, "of the endpoint 'other'"),
        ("endpoint.yml", ENDPOINT | {"traffic": {"blue": 50}}, {}, "sums to 50, not to 100"),
        ("deployment.yml", DEPLOYMENT | {"model": {"path": "./model"}}, {}, "must name its model, as azureml:"),
        ("unused", {}, {"endpoint": "other"}, "the stage deploys to 'other'"),
        ("unused", {}, {"instances": 0}, "instances must be at least 1"),
        ("unused", {}, {"model": "."}, "is not an MLflow model"),
    ],
)
def test_definitions_that_are_wrong(definitions: Folder, file: str, document: Any, changes: Any, said: str) -> None:
    if document is None:
        (definitions / file).unlink()
    else:
        write(definitions, file, document)
    done = run(definitions, **changes)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_workspace(definitions: Folder) -> None:
    done = script(DEPLOY, "deploy.py", *arguments(definitions))
    assert done.returncode == 1
    assert "AZUREML_ARM_SUBSCRIPTION is not set" in done.stderr
    assert not (definitions / "deployed.json").exists()


@pytest.mark.slow
def test_the_step_as_a_process(definitions: Folder) -> None:
    done = process(DEPLOY, "deploy.py", *arguments(definitions))
    assert done.returncode == 1
    assert done.stderr.startswith("mlp: there is no workspace")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("given", [{"blue": 100}, {"blue": 90, "green": 10}, {"blue": 0, "green": 100}])
def test_shifting_traffic(here: Folder, azure: Azure, given: dict[str, int]) -> None:
    azure.resources[HERE] = endpoint_resource(traffic={"green": 100})
    for name in ("blue", "green"):
        azure.resources[f"{HERE}/deployments/{name}"] = deployment_resource()
    out = here / "shifted.json"
    texts = ["--endpoint", "income-scoring", "--traffic", json.dumps(given), "--shifted", out]
    done = script(TRAFFIC, "shift.py", *texts, **JOB)
    assert done.returncode == 0, done.stderr
    found = azure.resources[HERE]["properties"]["traffic"]
    assert {name: share for name, share in found.items() if share} == {n: share for n, share in given.items() if share}
    assert json.loads(out.read_text())["before"] == {"green": 100}


def test_traffic_to_a_deployment_that_is_not_there(here: Folder, azure: Azure) -> None:
    azure.resources[HERE] = endpoint_resource(traffic={"green": 100})
    azure.resources[f"{HERE}/deployments/green"] = deployment_resource()
    texts = ["--endpoint", "income-scoring", "--traffic", '{"red": 100}', "--shifted", here / "out.json"]
    done = script(TRAFFIC, "shift.py", *texts, **JOB)
    assert done.returncode == 1
    assert "has no deployment 'red'; it has green" in done.stderr
    assert azure.resources[HERE]["properties"]["traffic"] == {"green": 100}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "how many per cent"),
        ("{}", "how many per cent"),
        ('{"a": 50}', "sums to 50"),
        ('{"a": 60, "b": 60}', "sums to 120"),
        ('{"a": 99.5, "b": 0.5}', "whole number"),
        ('{"a": true, "b": 99}', "whole number"),
        ('{"a": -10, "b": 110}', "whole number"),
        ('{"a": "100"}', "whole number"),
    ],
)
def test_shares_that_are_none(text: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        shift.shares(text)


def test_progress_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Poller:
        turns = 3

        def done(self) -> bool:
            return self.turns == 0

        def wait(self, pause: float) -> None:
            self.turns -= 1

        def result(self) -> str:
            return "x"

    from common.workspace import finish

    assert finish(Poller(), "thing", 0.0) == "x"
    assert capsys.readouterr().out.splitlines() == ["thing: applying", "thing: 0 s", "thing: 0 s", "thing: done"]


def test_a_plan_needs_no_request(definitions: Folder) -> None:
    options = argparse.Namespace(
        model=definitions / "model",
        definitions=definitions.path,
        endpoint="income-scoring",
        instance="Standard_E4s_v3",
        instances=3,
    )
    made = deploy.plan(options)
    assert (made.register, made.deployment.instance_count, made.endpoint.traffic) == ("income-portable", 3, {})
