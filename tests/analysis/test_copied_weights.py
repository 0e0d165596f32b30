"""A stage that is written a second time, where `share` was probably meant."""

from __future__ import annotations

import archspec

TEXT = """\
archspec: 1
input: {left: [1, 12, 12], right: [1, 12, 12]}
stages:
  tower: [{conv2d: {out_channels: 4, kernel_size: 3}, from: left}, relu, global_avg_pool2d, flatten, linear: 6]
  twin: [{conv2d: {out_channels: 4, kernel_size: 3}, from: right}, relu, global_avg_pool2d, flatten, linear: 6]
  head: [add: {a: {from: tower}, b: []}, linear: 1]
expect: {params: 77}
"""
NOTE = "`twin` has the same layers as `tower`: `{share: tower}` would run them with the same weights"


def notes(text: str) -> list[str]:
    return [note for found in archspec.check(text) for note in found.notes]


def test_copied_layers_are_noted_where_the_parameters_are_too_many() -> None:
    assert archspec.check(TEXT.replace("params: 77", "params: 147")) == ()
    assert NOTE in notes(TEXT)
    assert NOTE not in notes(TEXT.replace("params: 77", "params: 78"))
    assert NOTE not in notes(TEXT.replace("from: right}, relu", "from: right}, tanh"))
    (twin,) = [line for line in TEXT.splitlines() if line.startswith("  twin")]
    assert archspec.check(TEXT.replace(twin, "  twin: {share: tower, from: right}")) == ()


def test_the_name_of_a_stage_as_a_layer() -> None:
    text = TEXT.replace("  head: [add", "  head: [tower, add")
    (found,) = archspec.check(text)
    assert found.code == "SPEC020" and found.fix is None
    assert found.hint == "`tower` is a stage: `{share: tower}` runs it again with its weights, `{from: tower}` takes its output"
