"""Analyze a spec's network without torch, or build it with torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from archspec.analysis import Report, cost_report
from archspec.api.examination import load

if TYPE_CHECKING:
    from torch import nn

    from archspec.ir import Graph


def analyze(source: Any, *, batch_size: int = 1, dtype: str = "float32", **options: Any) -> Report:
    """Shapes, parameters, MACs and activation memory of every layer, without torch. Takes what `load` takes."""
    loaded = load(source, **options)
    if (batch_size, dtype) == (1, "float32"):
        return loaded.report
    from archspec.api.report import of_spec

    report = cost_report(loaded.graph, batch_size=batch_size, dtype=dtype)
    return of_spec(report, loaded.description, loaded.recipes.get("train"))


def build(
    source: Any, *, seed: int | None = None, optimize: Literal["inference"] | None = None, **options: Any
) -> nn.Module:
    """A new torch module of a spec, (N, C, H, W) → its output. Takes what `load` takes.

    Several inputs are arguments, in the order of the spec or by name. Several outputs come as a dict by name; outputs
    for training are computed in training mode only.

    seed: None draws from torch's global random state. The recipe's `init` is applied by the trainer, or by
    `archspec.backends.init.initialise`.
    optimize: "inference" folds batch norms into convolutions and fuses 1×1 convolutions of one value. The module gives
    what the other one gives in evaluation, up to rounding, and cannot train. Its `load_state_dict` takes the weights of
    a trained network as they are, and folds and fuses them.

    Errors: SpecError BUILD201 if the weights do not fit into memory.
    """
    graph = load(source, **options).graph
    if optimize not in (None, "inference"):
        raise ValueError(f'optimize must be "inference" or None, not {optimize!r}')
    model = _build(graph, seed)
    if optimize is None:
        return model
    from archspec.backends.optimized import optimized

    return optimized(graph, model)


def _build(graph: Graph, seed: int | None) -> nn.Module:
    import torch

    from archspec.backends.fits import check_fits
    from archspec.backends.torch import build as build_graph

    report = cost_report(graph)
    needed = (report.params + report.buffers) * torch.get_default_dtype().itemsize
    check_fits(needed, torch.get_default_device(), what="the network", hint="lower its width")
    if seed is None:
        return build_graph(graph)
    from archspec.backends.init import initialise, seeded

    with seeded(seed):  # building draws numbers too, and the global state is left as it was
        model = build_graph(graph)
    initialise(model, "default", seed)
    return model
