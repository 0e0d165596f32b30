"""Building one graph inside another: values of an enclosing graph are captured as inputs where they are used."""

from __future__ import annotations

from dataclasses import dataclass, field

from archspec.graph import Graph, Node
from archspec.ops import Operation
from archspec.tensors import UNKNOWN, Tensor, shape_text

TRAIL_LENGTH = 8  # how many shapes of the way to an error are told


@dataclass(slots=True, eq=False)
class Val:
    """A value while its graph is being built. `tensor` is None where an error left even its rank unknown."""

    owner: Builder
    name: str
    tensor: Tensor | None


@dataclass(slots=True)
class _Draft:
    name: str
    target: Operation | Graph | None  # None: broken, an error was told
    inputs: tuple[Val, ...]
    output: Val


@dataclass(slots=True, eq=False)
class Builder:
    """One graph under construction. `path` is where it stands: stages.b4.main."""

    parent: Builder | None
    path: str
    captured: dict[int, tuple[Val, Val]] = field(default_factory=dict)  # id(outer) -> (outer, own)
    drafts: list[_Draft] = field(default_factory=list)
    trail: list[tuple[str, Tensor | None]] = field(default_factory=list)

    def child(self, name: str) -> Builder:
        """A builder for a sub-graph called `name`."""
        return Builder(self, f"{self.path}.{name}")

    def use(self, value: Val) -> Val:
        """This graph's own handle of a value, captured through all graphs between if it is an outer one."""
        if value.owner is self:
            return value
        found = self.captured.get(id(value))
        if found is None:
            assert self.parent is not None, "a value of no enclosing graph"
            outer = self.parent.use(value)
            found = (outer, Val(self, value.name, value.tensor))
            self.captured[id(value)] = found
        return found[1]

    def run(self, name: str, op: Operation | None, inputs: tuple[Val, ...], output: Tensor | None) -> Val:
        """Append a node that runs an op."""
        result = Val(self, name, output)
        self.drafts.append(_Draft(name, op, tuple(self.use(v) for v in inputs), result))
        self.trail.append((name, output))
        return result

    def call(self, sub: Builder, name: str, output: Val, *, kind: str, label: str) -> Val:
        """Append a node that calls what `sub` has built; nothing if it built nothing (the identity)."""
        if not sub.drafts:
            return output  # an outer value flows on
        graph = sub.finish(output, kind, label)
        return self.call_graph(name, graph, tuple(outer for outer, _ in sub.captured.values()), output)

    def call_graph(self, name: str, graph: Graph | None, inputs: tuple[Val, ...], output: Val) -> Val:
        """Append a node that calls a finished graph (None: it is broken)."""
        result = Val(self, name, output.tensor)
        self.drafts.append(_Draft(name, graph, tuple(self.use(v) for v in inputs), result))
        self.trail.append((name, output.tensor))
        return result

    def finish(self, output: Val, kind: str, label: str) -> Graph | None:
        """The finished graph, or None if an error left something in it unknown."""
        own = self.use(output)
        inputs = [mine for _, mine in self.captured.values()]
        index = {id(v): k for k, v in enumerate((*inputs, *(d.output for d in self.drafts)))}
        nodes = []
        for draft in self.drafts:
            tensor = draft.output.tensor
            if draft.target is None or tensor is None or not tensor.known:
                return None
            nodes.append(Node(draft.name, draft.target, tuple(index[id(v)] for v in draft.inputs), tensor))
        ports = tuple((v.name, v.tensor) for v in inputs if v.tensor is not None and v.tensor.known)
        if len(ports) != len(inputs):
            return None
        return Graph(kind, label, ports, tuple(nodes), output=index[id(own)])

    def unused(self, output: Val) -> list[str]:
        """Names of nodes whose output nothing takes."""
        used = {id(v) for d in self.drafts for v in d.inputs} | {id(self.use(output))}
        return [d.name for d in self.drafts if id(d.output) not in used]

    def way(self) -> str:
        """The shapes that led here: input (1, 28, 28) → b1 (64, 14, 14)."""
        levels: list[Builder] = []
        builder: Builder | None = self
        while builder is not None:
            levels.append(builder)
            builder = builder.parent
        steps = [step for level in reversed(levels) for step in level.trail]
        told = [f"{name} {shape_text(t.shape) if t else '(unknown)'}" for name, t in steps]
        if len(told) > TRAIL_LENGTH:
            told = [told[0], "…", *told[-(TRAIL_LENGTH - 1) :]]
        return " → ".join(told)


def blank(ndim: int) -> Tensor:
    """A tensor of which only the rank is known."""
    return Tensor((1, *[UNKNOWN] * (ndim - 1)))
