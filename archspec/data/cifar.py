"""Reads the binary version of CIFAR-10 and CIFAR-100: records of labels and the planes red, green, blue.

The other version, which torchvision reads, is in Python's pickle format, in which a file can run any code; archspec
never reads it (https://www.cs.toronto.edu/~kriz/cifar.html describes both).
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.data.files import broken, md5_of, read_checked, reason_text, unreadable
from archspec.data.places import present
from archspec.data.registry import Archive, DatasetInfo, Split

if TYPE_CHECKING:
    import torch


def read_split(info: DatasetInfo, split: Split, found: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 (N, C, H, W) and labels int64 (N,); of cifar100 the fine labels.

    found: the folder with the .bin files, or the published archive, which is read without unpacking it to the disk.
    Errors: RUN302 for a broken or wrong file, RUN305 for a file that cannot be read.
    """
    import torch

    pixels = info.channels * info.height * info.width
    images = torch.empty(info.size(split), pixels, dtype=torch.uint8)
    labels = torch.empty(info.size(split), dtype=torch.int64)
    start = 0
    for path, content in _contents(info, split, found):
        records = torch.frombuffer(content, dtype=torch.uint8).reshape(-1, info.label_bytes + pixels)
        end = start + len(records)
        images[start:end] = records[:, info.label_bytes :]
        labels[start:end] = records[:, info.label_bytes - 1]
        highest = int(labels[start:end].max())
        if highest >= info.num_classes:
            raise broken(path, f"has a label {highest}, {info.name} has {info.num_classes} classes")
        start = end
    return images.reshape(-1, info.channels, info.height, info.width), labels


def _contents(info: DatasetInfo, split: Split, found: Path) -> Iterator[tuple[Path, bytearray]]:
    if info.archive is not None and found.name == info.archive.name:
        yield from _members(info, split, found, info.archive)
    else:
        for file in info.files(split):
            path = present(found, file.name)
            yield path, read_checked(path, file)


def _members(
    info: DatasetInfo, split: Split, path: Path, archive: Archive
) -> Iterator[tuple[Path, bytearray]]:
    """The files of the split in the archive, in order; only members with the known name, type and size are read."""
    _check_archive(path, archive)
    wanted = {f"{info.folders[0]}/{file.name}": file.size for file in info.files(split)}
    contents = _extract(path, wanted)
    for name, size in wanted.items():
        if name not in contents:
            raise broken(path, f"has no file {name} of {size:,} bytes")
        yield path / name, contents[name]


def _check_archive(path: Path, archive: Archive) -> None:
    size = path.stat().st_size
    if size != archive.size:
        raise broken(path, f"has {size:,} bytes, {archive.name} has {archive.size:,}")
    digest = md5_of(path)
    if digest != archive.md5:
        raise broken(path, f"is not the published archive: it has MD5 {digest}, expected {archive.md5}")


def _extract(path: Path, wanted: dict[str, int]) -> dict[str, bytearray]:
    """The members with these names and sizes that the archive has."""
    contents: dict[str, bytearray] = {}
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                if member.isreg() and member.size == wanted.get(member.name):
                    stream = tar.extractfile(member)
                    assert stream is not None  # true for regular files
                    contents[member.name] = bytearray(stream.read())
                if len(contents) == len(wanted):
                    break
    except (tarfile.TarError, zlib.error, EOFError) as problem:
        raise broken(path, f"is not a whole archive: {reason_text(problem)}") from problem
    except OSError as problem:
        raise unreadable(path, problem) from problem
    return contents
