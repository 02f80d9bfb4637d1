import argparse
import csv
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path)
parser.add_argument("--rate", type=float)
parser.add_argument("--start", type=int, default=0)
parser.add_argument("--model", type=Path)
args = parser.parse_args()

with (args.data / "trips.csv").open() as stream:
    rows = [(float(row["distance"]), float(row["fare"])) for row in csv.DictReader(stream)]
slope = sum(fare for _, fare in rows) / sum(distance for distance, _ in rows)
(args.model / "line.json").write_text(json.dumps({"slope": slope, "rate": args.rate, "start": args.start}))
