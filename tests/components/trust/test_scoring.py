"""The scoring script: MLflow's protocol in all its forms, the signature's types, and a sentence for everything else."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import score
from common import models
from score import BadRequestError, Column
from trust_steps import ONNX, SCORING, Folder, people, script, train

COLUMNS = (
    Column("age", "long", True),
    Column("hours", "double", False),
    Column("job", "string", False),
    Column("flag", "boolean", True),
)
GOOD = [[30, 1.5, "x", True], [40, None, None, False]]
EXPECTED = pd.DataFrame(
    {"age": [30, 40], "hours": [1.5, math.nan], "job": pd.Series(["x", None], dtype=object), "flag": [True, False]}
)
NAMES = ["age", "hours", "job", "flag"]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in GOOD]


@pytest.mark.parametrize(
    "document",
    [
        {"input_data": {"columns": NAMES, "index": [7, 8], "data": GOOD}},
        {"input_data": {"columns": NAMES, "data": GOOD}},
        {"input_data": {"columns": NAMES[::-1], "data": [row[::-1] for row in GOOD]}},
        {"input_data": {"columns": [*NAMES, "more"], "data": [[*row, 1] for row in GOOD]}},
        {"input_data": RECORDS},
        {"input_data": GOOD},
        {"input_data": {"data": GOOD}},
        RECORDS,
        GOOD,
        [RECORDS[0], {"flag": False, "age": 40}],
        [{**RECORDS[0], "age": 30.0}, RECORDS[1]],
    ],
)
def test_forms_of_a_request(document: Any) -> None:
    found = score.read(json.dumps(document), COLUMNS)
    pd.testing.assert_frame_equal(found, EXPECTED)
    assert found["age"].dtype == np.int64


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("NaN", "NaN is no JSON value"),
        ("3", "must be a list"),
        ('{"data": []}', "input_data"),
        ('{"input_data": 3}', "must be a list"),
        ('{"input_data": {"columns": "age", "data": []}}', "list of names"),
        ('{"input_data": {"columns": ["age"], "data": 3}}', "list of rows"),
        ('{"input_data": {"columns": ["age"], "data": [[1, 2]]}}', "row 0 is 2 values, 1 values are expected"),
        ('{"input_data": {"columns": ["age"], "data": ["x"]}}', "row 0 is a string"),
        ('{"input_data": {"columns": ["age", "age"], "data": [[1, 2]]}}', "'age' is given twice"),
        ('[{"age": 1}]', "the column 'flag' is missing"),
        ('[{"age": 1, "flag": true, "hour": 2}]', "the column 'hours' is missing; 'hour' is no column"),
        ('[{"age": null, "flag": true}]', "row 0, column 'age': a long is expected, found null"),
        ('[{"age": "1", "flag": true}]', 'a long is expected, found "1"'),
        ('[{"age": 1.5, "flag": true}]', "a long is expected, found 1.5"),
        ('[{"age": true, "flag": true}]', "a long is expected, found true"),
        ('[{"age": 99999999999999999999, "flag": true}]', "a long is expected"),
        ('[{"age": 1, "flag": 1}]', "a boolean is expected, found 1"),
        ('[{"age": 1, "flag": true, "hours": "many"}]', "a double is expected"),
        ('[{"age": 1, "flag": true, "hours": 1e999}]', "a double is expected"),
        ('[{"age": 1, "flag": true, "job": 5}]', "a string is expected, found 5"),
        ('[{"age": 1, "flag": true, "job": {"a": 1}}]', "a string is expected"),
    ],
)
def test_bad_requests(body: str, said: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        score.read(body, COLUMNS)
    assert said in str(refused.value)


@pytest.fixture(scope="module")
def deployed(trained: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The same model twice, where Azure ML mounts a registered one: native in `native/`, ONNX in `onnx/`."""
    folder = Folder(tmp_path_factory.mktemp("models"))
    for name in ("native", "onnx"):
        (folder / name).mkdir()
    given = {"model": trained / "plain", "table": trained / "test.parquet", "facts": trained / "facts.json"}
    given |= {"output-model": folder / "onnx" / "model", "parity": folder / "parity.json"}
    done = script(ONNX, "export.py", *(x for k, v in given.items() for x in (f"--{k}", v)))
    assert done.returncode == 0, done.stderr
    (folder / "native/model").symlink_to(trained / "plain")
    return folder


def body(frame: pd.DataFrame) -> str:
    return json.dumps({"input_data": json.loads(frame.to_json(orient="split", double_precision=15))})


@pytest.mark.parametrize("flavour", ["native", "onnx"])
def test_predictions_are_the_models(
    deployed: Folder, trained: Folder, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(deployed / flavour))
    score.init()
    native = models.load(trained / "plain")
    rows = people(300, seed=9)[list(native.card.features)]
    assert rows.isna().any().any()
    answer = score.run(body(rows.sample(frac=1.0, axis=1, random_state=0)))
    assert answer == native.predict(rows).tolist()
    assert json.loads(json.dumps(answer)) == answer
    assert score.run('{"input_data": []}') == []
    assert score.run(body(rows[:0])) == []


def test_a_bad_request_is_status_400(deployed: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(deployed / "onnx"))
    score.init()
    response = score.run('[{"age": "old"}]')
    assert response.status_code == 400
    assert json.loads(response.get_data()) == {
        "error": "the column 'education' is missing",
    }


@pytest.mark.parametrize("estimator", ["DecisionTreeClassifier", "Ridge"])
def test_booleans_and_numbers_come_back_as_such(here: Folder, estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    label = {"type": "boolean"} if estimator == "DecisionTreeClassifier" else {"type": "number"}
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 9}, "y": label}}
    frame = pd.DataFrame({"x": np.arange(40) % 10, "y": np.arange(40) % 10 > 4})
    if estimator == "Ridge":
        frame["y"] = frame["y"] * 1.5
    (here / "facts.json").write_text(json.dumps({"name": "t", "schema": schema, "label": "y"}))
    table = here.table(frame)
    train(table, here / "facts.json", here / "model", estimator)
    given = {"model": here / "model", "table": table, "facts": here / "facts.json"}
    given |= {"output-model": here / "served", "parity": here / "parity.json"}
    assert script(ONNX, "export.py", *(x for k, v in given.items() for x in (f"--{k}", v))).returncode == 0
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(here / "served"))
    score.init()
    answer = score.run('[{"x": 0}, {"x": 9}]')
    if estimator == "Ridge":
        assert answer == pytest.approx(models.load(here / "model").predict(pd.DataFrame({"x": [0, 9]})), abs=1e-5)
    else:
        assert answer == [False, True]
        assert [type(x) for x in answer] == [bool, bool]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "no MLflow model"),
        ("flavors: {onnx: {}}", "no signature"),
        ('flavors: {}\nsignature: {inputs: \'[{"type": "tensor"}]\'}', "no signature"),
        ('flavors: {}\nsignature: {inputs: \'[{"name": "x", "type": "binary"}]\'}', "binary"),
        (
            'flavors: {onnx: {data: ../../x}}\nsignature: {inputs: \'[{"name": "x", "type": "long"}]\'}',
            "outside its folder",
        ),
    ],
)
def test_models_that_cannot_be_served(tmp_path: Path, document: str | None, said: str) -> None:
    if document is not None:
        (tmp_path / "MLmodel").write_text(document)
    with pytest.raises(ValueError, match=said):
        score.load(tmp_path)


@pytest.mark.slow
def test_under_azure_mls_inference_server(deployed: Folder, trained: Folder, tmp_path: Path) -> None:
    """The real server on loopback: predictions, a 400 with its sentence, and an address that nobody else reaches."""
    import shutil

    from mlp_lang.runner import server as servers

    shutil.copytree(SCORING, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    server = servers.start(str(tmp_path / "app"), str(deployed / "onnx"), {}, str(tmp_path / "log"))
    try:
        assert servers.bound_addresses(server.port) == [servers.HOST]
        native = models.load(trained / "plain")
        rows = people(50, seed=9)[list(native.card.features)]
        assert server.score(json.loads(body(rows))) == native.predict(rows).tolist()
        for bad in ("", "{", '[{"age": "old"}]'):
            status, text = servers.request(server.port, "POST", "/score", bad)
            assert status == 400, text
            assert "Traceback" not in text
    finally:
        server.close()


def test_the_script_needs_nothing_of_the_library() -> None:
    """It is deployed alone: what it imports must be in its own conda.yaml."""
    import ast

    import yaml

    modules = {"yaml": "pyyaml", "azureml_inference_server_http": "azureml-inference-server-http"}
    tree = ast.parse((SCORING / "score.py").read_text())
    imported = {
        (name.name if isinstance(node, ast.Import) else node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    packages = yaml.safe_load((SCORING / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    given = {spec.split(">")[0] for spec in packages}
    import sys

    third = {modules.get(name, name) for name in imported if name not in sys.stdlib_module_names}
    assert third <= given
