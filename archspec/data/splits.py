"""The splits of a run: the images to train on, to make choices on, and to test on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.data.feed import open_data
from archspec.data.folder import ImageFolder
from archspec.data.images import ImageData
from archspec.data.layout import misnamed_split
from archspec.data.load import Progress
from archspec.data.registry import FOLDER_PREFIX, TABLE_PREFIX, RunSplit, folder_path
from archspec.data.survey import check_headers
from archspec.data.table import open_table
from archspec.data.validation import (
    VAL,
    check_val_folder,
    class_shares,
    draw,
    held_out_images,
    resolve_validation,
    val_folder,
)
from archspec.diagnostics import SpecError, listing, plural
from archspec.language.recipe import Recipe

if TYPE_CHECKING:
    import torch

_ONCE: Final = "choices depend on it, and the test set is only evaluated at the end"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the images of a run come from.

    channels: of the network's input. limit_train: the most training images, the first of the set, before a validation
    set is taken from them. limit_test: the most images of the test set, and of the `val/` of a folder.
    """

    recipe: Recipe
    channels: int
    root: Path | None = None
    limit_train: int | None = None
    limit_test: int | None = None
    progress: Progress | None = None
    workers: int | None = None

    def read(self, split: RunSplit, *, decode: bool = False) -> ImageData | ImageFolder:
        """A split as published, before a validation set is held out. decode, and errors: see `open_data`."""
        limit = self.limit_train if split == "train" else self.limit_test
        if self.recipe.data.startswith(TABLE_PREFIX):
            kind = next(iter(self.recipe.loss.values())).kind
            table = open_table(self.recipe.data, split, self.channels, kind).head(limit)
            return check_headers(table, progress=self.progress, workers=self.workers, decode=decode)
        return open_data(
            self.recipe.data, split, self.channels, root=self.root, limit=limit, progress=self.progress,
            workers=self.workers, decode=decode,
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits of a run. validation: None if choices are made on the test set. notices: lines for the user."""

    train: ImageData | ImageFolder
    validation: ImageData | ImageFolder | None
    test: ImageData | ImageFolder
    notices: tuple[str, ...]


def open_splits(source: Source) -> Splits:
    """All splits of a run. Errors: those of `training_splits` and `open_data`."""
    try:
        train, validation, notices = training_splits(source)
        test = source.read("test")
    except SpecError as problem:
        raise _with_all(problem, source) from problem
    return Splits(train, validation, test, (*notices, *_test_notices(test)))


def _with_all(problem: SpecError, source: Source) -> SpecError:
    """The error, extended by all other faults in any split of a folder, so that one run names every broken file.

    All images are decoded, because a truncated file can only be found that way.
    """
    if not source.recipe.data.startswith(FOLDER_PREFIX):
        return problem
    found = [d for d in problem.diagnostics if d.code in ("RUN370", "RUN371")]  # the others are found again
    val: tuple[RunSplit, ...] = ("validation",) if val_folder(source.recipe.data) else ()
    for split in ("train", *val, "test"):
        try:
            source.read(split, decode=True)
        except SpecError as other:
            found += other.diagnostics
    return SpecError(dict.fromkeys(found)) if found else problem


def training_splits(source: Source) -> tuple[ImageData | ImageFolder, ImageData | ImageFolder | None, list[str]]:
    """The training set, the validation set or None, and notices; a function of the recipe, its seed and the limit.

    Errors: RUN370, RUN371, and those of `open_data`.
    """
    amount = resolve_validation(source.recipe).validation
    if amount == VAL and not source.recipe.data.startswith(TABLE_PREFIX):
        check_val_folder(source.recipe.data)
    whole = source.read("train")
    notices = list(whole.notices) if isinstance(whole, ImageFolder) else []
    if amount is None or isinstance(amount, str):
        if amount != VAL:
            return whole, None, [*notices, *_unused(source.recipe)]
        validation = source.read("validation")
        notices += validation.notices if isinstance(validation, ImageFolder) else ()
        about = f"the validation set is {validation.source} ({plural(len(validation), 'image')})"
        return whole, validation, [*notices, f"{about}: {_ONCE}"]
    train, held = hold_out(whole, amount, source.recipe.seed)
    about = f"the validation set is {len(held):,} of the {plural(len(whole), 'training image')}"
    if source.recipe.validation is None:
        about += " (`early_stopping` needs one)"
    notices += [f"{about}: {_ONCE}", *_without_image(train, held), *_unused(source.recipe)]
    return train, held, notices


def hold_out(
    data: ImageData | ImageFolder, amount: float, seed: int
) -> tuple[ImageData | ImageFolder, ImageData | ImageFolder]:
    """Divide a training set into a training and a validation set, as a function of the labels, `amount` and `seed`.

    amount: a share of the images if it is a float, or else a number of them. Each class gives its share, and at least
    one image if there are enough; both sets keep the order of the data set. Errors: RUN370.
    """
    import torch

    labels = labels_of(data)
    counts = torch.bincount(labels, minlength=len(data.classes)).tolist()
    held = draw(labels, class_shares(counts, held_out_images(counts, amount)), seed)
    return data.take((~held).nonzero().flatten(), "train"), data.take(held.nonzero().flatten(), "validation")


def _test_notices(test: ImageData | ImageFolder) -> list[str]:
    """Notices about the test set."""
    if not isinstance(test, ImageFolder):
        return []
    folder = Path(test.source)
    stands_in = [f"{folder.parent} has no test: {folder} is its test set"] if folder.name == VAL else []
    return [*test.notices, *stands_in]


def _unused(recipe: Recipe) -> list[str]:
    """A notice if a folder has a `val` that the recipe does not use."""
    folder = val_folder(recipe.data)
    if folder is not None:
        return [f"{folder} is not used: the recipe says `validation: {recipe.validation}`"]
    if not recipe.data.startswith(FOLDER_PREFIX):
        return []
    path = folder_path(recipe.data)
    if not (path / "test").is_dir() or (other := misnamed_split(path, "validation")) is None:
        return []
    return [f"{path / other} is not used: rename it to {path / VAL} to make it the validation set"]


def _without_image(train: ImageData | ImageFolder, held: ImageData | ImageFolder) -> list[str]:
    """A notice if classes of the training set have no image in the validation set."""
    trained, present = set(labels_of(train).tolist()), set(labels_of(held).tolist())
    missing = [name for k, name in enumerate(held.classes) if k in trained - present]
    return [f"the validation set has no image of {listing(missing)}"] if missing else []


def labels_of(data: ImageData | ImageFolder) -> torch.Tensor:
    """The class of each image, int64 (N,); 0 for all where images have other targets."""
    import torch

    targets = targets_of(data)
    classes = targets.ndim == 1 and not targets.is_floating_point()
    return targets if classes else torch.zeros(len(data), dtype=torch.int64)


def targets_of(data: ImageData | ImageFolder) -> torch.Tensor:
    """The targets of all images, (N, …)."""
    if isinstance(data, ImageData):
        return data.labels
    import torch

    return data.targets_of(torch.tensor([label for _, label in data.samples]))
