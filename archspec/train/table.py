"""A run in plain text: a line for an epoch that has ended, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archspec.train.doctor.finding import findings_text
from archspec.train.summary import EpochResult, Summary

HEADS: Final = ("epoch", "train loss", "train acc", "test loss", "test acc", "images/s", "seconds")


def epoch_line(result: EpochResult, epochs: int) -> str:
    """What is printed when an epoch ends."""
    width = len(str(epochs))
    return (
        f"epoch {result.epoch:>{width}}/{epochs}"
        f"  train loss {result.train_loss:.4f} acc {result.train_accuracy:.4f}"
        f"  test loss {result.test_loss:.4f} acc {result.test_accuracy:.4f}"
        f"  {result.images_per_s:,.0f} images/s  {result.seconds:.1f} s"
    )


def summary_text(summary: Summary) -> str:
    """A row an epoch, then the figures that runs are compared by, each with its name; what the doctor found."""
    last, best = summary.last, summary.best
    return "\n".join([
        *_aligned([HEADS, *(_cells(row) for row in summary.epochs)]),
        "",
        *([] if summary.stopped is None else [summary.stopped]),
        f"last epoch ({last.epoch}): test loss {last.test_loss:.4f}, test accuracy {last.test_accuracy:.4f}",
        f"best epoch ({best.epoch}): test loss {best.test_loss:.4f}, test accuracy {best.test_accuracy:.4f}",
        f"mean over all epochs, the first steps included: train loss {summary.mean_train_loss:.4f}, "
        f"train accuracy {summary.mean_train_accuracy:.4f}",
        *([findings_text(summary.findings)] if summary.findings else []),
    ])


def _cells(row: EpochResult) -> tuple[str, ...]:
    figures = (row.train_loss, row.train_accuracy, row.test_loss, row.test_accuracy)
    return (str(row.epoch), *(f"{x:.4f}" for x in figures), f"{row.images_per_s:,.0f}", f"{row.seconds:.1f}")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
