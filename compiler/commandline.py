"""From what a caller asks for to names with a place: a text like the command line, for findings to underline."""

from collections.abc import Mapping
from typing import NamedTuple

from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.syntax import Name

PATH = "<command line>"
"""Path of the text; no file has it, and no fix is made for it."""


class Asked(NamedTuple):
    """A profile, a pipeline, and for each parameter its name and its value as the caller spells it."""

    profile: Name | None
    pipeline: Name | None
    params: dict[str, tuple[Name, Name]]


NOTHING = Asked(None, None, {})


def asked(profile: str | None, pipeline: str | None = None, params: Mapping[str, str] = {}) -> Asked:
    """The words as one line: `--profile prod --param epsilon=0.5`."""
    if profile is None and pipeline is None and not params:
        return NOTHING
    source = Source(PATH, "")

    def say(text: str, lead: str) -> Name:
        source.text += lead
        start = len(source.text)
        source.text += text
        return Name(text, Span(source, start, len(source.text)))

    return Asked(
        say(profile, "--profile ") if profile is not None else None,
        say(pipeline, " --pipeline " if source.text else "--pipeline ") if pipeline is not None else None,
        {k: (say(k, " --param " if source.text else "--param "), say(v, "=")) for k, v in params.items()},
    )
