"""Checks all of a data set: its contents, and everything that is wrong with it. Folders need no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from archspec.data.folder import open_folder
from archspec.data.layout import splits_present
from archspec.data.registry import TABLE_PREFIX, DatasetInfo, RunSplit, Split, check_name, folder_path
from archspec.data.survey import Progress, Survey, survey
from archspec.diagnostics import Diagnostic, SpecError, error, plural

CHECK_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """The result for a split.

    counts: class → number of images, in the order of the labels. look: None for a known data set, whose checksums
    were compared.
    """

    split: str
    source: str
    counts: dict[str, int]
    notices: tuple[str, ...] = ()
    look: Survey | None = None

    @property
    def images(self) -> int:
        """The number of images of the split."""
        return sum(self.counts.values())

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        data: dict[str, object] = {
            "split": self.split, "source": self.source, "images": self.images, "classes": self.counts,
            "notices": list(self.notices),
        }
        if self.look is not None:
            sizes = [{"height": h, "width": w, "images": n} for (h, w), n in self.look.sizes.most_common()]
            data |= {"formats": dict(self.look.formats), "modes": dict(self.look.modes), "sizes": sizes}
        return data


@dataclass(slots=True)
class DataCheck:
    """The result of a check. problems: one for each fault; empty if the data set can be used."""

    name: str
    splits: list[SplitCheck] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        return {
            "format": CHECK_FORMAT, "data": self.name, "usable": not self.problems,
            "splits": [split.to_json() for split in self.splits],
            "problems": [problem.to_json() for problem in self.problems],
        }


def check_data(
    name: str, *, channels: int | None = None, root: Path | None = None, workers: int | None = None,
    progress: Progress | None = None,
) -> DataCheck:
    """Read every file of a data set: decode the images of a folder, compare the checksums of a known data set.

    channels: 1 or 3, of the network's input; None for either. Nothing is downloaded. Raises SpecError RUN304 for an
    unknown name; all other faults are in the result.
    """
    info, result = check_name(name), DataCheck(name)
    if name.startswith(TABLE_PREFIX):
        raise error("RUN304", f"`{name[:80]}` is a table, whose images are checked with its targets",
                    hint="write it into a recipe's `data`, and run `archspec validate --data SPEC`")
    if info is None:
        path = folder_path(name)
        for split in splits_to_open(path):
            try:
                result.splits.append(_folder_split(path, split, channels, workers, progress))
            except SpecError as bad:
                result.problems += bad.diagnostics
        result.problems += [p for split in result.splits if split.look for p in split.look.problems]
        return result
    for split in get_args(Split):
        try:
            result.splits.append(_known_split(info, split, root, progress))
        except SpecError as bad:
            result.problems += bad.diagnostics
    result.problems = list(dict.fromkeys(result.problems))
    return result


def splits_to_open(path: Path) -> Iterator[RunSplit]:
    """The splits to open, including required ones that are missing, for which opening raises the error."""
    present = splits_present(path)
    yield "train"
    if "val" in present and "test" in present:  # without `test`, `val` is the test set
        yield "validation"
    if present:
        yield "test"


def _folder_split(
    path: Path, split: RunSplit, channels: int | None, workers: int | None, progress: Progress | None
) -> SplitCheck:
    data = open_folder(path, split, channels or 3)
    if progress is not None:
        progress(f"decoding {plural(len(data), 'image')} of {data.source}")
    look = survey(data, channels, whole=True, workers=workers)
    numbers = Counter(label for _, label in data.samples)
    counts = {name: numbers[k] for k, name in enumerate(data.classes)}
    return SplitCheck(split, data.source, counts, (*data.notices, *look.notices(data.source)), look)


def _known_split(info: DatasetInfo, split: Split, root: Path | None, progress: Progress | None) -> SplitCheck:
    from archspec.data.load import load

    data = load(info.name, split, root=root, download=False, progress=progress)
    numbers = Counter(data.labels.tolist())
    return SplitCheck(split, data.source, {name: numbers[k] for k, name in enumerate(data.classes)})
