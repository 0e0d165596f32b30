"""Predicted beside measured times on this machine, of networks that no calibration has seen.

    archspec calibrate                 # first, when nothing else runs
    python benchmarks/predict.py [SPEC …] [--device cuda] [--batch-sizes 1,8] [--precisions fp32,bf16] [--rows FILE]
                                 [--calibrate SECONDS]

Each row is a network, batch size and precision: the time of a training step and of a forward pass, and Spearman's
correlation of predicted and measured times of the layers (forward, in training). Between the runs of a pass, the
kernels beside which calibration measured the others show how fast the machine is at the moment: only runs during which
it was as fast as when it was calibrated count. The summary says the errors as they are, and those against the median
of all runs, too. `--calibrate S` calibrates the machine before the first row, and again whenever S seconds have passed:
a virtual machine that shares its cores is as fast as when it was calibrated for minutes only. Rows are appended to FILE
as they are measured, and a row that is there is not measured again: the run can be interrupted. `--again` measures
nothing, and predicts the rows of FILE anew, as after another calibration. On a GPU all rows run in one process.
`--seconds` ends the run. Without SPEC it takes all shipped specs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import inf
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
from archspec.calibrate.pace import Effort, Pace, series
from archspec.devices.calibration import Calibration, Machine, cpu_name, load_calibration
from archspec.devices.models import CalibratedModel
from archspec.diagnostics import SpecError
from archspec.execution import execute
from archspec.language.shipped import shipped_specs
from archspec.profile.prediction import simulated
from archspec.profile.timing import Until, time_runs
from archspec.profile.workload import Setting as Chosen
from archspec.profile.workload import Workload, setting
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import Precision, Settings, float32_products

CPU = torch.device("cpu")
EFFORT = Effort(fewest=4, most=10_000, enough=0.5, patience=10.0)  # of a pass on a CPU
ROUNDS, FEWEST_ROUNDS, LAYERS_S = 40, 3, 2.0  # of measuring layers, which take microseconds in small networks
Clock = Callable[[], float]


def spearman(a: list[float], b: list[float]) -> float:
    """Spearman's rank correlation; ranks of equal values are their mean."""

    def ranks(values: list[float]) -> list[float]:
        order = sorted(values)
        return [order.index(v) + (order.count(v) - 1) / 2 for v in values]

    x, y = ranks(a), ranks(b)
    return statistics.correlation(x, y) if len(set(x)) > 1 and len(set(y)) > 1 else float("nan")


def layer_times(
    workload: Workload, now: Callable[[], Any], ms: Callable[[Any, Any], float], clock: Clock
) -> dict[str, float]:
    """Milliseconds of each layer's forward pass in training: the least of ROUNDS, or of as many as LAYERS_S allows.

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
    end_s = clock() + LAYERS_S
    for k in range(ROUNDS):
        if k >= FEWEST_ROUNDS and clock() > end_s:
            break
        workload.step()
        for path, (start, end) in marks.items():
            best[path] = min(best.get(path, 1e9), ms(start, end))
    for handle in handles:
        handle.remove()
    return best


def fresh_row(name: str, batch: int, precision: Precision, calibration: Calibration) -> dict[str, Any] | None:
    """The row, in a process of its own: in the memory that a larger network has used and left, others are slower."""
    keep_freed_memory()
    torch.manual_seed(0)
    with denormals_flushed():
        pace = Pace(time.perf_counter, {kernel: ms / 1000 for kernel, ms in calibration.pace_ms.items()})
        return row(name, batch, precision, calibration, Rig(CPU, time.perf_counter, pace, precision))


def gpu_row(
    name: str, batch: int, precision: Precision, calibration: Calibration, device: torch.device
) -> dict[str, Any] | None:
    """The row, in this process: the allocator's memory is as good as new."""
    torch.manual_seed(0)
    free_memory(device)
    rig = Rig(device, time.perf_counter)
    with float32_products(precision, device):
        return row(name, batch, precision, calibration, rig)


@dataclass(frozen=True)
class Rig:
    """Where and how rows are measured."""

    device: torch.device
    clock: Clock
    pace: Pace | None = None  # of a CPU
    precision: Precision = "fp32"

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

    def measured(self, run: Callable[[], object], batch: int) -> dict[str, float]:
        """The median time of a pass. On a CPU, of the runs during which it was as fast as when it was calibrated.

        all_ms: the median of all runs. undisturbed: the share of those that count. pace: how slow the machine was.
        """
        if self.pace is None:  # a GPU is steady
            until = Until(5, 0.2, few=3, most_seconds=6)
            times = time_runs(
                run, batch_size=batch, synchronise=self.wait, clock=self.clock, warmup=Until(2, few=2), measured=until,
            ).times_ms
            return {"measured_ms": statistics.median(times), "pace": 1.0}
        runs = series([run], self.pace, EFFORT, [self.precision])
        every = [1000 * seconds for seconds, _ in runs.times[0]]
        return {
            "measured_ms": 1000 * runs.seconds(self.pace)[0], "all_ms": statistics.median(every),
            "undisturbed": len(runs.undisturbed(self.pace)[0]) / len(every),
            "pace": statistics.median(runs.slow(self.pace)[0]),
        }


def row(name: str, batch: int, precision: Precision, calibration: Calibration, rig: Rig) -> dict[str, Any] | None:
    """What a network takes: measured and predicted. None without enough memory, or without a training step."""
    chosen = chosen_setting(name, batch, precision, rig.device)
    if chosen is None:
        return None
    before_bytes = rig.start_memory()
    workload = Workload(chosen)
    measured = {key: rig.measured(run, batch) for key, run in workload.passes.items()}
    peak = rig.peak_memory() - before_bytes
    found: dict[str, Any] = {
        "spec": name, "batch": batch, "precision": precision, **measured,
        "layer_ms": layer_times(workload, rig.now, rig.ms, rig.clock),
    }
    if peak:
        simulation = execute(chosen.graph, simulated(chosen, training=True))
        found["memory"] = {
            "predicted_bytes": simulation.peak_bytes, "workspace_bytes": simulation.workspace_bytes,
            "measured_bytes": peak,
        }
    return with_prediction(found, chosen, calibration)


def chosen_setting(name: str, batch: int, precision: Precision, device: torch.device) -> Chosen | None:
    """How a network runs; None if it does not fit into memory, or has no training step."""
    try:
        chosen = setting(archspec.load(name).graph, batch, "float32", device, Settings(precision))
    except SpecError:
        return None
    return None if chosen.no_step is not None else chosen


def with_prediction(found: dict[str, Any], chosen: Chosen, calibration: Calibration) -> dict[str, Any]:
    """The measured row, with what the calibration predicts."""
    graph = chosen.graph
    predicted = predict_times(resources(graph, simulated(chosen, training=True)), CalibratedModel(calibration))
    assert predicted.step is not None
    for key, prediction in (("step", predicted.step), ("forward", predicted.forward)):
        found[key] |= {"predicted_ms": prediction.milliseconds, "low_ms": prediction.low, "high_ms": prediction.high}
    layers = found["layer_ms"]
    both = [(layer.forward_ms, layers[path]) for path, layer in predicted.step.layers.items() if path in layers]
    return found | {"layers": len(both), "rank": spearman(*map(list, zip(*both, strict=True)))} if both else found


def summary(rows: list[dict[str, Any]]) -> None:
    for key in ("step", "forward"):
        signed = [r[key]["predicted_ms"] / r[key]["measured_ms"] - 1 for r in rows]
        errors = list(map(abs, signed))
        every = [abs(r[key]["predicted_ms"] / r[key].get("all_ms", r[key]["measured_ms"]) - 1) for r in rows]
        inside = [r[key]["low_ms"] <= r[key]["measured_ms"] <= r[key]["high_ms"] for r in rows]
        print(f"{key}: median error {100 * statistics.median(errors):.1f} % "
              f"({100 * statistics.median(signed):+.1f} % with its sign), worst {100 * max(errors):.1f} %, "
              f"{sum(error > 0.3 for error in errors)} over 30 %, "
              f"{100 * statistics.mean(inside):.0f} % within the interval of 80 %, {len(rows)} rows; "
              f"against all runs, disturbed or not: median {100 * statistics.median(every):.1f} %, "
              f"worst {100 * max(every):.1f} %")
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


def calibrated(device: torch.device) -> Calibration:
    """The calibration of this machine."""
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    version = torch.__version__.partition("+")[0]
    found = load_calibration(Machine(cpu_name(), name, torch.get_num_threads(), version).file)
    if found is None:
        raise SystemExit("run `archspec calibrate` first")
    return found


class Calibrations:
    """The machine's calibration at hand, made again every so many seconds."""

    def __init__(self, device: torch.device, every: float) -> None:
        self._device, self._every, self._made = device, every, -every
        self.now = calibrated(device) if every == inf else self.latest()

    @property
    def age(self) -> float:
        """Seconds since it was made here."""
        return time.monotonic() - self._made

    def latest(self) -> Calibration:
        """The calibration, new if that at hand is older."""
        if self.age > self._every:
            command = [sys.executable, "-m", "archspec", "calibrate", "--device", self._device.type]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self._made, self.now = time.monotonic(), calibrated(self._device)
        return self.now


def measure(
    names: Sequence[str], batches: Sequence[int], precisions: Sequence[Precision], known: list[dict[str, Any]],
    calibrations: Calibrations, device: torch.device, seconds: float,
) -> Iterator[dict[str, Any]]:
    """Rows that are not known, until the time is over. Each network first in one setting, then in the next."""
    end = time.monotonic() + seconds
    done = {(r["spec"], r["batch"], r["precision"]) for r in known}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        for batch, precision, name in product(batches, precisions, names):
            if time.monotonic() > end:
                return
            if (name, batch, precision) in done:
                continue
            calibration = calibrations.latest()
            if device.type == "cuda":
                found = gpu_row(name, batch, precision, calibration, device)
            else:
                found = fresh.submit(fresh_row, name, batch, precision, calibration).result()
            if found is not None:
                yield found | ({"calibrated_s_before": round(calibrations.age)} if calibrations.age < inf else {})


def line(found: dict[str, Any]) -> str:
    measured, predicted = (found["step"][key] for key in ("measured_ms", "predicted_ms"))
    return (
        f"{found['spec']:26} {found['batch']:4} {found['precision']}  step {measured:9.2f} ms, predicted "
        f"{predicted:9.2f} ms ({100 * (predicted / measured - 1):+.0f} %), rank {found.get('rank', float('nan')):.3f}, "
        f"pace {found['step']['pace']:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--rows", type=Path, default=Path("predict.jsonl"))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--device", type=torch.device, default=CPU)
    parser.add_argument("--calibrate", type=float, default=inf, metavar="SECONDS")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    calibrations = Calibrations(options.device, options.calibrate)
    rows = [json.loads(text) for text in options.rows.read_text().splitlines()] if options.rows.exists() else []
    if options.again:
        for k, found in enumerate(rows):
            chosen = chosen_setting(found["spec"], found["batch"], found["precision"], options.device)
            assert chosen is not None
            rows[k] = with_prediction(found, chosen, calibrations.now)
            print(line(rows[k]))
        options.rows.write_text("".join(json.dumps(found) + "\n" for found in rows))
    else:
        batches, precisions = [int(text) for text in options.batch_sizes.split(",")], options.precisions.split(",")
        names = options.specs or shipped_specs()
        for found in measure(names, batches, precisions, list(rows), calibrations, options.device, options.seconds):
            with options.rows.open("a") as file:
                file.write(json.dumps(found) + "\n")
            rows.append(found)
            print(line(found), flush=True)
    print(f"{calibrations.now.name}, torch {torch.__version__}")
    summary(rows)


if __name__ == "__main__":
    main()
