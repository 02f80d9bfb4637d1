"""From a model, and canaries whose coins decided what it was trained on, to a lower bound on its privacy loss.

Whoever sees the model scores every canary by how much better the model fits its label than its twin's, and guesses the
coins from the scores. `bound` says what ε such luck refutes. The bound holds for whatever made the model of the planted
table; that it is small proves nothing: a better attack could find more.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import bound
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn.metrics
from common import entry, evaluation, models, plots, tables
from common import facts as facts_of
from common.entry import Refusal
from common.models import Model

METRICS = (
    "epsilon_lower_bound",
    "declared_epsilon",
    "delta",
    "declared_p_value",
    "attack_auc",
    "guesses",
    "right_guesses",
    "canaries",
    "planted",
)
TINY = 1e-12


class Secrets(NamedTuple):
    """Canaries as rows, the labels of their twins, and how their coins fell."""

    neighbours: str
    label: str
    rows: pd.DataFrame
    twins: np.ndarray
    included: np.ndarray


def main(options: argparse.Namespace) -> None:
    if not 0.0 < options.confidence < 1.0:
        raise Refusal(f"confidence must lie between 0 and 1, found {options.confidence}")
    secrets = opened(options.secrets)
    declared, delta = claim(options.release, options.delta, secrets)
    model = models.load(options.model, options.allow_code)
    scores = score(model, secrets)
    made = bound.guess(scores, secrets.included)
    coins = len(scores)
    found, way = bound.best(coins, made, delta, 1.0 - options.confidence)
    likely = math.nan
    if declared is not None:
        likely = min(min(bound.p_value(coins, g.made, g.right, declared, delta) for g in made) * len(made), 1.0)
    values = {
        "epsilon_lower_bound": found,
        "declared_epsilon": math.nan if declared is None else declared,
        "delta": delta,
        "declared_p_value": likely,
        "attack_auc": float(sklearn.metrics.roc_auc_score(secrets.included, scores)),
        "guesses": float(way.made),
        "right_guesses": float(way.right),
        "canaries": float(coins),
        "planted": float(secrets.included.sum()),
    }
    print(
        f"epsilon is at least {found:.4g} for {secrets.neighbours} neighbours at delta = {delta:g}, with confidence "
        f"{options.confidence:g}: {way.right} of {way.made} guesses are right"
    )
    evaluation.finish(
        options, values, lambda folder: draw(folder, scores, secrets, made, delta, options.confidence), "Privacy audit"
    )


def opened(path: Path) -> Secrets:
    """What `privacy.canaries` has written. Raises Refusal for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        listed = document["canaries"]
        frame = pd.DataFrame([entry["row"] for entry in listed])
        facts = facts_of.parse({"name": document["data"], "schema": document["schema"], "label": document["label"]})
        twins = np.array([entry["twin"] for entry in listed], dtype=object)
        included = np.array([entry["included"] for entry in listed], dtype=bool)
        neighbours = str(document["neighbours"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path} lists no canaries ({type(error).__name__}); give the output `secrets`") from None
    if included.all() or not included.any():
        raise Refusal("all coins fell on one side; plant more canaries")
    assert facts.label is not None
    return Secrets(neighbours, facts.label, tables.typed(frame, facts, path), twins, included)


def claim(path: Path | None, delta: float, secrets: Secrets) -> tuple[float | None, float]:
    """The declared ε, None if there is no release, and the δ of the bound. Raises Refusal for another relation."""
    if not 0.0 <= delta < 1.0:
        raise Refusal(f"delta must lie between 0 and 1, found {delta}")
    if path is None:
        return None, delta
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        declared, spent, relation = float(document["epsilon"]), float(document["delta"]), document["neighbours"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path} is no statement of a release ({type(error).__name__})") from None
    if relation != secrets.neighbours:
        raise Refusal(
            f"the release is for {relation} neighbours, the canaries for {secrets.neighbours}; "
            "plant them in the data that is released"
        )
    return declared, max(delta, spent)


def score(model: Model, secrets: Secrets) -> np.ndarray:
    """How much better the model fits each canary than its twin: log odds, hits, or the difference of squared errors."""
    wanted = list(model.card.features) or [name for name in secrets.rows.columns if name != secrets.label]
    absent = [name for name in wanted if name not in secrets.rows.columns]
    if absent:
        raise Refusal(f"the model wants the column {absent[0]!r}, which the canaries lack")
    asked, labels = secrets.rows[wanted], secrets.rows[secrets.label].to_numpy(dtype=object)
    if model.card.task == "regressor":
        answers = np.asarray(model.predict(asked), dtype=float)
        return np.asarray((answers - secrets.twins.astype(float)) ** 2 - (answers - labels.astype(float)) ** 2)
    if model.card.task not in ("classifier", ""):
        raise Refusal(f"the model is a {model.card.task}; a classifier or a regressor can be audited")
    proba = model.scores(asked)
    if proba is None or model.card.classes is None or proba.shape[1] != len(model.card.classes):
        answers = np.asarray(model.predict(asked)).tolist()
        hits = zip(answers, labels, secrets.twins, strict=True)
        return np.array([float(str(a) == str(x)) - float(str(a) == str(y)) for a, x, y in hits])
    places = {str(name): place for place, name in enumerate(model.card.classes)}
    width = int(proba.shape[1])
    padded = np.column_stack([np.clip(proba, TINY, 1.0), np.full(len(proba), TINY)])  # a class that it never saw
    index = np.arange(len(proba))
    mine = padded[index, np.array([places.get(str(x), width) for x in labels])]
    theirs = padded[index, np.array([places.get(str(x), width) for x in secrets.twins])]
    return np.asarray(np.log(mine) - np.log(theirs), dtype=float)


def draw(
    folder: Path, scores: np.ndarray, secrets: Secrets, made: list[bound.Guesses], delta: float, confidence: float
) -> list[tuple[str, str]]:
    """Scores of canaries by their coins, and the bound of each way to guess."""
    figure, axes = plt.subplots(figsize=plots.SIZE, layout="constrained")
    edges = np.linspace(scores.min(), scores.max() + 1e-9, 41).tolist()
    axes.hist([scores[secrets.included], scores[~secrets.included]], bins=edges, label=["planted", "not planted"])
    axes.set(xlabel="score (fit of the label less fit of the twin's)", ylabel="canaries")
    axes.legend(fontsize="small")
    figure.savefig(folder / "scores.png", dpi=110, metadata=plots.PLAIN)
    plt.close(figure)

    failure = (1.0 - confidence) / len(made)
    names = [f"{g.inside} in, {g.outside} out" for g in made]
    bounds = [bound.lower_bound(len(scores), g.made, g.right, delta, failure) for g in made]
    figure, axes = plt.subplots(figsize=plots.SIZE, layout="constrained")
    axes.barh(names, bounds, color="#3b6ea5")
    axes.set(xlabel="lower bound on epsilon", ylabel="guesses")
    figure.savefig(folder / "bounds.png", dpi=110, metadata=plots.PLAIN)
    plt.close(figure)
    return [("scores.png", "Scores of the canaries"), ("bounds.png", "What each way to guess refutes")]


if __name__ == "__main__":
    arguments: Any = entry.parser("Bound a model's privacy loss from below.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--secrets", type=Path, required=True)
    arguments.add_argument("--release", type=Path)
    arguments.add_argument("--delta", type=float, default=0.0)
    arguments.add_argument("--confidence", type=float, default=0.95)
    arguments.add_argument("--allow-code", type=entry.boolean, default=False)
    arguments.add_argument("--gates")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
