"""From comparisons to their figures: runs those that are named, or all; writes results/NAME.json and results.md.

Exit code 1 if a claim does not hold. A comparison is a module in comparisons/ with a function
`measure() -> Comparison`; it finds the components' modules on the path.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from figures import page

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small problems, one after the other: threads would wait for each other
HERE = Path(__file__).resolve().parent
NAMES = sorted(file.stem for file in (HERE / "comparisons").glob("*.py") if not file.stem.startswith("_"))
COMPONENTS = HERE.parents[1] / "components"
OPENDP = ("output_perturbation", "objective_perturbation", "linear_regression")
FOLDERS = ("", *(f"privatize/opendp/{name}" for name in OPENDP), "train/torch", "train/opacus")
HEAD = "# Quality beside others\nWritten by `make bench-quality`; README.md says how to read it.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the quality of what the components give, beside others.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no comparison is named {unknown[0]}; there are {', '.join(NAMES)}")
    sys.path.extend(str(COMPONENTS / folder) for folder in FOLDERS)
    for name in options.names or NAMES:
        measured = importlib.import_module(f"comparisons.{name}").measure()
        text = json.dumps(measured.document(), indent=1, ensure_ascii=False)
        (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((HERE / "results").glob("*.json"))]
    written = "\n".join([HEAD, *map(page, documents)])
    (HERE / "results.md").write_text(written, encoding="utf-8")
    print(written)
    return 0 if all(holds for document in documents for _, holds in document["claims"]) else 1


if __name__ == "__main__":
    sys.exit(main())
