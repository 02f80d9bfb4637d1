"""From the text of a YAML file to its root, the comments in it, and what makes it no definition at all."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import yaml
from mlp_lang.dsl.source import Source, Span, display_path
from mlp_lang.lowering.checker.document import Findings, Place

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_COMMENT = re.compile(r"(?:^|(?<=[ \t\n\r]))#[^\r\n]*", re.MULTILINE)
DEPTH = 32  # collections inside each other: far more than any definition has, and the parser of `.mlp` holds it
SIZE = 200_000  # nodes, each counted as often as aliases repeat it


class Comment(NamedTuple):
    text: str
    line: int  # from 0
    column: int
    own_line: bool


class Document(NamedTuple):
    root: Place
    comments: tuple[Comment, ...]
    content: tuple[tuple[int, int], ...]  # the lines on which something begins, each with the column of the first


def load(path: str, findings: Findings) -> Document | None:
    """The document in a file, or None with what is wrong in ``findings``; a file that cannot be read is MLP0815."""
    source = read(path, findings)
    return compose(source, os.path.abspath(path), findings) if source is not None else None


def read(path: str, findings: Findings) -> Source | None:
    """The text of a file, or None with what is wrong in ``findings``."""
    shown = display_path(Path(path))
    try:
        with open(path, "rb") as file:
            return Source(shown, file.read().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = "not UTF-8" if isinstance(error, ValueError) else (getattr(error, "strerror", "") or "unreadable")
        findings.report("MLP0815", f"cannot read `{shown}`: {reason.lower()}", Span(Source(shown, ""), 0, 0))
        return None


def compose(source: Source, path: str, findings: Findings) -> Document | None:
    """The document, or None with what is wrong in ``findings``."""
    try:
        node = yaml.compose(source.text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = min(mark.index if mark is not None else getattr(error, "position", 0) or 0, len(source.text))
        problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        span = Span(source, at, min(at + 1, len(source.text)))
        findings.report("MLP0810", f"`{source.path}` is no YAML: {problem}", span)
        return None
    except RecursionError:
        findings.report("MLP0810", f"`{source.path}` is nested too deeply", Span(source, 0, 0))
        return None
    if not isinstance(node, yaml.MappingNode):
        findings.report("MLP0810", f"`{source.path}` is no mapping", Span(source, 0, 0))
        return None
    root = Place(path, source, node)
    if not (_finite(root, findings) and _keys(root, findings)):
        return None
    spans, content = _written(node)
    return Document(root, tuple(_comments(source, spans)), tuple(sorted(content.items())))


def last_line(node: yaml.Node) -> int:
    """The last line on which a node stands; a block collection's own mark is where the next thing begins."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [n for pair in node.value for n in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _finite(root: Place, findings: Findings) -> bool:
    """Whether the tree that aliases unfold to is a small one."""
    sizes: dict[int, tuple[int, int]] = {}  # number of nodes and depth of what is complete
    open_: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root.node, False)]
    while stack:
        node, seen = stack.pop()
        key = id(node)
        if seen:
            inner = [sizes[id(n)] for n in _children(node)]
            sizes[key] = (1 + sum(s for s, _ in inner), 1 + max((d for _, d in inner), default=0))
            open_.discard(key)
            if sizes[key][0] > SIZE or sizes[key][1] > DEPTH:
                what = "too large" if sizes[key][0] > SIZE else "nested too deeply"
                findings.report("MLP0810", f"`{root.source.path}` is {what}", root._replace(node=node))
                return False
        elif key in open_:
            findings.report("MLP0810", f"`{root.source.path}` contains itself", root._replace(node=node))
            return False
        elif key not in sizes:
            open_.add(key)
            stack.append((node, True))
            # what is open and not complete is above: only an alias leads there
            stack.extend((n, False) for n in _children(node) if id(n) not in sizes)
    return True


def _keys(root: Place, findings: Findings) -> bool:
    """Merge keys are followed; a key that is no text, or stands twice, is reported."""
    fine = True
    done: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root.node, False)]
    while stack:
        node, inside = stack.pop()
        if not inside and id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((n, False) for n in _children(node))
        elif inside and isinstance(node, yaml.MappingNode):
            fine &= _mapping(root, node, findings)
    return fine


def _mapping(root: Place, node: yaml.MappingNode, findings: Findings) -> bool:
    own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    fine = True
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            findings.report("MLP0810", "a key that is no text", root._replace(node=key))
            fine = False
        elif key.tag == _MERGE:
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                if not isinstance(source, yaml.MappingNode):
                    findings.report("MLP0810", "what is merged is no mapping", root._replace(node=value))
                    return False
                for k, v in source.value:
                    merged.setdefault(str(k.value), (k, v))
        else:
            if key.value in own:
                message = f"`{key.value}` is there twice, and the last one wins"
                findings.report("MLP0811", message, root._replace(node=key))
                fine = False
            own[str(key.value)] = (key, value)
    if merged:
        node.value = [*(pair for name, pair in merged.items() if name not in own), *own.values()]
    return fine


def _written(root: yaml.Node) -> tuple[list[tuple[int, int]], dict[int, int]]:
    """Where scalars stand in the text (no `#` in them is a comment), and on which lines something begins."""
    spans: list[tuple[int, int]] = []
    content: dict[int, int] = {}
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        start = node.start_mark
        if isinstance(node, yaml.ScalarNode):
            if node.style or node.value:
                spans.append((start.index, node.end_mark.index))
                for line in range(start.line, last_line(node) + 1):
                    content[line] = min(content.get(line, start.column), start.column)
        elif isinstance(node, yaml.CollectionNode):
            if node.flow_style:
                content[start.line] = min(content.get(start.line, start.column), start.column)
            stack.extend(_children(node))
    return sorted(spans), content


def _comments(source: Source, spans: list[tuple[int, int]]) -> list[Comment]:
    found = []
    at = 0
    for match in _COMMENT.finditer(source.text):
        while at < len(spans) and spans[at][1] <= match.start():
            at += 1
        if at < len(spans) and spans[at][0] <= match.start():
            header = source.text[spans[at][0] : match.start()]
            if not re.fullmatch(r"[|>][-+0-9]*[ \t]+", header):  # behind the mark of a block scalar
                continue
        line, column = source.position(match.start())
        before = source.line(line)[: column - 1]
        found.append(Comment(match[0].rstrip(), line - 1, column - 1, not before.strip(" \t")))
    return found
