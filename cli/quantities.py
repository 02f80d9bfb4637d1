"""From words such as `2GB` or `7d` to numbers of bytes and of seconds, as click parameters."""

import re
from typing import Any

import click

_BYTES = {"": 1, "b": 1} | {f"{p}{b}": 1000**i for i, p in enumerate("kmgt", 1) for b in ("", "b")}
_BYTES |= {f"{p}ib": 1024**i for i, p in enumerate("kmgt", 1)}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


class _Quantity(click.ParamType[int]):
    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name = name
        self.units = units
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(value).strip())
        if match is None or match[2].lower() not in self.units:
            self.fail(f"{value!r} is no {self.name.lower()}; write it as {self.example}.", param, context)
        return int(float(match[1]) * self.units[match[2].lower()])


SIZE = _Quantity("SIZE", _BYTES, "500MB or 2GB")
SPAN = _Quantity("SPAN", _SECONDS, "30min, 12h or 7d")
