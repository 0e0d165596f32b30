"""The three standard streams, even if one of them is closed, full, or no longer read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

CLOSED: Final = "standard output is closed"
_PRINTERS: Final = ("click.utils", "click._compat", "rich.console", "archspec.cli.console", __name__)


def open_closed() -> bool:
    """Open closed streams on the null device. Returns whether standard output was open.

    Otherwise the next file that is opened would get the descriptor, and everything that is printed.
    """
    there = sys.stdout is not None
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free descriptor, which is `number`
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    return there


def tolerate_encodings() -> None:
    """Replace characters that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def flush_results() -> None:
    """Flush standard output now, while a failure can still be reported. Raises OSError."""
    sys.stdout.flush()
    sys.stderr.flush()


def from_printing(problem: OSError) -> bool:
    """Whether the error is a failure to write to standard output: it comes from printing and names no file."""
    place = problem.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return problem.filename is None and place is not None and place.tb_frame.f_globals.get("__name__") in _PRINTERS


def forget_output() -> None:
    """Drop output that cannot be written; otherwise the interpreter would report an error at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):  # a stream without a descriptor
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, stream.fileno())
                os.close(sink)
