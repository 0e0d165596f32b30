"""What a diagram shows, before anything has a size or a place: boxes in boxes, and the edges between them.

A layer is a box, and so are a stage, a block and the copies of a repeat, which are frames around their parts. A frame
with a single frame in it is one frame. Lists of layers, and merges without a name of their own, have no frame: their
parts lie in the frame around them, the branches side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from archspec.analysis.report import Report, ReportNode
from archspec.ir import Graph, Node, Port
from archspec.ir.graph import INPUT, Value
from archspec.show.words import detail_of, name_of, shape_of, written_of
from archspec.types import TensorType

START: Final = -1  # the frame's own inputs, in `Edge.source`
END: Final = -2  # the frame's own outputs, in `Edge.target`
Key = tuple[int, ...]


class Edge(NamedTuple):
    """A value that flows from one box of a frame to another.

    source, target: numbers of boxes, START or END. shape: without the batch. port: the name of the frame's input that
    it is, if the frame has several. key: the branches in which it lies, see `Box.keys`.
    """

    source: int
    target: int
    shape: str
    port: str
    key: Key


@dataclass(frozen=True, slots=True)
class Box:
    """A layer, a frame, or an input or output of the network.

    kind: op, frame, input or output. path: of the node, and of the first of several copies. name: empty if the label
    says as much. label: the op, or the block's name. shape: of its first output. detail: the op's window and other
    numbers. written: the op with its fields, as in a spec. note: `training only`, `shared with tower`.
    count: the number of equal copies for which it stands. paths: of all copies, those of the frames around it included.
    figures: the cost of all copies by measure: params, macs, memory, and those of a machine.
    boxes, keys, edges: of a frame. keys: for each box the numbers of the branches in which it lies, outermost first;
    boxes with smaller keys are further left.
    """

    kind: str
    path: str
    name: str
    label: str
    shape: str
    detail: str = ""
    written: str = ""
    note: str = ""
    count: int = 1
    paths: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    keys: tuple[Key, ...] = ()
    edges: tuple[Edge, ...] = ()

    @property
    def copies(self) -> int:
        """The number of copies for which it stands."""
        return len(self.paths)

    @property
    def is_frame(self) -> bool:
        """Whether there are boxes in it."""
        return self.kind == "frame"

    def walk(self) -> Iterator[Box]:
        """It, and every box in it, from the top."""
        yield self
        for box in self.boxes:
            yield from box.walk()

    def levels(self) -> int:
        """The levels of frames in it."""
        return max((box.levels() + 1 for box in self.boxes if box.is_frame), default=0)


def scene_of(graph: Graph, report: Report) -> Box:
    """The whole network as one frame, with a box for each of its inputs and outputs. report: its costs."""
    frame = _Frame((), outermost=True)
    sources = [_Source(frame.add(_end_box("input", port, len(graph.inputs)), ())) for port in graph.inputs]
    results = frame.run(graph, report.root, sources, (), ("",))
    for port, source in zip(graph.outputs, results, strict=True):
        end = frame.add(_end_box("output", port, len(graph.outputs)), ())
        frame.connect(source, end, port.type, ())
    return frame.close(Box("frame", "", report.name, "", "", figures=_figures(report.root, 1)))


def _end_box(kind: str, port: Port, several: int) -> Box:
    note = "training only" if port.training else ""
    named = several > 1 or (kind == "input" and port.name != kind)
    return Box(kind, port.name, port.name if named else "", kind, shape_of(port.type), note=note)


class _Source(NamedTuple):
    """Where a value comes from: an output of a box, or an input of the frame if the box is START."""

    box: int
    port: int = 0


class _Frame:
    """A frame that is being filled.

    ports: the names of its inputs if they are drawn, which is if there are several. outermost: whether it is the
    network, in which every stage has a frame. shared: whether its title says with what it shares its weights.
    """

    def __init__(self, ports: Sequence[str], *, outermost: bool = False, shared: bool = False) -> None:
        self.boxes: list[Box] = []
        self.keys: list[Key] = []
        self.edges: dict[Edge, None] = {}
        self.ports = ports
        self.outermost = outermost
        self.shared = shared

    def add(self, box: Box, key: Key) -> int:
        """Put a box into the frame; its number."""
        self.boxes.append(box)
        self.keys.append(key)
        return len(self.boxes) - 1

    def connect(self, source: _Source, target: int, x: TensorType, key: Key, port: str = "") -> None:
        """Draw a value as an edge; once, if the target takes it several times."""
        if source.box == START and self.ports:
            port = self.ports[source.port]
        self.edges[Edge(source.box, target, shape_of(x), port, key)] = None

    def run(
        self, graph: Graph, row: ReportNode, inputs: Sequence[_Source], key: Key, copies: Sequence[str]
    ) -> list[_Source]:
        """Put the nodes of a graph into the frame. Returns the sources of its results.

        row: the graph's row of the report. copies: what the paths of its nodes begin with, in each copy.
        """
        made: list[Sequence[_Source]] = []
        for child in row.children:
            nodes = range(len(made), len(made) + child.count)
            values = {value: None for k in nodes for value in graph.nodes[k].inputs if value.node not in nodes}
            given = {value: _source(value, inputs, made) for value in values}
            made += [self._put(graph, nodes, child, given, key, copies)] * child.count
        return [_source(value, inputs, made) for value in graph.results]

    def _put(
        self, graph: Graph, nodes: range, row: ReportNode, given: Mapping[Value, _Source], key: Key,
        copies: Sequence[str],
    ) -> Sequence[_Source]:
        """Put equal nodes into the frame as one box, or the parts of a graph without a frame. Returns its outputs."""
        node = graph.nodes[nodes[0]]
        own = _branch(graph, Value(nodes[0]), key)
        paths = [f"{copy}{graph.nodes[k].name}" for copy in copies for k in nodes]
        if isinstance(node.target, Graph):
            if not self.outermost and _without_frame(node, row):
                return self.run(node.target, row, [given[value] for value in node.inputs], own, _within(paths))
            box = self._frame(node.target, row, paths)
        else:
            box = self._op(node, row, paths)
        number, joins = self.add(box, own), _joins(graph, node)
        for value, source in given.items():
            self.connect(source, number, graph.type_of(value), _branch(graph, value, key) if joins else own)
        return [_Source(number, port) for port in range(len(node.outputs))]

    def _frame(self, graph: Graph, row: ReportNode, paths: Sequence[str]) -> Box:
        ports = [port.name for port in graph.inputs] if len(graph.inputs) > 1 else []
        frame = _Frame(ports, shared=self.shared or row.shared_with is not None)
        sources = [_Source(START, k) for k in range(len(graph.inputs))]
        results = frame.run(graph, row, sources, (), _within(paths))
        for port, source in zip(graph.outputs, results, strict=True):
            frame.connect(source, END, port.type, (), port.name if len(graph.outputs) > 1 else "")
        name = name_of(row.name, row.label)
        plain = row.kind == "sequence" or (row.kind == "repeat" and name)  # then nobody chose its label
        return frame.close(Box(
            "frame", row.path, _numbered(name, row.count), "" if plain else row.label, shape_of(graph.outputs[0].type),
            note=self._note(row), count=row.count, paths=tuple(paths), figures=_figures(row, len(paths)),
        ))

    def _op(self, node: Node, row: ReportNode, paths: Sequence[str]) -> Box:
        assert node.op is not None
        return Box(
            "op", row.path, _numbered(name_of(row.name, row.label), row.count), row.label, shape_of(node.outputs[0]),
            detail_of(node.op), written_of(node.op), self._note(row), row.count, tuple(paths),
            _figures(row, len(paths)),
        )

    def _note(self, row: ReportNode) -> str:
        shared = f"shared with {row.shared_with}" if row.shared_with and not self.shared else ""
        return ", ".join(filter(None, ("training only" if row.training_only else "", shared)))

    def close(self, box: Box) -> Box:
        """The box with what the frame holds. A frame with nothing but a frame in it becomes one with it."""
        inner = self.boxes[0] if len(self.boxes) == 1 else None
        around = any(edge.source == START and edge.target == END for edge in self.edges)
        if inner is None or not inner.is_frame or around:
            return replace(box, boxes=tuple(self.boxes), keys=tuple(self.keys), edges=tuple(self.edges))
        return replace(
            inner, path=box.path, name=box.name, label=_telling(inner.label, box.label), shape=box.shape,
            note=box.note or inner.note, count=box.count * inner.count, figures=box.figures,
        )


def _telling(inner: str, outer: str) -> str:
    """The label of two frames that become one: that of the inner one, unless it is a list beside a block."""
    return outer if inner == "sequential" and outer else inner or outer


def _within(paths: Sequence[str]) -> list[str]:
    return [f"{path}." for path in paths]


def _source(value: Value, inputs: Sequence[_Source], made: Sequence[Sequence[_Source]]) -> _Source:
    return inputs[value.port] if value.node == INPUT else made[value.node][value.port]


def _joins(graph: Graph, node: Node) -> bool:
    """Whether it is the op that joins the branches of a merge."""
    return graph.kind == "merge" and node is graph.nodes[-1]


def _branch(graph: Graph, value: Value, key: Key) -> Key:
    """The key of a value of a graph whose own key is `key`: with the branch's number, if it is one of a merge."""
    branches = graph.nodes[-1].inputs if graph.kind == "merge" else ()
    return (*key, branches.index(value)) if value in branches else key


def _without_frame(node: Node, row: ReportNode) -> bool:
    """Whether a graph's parts lie in the frame around it: a list of layers, or a merge that is not a named block."""
    anonymous = row.kind == "merge" and row.label == row.children[-1].label
    return row.count == 1 and node.state is None and (row.kind == "sequence" or anonymous)


def with_figures(box: Box, layers: Mapping[str, Mapping[str, float]]) -> Box:
    """The box with further figures of its layers, by path; a frame has the sums of its parts."""
    boxes = tuple(with_figures(inner, layers) for inner in box.boxes)
    parts = [inner.figures for inner in boxes] if box.is_frame else [layers.get(path, {}) for path in box.paths]
    found: dict[str, float] = {}
    for name in {name: None for part in parts for name in part}:
        found[name] = sum(part.get(name, 0.0) for part in parts)
    return replace(box, boxes=boxes, figures={**found, **box.figures})


def _numbered(name: str, count: int) -> str:
    """The name, and that of the last of several copies: `1–7`."""
    return name if count == 1 else f"{name}–{int(name) + count - 1}"


def _figures(row: ReportNode, copies: int) -> dict[str, float]:
    return {"params": row.cost.params * copies, "macs": row.cost.macs * copies, "memory": row.activation_bytes * copies}
