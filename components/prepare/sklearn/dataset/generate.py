"""From scikit-learn's shipped data sets to datasets.json: the facts of each table (schema, label, positive class).

python generate.py [FILE]     rewrites datasets.json beside this script, or FILE
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from shipped import DATASETS, LABEL, load

HERE = Path(__file__).resolve().parent


def table() -> dict[str, Any]:
    """Facts of every data set by its name."""
    return {name: facts(name) for name in DATASETS}


def facts(name: str) -> dict[str, Any]:
    """Facts of one data set. Bounds are those of its rows, widened to two digits: the data are public and fixed."""
    frame = load(name)
    properties: dict[str, Any] = {}
    for column in frame.columns[:-1]:
        low, high = float(frame[column].min()), float(frame[column].max())
        whole = bool((frame[column] == frame[column].round()).all())
        properties[str(column)] = {
            "type": "integer" if whole and name != "diabetes" else "number",
            "minimum": outward(low, math.floor),
            "maximum": outward(high, math.ceil),
        }
    label = frame[LABEL]
    if DATASETS[name].task == "regressor":
        properties[LABEL] = {"type": "number", "minimum": float(label.min()), "maximum": float(label.max())}
    else:
        properties[LABEL] = {"enum": sorted(label.unique().tolist())}
    return {
        "name": name,
        "schema": {"type": "object", "properties": properties, "required": list(properties)},
        "label": LABEL,
        "positive": DATASETS[name].positive,
        "sensitive": [],
        "features": None,
        "private": None,
    }


def outward(x: float, rounding: Any) -> float | int:
    """The nearest number with two significant digits that is no nearer to the middle."""
    if x == 0:
        return 0
    digits = 1 - math.floor(math.log10(abs(x)))
    rounded = round(rounding(round(x * 10**digits, 9)) / 10**digits, max(digits, 0))
    return int(rounded) if float(rounded).is_integer() else rounded


def render(document: dict[str, Any]) -> str:
    """One column a line."""
    entries = []
    for name, one in document.items():
        columns = ",\n".join(f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in one["schema"]["properties"].items())
        required = json.dumps(one["schema"]["required"])
        rest = ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in one.items() if k not in ("name", "schema"))
        entries.append(
            f'  {json.dumps(name)}: {{"name": {json.dumps(name)}, "schema": {{"type": "object", "properties": {{\n'
            f'{columns}\n    }}, "required": {required}}}, {rest}}}'
        )
    return "{\n" + ",\n".join(entries) + "\n}\n"


def main(arguments: list[str]) -> None:
    target = Path(arguments[0]) if arguments else HERE / "datasets.json"
    target.write_text(render(table()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
