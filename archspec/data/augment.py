"""Random crop, flip and erasing of a whole batch on the device, with independent random numbers for each sample.

The augmentation of a sample is a pure function of (seed, epoch, its number in the data set): it depends neither on
the other samples of its batch, nor on rank or device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archspec.data.counter import integers, key_of, uniform

if TYPE_CHECKING:
    import torch

# torchvision's defaults for RandomErasing (Zhong et al. 2017, "Random erasing data augmentation").
ERASED_AREA: Final = (0.02, 0.33)  # share of the image
ERASED_RATIO: Final = (0.3, 3.3)  # height / width
_ATTEMPTS: Final = 10  # boxes to draw; if none fits, the image stays unchanged


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Augmentation of training images, after resizing and before scaling.

    crop_padding: pixels of black around the image, from which a window of the original size is cut.
    flip: probability of mirroring left and right. erase: probability of a black rectangle.
    """

    crop_padding: int = 0
    flip: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        if self.crop_padding < 0 or not 0 <= self.flip <= 1 or not 0 <= self.erase <= 1:
            raise ValueError(f"padding must be at least 0 and probabilities within 0…1: {self}")

    def __call__(
        self, images: torch.Tensor, index: torch.Tensor, seed: int, epoch: int
    ) -> torch.Tensor:
        """(N, C, H, W) of any dtype -> the same shape and dtype.

        index: int64 (N,), the samples' numbers in the data set, on the device of `images`.
        """
        if self.flip:
            chance = uniform(key_of(seed, epoch, "flip"), index, 1)[:, 0]
            images = horizontal_flip(images, chance < self.flip)
        if self.crop_padding:
            places = uniform(key_of(seed, epoch, "crop"), index, 2)
            corners = integers(places, 2 * self.crop_padding + 1)
            images = crop(images, self.crop_padding, corners[:, 0], corners[:, 1])
        if self.erase:
            draws = uniform(key_of(seed, epoch, "erase"), index, 1 + 4 * _ATTEMPTS)
            images = erase(images, draws, self.erase)
        return images


def horizontal_flip(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mirror the images for which `chosen`, bool (N,), is true."""
    import torch

    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def crop(images: torch.Tensor, padding: int, top: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """Pad with black on all sides, then cut a window of the old size at (top, left), int64 (N,) each."""
    import torch
    from torch.nn import functional

    n, channels, height, width = images.shape
    padded = functional.pad(images, [padding] * 4)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    places = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
    places = places.reshape(n, 1, height * width).expand(n, channels, height * width)
    return padded.flatten(2).gather(2, places).reshape(images.shape)


def erase(images: torch.Tensor, uniforms: torch.Tensor, probability: float) -> torch.Tensor:
    """Blacken a rectangle. uniforms: (N, 1 + 4 * _ATTEMPTS) in [0, 1): the choice, then the boxes."""
    import torch

    height, width = images.shape[-2:]
    draws = uniforms[:, 1:].reshape(len(uniforms), _ATTEMPTS, 4)
    area = (ERASED_AREA[0] + draws[..., 0] * (ERASED_AREA[1] - ERASED_AREA[0])) * height * width
    low, high = (math.log(bound) for bound in ERASED_RATIO)
    ratio = (low + draws[..., 1] * (high - low)).exp()
    tall, wide = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (tall < height) & (wide < width)
    first = fits.int().argmax(dim=1, keepdim=True)  # the first box that fits
    tall, wide, up, along = (t.gather(1, first) for t in (tall, wide, draws[..., 2], draws[..., 3]))
    top = (up * (height - tall + 1)).floor().minimum(height - tall)
    left = (along * (width - wide + 1)).floor().minimum(width - wide)
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    inside = ((rows >= top) & (rows < top + tall))[:, :, None] & (
        (columns >= left) & (columns < left + wide)
    )[:, None, :]
    chosen = (uniforms[:, :1] < probability) & fits.any(dim=1, keepdim=True)
    return images.masked_fill((inside & chosen[:, :, None])[:, None], 0)
