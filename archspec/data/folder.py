"""A folder of images: `PATH/train/CLASS/*.png` and `PATH/test/CLASS/*.png` (or `val`)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.data.decode import SUFFIXES, BadImage, decode
from archspec.data.plan import ImageShape
from archspec.data.registry import FOLDER_PREFIX, Split
from archspec.diagnostics import SpecError, error, listing

if TYPE_CHECKING:
    import torch

_SPLIT_FOLDERS: Final[dict[Split, tuple[str, ...]]] = {"train": ("train",), "test": ("test", "val")}


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """One split of a folder of images, none of them read yet: a map-style data set.

    samples: file and label. They go round the classes (the first file of each class by name, then the
    second …), so that the head of the list is a fair sample. channels: 1 or 3, what files are decoded to.
    notices: what the user should be told.
    """

    samples: tuple[tuple[Path, int], ...]
    classes: tuple[str, ...]
    channels: int
    name: str
    split: Split
    source: str
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def shape(self) -> ImageShape:
        """Channels of a decoded image; its size is the file's own."""
        return self.channels, None, None

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """uint8 (C, H, W), of the file's own size, and the label.

        Errors: RUN303 a colour image for one channel, RUN307 a broken image; both name the file.
        """
        import torch

        path, label = self.samples[index]
        try:
            return torch.from_numpy(decode(path, self.channels)), label
        except BadImage as bad:
            raise error(bad.code, f"{path} (image {index}) {bad.message}", hint=bad.hint) from bad

    def head(self, limit: int | None) -> ImageFolder:
        """The first `limit` samples; all of them for None or a larger number."""
        if limit is None or limit >= len(self):
            return self
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        return replace(self, samples=self.samples[:limit])


def open_folder(path: Path, split: Split, channels: int) -> ImageFolder:
    """List the images of a split. Class names are the folders' names, sorted; labels are their positions.

    Labels come from the folders of `train` for both splits. Only files of known endings that lie directly in
    a class's folder count; a notice tells of others. Hidden files are passed over.
    Errors: RUN303 for channels other than 1 and 3; RUN305 a folder that cannot be read; RUN306 where split,
    classes or images are missing, or `test` has a class that `train` has not.
    """
    if channels not in (1, 3):
        raise error(
            "RUN303", f"image files have 1 or 3 channels, the network's input has {channels}",
            hint="write `input: [3, height, width]`",
        )
    if not path.is_dir():
        raise error("RUN306", f"there is no folder {path}", hint="write `folder:PATH` with a folder that exists")
    classes = _class_names(_split_folder(path, "train"))
    folder = _split_folder(path, split)
    labels = _labels(folder, classes, path / "train")
    found = [(_image_files(folder / name), label) for name, label in labels.items()]
    samples = _round_robin([(file, label) for (files, _), label in found for file in files])
    others = sum(count for (_, count), _ in found)
    notices = (f"{others:,} files in {folder} have no ending of an image and are left out",) if others else ()
    return ImageFolder(samples, classes, channels, f"{FOLDER_PREFIX}{path}", split, str(folder), notices)


def _labels(folder: Path, classes: tuple[str, ...], train: Path) -> dict[str, int]:
    """Class names of a split and their labels, which are those of `train`."""
    names = _class_names(folder)
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise error(
            "RUN306", f"{folder} has classes that {train} has not: {listing(unknown)}",
            hint="give both the same folders",
        )
    return {name: classes.index(name) for name in names}


def _split_folder(path: Path, split: Split) -> Path:
    for name in _SPLIT_FOLDERS[split]:
        if (path / name).is_dir():
            return path / name
    names = " or ".join(_SPLIT_FOLDERS[split])
    raise error(
        "RUN306", f"{path} has no folder {names}",
        hint=f"lay the images out as {path / _SPLIT_FOLDERS[split][0]}/CLASS/IMAGE.png",
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(entry.name for entry in _entries(folder) if entry.is_dir()))
    if not names:
        raise error(
            "RUN306", f"{folder} has no folder for a class", hint=f"lay the images out as {folder}/CLASS/IMAGE.png"
        )
    return names


def _image_files(folder: Path) -> tuple[list[Path], int]:
    """The images of a class by name, and the number of other files."""
    entries = sorted(_entries(folder), key=lambda entry: entry.name)
    images = [Path(entry.path) for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    if not images:
        raise error(
            "RUN306", f"{folder} has no image", hint=f"put images there ({', '.join(SUFFIXES)}), or remove it"
        )
    return images, len(entries) - len(images)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as problem:
        raise _unreadable(folder, problem) from problem


def _unreadable(folder: Path, problem: OSError) -> SpecError:
    text = (problem.strerror or str(problem)).lower()
    return error("RUN305", f"cannot read {folder}: {text}", hint=f"make it readable (chmod a+rx {folder})")


def _round_robin(samples: list[tuple[Path, int]]) -> tuple[tuple[Path, int], ...]:
    """The first sample of each label, then the second of each, and so on."""
    seen: Counter[int] = Counter()
    ranked = []
    for sample in samples:
        ranked.append((seen[sample[1]], sample[1], sample))
        seen[sample[1]] += 1
    return tuple(sample for _, _, sample in sorted(ranked, key=lambda item: item[:2]))
