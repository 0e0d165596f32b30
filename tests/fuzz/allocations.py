"""The peak of what a CPU really allocates: torch's allocations and frees, as its profiler notes them.

A kernel's scratch memory is left out: allocations that the outermost op with a kernel of its own makes and frees. A
dispatch mode would not see it either, but torch computes some things differently under one: it adds gradients out of
place, and pools sequences with places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch._C._profiler import _EventType
from torch.autograd.profiler import profile, record_function
from torch.utils import checkpoint

STOP = "the second run ends"
NUMBER = 8  # bytes; torch makes a tensor of a number of Python's, outside every op


class _Change(NamedTuple):
    """time: in ns. nbytes: negative where it is freed. kernel: the number of the op within which it happens, or 0."""

    time: int
    nbytes: int
    address: int
    kernel: int


def peak_beside(run: Callable[[], object]) -> int:
    """The most bytes that are ever live of those that `run` allocates, without the scratch memory of kernels."""
    with patch.object(checkpoint, "_StopRecomputationError", _Stop), profile(profile_memory=True) as noted:
        run()
    result = noted.kineto_results
    assert result is not None
    tree = result.experimental_event_tree()
    changes, stops = sorted(_changes(tree), key=lambda change: change.time), [*_stops(tree)]
    live = peak = 0
    for nbytes in _lasting(changes, stops):
        live += nbytes
        peak = max(peak, live)
    return peak


def _changes(events: Sequence[Any], kernel: int = 0, *, outside: bool = True) -> Iterator[_Change]:
    for event in events:
        if event.tag == _EventType.Allocation:
            fields = event.extra_fields
            if not (outside and fields.alloc_size == NUMBER):
                yield _Change(event.start_time_ns, fields.alloc_size, fields.ptr, kernel)
        else:
            own = kernel or (id(event) if _has_kernel(event.name) and not _is_wrapper(event) else 0)
            yield from _changes(event.children, own, outside=False)


def _is_wrapper(event: Any) -> bool:
    """Whether an op ends with a call of itself: after the casts of autocast, with other arguments, for the next dimension (roll).

    A sum of bfloat16 that calls itself in float32, and then copies the result, is one kernel.
    """
    calls = [child.name for child in event.children if child.tag != _EventType.Allocation]
    return calls[-1:] == [event.name]


class _Stop(checkpoint._StopRecomputationError):  # type: ignore[misc]
    """Ends a second run within an op, whose outputs torch then frees before the op ends: they are no scratch memory."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        with record_function(STOP):
            pass


def _stops(events: Sequence[Any]) -> Iterator[int]:
    """The times when a second run ended."""
    for event in events:
        if event.name == STOP:
            yield event.start_time_ns
        yield from _stops(event.children)


def _lasting(changes: Sequence[_Change], stops: Sequence[int]) -> list[int]:
    """By how much each change raises or lowers what is live."""
    sizes = [change.nbytes for change in changes]
    made: dict[int, int] = {}
    for k, change in enumerate(changes):
        if change.nbytes > 0:
            made[change.address] = k
            continue
        first = made.pop(change.address, None)
        if first is None:
            sizes[k] = 0  # allocated before
        elif change.kernel and changes[first].kernel == change.kernel and not any(
            changes[first].time < stop < change.time for stop in stops
        ):
            sizes[first] = sizes[k] = 0
    return sizes


@lru_cache(None)
def _has_kernel(name: str) -> bool:
    """Whether an op is one kernel for a dispatch mode: not a composition of others, nor a node of autograd."""
    overloads = [x for x in _overloads().get(name, ()) if not x.endswith("out")]
    return not all(torch._C._dispatch_has_kernel_for_dispatch_key(x, "CompositeImplicitAutograd") for x in overloads)


@lru_cache(None)
def _overloads() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for overload in torch._C._dispatch_get_all_op_names():
        found.setdefault(overload.split(".")[0], []).append(overload)
    return found
