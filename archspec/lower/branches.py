"""The branches of a merge: their shapes, as far as they are known, and their names in what an op says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archspec.lower.builder import Val, blank
from archspec.tensors import Tensor


def tensors_of(values: Sequence[Val]) -> tuple[Tensor, ...]:
    """The values' shapes; of one that is unknown, the rank of the others."""
    ndim = next(v.tensor.ndim for v in values if v.tensor is not None)
    return tuple(blank(ndim) if v.tensor is None else v.tensor for v in values)


def with_names(text: str, branches: list[str]) -> str:
    """An op speaks of its inputs by number; a spec knows its branches by name."""

    def named(match: re.Match[str]) -> str:
        return " and ".join(f"`{branches[int(k) - 1]}`" for k in match.groups() if k)

    return re.sub(r"\binputs? (\d+)(?: and (\d+))?\b", named, text)
