"""What an expression comes to while compiling: a constant, something that is known at run time, or a thing declared."""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mlp_lang.compiler.graph import Asset, Template, Value
from mlp_lang.compiler.symbols import Symbol
from mlp_lang.compiler.types import Type
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.instances import Instance


class Constant(NamedTuple):
    """Known now. `kind` is `int float bool string none list map duration size`."""

    value: Value
    kind: str


class InputRef(NamedTuple):
    """A `param` (or a `data`) of the pipeline: known when it runs."""

    symbol: Symbol
    type: Type


class PortRef(NamedTuple):
    """An output of a stage. `type` has `like` resolved to the type that the component declares for that input."""

    instance: "Instance"
    port: str
    type: Type


class PortList(NamedTuple):
    """`noisy[*]`."""

    ports: tuple[PortRef, ...]


class AssetValue(NamedTuple):
    """`folder("data")`."""

    asset: Asset
    type: Type


class Text(NamedTuple):
    """A string with run-time references in it."""

    template: Template


class Thing(NamedTuple):
    """A declared thing that is no value: compute, endpoint, environment, component, pipeline, import."""

    symbol: Symbol


class SearchSpace(NamedTuple):
    """`log_uniform(1e-5, 1e-2)`: every value that a search may try, as Azure ML has it (see compiler/spaces.py).

    `span` is the call, `places` are the values of a `choice`; `nested` if maps among them have spaces of their own."""

    function: str
    document: dict[str, Value]
    span: Span
    places: tuple[Span, ...] = ()
    nested: bool = False


class Bad(NamedTuple):
    """Already reported; whoever gets it stays silent."""

    bad: bool = True


BAD = Bad()
Evaluated: TypeAlias = Constant | InputRef | PortRef | PortList | AssetValue | Text | Thing | SearchSpace | Bad
