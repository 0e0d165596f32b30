"""A measured profile on paper: rows, sums over equal layers, what dominates, and what would help."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

import archspec
from archspec.cli.layer_rows import sorted_rows, totals, tree_rows
from archspec.cli.layer_table import csv_text, show, slowest_line
from archspec.profile import LayerProfile
from archspec.profile.breakdown import PassTimes
from archspec.profile.layer_profile import LayerTime, Trial
from archspec.profile.peaks import Peaks
from archspec.profile.roofline import Roof
from archspec.profile.timeline import BACKWARD, FORWARD, MEASURING, Part

TEXT = """\
archspec: 1
name: paper
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu]
  body: {sequential: [{conv2d: {out_channels: 4, kernel_size: 1}, repeat: 2}, relu], repeat: 3}
  head: [flatten, linear: 10]
"""
REPORT = archspec.analyze(TEXT)
PEAKS = Peaks("fp32", {"matrices of 512": 200e9}, ((2**16, 80e9), (2**26, 12e9)), 1e-6)


def profile(**changes: object) -> LayerProfile:
    """Layer k takes k ms forward and 2 k ms backward; the step has 10 ms more."""
    layers = tuple(
        LayerTime(x.path, x.op, k / 2, k, 2 * k, Roof(10**6, 10**5, {"compute": k / 1000}), 4.0 * k)
        for k, x in enumerate(REPORT.layers(), 1)
    )
    parts = {Part("forward", x.path): x.forward_ms for x in layers} | {Part("backward", x.path): x.backward_ms for x in layers}
    parts |= {FORWARD: 1.0, BACKWARD: 2.0, Part("loss"): 0.5, Part("optimizer"): 5.5, MEASURING: 1.0}
    step = PassTimes(parts, sum(parts.values()) / 1.25, 7)
    forward = PassTimes({Part("forward", x.path): x.inference_ms for x in layers}, 1.0, 7)
    given = {"layers": layers, "passes": {"forward": forward, "step": step}, "settings": "fp32, NCHW", "peaks": PEAKS}
    return LayerProfile(**(given | changes))  # type: ignore[arg-type]


def shown(found: LayerProfile, *, width: int = 200, by_time: bool = False, depth: int | None = 9) -> list[str]:
    stream = io.StringIO()
    show(found, REPORT, Console(file=stream, width=width, color_system=None, highlight=False), depth=depth, by_time=by_time)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_the_rows_are_the_tree_and_equal_layers_are_one() -> None:
    found = profile()
    rows = list(tree_rows(REPORT.root, found, 9))
    assert [(row.guide + row.name, row.copies) for row in rows] == [
        ("stem", 1), ("├ conv2d_1", 1), ("└ relu_1", 1), ("body", 1), ("├ 0", 1), ("│ ├ conv2d_1", 1),
        ("│ │ └ 0–1", 2), ("│ └ relu_1", 1), ("└ 1–2", 2), ("  ├ conv2d_1", 1), ("  │ └ 0–1", 2), ("  └ relu_1", 1), ("head", 1), ("├ flatten_1", 1), ("└ linear_1", 1),
    ]
    by_name = {row.name: row for row in rows if row.guide == ""}
    assert sum(row.ms for row in by_name.values()) == sum(map(found.ms, found.layers)) == totals(found).ms
    assert by_name["body"].forward_ms == 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11
    convolution = next(row for row in rows if row.guide == "  │ └ ")
    assert convolution.forward_ms == 6 + 7 + 9 + 10  # two copies in two copies
    assert convolution.roof is not None and convolution.roof.flops == 4 * 10**6
    assert convolution.predicted_ms == 4 * convolution.forward_ms
    assert len(list(tree_rows(REPORT.root, found, 1))) == 3


def test_depth_0_leaves_out_the_table() -> None:
    full, alone = shown(profile(), depth=1), shown(profile(), depth=0)
    assert [line for line in full if line.strip() and line in alone] == [line for line in alone if line.strip()]
    assert not any("stem" in line.split() or "all layers" in line for line in alone)
    assert any(line.startswith("in all ") for line in alone)


def test_sorted_by_time_with_the_rest_in_one_row() -> None:
    found = profile()
    rows = sorted_rows(REPORT, found, 20)
    assert [(row.name, row.copies, row.ms) for row in rows] == [
        ("body.1.conv2d_1.0", 4, 96), ("body.1.relu_1", 2, 57), ("head.linear_1", 1, 39), ("head.flatten_1", 1, 36),
        ("body.0.conv2d_1.0", 2, 21), ("body.0.relu_1", 1, 15), ("stem.relu_1", 1, 6), ("stem.conv2d_1", 1, 3),
    ]
    cut = sorted_rows(REPORT, found, 2)
    assert [(row.name, row.ms) for row in cut][2:] == [("6 others", 120)]
    assert sum(row.ms for row in cut) == sum(row.ms for row in rows)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("by_time", [False, True])
def test_the_table_fits_a_terminal(by_time: bool, width: int) -> None:
    lines = shown(profile(), width=width, by_time=by_time)
    table = lines[: next(k for k, line in enumerate(lines) if line.startswith("besides"))]
    assert max(map(len, table)) <= width
    assert ("GFLOP/s" in table[3]) == (width >= 100)
    assert "bound by" in table[3]
    assert all("…" not in line[24:] for line in table)  # a figure is never cut


def test_the_text_below_it() -> None:
    trials = (Trial("channels-last", 0.184, True), Trial("own-kernels", -0.05), Trial("bf16", 0.2, False),
              Trial("tf32", problem="it runs out of memory"))
    lines = shown(profile(trials=trials))
    assert [line.split("×")[1][0] for line in lines[:-1] if "×" in line] == ["2", "2", "2"]
    assert lines[-5:] == [
        "besides: between layers, forward 1.00 ms (0.4 %), between layers, backward 2.00 ms (0.7 %), loss 0.500 ms (0.2 %), "
        "optimizer 5.50 ms (1.9 %), other 0 ms (0.0 %), hooks 1.00 ms (0.4 %)",
        "in all 283 ms; without hooks the same training step takes 226 ms: measuring costs 25.0 %, "
        "the hooks themselves 0.4 % (faster half of 7 runs each, in turns)",
        "peaks of this machine: 200 GFLOP/s (matrices of 512), 12.0 GB/s from memory and up to 80.0 GB/s from "
        "caches, 1.00 µs for an op",
        "other settings, measured in turns with these: channels-last saves 18 %; own-kernels costs 5 %; "
        "bf16 saves 20 % (noise); tf32: it runs out of memory",
        "slowest: body.1.conv2d_1.0 ×4, 34 % of the training step, at 33 % of what this machine can do, bound by compute; "
        "channels-last would save 18 % (measured)",
    ]


def test_what_does_not_help_is_not_praised() -> None:
    found = profile(trials=(Trial("channels-last", -0.1), Trial("bf16", 0.01, True)))
    *_, last = tree_rows(REPORT.root, found, 9)
    assert slowest_line(found, last).endswith("; neither channels-last nor bf16 is faster (measured)")
    alone = profile(trials=(Trial("bf16", -0.1),))
    assert slowest_line(alone, last).endswith("; bf16 is not faster (measured)")
    without = profile()
    assert slowest_line(without, last).endswith("bound by compute")
    bare = replace(last, roof=None)
    assert slowest_line(without, bare) == "slowest: linear_1, 14 % of the training step"


def test_a_tiny_share_is_not_none() -> None:
    found = profile()
    slow = replace(totals(found), roof=Roof(0, 1, {"bandwidth": 1e-6}))
    assert ", at <1 % of what this machine can do, bound by bandwidth" in slowest_line(found, slow)


def test_measuring_that_noise_hides() -> None:
    found = profile()
    quick = replace(found.passes["step"], plain_ms=1000.0)
    assert "measuring costs less than the noise" in shown(replace(found, passes={**found.passes, "step": quick}))[-3]


def test_without_a_training_step() -> None:
    found = profile(passes={"forward": profile().passes["forward"]})
    lines = shown(found)
    assert "time of each layer in a forward pass, fp32, NCHW" in lines
    assert not any("backward" in line or "optimizer" in line for line in lines)
    assert sum(map(found.ms, found.layers)) == found.whole.total_ms


def test_csv_adds_up() -> None:
    found = profile()
    head, *rows = [line.split(",") for line in csv_text(found).splitlines() if not line.startswith('"')]
    place = head.index("ms")
    quoted = sum(ms for name, ms in found.rest() if "," in name)
    assert sum(float(row[place]) for row in rows) + quoted == pytest.approx(found.whole.total_ms)


def test_json_adds_up() -> None:
    found = profile(trials=(Trial("bf16", 0.5, True),)).to_json()
    assert sum(x["ms"] for x in found["layers"]) + sum(found["rest_ms"].values()) == pytest.approx(found["total_ms"])
    assert found["cost_of_measuring"] == pytest.approx(0.25)
    assert found["trials"] == [{"settings": "bf16", "saving": 0.5, "helps": True, "problem": None}]
    assert found["layers"][0]["share_of_roof"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_and_the_notes_stay_within_the_terminal(width: int) -> None:
    lines = shown(profile(), width=width)
    assert all(len(line) <= width for line in lines)
    assert not [line for line in lines if "…" in line]
    assert any("GFLOP/s" in line for line in lines[:5]) == (width >= 100)
