"""Whether a network is better than chance, that is, than a constant prediction for all images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, log, nan, sqrt
from typing import Final

from archspec.train.doctor.finding import Evidence, Figure, short
from archspec.train.doctor.history import BLOCK, Block, History

LABELS_PER_CLASS: Final = 20  # with fewer labels the frequency of each class is not known well enough
BALANCED: Final = 0.02  # nats below ln(classes) that may come from the sample of labels
ALIKE: Final = 0.0005  # the same if every label is known: a difference that three digits do not show
NOISE: Final = 0.02  # nats below chance that the mean loss of a block may reach with a constant prediction
CLOSE: Final = 0.005  # the same for 100 steps or more
SIGMAS: Final = 4


@dataclass(frozen=True, slots=True)
class Chance:
    """The best constant prediction: its cross entropy, which is the entropy of the labels, and its accuracy.

    balanced: the classes are about equally common, so the loss is reported as ln(classes). unit: in which noise is
    counted: nats of a cross entropy, else the loss itself. accuracy: NaN for a loss that has none.
    """

    loss: float
    accuracy: float
    classes: int
    balanced: bool
    unit: float = 1.0

    def holds(self, mean: Block, images: int, noise: float = NOISE) -> bool:
        """Whether a mean over this many images is no better than the constant prediction."""
        if mean.loss < self.loss - noise * self.unit:
            return False
        if isnan(self.accuracy) or isnan(mean.accuracy):
            return True
        spread = sqrt(self.accuracy * (1 - self.accuracy) / max(1, images))
        return mean.accuracy <= self.accuracy + SIGMAS * spread + 0.005

    def text(self) -> str:
        """`2.303 = ln 10`."""
        if self.balanced:
            return f"{self.loss:.3f} = ln {self.classes}"
        return f"{self.loss:.3f}" if 0.01 <= self.loss < 1e4 else short(self.loss, 4)


def chance_of(labels: Counter[int], *, complete: bool = False) -> Chance | None:
    """Chance for these label counts; None if there are too few labels, or only one class.

    complete: the labels of all images. Otherwise they are a sample of size n, whose entropy is too low by about
    (classes - 1) / 2n (Miller 1955, "Note on the bias of information estimates"); this is added.
    """
    n, classes = labels.total(), len(labels)
    if classes < 2 or (n < LABELS_PER_CLASS * classes and not complete):
        return None
    entropy = -sum(count / n * log(count / n) for count in labels.values())
    if complete:
        even = entropy > log(classes) - ALIKE
        return Chance(entropy, max(labels.values()) / n, classes, balanced=even)
    entropy += (classes - 1) / (2 * n)
    if entropy > log(classes) - BALANCED:
        return Chance(log(classes), 1 / classes, classes, balanced=True)
    return Chance(entropy, max(labels.values()) / n, classes, balanced=False)


def chance_in(history: History) -> Chance | None:
    """Chance for the labels or targets that a run has seen so far."""
    if not history.plain:
        return None if history.constant is None else Chance(history.constant, nan, 0, False, history.constant)
    return chance_of(history.labels, complete=history.all_labels)


def steps_at_chance(history: History, chance: Chance) -> int:
    """The number of steps before now that were no better than chance, in whole blocks."""
    end = len(history)
    while end >= BLOCK:
        images = sum(history.sizes[end - BLOCK : end])
        if not chance.holds(history.block(end), images):
            break
        end -= BLOCK
    return len(history) - end


def at_chance(history: History, chance: Chance, steps: int) -> Evidence:
    """The first evidence of every verdict on a network that learns nothing."""
    mean = history.last(steps)
    return Evidence(
        f"over the last {steps} steps the loss is {short(mean.loss, 4)}{_accuracy_text(mean)}, "
        f"no better than a constant prediction ({chance.text()})",
        known({
            "steps": steps, "loss": mean.loss, "accuracy": mean.accuracy, "chance_loss": chance.loss,
            "chance_accuracy": chance.accuracy, "classes": chance.classes or nan,
        }),
    )


def lately(history: History, steps: int) -> Evidence:
    """Loss and accuracy over the last steps."""
    mean = history.last(steps)
    return Evidence(
        f"over the last {steps} steps the loss is {short(mean.loss)}{_accuracy_text(mean)}",
        known({"steps": steps, "loss": mean.loss, "accuracy": mean.accuracy}),
    )


def best_so_far(block: Block) -> Evidence:
    """Loss and accuracy of the best block."""
    return Evidence(
        f"at step {block.step} the loss was {short(block.loss)}{_accuracy_text(block)}",
        known({"step": block.step, "loss": block.loss, "accuracy": block.accuracy}),
    )


def _accuracy_text(block: Block) -> str:
    return "" if isnan(block.accuracy) else f" and the accuracy {block.accuracy:.3f}"


def known(values: Mapping[str, Figure]) -> dict[str, Figure]:
    """Without accuracies and classes that a loss does not have, which are NaN."""
    absent = ("accuracy", "classes")
    return {key: value for key, value in values.items()
            if not (key.endswith(absent) and isinstance(value, float) and isnan(value))}
