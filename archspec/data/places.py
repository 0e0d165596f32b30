"""Finds data sets: the places to search, their order, and the error if a data set is not found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archspec.data.registry import DataFile, DatasetInfo, Split, expand_home
from archspec.diagnostics import SpecError, error
from archspec.user_cache import cache_folder

DATA_VARIABLE: Final = "ARCHSPEC_DATA"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may contain a data set. origin: why it is searched."""

    path: Path
    origin: str


def locate(info: DatasetInfo, root: Path | None = None) -> list[Place]:
    """The folders to search for a data set, in order.

    First those below `root` (--data-root), $ARCHSPEC_DATA, ./data and the user's cache: in each of them
    torchvision's folder, then archspec's, then the folder itself. Last the folders of the system's packages.
    Errors: RUN301 if `root` is not a folder.
    """
    if root is not None and not root.is_dir():
        raise error(
            "RUN301", f"the data folder {root} does not exist", hint="give --data-root a folder that exists"
        )
    below = [
        Place(base.path / folder, base.origin) for base in _bases(root) for folder in (*info.folders, ".")
    ]
    return below + _system(info)


def _bases(root: Path | None) -> Iterator[Place]:
    if root is not None:
        yield Place(root, "--data-root")
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        yield Place(expand_home(variable), f"${DATA_VARIABLE}")
    yield Place(Path("data"), "the working folder")
    yield Place(cache_folder(), "your cache")


def _system(info: DatasetInfo) -> list[Place]:
    return [Place(Path(folder), "the system's packages") for folder in info.system_folders]


def find(info: DatasetInfo, split: Split, root: Path | None = None) -> Path | None:
    """The first folder that has every file of a split, or the published archive; None if there is none.

    A damaged copy is not skipped; reading it is an error.
    Errors: RUN301 if `root` is not a folder.
    """
    for place in locate(info, root):
        if all(has(place.path, file) for file in info.files(split)):
            return place.path
        if info.archive is not None and _exists(place.path / info.archive.name):
            return place.path / info.archive.name
    return None


def has(folder: Path, file: DataFile) -> bool:
    """Whether the folder has the file, compressed or not."""
    return _exists(folder / file.name) or _exists(folder / f"{file.name}.gz")


def present(folder: Path, name: str) -> Path:
    """The path of a file in a folder, compressed or not."""
    plain = folder / name
    return plain if _exists(plain) else folder / f"{name}.gz"


def _exists(path: Path) -> bool:
    """Whether `path` exists; false in a folder without permission to search."""
    try:
        return path.exists()
    except OSError:
        return False


def not_found(info: DatasetInfo, split: Split, root: Path | None, reason: str) -> SpecError:
    """The error that names each place that was searched, and each way to get the data set."""
    notes = [reason, *_looked(info, root)]
    for place in locate(info, root):
        missing = [file.name for file in info.files(split) if not has(place.path, file)]
        if 0 < len(missing) < len(info.files(split)):
            notes.append(f"{place.path} has some of its files, but not {', '.join(missing)}")
    for base in _bases(root):
        notes += [
            f"{base.path / name} is in Python's pickle format, which can run code: archspec never reads it"
            for name in info.pickled if _exists(base.path / name)
        ]
    return error("RUN301", f"{info.name} was not found", notes=notes, hint="; or ".join(_ways(info, root)))


def _looked(info: DatasetInfo, root: Path | None) -> Iterator[str]:
    bases = [f"{base.path} ({base.origin})" for base in _bases(root)]
    wanted = [*info.folders, *([info.archive.name] if info.archive else [])]
    yield f"looked in {', '.join(bases)}: in each for {', '.join(wanted)} and for the files themselves"
    for place in _system(info):
        yield f"looked in {place.path} ({place.origin})"
    for base in (*_bases(root), *_system(info)):
        if _exists(base.path) and not os.access(base.path, os.R_OK | os.X_OK):
            yield f"{base.path} may not be read by this user"


def _ways(info: DatasetInfo, root: Path | None) -> list[str]:
    target = root or cache_folder()
    ways = [f"`apt-get install {info.package}`"] if info.package else []
    if info.archive is None:
        files = ", ".join(file.name for file in info.train_files + info.test_files)
        ways.append(f"copy {files} (plain or .gz) into {target / info.folders[0]}")
    else:
        ways.append(f"put {info.archive.name} of {info.archive.url} into {target}")
    ways.append("name the folder that has it with --data-root")
    return [*ways, "use `--data digits`, which needs no download"]
