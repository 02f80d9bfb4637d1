"""The PyTorch components as steps and in programs: what they write, what models hold, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common import models
from component_steps import PEOPLE, Step, compiled, here, mlp, outputs, people, put, refused, table
from torch_steps import CLASSIFIER, IMAGES, PATH, REGRESSOR, pictures, trained

pytestmark = pytest.mark.slow
QUICK = ("--epochs", 12, "--learning-rate", 0.02, "--batch-size", 32, "--hidden", "[16]")


def scalars(folder: Path) -> dict[str, list[float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {name: [x.value for x in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_a_classifier_of_rows_is_a_model_of_the_columns_with_all_that_belongs_to_a_training(
    tmp_path: Path, step: Step
) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    given = table(tmp_path)
    told = step(CLASSIFIER, *given, *QUICK, *outputs(), PYTHONPATH=PATH, MLFLOW_TRACKING_URI=database)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("  lr ") == 12
    model = models.load(tmp_path / "out/model")
    assert (model.framework, model.card.framework, model.card.task) == ("onnx", "torch", "classifier")
    rows = people(300, 7)
    assert (model.predict(rows) == rows["income"]).mean() > 0.85
    curves = scalars(tmp_path / "out/events")
    assert {name: len(x) for name, x in curves.items()} == dict.fromkeys(
        ("train_loss", "val_loss", "val_accuracy", "lr"), 12
    )
    assert curves["train_loss"][-1] < curves["train_loss"][0]
    assert not [f for f in (tmp_path / "out").rglob("*") if f.suffix in (".pkl", ".pt", ".pth", ".bin")]

    import mlflow

    client = mlflow.MlflowClient(database)
    run = client.search_runs(["0"])[0]
    logged = [x.value for x in client.get_metric_history(run.info.run_id, "val_loss")]
    assert logged == pytest.approx(curves["val_loss"])
    assert run.data.metrics["best_val_loss"] == pytest.approx(min(curves["val_loss"]))
    assert run.data.params["schedule"] == "cosine"


def test_the_same_program_gives_the_same_weights_and_a_checkpoint_goes_on(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    given = table(tmp_path, 200)
    for name in ("a", "b"):
        trained(tmp_path, CLASSIFIER, *given, "--epochs", 2, "--dropout", 0.2, *outputs(name))
    first, second = (load_file(tmp_path / f"{x}/model/native/weights.safetensors") for x in "ab")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    told = trained(
        tmp_path, CLASSIFIER, *given, "--epochs", 4, *outputs("c"), "--dropout", 0.2, "--resume", "a/checkpoint"
    )
    assert "epoch 3/4" in told and "epoch 2/4" not in told
    assert [x.name for x in (tmp_path / "c/checkpoint").iterdir()] == ["epoch-00004"]


def test_a_regressor_predicts_in_the_units_of_the_label(tmp_path: Path) -> None:
    rows = people(500)
    rows["pay"] = 1000.0 * rows["age"] + 5000.0
    rows.drop(columns="income").to_parquet(tmp_path / "t.parquet")
    columns = {name: x for name, x in PEOPLE["schema"]["properties"].items() if name != "income"}
    schema = {"type": "object", "properties": {**columns, "pay": {"type": "number"}}, "required": ["pay"]}
    facts = put(tmp_path / "facts.json", {**PEOPLE, "schema": schema, "label": "pay", "positive": None})
    given = ("--table", "t.parquet", "--facts", facts, "--epochs", 40, "--learning-rate", 0.01, "--norm", "layer")
    trained(tmp_path, REGRESSOR, *given, "--loss", "huber", *outputs())
    model = models.load(tmp_path / "out/model")
    assert model.card.task == "regressor"
    off = np.abs(model.predict(rows) - rows["pay"].to_numpy()).mean()
    assert off < 0.1 * rows["pay"].std()


def test_pictures_are_classified_and_a_backbone_is_taken_over(tmp_path: Path) -> None:
    from common import images
    from safetensors.numpy import load_file

    pictures(tmp_path / "first", ("a", "b"))
    given = ("--width", 4, "--depth", 1, "--learning-rate", 0.02, "--batch-size", 16)
    augmented = ("--shift", 0.02, "--rotate", 3, "--noise", 5, "--label-smoothing", 0.05, "--class-weights", "balanced")
    trained(tmp_path, IMAGES, "--images", "first", "--epochs", 6, *given, *augmented, *outputs("base"))
    model = models.load(tmp_path / "base/model")
    listed = images.listing(tmp_path / "first")
    pixels = images.read(tmp_path / "first", listed, images.Shape(8, 8, 1))
    assert (model.predict(pixels) == [x.label for x in listed]).mean() > 0.9
    assert model.card.image == (8, 8, 1)

    pictures(tmp_path / "second", ("left", "middle", "right"))
    tuned = ("--images", "second", "--epochs", 3, "--backbone", "base/model", "--freeze", "all", *given)
    trained(tmp_path, IMAGES, *tuned, *outputs("tuned"))
    before, after = (load_file(tmp_path / f"{x}/model/native/weights.safetensors") for x in ("base", "tuned"))
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"head.weight", "head.bias"}
    assert after["head.bias"].shape == (3,)


REFUSED: dict[str, tuple[str, tuple[object, ...], str]] = {
    "no number in hidden": (CLASSIFIER, ("--hidden", '["a"]'), "positive whole numbers"),
    "a weight of no class": (CLASSIFIER, ("--class-weights", '{"rich": 2}'), "'rich'"),
    "half precision on a processor": (CLASSIFIER, ("--precision", "fp16", "--device", "cpu"), "needs a GPU"),
    "a checkpoint of nothing": (CLASSIFIER, ("--resume", "absent"), "holds no checkpoint"),
    "a label that is no number": (REGRESSOR, (), "not a number"),
    "too few rows": (CLASSIFIER, ("--validation-fraction", 0.001), "validation_fraction"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    script, arguments, reason = REFUSED[case]
    given = table(tmp_path, 60)
    assert reason in refused(here(tmp_path, script, *given, "--epochs", 1, *arguments, *outputs()))
    assert not (tmp_path / "out/model").exists()


def test_backbones_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "pictures", ("a", "b"), many=4)
    trained(tmp_path, CLASSIFIER, *table(tmp_path, 100), "--epochs", 1, *outputs("rows"))
    given = ("--images", "pictures", *outputs())
    for arguments, reason in (
        (("--backbone", "rows/model"), "a model of tables"),
        (("--freeze", "all"), "give `backbone`"),
    ):
        assert reason in refused(here(tmp_path, IMAGES, *given, *arguments))


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data people: table = "people.parquet" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex"]
  }

  train alone using torch.tabular_classifier {
    table = people
    hidden = [16]
    epochs = 3
    class_weights = { "<=50K": 1, ">50K": 2 }
  }

  train together using torch.tabular_classifier {
    table = people
    hidden = [16]
    epochs = 3
    class_weights = { "<=50K": 1, ">50K": 2 }

    run {
      distribution = pytorch(processes = 2)
    }
  }

  tune best using torch.tabular_classifier {
    table = people
    epochs = 2
    hidden = [8]
    learning_rate = log_uniform(1e-4, 1e-1)

    search {
      goal = minimize("best_val_loss")
      algorithm = random(seed = 1)
      trials = 2
      concurrency = 1
    }
  }

  evaluate quality using sklearn.classification {
    model = best
    table = people
  }

  output alone = alone
  output together = together
}
"""


def test_two_processes_learn_what_one_does_and_a_search_tries_rates(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    people().to_parquet(tmp_path / "people.parquet")
    put(tmp_path / "people.schema.json", PEOPLE["schema"])
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM, encoding="utf-8")
    compiled(program)
    done = mlp("run", "sample.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = next((tmp_path / "home/runs").glob("sample-*")) / "steps"
    one, two = (load_file(steps / f"{x}/outputs/model/native/weights.safetensors") for x in ("alone", "together"))
    for name, weight in one.items():
        assert two[name] == pytest.approx(weight, abs=1e-4), name
    log = (steps / "together/log.txt").read_text()
    assert log.count("epoch 1/3") == 1  # the first process alone tells
    trials = [json.loads(f.read_text()) for f in steps.glob("best/trials/*/outputs/model/native/network.json")]
    assert len(trials) == 2


def test_a_table_in_a_file_is_split_and_read_as_one_in_memory_is(tmp_path: Path) -> None:
    from common import training
    from common.facts import parse
    from networks import tabular
    from networks.loop import Rows

    people(100).to_parquet(tmp_path / "t.parquet")
    facts: Any = parse(PEOPLE)
    read = tabular.read(tmp_path / "t.parquet", facts)
    assert isinstance(read.inputs, np.memmap)
    whole = np.array(read.inputs)
    targets = training.places_of(read.labels.tolist(), ("<=50K", ">50K"))
    parts = tabular.split(Rows(read.inputs, targets), 0.2, 3), tabular.split(Rows(whole, targets), 0.2, 3)
    for lazy, held in zip(*parts, strict=True):
        assert lazy is not None and held is not None
        assert np.array_equal(lazy.inputs[np.arange(len(held.targets))], held.inputs)
        assert np.array_equal(lazy.targets, held.targets)
    expected = pd.Series(people(100)["income"]).tolist()
    assert read.labels.tolist() == expected
