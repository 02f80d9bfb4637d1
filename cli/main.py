"""From the command line to one exit code; no traceback reaches a person."""

import sys

OK, WRONG_PROGRAM, WRONG_CALL, FAILED_RUN = 0, 1, 2, 3
INTERNAL = 70  # EX_SOFTWARE: mlp itself is wrong
INTERRUPTED = 130
BROKEN_PIPE = 141


def main() -> int:
    """Run the command that `sys.argv` names; gives the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:  # asked by scripts and prompts: not worth loading click for
        from mlp_lang import __version__

        print(f"mlp {__version__}")
        return OK
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        return _closed()
    except Exception as error:  # the last resort of a program that promises no tracebacks
        return _internal(error)


def _run(arguments: list[str]) -> int:
    import gc
    import os

    # Short commands build trees that live until the end: collecting garbage among them costs a third of the time.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character shows its escape
            stream.reconfigure(errors="backslashreplace")

    import click
    from mlp_lang.cli.group import cli

    if "_MLP_COMPLETE" in os.environ:
        cli.main(prog_name="mlp", complete_var="_MLP_COMPLETE")
    try:
        with cli.make_context("mlp", list(arguments)) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as exit_:
        sys.stdout.flush()
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return WRONG_CALL
    except click.ClickException as error:
        sys.stdout.flush()
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def _closed() -> int:
    """Whoever read our output has gone: say nothing, and leave nothing for the interpreter's last flush to fail on."""
    import os

    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    return BROKEN_PIPE


def _internal(error: Exception) -> int:
    import os
    import platform

    from mlp_lang import __version__

    if os.environ.get("MLP_DEBUG"):
        import traceback

        traceback.print_exc()
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    said = " ".join(str(error).split())[:300]
    sys.stderr.write(
        f"internal error: {type(error).__name__} at {where}: {said}\n"
        "  This is a fault of mlp, not of your program. Set MLP_DEBUG=1 to see the trace, and report it with the\n"
        "  program that caused it, this message, and: "
        f"mlp {__version__}, Python {platform.python_version()}, {sys.platform}.\n"
    )
    return INTERNAL


if __name__ == "__main__":
    sys.exit(main())
