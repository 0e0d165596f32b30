"""`--json`: what a command prints on stdout is JSON, also where the command fails."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

WANTED: Final = "archspec.json"  # in a context's `meta`, which all contexts of one command line share
PRINTED: Final = "archspec.json.printed"


def note_wanted(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    """Callback of `--json`."""
    ctx.meta[WANTED] = value
    return value


def print_json(ctx: click.Context, data: dict[str, Any]) -> None:
    """Print a result, after which the command may still fail."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    ctx.meta[PRINTED] = True


def print_failure(meta: Mapping[str, Any], diagnostics: Sequence[dict[str, Any]]) -> None:
    """Print why the command failed, where `--json` was given and nothing is printed yet; stderr has it as text."""
    first = os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"
    if diagnostics and meta.get(WANTED) and not meta.get(PRINTED) and first:
        click.echo(json.dumps({"format": 1, "diagnostics": diagnostics}, indent=2, ensure_ascii=False))


def failure(message: str, hint: str | None) -> dict[str, Any]:
    """A failure that has no code, in the form of a diagnostic."""
    return {"code": None, "severity": "error", "message": message, "span": None, "notes": [], "hint": hint}
