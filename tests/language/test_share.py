"""`share` in specs written in Python, and in the canonical form of a text."""

from __future__ import annotations

import pytest

import archspec
from archspec import ArchSpec, Layer
from archspec.ops import OPS
from archspec.source.layout.format import formatted

SPEC = ArchSpec(input=[1, 8, 8], stages={
    "a": [
        Layer(kind="conv2d", args={"out_channels": 1, "kernel_size": 1}, name="c"),
        Layer(share="c"), Layer(share="c", repeat=2, name="d"),
    ],
    "b": [Layer(kind="linear", args=8, repeat=3, share=True)],
    "p": {"mul": {"x": [], "y": OPS["parameter"](shape=[1, 1, 8], init={"normal": 0.1})}},
})


def test_a_spec_written_in_python() -> None:
    data = SPEC.to_data()["stages"]
    assert data["a"][1:] == [{"share": "c"}, {"share": "c", "name": "d", "repeat": 2}]
    assert data["b"] == [{"linear": 8, "repeat": 3, "share": True}]
    assert data["p"]["mul"]["y"] == {"parameter": {"shape": [1, 1, 8], "init": {"normal": 0.1}}}


def test_it_means_the_same_as_text() -> None:
    loaded = archspec.load(SPEC)
    again = archspec.load(loaded.resolved_yaml())
    assert "{share: c, name: d, repeat: 2}" in loaded.resolved_yaml()
    assert (again.report.params, again.report.macs) == (loaded.report.params, loaded.report.macs) == (2 + 72 + 8, 4 * 64 + 3 * 512)


@pytest.mark.parametrize("text", [
    "stages:\n  a:\n    - share: b\n      from: input\n", "stages: {a: {share: b, repeat: 2}}\n", "stages:\n  a: [share: b, relu]\n",
])
def test_the_canonical_form_keeps_it(text: str) -> None:
    whole = f"archspec: 1\ninput: [3, 8, 8]\n{text}"
    first = formatted(whole, "spec.yaml")
    assert first.count("share: b") == 1 and formatted(first, "spec.yaml") == first
