"""Stores the state of the doctor in a checkpoint, and restores it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

import torch
from pydantic import TypeAdapter
from torch import Tensor

from archspec.train.doctor.finding import Finding
from archspec.train.doctor.history import Block, Contrast, FirstBatch, History, Modes, Sample
from archspec.train.summary import StoredEpoch

if TYPE_CHECKING:
    from pydantic import JsonValue

SERIES: Final = {"losses": torch.float64, "hits": torch.int64, "sizes": torch.int64}


@dataclass
class Memory:
    """A history without its series of steps, and the findings."""

    first: int
    labels: dict[int, int]
    all_labels: bool
    best: Block | None
    inputs: FirstBatch | None
    samples: list[Sample]
    epochs: list[StoredEpoch]
    findings: list[Finding]
    modes: Modes | None = None
    contrast: Contrast | None = None
    sealed: int | None = None


_ADAPTER: Final = TypeAdapter(Memory)


def series_of(history: History) -> dict[str, Tensor]:
    """The series of steps as tensors of shape (steps,)."""
    return {name: torch.tensor(getattr(history, name).tolist(), dtype=dtype) for name, dtype in SERIES.items()}


def data_of(history: History, findings: list[Finding]) -> JsonValue:
    """The rest as plain data, without samples that contain infinite numbers, which JSON does not have."""
    samples = [s for s in history.samples if all(isfinite(w.norm + w.gradient + w.update) for w in s.weights)]
    memory = Memory(
        history.first, dict(history.labels), history.all_labels, history.best, history.inputs, samples,
        history.epochs, findings, history.modes, history.contrast, history.sealed,
    )
    data: JsonValue = _ADAPTER.dump_python(memory, mode="json")
    return data


def recall(history: History, tensors: Mapping[str, Tensor], data: JsonValue) -> list[Finding]:
    """Fill `history` from the results of `series_of` and `data_of`, and return the findings.

    Raises ValueError for other data.
    """
    memory = _ADAPTER.validate_python(data)
    if tensors.keys() != SERIES.keys() or len({tuple(tensor.shape) for tensor in tensors.values()}) != 1:
        raise ValueError("not the doctor's series")
    history.first, history.best, history.inputs = memory.first, memory.best, memory.inputs
    history.losses = array("d", tensors["losses"].tolist())
    history.hits, history.sizes = (array("q", tensors[name].tolist()) for name in ("hits", "sizes"))
    history.labels, history.all_labels, history.epochs = Counter(memory.labels), memory.all_labels, memory.epochs
    history.modes, history.contrast, history.sealed = memory.modes, memory.contrast, memory.sealed
    for sample in memory.samples:
        history.add_sample(sample)
    return memory.findings
