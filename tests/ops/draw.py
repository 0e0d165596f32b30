"""What strategies of ops are made of: shapes, fields and inputs.

Shapes are small, so that a real module runs in microseconds, and hold two or three samples, so that
batch normalisation has something to normalise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from hypothesis import strategies as st

from archspec.ops import OPS
from archspec.types import INTEGERS, TensorType

Case = tuple[dict[str, Any], tuple[tuple[int, ...], ...]]

BELOW = 7  # the integers of an op that takes them are 0 to 6
BATCH = st.integers(2, 3)
CHANNELS = st.sampled_from([1, 2, 3, 4, 6, 8])
SIZE = st.integers(1, 9)
IMAGE = st.tuples(BATCH, CHANNELS, SIZE, SIZE)
ANY = st.one_of(
    IMAGE, st.tuples(BATCH, CHANNELS), st.tuples(BATCH, SIZE, CHANNELS), st.tuples(BATCH, CHANNELS, SIZE, SIZE, SIZE)
)


SHAPES = {  # by rank
    1: st.tuples(BATCH, CHANNELS, st.integers(1, 12)), 2: IMAGE,
    3: st.tuples(BATCH, CHANNELS, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
}


def types_of(name: str, shapes: Iterable[tuple[int, ...]]) -> tuple[TensorType, ...]:
    """The types of an op's inputs of these shapes: integers where it takes nothing else."""
    if OPS[name].dtypes == INTEGERS:
        return tuple([TensorType(shape, "int64", BELOW) for shape in shapes])
    return tuple(map(TensorType, shapes))


def random_of(x: TensorType, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A random tensor of this type."""
    return torch.randint(x.below or 1, x.shape) if x.dtype == "int64" else torch.randn(x.shape, dtype=dtype)


def sizes(rank: int, low: int, high: int) -> st.SearchStrategy[Any]:
    """An integer, or a list of one for each axis, as YAML gives them."""
    one = st.integers(low, high)
    return st.one_of(one, st.lists(one, min_size=rank, max_size=rank))


def pair(low: int, high: int) -> st.SearchStrategy[Any]:
    """An integer, or a list of two, as YAML gives them."""
    one = st.integers(low, high)
    return st.one_of(one, st.lists(one, min_size=2, max_size=2))


def fields(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A dict of fields. Those whose name ends in an underscore may be left out."""
    required = {k: v for k, v in given.items() if not k.endswith("_")}
    optional = {k[:-1]: v for k, v in given.items() if k.endswith("_")}
    return st.fixed_dictionaries(required, optional=optional)


def on(shape: st.SearchStrategy[tuple[int, ...]], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Case]:
    """Fields and one input, drawn independently."""
    return st.tuples(fields(**given), st.tuples(shape))


@st.composite
def along(draw: st.DrawFn, name: str = "dim", **given: st.SearchStrategy[Any]) -> Case:
    """An op with a field for a dim, usually one that the input has."""
    shape = draw(ANY)
    drawn = draw(fields(**given))
    beyond = st.integers(-len(shape) - 1, len(shape))
    drawn[name] = draw(st.one_of(st.integers(1, len(shape) - 1), beyond))
    return drawn, (shape,)
P = st.one_of(st.floats(0, 1), st.sampled_from([0, 1]))
