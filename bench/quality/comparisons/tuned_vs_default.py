"""Settings that a search finds beside the defaults: accuracy on rows that neither has seen, over seeded splits.

The search is what the runner has for Azure ML's (Optuna's random sampler, log-uniform settings). A trial is trained
by the component's own functions on 60 % of the training rows and scored on the rest, as `tune` with `validation` does.
As in a program the best trial's model is what is kept; the defaults learn from all training rows.
"""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from common import encoding
from common import facts as facts_of
from common.facts import Facts
from figures import Comparison, Line, mean
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split

SCRIPT = Path(__file__).resolve().parents[3] / "components/train/sklearn/train.py"
SPLITS = 20
TRIALS = 20
LOADERS = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
SPACES: dict[str, dict[str, tuple[float, float]]] = {
    "LogisticRegression": {"C": (1e-2, 1e3)},
    "SVC": {"C": (1e-2, 1e3), "gamma": (1e-3, 1e1)},
}
FIXED: dict[str, dict[str, Any]] = {"LogisticRegression": {"max_iter": 2000}, "SVC": {}}


def script() -> Any:
    """The component's script; its name is that of a folder, too, so it is not imported by it."""
    spec = importlib.util.spec_from_file_location("train_sklearn", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


train = script()


def measure() -> Comparison:
    """Both estimators on all tables, default and tuned, on the same splits."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: dict[str, dict[str, list[float]]] = {}
    for table, loader in LOADERS.items():
        frame, facts = shipped(table, loader)
        for name in SPACES:
            for seed in range(SPLITS):
                fit, judge = train_test_split(frame, test_size=0.3, random_state=seed, stratify=frame["target"])
                default = accuracy(name, {}, fit, judge, facts)
                tuned = accuracy(name, *searched(name, fit, facts, seed), judge, facts)
                found.setdefault(f"{name}, default", {}).setdefault(table, []).append(default)
                found.setdefault(f"{name}, tuned", {}).setdefault(table, []).append(tuned)
            print(f"{table}, {name}: done", flush=True)
    return comparison(found)


def shipped(name: str, loader: Any) -> tuple[pd.DataFrame, Facts]:
    """A table that ships with scikit-learn, bounded by its own extremes."""
    frame = loader(as_frame=True).frame
    bounds = {
        column: {"type": "number", "minimum": float(frame[column].min()), "maximum": float(frame[column].max())}
        for column in frame.columns
        if column != "target" and frame[column].nunique() > 1
    }
    classes = {"enum": sorted(int(x) for x in frame["target"].unique())}
    schema = {"type": "object", "properties": {**bounds, "target": classes}}
    return frame[[*bounds, "target"]], facts_of.parse({"name": name, "schema": schema, "label": "target"})


def accuracy(name: str, settings: dict[str, Any], fit: pd.DataFrame, judge: pd.DataFrame, facts: Facts) -> float:
    """Accuracy on `judge` of an estimator trained on `fit`."""
    description, parameters = train.interface(name, {**FIXED[name], **settings})
    estimator = train.build(name, description, parameters, facts)
    features = encoding.features(fit, facts)
    encode = encoding.encoder(features, facts)
    train.fit(estimator, encode.transform(features), encoding.target(fit, facts).to_numpy(), facts)
    return float(
        np.mean(estimator.predict(encode.transform(encoding.features(judge, facts))) == judge["target"].to_numpy())
    )


def searched(name: str, rows: pd.DataFrame, facts: Facts, seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """The settings that did best on 40 % of the rows, and the other 60 %, from which the model learns."""
    inner, held = train_test_split(rows, test_size=0.4, random_state=seed, stratify=rows["target"])

    def goal(trial: optuna.Trial) -> float:
        settings = {key: trial.suggest_float(key, low, high, log=True) for key, (low, high) in SPACES[name].items()}
        return accuracy(name, settings, inner, held, facts)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(goal, n_trials=TRIALS)
    return study.best_params, inner


def comparison(found: dict[str, dict[str, list[float]]]) -> Comparison:
    lines = [Line(name, tuple(mean(by[table]) for table in LOADERS)) for name, by in found.items()]
    claims = []
    for name in SPACES:
        gains = {
            table: [
                b - a for a, b in zip(found[f"{name}, default"][table], found[f"{name}, tuned"][table], strict=True)
            ]
            for table in LOADERS
        }
        lines.append(Line(f"{name}, gain split by split", tuple(mean(gains[table]) for table in LOADERS)))
        if name == "LogisticRegression":
            gain = mean(gains["iris"])
            claims.append(("a search gains on iris, where the default of C holds back", gain.mean > gain.within))
    text = (
        f"Accuracy on 30 % of the rows; mean and 95 % interval of {SPLITS} stratified splits. {TRIALS} trials of C "
        "(and gamma) on a log scale, scored on 40 %\nof the training rows; the best trial's model has learnt from "
        "60 % of them, the default's from all. Where defaults are good, that is a loss."
    )
    details = {"accuracies": found, "versions": {name: version(name) for name in ("scikit-learn", "optuna", "numpy")}}
    return Comparison("Tuned and default settings", text, tuple(LOADERS), tuple(lines), tuple(claims), details)
