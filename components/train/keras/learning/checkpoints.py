"""From a training's state after an epoch to a folder and back: arrays in safetensors, numbers in JSON, never pickles.

`<checkpoint>/epoch-00012/` appears whole, then the one before it goes: a training that dies leaves its last epoch.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common.entry import Refusal
from common.files import write_folder
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

ARRAYS, NUMBERS = "state.safetensors", "state.json"
Arrays = Mapping[str, Sequence[np.ndarray]]


def save(folder: Path, epoch: int, arrays: Arrays, numbers: dict[str, Any]) -> None:
    """Write the state after an epoch below a folder, and remove older ones."""
    flat = {f"{kind}.{place}": np.array(x, order="C") for kind, some in arrays.items() for place, x in enumerate(some)}

    def fill(target: Path) -> None:
        save_file(flat, target / ARRAYS)
        (target / NUMBERS).write_text(json.dumps(numbers, indent=2), encoding="utf-8")

    older = _epochs(folder)
    write_folder(folder / f"epoch-{epoch:05}", fill)
    for place in older:
        shutil.rmtree(place)


def load(folder: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """The latest state below a folder. Raises Refusal where there is none that can be read."""
    found = _epochs(folder)
    if not found:
        raise Refusal(f"{folder} holds no checkpoint; give the `checkpoint` output of an earlier training")
    try:
        numbers = json.loads((found[-1] / NUMBERS).read_text(encoding="utf-8"))
        flat = load_file(found[-1] / ARRAYS)
        arrays: dict[str, list[np.ndarray]] = {}
        for name in sorted(flat, key=lambda x: int(x.rpartition(".")[2])):
            arrays.setdefault(name.rpartition(".")[0], []).append(flat[name])
    except (OSError, ValueError, SafetensorError) as error:
        raise Refusal(f"the checkpoint {found[-1]} cannot be read: {type(error).__name__}") from None
    return arrays, numbers


def _epochs(folder: Path) -> list[Path]:
    return sorted(place for place in folder.glob("epoch-*") if place.is_dir())
