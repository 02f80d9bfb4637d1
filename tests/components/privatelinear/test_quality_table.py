"""The quality table in bench/quality: its arithmetic, that what is checked in fits together, and what it claims."""

import importlib.util
import json
import sys
from types import ModuleType

import numpy as np
import pytest
from component_steps import ROOT
from scipy import stats

QUALITY = ROOT / "bench/quality"


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quality_figures", QUALITY / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["quality_figures"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("runs", [3, 5, 10, 20])
def test_intervals_are_students(figures: ModuleType, runs: int) -> None:
    values = np.random.default_rng(runs).normal(size=runs)
    found = figures.mean(values.tolist())
    low, high = stats.t.interval(0.95, runs - 1, values.mean(), stats.sem(values))
    assert (found.mean - found.within, found.mean + found.within) == pytest.approx((low, high), rel=1e-3)


def test_the_page_is_made_of_the_results(figures: ModuleType) -> None:
    documents = [json.loads(file.read_text("utf-8")) for file in sorted((QUALITY / "results").glob("*.json"))]
    page = (QUALITY / "results.md").read_text("utf-8")
    assert documents
    for document in documents:
        assert figures.page(document) in page
        for claim, holds in document["claims"]:  # a claim that the figures do not bear out is told as such
            assert f"- {'holds' if holds else '**fails**'}: {claim}\n" in page


def test_private_linear_models_are_measured_as_the_page_says() -> None:
    document = json.loads((QUALITY / "results/private_linear.json").read_text("utf-8"))
    for line in document["lines"]:
        assert [cell["runs"] for cell in line["cells"]] == [20] * 4
    accuracies = document["details"]["accuracies"]
    ours, theirs = accuracies["`opendp.objective_perturbation`, gaussian"], accuracies["diffprivlib (δ = 0)"]
    for epsilon, values in ours.items():
        assert np.mean(values) >= np.mean(theirs[epsilon])
    assert document["details"]["versions"]["diffprivlib"] == "0.6.6"
