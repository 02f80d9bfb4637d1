"""The census table: reproducible, within its schema, and good for what the pipeline shows with it."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from common import encoding, rows, tables
from common import facts as facts_of
from component_steps import ROOT, module
from sklearn.linear_model import LogisticRegression

DATA = ROOT / "pipelines/data"
SCHEMA = json.loads((DATA / "census.schema.json").read_text(encoding="utf-8"))
FACTS = facts_of.parse(
    {"name": "census", "schema": SCHEMA, "label": "income", "positive": ">50K", "sensitive": ["sex", "race"]}
)
COLUMNS = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
]
NOISE_MULTIPLIER = 4.531  # of the Gaussian mechanism at ε = 1, δ = 1e-6
C = 0.01


@pytest.fixture(scope="module")
def census() -> "tables.pd.DataFrame":
    frame = tables.read(DATA / "census.csv", FACTS)
    rows.check(frame, FACTS)
    return frame


def test_the_script_writes_the_committed_table_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "census.py", tmp_path / "census.csv"], check=True)
    assert (tmp_path / "census.csv").read_bytes() == (DATA / "census.csv").read_bytes()


def test_size_format_and_columns(census: "tables.pd.DataFrame") -> None:
    assert (DATA / "census.csv").stat().st_size <= 4_000_000
    assert list(census.columns) == COLUMNS == list(SCHEMA["properties"])
    assert len(census) == 32_000
    first = (DATA / "census.csv").read_text().splitlines()[0]
    assert first.count(", ") == 14
    assert census["education-num"].groupby(census["education"]).nunique().eq(1).all()
    assert census["workclass"].isna().any()
    assert census["native-country"].isna().any()


def test_the_vocabularies_have_the_public_tables_sizes() -> None:
    sizes = {
        name: len([x for x in rules["enum"] if x]) for name, rules in SCHEMA["properties"].items() if "enum" in rules
    }
    assert sizes == {
        "workclass": 8,
        "education": 16,
        "marital-status": 7,
        "occupation": 14,
        "relationship": 6,
        "race": 5,
        "sex": 2,
        "native-country": 41,
        "income": 2,
    }


def test_what_the_readme_says_of_it(census: "tables.pd.DataFrame") -> None:
    rich = census["income"] == ">50K"
    assert rich.mean() == pytest.approx(0.282, abs=5e-4)
    assert rich[census["sex"] == "Female"].mean() == pytest.approx(0.229, abs=5e-4)
    assert rich[census["sex"] == "Male"].mean() == pytest.approx(0.318, abs=5e-4)


@pytest.mark.slow
def test_privacy_leaves_a_useful_and_fair_enough_model(census: "tables.pd.DataFrame") -> None:
    split = module("prepare/tabular/split/split.py", "census_split")
    tested = split.choose(census, 0.2, 7, split.Ways(), FACTS)
    train, test = census[~tested], census[tested]
    features = encoding.features(train, FACTS)
    encode = encoding.encoder(features, FACTS, constant=True)
    model = LogisticRegression(C=C, fit_intercept=False, tol=1e-8, max_iter=5000)
    model.fit(encode.transform(features), train["income"] == ">50K")
    encoded, truth = encode.transform(encoding.features(test, FACTS)), (test["income"] == ">50K").to_numpy()
    majority = max(Counter(truth.tolist()).values()) / len(truth)
    assert 0.70 <= majority <= 0.76
    assert 0.87 <= ((encoded @ model.coef_[0] > 0) == truth).mean() <= 0.91

    scale = NOISE_MULTIPLIER * 2 * C * encoding.norm_bound(FACTS)
    assert scale == pytest.approx(NOISE_MULTIPLIER * 2 * C * math.sqrt(13))
    draw = np.random.default_rng(0)
    accuracy, gaps = [], []
    women = (test["sex"] == "Female").to_numpy()
    for _ in range(100):
        chosen = encoded @ (model.coef_[0] + draw.normal(0, scale, model.coef_.shape[1])) > 0
        accuracy.append((chosen == truth).mean())
        gaps.append(abs(chosen[women].mean() - chosen[~women].mean()))
    assert np.median(accuracy) >= majority + 0.05
    assert np.mean(np.array(gaps) <= 0.20) >= 0.9
    assert np.mean(np.array(gaps) <= 0.02) <= 0.2
