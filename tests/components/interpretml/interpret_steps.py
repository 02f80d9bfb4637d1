"""A made table of people whose income depends on age, work and grade, and the paths of the scripts."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from component_steps import COMPONENTS, PEOPLE, Step, put, succeeded

EBM = "train/interpret/ebm/train.py"
DP_EBM = "train/interpret/dp_ebm/train.py"
GLOBAL = "explain/interpret/global/explain.py"
LOCAL = "explain/interpret/local/explain.py"
for folder in ("train/interpret", "explain/interpret"):
    if str(COMPONENTS / folder) not in sys.path:
        sys.path.append(str(COMPONENTS / folder))
SHARED = os.pathsep.join(map(str, (COMPONENTS, COMPONENTS / "train/interpret", COMPONENTS / "explain/interpret")))
SMALL = ("--outer-bags", 2, "--max-rounds", 60, "--n-jobs", 1)


def people(rows: int, seed: int = 0, missing: bool = True) -> pd.DataFrame:
    """Rows under the schema of PEOPLE; the label follows age, work and grade, with noise."""
    draw = np.random.default_rng(seed)
    gap = draw.random(rows) < (0.1 if missing else 0.0)
    frame = pd.DataFrame(
        {
            "age": draw.integers(17, 91, rows),
            "hours": np.where(gap, np.nan, draw.integers(0, 101, rows).astype(float)),
            "work": np.where(
                draw.random(rows) < (0.1 if missing else 0.0), None, draw.choice(["State-gov", "Private"], rows)
            ),
            "grade": draw.integers(1, 4, rows),
            "member": draw.random(rows) < 0.5,
            "sex": draw.choice(["Female", "Male"], rows),
        }
    )
    score = frame["age"] - 53 + 15 * (frame["work"] == "Private") + 12 * (frame["grade"] - 2) + draw.normal(0, 6, rows)
    return frame.assign(income=np.where(score > 7, ">50K", "<=50K"))


def prepared(folder: Path, rows: int = 600, **changes: Any) -> tuple[Any, ...]:
    """`t` (CSV) and `facts.json` in a folder; the options that name them."""
    people(rows).to_csv(folder / "t", index=False)
    facts = put(folder / "facts.json", {**PEOPLE, **changes})
    return ("--table", folder / "t", "--facts", facts)


def trained(step: Step, folder: Path, *options: object, name: str = "ebm") -> Path:
    """A small machine in `folder/<name>`."""
    succeeded(step(EBM, *prepared(folder), *SMALL, *options, "--model", folder / name, PYTHONPATH=SHARED))
    return folder / name
