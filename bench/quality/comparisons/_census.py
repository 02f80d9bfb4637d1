"""From a seed to an encoded census-like table."""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import encoding, tables
from common.facts import Facts, parse

ROOT = Path(__file__).resolve().parents[3]
DELTA = 1e-6


def facts_of(label: str, features: list[str] | None) -> Facts:
    """What is known of the table, with a column of it as label; features are all others unless they are listed."""
    schema = json.loads((ROOT / "pipelines/data/census.schema.json").read_text(encoding="utf-8"))
    private = {"unit": "row", "neighbours": "replace_one", "epsilon": 8.0, "delta": DELTA}
    head = {"name": "census", "label": label, "sensitive": ["sex", "race"], "features": features}
    return parse(head | {"schema": schema, "private": private})


class Census(NamedTuple):
    """Encoded rows (a constant column first), labels (0 and 1 for classes), the encoder and what it was made from."""

    rows: np.ndarray
    labels: np.ndarray
    encoder: Any
    facts: Facts

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the rows to train on, four fifths, and of those to judge by."""
        order = np.random.default_rng(seed).permutation(len(self.rows))
        cut = len(order) * 4 // 5
        return order[:cut], order[cut:]


def census(label: str = "income", features: list[str] | None = None, seed: int | None = None) -> Census:
    """pipelines/data/census.csv, or for a seed as many other people from the same equations."""
    if seed is None:
        return _encoded(ROOT / "pipelines/data/census.csv", facts_of(label, features))
    spec = importlib.util.spec_from_file_location("census_generator", ROOT / "pipelines/data/census.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "census.csv"
        text = "".join(", ".join(map(str, row)) + "\n" for row in generator.rows(seed=seed))
        file.write_text(text, encoding="utf-8")
        return _encoded(file, facts_of(label, features))


def _encoded(file: Path, facts: Facts) -> Census:
    table = tables.read(file, facts)
    frame = encoding.features(table, facts)
    encoder = encoding.encoder(frame, facts, constant=True)
    labels = table[facts.label].to_numpy()
    if facts.classes is not None:
        labels = (labels == facts.classes[-1]).astype(int)
    return Census(np.asarray(encoder.transform(frame), dtype=float), labels, encoder, facts)
