"""Predicted beside measured times on this machine, of networks that no calibration has seen.

    archspec calibrate                 # first, when nothing else runs
    python benchmarks/predict.py [SPEC …] [--device cuda] [--batch-sizes 1,8] [--precisions fp32,bf16] [--rows FILE]

Each row is a network, batch size and precision: the time of a training step and of a forward pass, and Spearman's
correlation of predicted and measured times of the layers (forward, in training). Before and after each pass, the
kernels beside which calibration measured the others show how fast the machine is at the moment: while it is slower
than calibration found it, the pass is measured again, up to five times, and the least median counts. The summary says
the errors as they are, with the first median instead, and at the pace of the calibration. Rows are appended to FILE
as they are measured, and a row that is there is not measured again: the run can be interrupted. On a GPU all rows are
measured in one process, and `--seconds` ends it. Without SPEC it takes all shipped specs. On a machine that does other
things, `--cpu-time` with OMP_NUM_THREADS=1 measures the process's CPU time instead; it calibrates itself first
(`--seconds`), because the calibration of `archspec calibrate` is of wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn

import archspec
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.backends.allocator import keep_freed_memory
from archspec.backends.denormals import denormals_flushed
from archspec.calibrate import calibrate
from archspec.calibrate.gpu_watch import Steady
from archspec.calibrate.measure import Metronome, Pace, Stopwatch
from archspec.devices.calibration import Calibration, Machine, cpu_name, load_calibration
from archspec.devices.models import CalibratedModel
from archspec.diagnostics import SpecError
from archspec.execution import execute
from archspec.language.shipped import shipped_specs
from archspec.profile.prediction import simulated
from archspec.profile.timing import Until, time_runs
from archspec.profile.workload import Workload, setting
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import Settings, float32_products

CPU = torch.device("cpu")
TRIES = 5
DISTURBED = 1.1  # times as slow as when the machine was calibrated
Clock = Callable[[], float]


def spearman(a: list[float], b: list[float]) -> float:
    """Spearman's rank correlation; ranks of equal values are their mean."""

    def ranks(values: list[float]) -> list[float]:
        order = sorted(values)
        return [order.index(v) + (order.count(v) - 1) / 2 for v in values]

    x, y = ranks(a), ranks(b)
    return statistics.correlation(x, y) if len(set(x)) > 1 and len(set(y)) > 1 else float("nan")


def layer_times(
    workload: Workload, now: Callable[[], Any], ms: Callable[[Any, Any], float], rounds: int
) -> dict[str, float]:
    """Milliseconds of each layer's forward pass in training: the least of some rounds.

    now: marks a moment. ms: between two marks, after a step.
    """
    marks: dict[str, list[Any]] = {}
    best: dict[str, float] = {}
    handles: list[Any] = []

    def watch(path: str, module: nn.Module) -> None:
        handles.append(module.register_forward_pre_hook(lambda *_: marks.__setitem__(path, [now()])))
        handles.append(module.register_forward_hook(lambda *_: marks[path].append(now())))

    for path, module in workload.model.named_modules():
        if not any(module.children()):
            watch(path, module)
    for _ in range(rounds):
        workload.step()
        for path, (start, end) in marks.items():
            best[path] = min(best.get(path, 1e9), ms(start, end))
    for handle in handles:
        handle.remove()
    return best


def fresh_row(
    name: str, batch: int, precision: str, calibration: Calibration, *, cpu_time: bool
) -> dict[str, Any] | None:
    """The row, in a process of its own: in the memory that a larger network has used and left, others are slower."""
    keep_freed_memory()
    torch.manual_seed(0)
    clock = time.process_time if cpu_time else time.perf_counter
    with denormals_flushed():
        return row(name, batch, precision, calibration, Rig(CPU, clock, Pace(Stopwatch(clock, lambda: None), CPU)))


def gpu_row(
    name: str, batch: int, precision: str, calibration: Calibration, device: torch.device
) -> dict[str, Any] | None:
    """The row, in this process: the allocator's memory is as good as new."""
    torch.manual_seed(0)
    free_memory(device)
    rig = Rig(device, time.perf_counter, Steady())
    with float32_products(precision, device):
        return row(name, batch, precision, calibration, rig)


@dataclass(frozen=True)
class Rig:
    """Where and how rows are measured."""

    device: torch.device
    clock: Clock
    pace: Metronome

    def wait(self) -> None:
        """Until all kernels have run."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def now(self) -> Any:
        """A mark of this moment, on the device's own timeline."""
        if self.device.type == "cpu":
            return self.clock()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def ms(self, start: Any, end: Any) -> float:
        """Milliseconds between two marks."""
        if self.device.type == "cpu":
            return 1000 * (end - start)
        end.synchronize()
        return start.elapsed_time(end)

    def start_memory(self) -> int:
        """Bytes in use on a GPU, whose peak is watched from now on."""
        if self.device.type == "cpu":
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def peak_memory(self) -> int:
        """The peak since then."""
        return 0 if self.device.type == "cpu" else torch.cuda.max_memory_allocated(self.device)

    def measured(self, run: Callable[[], object], batch: int, calibration: Calibration) -> dict[str, float]:
        """The median time of a pass, and the pace, of the try with the least. They end with one that nothing disturbs.

        first_ms: the median of the first try.
        """
        until = Until(5, 0.2 if self.device.type == "cuda" else 0.5, few=3, most_seconds=6)  # a GPU is steady
        usual = calibration.pace_ms / 1000 if isinstance(self.pace, Pace) else 1.0
        tries: list[tuple[float, float]] = []
        while len(tries) < TRIES and not (tries and tries[-1][1] < DISTURBED):
            before = self.pace.now()
            times = time_runs(
                run, batch_size=batch, synchronise=self.wait, clock=self.clock, warmup=Until(2, few=2), measured=until,
            ).times_ms
            tries.append((statistics.median(times), (before + self.pace.now()) / 2 / usual))
        least = min(tries)
        return {"measured_ms": least[0], "pace": least[1], "first_ms": tries[0][0], "tries": len(tries)}


def row(name: str, batch: int, precision: str, calibration: Calibration, rig: Rig) -> dict[str, Any] | None:
    graph = archspec.load(name).graph
    try:
        chosen = setting(graph, batch, "float32", rig.device, Settings(precision))
    except SpecError:  # it does not fit into memory
        return None
    if chosen.no_step is not None:
        return None
    predicted = predict_times(resources(graph, simulated(chosen, training=True)), CalibratedModel(calibration))
    assert predicted.step is not None
    before_bytes = rig.start_memory()
    workload = Workload(chosen)
    measured = {key: rig.measured(run, batch, calibration) for key, run in workload.passes.items()}
    peak = rig.peak_memory() - before_bytes
    layers = layer_times(workload, rig.now, rig.ms, 3)
    both = [(layer.forward_ms, layers[path]) for path, layer in predicted.step.layers.items() if path in layers]
    found: dict[str, Any] = {"spec": name, "batch": batch, "precision": precision}
    if peak:
        simulation = execute(graph, simulated(chosen, training=True))
        found["memory"] = {
            "predicted_bytes": simulation.peak_bytes, "workspace_bytes": simulation.workspace_bytes,
            "measured_bytes": peak,
        }
    for key, prediction in (("step", predicted.step), ("forward", predicted.forward)):
        found[key] = {
            "predicted_ms": prediction.milliseconds, "low_ms": prediction.low, "high_ms": prediction.high,
            **measured[key],
        }
    return found | {"layers": len(both), "rank": spearman(*map(list, zip(*both, strict=True)))} if both else found


def summary(rows: list[dict[str, Any]]) -> None:
    for key in ("step", "forward"):
        errors = [abs(r[key]["predicted_ms"] / r[key]["measured_ms"] - 1) for r in rows]
        first = [abs(r[key]["predicted_ms"] / r[key].get("first_ms", r[key]["measured_ms"]) - 1) for r in rows]
        even = [abs(r[key]["predicted_ms"] * r[key]["pace"] / r[key]["measured_ms"] - 1) for r in rows]
        inside = [r[key]["low_ms"] <= r[key]["measured_ms"] <= r[key]["high_ms"] for r in rows]
        print(f"{key}: median error {100 * statistics.median(errors):.1f} %, worst {100 * max(errors):.1f} %, "
              f"{100 * statistics.mean(inside):.0f} % within the interval of 80 %, {len(rows)} rows; "
              f"against the first try: median {100 * statistics.median(first):.1f} %, worst {100 * max(first):.1f} %; "
              f"at the calibration's pace: median {100 * statistics.median(even):.1f} %, worst {100 * max(even):.1f} %")
    paces = sorted(r["step"]["pace"] for r in rows)
    print(f"the pace over the calibration's: median {statistics.median(paces):.2f}, {paces[0]:.2f} to {paces[-1]:.2f}")
    errors = [abs(r["memory"]["predicted_bytes"] / r["memory"]["measured_bytes"] - 1) for r in rows
              if r.get("memory", {}).get("measured_bytes", 0) >= 256 << 20]
    if errors:
        print(f"peak of a step over 256 MiB: median error {100 * statistics.median(errors):.1f} %, "
              f"worst {100 * max(errors):.1f} %, {len(errors)} rows")
    ranks = [r["rank"] for r in rows if r.get("layers", 0) >= 5]
    if ranks:
        print(f"rank correlation of layers: median {statistics.median(ranks):.3f}, least {min(ranks):.3f}")


def calibrated(options: argparse.Namespace) -> Calibration:
    """The calibration of this machine; with --cpu-time one of CPU time, which is kept beside the rows."""
    if not options.cpu_time:
        device = options.device
        name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
        version = torch.__version__.partition("+")[0]
        found = load_calibration(Machine(cpu_name(), name, torch.get_num_threads(), version).file)
        if found is None:
            raise SystemExit("run `archspec calibrate` first")
        return found
    path = options.rows.with_suffix(".calibration.json")
    if (kept := load_calibration(path)) is not None:
        return kept
    made = calibrate(CPU, seconds=options.seconds, clock=time.process_time)
    made.save().replace(path)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--rows", type=Path, default=Path("predict.jsonl"))
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--seconds", type=float, default=110)
    parser.add_argument("--device", type=torch.device, default=CPU)
    options = parser.parse_args()
    if options.cpu_time and torch.get_num_threads() != 1:
        raise SystemExit("--cpu-time needs OMP_NUM_THREADS=1")
    keep_freed_memory()
    with denormals_flushed():
        calibration = calibrated(options)
    end = time.monotonic() + options.seconds
    gpu = options.device.type == "cuda"
    fresh = ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with fresh:
        rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
        done = {(r["spec"], r["batch"], r["precision"]) for r in rows}
        for name in options.specs or shipped_specs():
            for batch in map(int, options.batch_sizes.split(",")):
                for precision in options.precisions.split(","):
                    if (name, batch, precision) in done or (gpu and time.monotonic() > end):
                        continue
                    if gpu:
                        found = gpu_row(name, batch, precision, calibration, options.device)
                    else:
                        found = fresh.submit(
                            fresh_row, name, batch, precision, calibration, cpu_time=options.cpu_time
                        ).result()
                    if found is None:
                        continue
                    with options.rows.open("a") as file:
                        file.write(json.dumps(found) + "\n")
                    rows.append(found)
                    measured, predicted = (found["step"][key] for key in ("measured_ms", "predicted_ms"))
                    print(f"{name:26} {batch:4} {precision}  step {measured:9.2f} ms, predicted {predicted:9.2f} ms"
                          f" ({100 * (predicted / measured - 1):+.0f} %), rank {found.get('rank', float('nan')):.3f},"
                          f" pace {found['step']['pace']:.2f}",
                          flush=True)
    print(f"{calibration.name}, {'CPU time' if options.cpu_time else 'wall time'}, torch {torch.__version__}")
    summary(rows)


if __name__ == "__main__":
    main()
