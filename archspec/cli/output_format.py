"""`--output-format`: diagnostics as text, JSON, SARIF, or for GitHub."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import nullcontext, redirect_stdout
from functools import wraps
from typing import Any, Final, TypeVar, cast

import click

from archspec import __version__
from archspec.cli.console import print_diagnostics
from archspec.cli.json_output import PRINTED, WANTED, is_first_process, output_text
from archspec.diagnostics import Diagnostic

F = TypeVar("F", bound=Callable[..., Any])
FORMATS: Final = ("text", "json", "sarif", "github")
_FORMAT: Final = "archspec.format"  # keys in a context's `meta`, which all contexts of one command line share
_FOUND: Final = "archspec.found"


def note_format(ctx: click.Context, _: click.Parameter, value: str) -> str:
    """Callback of `--output-format`."""
    ctx.meta[WANTED] = ctx.meta.get(WANTED) or value == "json"
    ctx.meta[_FORMAT] = value
    return value


format_option = click.option(
    "--output-format", "form", type=click.Choice(FORMATS), default="text", show_default=True, is_eager=True,
    callback=note_format, help="How mistakes are printed: for people, programs, code scanning, or GitHub.",
)


def output_format_option(function: F) -> F:
    """`--output-format` for a command with a result: `json` is `--json`, `sarif` moves the result to stderr.

    The command has `json_option` too.
    """

    @wraps(function)
    def wrapped(*args: Any, form: str, as_json: bool, **rest: Any) -> Any:
        aside = redirect_stdout(sys.stderr) if form == "sarif" and not as_json else nullcontext()
        with aside:
            return function(*args, as_json=as_json or form == "json", **rest)

    return cast("F", format_option(wrapped))


def report(diagnostics: Iterable[Diagnostic], meta: MutableMapping[str, Any] | None = None) -> None:
    """Print diagnostics as the command line says; for SARIF keep them for `print_log`.

    meta: that of the command line's context; by default of the current one.
    """
    if meta is None:
        context = click.get_current_context(silent=True)
        meta = {} if context is None else context.meta
    form = _format(meta)
    if form == "sarif":
        meta.setdefault(_FOUND, []).extend(diagnostics)
    elif form == "github":
        from archspec.diagnostics.github import github

        for diagnostic in diagnostics if is_first_process() else ():
            click.echo(github(diagnostic))
    else:
        print_diagnostics(diagnostics)


def print_log(meta: MutableMapping[str, Any]) -> None:
    """At the end of a command: the SARIF log, if it is wanted and not printed yet."""
    if _format(meta) == "sarif" and not meta.get(PRINTED) and is_first_process():
        from archspec.diagnostics.sarif import sarif

        meta[PRINTED] = True
        click.echo(output_text(sarif(meta.get(_FOUND, ()), __version__)))


def _format(meta: MutableMapping[str, Any]) -> str:
    return "json" if meta.get(WANTED) else str(meta.get(_FORMAT, "text"))
