"""From the state of a training to files without code in them, and back: numbers as safetensors, the rest as JSON.

RLlib's own checkpoints pickle the classes and arguments of everything, whatever the format of the state, and unpickling
runs what a file says. Here the algorithm is built anew from what the step was given; its state alone comes from files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common.entry import Refusal
from common.files import write_folder
from safetensors.numpy import load_file, save_file

FORMAT = 1
ARRAYS = "state.safetensors"
DOCUMENT = "checkpoint.json"


class Checkpoint(NamedTuple):
    """Where a training stood. `about` says of what (algorithm, spaces, network); `state` is RLlib's tree."""

    about: dict[str, Any]
    iterations: int
    steps: int
    state: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `<folder>/<iterations>/`, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    document = {
        "format": FORMAT,
        "about": checkpoint.about,
        "iterations": checkpoint.iterations,
        "steps": checkpoint.steps,
        "state": _taken_apart(checkpoint.state, arrays),
    }

    def fill(target: Path) -> None:
        save_file(arrays, str(target / ARRAYS))
        (target / ARRAYS).chmod(0o644)
        (target / DOCUMENT).write_text(json.dumps(document) + "\n", encoding="utf-8", newline="\n")

    write_folder(folder / f"{checkpoint.iterations:06d}", fill)


def load(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, or the latest of those in it. Raises Refusal for anything else."""
    if not (folder / DOCUMENT).is_file():
        numbered = sorted(file.parent for file in folder.glob(f"*/{DOCUMENT}") if file.parent.name.isdigit())
        if not numbered:
            raise Refusal(f"resume {folder} holds no checkpoint ({DOCUMENT})")
        folder = max(numbered, key=lambda found: int(found.name))
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise Refusal(f"checkpoint {folder} has the format {document['format']}, {FORMAT} is expected")
        state = _put_together(document["state"], load_file(str(folder / ARRAYS)))
        return Checkpoint(dict(document["about"]), int(document["iterations"]), int(document["steps"]), state)
    except Refusal:
        raise
    except Exception as error:  # cut short, not JSON, other keys: whatever it is, it is no checkpoint
        raise Refusal(f"checkpoint {folder} cannot be read: {type(error).__name__}: {error}") from None


def _taken_apart(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """JSON for a tree: maps as lists of pairs (their keys are numbers, too), arrays by the name that they get."""
    if isinstance(value, Mapping):
        return {"map": [[_taken_apart(k, arrays), _taken_apart(v, arrays)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_taken_apart(x, arrays) for x in value]}
    if isinstance(value, list):
        return [_taken_apart(x, arrays) for x in value]
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise Refusal(f"a checkpoint cannot hold a {type(value).__name__}")


def _put_together(node: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    match node:
        case {"map": pairs}:
            return {_put_together(k, arrays): _put_together(v, arrays) for k, v in pairs}
        case {"tuple": items}:
            return tuple(_put_together(x, arrays) for x in items)
        case {"array": name}:
            return arrays[name]
        case list():
            return [_put_together(x, arrays) for x in node]
    return node
