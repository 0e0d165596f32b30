"""Images as stored → what the network takes: resize and scale, for a whole batch, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.diagnostics import error

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class InputPlan:
    """How stored images become the network's input (C, H, W).

    mean, std: of pixels scaled to 0…1, one for each channel, or None. notices: what the user should be told.
    """

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    notices: tuple[str, ...] = ()


def plan(
    data_shape: tuple[int, int | None, int | None],
    input_shape: tuple[int, ...],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str = "the data",
) -> InputPlan:
    """What must be done to images (C, H, W) for a network with input (C, H, W); H and W are None where they vary.

    Grey images are repeated for a network with three channels, which a notice tells. Images are resized without
    keeping their aspect. mean, std: one number for all channels, or one for each.
    Errors: RUN303 where the channels do not suit or the number of means does not.
    """
    if len(input_shape) != 3:
        raise error(
            "RUN303", f"{name} has images, but the network's input {_text(input_shape)} is not (C, H, W)",
            hint="write `input: [channels, height, width]`",
        )
    channels, height, width = input_shape
    notices = []
    if data_shape[0] != channels:
        if data_shape[0] != 1 or channels != 3:
            raise _unsuited(name, data_shape[0], input_shape)
        notices.append(f"{name} is grey: its one channel is repeated for the network's three")
    if None not in data_shape and data_shape[1:] != (height, width):
        notices.append(f"images are resized from {data_shape[1]}×{data_shape[2]} to {height}×{width}")
    means, stds = (_each(values, channels, name) for values in (mean, std))
    return InputPlan(channels, (height, width), means, stds, tuple(notices))


def _unsuited(name: str, found: int, input_shape: tuple[int, ...]) -> Exception:
    rest = ", ".join(map(str, input_shape[1:]))
    return error(
        "RUN303", f"{name} has {found} channel{'s' * (found != 1)}, the network's input has {input_shape[0]}",
        hint=f"write `input: [{found}, {rest}]`" + (", or use --data with grey images" if found == 3 else ""),
    )


def _each(values: Sequence[float] | None, channels: int, name: str) -> tuple[float, ...] | None:
    """One number for each channel."""
    if values is None:
        return None
    if len(values) not in (1, channels):
        raise error(
            "RUN303", f"`normalize` has {len(values)} numbers, the network's input has {channels} channels",
            hint=f"give one number, or {channels}",
        )
    return tuple(values) * (channels if len(values) == 1 else 1)


def _text(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear, antialiased: uint8 (N, C, h, w) -> uint8 (N, C, H, W), rounded to whole levels.

    Equals torchvision's `Resize` on each PIL image to within one level of 255 (a rounding that falls the other way).
    Off the CPU torch has no such kernel for bytes: there it is done in float32 and rounded, to the same tolerance.
    """
    import torch
    from torch.nn import functional

    if tuple(images.shape[-2:]) == tuple(size):
        return images
    source = images if images.device.type == "cpu" else images.float()
    resized = functional.interpolate(source, size=size, mode="bilinear", align_corners=False, antialias=True)
    return resized if resized.dtype == torch.uint8 else resized.round_().clamp_(0, 255).to(torch.uint8)


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

    dtype: of the result (default float32); the arithmetic is in float32. c may be 1, then it is repeated.
    """
    import torch

    layout = torch.contiguous_format if memory_format is None else memory_format
    wide = images.expand(-1, channels, -1, -1) if images.shape[1] == 1 else images
    x = wide.to(torch.float32, memory_format=layout, copy=True).div_(255)
    if mean is not None:
        x.sub_(torch.tensor(mean, device=x.device)[:, None, None])
    if std is not None:
        x.div_(torch.tensor(std, device=x.device)[:, None, None])
    return x if dtype is None else x.to(dtype)


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
    """`resize`, then `scale`: uint8 (N, c, h, w) -> float (N, channels, *size), for a whole batch on its device.

    Equals torchvision's `Resize` and `ToTensor` on each image to within 1/255.
    """
    return scale(
        resize(images, size), channels, dtype, mean=mean, std=std, memory_format=memory_format
    )
