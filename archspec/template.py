"""A spec that is parsed once, and a network for each choice of its vars."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakKeyDictionary

from archspec.analysis.totals import Totals, totals
from archspec.api import LIMITS, Loaded, load, program_of
from archspec.diagnostics import error, listing
from archspec.ir import Graph
from archspec.language.message_text import did_you_mean, short
from archspec.language.resolve import without_unused_vars
from archspec.lower import Kept, Limits, lower_variant

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Template:
    """Networks that differ by their vars.

    >>> cells = archspec.Template("nasbench201")
    >>> cells.totals({"edge_01": "skip"}).params
    1288506

    The spec is parsed and checked once, and blocks that a var does not change are lowered once for all networks. The
    arguments and SpecErrors are those of `archspec.load`. The spec's `expect` is ignored. Only one thread at a time may
    use a template.
    """

    def __init__(self, source: Any, *, limits: Limits = LIMITS, **options: Any) -> None:
        self.base: Loaded = load(source, limits=limits, **options)
        self._data = {key: value for key, value in self.base.data.items() if key != "expect"}
        self._program, self._limits = program_of(self._data), limits
        self._vars = self._program.library.vars
        self._kept = Kept(self._program)
        self._totals: WeakKeyDictionary[Graph, Totals] = WeakKeyDictionary()

    def graph(self, variables: Mapping[str, Any] = _NONE) -> Graph:
        """The network with these values of its vars. Raises SpecError if it is not valid."""
        self._check_names(variables)
        if all(map(_is_plain, variables.values())):
            self._program.library.vars = self._vars | {k: (raw, self._vars[k][1]) for k, raw in variables.items()}
            self._kept.choose(variables)
            graph = lower_variant(self._program, self._limits, self._kept)
            if graph is not None:
                return graph
        return self.load(variables).graph  # raises the mistake

    def totals(self, variables: Mapping[str, Any] = _NONE) -> Totals:
        """Parameters, MACs and activations of the network with these values."""
        return totals(self.graph(variables), self._totals)

    def load(self, variables: Mapping[str, Any] = _NONE) -> Loaded:
        """The whole spec with these values, as from `archspec.load`."""
        self._check_names(variables)
        data = {**self._data, "vars": {**self._data.get("vars", {}), **variables}}
        return load(without_unused_vars(data), limits=self._limits)

    def _check_names(self, variables: Mapping[str, Any]) -> None:
        for name in variables:
            if name not in self._vars:
                raise error("SPEC010", f"{self.base.name} has no var `{short(name)}`",
                            hint=did_you_mean(name, self._vars) or f"its vars: {listing(self._vars)}")


def _is_plain(raw: Any) -> bool:
    """Whether a value means the same at every place: it names no other value and contains no layer."""
    if isinstance(raw, list):
        return all(map(_is_plain, raw)) and not any(isinstance(part, str) for part in raw)
    return isinstance(raw, (bool, int, float)) or (isinstance(raw, str) and not raw.startswith("$"))
