"""Assertions for a user's own tests.

A relative path is looked for beside the test's file, then in pytest's rootdir, never in the working directory; without
pytest it is relative to the working directory, as for `archspec.load`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archspec.api import Loaded, load
from archspec.diagnostics import SpecError, error
from archspec.language.shipped import find_shipped

COUNTS = ("params", "macs", "buffers")


def assert_shapes(source: Any, expected: Mapping[str, Sequence[int] | int], **options: Any) -> None:
    """Assert output shapes of stages or layers, and counts, without torch and without running anything.

    source: what `archspec.load` takes; the top of this module says what a relative path means. expected: a
    stage, a layer's path (`b3.inception_1`) or `output` → shape without the batch; `params`, `macs`, `buffers` →
    number. All differences are reported at once.

    >>> assert_shapes("specs/lenet.yaml", {"conv1": (6, 28, 28), "output": (10,), "params": 61706})
    """
    __tracebackhide__ = True
    report = load_for_test(source, **options).report
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

    Runs on the CPU in evaluation mode, or in training mode if some stages run only there; the parameters are allocated.
    """
    __tracebackhide__ = True
    loaded = load_for_test(source, **options)
    import torch

    from archspec.backends.torch import build, example_inputs

    model = build(loaded.graph).train(bool(loaded.graph.training_only))
    seen: dict[str, tuple[int, ...]] = {}
    handles = [
        child.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, tuple(out.shape)))
        for name, child in model.named_children()
    ]
    with torch.no_grad():
        model(*example_inputs(loaded.graph, batch_size))
    for handle in handles:
        handle.remove()
    inferred = {name: (batch_size, *shape) for name, shape in loaded.report.shapes.items()}
    wrong = [f"{name}: inferred {inferred[name]}, the module gives {seen.get(name)}"
             for name in inferred if seen.get(name) != inferred[name]]
    _fail(f"{loaded.name}: the built module differs", wrong)


def load_for_test(source: Any, **options: Any) -> Loaded:
    """`archspec.load`, with relative paths as said above. A spec's mistakes are all that a failing test shows."""
    __tracebackhide__ = True
    try:
        return load(_located(source), **options)
    except SpecError as problem:
        raise SpecError(problem.diagnostics) from None


def _located(source: Any) -> Any:
    """The file that a relative path means in a test; anything else as it is."""
    plugin = sys.modules.get("archspec.pytest_plugin")  # there where pytest runs, and above this module
    folders: tuple[Path, ...] = plugin.search_folders() if plugin is not None else ()
    if not folders or not isinstance(source, (str, Path)) or "\n" in str(source) or Path(source).is_absolute():
        return source
    for folder in folders:
        if (folder / source).is_file():
            return folder / source
    if find_shipped(str(source)) is not None:
        return source
    looked = [f"looked for in {folder}" for folder in dict.fromkeys(folders)]
    hint = "write the path relative to the test's file or to pytest's rootdir"
    raise error("SPEC001", f"{source}: no such file", notes=looked, hint=hint)


def _fail(headline: str, wrong: Sequence[str]) -> None:
    __tracebackhide__ = True
    if wrong:  # not by `assert`: pytest would add its own account of the condition
        raise AssertionError("\n  ".join([headline, *wrong]))
