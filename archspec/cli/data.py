"""`archspec data`: check a data set before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.failures import USAGE, WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import COUNT, json_option, plugin_option
from archspec.diagnostics import listing, one_line, plural
from archspec.text import clean, sizes_text

if TYPE_CHECKING:
    from archspec.data.check import DataCheck, SplitCheck

CLASSES: Final = 12  # the most classes that are listed; `--json` has all


@click.group("data", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Inspect data sets."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


@command.command("check")
@click.argument("data")
@click.option("--channels", type=click.Choice(["1", "3"]), metavar="1|3",
              help="Channels of the network's input: with 1 a colour image is an error.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder to search first for known data sets; also $ARCHSPEC_DATA.")
@click.option("--workers", type=COUNT, metavar="N", help="Processes that decode image files; default: one per "
                                                         "processor.")
@plugin_option
@json_option
@click.pass_context
def check(
    ctx: click.Context, data: str, channels: str | None, data_root: Path | None, workers: int | None, as_json: bool
) -> None:
    """Read all of DATA, folder:PATH or a known name, and list every file that cannot be used.

    Decodes each image of a folder; compares the checksums of a known data set. Downloads nothing.
    Exit code 0: all files can be used; 1: some cannot.
    """
    from archspec.data.check import check_data

    found = check_data(
        data, channels=None if channels is None else int(channels), root=data_root, workers=workers, progress=tell
    )
    if as_json:
        print_json(found.to_json())
    else:
        for split in found.splits:
            click.echo(clean("\n".join(map(one_line, _lines(split)))))
    print_diagnostics(found.problems)
    if not as_json:
        click.echo(_verdict(found))
    if found.problems:
        ctx.exit(WRONG)


def _lines(split: SplitCheck) -> list[str]:
    lines = [f"{split.split}: {plural(split.images, 'image')} of {_classes(len(split.counts))} in {split.source}"]
    lines.append("  " + listing((f"{name} {count:,}" for name, count in split.counts.items()), CLASSES))
    if split.look is not None and split.look.sizes:
        formats = ", ".join(f"{name} {count:,}" for name, count in split.look.formats.most_common())
        lines.append(f"  {formats}; height×width {_sizes(list(split.look.sizes))}")
    return lines + [f"  note: {notice}" for notice in split.notices]


def _classes(number: int) -> str:
    return plural(number, "class")


def _sizes(sizes: list[tuple[int, int]]) -> str:
    """The only size, or the smallest and the largest by area."""
    ordered = [sizes_text(size) for size in sorted(sizes, key=lambda size: (size[0] * size[1], size))]
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]} ({len(ordered):,} sizes)"


def _verdict(found: DataCheck) -> str:
    if found.problems:
        return f"{plural(len(found.problems), 'problem')}: this data set cannot be trained on as it is"
    return f"{plural(sum(split.images for split in found.splits), 'image')}: all of them can be used"
