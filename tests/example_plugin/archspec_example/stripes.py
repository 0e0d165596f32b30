"""A data set: noisy grey images of horizontal or vertical stripes, drawn from a seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from archspec import ImageDataset, register_dataset

if TYPE_CHECKING:
    from torch import Tensor


@register_dataset
class Stripes(ImageDataset):
    """Horizontal (0) and vertical (1) stripes."""

    name = "stripes"
    description = "grey 8×8 images of horizontal or vertical stripes"
    shape = (1, 8, 8)
    classes = ("horizontal", "vertical")
    train_size = 64
    test_size = 32

    def read(self, split: str, root: Path | None) -> "tuple[Tensor, Tensor]":
        import torch

        count = self.train_size if split == "train" else self.test_size
        draw = torch.Generator().manual_seed(0 if split == "train" else 1)
        labels = torch.arange(count) % 2
        stripes = (torch.arange(8) % 2 * 200).reshape(1, 8, 1).expand(1, 8, 8)
        images = torch.stack([stripes if label == 0 else stripes.transpose(1, 2) for label in labels])
        return (images + torch.randint(0, 50, images.shape, generator=draw)).to(torch.uint8), labels
