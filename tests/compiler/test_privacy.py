"""Privacy: what carries the label, what lifts it, what it costs, and every way out that is closed."""

# ruff: noqa: E501 - programs of one line a case

import pytest
from compiling import PRIVATE, RELEASED, TRAINED, Bench, nodes, pipeline
from mlp_lang.compiler.graph import Graph

SPLIT = "  prepare split using tabular.split {\n    table = people\n  }\n"
SPLIT_RELEASE = (
    SPLIT
    + TRAINED.replace("table = people", "table = split.train")
    + RELEASED.replace("table = people", "table = split.train")
)
EXPORT = "  export portable using onnx.model {\n    model = MODEL\n    table = people\n  }\n"
COMMAND = """
  step seen using command {
    rows = people

    define {
      output copy: like rows
      output size: metrics
      environment = "azureml:e:1"
      command = "x ${rows} ${copy} ${size}"
      PRIVACY
    }
  }
"""
COMMAND = COMMAND.replace("    rows = people\n", "    rows = people\n").replace(
    "    define {\n", "    define {\n      param rows: table\n"
)


def budget(text: str) -> str:
    return PRIVATE.replace("epsilon = 4.0\n      delta = 1e-5", text)


def command(privacy: str) -> str:
    return COMMAND.replace("PRIVACY", privacy)


def labels(graph: Graph) -> dict[str, dict[str, tuple[str, ...]]]:
    return {name: node.private for name, node in nodes(graph).items()}


def test_the_label_follows_the_data_and_a_release_lifts_it(bench: Bench) -> None:
    quality = "  evaluate quality using sklearn.classification {\n    model = released\n    table = split.test\n    require accuracy >= 0.5\n  }\n"
    text = pipeline(
        PRIVATE, SPLIT_RELEASE, quality, EXPORT.replace("MODEL", "released").replace("people", "split.test")
    )
    graph = bench.graph(text)
    carried = labels(graph)
    assert carried["split"] == {"train": ("people",), "test": ("people",)}
    assert carried["model"] == {"model": ("people",)}
    assert carried["released"] == {}
    assert set(carried["quality"]) == {"metrics", "report"}
    assert carried["portable"] == {"parity": ("people",)}
    assert graph.privacy.verdicts == ("quality",)
    (release,) = graph.privacy.releases
    assert (release.data, release.node, release.epsilon, release.delta, release.times) == (
        "people",
        "released",
        1.0,
        1e-5,
        1,
    )
    (spent,) = graph.privacy.budgets
    assert (spent.epsilon, spent.spent_epsilon, spent.delta, spent.spent_delta) == (4.0, 1.0, 1e-5, 1e-5)


SPENDING: list[tuple[str, str, str, float, float, int]] = [
    # what, the private block, the release, ε, δ and times
    ("a constant", "epsilon = 4.0\n delta = 1e-5", "epsilon = 1.5", 1.5, 1e-5, 1),
    ("a let", "epsilon = 4.0\n delta = 1e-5", "epsilon = half", 0.5, 1e-5, 1),
    ("the top of a range", "epsilon = 4.0\n delta = 1e-5", "epsilon = chosen", 2.0, 1e-5, 1),
    ("pure epsilon", "epsilon = 4.0", 'epsilon = 1.5\n mechanism = "laplace"', 1.5, 0.0, 1),
    ("planned runs", "epsilon = 4.0\n delta = 1e-4\n runs = 3", "epsilon = 1.0", 3.0, 3e-4, 3),
    ("retries", "epsilon = 4.0\n delta = 1e-4", "epsilon = 1.0\n run {\n retries = 2\n }", 3.0, 3e-4, 3),
    ("both", "epsilon = 4.0\n delta = 1e-4\n runs = 2", "epsilon = 0.5\n run {\n retries = 1\n }", 2.0, 4e-4, 4),
    ("a mechanism chosen at run time", "epsilon = 4.0\n delta = 1e-5", "epsilon = 1.0\n mechanism = noise", 1.0, 1e-5, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("block", "line", "epsilon", "delta", "times"), [c[1:] for c in SPENDING], ids=[c[0] for c in SPENDING]
)
def test_what_a_release_spends(bench: Bench, block: str, line: str, epsilon: float, delta: float, times: int) -> None:
    params = '  param chosen: float(0.1..2) = 0.2\n  param noise: enum("laplace", "gaussian") = "laplace"\n'
    # δ is charged for each time, so its budget must hold them
    text = pipeline(
        params,
        budget(block),
        TRAINED,
        RELEASED.replace("epsilon = 1.0", line),
        "  output o = released\n",
        before="let half = 0.5\n",
    )
    if times > 1:
        assert ("MLP0502", "private") in bench.errors(text)  # δ is the datum's whole own δ, each time
        text = text.replace("mechanism = noise", "").replace("runs", "runs").replace("delta = 1e-4", "delta = 1e-4")
        text = text.replace(line, line + '\n mechanism = "laplace"')
        delta = 0.0
    (release,) = bench.graph(text).privacy.releases
    assert (release.epsilon, release.delta, release.times) == (pytest.approx(epsilon), pytest.approx(delta), times)


REFUSED: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("exported as it is", pipeline(PRIVATE, TRAINED, EXPORT.replace("MODEL", "model")), [("MLP0501", "portable")]),
    ("registered by the stage", pipeline(PRIVATE, SPLIT.replace("people\n", 'people\n    outputs {\n      train {\n        name = "t"\n      }\n    }\n')), [("MLP0501", 'train {\n        name = "t"\n      }')]),
    ("registered by the pipeline", pipeline(PRIVATE, SPLIT, '  output t = split.train {\n    name = "t"\n  }\n'), [("MLP0501", "t")]),
    ("deployed", pipeline(PRIVATE, TRAINED, "  deploy blue using azureml.online_deployment {\n    endpoint = e\n    model = model\n  }\n", before='endpoint e = online("people-e")\n'), [("MLP0501", "model")]),
    ("deployed by a step that does not say so", pipeline(PRIVATE, TRAINED, "  step blue using azureml.online_deployment {\n    endpoint = e\n    model = model\n  }\n", before='endpoint e = online("people-e")\n'), [("MLP0501", "model")]),
    ("exported by a step that does not say so", pipeline(PRIVATE, TRAINED, EXPORT.replace("MODEL", "model").replace("export", "step")), [("MLP0501", "portable")]),
    ("written into a text", pipeline(PRIVATE, "  step s using command {\n    note = \"${people}\"\n    define {\n      output o: file\n      environment = \"azureml:e:1\"\n      command = \"x ${note} ${o}\"\n    }\n  }\n"), [("MLP0204", "people")]),
    ("handed to nobody knows whom", pipeline(PRIVATE, command("")), [("MLP0501", "people")]),
    ("handed on by a model", pipeline(PRIVATE, TRAINED, "  step s using clean {\n    raw = model\n  }\n", before='use "clean/component.yml" as clean\n'), [("MLP0204", "model")]),
    ("two releases beyond the budget", pipeline(budget("epsilon = 1.5\n delta = 1e-4"), TRAINED, RELEASED, RELEASED.replace("released", "again")), [("MLP0502", "private"), ("MLP0502", "private")]),
    ("copies count each", pipeline(budget("epsilon = 1.5"), TRAINED, "  for e in [0.5, 0.6, 0.7] {\n", RELEASED.replace("epsilon = 1.0", 'epsilon = e\n    mechanism = "laplace"'), "  }\n"), [("MLP0502", "private")]),
    ("an epsilon without a top", pipeline("  param e: float(0.1..) = 1.0\n", PRIVATE, TRAINED, RELEASED.replace("epsilon = 1.0", "epsilon = e")), [("MLP0503", "e")]),
    ("an epsilon of nothing", pipeline(PRIVATE, TRAINED, RELEASED.replace("epsilon = 1.0", "epsilon = 0")), [("MLP0205", "0")]),
    ("an intercept that is left to itself", pipeline(PRIVATE, TRAINED.replace("false", "true"), RELEASED), [("MLP0505", "true")]),
    ("an intercept chosen at run time", pipeline("  param f: bool = false\n", PRIVATE, TRAINED.replace("false", "f"), RELEASED), [("MLP0505", "f")]),
    ("weights that look at the rows", pipeline(PRIVATE, TRAINED.replace("false", 'false\n    class_weight = "balanced"'), RELEASED), [("MLP0505", '"balanced"')]),
    ("another estimator", pipeline(PRIVATE, TRAINED.replace("LogisticRegression", "RidgeClassifier"), RELEASED), [("MLP0505", "model")]),
    ("another table than the model saw", pipeline(PRIVATE, SPLIT_RELEASE.replace("split.train\n    epsilon", "split.test\n    epsilon")), [("MLP0512", "split.test")]),
    ("a table before the split", pipeline(PRIVATE, SPLIT_RELEASE.replace("split.train\n    epsilon", "people\n    epsilon")), [("MLP0512", "people")]),
    ("a stratified split", pipeline(PRIVATE, SPLIT_RELEASE.replace("table = people\n", "table = people\n    stratify = true\n")), [("MLP0506", "true")]),
    ("nothing known of a step between", pipeline(PRIVATE, command("privacy {\n }"), TRAINED.replace("people", "seen.copy"), RELEASED.replace("people", "seen.copy")), [("MLP0506", "seen")]),
    ("no delta for the noise", pipeline(budget("epsilon = 4.0"), TRAINED, RELEASED), [("MLP0507", "released")]),
    ("neighbours that a proof does not cover", pipeline(budget("epsilon = 4.0\n neighbours = add_remove"), "  privatize s using one {\n    table = people\n    epsilon = 1.0\n  }\n", before='use "onesided/component.yml" as one\n'), [("MLP0504", "s")]),
    ("a schema without bounds", pipeline(PRIVATE.replace("people.schema", "open.schema"), TRAINED, RELEASED), [("MLP0608", "people")]),
    ("a private table without a schema", pipeline('  data people: table = "people.csv" {\n    private {\n      epsilon = 1.0\n    }\n  }\n', SPLIT), [("MLP0605", "private")]),
    ("a budget of nothing", pipeline(budget("epsilon = 0"), SPLIT), [("MLP0205", "0")]),
    ("a delta of everything", pipeline(budget("epsilon = 1.0\n delta = 1"), SPLIT), [("MLP0205", "1")]),
    ("a unit that nothing is proven for", pipeline(budget("epsilon = 1.0\n unit = household"), SPLIT), [("MLP0206", "household")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refused(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    found = list(dict.fromkeys(bench.errors(text)))
    assert sorted(found) == sorted(set(expected))


ADMITTED: list[tuple[str, str]] = [
    ("outputs that stay in the workspace", pipeline(PRIVATE, SPLIT, "  output t = split.train\n")),
    ("exported beside private test rows", pipeline(PRIVATE, TRAINED, RELEASED, EXPORT.replace("MODEL", "released"))),
    ("a component that says what it does", pipeline(PRIVATE, command("privacy {\n stable = rows\n }"), TRAINED.replace("people", "seen.copy"), RELEASED.replace("people", "seen.copy"), EXPORT.replace("MODEL", "released"))),
    ("an output that does not show the rows", pipeline(PRIVATE, command("privacy {\n from {\n size = []\n }\n }"), '  output s = seen.size {\n    name = "s"\n  }\n')),
    ("the budget to the last", pipeline(budget("epsilon = 0.3"), TRAINED, "  for e in [0.1, 0.2] {\n", RELEASED.replace("epsilon = 1.0", 'epsilon = e\n    mechanism = "laplace"'), "  }\n")),
    ("public data beside private", pipeline(PRIVATE, '  data open: table = "people.csv" {\n    schema = "people.schema.json"\n    label = "income"\n  }\n', "  train o using sklearn.LogisticRegression {\n    table = open\n  }\n", EXPORT.replace("MODEL", "o"), SPLIT)),
    ("declassified", pipeline(PRIVATE, SPLIT.replace("people\n", 'people\n    declassify train "made up"\n'), '  output t = split.train {\n    name = "t"\n  }\n')),
]  # fmt: skip


@pytest.mark.parametrize("text", [c[1] for c in ADMITTED], ids=[c[0] for c in ADMITTED])
def test_admitted(bench: Bench, text: str) -> None:
    assert bench.errors(text) == []


def test_the_way_out_is_shown_step_by_step(bench: Bench) -> None:
    text = pipeline(
        PRIVATE,
        SPLIT_RELEASE.replace(RELEASED.replace("table = people", "table = split.train"), ""),
        EXPORT.replace("MODEL", "model"),
    )
    (finding,) = [d for d in bench.check(text) if d.code == "MLP0501"]
    assert [(r.span.text, r.message) for r in finding.related] == [
        ("people", "`people` is private"),
        ("people", "flows into `split` here"),
        ("split.train", "flows into `model` here"),
        ("model", "flows into `portable` here"),
    ]


def test_what_is_declassified_is_listed(bench: Bench) -> None:
    text = pipeline(
        PRIVATE, SPLIT.replace("people\n", 'people\n    declassify train "made up"\n'), "  output t = split.train\n"
    )
    result = bench.compile(text)
    (note,) = [d for d in result.diagnostics if d.code == "MLP0510"]
    assert "made up" in note.message
    (lifted,) = result.graphs[0].privacy.declassified
    assert (lifted.node, lifted.port, lifted.reason) == ("split", "train", "made up")
    assert labels(result.graphs[0])["split"] == {"test": ("people",)}


def test_a_release_lifts_the_label_of_its_own_table_alone(bench: Bench) -> None:
    """A second input of a release keeps its label, even of the same data: the proof does not speak of it."""
    yaml = (bench.folder / "onesided" / "component.yml").read_text("utf-8")
    (bench.folder / "onesided" / "two.yml").write_text(
        yaml.replace("inputs:\n  table:", "inputs:\n  more: {type: uri_file}\n  table:")
        .replace("from: [table]", "from: [table, more]")
        .replace("    table: {type: table}\n", "    table: {type: table}\n    more: {type: table}\n")
    )
    use = 'use "onesided/two.yml" as two\n'
    stage = "  privatize s using two {\n    table = people\n    more = OTHER\n    epsilon = 1.0\n  }\n"
    public = '  data open: table = "people.csv"\n'
    leak = '  output o = s {\n    name = "o"\n  }\n'
    assert bench.errors(pipeline(PRIVATE, public, stage.replace("OTHER", "open"), leak, before=use)) == []
    assert bench.errors(pipeline(PRIVATE, stage.replace("OTHER", "people"), leak, before=use)) == [("MLP0501", "o")]


def test_one_row_may_not_come_twice(bench: Bench) -> None:
    join = 'component join: command {\n  param left: table\n  param right: table\n  output both: like left\n  environment = "azureml:e:1"\n  command = "x ${left} ${right} ${both}"\n  privacy {\n    stable = [left, right]\n  }\n}\n'
    stages = "  prepare both using join {\n    left = people\n    right = people\n  }\n"
    text = pipeline(PRIVATE, stages, TRAINED.replace("people", "both"), RELEASED.replace("people", "both"), before=join)
    assert bench.errors(text) == [("MLP0506", "both")]


def test_a_schedule_that_releases_again_is_said(bench: Bench) -> None:
    text = pipeline(
        PRIVATE, TRAINED, RELEASED, "  output o = released\n", after="schedule nightly for p {\n  every = day\n}\n"
    )
    assert [(d.code, d.span.text) for d in bench.check(text)] == [("MLP0511", "nightly")]


@pytest.mark.parametrize(("mechanism", "delta"), [("laplace", 0.0), ("gaussian", 1e-5)])
def test_statistics_are_released_once_for_all_that_is_asked(bench: Bench, mechanism: str, delta: float) -> None:
    text = f"""
  privatize described using opendp.statistics {{
    table = people
    epsilon = 1.5
    mechanism = "{mechanism}"
    histograms = ["city", "age"]
    tables = [["sex", "income"]]
    means = ["age"]
  }}

  output statistics = described
"""
    graph = bench.graph(pipeline(PRIVATE, text))
    assert labels(graph) == {"described": {}}
    (release,) = graph.privacy.releases
    assert (release.node, release.epsilon, release.delta, release.mechanism) == ("described", 1.5, delta, mechanism)
    (code, _), *rest = bench.errors(pipeline(PRIVATE, text.replace('["age"]', '["height"]')))
    assert code.startswith("MLP")
    assert not rest
