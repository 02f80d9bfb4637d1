"""From a model and labelled rows to how differently it treats groups of people: metrics.json and a report."""

import argparse
import math
from pathlib import Path
from typing import Any

import disparities
import numpy as np
import pandas as pd
import report
from common import encoding, entry, files, gates, metrics, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts
from disparities import Comparison

BEFORE = (
    "accuracy",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
    "worst_group_accuracy",
)


def main(options: argparse.Namespace) -> None:
    facts = known(facts_of.load(options.facts))
    wanted = gates.load(options.gates)
    model = models.load(options.model, options.allow_code)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    absent = [name for name in facts.sensitive if name not in table.columns]
    if absent:
        raise Refusal(f"the table lacks the sensitive column {absent[0]!r}")
    truth = is_positive(encoding.target(table, facts).to_numpy(), facts)
    selected = is_positive(np.asarray(model.predict(features(model, table, facts))), facts)

    comparisons = disparities.every_way(truth, selected, table[list(facts.sensitive)])
    values = figures(truth, selected, comparisons) | before(options, table, truth, facts)
    groups = flat(comparisons)
    small = few(comparisons, options.minimum_group)
    verdicts = gates.judge(wanted, values)
    files.write_folder(
        options.report, lambda folder: report.write(folder, facts, values, comparisons, options.minimum_group)
    )
    metrics.write(options.metrics, values, verdicts, groups)
    for name, value in values.items():
        print(f"{name} = {value:.6g}")
    if small:
        print(f"fewer than {options.minimum_group} rows, so rates are rough: {'; '.join(small)}")
    with tracking.run() as log:
        log.metrics(values)
        log.file(options.metrics)
        log.folder(options.report, "report")
    gates.report(verdicts)


def known(facts: Facts | None) -> Facts:
    """Facts that name a label, its positive class and sensitive columns. Raises Refusal for what is missing."""
    if facts is None or not facts.sensitive:
        raise Refusal("no sensitive columns are known; say `sensitive = […]` in the data's block")
    if facts.label is None or facts.positive is None:
        raise Refusal("fairness is judged by one class; say `label = …` and `positive = …` in the data's block")
    return facts


def features(model: models.Model, table: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """The columns that the model asks for; one with thresholds by group asks for sensitive ones, too."""
    wanted = list(model.card.features) or list(encoding.features(table, facts).columns)
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise Refusal(f"the model wants the column {absent[0]!r}, which the table lacks")
    return table[wanted]


def is_positive(values: np.ndarray, facts: Facts) -> np.ndarray:
    """Where a label or a prediction is the positive class. Raises Refusal for a model that answers other things."""
    plain = values.tolist()
    if facts.classes is not None and not set(map(str, plain)) & set(map(str, facts.classes)):
        raise Refusal(
            f"the model's answers are none of the classes of {facts.label!r}; give a classifier of that label"
        )
    return np.array([value == facts.positive for value in plain], dtype=bool)


def figures(truth: np.ndarray, selected: np.ndarray, comparisons: list[Comparison]) -> dict[str, float]:
    """The bare metrics: over all rows, and disparities by the worst of the single columns."""
    single = [c for c in comparisons if len(c.columns) == 1]
    return {
        "accuracy": disparities.accuracy(truth, selected),
        "selection_rate": disparities.selection_rate(truth, selected),
        **disparities.worst_of(comparisons),
        "worst_group_accuracy": float(min(c.by_group["accuracy"].min() for c in single)),
        "smallest_group": float(min(c.by_group["rows"].min() for c in single)),
        "rows": float(len(truth)),
    }


def before(options: argparse.Namespace, table: pd.DataFrame, truth: np.ndarray, facts: Facts) -> dict[str, float]:
    """The figures of BEFORE for the model that this one is compared with, NaN where there is none."""
    if options.baseline is None:
        return {f"baseline_{name}": math.nan for name in BEFORE}
    model = models.load(options.baseline, options.allow_code)
    selected = is_positive(np.asarray(model.predict(features(model, table, facts))), facts)
    found = figures(truth, selected, disparities.every_way(truth, selected, table[list(facts.sensitive)]))
    return {f"baseline_{name}": found[name] for name in BEFORE}


def flat(comparisons: list[Comparison]) -> dict[str, Any]:
    """`demographic_parity_difference[sex]` and `selection_rate[sex=Female]`, for columns and for their intersection."""
    found: dict[str, Any] = {}
    for comparison in comparisons:
        found |= {f"{name}[{comparison.name}]": value for name, value in comparison.disparities.items()}
    for comparison in comparisons:
        for index, row in comparison.by_group.iterrows():
            group = comparison.group_name(index)
            found |= {f"{rate}[{group}]": float(row[rate]) for rate in (*disparities.RATES, "rows")}
    return {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in found.items()}


def few(comparisons: list[Comparison], least: int) -> list[str]:
    """Groups with fewer than `least` rows."""
    return [
        f"{comparison.group_name(index)} ({int(row['rows'])})"
        for comparison in comparisons
        for index, row in comparison.by_group.iterrows()
        if row["rows"] < least
    ]


if __name__ == "__main__":
    arguments = entry.parser("Compare how a classifier treats groups of people.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--baseline", type=Path)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--gates")
    arguments.add_argument("--minimum-group", type=int, default=30)
    arguments.add_argument("--allow-code", type=entry.boolean, default=False)
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
