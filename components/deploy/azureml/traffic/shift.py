"""From shares of traffic to an endpoint of the workspace that sends its requests so."""

import argparse
import json
from pathlib import Path
from typing import Any

from common import entry, files, workspace
from common.entry import Refusal
from common.workspace import finish


def main(options: argparse.Namespace) -> None:
    traffic = shares(options.traffic)
    client = workspace.client()
    with workspace.told():
        document = apply(client, options.endpoint, traffic)
    files.write_json(options.shifted, document)


def shares(text: str) -> dict[str, int]:
    """Whole per cents by deployment, from JSON. Raises Refusal unless they sum to 100."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refusal(f"traffic is not JSON: {error}") from None
    if not isinstance(found, dict) or not found:
        raise Refusal("traffic must say how many per cent each deployment gets, such as { blue = 90, green = 10 }")
    for name, share in found.items():
        if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
            raise Refusal(f"the traffic of {name!r} must be a whole number of per cent, found {json.dumps(share)}")
    if sum(found.values()) != 100:
        raise Refusal(f"traffic sums to {sum(found.values())}, not to 100")
    return found


def apply(client: Any, name: str, traffic: dict[str, int]) -> dict[str, Any]:
    """Set the traffic of an endpoint; the content of the report. Raises Refusal if a deployment is not there."""
    endpoint = client.online_endpoints.get(name)
    present = {deployment.name: deployment for deployment in client.online_deployments.list(name)}
    absent = sorted(set(traffic) - set(present))
    if absent:
        known = ", ".join(sorted(present)) or "none"
        raise Refusal(f"the endpoint {name!r} has no deployment {absent[0]!r}; it has {known}")
    before = workspace.shares(endpoint)
    if before != {deployment: share for deployment, share in traffic.items() if share}:
        endpoint.traffic = traffic
        finish(client.online_endpoints.begin_create_or_update(endpoint), f"traffic of {name}")
    return {"endpoint": name, "before": before, "traffic": traffic}


if __name__ == "__main__":
    arguments = entry.parser("Set the traffic of an online endpoint.")
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--traffic", required=True)
    arguments.add_argument("--shifted", type=Path, required=True)
    entry.run(main, arguments)
