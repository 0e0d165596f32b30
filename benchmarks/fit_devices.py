"""Fits the efficiencies of `archspec/devices/gpu.py` on measured steps, and judges them on networks that are left out.

    python benchmarks/fit_devices.py REFERENCE.json [--table TABLE.csv] [--write]

REFERENCE.json: rows of network, batch, precision, channels_last, step_ms and forward_ms, measured on an H200 with SGD
and momentum. TABLE.csv: rows of timm's training benchmark on an RTX 3090 (AMP, channels last; columns model,
train_step_time, train_batch_size, train_img_size), of models that a shipped spec describes; on these only the three
parameters of `PER_DEVICE` are fitted. The errors that it prints are of networks (of the table: rows) that the fit did
not see; the interval of a prediction is their 80th percentile. --write: keep them in archspec/devices/fitted.json.

The fit is nonlinear least squares of the logarithms of the times, with a robust loss, and a prior on each parameter.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shlex
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.optimize import least_squares

import archspec
from archspec.devices import Device, find_device
from archspec.devices.gpu import Circumstances, GpuModel, queue
from archspec.execution import Kernel, Optimizer, Setting, execute
from archspec.profile.timing import quantile

TABLES = (".json", ".csv")
FITTED = Path(archspec.__file__).parent / "devices" / "fitted.json"
# name: (first guess, how far it may be off, as a factor's logarithm)
PRIOR = {
    "launch_us": (4, 0.4), "sharpness": (2, 0.3), "memory": (0.8, 0.3), "memory.low": (0.9, 0.3),
    "memory.pool": (0.5, 0.6), "memory.layer_norm": (0.6, 0.5), "memory.reduce": (0.75, 0.5), "memory.copy": (0.9, 0.3),
    "norm.training": (0.9, 0.3), "norm.evaluation": (0.9, 0.3), "norm.backward": (0.8, 0.3), "norm.nchw": (0.8, 0.5),
    "norm.nchw_low": (0.8, 0.4), "conv.transposes": (1, 0.7),
    "product.low": (0.6, 0.5), "product.tf32": (0.6, 0.5), "product.fp32": (0.7, 0.5), "product.short_side": (100, 0.7),
    "product.wave": (0.5, 0.5), "product.input": (1, 0.3), "product.weight": (0.9, 0.3), "product.matrix": (1, 0.3),
    "product.pointwise": (1, 0.3),
    "grouped.compute": (0.05, 1), "grouped.compute_low": (2, 0.5), "grouped_conv_input.compute": (0.8, 0.4),
    "grouped_conv_weight.compute": (0.5, 0.7), "grouped.memory": (0.3, 0.7), "grouped.memory_low": (0.7, 0.5),
    "grouped_conv_weight.memory": (0.5, 0.7),
    "host.forward_us": (20, 0.4), "host.backward_us": (25, 0.4), "host.parameter_us": (2, 0.7),
    "host.step_us": (200, 0.5), "host.copy": (0.75, 0.5),
}
FIXED = {"product.slope": 0.35}  # of one device's rows it cannot be found; that of another device gives it
PER_DEVICE = {"product.slope": 0.3, "memory": 0.5, "launch_us": 0.5}
SPECS = {  # of timm's models
    "mobilenetv3_small_100": "zoo/mobilenet_v3_small", "resnet18": "resnet18", "resnet50": "zoo/resnet50",
    "vgg11": "vgg11", "densenet121": "zoo/densenet121",
}


class Row(NamedTuple):
    """One measured time: of a step or of a forward pass."""

    network: str
    label: str
    device: Device
    circumstances: Circumstances
    kernels: tuple[Kernel, ...]
    milliseconds: float

    def predicted(self, parameters: dict[str, float]) -> float:
        return 1000 * queue(self.kernels, GpuModel(self.device, parameters, self.circumstances))[1]

    def error(self, parameters: dict[str, float]) -> float:
        """Of the prediction, relative."""
        return self.predicted(parameters) / self.milliseconds - 1


def reference(path: Path) -> list[Row]:
    device, rows = find_device("h200"), []
    for row in json.loads(path.read_text())["rows"]:
        graph = archspec.load(row["network"]).graph
        for training, key in ((True, "step_ms"), (False, "forward_ms")):
            setting = Setting(
                row["batch"], training=training, precision=row["precision"], channels_last=row["channels_last"],
                target="cuda", optimizer=Optimizer("sgd", 0.9),
            )
            circumstances = Circumstances(row["precision"], row["channels_last"], training)
            label = f"{row['precision']}{' nhwc' if row['channels_last'] else ''} {key}"
            rows.append(Row(row["network"], label, device, circumstances, execute(graph, setting).kernels, row[key]))
    return rows


def table(path: Path) -> list[Row]:
    device, rows = find_device("rtx3090"), []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["model"] not in SPECS:
                continue
            size = int(row["train_img_size"])
            graph = archspec.load(SPECS[row["model"]], input=(3, size, size)).graph
            setting = Setting(
                int(row["train_batch_size"]), precision="fp16", channels_last=True, target="cuda",
                optimizer=Optimizer("sgd", 0.9),
            )
            rows.append(Row(row["model"], "fp16 nhwc step_ms", device, Circumstances("fp16", True, True),
                            execute(graph, setting).kernels, float(row["train_step_time"])))
    return rows


def fit(
    rows: Sequence[Row], guess: dict[str, float], spread: dict[str, float], start: dict[str, float], rounds: int,
    noise: float = 0.1,
) -> dict[str, float]:
    """The parameters named in `spread`, others as in `guess`. noise: of a measured time, as a factor's logarithm."""
    names = list(spread)

    def parameters(x: Sequence[float]) -> dict[str, float]:
        return {**guess, **{name: math.exp(value) for name, value in zip(names, x, strict=True)}}

    def residuals(x: Sequence[float]) -> list[float]:
        values = parameters(x)
        errors = [math.log(row.predicted(values) / row.milliseconds) / noise for row in rows]
        return errors + [(v - math.log(guess[n])) / spread[n] for n, v in zip(names, x, strict=True)]

    found = least_squares(
        residuals, [math.log(start[name]) for name in names], loss="soft_l1", max_nfev=rounds,
        diff_step=1e-4,
    )
    return parameters(found.x)


def left_out(rows: Sequence[Row], refit: Callable[[list[Row]], dict[str, float]]) -> list[float]:
    """The error of each row, in order, by parameters that are fitted without its network."""
    errors = {}
    for network in dict.fromkeys(row.network for row in rows):
        parameters = refit([row for row in rows if row.network != network])
        errors |= {k: row.error(parameters) for k, row in enumerate(rows) if row.network == network}
        print(f"  {network:24}", *(f"{100 * errors[k]:+.0f}" for k, row in enumerate(rows) if row.network == network),
              flush=True)
    return [errors[k] for k in range(len(rows))]


def summary(what: str, errors: Sequence[float]) -> float:
    """Prints the errors. Returns the 80th percentile of their sizes, as a factor's logarithm."""
    sizes = [abs(e) for e in errors]
    print(f"{what}: median {100 * statistics.median(sizes):.1f} %, mean {100 * statistics.mean(sizes):.1f} %, "
          f"worst {100 * max(sizes):.1f} %, {len(sizes)} times", flush=True)
    return quantile([abs(math.log1p(e)) for e in errors], 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    guess = {name: value for name, (value, _) in PRIOR.items()} | FIXED
    spread = {name: width for name, (_, width) in PRIOR.items()}
    before = json.loads(FITTED.read_text())["parameters"] if FITTED.exists() else {}
    rows = reference(options.reference)
    fitted = fit(rows, guess, spread, {**guess, **before}, options.rounds)
    print({name: float(f"{value:.4g}") for name, value in fitted.items()})
    summary("seen", [row.error(fitted) for row in rows])
    print("networks left out, error in %:")
    errors = left_out(rows, lambda kept: fit(kept, guess, spread, fitted, 5))
    spans = {
        key: summary(f"networks left out, {key}", [
            error for row, error in zip(rows, errors, strict=True) if row.circumstances.training == training
        ])
        for key, training in (("step", True), ("forward", False))
    }
    devices = {}
    if options.table:
        rows = table(options.table)

        def refit(kept: Sequence[Row]) -> dict[str, float]:
            return fit(kept, fitted, PER_DEVICE, fitted, 20)

        print("rows of the table left out, error in %:")
        span = summary("rows left out", left_out(rows, refit))
        own = refit(rows)
        print("all rows seen:", *(f"{100 * row.error(own):+.0f}" for row in rows))
        devices["rtx3090"] = {
            "parameters": {name: float(f"{own[name]:.4g}") for name in PER_DEVICE},
            "span": {"step": span, "forward": span},
        }
        print(devices)
    if options.write:
        command = shlex.join(["python", *(Path(a).name if a.endswith(TABLES) else a for a in sys.argv)])
        result = {
            "format": 1, "command": command,
            "meaning": "80 % of the times of networks left out of the fit lie within exp(±span) of the prediction",
            "parameters": {name: float(f"{value:.4g}") for name, value in fitted.items()},
            "span": spans, "devices": devices,
        }
        FITTED.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
