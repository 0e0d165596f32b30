"""A measurement on paper: the table's cells, the notes, and what it says where something is missing."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from archspec.cli.measured import show
from archspec.profile import Measurement, Runs
from archspec.profile.measurement import PredictedMemory

MEASURED = Measurement(
    name="lenet", input_shape=(1, 28, 28), batch_size=32, dtype="float32", device="cpu", device_name="Some CPU",
    threads=2, torch_version="2.14.1", macs=13_328_640,
    forward=Runs((1.0, 1.5, 2.0, 1.25, 1.75), 3, 32, 2 * 2**20), step=Runs((2000.0, 2000.0), 1, 32, 3 * 2**30),
    no_step=None, loss="cross-entropy", optimizer="SGD", memory="what was allocated", trace="traces/lenet/x.json",
    predicted={"forward": PredictedMemory(3 * 2**20, 2**19), "step": PredictedMemory(2**30, 2**18)},
)


def shown(measured: Measurement, width: int = 200) -> list[str]:
    stream = io.StringIO()
    show(measured, Console(file=stream, width=width, color_system=None, highlight=False))
    return [line.strip() for line in stream.getvalue().splitlines()]


def test_the_whole_text() -> None:
    assert [" ".join(line.split()) for line in shown(MEASURED) if line and "─" not in line] == [
        "measured on Some CPU (cpu), 2 threads, torch 2.14.1",
        "batch of 32 median p10–p90 images/s peak memory predicted runs",
        "forward 1.50 ms 1.10–1.90 ms 21,333 2.00 MiB 3.00 MiB 5",
        "training step 2,000 ms 2,000–2,000 ms 16.0 3.00 GiB 1.00 GiB 2",
        "forward: 8.89 GMAC/s of convolutions and linear layers",
        "training step: forward, cross-entropy, backward, SGD",
        "peak memory: what was allocated",
        "predicted: the peak of the tensors, without running anything; libraries may take up to 512.00 KiB of scratch beside them",
        "trace: traces/lenet/x.json",
    ]


def test_the_settings_are_named() -> None:
    settings = {"precision": "bf16", "channels_last": True, "own_kernels": False, "compile": True}
    (line,) = [line for line in shown(replace(MEASURED, settings=settings)) if line.startswith("measured on")]
    assert line == "measured on Some CPU (cpu), 2 threads, torch 2.14.1, bf16, channels-last, compiled"
    assert shown(replace(MEASURED, settings={"precision": "fp32", "compile": False})) == shown(MEASURED)


def test_without_a_training_step() -> None:
    lines = shown(replace(MEASURED, step=None, no_step="the network has no parameters to train", trace=None))
    assert "no training step: the network has no parameters to train" in lines
    assert not [line for line in lines if line.startswith(("training step", "trace"))]


def test_memory_that_was_not_measured() -> None:
    lines = shown(replace(MEASURED, forward=replace(MEASURED.forward, peak_memory_bytes=None)))
    (row,) = [line for line in lines if line.startswith("forward  ")]
    assert row.split()[-4:] == ["–", "3.00", "MiB", "5"]


@pytest.mark.parametrize(("milliseconds", "cell"), [
    (0.0123456, "0.0123 ms"), (0.9996, "1.00 ms"), (9.994, "9.99 ms"), (99.96, "100 ms"), (12345.6, "12,346 ms"),
    (0.0, "0.0 ms"),
])
def test_times_have_three_figures(milliseconds: float, cell: str) -> None:
    lines = shown(replace(MEASURED, forward=Runs((milliseconds,), 0, 1)))
    (row,) = [line for line in lines if line.startswith("forward  ")]
    assert row.split("  ", 1)[1].strip().startswith(cell)


def test_what_is_faster_than_the_clock() -> None:
    assert MEASURED.forward.per_s(1) < math.inf
    lines = shown(replace(MEASURED, forward=Runs((0.0,), 0, 1)))
    assert "forward: inf GMAC/s of convolutions and linear layers" in lines


def test_a_narrow_terminal_cuts_nothing() -> None:
    """Large figures: columns are left out before a cell is cut."""
    sizes = {"forward": PredictedMemory(1023 * 2**20 + 2**19, 2**19), "step": PredictedMemory(1023 * 2**20, 2**18)}
    for width in (80, 100, 200):
        lines = shown(replace(MEASURED, predicted=sizes), width)
        table = [line for line in lines if line.startswith(("batch of", "forward  ", "training step  "))]
        assert all(len(line) <= width for line in lines)
        assert not [line for line in table if "…" in line]
        assert "peak memory" in table[0]
        assert ("runs" in table[0]) == (width > 80)
        assert ("2,000 ms" in table[2]) and ("1023.00 MiB" in table[2])
