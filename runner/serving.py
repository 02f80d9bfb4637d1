"""From a `deploy` stage to a scoring server on this machine: the check that runs as its step, and `serve` for a run.

The stage's own command would change a workspace. Here its deployment folder is served by Azure ML's inference server,
on loopback, and proven to answer as the model does.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from mlp_lang.compiler.graph import FromInput, FromNode, Graph, Node, OutputPort
from mlp_lang.runner.bindings import Sources, asset_path, given_inputs
from mlp_lang.runner.process import Warden
from mlp_lang.runner.store import write_json

FORMAT = 1
ENDPOINT = "endpoint.json"
SCORING = "scoring"
LEAST_AGREEMENT = 0.999
"""Share of test rows on which endpoint and model must agree for a deploy stage to succeed."""


CHECK = "mlp_lang.runner.endpoint_check"
CHECK_IMPORTS = ("numpy", "yaml", "pandas", "pyarrow.parquet", "psutil", "sklearn.compose", "sklearn.pipeline")
"""What the check's process imports, through `components/common` for the most part."""


class Check(NamedTuple):
    """What the check of one deployment needs. `table` and `facts` are None if no judge's rows are at hand."""

    endpoint: str
    deployment: str
    scoring: str
    model: str
    model_name: str
    table: str | None
    facts: str | None
    variables: dict[str, str]


def judged_table(node: Node, graph: Graph) -> tuple[Node, str] | None:
    """The stage and its input whose rows the endpoint is tried with.

    Of the stages that judge the deployed model, or else its nearest ancestor: an evaluation before an export.
    """
    if node.deployment is None or not isinstance(node.deployment.model, FromNode):
        return None
    nodes = {n.name: n for n in graph.nodes}
    generation = [node.deployment.model.node]
    seen: set[str] = set()
    while generation:
        seen.update(generation)
        for verb in ("evaluate", "export", ""):
            for judge in graph.nodes:
                judges = any(source in generation for source in _models(judge)) or judge.name in generation
                right = judge.verb == verb if verb else judge.verb in ("explain", "monitor")
                if judges and right and (table := _table(judge)) is not None:
                    return judge, table
        parents = [source for name in generation if name in nodes for source in _models(nodes[name])]
        generation = [name for name in dict.fromkeys(parents) if name not in seen]
    return None


def elsewhere(node: Node) -> bool:
    """Whether a stage changes a workspace and has no counterpart here, as moving an endpoint's traffic has none."""
    component = node.component
    return node.deployment is None and component.origin == "bundled" and component.name.startswith("azureml.")


def further_needs(node: Node, graph: Graph) -> tuple[str, ...]:
    """Stages whose outputs the check reads beside the model."""
    found = judged_table(node, graph)
    if found is None:
        return ()
    binding = dict(found[0].inputs)[found[1]]
    return (binding.node,) if isinstance(binding, FromNode) and binding.node != node.name else ()


def plan(node: Node, graph: Graph, sources: Sources) -> Check:
    """The check of a deploy stage whose inputs are there. Raises BindingError."""
    deployment = node.deployment
    assert deployment is not None
    model = asset_path(deployment.model, sources, node)
    table = facts = None
    found = judged_table(node, graph)
    if found is not None:
        judge, name = found
        wanted = [name, *(i for i, b in judge.inputs if _is_facts(b, graph))]
        few = judge._replace(
            component=judge.component._replace(inputs=tuple(p for p in judge.component.inputs if p.name in wanted))
        )
        given = {g.name: g for g in given_inputs(few, sources)}
        table = given[name].path if name in given else None
        facts = next((g.path for key, g in given.items() if key != name), None)
    return Check(
        deployment.endpoint,
        deployment.name,
        deployment.scoring_folder,
        model,
        _model_name(node),
        table,
        facts,
        dict(deployment.environment_variables),
    )


def ports(node: Node) -> tuple[OutputPort, ...]:
    """Outputs of the check: those that the component declares, the endpoint's report, and the scoring folder."""
    own = [p for p in node.component.outputs if p.name not in (ENDPOINT, SCORING)]
    return (*own, OutputPort(ENDPOINT, "report", "uri_file"), OutputPort(SCORING, "folder", "uri_folder"))


def command(check: Check, scratch: str, outputs: Mapping[str, str]) -> tuple[list[str], str]:
    """The check's process, as arguments and as people read it. Raises OSError."""
    import shutil

    shutil.copytree(check.scoring, outputs[SCORING], ignore=shutil.ignore_patterns("__pycache__"))
    served = os.path.join(scratch, "app")
    shutil.copytree(outputs[SCORING], served)
    spec = os.path.join(scratch, "check.json")
    write_json(
        spec,
        {
            **check._asdict(),
            "scoring": served,
            "scratch": scratch,
            "least_agreement": LEAST_AGREEMENT,
            "write": [path for name, path in outputs.items() if name != SCORING],
        },
    )
    arguments = [sys.executable, "-m", CHECK, spec]
    said = json.dumps({k: v for k, v in check._asdict().items() if v}, ensure_ascii=False)
    return arguments, f"# scoring server on loopback, checked against its model: {said}"


def record(
    node: Node, outputs: Mapping[str, str], report: Mapping[str, Any] | None, graph: Graph, model: str
) -> dict[str, Any]:
    """What run.json says of an endpoint: the check's findings, and what `serve` needs to start it again."""
    deployment = node.deployment
    assert deployment is not None
    name = next((e.name for e in graph.endpoints if e.title == deployment.endpoint), deployment.endpoint)
    return {
        "step": node.name,
        "endpoint": deployment.endpoint,
        "name": name,
        "deployment": deployment.name,
        "model": model,
        "model_name": _model_name(node),
        "scoring": outputs.get(SCORING),
        "variables": dict(deployment.environment_variables),
        "check": dict(report) if report is not None else None,
    }


class ServeError(Exception):
    """A run that cannot be served; the message says why and what to do."""


def serve(
    folder: Path | str,
    *,
    deployment: str | None = None,
    port: int = 0,
    workers: int = 1,
    stream: TextIO | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Keep the endpoint of a finished run up on 127.0.0.1 until Ctrl-C, SIGTERM, or `stop` is set; 0 if it ends so.

    Prints its address and a request that it answers. `deployment` chooses among several; port 0 is any free one. Raises
    ServeError.
    """
    from mlp_lang.runner import server as servers

    out = stream if stream is not None else sys.stdout
    entry, root = _endpoint(os.path.abspath(folder), deployment)
    scoring, model = (os.path.join(root, entry[key]) for key in ("scoring", "model"))
    for path in (scoring, model):
        if not os.path.exists(path):
            raise ServeError(f"`{path}` of the run is gone; run the pipeline again")
    done = stop if stop is not None else threading.Event()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda *_: done.set())
    try:
        with tempfile.TemporaryDirectory(prefix="mlp-serve-") as scratch:
            directory = servers.lay_out_model(model, os.path.join(scratch, "models"), entry["model_name"])
            log = os.path.join(scratch, "server.log")
            print(f"starting {entry['endpoint']}/{entry['deployment']} …", file=out, flush=True)
            try:
                server = servers.start(scoring, directory, entry["variables"], log, port=port, workers=workers)
            except servers.ServerError as error:
                raise ServeError(str(error)) from None
            warden = Warden()
            warden.watch(server.process.pid)
            try:
                _announce(server.url, entry, out)

                def watch() -> None:
                    server.process.wait()
                    done.set()

                threading.Thread(target=watch, daemon=True).start()
                done.wait()
                if server.process.poll() not in (None, 0):
                    raise ServeError(f"the scoring server ended by itself: {servers.last_words(log)}")
            finally:
                server.close()
                warden.forget(server.process.pid)
                warden.dismiss()
        print("stopped", file=out, flush=True)
        return 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _announce(url: str, entry: Mapping[str, Any], out: TextIO) -> None:
    example = (entry.get("check") or {}).get("example")
    body = json.dumps(
        example if example is not None else {"input_data": {"columns": [], "index": [], "data": []}}, ensure_ascii=False
    )
    quoted = body.replace("'", "'\\''")
    print(
        f"{entry['endpoint']}/{entry['deployment']} answers at {url}/score, on this machine alone; Ctrl-C stops it\n",
        file=out,
    )
    print(f"curl -s {url}/score -H 'Content-Type: application/json' -d '{quoted}'", file=out, flush=True)


def _endpoint(folder: str, deployment: str | None) -> tuple[dict[str, Any], str]:
    from mlp_lang.runner.folder import read_record

    record = read_record(folder)
    if record is None:
        raise ServeError(f"`{folder}` holds no run; give the folder of a run, the one with run.json")
    found = [e for e in record.get("endpoints", ()) if e.get("scoring")]
    if deployment is not None:
        found = [e for e in found if deployment in (e["deployment"], f"{e['endpoint']}/{e['deployment']}")]
    if not found:
        which = f"no deployment `{deployment}`" if deployment is not None else "no deployment that succeeded"
        raise ServeError(f"the run in `{folder}` has {which}; see the steps in its run.json")
    if len(found) > 1:
        names = ", ".join(f"{e['endpoint']}/{e['deployment']}" for e in found)
        raise ServeError(f"the run has several deployments: {names}; name one of them")
    return found[0], folder


def _model_name(node: Node) -> str:
    model = node.deployment.model if node.deployment is not None else None
    match model:
        case FromNode(node=name) | FromInput(name=name):
            return name
        case _:
            return "model"


def _models(node: Node) -> list[str]:
    """Stages whose model a stage takes."""
    types = {p.name: (p.type, p.azure_type) for p in node.component.inputs}
    return [
        binding.node
        for name, binding in node.inputs
        if isinstance(binding, FromNode) and name in types and _is_model(*types[name])
    ]


def _is_model(ours: str, azure: str) -> bool:
    return ours.startswith("model") or azure in ("mlflow_model", "custom_model", "triton_model")


def _table(node: Node) -> str | None:
    """The input of a stage that takes rows: the one typed or named so."""
    bound = dict(node.inputs)
    typed = [p.name for p in node.component.inputs if p.name in bound and p.type.removesuffix("?") == "table"]
    return next((name for name in ("table", *typed) if name in typed or (name in bound and name == "table")), None)


def _is_facts(binding: object, graph: Graph) -> bool:
    if not isinstance(binding, FromInput):
        return False
    return any(i.parameter.name == binding.name and i.facts is not None for i in graph.inputs)
