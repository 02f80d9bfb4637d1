"""A stand-in for Azure at the other end of the wire: the clients and their requests are the real ones.

It answers what `requests` would send: identity tokens, Azure Resource Manager resources by path (PUT keeps, GET gives
back), and blob uploads. It knows nothing of Azure ML's rules, so it proves what is asked for, not that Azure grants it.
"""

import io
import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
JOB = {
    "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
    "AZUREML_ARM_RESOURCEGROUP": "rg",
    "AZUREML_ARM_WORKSPACE_NAME": "ws",
    "OBO_ENDPOINT": "http://127.0.0.1:1/token",
}
"""What a job of that workspace finds in its environment."""


class Azure:
    """`resources` are the workspace's, by path below it; `requests` is what was asked, as (method, path below it)."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {
            "": {"id": WORKSPACE, "name": "ws", "location": "westeurope", "properties": {"workspaceId": "w"}},
            "/datastores/workspaceblobstore": {
                "properties": {
                    "datastoreType": "AzureBlob",
                    "accountName": "account",
                    "containerName": "container",
                    "endpoint": "core.windows.net",
                    "protocol": "https",
                    "isDefault": True,
                    "credentials": {"credentialsType": "Sas"},
                }
            },
        }
        self.requests: list[tuple[str, str]] = []
        self.blobs: dict[str, bytes] = {}
        self.denied = False

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(url)
        if parts.netloc == "127.0.0.1:1" or "169.254" in parts.netloc:
            if self.denied:
                return 400, {"error": "invalid_request", "error_description": "Identity not found"}
            until = int(time.time()) + 3600
            return 200, {
                "token": "t",
                "access_token": "t",
                "expires_on": str(until),
                "expires_in": "3600",
                "resource": "r",
            }
        if parts.netloc.startswith("account.blob."):
            return self._blob(method, parts.path, parts.query, body)
        path = parts.path
        if not path.lower().startswith(WORKSPACE.lower()):
            return 404, _missing(path)
        below = path[len(WORKSPACE) :].rstrip("/")
        self.requests.append((method, below))
        return self._resource(method, below, body)

    def _resource(self, method: str, below: str, body: bytes) -> tuple[int, Any]:
        if below == "/datastores":
            return 200, {"value": [self._named("/datastores/workspaceblobstore")]}
        if below.endswith("/listSecrets"):
            return 200, {"secretsType": "Sas", "sasToken": "sv=2020&sig=x"}
        if method == "POST" and below.endswith("/startPendingUpload"):
            uri = "https://account.blob.core.windows.net/container"
            credential = {"credentialType": "SAS", "sasUri": f"{uri}?sv=2020&sig=x"}
            return 200, {
                "blobReferenceForConsumption": {"blobUri": uri, "storageAccountArmId": "s", "credential": credential},
                "pendingUploadId": "p",
                "pendingUploadType": "TemporaryBlobReference",
            }
        if method in ("PUT", "PATCH"):
            document = json.loads(body)
            document.setdefault("properties", {})["provisioningState"] = "Succeeded"
            if "/models/" in below:
                document["properties"].setdefault("flavors", {})
            if "/deployments/" in below:
                document["properties"].setdefault("scaleSettings", {"scaleType": "Default"})
            if re.fullmatch(r"/onlineEndpoints/[^/]+", below):
                name = below.split("/")[-1]
                document["properties"]["scoringUri"] = f"https://{name}.westeurope.inference.ml.azure.com/score"
            self.resources[below] = document
            return 200, self._named(below)
        if below in self.resources:
            return 200, self._named(below)
        within = [path for path in self.resources if re.fullmatch(re.escape(below) + r"/[^/]+", path)]
        if within or below.endswith(("/deployments", "/versions")):
            return 200, {"value": [self._named(path) for path in within]}
        return 404, _missing(below)

    def _named(self, below: str) -> dict[str, Any]:
        return {"id": WORKSPACE + below, "name": below.split("/")[-1]} | self.resources[below]

    def _blob(self, method: str, path: str, query: str, body: bytes) -> tuple[int, Any]:
        if method == "PUT" and "comp=metadata" in query:
            return 200, None
        if method == "PUT":
            self.blobs[path] = body
            return 201, None
        if method == "GET" and "comp=list" in query:
            return 200, b'<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>'
        return 404, None


def _missing(path: str) -> dict[str, Any]:
    return {"error": {"code": "ResourceNotFound", "message": f"{path} was not found"}}


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Azure:
    """Azure as one job sees it. No request leaves the process while it stands in."""
    service = Azure()
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)

    def send(self: HTTPAdapter, request: PreparedRequest, **_: Any) -> Response:
        body = request.body or b""
        content = body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else bytes(body)
        status, found = service.answer(str(request.method), str(request.url), content)
        kind = "application/xml" if isinstance(found, bytes) else "application/json"
        data = found if isinstance(found, bytes) else b"" if found is None else json.dumps(found).encode()
        headers = {"Content-Type": kind, "Content-Length": str(len(data)), "ETag": '"1"', "x-ms-version": "2020-10-02"}
        headers |= {"Last-Modified": "Tue, 01 Jan 2030 00:00:00 GMT", "x-ms-request-server-encrypted": "true"}
        raw = HTTPResponse(io.BytesIO(data), headers=headers, status=status, preload_content=False)
        return self.build_response(request, raw)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    return service
