"""From the reductions of the parser to statements and files: one method for each rule of mlp.lark that is no value.

Conventions as in dsl/values.py, whose methods are here too.
"""

from typing import TypeAlias

from mlp_lang.dsl.source import Span
from mlp_lang.dsl.syntax import (
    Block,
    Carry,
    ComponentDecl,
    Conditional,
    Data,
    Declassify,
    Derive,
    Expr,
    File,
    For,
    Item,
    Let,
    Literal,
    LiteralKind,
    Name,
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
    String,
    TypeExpr,
    Ungated,
    Use,
)
from mlp_lang.dsl.tokens import Tokens
from mlp_lang.dsl.values import Values

Body: TypeAlias = tuple[tuple[Item, ...], int]  # what a block holds, and the offset of its end
Clause: TypeAlias = tuple[str, tuple[Expr, ...], Span]


class Builder(Values):
    """All methods. `described`: offsets of the `##` comments that went into a `doc`."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.described: set[int] = set()

    def doc(self, start: int) -> str:
        """The `##` lines that stand directly above what begins at an offset."""
        comments = self.tokens.docs.pop(start, None)
        if not comments:
            return ""
        lines = [c.text[3:] if c.text[2:3] == " " else c.text[2:] for c in comments]
        if not any(lines):
            return ""
        self.described.update(c.span.start for c in comments)
        return "\n".join(lines)

    # --- files, blocks --------------------------------------------------------------------------------------------

    def file(self, items: list[Item]) -> File:
        return File(tuple(items), (), self.source, self.span(0, len(self.text)))

    def items_none(self) -> list[Item]:
        return []

    def items_more(self, items: list[Item], item: Item, _: int) -> list[Item]:
        items.append(item)
        return items

    def block(self, _: int, items: list[Item], brace: int) -> Body:
        return tuple(items), self.ends[brace]

    # --- items ----------------------------------------------------------------------------------------------------

    def setting(self, name: Name, _: int, value: Expr) -> Setting:
        return Setting(name, value, Span(self.source, name.span.start, value.span.end))

    def named_block(self, name: Name, body: Body) -> Block:
        return Block(name, body[0], self.span(name.span.start, body[1]))

    def require(self, keyword: int, condition: Expr) -> Requirement:
        return Requirement(True, condition, self.span(self.starts[keyword], condition.span.end))

    def expect(self, keyword: int, condition: Expr) -> Requirement:
        return Requirement(False, condition, self.span(self.starts[keyword], condition.span.end))

    def declassify(self, keyword: int, port: Name, reason: String) -> Declassify:
        return Declassify(port, reason, self.span(self.starts[keyword], reason.span.end))

    def ungated(self, keyword: int, reason: String) -> Ungated:
        return Ungated(reason, self.span(self.starts[keyword], reason.span.end))

    def carry(self, keyword: int, name: Name, _: int, first: Expr, __: int, then: Expr) -> Carry:
        return Carry(name, first, then, self.span(self.starts[keyword], then.span.end))

    def param(self, keyword: int, name: Name, type: TypeExpr | None, default: Expr | None) -> Param:
        start = self.starts[keyword]
        return Param(name, type, default, self.doc(start), self.span(start, (default or type or name).span.end))

    def let(self, keyword: int, name: Name, type: TypeExpr | None, _: int, value: Expr) -> Let:
        start = self.starts[keyword]
        return Let(name, type, value, self.doc(start), self.span(start, value.span.end))

    def derive(self, keyword: int, name: Name, _: int, value: Expr) -> Derive:
        start = self.starts[keyword]
        return Derive(name, value, self.doc(start), self.span(start, value.span.end))

    def data(self, keyword: int, name: Name, type: TypeExpr | None, value: Expr | None, body: Body | None) -> Data:
        start = self.starts[keyword]
        end = body[1] if body else (value or type or name).span.end
        return Data(name, type, value, body[0] if body else None, self.doc(start), self.span(start, end))

    def output(self, keyword: int, name: Name, type: TypeExpr | None, value: Expr | None, body: Body | None) -> Output:
        start = self.starts[keyword]
        end = body[1] if body else (value or type or name).span.end
        return Output(name, type, value, body[0] if body else None, self.doc(start), self.span(start, end))

    def stage(self, verb: int, name: Name, _: int, path: list[Name], clauses: list[Clause], body: Body | None) -> Stage:
        on: Expr | None = None
        after: tuple[Expr, ...] = ()
        when: Expr | None = None
        end = path[-1].span.end
        seen: set[str] = set()
        for keyword, values, span in clauses:
            if keyword in seen:
                self.error("MLP0008", f"a second `{keyword}` clause", span, "remove it or join it to the first")
            seen.add(keyword)
            end = span.end
            if keyword == "on":
                on = on or values[0]
            elif keyword == "when":
                when = when or values[0]
            else:
                after += values
        start = self.starts[verb]
        items = body[0] if body else None
        span = self.span(start, body[1] if body else end)
        return Stage(self.name(verb), name, tuple(path), on, after, when, items, self.doc(start), span)

    def path_one(self, name: Name) -> list[Name]:
        return [name]

    def path_more(self, path: list[Name], _: int, name: Name) -> list[Name]:
        path.append(name)
        return path

    def clauses_none(self) -> list[Clause]:
        return []

    def clauses_more(self, clauses: list[Clause], clause: Clause) -> list[Clause]:
        clauses.append(clause)
        return clauses

    def clause_on(self, keyword: int, value: Expr) -> Clause:
        return "on", (value,), self.span(self.starts[keyword], value.span.end)

    def clause_when(self, keyword: int, value: Expr) -> Clause:
        return "when", (value,), self.span(self.starts[keyword], value.span.end)

    def clause_after(self, keyword: int, values: list[Expr]) -> Clause:
        return "after", tuple(values), self.span(self.starts[keyword], values[-1].span.end)

    def for_constant(self, keyword: int, variable: Name, _: int, iterable: Expr, body: Body) -> For:
        return For(False, variable, iterable, None, body[0], self.span(self.starts[keyword], body[1]))

    def for_each(
        self, keyword: int, _: int, variable: Name, __: int, iterable: Expr, name: Name | None, body: Body
    ) -> For:
        return For(True, variable, iterable, name, body[0], self.span(self.starts[keyword], body[1]))

    def if_then(self, keyword: int, condition: Expr, body: Body) -> Conditional:
        return Conditional(False, condition, None, body[0], None, self.span(self.starts[keyword], body[1]))

    def if_else(self, keyword: int, condition: Expr, body: Body, _: int, otherwise: Body) -> Conditional:
        return Conditional(False, condition, None, body[0], otherwise[0], self.span(self.starts[keyword], otherwise[1]))

    def if_chain(self, keyword: int, condition: Expr, body: Body, _: int, other: Conditional) -> Conditional:
        if other.otherwise:
            self.deep = True
        return Conditional(False, condition, None, body[0], (other,), self.span(self.starts[keyword], other.span.end))

    def when_then(self, keyword: int, condition: Expr, name: Name | None, body: Body) -> Conditional:
        return self.if_then(keyword, condition, body)._replace(runtime=True, name=name)

    def when_else(
        self, keyword: int, condition: Expr, name: Name | None, body: Body, _: int, otherwise: Body
    ) -> Conditional:
        return self.if_else(keyword, condition, body, _, otherwise)._replace(runtime=True, name=name)

    def when_chain(
        self, keyword: int, condition: Expr, name: Name | None, body: Body, _: int, other: Conditional
    ) -> Conditional:
        return self.if_chain(keyword, condition, body, _, other)._replace(runtime=True, name=name)

    def repeat_times(self, keyword: int, name: Name, _: int, __: int, limit: Expr, body: Body) -> Repeat:
        return Repeat(name, limit, None, body[0], self.span(self.starts[keyword], body[1]))

    def repeat_until(
        self, keyword: int, name: Name, _: int, __: int, limit: Expr, ___: int, until: Expr, body: Body
    ) -> Repeat:
        return Repeat(name, limit, until, body[0], self.span(self.starts[keyword], body[1]))

    # --- declarations ---------------------------------------------------------------------------------------------

    def use(self, keyword: int, path: String, _: int, alias: Name, body: Body | None) -> Use:
        start = self.starts[keyword]
        end = body[1] if body else alias.span.end
        return Use(path, alias, body[0] if body else None, self.doc(start), self.span(start, end))

    def resource(self, keyword: int, name: Name, value: Expr | None, body: Body | None) -> Resource:
        start = self.starts[keyword]
        span = self.span(start, body[1] if body else (value or name).span.end)
        return Resource(self.name(keyword), name, value, body[0] if body else None, self.doc(start), span)

    def component(self, keyword: int, name: Name, _: int, kind: Name, body: Body) -> ComponentDecl:
        start = self.starts[keyword]
        return ComponentDecl(name, kind, body[0], self.doc(start), self.span(start, body[1]))

    def pipeline(self, keyword: int, name: Name, body: Body) -> Pipeline:
        start = self.starts[keyword]
        return Pipeline(name, body[0], self.doc(start), self.span(start, body[1]))

    def profile_all(self, keyword: int, name: Name, body: Body) -> Profile:
        start = self.starts[keyword]
        return Profile(name, None, self.overrides(body[0]), self.doc(start), self.span(start, body[1]))

    def profile_one(self, keyword: int, name: Name, _: int, target: Name, body: Body) -> Profile:
        start = self.starts[keyword]
        return Profile(name, target, self.overrides(body[0]), self.doc(start), self.span(start, body[1]))

    def overrides(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """What looks like a declaration in a profile replaces the value of one."""
        return tuple(self.override(item) for item in items)

    def override(self, item: Item) -> Item:
        if not isinstance(item, Param | Let | Data | Resource):
            return item
        value = item.default if isinstance(item, Param) else item.value
        word = item.keyword.text if isinstance(item, Resource) else type(item).__name__.lower()
        start = item.span.start
        if isinstance(item, Resource):
            keyword, extra = item.keyword, item.items
        else:
            keyword = Name(word, self.span(start, start + len(word)))
            extra = item.items if isinstance(item, Data) else None
        if extra is not None or value is None or (not isinstance(item, Resource) and item.type is not None):
            at = item.name.span
            self.error(
                "MLP0009",
                f"a profile only replaces the value of a `{word}`",
                at,
                f"expected `{word} {item.name.text} = …`",
            )
        if value is None:
            value = Literal(LiteralKind.NONE, None, "none", item.name.span)
        return Override(keyword, item.name, value, item.span)

    def schedule(self, keyword: int, name: Name, _: int, target: Name, body: Body) -> Schedule:
        start = self.starts[keyword]
        return Schedule(name, target, body[0], self.doc(start), self.span(start, body[1]))
