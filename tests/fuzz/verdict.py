"""Whether torch refuses what archspec refuses: the layers of random networks that do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from archspec.lower import apply
from archspec.ops import Operation
from archspec.types import BATCH, UNKNOWN_DTYPE, ShapeError, TensorType, is_unknown
from tests.ops.test_registry import STRICTER, torch_refuses

# torch also takes a single sample, or a batch as one, and pads integers.
RANK = re.compile("^needs .*, got ([0-9]+ dimensions?|a single number|integers .*)$")


class Refusal(NamedTuple):
    """An op that archspec refuses for these inputs, and why."""

    op: Operation
    inputs: tuple[TensorType, ...]
    why: str

    @property
    def is_stricter(self) -> bool:
        """Whether archspec refuses it by a rule of its own."""
        return STRICTER.search(self.why) is not None or RANK.search(self.why) is not None

    def is_torchs(self, batch_size: int = 2) -> bool:
        """Whether torch alone refuses it too."""
        fields = {name: getattr(self.op, name) for name in self.op.model_fields_set}
        return torch_refuses(self.op.op, fields, tuple(x.at(batch_size) for x in self.inputs))


@contextmanager
def refusals() -> Iterator[list[Refusal]]:
    """What the shape rules refuse within the block, where all dimensions are known."""
    found: list[Refusal] = []
    infer = apply.infer_outputs

    def noted(op: Operation, inputs: tuple[TensorType, ...]) -> Any:
        try:
            return infer(op, inputs)
        except ShapeError as refusal:
            if all(x.dtype != UNKNOWN_DTYPE and (d is BATCH or not is_unknown(d)) for x in inputs for d in x.shape):
                found.append(Refusal(op, inputs, refusal.message))
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "infer_outputs", noted)
        yield found
