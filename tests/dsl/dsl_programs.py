"""Random programs as trees, for properties: what `trees()` draws has no text yet, so that printing must spell
everything.
"""

import keyword
import string

from hypothesis import strategies as st
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.spelling import flat
from mlp_lang.dsl.syntax import (
    Argument,
    Attribute,
    Binary,
    Block,
    Call,
    Carry,
    ComponentDecl,
    Conditional,
    Data,
    Declassify,
    Derive,
    File,
    For,
    Group,
    Index,
    Let,
    ListExpr,
    Literal,
    LiteralKind,
    MapEntry,
    MapExpr,
    Name,
    NamedType,
    OptionalType,
    Output,
    Override,
    Param,
    Pipeline,
    Profile,
    RangeType,
    Reference,
    Repeat,
    Requirement,
    Resource,
    Schedule,
    Setting,
    Stage,
    String,
    Unary,
    Ungated,
    UnionType,
    Use,
)
from mlp_lang.dsl.tokens import KEYWORDS, RESERVED
from mlp_lang.dsl.values import PRECEDENCE, SIGN_PRECEDENCE, UNSPELLED

NOWHERE = Span(Source("", ""), 0, 0)
FREE_WORDS = sorted(set(KEYWORDS) - RESERVED)

words = (
    st.sampled_from([*FREE_WORDS, *(k for k in keyword.kwlist if k not in RESERVED)])
    | st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True)
).filter(lambda word: word not in RESERVED and word not in UNSPELLED)
names = words.map(lambda word: Name(word, NOWHERE))
keys = names | st.text(string.printable[:95], max_size=6).map(lambda word: Name(word, NOWHERE))
"""Names that may stand in quotes: of inputs, attributes and ports."""
references = words.map(lambda word: Reference(word, NOWHERE))
docs = st.just("") | st.text(string.printable[:95], min_size=1, max_size=20).map(str.strip).filter(
    lambda text: bool(text) and not text.startswith("#")
)

literals = st.one_of(
    st.booleans().map(lambda value: Literal(LiteralKind.BOOL, value, "", NOWHERE)),
    st.just(Literal(LiteralKind.NONE, None, "", NOWHERE)),
    st.integers(0, 10**30).map(lambda value: Literal(LiteralKind.INT, value, "", NOWHERE)),
    st.floats(0, allow_infinity=False).map(lambda value: Literal(LiteralKind.FLOAT, abs(value), "", NOWHERE)),
    st.integers(0, 10**9).map(lambda value: Literal(LiteralKind.DURATION, value, "", NOWHERE)),
    st.integers(0, 10**15).map(lambda value: Literal(LiteralKind.SIZE, value, "", NOWHERE)),
)
_texts = st.text(min_size=1, max_size=12) | st.text('ab \n\t\\"$#{}\r', min_size=1, max_size=12)


def _string(parts: list[object], block: bool) -> String:
    joined: list[object] = []
    for part in parts:  # neighbouring texts are one
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return String(tuple(joined), block, NOWHERE)  # type: ignore[arg-type]


plain_strings = st.builds(_string, st.lists(_texts, max_size=1), st.just(False))
strings = plain_strings | st.builds(_string, st.lists(_texts | references, max_size=4), st.booleans())
atoms = literals | references | strings


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    arguments = st.builds(Argument, st.none() | names, inner, st.just(NOWHERE))
    bases = references | st.builds(Group, inner, st.just(NOWHERE))
    return st.one_of(
        st.builds(Attribute, bases, names, st.just(NOWHERE)),
        st.builds(Index, bases, st.none() | inner, st.just(NOWHERE)),
        st.builds(Call, names, st.lists(arguments, max_size=3).map(tuple), st.just(NOWHERE)),
        st.builds(ListExpr, st.lists(inner, max_size=3).map(tuple), st.just(NOWHERE)),
        st.builds(
            MapExpr,
            st.lists(st.builds(MapEntry, plain_strings | names, inner, st.just(NOWHERE)), max_size=2).map(tuple),
            st.just(NOWHERE),
        ),
        st.builds(Group, inner, st.just(NOWHERE)),
        st.builds(_unary, st.sampled_from(["-", "+", "not"]), inner),
        st.builds(_binary, st.sampled_from(sorted(PRECEDENCE.keys() - {"not"})), inner, inner),
    )


def _bound(node: object) -> int:
    """How tightly the operator at the top of an expression binds."""
    if isinstance(node, Binary):
        return PRECEDENCE[node.operator]
    if isinstance(node, Unary):
        return PRECEDENCE["not"] if node.operator == "not" else SIGN_PRECEDENCE
    return SIGN_PRECEDENCE + 1


def _grouped(node: object, least: int) -> object:
    return node if _bound(node) >= least else Group(node, NOWHERE)  # type: ignore[arg-type]


def _unary(operator: str, operand: object) -> Unary:
    least = PRECEDENCE["not"] if operator == "not" else SIGN_PRECEDENCE
    return Unary(operator, _grouped(operand, least), NOWHERE)  # type: ignore[arg-type]


def _binary(operator: str, left: object, right: object) -> Binary:
    own = PRECEDENCE[operator]
    no_chain = own == PRECEDENCE["=="]
    return Binary(operator, _grouped(left, own + no_chain), _grouped(right, own + 1), NOWHERE)  # type: ignore[arg-type]


expressions = st.recursive(atoms, _nested, max_leaves=8)
# a brace at the beginning of a condition is the block's
conditions = expressions.filter(lambda node: not flat(node).startswith("{"))  # type: ignore[arg-type]

ranges = st.builds(
    RangeType, st.none() | literals, st.none() | literals, st.just(False), st.just(False), st.just(NOWHERE)
)
open_ranges = st.builds(RangeType, literals, literals, st.booleans(), st.booleans(), st.just(NOWHERE))
type_names = words.filter(lambda word: word != "like")
simple_types = st.one_of(
    st.builds(NamedType, type_names, st.just(()), st.none(), st.just(()), st.just(NOWHERE)),
    st.builds(NamedType, type_names, st.just(()), ranges | open_ranges, st.just(()), st.just(NOWHERE)),
    st.builds(
        NamedType,
        type_names,
        st.just(()),
        st.none(),
        st.lists(atoms, min_size=1, max_size=3).map(tuple),
        st.just(NOWHERE),
    ),
    type_names.map(lambda word: NamedType("like", (NamedType(word, (), None, (), NOWHERE),), None, (), NOWHERE)),
)


def _type_forms(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    single = st.builds(
        NamedType,
        type_names,
        st.lists(inner, min_size=1, max_size=2).map(tuple),
        st.none(),
        st.just(()),
        st.just(NOWHERE),
    )
    optional = st.builds(OptionalType, single | simple_types, st.just(NOWHERE))
    members = st.lists(single | simple_types | optional, min_size=2, max_size=3).map(tuple)
    return single | optional | st.builds(UnionType, members, st.just(NOWHERE))


types = st.recursive(simple_types, _type_forms, max_leaves=4)
maybe_types = st.none() | types
maybe_values = st.none() | expressions

settings_ = st.builds(Setting, keys, expressions, st.just(NOWHERE))
attributes = st.recursive(
    settings_,
    lambda inner: st.builds(
        Block, names.filter(lambda n: n.text != "define"), st.lists(inner, max_size=3).map(tuple), st.just(NOWHERE)
    ),
    max_leaves=4,
)
attribute_blocks = st.lists(attributes, max_size=3).map(tuple)
maybe_blocks = st.none() | attribute_blocks
params = st.builds(Param, keys, maybe_types, maybe_values, docs, st.just(NOWHERE))
outputs = st.builds(Output, keys, maybe_types, maybe_values, maybe_blocks, docs, st.just(NOWHERE))
lets = st.builds(Let, names, maybe_types, expressions, docs, st.just(NOWHERE))
component_items = st.lists(params | outputs | attributes, max_size=4).map(tuple)
stages = st.builds(
    Stage,
    st.sampled_from(["prepare", "train", "step", "deploy"]).map(lambda verb: Name(verb, NOWHERE)),
    names,
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.none() | conditions,
    st.lists(conditions, max_size=2).map(tuple),
    st.none() | conditions,
    st.none()
    | st.lists(
        st.one_of(
            attributes,
            st.builds(Requirement, st.booleans(), conditions, st.just(NOWHERE)),
            st.builds(Declassify, names, plain_strings, st.just(NOWHERE)),
            st.builds(Ungated, plain_strings, st.just(NOWHERE)),
            st.builds(Block, st.just(Name("define", NOWHERE)), component_items, st.just(NOWHERE)),
        ),
        max_size=4,
    ).map(tuple),
    docs,
    st.just(NOWHERE),
)
simple_steps = st.one_of(
    attributes,
    params,
    lets,
    outputs,
    stages,
    st.builds(Derive, names, expressions, docs, st.just(NOWHERE)),
    st.builds(Data, names, maybe_types, maybe_values, maybe_blocks, docs, st.just(NOWHERE)),
)


def _control(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    body = st.lists(inner, max_size=3).map(tuple)
    carries = st.builds(Carry, names, expressions, conditions, st.just(NOWHERE))
    return st.one_of(
        st.builds(For, st.just(False), names, expressions, st.none(), body, st.just(NOWHERE)),
        st.builds(For, st.just(True), names, expressions, st.none() | names, body, st.just(NOWHERE)),
        st.builds(Conditional, st.just(False), conditions, st.none(), body, st.none() | body, st.just(NOWHERE)),
        st.builds(Conditional, st.just(True), conditions, st.none() | names, body, st.none() | body, st.just(NOWHERE)),
        st.builds(
            Repeat,
            names,
            conditions,
            st.none() | conditions,
            st.lists(inner | carries, max_size=3).map(tuple),
            st.just(NOWHERE),
        ),
    )


steps = st.recursive(simple_steps, _control, max_leaves=5)
resource_keywords = st.sampled_from(["compute", "environment", "endpoint", "deployment", "asset"]).map(
    lambda word: Name(word, NOWHERE)
)
override_keywords = st.sampled_from(["compute", "param", "let", "data", "environment"]).map(
    lambda word: Name(word, NOWHERE)
)
declarations = st.one_of(
    lets,
    st.builds(Use, plain_strings, names, maybe_blocks, docs, st.just(NOWHERE)),
    st.builds(Resource, resource_keywords, names, maybe_values, maybe_blocks, docs, st.just(NOWHERE)),
    st.builds(ComponentDecl, names, names, component_items, docs, st.just(NOWHERE)),
    st.builds(Pipeline, names, st.lists(steps, max_size=6).map(tuple), docs, st.just(NOWHERE)),
    st.builds(
        Profile,
        names,
        st.none() | names,
        st.lists(st.builds(Override, override_keywords, names, expressions, st.just(NOWHERE)), max_size=3).map(tuple),
        docs,
        st.just(NOWHERE),
    ),
    st.builds(Schedule, names, names, attribute_blocks, docs, st.just(NOWHERE)),
)
trees = st.lists(declarations, max_size=5).map(lambda items: File(tuple(items), (), NOWHERE.source, NOWHERE))
