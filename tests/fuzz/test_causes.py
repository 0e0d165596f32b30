"""Small networks of what random ones once got wrong, alone: each peak is what a CPU allocates."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from tests.fuzz.check import Circumstances, differences

LAST = [{"mean": {"dim": 1}}, {"linear": 5}]
CAUSES: dict[str, tuple[list[int], list[Any]]] = {
    "a linear layer copies a part of each image, also in evaluation": (
        [8, 8], [{"chunk": {"chunks": 2, "index": 0, "dim": 1}}, {"linear": 8}]),
    "a sequence whose elements do not lie in order is copied to be pooled": (
        [8, 6], [{"permute": [0, 2, 1]}, {"max_pool1d": {"kernel_size": 2}}]),
    "a convolution of a sequence of one step, whose channels lie side by side, gives filters in NHWC": (
        [2, 8], [{"permute": [0, 2, 1]}, {"max_pool1d": {"kernel_size": 2}}, {"conv1d": {
            "out_channels": 8, "kernel_size": 5, "padding": 2}}]),
    "the gradient of a linear layer is copied where it does not lie in order": (
        [6, 8], [{"linear": 16}, {"permute": [0, 2, 1]}, {"slice": {"dim": 1, "start": 0, "end": 9}}]),
    "torch itself computes a transposed convolution that pads its output by a stride, in the storage of a larger input": (
        [6, 3, 3, 3], [{"conv_transpose3d": {"out_channels": 3, "kernel_size": [1, 4, 1], "padding": 2, "dilation": 3,
                                             "output_padding": 2, "bias": False}}, {"flatten": 2}]),
    "a sum of a value with itself sends one gradient to it twice, which is not overwritten by the sum of both": (
        [2], [{"parameter": {"shape": [64, 64], "init": "ones"}}, {"add": {"a": [], "b": []}}]),
    "a quotient of 16 bits and an image in float32 keeps the image alone, and casts its gradient": (
        [4, 8], [{"div": {"a": [{"linear": 8}], "b": []}}, {"linear": 64}]),
    "a quotient of an image in float32 and 16 bits keeps both, and computes the gradient of its divisor in float32": (
        [4, 8], [{"div": {"a": [], "b": [{"linear": 8}]}}, {"linear": 64}]),
    "a sum of 16 bits over places that lie apart works on a copy in float32, which is its scratch memory": (
        [2, 32], [{"permute": [0, 2, 1]}, {"linear": 8}, {"permute": [0, 2, 1]}]),
}


POOLED = [{"adaptive_avg_pool2d": 1}, "flatten"]
NHWC: dict[str, list[Any]] = {
    "a pool of NHWC to one pixel copies its gradient, so the joined one is freed": [
        {"concat": {name: [{"conv2d": {"out_channels": 64, "kernel_size": 1}}, *POOLED] for name in "abc"}}],
    "an activation of one pixel in NHWC writes NCHW": [
        {"conv2d": {"out_channels": 16, "kernel_size": 1}}, "global_avg_pool2d", {"stack": {"a": [], "b": ["relu"], "dim": 2}},
        "sigmoid", "flatten"],
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_peak_is_what_a_cpu_allocates(cause: str) -> None:
    shape, body = CAUSES[cause]
    spec = {"archspec": 1, "name": "cause", "input": shape, "stages": {"body": body, "head": LAST}}
    assert differences(archspec.load(spec).graph) == {}


def test_the_gradient_of_an_image_that_a_prelu_computes_for_nothing_is_freed_before_its_slopes_is_accumulated() -> None:
    stages = {
        "a": ["prelu"], "b": [{"share": "a", "from": "input"}],
        "both": {"concat": {"left": [{"identity": {}, "from": "a"}], "right": [{"identity": {}, "from": "b"}]}}, "head": LAST,
    }
    assert differences(archspec.load({"archspec": 1, "name": "cause", "input": [4, 8], "stages": stages}).graph) == {}


@pytest.mark.parametrize("cause", NHWC)
def test_figures_of_nhwc_are_torchs(cause: str) -> None:
    spec = {"archspec": 1, "name": "cause", "input": [3, 4, 4], "stages": {"body": NHWC[cause], "head": [{"linear": 5}]}}
    assert differences(archspec.load(spec).graph, Circumstances(channels_last=True)) == {}
