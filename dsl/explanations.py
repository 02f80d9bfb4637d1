"""From the catalogue folder to explanations: what each diagnostic code means, with a wrong and a right program.

One Markdown file a code (`dsl/catalogue/MLP0203.md`), its first line `# MLP0203: unknown input`. Files are read when
asked for: no command pays for texts that nobody reads.
"""

# ruff: noqa: PTH100, PTH118, PTH120, PTH123, PTH208 - pathlib costs more to start than all that is done here

import os
from typing import NamedTuple

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalogue")


class Explanation(NamedTuple):
    """`title` is the heading without the code, `body` the Markdown below the heading."""

    code: str
    title: str
    body: str

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.body.strip().split("\n\n", 1)[0].split())


def codes() -> list[str]:
    """Every code that the catalogue knows, sorted."""
    try:
        names = os.listdir(FOLDER)
    except FileNotFoundError:
        return []
    return sorted(name[:-3] for name in names if name.startswith("MLP") and name.endswith(".md"))


def explanation(code: str) -> Explanation | None:
    """The catalogue's text for a code such as `MLP0203`, or None if there is no such code."""
    if not (code.startswith("MLP") and code[3:].isascii() and code[3:].isdigit()):
        return None  # whatever else it is, it must not become a path
    try:
        with open(os.path.join(FOLDER, f"{code}.md"), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    heading, _, body = text.partition("\n")
    return Explanation(code, heading.partition(":")[2].strip(), body.strip() + "\n")
