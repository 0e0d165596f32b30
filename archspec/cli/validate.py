"""`archspec validate`: everything that is wrong with some specs, in one run. Never imports torch."""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.collect import Found, collect
from archspec.cli.console import GREEN, RED, coloured, plural, print_diagnostics, styled
from archspec.cli.failures import WRONG
from archspec.cli.options import Reading, SpecPath, json_option, spec_options

if TYPE_CHECKING:
    from archspec.api import Examined

Results = dict[str, "Examined"]


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=SpecPath(folders=True), metavar="PATH...")
@spec_options
@json_option
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...], reading: Reading, as_json: bool) -> None:
    """Check specs: files, folders (searched for specs), or names of shipped specs.

    Tells all independent errors of all of them, and checks what each spec expects of its shapes and counts, and
    whether its network suits the data set of its recipe. Warnings are of what is valid, but hardly meant.
    Exit code 0: all are valid; 1: some are not; 2: the command line is wrong.
    """
    from archspec.api import examine

    found = collect(paths)
    if not found.specs:
        raise click.UsageError(f"no spec found in {', '.join(paths)}: a spec has a top-level `archspec: 1`", ctx)
    arguments = reading.arguments()
    if len(found.specs) > 1:
        gc.enable()  # `main` turned it off for the start
    results = {path: examine(path, training=True, **arguments) for path in found.specs}
    if as_json:
        click.echo(json.dumps(_plain(results, found), indent=2, ensure_ascii=False))
    else:
        _report(results, found)
    if any(found.errors for found in results.values()):
        ctx.exit(WRONG)


def _report(results: Results, found: Found) -> None:
    told = dict.fromkeys(d for one in results.values() for d in (*one.errors, *one.warnings))  # a library's error once
    print_diagnostics(told)
    errors = sum(d.severity == "error" for d in told)
    warnings = f", {plural(len(told) - errors, 'warning')}" if len(told) > errors else ""
    wrong = sum(bool(one.errors) for one in results.values())
    colour = coloured(sys.stdout)
    if wrong:
        summary = styled(plural(errors, "error"), RED, on=colour) + f" in {wrong} of {plural(len(results), 'spec')}"
    else:
        summary = styled(f"{plural(len(results), 'spec')} valid", GREEN, on=colour)
    click.echo(summary + warnings + _skipped(found), color=colour)


def _skipped(found: Found) -> str:
    parts = []
    if found.libraries:
        parts.append(f"{len(found.libraries)} block librar{'y' if len(found.libraries) == 1 else 'ies'}")
    if found.others:
        parts.append(f"{plural(len(found.others), 'YAML file')} without `archspec:`")
    return f" (skipped: {', '.join(parts)})" if parts else ""


def _plain(results: Results, found: Found) -> dict[str, Any]:
    return {
        "format": 1,
        "specs": [
            {
                "path": path, "valid": not one.errors, "diagnostics": [d.to_json() for d in one.errors],
                "warnings": [d.to_json() for d in one.warnings],
            }
            for path, one in results.items()
        ],
        "skipped": [*found.libraries, *found.others],
    }
