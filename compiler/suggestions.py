"""From a word that nobody knows to `did you mean`: a help text and the edit that applies it."""

from collections.abc import Iterable

from mlp_lang.compiler.report import replace
from mlp_lang.dsl.diagnostics import Fix
from mlp_lang.dsl.source import Span


def did_you_mean(word: str, candidates: Iterable[str], span: Span | None) -> tuple[str, tuple[Fix, ...]]:
    """Help and fixes for the candidate nearest to ``word``, or nothing where none is near.

    ``span`` is what the fix replaces; without it there is only help."""
    from mlp_lang.dsl.editdistance import closest  # only a program with a mistake pays for it

    near = closest(word, candidates)
    if not near:
        return "", ()
    best = near[0]
    fixes = (replace(f"Replace `{word}` by `{best}`", span, best),) if span is not None else ()
    return f"did you mean `{best}`?", fixes


def listing(names: Iterable[str], most: int = 12) -> str:
    """Names in backquotes, in order, the tail as a count."""
    every = sorted(names)
    shown = ", ".join(f"`{n}`" for n in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
