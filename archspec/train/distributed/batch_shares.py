"""How a batch is shared out to the processes that train together."""

from __future__ import annotations

from archspec.diagnostics import Diagnostic, plural


def uneven_batch(
    size: int, processes: int, setting: str = "--batch-size", number: str = "processes"
) -> Diagnostic | None:
    """RUN332 unless each process gets as many images of a batch: a recipe's batch is that of all.

    setting, number: what the hint calls the batch size and the number of processes.
    """
    over = size % processes
    if not over:
        return None
    nearest = [str(fit) for fit in (size - over, size - over + processes) if fit]
    return Diagnostic(
        "RUN332", f"a batch of {plural(size, 'image')} cannot be divided evenly among {processes} processes", None,
        hint=f"use {setting} {' or '.join(nearest)}, or another number of {number}", path=("train", "batch_size"),
    )
