"""From rows, labels and runs to scores of diffprivlib's models, asked of its own environment."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparisons._census import ROOT

PEER = ROOT / ".bench/diffprivlib/bin/python"


def scores(
    rows: np.ndarray, labels: np.ndarray, runs: Sequence[tuple[float, float, int]], **request: Any
) -> tuple[list[float], str]:
    """The scores of the runs (ε, C, seed), and diffprivlib's version. Ends the process if it is not installed."""
    if not PEER.exists():
        raise SystemExit("diffprivlib is not there: make bench-peers")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.npz"
        np.savez(file, rows=rows, labels=labels)
        asked = json.dumps(request | {"file": str(file), "runs": list(runs)})
        command = [str(PEER), str(Path(__file__).with_name("_diffprivlib.py"))]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    return [float(x) for x in answer["scores"]], answer["versions"]["diffprivlib"]
