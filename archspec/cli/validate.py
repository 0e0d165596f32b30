"""`archspec validate`: report every mistake in specs in one run. Never imports torch."""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.collect import Found, collect
from archspec.cli.failures import WRONG
from archspec.cli.mistakes import Done, Results, all_diagnostics, show
from archspec.cli.options import Reading, SpecPath, json_option, spec_options
from archspec.cli.output_format import format_option
from archspec.cli.stdin import STDIN, read_stdin

if TYPE_CHECKING:
    from archspec.api import Examined


_GARBAGE: Final = 20_000  # new objects between two collections; with Python's 700 they take a quarter of the time
_READS: Final = ("includes", "limits", "text_limits")  # the arguments that also apply to libraries


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=SpecPath(folders=True), metavar="PATH...")
@click.option("--fix", is_flag=True, help="Apply the safe fixes of hints to the given files.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: also the fixes that may change the meaning.")
@click.option("--diff", is_flag=True, help="Write nothing; show what --fix would change. Exit code 1 if it would.")
@click.option("--data", "look_at_data", is_flag=True,
              help="Also check that the recipes' data sets are present and match the network.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="With --data: folder to search first for data sets; also $ARCHSPEC_DATA.")
@spec_options
@format_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[str, ...], fix: bool, unsafe_fixes: bool, diff: bool, look_at_data: bool,
    data_root: Path | None, reading: Reading, form: str, as_json: bool,
) -> None:
    """Check specs, block libraries and sweeps: files, folders (searched for them), shipped names, - for stdin.

    Reports all independent errors of all files. Also checks each spec's `expect`, and whether its network
    matches the data set of its recipe. Warnings: valid, but probably not what you meant.
    Exit code 0: all are valid (with --fix: after the fixes); 1: some are not; 2: the command line is wrong.
    """
    _check_options(ctx, paths, reading, fix=fix or diff, unsafe_fixes=unsafe_fixes)
    arguments = reading.arguments()
    limits = arguments["text_limits"]
    stdin = read_stdin(paths, limits)
    found = collect(paths, limits)
    if not found.specs and not found.libraries and not found.sweeps:
        raise click.UsageError(f"no spec found in {', '.join(paths)}: a spec has a top-level `archspec: 1`", ctx)
    if len(found.specs) > 1:
        gc.set_threshold(_GARBAGE)
        gc.enable()  # `main` turned it off for the start
    check = partial(_examined, found, arguments, data_root, look_at_data=look_at_data or data_root is not None)
    if not (fix or diff):
        done = Done(check(), found)
    else:
        from archspec.cli.diffs import print_diff
        from archspec.cli.fixing import fixed_bytes, fixer_of

        fixer = fixer_of((*found.specs, *found.libraries, *found.sweeps), stdin, limits.max_bytes, unsafe=unsafe_fixes)
        fixer.passes(lambda: all_diagnostics(check()))
        with fixer.read_fixed():
            done = Done(check(), found, fixer, written=not diff)
        if diff:
            for text in fixer.changed:
                print_diff(text.path, text.before, text.after)
        elif stdin is None:
            done.failed += fixer.write()
        else:
            click.echo(next((fixed_bytes(text) for text in fixer.texts.values()), stdin), nl=False)
    show(done, "json" if as_json else form, aside=diff or (fix and stdin is not None))
    if done.errors or (diff and done.fixed):
        ctx.exit(WRONG)


def _check_options(
    ctx: click.Context, paths: tuple[str, ...], reading: Reading, *, fix: bool, unsafe_fixes: bool
) -> None:
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("- cannot be combined with other files", ctx)
    if unsafe_fixes and not fix:
        raise click.UsageError("--unsafe-fixes needs --fix or --diff", ctx)
    if fix and reading.sets:
        raise click.UsageError("--set cannot be combined with --fix and --diff, which edit the file as it is "
                               "written", ctx)


def _examined(
    found: Found, arguments: dict[str, Any], data_root: Path | None, *, look_at_data: bool
) -> dict[str, Results]:
    """noun → path → mistakes."""
    from archspec.api import examine, examine_library

    def spec(path: str) -> Examined:
        examined = examine(_path(path), training=True, **arguments)
        if look_at_data:
            examined = _with_data(examined, data_root)
        return replace(examined, loaded=None, program=None)  # keep only the mistakes, since there may be many specs

    specs = {path: spec(path) for path in found.specs}
    reads = {key: arguments[key] for key in _READS}
    libraries = {path: examine_library(_path(path), **reads) for path in found.libraries}
    sweeps = {path: _examined_sweep(path) for path in found.sweeps}
    return {"spec": specs, "block library": libraries, "sweep": sweeps}


def _with_data(examined: Examined, root: Path | None) -> Examined:
    """The spec with the mistakes in the data sets of its recipes added."""
    from archspec.data.present import check_recipes_present

    if examined.loaded is None:
        return examined
    found = check_recipes_present(examined.loaded.recipes, examined.loaded.graph, root)
    known = {(d.code, d.message) for d in examined.errors}
    more = (d for d in found if (d.code, d.message) not in known)
    return replace(examined, errors=(*examined.errors, *more))


def _path(text: str) -> str | Path:
    """The path as an argument of `examine`, for which a string with a line break is a spec."""
    return Path(text) if "\n" in text else text


def _examined_sweep(path: str) -> Examined:
    from archspec.sweep.check import examine_sweep

    return examine_sweep(path)
