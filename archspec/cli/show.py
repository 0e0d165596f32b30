"""`archspec show`: a network as a diagram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.options import Reading, SpecPath, input_option, is_given, spec_options
from archspec.cli.output_file import save_output
from archspec.cli.static_options import chosen_setting, examine_with_optimizer, predicted_times, setting_options
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.execution import Setting
    from archspec.ir import Graph
    from archspec.language.input_override import InputShapes
    from archspec.show.panels import Panels

FORMS: Final = ("svg", "html")
STDOUT: Final = Path("-")
COUNTED: Final = ("params", "macs", "memory")
SIMULATED: Final = ("saved", "traffic", "time", "measured")  # costs that depend on the setting of a training step


@click.command("show")
@click.argument("spec", type=SpecPath())
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg|FILE.html|-",
              help="Output file, or - for standard output; default: NAME.svg.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Default: as the name of the output ends, or svg.")
@click.option("--color", "measure", type=click.Choice([*COUNTED, *SIMULATED]), default="macs", show_default=True,
              help="The cost that colours the boxes. memory: of outputs; saved: kept for backward; traffic: read and "
                   "written in a step; time: predicted for --target; measured: in the file of --measured.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N",
              help="Levels of boxes in boxes; 0 shows the stages. Default: as many as are easy to read.")
@click.option("--direction", type=click.Choice(["down", "right"]), default="down", show_default=True,
              help="Where the network flows to.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", show_default=True,
              help="Colours; auto: as the viewer prefers.")
@input_option
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Images.")
@setting_options
@click.option("--measured", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The output of `archspec profile SPEC --json`: measured times, shown beside the predicted ones.")
@spec_options
@click.pass_context
def command(
    ctx: click.Context, /, spec: str, output: Path | None, form: str | None, measure: str, depth: int | None,
    direction: str, theme: Literal["auto", "light", "dark"], input_shape: InputShapes | None, batch_size: int,
    precision: str, channels_last: bool, optimizer: str | None, target: str | None, measured: Path | None,
    reading: Reading,
) -> None:
    """Draw SPEC as a diagram: stages as boxes in boxes, branches side by side, the shape at every edge.

    An SVG is for papers and READMEs. An HTML page also opens and closes boxes, searches, lists all layers, and charts
    the memory of a training step and the layers under a machine's roof; it works offline and needs no other file.
    """
    from archspec.analysis import cost_report
    from archspec.diagnostics import SpecError

    form = _form(output, form)
    _check_options(ctx, form, measure)
    found, update, _ = examine_with_optimizer(spec, reading, input_shape, optimizer)
    if found.loaded is None:
        raise SpecError(found.errors)
    print_diagnostics(found.warnings)
    loaded = found.loaded
    report = cost_report(loaded.graph, batch_size=batch_size)
    setting = chosen_setting(
        batch_size, "float32", precision, channels_last=channels_last, optimizer=update, target=target
    )
    look: Any = {"measure": measure, "depth": depth, "theme": theme, "description": loaded.description}
    needed = form == "html" or measure in SIMULATED
    known = None if measured is None else _measured(measured, setting, report)
    panels = _panels(loaded.graph, setting, target, measure, known) if needed else None
    if form == "svg":
        from archspec.show.draw import network_svg

        if panels is not None:
            look |= {"layers": panels.layers, "setting": panels.facts}
        text = network_svg(loaded.graph, report, right=direction == "right", **look)
    else:
        from archspec.show.page import network_html

        text = network_html(loaded.graph, report, panels=panels, **look)
    _write(text, output or Path(f"{loaded.name}.{form}"))
    if found.errors:  # of `expect`: the network is drawn as it is
        raise SpecError(found.errors)


def _check_options(ctx: click.Context, form: str, measure: str) -> None:
    """Raise UsageError for options that do not fit together, or would have no effect."""
    if measure == "measured" and ctx.params["measured"] is None:
        raise click.UsageError("--color measured needs --measured FILE, the output of `archspec profile SPEC --json`")
    if form == "html":
        if ctx.params["direction"] == "right":
            raise click.UsageError("--direction right is for SVG files; the page's diagram goes down")
        return

    options = {"--measured": measure == "measured"}
    options |= {f"--{name}": measure in SIMULATED for name in ("precision", "channels-last", "optimizer", "target")}
    for flag, has_effect in options.items():
        if is_given(flag[2:].replace("-", "_")) and not has_effect:
            raise click.UsageError(f"{flag} has no effect on a picture coloured by {measure}: choose another --color, "
                                   "or write an HTML page", ctx)


def _panels(
    graph: Graph, setting: Setting, target: str | None, measure: str, measured: dict[str, float] | None
) -> Panels:
    """What a simulation of the training step says of the layers, with predicted and measured times if there are any."""
    from archspec.analysis.resources import resources
    from archspec.show.panels import panels_of, roofs_of

    found = resources(graph, setting)
    times = predicted_times(found, target)
    if times is None and measure == "time":
        raise click.UsageError("--color time needs a device: add --target (`archspec list devices`), or run `archspec "
                               "calibrate`, which measures this machine")
    return panels_of(found, times=times, measured=measured, roofs=roofs_of(setting, target))


def _measured(path: Path, setting: Setting, report: Report) -> dict[str, float]:
    """The times in a file, if they are those of this network in this setting."""
    from archspec.show.measured import read_measured

    try:
        found = read_measured(path)
    except ValueError as problem:
        raise click.UsageError(f"--measured: {problem}") from problem
    other = found.other_layer(report.to_json()["layers"])
    if other is not None:
        raise click.UsageError(f"--measured: {path} has times of another network: they differ in {clean(other)}")
    batch, nhwc = found.batch_size, found.channels_last
    order, toggle = ("NHWC", "add --channels-last") if nhwc else ("NCHW", "leave out --channels-last")
    for what, theirs, ours, remedy in (
        (f"a batch of {batch}", batch, setting.batch_size, f"add --batch-size {batch}"),
        (found.precision, found.precision, setting.precision, f"add --precision {found.precision}"),
        (f"images in {order} order", nhwc, setting.channels_last, toggle),
    ):
        if theirs != ours:
            raise click.UsageError(f"--measured: {path} has times of {what}: {remedy}")
    return found.times


def _form(output: Path | None, form: str | None) -> str:
    """The form that is asked for by name or by the ending of the output."""
    ending = output.suffix.lower().removeprefix(".") if output is not None and output != STDOUT else ""
    if form is not None:
        if ending in FORMS and ending != form:
            raise click.UsageError(f"{output}: the name ends in .{ending}, but --format is {form}: leave --format out, "
                                   f"or name a file that ends in .{form}")
        return form
    if ending and ending not in FORMS:
        raise click.UsageError(f"{output}: the output is an SVG file or an HTML page: give it a name that ends in .svg "
                               "or .html, or say which with --format")
    return ending or "svg"


def _write(text: str, output: Path) -> None:
    if output == STDOUT:
        click.echo(text, nl=False)
        return
    save_output("the picture", output, text)
    tell(f"{len(text.encode()) / 1000:.0f} KB")
    click.echo(clean(str(output)))
