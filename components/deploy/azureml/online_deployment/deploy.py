"""From a model and a folder of definitions to a managed online deployment in the workspace that the step runs in.

The folder holds endpoint.yml, deployment.yml and what they refer to. The endpoint is made if it is not there; the model
is registered, and the deployment pinned to the version that this gave; traffic moves only where endpoint.yml says so.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from common import entry, files, workspace
from common.entry import Refusal
from common.workspace import finish


class Plan(NamedTuple):
    """What is to be applied: azure-ai-ml's own entities, edited to the step's inputs.

    `register` is the name under which the model is registered, None if the deployment names a version that exists.
    """

    endpoint: Any
    deployment: Any
    traffic: dict[str, int]
    model: Path
    register: str | None


def main(options: argparse.Namespace) -> None:
    made = plan(options)
    client = workspace.client()
    with workspace.told():
        document = apply(client, made)
    files.write_json(options.deployed, document)


def plan(options: argparse.Namespace) -> Plan:
    """Load and edit the definitions, without a request. Raises Refusal for what is missing or contradicts inputs."""
    if options.instances < 1:
        raise Refusal(f"instances must be at least 1, found {options.instances}")
    if not (options.model / "MLmodel").is_file():
        raise Refusal(f"{options.model} is not an MLflow model: it has no MLmodel file")
    with workspace.quiet():
        from azure.ai.ml import load_online_deployment, load_online_endpoint

        endpoint = _load(load_online_endpoint, options.definitions / "endpoint.yml")
        deployment = _load(load_online_deployment, options.definitions / "deployment.yml")
    for what, name in (("endpoint.yml", endpoint.name), ("deployment.yml", deployment.endpoint_name)):
        if name != options.endpoint:
            raise Refusal(f"{what} is of the endpoint {name!r}, the stage deploys to {options.endpoint!r}")
    traffic = dict(endpoint.traffic or {})
    if traffic and sum(traffic.values()) not in (0, 100):
        raise Refusal(f"the traffic of endpoint {endpoint.name!r} sums to {sum(traffic.values())}, not to 100")
    endpoint.traffic = {}
    deployment.instance_type = options.instance
    deployment.instance_count = options.instances
    if not isinstance(deployment.model, str):
        raise Refusal("deployment.yml must name its model, as azureml:<name>@latest or azureml:<name>:<version>")
    name, latest, _ = deployment.model.removeprefix("azureml:").partition("@")
    return Plan(endpoint, deployment, traffic, options.model, name if latest else None)


def _load(loader: Callable[..., Any], path: Path) -> Any:
    """A definition by azure-ai-ml's own loader."""
    if not path.is_file():
        raise Refusal(f"the folder of definitions lacks {path.name}; compile the pipeline again")
    try:
        return loader(str(path))
    except Exception as error:  # its loaders raise several unrelated classes for a definition that is wrong
        raise Refusal(f"{path.name} is not what azure-ai-ml expects: {' '.join(str(error).split())[:300]}") from None


def apply(client: Any, made: Plan) -> dict[str, Any]:
    """Bring the workspace to what the plan says, in steps that may be repeated; the content of the report."""
    created = ensure_endpoint(client, made.endpoint)
    if made.register is not None:
        made.deployment.model = register(client, made)
    model = "azureml:" + made.deployment.model.removeprefix("azureml:")  # the client puts ids in its place
    name = f"{made.deployment.endpoint_name}/{made.deployment.name}"
    finish(client.online_deployments.begin_create_or_update(made.deployment), f"deployment {name}")
    endpoint = client.online_endpoints.get(made.endpoint.name)
    if made.traffic and workspace.shares(endpoint) != workspace.shares(made):
        endpoint = move_traffic(client, endpoint, made.traffic)
    return {
        "endpoint": endpoint.name,
        "deployment": made.deployment.name,
        "model": model,
        "instance": made.deployment.instance_type,
        "instances": made.deployment.instance_count,
        "created_endpoint": created,
        "traffic": workspace.shares(endpoint),
        "scoring_uri": endpoint.scoring_uri,
    }


def ensure_endpoint(client: Any, wanted: Any) -> bool:
    """Create the endpoint, or bring description and tags of an existing one up to date; whether it was created.

    An existing endpoint keeps its traffic: this step may not take it from other deployments. Its authentication cannot
    change.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        present = client.online_endpoints.get(wanted.name)
    except ResourceNotFoundError:
        finish(client.online_endpoints.begin_create_or_update(wanted), f"endpoint {wanted.name}")
        return True
    if str(present.auth_mode).lower() != str(wanted.auth_mode).lower():
        raise Refusal(
            f"the endpoint {wanted.name!r} is there with auth = {present.auth_mode}, the program says "
            f"{wanted.auth_mode}; Azure ML cannot change it: say so in the program, or take another endpoint"
        )
    tags = {**(present.tags or {}), **(wanted.tags or {})}
    if (wanted.description and wanted.description != present.description) or tags != (present.tags or {}):
        present.description = wanted.description or present.description
        present.tags = tags
        finish(client.online_endpoints.begin_create_or_update(present), f"endpoint {wanted.name}")
    return False


def register(client: Any, made: Plan) -> str:
    """Register the model; the reference that pins its version."""
    from azure.ai.ml.entities import Model

    model = Model(name=made.register, path=str(made.model), type="mlflow_model")
    found = client.models.create_or_update(model)
    print(f"registered model {found.name} version {found.version}", flush=True)
    return f"azureml:{found.name}:{found.version}"


def move_traffic(client: Any, endpoint: Any, traffic: dict[str, int]) -> Any:
    """Set the traffic if all deployments that it names are there, else leave it; the endpoint as it then is."""
    present = {deployment.name for deployment in client.online_deployments.list(endpoint.name)}
    absent = sorted(name for name, share in traffic.items() if share and name not in present)
    if absent:
        print(f"traffic stays as it is until {', '.join(absent)} is deployed", flush=True)
        return endpoint
    endpoint.traffic = {name: share for name, share in traffic.items() if name in present}
    found = finish(client.online_endpoints.begin_create_or_update(endpoint), f"traffic of {endpoint.name}")
    return found if found is not None else endpoint


if __name__ == "__main__":
    arguments = entry.parser("Deploy a model to a managed online endpoint.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--definitions", type=Path, required=True)
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--instance", required=True)
    arguments.add_argument("--instances", type=int, default=1)
    arguments.add_argument("--deployed", type=Path, required=True)
    entry.run(main, arguments)
