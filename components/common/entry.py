"""From a script's command line to an exit code: parsing, and one `mlp: …` line on stderr instead of a traceback."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


class Refusal(Exception):  # noqa: N818 - it names what the step does
    """What the user can mend; the text says what is wrong and what to do, in one line, without private values."""


class Withheld(Exception):  # noqa: N818
    """Wraps an error whose text may quote private rows; only its type is ever printed."""


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses instead of printing its usage and exiting 2."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"command line: {message}")


def parser(description: str) -> Parser:
    """A parser whose options must be spelled in full."""
    return Parser(description=description, allow_abbrev=False)


def value(text: str) -> Any:
    """The value that a piece of command line stands for: JSON, or `True` and `False` as Azure ML spells them.

    Raises Refusal for anything else, infinities and NaN included.
    """
    if text in ("True", "False"):
        return text == "True"
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(f"{text!r} is not JSON: {error}") from None


def word(text: str) -> str:
    """A word that a program gives beside other types comes as JSON, in quotes; at a command line it is bare."""
    return str(value(text)) if text.startswith('"') else text


def boolean(text: str) -> bool:
    """A boolean input: `true`, `True`, `false` or `False`."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
    raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def run(work: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> NoReturn:
    """Parse the command line, do the work, exit: 0, or 1 with the last line of stderr saying why.

    An unexpected error is told by type and message, but by type and place alone where `--facts` names private data,
    because messages of libraries quote values. `MLP_TRACEBACK=1` prints the traceback of public data's errors.
    """
    private = False
    try:
        options = arguments.parse_args()
        private = _is_private(getattr(options, "facts", None))
        work(options)
    except Refusal as refusal:
        _fail(str(refusal))
    except Withheld as error:
        _fail(f"{error}; the message is withheld because the data is private")
    except KeyboardInterrupt:
        _fail("interrupted")
    except MemoryError:
        _fail("out of memory; use a larger machine or fewer rows")
    except Exception as error:
        if os.environ.get("MLP_TRACEBACK") and not private:
            traceback.print_exc()
        if private:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            _fail(
                f"unexpected {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}; "
                "its message is withheld because the data is private"
            )
        _fail(f"unexpected {type(error).__name__}: {error} (MLP_TRACEBACK=1 shows where)")
    sys.stdout.flush()
    sys.exit(0)


def _is_private(facts: Path | str | None) -> bool:
    """Whether a facts file speaks of private data; an unreadable one counts as private here and is reported later."""
    if facts is None:
        return False
    try:
        return bool(json.loads(Path(facts).read_bytes()).get("private"))
    except (OSError, ValueError, AttributeError):
        return True


def _fail(message: str) -> NoReturn:
    sys.stdout.flush()
    print("mlp: " + " ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(1)
