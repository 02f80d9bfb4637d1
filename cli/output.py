"""From diagnostics and texts to the terminal and to files: colour where it is wanted, files whole or not at all."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.render import render


def wants_color(stream: TextIO) -> bool:
    """Colour on a terminal, unless NO_COLOR (any text) or TERM=dumb says no; FORCE_COLOR says yes anywhere."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def report(diagnostics: Sequence[Diagnostic], format: str = "text", stream: TextIO | None = None) -> bool:
    """Print diagnostics (to standard output unless told otherwise); says whether there is an error among them."""
    stream = stream or sys.stdout
    stream.write(render(diagnostics, format, wants_color(stream)))
    return any(d.severity is Severity.ERROR for d in diagnostics)


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    """0 without errors, 2 if every error is in the call (`--profile prd`), 1 if any is in a program."""
    from mlp_lang.compiler.commandline import PATH

    places = {d.span.source.path for d in diagnostics if d.severity is Severity.ERROR}
    return 0 if not places else 2 if places == {PATH} else 1


def write_whole(path: str, data: bytes) -> None:
    """Replace a file's content at once, through a link if it is one, its mode kept. Raises OSError."""
    target = os.path.realpath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        mode = os.stat(target).st_mode & 0o7777
    except FileNotFoundError:
        mode = None
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def missing(command: str) -> Iterator[None]:
    """Around the imports of what only some installations have: the absence of a package is said, with the remedy."""
    import click

    try:
        yield
    except ModuleNotFoundError as error:
        raise click.UsageError(f"mlp {command} needs {error.name}: pip install 'mlp-lang[run]'") from None


def sentence(error: Exception) -> str:
    """What an error says, with a full stop unless it asks something."""
    said = str(error)
    return said if said.endswith("?") else f"{said}."
