"""Pipelines as components and what steers stages: azure-ai-ml loads what comes of them, its preview switch on."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.compiler.graph import Graph
from mlp_lang.lowering import lower
from mlp_lang.lowering.azure import PREVIEW, load_all

BASELINES = Path(__file__).resolve().parents[1] / "baselines"
BROKEN: list[tuple[str, str, str]] = [
    ("an output that the body has not", "better: model", "worse: model"),
    ("an input that the body has not", "better: model", "better: models"),
    ("no body", "body: ${{parent.jobs.turn}}", "body: ${{parent.jobs.turns}}"),
    ("an item of other keys", "- rate: 0.2", "- rates: 0.2"),
    ("too many rounds", "max_iteration_count: 5", "max_iteration_count: 5000"),
]


def graphs(case: str) -> Iterator[Graph]:
    result = compile_file(BASELINES / case / "main.mlp")
    assert result.graphs, result.diagnostics
    yield from result.graphs


@pytest.mark.slow
@pytest.mark.parametrize("case", ["nested", "control_flow"])
def test_azure_ai_ml_takes_every_definition(case: str, tmp_path: Path) -> None:
    for graph in graphs(case):
        folder = lower(graph).write(tmp_path)
        assert [d.message for d in load_all(str(folder))] == []
    assert PREVIEW not in os.environ, "the switch is set where it is needed alone"


@pytest.mark.slow
def test_and_looks_at_what_steers(tmp_path: Path) -> None:
    graph = next(g for g in graphs("control_flow") if g.preview)
    for number, (_, text, broken) in enumerate(BROKEN):
        folder = lower(graph).write(tmp_path / str(number))
        path = folder / "pipeline.yml"
        before = path.read_text()
        assert text in before
        path.write_text(before.replace(text, broken, 1))
        assert {d.code for d in load_all(str(folder))} == {"MLP0830"}, broken


def test_paths_within_a_component_are_seen_from_it(tmp_path: Path) -> None:
    for graph in graphs("nested"):
        folder = lower(graph).write(tmp_path)
        for path in folder.glob("components/*/component.yml"):
            for reference in re.findall(r"component: (\S+)", path.read_text()):
                assert (path.parent / reference).is_file(), reference
