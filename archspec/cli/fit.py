"""`archspec fit`: whether a network fits into memory, the largest batch, and what makes a batch fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import result_console
from archspec.cli.json_output import print_json
from archspec.cli.memory_size import MEMORY
from archspec.cli.options import COUNT, Reading, SpecPath, input_option, json_option, spec_options
from archspec.cli.output_format import output_format_option, report
from archspec.cli.static_options import arithmetic_options, chosen_setting, examine_with_optimizer

if TYPE_CHECKING:
    from archspec.language.input_override import InputShapes

_OVERRIDDEN: Final = ("optimizer", "momentum", "batch_size")  # of a spec without a recipe


@click.command("fit")
@click.argument("spec", type=SpecPath())
@click.option("--memory", type=MEMORY, metavar=MEMORY.name, help="Memory for tensors: 8GiB, 512MiB.")
@click.option("--device", "--target", "device", metavar="DEVICE|FILE",
              help="A device, such as rtx3060 (`archspec list devices`), or a file of one: its memory and kernels.")
@click.option("--recipe", "name", metavar="NAME", help="One of the spec's `recipes` instead of `train`.")
@click.option("--batch-size", type=COUNT, metavar="N", help="Samples that shall fit; default: the recipe's batch.")
@input_option
@arithmetic_options
@spec_options
@json_option
@output_format_option
@click.pass_context
def command(
    ctx: click.Context, /, spec: str, memory: int | None, device: str | None, name: str | None, batch_size: int | None,
    input_shape: InputShapes | None, precision: str, channels_last: bool, optimizer: str | None, reading: Reading,
    as_json: bool,
) -> None:
    """Say whether training and inference of SPEC fit into memory, and the largest batch that does.

    If a batch does not fit, it lists what makes it fit, with the new peak and the price in time: bf16, recomputed
    stages, accumulation, another optimizer, freezing. It does not import torch.
    """
    from archspec.api.capacity import Wanted, fit_answer
    from archspec.devices.targets import HERE
    from archspec.diagnostics import SpecError

    if memory is None and device is None:
        raise click.UsageError("give --memory, such as 8GiB, or --device, such as rtx3060", ctx)
    if memory is None and device == HERE:
        raise click.UsageError("give --memory too: `here` has the times of this machine, and no memory", ctx)
    found, update, overrides = examine_with_optimizer(spec, reading, input_shape, optimizer, name, _OVERRIDDEN)
    if found.loaded is None:
        raise SpecError(found.errors)
    report(found.warnings)
    if batch_size is None and overrides is not None and "batch_size" in overrides.model_fields_set:
        batch_size = overrides.batch_size
    setting = chosen_setting(1, "float32", precision, channels_last=channels_last, optimizer=update, target=device)
    result = fit_answer(found.loaded, Wanted(memory, device, name, batch_size), setting, update)
    if as_json:
        failed = {"diagnostics": [d.to_json() for d in found.errors]} if found.errors else {}
        print_json({**result.to_json(), **failed})
    else:
        result.show(result_console())
    if found.errors:
        raise SpecError(found.errors)
