"""Where a data set is looked for, in which order, and what to say where it is nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archspec.data.registry import DatasetInfo, Split
from archspec.diagnostics import SpecError, error

DATA_VARIABLE: Final = "ARCHSPEC_DATA"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may hold a data set. `origin`: why it is looked at."""

    path: Path
    origin: str


def cache_folder() -> Path:
    """The user's cache for downloads: $XDG_CACHE_HOME/archspec, or ~/.cache/archspec."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "archspec"


def locate(info: DatasetInfo, root: Path | None = None) -> list[Place]:
    """The folders that are looked at for a data set, in this order:

    `root` (--data-root), $ARCHSPEC_DATA, ./data, the user's cache, in each of them torchvision's layout, then
    archspec's, then the folder itself; last the folders of the system's packages.
    Errors: RUN301 where `root` is no folder.
    """
    if root is not None and not root.is_dir():
        raise error("RUN301", f"the data folder {root} does not exist", hint="give --data-root an existing folder")
    places = [
        Place(base / folder, origin)
        for base, origin in _roots(root)
        for folder in (*info.folders, ".")
    ]
    return places + [Place(Path(folder), "the system's packages") for folder in info.system_folders]


def _roots(root: Path | None) -> Iterator[tuple[Path, str]]:
    if root is not None:
        yield root, "--data-root"
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        yield Path(variable).expanduser(), f"${DATA_VARIABLE}"
    yield Path("data"), "the working directory"
    yield cache_folder(), "your cache"


def find_folder(info: DatasetInfo, split: Split, root: Path | None = None) -> Path | None:
    """The first folder that has every file of a split, whole or damaged; None where there is none.

    A damaged copy is found like a sound one: it is told of, not passed over in silence.
    """
    names = [file.name for file in info.files(split)]
    for place in locate(info, root):
        if all(_exists(place.path / name) or _exists(place.path / f"{name}.gz") for name in names):
            return place.path
    return None


def _exists(path: Path) -> bool:
    """Whether there is something at `path`; a folder that may not be searched counts as holding nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def not_found(info: DatasetInfo, split: Split, root: Path | None, reason: str | None) -> SpecError:
    """The error that tells each place that was looked at and each way to get the data set."""
    places = locate(info, root)
    looked = list(dict.fromkeys(f"{_folder_text(place)} ({place.origin})" for place in places))
    notes = ["looked in " + ", ".join(looked)]
    notes += [f"{path} has only some of its files" for path in _partial(info, split, places)]
    notes += [f"{path} is in Python's pickle format, which can run code and is never read"
              for path in pickled_copies(info, root)]
    if reason is not None:
        notes.append(reason)
    return error("RUN301", f"{info.name} was not found", notes=notes, hint="; or ".join(_remedies(info, root)))


def _folder_text(place: Place) -> str:
    return str(place.path)


def _partial(info: DatasetInfo, split: Split, places: list[Place]) -> list[Path]:
    names = [file.name for file in info.files(split)]
    return [
        place.path for place in places
        if any(_exists(place.path / name) or _exists(place.path / f"{name}.gz") for name in names)
    ]


def pickled_copies(info: DatasetInfo, root: Path | None = None) -> list[Path]:
    """Copies of the data set in the pickle format, which archspec does not read."""
    found = [base / name for base, _ in _roots(root) for name in info.pickled]
    return [path for path in found if _exists(path)]


def _remedies(info: DatasetInfo, root: Path | None) -> list[str]:
    target = (root or cache_folder()) / info.folders[0]
    ways = [f"`apt-get install {info.package}`"] if info.package else []
    if info.archive is not None:
        ways.append(f"put {info.archive.name} from {info.archive.url} into {root or cache_folder()}")
    else:
        ways.append(f"copy its idx files ({', '.join(f.name for f in info.train_files + info.test_files)}, "
                    f"or the same with .gz) to {target}")
    ways += ["give the folder that has it with --data-root", "use `--data digits`, which needs no download"]
    return ways
