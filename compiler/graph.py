"""The Graph: what a program means. Immutable, typed, comparable, serialisable; every part knows its span.

The compiler makes it, and everything else (lowering, runner, review) is a reader of it. One Graph is one pipeline under
one profile, with `for` and `if` unrolled, constants folded, defaults filled in and every input that the compiler itself
supplies (table facts, gates) already present as an ordinary binding. Names of nodes, inputs and ports are Azure-safe
(`[a-z0-9_]+` for nodes); `title` keeps the author's spelling.
"""

from typing import NamedTuple, TypeAlias

from mlp_lang.dsl.source import Span

NODE_KINDS = (
    "command",
    "parallel",
    "spark",
    "sweep",
    "automl",
    "pipeline",
    "import",
    "data_transfer",
    "if_else",
    "do_while",
    "parallel_for",
)
COMPONENT_KINDS = (*NODE_KINDS[:8], "promptflow_parallel")
CONTROL_KINDS = NODE_KINDS[8:]
"""Nodes that run nothing themselves: they steer other nodes."""

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
"""What a literal may be. Lists, maps, None and unions travel through Azure ML as JSON strings."""


class Literal(NamedTuple):
    """A constant. `value` is what the author meant; lowering spells it for the type of the input that it goes to."""

    value: Value
    span: Span | None = None


class Asset(NamedTuple):
    """`folder("data")`, a path given inline: Azure type (`uri_file`, …), path as written resolved against its file.

    `path` is absolute for a local file, else the remote spelling (`azureml:census:3`, `https://…`, `azureml://…`).
    """

    type: str
    path: str
    local: bool
    mode: str | None = None
    span: Span | None = None


class FromInput(NamedTuple):
    """`${{parent.inputs.name}}`; `mode` is how the step gets it, if the program says so."""

    name: str
    span: Span | None = None
    mode: str | None = None


class FromNode(NamedTuple):
    """`${{parent.jobs.node.outputs.port}}`; `mode` is how the step gets it, if the program says so."""

    node: str
    port: str
    span: Span | None = None
    mode: str | None = None


class Template(NamedTuple):
    """A string with references in it: literal pieces and FromInput/FromNode in turn."""

    parts: tuple[str | FromInput | FromNode, ...]
    span: Span | None = None


Binding: TypeAlias = Literal | Asset | FromInput | FromNode | Template


class Parameter(NamedTuple):
    """One input of a component's interface, or of a pipeline.

    `azure_type` is Azure ML's word: number integer boolean string uri_file uri_folder mltable mlflow_model custom_model
    triton_model. `type` is ours, spelled canonically (`float(0..1)`, `table`, `model[sklearn]`, `int | none`).
    `encoding` tells how a value becomes Azure's: "plain", or "json" for what Azure has no type for. `inferred` if no
    declaration says so, but what a stage gives it.
    """

    name: str
    type: str
    azure_type: str
    description: str = ""
    default: Value = None
    has_default: bool = False
    optional: bool = False
    minimum: float | int | None = None
    maximum: float | int | None = None
    enum: tuple[str, ...] = ()
    encoding: str = "plain"
    mode: str | None = None
    span: Span | None = None
    inferred: bool = False


class OutputPort(NamedTuple):
    """One output of a component's interface; `depends_on` are the inputs whose data may be seen in it."""

    name: str
    type: str
    azure_type: str
    description: str = ""
    depends_on: tuple[str, ...] = ()
    mode: str | None = None
    span: Span | None = None


class Environment(NamedTuple):
    """Where a step runs: a reference (`azureml:sklearn:3`), or an image with a conda file or a build context.

    `conda` is the parsed conda specification; `conda_file` the local file that it was read from, if any.
    `extra` are the fields of a mapping that have no place here, as Azure ML has them (`os_type`, `inference_config`).
    """

    reference: str | None = None
    name: str | None = None
    image: str | None = None
    conda: dict[str, Value] | None = None
    conda_file: str | None = None
    build_context: str | None = None
    dockerfile: str | None = None
    version: str | None = None
    extra: dict[str, Value] = {}  # noqa: RUF012


class Component(NamedTuple):
    """A component as a node uses it, specialised: a `sklearn.SVC` lists just the hyper-parameters in use.

    `name` is how programs call it (`sklearn.LogisticRegression`); `azure_name` is the component's name in Azure ML.
    `origin` is "bundled", "file" (a user's component YAML), "inline" (declared in a program) or "registered".
    `kind` is Azure ML's `type` (`command`, `parallel`, `spark`, `pipeline`, …). What stands in the workspace or a
    registry has a `reference` and nothing else; what it takes and gives is what programs say of it.
    `folder` is the directory that `code` and `includes` are relative to; both are None/empty without code.
    `source` is the file that says so: component.yml, or the `.mlp`.
    `document` is a user's component YAML as it was read, without its `mlp:` section: what Azure ML gets, its local
    paths relative to `folder`. Of a component without one, `extra` holds the fields that have no place here (the `task`
    of a parallel component). `in_place` if the definition goes into the job that uses it; `one_use` if a stage
    defines it for itself, in place or not.
    `graph` is what a pipeline of a program is that stands as a component: its inputs and outputs are the component's.
    """

    name: str
    azure_name: str
    version: str
    display_name: str
    description: str
    origin: str
    kind: str
    folder: str
    source: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[OutputPort, ...]
    command: str
    code: str | None
    includes: tuple[str, ...]
    environment: Environment
    deterministic: bool = True
    verbs: tuple[str, ...] = ()
    default_output: str | None = None
    metrics: tuple[str, ...] = ()
    reference: str | None = None  # azureml:name:version, or azureml://registries/…, for a registered one
    extra: dict[str, Value] = {}  # noqa: RUF012 - read-only by convention, like every field here
    document: dict[str, Value] | None = None
    in_place: bool = False
    one_use: bool = False
    graph: "Graph | None" = None


class Control(NamedTuple):
    """What a node steers that runs nothing itself. Nodes are named; each of them stands in the Graph as any other.

    `if_else` has a `condition`, and the nodes of which only those on one side run: `then` and `otherwise`.
    `do_while` has a `body`, the `condition` (an output of the body) under which it goes on, or None, at most `limit`
    rounds, and in `mapping` for each output of the body the inputs that it feeds in the next round.
    `parallel_for` has a `body` that runs for each of `items` (a literal list or map of maps as Azure ML has them, or
    what is known when it runs), at most `max_concurrency` at a time; the items give the inputs `keys` of the body.
    """

    condition: Literal | FromInput | FromNode | None = None
    then: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    body: str | None = None
    mapping: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    limit: int | None = None
    items: Literal | FromInput | FromNode | None = None
    keys: tuple[str, ...] = ()
    max_concurrency: int | None = None


class Gate(NamedTuple):
    """A `require` (`hard`) or `expect`. `text` is the author's spelling; `metrics` the metrics that it reads."""

    hard: bool
    text: str
    metrics: tuple[str, ...]
    span: Span | None = None


class OutputSetting(NamedTuple):
    """What an `outputs { port { … } }` block says, and which pipeline output the port feeds. `type` is Azure ML's."""

    port: str
    mode: str | None = None
    name: str | None = None
    version: str | None = None
    path: str | None = None
    pipeline_output: str | None = None
    span: Span | None = None
    type: str | None = None


class Run(NamedTuple):
    """A `run` block. `timeout` in seconds; `identity` is "managed", "user" or "aml_token", or None for the default.

    What runs here reads the fields by their names. `extra` holds all others as Azure ML's job has them
    (`{"resources": {"locations": […]}}`), values that are bound to a parameter among them.
    """

    compute: str | None = None  # Azure's name (`cpu-cluster`), "serverless", or `${{parent.inputs.x}}`
    instance_count: int | None = None
    instance_type: str | None = None
    shm_size: str | None = None
    docker_args: str | None = None
    timeout: int | None = None
    retries: int | None = None
    identity: str | None = None
    environment_variables: dict[str, str] = {}  # noqa: RUF012
    distribution: dict[str, Value] | None = None  # {"type": "pytorch", "process_count_per_instance": 4}
    extra: dict[str, Value] = {}  # noqa: RUF012


class Endpoint(NamedTuple):
    """An `endpoint` declaration. `kind` is "online" (managed), "kubernetes" or "batch"; `auth` is key, aml_token or
    aad_token. `extra` holds what else Azure ML's endpoint says, under its names."""

    title: str
    name: str
    kind: str
    auth: str
    description: str = ""
    tags: dict[str, str] = {}  # noqa: RUF012
    traffic: dict[str, int] = {}  # noqa: RUF012
    span: Span | None = None
    extra: dict[str, Value] = {}  # noqa: RUF012


class Deployment(NamedTuple):
    """What a `deploy` stage makes: name, endpoint (its title), model port and what carries it.

    `scoring_folder` holds the scoring code (entry script `score.py`) and its conda file, absolute.
    """

    name: str
    endpoint: str
    model: FromNode | FromInput | Asset
    instance_type: str
    instance_count: int
    scoring_folder: str
    environment: Environment
    environment_variables: dict[str, str] = {}  # noqa: RUF012
    extra: dict[str, Value] = {}  # noqa: RUF012


class LocalPath(NamedTuple):
    """A path of this machine in a definition's document: where it stands, what sort it is, and the absolute path.

    `sort` is `code`, `conda` or `context` for what travels with the definition, `data`, `component` or `job` for what
    it refers to.
    """

    where: tuple[str, ...]
    sort: str
    path: str


class Definition(NamedTuple):
    """What a program declares beside its pipelines, for Azure ML to hold: an asset, an endpoint, a deployment, ….

    `kind` is `environment`, `data`, `model`, `online`, `kubernetes endpoint`, `batch endpoint`, `managed`,
    `kubernetes`, `batch`, `flat`, `pipeline` (deployments), `schedule` or `component`. `document` is what Azure ML
    gets, its local paths absolute and listed in `paths`. `endpoint` is the title of a deployment's endpoint, else its
    name.
    """

    kind: str
    title: str
    document: dict[str, Value]
    paths: tuple[LocalPath, ...] = ()
    endpoint: str | None = None
    component: Component | None = None
    span: Span | None = None


class Facts(NamedTuple):
    """What is known of a table, carried along every `like table` edge and handed to steps as a JSON file.

    `document` is that file's content under schemas/facts.schema.json: name, schema (a JSON Schema of one row), label,
    positive, sensitive, features, private. The pipeline input `input_name` (`census_facts`) carries it.
    """

    name: str
    input_name: str
    document: dict[str, Value]
    span: Span | None = None


class Node(NamedTuple):
    """A stage after unrolling. `kind` is the `type` of its job in Azure ML; a deploy is a command with `deployment`.

    `inputs` holds every input with a value, in the component's order; an input of the component that is not in it takes
    the component's default. `after` are nodes that must have succeeded without data flowing.
    `private` lists the names of private data whose label the node's outputs carry, per port.
    `search` of a `sweep` holds `search_space`, `objective`, `sampling_algorithm`, `limits` and `early_termination` as
    Azure ML has them; its component is the trial. `environment` is the job's own, beside that of its component.
    `control` is what an `if_else`, `do_while` or `parallel_for` steers; the component of such a node is a name for it,
    with the outputs that the loop gathers.
    """

    name: str
    title: str
    verb: str
    kind: str
    component: Component
    inputs: tuple[tuple[str, Binding], ...]
    outputs: tuple[OutputSetting, ...] = ()
    after: tuple[str, ...] = ()
    run: Run = Run()
    gates: tuple[Gate, ...] = ()
    deployment: Deployment | None = None
    ungated: str | None = None
    private: dict[str, tuple[str, ...]] = {}  # noqa: RUF012
    description: str = ""
    span: Span | None = None
    search: dict[str, Value] | None = None
    control: Control | None = None
    environment: Environment | None = None


class PipelineInput(NamedTuple):
    """A `param` (`parameter` says type and range; `value` its default or override) or a `data` (value is an Asset).

    `facts` is set on the input that carries a Facts document: lowering and runner write the file.
    """

    parameter: Parameter
    value: Literal | Asset | None
    facts: str | None = None  # name of the Facts
    private: bool = False
    span: Span | None = None


class PipelineOutput(NamedTuple):
    """An `output`; one without a `source` is declared, and fed by no stage."""

    name: str
    type: str
    azure_type: str
    source: FromNode | None
    mode: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None
    path: str | None = None
    description: str = ""
    span: Span | None = None


class Release(NamedTuple):
    """One accounted release of private data: what the privacy report, `run.json` and a reviewer's diff list.

    ε and δ are worst cases (a run-time ε at the top of its range), multiplied by `times` (copies, trials, loop bounds,
    retries, planned runs). `epsilon_text` is how the program says it.
    """

    data: str
    node: str
    epsilon: float
    delta: float
    epsilon_text: str
    times: int
    mechanism: str
    neighbours: str
    span: Span | None = None


class Declassified(NamedTuple):
    node: str
    port: str
    reason: str
    span: Span | None = None


class PrivacyBudget(NamedTuple):
    """Budget of one private datum and what the pipeline's releases compose to (basic composition: sums)."""

    data: str
    unit: str
    neighbours: str
    epsilon: float
    delta: float
    spent_epsilon: float
    spent_delta: float
    span: Span | None = None


class Privacy(NamedTuple):
    budgets: tuple[PrivacyBudget, ...] = ()
    releases: tuple[Release, ...] = ()
    declassified: tuple[Declassified, ...] = ()
    verdicts: tuple[str, ...] = ()  # node names whose `require` over private rows reveals one bit


class Schedule(NamedTuple):
    """`trigger` is Azure ML's: {"type": "cron", "expression": …} or {"type": "recurrence", …}. `extra` holds what else
    Azure ML's schedule says, its `create_job` among it."""

    name: str
    trigger: dict[str, Value]
    inputs: dict[str, Value] = {}  # noqa: RUF012
    description: str = ""
    span: Span | None = None
    extra: dict[str, Value] = {}  # noqa: RUF012


class Graph(NamedTuple):
    """One pipeline under one profile. Nodes stand in the author's order (after unrolling), which is a topological one
    only by chance; `compiler.order.topological` sorts. `sources` are the files that were read, root first.
    `kind` is "job", or "component" for a pipeline that other jobs use, which may have a `component_version`. A job
    that runs one pipeline `component` has no nodes."""

    name: str
    title: str
    description: str
    profile: str | None
    inputs: tuple[PipelineInput, ...]
    outputs: tuple[PipelineOutput, ...]
    nodes: tuple[Node, ...]
    facts: tuple[Facts, ...]
    endpoints: tuple[Endpoint, ...]
    schedules: tuple[Schedule, ...]
    privacy: Privacy
    default_compute: str | None
    preview: bool = False
    experiment: str | None = None
    tags: dict[str, str] = {}  # noqa: RUF012
    sources: tuple[str, ...] = ()
    span: Span | None = None
    display_name: str | None = None
    extra: dict[str, Value] = {}  # noqa: RUF012
    kind: str = "job"
    component_version: str | None = None
    component: Component | None = None
