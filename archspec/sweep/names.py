"""The names that a condition of a sweep can use: `train.lr`, `vars.width`, `params`, `macs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import listing
from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Group:
    """A section of a spec, for use in expressions."""

    name: str
    values: Mapping[str, Any]

    def field(self, name: str) -> Any:
        """The entry of that name. Raises LookupError if there is none."""
        if name in self.values:
            return self.values[name]
        raise LookupError(f"`{self.name}` has no `{name}`; it has {listing(self.values)}")


@dataclass(frozen=True, slots=True)
class Names:
    """The spec, recipe and figures of a trial, for use in expressions."""

    data: Mapping[str, Any]
    recipe: Recipe
    params: int
    macs: int

    def visible(self) -> dict[str, Any]:
        """Name → value. `macs` are of one image, `params` of the network."""
        return {
            "train": Group("train", self.recipe.to_data()),
            "vars": Group("vars", self.data.get("vars") or {}),
            "params": self.params,
            "macs": self.macs,
        }
