"""From private rows to a table of rows that nobody ever was, with about the same counts of columns and of some pairs.

The way is that of MST (McKenna, Miklau and Sheldon 2021): noisy counts of every column; a spanning tree of pairs, each
chosen for how far its counts are from those of independent columns; noisy counts of the chosen pairs; rows sampled from
the distribution that these describe. docs/privacy-mechanisms.md has the proof. Only `measuring.Ledger` lets out what it
sees of rows.
"""

import argparse
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import distribution
import domains
import measuring
import numpy as np
import pandas as pd
import utility
from common import budget, concentrated, entry, files, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Private
from distribution import Counts, Measured
from domains import Domain
from measuring import Ledger
from numpy.typing import NDArray

LIBRARIES = ("opendp", "numpy", "pandas")
MOST_CELLS = 200_000
MOST_ROWS = 10_000_000


class Model(NamedTuple):
    """What was released: the fine counts of each column, its coarse groups, and coarse counts of columns and pairs.

    `noisy` are the pairs as they were measured.
    """

    fine: list[Counts]
    groups: list[NDArray[np.intp]]
    coarse: list[Counts]
    pairs: dict[tuple[int, int], Counts]
    noisy: dict[tuple[int, int], Measured]
    total: float


def main(options: argparse.Namespace) -> None:
    facts, private = budget.private(facts_of.load(options.facts), options.epsilon, "Gaussian")
    if options.rows is not None and not 0 < options.rows <= MOST_ROWS:
        raise Refusal(f"rows must lie between 1 and {MOST_ROWS}, found {options.rows}")
    columns = chosen(facts, options.leave_out)
    made = [domains.domain(facts.columns[name]) for name in columns]
    try:
        ledger = Ledger(concentrated.total(options.epsilon, private.delta), private.neighbours)
        table = tables.read(options.table, facts)
        rows.check(table, facts)
        absent = [name for name in columns if name not in table.columns]
        if absent:
            raise Refusal(f"the table lacks the column {absent[0]!r} of the schema; leave it out")
        places = [each.places(table[name]) for name, each in zip(columns, made, strict=True)]
        public = len(table) if private.neighbours == "replace_one" else None
        del table
        model = learn(places, made, options.bins, public, ledger)
    except ValueError as error:
        raise Refusal(str(error)) from None

    size = options.rows or max(round(model.total), 1)
    synthetic, coarse = sample(model, made, size, np.random.default_rng(options.seed))
    rows.check(synthetic, facts._replace(required=tuple(name for name in facts.required if name in columns)))
    document = statement(facts, private, options.epsilon, ledger)
    fits = utility.fits(model.fine, model.noisy, coarse, model.groups, model.total, columns)
    tables.write_parquet(synthetic, options.synthetic)
    files.write_json(options.release, document)
    files.write_folder(options.report, lambda folder: utility.write(folder, facts.name, fits, document))
    for name, other in model.pairs:
        print(f"measured {columns[name]} by {columns[other]}")
    print(f"epsilon = {options.epsilon:g}, delta = {private.delta:g}, {size} rows of {len(columns)} columns")
    with tracking.run() as log:
        log.parameters({"mechanism": "gaussian", "neighbours": private.neighbours, "bins": options.bins, "rows": size})
        log.metrics({"epsilon": options.epsilon, "delta": private.delta, "worst_distance": utility.worst(fits)})
        log.file(options.release)
        log.folder(options.report, "report")


def chosen(facts: Facts, left_out: str) -> list[str]:
    """The columns of the schema that are made, by the schema and the program alone."""
    names = entry.value(left_out)
    if not isinstance(names, list):
        raise Refusal('leave_out lists columns: ["name"]')
    unknown = [name for name in names if name not in facts.columns]
    if unknown:
        raise Refusal(f"leave_out names {unknown[0]!r}, which is not in the schema")
    needed = [name for name in names if name in facts.required or name in (facts.label, *facts.sensitive)]
    if needed:
        raise Refusal(f"column {needed[0]!r} is required or has a role, so the synthetic table must have it")
    columns = [name for name in facts.columns if name not in names]
    if not columns:
        raise Refusal("there is no column to make; give the data a `schema`")
    return columns


def learn(places: list[NDArray[np.intp]], made: list[Domain], bins: int, public: int | None, ledger: Ledger) -> Model:
    """All that is measured. A third of the loss each for columns, choices and pairs; all for one column alone."""
    names = [each.column.name for each in made]
    share = ledger.total / (3.0 if len(made) > 1 else 1.0) / (1.0 + 1e-6)
    noisy, scales = [], []
    for name, each, mine in zip(names, made, places, strict=True):
        exact = np.bincount(mine, minlength=each.size).astype(np.int64)
        found, scale = ledger.counts(f"rows by {name}", exact, share / len(made))
        noisy.append(found)
        scales.append(scale)
    # without a public number of rows, that of the column with the fewest members, whose sum has the least noise
    total = float(public) if public is not None else max(float(min(noisy, key=len).sum()), 1.0)
    fine = [distribution.projected(found, total) for found in noisy]
    groups = [domains.groups(each, found, bins) for each, found in zip(made, fine, strict=True)]
    singles = [summed(found, group) for found, group in zip(fine, groups, strict=True)]
    codes = [group[mine] for group, mine in zip(groups, places, strict=True)]

    edges = spanning(codes, singles, total, share, ledger, names)
    measured: dict[tuple[int, int], Measured] = {}
    for one, other in edges:
        exact = measuring.pair_counts(codes[one], codes[other], (len(singles[one]), len(singles[other])))
        found, scale = ledger.counts(f"rows by {names[one]}, {names[other]}", exact, share / len(edges))
        measured[(one, other)] = Measured(found, np.full(found.shape, scale**2))
    raw = [
        Measured(summed(found, group), scale**2 * np.bincount(group).astype(float))
        for found, group, scale in zip(noisy, groups, scales, strict=True)
    ]
    coarse = []
    for place, own in enumerate(raw):
        seen = [own]
        for (one, other), pair in measured.items():
            if place in (one, other):
                axis = 1 if place == one else 0
                seen.append(Measured(pair.counts.sum(axis=axis), pair.variance.sum(axis=axis)))
        coarse.append(distribution.combined(seen, total))
    pairs = {
        (one, other): distribution.fitted(pair.counts, coarse[one], coarse[other], total)
        for (one, other), pair in measured.items()
    }
    return Model(fine, groups, coarse, pairs, measured, total)


def spanning(
    codes: list[NDArray[np.intp]], singles: list[Counts], total: float, share: float, ledger: Ledger, names: list[str]
) -> list[tuple[int, int]]:
    """The pairs of a spanning tree, one by one: each joins two parts, by about the largest score (Kruskal).

    From every score goes the noise that counting the pair would bring, a constant of the sizes (McKenna et al. 2022).
    """
    size = len(codes)
    if size < 2:
        return []
    sigma = math.sqrt(ledger.moved / (2.0 * share / (size - 1)))
    scores: dict[tuple[int, int], int] = {}
    for one in range(size):
        for other in range(one + 1, size):
            shape = (len(singles[one]), len(singles[other]))
            if math.prod(shape) > MOST_CELLS:
                pair = f"{names[one]} by {names[other]}"
                raise Refusal(f"{pair} has more than {MOST_CELLS} combinations; use fewer bins, or leave one out")
            expected = np.rint(np.outer(singles[one], singles[other]) / total).astype(np.int64)
            penalty = round(math.sqrt(2.0 / math.pi) * sigma * math.prod(shape))
            scores[(one, other)] = measuring.score(
                measuring.pair_counts(codes[one], codes[other], shape), expected, penalty
            )
    part = list(range(size))
    edges: list[tuple[int, int]] = []
    while len(edges) < size - 1:
        open_ = [pair for pair in scores if part[pair[0]] != part[pair[1]]]
        place = ledger.choice("choice of a pair", [scores[pair] for pair in open_], share / (size - 1))
        one, other = open_[place]
        edges.append((one, other))
        joined, kept = part[other], part[one]
        part = [kept if name == joined else name for name in part]
    return edges


def summed(counts: Counts, group: NDArray[np.intp]) -> Counts:
    """Counts of coarse groups."""
    return np.bincount(group, weights=counts, minlength=int(group.max()) + 1).astype(np.float64)


def sample(
    model: Model, made: list[Domain], size: int, draw: np.random.Generator
) -> tuple[pd.DataFrame, list[NDArray[np.intp]]]:
    """Rows of the model, and their coarse codes: within a group, fine members by their own noisy counts."""
    coarse = distribution.sampled(model.coarse, model.pairs, size, draw)
    cells = {}
    for each, group, fine, mine in zip(made, model.groups, model.fine, coarse, strict=True):
        places = np.empty(size, dtype=np.intp)
        for value in range(int(group.max()) + 1):
            members = np.flatnonzero(group == value)
            chosen_rows = np.flatnonzero(mine == value)
            places[chosen_rows] = members[distribution.shuffled(fine[members], len(chosen_rows), draw)]
        cells[each.column.name] = each.cells(places, draw)
    return pd.DataFrame(cells), coarse


def statement(facts: Facts, private: Private, epsilon: float, ledger: Ledger) -> dict[str, Any]:
    """release.json, all of it computed from the program and the schema."""
    return {
        "data": facts.name,
        "mechanism": "gaussian",
        "epsilon": epsilon,
        "delta": private.delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "counts of columns and of pairs, which a synthetic table is sampled from",
        "dimension": sum(part["dimension"] for part in ledger.parts),
        "parts": ledger.parts,
        "library": {"name": "opendp", "version": version("opendp")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


if __name__ == "__main__":
    arguments = entry.parser("Make a synthetic table of private rows.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--rows", type=int)
    arguments.add_argument("--bins", type=int, default=12)
    arguments.add_argument("--leave-out", default="[]")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--synthetic", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
