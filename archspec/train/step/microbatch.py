"""Computes a batch in micro-batches if memory is too short for the whole."""

from __future__ import annotations

import gc
from typing import Final

import torch
from torch import nn

from archspec.backends.built import layers_with
from archspec.backends.fits import is_shortage
from archspec.data.nested import Nested, call, each, joined, size, split, tensors
from archspec.ops.traits import Normalises

SMALLEST_NORMED: Final = 2  # the fewest images for which batch norm has a variance


def smallest_evaluated(model: nn.Module) -> int:
    """The fewest images of an evaluation batch: 2 if a norm over the batch keeps no running statistics, otherwise 1."""
    return max((SMALLEST_NORMED for layer, norm in layers_with(model, Normalises)
                if norm.batch and not any(True for _ in layer.module.buffers())), default=1)


def padded(inputs: Nested, smallest: int = 1) -> Nested:
    """The images (N, C, H, W), or `smallest` black ones if N is 0: not every layer accepts an empty batch."""
    return inputs if size(inputs) else each(lambda images: images.new_zeros(smallest, *images.shape[1:]), inputs)


def pieces_of(images: int, most: int | None, smallest: int = 1) -> int:
    """The number of pieces into which to cut `images`, with at most `most` and at least `smallest` images in each.

    The sizes of the pieces differ by one at most. If the bounds contradict each other, `smallest` has priority: 3
    images are one piece for bounds of 2 and 2.
    """
    return 1 if most is None else max(1, min(-(-images // most), images // smallest))


def largest_piece(images: int, most: int | None, smallest: int = 1) -> int:
    """The number of images of the largest piece."""
    return -(-images // pieces_of(images, most, smallest))


def halved(images: int, most: int | None, smallest: int = 1) -> int | None:
    """The next smaller value of `most`; None if the pieces cannot be smaller."""
    before = largest_piece(images, most, smallest)
    half = -(-before // 2)
    return half if largest_piece(images, half, smallest) < before else None


def free_memory(device: torch.device) -> None:
    """Free the memory of a failed pass. Call it outside the except block: the exception holds the pass's tensors."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


class InPieces:
    """Evaluates a network without gradients, and halves a batch that does not fit into memory until it does."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._smallest = model, smallest_evaluated(model)
        self._most: int | None = None

    def __call__(self, inputs: Nested) -> Nested:
        """(N, C, H, W) -> logits (N, classes). Raises torch's error if even one image does not fit."""
        images = size(inputs)
        while True:
            try:
                count = pieces_of(images, self._most, self._smallest)
                if count == 1:
                    return call(self._model, inputs)
                return joined([call(self._model, part) for part in split(inputs, count)])
            except RuntimeError as problem:
                smaller = halved(images, self._most, self._smallest)
                if smaller is None or not is_shortage(problem):
                    raise
            self._most = smaller
            free_memory(next(tensors(inputs)).device)
