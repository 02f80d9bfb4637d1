"""`mlp fmt`: programs in canonical form, written back, compared or shown as a difference."""

import sys
from pathlib import Path
from typing import NamedTuple

import click
from mlp_lang.cli.completing import programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import report, wants_color, write_whole
from mlp_lang.cli.programs import STDIN, program_files, read_stdin
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.render import visible


class Formatted(NamedTuple):
    """`after` is None if the text has errors, which are then in `errors`."""

    before: bytes
    after: bytes | None
    errors: list[Diagnostic]


def formatted(name: str) -> Formatted:
    """The canonical form of a file, or of standard input (`-`)."""
    from mlp_lang.dsl.formatter import format_file
    from mlp_lang.dsl.parser import parse
    from mlp_lang.dsl.reading import decode, read
    from mlp_lang.dsl.source import display_path

    data = b""
    if name == STDIN:
        data = read_stdin()
        source, found = decode(data, "<stdin>")
    else:
        try:
            with open(name, "rb") as file:
                data = file.read()
            source, found = decode(data, display_path(Path(name)))
        except OSError:
            source, found = read(Path(name))  # which says why it cannot be read
    if source is None:
        return Formatted(data, None, found)
    tree, problems = parse(source)
    errors = [p for p in problems if p.severity is Severity.ERROR]
    return Formatted(data, None if errors else format_file(tree).encode(), errors)


@click.command(
    cls=Help,
    epilog=examples(
        "mlp fmt income.mlp           rewrite one file",
        "mlp fmt --check .            for CI: exit 1 if a file is not canonical",
        "mlp fmt --diff pipelines     show what would change, write nothing",
        "mlp fmt - < income.mlp       from standard input to standard output",
        codes="0 fine, 1 a file is not canonical (--check, --diff) or has errors, 2 the call is wrong",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILES|FOLDERS|-", shell_complete=programs)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not canonical.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change, and exit 1 if anything would.")
def command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Rewrite programs in canonical form.

    There is nothing to configure. Comments, blank lines that group and the author's order stay; a file with syntax
    errors is reported and left as it is.
    """
    names = program_files(files)
    errors: list[Diagnostic] = []
    changed: list[str] = []
    for name in names:
        result = formatted(name)
        errors += result.errors
        if result.after is None:
            continue
        same = result.after == result.before
        if not same:
            changed.append(name)
        if diff:
            if not same:
                _show(name, result.before.decode(), result.after.decode())
        elif check:
            if not same:
                sys.stdout.write(f"not canonical: {visible(name)}\n")
        elif name == STDIN:
            sys.stdout.buffer.write(result.after)
        elif not same:
            _write(name, result.after)
    report(errors, stream=sys.stderr)
    if not (check or diff) and STDIN not in names:
        sys.stderr.write(f"{_files(len(changed))} rewritten, {len(names) - len(changed)} left as they were\n")
    return 1 if errors or (changed and (check or diff)) else 0


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"


def _write(name: str, data: bytes) -> None:
    try:
        write_whole(name, data)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from None


def _show(name: str, before: str, after: str) -> None:
    from difflib import unified_diff

    accents = {"-": "\x1b[31m", "+": "\x1b[32m", "@": "\x1b[36m"} if wants_color(sys.stdout) else {}
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    for line in unified_diff(old, new, f"{name} (as it is)", f"{name} (canonical)"):
        accent = accents.get(line[0], "")
        body = line.rstrip("\r\n")
        # a carriage return is what differs in a file with CRLF: it must be seen
        ending = "\\r" if line.endswith(("\r\n", "\r")) else ""
        sys.stdout.write(f"{accent}{body}{ending}{accent and chr(27) + '[0m'}\n")
        if not line.endswith(("\n", "\r")):
            sys.stdout.write("\\ No newline at end of file\n")
