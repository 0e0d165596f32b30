"""Which layers have allocated what is live at the peak."""

from __future__ import annotations

from archspec.execution.network import Weights
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Storage


class Ledger:
    """Notes the layer of each weight, and of each storage that a tape allocates from now on."""

    def __init__(self, tape: Recorder, weights: Weights) -> None:
        self.tape = tape
        self.entries: list[tuple[Storage, str]] = [
            (x.storage, path) for path, tensors in weights.tensors.items() for x in tensors.values()
        ]
        tape.memory.note = self._note

    def _note(self, storage: Storage) -> None:
        self.entries.append((storage, self.tape.layer))

    def at_peak(self) -> dict[str, int]:
        """The bytes of each layer at the peak, which they add up to. Ends the notes."""
        peak_at = self.tape.memory.peak_at
        self.tape.memory.note = None  # the tape holds nothing that holds it
        sums: dict[str, int] = {}
        for storage, layer in self.entries:
            if storage.number <= peak_at and (storage.refs or storage.freed >= peak_at):
                sums[layer] = sums.get(layer, 0) + storage.size
        return sums
