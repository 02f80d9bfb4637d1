"""From a model and tables to one number a row: the probability of the explained class, or the predicted value."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import entry, models, rows, tables
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts
from common.models import Model

EXPLAINED = ("classifier", "regressor")


class Subject(NamedTuple):
    """What is explained: `answer` maps a table of the model's features to a number a row.

    `chosen` is the class whose probability that is, None of a regressor; `features` are in the model's order.
    """

    model: Model
    task: str
    facts: Facts | None
    table: pd.DataFrame
    features: pd.DataFrame
    classes: tuple[Any, ...]
    chosen: Any
    answer: Callable[[pd.DataFrame], np.ndarray]

    @property
    def output(self) -> str:
        """What `answer` gives, in words."""
        if self.task == "regressor":
            return "prediction"
        return f"probability of {self.chosen}"

    @property
    def machine(self) -> Any:
        """The explainable boosting machine, if the model is one."""
        native = self.model.native
        return native if hasattr(native, "term_scores_") and hasattr(native, "eval_terms") else None

    @property
    def private(self) -> bool:
        return self.facts is not None and self.facts.private is not None


def parser(description: str) -> argparse.ArgumentParser:
    """The command line that explanations share."""
    arguments = entry.parser(description)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--allow-code", type=entry.boolean, default=False)
    arguments.add_argument("--explained-class")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--explanation", type=Path, required=True)
    return arguments


def opened(options: argparse.Namespace) -> Subject:
    """The model and the table. Raises Refusal for a model that is no classifier or regressor of tables."""
    facts = facts_of.load(options.facts)
    model = models.load(options.model, options.allow_code)
    if model.card.task not in (*EXPLAINED, ""):
        raise Refusal(f"the model is a {model.card.task}; a classifier or a regressor of tables is expected")
    table, features = read(options.table, facts, model)
    task = model.card.task or _task(table, facts)
    if task == "regressor":
        if options.explained_class is not None:
            raise Refusal("explained_class is set, but the model is a regressor; leave it out")
        return Subject(
            model, task, facts, table, features, (), None, lambda x: np.asarray(model.predict(x), dtype=float)
        )
    classes = _classes(model, facts, features)
    chosen = _chosen(options.explained_class, classes, facts)
    return Subject(model, task, facts, table, features, classes, chosen, probability(model, classes, chosen))


def read(path: Path, facts: Facts | None, model: Model) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table, and the columns of it that the model takes, in its order. Raises Refusal if one is not there."""
    table = tables.read(path, facts)
    if facts is not None:
        rows.check(table, facts)
    wanted = list(model.card.features) or (facts.feature_names(list(table.columns)) if facts else list(table.columns))
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise Refusal(f"the model wants the column {absent[0]!r}, which the table lacks")
    return table, table[wanted]


def probability(model: Model, classes: tuple[Any, ...], chosen: Any) -> Callable[[pd.DataFrame], np.ndarray]:
    """The probability of a class; of a model without probabilities 1 where it predicts the class, else 0."""
    place = [str(name) for name in classes].index(str(chosen))

    def answer(table: pd.DataFrame) -> np.ndarray:
        scores = model.scores(table)
        if scores is not None and scores.ndim == 2 and scores.shape[1] == len(classes):
            return np.asarray(scores[:, place], dtype=float)
        return np.array([float(str(x) == str(chosen)) for x in np.asarray(model.predict(table)).tolist()])

    return answer


def _task(table: pd.DataFrame, facts: Facts | None) -> str:
    """What a model does that does not say it, by the label's kind."""
    if facts is None or facts.label is None or facts.label not in table.columns:
        raise Refusal(
            "the model does not say its task, and the label is not known; say `label = …` in the data's block"
        )
    numeric = pd.api.types.is_numeric_dtype(table[facts.label].dtype)
    return "regressor" if facts.classes is None and numeric else "classifier"


def _classes(model: Model, facts: Facts | None, features: pd.DataFrame) -> tuple[Any, ...]:
    known = model.card.classes or (facts.classes if facts is not None else None)
    return tuple(known or sorted(set(np.asarray(model.predict(features)).tolist()), key=str))


def _chosen(asked: str | None, classes: tuple[Any, ...], facts: Facts | None) -> Any:
    """The class that is asked for; without it the data's positive one, else the last."""
    spelled = {str(name): name for name in classes}
    if asked is not None:
        if asked not in spelled:
            raise Refusal(f"explained_class = {asked!r} is no class of the model; it has {', '.join(spelled)}")
        return spelled[asked]
    positive = None if facts is None else facts.positive
    return spelled.get(str(positive), classes[-1])
