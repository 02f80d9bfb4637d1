"""From an explanation to a folder: explanation.json, and index.html that needs no other file and no network."""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common import files

PRIVATE = "This explanation is of private rows, and as private as they are."
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "th{text-align:left;padding-right:2rem;font-weight:normal}td{text-align:right;font-variant-numeric:tabular-nums}"
    "figure{display:inline-block;margin:1rem 1rem 0 0;vertical-align:top}img{max-width:100%}"
    ".private{border-left:4px solid #d62728;padding-left:1rem}"
)


class Part(NamedTuple):
    """A section of the page: its title, lines of a table, and figures with their captions."""

    title: str
    lines: Sequence[tuple[str, str]]
    figures: Sequence[tuple[str, bytes]]


def write(path: Path, document: dict[str, Any], title: str, parts: Sequence[Part]) -> None:
    """The folder, whole or not at all."""
    text = json.dumps(files.finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def fill(folder: Path) -> None:
        (folder / "explanation.json").write_text(text, encoding="utf-8", newline="\n")
        shown = page(title, bool(document["private"]), document["says"], parts)
        (folder / "index.html").write_text(shown, encoding="utf-8", newline="\n")

    files.write_folder(path, fill)


def page(title: str, private: bool, says: str, parts: Sequence[Part]) -> str:
    """The page. Every text in it is escaped."""
    warning = f'<p class="private">{PRIVATE}</p>\n' if private else ""
    body = "".join(_part(part) for part in parts)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{warning}<p>{html.escape(says)}</p>\n{body}</html>\n"
    )


def number(value: float | None) -> str:
    """A number as the page shows it."""
    return "" if value is None else f"{value:.6g}"


def _part(part: Part) -> str:
    lines = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in part.lines)
    drawn = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(png).decode()}" '
        f'alt="{html.escape(name, quote=True)}"><figcaption>{html.escape(name)}</figcaption></figure>\n'
        for name, png in part.figures
    )
    return f"<h2>{html.escape(part.title)}</h2>\n<table>{lines}</table>\n{drawn}"
