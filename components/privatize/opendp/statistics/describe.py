"""From private rows and what is asked of them to noisy statistics, each with its accuracy, and what they cost.

docs/privacy-mechanisms.md has the proof. What is computed from rows leaves through `mechanisms.Noisy.draw` alone; the
rest is made from the schema, the program's constants and library versions. The number of rows is used without noise
where neighbours have as many.
"""

import argparse
import json
import math
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import mechanisms
import pandas as pd
import queries
from common import budget, entry, files, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Column, Facts, Kind, Private
from mechanisms import Noisy
from queries import Query

LIBRARIES = ("opendp", "numpy", "pandas")

Entry = dict[str, Any]


class Asked(NamedTuple):
    """What the program asks for."""

    rows: bool
    histograms: list[str]
    tables: list[list[str]]
    sums: list[str]
    means: list[str]
    quantiles: list[str]
    probabilities: list[float]
    bins: int
    alpha: float

    @property
    def columns(self) -> list[str]:
        """Every column that is asked about."""
        return [
            *self.histograms,
            *(name for names in self.tables for name in names),
            *self.sums,
            *self.means,
            *self.quantiles,
        ]


class Statistic(NamedTuple):
    """One statistic: the queries that it takes (True: a choice), and what it says given their draws and, where that is
    public, the number of rows."""

    queries: tuple[tuple[Query, bool], ...]
    say: Callable[[list[Noisy], list[Any], int | None], Entry]


def main(options: argparse.Namespace) -> None:
    asked = _asked(options)
    given = facts_of.load(options.facts)
    if options.mechanism not in mechanisms.MECHANISMS:
        raise Refusal(f"mechanism {options.mechanism!r} is none of {', '.join(mechanisms.MECHANISMS)}")
    needs_delta = "Gaussian" if options.mechanism == "gaussian" else None
    facts, private = budget.private(given, options.epsilon, needs_delta)
    statistics = plan(asked, facts, private.neighbours)
    wanted = [query for statistic in statistics for query in statistic.queries]
    if not wanted:
        raise Refusal(
            "nothing that needs noise is asked for; name columns in histograms, tables, sums, means, quantiles"
        )
    try:
        spent = mechanisms.budget(options.mechanism, options.epsilon, private.delta)
        noisy = mechanisms.calibrate(spent, wanted)
    except ValueError as error:
        raise Refusal(str(error)) from None

    table = tables.read(options.table, facts)
    rows.check(table, facts)
    absent = [name for name in asked.columns if name not in table.columns]
    if absent:
        raise Refusal(f"the table lacks the column {absent[0]!r}")
    said = answer(statistics, noisy, table, private.neighbours)
    head = {
        "data": facts.name,
        "mechanism": spent.mechanism,
        "epsilon": spent.epsilon,
        "delta": spent.delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
    }
    files.write_json(options.statistics, head | {"confidence": 1.0 - asked.alpha, "statistics": said})
    files.write_json(options.release, head | statement(private, noisy))
    for line in told(head, noisy, said):
        print(line)
    with tracking.run() as log:
        log.parameters({"mechanism": spent.mechanism, "neighbours": private.neighbours, "unit": private.unit})
        log.metrics({"epsilon": spent.epsilon, "delta": spent.delta, "queries": len(noisy)})
        log.file(options.statistics)
        log.file(options.release)


def plan(asked: Asked, facts: Facts, relation: str) -> list[Statistic]:
    """The statistics, by the schema alone. Raises Refusal for a column of which it does not say enough."""

    def column(name: str) -> Column:
        if name not in facts.columns:
            raise Refusal(f"column {name!r} is not in the schema of {facts.name!r}, which must bound it")
        return facts.columns[name]

    found = [_rows(relation, asked.alpha)] if asked.rows else []
    for names in [[name] for name in asked.histograms] + asked.tables:
        if not names or len(set(names)) < len(names):
            raise Refusal("a contingency table takes one or more different columns")
        found.append(_counts([column(name) for name in names], asked, relation))
    found += [_sum(column(name), asked.alpha, relation) for name in asked.sums]
    found += [_mean(column(name), asked.alpha, relation) for name in asked.means]
    found += [_quantile(column(n), p, asked.alpha, relation) for n in asked.quantiles for p in asked.probabilities]
    return found


def answer(statistics: list[Statistic], noisy: list[Noisy], table: pd.DataFrame, relation: str) -> list[Entry]:
    """What the statistics say, every query drawn once."""
    size = len(table) if relation == "replace_one" else None
    exact = [made.query.of(table) for made in noisy]
    said = []
    left = list(zip(noisy, exact, strict=True))
    for statistic in statistics:
        mine, left = left[: len(statistic.queries)], left[len(statistic.queries) :]
        said.append(statistic.say([made for made, _ in mine], [made.draw(value) for made, value in mine], size))
    return said


# --- kinds of statistics ----------------------------------------------------------------------------------------------


def _rows(relation: str, alpha: float) -> Statistic:
    if relation == "replace_one":
        return Statistic((), lambda _, __, size: {"statistic": "rows", "value": size, "accuracy": {"within": 0.0}})

    def say(noisy: list[Noisy], drawn: list[Any], _: int | None) -> Entry:
        within = mechanisms.accuracy(noisy[0], alpha)
        return {"statistic": "rows", "value": drawn[0][0]} | _stated(within, noisy)

    return Statistic(((queries.size(), False),), say)


def _counts(columns: list[Column], asked: Asked, relation: str) -> Statistic:
    query, labels = queries.counts(columns, asked.bins, relation)
    names = [column.name for column in columns]

    def say(noisy: list[Noisy], drawn: list[Any], _: int | None) -> Entry:
        cells = [
            {"values": dict(zip(names, values, strict=True)), "count": count}
            for values, count in zip(product(*labels), drawn[0], strict=True)
        ]
        kind = "histogram" if len(names) == 1 else "table"
        head = {"statistic": kind, "columns": names, "cells": cells}
        return head | _stated(mechanisms.accuracy(noisy[0], asked.alpha), noisy)

    return Statistic(((query, False),), say)


def _sum(column: Column, alpha: float, relation: str) -> Statistic:
    grid = queries.grid(column, centred=False)

    def say(noisy: list[Noisy], drawn: list[Any], _: int | None) -> Entry:
        head = {"statistic": "sum", "column": column.name, "value": _number(drawn[0][0] * grid.step, column)}
        return head | _stated(mechanisms.accuracy(noisy[0], alpha) * grid.step, noisy, column, grid)

    return Statistic(((queries.total(column, grid, relation), False),), say)


def _mean(column: Column, alpha: float, relation: str) -> Statistic:
    """A noisy sum about the middle of the bounds, divided by the number of cells: public if no row may be replaced by
    one without the cell, noisy otherwise."""
    grid = queries.grid(column, centred=True)
    low, high = queries.bounds(column)
    total = queries.total(column, grid, relation)
    rounding = 0.0 if _exact(column, grid) else grid.step / 2.0
    public = relation == "replace_one" and not column.nullable

    def say(noisy: list[Noisy], drawn: list[Any], size: int | None) -> Entry:
        count = size if public else drawn[1][0]
        head: Entry = {"statistic": "mean", "column": column.name, "value": None}
        if not public:
            head["count"] = count
        if count is None or count < 1:
            return head | _stated(None, noisy, column, grid)
        value = min(max((drawn[0][0] / count + grid.origin) * grid.step, low), high)
        if public:
            error = mechanisms.accuracy(noisy[0], alpha) / count
        else:
            # |s/n - S/N| <= |s-S|/n + |S/N|·|n-N|/n, and no mean lies farther from the middle than a bound does
            farthest = max(abs(grid.low), abs(grid.high))
            error = mechanisms.accuracy(noisy[0], alpha / 2) + farthest * mechanisms.accuracy(noisy[1], alpha / 2)
            error /= count
        return head | {"value": value} | _stated(min(error * grid.step + rounding, high - low), noisy, column, grid)

    parts = ((total, False),) if public else ((total, False), (queries.present(column), False))
    return Statistic(parts, say)


def _quantile(column: Column, probability: float, alpha: float, relation: str) -> Statistic:
    query, unit = queries.ranks(column, probability, relation)
    values = queries.candidates(column)

    def say(noisy: list[Noisy], drawn: list[Any], _: int | None) -> Entry:
        head = {"statistic": "quantile", "column": column.name, "probability": probability}
        # in rows: how much farther from the wanted rank than the best candidate
        stated = _stated(mechanisms.accuracy(noisy[0], alpha) / unit, noisy)
        stated["accuracy"]["of"] = "rows beyond the rank of the best candidate"
        return head | {"value": _number(values[drawn[0]], column), "candidates": len(values)} | stated

    return Statistic(((query, True),), say)


def _stated(
    within: float | None, noisy: list[Noisy], column: Column | None = None, grid: queries.Grid | None = None
) -> Entry:
    found: Entry = {"accuracy": {"within": within}, "noise": [_noise(made) for made in noisy]}
    if column is not None and grid is not None:
        found["resolution"] = 0.0 if _exact(column, grid) else grid.step
    return found


def _exact(column: Column, grid: queries.Grid) -> bool:
    return column.kind is Kind.INTEGER and grid.step == 1.0


def _number(value: float, column: Column) -> int | float:
    return int(value) if column.kind is Kind.INTEGER else float(value)


# --- what is written --------------------------------------------------------------------------------------------------


def _noise(made: Noisy) -> Entry:
    return {"of": made.query.name, "norm": made.norm, "sensitivity": made.distance, "scale": made.scale}


def statement(private: Private, noisy: list[Noisy]) -> Entry:
    """The rest of release.json, all of it computed from the program and the schema."""
    return {
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "statistics of a table",
        "dimension": sum(1 if made.norm == "Linf" else made.query.size for made in noisy),
        "parts": [
            {
                "of": made.query.name,
                "dimension": 1 if made.norm == "Linf" else made.query.size,
                "loss": made.loss,
                "noise": {"norm": made.norm, "sensitivity": made.distance, "scale": made.scale},
            }
            for made in noisy
        ],
        "library": {"name": "opendp", "version": version("opendp")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def told(head: Entry, noisy: list[Noisy], said: list[Entry]) -> list[str]:
    """What the step prints."""
    spent = f"epsilon = {head['epsilon']:g}" + (f", delta = {head['delta']:g}" if head["delta"] else "")
    how = f"({head['neighbours']}, {head['mechanism']})"
    return [f"released {len(said)} statistics by {len(noisy)} queries, {spent} {how}"]


def _asked(options: argparse.Namespace) -> Asked:
    lists = {}
    for name in ("histograms", "tables", "sums", "means", "quantiles", "probabilities"):
        try:
            lists[name] = json.loads(getattr(options, name))
        except ValueError:
            raise Refusal(f"{name} is not JSON; give a list") from None
    for name in ("histograms", "sums", "means", "quantiles"):
        _listed(name, lists[name], str)
    if not isinstance(lists["tables"], list):
        raise Refusal("tables is not a list of lists of columns")
    for names in lists["tables"]:
        _listed("tables", names, str)
    _listed("probabilities", lists["probabilities"], float)
    if not 1 <= options.bins <= 10_000:
        raise Refusal(f"bins must lie between 1 and 10000, found {options.bins}")
    if not (math.isfinite(options.confidence) and 0.0 < options.confidence < 1.0):
        raise Refusal(f"confidence must lie between 0 and 1, found {options.confidence}")
    return Asked(options.rows, bins=options.bins, alpha=1.0 - options.confidence, **lists)


def _listed(name: str, found: Any, kind: type) -> None:
    if not isinstance(found, list) or not all(type(x) is kind for x in found) or len(set(found)) < len(found):
        raise Refusal(f"{name} is not a list of different {'columns' if kind is str else 'numbers'}")


if __name__ == "__main__":
    arguments = entry.parser("Release statistics of a private table, with noise and its accuracy.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--mechanism", default="laplace")
    arguments.add_argument("--rows", type=entry.boolean, default=False)
    for option in ("histograms", "tables", "sums", "means", "quantiles"):
        arguments.add_argument(f"--{option}", default="[]")
    arguments.add_argument("--probabilities", default="[0.25, 0.5, 0.75]")
    arguments.add_argument("--bins", type=int, default=10)
    arguments.add_argument("--confidence", type=float, default=0.95)
    arguments.add_argument("--statistics", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    entry.run(main, arguments)
