"""Neighbouring added or removed ops as runs: a whole stage, or consecutive layers of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archspec.ir.align import Step

_SHOWN: Final = 6  # the most layers that a text names


@dataclass(frozen=True, slots=True)
class Run:
    """Ops next to each other that only one of two networks has.

    place: a stage or block of which the other network has nothing, or where the layers are, or the layer itself.
    names: of the layers in that place; empty if it is all there is. ops: the names of the ops. paths: those of the ops.
    """

    place: str
    names: tuple[str, ...]
    ops: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def text(self) -> str:
        """`conv2d, relu`."""
        parts = [op if count == 1 else f"{count} {op}" for op, count in Counter(self.ops).items()]
        return ", ".join(parts[:_SHOWN]) + (f", … ({len(self.ops)} layers)" if len(parts) > _SHOWN else "")


def runs(left: Sequence[Step], steps: Sequence[Step]) -> list[Run]:
    """left: the steps of a network without a partner. steps: all its steps."""
    alone = {step.path for step in left}
    totals: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for step in steps:
        for prefix in _prefixes(step.path):
            totals[prefix] += 1
            own[prefix] += step.path in alone
    found: list[tuple[int, str, list[Step]]] = []  # position of the last op, the largest part that is new, its ops
    for position, step in enumerate(steps):
        if step.path not in alone:
            continue
        whole = next(prefix for prefix in _prefixes(step.path) if own[prefix] == totals[prefix])
        if found and found[-1][1] == whole:
            found[-1][2].append(step)
            found[-1] = (position, *found[-1][1:])
        else:
            found.append((position, whole, [step]))
    return [_run(group) for group in _neighbours(found)]


def _prefixes(path: str) -> Iterator[str]:
    """`a`, `a.b`, `a.b.c`."""
    at = path.find(".")
    while at >= 0:
        yield path[:at]
        at = path.find(".", at + 1)
    yield path


def _neighbours(parts: list[tuple[int, str, list[Step]]]) -> list[list[tuple[str, list[Step]]]]:
    """Parts of one place that follow each other directly; a stage of its own stays alone."""
    groups: list[list[tuple[str, list[Step]]]] = []
    last, before = -2, ""
    for position, whole, ops in parts:
        parent = whole.rpartition(".")[0]
        adjoins = position - len(ops) == last and parent and parent == before and not whole.rpartition(".")[2].isdigit()
        if adjoins:
            groups[-1].append((whole, ops))
        else:
            groups.append([(whole, ops)])
        last, before = position, parent
    return groups


def _run(group: list[tuple[str, list[Step]]]) -> Run:
    ops = [step for _, steps in group for step in steps]
    kinds, paths = tuple(step.op.op for step in ops), tuple(step.path for step in ops)
    if len(group) == 1:
        return Run(group[0][0], (), kinds, paths)
    parent = group[0][0].rpartition(".")[0]
    return Run(parent, tuple(whole.rpartition(".")[2] for whole, _ in group), kinds, paths)
