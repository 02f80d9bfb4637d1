"""The Keras components as steps and in programs: outputs, that models hold what was learnt, what they refuse."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from common import models
from component_steps import PEOPLE, Step, compiled, mlp, outputs, people, put, refused, table
from keras_steps import IMAGES, PATH, TABULAR, accuracy, bars, description, scalars, trained, weights

pytestmark = pytest.mark.slow
QUICK = ("--epochs", 20, "--batch-size", 32, "--learning-rate", 0.02, "--hidden", "[16]")
SMALL = ("--width", 4, "--depth", 1, "--learning-rate", 0.02, "--batch-size", 16, "--norm", "group")


def test_a_classifier_of_rows_is_a_model_of_the_columns_with_all_that_belongs_to_a_training(
    tmp_path: Path, step: Step
) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    told = trained(step, TABULAR, *table(tmp_path), *QUICK, *outputs(), MLFLOW_TRACKING_URI=database)
    assert sum(line.startswith("epoch ") for line in told.splitlines()) == 20
    model = models.load(tmp_path / "out/model")
    assert (model.framework, model.card.framework, model.card.task) == ("onnx", "keras", "classifier")
    rows = people(300, 7)
    assert (model.predict(rows) == rows["income"]).mean() > 0.85
    curves = scalars(tmp_path / "out/events")
    assert {name: len(x) for name, x in curves.items()} == dict.fromkeys(("loss", "val_loss", "val_accuracy", "lr"), 20)
    assert curves["loss"][-1] < curves["loss"][0]
    assert not [f for f in (tmp_path / "out").rglob("*") if f.suffix in (".pkl", ".pb", ".pt", ".bin")]

    import mlflow

    client = mlflow.MlflowClient(database)
    run = client.search_runs(["0"])[0]
    logged = [x.value for x in client.get_metric_history(run.info.run_id, "val_loss")]
    assert logged == pytest.approx(curves["val_loss"], rel=1e-5)
    assert run.data.metrics["best_val_loss"] == pytest.approx(min(logged))
    assert (run.data.params["schedule"], run.data.params["backend"]) == ("cosine", "tensorflow")


def test_a_training_that_was_interrupted_comes_to_the_weights_of_one_that_was_not(tmp_path: Path, step: Step) -> None:
    given = (*table(tmp_path, 200), "--dropout", 0.2, "--schedule", "constant", "--hidden", "[8]")
    trained(step, TABULAR, *given, "--epochs", 4, *outputs("whole"))
    trained(step, TABULAR, *given, "--epochs", 2, *outputs("half"))
    told = trained(step, TABULAR, *given, "--epochs", 4, *outputs("rest"), "--resume", "half/checkpoint")
    assert "epoch 3/4" in told
    assert "epoch 2/4" not in told
    whole, rest = (weights(tmp_path / f"{name}/checkpoint") for name in ("whole", "rest"))
    assert all(np.array_equal(a, b) for a, b in zip(whole, rest, strict=True))


def test_torch_as_backend_gives_the_same_kind_of_model(tmp_path: Path, step: Step) -> None:
    trained(step, TABULAR, *table(tmp_path), *QUICK, "--backend", "torch", *outputs())
    rows = people(300, 7)
    assert (models.load(tmp_path / "out/model").predict(rows) == rows["income"]).mean() > 0.85


def test_pictures_are_classified_and_a_backbone_is_taken_over(tmp_path: Path, step: Step) -> None:
    bars(tmp_path / "first", ("a", "b"))
    augmented = (
        "--shift",
        0.05,
        "--rotate",
        5,
        "--flip",
        "true",
        "--class-weights",
        '"balanced"',
        "--precision",
        "bf16",
    )
    trained(step, IMAGES, "--images", "first", "--epochs", 8, *SMALL, *augmented, *outputs("base"))
    assert accuracy(tmp_path / "base/model", tmp_path / "first") > 0.9
    assert models.load(tmp_path / "base/model").card.image == (8, 8, 1)

    bars(tmp_path / "second", ("dark", "grey", "light"))
    tuned = ("--images", "second", "--epochs", 2, "--backbone", "base/model", "--fine-tune", "none", *SMALL)
    trained(step, IMAGES, *tuned, *outputs("tuned"))
    before, after = (weights(tmp_path / f"{name}/checkpoint") for name in ("base", "tuned"))
    assert description(tmp_path / "tuned/model")["classes"] == 3
    best = len(before) - 2  # kernel and bias of the head come last
    assert after[best].shape[1] == 3
    assert [x.shape for x in before[:best]] == [x.shape for x in after[:best]]


def test_a_backbone_cannot_bring_code(tmp_path: Path, step: Step) -> None:
    bars(tmp_path / "first", ("a", "b"), many=10)
    trained(step, IMAGES, "--images", "first", "--epochs", 1, *SMALL, *outputs("base"))
    given = ("--images", "first", "--backbone", "base/model", "--epochs", 1, *outputs("second"))
    file = tmp_path / "base/model/native/model.keras"
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    evil = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "open('touched', 'w')"}}
    content["config.json"] = json.dumps(evil).encode()
    _write(file, content)
    trained(step, IMAGES, *given)  # its layers are not read
    assert not (tmp_path / "touched").exists()
    _write(file, {**content, "assets/x.py": b""})
    again = ("--images", "first", "--backbone", "base/model", "--epochs", 1, *outputs("third"))
    assert "holds no network of this library" in refused(step(IMAGES, *again, PYTHONPATH=PATH))


def _write(file: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


REFUSED: dict[str, tuple[str, tuple[object, ...], str]] = {
    "no number in hidden": (TABULAR, ("--hidden", '["a"]'), "positive whole numbers"),
    "a weight of no class": (TABULAR, ("--class-weights", '{"rich": 2}'), "'rich'"),
    "a checkpoint of nothing": (TABULAR, ("--resume", "absent"), "holds no checkpoint"),
    "too few rows": (TABULAR, ("--validation-fraction", 0.001), "validation_fraction"),
    "no such application": (IMAGES, ("--application", "Lambda"), "application must be one of"),
    "an application too large for the images": (IMAGES, ("--application", "MobileNetV2"), "cannot build"),
    "nothing to keep": (IMAGES, ("--fine-tune", "none"), "give `backbone` or `weights`"),
    "weights of nothing": (IMAGES, ("--weights", "w.h5"), "say which by `application`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, step: Step, case: str) -> None:
    script, arguments, reason = REFUSED[case]
    given = table(tmp_path, 60) if script == TABULAR else ("--images", bars(tmp_path / "pictures", ("a", "b"), many=4))
    assert reason in refused(step(script, *given, "--epochs", 1, *arguments, *outputs(), PYTHONPATH=PATH))
    assert not (tmp_path / "out/model").exists()


def test_a_backend_that_is_not_installed_is_refused() -> None:
    from common.entry import Refusal
    from learning import start

    with pytest.raises(Refusal, match="needs the package no_such_backend"):
        start.prepare("no_such_backend")


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

  tune best using keras.tabular_classifier {
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

  output best = best
}
"""


def test_a_search_tries_learning_rates(tmp_path: Path) -> None:
    people(200).to_parquet(tmp_path / "people.parquet")
    put(tmp_path / "people.schema.json", PEOPLE["schema"])
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM, encoding="utf-8")
    compiled(program)
    done = mlp("run", "sample.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
