"""Measures speed and memory against the batch size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from archspec.backends.device import pick_device
from archspec.diagnostics import SpecError
from archspec.profile.measurement import Measurement
from archspec.profile.run import measure
from archspec.train.step.microbatch import free_memory

if TYPE_CHECKING:
    from archspec.api import Loaded

OF_ONE_BATCH: Final = frozenset({"BUILD201", "BUILD203"})  # too large for memory, too small for a norm


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch size. measured: None if it cannot run, for the reason in `problem`, whose code is `code`."""

    batch_size: int
    measured: Measurement | None = None
    problem: str | None = None
    code: str | None = None

    @property
    def images_per_s(self) -> float | None:
        """Images per second of the training step, or of the forward pass if there is no step; None if neither runs."""
        if self.measured is None:
            return None
        return (self.measured.step or self.measured.forward).images_per_s

    @property
    def trains(self) -> bool:
        """Whether the speed is that of a training step."""
        return self.measured is not None and self.measured.step is not None

    @property
    def peak_bytes(self) -> int | None:
        """The peak memory in bytes; None if it is not known."""
        return None if self.measured is None else self.measured.peak_memory_bytes

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "batch_size": self.batch_size, "problem": self.problem, "code": self.code,
            "measured": None if self.measured is None else self.measured.to_json(),
        }


def sweep_batches(loaded: Loaded, batch_sizes: Iterable[int], **options: Any) -> Iterator[BatchRow]:
    """A row for each batch size as soon as it is measured. options: those of `measure`.

    A batch that does not fit, or is too small, is a row with its problem and not the end.
    """
    device = pick_device(options.get("device", "auto"))
    for batch_size in dict.fromkeys(batch_sizes):
        yield _row(loaded, batch_size, options)
        free_memory(device)


def _row(loaded: Loaded, batch_size: int, options: dict[str, Any]) -> BatchRow:
    try:
        return BatchRow(batch_size, measure(loaded, batch_size=batch_size, **options))
    except SpecError as refused:
        if not OF_ONE_BATCH.issuperset(d.code for d in refused.diagnostics):
            raise
        first = refused.diagnostics[0]
        return BatchRow(batch_size, problem="; ".join([first.message, *first.notes]), code=first.code)
