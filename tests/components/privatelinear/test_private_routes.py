"""The program of the three private routes, end to end with the real libraries."""

import json
from pathlib import Path

import pytest
from component_steps import ROOT, mlp

pytestmark = pytest.mark.slow
PROGRAM = ROOT / "pipelines/private_routes.mlp"


def test_three_private_routes_are_trained_judged_and_compared(tmp_path: Path) -> None:
    done = mlp("run", PROGRAM, "--param", "epsilon=2.0", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    metrics = {step["name"]: step["metrics"] for step in record["steps"]}
    assert {step["status"] for step in record["steps"]} == {"completed"}
    for route in ("output", "objective", "pure"):
        assert metrics[f"{route}_quality"]["accuracy"] > metrics[f"{route}_quality"]["baseline_accuracy"] + 0.05
        assert 0.0 <= metrics[f"{route}_fairness"]["demographic_parity_difference"] <= 0.3
    gain = metrics["gain"]
    assert gain["model_value"] == metrics["objective_quality"]["accuracy"]
    assert gain["lower"] <= gain["difference"] <= gain["upper"]
    assert record["parity"][0]["label_agreement"] >= 0.999


def test_the_budget_holds_for_all_routes_together(tmp_path: Path) -> None:
    """Half a delta more for one of them, or a smaller budget, and the program is refused."""
    text = PROGRAM.read_text(encoding="utf-8").replace('"data/', f'"{ROOT}/pipelines/data/')
    for was, is_now, said in (
        ("delta = 1e-6\n", "delta = 1.5e-6\n", "delta = 3e-06"),
        ("epsilon = 6.0", "epsilon = 5.9", "epsilon = 6"),
    ):
        assert was in text
        (tmp_path / "p.mlp").write_text(text.replace(was, is_now), encoding="utf-8")
        done = mlp("check", tmp_path / "p.mlp", cwd=tmp_path)
        assert "MLP0502" in done.stdout
        assert said in done.stdout
