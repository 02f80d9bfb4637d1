"""The private trainings as steps: what they write and state, that rows do not show, what is refused, what compiles."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from common import models
from component_steps import ROOT, compiled, here, put, refused, succeeded
from mlp_lang.compiler import check_file
from mlp_lang.dsl.diagnostics import Severity
from opacus_steps import CLASSIFIER, IMAGES, private

TRAINING = ("--epsilon", 2, "--expected-rows", 400, "--batch-size", 100, "--epochs", 4, "--accountant", "rdp")
OUTPUTS = ("--model", "model", "--release", "release.json", "--events", "events")


def people(rows: int, seed: int, income: str | None = None) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    age = draw.integers(17, 91, rows)
    label = np.where(age > 50, ">50K", "<=50K") if income is None else np.array([income] * rows)
    return pd.DataFrame(
        {
            "age": age,
            "hours": np.round(draw.uniform(0, 100, rows), 1),
            "work": draw.choice(np.array(["State-gov", "Private", None], dtype=object), rows),
            "grade": draw.integers(1, 4, rows),
            "member": draw.random(rows) < 0.5,
            "sex": draw.choice(["Female", "Male"], rows),
            "income": label,
        }
    )


def content(file: Path) -> Any:
    """A file's bytes; of a skops file its members without the places in memory that its parts are known by."""
    if file.suffix != ".skops":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = re.sub(r'"(__id__|file)": ("[^"]*"|\d+)', "", members.pop("schema.json").decode())
    return text, sorted(members.values())


@pytest.mark.slow
def test_two_tables_that_share_the_schema_alone_give_the_same_but_for_the_weights(tmp_path: Path) -> None:
    """More rows, other values, one class only: nothing but the noisy weights may differ."""
    facts = put(tmp_path / "facts.json", private())
    told, found = [], []
    for name, table in (("a", people(400, 0)), ("b", people(90, 1, "<=50K"))):
        (tmp_path / name).mkdir()
        table.to_parquet(tmp_path / name / "t.parquet")
        outputs = [f"{name}/{word}" if not word.startswith("--") else word for word in OUTPUTS]
        done = here(tmp_path, CLASSIFIER, "--table", f"{name}/t.parquet", "--facts", facts, *TRAINING, *outputs)
        told.append(succeeded(done))
        found.append({str(f.relative_to(tmp_path / name)): f for f in (tmp_path / name).rglob("*") if f.is_file()})
    assert told[0] == told[1]
    first, second = ({k for k in files if "tfevents" not in k} for files in found)
    assert first == second
    same = {name for name in first if content(found[0][name]) == content(found[1][name])}
    assert first - same - {"t.parquet", "model/MLmodel"} == {"model/model.onnx", "model/native/weights.safetensors"}
    marks = ("model_uuid", "utc_time_created", "model_size_bytes", "model_id")
    lines = [
        [x for x in files["model/MLmodel"].read_text().splitlines() if not x.strip().startswith(marks)]
        for files in found
    ]
    assert lines[0] == lines[1]

    release = json.loads((tmp_path / "a/release.json").read_text())
    jsonschema.validate(release, json.loads((ROOT / "schemas/release.schema.json").read_text()))
    assert 1.9 < release["epsilon"] <= 2.0
    assert (release["delta"], release["neighbours"], release["steps"]["count"]) == (1e-5, "add_remove", 16)
    model = models.load(tmp_path / "a/model")
    table = people(200, 2)
    assert set(model.predict(table)) <= {"<=50K", ">50K"}
    scores = model.scores(table)
    assert scores is not None
    assert scores.sum(axis=1) == pytest.approx(np.ones(200), abs=1e-5)


@pytest.mark.slow
def test_a_head_is_trained_privately_on_a_public_backbone(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    schema = {"type": "object", "properties": {"kind": {"enum": ["dark", "light"]}}, "required": ["kind"]}
    document = {"name": "pictures", "schema": schema, "label": "kind", "features": None, "sensitive": []}
    budget = {"unit": "row", "neighbours": "replace_one", "epsilon": 8.0, "delta": 1e-5}
    facts = put(tmp_path / "facts.json", {**document, "private": budget})
    public = put(tmp_path / "public.json", {**document, "private": None})
    pictures(tmp_path / "pictures")
    backbone = ("--images", "pictures", "--facts", public, "--architecture", "convnet", "--norm", "group")
    small = ("--width", "4", "--depth", "2", "--epochs", "2", "--validation-fraction", "0")
    written = ("--model", "backbone", "--checkpoint", "checkpoint", "--events", "seen")
    succeeded(here(tmp_path, "train/torch/image_classifier/train.py", *backbone, *small, *written))
    training = ("--epsilon", 8, "--expected-rows", 80, "--batch-size", 40, "--epochs", 10, "--accountant", "rdp")
    given = ("--images", "pictures", "--facts", facts, *training)
    succeeded(here(tmp_path, IMAGES, *given, "--backbone", "backbone", *OUTPUTS))

    before, after = (load_file(tmp_path / f"{name}/native/weights.safetensors") for name in ("backbone", "model"))
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"head.weight", "head.bias"}
    release = json.loads((tmp_path / "release.json").read_text())
    assert release["dimension"] == 8 * 2 + 2
    assert release["steps"]["accounted_for"] == "add_remove, twice"

    assert "give height and image_width" in refused(here(tmp_path, IMAGES, *given, *OUTPUTS))


def pictures(folder: Path) -> None:
    from common import images

    folder.mkdir()
    draw = np.random.default_rng(0)
    pixels = np.concatenate([draw.integers(0, 120, (40, 8, 8)), draw.integers(100, 256, (40, 8, 8))]).astype(np.uint8)
    images.write(folder, pixels, ["dark"] * 40 + ["light"] * 40)


REFUSED: dict[str, tuple[dict[str, Any], tuple[object, ...], str]] = {
    "beyond the budget": ({}, ("--epsilon", 5), "exceeds the budget"),
    "without a delta": ({"delta": 0.0}, (), "delta"),
    "more in a batch than rows": ({}, ("--batch-size", 500), "exceeds expected_rows"),
    "too little noise": ({}, ("--noise-multiplier", 0.3), "spends more than epsilon"),
    "no width": ({}, ("--hidden", "[0]"), "positive whole numbers"),
    "no learning": ({}, ("--learning-rate", 0), "learning_rate must be positive"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_before_a_row_is_read(tmp_path: Path, case: str) -> None:
    budget, arguments, reason = REFUSED[case]
    facts = put(tmp_path / "facts.json", private(**budget))
    given = ("--table", "absent.parquet", "--facts", facts, *TRAINING, *arguments, *OUTPUTS)
    assert reason in refused(here(tmp_path, CLASSIFIER, *given))


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data pictures: images = "pictures" {
    schema = "pictures.schema.json"
    label = "kind"

    private {
      unit = row
      neighbours = add_remove
      epsilon = 3.0
      delta = %s
    }
  }

  train model using opacus.image_classifier {
    images = pictures
    epsilon = %s
    expected_rows = 80
    batch_size = 40
    height = 8
    image_width = 8
  }

  output model = model {
    name = "released"
  }
}
"""
CHECKED = [  # delta, epsilon, what the compiler says
    ("1e-5", "2.0", []),
    ("1e-5", "4.0", ["MLP0502"]),
    ("0", "2.0", ["MLP0507"]),
]


@pytest.mark.parametrize(("delta", "epsilon", "expected"), CHECKED)
def test_the_compiler_accounts_for_a_private_training(
    tmp_path: Path, delta: str, epsilon: str, expected: list[str]
) -> None:
    kinds = {"type": "object", "properties": {"kind": {"enum": ["dark", "light"]}}, "required": ["kind"]}
    put(tmp_path / "pictures.schema.json", kinds)
    (tmp_path / "pictures").mkdir()
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM % (delta, epsilon), encoding="utf-8")
    found = [d.code for d in check_file(program) if d.severity is Severity.ERROR]
    assert found == expected
    if not expected:
        compiled(program)
