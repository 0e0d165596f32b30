"""Prints the result of `validate`: the mistakes of all files in the chosen format, and a summary."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from archspec import __version__
from archspec.cli.collect import Found
from archspec.cli.console import GREEN, RED, coloured, print_diagnostics, styled, tell
from archspec.cli.json_output import note_printed, output_text
from archspec.diagnostics import Diagnostic, one_line, plural
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.api import Examined
    from archspec.cli.fixing import Fixer

Results = dict[str, "Examined"]


def all_diagnostics(groups: Mapping[str, Results]) -> list[Diagnostic]:
    """All mistakes and warnings. One that several files share appears once."""
    results = [one for group in groups.values() for one in group.values()]
    return list(dict.fromkeys(d for one in results for d in (*one.errors, *one.warnings)))


@dataclass(slots=True)
class Done:
    """The result of `validate`.

    groups: noun → path → mistakes. fixer: applies `--fix` and `--diff`. written: whether its fixes are written.
    failed: files that could not be written.
    """

    groups: dict[str, Results]
    found: Found
    fixer: Fixer | None = None
    written: bool = False
    failed: list[Diagnostic] = field(default_factory=list)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """The remaining mistakes and warnings, in the order of the files."""
        return [*all_diagnostics(self.groups), *self.failed]

    @property
    def errors(self) -> int:
        """The number of remaining errors."""
        return sum(d.severity == "error" for d in self.diagnostics)

    @property
    def fixed(self) -> int:
        """The number of fixes."""
        return sum(self.fixer.made.values()) if self.fixer is not None else 0


def show(done: Done, form: str, *, aside: bool) -> None:
    """Print the result in a format of `--output-format`. aside: stdout has a text, so the result goes to stderr."""
    match form:
        case "json":
            _print(output_text(_plain(done)), aside)
            note_printed()
        case "sarif":
            from archspec.diagnostics.sarif import sarif

            _print(output_text(sarif(done.diagnostics, __version__)), aside)
            note_printed()
        case "github":
            from archspec.diagnostics.github import github

            for diagnostic in done.diagnostics:
                _print(github(diagnostic), aside)
        case _:
            print_diagnostics(done.diagnostics)
            _print_summary(done, aside)
    for path in done.fixer.links_with_fixes(done.diagnostics) if done.fixer is not None else ():
        tell(f"warning: {clean(one_line(path))} is a link: fixes are not written to it")


def _print(text: str, aside: bool) -> None:
    click.echo(text, err=aside)


def _print_summary(done: Done, aside: bool) -> None:
    stream = sys.stderr if aside else sys.stdout
    colour = coloured(stream)
    warnings = len(done.diagnostics) - done.errors
    rest = (f", {plural(warnings, 'warning')}" if warnings else "") + _skipped(done.found)
    if done.errors:
        parts = [share for noun, group in done.groups.items() if (share := _share(group, noun))]
        where = f" in {' and '.join(parts)}" if parts else ""  # nowhere if all are files that could not be written
        summary = styled(plural(done.errors, "error"), RED, on=colour) + where
    else:
        valid = " and ".join(plural(len(group), noun) for noun, group in done.groups.items() if group)
        summary = styled(f"{valid} valid", GREEN, on=colour)
    click.echo(summary + rest, err=aside, color=colour)
    if line := _fixes(done):
        click.echo(line, err=aside, color=colour)


def _fixes(done: Done) -> str:
    """The fixes that are made and available: `2 fixes in 1 file made; available: 1 fix with --unsafe-fixes`."""
    safe = sum(d.fix is not None and d.fix.safe for d in done.diagnostics)
    unsafe = sum(d.fix is not None for d in done.diagnostics) - safe
    parts, more = [], []
    if done.fixer is None and safe:
        more.append(f"{plural(safe, 'fix')} with `--fix`")
    if unsafe and (done.fixer is None or not done.fixer.unsafe):
        option = "`--fix --unsafe-fixes`" if done.fixer is None else "`--unsafe-fixes`"
        more.append(f"{plural(unsafe, 'fix')} with {option}")
    if done.fixer is not None and done.fixed:
        verb = "made" if done.written else "not written"
        parts.append(f"{plural(done.fixed, 'fix')} in {plural(len(done.fixer.made), 'file')} {verb}")
    if done.fixer is not None and done.fixer.unsafe and unsafe:
        parts.append(f"not made: {plural(unsafe, 'fix')} that would leave as many mistakes, or change a block for its "
                     "other calls too")
    if more:
        parts.append(f"available: {', '.join(more)}")
    return "; ".join(parts)


def _share(results: Results, noun: str) -> str:
    """How many have errors: `1 of 2 specs`. Empty if none have."""
    wrong = sum(bool(one.errors) for one in results.values())
    return f"{wrong} of {plural(len(results), noun)}" if wrong else ""


def _skipped(found: Found) -> str:
    parts = []
    if found.records:
        parts.append(plural(len(found.records), "record of a run", "records of runs"))
    if found.others:
        parts.append(f"{plural(len(found.others), 'YAML file')} without `archspec:`")
    return f" (skipped: {', '.join(parts)})" if parts else ""


def _plain(done: Done) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "format": 1,
        "specs": _entries(done.groups["spec"]),
        "libraries": _entries(done.groups["block library"]),
        "sweeps": _entries(done.groups["sweep"]),
        "skipped": [*done.found.records, *done.found.others],
    }
    if done.fixer is not None:
        plain["fixed"] = dict(done.fixer.made)
        plain["failed"] = _all(done.failed)
    return plain


def _entries(results: Results) -> list[dict[str, Any]]:
    return [
        {"path": path, "valid": not one.errors, "diagnostics": _all(one.errors), "warnings": _all(one.warnings)}
        for path, one in results.items()
    ]


def _all(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    return [diagnostic.to_json() for diagnostic in diagnostics]
