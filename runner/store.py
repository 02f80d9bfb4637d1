"""From the key of a step to what it gave when it ran: a folder of results by content, safe to share between runs.

An entry is `<home>/cache/<2 of key>/<key>/` with `entry.json`, `log.txt`, `command.txt`, `outputs/<port>` and perhaps
`artifacts/`. It is filled elsewhere and renamed into place, so it is there whole or not at all; who comes second keeps
the first's.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlp_lang.runner.content import Entry, intact, protect

FORMAT = 1
ENTRY = "entry.json"


class Stored(NamedTuple):
    """A step's results in a folder. `digests` are the outputs' contents; `seconds` is what it took when it ran."""

    folder: str
    digests: dict[str, str]
    seconds: float
    exit_code: int
    document: dict[str, Any]


def write_json(path: str, document: Any) -> None:
    """Write a JSON file, whole or not at all. Raises OSError."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def read_json(path: str) -> Any:
    """The document of a JSON file, or None if it cannot be read as one."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def document_of(
    key: str,
    digests: dict[str, str],
    trees: dict[str, tuple[bool, list[Entry]]],
    seconds: float,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of `entry.json`; `about` is for people: whose result it is, and what its key is made of."""
    return {
        **about,
        "format": FORMAT,
        "key": key,
        "seconds": round(seconds, 3),
        "digests": digests,
        "trees": {
            port: {"folder": folder, "files": [list(e) for e in files]} for port, (folder, files) in trees.items()
        },
    }


def load(folder: str, key: str) -> Stored | None:
    """The results in a folder, if they are those of this key and nobody has changed them since."""
    document = read_json(os.path.join(folder, ENTRY))
    if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("key") != key:
        return None
    try:
        for port, tree in document["trees"].items():
            files = [Entry(*item) for item in tree["files"]]
            if not intact(os.path.join(folder, "outputs", port), files, tree["folder"]):
                return None
        return Stored(folder, dict(document["digests"]), float(document["seconds"]), 0, document)
    except (KeyError, TypeError, ValueError):
        return None


class Cache:
    """The results of earlier steps under `folder`; `enabled` False finds nothing and keeps nothing."""

    def __init__(self, folder: str, enabled: bool = True) -> None:
        self.folder = folder
        self.enabled = enabled

    def path(self, key: str) -> str:
        return os.path.join(self.folder, key[:2], key)

    def find(self, key: str) -> Stored | None:
        """The results of a key. That they were asked for is noted: pruning begins with what nobody asks for."""
        found = load(self.path(key), key) if self.enabled else None
        if found is not None:
            with contextlib.suppress(OSError):
                os.utime(os.path.join(found.folder, ENTRY))
        return found

    def keep(self, key: str, made: str) -> tuple[str, bool]:
        """Move the folder `made` into the cache; where the results are, and whether they are these. Raises OSError."""
        target = self.path(key)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        protect(os.path.join(made, "outputs"))
        for attempt in range(3):
            try:
                os.rename(made, target)
                return target, True
            except OSError:
                if not os.path.isdir(target) or attempt == 2:
                    raise
            if load(target, key) is not None:  # another run was first, with the same result
                shutil.rmtree(made, ignore_errors=True)
                return target, False
            spoiled = f"{target}.{os.getpid()}.spoiled"
            try:
                os.rename(target, spoiled)
            except OSError:
                continue
            shutil.rmtree(spoiled, ignore_errors=True)
        return target, False
