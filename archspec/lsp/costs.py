"""Shapes and costs of layers: matches the layers of a text with the nodes of the network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from archspec.analysis.report import ReportNode
from archspec.api import Loaded
from archspec.diagnostics import plural
from archspec.language.names import module_names
from archspec.language.syntax import At, Body, Layer, Library, Program
from archspec.source.document import Path
from archspec.text import count_text, shape_text

_SHOWN: Final = 3  # the most different uses of a layer that are shown
_VISITED: Final = 20_000  # the most nodes of a network that are visited

Place = tuple[str, Path]  # the name of a text, and the path to a value in it


@dataclass(frozen=True, slots=True)
class Use:
    """A layer at one place of the network: its path, its input shapes, and its row of the report."""

    path: str
    entering: tuple[tuple[int, ...], ...]
    row: ReportNode


class Costs:
    """The uses of every layer of a spec, by the place where the layer is written."""

    def __init__(self, loaded: Loaded, program: Program) -> None:
        self.uses: defaultdict[Place, list[Use]] = defaultdict(list)
        self.stages: dict[str, list[Use]] = {}
        self.rows = {row.path: row for row in _rows(loaded.costs.root)}
        self.visited = 0
        for name, body in program.stages.items():
            self._named(loaded.graph, name, body, program.library, name)
            self.stages[name] = self.uses[body.at.document.name, body.at.path]

    def at(self, document: str, path: Path) -> list[Use]:
        """The uses of the layer at a path, or of the innermost layer around it."""
        for length in range(len(path), 0, -1):
            found = self.uses.get((document, path[:length]))
            if found:
                return found
        return []

    def _named(self, graph: Any, name: str, body: Body, library: Library, path: str) -> None:
        """Add a stage or branch, which is the node with that name in a graph."""
        node = _node(graph, name)
        if node is None:
            return
        self._note(node, graph, body.at, path)
        if body.bare:
            self._layer(node, graph, body.layers[0], library, path)
        else:
            self._body(_graph(node), body, library, path)

    def _body(self, graph: Any, body: Body, library: Library, prefix: str) -> None:
        if graph is None:
            return
        for name, layer in zip(module_names(body.layers), body.layers, strict=True):
            node = _node(graph, name)
            if node is not None:
                self._layer(node, graph, layer, library, f"{prefix}.{name}")

    def _layer(self, node: Any, graph: Any, layer: Layer, library: Library, path: str) -> None:
        self.visited += 1
        if self.visited > _VISITED:
            return
        self._note(node, graph, layer.place, path)
        copies = _graph(node)
        if layer.repeat is None or copies is None or copies.kind != "repeat":
            self._inside(node, graph, layer, library, path)
            return
        for copy in {id(copy.target): copy for copy in reversed(copies.nodes)}.values():
            self._inside(copy, copies, layer, library, f"{path}.{copy.name}")

    def _inside(self, node: Any, graph: Any, layer: Layer, library: Library, path: str) -> None:
        """Add the inside of a layer: its own body or branches, or those of the block that it calls."""
        for name, body in layer.branches.items():
            self._named(_graph(node), name, body, library, f"{path}.{name}")
        if layer.body is not None:
            self._body(_graph(node), layer.body, library, path)
        block = library.find(layer.kind) if layer.kind else None
        if block is not None and block.body.bare:
            self._layer(node, graph, block.body.layers[0], block.home, path)
        elif block is not None:
            self._body(_graph(node), block.body, block.home, path)

    def _note(self, node: Any, graph: Any, at: At, path: str) -> None:
        row = self.rows.get(path)
        if row is not None:
            entering = tuple(tensor.shape[1:] for tensor in graph.arguments(node))
            self.uses[at.document.name, at.path].append(Use(path, entering, row))


def described(uses: list[Use]) -> str:
    """The uses as Markdown, without duplicates."""
    lines: dict[object, str] = {}
    for use in uses:
        row = use.row
        key = use.entering, row.output_shape, row.cost
        shapes = " and ".join(map(shape_text, use.entering))
        counts = f"{count_text(row.cost.params)} params, {count_text(row.cost.macs)} MACs"
        times = f", {row.count} times" if row.count > 1 else ""
        shared = f", shared with `{row.shared_with}`" if row.shared_with else ""
        lines.setdefault(key, f"`{use.path}`: {shapes} → {shape_text(row.output_shape)}, {counts}{times}{shared}")
    shown = list(lines.values())[:_SHOWN]
    more = len(lines) - len(shown)
    return "  \n".join([*shown, *([f"… and {plural(more, 'other shape')}"] if more else [])])


def _rows(row: ReportNode) -> Iterator[ReportNode]:
    waiting = [row]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.children


def _node(graph: Any, name: str) -> Any:
    return next((node for node in graph.nodes if node.name == name), None) if graph is not None else None


def _graph(node: Any) -> Any:
    """The graph that a node calls, or None if it runs an op."""
    return node.target if node.op is None else None
