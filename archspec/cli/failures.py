"""Turns exceptions into a message, a hint and an exit code. Nothing else does."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final

import click

from archspec.cli.console import tell
from archspec.cli.json_output import failure, is_first_process, print_failure
from archspec.cli.output_format import print_log, report
from archspec.cli.shortage import shortage_of
from archspec.cli.streams import flush_results, forget_output, from_printing
from archspec.diagnostics import SpecError
from archspec.plugins import culprit

WRONG: Final = 1  # the spec or the run is wrong
USAGE: Final = 2  # the command line is wrong
INTERNAL: Final = 70  # a fault of archspec itself (EX_SOFTWARE of sysexits.h)
INTERRUPTED: Final = 130  # 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE
DEBUG_VARIABLE: Final = "ARCHSPEC_DEBUG"


def exit_code_of(exception: BaseException, meta: MutableMapping[str, Any] | None = None) -> int:
    """Report this exception on stderr; return its exit code.

    meta: that of the command line's context. With `--json`, stdout gets the report too.
    """
    meta = {} if meta is None else meta
    if os.environ.get(DEBUG_VARIABLE) and not isinstance(exception, (SystemExit, click.exceptions.Exit)):
        import traceback

        with suppress(OSError):
            traceback.print_exception(exception)
    code = _code(exception)
    try:
        print_failure(meta, _report(exception, meta))
        print_log(meta)
        flush_results()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError:  # there is nowhere to report it
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


def _report(exception: BaseException, meta: MutableMapping[str, Any]) -> list[dict[str, Any]]:
    """Report the exception on stderr; return its diagnostics as JSON, or [] if stdout cannot or need not have them."""
    match exception:
        case SpecError():
            report(exception.diagnostics, meta)
            return [d.to_json() for d in exception.diagnostics]
        case click.exceptions.Exit() | SystemExit() | BrokenPipeError():
            return []
        case click.ClickException():
            _usage(exception)
            return []
        case KeyboardInterrupt() | click.Abort():
            tell("interrupted")
            return []
        case OSError() if from_printing(exception):
            tell(f"error: cannot write to standard output: {_reason(exception)}")
            return []
    message, hint = _unexpected(exception)
    return [failure(message, hint)]


def _unexpected(exception: BaseException) -> tuple[str, str | None]:
    """Report an exception that the spec did not cause; return message and hint."""
    shortage: tuple[str, str | None] | None = shortage_of(exception)
    if isinstance(exception, OSError):
        message = f"{_reason(exception)}{f': {exception.filename}' if exception.filename else ''}"
        shortage = shortage or (message, None)
    if shortage is not None:
        tell(f"error: {shortage[0]}", hint=shortage[1])
        return shortage
    message = f"internal error: {type(exception).__name__}: {exception}"[:500]
    where = "" if os.environ.get(DEBUG_VARIABLE) else f"; {DEBUG_VARIABLE}=1 shows where it happened"
    plugin = culprit(exception)
    advice = f"this is a bug in archspec, not in your spec; please report it with the spec{where}"
    if plugin is not None:
        advice = f"this is a bug in the plugin {plugin}, not in your spec{where}"
    tell(message)
    tell(advice)
    return message, advice


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()


def _usage(exception: click.ClickException) -> None:
    if not is_first_process():
        return
    context = getattr(exception, "ctx", None)
    if context is not None:
        sys.stderr.write(context.get_usage() + "\n")
    hint = f"`{context.command_path} --help` shows all options" if context is not None else None
    message = exception.format_message().rstrip(".")
    tell(f"error: {message[:1].lower()}{message[1:]}", hint=hint)
