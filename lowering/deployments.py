"""From endpoints and deploy stages to the definitions that Azure ML and the deploying step read.

`endpoints/<title>.yml` is an endpoint. `deployments/<endpoint>/<name>/` is all that one deployment needs, so that the
folder can be handed to a step as an input: deployment.yml, endpoint.yml, `scoring/` with `score.py`, conda.yaml.
"""

import re
from typing import Any

from mlp_lang.compiler.graph import Asset, Deployment, Endpoint, FromInput, FromNode, Graph

ENDPOINT_SCHEMA = "https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json"
DEPLOYMENT_SCHEMA = "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json"
SCORING_SCRIPT = "score.py"


def deployment_folder(deployment: Deployment) -> str:
    """Where a deployment's definitions lie in a build."""
    return f"deployments/{deployment.endpoint}/{deployment.name}"


def folder_of_endpoint(name: str) -> str:
    """The folder below `deployments` of what is deployed to an endpoint that is known by its name alone."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """An online endpoint. Its `traffic` names deployments, so who creates it applies traffic when those exist."""
    document: dict[str, Any] = {"$schema": ENDPOINT_SCHEMA, "name": endpoint.name}
    if endpoint.description:
        document["description"] = endpoint.description
    document["auth_mode"] = endpoint.auth
    if endpoint.tags:
        document["tags"] = dict(endpoint.tags)
    if endpoint.traffic:
        document["traffic"] = dict(endpoint.traffic)
    document.update(endpoint.extra)
    return document


def deployment_document(
    graph: Graph, deployment: Deployment, endpoint: Endpoint | None, environment: "dict[str, Any] | str"
) -> dict[str, Any]:
    """A managed online deployment, paths relative to its own folder."""
    document: dict[str, Any] = {
        "$schema": DEPLOYMENT_SCHEMA,
        "name": deployment.name,
        "endpoint_name": endpoint.name if endpoint is not None else deployment.endpoint,
        "model": model_reference(graph, deployment),
        "code_configuration": {"code": "./scoring", "scoring_script": SCORING_SCRIPT},
        "environment": environment,
        "instance_type": deployment.instance_type,
        "instance_count": deployment.instance_count,
    }
    if deployment.environment_variables:
        document["environment_variables"] = dict(deployment.environment_variables)
    for key, value in deployment.extra.items():
        document.setdefault(key, value)
    return document


def model_reference(graph: Graph, deployment: Deployment) -> str:
    """The model by the name under which the deploying step registers it; it pins the version when it has one."""
    match deployment.model:
        case FromNode(node=node):
            return f"azureml:{graph.name}-{node}@latest"
        case FromInput(name=name):
            return f"azureml:{graph.name}-{name}@latest"
        case Asset(path=path, local=False) if path.startswith("azureml:"):
            return path
        case Asset():
            return f"azureml:{graph.name}-{deployment.name}@latest"
