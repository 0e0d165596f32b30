"""`archspec show`: a network as a diagram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.options import Reading, SpecPath, input_option, spec_options
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.language.input_override import InputShapes

FORMS: Final = ("svg", "html")
STDOUT: Final = Path("-")


@click.command("show")
@click.argument("spec", type=SpecPath())
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg|FILE.html|-",
              help="Output file, or - for standard output; default: NAME.svg.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Default: as the name of the output ends, or svg.")
@click.option("--color", "measure", type=click.Choice(["params", "macs", "memory"]), default="macs", show_default=True,
              help="The cost that colours the boxes.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N",
              help="Levels of boxes in boxes; 0 shows the stages. Default: as many as are easy to read.")
@click.option("--direction", type=click.Choice(["down", "right"]), default="down", show_default=True,
              help="Where the network flows to.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", show_default=True,
              help="Colours; auto: as the viewer prefers.")
@input_option
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Images.")
@spec_options
def command(
    spec: str, output: Path | None, form: str | None, measure: str, depth: int | None, direction: str,
    theme: Literal["auto", "light", "dark"], input_shape: InputShapes | None, batch_size: int, reading: Reading,
) -> None:
    """Draw SPEC as a diagram: stages as boxes in boxes, branches side by side, the shape at every edge.

    An SVG is for papers and READMEs. An HTML page also opens and closes boxes, searches, and lists all layers; it works
    offline and needs no other file.
    """
    from archspec.analysis import cost_report
    from archspec.api import examine
    from archspec.diagnostics import SpecError
    from archspec.show.draw import network_svg

    form = _form(output, form)
    found = examine(spec, input=input_shape, **reading.arguments())
    if found.loaded is None or found.errors:
        raise SpecError(found.errors)
    print_diagnostics(found.warnings)
    loaded = found.loaded
    report = cost_report(loaded.graph, batch_size=batch_size)
    text = network_svg(loaded.graph, report, measure=measure, depth=depth, right=direction == "right", theme=theme,
                       description=loaded.description)
    _write(text, output or Path(f"{loaded.name}.{form}"))


def _form(output: Path | None, form: str | None) -> str:
    """The form that is asked for by name or by the ending of the output."""
    ending = output.suffix.lower().removeprefix(".") if output is not None and output != STDOUT else ""
    if form is not None:
        return form
    if ending and ending not in FORMS:
        raise click.UsageError(f"{output}: the output is an SVG file or an HTML page: give it a name that ends in .svg "
                               "or .html, or say which with --format")
    return ending or "svg"


def _write(text: str, output: Path) -> None:
    from archspec.train.run_dir.full_disk import save_text

    if output == STDOUT:
        click.echo(text, nl=False)
        return
    save_text("the picture", output, text)
    tell(f"{len(text.encode()) / 1000:.0f} KB")
    click.echo(clean(str(output)))
