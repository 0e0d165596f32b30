"""A run in plain text: a line for an epoch that has ended, and the table at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from archspec.train.doctor.finding import findings_text
from archspec.train.summary import EpochResult, Summary, loss_text

FEW: Final = 5  # epochs whose rows are all shown at the end
LAST: Final = 3  # of more epochs
HEADS: Final = ("epoch", "train loss", "train acc", "test loss", "test acc", "images/s", "seconds")


def epoch_line(result: EpochResult, epochs: int) -> str:
    """What is printed when an epoch ends: at most 80 characters, up to 999 epochs of up to 9999 s."""
    width = len(str(epochs))
    return (
        f"epoch {result.epoch:>{width}}/{epochs}"
        f"  train loss {_loss(result.train_loss)} acc {result.train_accuracy:.4f}"
        f"  test loss {_loss(result.test_loss)} acc {result.test_accuracy:.4f}"
        f"  {result.seconds:.{1 if result.seconds < 99.95 else 0}f} s"
    )


def _loss(loss: float) -> str:
    """Six characters where it is below 10,000: `2.3026`, `23.026`."""
    return f"{loss:.4f}" if loss < 9.99995 else f"{loss:.3f}" if loss < 99.9995 else f"{loss:.5g}"  # NaN: the last


def summary_text(summary: Summary) -> str:
    """A row for each of the last epochs and the best, the figures that runs are compared by, the doctor's verdicts.

    All epochs have rows where they are few; those of a long run were printed as it went on.
    """
    last, best = summary.last, summary.best
    return "\n".join([
        *_aligned([HEADS, *_rows(summary)]),
        "",
        *([] if summary.stopped is None else [summary.stopped]),
        f"last epoch ({last.epoch}): test loss {loss_text(last.test_loss)}, test accuracy {last.test_accuracy:.4f}",
        f"best epoch ({best.epoch}): test loss {loss_text(best.test_loss)}, test accuracy {best.test_accuracy:.4f}",
        f"mean over all epochs, the first steps included: train loss {loss_text(summary.mean_train_loss)}, "
        f"train accuracy {summary.mean_train_accuracy:.4f}",
        *([findings_text(summary.findings)] if summary.findings else []),
    ])


def _rows(summary: Summary) -> Iterator[tuple[str, ...]]:
    shown = {row.epoch for row in summary.epochs[-LAST:]} | {summary.best.epoch}
    if len(summary.epochs) <= FEW:
        shown |= {row.epoch for row in summary.epochs}
    before = 0
    for row in summary.epochs:
        if row.epoch in shown:
            if row.epoch > before + 1:
                yield ("…", *[""] * (len(HEADS) - 1))
            yield _cells(row)
            before = row.epoch


def _cells(row: EpochResult) -> tuple[str, ...]:
    train = (loss_text(row.train_loss), f"{row.train_accuracy:.4f}")
    test = (loss_text(row.test_loss), f"{row.test_accuracy:.4f}")
    return (str(row.epoch), *train, *test, f"{row.images_per_s:,.0f}", f"{row.seconds:.1f}")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
