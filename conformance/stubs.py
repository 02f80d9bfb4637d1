"""What the generated files refer to: components with the inputs and outputs that nodes bind, and real files."""

import re
from typing import Any

from conformance.values import CONF, INPUTS, OUTPUTS

BASE = "https://azuremlschemas.azureedge.net/latest/"
FOLDER = "stubs"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
KINDS = ("command", "parallel", "spark", "import", "copy_data", "pipeline")
FILES = {
    "src/main.py": 'print("hello")\n',
    "src/score.py": "def run(mini_batch: list[str]) -> list[str]:\n    return mini_batch\n",
    "src/helper.py": 'GREETING = "hello"\n',
    "conda.yml": "name: stub\nchannels: [conda-forge]\ndependencies: [python=3.11, pip]\n",
    "context/Dockerfile": f"FROM {IMAGE}\n",
    "data/a.csv": "a,b\n1,2\n",
    "table/MLTable": "paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n",
    "table/a.csv": "a,b\n1,2\n",
    "model/MLmodel": "flavors: {}\n",
}
_PRIMITIVE = {bool: "boolean", int: "integer", float: "number", str: "string"}


def interface() -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs, all optional, and outputs that every stub has."""
    inputs = {}
    for name, value in INPUTS.items():
        literal = value["value"] if isinstance(value, dict) and "value" in value else value
        type_ = literal["type"] if isinstance(literal, dict) else _PRIMITIVE[type(literal)]
        inputs[name] = {"type": type_, "optional": True}
    inputs.update({f"rate_{letter}": {"type": "number", "optional": True} for letter in "bcdefghijkl"})
    inputs["share"] = {"type": "number", "optional": True}
    inputs["nested"] = {"type": "string", "optional": True}
    inputs["seed"] = {"type": "integer", "optional": True}
    outputs = {name: {"type": value["type"]} for name, value in OUTPUTS.items()}
    return inputs, outputs


def component(kind: str, source: str = "src") -> dict[str, Any]:
    """A small component of a kind; `source` is its code folder, seen from where it is said."""
    inputs, outputs = interface()
    environment = "azureml:an_environment:1"
    assets = {k: v for k, v in inputs.items() if v["type"] not in _PRIMITIVE.values()}
    documents: dict[str, dict[str, Any]] = {
        "command": {
            "inputs": inputs,
            "outputs": {**outputs, "again": {"type": "boolean", "early_available": True}},
            "code": source,
            "command": "python main.py $[[--word ${{inputs.word}}]]",
            "environment": environment,
        },
        "parallel": {
            "inputs": {**inputs, "a_folder": {"type": "uri_folder"}},
            "outputs": outputs,
            "input_data": "${{inputs.a_folder}}",
            "mini_batch_size": "1kb",
            "task": {
                "type": "run_function",
                "code": source,
                "entry_script": "score.py",
                "environment": environment,
            },
        },
        "spark": {
            "inputs": inputs,
            "outputs": outputs,
            "code": source,
            "entry": {"file": "main.py"},
            "conf": CONF,
        },
        "import": {
            "source": {name: {"type": "string"} for name in ("type", "connection", "query")},
            "output": {"type": "mltable"},
        },
        "copy_data": {
            "task": "copy_data",
            "data_copy_mode": "merge_with_overwrite",
            "inputs": assets,
            "outputs": {"a_folder_out": {"type": "uri_folder"}},
        },
        "pipeline": {
            "inputs": inputs,
            "outputs": outputs,
            "jobs": {
                "only": {"type": "command", "component": "./command.yml", "inputs": {"word": "${{parent.inputs.word}}"}}
            },
        },
    }
    type_ = "data_transfer" if kind == "copy_data" else kind
    if kind == "pipeline":  # else it might be a job
        documents[kind] = {"$schema": f"{BASE}pipelineComponent.schema.json", **documents[kind]}
    return {"type": type_, "name": f"{kind}_stub", "version": "1", **documents[kind]}


def reference(path: str) -> str:
    """The stub component file that a place in a pipeline names."""
    match = re.search(r"jobs\.\*<(\w+)", path)
    kind = match[1] if match else "pipeline"
    return f"../{FOLDER}/{'command' if kind == 'sweep' else kind}.yml"
