"""The legal sizes of images, against what torch runs on meta tensors."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import torch

import archspec
from archspec.api import input_sizes
from archspec.api.loaded import Loaded


def spec(shape: list[int], *layers: Any) -> Loaded:
    return archspec.load({"archspec": 1, "name": "n", "input": shape, "stages": {"a": list(layers)}})


def conv(kernel: int, **fields: Any) -> dict[str, Any]:
    return {"conv2d": {"out_channels": 2, "kernel_size": kernel, **fields}}


RULES: list[tuple[list[int], list[Any], tuple[int, ...], str]] = [
    ([1, 28, 28], [conv(5), {"max_pool2d": 2}], (1, 6, 6), "height and width: any from 6"),
    ([1, 32, 64], [{"pixel_unshuffle": 16}], (1, 16, 16), "height and width: multiples of 16 from 16"),
    ([1, 30, 30], [{"conv2d": {"out_channels": 1, "kernel_size": [3, 1]}}], (1, 3, 1), "height: any from 3; width: any from 1"),
    ([2, 8, 8], [{"reshape": [4, 32]}], (2, 8, 8), "height and width: only 8"),
    ([2, 8, 8], [{"reshape": [32, -1]}], (2, 4, 4), "height and width: multiples of 2 from 2, each with the others as in the spec"),
    ([1, 19, 19], [conv(4, stride=4), {"reshape": [2, 16]}], (1, 16, 16), "height and width: 16 to 19"),
    ([1, 33, 33], [conv(3, stride=2), {"pixel_unshuffle": 2}], (1, 5, 5), "height and width: 5, 6, and the last 2 plus multiples of 4"),
    ([1, 6, 9, 9], [{"conv3d": {"out_channels": 1, "kernel_size": [2, 3, 3]}}], (1, 2, 3, 3), "depth: any from 2; height and width: any from 3"),
    ([1, 4, 9, 9], [{"conv3d": {"out_channels": 1, "kernel_size": 3}}], (1, 3, 3, 3), "depth, height and width: any from 3"),
]


@pytest.mark.parametrize(("shape", "layers", "smallest", "rule"), RULES, ids=lambda x: str(x)[:40])
def test_the_rule(shape: list[int], layers: list[Any], smallest: tuple[int, ...], rule: str) -> None:
    loaded = spec(shape, *layers)
    found = input_sizes(loaded)
    assert found is not None
    assert found.rule == rule
    assert found.smallest == smallest
    archspec.load(loaded, input=smallest)


def runs(loaded: Loaded, sizes: tuple[int, ...]) -> bool:
    """Whether torch runs the network built for the spec's own size with this size, up to the first flatten."""
    with torch.device("meta"):
        model = archspec.build(loaded).eval()
    class Reached(Exception): ...

    def stop(*_: Any) -> None:
        raise Reached

    for module in model.modules():
        if isinstance(module, torch.nn.Flatten):
            module.register_forward_pre_hook(stop)
    inputs = [torch.empty(2, port.type.shape[1], *sizes, device="meta") for port in loaded.graph.inputs]
    with suppress(Reached):
        try:
            model(*inputs)
        except RuntimeError:
            return False
    return True


@pytest.mark.parametrize("name", [
    "lenet", "nin", "vgg11", "zoo/siamese",
    *[pytest.param(name, marks=pytest.mark.slow) for name in (
        "alexnet", "resnet18", "zoo/unet", "zoo/squeezenet1_1", "zoo/r3d_18", "zoo/nasbench201", "zoo/inception_v3", "zoo/densenet121",
        "zoo/convnext_tiny", "zoo/googlenet_aux",
    )],
])
def test_torch_runs_the_legal_sizes_and_no_others(name: str) -> None:
    loaded = archspec.load(name)
    found = input_sizes(loaded)
    assert found is not None
    first = found.axes[0]
    least = found.smallest[1:]
    assert runs(loaded, least)
    assert archspec.load(name, input={port.name: (port.type.shape[1], *least) for port in loaded.graph.inputs}
                         if len(loaded.graph.inputs) > 1 else found.smallest)
    if first.smallest > first.step:
        assert not runs(loaded, tuple(size - x.step for size, x in zip(least, found.axes, strict=True)))
    for size in range(first.smallest + 1, first.smallest + 3 * max(first.step, 3), max(first.step // 4, 1)):
        legal = size in first.listed if first.listed else (size - first.smallest) % first.step == 0
        assert runs(loaded, (size, *loaded.graph.inputs[0].type.shape[3:])) == legal, size


def test_a_network_without_images_has_none() -> None:
    assert input_sizes(archspec.load("zoo/textcnn")) is None
