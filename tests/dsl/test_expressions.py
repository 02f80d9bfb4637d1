"""How expressions, literals, strings and types read: text beside the tree, spelled with all its parentheses."""

import pytest
from mlp_lang.dsl.parser import parse, parse_type
from mlp_lang.dsl.source import Source
from mlp_lang.dsl.spelling import flat
from mlp_lang.dsl.syntax import Binary, Expr, Group, Index, Let, Literal, LiteralKind, NamedType, String, Unary


def value(text: str) -> Expr:
    file, diagnostics = parse(Source("test.mlp", f"let x = {text}"))
    assert not diagnostics, diagnostics
    (let,) = file.items
    assert isinstance(let, Let)
    return let.value


def bracketed(node: Expr) -> str:
    match node:
        case Binary(operator, left, right):
            return f"({bracketed(left)} {operator} {bracketed(right)})"
        case Unary(operator, operand):
            return f"({operator} {bracketed(operand)})"
        case Group(inner):
            return f"<{bracketed(inner)}>"
        case Index(inner, key):
            return f"{bracketed(inner)}[{bracketed(key) if key else '*'}]"
    return flat(node)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a * b // c % d / e", "((((a * b) // c) % d) / e)"),
        ("-a * b", "((- a) * b)"),
        ("a - -1", "(a - (- 1))"),
        ("- - + a", "(- (- (+ a)))"),
        ("not a == b", "(not (a == b))"),
        ("not a and b or c", "(((not a) and b) or c)"),
        ("a or b and not c", "(a or (b and (not c)))"),
        ("a in b and c not in d", "((a in b) and (c not in d))"),
        ("a not  in b", "(a not in b)"),
        ("a < b + 1", "(a < (b + 1))"),
        ("(a < b) == (c < d)", "(<(a < b)> == <(c < d)>)"),
        ("a.b[0.5].c[*]", "a.b[0.5].c[*]"),
        ("f(1, x = a, *)".replace(", *", ""), "f(1, x = a)"),
        ("[1, [2,], {}]", "[1, [2], {}]"),
        ('{ a: 1, "b c": [2], }', '{ a: 1, "b c": [2] }'),
        ("if", "if"),
        ("step.data.train", "step.data.train"),
        ("f(\n  a,\n\n  b # why\n)", "f(a, b)"),
    ],
)
def test_expressions(text: str, tree: str) -> None:
    assert bracketed(value(text)) == tree


@pytest.mark.parametrize(
    ("text", "kind", "meaning"),
    [
        ("true", LiteralKind.BOOL, True),
        ("false", LiteralKind.BOOL, False),
        ("none", LiteralKind.NONE, None),
        ("007", LiteralKind.INT, 7),
        ("0.10", LiteralKind.FLOAT, 0.1),
        ("1e-8", LiteralKind.FLOAT, 1e-8),
        ("1.5E+3", LiteralKind.FLOAT, 1500.0),
        ("2h", LiteralKind.DURATION, 7200),
        ("1h30min", LiteralKind.DURATION, 5400),
        ("1.5h", LiteralKind.DURATION, 5400),
        ("250ms", LiteralKind.DURATION, 0.25),
        ("1d", LiteralKind.DURATION, 86400),
        ("10kB", LiteralKind.SIZE, 10_000),
        ("16GiB", LiteralKind.SIZE, 2**34),
        ("0.5KiB", LiteralKind.SIZE, 512),
    ],
)
def test_literals(text: str, kind: LiteralKind, meaning: object) -> None:
    literal = value(text)
    assert isinstance(literal, Literal)
    assert (literal.kind, literal.value, literal.text) == (kind, meaning, text)
    assert type(literal.value) is type(meaning)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('""', []),
        ('"plain # no comment"', ["plain # no comment"]),
        (r'"a\n\t\"\\\$\u00e9\U0001F600"', ['a\n\t"\\$é😀']),
        ('"${x}"', [("x",)]),
        ('"a ${f("b", {c: 1})} d ${e}"', ["a ", ('f("b", { c: 1 })',), " d ", ("e",)]),
        ('"${{parent.inputs.x}} $[[--y ${{inputs.y}}]]"', ["${{parent.inputs.x}} $[[--y ${{inputs.y}}]]"]),
        ('"$[[--y ${y}]]"', ["$[[--y ", ("y",), "]]"]),
        ('"$${x} $$${y} $ $$ 5$"', ["${x} $${y} $ $$ 5$"]),
        ('"""one line"""', ["one line"]),
        ('"""\n    a\n      b\n\n    c\n    """', ["a\n  b\n\nc"]),
        ('"""\n    a \\\n      b\n    c\\\\\n    """', ["a b\nc\\"]),
        ('"""\r\n\ta\r\n\tb"""', ["a\nb"]),
        ('"""\n  say "hi" ""\n\n  """', ['say "hi" ""\n']),
        ('"""\n    ${x}\n      y ${z}\n    """', [("x",), "\n  y ", ("z",)]),
        ('"""\n"""', []),
    ],
)
def test_strings(text: str, parts: list[object]) -> None:
    string = value(text)
    assert isinstance(string, String)
    assert [part if isinstance(part, str) else (flat(part),) for part in string.parts] == parts
    assert string.block is text.startswith('"""')


@pytest.mark.parametrize(
    "text",
    [
        "bool",
        "float(0..1)",
        "int(1..)",
        "int(..5)",
        "float(>0..<1)",
        "float(-1.5..limit / 2)",
        'enum("a", "b")',
        "list[int(0..)]",
        "map[list[string]]",
        "T?",
        "int | float(>0..) | none_like",
        "list[int]? | string?",
        "model[sklearn]",
        "like table",
        "duration(1min..2h)",
        "any",
        "param",
        "list[like table]",
    ],
)
def test_types(text: str) -> None:
    assert flat(parse_type(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float(0..", "`(` is never closed"),
        ("int(0.1.2)", "expected"),
        ("", "expected a name"),
        ("a b", "found `b`"),
        ("list[]", "`]`"),
    ],
)
def test_types_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="column") as caught:
        parse_type(text)
    assert message in str(caught.value)


def test_a_type_has_its_parts() -> None:
    kind = parse_type("float(>0..<1)")
    assert isinstance(kind, NamedType) and kind.range
    assert (kind.range.low_open, kind.range.high_open, kind.range.span.text) == (True, True, ">0..<1")
