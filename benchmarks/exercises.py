"""The AlexNet note's exercises: what dominates memory, compute and bandwidth, and how memory grows with the batch.

    python benchmarks/exercises.py [SPEC]

Counted and simulated from the spec alone; `archspec profile SPEC --static` shows the same figures layer by layer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from archspec.analysis.report import Report, ReportNode
from archspec.analysis.resources import resources
from archspec.api import analyze, load
from archspec.execution import Execution, Setting

BATCHES: Final = (64, 128, 256, 512)
MiB: Final = 1 << 20
SOURCE_SPEED: Final = 592.4  # images a second, as the AlexNet note prints it for alexnet-10


def shares(report: Report, figure: Callable[[ReportNode], float]) -> list[tuple[str, float]]:
    """The stages with their shares of a figure, the largest first."""
    found = [(stage.name, figure(stage)) for stage in report.root.children]
    total = sum(value for _, value in found)
    return sorted(((name, value / total) for name, value in found), key=lambda pair: -pair[1])


def moved_bytes(execution: Execution) -> int:
    """What all kernels of a pass read and write."""
    return sum(use.read_bytes + use.written_bytes for use in execution.layers.values())


def answers(name: str) -> list[str]:
    """The answers as lines of Markdown. The spec is a chain: each op reads what the one before it wrote."""
    loaded = load(name)
    one, flops = loaded.report, analyze(loaded, batch_size=128).flops
    figures: dict[str, Callable[[ReportNode], float]] = {
        "parameters": lambda node: node.cost.params, "activations": lambda node: node.activation_bytes,
        "compute (MACs)": lambda node: node.cost.macs,
    }
    lines = ["| what | most of it | then |", "| --- | --- | --- |"]
    for title, figure in figures.items():
        first, second, *_ = (f"`{stage}` {share:.1%}" for stage, share in shares(one, figure))
        lines.append(f"| {title} | {first} | {second} |")
    single, batch = (resources(loaded.graph, Setting(batch_size=size)) for size in (1, 128))
    moved, trained, alone = map(moved_bytes, (batch.inference, batch.main, single.inference))
    lines += [
        "",
        f"Bandwidth: with batches of 128 the forward pass moves {moved / MiB:,.0f} MiB a batch, or"
        f" {moved / 128 / MiB:.1f} MiB an image: each op reads its input and weights and writes its output. At the"
        f" source's {SOURCE_SPEED} images/s that is {SOURCE_SPEED * moved / 128 / 1e9:.1f} GB/s, and"
        f" {SOURCE_SPEED * trained / 128 / 1e9:.1f} GB/s for whole training steps. The forward pass computes"
        f" {flops / moved:,.0f} FLOPs for each byte. One image alone, for which all weights are read, moves"
        f" {alone / MiB:.0f} MiB, {one.flops / alone:.0f} FLOPs a byte: there the linear layers wait for memory.",
        "",
        "| batch | weights and gradients, MiB | activations, MiB | peak of a step with SGD, MiB |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for size in BATCHES:
        step = resources(loaded.graph, Setting(batch_size=size))
        assert step.memory is not None
        cells = (step.memory.weights + step.memory.gradients, step.memory.activations, step.main.peak_bytes)
        lines.append(f"| {size} | " + " | ".join(f"{value / MiB:,.0f}" for value in cells) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(answers(*(sys.argv[1:] or ["alexnet"]))))
