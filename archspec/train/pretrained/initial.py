"""Loads the trained weights from which a recipe starts, and reports tensors without a counterpart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from archspec.analysis.parts import check_loaded
from archspec.diagnostics import error, listing
from archspec.ir import Graph
from archspec.language.finetuning import Initialisation
from archspec.language.recipe import Recipe
from archspec.text import shell
from archspec.train.pretrained.matching import Match, TensorInfo, by_name, by_order, tensors_in
from archspec.train.pretrained.source import WeightsFile, open_weights, unfit
from archspec.train.run_dir.weights import shown_name

_SHOWN: Final = 6  # names in a message


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """A file, and its match with a network. tensors: the number of the network's tensors without batch counters."""

    file: WeightsFile
    match: Match
    tensors: int
    misfits: tuple[str, ...]

    def load_into(self, model: nn.Module) -> None:
        """Copy the matching tensors into `model`, in place. Raises SpecError RUN363 if a value is not finite."""
        state = model.state_dict()
        counters = {name: name for name in state if name in self._counters()}
        pairs = {**self.match.pairs, **counters}
        found = self.file.read(set(pairs.values()))
        for name in pairs.values():
            if found[name].is_floating_point() and not bool(torch.isfinite(found[name]).all()):
                raise unfit(self.file.source, f"{shown_name(name)} holds infinite or NaN values", "use other weights")
        with torch.no_grad():
            for mine, other in pairs.items():
                state[mine].copy_(found[other])

    def _counters(self) -> set[str]:
        """The batch counters that can be copied, by their names in the network."""
        if self.file.ordered:
            return set()
        return {t.name for t in self.file.tensors if t.counts and t.shape == () and t.dtype == "I64"}

    def notices(self) -> list[str]:
        """Lines for the user: how many tensors match, and which do not."""
        how = "by order" if self.file.ordered else "by name"
        lines = [
            *(notice.removeprefix("note: ") for notice in self.file.notices),
            f"init: {len(self.match.pairs)} of {self.tensors} tensors are those of {self.file.path}, matched {how}",
        ]
        for what, names in (
            ("other shapes", self.misfits), ("not in the file", [*map(shown_name, self.match.missing)]),
            ("not used", [*map(shown_name, self.match.unused)]),
        ):
            if names:
                lines.append(f"init: {what}: {listing(names, _SHOWN)}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, for `environment.json`."""
        return {
            "from": self.file.source, "file": str(self.file.path), "sha256": self.file.digest,
            "matched": len(self.match.pairs), "of": self.tensors, "other_shapes": list(self.match.misfits),
            "missing": list(self.match.missing), "unused": list(self.match.unused),
        }


def initial_weights(graph: Graph, init: Initialisation) -> InitialWeights | None:
    """The weights that `init` names, matched with the network; None if it names none. No tensor is copied yet.

    Raises SpecError RUN363 for weights that cannot be used, RUN364 if nothing matches, or not all with `strict`.
    """
    if init.source is None:
        return None
    file = open_weights(init.source)
    return matched(graph, file, strict=init.strict)


def check_frozen(graph: Graph, recipe: Recipe, initial: InitialWeights) -> None:
    """Raise SpecError RUN364 if a part that the recipe freezes would keep random weights."""
    check_loaded(graph, recipe, initial.match.pairs.keys(), str(initial.file.path))


def matched(graph: Graph, file: WeightsFile, *, strict: bool = False) -> InitialWeights:
    """The file matched with the network: by order if it has one, else by name. Raises SpecError RUN364."""
    network = tensors_in(graph)
    match = (by_order if file.ordered else by_name)(network, file.tensors)
    found = InitialWeights(
        file, match, sum(not tensor.counts for tensor in network), tuple(misfit_texts(match, network, file.tensors))
    )
    if not match.pairs:
        raise error("RUN364", f"no tensor of {file.path} fits the network", notes=found.notices()[1:],
                    hint=_inspect_hint(file))
    if strict and not match.whole:
        raise error("RUN364", f"`strict`: not every tensor of the network and of {file.path} has a counterpart",
                    notes=found.notices(), hint=f"remove `strict`, or {_inspect_hint(file)}")
    return found


def misfit_texts(match: Match, network: list[TensorInfo], file: tuple[TensorInfo, ...]) -> list[str]:
    """A text for each tensor whose counterpart has another shape or type."""
    ours, theirs = ({tensor.name: tensor for tensor in tensors} for tensors in (network, file))
    return [
        f"{shown_name(mine)} is {_form(ours[mine])}, in the file {_form(theirs[other])}"
        for mine, other in match.misfits.items()
    ]


def _form(tensor: TensorInfo) -> str:
    return f"{list(tensor.shape)}" + ("" if tensor.dtype == "F32" else f" {tensor.dtype}")


def _inspect_hint(file: WeightsFile) -> str:
    return f"compare them: `{shell('archspec', 'weights', 'inspect', file.source)} --against SPEC`"
