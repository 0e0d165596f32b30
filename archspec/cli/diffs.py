"""The files that `fmt` and `validate --fix` change: unified diffs, for people and for `patch`, and failures."""

from __future__ import annotations

import re
import sys
from difflib import unified_diff
from typing import Final

import click

from archspec.cli.console import BOLD, GREEN, RED, coloured, styled
from archspec.diagnostics import Diagnostic, one_line
from archspec.text import clean

_STYLES: Final = {"-": (RED,), "+": (GREEN,), "@": (BOLD,)}
_NO_END: Final = "\\ No newline at end of file"
_ENDS: Final = r"\r\n|\r|\n"


def print_diff(path: str, before: str, after: str) -> None:
    """Print the diff to stdout, with control characters escaped."""
    if set(re.findall(_ENDS, before)) == set(re.findall(_ENDS, after)):  # otherwise the line ends are the change
        before, after = (re.sub(_ENDS, "\n", text) for text in (before, after))
    colour, name = coloured(sys.stdout), clean(one_line(path))
    for line in unified_diff(_lines(before), _lines(after), name, name, lineterm=""):
        for row in line.split("\n"):
            click.echo(styled(clean(row), *_STYLES.get(line[:1], ()), on=colour), color=colour)


def not_written(path: str, problem: OSError) -> Diagnostic:
    """The diagnostic for a changed file that cannot be written."""
    reason = (problem.strerror or str(problem)).lower()
    return Diagnostic("SPEC001", f"{clean(one_line(path))} cannot be written: {reason}")


def _lines(text: str) -> list[str]:
    """The lines for a diff; a missing end of the last one counts as a change."""
    *lines, last = text.split("\n")
    return [*lines, f"{last}\n{_NO_END}"] if last else lines
