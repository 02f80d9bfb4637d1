"""From the variables of an Azure ML job to a client of its workspace, as the identity that the job runs as."""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator
from typing import Any

from common.entry import Refusal

WAIT = 15.0  # seconds between two lines of progress

WORKSPACE = {
    "subscription_id": "AZUREML_ARM_SUBSCRIPTION",
    "resource_group_name": "AZUREML_ARM_RESOURCEGROUP",
    "workspace_name": "AZUREML_ARM_WORKSPACE_NAME",
}


def client() -> Any:
    """An MLClient of this job's workspace. Raises Refusal outside of one."""
    place = {name: os.environ.get(variable, "") for name, variable in WORKSPACE.items()}
    absent = [variable for name, variable in WORKSPACE.items() if not place[name]]
    if absent:
        raise Refusal(
            f"there is no workspace to deploy into: {absent[0]} is not set; this step runs as a job of Azure ML, "
            "submit the pipeline there"
        )
    with quiet():
        from azure.ai.ml import MLClient

        return MLClient(credential(), **place)


def credential() -> Any:
    """The identity of the step's `run` block: the user's, handed over at OBO_ENDPOINT, else the compute's."""
    if os.environ.get("OBO_ENDPOINT"):
        from azure.ai.ml.identity import AzureMLOnBehalfOfCredential

        return AzureMLOnBehalfOfCredential()
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(
        managed_identity_client_id=os.environ.get("DEFAULT_IDENTITY_CLIENT_ID"),
        exclude_interactive_browser_credential=True,
    )


def shares(endpoint: Any) -> dict[str, int]:
    """Per cents of the traffic by deployment, without those that get none (azure-ai-ml lists some of these as 0)."""
    return {str(name): int(share) for name, share in (endpoint.traffic or {}).items() if share}


def finish(poller: Any, what: str, pause: float = WAIT) -> Any:
    """Wait for a long operation, with a line of progress now and then; its result."""
    begun = time.monotonic()
    print(f"{what}: applying", flush=True)
    while not poller.done():
        poller.wait(pause)
        if not poller.done():
            print(f"{what}: {time.monotonic() - begun:.0f} s", flush=True)
    found = poller.result()
    print(f"{what}: done", flush=True)
    return found


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what the service objects to into a Refusal with its words."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        yield
    except ClientAuthenticationError as error:
        raise Refusal(
            f"Azure does not accept this step's identity: {_words(error)}; give it the role AzureML Data Scientist on "
            "the workspace, or say `identity` in the stage's `run` block"
        ) from None
    except (AzureError, MlException) as error:
        raise Refusal(f"Azure ML refused: {_words(error)}") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """azure-ai-ml says on import and on load what is experimental in it; nobody here can do anything about that."""
    logging.getLogger("azure").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", None) or error).split())[:500]
