"""Event files of several stages in one log folder: TensorBoard finds the runs and their scalars, of stages as well."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from common.entry import Refusal
from component_steps import compiled, mlp, module
from mlp_lang.runner.viewing import boards
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

collect = module("monitor/tensorboard/collect/collect.py", "collect_step")


def written(folder: Path, scalars: dict[str, list[float]], second: bool = False) -> Path:
    """Scalars as version 1 of the summaries has them, or as version 2 (tensors)."""
    writer = EventFileWriter(str(folder))
    for tag, values in scalars.items():
        for step, value in enumerate(values):
            if second:
                kind = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
                tensor = make_tensor_proto(np.float32(value))
                made = Summary.Value(tag=tag, tensor=tensor, metadata=kind)
            else:
                made = Summary.Value(tag=tag, simple_value=value)
            writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=[made])))
    writer.close()
    return folder


def collected(folder: Path, *events: Path, names: Any = ()) -> dict[str, Any]:
    given = [[str(place), str(path)] for place, path in enumerate(events, start=1)]
    options = argparse.Namespace(events=given, names=json.dumps(names), logs=folder / "logs", report=folder / "report")
    collect.main(options)
    found: dict[str, Any] = json.loads((folder / "report/scalars.json").read_text())
    return found


def test_runs_are_side_by_side(tmp_path: Path) -> None:
    written(tmp_path / "a", {"loss": [3.0, 2.0, 1.0]})
    written(tmp_path / "a/validation", {"loss": [3.5, 2.5]})
    written(tmp_path / "b", {"loss": [9.0, math.nan, 4.0], "rate": [0.1]}, second=True)
    (tmp_path / "b/model.bin").write_text("not an event file")
    found = collected(tmp_path, tmp_path / "a", tmp_path / "b", names=["small", "large"])
    assert set(found) == {"loss", "rate"}
    assert set(found["loss"]) == {"small", "small/validation", "large"}
    small = {"points": 3, "first": 3.0, "last": 1.0, "smallest": 1.0, "largest": 3.0}
    assert found["loss"]["small"] == small | {"steps": [0, 1, 2], "values": [3.0, 2.0, 1.0]}
    assert found["loss"]["large"]["values"] == [9.0, None, 4.0]
    assert found["loss"]["large"]["smallest"] == 4.0
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "index.html",
        "scalars.json",
        "scalar-0.png",
        "scalar-1.png",
    }
    assert not list((tmp_path / "logs").rglob("model.bin"))
    shown = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "logs")).Reload()
    assert set(shown.Runs()) == {"small", "small/validation", "large"}
    assert [float(make_ndarray(event.tensor_proto)) for event in shown.Tensors("small", "loss")] == [3.0, 2.0, 1.0]


def test_names_in_a_page_are_text(tmp_path: Path) -> None:
    collected(tmp_path, written(tmp_path / "a", {"<b>loss</b> $x$": [1.0]}))
    page = (tmp_path / "report/index.html").read_text()
    assert "<b>loss" not in page
    assert "&lt;b&gt;loss" in page


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["../up"], "is no folder's"),
        ([".."], "is no folder's"),
        (["a/b"], "is no folder's"),
        ([""], "is no folder's"),
        ([3], "is no folder's"),
        (["a", "b"], "2 names are given for 1"),
        ({"a": 1}, "names are a list"),
    ],
)
def test_names_that_are_refused(tmp_path: Path, names: Any, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        collected(tmp_path, written(tmp_path / "a", {"loss": [1.0]}), names=names)
    assert not (tmp_path / "logs").exists()


def test_what_else_is_refused(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", {"loss": [1.0]}), tmp_path / "b"
    with pytest.raises(Refusal, match="'Same' is given to two runs"):
        collected(tmp_path, first, first, names=["Same", "same"])
    second.mkdir()
    (second / "outside.tfevents.1").symlink_to(next(first.iterdir()))
    with pytest.raises(Refusal, match="no event file for 'run2'"):
        collected(tmp_path, first, second)


WRITER = """\
import sys
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

writer = EventFileWriter(sys.argv[1])
for step in range(3):
    value = Summary.Value(tag="loss", simple_value=float(sys.argv[2]) / (step + 1))
    writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=[value])))
writer.close()
"""
PROGRAM = """\
compute cpu = cluster("cpu")

component writing: command {
  param start: float
  output events: folder
  code = "src"
  environment = image("any")
  command = "python write.py ${events} ${start}"
  verbs = [train]
}

pipeline sample {
  compute = cpu

  train slow using writing {
    start = 8.0
  }

  train fast using writing {
    start = 2.0
  }

  monitor seen using tensorboard.collect {
    events_1 = slow
    events_2 = fast
    names = ["slow", "fast"]
  }

  output logs = seen
}
"""


@pytest.mark.slow
def test_stages_are_collected_and_shown(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/write.py").write_text(WRITER, encoding="utf-8")
    (tmp_path / "sample.mlp").write_text(PROGRAM, encoding="utf-8")
    compiled(tmp_path / "sample.mlp")
    for _ in range(2):  # the second run is from the cache, and must show the same
        done = mlp("run", "sample.mlp", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "home/runs/sample-2"
    scalars = json.loads((run / "steps/seen/outputs/report/scalars.json").read_text())
    assert {name: course["first"] for name, course in scalars["loss"].items()} == {"slow": 8.0, "fast": 2.0}
    links = tmp_path / "links"
    links.mkdir()
    boards(str(run), str(links), home=str(tmp_path / "home"))
    shown = set(EventMultiplexer().AddRunsFromDirectory(str(links)).Reload().Runs())
    steps = {"slow/outputs/events", "fast/outputs/events", "seen/outputs/logs/slow", "seen/outputs/logs/fast"}
    assert {f"steps/{step}" for step in steps} <= shown
