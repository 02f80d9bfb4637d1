"""From a Source to a File and what is wrong with it. Never raises on any text.

The tables are lark's (see generate.py); the loop here is the LALR(1) automaton, which hands complete children to the
methods of dsl/tree.py. After an error it goes on at the next statement of the innermost block.
"""

import gc
import re
from bisect import bisect_left
from typing import Any

from mlp_lang.dsl._tables import ACTIONS, END, RULES, START
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.lexer import tokenize
from mlp_lang.dsl.mistakes import explain
from mlp_lang.dsl.placement import misplaced, too_deep
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.syntax import File, Invalid, TypeExpr
from mlp_lang.dsl.tokens import Tokens
from mlp_lang.dsl.tree import Builder

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHALLOW = 8  # brackets inside each other that make no tree deep, as long as rows of operators are short
_RULES: list[tuple[str, int, str | None]] = RULES
_ACTIONS: list[dict[str, int]] = ACTIONS


def parse(source: Source) -> tuple[File, list[Diagnostic]]:
    """The tree of a file and its syntax errors, in the order of the text.

    What does not parse is an Invalid item where it stands; everything else is complete.
    """
    # the tree only grows: a collector that walks it again and again would make long files quadratic
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _parse(source)
    finally:
        if collecting:
            gc.enable()


def _parse(source: Source) -> tuple[File, list[Diagnostic]]:
    tokens = tokenize(source)
    builder = Builder(tokens)
    errors = tokens.diagnostics
    unbalanced = any(error.code == "MLP0004" and error.span.text in ("{", "}") for error in errors)
    file: File = _run(tokens, builder, "file", errors)
    comments = tokens.comments
    if builder.described:
        comments = [c for c in comments if c.span.start not in builder.described]
    errors.extend(builder.diagnostics)
    items = file.items
    deep = too_deep(file) if builder.deep or tokens.depth > SHALLOW else None
    if deep:
        errors.append(deep)
        items = (Invalid(frozenset(_WORD.findall(source.text)), file.span),)
    elif not unbalanced:  # else statements stand in other blocks than their author meant
        errors.extend(misplaced(file))
    errors.sort(key=lambda d: d.span.start)
    return File(items, tuple(comments), source, file.span), errors


def parse_type(text: str) -> TypeExpr:
    """A type as component interfaces spell it. Raises ValueError, with the position in the text."""
    tokens = tokenize(Source("", text))
    if len(tokens.kinds) > 1:
        for column in (tokens.kinds, tokens.starts, tokens.ends):
            del column[-2]  # the NL
    builder = Builder(tokens)
    errors = tokens.diagnostics
    result: Any = None if errors else _run(tokens, builder, "type", errors)
    for error in (*errors, *builder.diagnostics):
        raise ValueError(f"{error.message} (column {error.span.start + 1} of `{text}`)")
    parsed: TypeExpr = result
    return parsed


def _run(tokens: Tokens, builder: Builder, start: str, errors: list[Diagnostic]) -> Any:
    kinds = tokens.kinds
    rules = [(name, size, getattr(builder, method) if method else None) for name, size, method in _RULES]
    table, final = _ACTIONS, END[start]
    lexical = sorted(error.span.start for error in errors)
    states = [START[start]]
    values: list[Any] = []
    row = table[states[0]]
    at = 0
    while True:
        action = row.get(kinds[at])
        if action is None:
            if start != "file":
                errors.append(explain(tokens, at, at, _acceptable(states)))
                return None
            at = _recover(tokens, at, states, values, errors, lexical)
            row = table[states[-1]]
        elif action > 0:
            states.append(action)
            values.append(at)
            row = table[action]
            at += 1
        else:
            name, size, method = rules[-action]
            if method is None:
                states.pop()
            elif size:
                children = values[-size:]
                del values[-size:], states[-size:]
                values.append(method(*children))
            else:
                values.append(method())
            action = table[states[-1]][name]
            if action == final:
                return values[-1]
            states.append(action)
            row = table[action]


def _acceptable(states: list[int]) -> frozenset[str]:
    """The tokens that can really come next: a row alone also names those that only another context would take."""
    found = set()
    for kind in _ACTIONS[states[-1]]:
        stack = list(states)
        action = _ACTIONS[stack[-1]].get(kind) if kind.isupper() or kind == "$END" else None
        while action is not None and action < 0:
            name, size, _ = _RULES[-action]
            if size:
                del stack[-size:]
            stack.append(_ACTIONS[stack[-1]][name])
            action = _ACTIONS[stack[-1]].get(kind)
        if action is not None:
            found.add(kind)
    return frozenset(found)


def _recover(
    tokens: Tokens, at: int, states: list[int], values: list[Any], errors: list[Diagnostic], lexical: list[int]
) -> int:
    """Give up the statement that holds the token ``at``: an Invalid takes its place. Gives the index of the NL
    after it.
    """
    kinds, acceptable = tokens.kinds, _acceptable(states)
    begin = tokens.starts[at]
    closed = 0  # blocks whose `}` is already on the stack: not the place to go on in
    while closed or not ("item" in _ACTIONS[states[-1]] or "items" in _ACTIONS[states[-1]]):
        states.pop()
        value = values.pop()
        if isinstance(value, int):
            begin = tokens.starts[value]
            closed += (kinds[value] == "RBRACE") - (kinds[value] == "LBRACE")
        elif hasattr(value, "span"):
            begin = value.span.start
    if "items" in _ACTIONS[states[-1]]:
        states.append(_ACTIONS[states[-1]]["items"])
        values.append([])
    end, depth = at, 0
    while not (kinds[end] == "NL" and depth == 0):
        depth += (kinds[end] == "LBRACE") - (kinds[end] == "RBRACE")
        end += 1
    span = Span(tokens.source, begin, max(begin, tokens.ends[end - 1] if end else begin))
    known = bisect_left(lexical, begin)
    if known == len(lexical) or lexical[known] > tokens.ends[end]:  # else the lexer has said what is wrong here
        errors.append(explain(tokens, at, bisect_left(tokens.starts, begin), acceptable))
    states.append(_ACTIONS[states[-1]]["item"])
    values.append(Invalid(frozenset(_WORD.findall(span.text)), span))
    return end
