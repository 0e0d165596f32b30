"""Reads a data set of a plugin, and checks that it is what the plugin says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from archspec.data.images import ImageData
from archspec.data.registry import DATASET_DOOR, DatasetInfo, ImageDataset, Split
from archspec.diagnostics import SpecError, error
from archspec.text import shape_text


def read_plugin(info: DatasetInfo, reader: ImageDataset, split: Split, root: Path | None) -> ImageData:
    """A split of a plugin's data set. Errors: RUN302 if it cannot be read, or is not what the plugin says."""
    try:
        found = reader.read(split, root)
    except SpecError:
        raise
    except Exception as problem:
        text = " ".join(str(problem).split())[:200]
        raise _wrong(info, split, f"cannot be read: {type(problem).__name__}: {text}") from problem
    if not isinstance(found, tuple) or len(found) != 2:
        raise _wrong(info, split, f"is not a tuple (images, labels), but {type(found).__name__}")
    images, labels = (_tensor(info, split, values) for values in found)
    expected = (info.size(split), info.channels, info.height, info.width)
    if images.dtype != torch.uint8 or tuple(images.shape) != expected:
        kind = str(images.dtype).removeprefix("torch.")
        raise _wrong(info, split, f"has images {shape_text(images.shape)} of {kind}, its description says "
                     f"{shape_text(expected)} of uint8")
    if labels.is_floating_point() or tuple(labels.shape) != expected[:1]:
        kind = str(labels.dtype).removeprefix("torch.")
        raise _wrong(info, split, f"has labels {shape_text(labels.shape)} of {kind}, expected {expected[0]:,} integers")
    if not 0 <= int(labels.min()) <= int(labels.max()) < info.num_classes:
        raise _wrong(info, split, f"has labels from {int(labels.min())} to {int(labels.max())}, "
                     f"it has {info.num_classes} classes")
    return ImageData(images, labels.long(), info.classes, info.name, split, info.sources[0])


def _tensor(info: DatasetInfo, split: Split, values: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(values).cpu().contiguous()
    except (TypeError, ValueError, RuntimeError):
        raise _wrong(info, split, f"has a {type(values).__name__} where a tensor is expected") from None


def _wrong(info: DatasetInfo, split: Split, what: str) -> SpecError:
    return error("RUN302", f"the {split} data of {info.name} {what}",
                 hint=f"correct `read` in the plugin {DATASET_DOOR.plugin(info.name)}")
