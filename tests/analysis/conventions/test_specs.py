"""The shipped specs, counted by each installed tool."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import archspec
from archspec.analysis.conventions import CONVENTIONS, counted
from tests.fuzz.draw import valid_network

from .tools import printed

ROOT = Path(__file__).parents[3] / "specs"
SPECS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in sorted(ROOT.rglob("*.yaml"))]
FAST = {"lenet", "zoo/mobilenet_v3_small", "zoo/siamese", "zoo/textcnn"}


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.parametrize("tool", CONVENTIONS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in SPECS])
def test_a_spec_is_counted_as_the_tool_counts_it(name: str, tool: str) -> None:
    graph = archspec.load(name).graph
    numbers = printed(tool, graph, 1)
    for convention in CONVENTIONS[tool]:
        figure = counted(graph, convention)
        assert figure.exact
        assert figure.total == numbers.get(convention.unit, numbers.get("")), convention.unit


CHAINS = {  # whether a linear layer gets a contiguous input decides whether ptflops (aten) sees its bias
    "permute": "input: [3, 4, 5]\nstages: {a: [permute: [0, 2, 3, 1], linear: 2]}",
    "there and back": "input: [3, 4, 5]\nstages: {a: [permute: [0, 2, 3, 1], relu, permute: [0, 3, 1, 2], linear: 2]}",
    "tokens": "input: [3, 4, 5]\nstages: {a: [{conv2d: {out_channels: 6, kernel_size: 1}}, flatten: 2, permute: [0, 2, 1], {linear: 2}]}",
    "tokens after a norm": "input: [3, 4, 5]\nstages: {a: [flatten: 2, permute: [0, 2, 1], layer_norm, {linear: 2}]}",
    "an activation of a permuted value": "input: [3, 4, 5]\nstages: {a: [permute: [0, 2, 3, 1], gelu, {linear: 2}]}",
    "a convolution of channels last": "input: [4, 5, 3]\nstages: {a: [permute: [0, 3, 1, 2], {conv2d: {out_channels: 6, kernel_size: 1}}, permute: [0, 2, 3, 1], {linear: 2}]}",
    "a pool of channels last": "input: [4, 6, 3]\nstages: {a: [permute: [0, 3, 1, 2], batch_norm2d, max_pool2d: 2, permute: [0, 2, 3, 1], {linear: 2}]}",
    "a slice": "input: [4, 6]\nstages: {a: [{slice: {dim: 1, end: 2}}, {linear: 2}]}",
    "a chunk": "input: [4, 6]\nstages: {a: [{chunk: {chunks: 2, index: 1, dim: -1}}, {linear: 2}]}",
    "a place": "input: [4, 5, 6]\nstages: {a: [{select: {dim: 2, index: 1}}, {linear: 2}]}",
    "a reshape of a permuted value": "input: [4, 5, 6]\nstages: {a: [permute: [0, 3, 1, 2], reshape: [6, 20], {linear: 2}]}",
    "a reshape that copies": "input: [4, 5, 6]\nstages: {a: [permute: [0, 3, 1, 2], reshape: [30, 4], {linear: 2}]}",
    "a sum of permuted values": "input: [4, 5]\nstages: {a: [permute: [0, 2, 1], {add: {main: relu, skip: identity}}, {linear: 2}]}",
    "a learned tensor": "input: [4, 5]\nstages: {a: [{parameter: {shape: [3, 5], init: zeros}}, {linear: 2}]}",
    "heads": "input: {q: [3, 4, 8]}\nstages: {a: [{attention: {query: {from: q}, key: {from: q}, value: {from: q}}}, permute: [0, 2, 1, 3], {linear: 2}]}",
    "one head": "input: {q: [4, 8]}\nstages: {a: [{attention: {query: {from: q}, key: {from: q}, value: {from: q}}}, {linear: 2}]}",
    "a learned bias of the scores": "input: {q: [3, 4, 8]}\nstages: {bias: [{parameter: {shape: [3, 4, 4], init: zeros}, from: q}], a: [{attention: {query: {from: q}, key: {from: q}, value: {from: q}, bias: {from: bias}}}, permute: [0, 2, 1, 3], {linear: 2}]}",
    "windows of a width that is padded": "input: [5, 6, 8]\nstages: {a: [{window_attention: {num_heads: 2, window_size: 4}}, {linear: 2}]}",
    "a resized view of one sample": "input: [4, 8, 12]\nstages: {a: [flatten: 2, permute: [0, 2, 1], {multi_head_attention: 2}, permute: [0, 2, 1], reshape: [4, 2, -1], {interpolate: {scale_factor: 2, mode: bilinear}}, flatten: 2, permute: [0, 2, 1], {multi_head_attention: 2}]}",
    "a named padding": "input: [3, 8, 8]\nstages: {a: [{conv2d: {out_channels: 4, kernel_size: 4, padding: same}}, relu, {conv2d: {out_channels: 4, kernel_size: 3, padding: valid}}]}",
}


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("name", "tool"), [*[(name, "ptflops-aten") for name in CHAINS], ("a named padding", "fvcore"), ("a named padding", "deepspeed")])
def test_a_chain_is_counted_as_the_tool_counts_it(name: str, tool: str) -> None:
    graph = archspec.load(f"archspec: 1\nname: n\n{CHAINS[name]}\n").graph
    numbers = printed(tool, graph, 2)
    for convention in CONVENTIONS[tool]:
        assert counted(graph, convention, 2).total == numbers.get(convention.unit, numbers.get("")), convention.unit


ON_IMAGES = [
    "batch_norm2d", "abs", "scale: 2", "layer_scale", "group_norm: 2", "instance_norm2d", "local_response_norm: 3", "dropout2d", "softmax: 1",
    "max_pool2d: 2", "avg_pool2d: 2", "adaptive_avg_pool2d: 2", "adaptive_max_pool2d: 2", "global_avg_pool2d", "global_max_pool2d",
    "conv2d: {out_channels: 4, kernel_size: 1}", "conv2d: {out_channels: 4, kernel_size: 3, padding: 1, groups: 2}", "conv_transpose2d: {out_channels: 4, kernel_size: 2}",
    "upsample: {scale_factor: 2}", "interpolate: {scale_factor: 2, mode: bilinear}", "interpolate: {scale_factor: 2, mode: bicubic}", "zero_pad2d: 1", "zero_pad2d: 0", "pad: [1, 1]",
    "channel_shuffle: 2", "pixel_shuffle: 2", "pixel_unshuffle: 2", "roll: {shifts: 1, dims: 2}", "concat: {a: relu, b: identity}", "add: {a: relu, b: identity}",
    "stack: {a: relu, b: identity}", "reshape: [4, 32, 2]", "slice: {dim: 3, end: 6}",
]
FRAMES = {  # the input of a layer is channels last, and so may be its output; the strides of a single sample are those of a view
    "permuted": "input: [8, 8, 4]\nstages: {{a: [permute: [0, 3, 1, 2], {{{layer}}}, {{flatten: {{start_dim: 2}}}}, permute: [0, 2, 1], {{linear: 3}}]}}",
    "viewed": "input: [64, 4]\nstages: {{a: [permute: [0, 2, 1], reshape: [4, 8, 8], {{{layer}}}, {{flatten: {{start_dim: 2}}}}, permute: [0, 2, 1], {{linear: 3}}]}}",
}


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("layer", ON_IMAGES)
def test_whether_a_layer_keeps_channels_last_decides_what_ptflops_counts_after_it(layer: str, frame: str) -> None:
    spec = FRAMES[frame].format(layer=layer if ":" in layer else f"{layer}: {{}}")
    graph = archspec.load(f"archspec: 1\nname: n\n{spec}\n").graph
    (convention,) = CONVENTIONS["ptflops-aten"]
    assert counted(graph, convention).total == printed("ptflops-aten", graph, 1)[""]


FRESH = [time.time_ns() // 1000 + k for k in range(6)]  # other networks in every run; a failure names its seed


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("seeds", [range(6), FRESH], ids=["fixed", "fresh"])
def test_random_networks_are_counted_as_the_tools_count_them(seeds: range | list[int]) -> None:
    for seed in seeds:
        _, graph = valid_network(seed)
        for tool, conventions in CONVENTIONS.items():
            numbers = printed(tool, graph, 2)
            for convention in conventions:
                figure, number = counted(graph, convention, 2), numbers.get(convention.unit, numbers.get(""))
                assert (None if figure.fails else figure.total) == number, (seed, tool, convention.unit)


@pytest.mark.parametrize("tool", ["ptflops-aten", "ptflops-pytorch"])
def test_a_tool_that_runs_one_sample_fails_where_a_norm_needs_two(tool: str) -> None:
    norm = {"batch_norm2d": {"track_running_stats": False}}
    graph = archspec.load({"archspec": 1, "name": "n", "input": [3, 8, 8], "stages": {"a": ["global_avg_pool2d", norm]}}).graph
    (convention,) = CONVENTIONS[tool]
    assert printed(tool, graph, 2)[""] is None
    assert counted(graph, convention, 2).fails == "a.batch_norm2d_1"
    assert counted(graph, CONVENTIONS["thop"][0], 2).fails is None
