"""The one place that turns an exception into a message, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.diagnostics import SpecError

WRONG: Final = 1  # the spec or the run is wrong
USAGE: Final = 2  # the command line is wrong
INTERNAL: Final = 70  # a fault of archspec itself (EX_SOFTWARE of sysexits.h)
INTERRUPTED: Final = 130  # 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE
DEBUG_VARIABLE: Final = "ARCHSPEC_DEBUG"


def exit_code_of(exception: BaseException) -> int:
    """Tell the user of this exception on stderr; return the exit code that stands for it."""
    if os.environ.get(DEBUG_VARIABLE) and not isinstance(exception, (SystemExit, click.exceptions.Exit)):
        import traceback

        traceback.print_exception(exception)
    try:
        code = _handle(exception)
        flush_results()
    except BrokenPipeError:
        _forget_output()
        return PIPE_CLOSED
    return code


def flush_results() -> None:
    """Write what is still buffered now, where a failure is still told; raises OSError."""
    sys.stdout.flush()
    sys.stderr.flush()


def _handle(exception: BaseException) -> int:
    match exception:
        case SpecError():
            print_diagnostics(exception.diagnostics)
            return WRONG
        case click.exceptions.Exit():
            return exception.exit_code
        case SystemExit():
            return exception.code if isinstance(exception.code, int) else int(exception.code is not None)
        case click.ClickException():
            return _usage(exception)
        case KeyboardInterrupt() | click.Abort():
            tell("interrupted")
            return INTERRUPTED
        case BrokenPipeError():
            raise exception
        case MemoryError():
            tell("error: out of memory", hint="close other programs, or make the input or the batch smaller")
            return WRONG
        case OSError():
            place = f": {exception.filename}" if exception.filename else ""
            tell(f"error: {(exception.strerror or str(exception)).lower()}{place}")
            return WRONG
        case _:
            return _internal(exception)


def _usage(exception: click.ClickException) -> int:
    if os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("RANK", "0") != "0":
        return exception.exit_code  # of the processes that torchrun starts the first one says it
    context = getattr(exception, "ctx", None)
    if context is not None:
        sys.stderr.write(context.get_usage() + "\n")
    hint = f"`{context.command_path} --help` tells more" if context is not None else None
    message = exception.format_message().rstrip(".")
    tell(f"error: {message[:1].lower()}{message[1:]}", hint=hint)
    return exception.exit_code


def _internal(exception: BaseException) -> int:
    tell(f"internal error: {type(exception).__name__}: {exception}"[:500])
    hint = "" if os.environ.get(DEBUG_VARIABLE) else f"; {DEBUG_VARIABLE}=1 shows where it happened"
    tell(f"this is a fault of archspec, not of your spec; please report it with the spec{hint}")
    return INTERNAL


def _forget_output() -> None:
    """Nobody reads stdout any more: keep the interpreter from complaining of it at its end."""
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(sink, stream.fileno())
