"""The AlexNet note's exercises: what dominates memory, compute and bandwidth, and how memory grows with the batch.

    python benchmarks/exercises.py [SPEC]

Counted from the spec alone; `archspec profile SPEC --static` shows the same figures layer by layer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

from archspec.analysis.report import Report, ReportNode
from archspec.api import analyze, load

BATCHES: Final = (64, 128, 256, 512)
FLOAT_BYTES: Final = 4
MiB: Final = 1 << 20
SOURCE_SPEED: Final = 592.4  # images a second, as the AlexNet note prints it for alexnet-10


def ops(node: ReportNode) -> Iterator[ReportNode]:
    """The ops of a report in their order; a row that stands for several copies counts as one."""
    for child in node.children:
        yield from ops(child)
    if not node.children:
        yield node


def shares(report: Report, figure: Callable[[ReportNode], float]) -> list[tuple[str, float]]:
    """The stages with their shares of a figure, the largest first."""
    found = [(stage.name, figure(stage)) for stage in report.root.children]
    total = sum(value for _, value in found)
    return sorted(((name, value / total) for name, value in found), key=lambda pair: -pair[1])


def moved_bytes(report: Report) -> int:
    """What a forward pass reads and writes at least, each op by itself: its input, its weights, its output."""
    size, total = FLOAT_BYTES, 0
    given = report.batch_size * size
    for length in report.input_shape:
        given *= length
    for op in ops(report.root):
        if op.activation_bytes:
            total += given + op.activation_bytes + op.cost.params * size
            given = op.activation_bytes
    return total


def step_bytes(report: Report) -> int:
    """Memory of a training step with plain SGD, at most: weights, their gradients, every op's output."""
    return 2 * report.params * FLOAT_BYTES + report.activation_bytes


def answers(name: str) -> list[str]:
    """The answers as lines of Markdown. The spec is a chain: each op reads what the one before it wrote."""
    loaded = load(name)
    one, batch = loaded.report, analyze(loaded, batch_size=128)
    figures: dict[str, Callable[[ReportNode], float]] = {
        "parameters": lambda node: node.cost.params, "activations": lambda node: node.activation_bytes,
        "compute (MACs)": lambda node: node.cost.macs,
    }
    lines = ["| what | most of it | then |", "| --- | --- | --- |"]
    for title, figure in figures.items():
        first, second, *_ = (f"`{stage}` {share:.1%}" for stage, share in shares(one, figure))
        lines.append(f"| {title} | {first} | {second} |")
    moved, flops = moved_bytes(batch), batch.flops
    lines += [
        "",
        f"Bandwidth: with batches of 128 the forward pass moves at least {moved / MiB:,.0f} MiB a batch, or"
        f" {moved / 128 / MiB:.1f} MiB an image: each op reads its input and weights and writes its output. At the"
        f" source's {SOURCE_SPEED} images/s that is {SOURCE_SPEED * moved / 128 / 1e9:.1f} GB/s forward, and about"
        f" three times that to train. It computes {flops / moved:,.0f} FLOPs for each byte. One image alone, for which"
        f" all weights are read, moves {moved_bytes(one) / MiB:.0f} MiB, {one.flops / moved_bytes(one):.0f} FLOPs a"
        " byte: there the linear layers wait for memory.",
        "",
        "| batch | weights and gradients, MiB | activations, MiB | a step, at most, MiB |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for size in BATCHES:
        report = analyze(loaded, batch_size=size)
        fixed = 2 * report.params * FLOAT_BYTES
        cells = (fixed, report.activation_bytes, step_bytes(report))
        lines.append(f"| {size} | " + " | ".join(f"{value / MiB:,.0f}" for value in cells) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(answers(*(sys.argv[1:] or ["alexnet"]))))
