"""What libraries may take on a GPU, as a bound."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.execution import Setting, execute
from archspec.execution.workspace import CUDA_BYTES


def bound(precision: str, **fields: Any) -> int:
    op = {"conv2d": {"out_channels": 16, "kernel_size": 5, "padding": "valid", **fields}}
    spec = {"archspec": 1, "input": [8, 40, 40], "stages": {"body": [op]}}
    return execute(archspec.load(spec).graph, Setting(4, precision=precision, target="cuda")).workspace_bytes


def test_fft_algorithms_take_more_in_fp32_alone() -> None:
    assert bound("tf32") == bound("bf16") == CUDA_BYTES
    assert bound("fp32") > CUDA_BYTES


@pytest.mark.parametrize("fields", [{"stride": 2}, {"dilation": 2}, {"kernel_size": 1}, {"stride": [1, 2]}, {"dilation": [2, 1]}])
def test_no_fft_algorithm_takes_strides_dilations_or_a_window_of_one_pixel(fields: dict[str, Any]) -> None:
    """NVIDIA, cuDNN's API reference: FFT and tiled FFT want a stride and a dilation of 1."""
    assert bound("fp32", **fields) == CUDA_BYTES
