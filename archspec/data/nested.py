"""Helpers for inputs, outputs and targets of a network: one tensor, or several in a tuple or a mapping by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Nested = Any  # a tensor, or a tuple or mapping of tensors; all have the same number of samples


def each(change: Callable[[torch.Tensor], torch.Tensor], values: Nested) -> Nested:
    """The same structure, with `change` applied to every tensor."""
    if isinstance(values, Mapping):
        return {name: change(value) for name, value in values.items()}
    return tuple(map(change, values)) if isinstance(values, tuple) else change(values)


def tensors(values: Nested) -> Iterator[torch.Tensor]:
    """Every tensor, in order."""
    if isinstance(values, Mapping):
        yield from values.values()
    elif isinstance(values, tuple):
        yield from values
    else:
        yield values


def size(values: Nested) -> int:
    """The number of samples."""
    return len(next(tensors(values)))


def part(values: Nested, start: int, end: int | None) -> Nested:
    """The samples `start` … `end` - 1."""
    return each(lambda tensor: tensor[start:end], values)


def split(values: Nested, count: int) -> list[Nested]:
    """`count` parts whose sizes differ by one sample at most, as from `Tensor.tensor_split`."""
    small, more = divmod(size(values), count)
    ends = [small * k + min(k, more) for k in range(count + 1)]
    return [part(values, start, end) for start, end in pairwise(ends)]


def joined(parts: Sequence[Nested]) -> Nested:
    """The samples of all parts, concatenated."""
    import torch

    first = parts[0]
    if isinstance(first, Mapping):
        return {name: torch.cat([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))
    return torch.cat(list(parts))


def call(function: Callable[..., Any], inputs: Nested) -> Any:
    """`function` of one tensor, of several in order, or of several by name."""
    if isinstance(inputs, Mapping):
        return function(**inputs)
    return function(*inputs) if isinstance(inputs, tuple) else function(inputs)
