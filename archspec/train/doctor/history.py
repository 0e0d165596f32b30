"""What the doctor has seen of a run so far, as plain numbers: the rules read nothing else."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import median
from typing import Final, NamedTuple

from archspec.train.summary import EpochResult

BLOCK: Final = 20  # steps that are averaged where single batches are too noisy
KEPT_FIRST: Final = 9  # samples kept from the start: steps 1, 2, 4, … 50, 100
KEPT_LAST: Final = 9


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation layer in one step.

    kind: relu, sigmoid or tanh. units: channels of an image, features of a vector. stuck: share of the units
    that no longer tell the images of the batch apart: a ReLU that is zero, a sigmoid or tanh that is saturated
    at the same end, for every image and everywhere in it.
    """

    name: str
    kind: str
    units: int
    stuck: float


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight tensor in one step: Euclidean norms of it, of its gradient, and of what the step changed."""

    name: str
    norm: float
    gradient: float
    update: float

    @property
    def ratio(self) -> float:
        """The update's norm over the weight's; 0 for a weight of zeros."""
        return self.update / self.norm if self.norm else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The inside of the network at one step, counted from 1. Activations stand in the order in which they ran."""

    step: int
    rate: float
    activations: tuple[Activation, ...] = ()
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstBatch:
    """The first batch's inputs. mean, std: of all values. spread: the largest deviation, over the images, of one
    value's place; None for a single image. finite: whether all values are numbers.
    """

    step: int
    mean: float
    std: float
    spread: float | None
    finite: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """BLOCK steps that end with `step`: means over their images."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A step whose loss is far above that of the steps before: `before` is their median."""

    step: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What spec and recipe say before the first step.

    dropout: the largest probability of a dropout layer. norms: the ops that would normalise over the batch what the
    layers with weights give; of convolutions where there are any. batch_norm: whether there is one already.
    bends: whether there are sigmoids or tanh. chain: names of linear layers between which nothing bends.
    """

    dropout: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    norms: tuple[str, ...] = ()
    batch_norm: bool = False
    bends: bool = False
    chain: tuple[str, ...] = ()


class Score(NamedTuple):
    """How a network does on some images."""

    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Modes:
    """One training batch, and a sample of the evaluated split, through the network in its several modes.

    training: as in a training step. without_dropout: the same, dropout off. running: in evaluation mode, with running
    statistics. average: the same of the averaged weights. evaluated, evaluated_batch: of the other split, in
    evaluation mode, and with the statistics of its own batch. None where the network has no such layers.
    """

    step: int
    training: Score
    without_dropout: Score | None
    running: Score
    average: Score | None
    evaluated: Score | None
    evaluated_batch: Score | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """The training images against those of the evaluated split.

    mean, std: of a sample's values, training first. apart: how well a linear model tells which split an image is of,
    accuracy on images that it was not fitted to; 0.5 where they are alike (Lopez-Paz & Oquab 2016, "Revisiting
    classifier two-sample tests"). held_out: accuracy of a linear model of the labels, fitted to one half of the
    training sample, on its other half; across: on the evaluated split. chance: of one answer for every image.
    images: of the smaller sample.
    """

    split: str
    images: int
    mean: tuple[float, float]
    std: tuple[float, float]
    apart: float
    held_out: float
    across: float
    chance: float


@dataclass
class History:
    """A run so far. Steps count from 1; `first` were done before the watch began (a resumed run).

    lr: the highest rate of the schedule. total_steps: of the whole run, as its recipe says. ended: the last is done.
    hits, sizes: rightly classified images and images of each step.
    labels: how often each label was seen. all_labels: whether they are those of all images, a whole epoch.
    best: the block with the lowest loss. broken: the first step whose loss is not finite.
    modes, contrast: measured where the figures of an epoch give cause, the last of each. shared: of the evaluated
    images, those that are training images too, known at the end.
    sealed: the step at which an activation layer was found to be constant for every training image, for ever.
    """

    lr: float
    optimizer: str = "sgd"
    init: str = "default"
    steps_per_epoch: int = 100
    total_steps: int = 1000
    first: int = 0
    facts: Facts = Facts()
    losses: array[float] = field(default_factory=lambda: array("d"))
    hits: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    labels: Counter[int] = field(default_factory=Counter)
    all_labels: bool = False
    inputs: FirstBatch | None = None
    epochs: list[EpochResult] = field(default_factory=list)
    best: Block | None = None
    broken: int | None = None
    modes: Modes | None = None
    contrast: Contrast | None = None
    shared: float = 0.0
    sealed: int | None = None
    ended: bool = False
    _early: list[Sample] = field(default_factory=list)
    _late: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_LAST))

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def step(self) -> int:
        """The last step seen."""
        return self.first + len(self.losses)

    @property
    def samples(self) -> list[Sample]:
        """The first ones and the last ones: a long run has too many."""
        return [*self._early, *self._late]

    def add_steps(self, losses: Iterable[float], hits: Iterable[int], sizes: Iterable[int]) -> None:
        """Append steps."""
        seen = len(self.losses)
        self.losses.extend(losses)
        self.hits.extend(hits)
        self.sizes.extend(sizes)
        bad = next((k for k in range(seen, len(self.losses)) if not isfinite(self.losses[k])), None)
        if self.broken is None and bad is not None:
            self.broken = self.first + bad + 1
        for end in range((seen // BLOCK + 1) * BLOCK, len(self.losses) + 1, BLOCK):
            block = self.block(end)
            if isfinite(block.loss) and (self.best is None or block.loss < self.best.loss):
                self.best = block

    def end_epoch(self, result: EpochResult) -> None:
        """Append an epoch's result. Within the first one each image is seen once, so that its labels are known."""
        self.epochs.append(result)
        if self.labels.total() == sum(self.sizes) and len(self) == self.steps_per_epoch:
            self.all_labels = True

    def add_sample(self, sample: Sample) -> None:
        """Append a sample; the middle ones of a long run are forgotten."""
        (self._early if len(self._early) < KEPT_FIRST else self._late).append(sample)

    def block(self, end: int, steps: int = BLOCK) -> Block:
        """The mean over the `steps` steps that end with the `end`-th of those seen."""
        part = slice(max(0, end - steps), end)
        images = max(1, sum(self.sizes[part]))
        loss = sum(loss * size for loss, size in zip(self.losses[part], self.sizes[part], strict=True))
        return Block(self.first + end, loss / images, sum(self.hits[part]) / images)

    def last(self, steps: int) -> Block:
        """The mean over the last steps."""
        return self.block(len(self.losses), steps)

    def jump(self, since: int = 0, *, factor: float = 1.4, rise: float = 0.5) -> Jump | None:
        """The first step after step `since` whose loss is `factor` times the median of the five before, and more."""
        for k in range(max(1, since - self.first), len(self.losses)):
            before, after = median(self.losses[max(0, k - 5) : k]), self.losses[k]
            if after >= max(factor * before, before + rise):
                return Jump(self.first + k + 1, before, after)
        return None


def layers(samples: Sequence[Sample], kinds: Iterable[str]) -> list[str]:
    """Names of the activation layers of these kinds."""
    wanted = set(kinds)
    return [a.name for a in samples[-1].activations if a.kind in wanted] if samples else []
