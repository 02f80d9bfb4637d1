"""A program for each component: it compiles without an error, and azure-ai-ml loads what it compiles to."""

from pathlib import Path

import pytest
from component_steps import PEOPLE, compiled, put
from mlp_lang.compiler import check_file
from mlp_lang.dsl.diagnostics import Severity

HEAD = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex"]
%s  }

%s}
"""
PRIVATE = "    private {\n      unit = row\n      neighbours = %s\n      epsilon = 2.0\n      delta = 1e-6\n    }\n"
RELEASED = """
  train model using sklearn.LogisticRegression {
    table = %s
    C = 0.01
    fit_intercept = false
  }

  privatize released using opendp.output_perturbation {
    model = model
    table = %s
    epsilon = 1.0
  }
"""
PROGRAMS = {
    "split by strata": "  prepare s using tabular.split {\n    table = people\n    stratify = true\n  }\n",
    "split by group": '  prepare s using tabular.split {\n    table = people\n    group = "work"\n  }\n',
    "split by time": '  prepare s using tabular.split {\n    table = people\n    time = "age"\n  }\n',
    "validate": """
  prepare s using tabular.validate {
    table = people
    on_violation = "drop"
    batch_rows = 10000
  }

  prepare t using tabular.split {
    table = s.valid
  }
""",
    "clean": """
  prepare s using tabular.clean {
    table = people
    fill = { hours: 40, work: "Private" }
    impute = "median"
    clip_iqr = 1.5
    drop_duplicates = true
  }
""",
    "encode": """
  prepare s using tabular.encode {
    table = people
    categories = "one_hot"
    ordinal = ["grade"]
    numbers = "standard"
  }
""",
    "clustering": """
  train model using sklearn.KMeans {
    table = people
    n_clusters = 3
  }

  evaluate s using sklearn.clustering {
    model = model
    table = people
    require silhouette >= 0.1
    expect adjusted_rand >= 0
  }
""",
    "compare": """
  train model using sklearn.LogisticRegression {
    table = people
  }

  train dummy using sklearn.DummyClassifier {
    table = people
  }

  evaluate s using sklearn.compare {
    model = model
    baseline = dummy
    table = people
    metric = "balanced_accuracy"
    require lower > 0
  }
""",
}
# stage `s` between private data and a release: its settings, and what is said of it
STABILITY = [
    ("tabular.split", "train", "", []),
    ("tabular.split", "train", "stratify = true", ["MLP0506"]),
    ("tabular.split", "train", 'group = "work"', ["MLP0506"]),
    ("tabular.split", "train", 'time = "age"', ["MLP0506"]),
    ("tabular.validate", "valid", "", []),
    ("tabular.validate", "valid", 'on_violation = "drop"', ["MLP0506"]),
    ("tabular.clean", "cleaned", "clip_bounds = true", []),
    ("tabular.clean", "cleaned", 'fill = { work: "Private" }', []),
    ("tabular.clean", "cleaned", 'impute = "mean"', ["MLP0506"]),
    ("tabular.clean", "cleaned", "clip_iqr = 1.5", ["MLP0506"]),
    ("tabular.clean", "cleaned", "clip_quantile = 0.01", ["MLP0506"]),
    ("tabular.clean", "cleaned", "drop_duplicates = true", ["MLP0506"]),
]


def written(folder: Path, private: str, stages: str) -> Path:
    (folder / "people.csv").write_text("39, 1, Private, 1, true, Male, >50K\n", encoding="utf-8")
    put(folder / "people.schema.json", PEOPLE["schema"])
    path = folder / "sample.mlp"
    path.write_text(HEAD % (private, stages), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_compiles_and_azure_ai_ml_loads_it(tmp_path: Path, name: str) -> None:
    compiled(written(tmp_path, "", PROGRAMS[name]))


@pytest.mark.parametrize(("component", "output", "setting", "said"), STABILITY)
def test_what_may_stand_between_private_data_and_a_release(
    tmp_path: Path, component: str, output: str, setting: str, said: list[str]
) -> None:
    stage = f"  prepare s using {component} {{\n    table = people\n    {setting}\n  }}\n"
    path = written(tmp_path, PRIVATE % "replace_one", stage + RELEASED % (f"s.{output}", f"s.{output}"))
    found = [(d.code, d.message) for d in check_file(path) if d.severity is Severity.ERROR]
    assert [code for code, _ in found] == said, found
