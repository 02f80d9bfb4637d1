"""tensorflow.image_classifier as a step and in programs: workers, checkpoints, outputs, refusals, digits end to end."""

from pathlib import Path

import numpy as np
import pytest
from common import models
from component_steps import COMPONENTS, ROOT, Step, compiled, mlp, refused, succeeded

pytestmark = pytest.mark.slow
SCRIPT = "train/tensorflow/image_classifier/train.py"
PATH = f"{COMPONENTS}:{COMPONENTS / 'train/keras'}"
SMALL = ("--width", 4, "--depth", 1, "--learning-rate", 0.05, "--batch-size", 15)


def outputs(name: str = "out") -> tuple[str, ...]:
    return "--model", f"{name}/model", "--checkpoint", f"{name}/checkpoint", "--events", f"{name}/events"


def greys(folder: Path, classes: tuple[str, ...] = ("dark", "light"), many: int = 30) -> Path:
    """Grey pictures whose class is how bright they are."""
    from common import images

    draw = np.random.default_rng(0)
    labels = [name for name in classes for _ in range(many)]
    pixels = draw.integers(0, 60, (len(labels), 8, 8), dtype=np.uint8)
    for place, name in enumerate(labels):
        pixels[place] += np.uint8(classes.index(name) * 190 // len(classes))
    folder.mkdir()
    images.write(folder, pixels, labels)
    return folder


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What a checkpoint's last epoch holds."""
    from safetensors.numpy import load_file

    found: dict[str, np.ndarray] = load_file(sorted(folder.iterdir())[-1] / "state.safetensors")
    return found


def test_pictures_are_classified_and_an_interrupted_training_goes_on(tmp_path: Path, step: Step) -> None:
    greys(tmp_path / "pictures")
    given = ("--images", "pictures", *SMALL, "--schedule", "constant", "--shift", 0.05, "--rotate", 5, "--flip", "true")
    told = succeeded(step(SCRIPT, *given, "--epochs", 12, *outputs("whole"), PYTHONPATH=PATH))
    assert sum(line.startswith("epoch ") for line in told.splitlines()) == 12
    from common import images

    model = models.load(tmp_path / "whole/model")
    assert (model.card.framework, model.card.task, model.card.image) == ("tensorflow", "image_classifier", (8, 8, 1))
    listed = images.listing(tmp_path / "pictures")
    pixels = images.read(tmp_path / "pictures", listed, images.Shape(8, 8, 1))
    assert (model.predict(pixels) == [x.label for x in listed]).mean() > 0.9
    files = {x.name for x in (tmp_path / "whole/model/native").iterdir()}
    assert files == {"network.json", "model.keras"}
    assert len(list((tmp_path / "whole/events").iterdir())) == 1

    succeeded(step(SCRIPT, *given, "--epochs", 10, *outputs("part"), PYTHONPATH=PATH))
    resumed = (*given, "--epochs", 12, "--resume", "part/checkpoint", *outputs("rest"))
    assert "epoch 10/" not in succeeded(step(SCRIPT, *resumed, PYTHONPATH=PATH))
    whole, rest = (arrays(tmp_path / f"{name}/checkpoint") for name in ("whole", "rest"))
    assert all(np.array_equal(whole[name], rest[name]) for name in whole)


REFUSED: dict[str, tuple[tuple[object, ...], dict[str, str], str]] = {
    "a damaged image": ((), {}, "no image that can be read"),
    "parameter servers": (
        (),
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}'},
        "no parameter servers",
    ),
    "too much dropout": (("--dropout", 1), {}, "dropout must be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, step: Step, case: str) -> None:
    arguments, variables, reason = REFUSED[case]
    greys(tmp_path / "pictures", many=6)
    (tmp_path / "pictures/light/00009.png").write_bytes(b"no picture")
    given = ("--images", "pictures", *SMALL, "--epochs", 1, *arguments, *outputs())
    assert reason in refused(step(SCRIPT, *given, PYTHONPATH=PATH, **variables))
    assert not (tmp_path / "out/model").exists()


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data pictures: images = "pictures"

  train alone using tensorflow.image_classifier {
    images = pictures
    width = 4
    depth = 1
    epochs = 3
    batch_size = 15
    dropout = 0.0
  }

  train together using tensorflow.image_classifier {
    images = pictures
    width = 4
    depth = 1
    epochs = 3
    batch_size = 15
    dropout = 0.0

    run {
      distribution = tensorflow(workers = 2)
    }
  }

  output alone = alone
  output together = together
}
"""


def test_two_workers_learn_what_one_does(tmp_path: Path) -> None:
    greys(tmp_path / "pictures")
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM, encoding="utf-8")
    compiled(program)
    done = mlp("run", "sample.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = next((tmp_path / "home/runs").glob("sample-*")) / "steps"
    one, two = (arrays(steps / f"{name}/outputs/checkpoint") for name in ("alone", "together"))
    assert all(np.allclose(one[name], two[name], atol=1e-4) for name in one)


@pytest.mark.parametrize("framework", ["keras", "tensorflow"])
def test_digits_are_read_end_to_end(tmp_path: Path, framework: str) -> None:
    done = mlp("run", ROOT / f"pipelines/digits_{framework}.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
