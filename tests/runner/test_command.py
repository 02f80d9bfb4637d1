"""What a command line becomes: Azure ML's placeholders and groups, with values that never turn into code."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_lang.runner.command import CommandError, expand

SHOW = f"{sys.executable} -S -c 'import json,sys; print(json.dumps(sys.argv[1:]))' "


def arguments(template: str, **inputs: str) -> list[str]:
    """What the program of a command line is given, by a real bash."""
    line = expand(template, inputs, {"out": "/o/out"})
    done = subprocess.run(["bash", "-c", SHOW + line], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("template", "inputs", "expected"),
    [
        ("--x ${{inputs.x}} --out ${{outputs.out}}", {"x": "1"}, ["--x", "1", "--out", "/o/out"]),
        ("--x ${{ inputs.x }}", {"x": "0.5"}, ["--x", "0.5"]),
        ("--x ${{inputs.x}}", {"x": "two words"}, ["--x", "two words"]),
        ("--x ${{inputs.x}}", {"x": ""}, ["--x", ""]),
        ('"${{inputs.x}}"', {"x": 'a "b" $HOME `id` \\'}, ['a "b" $HOME `id` \\']),
        ("'${{inputs.x}}'", {"x": "it's; rm -rf $HOME"}, ["it's; rm -rf $HOME"]),
        ("--x=${{inputs.x}}/${{inputs.y}}", {"x": "a b", "y": "c;d"}, ["--x=a b/c;d"]),
        ('"pre ${{inputs.x}} post" tail', {"x": "$(id)"}, ["pre $(id) post", "tail"]),
        ('"$(echo ${{inputs.x}})"', {"x": "a  b; id"}, ["a  b; id"]),
        ('"it\'s" ${{inputs.x}}', {"x": "'; id; '"}, ["it's", "'; id; '"]),
        ("${{inputs.x}}", {"x": '{"a": [1, "b c"]}'}, ['{"a": [1, "b c"]}']),
        ("a $[[--x ${{inputs.x}}]] b", {"x": "1"}, ["a", "--x", "1", "b"]),
        ("a $[[--x ${{inputs.x}}]] b", {}, ["a", "b"]),
        ("$[[--x ${{inputs.x}} ${{inputs.y}}]] b", {"x": "1"}, ["b"]),
        ("$[[--a ${{inputs.a}}]] $[[--b ${{inputs.b}}]]", {"b": "[1, 2]"}, ["--b", "[1, 2]"]),
        ("a \\\n  ${{inputs.x}}", {"x": "*"}, ["a", "*"]),
        ("a # it's a comment\ntrue ${{inputs.x}}", {"x": "$(touch /nowhere)"}, ["a"]),
    ],
)
def test_a_program_is_given_what_the_template_says(template: str, inputs: dict[str, str], expected: list[str]) -> None:
    assert arguments(template, **inputs) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))))
def test_any_text_arrives_whole_however_it_is_quoted(text: str) -> None:
    assert arguments('${{inputs.x}} "${{inputs.x}}" \'${{inputs.x}}\' "$(printf %s. ${{inputs.x}})"', x=text) == [
        text,
        text,
        text,
        text + ".",
    ]


@pytest.mark.parametrize(
    ("template", "value", "message"),
    [
        ("${{inputs.absent}}", "1", "has no value"),
        ("${{outputs.absent}}", "1", "no output of the component"),
        ("$[[--x ${{inputs.x}}", "1", "not closed"),
        ("`echo ${{inputs.x}}`", "a b", "cannot be quoted"),
        ("cat <<EOF\n${{inputs.x}}\nEOF", "$(id)", "cannot be quoted"),
        ("echo $(( ${{inputs.x}} + 1 ))", "a[$(id)]", "cannot be quoted"),
        ("echo ${HOME:-${{inputs.x}}}", "$(id)", "cannot be quoted"),
        ("eval ${{inputs.x}}", "$(id)", "cannot be quoted"),
        ("true # ${{inputs.x}}", "a\nid", "cannot be quoted"),
        ("echo $'a ${{inputs.x}}'", "'; id", "cannot be quoted"),
        ("${{inputs.x}}", "a\0b", "NUL"),
    ],
)
def test_a_line_that_cannot_be_made_safely_is_refused(template: str, value: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        expand(template, {"x": value}, {})


@pytest.mark.parametrize(
    "template", ["`echo ${{inputs.x}}`", "echo $(( ${{inputs.x}} + 1 ))", "cat <<E\n${{inputs.x}}\nE"]
)
def test_a_harmless_value_may_stand_anywhere(template: str) -> None:
    assert "17" in expand(template, {"x": "17"}, {})
