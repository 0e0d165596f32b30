"""What kernels may take from torch's allocator beside tensors, as a bound: copies and scratch memory.

On a CPU, oneDNN has to have its copies (`onednn`), and other kernels make casts (`launcher`). Which algorithm cuDNN
chooses on a GPU is not known beforehand, so this is an upper bound and no estimate. Measured on an NVIDIA H200 (torch
2.11, cuDNN 9.19; 11 networks, docs/cost-model.md): in tf32 and bf16 at most 55 MiB beside the tensors; in fp32, where
FFT algorithms are chosen, up to 978 MiB (alexnet, batch 128).
"""

from __future__ import annotations

from math import prod
from typing import Final

from archspec.execution.recorder import Recorder

CUDA_BYTES: Final = 64 << 20  # what matrix products and convolutions with tensor cores were seen to take, rounded up
TILE: Final = 32  # edge of the tiles of FFT convolutions (Mathieu et al. 2014; Vasilache et al. 2015)
TILE_BYTES: Final = TILE * (TILE // 2 + 1) * 8  # of the transform of a real tile: complex numbers, half of them


def workspace_bytes(tape: Recorder) -> int:
    """By how many bytes libraries may raise the peak of a recorded execution, at most."""
    setting, kernels = tape.setting, tape.kernels
    if not tape.cuda:
        return 0 if tape.meta else max(0, tape.reach - tape.memory.peak)
    if setting.precision != "fp32" or setting.dtype != "float32":
        return CUDA_BYTES
    distinct = {x.geometry for x in kernels if x.macs}
    return CUDA_BYTES + max([_fft_bytes(geometry) for geometry in distinct], default=0)


def layer_workspaces(tape: Recorder) -> dict[str, int]:
    """By how many bytes libraries may raise the peak while a layer's kernels run, at most."""
    if not tape.cuda:
        peak = tape.memory.peak
        return {} if tape.meta else {name: max(0, min(x, tape.reach) - peak) for name, x in tape.reaches.items()}
    fp32 = tape.setting.precision == "fp32" and tape.setting.dtype == "float32"
    found: dict[str, int] = {}
    for kernel in tape.kernels:
        if kernel.macs:
            fft = _fft_bytes(kernel.geometry) if fp32 else 0
            found[kernel.layer] = max(CUDA_BYTES + fft, found.get(kernel.layer, 0))
    return found


def _fft_bytes(geometry: tuple[int, ...]) -> int:
    """The transforms of input, output and weights of a dense 2-D convolution with stride 1, in tiles; 0 for others."""
    if len(geometry) != 12:  # which only such a convolution has
        return 0
    n, channels, outputs, groups, height, width, *rest = geometry
    kernel, steps = rest[:2], rest[2:]  # strides and dilations
    if steps != [1, 1, 1, 1] or prod(kernel) == 1 or max(kernel) > TILE:
        return 0
    tiles = -(-height // (TILE - kernel[0] + 1)) * -(-width // (TILE - kernel[1] + 1))
    return (n * (channels + outputs) * tiles + channels * outputs // groups) * TILE_BYTES
