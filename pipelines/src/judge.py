"""From the metrics of a forest to whether a larger one should be tried, and how large that is."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--metrics", required=True, type=Path)
parser.add_argument("--trees", required=True, type=int)
parser.add_argument("--enough", required=True, type=float)
parser.add_argument("--again", required=True, type=Path)
parser.add_argument("--more", required=True, type=Path)
asked = parser.parse_args()

files = [asked.metrics] if asked.metrics.is_file() else sorted(asked.metrics.glob("*.json"))
accuracy = float(json.loads(files[0].read_text())["metrics"]["accuracy"])
print(f"{asked.trees} trees: accuracy {accuracy:.3f}")
asked.again.write_text("true" if accuracy < asked.enough else "false")
asked.more.write_text(str(asked.trees * 4))
