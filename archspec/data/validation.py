"""The validation set: images held out of the training set, or the `val/` of a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.data.counter import key_of
from archspec.data.registry import FOLDER_PREFIX, folder_path
from archspec.diagnostics import error, plural
from archspec.language.recipe import Recipe

if TYPE_CHECKING:
    import torch

DEFAULT_SHARE: Final = 0.1  # of the training images, if early stopping needs a validation set and none is set
VAL: Final = "val"  # the folder


def resolve_validation(recipe: Recipe) -> Recipe:
    """The recipe; if it needs a validation set and does not set one, with the default `validation`."""
    if recipe.validation is not None:
        return recipe
    chosen = VAL if val_folder(recipe.data) else DEFAULT_SHARE if recipe.early_stopping else None
    return recipe.model_copy(update={"validation": chosen}) if chosen else recipe


def default_to_test(recipe: Recipe) -> Recipe:
    """The recipe of an earlier run, in which a missing `validation` means that the test set was evaluated."""
    return recipe if recipe.validation is not None else recipe.model_copy(update={"validation": "test"})


def val_folder(data: str) -> Path | None:
    """`PATH/val` of a folder of images that also has a `test`; None otherwise."""
    if not data.startswith(FOLDER_PREFIX):
        return None
    path = folder_path(data)
    return path / VAL if (path / VAL).is_dir() and (path / "test").is_dir() else None


def check_val_folder(data: str) -> None:
    """Raise SpecError RUN371 unless a folder of images has `val` and `test`."""
    if val_folder(data) is not None:
        return
    path = folder_path(data)
    if (path / VAL).is_dir():
        what, remedy = "has no test, so its val is the test set", f"add {path / 'test'}"
    else:
        what, remedy = "has no val", f"arrange images as {path / VAL}/CLASS/IMAGE.png"
    raise error("RUN371", f"`validation: val` needs the folders val and test: {path} {what}",
                hint=f"{remedy}, or write a share of the training images: `validation: 0.1`")


def held_out_images(counts: Sequence[int], amount: float) -> int:
    """The number of images for `amount`, a share or a number. counts: the number of images of each class.

    Raises SpecError RUN370 if a class would have no image left for training.
    """
    total = amount if isinstance(amount, int) else max(1, round(amount * sum(counts)))
    images, classes = sum(counts), sum(count > 0 for count in counts)
    most = images - classes
    if total <= most:
        return total
    taken = f"`validation: {amount}` takes {total:,}"
    why = "no image to train on" if total >= images else f"some of the {classes} classes no image to train on"
    hint = f"take at most {plural(most, 'image')}" if most else "train on more images: each class has only one"
    raise error("RUN370", f"{taken} of {plural(images, 'training image')}, which leaves {why}", hint=hint)


def class_shares(counts: Sequence[int], total: int) -> list[int]:
    """The number of images that each class gives to make `total`: in proportion, rounded by largest remainder.

    Each class keeps at least one image, and gives one if it has two and `total` is large enough.
    """
    images = sum(counts)
    least = 1 if total >= sum(count > 1 for count in counts) else 0
    shares = [min(max(total * count // images, least), max(0, count - 1)) for count in counts]
    owed = [total * count - share * images for count, share in zip(counts, shares, strict=True)]
    for missing in [1] * (total - sum(shares)) + [-1] * (sum(shares) - total):
        able = [k for k, s in enumerate(shares) if (s < counts[k] - 1 if missing > 0 else s > least)]
        chosen = max(able, key=lambda k: missing * owed[k])  # the first among equals
        shares[chosen] += missing
        owed[chosen] -= missing * images
    return shares


def draw(labels: torch.Tensor, shares: Sequence[int], seed: int) -> torch.Tensor:
    """Which images are held out, bool (N,): a random choice by `seed` of `shares[k]` images of class k."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(key_of(seed, 0, "validation"))
    order = torch.randperm(len(labels), generator=generator)
    by_class = order[torch.argsort(labels[order], stable=True)]
    sizes = torch.bincount(labels, minlength=len(shares))
    ranks = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[by_class] = ranks < torch.tensor(shares).repeat_interleave(sizes)
    return held
