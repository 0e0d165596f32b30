"""What a run came to: a row an epoch, and the figures that people compare."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archspec.train.doctor.finding import Finding

SUMMARY_FORMAT: Final = 1


def epochs_text(number: int) -> str:
    """`1 epoch`, `5 epochs`."""
    return f"{number} epoch" + "s" * (number != 1)


def loss_text(loss: float) -> str:
    """Four digits after the point, or of a huge loss four in all: `2.3026`, `4.54e+25`."""
    return f"{loss:.4g}" if loss >= 1e4 else f"{loss:.4f}"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch, counted from 1.

    train_loss, train_accuracy: means over the epoch's images as each was seen, dropout on, weights moving.
    test_loss, test_accuracy: of the weights at the epoch's end, dropout off.
    images_per_s: training images over the time of the training pass alone. seconds: training and test.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    images_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The finished run. `best` is the epoch of the highest test accuracy, the first of equals.

    stopped: why it ended before its last epoch, in words; None if it did not. findings: what the doctor found.
    """

    epochs: tuple[EpochResult, ...]
    stopped: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def last(self) -> EpochResult:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best(self) -> EpochResult:
        """The epoch with the highest test accuracy."""
        return max(self.epochs, key=lambda row: row.test_accuracy)

    @property
    def mean_train_loss(self) -> float:
        """Mean training loss over all epochs, the first steps included: no figure of the trained network."""
        return math.fsum(row.train_loss for row in self.epochs) / len(self.epochs)

    @property
    def mean_train_accuracy(self) -> float:
        """Mean training accuracy over all epochs, the first steps included."""
        return math.fsum(row.train_accuracy for row in self.epochs) / len(self.epochs)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return math.fsum(row.seconds for row in self.epochs)

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        return {
            "format": SUMMARY_FORMAT,
            "epochs": [asdict(row) for row in self.epochs],
            "last": asdict(self.last),
            "best": asdict(self.best),
            "mean_over_all_epochs": {
                "train_loss": self.mean_train_loss, "train_accuracy": self.mean_train_accuracy,
            },
            "stopped_early": self.stopped,
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
        }
