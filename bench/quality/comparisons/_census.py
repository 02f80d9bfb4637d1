"""From a seed to an encoded census-like table."""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import encoding, tables
from common.facts import Facts, parse

ROOT = Path(__file__).resolve().parents[3]
DELTA = 1e-6
FACTS: Facts = parse(
    {
        "name": "census",
        "schema": json.loads((ROOT / "pipelines/data/census.schema.json").read_text(encoding="utf-8")),
        "label": "income",
        "positive": ">50K",
        "sensitive": ["sex", "race"],
        "private": {"unit": "row", "neighbours": "replace_one", "epsilon": 8.0, "delta": DELTA},
    }
)


class Census(NamedTuple):
    """Encoded rows (a constant column first), labels 0 and 1, the encoder."""

    rows: np.ndarray
    labels: np.ndarray
    encoder: object

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the rows to train on, four fifths, and of those to judge by."""
        order = np.random.default_rng(seed).permutation(len(self.rows))
        cut = len(order) * 4 // 5
        return order[:cut], order[cut:]


def census(seed: int | None = None) -> Census:
    """pipelines/data/census.csv, or for a seed as many other people from the same equations."""
    if seed is None:
        return _encoded(ROOT / "pipelines/data/census.csv")
    spec = importlib.util.spec_from_file_location("census_generator", ROOT / "pipelines/data/census.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "census.csv"
        text = "".join(", ".join(map(str, row)) + "\n" for row in generator.rows(seed=seed))
        file.write_text(text, encoding="utf-8")
        return _encoded(file)


def _encoded(file: Path) -> Census:
    table = tables.read(file, FACTS)
    frame = encoding.features(table, FACTS)
    encoder = encoding.encoder(frame, FACTS, constant=True)
    labels = (table["income"] == ">50K").to_numpy().astype(int)
    return Census(np.asarray(encoder.transform(frame), dtype=float), labels, encoder)
