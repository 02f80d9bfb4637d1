"""From the cache's entries to a list of them, and to a smaller cache. Runs may go on meanwhile."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mlp_lang.runner.content import walk
from mlp_lang.runner.store import ENTRY, read_json


class Kept(NamedTuple):
    """One entry. `freed` are the bytes that go with it: those of files that no run's folder shares."""

    folder: str
    pipeline: str
    step: str
    component: str
    size: int
    freed: int
    used: float  # when it was made or last taken, seconds since the epoch
    seconds: float  # what making it took


class Pruned(NamedTuple):
    """What went, or would go, and what stays."""

    gone: tuple[Kept, ...]
    left: tuple[Kept, ...]


def entries_of(home: str) -> list[Kept]:
    """All entries, the longest unused first; what is no whole entry is left out."""
    found = [kept for folder in _folders(os.path.join(home, "cache")) if (kept := _kept(folder)) is not None]
    return sorted(found, key=lambda kept: (kept.used, kept.folder))


def prune(
    home: str, *, older: float | None = None, size: int | None = None, all_: bool = False, dry: bool = False
) -> Pruned:
    """Take away what nobody asked for in `older` seconds, and then the longest unused until `size` bytes are left.

    An entry goes at once, by renaming: a run that is about to take it makes the step anew. Raises OSError.
    """
    kept = entries_of(home)
    total = sum(k.size for k in kept)
    now = time.time()
    gone = []
    for k in kept:
        if all_ or (older is not None and now - k.used > older) or (size is not None and total > size):
            gone.append(k)
            total -= k.size
    if not dry:
        for k in gone:
            _remove(k.folder)
        if all_:
            _remove_rest(home)
    left = [k for k in kept if k not in set(gone)]
    return Pruned(tuple(gone), tuple(left))


def by_step(kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """Sums by pipeline and step, the largest first."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for k in kept:
        row = rows.setdefault(
            (k.pipeline, k.step),
            {
                "pipeline": k.pipeline,
                "step": k.step,
                "component": k.component,
                "entries": 0,
                "bytes": 0,
                "last_used": 0.0,
                "seconds": 0.0,
            },
        )
        row["entries"] += 1
        row["bytes"] += k.size
        row["seconds"] = round(row["seconds"] + k.seconds, 3)
        row["last_used"] = max(row["last_used"], k.used)
    return sorted(rows.values(), key=lambda row: (-row["bytes"], row["pipeline"], row["step"]))


def _folders(cache: str) -> Iterator[str]:
    for first in _names(cache):
        for name in _names(os.path.join(cache, first)):
            if "." not in name:
                yield os.path.join(cache, first, name)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _kept(folder: str) -> Kept | None:
    document = read_json(os.path.join(folder, ENTRY))
    if not isinstance(document, dict):
        return None
    size = freed = 0
    try:
        used = os.stat(os.path.join(folder, ENTRY)).st_mtime
        for _, full in walk(folder):
            found = os.stat(full)
            size += found.st_size
            freed += found.st_size if found.st_nlink == 1 else 0
    except OSError:
        return None
    said = {name: str(document.get(name, "")) for name in ("pipeline", "step", "component")}
    return Kept(folder, size=size, freed=freed, used=used, seconds=float(document.get("seconds") or 0), **said)


def _remove(folder: str) -> None:
    apart = f"{folder}.{os.getpid()}.pruned"
    try:
        os.rename(folder, apart)
    except FileNotFoundError:
        return  # somebody else was first
    shutil.rmtree(apart, ignore_errors=True)


def _remove_rest(home: str) -> None:
    """What killed runs and broken entries left in the cache."""
    cache = os.path.join(home, "cache")
    for first in _names(cache):
        for name in _names(os.path.join(cache, first)):
            shutil.rmtree(os.path.join(cache, first, name), ignore_errors=True)
