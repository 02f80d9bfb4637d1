"""`mlp explain`: what a diagnostic code means, from the catalogue."""

import sys

import click
from mlp_lang.cli.completing import codes
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import wants_color
from mlp_lang.dsl.explanations import Explanation, explanation
from mlp_lang.dsl.explanations import codes as known


@click.command(
    cls=Help,
    epilog=examples(
        "mlp explain MLP0203                  one code, with a wrong and a right program",
        "mlp explain                          all codes",
        "mlp explain --format json            all of it, for a machine",
        codes="0 fine, 2 there is no such code",
    ),
)
@click.argument("code", required=False, shell_complete=codes)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(code: str | None, form: str) -> int:
    """Explain a diagnostic CODE, with a program that yields it and the mended one; without CODE, list all."""
    found = [e for e in map(explanation, known() if code is None else [_code(code)]) if e]
    if form == "json":
        import json

        shown = [{"code": e.code, "title": e.title, "text": e.body} for e in found]
        sys.stdout.write(json.dumps(shown if code is None else shown[0], indent=2) + "\n")
    elif code is None:
        sys.stdout.write("".join(f"{e.code}  {e.title}\n" for e in found))
    else:
        sys.stdout.write(_shown(found[0], wants_color(sys.stdout)))
    return 0


def _code(text: str) -> str:
    """The code that a person means: `mlp203`, `203` and `MLP0203` are one. Raises click.BadParameter."""
    from mlp_lang.dsl.editdistance import closest

    digits = text.upper().removeprefix("MLP")
    code = f"MLP{int(digits):04}" if digits.isascii() and digits.isdigit() and len(digits) < 9 else text
    if explanation(code) is not None:
        return code
    near = closest(code.upper(), known())
    hint = f" Did you mean {', '.join(near)}?" if near else " `mlp explain` lists them."
    raise click.BadParameter(f"There is no code {text!r}.{hint}", param_hint="'CODE'")


def _shown(entry: Explanation, color: bool) -> str:
    """Markdown as a terminal reads it: headings bold, fences gone, programs indented."""
    bold, reset = ("\x1b[1m", "\x1b[0m") if color else ("", "")
    lines = [f"{bold}{entry.code}: {entry.title}{reset}", ""]
    program = False
    for line in entry.body.splitlines():
        if line.startswith("```"):
            program = not program
        elif program:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("## "):
            lines.append(f"{bold}{line[3:]}{reset}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
