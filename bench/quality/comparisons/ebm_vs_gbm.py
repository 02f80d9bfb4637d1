"""Explainable boosting machines beside boosted trees: accuracy and log loss in five folds of two tables.

The machines are trained by the components' own scripts with their defaults, as a program would, on the raw columns;
the trees are scikit-learn's with their defaults, categories told by their dtype. Both get the same rows in each fold.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import encoding, models, tables
from common import facts as facts_of
from common.facts import Facts
from figures import Comparison, Line, mean
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ROOT / "components/train"
FOLDS = 5
PRIVATE = {"unit": "row", "neighbours": "replace_one", "epsilon": 8.0, "delta": 1e-6}

Scores = tuple[float, float]
"""Accuracy and log loss."""
Way = Callable[["Table", np.ndarray, np.ndarray], Scores]


class Table(NamedTuple):
    """Rows, and what is known of them."""

    frame: pd.DataFrame
    facts: Facts

    @property
    def features(self) -> pd.DataFrame:
        return encoding.features(self.frame, self.facts)

    @property
    def target(self) -> np.ndarray:
        return encoding.target(self.frame, self.facts).to_numpy()


def measure() -> Comparison:
    """All ways on both tables; the private machine on the census alone, of whose bounds the schema tells."""
    found: dict[str, dict[str, list[Scores]]] = {}
    for table_name, table in (("census", census()), ("breast_cancer", breast_cancer())):
        for name, way in WAYS.items():
            if table.facts.private is None and "dp_ebm" in name:
                continue
            folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(table.frame, table.target)
            scores = [way(table, fit, judge) for fit, judge in folds]
            found.setdefault(name, {})[table_name] = scores
            print(f"{table_name}, {name}: accuracy {mean([accuracy for accuracy, _ in scores])}", flush=True)
    return _comparison(found)


def machine(script: str, *options: str) -> Way:
    """A component's script, run as a process on the rows of a fold."""

    def way(table: Table, fit: np.ndarray, judge: np.ndarray) -> Scores:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tables.write_parquet(table.frame.iloc[fit], folder / "rows")
            (folder / "facts.json").write_text(json.dumps(table.facts.document), encoding="utf-8")
            given = ["--table", "rows", "--facts", "facts.json", "--model", "model", *options]
            folders = (ROOT / "components", TRAINING / "interpret")
            variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
            command = [sys.executable, str(TRAINING / script), *given]
            subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
            model = models.load(folder / "model")
            rows = table.features.iloc[judge]
            proba = model.scores(rows)
            assert proba is not None
            return _scores(table.target[judge], proba, list(model.card.classes or ()))

    return way


def trees(table: Table, fit: np.ndarray, judge: np.ndarray) -> Scores:
    """scikit-learn's histogram gradient boosting."""
    frame = table.features
    frame = frame.astype({name: "category" for name in frame.columns if frame[name].dtype == object})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    model.fit(frame.iloc[fit], table.target[fit])
    return _scores(table.target[judge], model.predict_proba(frame.iloc[judge]), model.classes_.tolist())


WAYS: dict[str, Way] = {
    "`interpret.ebm`": machine("interpret/ebm/train.py"),
    "HistGradientBoostingClassifier": trees,
    "`interpret.dp_ebm`, ε = 1": machine("interpret/dp_ebm/train.py", "--epsilon", "1", "--release", "release.json"),
    "`interpret.dp_ebm`, ε = 8": machine("interpret/dp_ebm/train.py", "--epsilon", "8", "--release", "release.json"),
}


def census() -> Table:
    """pipelines/data/census.csv."""
    schema = json.loads((ROOT / "pipelines/data/census.schema.json").read_text(encoding="utf-8"))
    head = {"name": "census", "label": "income", "sensitive": ["sex", "race"], "private": PRIVATE}
    facts = facts_of.parse(head | {"schema": schema})
    return Table(tables.read(ROOT / "pipelines/data/census.csv", facts), facts)


def breast_cancer() -> Table:
    """The table that ships with scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    loaded: Any = load_breast_cancer(as_frame=True)
    frame = loaded.data.assign(target=np.array(["malignant", "benign"])[loaded.target])
    properties = {name: {"type": "number"} for name in loaded.data} | {"target": {"enum": ["benign", "malignant"]}}
    facts = facts_of.parse({"name": "breast_cancer", "label": "target", "schema": {"properties": properties}})
    return Table(frame, facts)


def _scores(truth: np.ndarray, proba: np.ndarray, classes: list[Any]) -> Scores:
    predicted = np.array(classes, dtype=object)[proba.argmax(axis=1)]
    return float(accuracy_score(list(truth), list(predicted))), float(log_loss(list(truth), proba, labels=classes))


def _comparison(found: dict[str, dict[str, list[Scores]]]) -> Comparison:
    columns = tuple(f"{table}, {what}" for table in ("census", "breast_cancer") for what in ("accuracy", "log loss"))
    lines = []
    for name, by_table in found.items():
        cells = [
            mean([scores[place] for scores in by_table[table]]) if table in by_table else None
            for table in ("census", "breast_cancer")
            for place in (0, 1)
        ]
        lines.append(Line(name, tuple(cells)))
    ours, theirs = list(found)[:2]
    claims = []
    for table in ("census", "breast_cancer"):
        gain = mean([a[0] - b[0] for a, b in zip(found[ours][table], found[theirs][table], strict=True)])
        claims.append(
            (f"the machine's accuracy is no more than 0.005 below the trees' on {table}", gain.mean >= -0.005)
        )
    text = (
        f"{FOLDS} folds, the same for all; mean and 95 % interval over folds, which overlap in their training rows, so "
        "the interval is a rough one.\nDefaults of the component and of scikit-learn; the private machine replaces one "
        f"row, δ = {PRIVATE['delta']:g}."
    )
    details = {
        "scores": {name: {table: list(map(list, s)) for table, s in by.items()} for name, by in found.items()},
        "versions": {name: version(name) for name in ("interpret-core", "scikit-learn", "numpy")},
    }
    return Comparison("Explainable boosting machines", text, columns, tuple(lines), tuple(claims), details)
