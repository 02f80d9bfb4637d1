"""From a table of metrics, one for each draw, to the least and the largest accuracy among them."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--draws", required=True, type=Path, help="a folder of metrics, as an MLTable lists them")
parser.add_argument("--out", required=True, type=Path)
asked = parser.parse_args()

documents = [json.loads(p.read_text()) for p in sorted(asked.draws.rglob("*")) if p.is_file() and p.name != "MLTable"]
found = sorted(float(d["metrics"]["accuracy"]) for d in documents)
metrics = {"least_accuracy": found[0], "most_accuracy": found[-1], "draws": len(found)}
print(metrics)
asked.out.write_text(json.dumps({"metrics": metrics, "gates": []}))
