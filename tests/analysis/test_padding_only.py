"""Convolutions that see only padding, as found by feeding a real one with ones."""

from itertools import product

import pytest
import torch

import archspec
from archspec.analysis.padding_only import columns_of_padding


def graph(width, kernel, stride, padding, dilation):
    conv = {"out_channels": 1, "kernel_size": [1, kernel], "stride": [1, stride], "padding": [0, padding],
            "dilation": [1, dilation]}
    return archspec.load({"archspec": 1, "input": [1, 2, width], "stages": {"a": {"conv2d": conv}}}).graph


@pytest.mark.parametrize(("width", "kernel"), list(product([1, 2, 3], [1, 2])))
def test_it_finds_those_that_map_ones_to_nothing(width, kernel):
    found = 0
    for stride, padding, dilation in product([1, 2, 3, 4], [0, 1, 2, 3], [2, 3]):
        if width + 2 * padding <= dilation * (kernel - 1):
            continue
        weight = torch.ones(1, 1, 1, kernel)
        y = torch.nn.functional.conv2d(torch.ones(1, 1, 2, width), weight, None, (1, stride), (0, padding), (1, dilation))
        blind = y.shape[3] > 1 and not y.any()
        assert columns_of_padding(graph(width, kernel, stride, padding, dilation)) == ["a"] * blind
        found += blind
    assert found or (width, kernel) not in [(1, 1), (1, 2), (2, 1)]


def test_without_dilation_and_with_other_padding_nothing_is_said():
    assert columns_of_padding(graph(1, 1, 2, 1, 1)) == []
    conv = {"out_channels": 1, "kernel_size": 1, "stride": 2, "padding": 1, "dilation": 2, "padding_mode": "replicate"}
    spec = {"archspec": 1, "input": [1, 1, 1], "stages": {"a": {"conv2d": conv}}}
    assert columns_of_padding(archspec.load(spec).graph) == []


def test_the_shape_at_which_torch_died():
    conv = {"out_channels": 8, "kernel_size": [3, 1], "stride": 2, "padding": 1, "dilation": 3}
    spec = {"archspec": 1, "input": [8, 8, 1], "stages": {"a": {"conv2d": conv}, "b": "relu"}}
    assert columns_of_padding(archspec.load(spec).graph) == ["a"]
