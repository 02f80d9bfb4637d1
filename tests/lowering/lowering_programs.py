"""Graphs made by hand, with components on disk, so that lowering is tested for itself."""

from collections.abc import Sequence
from pathlib import Path

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Declassified,
    Deployment,
    Endpoint,
    Environment,
    Facts,
    FromInput,
    FromNode,
    Gate,
    Graph,
    Literal,
    Node,
    OutputPort,
    OutputSetting,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Privacy,
    PrivacyBudget,
    Release,
    Run,
    Schedule,
    Template,
)
from mlp_lang.dsl.source import Source, Span

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"

PROGRAM = """\
pipeline census {
  param bound: float(0..1) = 0.1
  data rows: table = "data/rows.csv"
  prepare split using tabular.split { table = rows }
  train model using sklearn.Ridge { table = split.train }
  evaluate quality using sklearn.regression { model = model, table = split.test }
  deploy blue using azureml.online_deployment after quality { endpoint = scoring, model = model }
  output best = model
}
endpoint scoring = online("census-scoring") { auth = key }
schedule nightly for census { cron = "0 2 * * *" }
"""


def project(root: Path) -> Path:
    """A program, its data, and the folders of four components with a shared one."""
    files = {
        "census.mlp": PROGRAM,
        "data/rows.csv": "age,income\n30,1\n",
        "components/common/__init__.py": "",
        "components/common/entry.py": "def main() -> None: ...\n",
        "components/split/split.py": "from common import entry\n",
        "components/split/conda.yaml": "channels: [conda-forge]\ndependencies: [python=3.11]\n",
        "components/split/component.yml": "name: tabular_split\n",
        "components/split/__pycache__/split.cpython-311.pyc": "junk",
        "components/ridge/train.py": "from common import entry\n",
        "components/ridge/conda.yaml": "channels: [conda-forge]\ndependencies: [python=3.11]\n",
        "components/ridge/component.yml": "name: sklearn_ridge\n",
        "components/evaluate/evaluate.py": "from common import entry\n",
        "components/evaluate/component.yml": "name: sklearn_regression\n",
        "components/deploy/deploy.py": "from common import entry\n",
        "components/deploy/component.yml": "name: azureml_online_deployment\n",
        "components/deploy/scoring/score.py": "def init() -> None: ...\n\n\ndef run(data: str) -> str: ...\n",
        "components/deploy/scoring/conda.yaml": "channels: [conda-forge]\ndependencies: [python=3.11]\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def component(
    root: Path,
    folder: str,
    azure_name: str,
    inputs: Sequence[Parameter],
    outputs: Sequence[OutputPort],
    command: str,
    conda: bool = True,
    **changes: object,
) -> Component:
    """A command component over a folder of `project`."""
    home = root / "components" / folder
    return Component(
        name=azure_name.replace("_", ".", 1),
        azure_name=azure_name,
        version="1.0.0",
        display_name=azure_name,
        description="What it does.",
        origin="file",
        kind="command",
        folder=str(home),
        source=str(home / "component.yml"),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        command=command,
        code=".",
        includes=("../common",),
        environment=Environment(image=IMAGE, conda_file=str(home / "conda.yaml") if conda else None),
    )._replace(**changes)  # type: ignore[arg-type]


def table(name: str, **changes: object) -> Parameter:
    return Parameter(name, "table", "uri_file")._replace(**changes)  # type: ignore[arg-type]


def line(root: Path, number: int) -> Span:
    """The span of a line of PROGRAM."""
    source = Source(str(root / "census.mlp"), PROGRAM)
    start = source.line_starts[number - 1]
    return Span(source, start, start + len(source.line(number)))


def census(root: Path, **changes: object) -> Graph:
    """The Graph of PROGRAM: data, a parameter, gates, an edge without data, an endpoint, a deployment, a schedule."""
    split = component(
        root,
        "split",
        "tabular_split",
        [
            table("table", description="rows to split"),
            Parameter("test_size", "float(>0..<1)", "number", default=0.2, has_default=True, minimum=0, maximum=1),
            table("facts", optional=True),
        ],
        [OutputPort("train", "table", "uri_file"), OutputPort("test", "table", "uri_file")],
        "python split.py --table ${{inputs.table}} --test-size ${{inputs.test_size}} $[[--facts ${{inputs.facts}}]] "
        "--train ${{outputs.train}} --test ${{outputs.test}}",
    )
    ridge = component(
        root,
        "ridge",
        "sklearn_ridge",
        [
            table("table"),
            Parameter("alpha", "float(0..)", "number", minimum=0),
            Parameter("fit_intercept", "bool", "boolean"),
            Parameter("max_iter", "int | none", "string", encoding="json"),
            Parameter("solver", 'enum("auto", "svd")', "string", enum=("auto", "svd")),
        ],
        [OutputPort("model", "model[sklearn]", "mlflow_model")],
        "python train.py --table ${{inputs.table}} --json alpha ${{inputs.alpha}} --json fit_intercept "
        "${{inputs.fit_intercept}} --json max_iter '${{inputs.max_iter}}' --string solver ${{inputs.solver}} "
        "--model ${{outputs.model}}",
    )
    evaluate = component(
        root,
        "evaluate",
        "sklearn_regression",
        [
            Parameter("model", "model[sklearn]", "mlflow_model"),
            table("table"),
            Parameter("gates", "string", "string", default="[]", has_default=True),
        ],
        [OutputPort("metrics", "metrics", "uri_file")],
        "python evaluate.py --model ${{inputs.model}} --table ${{inputs.table}} --gates '${{inputs.gates}}' "
        "--metrics ${{outputs.metrics}}",
        conda=False,
    )
    deploy = component(
        root,
        "deploy",
        "azureml_online_deployment",
        [
            Parameter("model", "model", "mlflow_model"),
            Parameter("definitions", "folder", "uri_folder"),
        ],
        [],
        "python deploy.py --model ${{inputs.model}} --definitions ${{inputs.definitions}}",
        conda=False,
        deterministic=False,
    )
    gates = Template(
        (
            '[{"hard": true, "text": "r2 >= bound", "condition": [">=", ["metric", "r2"], ["value", "',
            FromInput("bound"),
            '"]]}]',
        )
    )
    model = FromNode("model", "model")
    facts = Facts(
        "rows", "rows_facts", {"name": "rows", "schema": {"type": "object", "properties": {"age": {}}}}, line(root, 3)
    )
    graph = Graph(
        name="census",
        title="census",
        description="Predicts income.",
        profile=None,
        inputs=(
            PipelineInput(
                Parameter("bound", "float(0..1)", "number", "least r2", minimum=0, maximum=1),
                Literal(0.1),
                span=line(root, 2),
            ),
            PipelineInput(table("rows"), Asset("uri_file", str(root / "data/rows.csv"), True), span=line(root, 3)),
            PipelineInput(table("rows_facts"), None, facts="rows", span=line(root, 3)),
        ),
        outputs=(
            PipelineOutput("best", "model[sklearn]", "mlflow_model", model, asset_name="best", span=line(root, 8)),
        ),
        nodes=(
            node(root, 4, "prepare", "split", split, table=FromInput("rows"), facts=FromInput("rows_facts")),
            node(
                root,
                5,
                "train",
                "model",
                ridge,
                table=FromNode("split", "train"),
                alpha=Literal(1e-05),
                fit_intercept=Literal(True),
                max_iter=Literal(None),
                solver=Literal("svd"),
            )._replace(
                run=Run(
                    compute="gpu",
                    instance_count=2,
                    timeout=7200,
                    identity="managed",
                    environment_variables={"ON": "1"},
                    distribution={"type": "pytorch", "process_count_per_instance": 4},
                ),
                outputs=(OutputSetting("model", mode="upload"),),
            ),
            node(
                root, 6, "evaluate", "quality", evaluate, model=model, table=FromNode("split", "test"), gates=gates
            )._replace(gates=(Gate(True, "r2 >= bound", ("r2",)),)),
            node(root, 7, "deploy", "blue", deploy, model=model)._replace(
                after=("quality", "model"),
                deployment=Deployment(
                    "blue",
                    "scoring",
                    model,
                    "Standard_DS3_v2",
                    1,
                    str(root / "components/deploy/scoring"),
                    Environment(image=IMAGE, conda_file=str(root / "components/deploy/scoring/conda.yaml")),
                ),
            ),
        ),
        facts=(facts,),
        endpoints=(Endpoint("scoring", "census-scoring", "online", "key", span=line(root, 10)),),
        schedules=(
            Schedule("nightly", {"type": "cron", "expression": "0 2 * * *"}, {"bound": 0.5}, span=line(root, 11)),
        ),
        privacy=Privacy(
            budgets=(PrivacyBudget("rows", "row", "replace_one", 2.0, 1e-6, 1.0, 1e-6),),
            releases=(Release("rows", "model", 1.0, 1e-6, "epsilon", 1, "gaussian", "replace_one"),),
            declassified=(Declassified("quality", "metrics", "only sums"),),
            verdicts=("quality",),
        ),
        default_compute="cpu-cluster",
        tags={"team": "data"},
        sources=(str(root / "census.mlp"),),
        span=Span(line(root, 1).source, 0, line(root, 9).end),
    )
    return graph._replace(**changes)  # type: ignore[arg-type]


def node(root: Path, number: int, verb: str, name: str, using: Component, **inputs: Binding) -> Node:
    """A node whose stage stands in that line of PROGRAM."""
    return Node(name, name, verb, "command", using, tuple(inputs.items()), span=line(root, number))
