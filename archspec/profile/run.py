"""Measures a network: builds it, runs it and times it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch.profiler import record_function

from archspec.analysis import cost_report
from archspec.backends.denormals import denormals_flushed
from archspec.backends.device import cpu_name, device_name, pick_device
from archspec.backends.fits import report_memory_shortage
from archspec.backends.init import seeded, stream_seed
from archspec.execution import Optimizer
from archspec.profile.measurement import Measurement
from archspec.profile.memory import MEASURED_AS, peak_bytes
from archspec.profile.prediction import predicted_memory
from archspec.profile.timing import MEASURED, WARMUP, Clock, Runs, Until, time_runs
from archspec.profile.trace import run_folder, write_trace
from archspec.profile.workload import USUAL, Setting, Workload, setting
from archspec.train.step.precision import Settings, float32_products
from archspec.types import FLOATS

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.ir import Graph

SEED: Final = stream_seed(0, "profile")  # the same weights, images and dropout in every measurement

def measure(
    loaded: Loaded, *, batch_size: int = 1, dtype: str = "float32", device: str = "auto", threads: int | None = None,
    steps: int | None = None, warmup: int | None = None, trace: Path | None = None, clock: Clock = time.perf_counter,
    settings: Settings | None = None, optimizer: Optimizer = USUAL,
) -> Measurement:
    """Time the forward pass and the training step of a network on random images, and find their peak memory.

    dtype: of weights and images, the name of a torch dtype. device: auto, cpu, cuda or cuda:N. threads: of the CPU;
    None for torch's default. steps, warmup: the number of measured runs, and of runs before them; None for as many as
    `profile.timing` requires. trace: a folder for a torch.profiler trace, in a subfolder with the network's name.
    settings: precision, layout and kernels, as in training; the trace is not compiled. optimizer: of the steps.

    Raises SpecError: BUILD202 if the device does not exist; BUILD201, before anything is built, if the network would
    not fit; BUILD203 if the batch is too small for a norm; RUN320 if the device does not support the settings; RUN321
    if compiling fails.
    """
    chosen = setting(loaded.graph, batch_size, dtype, pick_device(device), settings, optimizer)
    folder = None if trace is None else run_folder(trace, loaded.name)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)  # first, so that an error is reported before the work
    repeat = partial(
        time_runs, batch_size=batch_size, clock=clock, synchronise=_synchroniser(chosen.device),
        warmup=WARMUP if warmup is None else Until(warmup), measured=MEASURED if steps is None else Until(steps),
    )
    with prepared(chosen, threads) as used:
        runs = _run(chosen, repeat)
        file = None if folder is None else _trace(Workload(eager(chosen)), folder, chosen.device)
    return _measurement(loaded, chosen, runs, used, file)


@contextmanager
def prepared(chosen: Setting, threads: int | None) -> Iterator[int]:
    """What all measurements have in common; yields the number of CPU threads."""
    with (
        denormals_flushed(), _threads(threads) as used, seeded(SEED, chosen.device),
        report_memory_shortage("profiling"),
    ):
        yield used


def eager(chosen: Setting) -> Setting:
    """The same without compiling."""
    return replace(chosen, settings=replace(chosen.settings, compile=False, cuda_graphs=False))


def _run(chosen: Setting, repeat: Callable[[Callable[[], object]], Runs]) -> dict[str, Runs]:
    """Measure memory first, with a separate workload, which also warms up the libraries; then time."""
    with float32_products(chosen.settings.precision, chosen.device):
        peaks = peak_bytes(lambda: Workload(chosen).passes, chosen.device)
        passes = Workload(chosen).passes
        return {name: replace(repeat(run), peak_memory_bytes=peaks[name]) for name, run in passes.items()}


def _trace(workload: Workload, folder: Path, device: torch.device) -> Path:
    """A trace of training steps, or of forward passes if training is impossible."""

    def step() -> None:
        workload.step(scope=record_function)
        # Free gradients within the step: the profiler reports frees of memory that it did not see allocated.
        workload.optimizer.zero_grad(set_to_none=True)

    return write_trace(workload.model, step if "step" in workload.passes else workload.forward, folder, device)


def _measurement(
    loaded: Loaded, chosen: Setting, runs: dict[str, Runs], threads: int, file: Path | None
) -> Measurement:
    device = chosen.device
    return Measurement(
        name=loaded.name, input_shape=loaded.report.input_shape, batch_size=chosen.batch_size, dtype=chosen.dtype,
        device=str(device), device_name=cpu_name() if device.type == "cpu" else device_name(device),
        threads=threads, torch_version=torch.__version__,
        macs=cost_report(chosen.graph, batch_size=chosen.batch_size).macs,
        forward=runs["forward"], step=runs.get("step"), no_step=chosen.no_step,
        loss=_loss_text(chosen.graph),
        optimizer=chosen.optimizer.text, settings=chosen.settings.to_json(),
        memory=MEASURED_AS.get(device.type, "not measured"), predicted=predicted_memory(chosen),
        trace=None if file is None else str(file),
    )


def _loss_text(graph: Graph) -> str:
    """What `example_loss` computes of a network's outputs."""
    losses = {
        port.name: "cross-entropy" if port.type.ndim == 2 else "mean of the outputs"
        for port in graph.outputs if port.type.dtype in FLOATS
    }
    if len(graph.outputs) == 1:
        return next(iter(losses.values()), "mean of the outputs")
    return "sum of " + ", ".join(f"{name}: {loss}" for name, loss in losses.items())


def _synchroniser(device: torch.device) -> Callable[[], None]:
    """A function that waits until the device has finished its work; on a CPU it does nothing."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


@contextmanager
def _threads(number: int | None) -> Iterator[int]:
    """Use this number of CPU threads within the block, torch's default for None. Yields the number."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
