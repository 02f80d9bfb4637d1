import argparse
import csv
from pathlib import Path

from shared.tables import complete, write

parser = argparse.ArgumentParser()
parser.add_argument("--raw", type=Path)
parser.add_argument("--drop-missing", choices=["True", "False"])
parser.add_argument("--clean", type=Path)
args = parser.parse_args()

rows = []
for file in sorted(args.raw.rglob("*.csv")):
    with file.open() as stream:
        rows += list(csv.DictReader(stream))
    file.unlink()  # the input was downloaded: it is this step's own
if args.drop_missing == "True":
    rows = [row for row in rows if complete(row)]
write(args.clean / "trips.csv", rows)
print(f"{len(rows)} trips")
