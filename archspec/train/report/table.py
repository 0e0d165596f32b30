"""A run as plain text: a line for each finished epoch, and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from archspec.diagnostics import plural
from archspec.language.loss import FIGURES
from archspec.text import bytes_text, duration_text
from archspec.train.summary import (
    SHORT,
    EpochResult,
    Summary,
    loss_text,
    mean_images_per_s,
    peak_memory_bytes,
)


def epoch_line(result: EpochResult, epochs: int) -> str:
    """The line of a finished epoch: at most 80 characters for up to 999 epochs of up to 9999 s."""
    width = len(str(epochs))
    return (
        f"epoch {result.epoch:>{width}}/{epochs}"
        f"  train loss {_loss(result.train_loss)}{_metric(result, 'train')}"
        f"  {SHORT[result.split]} loss {_loss(result.evaluated_loss)}{_metric(result, 'evaluated')}"
        f"  {result.seconds:.{1 if result.seconds < 99.95 else 0}f} s"
    )


def _metric(row: EpochResult, part: Literal["train", "evaluated"]) -> str:
    """` acc 0.9000`, or nothing for a loss without a metric."""
    name = row.metric
    return "" if name == "loss" else f" {FIGURES[name].short} {figure_text(name, row.figure(name, part))}"


def figures_text(figures: Mapping[str, float]) -> str:
    """Loss and first metric, as in `loss 0.1234  acc 0.9000`."""
    (_, loss), *metrics = figures.items()
    parts = [f"loss {loss_text(loss)}", *(f"{FIGURES[k].short} {figure_text(k, value)}" for k, value in metrics[:1])]
    return "  ".join(parts)


def figure_text(name: str, value: float) -> str:
    """Four digits after the point, or of a large error four in all."""
    return loss_text(value) if name in ("loss", "mae") else f"{value:.4f}"


def titled(figures: Mapping[str, float], before: str = "") -> str:
    """`loss 0.1234, accuracy 0.9000`, of all metrics. before: a word in front of each."""
    return ", ".join(f"{before}{FIGURES[name].title} {figure_text(name, value)}" for name, value in figures.items())


def _loss(loss: float) -> str:
    """A loss in six characters if it is below 10,000: `2.3026`, `23.026`."""
    return f"{loss:.4f}" if loss < 9.99995 else f"{loss:.3f}" if loss < 99.9995 else f"{loss:.5g}"  # the last for NaN


def summary_text(summary: Summary) -> str:
    """The last and the best epoch, the final test and the doctor's verdicts, without the lines of the epochs."""
    from archspec.train.doctor.finding import findings_text  # imports torch

    last, best = summary.last, summary.best
    lines = [] if summary.stopped is None else [summary.stopped]
    lines.append(f"last epoch ({last.epoch}): {_evaluated(last)}")
    by = FIGURES[summary.criterion].title
    lines.append(f"best epoch by {best.split} {by} ({best.epoch}): {_evaluated(best)}")
    if summary.test is not None:
        lines.append(f"test set, after the last epoch: {titled(summary.test.figures())}")
    lines.append(_effort(summary))
    return "\n".join([*lines, *([findings_text(summary.findings)] if summary.findings else [])])


def _effort(summary: Summary) -> str:
    """`10 epochs in 40.1 s, 15,831 images/s, peak memory 512.00 MiB (resident memory of the process)`."""
    speed, peak = mean_images_per_s(summary.epochs), peak_memory_bytes(summary.epochs)
    seconds = f"{summary.seconds:.1f} s" if summary.seconds < 60 else duration_text(summary.seconds)
    parts = [f"{plural(len(summary.epochs), 'epoch')} in {seconds}"]
    parts += [] if speed is None else [f"{speed:,.0f} {summary.samples}/s"]
    parts += [] if peak is None else [f"peak memory {bytes_text(peak)}"]
    what = (summary.memory_measured_as or "").partition(":")[0]
    return ", ".join(parts) + (f" ({what})" if what and peak is not None else "")


def _evaluated(row: EpochResult) -> str:
    return titled(row.evaluated(), f"{row.split} ")
