"""Does training become slower as it goes on? The last tenth of a run against its first, with each optimizer.

The running mean of a weight without gradient decays into subnormal numbers, with which many CPUs compute many times
slower. Two runs from the same weights take turns, one that takes subnormal numbers for zero, as `archspec train` does,
and one that does not; each computes in a thread of its own, whose workers inherit the switch. A turn is a fiftieth of
the run. CPU time is that of all threads: it tells more than wall time on a machine that does other things too. The last
column says which share of the optimizer's state, and of the average of the weights, is subnormal at the end.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import torch
from common import ROOT, show_place, show_table

import archspec
from archspec.backends.device import pick_device
from archspec.data.batches import Batch
from archspec.language.recipe import Recipe
from archspec.train.ema import Average
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import Machine, prepare
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from archspec.train.step.precision import Settings
from archspec.train.summary import EpochResult

CASES = {
    "sgd": {"optimizer": "sgd", "lr": 0.05},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9},
    "adamw": {"optimizer": "adamw", "lr": 0.004},
    "adamw-ema": {"optimizer": "adamw", "lr": 0.004, "ema": 0.99},
}
COMMON = {"data": "fashion-mnist", "batch_size": 128, "init": "xavier_uniform"}
TURNS = 50
IMAGES = 15_000


@dataclass
class Runner:
    """One of the two runs. seconds, cpu_s: of each turn."""

    fields: dict[str, object]
    flush: bool
    options: argparse.Namespace
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def start(self) -> None:
        """In its own thread, before anything is computed."""
        torch.set_flush_denormal(self.flush)
        loaded = archspec.load(ROOT / "specs" / f"{self.options.network}.yaml")
        recipe = Recipe.model_validate({**COMMON, **self.fields})
        settings = Settings(self.options.precision, channels_last=True)
        machine = Machine(pick_device("cpu"), limit_train=IMAGES, limit_test=1, settings=settings)
        task = prepare(loaded.graph, recipe, machine)
        optimizer = make_optimizer(task.model, recipe, machine.device)
        steps = len(task.train)
        self.run = Run.create(task.model, optimizer, lambda step: recipe.lr, machine.device, recipe, steps, settings)
        self.run.policy = NonFinitePolicy(task.train, attempt)
        self.run.policy.on_start(self.run)
        self.callbacks = [] if recipe.ema is None else [Average(task.model, recipe.ema)]
        for watcher in self.callbacks:
            watcher.on_start(self.run)
        self.batches = self._batches(task)

    def _batches(self, task) -> Iterator[Batch]:
        for epoch in range(10**6):
            yield from task.train.batches(epoch)

    def turn(self, steps: int) -> None:
        """Some steps more, which the loop takes for an epoch."""
        self.run.state.steps_per_epoch = steps
        wall, cpu = time.perf_counter(), time.process_time()
        train_epoch(self.run, islice(self.batches, steps), self.callbacks)
        self.seconds.append(time.perf_counter() - wall)
        self.cpu_s.append(time.process_time() - cpu)
        self.run.state.results.append(EpochResult(self.run.state.epoch + 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))

    def subnormal(self) -> float:
        """The share of subnormal numbers in what lasts besides the weights."""
        tensors = [t for state in self.run.state.optimizer.state.values() for t in state.values() if t.ndim]
        if self.run.state.averaged is not None:
            tensors += self.run.state.averaged.parameters()
        if not tensors:
            return 0.0
        counts = [int(((t.abs() < torch.finfo(t.dtype).tiny) & (t.view(torch.int32) << 1 != 0)).sum()) for t in tensors]
        return sum(counts) / sum(t.numel() for t in tensors)


def compare(name: str, options: argparse.Namespace) -> list[list[str]]:
    steps = max(1, options.steps // TURNS)
    runners = [Runner(CASES[name], flush, options) for flush in (True, False)]
    pools = [ThreadPoolExecutor(1) for _ in runners]
    for pool, runner in zip(pools, runners, strict=True):
        pool.submit(runner.start).result()
        pool.submit(runner.turn, steps).result()  # warms up
        runner.seconds.clear()
        runner.cpu_s.clear()
    for number in range(TURNS):
        order = list(zip(pools, runners, strict=True))
        for pool, runner in order if number % 2 else reversed(order):
            pool.submit(runner.turn, steps).result()
    shares = [pool.submit(runner.subnormal).result() for pool, runner in zip(pools, runners, strict=True)]
    for pool in pools:
        pool.shutdown()
    return [row(name, runner, share, steps) for runner, share in zip(runners, shares, strict=True)]


def row(name: str, runner: Runner, subnormal: float, steps: int) -> list[str]:
    tenth = TURNS // 10
    first, last = (sum(part) for part in (runner.seconds[:tenth], runner.seconds[-tenth:]))
    cpu_first, cpu_last = (sum(part) for part in (runner.cpu_s[:tenth], runner.cpu_s[-tenth:]))
    images = steps * tenth * 128
    return [
        name, "zero" if runner.flush else "kept",
        f"{images / first:,.0f}", f"{images / last:,.0f}", f"{first / last:.2f}",
        f"{1000 * cpu_first / steps / tenth:.1f}", f"{1000 * cpu_last / steps / tenth:.1f}",
        f"{cpu_first / cpu_last:.2f}", f"{100 * subnormal:.1f} %",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), choices=CASES, metavar="CASE")
    parser.add_argument("--network", default="cnn28", help="a shipped spec that is trained on Fashion-MNIST")
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=1500, metavar="N", help="of each run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    show_place(["torch"])
    rows = [line for name in options.cases for line in compare(name, options)]
    print(f"{options.network}, {options.precision}, NHWC, {options.steps} steps of 128, {options.threads} threads\n")
    show_table([
        "optimizer", "subnormal numbers", "first tenth, images/s", "last tenth, images/s", "last/first",
        "CPU ms a step, first tenth", "last tenth", "speed by CPU time, last/first", "subnormal at the end",
    ], rows)


if __name__ == "__main__":
    main()
