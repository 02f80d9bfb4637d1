"""From a clusterer and rows to how well its clusters hold together, verdicts on that, and a report."""

import argparse

import numpy as np
import pandas as pd
from common import encoding, entry, evaluation, metrics, models, plots, rows, tables
from common import facts as facts_of
from common.facts import Facts
from common.models import Model


def main(options: argparse.Namespace) -> None:
    if options.sample < 2:
        raise entry.Refusal(f"sample must be at least 2, found {options.sample}")
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    model = models.load(options.model, options.allow_code)
    if model.card.task not in ("clusterer", ""):
        raise entry.Refusal(f"the model is a {model.card.task}, a clusterer is expected")
    wanted = list(model.card.features) or list(encoding.features(table, facts).columns)
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise entry.Refusal(f"the model wants the column {absent[0]!r}, which the table lacks")
    frame = table[wanted]
    try:
        assigned = np.asarray(model.predict(frame)).reshape(len(frame))
    except AttributeError:
        raise entry.Refusal(
            f"{model.card.component or 'the model'} cannot place rows in its clusters; take one that can, as KMeans"
        ) from None
    encoded = measured(model, frame, facts)
    found = metrics.clustering(encoded, assigned, truth_of(table, facts), options.sample)
    title = f"{facts.name if facts is not None else 'table'} by {model.card.component or model.framework}"
    evaluation.finish(options, found, lambda folder: plots.clustering(folder, encoded, assigned), title)


def measured(model: Model, frame: pd.DataFrame, facts: Facts | None) -> np.ndarray:
    """The features as numbers, between which distances are taken: as the model sees them where it tells."""
    steps = getattr(model.native, "named_steps", {})
    encode = steps["encode"] if "encode" in steps else encoding.encoder(frame, facts)
    return np.asarray(encode.transform(frame), dtype=float)


def truth_of(table: pd.DataFrame, facts: Facts | None) -> np.ndarray | None:
    """The label's classes as text, missing being one; None without a label."""
    if facts is None or facts.label is None or facts.label not in table.columns:
        return None
    return np.array([str(cell) for cell in table[facts.label].tolist()])


if __name__ == "__main__":
    arguments = evaluation.parser("Judge a clusterer.")
    arguments.add_argument("--sample", type=int, default=10_000)
    entry.run(main, arguments)
