"""From one table to a training and a test table, after checking the rows against the schema.

On private data the split is 1-stable, that is, neighbouring tables give parts of which exactly one differs in one row:

- replace_one: by position. Which positions are test rows depends on the number of rows and the seed alone.
- add_remove: by a coin for each row, thrown by a hash of seed and row (and, for equal rows, of how many came before),
  so that no coin depends on any other row nor on where a row stands.

A split by strata, by groups or by time is neither, and is refused there: a row's part depends on the others.
"""

import argparse
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import entry, rows, tables
from common import facts as facts_of
from common.facts import Facts


class Ways(NamedTuple):
    """The columns that a split goes by; at most one may be named."""

    stratify: str | None = None
    group: str | None = None
    time: str | None = None

    def chosen(self) -> dict[str, str]:
        """The ways that are taken, by name."""
        return {name: column for name, column in self._asdict().items() if column}


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    ways = Ways(stratum(options.stratify, facts), options.group, options.time)
    tested = choose(table, options.test_size, options.seed, ways, facts)
    if tested.all() or not tested.any():
        raise entry.Refusal(f"a part of the split of {len(table)} rows is empty; change test_size or give more rows")
    tables.write_parquet(table[~tested], options.train)
    tables.write_parquet(table[tested], options.test)
    print(f"train {int((~tested).sum())} rows, test {int(tested.sum())} rows")


def stratum(text: str | None, facts: Facts | None) -> str | None:
    """The column to stratify by: `true` stands for the label, `false` and none for no column."""
    try:
        given = entry.value(text) if text else None
    except entry.Refusal:
        given = text  # a name that is not JSON stands for itself
    if given is None or given is False:
        return None
    if given is True:
        if facts is None or facts.label is None:
            raise entry.Refusal('the label to stratify by is not known; name the column: stratify = "…"')
        return facts.label
    return str(given)


def choose(table: pd.DataFrame, share: float, seed: int, ways: Ways, facts: Facts | None) -> np.ndarray:
    """True for the rows of the test part, in the table's order."""
    if not 0 < share < 1:
        raise entry.Refusal(f"test_size must lie between 0 and 1, found {share}")
    if seed < 0:
        raise entry.Refusal(f"seed must not be negative, found {seed}")
    private = facts.private if facts is not None else None
    chosen = ways.chosen()
    if len(chosen) > 1:
        raise entry.Refusal(f"a split goes one way, found {' and '.join(chosen)}; leave out all but one")
    for way, column in chosen.items():
        if private is not None:
            raise entry.Refusal(f"a split of private data by {way} is not 1-stable; leave out {way}")
        if column not in table.columns:
            raise entry.Refusal(f"the table has no column {column!r} for {way}; name one of its columns")
    if ways.stratify:
        return by_stratum(table[ways.stratify], share, seed)
    if ways.group:
        return by_group(table[ways.group], share, seed)
    if ways.time:
        return by_time(table[ways.time], share)
    if private is not None and private.neighbours == "add_remove":
        return by_coin(table, share, seed)
    return by_position(len(table), share, seed)


def by_position(count: int, share: float, seed: int) -> np.ndarray:
    """`share` of the positions (rounded to whole rows), a seeded choice that sees no row."""
    tested = np.zeros(count, dtype=bool)
    tested[np.random.default_rng(seed).permutation(count)[: round(share * count)]] = True
    return tested


def by_coin(table: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """A coin a row that falls on test with probability `share`."""
    seen: Counter[bytes] = Counter()
    tested = np.zeros(len(table), dtype=bool)
    limit = round(share * 2**64)
    columns = [[canonical(cell) for cell in table[name].tolist()] for name in table.columns]
    for place, row in enumerate(zip(*columns, strict=True)):
        digest = hashlib.blake2b(repr((seed, row)).encode(), digest_size=16).digest()
        coin = hashlib.blake2b(digest + seen[digest].to_bytes(8), digest_size=8).digest()
        seen[digest] += 1
        tested[place] = int.from_bytes(coin) < limit
    return tested


def canonical(cell: Any) -> Any:
    """A cell's one spelling: one missing value makes integers floats, and must not throw other rows' coins again."""
    if cell is None or cell is pd.NA or cell != cell:
        return None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def by_stratum(strata: pd.Series, share: float, seed: int) -> np.ndarray:
    """A split by position within the rows of each value, missing being a value."""
    tested = np.zeros(len(strata), dtype=bool)
    codes, _ = pd.factorize(strata, use_na_sentinel=False)
    for code in range(codes.max() + 1):
        places = np.flatnonzero(codes == code)
        tested[places] = by_position(len(places), share, seed + code)
    return tested


def by_group(groups: pd.Series, share: float, seed: int) -> np.ndarray:
    """Whole groups in a seeded order, as many as come nearest to `share` of the rows; missing is one group."""
    codes, _ = pd.factorize(groups, use_na_sentinel=False)
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise entry.Refusal(f"all rows are of one group of {groups.name!r}; group by a column with more values")
    order = np.random.default_rng(seed).permutation(len(sizes))
    off = np.abs(np.cumsum(sizes[order])[:-1] - share * len(codes))  # all groups would leave none to train on
    return np.isin(codes, order[: int(off.argmin()) + 1])


def by_time(moments: pd.Series, share: float) -> np.ndarray:
    """The latest `share` of the rows, and every row of the earliest moment among them: none is in both parts."""
    when = moments if pd.api.types.is_numeric_dtype(moments.dtype) else _instants(moments)
    absent = int(when.isna().sum())
    if absent:
        raise entry.Refusal(
            f"{absent} rows have no moment in {moments.name!r}; give numbers or ISO 8601 text, 2024-01-31T12:00 for one"
        )
    count = max(1, round(share * len(when)))
    boundary = when.sort_values().iloc[len(when) - count]
    return np.asarray(when >= boundary, dtype=bool)


def _instants(moments: pd.Series) -> pd.Series:
    """Moments as UTC, one without an offset taken as UTC; what is none is missing."""
    return pd.to_datetime(moments, utc=True, format="ISO8601", errors="coerce")


if __name__ == "__main__":
    arguments = entry.parser("Split a table into a training and a test part.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--test-size", type=float, default=0.2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--stratify")
    arguments.add_argument("--group")
    arguments.add_argument("--time")
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--train", type=Path, required=True)
    arguments.add_argument("--test", type=Path, required=True)
    entry.run(main, arguments)
