"""`archspec calibrate`: measure this machine, so that times can be predicted."""

from __future__ import annotations

import sys
from statistics import median
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import line_width, result_console, tell
from archspec.cli.json_output import print_json
from archspec.cli.options import DEVICE, Number, json_option
from archspec.devices.calibration import SECONDS, SECONDS_GPU, load_calibration
from archspec.diagnostics import listing
from archspec.text import bytes_text

if TYPE_CHECKING:
    from archspec.devices.calibration import Calibration

BUSY: Final = 0.6  # of the logarithm of a kernel's time: more is noise
_SLOWER: Final = 0.85  # of the speed of the calibration before: others disturb a virtual machine for minutes
_LEAST_US: Final = 0.05  # microseconds that are not printed as 0.0


@click.command("calibrate")
@click.option("--device", type=DEVICE, metavar=DEVICE.name, default="auto", show_default=True, help="What to measure.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Number of CPU threads.")
@click.option("--seconds", type=Number(min=1, max=3600), metavar="S",
              help="The longest time of measuring kernels; less is less exact. "
                   f"[default: {SECONDS:.0f}, on a GPU {SECONDS_GPU:.0f}]")
@json_option
def command(device: str, threads: int | None, seconds: float | None, as_json: bool) -> None:
    """Measure this machine: products, convolutions, passes over memory and the overhead of a call.

    The result is kept in your cache, for this CPU, number of threads, GPU and version of torch. With it `archspec
    profile --static` and `archspec train` predict times. Let nothing else run meanwhile.
    """
    import torch

    from archspec.backends.allocator import keep_freed_memory
    from archspec.backends.device import pick_device
    from archspec.calibrate import calibrate

    picked = pick_device(device)
    if picked.type == "cpu":
        keep_freed_memory()  # as in training
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        found = calibrate(picked, seconds=seconds, progress=_progress)
    finally:
        torch.set_num_threads(before)
    errors = [curve.deviation for curve in found.curves.values()]
    if not errors or median(errors) > BUSY:
        tell("warning: the times differ so much that predictions will be poor: something else ran meanwhile",
             hint="calibrate again when nothing else runs, or with --threads 1")
    before_this = load_calibration(found.machine.file)
    slower = [] if before_this is None else _slower(found, before_this)
    if before_this is not None and slower:
        tell(f"note: the machine is slower than in the calibration before, of {before_this.made}: {listing(slower)}",
             hint="predictions are for a machine as it is now; calibrate again when it has recovered")
    try:
        path = str(found.save())
    except OSError as problem:
        path = None
        tell(f"warning: the calibration could not be saved: {problem.strerror or problem}")
    if as_json:
        print_json({
            "format": 1, "machine": found.name, "file": path, "seconds": found.seconds, "curves": len(found.curves),
            "gmacs_per_s": found.peak_gmacs, "bandwidth_gb_per_s": found.bandwidth_gb_per_s,
            "overhead_us": found.host_us, "factors": found.factors, "cache_bytes": found.cache_bytes,
        })
    else:
        _show(found, path)


def _slower(found: Calibration, before: Calibration) -> list[str]:
    """What is much slower than it was before: `products in bf16 by 22 %`."""
    rates = {f"products in {precision}": (rate, before.peak_gmacs.get(precision, 0.0))
             for precision, rate in found.peak_gmacs.items()}
    rates["memory"] = found.bandwidth_gb_per_s, before.bandwidth_gb_per_s
    return [f"{name} by {100 * (1 - now / then):.0f} %" for name, (now, then) in rates.items() if now < _SLOWER * then]


def _costs(found: Calibration) -> dict[str, float]:
    """Microseconds of a step by kind of call, of those that take any."""
    return {
        name: us for name, us in found.host_us.items() if us >= _LEAST_US and not name.startswith("evaluation/")
    }


def _progress(part: float) -> None:
    """Show on a terminal how much of the time is over."""
    if line_width(sys.stderr):
        sys.stderr.write(f"\rmeasuring: {min(100, round(100 * part))} %\x1b[K" if part < 1 else "\r\x1b[K")


def _show(found: Calibration, path: str | None) -> None:
    """Print the best rates, the overhead, and how exact the curves are."""
    if line_width(sys.stderr):
        sys.stderr.write("\r\x1b[K")
    console = result_console()
    points = sum(len(curve.points) for curve in found.curves.values())
    errors = [100 * curve.deviation for curve in found.curves.values()]
    console.print(f"calibrated {found.name}, torch {found.machine.torch}, in {found.seconds:.0f} s", soft_wrap=True)
    for precision, rate in found.peak_gmacs.items():
        console.print(f"  products      up to {rate:,.1f} GMAC/s in {precision}", soft_wrap=True)
    console.print(f"  memory        {found.bandwidth_gb_per_s:,.1f} GB/s", soft_wrap=True)
    if found.cache_bytes:
        console.print(f"  caches        {bytes_text(round(found.cache_bytes))}", soft_wrap=True)
    costs = ", ".join(f"{name} {microseconds:.1f} µs" for name, microseconds in _costs(found).items())
    console.print(f"  calls         {costs or 'no longer than their kernels'}", soft_wrap=True)
    if errors:
        console.print(f"  curves        {len(found.curves)} with {points} kernels; a kernel's error is "
                      f"{median(errors):.0f} % (median, each predicted by the others)", soft_wrap=True)
    if path is not None:
        console.print(f"  kept in       {path}", soft_wrap=True)
