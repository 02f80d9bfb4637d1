"""pipelines/digits_torch.mlp from end to end: a backbone of the digits 0 to 4, tuned for 5 to 9."""

import json
from pathlib import Path

import pytest
from component_steps import ROOT, mlp


@pytest.mark.slow
def test_a_backbone_of_other_digits_is_tuned_to_the_accuracy_that_is_required(tmp_path: Path) -> None:
    done = mlp("run", ROOT / "pipelines/digits_torch.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = next((tmp_path / "home/runs").glob("digits_torch-*")) / "steps"
    found = json.loads((steps / "quality/outputs/metrics").read_text())
    assert found["metrics"]["accuracy"] >= 0.9
    assert found["gates"][0]["passed"]
    cards = [(steps / name / "outputs/model/MLmodel").read_text() for name in ("strokes", "network")]
    assert all("framework: torch" in card for card in cards)
