"""Definitions as people wrote them: of what azure-ai-ml loads, only what is truly wrong in them is an error."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker import check_yaml
from mlp_lang.lowering.checker.definitions import kind_of
from mlp_lang.lowering.checker.document import Findings

# Every error, by its file, and why it is one.
PIPELINES = "cli/jobs/pipelines-with-components/"
ONLINE = "cli/endpoints/online/"
BATCH = "cli/endpoints/batch/deploy-pipelines/training-with-components/"
TRUE = {
    (PIPELINES + "image_classification_with_densenet/pipeline.yml", "MLP0819"): "center_crop: 224, of True and False",
    (
        PIPELINES + "pipeline_with_pipeline_component/nyc_taxi_data_regression_with_pipeline_component/pipeline.yml",
        "MLP0817",
    ): "an input that its component no longer has",
    (PIPELINES + "basics/6c_r_iris/component.yml", "MLP0814"): "a name with dashes: azure-ai-ml refuses it",
    (BATCH + "deployment-onehot/pipeline.yml", "MLP0814"): "a name with dashes: azure-ai-ml refuses it",
    (BATCH + "deployment-ordinal/pipeline.yml", "MLP0814"): "a name with dashes: azure-ai-ml refuses it",
    (
        "cli/jobs/automl-standalone-jobs/cli-automl-classification-task-bankmarketing/"
        "cli-automl-classification-task-bankmarketing-serverless.yml",
        "MLP0814",
    ): "`resources:` of nothing: azure-ai-ml refuses it",
    ("cli/jobs/single-step/java/iris/job-template.yml", "MLP0815"): "code that is not there: azure-ai-ml refuses it",
    ("cli/jobs/single-step/scikit-learn/iris-notebook/job.yml", "MLP0815"): "code that is fetched first",
    (
        "sdk/python/endpoints/online/deploy-with-packages/custom-model/environment/sklearn-regression-env.yml",
        "MLP0815",
    ): "conda.yaml, where conda.yml is",
    # Templates, to be filled in first.
    ("cli/jobs/nebulaml/cifar10_deepspeed/job.yml", "MLP0814"): "`< your environment name >`",
    (ONLINE + "managed/binary-payloads/binary-payloads-deployment.yml", "MLP0815"): "`<SCORING_SCRIPT>`",
    (ONLINE + "managed/openapi/deployment.yml", "MLP0815"): "`<CODE_DIR>`",
    (ONLINE + "managed/minimal/single-model-registered/deployment.yml", "MLP0814"): "`{{ENDPOINT_NAME}}`",
    (ONLINE + "managed/minimal/single-model-registered/model.yml", "MLP0814"): "`{{MODEL_VERSION}}`",
    (ONLINE + "custom-container/tfserving/half-plus-two/tfserving-deployment.yml", "MLP0814"): "`{{MODEL_VERSION}}`",
    (ONLINE + "custom-container/minimal/multimodel/minimal-multimodel-endpoint.yml", "MLP0814"): "`{{ENDPOINT_NAME}}`",
    (
        ONLINE + "custom-container/minimal/single-model/conda-in-dockerfile/"
        "minimal-single-model-conda-in-dockerfile-endpoint.yml",
        "MLP0814",
    ): "`{{ENDPOINT_NAME}}`",
    (
        ONLINE + "custom-container/minimal/single-model/minimal-single-model-endpoint.yml",
        "MLP0814",
    ): "`{{ENDPOINT_NAME}}`",
    (ONLINE + "custom-container/mlflow/multideployment-scikit/mlflow-endpoint.yml", "MLP0814"): "`{{ENDPOINT_NAME}}`",
    (ONLINE + "custom-container/triton/single-model/triton-cc-endpoint.yml", "MLP0814"): "`{{ENDPOINT_NAME}}`",
}
EMPTY = ["cli/jobs/deepspeed/deepspeed-autotuning/job.yml"]  # a file of comments
TEMPLATES = "{{"  # what is no YAML until it is filled in


def definitions(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The kind of each definition, by its path from the corpus."""
    monkeypatch.chdir(corpus)
    kinds = {}
    for path in sorted([*corpus.rglob("*.yml"), *corpus.rglob("*.yaml")]):
        name = path.relative_to(corpus).as_posix()
        root = Findings("").load(name)
        kind = kind_of(root) if root is not None else None
        if root is None and TEMPLATES not in path.read_text(errors="replace"):
            kind = "no YAML"
        if kind is not None:
            kinds[name] = kind
    return kinds


def test_of_real_definitions_only_true_mistakes_are_errors(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = definitions(corpus, monkeypatch)
    counts = Counter(kinds.values())
    assert counts["pipeline job"] >= 70
    assert counts["component"] >= 128
    assert [name for name, kind in kinds.items() if kind == "no YAML"] == EMPTY
    found = {
        (d.span.source.path, d.code)
        for name, kind in kinds.items()
        if kind != "no YAML"
        for d in check_yaml(name)
        if d.severity is Severity.ERROR
    }
    assert found == set(TRUE)


@pytest.mark.slow
def test_what_azure_refuses_is_an_error_as_well(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs, components, data, environments and models: what azure-ai-ml does not load, mlp does not pass."""
    loaders = {
        "pipeline job": "job", "command job": "job", "sweep job": "job", "spark job": "job", "automl job": "job",
        "component": "component", "data": "data", "environment": "environment", "model": "model",
        "online endpoint": "online_endpoint", "batch endpoint": "batch_endpoint",
    }  # fmt: skip
    kinds = definitions(corpus, monkeypatch)
    asked = {name: loaders[kind] for name, kind in kinds.items() if kind in loaders}
    environment = os.environ | {"AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "true", "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    command = [sys.executable, str(Path(__file__).parent / "azure_loads.py")]
    command += [f"load_{loader}:{name}" for name, loader in asked.items()]
    done = subprocess.run(command, cwd=corpus, env=environment, capture_output=True, text=True, check=True)
    refused = {name for name, said in json.loads(done.stdout).items() if said}
    passed = {name for name in asked if not any(d.severity is Severity.ERROR for d in check_yaml(name))}
    assert refused & passed == set()
