"""Docs, values, shapes and costs at the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.lsp.hover import hover
from archspec.lsp.snapshot import snapshot
from archspec.lsp.text import Spot

from .helpers import PAIR, SPEC, at

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("needle", "offset", "parts"), [
    ("conv2d", 1, ["conv2d: {out_channels, kernel_size,", "Shapes:", "`stem.conv_1.conv2d_1`: (1, 28, 28) → (8, 28, 28), 80 params"]),
    ("kernel_size", 1, ["`kernel_size`: size of the window", "(required)"]),
    ("max_pool2d", 1, ["`stem.max_pool2d_1`: (8, 28, 28) → (8, 14, 14), 0 params"]),
    ("stem:", 1, ["`stem`: (1, 28, 28) → (8, 14, 14), 80 params"]),
    ("add:", 1, ["`body.add_1`: (16, 14, 14) → (16, 14, 14)"]),
    ("{stem: [", 2, ["`stem`: (1, 28, 28) → (8, 14, 14)"]),
    ("[conv: $w", 2, ["conv(channels, act=relu)", "block of spec.yaml"]),
    ("$width", 2, ["var `width` = `8`"]),
    ("$double", 2, ["var `double` = `16`"]),
    ("$channels", 2, ["param `channels` of `conv`"]),
    ("$(0.01 * width)", 2, ["= `0.08`"]),
    ("lr:", 1, ["`lr`: learning rate"]),
    ("input:", 1, ["`input`:"]),
])
def test_what_is_shown(needle: str, offset: int, parts: list[str]) -> None:
    found = hover(*at(needle, offset))
    assert found is not None
    for part in parts:
        assert part in found.text


@pytest.mark.parametrize(("needle", "offset", "part"), [
    ("left:", 1, "input `left`: `(1, 8, 8)`"), ("from: left", 7, "input `left`: `(1, 8, 8)`"),
    ("words:", 1, "input `words`: `(4)`, integers from 0 to 8"), ("b: training", 0, "`b`: (4) → (4)"),
    ("head: always", 1, "`head`: (16) → (3)"), ("below", 1, "integers are 0 to below - 1"),
])
def test_inputs_and_outputs(needle: str, offset: int, part: str) -> None:
    found = hover(*at(needle, offset, PAIR))
    assert found is not None and part in found.text
    broken = hover(*at("left:", 1, PAIR + "zzz"))
    assert broken is not None and "input `left`" in broken.text


@pytest.mark.parametrize("needle", ["# ", "tiny", "[1, 28"])
def test_where_nothing_is_shown(needle: str) -> None:
    assert hover(*at(needle, 1, "# a comment\n" + SPEC)) is None


def test_the_value_of_an_expression_of_the_entering_shape() -> None:
    text = SPEC.replace("flatten, linear: 10", "conv2d: {out_channels: $(2 * in.channels), kernel_size: 1}, flatten, linear: 10")
    found = hover(*at("$(2 * in", 2, text))
    assert found is not None and "= `32`" in found.text
    inside = SPEC.replace("kernel_size: 3", "kernel_size: $(in.channels)")  # which differs from call to call
    shown = hover(*at("$(in.ch", 2, inside))
    assert shown is None or "= `" not in shown.text


def test_uses_of_a_block_are_told_once_for_each_shape() -> None:
    path = ROOT / "archspec" / "stdlib" / "residual.yaml"
    text = path.read_text(encoding="utf-8").replace("archspec: 1\n", "archspec: 1\ninput: [1, 28, 28]\n") + (
        "stages: {a: {residual: 4, repeat: 3}, b: [residual: 4, residual: 4], c: [residual: 8], d: [residual: [8, 2]],"
        " e: [residual: [16, 2]], f: [flatten, linear: 10]}\n"
    )
    found = hover(*at("conv2d", 1, text))
    assert found is not None
    assert found.text.count("→ (") == 3 and "… and 2 other shapes" in found.text


def test_a_broken_text_shows_the_last_network() -> None:
    whole, spot = at("linear: 10", 1)
    broken = snapshot(whole.path, whole.text.replace("kernel_size: 3", "kernel_size: no"), before=whole)
    found = hover(broken, spot)
    assert broken.loaded is None and found is not None
    assert "(3136) → (10)" in found.text and "from the last version without mistakes" in found.text
    again = snapshot(whole.path, broken.text + "\n", before=broken)
    assert again.last is whole


def test_a_sweep() -> None:
    text = "archspec-sweep: 1\nspec: lenet\ngrid: {train.lr: [0.1]}\nseeds: 3\n"
    found = hover(*at("grid", 1, text))
    assert found is not None and "combinations" in found.text


def test_an_empty_text() -> None:
    assert hover(snapshot(Path("/nowhere/a.yaml"), ""), Spot(0, 0)) is None
