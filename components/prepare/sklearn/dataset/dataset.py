"""From the name of a data set that ships inside scikit-learn to its table as Parquet."""

import argparse
from pathlib import Path

from common import entry, tables
from shipped import DATASETS, load


def main(options: argparse.Namespace) -> None:
    if options.name not in DATASETS:
        raise entry.Refusal(f"scikit-learn ships no data set {options.name!r}; there are {', '.join(DATASETS)}")
    frame = load(options.name)
    tables.write_parquet(frame, options.output)
    print(f"{options.name}: {len(frame)} rows, {len(frame.columns)} columns")


if __name__ == "__main__":
    arguments = entry.parser("Write a data set that ships inside scikit-learn.")
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    entry.run(main, arguments)
