"""Converts stored images to the input of a network: resizes and scales a whole batch on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear with antialiasing: uint8 (N, C, h, w) -> uint8 (N, C, *size), rounded to whole levels.

    Equals torchvision's `Resize` on each PIL image up to rounding, that is, to one level of 255. Except on the CPU,
    torch has no such kernel for bytes, so it is computed in float32 and rounded.
    """
    from torch.nn import functional

    if tuple(images.shape[-2:]) == tuple(size):
        return images
    if images.device.type != "cpu" or tuple(size) == (1, 1):  # torch 2.14's kernel fails an assertion at 1×1
        return _resize_in_float(images, size)
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def _resize_in_float(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    import torch
    from torch.nn import functional

    resized = functional.interpolate(
        images.float(), size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def scale(
    images: torch.Tensor,
    channels: int,
    dtype: torch.dtype | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    memory_format: torch.memory_format | None = None,
) -> torch.Tensor:
    """uint8 (N, c, H, W) -> float (N, channels, H, W) in 0…1, or (that - mean) / std.

    c is `channels`, or 1, which is then repeated. The arithmetic is in float32, the result in `dtype`, by default
    float32. Equals torchvision's `ToTensor` and `Normalize` on each image.
    """
    import torch

    layout = torch.contiguous_format if memory_format is None else memory_format
    wide = images.expand(-1, channels, -1, -1) if images.shape[1] == 1 else images
    x = wide.to(torch.float32, memory_format=layout, copy=True).div_(255)
    if mean is not None:
        x.sub_(_column(mean, x))
    if std is not None:
        x.div_(_column(std, x))
    return x if dtype is None else x.to(dtype)


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    """(C, 1, 1), created without waiting for the device, as a copy from unpinned memory would."""
    import torch

    parts = [torch.full((1, 1, 1), value, dtype=like.dtype, device=like.device) for value in values]
    return torch.cat(parts)


def to_input(
    images: torch.Tensor,
    size: tuple[int, int],
    channels: int,
    dtype: torch.dtype | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    memory_format: torch.memory_format | None = None,
) -> torch.Tensor:
    """`resize`, then `scale`, on the device of the batch: uint8 (N, c, h, w) -> float (N, channels, *size).

    Equals torchvision's `Resize` and `ToTensor` on each image to within 1/255.
    """
    return scale(resize(images, size), channels, dtype, mean=mean, std=std, memory_format=memory_format)
