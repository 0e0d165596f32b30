"""Whether the largest batch of `archspec fit` trains, and 5 % more does not.

On a GPU: with a limit of memory for this process, two training steps with the largest batch for what `fit --device`
leaves to tensors must succeed, and with 5 % more images they must end in BUILD201 or run out of memory. On a CPU, which
has no such limit: the measured peak (torch.profiler) of steps with the largest batch, beside the limit. Then the same
for a batch that only fits with the stages that `train --fit` recomputes.

    python benchmarks/fit_check.py --memory 4GiB            # about three minutes on a GPU
    python benchmarks/fit_check.py --memory 256MiB resnet18_96 lenet
"""

from __future__ import annotations

import os

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")  # no gaps between blocks

import argparse
from dataclasses import replace

import torch
from common import ROOT, show_place, show_table

import archspec
from archspec.backends.fits import is_shortage
from archspec.backends.step import check_step_fits, example_loss, inputs_of
from archspec.backends.torch import build
from archspec.capacity import Request, answer, fitted, gpu_tensors
from archspec.cli.memory_size import MEMORY
from archspec.diagnostics import SpecError
from archspec.execution import Optimizer, Setting, execute
from archspec.ir import Graph
from archspec.profile.memory import peak_bytes
from archspec.text import bytes_text
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import float32_products

NETWORKS = ("lenet", "alexnet", "vgg11", "nin", "googlenet", "resnet18", "resnet50", "zoo/densenet121",
            "zoo/mobilenet_v2", "zoo/squeezenet1_1")
MOMENTUM = 0.9


def workload(graph: Graph, setting: Setting, device: torch.device):
    """A network on the device, and its training step, as the trainer does it."""
    model = build(graph, recompute=setting.recompute).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=MOMENTUM, fused=True)
    batches = [[torch.zeros(x.shape, dtype=getattr(torch, x.dtype), device=device)
                for x in inputs_of(graph, setting.batch_size)] for _ in range(setting.accumulate)]
    labels = torch.zeros(setting.batch_size, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        for inputs in batches:
            example_loss(model(*inputs), labels).backward()
        optimizer.step()

    return {"step": step}


def measured(graph: Graph, setting: Setting, device: torch.device) -> int | None:
    """The peak of two steps in bytes; None if memory runs out."""
    try:
        check_step_fits(graph, setting.batch_size, device, states=1, recompute=setting.recompute)
        with float32_products(setting.precision, device):
            return peak_bytes(lambda: workload(graph, setting, device), device)["step"]
    except SpecError:
        return None
    except RuntimeError as problem:
        if not is_shortage(problem):
            raise
        return None
    finally:
        free_memory(device)


def row(name: str, memory: int, device: torch.device) -> list[str]:
    """The largest batch, its peaks, and what 5 % more and twice as much do."""
    graph = archspec.load(ROOT / "specs" / f"{name}.yaml").graph
    cuda = device.type == "cuda"
    setting = Setting(
        optimizer=Optimizer("sgd", MOMENTUM), target="cuda" if cuda else "cpu", precision="tf32" if cuda else "fp32",
        libraries=not cuda,
    )
    tensors = gpu_tensors(memory) if cuda else memory
    largest = answer(graph, Request(tensors, setting)).training.largest_batch
    if not largest:
        return [name, "0", *["–"] * 6]
    at = replace(setting, batch_size=largest)
    more = replace(setting, batch_size=max(largest + 1, round(1.05 * largest)))
    peaks = [execute(graph, at).peak_bytes, measured(graph, at, device)]
    beyond = measured(graph, more, device) if cuda else execute(graph, more).peak_bytes
    verdict = ("runs out" if beyond is None else "TRAINS") if cuda else bytes_text(beyond)
    return [name, str(largest), *_peaks(*peaks), verdict, *_recomputed(graph, more, tensors, device)]


def _recomputed(graph: Graph, setting: Setting, memory: int, device: torch.device) -> list[str]:
    """What `train --fit` recomputes for 5 % more images, and the measured peak with it."""
    try:
        fitting = fitted(graph, setting, memory)
    except SpecError:
        return ["nothing is enough", "–"]
    changes = {key: frozenset(value) if isinstance(value, list) else value for key, value in fitting.changes.items()}
    peak = measured(graph, replace(setting, **changes), device)
    text = ", ".join(fitting.changes.get("recompute", [f"accumulate: {fitting.changes.get('accumulate')}"]))
    return [text, "runs out" if peak is None else f"{peak / fitting.after - 1:+.1%}"]


def _peaks(predicted: int, found: int | None) -> list[str]:
    if found is None:
        return [bytes_text(predicted), "runs out", "–"]
    return [bytes_text(predicted), bytes_text(found), f"{predicted / found - 1:+.1%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--memory", type=lambda text: MEMORY.convert(text, None, None), default=4 << 30)
    options = parser.parse_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, options.memory / total), device)
    show_place(["torch"])
    rows = [row(name, options.memory, device) for name in options.networks]
    beyond = "5 % more" if device.type == "cuda" else "5 % more needs"
    show_table(
        ["network", f"largest batch in {bytes_text(options.memory)}", "predicted", "measured", "error", beyond,
         "for 5 % more `--fit` sets", "measured over predicted"], rows,
    )


if __name__ == "__main__":
    main()
