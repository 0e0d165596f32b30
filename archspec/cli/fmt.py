"""`archspec fmt`: bring spec and sweep files into the canonical layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from archspec.atomic_files import replace_content
from archspec.cli.collect import collect
from archspec.cli.console import print_diagnostics
from archspec.cli.diffs import not_written, print_diff
from archspec.cli.failures import WRONG
from archspec.cli.options import SpecPath, text_limit_options
from archspec.cli.stdin import STDIN, read_stdin
from archspec.diagnostics import Diagnostic, SpecError, one_line, plural
from archspec.source import Limits
from archspec.source.layout import formatted
from archspec.source.load import content_of
from archspec.text import clean


@dataclass(slots=True)
class _Text:
    """A file's text, before and after. before: decoded, with its byte order mark and line ends."""

    path: str
    before: str
    after: str


@click.command("fmt")
@click.argument("paths", nargs=-1, required=True, type=SpecPath(folders=True), metavar="PATH...")
@click.option("--check", is_flag=True, help="Write nothing; the exit code is 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change. The exit code is as with --check.")
@text_limit_options
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...], check: bool, diff: bool, limits: Limits) -> None:
    """Format spec, library and sweep files: files, folders (searched for them), or - for standard input.

    Normalises indentation, spaces, quotes and line breaks. Keeps comments, empty lines between parts, and values in
    braces or brackets that fit on a line. The meaning never changes: the result is parsed and compared with the
    original before it is written. Files with syntax errors are reported and not changed.
    """
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("- cannot be combined with other files", ctx)
    read_stdin(paths, limits)
    files = [STDIN] if STDIN in paths else _files(ctx, paths, limits)
    texts: list[_Text] = []
    problems: list[Diagnostic] = []
    for path in files:
        try:
            texts.append(_formatted(path, limits))
        except SpecError as problem:
            problems += problem.diagnostics
    changed = [text for text in texts if text.after != text.before]
    same = len(texts) - len(changed)
    if diff:
        for text in changed:
            print_diff(text.path, text.before, text.after)
    if STDIN in paths and not (check or diff):
        print_diagnostics(problems)
        for text in texts:
            click.echo(text.after.encode(), nl=False)
    else:
        if not (check or diff):
            failed = _written(changed)
            changed = [text for text in changed if text.path not in failed]
            problems += failed.values()
        print_diagnostics(problems)
        _summary(changed, same, len(files) - same - len(changed), dry=check or diff, listed=not diff)
    if problems or (changed and (check or diff)):
        ctx.exit(WRONG)


def _files(ctx: click.Context, paths: tuple[str, ...], limits: Limits) -> list[str]:
    found = collect(paths, limits)
    files = [*found.specs, *found.libraries, *found.sweeps]
    chosen = sorted(file for file in files if file in paths or not Path(file).is_symlink())
    if not chosen:
        why = "links are not followed" if files else "a spec has a top-level `archspec: 1`"
        raise click.UsageError(f"no spec found in {', '.join(paths)}: {why}", ctx)
    return chosen


def _formatted(path: str, limits: Limits) -> _Text:
    content = content_of(path, clean(path), limits, follow=False)
    after = formatted(content, path, limits)
    return _Text(path, content.decode(), after)


def _written(texts: list[_Text]) -> dict[str, Diagnostic]:
    """Write the files. Returns path → diagnostic for those that cannot be written."""
    failed = {}
    for text in texts:
        try:
            replace_content(Path(text.path), text.after.encode())
        except OSError as problem:
            failed[text.path] = not_written(text.path, problem)
    return failed


def _summary(changed: list[_Text], same: int, left: int, *, dry: bool, listed: bool) -> None:
    """Print what was done, or would be. With a diff it goes to stderr, since stdout has the diff."""
    verb = "would change" if dry else "formatted"
    for text in changed if dry and listed else ():
        click.echo(f"{verb}: {clean(one_line(text.path))}")
    parts = [f"{plural(len(changed), 'file')} {verb}"] if changed else []
    if same:
        parts.append(f"{plural(same, 'file')} already formatted")
    if left:
        parts.append(f"{plural(left, 'file')} left alone")
    click.echo(", ".join(parts), err=not listed)
