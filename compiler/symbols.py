"""Names and what they stand for: a Symbol for each declaration, a Scope for each block that declares some."""

import os
from enum import Enum
from typing import Any

from mlp_lang.dsl.source import Span
from mlp_lang.dsl.syntax import Name


class Kind(Enum):
    """What a name stands for; the value is how messages call it."""

    PARAM = "param"
    LET = "let"
    DATA = "data"
    STAGE = "stage"
    DERIVE = "derive"
    LOOP = "loop variable"
    CARRY = "carried value"
    ITEM = "item"
    COMPUTE = "compute"
    ENVIRONMENT = "environment"
    ENDPOINT = "endpoint"
    DEPLOYMENT = "deployment"
    ASSET = "asset"
    COMPONENT = "component"
    PIPELINE = "pipeline"
    IMPORT = "import"
    PROFILE = "profile"
    SCHEDULE = "schedule"
    OUTPUT = "output"


class Symbol:
    """One declared name. `node` is its declaration, `scope` where its expressions are read, `value` what it came to
    (filled in on first use); `used` tells whether anything refers to it."""

    __slots__ = ("busy", "kind", "name", "node", "scope", "span", "used", "value")

    def __init__(self, kind: Kind, name: str, span: Span, node: Any, scope: "Scope", value: Any = None) -> None:
        self.kind = kind
        self.name = name
        self.span = span
        self.node = node
        self.scope = scope
        self.value = value
        self.used = False
        self.busy = False

    def __repr__(self) -> str:
        return f"Symbol({self.kind.value} {self.name})"


class Scope:
    """Names of one block, and the block around it. `folder` is the directory that paths in its file start from."""

    __slots__ = ("folder", "names", "parent")

    def __init__(self, parent: "Scope | None", folder: str) -> None:
        self.parent = parent
        self.names: dict[str, Symbol] = {}
        self.folder = folder

    def file(self, span: Span) -> str:
        """The file that a span of this block stands in, in the folder that its paths start from."""
        return os.path.join(self.folder, os.path.basename(span.source.path))

    def find(self, name: str) -> Symbol | None:
        """The innermost declaration of a name; marks nothing as used."""
        scope: Scope | None = self
        while scope is not None:
            symbol = scope.names.get(name)
            if symbol is not None:
                return symbol
            scope = scope.parent
        return None

    def visible(self) -> set[str]:
        """Every name that can be referred to from here."""
        found: set[str] = set()
        scope: Scope | None = self
        while scope is not None:
            found.update(scope.names)
            scope = scope.parent
        return found

    def declare(self, kind: Kind, name: Name, node: Any, value: Any = None) -> tuple[Symbol, Symbol | None]:
        """The new symbol, and the one of this very block that had the name before it, which keeps it."""
        symbol = Symbol(kind, name.text, name.span, node, self, value)
        earlier = self.names.setdefault(name.text, symbol)
        return symbol, None if earlier is symbol else earlier
