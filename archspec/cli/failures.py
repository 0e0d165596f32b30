"""The one place that turns an exception into a message, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.shortage import shortage_of
from archspec.cli.streams import came_of_printing, flush_results, forget_output
from archspec.diagnostics import SpecError

WRONG: Final = 1  # the spec or the run is wrong
USAGE: Final = 2  # the command line is wrong
INTERNAL: Final = 70  # a fault of archspec itself (EX_SOFTWARE of sysexits.h)
INTERRUPTED: Final = 130  # 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE
DEBUG_VARIABLE: Final = "ARCHSPEC_DEBUG"


def exit_code_of(exception: BaseException) -> int:
    """Report this exception on stderr; return the exit code that stands for it."""
    if os.environ.get(DEBUG_VARIABLE) and not isinstance(exception, (SystemExit, click.exceptions.Exit)):
        import traceback

        with suppress(OSError):
            traceback.print_exception(exception)
    code = _code(exception)
    try:
        _report(exception)
        flush_results()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError:  # nowhere left to say it
        pass
    forget_output()
    return code


def _code(exception: BaseException) -> int:
    match exception:
        case click.exceptions.Exit() | click.ClickException():
            return exception.exit_code
        case SystemExit():
            return exception.code if isinstance(exception.code, int) else int(exception.code is not None)
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case BrokenPipeError():
            return PIPE_CLOSED
        case SpecError() | OSError():
            return WRONG
        case _:
            return WRONG if shortage_of(exception) else INTERNAL


def _report(exception: BaseException) -> None:
    match exception:
        case SpecError():
            print_diagnostics(exception.diagnostics)
        case click.exceptions.Exit() | SystemExit() | BrokenPipeError():
            pass
        case click.ClickException():
            _usage(exception)
        case KeyboardInterrupt() | click.Abort():
            tell("interrupted")
        case OSError():
            _system(exception)
        case _:
            shortage = shortage_of(exception)
            if shortage is None:
                _internal(exception)
            else:
                tell(f"error: {shortage[0]}", hint=shortage[1])


def _system(problem: OSError) -> None:
    text = (problem.strerror or str(problem)).lower()
    if came_of_printing(problem):
        tell(f"error: cannot write to standard output: {text}")
    else:
        tell(f"error: {text}{f': {problem.filename}' if problem.filename else ''}")


def _usage(exception: click.ClickException) -> None:
    if os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("RANK", "0") != "0":
        return  # of the processes that torchrun starts only rank 0 says it
    context = getattr(exception, "ctx", None)
    if context is not None:
        sys.stderr.write(context.get_usage() + "\n")
    hint = f"`{context.command_path} --help` shows all options" if context is not None else None
    message = exception.format_message().rstrip(".")
    tell(f"error: {message[:1].lower()}{message[1:]}", hint=hint)


def _internal(exception: BaseException) -> None:
    tell(f"internal error: {type(exception).__name__}: {exception}"[:500])
    hint = "" if os.environ.get(DEBUG_VARIABLE) else f"; {DEBUG_VARIABLE}=1 shows where it happened"
    tell(f"this is a fault of archspec, not of your spec; please report it with the spec{hint}")
