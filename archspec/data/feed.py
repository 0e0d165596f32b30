"""Opens a data set by name, and chooses the source of batches that suits this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.data.batches import Batches, BatchOptions, ResidentBatches
from archspec.data.folder import ImageFolder, open_folder
from archspec.data.images import ImageData
from archspec.data.load import Progress, load
from archspec.data.memory import fits
from archspec.data.plan import InputPlan
from archspec.data.registry import FOLDER_PREFIX, RunSplit, folder_path
from archspec.data.survey import check_headers
from archspec.diagnostics import plural
from archspec.text import bytes_text

if TYPE_CHECKING:
    import torch


def open_data(
    name: str,
    split: RunSplit,
    channels: int,
    *,
    root: Path | None = None,
    download: bool = True,
    limit: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    decode: bool = False,
) -> ImageData | ImageFolder:
    """One split of any data set that a recipe's `data` can name.

    channels: of the network's input, which decides how image files are decoded. limit: the most images to use, the
    first in the order of the data set. workers: the number of processes that check image files. decode: see
    `check_headers`.
    Errors: those of `load`, `open_folder` and `check_headers`.
    """
    if name.startswith(FOLDER_PREFIX) and name != FOLDER_PREFIX:
        folder = open_folder(folder_path(name), split, channels).head(limit)
        return check_headers(folder, progress=progress, workers=workers, decode=decode)
    return load(name, split, root=root, download=download, progress=progress).head(limit)


def make_batches(
    data: ImageData | ImageFolder,
    plan: InputPlan,
    options: BatchOptions,
    *,
    workers: int | None = None,
    sharers: int = 1,
    progress: Progress | None = None,
    room: Callable[[int, torch.device | str], bool] = fits,
) -> Batches:
    """Batches from memory if the data fits by `memory.RESIDENT_SHARE`, otherwise from the next best source.

    An `ImageData` is stored on the device if it fits there, otherwise on the CPU. An `ImageFolder` is decoded once
    and kept in memory if it fits, otherwise it is decoded in every epoch, ahead of its use; the batches are the same.
    sharers: the number of processes on this machine that do the same and share its memory and processors.
    Errors: those of `FolderBatches`.
    """
    if isinstance(data, ImageFolder):
        size = len(data) * data.channels * plan.size[0] * plan.size[1]
        from archspec.data.folder_batches import FolderBatches, read_all
        from archspec.data.pool import default_workers

        workers = max(1, default_workers() // sharers) if workers is None else workers
        if not room(size * sharers, "cpu"):
            return FolderBatches(data, plan, options, workers=workers)
        if progress is not None:
            progress(f"reading {plural(len(data), 'image')} of {data.source} into memory ({bytes_text(size)})")
        data = read_all(data, plan.size, workers=workers)
    # On the CPU it is already in memory.
    on_device = str(options.device).startswith("cpu") or room(data.nbytes, options.device)
    return ResidentBatches(data, plan, options, home=None if on_device else "cpu")
