"""One split of a data set, in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archspec.data.plan import ImageShape
from archspec.data.registry import RunSplit

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ImageData:
    """One split of a data set, in memory.

    images: uint8 (N, C, H, W). labels: int64 (N,), in 0 … len(classes) - 1.
    source: where it was found, for messages.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    name: str
    split: RunSplit
    source: str

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def shape(self) -> ImageShape:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def nbytes(self) -> int:
        """The size of images and labels in bytes."""
        return self.images.nbytes + self.labels.nbytes

    def head(self, limit: int | None) -> ImageData:
        """The first `limit` images in the order of the file; all of them for None or a larger number.

        The authors of the known data sets have shuffled them, so the first images are a fair sample.
        """
        if limit is None or limit >= len(self):
            return self
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        return replace(self, images=self.images[:limit], labels=self.labels[:limit])

    def take(self, rows: torch.Tensor, split: RunSplit) -> ImageData:
        """The images with these numbers, int64 (n,), as another split."""
        return replace(self, images=self.images[rows], labels=self.labels[rows], split=split)
