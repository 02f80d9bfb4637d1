"""From command-line words to `.mlp` files, texts and parameters, or to the complaint that a call is wrong."""

import os
import sys
from collections.abc import Iterable

import click

STDIN = "-"
_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist"})


def program_files(words: Iterable[str], suffixes: tuple[str, ...] = (".mlp",)) -> list[str]:
    """The files that the words name: a file is itself, `-` standard input, a folder every `.mlp` under it, sorted.

    With other `suffixes`, a folder is the files that end so. Hidden folders and build outputs are not looked into.
    Raises click.UsageError where nothing is there.
    """
    found: dict[str, None] = {}
    for word in words:
        if word == STDIN:
            found[word] = None
        elif os.path.isdir(word):
            inside = list(_under(word, suffixes))
            if not inside:
                raise click.UsageError(f"No {' or '.join(suffixes)} file in folder {word!r}.")
            found.update(dict.fromkeys(inside))
        elif os.path.exists(word):
            found[word] = None
        else:
            raise click.UsageError(f"No such file or folder: {word!r}.")
    return list(found)


def _under(folder: str, suffixes: tuple[str, ...]) -> Iterable[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(files):
            if name.endswith(suffixes):
                yield os.path.normpath(os.path.join(here, name))


def read_stdin() -> bytes:
    """Everything on standard input."""
    return sys.stdin.buffer.read()


def parameters(pairs: Iterable[str], option: str = "--param") -> dict[str, str]:
    """`k=v` words as a table. Raises click.BadParameter."""
    table: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint=f"'{option}'")
        if name.strip() in table:
            raise click.BadParameter(f"{name.strip()!r} is given twice.", param_hint=f"'{option}'")
        table[name.strip()] = value
    return table
