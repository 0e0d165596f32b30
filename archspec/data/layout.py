"""Lists the files of a folder of images, `PATH/SPLIT/CLASS/…/IMAGE`, without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archspec.data.decode import SUFFIXES
from archspec.diagnostics import SpecError, error

SPLIT_NAMES: Final = ("train", "val", "test")
_MISNAMED: Final = {  # other usual names for the folders of the splits, in lower case
    "train": ("train", "training", "train_set", "trainset"),
    "validation": ("val", "valid", "validation", "eval", "dev"),
    "test": ("test", "testing", "test_set", "testset", "val", "valid", "validation", "eval"),
}
_Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class ClassFiles:
    """The images of a class, and the number of other files in its folder."""

    images: tuple[Path, ...]
    others: int


def splits_present(path: Path) -> dict[str, Path]:
    """The existing folders of splits in an image folder: `train`, `val`, `test`."""
    return {name: path / name for name in SPLIT_NAMES if (path / name).is_dir()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes of a split: the names of its folders, sorted, without hidden ones. Errors: RUN305, RUN306."""
    names = tuple(sorted(entry.name for entry in _entries(folder) if _is_folder(entry)))
    if not names:
        raise error(
            "RUN306", f"{folder} has no folder for a class", hint=f"arrange the images as {folder}/CLASS/IMAGE.png"
        )
    return names


def class_files(folder: Path) -> ClassFiles:
    """The images of a class, including subfolders, sorted by name with files before folders.

    Like torchvision's ImageFolder it follows links. Anything with an image extension counts, even a pipe or a broken
    link, which is reported when it is opened. Hidden names are skipped.
    Errors: RUN305 for a folder that cannot be read; RUN306 for a link to a folder that contains the link.
    """
    images, others = [], 0
    todo: list[tuple[Path, tuple[_Identity, ...]]] = [(folder, ())]  # a folder, and the folders that contain it
    while todo:
        current, above = todo.pop()
        within = (*above, _identity(current))
        if within[-1] in above:
            raise error(
                "RUN306", f"{current} is a link to a folder that contains it: an endless loop", hint="remove the link"
            )
        folders = []
        for entry in sorted(_entries(current), key=lambda entry: entry.name):
            if _is_folder(entry):
                folders.append(Path(entry.path))
            elif entry.name.lower().endswith(SUFFIXES):
                images.append(Path(entry.path))
            else:
                others += 1
        todo += [(inner, within) for inner in reversed(folders)]
    return ClassFiles(tuple(images), others)


def stray_images(folder: Path) -> int:
    """The number of images directly in the folder of a split, which have no class."""
    return sum(entry.name.lower().endswith(SUFFIXES) and not _is_folder(entry) for entry in _entries(folder))


def likely_folder(path: Path) -> Path | None:
    """The image folder that `path` probably means: `path` itself, a folder that contains it, or one in it."""
    try:
        above = list(path.parents)[:3]
        if not path.exists():  # for a mistyped name, do not guess the working folder
            above = [folder for folder in above if folder != Path()]
        candidates = [path, *above]
        if path.is_dir():
            inner = [Path(entry.path) for entry in _entries(path) if _is_folder(entry)]
            candidates += inner if len(inner) == 1 else []
        return next((found for found in candidates if (found / "train").is_dir()), None)
    except (OSError, ValueError):  # ValueError: a NUL in the name; SpecError is one too
        return None


def misnamed_split(path: Path, split: str) -> str | None:
    """A folder in `path` that is probably the split under another name."""
    names = [entry.name for entry in _entries(path) if _is_folder(entry)]
    return next((name for name in sorted(names) if name.lower() in _MISNAMED[split]), None)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as problem:
        raise _unreadable(folder, problem) from problem


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def _identity(folder: Path) -> _Identity:
    try:
        info = folder.stat()
    except OSError as problem:
        raise _unreadable(folder, problem) from problem
    return info.st_dev, info.st_ino


def _unreadable(folder: Path, problem: OSError) -> SpecError:
    text = (problem.strerror or str(problem)).lower()
    return error("RUN305", f"cannot read {folder}: {text}", hint=f"make it readable (chmod a+rx {folder})")
