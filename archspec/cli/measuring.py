"""The part of `archspec profile` that runs the network: its options, and what it prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from archspec.cli.console import result_console
from archspec.cli.json_output import print_json
from archspec.cli.options import DEVICE, is_given

if TYPE_CHECKING:
    from archspec.analysis import Report
    from archspec.analysis.resources import Resources
    from archspec.analysis.timing import Predicted
    from archspec.api import Loaded
    from archspec.execution import Setting

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic only in newer versions of click

F = TypeVar("F", bound=Callable[..., Any])
# Options that change nothing in what is counted: --static refuses them.
RUNNING: Final = ("device", "threads", "steps", "warmup", "trace", "own_kernels", "compile", "sort")


class BatchSizes(ParamType):
    """`64`, or several: `1,8,64,256`."""

    name = "N[,N…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """See click."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(re.fullmatch(r"[0-9]{1,40}", part) and int(part) for part in parts):
            self.fail(f"{value!r} is not a batch size; write a whole number above 0, or several as in 1,8,64,256",
                      param, ctx)
        return tuple(int(part) for part in parts)


batch_size_option = click.option(
    "--batch-size", "batch_sizes", type=BatchSizes(), default="1", show_default=True, metavar=BatchSizes.name,
    help="Samples, such as images; several sizes, as in 1,8,64, compare speed and memory.",
)


def running_options(function: F) -> F:
    """Add the options that concern a run."""
    for decorate in reversed([
        click.option("--device", type=DEVICE, metavar=DEVICE.name, default="auto", show_default=True,
                     help="Where to run the network."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Number of CPU threads."),
        click.option("--steps", type=click.IntRange(min=1), metavar="N",
                     help="Number of measured runs; default: as many as needed."),
        click.option("--warmup", type=click.IntRange(min=1), metavar="N", help="Number of warm-up runs."),
        click.option("--own-kernels", is_flag=True, help="On a CPU: archspec's own kernels where they are faster."),
        click.option("--compile", is_flag=True, help="Compile the passes with torch.compile, but not single layers."),
        click.option("--sort", type=click.Choice(["spec", "time"]), default="spec", show_default=True,
                     help="Order of the measured layers."),
        click.option("--trace", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
                     help="Write a trace for TensorBoard and Perfetto."),
        click.option("--csv", is_flag=True, help="Print the layers, or batch sizes, as CSV and nothing else."),
        click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg",
                     help="Draw the curves of several batch sizes."),
    ]):
        function = decorate(function)
    return function


def refuse_running(ctx: click.Context) -> None:
    """Raise UsageError for options that need a run, which --static would silently ignore."""
    for name in RUNNING:
        if is_given(name):
            flag = name.replace("_", "-")
            raise click.UsageError(f"--{flag} has no effect with --static, which does not run the network", ctx)


def check_options(
    ctx: click.Context, batch_sizes: tuple[int, ...], running: dict[str, Any], *, as_json: bool
) -> None:
    """Raise UsageError for options that contradict each other."""
    several, output = len(batch_sizes) > 1, running["output"]
    if running["csv"] and as_json:
        raise click.UsageError("--csv and --json exclude each other", ctx)
    if output is not None and output.suffix.lower() != ".svg":
        raise click.UsageError(f"{output}: the picture is an SVG file: give it a name that ends in .svg", ctx)
    if output is not None and not several:
        raise click.UsageError("-o draws curves of several batch sizes: add --batch-size 1,8,64", ctx)
    given = [x for x in ("trace", "depth", "sort") if is_given(x)]
    for name in given if several else ():
        raise click.UsageError(f"--{name} needs one batch size", ctx)
    for name in given if as_json or running["csv"] else ():
        if name != "trace":
            raise click.UsageError(f"--{name} has no effect with {'--json' if as_json else '--csv'}, which prints all "
                                   "layers in the order of the spec", ctx)


def run(
    ctx: click.Context, loaded: Loaded, report: Report, setting: Setting, batch_sizes: tuple[int, ...],
    running: dict[str, Any], *, depth: int | None, as_json: bool,
) -> None:
    """Run the network and print what was measured, after the static figures.

    setting: precision, layout and optimizer. Without --precision it is that of training on the device.
    """
    from archspec.analysis.resources import resources
    from archspec.backends.allocator import keep_freed_memory
    from archspec.backends.device import pick_device
    from archspec.printing.profile_table import show
    from archspec.train.step.precision import Settings, pick_precision

    device = pick_device(running["device"])
    given = is_given("precision")
    precision = pick_precision(setting.precision if given else "auto", device)
    setting = replace(setting, precision=precision, target="cuda" if device.type == "cuda" else "cpu")
    if device.type == "cpu":
        keep_freed_memory()  # as in training
    options = {key: running[key] for key in ("device", "threads", "steps")} | {
        "dtype": report.dtype, "optimizer": setting.optimizer,
        "settings": Settings(
            precision, setting.channels_last, running["own_kernels"], running["compile"],
        ),
    }
    if len(batch_sizes) > 1:
        from archspec.cli.batch_sweep import sweep

        sweep(loaded, batch_sizes, options | {"warmup": running["warmup"]}, as_json=as_json, as_csv=running["csv"],
              output=running["output"])
        return
    needed = resources(loaded.graph, setting, by_layer=as_json)
    if not (as_json or running["csv"]):  # before the runs, which take a while
        show(report, result_console(), depth=depth, description=loaded.description, step=needed.step_text())
        sys.stdout.flush()
    times = times_here(needed, running["target"], running["threads"])
    _one_batch(loaded, report, needed, times, options | {"batch_size": batch_sizes[0]}, running, depth,
               as_json=as_json)


def times_here(found: Resources, target: str | None, threads: int | None) -> Predicted | None:
    """The predicted times, to stand beside the measured ones: on `target`, or on the device of the run.

    None without a target if that device is not calibrated, or not with this number of CPU threads.
    """
    from archspec.analysis.timing import predict_times
    from archspec.devices.calibration import own_calibration
    from archspec.devices.models import CalibratedModel
    from archspec.devices.targets import time_model

    if target is not None:
        model = time_model(target)
        return None if model is None else predict_times(found, model)
    on_cpu = found.setting.target == "cpu"
    own = own_calibration("cpu" if on_cpu else None)
    if own is None or (own.machine.device == "cpu") != on_cpu:
        return None
    if on_cpu and threads not in (None, own.machine.threads):
        return None
    return predict_times(found, CalibratedModel(own))


def _one_batch(
    loaded: Loaded, report: Report, needed: Resources, times: Predicted | None, options: dict[str, Any],
    running: dict[str, Any], depth: int | None, *, as_json: bool,
) -> None:
    from archspec import profile
    from archspec.cli import layer_table, measured
    from archspec.cli.static_options import static_json
    from archspec.printing.plain import show_lines

    quiet, console = as_json or running["csv"], result_console()
    passes = profile.measure(loaded, **options, warmup=running["warmup"], trace=running["trace"])
    if not quiet:
        measured.show(passes, console, loaded.graph.samples)
        sys.stdout.flush()
    by_layer = None if times is None else {
        layer.path: times.layer(layer.path)["predicted_ms"] for layer in report.layers()
    }
    layers = profile.profile_layers(loaded, **options, predicted=by_layer)
    if as_json:
        print_json({**static_json(report, needed, times), "measured": passes.to_json() | {"layers": layers.to_json()}})
    elif running["csv"]:
        click.echo(layer_table.csv_text(layers), nl=False)
    else:
        layer_table.show(layers, report, console, depth=depth, by_time=running["sort"] == "time")
        if times is not None:
            show_lines(console, layer_table.prediction_line(layers, times.main))
