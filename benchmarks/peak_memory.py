"""Static peaks against MemTracker on meta, for every shipped spec, and against rows that a GPU measured.

    python benchmarks/peak_memory.py [--batch 1 32 256] [SPEC …]
    python benchmarks/peak_memory.py --rows tests/execution/h200.json

MemTracker is a dispatch mode, under which torch adds gradients out of place; a real step adds them in place. Both
peaks are printed, and the ratio compares like with like. Its optimizers are torch's fused ones, as the trainer's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

import archspec
from archspec.analysis import lone_value
from archspec.execution import Optimizer, Setting, execute
from archspec.execution.setting import Target
from archspec.language.shipped import shipped_specs
from archspec.text import bytes_text

OPTIMIZERS = {"sgd": Optimizer(), "momentum": Optimizer("sgd", 0.9), "adam": Optimizer("adam")}
LARGE = 256 << 20


def tracked(graph: Any, batch_size: int, optimizer: Optimizer) -> int:
    """The peak of a second step on the meta device, by torch's own tracker; the optimizer's state is there."""
    import torch
    from torch.distributed._tools.mem_tracker import MemTracker

    from archspec.backends.step import _on_meta, example_loss, inputs_of

    model = _on_meta(graph, "float32").train()
    inputs = [torch.empty(x.shape, dtype=getattr(torch, x.dtype), device="meta") for x in inputs_of(graph, batch_size)]
    labels = torch.empty(batch_size, dtype=torch.int64, device="meta")
    parameters = [p for p in model.parameters() if p.requires_grad]
    states = [torch.empty_like(p) for p in parameters for _ in range(optimizer.states)]
    tracker = MemTracker()
    tracker.track_external(model, *inputs, labels, *states)
    with tracker:
        example_loss(model(*inputs), labels).backward()
    return int(tracker.get_tracker_snapshot("peak")[torch.device("meta")]["Total"])


def static(graph: Any, batch_size: int, optimizer: Optimizer, target: Target) -> int:
    """The simulated peak. target: `meta` for what the tracker sees, where attention has no kernel of its own."""
    return execute(graph, Setting(batch_size=batch_size, optimizer=optimizer, target=target)).peak_bytes


def against_tracker(names: list[str], batches: list[int]) -> None:
    """Print a row for each spec, batch and optimizer, then the median and the worst."""
    errors = []
    for name in names:
        graph = archspec.load(name).graph
        for batch_size in batches:
            if lone_value(graph, batch_size, training=True):  # no training step: a norm over one value
                continue
            for label, optimizer in OPTIMIZERS.items():
                own = static(graph, batch_size, optimizer, "meta")
                theirs = tracked(graph, batch_size, optimizer)
                real = static(graph, batch_size, optimizer, "cpu")
                errors.append((abs(own / theirs - 1), name, batch_size, label))
                print(f"{name:24} {batch_size:4} {label:9} {bytes_text(own):>12} {bytes_text(theirs):>12} "
                      f"{own / theirs:.4f}   on a CPU {bytes_text(real):>12}", flush=True)
    worst = max(errors)
    print(f"\n{len(errors)} steps: median error {median(e[0] for e in errors):.2%}, worst {worst[0]:.2%} ({worst[1:]})")


def against_rows(file: Path) -> None:
    """Print a row for each measurement; the errors count where tensor cores compute and the peak is over 256 MiB."""
    errors = []
    for row in json.loads(file.read_text())["rows"]:
        setting = Setting(
            batch_size=row["batch"], precision=row["precision"], channels_last=row["channels_last"], target="cuda",
            optimizer=Optimizer("sgd", 0.9),
        )
        found = execute(archspec.load(row["network"]).graph, setting)
        error = found.peak_bytes / row["peak_bytes"] - 1
        if row["precision"] != "fp32" and row["peak_bytes"] > LARGE:
            errors.append(abs(error))
        print(f"{row['network']:24} {row['batch']:4} {row['precision']} {'NHWC' if row['channels_last'] else 'NCHW'} "
              f"{bytes_text(found.peak_bytes):>12} measured {bytes_text(row['peak_bytes']):>12} {error:+7.2%}  "
              f"saved {'equal' if found.saved_bytes == row['saved_bytes'] else 'DIFFERENT'}  "
              f"scratch up to {bytes_text(found.workspace_bytes)}")
    print(f"\n{len(errors)} rows with tensor cores over 256 MiB: median {median(errors):.2%}, worst {max(errors):.2%}")


def main() -> None:
    """Run one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=list(shipped_specs()))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--rows", type=Path)
    chosen = parser.parse_args()
    if chosen.rows:
        against_rows(chosen.rows)
    else:
        against_tracker(chosen.specs, chosen.batch)


if __name__ == "__main__":
    main()
