"""Reads the idx files of MNIST and Fashion-MNIST: a header of big-endian words, then bytes (LeCun et al. 1998)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.data.files import broken, read_checked
from archspec.data.places import present
from archspec.data.registry import DatasetInfo, Split
from archspec.text import sizes_text

if TYPE_CHECKING:
    import torch

_UINT8: Final = 0x08  # the third byte of the magic number: the type of an element


def read_split(info: DatasetInfo, split: Split, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 (N, 1, H, W) and labels int64 (N,) of a split, from the files in `folder`, compressed or not.

    Errors: RUN302 for a broken or wrong file, RUN305 for a file that cannot be read.
    """
    import torch

    image_file, label_file = info.files(split)
    count = info.size(split)
    image_path, label_path = (present(folder, file.name) for file in (image_file, label_file))
    labels = _payload(label_path, read_checked(label_path, label_file), (count,))
    images = _payload(image_path, read_checked(image_path, image_file), (count, info.height, info.width))
    classes = torch.frombuffer(labels, dtype=torch.uint8).to(torch.int64)
    highest = int(classes.max())
    if highest >= info.num_classes:
        raise broken(label_path, f"has a label {highest}, {info.name} has {info.num_classes} classes")
    pixels = torch.frombuffer(images, dtype=torch.uint8)
    return pixels.reshape(count, 1, info.height, info.width), classes


def _payload(path: Path, content: bytearray, shape: tuple[int, ...]) -> memoryview:
    """The bytes after the header, whose dimensions must be `shape`."""
    magic = bytes((0, 0, _UINT8, len(shape)))
    if content[:4] != magic:
        what = f"starts with {content[:4].hex(' ')}, an idx file of {len(shape)} dims with {magic.hex(' ')}"
        raise broken(path, what)
    header = 4 + 4 * len(shape)
    dims = struct.unpack(f">{len(shape)}I", content[4:header])
    if dims != shape:
        raise broken(path, f"holds {sizes_text(dims)} bytes, expected {sizes_text(shape)}")
    return memoryview(content)[header:]
