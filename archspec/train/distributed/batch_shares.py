"""Checks that a batch divides evenly among the processes that train together."""

from __future__ import annotations

from archspec.diagnostics import Diagnostic, plural


def uneven_batch(
    size: int, processes: int, setting: str = "--batch-size", number: str = "processes"
) -> Diagnostic | None:
    """The error RUN332, or None if a batch of `size` images divides evenly among `processes`.

    setting, number: the names of the batch size and of the number of processes in the hint.
    """
    over = size % processes
    if not over:
        return None
    nearest = [str(fit) for fit in (size - over, size - over + processes) if fit]
    return Diagnostic(
        "RUN332", f"a batch of {plural(size, 'image')} cannot be divided evenly among {processes} processes", None,
        hint=f"use {setting} {' or '.join(nearest)}, or another number of {number}", path=("train", "batch_size"),
    )
