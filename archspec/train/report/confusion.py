"""The confusion matrix of a network: counted without waiting for the device, and read at the end."""

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
    """One class: its number of images, and how many of them were classified correctly."""

    name: str
    images: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share of its images that were classified correctly; None if the class has no images."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of one pass.

    counts: (true class, predicted class) → number of images, without zeros. names: of all outputs. classes: the number
    of classes of the data, which are the first outputs; the other outputs have no meaning.
    """

    names: tuple[str, ...]
    classes: int
    counts: Mapping[tuple[int, int], int]

    @property
    def columns(self) -> tuple[int, ...]:
        """The outputs to show: the classes of the data, and other outputs that were predicted."""
        beyond = {predicted for _, predicted in self.counts if predicted >= self.classes}
        return (*range(self.classes), *sorted(beyond))

    @property
    def images(self) -> int:
        """The number of images of the pass."""
        return sum(self.counts.values())

    @property
    def accuracy(self) -> float:
        """The share of all images that were classified correctly."""
        return sum(n for (true, predicted), n in self.counts.items() if true == predicted) / self.images

    def matrix(self) -> list[list[int]]:
        """The counts, with a row for each class and a column for each of `columns`."""
        return [[self.counts.get((row, column), 0) for column in self.columns] for row in range(self.classes)]

    def per_class(self) -> list[ClassResult]:
        """The results of the classes, in the order of the labels."""
        images = [0] * self.classes
        for (true, _), number in self.counts.items():
            images[true] += number
        return [
            ClassResult(self.names[k], images[k], self.counts.get((k, k), 0)) for k in range(self.classes)
        ]

    def taken_for(self, true: int) -> tuple[str, int] | None:
        """The wrong class that was predicted most often for a class, and how often; None if there is none."""
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
    """Collects the predictions of a pass. `add` never waits for the device."""

    def __init__(self) -> None:
        self._pairs: list[Tensor] = []
        self._outputs = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Record one step. logits: (N, outputs). labels: (N,); labels of pixels, say, are not counted."""
        if labels.ndim != 1:
            return
        self._outputs = logits.shape[1]
        self._pairs.append(torch.stack([labels, logits.detach().argmax(1)]))

    def confusion(self, classes: Sequence[str], group: ProcessGroup = ALONE) -> Confusion | None:
        """The matrix of one step or more. classes: the names of the labels. group: the processes to sum over.

        None if nothing was counted, or the classes have no names.
        """
        if not self._pairs or not classes:
            return None
        seen = torch.cat(self._pairs, dim=1)
        table = torch.bincount(seen[0] * self._outputs + seen[1], minlength=len(classes) * self._outputs)
        table = group.sum(table).cpu()
        where = table.nonzero().flatten().tolist()
        counts = {divmod(k, self._outputs): n for k, n in zip(where, table[where].tolist(), strict=True)}
        return Confusion(output_names(classes, self._outputs), len(classes), counts)


def output_names(classes: Sequence[str], outputs: int) -> tuple[str, ...]:
    """A name for every output of a network: the names of the classes, then `output K`."""
    return (*classes[:outputs], *(f"output {k}" for k in range(len(classes), outputs)))
