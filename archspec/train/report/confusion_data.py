"""The confusion matrix of a run as data: `confusion.json` in its folder, for reports and programs; without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archspec.files import MiB, read_regular
from archspec.train.run_dir.full_disk import save_text

if TYPE_CHECKING:
    from archspec.train.report.confusion import Confusion

NAME: Final = "confusion.json"
FORMAT: Final = 1
MAX_BYTES: Final = 64 * MiB


@dataclass(frozen=True, slots=True)
class Matrix:
    """A confusion matrix.

    names: of the outputs. classes: the number of classes of the data. counts: (true, predicted) → number of images.
    """

    names: Sequence[str]
    classes: int
    counts: Mapping[tuple[int, int], int]


def save_confusion(confusion: Confusion, folder: Path) -> None:
    """Write the matrix without zeros into a run folder. Raises SpecError RUN313."""
    counts = [[*pair, number] for pair, number in sorted(confusion.counts.items())]
    data = {"format": FORMAT, "names": confusion.names, "classes": confusion.classes, "counts": counts}
    save_text("the confusion matrix", folder / NAME, json.dumps(data, ensure_ascii=False) + "\n")


def read_confusion(folder: Path) -> Matrix | None:
    """The matrix of a run; None if there is none, or if the file is not valid."""
    try:
        data = json.loads(read_regular(folder / NAME, MAX_BYTES))
        names, classes = tuple(map(str, data["names"])), data["classes"]
        counts = {(true, predicted): number for true, predicted, number in data["counts"]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not _whole(classes, len(names)) or not all(
        _whole(true, classes - 1) and _whole(predicted, len(names) - 1) and _whole(number)
        for (true, predicted), number in counts.items()
    ):
        return None
    return Matrix(names, classes, counts)


def _whole(value: Any, most: int | None = None) -> bool:
    return type(value) is int and value >= 0 and (most is None or value <= most)
