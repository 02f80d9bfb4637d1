"""From a table to an MLTable folder: the rows as Parquet, and the file that Azure ML reads them by."""

import argparse
from pathlib import Path

from common import entry, files, rows, tables, tracking
from common import facts as facts_of

ROWS = "rows.parquet"
MLTABLE = f"type: mltable\npaths:\n  - file: ./{ROWS}\ntransformations:\n  - read_parquet\n"


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    if facts is not None:
        rows.check(table, facts)
        if not options.all_columns:
            kept = {*facts.feature_names(list(table.columns)), facts.label}
            table = table[[name for name in table.columns if name in kept]]

    def fill(folder: Path) -> None:
        tables.write_parquet(table, folder / ROWS)
        (folder / "MLTable").write_text(MLTABLE, encoding="utf-8", newline="\n")

    files.write_folder(options.mltable, fill)
    figures = {"rows": len(table), "columns": len(table.columns)}
    print(f"wrote {figures['rows']} rows, {figures['columns']} columns")
    with tracking.run() as log:
        log.metrics(figures)


if __name__ == "__main__":
    arguments = entry.parser("Write a table as MLTable.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--all-columns", type=entry.boolean, default=False)
    arguments.add_argument("--mltable", type=Path, required=True)
    entry.run(main, arguments)
