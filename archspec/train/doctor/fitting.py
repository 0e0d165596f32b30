"""Detects over-fitting in the figures of the epochs."""

from __future__ import annotations

from typing import Final

from archspec.diagnostics import plural
from archspec.language.loss import FIGURES
from archspec.train.doctor.chance import chance_in
from archspec.train.doctor.finding import Evidence, Finding
from archspec.train.doctor.history import History
from archspec.train.summary import EpochResult

EPOCHS: Final = 3  # after the best one; with fewer, a single bad epoch would count
RISEN: Final = 1.15  # test or validation loss over its lowest value
RISEN_BY: Final = 0.03  # nats that it must also have risen by
GAP_GROWN: Final = 0.05  # nats
LEARNED: Final = 0.9  # of chance: the lowest evaluated loss must be below


def overfits(history: History) -> Finding | None:
    """The evaluated loss has risen well above its lowest value while the training loss fell."""
    epochs = history.epochs
    if len(epochs) <= EPOCHS:
        return None
    best, now = min(epochs, key=lambda row: row.evaluated_loss), epochs[-1]
    chance = chance_in(history)
    if chance is not None and best.evaluated_loss > LEARNED * chance.loss:
        return None  # a network that has learned nothing cannot over-fit
    since = epochs[epochs.index(best) + 1 :]
    if len(since) < EPOCHS or now.train_loss >= best.train_loss:
        return None
    gap, gap_now = best.evaluated_loss - best.train_loss, now.evaluated_loss - now.train_loss
    high = max(RISEN * best.evaluated_loss, best.evaluated_loss + RISEN_BY)
    if any(row.evaluated_loss < high for row in since[-EPOCHS:]) or gap_now < gap + GAP_GROWN:
        return None
    facts = (_figures(best, f"lowest {best.split} loss"), _figures(now, "now"))
    return Finding(
        "RUN348", history.step, f"over-fitting since epoch {best.epoch}", facts,
        f"stop after {plural(best.epoch, 'epoch')}, train on more data, or add dropout or weight_decay",
    )


def _figures(row: EpochResult, label: str) -> Evidence:
    return Evidence(
        f"epoch {row.epoch} ({label}): train loss {row.train_loss:.3f}, {row.split} loss {row.evaluated_loss:.3f}, "
        f"{row.split} {FIGURES[row.metric].title} {row.figure(row.metric):.3f}",
        {
            "epoch": row.epoch, "train_loss": row.train_loss, f"{row.split}_loss": row.evaluated_loss,
            "gap": row.evaluated_loss - row.train_loss, f"{row.split}_{row.metric}": row.figure(row.metric),
        },
    )
