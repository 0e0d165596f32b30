"""Reads scikit-learn's handwritten digits, a small real data set that needs no download."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.data.files import broken, read_checked
from archspec.data.registry import DatasetInfo, Split
from archspec.diagnostics import error

if TYPE_CHECKING:
    import torch

TEST_EVERY: Final = 5  # every fifth image of each class belongs to the test split
_LEVELS: Final = 16  # pixels are counts of 0 … 16


def find() -> Path:
    """The file in scikit-learn's package, which is not imported, because that takes seconds.

    Errors: RUN301 if scikit-learn is not installed.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise error(
            "RUN301", "digits was not found: it comes with scikit-learn, which is not installed",
            hint='`pip install "archspec-nn[digits]"`, or `pip install scikit-learn`',
        )
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"


def read_split(info: DatasetInfo, split: Split, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 (N, 1, 8, 8) and labels int64 (N,).

    A pixel v of 0 … 16 becomes round(v * 255 / 16). The 5th, 10th, 15th … image of each class, in the order of the
    file, belongs to the test split; so both splits have the same share of each class, and they never change. Both
    contain the same writers, so the test accuracy is for known handwriting.
    Errors: RUN302 for a broken file, RUN305 for a file that cannot be read.
    """
    import torch

    content = read_checked(path, info.files(split)[0])
    numbers = [int(n) for n in re.split(rb"[,\n]", content.strip())]
    width = info.height * info.width + 1
    if len(numbers) % width:
        raise broken(path, f"has {len(numbers)} numbers, which are not rows of {width}")
    rows = torch.tensor(numbers).reshape(-1, width)
    rows = rows[_chosen(rows[:, -1], info.num_classes, split)]
    images = (rows[:, :-1] * 255 + _LEVELS // 2) // _LEVELS
    shape = (-1, info.channels, info.height, info.width)
    return images.to(torch.uint8).reshape(shape), rows[:, -1].clone()


def _chosen(labels: torch.Tensor, num_classes: int, split: Split) -> torch.Tensor:
    """The indices of a split in ascending order. labels: (N,)."""
    import torch

    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(num_classes):
        is_test[torch.nonzero(labels == label).flatten()[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return torch.nonzero(is_test if split == "test" else ~is_test).flatten()
