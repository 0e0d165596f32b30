"""Parameters, buffers, MACs and activation memory of every layer, summed up the tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archspec.graph import Graph, Node
from archspec.ops import cost_of
from archspec.types import DTYPE_BYTES, Cost, TensorType

JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One op of the network. Shapes are without the batch; `macs` and `activation_bytes` are for the batch."""

    path: str
    op: str
    output_shape: tuple[int, ...]
    params: int
    buffers: int
    macs: int
    elementwise_flops: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class ReportNode:
    """A row of the report: an op, or a sub-graph with the sum of what is in it.

    kind: network, sequence, block, merge, repeat or op. label: what the spec calls it.
    count: this many equal consecutive copies of a repeat are one row; its figures are for one of them, and
    its name and path are those of the first.
    activation_bytes: the sum of all op outputs in it, views (flatten) and dropout included.
    """

    name: str
    path: str
    kind: str
    label: str
    output_shape: tuple[int, ...]
    cost: Cost
    activation_bytes: int
    count: int
    children: tuple[ReportNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What one forward pass of a batch costs.

    `root.cost`: params and buffers in elements; macs (bias not counted) and elementwise_flops for the batch.
    """

    name: str
    input_shape: tuple[int, ...]
    batch_size: int
    dtype: str
    root: ReportNode

    @property
    def params(self) -> int:
        """Learned elements."""
        return self.root.cost.params

    @property
    def buffers(self) -> int:
        """Elements of state, such as running means."""
        return self.root.cost.buffers

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward pass of the batch; bias not counted."""
        return self.root.cost.macs

    @property
    def flops(self) -> int:
        """2 × MACs: convolutions and linear products only."""
        return 2 * self.macs

    @property
    def activation_bytes(self) -> int:
        """Bytes of all op outputs of the batch together."""
        return self.root.activation_bytes

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the network's output, without the batch."""
        return self.root.output_shape

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Output shape of each stage, without the batch, in the order of the spec."""
        return {child.name: child.output_shape for child in self.root.children}

    def layers(self) -> tuple[LayerCost, ...]:
        """Every op in order; the copies of a repeat one by one."""
        return tuple(layer for row in self.root.children for layer in _layers(row, ""))

    def dominant(self, figure: str) -> tuple[LayerCost, float] | None:
        """The op with the largest `params`, `macs` or `activation_bytes`, and its share of the total."""
        layers = self.layers()
        total = sum(getattr(layer, figure) for layer in layers)
        if not total:
            return None
        top = max(layers, key=lambda layer: getattr(layer, figure))
        return top, getattr(top, figure) / total

    def to_json(self) -> dict[str, Any]:
        """The versioned form of `--json`."""
        return {
            "format": JSON_FORMAT,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
            "batch_size": self.batch_size,
            "dtype": self.dtype,
            "totals": {
                "params": self.params,
                "buffers": self.buffers,
                "macs": self.macs,
                "flops": self.flops,
                "elementwise_flops": self.root.cost.elementwise_flops,
                "activation_bytes": self.activation_bytes,
            },
            "layers": [
                {
                    "path": x.path, "op": x.op, "output_shape": list(x.output_shape), "params": x.params,
                    "buffers": x.buffers, "macs": x.macs, "elementwise_flops": x.elementwise_flops,
                    "activation_bytes": x.activation_bytes,
                }
                for x in self.layers()
            ],
        }


def _layers(row: ReportNode, prefix: str) -> Iterator[LayerCost]:
    for copy in range(row.count):
        name = row.name if row.count == 1 else str(int(row.name) + copy)
        path = f"{prefix}{name}"
        if row.kind == "op":
            cost = row.cost
            yield LayerCost(
                path, row.label, row.output_shape, cost.params, cost.buffers, cost.macs, cost.elementwise_flops,
                row.activation_bytes,
            )
        for child in row.children:
            yield from _layers(child, f"{path}.")


def cost_report(graph: Graph, *, batch_size: int = 1, dtype: str = "float32") -> Report:
    """Price every op of a network. Needs only shapes; equal copies of a repeat are priced once.

    Every figure that depends on the batch is linear in it: no op mixes samples. Raises ValueError for a batch
    below 1, or a dtype that is not in `DTYPE_BYTES`.
    """
    if batch_size < 1 or dtype not in DTYPE_BYTES:
        raise ValueError(f"no figures for a batch of {batch_size} in {dtype}; dtypes: {', '.join(DTYPE_BYTES)}")
    root = Node(graph.label, graph, tuple(range(len(graph.inputs))), graph.result)
    row = _row(root, tuple(t for _, t in graph.inputs), "", batch_size, DTYPE_BYTES[dtype])
    return Report(graph.label, graph.inputs[0][1].shape[1:], batch_size, dtype, row)


def _row(
    node: Node, inputs: tuple[TensorType, ...], path: str, batch: int, width: int, count: int = 1
) -> ReportNode:
    shape = node.output.shape[1:]
    if not isinstance(node.target, Graph):
        one = cost_of(node.target, inputs, (node.output,))
        cost = Cost(one.macs * batch, one.params, one.buffers, one.elementwise_flops * batch)
        return ReportNode(
            node.name, path, "op", node.target.op, shape, cost, node.output.numel * batch * width, count
        )
    graph = node.target
    children = []
    cost, memory = Cost(), 0
    for child, copies in _collapsed(graph):
        below = f"{path}.{child.name}" if path else child.name
        row = _row(child, graph.arguments(child), below, batch, width, copies)
        children.append(row)
        cost += _times(row.cost, copies)
        memory += row.activation_bytes * copies
    return ReportNode(node.name, path, graph.kind, graph.label, shape, cost, memory, count, tuple(children))


def _times(cost: Cost, n: int) -> Cost:
    return Cost(cost.macs * n, cost.params * n, cost.buffers * n, cost.elementwise_flops * n)


def _collapsed(graph: Graph) -> Iterator[tuple[Node, int]]:
    """The nodes of a graph; equal consecutive copies of a repeat as one, with their number."""
    if graph.kind != "repeat":
        yield from ((node, 1) for node in graph.nodes)
        return
    run: list[Node] = []
    for node in graph.nodes:
        if run and not (node.target is run[-1].target and graph.arguments(node) == graph.arguments(run[-1])):
            yield run[0], len(run)
            run = []
        run.append(node)
    if run:
        yield run[0], len(run)
