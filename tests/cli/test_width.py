"""Tables stay within a terminal of 80 columns, for every shipped spec."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import archspec
from archspec.analysis import Report
from archspec.cli import run
from archspec.cli.layer_rows import sorted_rows
from archspec.cli.layer_table import show
from archspec.profile import LayerProfile
from archspec.profile.breakdown import PassTimes
from archspec.profile.layer_profile import LayerTime
from archspec.profile.roofline import Roof
from archspec.profile.timeline import Part

from .conftest import ROOT
from .test_profile import Terminal

SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
LONG = """archspec: 1
name: long_names
input: [3, 64, 64]
stages:
  a_very_long_stage_name_for_the_stem_of_the_network: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, relu]
  the_feature_extractor: {sequential: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, relu], repeat: 5, share: true}
  the_feature_extractor_again: {share: the_feature_extractor}
  head: [global_avg_pool2d, flatten, linear: 10]
"""


@pytest.fixture
def long_names(tmp_path: Path) -> Path:
    path = tmp_path / "long.yaml"
    path.write_text(LONG, encoding="utf-8")
    return path


def printed(monkeypatch: pytest.MonkeyPatch, *words: object, columns: int = 80) -> list[str]:
    """The lines that a command prints on a terminal of so many columns, without colours."""
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm-256color")
        assert run([str(word) for word in words]) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()


@pytest.mark.parametrize("options", [["--target", "h200", "--receptive-field"], ["--tree", "--convention", "thop"]], ids=len)
@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_static_profiles(monkeypatch: pytest.MonkeyPatch, spec: Path, options: list[str]) -> None:
    assert max(map(len, printed(monkeypatch, "profile", spec, "--static", "--depth", 9, *options))) <= 80


def test_a_long_name_keeps_how_many_copies_it_stands_for(monkeypatch: pytest.MonkeyPatch, long_names: Path) -> None:
    lines = printed(monkeypatch, "profile", long_names, "--static", "--tree", "--depth", 9)
    assert max(map(len, lines)) <= 80
    assert any(re.search(r"└ 1–4 ×4 ", line) for line in lines) and any("…" in line for line in lines)


def measured(report: Report, scale: float) -> LayerProfile:
    """Layer k takes k · scale ms forward, and twice as long backward."""
    layers = tuple(
        LayerTime(x.path, x.op, k * scale, k * scale, 2 * k * scale, Roof(10**6, 10**5, {"bandwidth": k / 1000}), 3.0 * k * scale)
        for k, x in enumerate(report.layers(), 1)
    )
    parts = {Part(way, x.path): ms for x in layers for way, ms in (("forward", x.forward_ms), ("backward", x.backward_ms))}
    step = PassTimes(parts, sum(parts.values()), 7)
    return LayerProfile(layers, {"forward": step, "step": step}, "fp32")


@pytest.mark.parametrize("by_time", [True, False], ids=["time", "spec"])
@pytest.mark.parametrize("spec", [*SPECS, None], ids=lambda path: path.stem if path else "long")
def test_measured_layers(spec: Path | None, by_time: bool) -> None:
    report = archspec.analyze(spec or LONG)
    for scale in (0.01, 1):
        found, stream = measured(report, scale), io.StringIO()
        show(found, report, Console(file=stream, width=80, color_system=None, highlight=False), depth=9, by_time=by_time)
        lines = [line.rstrip() for line in stream.getvalue().splitlines()]
        assert max(map(len, lines)) <= 80
        if by_time:  # each row is still told from the others, and says for how many copies it stands
            rows = sorted_rows(report, found, 20)
            start = next(k for k, line in enumerate(lines) if line.startswith(" ──")) + 1
            for row, line in zip(rows, lines[start:], strict=False):
                assert f" ×{row.copies} " in line if row.copies > 1 else "×" not in line
                assert row.name.rpartition(".")[2][:4] in line


def test_measured_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = SimpleNamespace(
        forward_ms=123456.7, step_ms=1234567.8, device_name="a CPU", device="cpu", torch_version="2", loss="a loss", optimizer="SGD",
    )
    rows = [
        SimpleNamespace(batch_size=size, measured=times, images_per_s=1.25e9, peak_bytes=1023 << 30, trains=True, problem=None)
        for size in (1, 10**7)
    ]
    monkeypatch.setattr("archspec.profile.batches.sweep_batches", lambda *_, **__: rows)
    lines = printed(monkeypatch, "profile", "lenet", "--batch-size", "1,10000000")
    assert max(map(len, lines)) <= 80
    for figure in ("10000000", "123,457 ms", "1,234,568 ms", "1,250,000,000", "1023.00 GiB"):
        assert sum(figure in line for line in lines) >= 1
