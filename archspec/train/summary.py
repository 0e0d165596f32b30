"""The results of a run: one row per epoch, and the figures to compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from archspec.language.loss import FIGURES

if TYPE_CHECKING:
    from archspec.train.doctor.finding import Finding
    from archspec.train.metrics import Metrics

SUMMARY_FORMAT: Final = 2
EvaluatedSplit = Literal["validation", "test"]
Criterion = str  # of language.loss.FIGURES
SHORT: Final[Mapping[EvaluatedSplit, str]] = {"validation": "val", "test": "test"}  # for lines of 80 characters


def loss_text(loss: float) -> str:
    """A loss with four decimals, or a huge one with few digits: `2.3026`, `4.54e+25`."""
    return f"{loss:.4g}" if loss >= 1e4 else f"{loss:.4f}"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch, counted from 1.

    train_loss, train_accuracy: means over the training pass, in train mode, while the weights changed.
    evaluated_loss, evaluated_accuracy: of the weights at the end of the epoch, in eval mode, on the images of `split`.
    images_per_s: training images per second of the training pass. seconds: training and evaluation. step: updates
    done at the end of the epoch. learning_rate: of the last update. gradient_norm: mean over the steps, before
    clipping. train_metrics, evaluated_metrics: other metrics of the loss by their names; the accuracy of a loss without
    one is NaN. peak_memory_bytes: since the run was last started, see `peak_memory`. None: not known.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    evaluated_loss: float
    evaluated_accuracy: float
    images_per_s: float
    seconds: float
    split: EvaluatedSplit = "test"
    step: int | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    peak_memory_bytes: int | None = None
    train_metrics: Mapping[str, float] = field(default_factory=dict)
    evaluated_metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The name of the metric that goes with the loss first; `loss` for a loss without one."""
        return next(iter(_with(self.evaluated_accuracy, self.evaluated_metrics)), "loss")

    def figure(self, name: str, part: Literal["train", "evaluated"] = "evaluated") -> float:
        """Loss or metric of the training pass or of the evaluation; NaN where there is none of that name."""
        if name == "loss":
            return self.train_loss if part == "train" else self.evaluated_loss
        if part == "train":
            return _with(self.train_accuracy, self.train_metrics).get(name, math.nan)
        return _with(self.evaluated_accuracy, self.evaluated_metrics).get(name, math.nan)

    def evaluated(self) -> dict[str, float]:
        """Loss and metrics of the evaluation by their names."""
        return {"loss": self.evaluated_loss, **_with(self.evaluated_accuracy, self.evaluated_metrics)}

    def to_json(self) -> dict[str, Any]:
        """The row as plain data; its keys are `test_…` or `validation_…`, after the evaluated split."""
        data: dict[str, Any] = {}
        for key, value in asdict(self).items():
            if isinstance(value, dict):
                data |= {f"{key.removesuffix('metrics')}{name}": number for name, number in value.items()}
            elif key != "split" and not (key.endswith("_accuracy") and math.isnan(value)):
                data[key] = value
        return {key.replace("evaluated", self.split): value for key, value in data.items()}

    def scalars(self) -> dict[str, float]:
        """The known figures, by the names that TensorBoard and other tools show."""
        trained = _with(self.train_accuracy, self.train_metrics)
        evaluated = _with(self.evaluated_accuracy, self.evaluated_metrics)
        figures = {
            "loss/train": self.train_loss, f"loss/{self.split}": self.evaluated_loss,
            **{f"{name}/train": value for name, value in trained.items()},
            **{f"{name}/{self.split}": value for name, value in evaluated.items()},
            "learning_rate": self.learning_rate, "gradient_norm": self.gradient_norm,
            "images_per_s": self.images_per_s, "peak_memory_bytes": self.peak_memory_bytes,
        }
        return {name: float(value) for name, value in figures.items() if value is not None}


def _with(accuracy: float, others: Mapping[str, float]) -> dict[str, float]:
    """All metrics by their names."""
    return ({} if math.isnan(accuracy) else {"accuracy": accuracy}) | dict(others)


def neutral_names(row: Any) -> Any:
    """A stored row with the names of `EpochResult`'s fields, and NaN for null.

    archspec 0.1 wrote `test_loss`, `test_accuracy`.
    """
    if not isinstance(row, Mapping):
        return row
    split = next((split for split in ("validation", "test") if f"{split}_loss" in row), None)
    if split is None:
        return row
    named = {key.replace(split, "evaluated"): value for key, value in row.items()} | {"split": split}
    named |= {key: math.nan for key in named if named[key] is None and key.startswith(("train_", "evaluated_"))}
    for part in ("train", "evaluated"):
        metrics = {name: named.pop(f"{part}_{name}") for name in _OTHERS if f"{part}_{name}" in named}
        named.setdefault(f"{part}_accuracy", math.nan)
        if metrics:
            named[f"{part}_metrics"] = metrics
    return named


_OTHERS: Final = [name for name in FIGURES if name not in ("loss", "accuracy")]


StoredEpoch = Annotated[EpochResult, BeforeValidator(neutral_names)]


def best_epoch(rows: Sequence[EpochResult], criterion: Criterion = "accuracy") -> EpochResult:
    """The row with the best figure `criterion`: the highest accuracy, the lowest loss.

    Among equals the loss decides, or for the loss the metric, then the order.
    """
    def rank(row: EpochResult) -> tuple[float, float]:
        other = row.metric if criterion == "loss" else "loss"
        return signed(criterion, row.figure(criterion)), signed(other, row.figure(other))

    return max(rows, key=rank)


def signed(name: str, value: float) -> float:
    """The figure so that more of it is better."""
    return value if FIGURES[name].higher else -value


def mean_images_per_s(rows: Sequence[EpochResult]) -> float | None:
    """Training images per second over all training passes: the harmonic mean of the epochs. None: not known."""
    speeds = [row.images_per_s for row in rows]
    seconds = math.fsum(1 / speed for speed in speeds if speed > 0)  # one image of each epoch
    return len(speeds) / seconds if seconds and all(speed > 0 for speed in speeds) else None


def peak_memory_bytes(rows: Sequence[EpochResult]) -> int | None:
    """The highest peak of all epochs in bytes; None if none is known."""
    return max((row.peak_memory_bytes for row in rows if row.peak_memory_bytes is not None), default=None)


@dataclass(frozen=True, slots=True)
class Summary:
    """The finished run.

    stopped: why it ended before its last epoch, as a text; None if it did not. findings: of the doctor. criterion: the
    figure that decides which epoch is best. test: the final test, if epochs were evaluated on a validation set; None
    otherwise. memory_measured_as: the meaning of the epochs' peak_memory_bytes. samples: what a batch consists of.
    """

    epochs: tuple[EpochResult, ...]
    stopped: str | None = None
    findings: tuple[Finding, ...] = ()
    criterion: Criterion = "accuracy"
    test: Metrics | None = None
    memory_measured_as: str | None = None
    samples: str = "images"

    @property
    def last(self) -> EpochResult:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best(self) -> EpochResult:
        """The best epoch by `criterion`."""
        return best_epoch(self.epochs, self.criterion)

    @property
    def mean_train_loss(self) -> float:
        """Mean training loss over all epochs from the first step on; it does not describe the trained network."""
        return math.fsum(row.train_loss for row in self.epochs) / len(self.epochs)

    def mean_metrics(self) -> dict[str, float]:
        """Mean training metric over all epochs, by its name; empty for a loss without one."""
        name = self.last.metric
        if name == "loss":
            return {}
        return {name: math.fsum(row.figure(name, "train") for row in self.epochs) / len(self.epochs)}

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return math.fsum(row.seconds for row in self.epochs)

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        return {
            "format": SUMMARY_FORMAT,
            "epochs": [row.to_json() for row in self.epochs],
            "last": self.last.to_json(),
            "best": self.best.to_json(),
            "best_by": f"{self.best.split}_{self.criterion}",
            "test": self.test_figures(),
            "mean_over_all_epochs": {
                "train_loss": self.mean_train_loss,
                **{f"train_{name}": value for name, value in self.mean_metrics().items()},
            },
            "stopped_early": self.stopped,
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
            "images_per_s": mean_images_per_s(self.epochs),
            "peak_memory_bytes": peak_memory_bytes(self.epochs),
            "memory_measured_as": self.memory_measured_as,
        }

    def test_figures(self) -> dict[str, float] | None:
        """Loss and metrics of the final weights on the test set; None if they have not been evaluated on it."""
        if self.test is not None:
            return self.test.figures()
        if self.last.split != "test":
            return None
        return self.last.evaluated()
