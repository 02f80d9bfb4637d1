"""From a reference and a current table to which columns drifted, and whether the tables as wholes can be told apart."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comparison as compared
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import entry, evaluation, files, gates, metrics, plots, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Kind
from comparison import Compared
from scipy import stats

METRICS = (
    "columns",
    "drifted_columns",
    "drifted_share",
    "largest_distance",
    "largest_psi",
    "least_p_value",
    "classifier_auc",
    "classifier_p_value",
    "reference_rows",
    "current_rows",
)
MOST_ROWS = 20_000  # of each table, for the classifier
MOST_PLOTS = 24
MOST_VALUES = 50  # of a column without a schema, to be compared value by value
MOST_BARS = 20
MARK = "#b5432a"
COLOURS = ("#9bb4cf", "#3b6ea5")


def main(options: argparse.Namespace) -> None:
    wanted = gates.load(options.gates)
    facts = facts_of.load(options.facts)
    reference, current = tables.read(options.reference, facts), tables.read(options.current, facts)
    rows.check(reference, facts)
    names = chosen(options.columns, reference, current, facts)
    kinds = {name: numeric(reference[name], facts) for name in names}
    for name, number in kinds.items():
        if number:  # a cell of another type is missing, which counts as drift where it is new
            current[name] = pd.to_numeric(current[name], errors="coerce").astype(float)
            reference[name] = reference[name].astype(float)
    found = [compared.compare(reference[name], current[name], kinds[name], options.bins) for name in names]
    adjusted = compared.corrected([each.p_value for each in found], options.correction)
    drifted = [
        p <= options.alpha and each.distance >= options.least_distance for each, p in zip(found, adjusted, strict=True)
    ]
    auc, likely = (math.nan, math.nan)
    if options.classifier:
        auc, likely = told_apart(reference[names], current[names], kinds, options.seed)
    values = {
        "columns": float(len(found)),
        "drifted_columns": float(sum(drifted)),
        "drifted_share": sum(drifted) / len(found),
        "largest_distance": max(each.distance for each in found),
        "largest_psi": max(each.psi for each in found),
        "least_p_value": min(adjusted),
        "classifier_auc": auc,
        "classifier_p_value": likely,
        "reference_rows": float(len(reference)),
        "current_rows": float(len(current)),
    }
    groups = {f"distance[{each.name}]": each.distance for each in found}
    groups |= {f"adjusted_p_value[{each.name}]": p for each, p in zip(found, adjusted, strict=True)}
    for each, p, is_drift in zip(found, adjusted, drifted, strict=True):
        mark = "drifted" if is_drift else "alike"
        print(f"{mark}: {each.name} (distance {each.distance:.4g}, corrected p-value {p:.3g}, {each.test})")
    write(options, values, groups, wanted, found, adjusted, drifted)


def write(
    options: argparse.Namespace,
    values: Mapping[str, float],
    groups: Mapping[str, Any],
    wanted: list[dict[str, Any]],
    found: list[Compared],
    adjusted: list[float],
    drifted: list[bool],
) -> None:
    """Both outputs, MLflow, and the verdicts last."""
    verdicts = gates.judge(wanted, values)

    def fill(folder: Path) -> None:
        figures = draw(folder, found, drifted, options.least_distance)
        page = evaluation.page("Drift between two tables", values, verdicts, figures)
        files.write_text(folder / "index.html", page)
        listed = [compared.record(*each) for each in zip(found, adjusted, drifted, strict=True)]
        files.write_json(folder / "columns.json", listed)

    files.write_folder(options.report, fill)
    metrics.write(options.metrics, values, verdicts, groups)
    for name, value in values.items():
        print(f"{name} = {value:.6g}")
    with tracking.run() as log:
        log.parameters({"alpha": options.alpha, "correction": options.correction, "least": options.least_distance})
        log.metrics(values)
        log.file(options.metrics)
        log.folder(options.report, "report")
    gates.report(verdicts)


def chosen(text: str | None, reference: pd.DataFrame, current: pd.DataFrame, facts: Facts | None) -> list[str]:
    """The columns to compare. Raises Refusal for one that a table lacks."""
    known = list(facts.columns) if facts is not None and facts.columns else list(map(str, reference.columns))
    names = entry.value(text) if text else [name for name in known if name in reference.columns]
    if not isinstance(names, list) or not names:
        raise Refusal('there is no column to compare; name some: columns = ["age"]')
    for what, table in (("reference", reference), ("current", current)):
        absent = [name for name in names if name not in table.columns]
        if absent:
            raise Refusal(f"the {what} table lacks the column {absent[0]!r}; name the columns that both have")
    if not text and (facts is None or not facts.columns):
        wide = [n for n in names if not numeric(reference[n], None) and reference[n].nunique() > MOST_VALUES]
        if wide:
            raise Refusal(f"column {wide[0]!r} is text of more than {MOST_VALUES} values; name columns without it")
    return names


def numeric(cells: pd.Series, facts: Facts | None) -> bool:
    """Whether a column is compared as numbers: by the schema, vocabularies being values; else by its cells."""
    column = facts.columns.get(str(cells.name)) if facts is not None else None
    if column is not None and (column.kind is not Kind.MIXED or column.categories is not None):
        return column.kind in (Kind.INTEGER, Kind.NUMBER) and column.categories is None
    return bool(pd.api.types.is_numeric_dtype(cells.dtype)) and not pd.api.types.is_bool_dtype(cells.dtype)


def told_apart(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, bool], seed: int
) -> tuple[float, float]:
    """A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): the area under the ROC curve of a classifier of
    the tables on the half of the rows that it has not seen, and how likely it is as large by chance (Mann and Whitney).

    NaN where a table has fewer than 20 rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import OrdinalEncoder

    draw = np.random.default_rng(seed)
    parts = [table.iloc[draw.permutation(len(table))[:MOST_ROWS]] for table in (reference, current)]
    if min(map(len, parts)) < 20:
        return math.nan, math.nan
    both = pd.concat(parts, ignore_index=True)
    words = [name for name, number in kinds.items() if not number]
    # rare values are one for the trees, which take 255 at most
    coder = OrdinalEncoder(max_categories=200, handle_unknown="use_encoded_value", unknown_value=-1)
    made = pd.DataFrame({name: both[name].astype(float) for name, number in kinds.items() if number})
    if words:
        text = both[words].astype(object).where(both[words].notna(), "missing").map(str)
        made[words] = coder.fit_transform(text)
    origin = np.repeat([0, 1], [len(part) for part in parts])
    trained = np.zeros(len(both), dtype=bool)
    for which in (0, 1):
        mine = np.flatnonzero(origin == which)
        trained[mine[: len(mine) // 2]] = True
    model = HistGradientBoostingClassifier(
        max_iter=50, categorical_features=[name in words for name in made.columns], random_state=seed
    )
    model.fit(made[trained].to_numpy(), origin[trained])
    scores = model.predict_proba(made[~trained].to_numpy())[:, 1]
    mine, others = scores[origin[~trained] == 1], scores[origin[~trained] == 0]
    tested = stats.mannwhitneyu(mine, others, alternative="greater")
    return float(tested.statistic) / (len(mine) * len(others)), float(tested.pvalue)


def draw(folder: Path, found: list[Compared], drifted: list[bool], least: float) -> list[tuple[str, str]]:
    """Distances of all columns, and the shares of cells of those that are farthest apart."""
    order = sorted(range(len(found)), key=lambda place: -found[place].distance)
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.25 * len(found)), layout="constrained")
    colours = [MARK if drifted[place] else COLOURS[1] for place in order]
    axes.barh([found[place].name for place in order], [found[place].distance for place in order], color=colours)
    axes.axvline(least, color="grey", linewidth=1)
    axes.invert_yaxis()
    axes.set(xlabel="Jensen-Shannon distance", xlim=(0, 1))
    figure.savefig(folder / "distances.png", dpi=110, metadata=plots.PLAIN)
    plt.close(figure)
    drawn = [("distances.png", "Distances of the columns")]
    for number, place in enumerate(order[:MOST_PLOTS]):
        each = found[place]
        shown = sorted(each.cells, key=lambda cell: -abs(cell[1] - cell[2]))[:MOST_BARS]
        shown = [cell for cell in each.cells if cell in shown]
        figure, axes = plt.subplots(figsize=plots.SIZE, layout="constrained")
        at = np.arange(len(shown))
        axes.barh(at - 0.2, [cell[1] for cell in shown], 0.4, color=COLOURS[0], label="reference")
        axes.barh(at + 0.2, [cell[2] for cell in shown], 0.4, color=COLOURS[1], label="current")
        axes.set_yticks(at, [cell[0][:24] for cell in shown], parse_math=False)
        axes.invert_yaxis()
        axes.set(xlabel="share of rows")
        axes.legend(fontsize="small")
        figure.savefig(folder / f"column-{number}.png", dpi=110, metadata=plots.PLAIN)
        plt.close(figure)
        drawn.append((f"column-{number}.png", f"{each.name}{' (drifted)' if drifted[place] else ''}"))
    return drawn


if __name__ == "__main__":
    arguments: Any = entry.parser("Find drift between two tables.")
    arguments.add_argument("--reference", type=Path, required=True)
    arguments.add_argument("--current", type=Path, required=True)
    arguments.add_argument("--columns")
    arguments.add_argument("--alpha", type=float, default=0.05)
    arguments.add_argument("--correction", default="benjamini_hochberg", choices=("benjamini_hochberg", "holm", "none"))
    arguments.add_argument("--least-distance", type=float, default=0.1)
    arguments.add_argument("--bins", type=int, default=10)
    arguments.add_argument("--classifier", type=entry.boolean, default=True)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--gates")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
