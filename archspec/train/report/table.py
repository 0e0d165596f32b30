"""A run as plain text: a line for each finished epoch, and the summary."""

from __future__ import annotations

from archspec.diagnostics import plural
from archspec.text import bytes_text, duration_text
from archspec.train.doctor.finding import findings_text
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
        f"  train loss {_loss(result.train_loss)} acc {result.train_accuracy:.4f}"
        f"  {SHORT[result.split]} loss {_loss(result.evaluated_loss)} acc {result.evaluated_accuracy:.4f}"
        f"  {result.seconds:.{1 if result.seconds < 99.95 else 0}f} s"
    )


def _loss(loss: float) -> str:
    """A loss in six characters if it is below 10,000: `2.3026`, `23.026`."""
    return f"{loss:.4f}" if loss < 9.99995 else f"{loss:.3f}" if loss < 99.9995 else f"{loss:.5g}"  # the last for NaN


def summary_text(summary: Summary) -> str:
    """The last and the best epoch, the final test and the doctor's verdicts, without the lines of the epochs."""
    last, best = summary.last, summary.best
    lines = [] if summary.stopped is None else [summary.stopped]
    lines.append(f"last epoch ({last.epoch}): {_evaluated(last)}")
    lines.append(f"best epoch by {best.split} {summary.criterion} ({best.epoch}): {_evaluated(best)}")
    if summary.test is not None:
        test = summary.test
        lines.append(f"test set, after the last epoch: loss {loss_text(test.loss)}, accuracy {test.accuracy:.4f}")
    lines.append(_effort(summary))
    return "\n".join([*lines, *([findings_text(summary.findings)] if summary.findings else [])])


def _effort(summary: Summary) -> str:
    """`10 epochs in 40.1 s, 15,831 images/s, peak memory 512.00 MiB (resident memory of the process)`."""
    speed, peak = mean_images_per_s(summary.epochs), peak_memory_bytes(summary.epochs)
    seconds = f"{summary.seconds:.1f} s" if summary.seconds < 60 else duration_text(summary.seconds)
    parts = [f"{plural(len(summary.epochs), 'epoch')} in {seconds}"]
    parts += [] if speed is None else [f"{speed:,.0f} images/s"]
    parts += [] if peak is None else [f"peak memory {bytes_text(peak)}"]
    what = (summary.memory_measured_as or "").partition(":")[0]
    return ", ".join(parts) + (f" ({what})" if what and peak is not None else "")


def _evaluated(row: EpochResult) -> str:
    return f"{row.split} loss {loss_text(row.evaluated_loss)}, {row.split} accuracy {row.evaluated_accuracy:.4f}"
