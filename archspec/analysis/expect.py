"""Checks the shapes and counts in `expect`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final, NamedTuple

from archspec.analysis.mismatch import of_count, of_shape
from archspec.analysis.report import Report
from archspec.diagnostics import Hint, listing
from archspec.diagnostics.hints import write
from archspec.ir import Graph
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.names import EXPECTATIONS
from archspec.language.problems import meant_value
from archspec.language.syntax import At, Errors
from archspec.text import shape_text
from archspec.types import TensorType

COUNTS = ("params", "macs", "buffers")
_UNITS: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


class Expected(NamedTuple):
    """An entry of `expect`: its evaluated value, its place, and the hint if it lacks a `$`."""

    value: Any
    at: At
    meant: str | None = None


def check_expectations(
    expect: Mapping[str, Expected], stages: Mapping[str, TensorType | None], known: Sequence[str], output: str | None,
    counted: tuple[Report, Graph] | None, errors: Errors,
) -> None:
    """Report each expectation that does not hold.

    stages: each stage's output as far as it is known. output: the stage that `output` means.
    known: the names of all stages of the spec. counted: the network and its costs; None after an error.
    """
    for key, expected in expect.items():
        stage = output if key == "output" and output else key
        if key in COUNTS:
            _count(key, expected, counted, errors)
        elif key == "output" or key in known:
            _shape(key, expected, stages.get(stage), partial(_way, stage, counted), errors)
        else:
            names = [*known, *EXPECTATIONS]
            near = did_you_mean(key, [name for name in names if name not in expect])
            errors.add("SPEC010", f"`expect` refers to an unknown stage `{short(key)}`", expected.at, key=True,
                       hint=near or f"it can refer to: {listing(names)}")


def _count(key: str, expected: Expected, counted: tuple[Report, Graph] | None, errors: Errors) -> None:
    value, at, meant = expected
    if isinstance(value, bool) or not isinstance(value, int):
        errors.add("SPEC012", f"`{key}` must be an integer, got {value_text(value)}", at,
                   hint=meant or meant_value("int", value) or _in_full(value))
        return
    if counted is None:
        return
    found = int(getattr(counted[0], key))
    if found != value:
        difference = f"the difference is {found - value:+,}; `archspec profile --static` shows every layer's {key}"
        errors.add("SHAPE111", f"expected {value:,} {key}, the network has {found:,}", at,
                   notes=[difference, *of_count(key, found - value, *counted)],
                   hint=Hint(f"write {found} if the network is right", f"{found}"))


def _in_full(value: object) -> str | None:
    """The hint for a number with a unit: `1.2G`."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?) ?([kKMGBT])", value) if isinstance(value, str) else None
    return None if found is None else write(str(round(Fraction(found[1]) * _UNITS[found[2].lower()])))


def _plain_shape(value: object) -> str:
    """The hint for a value that is not a list of integers: the numbers in it, if that is all that it has."""
    items = value if isinstance(value, list) else [value]
    meant = [meant_value("int", item) or item for item in items]
    if meant and all(type(one) is int or isinstance(one, Hint) for one in meant):
        return write(f"[{', '.join(str(one.own) if isinstance(one, Hint) else str(one) for one in meant)}]")
    return "write it without the batch: `[64, 14, 14]`"


def _way(stage: str, counted: tuple[Report, Graph] | None, wanted: tuple[int, ...]) -> Iterable[str]:
    return () if counted is None else of_shape(stage, wanted, counted[0])


def _shape(
    key: str, expected: Expected, tensor: TensorType | None, way: Callable[[tuple[int, ...]], Iterable[str]],
    errors: Errors,
) -> None:
    value, at, meant = expected
    if not isinstance(value, list) or not all(isinstance(d, int) and not isinstance(d, bool) for d in value):
        errors.add("SPEC012", f"the expected shape of `{key}` must be a list of integers, got {value_text(value)}", at,
                   hint=meant or _plain_shape(value))
        return
    if tensor is None or not tensor.known or tensor.shape[1:] == tuple(value):
        return
    found = shape_text(tensor.shape[1:])
    errors.add("SHAPE110", f"expected {shape_text(value)} from `{key}`, the network gives {found}", at,
               notes=way(tuple(value)),
               hint=Hint(f"write {list(tensor.shape[1:])} if the network is right", f"{list(tensor.shape[1:])}"))
