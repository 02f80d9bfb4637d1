import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path)
parser.add_argument("--data", type=Path)
parser.add_argument("--name")
parser.add_argument("--bound", type=float)
parser.add_argument("--report", type=Path)
args = parser.parse_args()

report = json.loads((args.model / "line.json").read_text())
report.update(name=args.name, bound=args.bound, variable=os.environ["JUDGE_NAME"], plain=os.environ["PLAIN"])
args.report.write_text(json.dumps(report))
