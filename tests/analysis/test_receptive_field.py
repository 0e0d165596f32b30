"""Receptive fields against what a value that is not a number reaches in the built network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import archspec
from archspec.analysis.receptive_field import Field, receptive_fields
from archspec.backends.torch import build
from archspec.ir import Graph, sites
from archspec.ops import Op, register_op
from archspec.types import TensorType


def reached(graph: Graph, axis: int) -> dict[str, Tensor]:
    """For each layer: whether output (…) of sample p depends on position p of the input's axis; all inputs but one are 1.

    Sample p has NaN at its position p: NaN times any weight is NaN, a maximum with NaN is NaN, and so on.
    """
    model = build(graph).eval()
    size = graph.input.shape[axis]
    x = torch.ones(size, *graph.input.shape[1:])
    for p in range(size):
        x[p].select(axis - 1, p).fill_(float("nan"))
    found: dict[str, Tensor] = {}
    for site in sites(graph):
        model.get_submodule(site.path).register_forward_hook(
            lambda _, __, y, path=site.path: found.update({path: y.isnan()})
        )
    with torch.no_grad():
        model(x)
    return found


def compare(graph: Graph) -> int:
    """Hold each layer's fields against the network, where they lie inside the input. Returns how many were compared.

    At a border torch multiplies some values by 0 (bilinear resizing), which would let NaN through.
    """
    fields, compared = receptive_fields(graph), 0
    for k, axis in enumerate(range(2 if len(graph.input.shape) > 3 else 1, len(graph.input.shape))):
        size = graph.input.shape[axis]
        for path, nan in reached(graph, axis).items():
            known = fields[path]
            assert known is not None, path
            mine = known["input"][k] if "input" in known else None
            if mine is None:
                assert not nan.any(), path
            elif mine.dim is not None or not mine.stride:
                rows = nan.flatten(1).unsqueeze(-1) if mine.dim is None else nan.movedim(mine.dim, 1).flatten(2).transpose(1, 2)
                compared += sum(_alike(rows.any(1)[:, j], mine, j, size, path) for j in range(rows.shape[-1]))
    return compared


def _alike(reached: Tensor, mine: Field, j: int, size: int, path: str) -> bool:
    """Whether output j's field lies inside the input; then it is what reaches it."""
    touched, (first, last) = reached.nonzero().flatten().tolist(), mine.span.at(j)
    inside = first > 0 and last + mine.stride < size - 1
    if inside or first > last:
        assert touched[:1] + touched[-1:] == ([first, last] if first <= last else []), (path, j, first, last, touched)
    return inside


def network(*layers: Any, shape: tuple[int, ...] = (2, 40, 37)) -> Graph:
    return archspec.load({"archspec": 1, "name": "n", "input": list(shape), "stages": {"a": list(layers)}}).graph


def conv(kernel: Any, **fields: Any) -> dict[str, Any]:
    return {"conv2d": {"out_channels": 2, "kernel_size": kernel, **fields}}


def up(kernel: Any, **fields: Any) -> dict[str, Any]:
    return {"conv_transpose2d": {"out_channels": 2, "kernel_size": kernel, **fields}}


NETWORKS: dict[str, list[Any]] = {
    "windows": [conv([3, 5], padding=[1, 2]), "relu", {"max_pool2d": 2}, conv(3, stride=[2, 1]), {"avg_pool2d": {"kernel_size": 3, "stride": 1}}],
    "dilation": [conv(3, dilation=2), conv(3, dilation=3, padding=3), conv(2, padding="same")],
    "a residual block": [conv(3, padding=1), {"add": {"main": [conv(3, padding=1), "relu", conv(3, padding=1)], "skip": "identity"}}],
    "an inception block": [{"concat": {"a": conv(1), "b": conv(5, padding=2), "c": [{"max_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1}}, conv(1)]}}, conv(3)],
    "branches of unequal ends": [{"add": {"a": {"slice": {"dim": 2, "start": 3, "end": 30}}, "b": [conv([14, 1])]}}],
    "a transposed convolution": [conv(3, stride=2), up(3, stride=2), conv(3)],
    "a transposed convolution with gaps": [conv(3, stride=2), up(2, stride=3, dilation=2)],
    "an hourglass": [{"add": {"skip": "identity", "deep": [conv(2, stride=2), conv(3, padding=1), up([2, 3], stride=2)]}}],
    "nearest": [conv(3, stride=2), {"interpolate": {"scale_factor": 2}}, conv(3)],
    "bilinear": [conv(3, stride=2), {"interpolate": {"scale_factor": 2, "mode": "bilinear"}}, conv(3)],
    "bicubic to a size": [{"max_pool2d": 2}, {"interpolate": {"size": [35, 36], "mode": "bicubic"}}],
    "nearest to a size": [{"max_pool2d": 2}, {"interpolate": {"size": [30, 27]}}, conv(2)],
    "corners": [{"interpolate": {"size": [15, 14], "mode": "bilinear", "align_corners": True}}],
    "shuffles": [{"conv2d": {"out_channels": 8, "kernel_size": 3}}, {"channel_shuffle": 2}, {"pixel_shuffle": 2}, conv(3), {"slice": {"dim": 3, "end": 60}}, {"pixel_unshuffle": 2}],
    "pools to a size": [conv(3), {"adaptive_avg_pool2d": [19, 7]}, conv(2)],
    "a pool over all": [conv(3), "global_avg_pool2d", "flatten", {"linear": 3}],
    "norms": ["batch_norm2d", conv(3), {"local_response_norm": 3}, {"permute": [0, 2, 3, 1]}, "layer_norm", {"linear": 4}, "gelu", {"permute": [0, 3, 1, 2]}, conv(3)],
    "a norm over all": [conv(3), {"group_norm": 1}, conv(3)],
    "a norm of each image": ["instance_norm2d", conv(3)],
    "patches mixed in their tokens": [conv(4, stride=4), {"flatten": 2}, {"permute": [0, 2, 1]}, {"linear": 5}, {"permute": [0, 2, 1]}, {"reshape": [5, 10, 9]}, conv(3)],
    "tokens mixed": [conv(4, stride=4), {"flatten": 2}, {"linear": 5}],
    "one row": [conv(3), {"select": {"dim": 2, "index": 7}}, {"conv1d": {"out_channels": 2, "kernel_size": 3}}],
    "a part": [conv(3), {"chunk": {"chunks": 2, "index": 1, "dim": 2}}, {"slice": {"dim": 3, "start": -20, "step": 2}}],
    "zeros": [{"zero_pad2d": [1, 2, 3, 4]}, conv(3), {"pad": {"padding": [2, 0, 1, 0]}}, conv(3)],
    "a mean": [conv(3), {"mean": {"dim": 2, "keepdim": True}}, conv([1, 3])],
    "a gate": [conv(3), {"mul": {"main": "identity", "gate": ["global_avg_pool2d", conv(1), "sigmoid"]}}],
    "windows of attention": [{"conv2d": {"out_channels": 4, "kernel_size": 1}}, {"permute": [0, 2, 3, 1]}, {"window_attention": {"num_heads": 2, "window_size": 5}}],
    "attention": [conv(4, stride=4), {"flatten": 2}, {"permute": [0, 2, 1]}, {"multi_head_attention": {"num_heads": 1}}],
    "a learned tensor": [{"parameter": {"shape": [2, 5, 5], "init": "ones"}}, conv(3)],
    "a softmax of pixels": [conv(3), {"softmax": 2}],
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_field_is_what_reaches_the_output(name: str) -> None:
    compared = compare(network(*NETWORKS[name]))
    assert compared or name in ("a norm of each image", "a softmax of pixels", "attention", "a learned tensor")


LAYERS = st.one_of(
    st.builds(conv, st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2)),
    # With more padding the new border lies inside the input, and there bilinear resizing multiplies a value by 0.
    st.builds(lambda k, s, p: up(k, stride=s, padding=min(p, k - 1)), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1)),
    st.builds(lambda k, s, ceil: {"max_pool2d": {"kernel_size": k, "stride": s, "padding": k // 2, "ceil_mode": ceil}},
              st.integers(1, 4), st.integers(1, 3), st.booleans()),
    st.builds(lambda f: {"interpolate": {"scale_factor": f}}, st.integers(1, 3)),
    st.builds(lambda m: {"interpolate": {"scale_factor": 2, "mode": m}}, st.sampled_from(["bilinear", "bicubic"])),  # no weight is 0
    st.builds(lambda k: {"add": {"a": conv(2 * k + 1, padding=k), "b": conv(1)}}, st.integers(0, 3)),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(LAYERS, min_size=1, max_size=5))
def test_fields_of_chains_of_any_layers(layers: list[Any]) -> None:
    try:
        graph = network(*layers, shape=(2, 31, 24))
    except archspec.SpecError:
        return
    if max(size for site in sites(graph) for size in site.node.outputs[0].shape[2:]) <= 100:
        compare(graph)


SPECS = {"lenet": None, "cnn28": None, "resnet18": (1, 40, 40), "googlenet": (1, 40, 40)}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "googlenet")) for n in SPECS])
def test_fields_of_shipped_specs(name: str) -> None:
    graph = archspec.load(name, input=SPECS[name]).graph
    assert compare(graph)


@pytest.mark.parametrize(("name", "stage", "size"), [  # Araujo et al. 2019, table of architectures
    ("resnet34", "b5", 899), ("vgg16", "b5", 212), ("alexnet", "pool5", 195),
])
def test_figures_of_the_literature(name: str, stage: str, size: int) -> None:
    fields = receptive_fields(archspec.load(name).graph)
    last = [path for path in fields if path.split(".")[0] == stage]
    assert fields[last[-1]]["input"][0].size == size  # type: ignore[index]


def test_resnet18() -> None:
    fields = receptive_fields(archspec.load("resnet18").graph)
    before = [path for path in fields if path.startswith("b5")][-1]
    assert [field.to_json() for field in (fields[before] or {})["input"]] == [(435, 32, -217)] * 2


def test_each_input_has_its_fields() -> None:
    fields = receptive_fields(archspec.load("zoo/siamese").graph)
    assert set(fields["tower.conv2d_1"] or ()) == {"left"} and set(fields["distance.sub_1"] or ()) == {"left", "right"}


def test_the_op_of_a_plugin_that_does_not_say_is_unknown() -> None:
    from archspec.ops import OPS

    class Mystery(Op):
        op = "mystery"

        def infer(self, x: TensorType) -> tuple[TensorType]:
            return (x,)

        def build(self, x: TensorType) -> None: ...

    register_op(Mystery)
    try:
        fields = receptive_fields(network(conv(3), "mystery", conv(3)))
    finally:
        del OPS["mystery"]
    assert [value is None for value in fields.values()] == [False, True, True]
