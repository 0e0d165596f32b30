"""Builds graphs inside graphs. A value of an enclosing graph becomes an input of the graph that uses it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from archspec.ir import CLIMB, INPUT, Graph, Node, Place, Port, Value
from archspec.ops import Operation
from archspec.text import shape_text
from archspec.types import BATCH, UNKNOWN, UNKNOWN_DTYPE, TensorType

if TYPE_CHECKING:
    from archspec.language.syntax import At, Body
    from archspec.lower.values import Scope

WAY_LENGTH: Final = 8  # how many shapes on the way to an error are shown
ROOT: Final = "stages"


@dataclass(slots=True, eq=False)
class Val:
    """A value while its graph is being built.

    tensor: its type; None if even the rank is unknown because of an error. source: the (first) value from which it
    was computed. made_at: the layer or stage that outputs it, for labels; None for the input and copies of a repeat.
    choices: the network's inputs by name, while it is unknown which of several inputs this value is.
    made: how a stage or named layer computes it, for `share`.
    """

    owner: Builder
    name: str
    tensor: TensorType | None
    source: Val | None = None
    made_at: At | None = None
    choices: Mapping[str, Val] | None = None
    made: Made | None = None

    @property
    def origin(self) -> Val:
        """The value at the start of the chain of `source`s: usually an input of the network."""
        value = self
        while value.source is not None:
            value = value.source
        return value

    def gives(self) -> tuple[At | None, str]:
        """The label that shows where this value comes from: a place and a text."""
        return self.made_at, f"gives {shape_text(self.tensor.shape[1:])}" if self.tensor else "gives this"

    def way(self) -> str:
        """The shapes on the way to this value: input (1, 28, 28) → b1 (64, 14, 14)."""
        steps: list[Val] = []
        value: Val | None = self
        while value is not None:
            steps.append(value)
            value = value.source
        shown = [step.described() for step in reversed(steps[: WAY_LENGTH - 1])]
        if len(steps) > len(shown):
            shown = [steps[-1].described(), *(["…"] if len(steps) > WAY_LENGTH else []), *shown]
        return " → ".join(shown)

    def described(self) -> str:
        """Its full path and its shape: b1.conv2d_1 (64, 14, 14)."""
        path = f"{self.owner.path}.{self.name}".removeprefix(f"{ROOT}.")
        return f"{path} {shape_text(self.tensor.shape[1:]) if self.tensor else '(unknown)'}"


@dataclass(slots=True)
class Draft:
    """A node while its graph is being built."""

    name: str
    target: Operation | Graph | None  # None: broken; the error is reported
    inputs: tuple[Val, ...]
    output: Val  # the only one: no op of the language has several yet
    at: Place | None
    count: int = 1  # how many copies in a row; each takes the output of the one before it
    state: str | None = None  # see Node


@dataclass(frozen=True, slots=True)
class Made:
    """How a stage or named layer was lowered, so that `share` can run it again.

    flow: the value that entered its body. seen: how many names `scope.outputs` had in the innermost list.
    """

    name: str
    draft: Draft
    body: Body
    flow: Val
    scope: Scope
    seen: int


@dataclass(slots=True, eq=False)
class Builder:
    """One graph under construction.

    path: its path in the network, such as stages.b4.main. at: where the layer is written whose nodes are added next.
    depth: the length of the path of the weights that it runs with; its own path, unless it is part of a `share`.
    """

    parent: Builder | None
    path: str
    captured: dict[int, tuple[Val, Val]] = field(default_factory=dict)  # id(outer) -> (outer, own)
    drafts: list[Draft] = field(default_factory=list)
    at: Place | None = None
    depth: int = 0

    def child(self, name: str) -> Builder:
        """A builder for a sub-graph called `name`."""
        return Builder(self, f"{self.path}.{name}", depth=self.depth + 1)

    @contextmanager
    def at_depth_of(self, owner: Builder) -> Iterator[None]:
        """Inside, nodes refer to weights as if they stood in the graph of `owner`, an enclosing one."""
        before, self.depth = self.depth, owner.depth
        yield
        self.depth = before

    def state(self, draft: Draft, owner: Builder) -> str:
        """What a node of this graph has as its `state` to run with the weights of a draft of `owner`."""
        return CLIMB * (self.depth - owner.depth) + (draft.state or draft.name)

    def handle(self, value: Val) -> Val | None:
        """This graph's own handle of a value, if it uses the value."""
        return value if value.owner is self else self.captured.get(id(value), (None, None))[1]

    def outer(self, own: Val) -> Val:
        """The value whose handle this is: of this graph, or of an enclosing one."""
        return next((outer for outer, mine in self.captured.values() if mine is own), own)

    def use(self, value: Val) -> Val:
        """This graph's own handle of a value. A value of an outer graph is captured through all graphs in between."""
        if value.owner is self:
            return value
        found = self.captured.get(id(value))
        if found is None:
            assert self.parent is not None, "the value does not belong to an enclosing graph"
            outer = self.parent.use(value)
            found = (outer, Val(self, value.name, value.tensor))
            self.captured[id(value)] = found
        return found[1]

    def run(self, name: str, op: Operation | None, inputs: tuple[Val, ...], output: TensorType | None) -> Val:
        """Append a node that runs an op, or a broken node if `op` is None."""
        return self._append(name, op, inputs, output, inputs[0])

    def broken(self, name: str, flow: Val, output: TensorType | None = None) -> Val:
        """Append a broken node, whose error is already reported. Its output may be partly known."""
        return self.run(name, None, (flow,), output)

    def call(self, sub: Builder, name: str, output: Val, *, kind: str, label: str, flow: Val) -> Val:
        """Append a node that calls the graph of `sub`. If `sub` is empty (the identity), append nothing."""
        if not sub.drafts:
            return output  # a value of an outer graph
        graph = sub.finish((output,), kind, label)
        return self._append(name, graph, tuple(outer for outer, _ in sub.captured.values()), output.tensor, flow)

    def call_graph(self, name: str, graph: Graph | None, flow: Val, output: TensorType | None) -> Val:
        """Append a node that calls a finished graph with one input, or a broken node if `graph` is None."""
        return self._append(name, graph, (flow,), output, flow)

    def again(self, name: str, flow: Val, count: int) -> Val:
        """Append `count` more copies of the last node, numbered from `name`. `flow` is its output."""
        last = self.drafts[-1]
        result = Val(self, name, flow.tensor, flow)
        self.drafts.append(Draft(name, last.target, (flow,), result, self.at, count, last.state))
        return result

    def repeated(self, name: str, draft: Draft, inputs: tuple[Val, ...], flow: Val) -> Val:
        """Append a node that runs what a draft runs, on other inputs of the same types."""
        return self._append(name, draft.target, inputs, draft.output.tensor, flow)

    def _append(
        self, name: str, target: Operation | Graph | None, inputs: tuple[Val, ...], output: TensorType | None,
        source: Val,
    ) -> Val:
        result = Val(self, name, output, source if source.choices is None else inputs[0])
        own = tuple([v if v.owner is self else self.use(v) for v in inputs])
        self.drafts.append(Draft(name, target, own, result, self.at))
        return result

    def finish(
        self, outputs: Sequence[Val], kind: str, label: str, *, training: Container[str] = ()
    ) -> Graph | None:
        """The finished graph, or None if something in it is unknown because of an error.

        training: the names of outputs that only training computes.
        """
        own = [self.use(output) for output in outputs]
        inputs = [mine for _, mine in self.captured.values()]
        values = {id(v): Value(INPUT, port) for port, v in enumerate(inputs)}
        nodes: list[Node] = []
        known = None  # the last known tensor: the copies of a repeat share one, which is then checked once
        for draft in self.drafts:
            tensor = draft.output.tensor
            if draft.target is None or tensor is None or (tensor is not known and not _is_whole(tensor)):
                return None
            known = tensor
            taken, given = tuple([values[id(v)] for v in draft.inputs]), (tensor,)
            nodes.append(Node(draft.name, draft.target, taken, given, draft.state, draft.at))
            if draft.count > 1:
                first, row = int(draft.name), len(nodes)
                nodes += [
                    Node(str(first + k), draft.target, (Value(row + k - 2),), given, draft.state, draft.at)
                    for k in range(1, draft.count)
                ]
            values[id(draft.output)] = Value(len(nodes) - 1)
        taken_ports = tuple([Port(v.name, v.tensor) for v in inputs if v.tensor is not None and _is_whole(v.tensor)])
        if len(taken_ports) != len(inputs):
            return None
        results = tuple([values[id(v)] for v in own])  # each is an input or the output of a draft, checked above
        given_ports = tuple([Port(v.name, v.tensor, v.name in training) for v in own if v.tensor is not None])
        return Graph(kind, label, taken_ports, tuple(nodes), given_ports, results)

    def uses(self, value: Val) -> bool:
        """Whether this graph uses an outer value."""
        return id(value) in self.captured

    def order(self, values: Iterable[Val]) -> None:
        """Make these outer values, if they are used, the first inputs, in this order."""
        used = {id(value): self.captured[id(value)] for value in values if self.uses(value)}
        self.captured = {**used, **self.captured}

    def unused(self, outputs: Iterable[Val]) -> list[str]:
        """The names of nodes whose output is not used."""
        used = {id(v) for d in self.drafts for v in d.inputs} | {id(self.use(output)) for output in outputs}
        return [d.name for d in self.drafts if id(d.output) not in used]


def _is_whole(tensor: TensorType) -> bool:
    return tensor.known and tensor.dtype != UNKNOWN_DTYPE


def blank(ndim: int) -> TensorType:
    """A type of known rank whose dimensions are unknown."""
    return TensorType((BATCH, *[UNKNOWN] * (ndim - 1)), UNKNOWN_DTYPE)
