"""Downloads a data set into the user's cache, completely or not at all."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from archspec.data.places import not_found
from archspec.data.registry import DatasetInfo, Split
from archspec.user_cache import cache_folder

_PATIENCE_S: Final = 30.0  # without a byte for this long, a server counts as unreachable
# torchvision's classes have the mirrors of these data sets and the checksums of their files.
_TORCHVISION: Final = {"fashion-mnist": "FashionMNIST", "mnist": "MNIST"}


def fetch(info: DatasetInfo, split: Split, root: Path | None) -> None:
    """Download both splits with torchvision, which shows its progress on stderr, into the user's cache.

    It is downloaded to a temporary folder and moved to its place when complete, so an interrupted download is never
    taken for the data set. split, root: for the error message.
    Errors: RUN301, which lists every other way to get the data set.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder, _patience():
            _download(info, Path(folder))
            _move(Path(folder), info, cache)
    except (OSError, RuntimeError, http.client.HTTPException) as problem:
        text = " ".join(str(problem).split()) or type(problem).__name__
        raise not_found(info, split, root, f"the download failed: {text[:300]}") from problem


def _download(info: DatasetInfo, folder: Path) -> None:
    import torchvision

    with contextlib.redirect_stdout(sys.stderr):  # torchvision prints to stdout, which is for results
        if info.archive is not None:
            archive = info.archive
            torchvision.datasets.utils.download_url(archive.url, folder, archive.name, archive.md5)
        else:
            getattr(torchvision.datasets, _TORCHVISION[info.name])(folder, download=True)


def _move(folder: Path, info: DatasetInfo, cache: Path) -> None:
    """Move the download to its place; if another process was faster, keep its copy."""
    if info.archive is not None:
        (folder / info.archive.name).replace(cache / info.archive.name)
        return
    source, target = folder / info.folders[0], cache / info.folders[0]
    for packed in source.glob("*.gz"):  # torchvision has unpacked them
        packed.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Set a timeout, because torchvision has none and a silent server would block the program."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
