"""From a training's state after an epoch to a folder and back: tensors in safetensors, numbers in JSON, never pickles.

`<checkpoint>/epoch-00012/` appears whole, then the one before it goes: a training that dies leaves its last epoch.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from common.entry import Refusal
from common.files import write_folder
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

TENSORS, NUMBERS = "state.safetensors", "state.json"


def save(folder: Path, epoch: int, tensors: dict[str, torch.Tensor], numbers: dict[str, Any]) -> None:
    """Write the state after an epoch below a folder, and remove older ones."""

    def fill(target: Path) -> None:
        save_file({name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}, target / TENSORS)
        (target / NUMBERS).write_text(json.dumps(numbers, indent=2), encoding="utf-8")

    older = _epochs(folder)
    write_folder(folder / f"epoch-{epoch:05}", fill)
    for place in older:
        shutil.rmtree(place)


def load(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The latest state below a folder. Raises Refusal where there is none that can be read."""
    found = _epochs(folder)
    if not found:
        raise Refusal(f"{folder} holds no checkpoint; give the `checkpoint` output of an earlier training")
    try:
        numbers = json.loads((found[-1] / NUMBERS).read_text(encoding="utf-8"))
        return load_file(found[-1] / TENSORS), numbers
    except (OSError, ValueError, SafetensorError) as error:
        raise Refusal(f"the checkpoint {found[-1]} cannot be read: {type(error).__name__}") from None


def _epochs(folder: Path) -> list[Path]:
    return sorted(place for place in folder.glob("epoch-*") if place.is_dir())


def flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's state as named tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{place}.{name}": torch.as_tensor(value)
        for place, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def restore(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give an optimiser the state that `flat` made of it."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in part(tensors, "optimizer.").items():
        place, _, word = name.partition(".")
        state.setdefault(int(place), {})[word] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
