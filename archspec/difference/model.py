"""The difference between two specs as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from archspec.analysis import LayerCost
from archspec.difference.figures import FigureChange, Number
from archspec.difference.structure import Edit
from archspec.ir.diff import Change
from archspec.printing.shown import Shown

if TYPE_CHECKING:
    from rich.console import Console

JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One op of two networks: the aligned ops, or one that only one network has, for which the other is None."""

    before: LayerCost | None
    after: LayerCost | None

    @property
    def path(self) -> str:
        """Its path in the second network, or in the first if the second does not have it."""
        layer = self.after or self.before
        assert layer is not None
        return layer.path

    def change(self, figure: str) -> int:
        """By how much its `params`, `macs` or `activation_bytes` grew; a missing op has 0."""
        after, before = (0 if x is None else int(getattr(x, figure)) for x in (self.after, self.before))
        return after - before

    @property
    def reshaped(self) -> bool:
        """Whether it is in both networks, with other output shapes."""
        return self.before is not None and self.after is not None and (
            self.before.output_shapes != self.after.output_shapes
        )

    def to_json(self) -> dict[str, Any]:
        """Both sides; None for a missing one."""
        return {"before": _layer_json(self.before), "after": _layer_json(self.after)}


def _layer_json(layer: LayerCost | None) -> dict[str, Any] | None:
    return None if layer is None else {
        "path": layer.path, "op": layer.op, "output_shape": list(layer.output_shape), "params": layer.params,
        "macs": layer.macs, "activation_bytes": layer.activation_bytes,
    }


@dataclass(frozen=True, eq=False)
class Difference(Shown):
    """What changed from one spec to another. It prints as `archspec diff` does.

    before, after: their names, with what was set. settings: of the figures, such as the batch size.
    figures: of the whole networks. edits: the changes of the structure as a person would list them; changes: the same
    op by op. layers: every op of both, aligned. recipe: fields of the recipes that differ, name → (before, after).
    """

    before: str
    after: str
    settings: Mapping[str, Any]
    figures: tuple[FigureChange, ...]
    edits: tuple[Edit, ...]
    changes: tuple[Change, ...]
    layers: tuple[LayerChange, ...]
    recipe: Mapping[str, tuple[Any, Any]]

    @property
    def is_empty(self) -> bool:
        """Whether networks, figures and recipes are equal."""
        return not self.edits and not self.changes and not self.recipe and all(not f.change for f in self.figures)

    @cached_property
    def values(self) -> dict[str, tuple[Number | None, Number | None]]:
        """What a condition may compare: every figure, and `changes`, the number of edits (0 before)."""
        return {**{f.name: (f.before, f.after) for f in self.figures}, "changes": (0, len(self.edits))}

    def contributions(self, figure: str, most: int = 3) -> list[tuple[str, int]]:
        """The stages that change the total of `params`, `macs` or `activation_bytes` most, and by how much."""
        sums: dict[str, int] = {}
        for layer in self.layers:
            stage = layer.path.partition(".")[0]
            sums[stage] = sums.get(stage, 0) + layer.change(figure)
        return sorted(((stage, change) for stage, change in sums.items() if change), key=lambda x: -abs(x[1]))[:most]

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON of `archspec diff --json`."""
        return {
            "format": JSON_FORMAT, "before": self.before, "after": self.after, "settings": dict(self.settings),
            "equal": self.is_empty,
            "figures": {figure.name: figure.to_json() for figure in self.figures},
            "structure": [edit.to_json() for edit in self.edits],
            "changes": [{"kind": c.kind, "path": c.path, "before": c.then, "after": c.now} for c in self.changes],
            "layers": [layer.to_json() for layer in self.layers if layer.before != layer.after],
            "recipe": {name: {"before": a, "after": b} for name, (a, b) in self.recipe.items()},
        }

    @override
    def show(self, console: Console) -> None:
        """What `archspec diff` prints."""
        from archspec.printing.difference import show

        show(self, console)
