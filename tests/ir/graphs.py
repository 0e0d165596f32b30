"""Networks that the language cannot write yet, made by hand: several inputs and outputs, and shared weights."""

from __future__ import annotations

from typing import Any

from archspec.ir import INPUT, Graph, Node, Port, Value
from archspec.ops import Operation, infer_outputs, make_op
from archspec.types import BATCH, TensorType


def batch(*shape: int, dtype: str = "float32") -> TensorType:
    """A type without its batch, which is N."""
    return TensorType((BATCH, *shape), dtype)


class Hand:
    """A graph, node after node; types are inferred."""

    def __init__(self, kind: str = "network", /, **inputs: TensorType) -> None:
        self.kind = kind
        self.ports = [Port(name, x) for name, x in inputs.items()]
        self.nodes: list[Node] = []
        self.inputs = [Value(INPUT, k) for k in range(len(inputs))]

    def add(self, name: str, target: Operation | Graph | str, *values: Value, state: str | None = None, **fields: Any):
        """A node of an op (by name, with its fields) or of a sub-graph; the value or values that it gives."""
        target = make_op(target, fields) if isinstance(target, str) else target
        types = tuple(self.type_of(value) for value in values)
        outputs = tuple(p.type for p in target.outputs) if isinstance(target, Graph) else infer_outputs(target, types)
        self.nodes.append(Node(name, target, values, outputs, state))
        made = tuple(Value(len(self.nodes) - 1, port) for port in range(len(outputs)))
        return made[0] if len(made) == 1 else made

    def type_of(self, value: Value) -> TensorType:
        return self.ports[value.port].type if value.node == INPUT else self.nodes[value.node].outputs[value.port]

    def graph(self, *, verify: bool = True, **outputs: Value) -> Graph:
        """The graph with these outputs."""
        ports = tuple(Port(name, self.type_of(value)) for name, value in outputs.items())
        graph = Graph(self.kind, "hand", tuple(self.ports), tuple(self.nodes), ports, tuple(outputs.values()))
        if verify:
            graph.verify()
        return graph


def tower(size: int, features: int = 4, *, flat: bool = False) -> Graph:
    """A convolution, a batch norm and a relu of images (1, size, size); flat: with a linear layer at the end."""
    hand = Hand("block", x=batch(1, size, size))
    y = hand.add("conv", "conv2d", hand.inputs[0], out_channels=features, kernel_size=3, bias=False)
    y = hand.add("act", "relu", hand.add("norm", "batch_norm2d", y))
    if flat:
        y = hand.add("fc", "linear", hand.add("flat", "flatten", y), out_features=5)
    return hand.graph(y=y)


def siamese() -> Graph:
    """Two inputs, two outputs, and one tower that sees both inputs with the same weights."""
    shared = tower(8)
    hand = Hand(left=batch(1, 8, 8), right=batch(1, 8, 8))
    left, right = hand.inputs
    a = hand.add("tower", shared, left)
    b = hand.add("again", shared, right, state="tower")
    joined = hand.add("join", "add", a, b)
    distance = hand.add("head", "linear", hand.add("flat", "flatten", joined), out_features=1)
    return hand.graph(distance=distance, features=joined)
