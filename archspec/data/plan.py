"""Plans how images of a data set become the input of a network, or rejects data that does not match it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archspec.diagnostics import Diagnostic, SpecError, error, plural
from archspec.diagnostics.hints import SetInput, SetOutputs
from archspec.text import shape_text, sizes_text
from archspec.types import channels_first

ImageShape = tuple[int, int | None, int | None]  # channels, height, width; None if images differ


class WrongNormalisation(SpecError):
    """`normalize` does not match the network's input."""


class InputPlan(NamedTuple):
    """How stored images become the network's input (channels, *size).

    mean, std: of pixels scaled to 0…1, one for each channel, or None. notices: lines for the user.
    """

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    notices: tuple[str, ...] = ()


def plan(
    name: str,
    data_shape: ImageShape,
    input_shape: tuple[int, ...],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> InputPlan:
    """The plan for images (C, H, W) of the data set `name` and a network with the input (C, H, W).

    Images are resized without keeping their aspect ratio, and a grey image is repeated for a network with three
    channels; a notice reports both. mean, std: one number for all channels, or one for each.
    Errors: RUN303 if the channels, or the number of means or deviations, do not match the network.
    """
    if len(input_shape) != 3:
        raise error(
            "RUN303", f"{name} has images, the network's input {shape_text(input_shape)} is not the shape of an image",
            hint="write `input: [channels, height, width]`",
        )
    channels, height, width = input_shape
    notices = []
    if data_shape[0] != channels:
        if (data_shape[0], channels) != (1, 3):
            raise _unsuited(name, data_shape[0], input_shape)
        notices.append(f"{name} is grey: its channel is repeated for the network's three channels")
    if data_shape[1] is None:
        notices.append(f"images are resized to {sizes_text((height, width))}")
    elif data_shape[1:] != (height, width):
        notices.append(f"images are resized from {sizes_text(data_shape[1:])} to {sizes_text((height, width))}")
    return InputPlan(
        channels, (height, width), _each(mean, channels, "mean"), _each(std, channels, "std"), tuple(notices)
    )


def check_classes(name: str, num_classes: int, outputs: int, *, trained: bool = False) -> None:
    """Raise SpecError RUN303 if a network has fewer outputs than the data has classes.

    trained: whether the network is already trained, so that the hint must not suggest to change it.
    """
    if outputs < num_classes:
        other = f"use data of at most {plural(outputs, 'class')}, or train a network with {num_classes} outputs"
        raise error(
            "RUN303", f"{name} has {plural(num_classes, 'class')}, the network has {plural(outputs, 'output')}",
            hint=other if trained else SetOutputs(num_classes),
        )


def _unsuited(name: str, found: int, input_shape: tuple[int, ...]) -> SpecError:
    channels = plural(found, "channel")
    turned = channels_first(input_shape)
    wanted = turned if turned is not None and turned[0] == found else (found, *input_shape[1:])
    return error(
        "RUN303", f"{name} has {channels}, the network's input {shape_text(input_shape)} has {input_shape[0]}",
        hint=SetInput(wanted),
    )


def _each(values: Sequence[float] | None, channels: int, what: str) -> tuple[float, ...] | None:
    """One number for each channel."""
    if values is None:
        return None
    if len(values) not in (1, channels):
        has = f"the network's input has {plural(channels, 'channel')}"
        message = f"`normalize` has {plural(len(values), 'number')} as {what}, {has}"
        hint = f"give one number, or {channels}" if channels > 1 else "give one number"
        raise WrongNormalisation([Diagnostic("RUN303", message, hint=hint)])
    return tuple(values) * (channels if len(values) == 1 else 1)
