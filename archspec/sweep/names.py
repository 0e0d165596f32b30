"""The names that a condition of a sweep sees: `train.lr`, `vars.width`, `params`, `macs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import listing
from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Group:
    """A section of a spec, as an expression asks for its entries."""

    name: str
    values: Mapping[str, Any]

    def field(self, name: str) -> Any:
        """The entry of that name; LookupError where there is none."""
        if name in self.values:
            return self.values[name]
        raise LookupError(f"`{self.name}` has no `{name}`; it has {listing(self.values)}")


@dataclass(frozen=True, slots=True)
class Names:
    """A trial's spec, recipe and figures."""

    data: Mapping[str, Any]
    recipe: Recipe
    params: int
    macs: int

    def visible(self) -> dict[str, Any]:
        """Name → value. `macs` and `params` are those of one image and of the network."""
        return {
            "train": Group("train", self.recipe.to_data()),
            "vars": Group("vars", self.data.get("vars") or {}),
            "params": self.params,
            "macs": self.macs,
        }
