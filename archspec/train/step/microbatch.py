"""Batches that go through a network in pieces, where memory is too short for the whole."""

from __future__ import annotations

import gc
from typing import Final

import torch
from torch import Tensor, nn

from archspec.backends.built import layers_with
from archspec.backends.fits import is_shortage
from archspec.ops.traits import Normalises

SMALLEST_NORMED: Final = 2  # images of a batch for which batch norm has a variance


def smallest_evaluated(model: nn.Module) -> int:
    """How many images evaluation needs in a batch: 2 where a norm over the batch keeps no running statistics."""
    return max((SMALLEST_NORMED for layer, norm in layers_with(model, Normalises)
                if norm.batch and not any(True for _ in layer.module.buffers())), default=1)


def padded(images: Tensor, smallest: int = 1) -> Tensor:
    """The images (N, C, H, W), or `smallest` black ones where there is none: not every layer takes none."""
    return images if len(images) else images.new_zeros(smallest, *images.shape[1:])


def pieces_of(images: int, most: int | None, smallest: int = 1) -> int:
    """Into how many pieces to cut so many images, for at most `most` in each and at least `smallest`.

    Pieces differ by one image at most. Where both bounds cannot be kept, `smallest` counts: 3 images are one piece
    for bounds of 2 and 2.
    """
    return 1 if most is None else max(1, min(-(-images // most), images // smallest))


def largest_piece(images: int, most: int | None, smallest: int = 1) -> int:
    """How many images the largest of the pieces has."""
    return -(-images // pieces_of(images, most, smallest))


def halved(images: int, most: int | None, smallest: int = 1) -> int | None:
    """What `most` should become when its pieces are still too large; None if there are no smaller ones."""
    before = largest_piece(images, most, smallest)
    half = -(-before // 2)
    return half if largest_piece(images, half, smallest) < before else None


def free_memory(device: torch.device) -> None:
    """Give back what a pass that failed has left; call it when its exception is gone, which holds on to all of it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


class InPieces:
    """A network in evaluation, without gradients: a batch that does not fit goes through it in halves, and so on."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._smallest = model, smallest_evaluated(model)
        self._most: int | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, classes). Raises torch's error where even one image does not fit."""
        while True:
            try:
                parts = images.tensor_split(pieces_of(len(images), self._most, self._smallest))
                return torch.cat([self._model(part) for part in parts]) if len(parts) > 1 else self._model(images)
            except RuntimeError as problem:
                smaller = halved(len(images), self._most, self._smallest)
                if smaller is None or not is_shortage(problem):
                    raise
            self._most = smaller
            free_memory(images.device)
