"""Whether a network is better than chance, that is, than a constant prediction for all images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from archspec.train.doctor.finding import Evidence, short
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

    balanced: the classes are about equally common, so the loss is reported as ln(classes).
    """

    loss: float
    accuracy: float
    classes: int
    balanced: bool

    def holds(self, mean: Block, images: int, noise: float = NOISE) -> bool:
        """Whether a mean over this many images is no better than the constant prediction."""
        spread = sqrt(self.accuracy * (1 - self.accuracy) / max(1, images))
        return mean.loss >= self.loss - noise and mean.accuracy <= self.accuracy + SIGMAS * spread + 0.005

    def text(self) -> str:
        """`2.303 = ln 10`."""
        return f"{self.loss:.3f} = ln {self.classes}" if self.balanced else f"{self.loss:.3f}"


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
    """Chance for the labels that a run has seen so far."""
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
        f"over the last {steps} steps the loss is {short(mean.loss, 4)} and the accuracy {mean.accuracy:.3f}, "
        f"no better than a constant prediction ({chance.text()})",
        {
            "steps": steps, "loss": mean.loss, "accuracy": mean.accuracy, "chance_loss": chance.loss,
            "chance_accuracy": chance.accuracy, "classes": chance.classes,
        },
    )


def lately(history: History, steps: int) -> Evidence:
    """Loss and accuracy over the last steps."""
    mean = history.last(steps)
    return Evidence(
        f"over the last {steps} steps the loss is {short(mean.loss)} and the accuracy {mean.accuracy:.3f}",
        {"steps": steps, "loss": mean.loss, "accuracy": mean.accuracy},
    )


def best_so_far(block: Block) -> Evidence:
    """Loss and accuracy of the best block."""
    return Evidence(
        f"at step {block.step} the loss was {short(block.loss)} and the accuracy {block.accuracy:.3f}",
        {"step": block.step, "loss": block.loss, "accuracy": block.accuracy},
    )
