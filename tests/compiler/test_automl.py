"""What an AutoML stage may say: Azure ML's own names, each wrong one found without azure-ai-ml."""

# ruff: noqa: E501 - a table is read by its columns

from typing import Any

import pytest
from compiling import Bench, nodes, pipeline
from mlp_lang.compiler import catalog
from mlp_lang.dsl.diagnostics import Severity

IMAGES = "image_classification"


def program(*lines: str, task: str = "classification") -> str:
    """A pipeline with one training, and the parameter `n` if a line names it."""
    said = "".join(f"    {line}\n" for line in ("training_data = rows", 'target_column_name = "y"', *lines))
    given = "  param n: int = 5\n" if any("= n\n" in line or ": n " in line for line in lines) else ""
    stage = f"  train model using automl.{task} {{\n{said}  }}\n"
    return pipeline('  data rows: mltable = "azureml:rows:1"\n', given, stage, "  output best = model\n")


DEFINED: list[tuple[str, list[str], dict[str, Any]]] = [
    ("classification", ["limits {\n      max_trials = n\n    }"], {"limits": {"max_trials": "${{parent.inputs.n}}"}}),
    ("regression", ["featurization {\n      mode = \"off\"\n      blocked_transformers = [\"tf_idf\"]\n    }"], {"featurization": {"mode": "off", "blocked_transformers": ["tf_idf"]}}),
    ("forecasting", ["forecasting {\n      target_lags = [1, 7]\n      forecast_horizon = 14\n    }"], {"forecasting": {"target_lags": [1, 7], "forecast_horizon": 14}}),
    ("classification", ["training {\n      stack_ensemble_settings {\n        stack_meta_learner_type = \"none\"\n      }\n    }"], {"training": {"stack_ensemble_settings": {"stack_meta_learner_type": "none"}}}),
    ("text_ner", ["training_parameters {\n      learning_rate = 0.01\n    }"], {"training_parameters": {"learning_rate": 0.01}}),
    (IMAGES, ["search {\n      algorithm = grid\n      stop = median\n    }"], {"sweep": {"sampling_algorithm": "grid", "early_termination": {"type": "median_stopping"}}}),
    (IMAGES, ["search_space = [{ nesterov: choice(true), momentum: 0.9 }, { beta1: n }]"], {"search_space": [{"nesterov": {"type": "choice", "values": [True]}, "momentum": 0.9}, {"beta1": "${{parent.inputs.n}}"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("task", "lines", "expected"), DEFINED, ids=[f"{t}: {next(iter(e))}" for t, _, e in DEFINED])
def test_definitions(bench: Bench, task: str, lines: list[str], expected: dict[str, Any]) -> None:
    node = nodes(bench.graph(program(*lines, task=task)))["model"]
    assert (node.kind, node.component.in_place) == ("automl", True)
    assert node.component.extra == {"task": task, **expected}


@pytest.mark.parametrize("task", catalog.tasks())
def test_every_task_is_a_component(bench: Bench, task: str) -> None:
    node = nodes(bench.graph(program(task=task)))["model"]
    assert dict(node.inputs).keys() == {"training_data", "target_column_name"}
    assert node.component.default_output == "best_model"


MISTAKES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("no such task", program(task="clasification"), [("MLP0102", "automl.clasification")]),
    ("no such input", program("validation_share = 0.2"), [("MLP0203", "validation_share")]),
    ("no such metric", program('primary_metric = "acuracy"'), [("MLP0206", '"acuracy"')]),
    ("a metric of another task", program('primary_metric = "r2_score"'), [("MLP0206", '"r2_score"')]),
    ("a wrong type", program("cv_split_column_names = 3"), [("MLP0204", "3")]),
    ("no such field of a block", program("limits {\n      max_trial = 5\n    }"), [("MLP0208", "max_trial")]),
    ("a fraction of a field", program("limits {\n      max_trials = 1.5\n    }"), [("MLP0204", "1.5")]),
    ("no such word of a field", program('featurization {\n      mode = "none"\n    }'), [("MLP0206", '"none"')]),
    ("no such key of a field", program("featurization {\n      transformer_params = { imput: [] }\n    }"), [("MLP0206", "{ imput: [] }")]),
    ("no such algorithm", program('training {\n      allowed_training_algorithms = ["kn"]\n    }'), [("MLP0206", '["kn"]')]),
    ("a field of a block in a block", program("training {\n      stack_ensemble_settings {\n        x = 1\n      }\n    }"), [("MLP0208", "x")]),
    ("a block of another task", program("forecasting {\n      target_lags = 1\n    }"), [("MLP0208", "forecasting")]),
    ("a search of a table", program("search {\n      algorithm = grid\n    }"), [("MLP0315", "search")]),
    ("a space of a table", program("search_space = [{ a: 1 }]"), [("MLP0203", "search_space")]),
    ("trials of a search", program("search {\n      trials = 3\n    }", task=IMAGES), [("MLP0208", "trials")]),
    ("a space that is no list", program("search_space = 3", task=IMAGES), [("MLP0204", "3")]),
    ("no such parameter", program("search_space = [{ lr: 1 }]", task=IMAGES), [("MLP0208", "lr")]),
    ("a space of another kind", program("search_space = [{ model_name: uniform(1, 2) }]", task=IMAGES), [("MLP0342", "uniform(1, 2)")]),
    ("fractions of whole numbers", program("search_space = [{ number_of_epochs: quniform(1.5, 9, 1) }]", task=IMAGES), [("MLP0204", "quniform(1.5, 9, 1)")]),
    ("a choice of the wrong type", program('search_space = [{ learning_rate: choice("a") }]', task=IMAGES), [("MLP0204", '"a"')]),
    ("a word that is none", program('search_space = [{ optimizer: choice("sgdd") }]', task=IMAGES), [("MLP0206", '"sgdd"')]),
    ("a parameter twice", program("search_space = [{ beta1: 0.1, beta1: 0.2 }]", task=IMAGES), [("MLP0202", "beta1")]),
    ("an output of no type", program("outputs {\n      log {\n        mode = upload\n      }\n    }"), [("MLP0303", "log")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_mistakes(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    assert bench.errors(text) == expected


IN_PLACE = [
    ("a table in place", program('validation_data = mltable("azureml:x:1")'), 'mltable("azureml:x:1")'),
    ("a mode", program("inputs {\n      training_data {\n        mode = download\n      }\n    }"), "inputs"),
]


@pytest.mark.parametrize(("text", "place"), [c[1:] for c in IN_PLACE], ids=[c[0] for c in IN_PLACE])
def test_what_azure_ai_ml_makes_a_text_of_is_warned_of(bench: Bench, text: str, place: str) -> None:
    found = bench.check(text)
    assert [(d.code, d.severity, d.span.text) for d in found] == [("MLP0343", Severity.WARNING, place)]


def test_an_output_is_known_by_its_type(bench: Bench) -> None:
    text = program("outputs {\n      log {\n        type = folder\n      }\n    }")
    model = nodes(bench.graph(text))["model"]
    assert [(o.port, o.type) for o in model.outputs] == [("log", "uri_folder"), ("best_model", None)]
    assert [o.name for o in model.component.outputs] == ["best_model", "log"]


def test_nobody_says_what_automl_does_with_private_rows(bench: Bench) -> None:
    text = program().replace('"azureml:rows:1"', '"azureml:rows:1" {\n    private {\n      epsilon = 1.0\n    }\n  }')
    assert "MLP0501" in {code for code, _ in bench.errors(text)}
