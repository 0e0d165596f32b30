"""What a network costs, as data: a tree of rows, and the same as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from archspec.diagnostics import SourceSpan
from archspec.ir import Place, Port, StateId
from archspec.printing.shown import Shown
from archspec.types import Cost, TensorType

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.analysis.resources import Resources
    from archspec.execution import Setting
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe

JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One op of the network. Shapes are without the batch; `macs` and `activation_bytes` are for the batch.

    training_only: whether it runs only in training.
    shared_with: the path of the op whose weights it uses; None if it has its own, or none.
    backward_macs: of its gradients in a training step: of its weights, and of each input that something before it
    learns from.
    """

    path: str
    op: str
    output_shapes: tuple[tuple[int, ...], ...]
    params: int
    buffers: int
    macs: int
    elementwise_flops: int
    activation_bytes: int
    at: Place | None = field(default=None, compare=False, repr=False)
    training_only: bool = False
    shared_with: StateId | None = None
    backward_macs: int = 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its first output."""
        return self.output_shapes[0]

    @property
    def origin(self) -> SourceSpan | None:
        """Where it is written in the spec, or in a library of blocks; None if there is no text."""
        return None if self.at is None else self.at.span()


@dataclass(frozen=True, slots=True)
class ReportNode:
    """A row of the report: an op, or a sub-graph with the sum of its ops.

    kind: network, sequence, block, merge, repeat or op. label: its name in the spec.
    count: the row stands for this many equal consecutive copies of a repeat; its figures are for one of them, and
    its name and path are those of the first.
    activation_bytes: the sum of all op outputs in it, views (flatten) and dropout included.
    training_only: whether only training runs it. The network's row then counts its params and buffers, and not its
    MACs, element-wise work and activations.
    shared_with: the path of the node whose weights it uses; None if it has its own, or none.
    backward_macs: of the gradients in a training step. The network's row includes layers for training only.
    """

    name: str
    path: str
    kind: str
    label: str
    output_shapes: tuple[tuple[int, ...], ...]
    cost: Cost
    activation_bytes: int
    count: int
    children: tuple[ReportNode, ...] = ()
    at: Place | None = field(default=None, compare=False, repr=False)
    training_only: bool = False
    shared_with: StateId | None = None
    backward_macs: int = 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its first output."""
        return self.output_shapes[0]


@dataclass(frozen=True, slots=True)
class Report(Shown):
    """The cost of one forward pass of a batch in evaluation. It prints as `archspec profile --static` does.

    `root.cost`: params and buffers in elements, including those of layers that only training runs; macs (bias not
    counted) and elementwise_flops for the batch. inputs, outputs: those of the network. description: of the spec.
    graph, recipe: the network, and how it is trained, for the memory of a training step. run_text: of a network, recipe
    and setting, what the recipe's run takes on this machine, which is calibrated; None if that is not known.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    batch_size: int
    dtype: str
    root: ReportNode
    description: str = field(default="", compare=False)
    graph: Graph | None = field(default=None, compare=False)
    recipe: Recipe | None = field(default=None, compare=False)
    run_text: Callable[[Graph, Recipe, Setting], str | None] | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"<Report of {self.name}, batch {self.batch_size}: {self.params:,} parameters, {self.macs:,} MACs>"

    @override
    def show(self, console: Console) -> None:
        """What `archspec profile --static` prints."""
        from archspec.analysis.timing import times_here
        from archspec.printing import prediction, profile_table

        found = self.simulated()
        memory = None if found is None else found.step_text()
        profile_table.show(self, console, description=self.description, step=memory)
        if found is not None and (times := times_here(found)) is not None:
            run = None
            if self.graph is not None and self.recipe is not None and self.run_text is not None and times.step:
                run = self.run_text(self.graph, self.recipe, found.setting)
            prediction.show(times, found.setting, console, self.equal_layers(), run=run)

    def simulated(self) -> Resources | None:
        """Memory and traffic of the batch in inference and training, with the recipe's optimizer, without torch.

        None for a report that was made without its network.
        """
        if self.graph is None:
            return None
        from archspec.analysis.resources import resources
        from archspec.execution import Optimizer, Setting

        recipe = self.recipe
        optimizer = Optimizer() if recipe is None else Optimizer(recipe.optimizer, recipe.momentum)
        return resources(self.graph, Setting(batch_size=self.batch_size, dtype=self.dtype, optimizer=optimizer))

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the network's inputs, without the batch."""
        return tuple(port.type.shape[1:] for port in self.inputs)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the network's first input, without the batch."""
        return self.input_shapes[0]

    @property
    def params(self) -> int:
        """Number of learned parameters."""
        return self.root.cost.params

    @property
    def buffers(self) -> int:
        """Elements of buffers, such as running means."""
        return self.root.cost.buffers

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward pass of the batch in evaluation, without biases."""
        return self.root.cost.macs

    @property
    def training_macs(self) -> int:
        """Multiply-adds of one forward pass in training: those of layers that only training runs included."""
        return sum(row.cost.macs for row in self.root.children)

    @property
    def backward_macs(self) -> int:
        """Multiply-adds of the gradients of one training step: of all weights, and of every activation but the inputs.

        Less than 2 × `training_macs`, because the first layers need no gradient for the network's inputs.
        """
        return self.root.backward_macs

    @property
    def flops(self) -> int:
        """2 × MACs: only convolutions and linear products."""
        return 2 * self.macs

    @property
    def activation_bytes(self) -> int:
        """Bytes of all op outputs of the batch in evaluation."""
        return self.root.activation_bytes

    @property
    def training_activation_bytes(self) -> int:
        """Bytes of all op outputs in training: those of layers that only training runs included."""
        return sum(row.activation_bytes for row in self.root.children)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the network's first output in evaluation, without the batch."""
        return next(port.type.shape[1:] for port in self.outputs if not port.training)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Output shape of each stage, without the batch, in the order of the spec."""
        return {child.name: child.output_shape for child in self.root.children}

    def layers(self) -> tuple[LayerCost, ...]:
        """Every op in order, including each copy of a repeat."""
        return tuple(layer for row in self.root.children for layer in _layers(row, "", training_only=row.training_only))

    def equal_layers(self) -> Iterator[tuple[str, ...]]:
        """The paths of every op, those of equal copies of a repeat together, as the rows of the tree stand for them."""
        for row in self.root.children:
            yield from _equal(row, ("",))

    def dominant(self, figure: str) -> tuple[LayerCost, float] | None:
        """The op with the largest `params`, `macs` or `activation_bytes`, and its share of the total."""
        layers = [x for x in self.layers() if figure == "params" or not x.training_only]
        total = sum(getattr(layer, figure) for layer in layers)
        if not total:
            return None
        top = max(layers, key=lambda layer: getattr(layer, figure))
        return top, getattr(top, figure) / total

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON of `--json`."""
        return {
            "format": JSON_FORMAT,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
            "inputs": [{"name": name, **_type_json(x)} for name, x, _ in self.inputs],
            "outputs": [
                {"name": name, **_type_json(x), "training_only": training} for name, x, training in self.outputs
            ],
            "batch_size": self.batch_size,
            "dtype": self.dtype,
            "totals": {
                "params": self.params,
                "buffers": self.buffers,
                "macs": self.macs,
                "flops": self.flops,
                "elementwise_flops": self.root.cost.elementwise_flops,
                "activation_bytes": self.activation_bytes,
                "training_macs": self.training_macs,
                "backward_macs": self.backward_macs,
                "training_activation_bytes": self.training_activation_bytes,
            },
            "layers": [
                {
                    "path": x.path, "op": x.op, "output_shape": list(x.output_shape), "params": x.params,
                    "buffers": x.buffers, "macs": x.macs, "backward_macs": x.backward_macs,
                    "elementwise_flops": x.elementwise_flops,
                    "activation_bytes": x.activation_bytes, "training_only": x.training_only,
                    **({} if x.shared_with is None else {"shared_with": x.shared_with}),
                }
                for x in self.layers()
            ],
        }


def _type_json(x: TensorType) -> dict[str, Any]:
    limit = {} if x.below is None else {"below": x.below}
    return {"shape": list(x.shape[1:]), "dtype": x.dtype, **limit}


def copies(row: ReportNode, prefixes: Sequence[str]) -> list[str]:
    """The paths of all copies for which a row stands, below each of the prefixes, which end in a dot or are empty."""
    names = [row.name] if row.count == 1 else [str(int(row.name) + k) for k in range(row.count)]
    return [prefix + name for prefix in prefixes for name in names]


def _equal(row: ReportNode, prefixes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    paths = copies(row, prefixes)
    if not row.children:
        yield tuple(paths)
    for child in row.children:
        yield from _equal(child, [f"{path}." for path in paths])


def _layers(row: ReportNode, prefix: str, *, training_only: bool) -> Iterator[LayerCost]:
    for copy in range(row.count):
        name = row.name if row.count == 1 else str(int(row.name) + copy)
        path = f"{prefix}{name}"
        if row.kind == "op":
            cost = row.cost
            yield LayerCost(
                path, row.label, row.output_shapes, cost.params, cost.buffers, cost.macs, cost.elementwise_flops,
                row.activation_bytes, row.at, training_only, row.shared_with, row.backward_macs,
            )
        for child in row.children:
            yield from _layers(child, f"{path}.", training_only=training_only)
