"""`archspec profile`: the cost of a network, counted (`--static`, without torch) and measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console
from archspec.cli.counting_options import counting_options, figures_of
from archspec.cli.json_output import print_json
from archspec.cli.options import DEVICE, Reading, SpecPath, input_option, json_option, spec_options
from archspec.cli.output_format import output_format_option
from archspec.cli.output_format import report as report_diagnostics
from archspec.cli.static_options import chosen_setting, examine_with_optimizer, setting_options

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.api import Loaded
    from archspec.execution import Setting
    from archspec.language.input_override import InputShapes


@click.command("profile")
@click.argument("spec", type=SpecPath())
@click.option("--static", is_flag=True, help="Only count: do not build or run the network, do not import torch.")
@input_option
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Images.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True,
              help="Dtype of weights and activations.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Levels of the tree; 1 shows the stages.")
@click.option("--device", type=DEVICE, metavar=DEVICE.name, default="auto", show_default=True,
              help="Where to run the network.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Number of CPU threads.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Number of measured runs; default: as many "
                                                                       "as needed.")
@click.option("--warmup", type=click.IntRange(min=1), metavar="N", help="Number of warm-up runs.")
@click.option("--trace", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write a trace for TensorBoard and Perfetto.")
@setting_options
@counting_options
@spec_options
@json_option
@output_format_option
@click.pass_context
def command(
    ctx: click.Context, /, spec: str, static: bool, input_shape: InputShapes | None, batch_size: int, dtype: str,
    depth: int | None, precision: str, channels_last: bool, optimizer: str | None, target: str | None,
    convention: str | None, reading: Reading, as_json: bool, **running: Any,
) -> None:
    """Show what SPEC costs: each layer's output shape, parameters, MACs and activation memory.

    Without --static it also builds the network and times the forward pass and the training step. A network that
    differs from its spec's `expect` is only counted, and the exit code is 1.
    """
    from archspec.analysis import cost_report
    from archspec.diagnostics import SpecError

    if static:
        _refuse_running(ctx)
    elif convention:
        raise click.UsageError("--convention needs --static", ctx)
    found, update = examine_with_optimizer(spec, reading, input_shape, optimizer)
    if found.loaded is None:
        raise SpecError(found.errors)
    setting = chosen_setting(
        batch_size, dtype, precision, channels_last=channels_last, optimizer=update, target=target
    )
    report_diagnostics(found.warnings)
    loaded = found.loaded
    report = cost_report(loaded.graph, batch_size=batch_size, dtype=dtype)
    if not static and not found.errors:
        _measured(loaded, report, running, depth, as_json)
        return
    counts = figures_of(loaded.graph, convention, batch_size)
    if as_json:
        failed = {"diagnostics": [d.to_json() for d in found.errors]} if found.errors else {}
        others = {"conventions": [figure.to_json() for figure in counts]} if counts else {}
        print_json({**_static_json(loaded, report, setting), **others, **failed})
    else:
        _show(report, loaded.description, depth)
        if counts:
            from archspec.printing.conventions import show

            show(counts, result_console())
    if found.errors:
        raise SpecError(found.errors)


def _static_json(loaded: Loaded, report: Report, setting: Setting) -> dict[str, Any]:
    """The report, with memory and traffic in this setting."""
    from archspec.analysis import resources

    found, data = resources(loaded.graph, setting), report.to_json()
    data["totals"] |= found.totals()
    for layer in data["layers"]:
        layer.update(found.layer(layer["path"]))
    return data


def _refuse_running(ctx: click.Context) -> None:
    """Raise UsageError for options that need a run, which --static would silently ignore."""
    from click.core import ParameterSource

    for name in ("device", "threads", "steps", "warmup", "trace"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} has no effect with --static, which does not run the network", ctx)


def _show(report: Report, description: str, depth: int | None) -> None:
    from archspec.printing.profile_table import show

    show(report, result_console(), depth=depth, description=description)


def _measured(loaded: Loaded, report: Report, running: dict[str, Any], depth: int | None, as_json: bool) -> None:
    """Print the static figures, then those of real runs."""
    from archspec.profile import measure

    if not as_json:
        _show(report, loaded.description, depth)  # before the runs, which take a while
        sys.stdout.flush()
    measured = measure(loaded, batch_size=report.batch_size, dtype=report.dtype, **running)
    if as_json:
        print_json({**report.to_json(), "measured": measured.to_json()})
    else:
        from archspec.cli.measured import show

        show(measured, result_console())
