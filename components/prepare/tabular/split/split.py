"""From one table to a training and a test table, after checking the rows against the schema.

On private data the split is 1-stable, that is, neighbouring tables give parts of which exactly one differs in one row:

- replace_one: by position. Which positions are test rows depends on the number of rows and the seed alone.
- add_remove: by a coin for each row, thrown by a hash of seed and row (and, for equal rows, of how many came before),
  so that no coin depends on any other row nor on where a row stands.

A stratified split is neither, and is refused there.
"""

import argparse
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import entry, rows, tables
from common import facts as facts_of
from common.facts import Facts


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    tested = choose(table, options.test_size, options.seed, stratum(options.stratify, facts), facts)
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


def choose(table: pd.DataFrame, share: float, seed: int, stratify: str | None, facts: Facts | None) -> np.ndarray:
    """True for the rows of the test part, in the table's order."""
    if not 0 < share < 1:
        raise entry.Refusal(f"test_size must lie between 0 and 1, found {share}")
    if seed < 0:
        raise entry.Refusal(f"seed must not be negative, found {seed}")
    private = facts.private if facts is not None else None
    if stratify:
        if private is not None:
            raise entry.Refusal("a stratified split of private data is not 1-stable; leave out stratify")
        if stratify not in table.columns:
            raise entry.Refusal(f"the table has no column {stratify!r} to stratify by")
        return by_stratum(table[stratify], share, seed)
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


if __name__ == "__main__":
    arguments = entry.parser("Split a table into a training and a test part.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--test-size", type=float, default=0.2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--stratify")
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--train", type=Path, required=True)
    arguments.add_argument("--test", type=Path, required=True)
    entry.run(main, arguments)
