"""After an error upstream nothing crashes, and no layer below speaks of what is not known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archspec
from archspec.ops import OPS, Merge
from tests.helpers import assert_form, comparisons_are_written_out
from tests.ops.strategies import STRATEGIES

# Each leaves another part of its output open, and is the only mistake of its layer.
BROKEN: list[Any] = [
    {"conv2d": {"out_channels": "$missing", "kernel_size": 1}}, {"conv2d": {"out_channels": 4, "kernel_size": "$missing"}},
    {"conv2d": {"out_channels": 4, "kernel_size": 99}}, {"max_pool2d": "$missing"}, "no_such_op", {"linear": "$missing"},
    {"reshape": [3, -1, 5]}, {"flatten": {"start_dim": "$missing"}}, {"pixel_shuffle": 5}, {"pixel_unshuffle": 5},
    {"chunk": {"chunks": 3, "index": 2, "dim": "$missing"}}, {"interpolate": {"scale_factor": "$missing"}},
    {"group_norm": 5}, {"from": "nowhere"}, {"relu": {}, "repeat": "$missing"}, {"adaptive_avg_pool2d": "$missing"},
]
HEADS = st.sampled_from(BROKEN)
PARTIAL = st.sampled_from(["$(in.channels // 2)", "$(in.height + 1)", "$(max(in.channels, 4))", "$(4 / in.width)", "$in.channels"])


@st.composite
def layers(draw: st.DrawFn) -> dict[str, Any]:
    """An op with fields that it accepts, or now and then with one that depends on the shape; or a merge of two."""
    name = draw(st.sampled_from(sorted(OPS)))
    fields, _ = draw(STRATEGIES[name])
    if name in ("add", "mul", "concat"):
        return {name: {**fields, "one": draw(st.one_of(st.just([]), layers())), "other": draw(st.lists(layers(), max_size=2))}}
    if fields and not draw(st.integers(0, 3)):
        fields = {**fields, draw(st.sampled_from(sorted(fields))): draw(PARTIAL)}
    layer: dict[str, Any] = {name: fields or None}
    if not draw(st.integers(0, 5)):
        layer["when"] = draw(st.sampled_from(["$(in.channels == 4)", "$(in.height > 2 and in.width < 9)"]))
    if not draw(st.integers(0, 5)):
        layer["repeat"] = draw(st.integers(0, 3))
    return layer


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(HEADS, st.lists(layers(), min_size=1, max_size=4), st.lists(layers(), max_size=3))
def test_errors_upstream_never_crash_what_follows(head: Any, after: list[Any], second: list[Any]) -> None:
    data = {"archspec": 1, "input": [4, 8, 8], "stages": {"a": [head, *after], "b": second}}
    with comparisons_are_written_out():
        found = archspec.check(data)
    assert found
    for diagnostic in found:
        assert_form(diagnostic)
        assert "?" not in diagnostic.message.replace("(?", "").replace("?)", "").replace(", ?", "").replace("?×", "").replace("×?", "")


# Fields that suit any shape of the op's rank.
HARMLESS: dict[str, Any] = {
    "linear": 3, "conv2d": {"out_channels": 2, "kernel_size": 1}, "conv_transpose2d": {"out_channels": 2, "kernel_size": 1},
    "dropout": 0.5, "dropout2d": 0.5, "stochastic_depth": 0.5, "max_pool2d": 1, "avg_pool2d": 1, "adaptive_avg_pool2d": 2,
    "adaptive_max_pool2d": 2, "group_norm": 1, "local_response_norm": 2, "interpolate": {"size": 4}, "upsample": {"size": 4},
    "zero_pad2d": 1, "reshape": [-1], "permute": [0, 1, 2, 3], "chunk": {"chunks": 1, "index": 0},
    "select": {"dim": 1, "index": 0}, "channel_shuffle": 1, "pixel_shuffle": 1, "pixel_unshuffle": 1, "softmax": 1,
    "parameter": {"shape": [2], "init": "zeros"},
    "log_softmax": 1, "scale": 2.0, "mean": 1, "max": 1, "roll": {"shifts": 1, "dims": 1}, "pad": [1, 1], "slice": {"dim": 1},
    "window_attention": {"num_heads": 1, "window_size": 2},
}
IMAGES = {"permute"} | {name for name, cls in OPS.items() if getattr(cls, "ndim", None) == 4}

MERGES = {name for name, cls in OPS.items() if issubclass(cls, Merge)}
OTHER_RANKS = {name for name, cls in OPS.items() if cls.ndim in (3, 5)}  # whose mistake after an image is one more


@pytest.mark.parametrize("head", BROKEN, ids=str)
def test_one_mistake_is_told_once(head: Any) -> None:
    """Whatever follows it, it is the only one; only an op of images after what is known to be none adds its own."""
    vector = isinstance(head, dict) and ("linear" in head or "reshape" in head)
    for name in sorted(set(OPS) - {"batch_norm1d", "multi_head_attention", "embedding"} - OTHER_RANKS - MERGES):
        data = {"archspec": 1, "input": [4, 8, 8], "stages": {"a": [head, {name: HARMLESS.get(name)}]}}
        with comparisons_are_written_out():
            found = archspec.check(data)
        assert len(found) == 1 or (vector and name in IMAGES and found[1].code == "SHAPE102"), (name, found)
