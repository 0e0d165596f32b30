"""`archspec validate`: everything that is wrong with some specs, in one run. Never imports torch."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.collect import Found, collect
from archspec.cli.console import GREEN, RED, coloured, print_diagnostics, styled
from archspec.cli.failures import WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import Reading, SpecPath, json_option, spec_options
from archspec.diagnostics import plural

if TYPE_CHECKING:
    from archspec.api import Examined

Results = dict[str, "Examined"]


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=SpecPath(folders=True), metavar="PATH...")
@click.option("--data", "look_at_data", is_flag=True,
              help="Also look whether the data sets of the recipes are there, and suit the network.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="With --data: where data sets are looked for first; also $ARCHSPEC_DATA.")
@spec_options
@json_option
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[str, ...], look_at_data: bool, data_root: Path | None, reading: Reading,
    as_json: bool,
) -> None:
    """Check specs, block libraries and sweeps: files, folders (searched for them), or names of shipped specs.

    Reports all independent errors of all files. Checks what each spec expects of its shapes and counts, and
    whether its network suits the data set of its recipe. Warnings: valid, but probably not what you meant.
    Exit code 0: all are valid; 1: some are not; 2: the command line is wrong.
    """
    from archspec.api import examine, examine_library

    arguments = reading.arguments()
    found = collect(paths, arguments["text_limits"])
    if not found.specs and not found.libraries and not found.sweeps:
        raise click.UsageError(f"no spec found in {', '.join(paths)}: a spec has a top-level `archspec: 1`", ctx)
    if len(found.specs) > 1:
        gc.enable()  # `main` turned it off for the start
    specs = {path: examine(_path(path), training=True, **arguments) for path in found.specs}
    if look_at_data or data_root is not None:
        specs = {path: _with_data(one, data_root) for path, one in specs.items()}
    reads = {key: arguments[key] for key in ("includes", "limits", "text_limits")}
    libraries = {path: examine_library(_path(path), **reads) for path in found.libraries}
    sweeps = {path: _examined_sweep(path) for path in found.sweeps}
    if as_json:
        print_json(_plain(specs, libraries, sweeps, found))
    else:
        _report({"spec": specs, "block library": libraries, "sweep": sweeps}, found)
    if any(one.errors for one in (*specs.values(), *libraries.values(), *sweeps.values())):
        ctx.exit(WRONG)


def _with_data(examined: Examined, root: Path | None) -> Examined:
    """The spec with what is wrong with the data sets of its recipes."""
    from archspec.data.present import check_recipes_present

    if examined.loaded is None:
        return examined
    found = check_recipes_present(examined.loaded.recipes, examined.loaded.graph, root)
    known = {(d.code, d.message) for d in examined.errors}
    more = (d for d in found if (d.code, d.message) not in known)
    return replace(examined, errors=(*examined.errors, *more))


def _path(text: str) -> str | Path:
    """What `examine` takes for a file: it takes a string with a line break for a spec itself."""
    return Path(text) if "\n" in text else text


def _examined_sweep(path: str) -> Examined:
    from archspec.sweep.check import examine_sweep

    return examine_sweep(path)


def _report(groups: dict[str, Results], found: Found) -> None:
    """groups: noun → results."""
    results = [one for group in groups.values() for one in group.values()]
    reported = dict.fromkeys(d for one in results for d in (*one.errors, *one.warnings))  # a library's error once
    print_diagnostics(reported)
    errors = sum(d.severity == "error" for d in reported)
    warnings = f", {plural(len(reported) - errors, 'warning')}" if len(reported) > errors else ""
    colour = coloured(sys.stdout)
    if errors:
        parts = [_share(group, noun) for noun, group in groups.items()]
        summary = styled(plural(errors, "error"), RED, on=colour) + f" in {' and '.join(filter(None, parts))}"
    else:
        valid = " and ".join(plural(len(group), noun) for noun, group in groups.items() if group)
        summary = styled(f"{valid} valid", GREEN, on=colour)
    click.echo(summary + warnings + _skipped(found), color=colour)


def _share(results: Results, noun: str) -> str:
    """`1 of 2 specs`, of those with errors; empty where there are none."""
    wrong = sum(bool(one.errors) for one in results.values())
    return f"{wrong} of {plural(len(results), noun)}" if wrong else ""


def _skipped(found: Found) -> str:
    parts = []
    if found.records:
        parts.append(plural(len(found.records), "record of a run", "records of runs"))
    if found.others:
        parts.append(f"{plural(len(found.others), 'YAML file')} without `archspec:`")
    return f" (skipped: {', '.join(parts)})" if parts else ""


def _plain(specs: Results, libraries: Results, sweeps: Results, found: Found) -> dict[str, Any]:
    return {
        "format": 1,
        "specs": _entries(specs),
        "libraries": _entries(libraries),
        "sweeps": _entries(sweeps),
        "skipped": [*found.records, *found.others],
    }


def _entries(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "path": path, "valid": not one.errors, "diagnostics": [d.to_json() for d in one.errors],
            "warnings": [d.to_json() for d in one.warnings],
        }
        for path, one in results.items()
    ]
