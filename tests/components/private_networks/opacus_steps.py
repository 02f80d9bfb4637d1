"""Paths of the private trainings, and the facts of private people."""

import sys
from typing import Any

from component_steps import COMPONENTS, PEOPLE

for folder in (COMPONENTS / "train/torch", COMPONENTS / "train/opacus"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
CLASSIFIER = "train/opacus/tabular_classifier/train.py"
IMAGES = "train/opacus/image_classifier/train.py"
BUDGET = {"unit": "row", "neighbours": "add_remove", "epsilon": 4.0, "delta": 1e-5}


def private(**changes: Any) -> dict[str, Any]:
    return {**PEOPLE, "private": {**BUDGET, **changes}}
