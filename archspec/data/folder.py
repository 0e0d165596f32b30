"""A folder of images: `PATH/train/CLASS/*.png` and `PATH/test/CLASS/*.png` (or `val`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from archspec.data.decode import SUFFIXES, BadImage, decode
from archspec.data.layout import (
    ClassFiles,
    class_files,
    class_names,
    likely_folder,
    misnamed_split,
    splits_present,
    stray_images,
)
from archspec.data.plan import ImageShape
from archspec.data.registry import FOLDER_PREFIX, RunSplit, data_argument
from archspec.diagnostics import Diagnostic, SpecError, error, listing, one_line, plural
from archspec.text import shell

if TYPE_CHECKING:
    import torch

_SPLIT_FOLDERS: Final[dict[RunSplit, tuple[str, ...]]] = {
    "train": ("train",), "validation": ("val",), "test": ("test", "val"),
}


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """One split of a folder of images, as a map-style data set that reads files on access.

    samples: pairs of file and label, which alternate between the classes (the first file of each class by name, then
    the second …), so that the head of the list is a fair sample. channels: 1 or 3, to decode to. notices: lines for
    the user. size: (H, W) if all images are known to have this size (see `survey`). targets: of a table, whose rows the
    labels of samples count, (rows, …); None if the label is the target.
    """

    samples: tuple[tuple[Path, int], ...]
    classes: tuple[str, ...]
    channels: int
    name: str
    split: RunSplit
    source: str
    notices: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    targets: torch.Tensor | None = None

    def targets_of(self, labels: torch.Tensor) -> torch.Tensor:
        """The targets of samples with these labels, int64 (n,): the labels themselves, or rows of `targets`."""
        return labels if self.targets is None else self.targets[labels]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def shape(self) -> ImageShape:
        """(C, H, W) of a decoded image; None for sizes that differ between images or are not known."""
        return self.channels, *(self.size or (None, None))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """The image, uint8 (C, H, W), in the size of the file, and its label.

        Errors: RUN303 for a colour image with one channel, RUN305 for an unreadable file, RUN307 for a broken image;
        all name the file.
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

    def take(self, rows: torch.Tensor, split: RunSplit) -> ImageFolder:
        """The images with these numbers, int64 (n,), as another split, without notices."""
        return replace(self, samples=tuple(self.samples[row] for row in rows.tolist()), split=split, notices=())


def open_folder(path: Path, split: RunSplit, channels: int) -> ImageFolder:
    """List the images of a split. The classes are the sorted names of the folders; labels are their positions.

    The labels of all splits come from the folders of `train`. Images may be in subfolders of a class folder. Only
    files with known extensions count; notices name what is left out, and classes without a test image.
    Errors: RUN303 for channels other than 1 and 3; RUN305 for a folder that cannot be read; RUN306 if split, classes
    or images are missing, or if `test` has a class that `train` does not have.
    """
    if channels not in (1, 3):
        raise error(
            "RUN303", f"image files have 1 or 3 channels, the network's input has {channels}",
            hint="write `input: [3, height, width]`",
        )
    classes = class_names(_split_folder(path, "train"))
    folder = _split_folder(path, split)
    labels = _labels(folder, classes, path / "train")
    found = _class_files(folder, labels)
    empty = [name for name in classes if name not in found or not found[name].images]
    if split == "train" or len(empty) == len(classes):
        _check_images(folder, [name for name in empty if name in found])
        empty = []
    samples = _round_robin((file, labels[name]) for name, files in found.items() for file in files.images)
    notices = _notices(folder, sum(files.others for files in found.values()), empty)
    return ImageFolder(samples, classes, channels, f"{FOLDER_PREFIX}{path}", split, str(folder), tuple(notices))


def _class_files(folder: Path, names: Iterable[str]) -> dict[str, ClassFiles]:
    """The files of each class. Raises one SpecError with the errors of `class_files` for all classes."""
    found: dict[str, ClassFiles] = {}
    problems: list[Diagnostic] = []
    for name in names:
        try:
            found[name] = class_files(folder / name)
        except SpecError as bad:
            problems += bad.diagnostics
    if problems:
        raise SpecError(problems)
    return found


def _notices(folder: Path, others: int, empty: list[str]) -> list[str]:
    notices = []
    if others:
        notices.append(f"{plural(others, 'file')} in {folder} without an image extension {_left_out(others)}")
    if stray := stray_images(folder):
        notices.append(f"{plural(stray, 'image')} directly in {folder}, not in a class folder, {_left_out(stray)}")
    if empty:
        classes, their = ("class", "its") if len(empty) == 1 else ("classes", "their")
        notices.append(f"{folder} has no image of the {classes} {listing(empty)}: {their} accuracy is not known")
    return [one_line(notice) for notice in notices]


def _left_out(number: int) -> str:
    return "is left out" if number == 1 else "are left out"


def _check_images(folder: Path, empty: list[str]) -> None:
    """Raise SpecError RUN306 for each class without an image."""
    problems = [
        error("RUN306", f"{folder / name} has no image", hint=f"put images there ({', '.join(SUFFIXES)}), or remove it")
        for name in empty
    ]
    if problems:
        raise SpecError(diagnostic for problem in problems for diagnostic in problem.diagnostics)


def _labels(folder: Path, classes: tuple[str, ...], train: Path) -> dict[str, int]:
    """Class → label of a split; the labels are those of `train`."""
    names = class_names(folder)
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise error(
            "RUN306", f"{folder} has classes that {train} does not have: {listing(unknown)}",
            hint=_same_word(unknown[0], classes, folder) or "create the same folders in both",
        )
    return {name: classes.index(name) for name in names}


def _same_word(name: str, classes: tuple[str, ...], folder: Path) -> str | None:
    """A remedy if the name of a class in `train` only differs in case, or in how Unicode encodes its accents."""
    for other in classes:
        if _plain(other) == _plain(name):
            if normalize("NFC", other) == normalize("NFC", name):
                why = "look alike, and are different characters in Unicode (composed and decomposed)"
            else:
                why = "differ in case"
            command = shell("mv", folder / name, folder / other)
            return f"`{name}` and `{other}` {why}: rename one, as by `{command}`"
    return None


def _plain(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())


def _split_folder(path: Path, split: RunSplit) -> Path:
    present = splits_present(path)
    found = next((present[name] for name in _SPLIT_FOLDERS[split] if name in present), None)
    if found is not None:
        return found
    meant = likely_folder(path)
    if meant is not None and meant != path:
        what = f"has no folder {_SPLIT_FOLDERS[split][0]}" if path.is_dir() else "does not exist"
        raise error("RUN306", f"{path} {what}", hint=f"did you mean `{data_argument(meant)}`?")
    if not path.is_dir():
        raise _no_folder(path)
    raise _no_split(path, split)


def _no_folder(path: Path) -> SpecError:
    if path.exists():
        return error("RUN306", f"{path} is a file, not a folder", hint="name a folder; unpack an archive first")
    return error("RUN306", f"there is no folder {path}", hint="write `folder:PATH` with a folder that exists")


def _no_split(path: Path, split: RunSplit) -> SpecError:
    names = _SPLIT_FOLDERS[split]
    hint = f"arrange the images as {path / names[0]}/CLASS/IMAGE.png"
    if (other := misnamed_split(path, split)) is not None:
        hint = f"rename {path / other} to {path / names[0]}"
    return error("RUN306", f"{path} has no folder {' or '.join(names)}", hint=hint)


def _round_robin(samples: Iterable[tuple[Path, int]]) -> tuple[tuple[Path, int], ...]:
    """The first sample of each label, then the second of each, and so on."""
    seen: Counter[int] = Counter()
    ranked = []
    for sample in samples:
        ranked.append((seen[sample[1]], sample[1], sample))
        seen[sample[1]] += 1
    return tuple(sample for _, _, sample in sorted(ranked, key=lambda item: item[:2]))
