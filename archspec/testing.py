"""Assertions for a user's own tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec.api import load

COUNTS = ("params", "macs", "buffers")


def assert_shapes(source: Any, expected: Mapping[str, Sequence[int] | int], **options: Any) -> None:
    """Assert output shapes of stages or layers, and counts, without torch and without running anything.

    source: what `archspec.load` takes. expected: a stage, a layer's path (`b3.inception_1`) or `output` → shape
    without the batch; `params`, `macs`, `buffers` → number. All differences are told at once.

    >>> assert_shapes("specs/lenet.yaml", {"conv1": (6, 28, 28), "output": (10,), "params": 61706})
    """
    report = load(source, **options).report
    shapes: dict[str, tuple[int, ...]] = {"output": report.output_shape}
    rows = list(report.root.children)
    while rows:
        row = rows.pop()
        rows.extend(row.children)
        shapes[row.path] = row.output_shape
    shapes.update({layer.path: layer.output_shape for layer in report.layers()})
    wrong = []
    for name, value in expected.items():
        if name in COUNTS:
            if getattr(report, name) != value:
                wrong.append(f"{name}: expected {value:,}, got {getattr(report, name):,}")
        elif name not in shapes:
            wrong.append(f"{name}: {report.name} has no such stage or layer")
        elif not isinstance(value, Sequence) or tuple(value) != shapes[name]:
            wrong.append(f"{name}: expected {value}, got {shapes[name]}")
    _fail(f"{report.name} does not have the expected shapes", wrong)


def assert_built_shapes(source: Any, *, batch_size: int = 2, **options: Any) -> None:
    """Build the torch module, run it on zeros, and assert that every stage gives the inferred shape.

    Runs on the CPU in evaluation mode; the parameters are allocated.
    """
    import torch

    from archspec.backends.torch import build, example_input

    loaded = load(source, **options)
    model = build(loaded.graph).eval()
    seen: dict[str, tuple[int, ...]] = {}
    handles = [
        child.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, tuple(out.shape)))
        for name, child in model.named_children()
    ]
    with torch.no_grad():
        model(example_input(loaded.graph, batch_size))
    for handle in handles:
        handle.remove()
    inferred = {name: (batch_size, *shape) for name, shape in loaded.report.shapes.items()}
    wrong = [f"{name}: inferred {inferred[name]}, the module gives {seen.get(name)}"
             for name in inferred if seen.get(name) != inferred[name]]
    _fail(f"{loaded.name}: the built module differs", wrong)


def _fail(headline: str, wrong: Sequence[str]) -> None:
    if wrong:  # not by `assert`: pytest would add its own account of the condition
        raise AssertionError("\n  ".join([headline, *wrong]))
