"""`mlp check`: every error of every program, under every profile."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from mlp_lang.cli.completing import profiles, programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import exit_code, report, write_whole
from mlp_lang.cli.programs import STDIN, program_files, read_stdin
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.render import FORMATS


@click.command(
    cls=Help,
    epilog=examples(
        "mlp check                                 every program in this folder",
        "mlp check income.mlp --profile prod       one program, under one profile only",
        "mlp check . --format github               annotations in GitHub Actions",
        "mlp check . --format sarif > mlp.sarif    for code scanning",
        "mlp check --fix income.mlp                apply the fixes that are certain",
        "mlp check - < income.mlp                  from standard input",
    ),
)
@click.argument("files", nargs=-1, metavar="[FILES|FOLDERS|-]", shell_complete=programs)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the report."
)
@click.option(
    "--profile", metavar="NAME", shell_complete=profiles, help="Check under this profile only; all if not given."
)
@click.option("--fix", is_flag=True, help="Apply fixes in the named files, then check again.")
@click.option("--strict", is_flag=True, help="Let warnings count as errors in the exit code.")
def command(files: tuple[str, ...], form: str, profile: str | None, fix: bool, strict: bool) -> int:
    """Report what is wrong with programs: FILES, all programs in FOLDERS, or those in the working directory.

    Every pipeline is checked under every profile. Warnings do not change the exit code.
    """
    names = program_files(files or (".",))
    if fix and STDIN in names:
        raise click.UsageError("--fix writes to files; standard input is none.")
    found = _check(names, profile)
    if fix:
        found = _mend(names, profile, found)
    report(found, form)
    if not found and form == "text":
        sys.stderr.write(f"{len(names)} program{'s' * (len(names) != 1)} checked, nothing to report\n")
    return exit_code(found) or int(strict and any(d.severity is Severity.WARNING for d in found))


def _check(names: Sequence[str], profile: str | None) -> list[Diagnostic]:
    """Diagnostics of all files, each once: files that import the same file would repeat what is wrong with it."""
    from mlp_lang.compiler import check_file

    found: dict[Diagnostic | tuple[object, ...], Diagnostic] = {}
    for name in names:
        if name == STDIN:
            from mlp_lang.dsl.reading import decode

            source, problems = decode(read_stdin(), "<stdin>")
            if source is not None:
                problems = check_file(Path("<stdin>"), profile=profile, source=source)
        else:
            problems = check_file(Path(name), profile=profile)
        for d in problems:
            found.setdefault((d.code, d.message, d.span.source.path, d.span.start, d.span.end), d)
    return list(found.values())


def _mend(names: Sequence[str], profile: str | None, found: list[Diagnostic]) -> list[Diagnostic]:
    """Apply the fixes of `found` in the named files as long as that leaves fewer problems; gives what is left."""
    from mlp_lang.cli.fixing import fixed_texts

    applied = 0
    while True:
        texts, number = fixed_texts(found, names)
        if not texts:
            break
        before = {name: _read(name) for name in texts}
        for name, data in texts.items():
            _write(name, data)
        left = _check(names, profile)
        if len(left) >= len(found):  # a fix that mends nothing is none
            for name, data in before.items():
                _write(name, data)
            break
        found = left
        applied += number
    sys.stderr.write(f"{applied} fix{'es' * (applied != 1)} applied\n")
    return found


def _read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()


def _write(name: str, data: bytes) -> None:
    try:
        write_whole(name, data)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from None
