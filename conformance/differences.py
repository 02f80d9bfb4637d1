"""From two trees of plain data to where they differ: path, left, right."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

WIDTH = 100


class Absent:
    """Stands where one side has nothing; apart from None, which YAML can say."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


class Difference(NamedTuple):
    """One place where two trees differ; a side that has nothing there shows `(absent)`."""

    path: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.path or '.'}: {_short(self.left)} | {_short(self.right)}"


def differences(left: Any, right: Any, path: str = "") -> Iterator[Difference]:
    """Every difference, outermost first in the left's order. `1`, `1.0` and `true` are three different values."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(k for k in right if k not in left)]:
            yield from differences(left.get(key, ABSENT), right.get(key, ABSENT), f"{path}.{key}" if path else str(key))
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            yield from differences(
                left[index] if index < len(left) else ABSENT,
                right[index] if index < len(right) else ABSENT,
                f"{path}[{index}]",
            )
    elif type(left) is not type(right) or left != right:
        yield Difference(path, left, right)


def _short(value: Any) -> str:
    text = repr(value) if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
