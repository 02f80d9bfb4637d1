"""What a `tune` searches, and how: the fields of Azure ML that it becomes, and every mistake by its code."""

# ruff: noqa: E501 - a table is read by its columns

import math
from typing import Any

import pytest
from compiling import PEOPLE, PRIVATE, RELEASED, TRAINED, Bench, nodes, pipeline
from mlp_lang.compiler.search import ALGORITHMS, GOALS, SEARCH, STOPS
from mlp_lang.compiler.spaces import SPACES
from mlp_lang.dsl.diagnostics import Severity

SEARCHED = {"goal": 'maximize("accuracy")', "algorithm": "random", "trials": "16"}


def tune(
    inputs: str = "C = uniform(1, 2)", using: str = "sklearn.SVC", before: str = "", more: str = "", **words: str
) -> str:
    """A pipeline with one `tune`; a word of its search that is empty is left out."""
    said = "".join(f"      {word} = {value}\n" for word, value in {**SEARCHED, **words}.items() if value)
    stage = (
        f"  tune model using {using} {{\n    table = people\n    {inputs}\n    search {{\n{said}    }}\n{more}  }}\n"
    )
    return pipeline(PEOPLE, stage, "  output best = model\n", before=before)


SPACE_OF: list[tuple[str, dict[str, Any]]] = [
    ("C = choice(1, 2.5)", {"type": "choice", "values": [1, 2.5]}),
    ('kernel = choice("rbf", "poly")', {"type": "choice", "values": ["rbf", "poly"]}),
    ('gamma = choice("auto", 0.5)', {"type": "choice", "values": ['"auto"', 0.5]}),
    ("shrinking = choice(true, false)", {"type": "choice", "values": ["True", "False"]}),
    ("class_weight = choice(none, { high: 2 })", {"type": "choice", "values": ["null", '{"high": 2}']}),
    ("C = uniform(0.5, 2)", {"type": "uniform", "min_value": 0.5, "max_value": 2}),
    ("degree = quniform(1, 9, 2)", {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2}),
    ("C = log_uniform(1, 10)", {"type": "loguniform", "min_value": 0.0, "max_value": math.log(10)}),
    ("C = log_uniform(exp = [-6, -1])", {"type": "loguniform", "min_value": -6, "max_value": -1}),
    ("C = qlog_uniform(exp = [0, 2], q = 0.5)", {"type": "qloguniform", "min_value": 0, "max_value": 2, "q": 0.5}),
    ("coef0 = normal(0, 1)", {"type": "normal", "mu": 0, "sigma": 1}),
    ("coef0 = qnormal(mu = 0, sigma = 1, q = 0.1)", {"type": "qnormal", "mu": 0, "sigma": 1, "q": 0.1}),
    ("C = log_normal(0, 1)", {"type": "lognormal", "mu": 0, "sigma": 1}),
    ("C = qlog_normal(0, 1, 0.5)", {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 0.5}),
    ("degree = random_int(6)", {"type": "randint", "upper": 6}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), SPACE_OF, ids=[line for line, _ in SPACE_OF])
def test_spaces(bench: Bench, line: str, expected: dict[str, Any]) -> None:
    node = nodes(bench.graph(tune(line)))["model"]
    name = line.partition(" ")[0]
    assert node.kind == "sweep" and node.search is not None
    assert node.search["search_space"] == {name: expected}
    assert name not in dict(node.inputs), "what is searched is no input of the job"
    assert name in {p.name for p in node.component.inputs}, "and one of the trial"


def test_every_space_is_tried() -> None:
    assert {line.partition("= ")[2].partition("(")[0] for line, _ in SPACE_OF} == set(SPACES)


SEARCH_OF: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"goal": 'minimize("loss")'}, {"objective": {"goal": "minimize", "primary_metric": "loss"}}),
    ({"algorithm": "grid"}, {"sampling_algorithm": "grid"}),
    ({"algorithm": "bayesian"}, {"sampling_algorithm": "bayesian"}),
    ({"algorithm": "random()"}, {"sampling_algorithm": {"type": "random"}}),
    ({"algorithm": 'random(seed = 3, logbase = "e", rule = "sobol")'}, {"sampling_algorithm": {"type": "random", "seed": 3, "logbase": "e", "rule": "sobol"}}),
    ({"algorithm": "sobol"}, {"sampling_algorithm": {"type": "random", "rule": "sobol"}}),
    ({"concurrency": "4", "timeout": "2h", "trial_timeout": "90s"}, {"limits": {"max_total_trials": 16, "max_concurrent_trials": 4, "timeout": 7200, "trial_timeout": 90}}),
    ({"stop": "bandit(slack_amount = 0.2, every = 1, delay = 2)"}, {"early_termination": {"type": "bandit", "slack_amount": 0.2, "evaluation_interval": 1, "delay_evaluation": 2}}),
    ({"stop": "median"}, {"early_termination": {"type": "median_stopping"}}),
    ({"stop": "truncate(percent = 20)"}, {"early_termination": {"type": "truncation_selection", "truncation_percentage": 20}}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), SEARCH_OF, ids=[str(words) for words, _ in SEARCH_OF])
def test_search(bench: Bench, words: dict[str, str], expected: dict[str, Any]) -> None:
    search = nodes(bench.graph(tune("C = choice(1, 2)", **words)))["model"].search
    assert search is not None
    assert {field: search.get(field) for field in expected} == expected


def test_every_word_of_a_search_is_tried() -> None:
    said = {word: value.partition("(")[0] for words, _ in SEARCH_OF for word, value in words.items()}
    heads = {value.partition("(")[0] for words, _ in SEARCH_OF for value in words.values()} | {"maximize", "random"}
    assert said.keys() | {"trials"} == {row.word for row in SEARCH}
    assert heads >= GOALS.keys() | ALGORITHMS.keys() | STOPS.keys()


FILE = 'use "group.yml" as group {\n  verbs = [train]\n  metrics = ["groups"]\n}\n'
MISTAKES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("no search", pipeline(PEOPLE, TRAINED.replace("train ", "tune "), "  output m = model\n"), [("MLP0335", "tune")]),
    ("a search that nobody needs", pipeline(PEOPLE, TRAINED.replace("= false", "= false\n    search {\n      trials = 2\n    }"), "  output m = model\n"), [("MLP0315", "search")]),
    ("no goal, no trials", tune(goal="", trials=""), [("MLP0336", "search")]),
    ("a wrong word of a search", tune(trails="3"), [("MLP0208", "trails")]),
    ("no such goal", tune(goal='maximise("x")'), [("MLP0214", "maximise")]),
    ("a goal without a metric", tune(goal="maximize"), [("MLP0215", "maximize")]),
    ("no such algorithm", tune(algorithm="bayes"), [("MLP0214", "bayes")]),
    ("no such rule", tune(algorithm='random(rule = "sobl")'), [("MLP0206", '"sobl"')]),
    ("a bandit without slack", tune(stop="bandit(every = 1)"), [("MLP0215", "bandit(every = 1)")]),
    ("no trials", tune(trials="0"), [("MLP0205", "0")]),
    ("upside down", tune("C = uniform(2, 1)"), [("MLP0337", "uniform(2, 1)")]),
    ("no logarithm", tune("C = log_uniform(0, 1)"), [("MLP0337", "log_uniform(0, 1)")]),
    ("one exponent", tune("C = log_uniform(exp = [1])"), [("MLP0337", "log_uniform(exp = [1])")]),
    ("exponents beyond all numbers", tune("C = log_uniform(exp = [1, 1000])"), [("MLP0337", "log_uniform(exp = [1, 1000])")]),
    ("no choice", tune("C = choice()"), [("MLP0337", "choice()")]),
    ("no step", tune("coef0 = quniform(0, 1, 0)"), [("MLP0205", "0")]),
    ("an argument too many", tune("C = uniform(1, 2, 3)"), [("MLP0215", "3")]),
    ("a choice that is none", tune('kernel = choice("rbf", "plynomial")'), [("MLP0206", '"plynomial"')]),
    ("a choice out of range", tune("C = choice(-1, 1)"), [("MLP0205", "-1")]),
    ("an end out of range", tune("C = uniform(-1, 1)"), [("MLP0205", "uniform(-1, 1)")]),
    ("steps that leave the range", tune("C = quniform(0.4, 5, 1)"), [("MLP0205", "quniform(0.4, 5, 1)")]),
    ("fractions where none are taken", tune("degree = uniform(1, 5)"), [("MLP0204", "uniform(1, 5)")]),
    ("a bell of fractions", tune("degree = normal(3, 1)"), [("MLP0204", "normal(3, 1)")]),
    ("a run-time end", tune("C = uniform(1, people)"), [("MLP0212", "people")]),
    ("a space of no input", tune("D = uniform(1, 2)"), [("MLP0203", "D")]),
    ("a table is not searched", tune("facts = choice(1, 2)"), [("MLP0218", "facts")]),
    ("a space as a constant", tune("C = x", before="let x = uniform(1, 2)\n"), [("MLP0212", "uniform(1, 2)")]),
    ("an unknown metric", tune('by = choice(["a"], ["b"])', "group", FILE, goal='maximize("group")'), [("MLP0402", "group")]),
    ("what a YAML says itself", tune('by = choice(["a"], ["b"])', "group", FILE, goal='maximize("groups")', more="    run {\n      environment = \"azureml:x:1\"\n    }\n"), [("MLP0341", "environment")]),
    ("variables that a component has not", tune(more='    run {\n      env {\n        A = "b"\n      }\n    }\n'), [("MLP0341", "env")]),
    ("an identity, which azure-ai-ml forgets", tune(more="    run {\n      identity = user\n    }\n"), [("MLP0208", "identity")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_mistakes(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    assert bench.errors(text) == expected


IN_PLACE = """
    define {
      output model: folder
      environment = "azureml:train:1"
      command = "train ${table} ${a} ${model}"
    }
    run {
      env {
        A = "b"
      }
    }
"""


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (tune("C = normal(1, 1)"), "MLP0338", "normal(1, 1)"),
        (tune("C = 2.0"), "MLP0335", "search"),
        (tune("C = log_uniform(1, 2)", algorithm="bayesian"), "MLP0340", "log_uniform(1, 2)"),
        (tune("degree = random_int(3)", algorithm="grid"), "MLP0340", "random_int(3)"),
        (tune("a = uniform(0, 1)", "command", more=IN_PLACE), "MLP0341", "env"),
    ],
)
def test_warnings(bench: Bench, text: str, code: str, place: str) -> None:
    assert [(d.code, d.severity, d.span.text) for d in bench.check(text)] == [(code, Severity.WARNING, place)]


def test_words_of_a_family_travel_as_text(bench: Bench) -> None:
    command = nodes(bench.graph(tune('kernel = choice("rbf")\n    gamma = choice("auto", 1.0)')))[
        "model"
    ].component.command
    assert "--string kernel '${{inputs.kernel}}'" in command
    assert "--json gamma '${{inputs.gamma}}'" in command


# --- privacy ----------------------------------------------------------------------------------------------------------

RELEASING = """
type: command
name: private_fit
inputs:
  table: {type: uri_file}
  epsilon: {type: number}
  rate: {type: number, default: 1}
outputs:
  model: {type: mlflow_model}
command: python fit.py ${{inputs.table}} ${{inputs.epsilon}} ${{inputs.rate}} ${{outputs.model}}
environment: azureml:fit:1
mlp:
  verbs: [train]
  inputs:
    table: {type: table}
  releases:
    outputs: [model]
    of: table
    epsilon: epsilon
    delta: 0
    mechanism: exponential
    neighbours: [replace_one]
"""


def private(trials: str) -> str:
    text = tune("epsilon = 0.5\n    rate = uniform(0.1, 0.9)", "fit", 'use "fit.yml" as fit\n', trials=trials)
    return text.replace(PEOPLE, PRIVATE + ("  param n: int(1..8) = 4\n" if trials == "n" else ""))


def test_a_release_counts_once_a_trial(bench: Bench) -> None:
    (bench.folder / "fit.yml").write_text(RELEASING, encoding="utf-8")
    (release,) = bench.graph(private("6")).privacy.releases
    assert (release.times, release.epsilon) == (6, 3.0)


@pytest.mark.parametrize(("trials", "code"), [("9", "MLP0502"), ("n", "MLP0503")])
def test_trials_that_no_budget_covers(bench: Bench, trials: str, code: str) -> None:
    (bench.folder / "fit.yml").write_text(RELEASING, encoding="utf-8")
    assert {c for c, _ in bench.errors(private(trials))} == {code}


def test_no_proof_covers_the_choice_of_a_trial(bench: Bench) -> None:
    text = tune("fit_intercept = false\n    C = uniform(1, 2)", "sklearn.LogisticRegression")
    searched = text[text.index("  tune ") : text.index("  output ")]
    errors = bench.errors(pipeline(PRIVATE, searched, RELEASED, "  output m = released\n"))
    assert errors == [("MLP0505", "model")]
