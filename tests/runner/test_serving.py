"""A deploy stage on this machine: Azure ML's own server, on loopback alone, answering as the model does."""

import io
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from mlp_lang.compiler.graph import (
    Asset,
    Deployment,
    Endpoint,
    Environment,
    FromInput,
    FromNode,
    Graph,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
)
from mlp_lang.runner import RunResult, ServeError, serve
from mlp_lang.runner import server as servers
from mlp_lang.runner.endpoint_check import compare, predictions, quantile
from mlp_lang.runner.serving import judged_table

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]
HERE = Path(__file__).parent
SCHEMA = json.loads((HERE.parents[1] / "schemas" / "run.schema.json").read_text())

TRAIN = """
import sys, mlflow, mlflow.sklearn, pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
rows = pd.read_csv(sys.argv[1])
x, y = rows[["a", "b"]].astype(float), rows["label"]
model = LogisticRegression().fit(x, y)
signature = infer_signature(x, y)
mlflow.sklearn.save_model(
    model, sys.argv[2], signature=signature, input_example=x.head(2), serialization_format="cloudpickle"
)
"""


TRAINED = FromNode("model", "model")


def pipeline(folder: Path, variables: dict[str, str] | None = None) -> Graph:
    """Train on a table, judge, deploy: the table has a column that the model does not take."""
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "train.py").write_text(TRAIN)
    lines = [
        f"{i % 17},{i % 5},{'north' if i % 2 else 'south'},{'yes' if i % 17 > i % 5 + 3 else 'no'}" for i in range(300)
    ]
    (folder / "rows.csv").write_text("a,b,region,label\n" + "\n".join(lines) + "\n")
    table = PipelineInput(Parameter("rows", "table", "uri_file"), Asset("uri_file", str(folder / "rows.csv"), True))
    model_port = (OutputPort("model", "model[sklearn]", "mlflow_model"),)
    train = step(
        "model",
        "python train.py ${{inputs.table}} ${{outputs.model}}",
        {"table": FromInput("rows")},
        model_port,
        code=code,
        verb="train",
    )
    train = typed(train, {"table": "table"})
    judge = step(
        "quality",
        "echo '{\"metrics\": {}}' > ${{outputs.out}}",
        {"model": FromNode("model", "model"), "table": FromInput("rows")},
        verb="evaluate",
    )
    return graph(
        train, typed(judge, {"model": "model", "table": "table"}), deploy(variables or {}), inputs=(table,)
    )._replace(endpoints=(Endpoint("scoring", "demo-scoring", "online", "key"),))


def typed(node: Node, types: dict[str, str]) -> Node:
    azure = {"table": "uri_file", "model": "mlflow_model"}
    inputs = tuple(
        Parameter(p.name, types[p.name], azure[types[p.name]]) if p.name in types else p for p in node.component.inputs
    )
    return node._replace(component=node.component._replace(inputs=inputs))


def deploy(variables: dict[str, str], model: FromNode = TRAINED) -> Node:
    node = step(
        "blue",
        "exit 99",
        {"model": model},
        (OutputPort("endpoint", "report", "uri_file"),),
        after=("quality",),
        verb="deploy",
    )
    deployment = Deployment(
        "blue", "scoring", model, "Standard_DS3_v2", 1, str(HERE / "scoring"), Environment(), variables
    )
    definitions = Parameter("definitions", "folder", "uri_folder")  # lowering fills it in; here nothing reads it
    node = node._replace(component=node.component._replace(inputs=(*node.component.inputs, definitions)))
    return typed(node, {"model": "model"})._replace(deployment=deployment)


@pytest.mark.slow
def test_a_deploy_stage_serves_compares_and_stops(go: Go, tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    result = go(made, tmp_path / "out")
    assert set(states(result).values()) == {"completed"}, result.diagnostics
    jsonschema.validate(result.record, SCHEMA)
    (endpoint,) = result.record["endpoints"]
    check = endpoint["check"]
    assert check["address"] == ["127.0.0.1"] and check["agreement"] == 1.0 and check["rows"] == 200
    assert 0 < check["latency_ms"]["p50"] <= check["latency_ms"]["p95"] and check["latency_ms"]["n"] == 50
    assert json.loads(Path(result.steps["blue"].outputs["endpoint"]).read_text()) == check
    assert set(states(go(made, tmp_path / "out")).values()) == {"cached"}
    served(tmp_path / "out", made)


def served(folder: Path, made: Graph) -> None:
    """`mlp serve` of that run: answers the request that it prints, on loopback alone, and stops when told."""
    out, stop = io.StringIO(), threading.Event()
    failed: list[BaseException] = []

    def keep() -> None:
        try:
            serve(folder, stream=out, stop=stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        for _ in range(1200):
            if "curl" in out.getvalue() or failed:
                break
            time.sleep(0.05)
        assert not failed, failed
        found = re.search(r"curl -s (http://127\.0\.0\.1:(\d+)/score) .* -d '(.*)'$", out.getvalue(), re.M)
        assert found is not None, out.getvalue()
        url, port, body = found[1], int(found[2]), found[3]
        with urllib.request.urlopen(
            urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
        ) as answer:
            assert json.load(answer)[0] in ("yes", "no")
        assert servers.bound_addresses(port) == ["127.0.0.1"]
        for address in others():
            with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):
                pass
    finally:
        stop.set()
        thread.join(30)
    assert servers.bound_addresses(port) == [] and out.getvalue().endswith("stopped\n")


def others() -> set[str]:
    """Addresses of this machine that are not loopback."""
    import psutil

    return {a.address for found in psutil.net_if_addrs().values() for a in found if a.family == socket.AF_INET} - {
        "127.0.0.1"
    }


@pytest.mark.slow
def test_an_endpoint_that_answers_otherwise_fails_its_stage(go: Go, tmp_path: Path) -> None:
    result = go(pipeline(tmp_path, {"LIE": "1"}))
    assert states(result)["blue"] == "failed"
    assert "the endpoint agrees with its model on" in result.diagnostics[0].label
    assert result.record["endpoints"] == []


@pytest.mark.slow
def test_a_scoring_script_that_does_not_load_fails_its_stage(go: Go, tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "score.py").write_text(
        "def init():\n    raise ValueError('no model today')\ndef run(raw):\n    return []\n"
    )
    nodes = tuple(
        n._replace(deployment=n.deployment._replace(scoring_folder=str(broken))) if n.deployment else n
        for n in made.nodes
    )
    result = go(made._replace(nodes=nodes))
    assert states(result)["blue"] == "failed"
    assert "the scoring server ended with exit code 3" in result.diagnostics[0].label
    assert "no model today" in result.diagnostics[0].label


@pytest.mark.parametrize(
    ("answer", "expected"), [([1, 2], [1, 2]), ({"predictions": ["a"]}, ["a"]), ('["a"]', ["a"]), ([{"0": 1}], [1])]
)
def test_answers_in_every_usual_form(answer: object, expected: list[object]) -> None:
    assert predictions(answer) == expected


def test_comparison_and_quantiles() -> None:
    assert compare(["a", "b"], ["a", "c"]) == (0.5, None)
    share, largest = compare([1.0, 2.0], [1.0, 2.5])
    assert (share, largest) == (0.5, 0.5)
    assert [quantile([1.0, 2.0, 3.0, 4.0], q) for q in (0.25, 0.5, 0.95, 1.0)] == [1.0, 2.0, 4.0, 4.0]
    with pytest.raises(servers.ServerError, match="1 predictions for 2 rows"):
        compare([1], [1, 2])


@pytest.mark.parametrize(
    ("judges", "expected"),
    [
        ({"quality": ("evaluate", "portable"), "portable": ("export", "model")}, "quality"),
        ({"quality": ("evaluate", "model"), "portable": ("export", "model")}, "portable"),
        ({"fairness": ("evaluate", "model"), "portable": ("prepare", "model")}, "fairness"),
        ({"portable": ("prepare", "model")}, None),
    ],
)
def test_the_rows_are_those_of_the_nearest_judge(judges: dict[str, tuple[str, str]], expected: str | None) -> None:
    nodes = [step("model", "true", outputs=("model",))]
    for name, (verb, model) in judges.items():
        inputs = {"model": FromNode(model, "model"), "table": FromNode("split", "test")}
        nodes.append(typed(step(name, "true", inputs, ("model",), verb=verb), {"model": "model", "table": "table"}))
    node = deploy({}, FromNode("portable", "model"))
    found = judged_table(node, graph(*nodes, node))
    assert (found[0].name if found else None) == expected


def test_a_stage_that_only_a_workspace_can_do_is_left_out(go: Go) -> None:
    environment = Environment(conda={"dependencies": [{"pip": ["no-such-package-anywhere"]}]})
    shift = step("shift", "exit 9", verb="deploy", origin="bundled", environment=environment)
    shift = shift._replace(component=shift.component._replace(name="azureml.traffic"))
    after = step("after", "cat ${{inputs.i}} > ${{outputs.out}}", {"i": FromNode("shift", "out")})
    result = go(graph(shift, after))
    assert states(result) == {"shift": "completed", "after": "completed"}
    assert [d.code for d in result.diagnostics] == ["MLP0915"]
    assert json.loads(Path(result.steps["after"].outputs["out"]).read_text())["done"] is False


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="holds no run"):
        serve(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"pipeline": "p", "steps": [], "endpoints": []}))
    with pytest.raises(ServeError, match="no deployment that succeeded"):
        serve(tmp_path)
    entry = {"endpoint": "e", "deployment": "blue", "scoring": "s", "model": "m"}
    (tmp_path / "run.json").write_text(json.dumps({"pipeline": "p", "steps": [], "endpoints": [entry]}))
    with pytest.raises(ServeError, match="is gone"):
        serve(tmp_path)
    with pytest.raises(ServeError, match="no deployment `green`"):
        serve(tmp_path, deployment="green")
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
