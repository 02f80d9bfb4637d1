"""`python -m conformance [FOLDER …]`: a table of what comes back the same; exit code 1 if anything does not."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance import azure, report
from conformance.kinds import Definition, definitions
from conformance.rows import Row, row

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "conformance" / "fields"
EXPECTED = ROOT / "conformance" / "expected.json"
FIELD = ROOT.parent / "shared" / "corpus" / "azureml-examples"


def main(arguments: list[str] | None = None) -> int:
    """0 if every row passes, 1 if one fails, 2 if there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="folders of Azure ML YAML (default: what is there)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--only", default="", metavar="PATTERN", help="part of a path, or a pattern with * for one")
    parser.add_argument("--verbose", action="store_true", help="show where the two sides differ")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave programs and builds in this folder")
    parser.add_argument("--record", action="store_true", help="write which of the own corpus pass to expected.json")
    options = parser.parse_args(arguments)
    folders = options.folders or [folder for folder in (FIELD, OWN) if folder.is_dir()]
    for folder in folders:
        if not folder.is_dir():
            parser.error(f"no such folder: {folder}")
    azure.start()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        place = Path(options.keep or temporary).resolve()
        for folder in folders:
            for definition, shown in _found(folder.resolve(), options.only):
                target = place / f"{len(rows):03d}"
                target.mkdir(parents=True)
                rows.append(row(definition, shown, target))
    _progress("")
    if options.format == "json":
        print(json.dumps(report.document(rows), indent=2))
    else:
        print(report.text(rows, options.verbose))
    if options.record:
        passing = sorted(r.path for r in rows if r.passed and r.path.startswith(f"{OWN.relative_to(ROOT).as_posix()}/"))
        EXPECTED.write_text(json.dumps({"passing": passing}, indent=2) + "\n", encoding="utf-8")
    if not rows:
        print("nothing to measure", file=sys.stderr)
        return 2
    return 0 if all(r.passed for r in rows) else 1


def _found(folder: Path, only: str) -> Iterator[tuple[Definition, str]]:
    start = ROOT if folder.is_relative_to(ROOT) else folder
    for item in definitions(folder, only):
        if isinstance(item, Definition):
            yield item, os.path.relpath(item.path, start).replace(os.sep, "/")
        else:
            _progress(item.relative_to(folder).as_posix())


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what[:100]}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
