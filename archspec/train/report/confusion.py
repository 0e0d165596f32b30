"""Which classes a network takes for which: counted without waiting for the device, read at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from archspec.train.distributed.process_group import ALONE, ProcessGroup

CONFUSION_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class: how many images it has, and how many of them were recognised."""

    name: str
    images: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share that was recognised; None where the class has no image."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of one pass. counts: (true class, predicted class) → images, nought left out.

    names: of all outputs; the first `classes` of them are the data's, an output beyond those stands for nothing.
    """

    names: tuple[str, ...]
    classes: int
    counts: Mapping[tuple[int, int], int]

    @property
    def columns(self) -> tuple[int, ...]:
        """The outputs that a matrix shows: the data's classes, and others only where they were predicted."""
        beyond = {predicted for _, predicted in self.counts if predicted >= self.classes}
        return (*range(self.classes), *sorted(beyond))

    @property
    def images(self) -> int:
        """Images of the pass."""
        return sum(self.counts.values())

    @property
    def accuracy(self) -> float:
        """The share of all images that was recognised."""
        return sum(n for (true, predicted), n in self.counts.items() if true == predicted) / self.images

    def matrix(self) -> list[list[int]]:
        """A row for each class, a column for each of `columns`."""
        return [[self.counts.get((row, column), 0) for column in self.columns] for row in range(self.classes)]

    def per_class(self) -> list[ClassResult]:
        """Each class, in the order of the labels."""
        images = [0] * self.classes
        for (true, _), number in self.counts.items():
            images[true] += number
        return [
            ClassResult(self.names[k], images[k], self.counts.get((k, k), 0)) for k in range(self.classes)
        ]

    def taken_for(self, true: int) -> tuple[str, int] | None:
        """The wrong class that images of a class were most often taken for, and how often; None if never."""
        wrong = [(-n, predicted) for (t, predicted), n in self.counts.items() if t == true != predicted]
        if not wrong:
            return None
        number, predicted = min(wrong)
        return self.names[predicted], -number

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        return {
            "format": CONFUSION_FORMAT,
            "per_class": [
                {"class": c.name, "images": c.images, "right": c.right, "accuracy": c.accuracy}
                for c in self.per_class()
            ],
            "confusion": {"columns": [self.names[k] for k in self.columns], "rows": self.matrix()},
        }


class Tally:
    """Collects what a pass predicts. `add` never waits for the device."""

    def __init__(self) -> None:
        self._pairs: list[Tensor] = []
        self._outputs = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Note one step. logits: (N, outputs). labels: (N,)."""
        self._outputs = logits.shape[1]
        self._pairs.append(torch.stack([labels, logits.detach().argmax(1)]))

    def confusion(self, classes: Sequence[str], group: ProcessGroup = ALONE) -> Confusion:
        """What was collected, of at least one step. classes: the names of the labels. group: all of it is counted."""
        seen = torch.cat(self._pairs, dim=1)
        table = torch.bincount(seen[0] * self._outputs + seen[1], minlength=len(classes) * self._outputs)
        table = group.sum(table).cpu()
        where = table.nonzero().flatten().tolist()
        counts = {divmod(k, self._outputs): n for k, n in zip(where, table[where].tolist(), strict=True)}
        return Confusion(output_names(classes, self._outputs), len(classes), counts)


def output_names(classes: Sequence[str], outputs: int) -> tuple[str, ...]:
    """A name for every output of a network: the classes', then `output K`."""
    return (*classes[:outputs], *(f"output {k}" for k in range(len(classes), outputs)))
