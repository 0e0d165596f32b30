"""How many images a run sees, from what is known about its data set: nothing is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Images:
    """The numbers of images that a run trains on, evaluates after each epoch, and evaluates at the end."""

    train: int
    each_epoch: int
    at_end: int


def run_images(recipe: Recipe, limit_train: int | None = None, limit_test: int | None = None) -> Images | None:
    """The numbers of images of a recipe's run; None if they are only known after reading the data.

    limit_train, limit_test: the most images of the two sets.
    """
    from archspec.data.registry import known_dataset
    from archspec.data.validation import resolve_validation

    info = known_dataset(recipe.data)
    if info is None:
        return None
    train = info.train_size if limit_train is None else min(info.train_size, limit_train)
    test = info.test_size if limit_test is None else min(info.test_size, limit_test)
    setting = resolve_validation(recipe).validation
    if not isinstance(setting, (int, float)):
        return Images(train, test, 0)
    held = min(setting if isinstance(setting, int) else round(setting * train), train)
    return Images(train - held, held, test)
