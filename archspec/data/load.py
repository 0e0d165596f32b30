"""`load`: a data set's name → one checked split in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from archspec.data import digits, idx, places
from archspec.data.images import ImageData
from archspec.data.registry import SPLITS, DatasetInfo, Split, check_name

Progress = Callable[[str], None]  # gets lines of plain text for the user


def load(
    name: str, split: Split, *, root: Path | None = None, download: bool = True, progress: Progress | None = None
) -> ImageData:
    """One split of a data set, read from the first of `places.locate` that has it, checked byte for byte.

    What is nowhere is downloaded into the user's cache, unless `download` is false. A data set is never replaced
    by another, and a damaged copy never by the next one: it is an error.
    Errors: RUN301 not found, RUN302 a broken or wrong file, RUN304 unknown name, RUN305 unreadable;
    ValueError for a `folder:PATH`, which is not resident: see `open_split`.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    info = check_name(name)
    if info is None:
        raise ValueError(f"{name} is a folder of images: use open_split")
    return _READERS[info.layout](info, split, root, download, progress)


def _load_digits(
    info: DatasetInfo, split: Split, root: Path | None, download: bool, progress: Progress | None
) -> ImageData:
    path = digits.find()
    images, labels = digits.read_split(info, split, path)
    return ImageData(images, labels, info.classes, info.name, split, str(path))


def _load_idx(
    info: DatasetInfo, split: Split, root: Path | None, download: bool, progress: Progress | None
) -> ImageData:
    folder = places.find_folder(info, split, root)
    if folder is None:
        raise places.not_found(info, split, root, None)
    images, labels = idx.read_split(info, split, folder)
    return ImageData(images, labels, info.classes, info.name, split, str(folder))


_READERS: Final = {"digits": _load_digits, "idx": _load_idx}
