"""`archspec profile`: the cost of a network, counted (`--static`, without torch) and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console
from archspec.cli.counting_options import Counting, counting_options
from archspec.cli.json_output import print_json
from archspec.cli.measuring import batch_size_option, check_options, refuse_running, run, running_options
from archspec.cli.options import Reading, SpecPath, input_option, json_option, spec_options
from archspec.cli.output_format import output_format_option
from archspec.cli.output_format import report as report_diagnostics
from archspec.cli.static_options import (
    chosen_setting,
    examine_with_optimizer,
    predicted_run,
    predicted_times,
    setting_options,
    static_json,
)

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.api import Loaded
    from archspec.execution import Setting
    from archspec.language.input_override import InputShapes


@click.command("profile")
@click.argument("spec", type=SpecPath())
@click.option("--static", is_flag=True, help="Only count: do not build or run the network, do not import torch.")
@input_option
@batch_size_option
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True,
              help="Dtype of weights and activations.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N",
              help="Levels of the tree; 1 shows the stages, 0 the totals alone.")
@running_options
@setting_options
@click.option("--recipe", metavar="NAME", help="One of the spec's `recipes` instead of `train`: its optimizer counts.")
@counting_options
@spec_options
@json_option
@output_format_option
@click.pass_context
def command(
    ctx: click.Context, /, spec: str, static: bool, input_shape: InputShapes | None, batch_sizes: tuple[int, ...],
    dtype: str, depth: int | None, precision: str, channels_last: bool, optimizer: str | None, target: str | None,
    recipe: str | None, counting: Counting, reading: Reading, as_json: bool, **running: Any,
) -> None:
    """Show what SPEC costs: each layer's output shape, parameters, MACs and activation memory.

    Without --static it also builds the network and runs it: the time of the forward pass and the training step, and
    of each layer in them, beside what this machine can do. Several batch sizes compare speed and memory. A network
    that differs from its spec's `expect` is only counted, and the exit code is 1.
    """
    from archspec.analysis import cost_report
    from archspec.diagnostics import SpecError

    if static:
        refuse_running(ctx)
    several, as_csv = len(batch_sizes) > 1, running["csv"]
    counting.check(ctx, static=static, several=several, as_json=as_json, as_csv=as_csv)
    check_options(ctx, batch_sizes, running, as_json=as_json)
    found, update, _ = examine_with_optimizer(spec, reading, input_shape, optimizer, recipe)
    if found.loaded is None:
        raise SpecError(found.errors)
    setting = chosen_setting(
        batch_sizes[0], dtype, precision, channels_last=channels_last, optimizer=update, target=target
    )
    report_diagnostics(found.warnings)
    loaded = found.loaded
    report = cost_report(loaded.graph, batch_size=batch_sizes[0], dtype=dtype)
    if not static and not found.errors:
        run(ctx, loaded, report, setting, batch_sizes, running | {"target": target}, depth=depth, as_json=as_json)
        return
    failed = {"diagnostics": [d.to_json() for d in found.errors]} if found.errors else {}
    if several:
        from archspec.cli.static_sweep import static_sweep

        static_sweep(loaded, batch_sizes, setting, target, as_json=as_json, as_csv=as_csv, output=running["output"],
                     failed=failed)
    else:
        _static(loaded, report, setting, target, recipe, counting, depth, as_json=as_json, as_csv=as_csv, failed=failed)
    if found.errors:
        raise SpecError(found.errors)


def _static(
    loaded: Loaded, report: Report, setting: Setting, target: str | None, recipe: str | None, counting: Counting,
    depth: int | None, *, as_json: bool, as_csv: bool, failed: dict[str, Any],
) -> None:
    """Print the figures of one batch size.

    failed: an addition to the JSON of a network that is not what its spec expects.
    """
    from archspec.analysis.resources import resources
    from archspec.printing import prediction, profile_table

    counts = counting.count(loaded, report.batch_size)
    needed = resources(loaded.graph, setting, by_layer=as_json or as_csv)
    times, cost = predicted_times(needed, target), predicted_run(loaded, recipe, setting, needed, target)
    if as_json or as_csv:
        data = static_json(report, needed, times, cost)
        counts.add_to(data)
        if as_csv:
            from archspec.cli.static_csv import layers_csv

            click.echo(layers_csv(data), nl=False)
        else:
            print_json({**data, **failed})
    else:
        profile_table.show(
            report, result_console(), depth=depth, description=loaded.description, step=needed.step_text(),
            fields=counts.fields, bars=counting.tree,
        )
        if times is not None:
            run_text = None if cost is None else cost.text
            prediction.show(times, setting, result_console(), report.equal_layers(), run=run_text)
        counts.show(result_console())
