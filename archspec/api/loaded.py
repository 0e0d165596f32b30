"""A spec without mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from archspec.analysis import Report
from archspec.diagnostics import error
from archspec.ir import Graph
from archspec.language.shipped import shipped_specs
from archspec.language.syntax import Program
from archspec.printing.shown import Shown
from archspec.types import INTEGERS

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.language.models import ArchSpec
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Loaded(Shown):
    """A spec without mistakes. It prints as its report does.

    data: its plain data after `extends` and overrides, libraries written out: it needs no other file.
    graph: the network. costs: of it, for a batch of 1 in float32.
    recipes: "train" is the default one; empty if the spec has no `train`. files: the spec and what it extends.
    program: the syntax tree, with the places of everything.
    """

    name: str
    description: str
    data: Mapping[str, Any]
    graph: Graph
    costs: Report
    recipes: Mapping[str, Recipe]
    files: tuple[str, ...]
    program: Program | None = field(default=None, repr=False)

    @override
    def show(self, console: Console) -> None:
        """What `archspec profile --static` prints."""
        self.report.show(console)

    @cached_property
    def report(self) -> Report:
        """The costs for a batch of 1 in float32, with the description and what the recipe's run takes."""
        from archspec.api.report import of_spec  # checking a spec does not need it

        return of_spec(self.costs, self.description, self.recipes.get("train"))

    @cached_property
    def spec(self) -> ArchSpec:
        """The spec as a Pydantic model."""
        from archspec.language.models import ArchSpec

        return ArchSpec.model_validate(dict(self.data))

    def recipe(self, name: str | None = None) -> Recipe:
        """The recipe of that name, the default `train` if None. SpecError if there is none."""
        key = name or "train"
        if key in self.recipes:
            return self.recipes[key]
        from archspec.diagnostics import listing, nearest

        known = [k for k in self.recipes if k != "train"]
        if name is None:
            raise error("SPEC011", f"{self.name} has no `train` section", hint=self._add_train())
        close = nearest(name, known)
        if close:
            hint = close.words()
        elif holder := _shipped_with(name):  # `resnet-02` is a run of resnet18_96
            hint = f"the shipped spec `{holder}` has it"
        else:
            hint = f"its recipes: {listing(known)}" if known else "it has none: leave the name out to use `train`"
        raise error("SPEC010", f"{self.name} has no recipe `{name}`", hint=hint)

    def _add_train(self) -> str:
        """The hint for a spec without a recipe: a data set of archspec, if the network takes images."""
        shape = self.graph.inputs[0].type.shape
        data = {1: "fashion-mnist", 3: "cifar10"}.get(shape[1] if len(shape) == 4 else 0)
        if data is None or len(self.graph.inputs) > 1 or self.graph.inputs[0].type.dtype in INTEGERS:
            return ("train it from Python with data of your own: "
                    "`archspec.train(spec, train=…, test=…, loss=…, lr=0.1)`")
        return f"add `train: {{data: {data}, batch_size: 128, epochs: 10, optimizer: sgd, lr: 0.1}}`"

    def resolved_yaml(self) -> str:
        """The spec as one YAML text that needs no other file: `extends`, `use` and overrides are applied."""
        from archspec.source import dump

        return dump(dict(self.data))


def _shipped_with(recipe: str) -> str | None:
    """The shipped spec that has a recipe of that name."""
    from archspec.api.examination import load

    return next((name for name in shipped_specs() if recipe in load(name).recipes), None)
