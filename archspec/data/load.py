"""Loads a split of a known data set into memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from archspec.data import places
from archspec.data.images import ImageData
from archspec.data.registry import DatasetInfo, RunSplit, Split, check_name
from archspec.user_cache import cache_folder

Progress = Callable[[str], None]  # shows lines of plain text to the user


def load(
    name: str,
    split: RunSplit,
    *,
    root: Path | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> ImageData:
    """One split of a data set, from the first place of `places.locate` that has it, checked byte for byte.

    If it is not found it is downloaded into the user's cache, unless `download` is false. A data set is never replaced
    by another one, and a damaged copy is an error even if there is another copy.
    Errors: RUN301 if not found, RUN302 for a broken or wrong file, RUN304 for an unknown name, RUN305 for an unreadable
    file; ValueError for `folder:PATH`, whose images may have any size (see `ImageFolder`).
    """
    if split not in get_args(Split) or split == "validation":  # the second is for type checkers
        raise ValueError(f"split must be one of {get_args(Split)}, got {split!r}")
    info = check_name(name)
    if info is None:
        raise ValueError(f"{name} is a folder of images: use open_folder")
    if info.reader is not None:
        from archspec.data.plugin import read_plugin

        return read_plugin(info, info.reader, split, root)
    from archspec.data import cifar, digits, idx  # late, because names need no readers

    found = digits.find() if info.layout == "digits" else _found(info, split, root, download, progress)
    reader = {"idx": idx, "cifar": cifar, "digits": digits}[info.layout]
    images, labels = reader.read_split(info, split, found)
    return ImageData(images, labels, info.classes, info.name, split, str(found))


def _found(
    info: DatasetInfo, split: Split, root: Path | None, may_download: bool, progress: Progress | None
) -> Path:
    """The folder or archive with the files of the data set, downloaded if necessary."""
    found = places.find(info, split, root)
    if found is None and may_download:
        if progress is not None:
            progress(f"downloading {info.name} ({info.sources[-1]}) into {cache_folder()}")
        from archspec.data.download import fetch

        fetch(info, split, root)
        found = places.find(info, split, root)
    if found is None:
        raise places.not_found(info, split, root, "downloading is switched off")
    return found
