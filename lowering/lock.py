"""From what went into a build to the text of its `mlp.lock`: digests of sources, components, environments, files.

The lock has no date and no absolute path, so that two builds of the same program are the same bytes. `files` covers
every other file of the build, which is how `verify` knows that nobody edited one.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from mlp_lang.lowering.emit import emit

LOCK_NAME = "mlp.lock"
LOCK_HEADER = "mlp.lock: what went into this build. Written by mlp; a folder without it is never overwritten."


def digest(content: bytes) -> str:
    """`sha256:` and the hexadecimal digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def tree_digest(files: Mapping[str, bytes]) -> str:
    """One digest of several files: names and contents, in the order of the names."""
    state = hashlib.sha256()
    for name in sorted(files):
        state.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return "sha256:" + state.hexdigest()


def lock_text(content: Mapping[str, Any]) -> str:
    """The lock as YAML; sections that are empty are left out."""
    return emit({key: value for key, value in content.items() if value not in ({}, None)}, LOCK_HEADER)
