"""From the spelling of a number to its value: integers, floats, durations in seconds, sizes in bytes."""

import math
import re
from typing import NamedTuple

from mlp_lang.dsl.editdistance import closest
from mlp_lang.dsl.syntax import LiteralKind

SECONDS = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
UNITS = (*SECONDS, *BYTES)
MAX_DIGITS = 400  # of a number: Python refuses to read much longer ones, and nothing downstream holds them
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z_]*)")
_MEANT = {
    **dict.fromkeys(("m", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    "k": "kB",
    "K": "kB",
    "KB": "kB",
    "M": "MB",
    "G": "GB",
    "T": "TB",
    "Mi": "MiB",
    "Gi": "GiB",
    "Ti": "TiB",
}


class Unreadable(NamedTuple):
    """Why a number has no value; `meant` is the number as it may have been meant."""

    message: str
    label: str
    meant: str = ""


def integer(text: str) -> int | Unreadable:
    if len(text) > MAX_DIGITS:
        return Unreadable(f"an integer of {len(text)} digits", f"at most {MAX_DIGITS} digits")
    return int(text)


def decimal(text: str) -> float | Unreadable:
    value = float(text)
    return Unreadable("a number too large for a float", "infinite") if value == math.inf else value


def quantity(text: str) -> tuple[LiteralKind, int | float] | Unreadable:
    """Kind and value of numbers with units, of which one literal may have several (`1h30min`); whole values are int."""
    if len(text) > MAX_DIGITS:
        return Unreadable(f"a number of {len(text)} characters", f"at most {MAX_DIGITS}")
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if all(unit in SECONDS for unit in units):
        return LiteralKind.DURATION, _total(parts, SECONDS)
    if all(unit in BYTES for unit in units):
        total = _total(parts, BYTES)
        if isinstance(total, int):
            return LiteralKind.SIZE, total
        return Unreadable(f"`{text}` is not a whole number of bytes", "a part of a byte")
    unknown = next((unit for unit in units if unit and unit not in UNITS), "")
    if not unknown:
        return Unreadable(f"`{text}` mixes units, or lacks one", "durations or sizes, each number with its unit")
    folded = [unit for unit in UNITS if unit.lower() == unknown.lower()]
    near = [_MEANT[unknown]] if unknown in _MEANT else folded or closest(unknown, UNITS)
    meant = text.replace(unknown, near[0]) if near else ""
    return Unreadable(f"unknown unit `{unknown}`", f"expected one of {', '.join(UNITS)}", meant)


def _total(parts: list[tuple[str, str]], factors: dict[str, float] | dict[str, int]) -> int | float:
    if all("." not in number and isinstance(factors[unit], int) for number, unit in parts):
        return sum(int(number) * int(factors[unit]) for number, unit in parts)
    from fractions import Fraction  # exact where a float would be a little off, and rarely needed

    total = sum((Fraction(number) * Fraction(str(factors[unit])) for number, unit in parts), Fraction())
    return int(total) if total.denominator == 1 else float(total)
