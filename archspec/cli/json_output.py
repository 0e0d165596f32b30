"""`--json`: a command prints JSON to stdout, even if it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

WANTED: Final = "archspec.json"  # key in a context's `meta`, which all contexts of one command line share
PRINTED: Final = "archspec.json.printed"


def note_wanted(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    """Callback of `--json`."""
    ctx.meta[WANTED] = ctx.meta.get(WANTED) or value
    return value


def print_json(data: Mapping[str, Any]) -> None:
    """Print the result of a command."""
    click.echo(output_text(data))
    note_printed()


def note_printed() -> None:
    """Note that stdout has its document, so that a failure does not add another."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[PRINTED] = True


def output_text(data: Mapping[str, Any]) -> str:
    """JSON for stdout, in which characters that its encoding may lack are escaped."""
    from archspec.standard_json import json_text  # which plain text does without

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return json_text(data, indent=2, ascii_only=not encoding.startswith("utf"))


def print_failure(meta: Mapping[str, Any], diagnostics: Sequence[dict[str, Any]]) -> None:
    """Print why the command failed, if `--json` was given and nothing is printed yet. stderr has it as text."""
    if diagnostics and meta.get(WANTED) and not meta.get(PRINTED) and is_first_process():
        click.echo(output_text({"format": 1, "diagnostics": diagnostics}))


def is_first_process() -> bool:
    """Whether this is the only process, or the one of rank 0, which prints for all."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


def failure(message: str, hint: str | None) -> dict[str, Any]:
    """A failure without a code, in the form of a diagnostic."""
    return {
        "code": None, "severity": "error", "message": message, "span": None, "path": [], "related": [], "notes": [],
        "hint": hint, "fix": None,
    }
