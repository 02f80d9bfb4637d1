"""A stage after unrolling, while it is being compiled: what `stages`, `flow`, `privacy` and `gates` fill in turn."""

from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_lang.compiler.graph import Binding, Control, Deployment, Environment, Gate, OutputSetting, Run, Value
from mlp_lang.compiler.symbols import Scope, Symbol
from mlp_lang.compiler.types import spell
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.interface import Interface
    from mlp_lang.compiler.values import Evaluated, SearchSpace


_JOBS = {"promptflow_parallel": "parallel"}
"""Kinds of component whose job is of another type."""


class ItemKey(NamedTuple):
    """An entry of the items of a `for each`, and where a stage speaks of it."""

    key: str
    span: Span


class Plan:
    """What a `when`, `repeat` or `for each` is as the author wrote it, and the stages on its sides or in its body.

    `scope` is the one around it, `inner` that of its body."""

    __slots__ = (
        "broken",
        "inner",
        "inside",
        "item",
        "members",
        "otherwise",
        "outlined",
        "scope",
        "stages",
        "where",
    )

    def __init__(self, item: "syntax.Conditional | syntax.Repeat | syntax.For", scope: Scope, where: Span) -> None:
        self.item = item
        self.scope = scope
        self.where = where
        self.inner = scope
        self.members: list[Instance] = []
        self.otherwise: list[Instance] = []
        self.broken = False  # reported as no loop that Azure ML has
        # of a loop: all that stands in it, the stages among that, and whether they become a pipeline of their own
        self.inside: list[Instance] = []
        self.stages: list[Instance] = []
        self.outlined = False


class Instance:
    """One copy of a stage, or what steers some (then it has a `plan`). `keys` are the values of the `for` variables
    around it, outermost first.

    `interface` is None once the component is known to be wrong: then nobody complains of its ports.
    `sources` holds for each input the copies and ports that flow into it."""

    __slots__ = (
        "after",
        "bindings",
        "body_of",
        "carried",
        "control",
        "declassified",
        "definition",
        "deployment",
        "environment",
        "evaluated",
        "extra",
        "facts",
        "frameworks",
        "gates",
        "interface",
        "item_keys",
        "keys",
        "labels",
        "modes",
        "name",
        "needed",
        "outputs",
        "plan",
        "resolved",
        "run",
        "scope",
        "search",
        "sources",
        "spaces",
        "spec",
        "symbol",
        "title",
        "ungated",
        "verdict",
        "waits",
    )

    def __init__(self, symbol: Symbol, scope: Scope, keys: tuple[Value, ...], name: str, title: str) -> None:
        self.symbol = symbol
        self.scope = scope
        self.keys = keys
        self.name = name
        self.title = title
        self.spec: syntax.Stage = symbol.node
        self.interface: Interface | None = None
        self.resolved = False
        self.evaluated: dict[str, Evaluated] = {}
        self.bindings: dict[str, Binding] = {}
        self.sources: dict[str, tuple[tuple[Instance, str], ...]] = {}
        self.spaces: dict[str, SearchSpace] = {}  # inputs that a `tune` searches
        self.search: dict[str, Any] | None = None  # what its `search` block says, as Azure ML has it
        self.definition: dict[str, Any] = {}  # what an AutoML stage says beside its inputs, as Azure ML has it
        self.after: dict[str, Instance] = {}
        self.run = Run()
        self.extra: dict[str, Any] = {}  # fields of the job that have no place in `run`, as Azure ML has them
        self.outputs: dict[str, OutputSetting] = {}
        self.modes: dict[str, str] = {}  # how an input is handed to the step
        self.environment: Environment | None = None  # of its `run` block, instead of the component's
        self.gates: list[Gate] = []
        self.deployment: Deployment | None = None
        self.ungated: str | None = None
        self.declassified: dict[str, tuple[str, Any]] = {}
        self.needed = False
        self.plan: Plan | None = None  # of a stage that steers others: what the author wrote
        self.control: Control | None = None
        self.body_of: Instance | None = None  # the loop whose rounds run this stage
        self.carried: dict[str, str] = {}  # input: the carried value that it takes
        self.item_keys: dict[str, ItemKey] = {}  # inputs that the items of a `for each` give
        self.waits: list[Instance] = []  # what must be known before it may start: conditions and items around it
        self.facts: dict[str, str | None] = {}  # output port: name of its Facts
        self.frameworks: dict[str, str | None] = {}
        self.labels: dict[str, frozenset[str]] = {}
        self.verdict = False

    def __repr__(self) -> str:
        return f"Instance({self.title})"

    @property
    def kind(self) -> str:
        """The `type` of the job in Azure ML."""
        if self.interface is None:
            return "command"
        kind = self.interface.kind
        if kind == "command" and self.spec.verb.text == "tune":
            return "sweep"
        return _JOBS.get(kind, kind)

    def acts_as(self, verb: str) -> bool:
        """Whether the stage does what a verb stands for. `step` says nothing, so then the component's verbs count."""
        said = self.spec.verb.text
        return said == verb or (said == "step" and self.interface is not None and verb in self.interface.verbs)


ANY_KEY = object()
"""Stands for `*` among the keys of copies."""


class Family:
    """What the name of a stage stands for outside of its `for`: all the copies, by their keys."""

    __slots__ = ("copies", "depth")

    def __init__(self, depth: int) -> None:
        self.copies: dict[tuple[Any, ...], Instance] = {}
        self.depth = depth

    def choose(self, keys: list[Any]) -> list[Instance]:
        """The copies with these keys, one for each `for` around the stage; ANY_KEY goes with all."""
        if ANY_KEY not in keys:
            one = self.copies.get(tuple(hashable(k) for k in keys))
            return [one] if one is not None else []
        return [
            copy
            for own, copy in self.copies.items()
            if all(k is ANY_KEY or hashable(k) == o for k, o in zip(keys, own, strict=True))
        ]


def hashable(value: Value) -> Any:
    """A value as a key of a dict."""
    return value if not isinstance(value, list | dict) else repr(value)


def title_of(name: str, keys: tuple[Any, ...]) -> str:
    """How a program names a copy: `noisy[0.5]`."""
    return name + "".join(f"[{spell(k)}]" for k in keys)
