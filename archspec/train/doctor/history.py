"""What the doctor has measured in a run so far, as plain numbers; the rules only read this."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from statistics import median
from typing import Final, NamedTuple

from archspec.train.summary import EpochResult

BLOCK: Final = 20  # steps that are averaged, because single batches are too noisy
KEPT_FIRST: Final = 9  # samples to keep from the start: steps 1, 2, 4, … 50, 100
KEPT_LAST: Final = 9


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation layer in one step.

    kind: relu, sigmoid or tanh. units: the number of channels of an image or features of a vector. stuck: the share of
    units that no longer distinguish the images of the batch: a ReLU that is zero, or a sigmoid or tanh that is
    saturated at the same end, at every position of every image.
    """

    name: str
    kind: str
    units: int
    stuck: float


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight tensor in one step: the Euclidean norms of the weight, its gradient, and its update."""

    name: str
    norm: float
    gradient: float
    update: float

    @property
    def ratio(self) -> float:
        """The norm of the update over the norm of the weight; 0 if the weight is 0."""
        return self.update / self.norm if self.norm else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Measurements inside the network at one step, counted from 1. Activations are in the order of execution."""

    step: int
    rate: float
    activations: tuple[Activation, ...] = ()
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstBatch:
    """The inputs of the first batch.

    mean, std: of all values. spread: the largest standard deviation of a position over the images; None for a single
    image. finite: whether all values are finite.
    """

    step: int
    mean: float
    std: float
    spread: float | None
    finite: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """Means over the images of BLOCK steps, of which `step` is the last. accuracy: NaN for a loss that has none."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A step whose loss is far above the steps before it. before: the median of their losses."""

    step: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known from spec and recipe before the first step.

    dropout: the largest probability of a dropout layer. norms: the ops that could normalise the outputs of the layers
    with weights over the batch; only those of convolutions if there are any. batch_norm: whether the network has one.
    saturates: whether it has sigmoids or tanh. chain: the names of linear layers without an activation between them.
    """

    dropout: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    norms: tuple[str, ...] = ()
    batch_norm: bool = False
    saturates: bool = False
    chain: tuple[str, ...] = ()


class Score(NamedTuple):
    """Loss and accuracy of a network on some images."""

    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Modes:
    """Scores of the network in different modes, on one training batch and on a sample of the evaluated split.

    training: in train mode. without_dropout: the same without dropout. running: in eval mode, with running statistics.
    average: in eval mode, with averaged weights. evaluated: of the evaluated split in eval mode. evaluated_batch: the
    same, with the statistics of its own batch. None if the network lacks the layers for a mode.
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
    """A comparison of the training images with those of the evaluated split.

    mean, std: of the values of a sample of both, training first. apart: the accuracy with which a linear model predicts
    the split of an image that it was not fitted to; 0.5 if the splits are alike (Lopez-Paz & Oquab 2016, "Revisiting
    classifier two-sample tests"). held_out: the accuracy of a linear model of the labels, fitted to one half of the
    training sample, on the other half. across: its accuracy on the evaluated split. chance: the accuracy of a constant
    prediction. images: the size of the smaller sample.
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
    """A run so far. Steps are counted from 1.

    first: the number of steps before the doctor started to watch (in a resumed run). lr: the highest rate of the
    schedule. total_steps: of the whole recipe. ended: whether the last step is done. hits, sizes: the correctly
    classified images, and all images, of each step. labels: how often each label was seen. all_labels: whether all
    images have been counted. best: the block with the lowest loss. broken: the first step whose loss is not finite.
    modes, contrast: the latest measurements; only made if the figures of an epoch call for them. shared: the share of
    evaluated images that are also training images, known at the end. plain: whether the loss is one cross entropy
    without class weights. classifies: whether there is an accuracy. constant: for a loss that is not plain the loss of
    the best constant answer; None while it is not known. sealed: the step at which an activation layer was
    proved to be constant for every training image.
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
    classifies: bool = True
    plain: bool = True
    constant: float | None = None
    _early: list[Sample] = field(default_factory=list)
    _late: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_LAST))

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def step(self) -> int:
        """The last recorded step."""
        return self.first + len(self.losses)

    @property
    def samples(self) -> list[Sample]:
        """The first and the last samples; those in the middle of a long run are dropped."""
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
        """Append the result of an epoch. After the first one all labels are known."""
        self.epochs.append(result)
        if self.labels.total() == sum(self.sizes) and len(self) == self.steps_per_epoch:
            self.all_labels = True

    def add_sample(self, sample: Sample) -> None:
        """Append a sample, and drop one in the middle if there are too many."""
        (self._early if len(self._early) < KEPT_FIRST else self._late).append(sample)

    def block(self, end: int, steps: int = BLOCK) -> Block:
        """The mean over `steps` steps, of which the `end`-th recorded one is the last."""
        part = slice(max(0, end - steps), end)
        images = max(1, sum(self.sizes[part]))
        loss = sum(loss * size for loss, size in zip(self.losses[part], self.sizes[part], strict=True))
        accuracy = sum(self.hits[part]) / images if self.classifies else nan
        return Block(self.first + end, loss / images, accuracy)

    def last(self, steps: int) -> Block:
        """The mean over the last steps."""
        return self.block(len(self.losses), steps)

    def jump(self, since: int = 0, *, factor: float = 1.4, rise: float = 0.5) -> Jump | None:
        """The first step after `since` whose loss exceeds the median of the five before by `factor` and by `rise`."""
        for k in range(max(1, since - self.first), len(self.losses)):
            before, after = median(self.losses[max(0, k - 5) : k]), self.losses[k]
            if after >= max(factor * before, before + rise):
                return Jump(self.first + k + 1, before, after)
        return None


def layers(samples: Sequence[Sample], kinds: Iterable[str]) -> list[str]:
    """Names of the activation layers of these kinds."""
    wanted = set(kinds)
    return [a.name for a in samples[-1].activations if a.kind in wanted] if samples else []
