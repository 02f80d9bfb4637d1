"""Folders of images: written from arrays and tables, split, judged by any model in ONNX; and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from common import images, models, onnx_graph
from common.facts import parse
from component_steps import Step, compiled, mlp, module, put, refused, succeeded
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Pillow

SPLIT = "prepare/images/split/split.py"
ARRAYS = "prepare/images/from_arrays/from_arrays.py"
JUDGE = "evaluate/images/classification/classify.py"
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["dark", "light"]}}, "required": ["kind"]}
PRIVATE = {"unit": "row", "epsilon": 1.0, "delta": 1e-6}


def facts(folder: Path, **private: Any) -> Path:
    document = {"name": "pictures", "schema": SCHEMA, "label": "kind", "positive": None, "sensitive": []}
    return put(folder / "facts.json", document | {"features": None, "private": private or None})


def pictures(folder: Path, count: int = 40, seed: int = 0) -> Path:
    """Grey images of 4 × 6 pixels, dark or light, in turn."""
    draw = np.random.default_rng(seed)
    labels = ["dark", "light"] * (count // 2)
    low = np.array([0 if label == "dark" else 128 for label in labels]).reshape(-1, 1, 1)
    (folder / "pictures").mkdir()
    images.write(folder / "pictures", (low + draw.integers(0, 128, (count, 4, 6))).astype(np.uint8), labels)
    return folder / "pictures"


def brightness_model(folder: Path, name: str = "model") -> Path:
    """A classifier by mean brightness, as a network: softmax over (127.5 - mean, mean - 127.5)."""
    weights = numpy_helper.from_array(np.array([[-1.0, 1.0]], dtype=np.float32), "weights")
    bias = numpy_helper.from_array(np.array([127.5, -127.5], dtype=np.float32), "bias")
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("MatMul", ["column", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["proba"], axis=1),
    ]
    axes = numpy_helper.from_array(np.array([1, 2, 3], dtype=np.int64), "axes")
    shape = numpy_helper.from_array(np.array([-1, 1], dtype=np.int64), "shape")
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 4, 6, 1])
    made = helper.make_tensor_value_info("proba", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "brightness", [given], [made], [weights, bias, axes, shape])
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    card = models.Card("image_classifier", ("dark", "light"), (), "torch.image_classifier", "torch", (4, 6, 1))
    model = onnx_graph.network(net, card.classes, None, "brightness")
    onnx.checker.check_model(model)
    example = np.zeros((1, 4, 6, 1), dtype=np.float32)
    models.save_onnx(model, folder / name, card, None, example, lambda native: put(native / "network.json", {}))
    return folder / name


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_an_archive_of_arrays_becomes_a_folder_for_each_class(step: Step, tmp_path: Path, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3, 5, 3)).astype(dtype)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(12) % 3)
    more = ["--maximum", "255"] if dtype == "float64" else []
    said = succeeded(step(ARRAYS, "--arrays", "a.npz", "--images", "out", *more))
    assert said.splitlines()[0] == "12 images of 3 x 5 pixels"
    found = images.listing(tmp_path / "out")
    assert [image.label for image in found] == ["0"] * 4 + ["1"] * 4 + ["2"] * 4
    back = images.read(tmp_path / "out", found, images.Shape(3, 5, 3))
    places = [int(Path(image.path).stem) for image in found]
    np.testing.assert_array_equal(back, pixels[places].astype(np.uint8))


def test_a_table_of_pixels_becomes_images_scaled_by_its_schema(step: Step, tmp_path: Path) -> None:
    columns = {f"p{i}": {"type": "number", "minimum": 0, "maximum": 16} for i in range(4)}
    schema = {"type": "object", "properties": {**columns, "kind": {"enum": ["dark", "light"]}}, "required": ["kind"]}
    known = put(tmp_path / "f.json", {"name": "t", "schema": schema, "label": "kind"})
    pd.DataFrame([[0, 4, 8, 16, "light"]], columns=[*columns, "kind"]).to_csv(tmp_path / "t.csv", index=False)
    succeeded(step(ARRAYS, "--table", "t.csv", "--facts", known, "--images", "out"))
    picture = np.asarray(Pillow.open(tmp_path / "out/light/00000.png"))
    assert picture.tolist() == [[0, 64], [128, 255]]
    assert "say `height`" in refused(
        step(ARRAYS, "--table", "t.csv", "--facts", known, "--height", "3", "--images", "x")
    )


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": np.zeros((2, 2, 2), np.uint8)}, "has no array `labels`"),
        ({"images": np.zeros((2, 2), np.uint8), "labels": np.zeros(2)}, "`images` has the shape (2, 2)"),
        ({"images": np.zeros((2, 2, 2), np.uint8), "labels": np.zeros(3)}, "one label for each of 2 images"),
        ({"images": np.zeros((1, 2, 2)), "labels": np.zeros(1)}, "say `maximum`"),
        ({"images": np.zeros((1, 2, 2), np.uint8), "labels": np.array(["../x"])}, "cannot name a folder"),
        ({"images": np.array([{}], dtype=object), "labels": np.zeros(1)}, "no .npz archive of plain arrays"),
    ],
)
def test_arrays_that_are_refused(step: Step, tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert said in refused(step(ARRAYS, "--arrays", "a.npz", "--images", "out"))
    assert not (tmp_path / "out").exists()


def test_a_split_gives_every_image_to_one_part(step: Step, tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    common = ["--images", folder, "--test-size", "0.25", "--seed", "3"]
    assert "train 30 images, test 10 images" in succeeded(step(SPLIT, *common, "--train", "a", "--test", "b"))
    parts = [{image.path for image in images.listing(tmp_path / part)} for part in "ab"]
    assert parts[0] | parts[1] == {image.path for image in images.listing(folder)}
    assert not parts[0] & parts[1]
    succeeded(step(SPLIT, *common, "--train", "c", "--test", "d"))
    assert {image.path for image in images.listing(tmp_path / "d")} == parts[1]
    succeeded(step(SPLIT, *common, "--stratify", "true", "--train", "e", "--test", "f"))
    assert [image.label for image in images.listing(tmp_path / "f")] == ["dark"] * 5 + ["light"] * 5
    done = step(SPLIT, *common, "--classes", '["light"]', "--train", "g", "--test", "h")
    assert "train 15 images" in succeeded(done)
    assert "no images of the class 'grey'" in refused(
        step(SPLIT, *common, "--classes", '["grey"]', "--train", "i", "--test", "j")
    )


@pytest.mark.parametrize("neighbours", ["replace_one", "add_remove"])
def test_the_split_of_private_images_is_1_stable(tmp_path: Path, neighbours: str) -> None:
    choose = module(SPLIT, "images_split").choose
    known = parse(json.loads(facts(tmp_path, neighbours=neighbours, **PRIVATE).read_text()))
    draw = np.random.default_rng(1)
    found = [images.Image(f"{label}/{i}.png", label) for i, label in enumerate(draw.choice(["dark", "light"], 60))]
    found.sort()
    for place in range(60):
        there = found[place]
        if neighbours == "replace_one":
            other = "light" if there.label == "dark" else "dark"
            neighbour = [*found[:place], images.Image(f"{other}/{Path(there.path).name}", other), *found[place + 1 :]]
            neighbour.sort()
        else:
            neighbour = found[:place] + found[place + 1 :]
        sides = []
        for one in (found, neighbour):
            tested = choose(one, 0.3, 7, False, known)
            sides.append({(image.path, bool(side)) for image, side in zip(one, tested, strict=True)})
        left, right = sides[0] - sides[1], sides[1] - sides[0]
        assert {Path(path).name for path, _ in left | right} == {Path(there.path).name}
        assert len(left) == 1
        assert {side for _, side in right} <= {side for _, side in left}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--stratify", "true"], "by class is not 1-stable"),
        (["--classes", '["dark"]'], "not 1-stable"),
        (["--test-size", "1.5"], "between 0 and 1"),
    ],
)
def test_splits_of_private_images_that_are_refused(step: Step, tmp_path: Path, more: list[str], said: str) -> None:
    known = facts(tmp_path, neighbours="replace_one", **PRIVATE)
    done = step(SPLIT, "--images", pictures(tmp_path), "--facts", known, *more, "--train", "a", "--test", "b")
    assert said in refused(done)


def test_a_folder_that_is_no_folder_of_images(step: Step, tmp_path: Path) -> None:
    def said(folder: Path, *more: object) -> str:
        return refused(step(SPLIT, "--images", folder, "--train", "a", "--test", "b", *more))

    (tmp_path / "empty/cat").mkdir(parents=True)
    assert "holds no images" in said(tmp_path / "empty")
    (tmp_path / "empty/cat/x.png").symlink_to("/etc/hostname")
    assert "leads out of its folder" in said(tmp_path / "empty")
    (tmp_path / "empty/cat/x.png").unlink()
    (tmp_path / "empty/cat/x.png").write_bytes(b"no image")
    assert "a class 'cat', which the schema's label does not have" in said(
        tmp_path / "empty", "--facts", facts(tmp_path)
    )
    with pytest.raises(Exception, match="no image that can be read"):
        images.shape_of(tmp_path / "empty", images.listing(tmp_path / "empty"))


def test_a_model_is_judged_on_images_by_its_onnx_face(step: Step, tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    dark = images.listing(folder)[0]
    (folder / dark.path).rename(folder / "light/99999.png")  # one that the model cannot get right
    gates = json.dumps(
        [
            {
                "hard": True,
                "text": "accuracy >= 0.9",
                "span": "x:1:1",
                "condition": [">=", ["metric", "accuracy"], ["value", 0.9]],
            }
        ]
    )
    done = step(
        *(JUDGE, "--model", brightness_model(tmp_path), "--images", folder, "--batch-size", "7", "--gates", gates),
        *("--metrics", "m.json", "--report", "report", "--facts", facts(tmp_path)),
    )
    succeeded(done)
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["metrics"]["accuracy"] == pytest.approx(39 / 40)
    assert found["metrics"]["rows"] == 40
    assert found["gates"][0]["passed"]
    names = {file.name for file in (tmp_path / "report").iterdir()}
    assert names == {"index.html", "confusion.png", "roc.png", "precision_recall.png", "calibration.png", "wrong.png"}


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data pictures: images = "pictures" {
    schema = "pictures.schema.json"
    label = "kind"
%s  }

  prepare split using images.split {
    images = pictures
    test_size = 0.25
%s  }
}
"""


@pytest.mark.slow
def test_a_program_of_images_compiles_and_runs(tmp_path: Path) -> None:
    pictures(tmp_path)
    put(tmp_path / "pictures.schema.json", SCHEMA)
    program = tmp_path / "sample.mlp"
    program.write_text(PROGRAM % ("", '    classes = ["dark", "light"]\n    stratify = true\n'), encoding="utf-8")
    compiled(program)
    done = mlp("run", "sample.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
