"""From the reports among a step's outputs to what the record and the summary show of them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import OutputPort
from mlp_lang.runner.store import read_json

REPORTS = frozenset(["metrics", "report"])
"""Types of outputs that are read."""
LARGEST = 8 << 20
"""Bytes of a report that is still read; metrics are small."""


class Findings(NamedTuple):
    """What metrics.json, release.json, parity.json and endpoint.json say (docs/contracts.md)."""

    metrics: dict[str, Any]
    gates: tuple[dict[str, Any], ...]
    release: dict[str, Any] | None
    parity: dict[str, Any] | None
    endpoint: dict[str, Any] | None


def read(ports: Sequence[OutputPort], paths: Mapping[str, str]) -> Findings:
    """The findings of all ports that are reports; an unreadable one says nothing."""
    metrics: dict[str, Any] = {}
    gates: list[dict[str, Any]] = []
    named: dict[str, dict[str, Any] | None] = {"release": None, "parity": None, "endpoint": None}
    for port in ports:
        if port.type.removesuffix("?") not in REPORTS:
            continue
        for document in _documents(paths[port.name]):
            if isinstance(document.get("metrics"), dict):
                metrics.update(document["metrics"])
                gates += [g for g in document.get("gates") or () if isinstance(g, dict)]
            elif "label_agreement" in document:
                named["parity"] = document
            elif "mechanism" in document and "epsilon" in document:
                named["release"] = document
            elif "latency_ms" in document and "deployment" in document:
                named["endpoint"] = document
    return Findings(metrics, tuple(gates), named["release"], named["parity"], named["endpoint"])


def _documents(path: str) -> list[dict[str, Any]]:
    if os.path.isdir(path):
        files = sorted(os.path.join(path, name) for name in os.listdir(path) if name.endswith(".json"))
    else:
        files = [path]
    small = [file for file in files if os.path.isfile(file) and os.path.getsize(file) <= LARGEST]
    return [document for file in small if isinstance(document := read_json(file), dict)]
