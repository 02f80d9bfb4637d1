"""From the trials that a sweep begins and stops to notes beside them, by which a resumed sweep goes on as it went."""

import json
import os
from typing import Any, NamedTuple


def sweep_of(name: str) -> str:
    """The step that a step's name belongs to: the sweep of a trial, else itself."""
    return name.partition("/trials/")[0]


class Drawn(NamedTuple):
    """What is noted of a trial: what the sampler drew, and, if a policy stopped it, what it had logged."""

    number: int
    parameters: dict[str, Any]
    stopped: bool = False
    logged: list[float] = []  # noqa: RUF012


class Notes:
    """The notes in a sweep's folder: those of the run that is resumed, if it was the same sweep, and new ones."""

    FILE = "trials.jsonl"

    def __init__(self, folder: str, key: str) -> None:
        self._path = os.path.join(folder, self.FILE)
        self._found: dict[int, Drawn] = {}
        lines = self._lines()
        if lines and lines[0] == {"key": key}:
            for line in lines[1:]:
                drawn = Drawn(**line)
                self._found[drawn.number] = drawn
        else:
            with open(self._path, "w", encoding="utf-8") as file:
                file.write(json.dumps({"key": key}) + "\n")

    def of(self, number: int) -> Drawn | None:
        return self._found.get(number)

    def parameters(self) -> list[dict[str, Any]]:
        """What was drawn before, trial by trial, up to the first of which nothing is known."""
        found: list[dict[str, Any]] = []
        while len(found) in self._found:
            found.append(self._found[len(found)].parameters)
        return found

    def write(self, drawn: Drawn) -> None:
        """Raises OSError."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(drawn._asdict()) + "\n")

    def _lines(self) -> list[Any]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except (OSError, ValueError):
            return []
