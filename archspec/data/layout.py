"""How a folder of images is laid out: `PATH/SPLIT/CLASS/…/IMAGE`. Lists files, and reads none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archspec.data.decode import SUFFIXES
from archspec.diagnostics import SpecError, error

SPLIT_NAMES: Final = ("train", "val", "test")
_MISNAMED: Final = {  # what people call the folders of the splits, in lower case
    "train": ("train", "training", "train_set", "trainset"),
    "validation": ("val", "valid", "validation", "eval", "dev"),
    "test": ("test", "testing", "test_set", "testset", "val", "valid", "validation", "eval"),
}
_Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class ClassFiles:
    """The images of a class, and how many files of its folder have no ending of an image."""

    images: tuple[Path, ...]
    others: int


def splits_present(path: Path) -> dict[str, Path]:
    """The folders of splits that an image folder has: `train`, `val`, `test`, as far as they are there."""
    return {name: path / name for name in SPLIT_NAMES if (path / name).is_dir()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes of a split: its folders, sorted. Hidden ones are passed over. Errors: RUN305, RUN306."""
    names = tuple(sorted(entry.name for entry in _entries(folder) if _is_folder(entry)))
    if not names:
        raise error(
            "RUN306", f"{folder} has no folder for a class", hint=f"arrange the images as {folder}/CLASS/IMAGE.png"
        )
    return names


def class_files(folder: Path) -> ClassFiles:
    """The images of a class, those in folders within its folder too: by name, files before folders.

    As torchvision's ImageFolder it follows links. Whatever has an image's ending counts, a pipe or a link that
    leads nowhere too: what is wrong with it is found when it is looked at. Hidden names are passed over.
    Errors: RUN305 a folder that cannot be read; RUN306 a link to a folder that the link is in.
    """
    images, others = [], 0
    todo: list[tuple[Path, tuple[_Identity, ...]]] = [(folder, ())]  # a folder, and those that it is in
    while todo:
        current, above = todo.pop()
        within = (*above, _identity(current))
        if within[-1] in above:
            raise error(
                "RUN306", f"{current} is a link to a folder that it is in: an endless loop", hint="remove the link"
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
    """How many images lie directly in the folder of a split, and so in no class."""
    return sum(entry.name.lower().endswith(SUFFIXES) and not _is_folder(entry) for entry in _entries(folder))


def likely_folder(path: Path) -> Path | None:
    """The image folder that `path` probably stands for: itself, one that it is in, or the one that is in it."""
    try:
        above = list(path.parents)[:3]
        if not path.exists():  # a mistyped name says nothing about the folder that we are in
            above = [folder for folder in above if folder != Path()]
        candidates = [path, *above]
        if path.is_dir():
            inner = [Path(entry.path) for entry in _entries(path) if _is_folder(entry)]
            candidates += inner if len(inner) == 1 else []
        return next((found for found in candidates if (found / "train").is_dir()), None)
    except (OSError, ValueError):  # ValueError: a NUL in the name; SpecError is one too
        return None


def misnamed_split(path: Path, split: str) -> str | None:
    """A folder in `path` that is probably that split under another name."""
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
    except OSError:  # a link to itself, say
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
