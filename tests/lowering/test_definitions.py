"""Definitions in YAML become programs that compile to definitions which azure-ai-ml takes for the same."""

from pathlib import Path

import pytest
from definition_rounds import LOADERS, as_data, as_request, go_round, load
from mlp_lang.compiler import compile_file
from mlp_lang.decompiler import decompile, decompile_definitions
from mlp_lang.decompiler.folder import definitions_below
from mlp_lang.lowering import lower_all
from mlp_lang.lowering.verify import verify

pytest.importorskip("azure.ai.ml")
pytestmark = pytest.mark.slow

# kind, YAML, a line of the program
KINDS: list[tuple[str, str, str]] = [
    (
        "environment",
        """
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: sklearn-env
version: "3"
description: What scores.
image: mcr.microsoft.com/azureml/base:1
conda_file: ./conda.yml
os_type: Linux
tags: {owner: team, level: 2}
inference_config:
  liveness_route: {path: /, port: 5001}
  readiness_route: {path: /, port: 5001}
  scoring_route: {path: /score, port: 5001}
""",
        'environment sklearn_env = image("mcr.microsoft.com/azureml/base:1", conda = "../conda.yml") {',
    ),
    (
        "environment",
        """
name: built
build: {path: src, dockerfile_path: Dockerfile}
""",
        'environment built = build("../src", dockerfile = "Dockerfile") {',
    ),
    (
        "data",
        """
$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
name: census
version: 2
type: uri_file
path: census.csv
""",
        "  type = file",
    ),
    (
        "data",
        """
$schema: http://azureml/sdk-2-0/DataImport.json
name: sales
type: mltable
path: azureml://datastores/workspaceblobstore/paths/sales
source: {type: database, query: select 1, connection: "azureml:shop"}
""",
        '  source = database(connection = "azureml:shop", query = "select 1")',
    ),
    (
        "model",
        """
$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
name: pets
version: 1
type: mlflow_model
stage: Production
path: model
flavors: {sklearn: {sklearn_version: 1.5.0}}
""",
        'asset pets = model("pets") {',
    ),
    (
        "online",
        """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: income-scoring
auth_mode: AMLToken
public_network_access: disabled
traffic: {blue: 90, green: 10}
mirror_traffic: {green: 10}
identity: {type: user_assigned, user_assigned_identities: [{resource_id: r}]}
""",
        '  identity = managed(resource_id = "r")',
    ),
    (
        "kubernetes endpoint",
        """
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineEndpoint.schema.json
name: income-k8s
compute: azureml:k8s
auth_mode: Key
""",
        'endpoint income_k8s = kubernetes("income-k8s", compute = "azureml:k8s") {',
    ),
    (
        "batch endpoint",
        """
$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
name: income-nightly
auth_mode: aad_token
defaults: {deployment_name: blue}
""",
        '  default_deployment = "blue"',
    ),
    (
        "managed",
        """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: income-scoring
model: {path: model, type: custom_model}
code_configuration: {code: src, scoring_script: score.py}
environment: {image: "mcr.microsoft.com/azureml/base:1", conda_file: conda.yml}
instance_type: Standard_DS3_v2
instance_count: 2
request_settings: {request_timeout_ms: 1500, max_queue_wait_ms: 60000, max_concurrent_requests_per_instance: 2}
liveness_probe: {initial_delay: 10, period: 120, timeout: 2, failure_threshold: 3}
environment_variables: {WORKERS: 2, MODE: fast}
egress_public_network_access: disabled
app_insights_enabled: true
scale_settings: {type: default}
data_collector:
  sampling_rate: 0.5
  rolling_rate: hour
  request_logging: {capture_headers: [a]}
  collections: {model_inputs: {enabled: "true"}}
""",
        "    request_timeout = 1500ms",
    ),
    (
        "kubernetes",
        """
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: green
type: kubernetes
endpoint_name: income-k8s
model: azureml:income:1
environment: azureml:env@latest
instance_type: small
scale_settings: {type: target_utilization, min_instances: 1, max_instances: 3, polling_interval: 10}
resources: {requests: {cpu: "0.1", memory: 0.5Gi}, limits: {cpu: "1", memory: 1Gi, gpu: "1"}}
""",
        "    polling_interval = 10s",
    ),
    (
        "batch",
        """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: nightly
endpoint_name: income-nightly
type: model
description: Scores by night.
model: azureml:income@latest
compute: azureml:cpu-cluster
resources: {instance_count: 2}
settings:
  mini_batch_size: 10
  output_action: append_row
  output_file_name: scores.csv
  retry_settings: {max_retries: 3, timeout: 30}
  error_threshold: -1
  logging_level: info
  environment_variables: {A: b}
""",
        'deployment nightly = batch("income-nightly") {',
    ),
    (
        "flat",
        """
$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
name: nightly
endpoint_name: income-nightly
model: azureml:income@latest
compute: azureml:cpu-cluster
mini_batch_size: 10
output_action: summary_only
""",
        'deployment nightly = batch("income-nightly", flat = true) {',
    ),
    (
        "pipeline",
        """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponentBatchDeployment.schema.json
name: hello
endpoint_name: income-nightly
type: pipeline
component: azureml:hello@latest
settings: {default_compute: cpu-cluster, continue_on_step_failure: false}
""",
        '  component = "azureml:hello@latest"',
    ),
    (
        "schedule",
        """
$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json
name: nightly
display_name: Every night
trigger: {type: cron, expression: "0 2 * * *", time_zone: UTC, start_time: "2024-07-10T10:00:00"}
create_job:
  type: pipeline
  job: ./job.yml
  settings: {force_rerun: true}
  inputs: {rows: 3}
  tags: {by: night}
""",
        "schedule nightly for job {",
    ),
    (
        "schedule",
        """
$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json
name: weekly-run
trigger:
  type: recurrence
  frequency: week
  interval: 2
  schedule: {hours: [4, 5], minutes: 0, week_days: [monday]}
create_job: ./job.yml
""",
        '  weekdays = ["monday"]',
    ),
    (
        "schedule",
        """
$schema: http://azureml/sdk-2-0/Schedule.json
name: watch
trigger: {type: recurrence, frequency: day, interval: 1, schedule: {hours: 3, minutes: 15}}
create_monitor:
  compute: {instance_type: standard_e4s_v3, runtime_version: "3.4"}
  monitoring_target: {ml_task: classification, endpoint_deployment_id: "azureml:income:blue"}
  alert_notification: {emails: [a@example.com]}
""",
        "schedule watch for monitor {",
    ),
    (
        "component",
        """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: count_rows
version: 1
inputs: {rows: {type: uri_file}}
code: ./src
command: python clean.py ${{inputs.rows}}
environment: {image: "mcr.microsoft.com/azureml/base:1", conda_file: conda.yml}
""",
        'use "../definition.yml" as count_rows',
    ),
]
JOB = """
type: pipeline
inputs: {rows: 1}
jobs:
  a:
    command: echo ${{inputs.n}}
    environment: azureml:env@latest
    compute: azureml:cpu
    inputs: {n: "${{parent.inputs.rows}}"}
"""
# what people leave for a script to fill in: refused, because the code is not there
PLACEHOLDERS = {("MLP0351", "binary-payloads"), ("MLP0351", "openapi")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "conda.yml": "dependencies:\n- python=3.11\n",
        "census.csv": "a\n1\n",
        "job.yml": JOB,
        "src/score.py": "",
        "src/clean.py": "",
        "src/Dockerfile": "FROM scratch\n",
        "model/MLmodel": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "program").mkdir()
    return tmp_path


@pytest.mark.parametrize(("kind", "text", "line"), KINDS, ids=[f"{k}-{i}" for i, (k, _, _) in enumerate(KINDS)])
def test_a_definition_goes_round(kind: str, text: str, line: str, folder: Path) -> None:
    path = folder / "definition.yml"
    path.write_text(text)
    around = go_round(path, folder / "program")
    assert [k for _, k in around.made.definitions] == [kind]
    assert around.made.escapes == ()
    assert line in around.program.split("\n")
    assert around.errors == []
    assert around.written is not None
    before, after = load(kind, path), load(kind, around.written)
    assert as_data(after, around.written.parent) == as_data(before, folder)
    sent = as_request(before, folder)
    if sent is not None and kind != "component":  # the identity of a component is a digest of its paths
        assert as_request(after, around.written.parent) == sent


def test_what_no_word_says_stands_in_the_escape(folder: Path) -> None:
    path = folder / "definition.yml"
    path.write_text(KINDS[8][1] + "properties: {a: b}\nsomething: {new: [1, {x: y}]}\n")
    made = decompile(str(path))
    assert made.text is not None
    assert [(e.where, e.field, e.line) for e in made.escapes] == [("blue", "something", 22)]
    assert '  azureml { something = { new: [1, { x: "y" }] } }' in made.text.split("\n")


def test_files_together_name_each_other_and_keep_their_comments(folder: Path) -> None:
    for name, (_, text, _) in {"endpoint.yml": KINDS[5], "deployment.yml": KINDS[8]}.items():
        (folder / name).write_text("# as it was\n" + text.replace("auth_mode: AMLToken", "auth_mode: key  # for now"))
    made = decompile_definitions([str(folder / "deployment.yml"), str(folder / "endpoint.yml")])
    assert made.text is not None
    lines = made.text.split("\n")
    assert "deployment blue = managed(income_scoring) {" in lines
    assert "  auth = key  # for now" in lines
    assert lines.count("# as it was") == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "MLP0810"),
        ("- 1\n", "MLP0810"),
        ("x: 1\n", "MLP0870"),
        ("name: {{NAME}}\nauth_mode: key\n", "MLP0810"),
        ("name: a\nname: b\nauth_mode: key\n", "MLP0811"),
        ("name: a\nauth_mode: key\ntags: &t {a: *t}\n", "MLP0810"),
    ],
)
def test_what_defines_nothing_is_a_diagnostic(text: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text(text)
    made = decompile(str(tmp_path / "x.yml"))
    assert made.text is None
    assert [d.code for d in made.diagnostics] == [code]


def test_every_kind_of_definition_is_accepted_without_a_remark(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "baselines" / "definitions" / "main.mlp"
    (build,) = lower_all(compile_file(program), str(program))
    folder = build.write(tmp_path)
    assert [(d.code, d.message) for d in verify(folder)] == []


def test_public_definitions_go_round(corpus: Path, tmp_path: Path) -> None:
    """Whatever azure-ai-ml loads is compiled to what it takes for the same, and nothing needs the escape."""
    counts: dict[str, list[int]] = {kind: [0, 0, 0] for kind in LOADERS}
    refused: set[tuple[str, str]] = set()
    for number, name in enumerate(definitions_below(str(corpus))):
        path, folder = Path(name), tmp_path / str(number)
        folder.mkdir()
        read = decompile(name)
        if read.text is None:  # a template of a file: no YAML until somebody fills it in
            assert [d.code for d in read.diagnostics] == ["MLP0810"], name
            continue
        kind = read.definitions[0][1]
        counts[kind][0] += 1
        try:
            before = load(kind, path)
        except Exception:
            continue
        counts[kind][1] += 1
        around = go_round(path, folder)
        assert around.made.escapes == (), name
        if around.written is None:
            refused |= {(code, path.parent.name) for code, _ in around.errors}
            continue
        after = load(kind, around.written)
        assert as_data(after, around.written.parent) == as_data(before, path.parent), name
        counts[kind][2] += 1
    print({kind: f"{of} files, {loaded} load, {equal} equal" for kind, (of, loaded, equal) in counts.items()})
    assert refused <= PLACEHOLDERS
    assert sum(c[2] for c in counts.values()) == sum(c[1] for c in counts.values()) - len(refused)
