"""What a diagnostic looks like: the underline in terminal cells, and the four forms of a report."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from mlp_lang.dsl.render import FORMATS, cells, count, render, visible
from mlp_lang.dsl.source import Source, Span


def marked(text: str, path: str = "a.mlp", **fields: Any) -> Diagnostic:
    """A diagnostic on the part of `text` between `«` and `»`."""
    start, end = text.index("«"), text.index("»") - 1
    source = Source(path, text.replace("«", "").replace("»", ""))
    return Diagnostic("MLP0203", "unknown input `x`", Span(source, start, end), **fields)


@pytest.mark.parametrize(
    ("line", "shown", "underline"),
    [
        ("  «abc» = 1", "  abc = 1", "  ^^^"),
        ("\t«abc»", "    abc", "    ^^^"),
        ("a\t«b»", "a   b", "    ^"),
        ("abcd\t«b»", "abcd    b", "        ^"),
        ("宽宽 «x»", "宽宽 x", "     ^"),
        ("«宽宽» x", "宽宽 x", "^^^^"),
        ("e\u0301 «x»", "e\u0301 x", "  ^"),
        ("«e\u0301»x", "e\u0301x", "^"),
        ("🎉 «x»", "🎉 x", "   ^"),
        ("👩\u200d👩\u200d👧 «x»", "👩\u200d👩\u200d👧 x", "   ^"),
        ("👍🏽 «x»", "👍🏽 x", "   ^"),
        ("❤\ufe0f «x»", "❤\ufe0f x", "   ^"),
        ("🇨🇭 «x»", "🇨🇭 x", "   ^"),
        ("\u1112\u1161\u11ab «x»", "\u1112\u1161\u11ab x", "   ^"),
        ("ｆｕ «x»", "ｆｕ x", "     ^"),
        ("\x1b[31m «x»", "\\x1b[31m x", "         ^"),
        ("a\u202eb «x»", "a\\u202eb x", "         ^"),
        ("a\x00 «x»", "a\\x00 x", "      ^"),
        ("x = «»", "x =", "    ^"),
        ("a «b»\r\nc", "a b", "  ^"),
    ],
)
def test_underline_counts_terminal_cells(line: str, shown: str, underline: str) -> None:
    lines = render([marked(line)]).splitlines()
    assert lines[1].startswith(" --> a.mlp:1:")
    assert lines[3] == f"1 | {shown}"
    assert lines[4] == f"  | {underline}"


TEXT = """\
error[MLP0203]: unknown input `x`
 --> a.mlp:9:3
  |
9 |   tset = 0.2
  |   ^^^^ not an input of tabular.split
  |
  = note: inputs are table, test_size
note: the component is chosen here
 --> a.mlp:8:21
  |
8 | prepare split using tabular.split {
  |                     -------------
help: did you mean `test_size`?
  |
9 -   tset = 0.2
9 +   test_size = 0.2

warning[MLP0301]: block
  --> b.mlp:1:1
   |
 1 | / a {
 2 | |   1
 3 | |   2
...  |
 9 | |   8
10 | | }
   | |_^ unused

error[MLP0302]: starts in a line
 --> c.mlp:1:5
  |
1 |   x = {
  |  _____^
2 | | }
  | |_^
  |
  = help: close it

2 errors, 1 warning
"""


def test_text_has_label_notes_related_places_and_suggestion() -> None:
    source = Source("a.mlp", "\n" * 7 + "prepare split using tabular.split {\n  tset = 0.2\n}\n")
    at = source.text.index("tset")
    chosen = Span(source, source.text.index("tabular"), source.text.index(" {"))
    found = [
        marked("x = «{\n}»\n", "c.mlp", help="close it")._replace(code="MLP0302", message="starts in a line"),
        marked("«a {\n" + "".join(f"  {i}\n" for i in range(1, 9)) + "}»\n", "b.mlp", label="unused")._replace(
            code="MLP0301", message="block", severity=Severity.WARNING
        ),
        Diagnostic(
            "MLP0203",
            "unknown input `x`",
            Span(source, at, at + 4),
            label="not an input of tabular.split",
            related=(Related(chosen, "the component is chosen here"),),
            notes=("inputs are table, test_size",),
            help="did you mean `test_size`?",
            fixes=(Fix("rename it", (Edit(Span(source, at, at + 4), "test_size"),)),),
        ),
    ]
    assert render(found) == TEXT


def test_color_changes_nothing_but_color() -> None:
    import re

    found = [marked("  «abc» = 1", label="here", help="do", notes=("so",))]
    colored = render(found, color=True)
    assert "\x1b[" in colored
    assert "\x1b[" not in render(found)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render(found)


def test_nothing_to_say_is_nothing_in_text_and_a_document_elsewhere() -> None:
    assert render([]) == ""
    assert json.loads(render([], "json")) == {"diagnostics": []}
    assert json.loads(render([], "sarif"))["runs"][0]["results"] == []
    assert render([], "github") == ""
    with pytest.raises(ValueError, match="text, json, sarif, github"):
        render([], "xml")


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        ([Severity.ERROR], "1 error"),
        ([Severity.ERROR, Severity.WARNING, Severity.ERROR], "2 errors, 1 warning"),
        ([Severity.NOTE, Severity.NOTE], "2 notes"),
        ([], ""),
    ],
)
def test_count(severities: list[Severity], said: str) -> None:
    assert count([marked("«a»")._replace(severity=s) for s in severities]) == said


def test_json_names_every_field() -> None:
    d = marked("\t«é»\r\n", label="l", help="h", notes=("n",))
    d = d._replace(related=(Related(d.span, "r"),), fixes=(Fix("f", (Edit(d.span, "e"),)),))
    place = {"file": "a.mlp", "line": 1, "column": 2, "end_line": 1, "end_column": 3}
    assert json.loads(render([d], "json")) == {
        "diagnostics": [
            {
                "code": "MLP0203",
                "severity": "error",
                "message": "unknown input `x`",
                **place,
                "label": "l",
                "related": [{**place, "message": "r"}],
                "fixes": [{"title": "f", "edits": [{**place, "replacement": "e"}]}],
                "notes": ["n"],
                "help": "h",
            }
        ]
    }


def test_sarif_has_rules_results_fixes_and_valid_uris() -> None:
    d = marked("a «b»", "mit Leer%/é.mlp", help="h")
    d = d._replace(code="MLP0801", related=(Related(d.span, "r"),), fixes=(Fix("f", (Edit(d.span, "e"),)),))
    log = json.loads(render([d, d._replace(code="MLP9999", severity=Severity.NOTE)], "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["MLP0801", "MLP9999"]
    assert rules[0]["help"]["text"] and rules[0]["shortDescription"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    first, second = run["results"]
    assert (first["level"], second["level"]) == ("error", "note")
    place = {
        "artifactLocation": {"uri": "mit%20Leer%25/%C3%A9.mlp"},
        "region": {"startLine": 1, "startColumn": 3, "endLine": 1, "endColumn": 4},
    }
    assert first["locations"] == [{"physicalLocation": place}]
    assert first["relatedLocations"][0]["physicalLocation"] == place
    (change,) = first["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": place["region"], "insertedContent": {"text": "e"}}]


@pytest.mark.parametrize(
    ("diagnostic", "line"),
    [
        (
            marked("a «b»")._replace(message="50% of\n`x`"),
            "::error file=a.mlp,line=1,col=3,endLine=1,endColumn=4,title=MLP0203::50%25 of%0A`x`",
        ),
        (
            marked("«b»", "a,b:c%.mlp", severity=Severity.WARNING),
            "::warning file=a%2Cb%3Ac%25.mlp,line=1,col=1,endLine=1,endColumn=2,title=MLP0203::unknown input `x`",
        ),
        (
            marked("«a\nb»", severity=Severity.NOTE, help="h"),
            "::notice file=a.mlp,line=1,col=1,endLine=2,title=MLP0203::unknown input `x`%0Ahelp: h",
        ),
    ],
)
def test_github_escapes_as_actions_do(diagnostic: Diagnostic, line: str) -> None:
    assert render([diagnostic], "github") == line + "\n"


def test_sorted_by_file_and_position() -> None:
    source, other = Source("b.mlp", "x\n" * 5), Source("a.mlp", "x\n" * 5)
    found = [Diagnostic("MLP0001", "m", Span(s, i, i + 1)) for s in (source, other) for i in (4, 0, 2)]
    places = [(d["file"], d["line"]) for d in json.loads(render(found, "json"))["diagnostics"]]
    assert places == sorted(places)


def test_a_fix_of_several_lines_shows_only_what_changes() -> None:
    d = marked("a\n«b»\nc\n")
    fix = Fix("split it", (Edit(d.span, "b1\nb2"),))
    lines = render([d._replace(fixes=(fix,))]).splitlines()
    assert lines[5:] == ["help: split it", "  |", "2 - b", "2 + b1", "3 + b2", "", "1 error"]


@given(
    st.lists(
        st.tuples(st.text(max_size=40), st.integers(-5, 50), st.integers(-5, 50), st.text(max_size=5)), max_size=4
    ),
    st.booleans(),
)
def test_any_text_and_any_span_render(cases: list[tuple[str, int, int, str]], color: bool) -> None:
    found = []
    for text, start, end, message in cases:
        span = Span(Source("f\n.mlp", text), start, end)
        fix = Fix(message, (Edit(span, message), Edit(span, message)))
        found.append(Diagnostic("MLP0001", message, span, message, related=(Related(span, message),), fixes=(fix,)))
    for form in FORMATS:
        shown = render(found, form, color)
        if form == "text" and not color:
            assert all(visible(line) == line for line in shown.split("\n"))


@given(st.text())
def test_cells_never_go_back(text: str) -> None:
    shown, starts = cells(text)
    assert len(starts) == len(text) + 1
    assert starts == sorted(starts)
    assert visible(shown) == shown


class Counted(str):
    """Text that counts how many characters were cut out of it."""

    __slots__ = ("cut",)

    def __getitem__(self, key: Any) -> str:
        piece = str(self)[key]
        self.cut = getattr(self, "cut", 0) + len(piece)
        return piece


def test_what_is_read_grows_with_the_errors_and_not_with_the_line() -> None:
    number = 1000
    source = Source("a.mlp", "")
    text = Counted("x" * 100 * number)
    source.text = text
    render([Diagnostic("MLP0001", "m", Span(source, i * 100, i * 100 + 1)) for i in range(number)])
    assert text.cut < number * 2000  # the line is 100,000 characters long
