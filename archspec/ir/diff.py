"""What changed between two networks, op by op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from archspec.diagnostics import plural
from archspec.ir.align import Alignment, Step, align
from archspec.ir.graph import Graph, NodePath, Port
from archspec.ir.wiring import Wiring
from archspec.text import shape_text
from archspec.types import TensorType

Kind = Literal["input", "output", "added", "removed", "renamed", "op", "fields", "values", "weights"]
_SHOWN: Final = 3  # the most changed fields that a text lists


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    kind: `input` or `output`: another type or another value; `added` or `removed`: an op; `renamed`: the same op at
    another path; `op`: another op at the path; `fields`: other fields of the op; `values`: other inputs of the op;
    `weights`: it uses those of another op.
    path: the path now, or before for a removed op; the name of an input or output.
    then, now: before and after: a shape, a path, an op's name, fields by name, the paths of values, or that of the
    weights' owner.
    """

    kind: Kind
    path: NodePath
    then: Any = None
    now: Any = None

    def __str__(self) -> str:
        if self.kind in ("added", "removed"):
            return f"`{self.path}` was {self.kind}: {self.now or self.then}"
        if self.kind == "renamed":
            return f"`{self.then}` is called `{self.path}`"
        if self.kind == "fields":
            changed = [f"`{name}` was {_text(self.then[name])}, is {_text(self.now[name])}" for name in self.now]
            more = [plural(len(changed) - _SHOWN, "more field")] if len(changed) > _SHOWN else []
            return f"`{self.path}`: " + "; ".join([*changed[:_SHOWN], *more])
        if self.kind == "values":
            return f"`{self.path}` took {_text(self.then)}, takes {_text(self.now)}"
        if self.kind == "weights":
            return f"`{self.path}` took the weights of `{self.then}`, takes those of `{self.now}`"
        if self.kind in ("input", "output") and None in (self.then, self.now):
            return f"the {self.kind} `{self.path}` was {'added' if self.then is None else 'removed'}"
        what = f"{self.kind} " if self.kind in ("input", "output") else ""
        return f"{what}`{self.path}` was {_text(self.then)}, is {_text(self.now)}"


def diff(then: Graph, now: Graph) -> list[Change]:
    """Every difference that affects the digest, in the order of `now`. Empty for networks with equal digests.

    Ops are aligned by their order, kind, fields and names (`archspec.ir.align`). An op at another path is renamed.
    Other inputs are not a change of their own if an added or removed op between the two explains them.
    """
    return changes(then, now, align(then, now))


def changes(then: Graph, now: Graph, aligned: Alignment) -> list[Change]:
    """The differences between two networks whose ops are aligned."""
    wiring = Wiring(aligned)
    found = [*_ports("input", then, now)]
    for j, step in enumerate(aligned.new):
        if j not in aligned.pairs:
            found.append(Change("added", step.path, None, step.op.op))
        else:
            found += _of_step(aligned.old[aligned.pairs[j]], step, wiring)
    found += [Change("removed", step.path, step.op.op) for step in aligned.removed]
    return [*found, *_ports("output", then, now), *_results(now, aligned, wiring)]


def _of_step(old: Step, new: Step, wiring: Wiring) -> Iterator[Change]:
    if old.path != new.path:
        yield Change("renamed", new.path, old.path, new.path)
    if old.op.op != new.op.op:
        yield Change("op", new.path, old.op.op, new.op.op)
    elif old.op != new.op:
        before, after = old.op.model_dump(mode="json"), new.op.model_dump(mode="json")
        changed = [name for name in after if before.get(name) != after[name]]
        yield Change("fields", new.path, {n: before.get(n) for n in changed}, {n: after[n] for n in changed})
    if not wiring.explained(old.takes, new.takes):
        yield Change("values", new.path, tuple(map(wiring.renamed, old.takes)), new.takes)
    if wiring.names.get(old.state, old.state) != new.state:
        yield Change("weights", new.path, wiring.names.get(old.state, old.state), new.state)


def _ports(kind: Literal["input", "output"], then: Graph, now: Graph) -> Iterator[Change]:
    """Inputs are compared by name, unless there is only one. Outputs are compared by name only: types follow."""
    if kind == "output":
        before, after = ({port.name: port for port in graph.outputs} for graph in (then, now))
        if len(then.outputs) > 1 or len(now.outputs) > 1:
            yield from (Change("output", port.name, None, "new") for port in now.outputs if port.name not in before)
            yield from (Change("output", port.name, "there", None) for port in then.outputs if port.name not in after)
            for name in after:
                if name in before and before[name].training != after[name].training:
                    yield Change("output", name, *(_mode(ports[name]) for ports in (before, after)))
        return
    if len(then.inputs) == len(now.inputs) == 1:
        if then.input != now.input:
            yield Change("input", now.inputs[0].name, _type(then.input), _type(now.input))
        return
    old, new = ({port.name: port.type for port in graph.inputs} for graph in (then, now))
    for name in [*new, *(name for name in old if name not in new)]:
        if old.get(name) != new.get(name):
            yield Change("input", name, *(None if t is None else _type(t) for t in (old.get(name), new.get(name))))


def _mode(port: Port) -> str:
    return "for training only" if port.training else "always there"


def _results(now: Graph, aligned: Alignment, wiring: Wiring) -> Iterator[Change]:
    old, new = aligned.old_results, aligned.new_results
    if len(old) == len(new):
        for port, before, after in zip(now.outputs, old, new, strict=True):
            if not wiring.explained((before,), (after,)):
                yield Change("output", port.name, wiring.renamed(before), after)


def _type(x: TensorType) -> str:
    limit = "" if x.below is None else f" below {x.below:,}"
    return shape_text(x.shape[1:]) + ("" if x.dtype == "float32" else f" {x.dtype}{limit}")


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    return "nothing" if value is None else str(value)
