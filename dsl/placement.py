"""From a parsed File to the statements that stand where they cannot, and the trees that are too deep for their
readers.
"""

from collections.abc import Iterable
from typing import Any

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Span
from mlp_lang.dsl.syntax import (
    Block,
    Carry,
    ComponentDecl,
    Conditional,
    Data,
    Declassify,
    Derive,
    File,
    For,
    Invalid,
    Item,
    Let,
    Output,
    Override,
    Param,
    Pipeline,
    Profile,
    Repeat,
    Requirement,
    Resource,
    Schedule,
    Setting,
    Stage,
    Ungated,
    Use,
)

MAX_TREE = 100  # nodes above each other: what walks a tree by recursion stays within Python's stack


def _kinds(*kinds: type) -> frozenset[type]:
    # a call, not a literal: mypy would search for the common type of all these tuples for minutes
    return frozenset(kinds)


_ATTRIBUTES = _kinds(Setting, Block, Invalid)
_STEPS = _ATTRIBUTES | _kinds(Param, Let, Derive, Data, Output, Stage, For, Conditional, Repeat)
ALLOWED: dict[str, frozenset[type]] = {
    "at the top of a file": _kinds(Use, Resource, Let, ComponentDecl, Pipeline, Profile, Schedule, Invalid),
    "in a pipeline": _STEPS,
    "in a loop or a condition": _STEPS,
    "in a `repeat`": _STEPS | _kinds(Carry),
    "in a stage": _ATTRIBUTES | _kinds(Requirement, Declassify, Ungated),
    "in a component": _ATTRIBUTES | _kinds(Param, Output),
    "in a profile": _kinds(Override, Setting, Invalid),
    "in a block of attributes": _ATTRIBUTES,
}
_PLACES: dict[type, str] = {
    Pipeline: "in a pipeline",
    For: "in a loop or a condition",
    Conditional: "in a loop or a condition",
    Repeat: "in a `repeat`",
    Stage: "in a stage",
    ComponentDecl: "in a component",
    Profile: "in a profile",
    Block: "in a block of attributes",
    Data: "in a block of attributes",
    Output: "in a block of attributes",
    Use: "in a block of attributes",
    Resource: "in a block of attributes",
    Schedule: "in a block of attributes",
}
_HELP = {
    "at the top of a file": "use, compute, environment, asset, endpoint, deployment, let, component, pipeline, profile "
    "and schedule stand here",
    "in a stage": "a stage holds inputs (`name = value`), blocks, require, expect, declassify and ungated",
    "in a profile": "a profile holds lines such as `param epsilon = 0.5`",
    "in a block of attributes": "lines here are `name = value` or blocks",
    "in a component": "a component holds param, output, attributes and blocks",
}


def misplaced(file: File) -> list[Diagnostic]:
    """One error for each statement that cannot stand where it stands; nothing is said of what is inside it."""
    found: list[Diagnostic] = []
    pending: list[tuple[str, Iterable[Item]]] = [("at the top of a file", file.items)]
    while pending:
        place, items = pending.pop()
        allowed = ALLOWED[place]
        for item in items:
            kind = type(item)
            if kind is Setting:
                if kind in allowed:
                    continue
            elif kind in allowed:
                inner = _PLACES.get(kind)
                if inner:
                    pending.extend(_blocks(item, inner))
                continue
            found.append(_error(item, place))
    return found


def _blocks(item: Any, place: str) -> list[tuple[str, Iterable[Item]]]:
    if isinstance(item, Block) and item.name.text == "define":
        place = "in a component"
    blocks = [(place, item.items)] if item.items else []
    if isinstance(item, Conditional) and item.otherwise:
        blocks.append((place, item.otherwise))
    return blocks


def _error(item: Item, place: str) -> Diagnostic:
    text = item.span.text
    word = text[: next((i for i, c in enumerate(text) if not (c.isalnum() or c == "_")), len(text))]
    shown = f"an input or attribute (`{word} = …`)" if isinstance(item, Setting) else f"a block (`{word} {{ … }}`)"
    what = shown if isinstance(item, Setting | Block) else f"`{word}`"
    span = item.span._replace(end=item.span.start + len(word))
    return Diagnostic("MLP0009", f"{what} cannot stand {place}", span, "misplaced", help=_HELP.get(place, ""))


def too_deep(file: File) -> Diagnostic | None:
    """The first node with more than MAX_TREE nodes above it."""
    pending: list[tuple[Any, int, Span]] = [(file.items, 0, file.span)]
    while pending:
        node, depth, span = pending.pop()
        if depth > MAX_TREE:
            return Diagnostic(
                "MLP0007", "an expression of too many parts", span, "too long for one expression",
                help="give parts of it names with `let` or `derive`",
            )  # fmt: skip
        own = getattr(node, "span", None)
        below = depth + (own is not None)
        pending.extend((x, below, own or span) for x in node if isinstance(x, tuple) and not isinstance(x, Span))
    return None
