"""The parts of a network that a recipe names: what is frozen, what has a rate of its own, what is recomputed."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from archspec.diagnostics import Diagnostic, SpecError, error, listing, nearest, plural
from archspec.diagnostics.hints import near
from archspec.ir import Graph, sites
from archspec.ops.parameters import Computed, ParamSpec

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a network. name: in its `state_dict`. names: the same, and those of every place that uses it."""

    name: str
    names: frozenset[str]
    spec: ParamSpec

    @property
    def learned(self) -> bool:
        """Whether it is a parameter, not a buffer."""
        return self.spec.learned


@dataclass(frozen=True, slots=True)
class PartProblem:
    """What is wrong with a part that a recipe names, in the words of a diagnostic."""

    field: Literal["freeze", "lr_scale", "recompute"]
    part: str
    code: str
    message: str
    hint: str | None = None


def holds(part: str, name: str) -> bool:
    """Whether a stage, layer or tensor is, or contains, the one called `name`: `stem` holds `stem.conv.weight`."""
    return name == part or name.startswith(f"{part}.")


def tensors_of(graph: Graph) -> list[Tensor]:
    """Parameters and buffers in the order of the `state_dict`; what several places share appears once."""
    found: dict[str, tuple[set[str], ParamSpec]] = {}
    for site in sites(graph):
        if site.node.op is not None:
            for name, spec in site.node.op.parameters(*site.inputs).items():
                names, _ = found.setdefault(f"{site.state}.{name}", (set(), spec))
                names.update((f"{site.state}.{name}", f"{site.path}.{name}"))
    return [Tensor(name, frozenset(names), spec) for name, (names, spec) in found.items()]


def frozen_tensors(graph: Graph, recipe: Recipe) -> frozenset[str]:
    """The names, in the `state_dict`, of the tensors that `freeze` keeps as they are."""
    parts = recipe.freeze or ()
    return frozenset(tensor.name for tensor in tensors_of(graph) if _held(parts, tensor)) if parts else frozenset()


def parts_with(tensors: Collection[Tensor], names: Container[str]) -> list[str]:
    """The largest parts that hold none but the tensors of these names, in order: together they hold all of them."""
    found: list[str] = []
    for tensor in tensors:
        if tensor.name in names and not _held(found, tensor):
            part = next(part for part in _prefixes([tensor.name]) if all(
                other.name in names for other in tensors if _held((part,), other)
            ))
            found.append(part)
    return found


def rate_factors(graph: Graph, recipe: Recipe) -> dict[str, float]:
    """The factor of the rate of each tensor that `lr_scale` holds, by its name; of several parts the longest counts."""
    scales: Mapping[str, float] = recipe.lr_scale or {}
    found = {}
    for tensor in tensors_of(graph) if scales else ():
        held = _held(scales, tensor)
        if held:
            found[tensor.name] = scales[max(held, key=len)]
    return found


def part_problems(graph: Graph, recipe: Recipe) -> Iterator[PartProblem]:
    """What is wrong with the recipe's `freeze`, `lr_scale` and `recompute`. Errors: SPEC063, BUILD204."""
    yield from _recompute_problems(graph, recipe.recompute or ())
    if recipe.freeze is None and recipe.lr_scale is None:
        return
    tensors = tensors_of(graph)
    known = _Known(graph, tensors)
    freeze = recipe.freeze or ()
    frozen = {tensor.name for tensor in tensors if _held(freeze, tensor)}
    for part in freeze:
        yield from known.problems("freeze", part, tensors, freeze)
    learned = [tensor for tensor in tensors if tensor.learned]
    if freeze and learned and all(tensor.name in frozen for tensor in learned):
        yield PartProblem("freeze", freeze[-1], "BUILD204", "every parameter is frozen: there is nothing to train",
                          f"leave a part out of `freeze`, such as `{learned[-1].name.partition('.')[0]}`")
    for part in recipe.lr_scale or ():
        yield from known.problems("lr_scale", part, learned, recipe.lr_scale or ())
        inside = [tensor.name for tensor in learned if _held((part,), tensor)]
        if inside and frozen.issuperset(inside):
            yield PartProblem("lr_scale", part, "SPEC063", f"`{part}` is frozen: a rate of its own has no effect",
                              f"remove `{part}` from `lr_scale`, or from `freeze`")


def _recompute_problems(graph: Graph, listed: Collection[str]) -> Iterator[PartProblem]:
    if not listed:
        return
    stages = [node.name for node in graph.nodes]
    paths = set(_prefixes(site.path for site in sites(graph)))
    for part in listed:
        shown, whole = _short(part), next((x for x in listed if x != part and holds(x, part)), None)
        if part not in paths:
            close = nearest(part, [name for name in stages if name not in listed]) or nearest(part, paths - {*listed})
            yield PartProblem("recompute", part, "SPEC063", f"the network has no stage or part `{shown}`",
                              near(close) if close else f"its stages: {listing(stages, 12)}")
        elif whole is not None:
            message = f"`{shown}` lies in `{_short(whole)}`, which is recomputed as a whole"
            yield PartProblem("recompute", part, "SPEC063", message, f"remove `{shown}`")


def _short(part: str) -> str:
    return part if len(part) <= 80 else f"{part[:79]}…"


def part_lines(graph: Graph, recipe: Recipe) -> list[str]:
    """Lines for the user: what is frozen, which parts have rates of their own, and what is recomputed."""
    lines = []
    if recipe.freeze:
        learned = [tensor for tensor in tensors_of(graph) if tensor.learned]
        frozen = sum(tensor.spec.numel for tensor in learned if _held(recipe.freeze, tensor))
        total = sum(tensor.spec.numel for tensor in learned)
        lines.append(f"frozen: {listing(recipe.freeze)} ({frozen:,} of {plural(total, 'parameter')})")
    if recipe.lr_scale:
        lines.append("rates: " + listing(f"{part} × {factor:g}" for part, factor in recipe.lr_scale.items()))
    if recipe.recompute:
        lines.append(f"recomputed in the backward pass: {listing(recipe.recompute)}")
    return lines


def untrained_parts(graph: Graph, recipe: Recipe) -> Iterator[str]:
    """The frozen parts with random weights, where the recipe loads no trained ones."""
    if recipe.freeze and recipe.init.source is None:
        drawn = [t for t in tensors_of(graph) if t.learned and not isinstance(t.spec.init, (int, float, Computed))]
        yield from (part for part in recipe.freeze if any(_held((part,), tensor) for tensor in drawn))


def untrained_text(parts: Iterable[str]) -> str:
    """The message about frozen parts with random weights."""
    named = listing(f"`{part}`" for part in parts)
    return f"frozen at its random start: {named}; the recipe loads no trained weights"


def check_loaded(graph: Graph, recipe: Recipe, loaded: Collection[str], file: str) -> None:
    """Raise SpecError RUN364 if a frozen part has tensors that the trained weights did not replace.

    loaded: names of the tensors from the file.
    """
    problems = []
    for part in recipe.freeze or ():
        left = [tensor.name for tensor in tensors_of(graph) if _held((part,), tensor)
                and tensor.spec.dtype.startswith("float") and not isinstance(tensor.spec.init, Computed)
                and tensor.name not in loaded]
        if left:
            shown = listing((f"`{name}`" for name in left), 6)
            problems.append(Diagnostic(
                "RUN364", f"`{part}` is frozen, and {plural(len(left), 'tensor')} of it would stay untrained: {shown}",
                notes=(f"{file} has none of that name and shape",), path=("freeze", part),
                hint=f"remove `{part}` from `freeze`, or use weights that have it",
            ))
    if problems:
        raise SpecError(problems)


def check_parts(graph: Graph, recipe: Recipe) -> None:
    """Raise SpecError SPEC063 or BUILD204 where `freeze`, `lr_scale` or `recompute` does not suit the network."""
    problems = [
        error(problem.code, problem.message, hint=problem.hint).diagnostics[0]
        for problem in part_problems(graph, recipe)
    ]
    if problems:
        raise SpecError(problems)


@dataclass(slots=True)
class _Known:
    """Everything that a part may be called."""

    graph: Graph
    tensors: Collection[Tensor]
    names: set[str] = field(init=False)

    def __post_init__(self) -> None:
        paths = [path for site in sites(self.graph) for path in (site.path, site.state)]
        self.names = set(_prefixes([*paths, *(name for tensor in self.tensors for name in tensor.names)]))

    def problems(
        self, where: Literal["freeze", "lr_scale"], part: str, tensors: Iterable[Tensor], listed: Container[str]
    ) -> Iterator[PartProblem]:
        """Why the name is not one of a part with tensors of that kind. listed: the names that are written there."""
        shown = _short(part)
        if part not in self.names:
            free = [name for name in self.names if name not in listed]
            close = nearest(part, [name for name in free if "." not in name]) or nearest(part, free)
            stages = listing([node.name for node in self.graph.nodes], 12)
            yield PartProblem(where, part, "SPEC063", f"the network has no stage or layer `{shown}`",
                              near(close) if close else f"its stages: {stages}")
        elif not any(_held((part,), tensor) for tensor in tensors):
            yield PartProblem(where, part, "SPEC063", f"`{shown}` has no parameters", f"remove `{shown}`")


def _held(parts: Iterable[str], tensor: Tensor) -> list[str]:
    """Those of the parts that hold the tensor."""
    return [part for part in parts if any(holds(part, name) for name in tensor.names)]


def _prefixes(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        steps = name.split(".")
        for end in range(1, len(steps) + 1):
            yield ".".join(steps[:end])
