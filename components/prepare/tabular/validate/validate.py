"""From a table and its schema to the rows that follow it and a report of those that do not, a batch of rows at a time.

The report names row (from 1), column and rule of everything that is wrong; what stood there, on public data alone.
"""

import argparse
import csv
import json
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from common import batches, entry, files, rows, tracking
from common import facts as facts_of
from common.batches import Batches
from common.facts import Facts


class Found(NamedTuple):
    """What a table came to: its rows, those that follow the schema, and how many cells break which rule."""

    rows: int
    valid: int
    broken: Counter[tuple[str, str]]

    def document(self) -> dict[str, Any]:
        """For report.json, the most frequent first."""
        listed = [{"column": c, "rule": r, "rows": count} for (c, r), count in self.broken.most_common()]
        return {"rows": self.rows, "valid": self.valid, "violations": listed}


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    if facts is None or not facts.columns:
        raise entry.Refusal("there is nothing to check against; give the data a `schema`")
    table = batches.read(options.table, facts, options.batch_rows)
    found: list[Found] = []
    refusals: list[entry.Refusal] = []

    def sift(folder: Path) -> None:
        """Both outputs in one pass. The report is there also where the rows are not."""

        def write(temporary: Path) -> None:
            found.append(sifted(table, facts, temporary, folder / "rows.csv"))
            refuse(found[0], facts, options.on_violation)

        try:
            files.write_file(options.valid, write)
        except entry.Refusal as refusal:
            if not found:
                raise
            refusals.append(refusal)
        (folder / "report.json").write_text(
            json.dumps(found[0].document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
        )

    files.write_folder(options.report, sift)
    figures = {"rows": found[0].rows, "valid_rows": found[0].valid, "invalid_rows": found[0].rows - found[0].valid}
    for name, value in figures.items():
        print(f"{name} = {value}")
    with tracking.run() as log:
        log.parameters({"on_violation": options.on_violation})
        log.metrics(figures)
        log.folder(options.report, "report")
    if refusals:
        raise refusals[0]


def sifted(table: Batches, facts: Facts, valid: Path, listed: Path) -> Found:
    """Write the rows that follow the schema to `valid` and what is wrong with the others to `listed`."""
    shown = facts.private is None
    closed = (facts.document.get("schema") or {}).get("additionalProperties") is False
    count = good = 0
    broken: Counter[tuple[str, str]] = Counter()
    with pq.ParquetWriter(valid, table.schema) as writer, listed.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(("row", "column", "rule", *(("value",) if shown else ())))
        for frame, kept in table.batches:
            wrong = np.zeros(len(frame), dtype=bool)
            said: list[tuple[Any, ...]] = []
            for name, rule, where in breaches(frame, facts, closed):
                wrong |= where
                broken[name, rule] += int(where.sum())
                places = np.flatnonzero(where)
                cells = [(cell,) if shown else () for cell in frame[name].iloc[places].tolist()]
                said += [(count + 1 + int(p), name, rule, *c) for p, c in zip(places, cells, strict=True)]
            said.sort(key=itemgetter(0))
            lines.writerows(said)
            writer.write_table(kept(~wrong))
            count, good = count + len(frame), good + int((~wrong).sum())
    return Found(count, good, broken)


def breaches(frame: pd.DataFrame, facts: Facts, closed: bool) -> list[tuple[str, str, np.ndarray]]:
    """Column, rule and where it is broken."""
    everywhere = np.ones(len(frame), dtype=bool)
    strange = [name for name in frame.columns if name not in facts.columns] if closed else []
    found = [(str(name), "additionalProperties", everywhere) for name in strange]
    for name, column in facts.columns.items():
        if name in frame.columns:
            found += [(name, rule, where) for rule, where in rows.broken(frame[name], column.rules)]
    return found


def refuse(found: Found, facts: Facts, on_violation: str) -> None:
    """Raise Refusal where the rows that are left are not to be used."""
    if not found.rows:
        raise entry.Refusal("the table has no rows")
    if found.broken and on_violation == "fail":
        (column, rule), count = found.broken.most_common(1)[0]
        wrong = f"{found.rows - found.valid} of {found.rows} rows of {facts.name!r} do not follow its schema"
        most = f"most often column {column!r} breaks {rule}, in {count}"
        raise entry.Refusal(f'{wrong}, {most}; see the report, mend them or set on_violation = "drop"')
    if not found.valid:
        raise entry.Refusal(f"none of the {found.rows} rows of {facts.name!r} follows its schema; see the report")


def batch_rows(text: str) -> int:
    """A number of rows, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise entry.Refusal(f"batch_rows must be at least 1, found {text}")
    return int(text)


if __name__ == "__main__":
    arguments = entry.parser("Check the rows of a table against its schema.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--on-violation", choices=("fail", "drop"), default="fail")
    arguments.add_argument("--batch-rows", type=batch_rows, default=65536)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--valid", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
