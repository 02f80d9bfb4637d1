"""From a YAML file to nodes with spans, and the list in which findings gather."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import yaml
from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from mlp_lang.dsl.source import Source, Span

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCTOR = yaml.constructor.SafeConstructor
_PLACES = 50  # of one finding
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


class Place(NamedTuple):
    """A YAML node in its file."""

    path: str  # of the file, absolute
    source: Source
    node: yaml.Node

    @property
    def span(self) -> Span:
        start, end = self.node.start_mark.index, self.node.end_mark.index
        text = self.source.text[start:end]
        if isinstance(self.node, yaml.CollectionNode) and not self.node.flow_style:
            text = text.split("\n", 1)[0]  # a block collection: its first line is enough to underline
        return Span(self.source, start, start + len(text.rstrip()))

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    def fields(self) -> "dict[str, Field]":
        """The entries of a mapping, the last of each key; empty for anything else."""
        if not isinstance(self.node, yaml.MappingNode):
            return {}
        path, source, _ = self
        return {
            str(key.value): Field(Place(path, source, key), Place(path, source, value))
            for key, value in self.node.value
            if isinstance(key, yaml.ScalarNode)
        }

    def items(self) -> "list[Place]":
        """The items of a sequence; empty for anything else."""
        if not isinstance(self.node, yaml.SequenceNode):
            return []
        return [Place(self.path, self.source, item) for item in self.node.value]

    def rename(self, name: str) -> None:
        """Read a key as another from now on; where it stands, and what is shown of it, stay."""
        if isinstance(self.node, yaml.ScalarNode):
            self.node.value = name

    def part(self, text: str) -> "Place":
        """The place of a text within a scalar, if it stands there once; else the scalar."""
        start, end = self.node.start_mark.index, self.node.end_mark.index
        written = self.source.text[start:end]
        if written.count(text) != 1:
            return self
        at = start + written.index(text)
        start_mark, end_mark = (yaml.Mark("", index, 0, 0, None, 0) for index in (at, at + len(text)))
        return self._replace(node=yaml.ScalarNode("tag:yaml.org,2002:str", text, start_mark, end_mark))

    @property
    def text(self) -> str:
        """What a scalar says, as text; empty for a collection."""
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else ""

    def value(self) -> Any:
        """The Python value that YAML 1.1 makes of a scalar; a collection, or what cannot be read, is its text."""
        if not isinstance(self.node, yaml.ScalarNode):
            return self.text
        try:
            return _CONSTRUCTOR().construct_object(self.node)
        except (ValueError, yaml.YAMLError):
            return self.text

    def scalars(self) -> "Iterator[Place]":
        """Every scalar value inside, keys not among them; a node that stands in several places is visited once."""
        seen: set[int] = set()
        waiting = [self.node]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.ScalarNode):
                yield Place(self.path, self.source, node)
            elif isinstance(node, yaml.MappingNode):
                waiting.extend(value for _, value in reversed(node.value))
            elif isinstance(node, yaml.SequenceNode):
                waiting.extend(reversed(node.value))


class Field(NamedTuple):
    key: Place
    value: Place


class Findings:
    """Diagnostics in the order in which they were found, and the files that were read."""

    def __init__(self, shown_from: str, missing_data: Severity = Severity.ERROR) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.missing_data = missing_data  # how bad it is that data are not there: they may be fetched first
        self.shown_from = shown_from  # paths in messages and spans are relative to this folder's parent
        self._once: dict[tuple[object, ...], int] = {}
        self._documents: dict[str, Place | None] = {}

    def report(
        self,
        code: str,
        message: str,
        place: "Place | Span",
        label: str = "",
        help: str = "",
        severity: Severity = Severity.ERROR,
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        span = place if isinstance(place, Span) else place.span
        self.diagnostics.append(Diagnostic(code, message, span, label, severity, help=help, fixes=fixes))

    def unknown(
        self,
        code: str,
        message: str,
        place: Place,
        name: str,
        known: Iterable[str],
        otherwise: Severity = Severity.ERROR,
        once: tuple[object, ...] = (),
    ) -> None:
        """A name that is none of `known`: says which one may have been meant; `otherwise` is how bad it is if none.

        Where the same name is asked for in several places, `once` tells so: they are places of one finding.
        """
        if once in self._once:
            self._again(self._once[once], place, name)
            return
        if once:
            self._once[once] = len(self.diagnostics)
        meant = near(name, known := sorted(known))
        if meant:
            self.report(code, message, place, f"did you mean `{meant}`?", fixes=_renaming(place, name, meant))
        else:
            help = f"there is {_listed(known)}" if known else "there is none"
            self.report(code, message, place, help=help, severity=otherwise)

    def _again(self, number: int, place: Place, name: str) -> None:
        """Add a place to a finding that was made, and to its fix."""
        found = self.diagnostics[number]
        if len(found.related) >= _PLACES:
            return
        fixes = found.fixes
        if fixes:
            more = [fix for fix in _renaming(place, name, fixes[0].edits[0].replacement) if len(fixes) == 1]
            fixes = tuple(Fix(fixes[0].title, (*fixes[0].edits, *fix.edits)) for fix in more) or fixes
        related = (*found.related, Related(place.span, "and here"))
        self.diagnostics[number] = found._replace(related=related, fixes=fixes)

    def has_read(self, path: str) -> bool:
        """Whether a file has been loaded, and so checked by whom it concerned first."""
        return os.path.realpath(path) in self._documents

    def shown(self, path: str) -> str:
        return os.path.relpath(path, os.path.dirname(self.shown_from)).replace(os.sep, "/")

    def load(self, path: str, wanted_by: Place | None = None) -> Place | None:
        """The root of a YAML file, read once; what is wrong with the file is reported, and gives None."""
        path = os.path.realpath(path)
        if path not in self._documents:
            self._documents[path] = self._load(path, wanted_by)
        return self._documents[path]

    def _load(self, path: str, wanted_by: Place | None) -> Place | None:
        shown = self.shown(path)
        try:
            with open(path, "rb") as file:
                source = Source(shown, file.read().decode("utf-8"))
        except (OSError, ValueError) as error:
            reason = "not UTF-8" if isinstance(error, ValueError) else (getattr(error, "strerror", "") or "unreadable")
            where = wanted_by.span if wanted_by is not None else Span(Source(shown, ""), 0, 0)
            self.report("MLP0815", f"cannot read `{shown}`: {reason.lower()}", where)
            return None
        return self._parse(path, source)

    def read(self, path: str, source: Source) -> Place | None:
        """The root of a text that is not on the disk; what it names is looked for beside `path`."""
        return self._parse(path, source)

    def _parse(self, path: str, source: Source) -> Place | None:
        shown = source.path
        try:
            node = yaml.compose(source.text, Loader=_LOADER)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = min(mark.index if mark is not None else 0, len(source.text))
            problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
            self.report("MLP0810", f"`{shown}` is no YAML: {problem}", Span(source, at, min(at + 1, len(source.text))))
            return None
        except RecursionError:
            self.report("MLP0810", f"`{shown}` is nested too deeply", Span(source, 0, 0))
            return None
        if not isinstance(node, yaml.MappingNode):
            self.report("MLP0810", f"`{shown}` is no mapping", Span(source, 0, 0))
            return None
        place = Place(path, source, node)
        self._duplicates(place)
        return place

    def _duplicates(self, root: Place) -> None:
        waiting = [root.node]
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                waiting.extend(node.value)
            elif isinstance(node, yaml.MappingNode):
                keys: set[str] = set()
                for key, value in node.value:
                    waiting.append(value)
                    name = str(key.value)
                    if name in keys:
                        self.report(
                            "MLP0811", f"`{name}` is there twice, and the last one wins", root._replace(node=key)
                        )
                    keys.add(name)


def said(fields: dict[str, Field], name: str) -> str:
    """What a field says, be its name misspelt; empty if it is not there."""
    found = name if name in fields else near(name, fields, 0.7)
    return fields[found].value.text if found is not None else ""


def near(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """The one of `known` that a name may have been meant to be; `least` is how alike they are, up to 1."""
    found = get_close_matches(name, list(known), 1, least)
    return found[0] if found else None


def _renaming(place: Place, name: str, new: str) -> tuple[Fix, ...]:
    """The fix that writes `new` where a scalar says `name`, alone or once among other words."""
    span = place.span
    written = place.source.text[span.start : span.end]
    found = [m.start() for m in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", written)]
    if len(found) != 1:
        return ()
    start = span.start + found[0]
    return (Fix(f"Change `{name}` to `{new}`", (Edit(Span(place.source, start, start + len(name)), new),)),)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(f"`{name}`" for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
