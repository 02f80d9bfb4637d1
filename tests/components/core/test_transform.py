"""`transform`: scikit-learn's transformers between the encoder and the estimator of `sklearn.<Estimator>`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from common import models
from component_steps import Step, compiled, mlp, module, put, refused, succeeded
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

TRAIN = "train/sklearn/train.py"
NAMES = ["a", "b", "c", "d"]
PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  prepare flowers using sklearn.dataset {
    name = "iris"
  }

  train model using sklearn.SVC {
    table = flowers
    transform = %s
    C = 2.0
  }

  evaluate quality using sklearn.classification {
    model = model
    table = flowers
    require accuracy >= 0.9
  }

  export portable using onnx.model {
    model = model
    table = flowers
  }
}
"""


def iris(folder: Path) -> tuple[Path, Path]:
    frame = load_iris(as_frame=True).frame
    frame.columns = [*NAMES, "target"]
    frame.to_csv(folder / "iris.csv", index=False)
    bounds = {name: {"type": "number", "minimum": 0, "maximum": 10} for name in NAMES}
    schema = {"type": "object", "properties": {**bounds, "target": {"enum": [0, 1, 2]}}, "required": ["target"]}
    return folder / "iris.csv", put(folder / "facts.json", {"name": "iris", "schema": schema, "label": "target"})


def trained(step: Step, folder: Path, transform: Any, estimator: str = "SVC", *more: str) -> Any:
    table, facts = iris(folder)
    return step(
        *(TRAIN, "--estimator", estimator, "--table", table, "--facts", facts, "--model", "model"),
        *("--json", "transform", json.dumps(transform), *more),
    )


def test_the_chain_is_scikit_learns_own_on_the_encoded_rows(step: Step, tmp_path: Path) -> None:
    chain = [
        {"PolynomialFeatures": {"degree": 2, "include_bias": False}},
        "StandardScaler",
        {"PCA": {"n_components": 3}},
    ]
    succeeded(trained(step, tmp_path, chain, "SVC", "--json", "C", "2.0"))
    rows, truth = load_iris(return_X_y=True)
    wanted = make_pipeline(
        PolynomialFeatures(2, include_bias=False), StandardScaler(), PCA(3, random_state=0), SVC(C=2.0, random_state=0)
    )
    wanted.fit(rows / 10, truth)
    frame = load_iris(as_frame=True).data.set_axis(NAMES, axis=1)
    pipeline, _ = models.load_sklearn(tmp_path / "model")
    np.testing.assert_array_equal(pipeline.predict(frame), wanted.predict(rows / 10))


def test_the_intercept_of_a_model_without_one_stays_behind_the_chain(step: Step, tmp_path: Path) -> None:
    more = ("--json", "fit_intercept", "false", "--json", "max_iter", "2000")
    succeeded(trained(step, tmp_path, ["StandardScaler"], "LogisticRegression", *more))
    pipeline, _ = models.load_sklearn(tmp_path / "model")
    assert [name for name, _ in pipeline.steps[0][1].steps] == ["columns", "transform_0", "constant"]
    frame = load_iris(as_frame=True).data.set_axis(NAMES, axis=1)
    assert (pipeline.steps[0][1].transform(frame)[:, 0] == 1).all()


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (["PCAA"], "'PCAA' is none of"),
        ([{"PCA": {"componts": 3}}], "PCA has no parameter 'componts'"),
        ([{"PCA": 3}], "a map of its parameters"),
        ([{"PCA": {"n_components": 9}}], "PCA: n_components=9 must be"),
        ([{"PCA": {}, "StandardScaler": {}}], "is none of"),
    ],
)
def test_chains_that_are_refused(step: Step, tmp_path: Path, transform: Any, said: str) -> None:
    assert said in refused(trained(step, tmp_path, transform))
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", json.loads(module(TRAIN, "train_names").HERE.joinpath("transformers.json").read_text())["transformers"]
)
def test_every_transformer_is_saved_and_loaded(step: Step, tmp_path: Path, name: str) -> None:
    succeeded(trained(step, tmp_path, [name], "LogisticRegression", "--json", "max_iter", "50"))
    models.load(tmp_path / "model").predict(load_iris(as_frame=True).data.set_axis(NAMES, axis=1))


@pytest.mark.slow
def test_a_program_with_a_chain_runs_and_exports(tmp_path: Path) -> None:
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM % '["StandardScaler", { PCA: { n_components: 3 } }]', encoding="utf-8")
    compiled(program)
    done = mlp("run", "sample.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compiler_knows_the_names(tmp_path: Path) -> None:
    (tmp_path / "sample.mlp").write_text(PROGRAM % '["StandardScalar"]', encoding="utf-8")
    done = mlp("check", "sample.mlp", cwd=tmp_path)
    assert done.returncode != 0
    assert "StandardScaler" in done.stderr + done.stdout
