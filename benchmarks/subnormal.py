"""How many times slower is each operation with subnormal numbers, and how fast when they count as zero?

CPU time of one thread, the best of some blocks. `late_steps.py` shows what it comes to in training.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from common import show_place, show_table

SIZE = 1_000_000
TINY, NORMAL = 1e-39, 1e-3  # of float32, which is subnormal below 1.2e-38


def best_ms(run: Callable[[], object], calls: int = 10, blocks: int = 5) -> float:
    run()
    times = []
    for _ in range(blocks):
        start = time.process_time()
        for _ in range(calls):
            run()
        times.append((time.process_time() - start) / calls)
    return 1000 * min(times)


def update(kind: type[torch.optim.Optimizer], value: float, **options: float) -> Callable[[], object]:
    """An update of weights without gradient, whose running means are of that value."""
    weight = torch.ones(SIZE, requires_grad=True)
    weight.grad = torch.ones(SIZE)
    optimizer = kind([weight], lr=1e-3, fused=True, **options)
    optimizer.step()
    weight.grad = torch.zeros(SIZE)

    def run() -> None:
        for state in optimizer.state[weight].values():
            if state.ndim:
                state.fill_(value)
        optimizer.step()

    return run


def average(value: float) -> Callable[[], object]:
    start, mean, zeros = torch.full((SIZE,), value), torch.empty(SIZE), torch.zeros(SIZE)
    return lambda: torch._foreach_lerp_([mean.copy_(start)], [zeros], 0.01)


def norm(value: float) -> Callable[[], object]:
    layer, images = torch.nn.BatchNorm2d(64), torch.zeros(64, 64, 14, 14)
    layer.running_mean.fill_(value)
    return lambda: layer(images)


def product(value: float, dtype: torch.dtype) -> Callable[[], object]:
    a, b = torch.full((512, 512), value).to(dtype), torch.full((512, 512), 0.5).to(dtype)
    return lambda: a @ b


def convolution(value: float, dtype: torch.dtype) -> Callable[[], object]:
    images = torch.full((32, 32, 14, 14), value).to(dtype, memory_format=torch.channels_last)
    weights = torch.full((64, 32, 3, 3), 0.5).to(dtype)
    return lambda: F.conv2d(images, weights, padding=1)


OPERATIONS: dict[str, Callable[[float], Callable[[], object]]] = {
    "AdamW": lambda value: update(torch.optim.AdamW, value),
    "momentum": lambda value: update(torch.optim.SGD, value, momentum=0.9),
    "average of the weights": average,
    "batch norm, its running mean": norm,
    "matrix product, fp32": lambda value: product(value, torch.float32),
    "matrix product, bf16": lambda value: product(value, torch.bfloat16),
    "convolution, fp32": lambda value: convolution(value, torch.float32),
    "convolution, bf16": lambda value: convolution(value, torch.bfloat16),
}


def main() -> None:
    torch.set_num_threads(1)
    show_place(["torch"])
    rows = []
    for name, make in OPERATIONS.items():
        torch.set_flush_denormal(False)
        normal, slow = best_ms(make(NORMAL)), best_ms(make(TINY))
        run = make(TINY)
        torch.set_flush_denormal(True)
        zero = best_ms(run)
        figures = f"{normal:.2f}", f"{slow:.2f}", f"{slow / normal:.1f}×", f"{zero:.2f}", f"{zero / normal:.1f}×"
        rows.append([name, *figures])
    show_table(["operation", "normal numbers, ms", "subnormal, ms", "ratio", "taken for zero, ms", "ratio"], rows)


if __name__ == "__main__":
    main()
