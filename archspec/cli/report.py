"""`archspec report`: an HTML page about many runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import tell
from archspec.cli.output_file import save_output
from archspec.diagnostics import plural
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.results.record import RunRecord
    from archspec.results.report.reader import Reader

WATCH_S: Final = 5.0
RELOAD_S: Final = 10  # how often an open page reloads
MOST: Final = 2000


@click.command("report")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SWEEP|RUN...")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"),
              show_default=True, metavar="FILE.html", help="Output file.")
@click.option("--by", "measure", default="test_accuracy", show_default=True, metavar="FIGURE",
              help="The figure to compare, as for `archspec compare --by`.")
@click.option("--title", metavar="TEXT", help="The page's title; default: the names of SWEEP or RUN.")
@click.option("--watch", is_flag=True, help="Update the page as runs change, until Ctrl-C.")
def command(paths: tuple[Path, ...], output: Path, measure: str, title: str | None, watch: bool) -> None:
    """Write an HTML report of runs: table, learning curves, effects of settings, accuracy against cost.

    SWEEP is a sweep's file or folder. The page works offline and needs no other file.
    """
    from archspec.cli.compare import check_measure
    from archspec.cli.run_folders import folder_of_runs, require_runs
    from archspec.results.report.reader import Reader

    check_measure(measure)
    reader = Reader([folder_of_runs(path) for path in paths])
    name = title or ", ".join(path.stem if path.is_file() else path.resolve().name for path in paths)
    if watch:
        _watch(reader, output, name, measure)
        return
    records = require_runs(reader.records(), paths)
    tell(f"{_write(records, output, name, measure)} of {plural(len(records), 'run')}")
    click.echo(clean(str(output)))


def _write(records: Sequence[RunRecord], output: Path, title: str, measure: str, reload_s: int = 0) -> str:
    """Write the page. Returns a description of it."""
    from archspec.results.report.page import report_html

    if len(records) > MOST:
        raise click.UsageError(f"{len(records):,} runs are too many for one page (limit {MOST:,}): name some of them")
    text = report_html(records, title=title, measure=measure, reload_s=reload_s)
    save_output("the page", output, text)
    return f"{len(text.encode()) / 1000:.0f} KB"


def _watch(reader: Reader, output: Path, title: str, measure: str) -> None:
    """Write the page whenever a run changes. The last version no longer reloads itself."""
    shown: Sequence[RunRecord] | None = None
    click.echo(clean(str(output)))
    tell("open it in a browser; Ctrl-C stops")
    try:
        while True:
            records = reader.records()
            if shown is None or reader.changed:
                _write(records, output, title, measure, RELOAD_S)
            shown = records
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        _write(reader.records(), output, title, measure)
