"""Outputs that appear whole or not at all: write beside the target, then rename onto it."""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.entry import Refusal


def write_file(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a temporary file in the target's folder, then move it onto `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise Refusal(f"output {path} is a folder, a file is to be written there")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """UTF-8 text with LF line ends, whole or not at all."""
    write_file(path, lambda temporary: _write_bytes(temporary, text.encode()))


def write_json(path: Path, document: Any) -> None:
    """JSON with non-finite numbers as null (JSON has none), keys in the order given, whole or not at all."""
    write_text(path, json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` fill a temporary folder beside the target, then move it onto `path`, which must not hold anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise Refusal(f"output {path} exists already and is not an empty folder")
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".writing-"))
    try:
        temporary.chmod(0o755)
        fill(temporary)
        if path.is_dir():
            path.rmdir()
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def finite(value: Any) -> Any:
    """The same JSON value with NaN and infinities as None, and numpy scalars as Python's."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
