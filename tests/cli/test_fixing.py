"""Which fixes are applied, and what becomes of the text."""

from pathlib import Path

import pytest
from mlp_lang.cli.fixing import fixed_texts
from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix
from mlp_lang.dsl.source import Source, Span

TEXT = "0123456789\n"


@pytest.mark.parametrize(
    ("fixes", "text", "number"),
    [
        ([[(2, 4, "x")]], "01x456789\n", 1),
        ([[(2, 4, "x")], [(6, 7, "")]], "01x45789\n", 2),
        ([[(6, 7, "")], [(2, 4, "x")]], "01x45789\n", 2),
        ([[(2, 4, "x"), (8, 8, "y")]], "01x4567y89\n", 1),
        ([[(2, 4, "x")], [(4, 6, "y")]], "01xy6789\n", 2),
        ([[(2, 4, "x")], [(3, 6, "y")]], "01x456789\n", 1),
        ([[(2, 4, "x")], [(1, 9, "y")]], "01x456789\n", 1),
        ([[(1, 9, "y")], [(2, 4, "x")]], "0y9\n", 1),
        ([[(2, 2, "x")], [(2, 2, "y")]], "01x23456789\n", 1),
        ([[(2, 4, "x")], [(3, 6, "y"), (8, 9, "z")]], "01x456789\n", 1),
        ([[]], None, 0),
    ],
)
def test_fixes_that_overlap_wait(
    tmp_path: Path, fixes: list[list[tuple[int, int, str]]], text: str | None, number: int
) -> None:
    path = tmp_path / "a.mlp"
    path.write_text(TEXT)
    source = Source(str(path), TEXT)
    found = [
        Diagnostic(
            "MLP0001", "m", Span(source, 0, 1), fixes=(Fix("f", tuple(Edit(Span(source, a, b), r) for a, b, r in fix)),)
        )
        for fix in fixes
    ]
    texts, applied = fixed_texts(found, [str(path)])
    assert applied == number
    assert texts == ({} if text is None else {str(path): text.encode()})


def test_a_choice_of_fixes_and_another_file_are_left_to_a_person(tmp_path: Path) -> None:
    path = tmp_path / "a.mlp"
    path.write_text(TEXT)
    source = Source(str(path), TEXT)
    fix = Fix("f", (Edit(Span(source, 0, 1), "x"),))
    one, two = (Diagnostic("MLP0001", "m", Span(source, 0, 1), fixes=f) for f in ((fix,), (fix, fix)))
    assert fixed_texts([two], [str(path)]) == ({}, 0)
    assert fixed_texts([one], [str(tmp_path / "b.mlp")]) == ({}, 0)
