"""Fits the efficiencies of `archspec/devices/gpu.py` on measured steps, and judges them on networks that are left out.

    python benchmarks/fit_devices.py REFERENCE.json [--table TABLE.csv] [--write]

REFERENCE.json: rows of network, batch, precision, channels_last, step_ms and forward_ms, measured on an H200 with SGD
and momentum. TABLE.csv: rows of timm's training benchmark on an RTX 3090 (AMP, channels last; columns model,
train_step_time, train_batch_size, train_img_size), of models that a shipped spec describes; on these only the three
parameters of `PER_DEVICE` are fitted. The errors that it prints are of networks (of the table: rows) that the fit did
not see; the interval of a prediction is their 80th percentile. --write: keep them in archspec/devices/fitted.json.

The fit is nonlinear least squares of the logarithms of the times, with a robust loss, and a prior on each parameter.
`kernel_arrays.py` computes the times of all passes at once; before the fit each is compared with the package's own.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from kernel_arrays import Array, KernelArrays
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import spearmanr

import archspec
from archspec.devices import Device, find_device
from archspec.devices.gpu import Circumstances, GpuModel, queue_of, run
from archspec.execution import Kernel, Optimizer, Setting, execute
from archspec.profile.timing import quantile

TABLES = (".json", ".csv")
FITTED = Path(archspec.__file__).parent / "devices" / "fitted.json"
# name: (first guess, how far it may be off, as a factor's logarithm)
PRIOR = {
    "launch_us": (8, 0.5), "sharpness": (2, 0.3), "memory": (0.9, 0.15), "memory.low": (0.9, 0.15),
    "memory.pool": (0.5, 0.6), "memory.layer_norm": (0.6, 0.5), "memory.reduce": (0.75, 0.5),
    "memory.copy": (0.9, 0.15),
    "norm.training": (0.9, 0.3), "norm.evaluation": (0.9, 0.3), "norm.backward": (0.8, 0.3), "norm.nchw": (0.8, 0.5),
    "norm.nchw_low": (0.8, 0.15), "norm.native": (0.9, 0.15), "norm.native_evaluation": (0.7, 0.5),
    "norm.wave": (0.3, 0.7), "conv.nchw": (0.5, 0.5),
    "product.low": (0.6, 0.5), "product.tf32": (0.6, 0.5), "product.fp32": (0.7, 0.5), "product.short_side": (100, 0.7),
    "product.wave": (0.5, 0.5), "product.input": (1, 0.15), "product.weight": (0.9, 0.15), "product.matrix": (1, 0.15),
    "product.pointwise": (1, 0.15), "product.winograd": (1.2, 0.15), "product.fft": (2.5, 0.5),
    "product.nchw": (1, 0.15),
    "grouped.compute": (0.05, 1), "grouped.compute_low": (2, 0.5), "grouped_conv_input.compute": (0.8, 0.4),
    "grouped_conv_weight.compute": (0.5, 0.7), "grouped.memory": (0.3, 0.7), "grouped.memory_low": (0.7, 0.5),
    "grouped_conv_weight.memory": (0.5, 0.7), "grouped.nchw": (0.8, 0.4),
    "host.forward_us": (20, 0.4), "host.backward_us": (25, 0.4), "host.parameter_us": (2, 0.7),
    "host.step_us": (200, 0.5), "host.copy": (0.75, 0.5), "host.norm": (1.3, 0.15),
}
NOISE = {True: 0.1, False: 0.15}  # of a step's and a forward pass's time: short passes vary more
ROUNDS = 20  # of a fit
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
    images: int


def check(rows: Sequence[Row], parameters: dict[str, float]) -> None:
    """Raises AssertionError if the arrays give a row another time than the package does."""
    found = KernelArrays([(row.device, row.circumstances, row.kernels) for row in rows]).seconds(parameters)
    for row, seconds in zip(rows, found, strict=True):
        own = run(*queue_of(row.kernels, GpuModel(row.device, parameters, row.circumstances)))[1]
        assert math.isclose(own, seconds, rel_tol=1e-9), (row.network, row.label, own, seconds)


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
            rows.append(Row(row["network"], label, device, circumstances, execute(graph, setting).kernels, row[key],
                            row["batch"]))
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
                            execute(graph, setting).kernels, float(row["train_step_time"]), setting.batch_size))
    return rows


class Fit:
    """Fits parameters on rows. spread: how far each may be off; others stay as in `guess`."""

    def __init__(self, rows: Sequence[Row], guess: dict[str, float], spread: dict[str, float]) -> None:
        self.rows, self.guess, self.names = rows, guess, list(spread)
        self.arrays = KernelArrays([(row.device, row.circumstances, row.kernels) for row in rows])
        self.measured = np.log([row.milliseconds / 1000 for row in rows])
        self.noise = np.array([NOISE[row.circumstances.training] for row in rows])
        self.networks = np.array([row.network for row in rows])
        self.middle = np.log([guess[name] for name in self.names])
        self.spread = np.array(list(spread.values()))

    def parameters(self, x: Array) -> dict[str, float]:
        return {**self.guess, **dict(zip(self.names, np.exp(x).tolist(), strict=True))}

    def errors(self, parameters: dict[str, float]) -> Array:
        """Of each row, the logarithm of the predicted time over the measured one."""
        return np.log(self.arrays.seconds(parameters)) - self.measured

    def fit(self, start: dict[str, float], used: NDArray[np.bool_] | None = None) -> dict[str, float]:
        """The parameters that fit the rows in use best."""
        used = np.ones(len(self.rows), bool) if used is None else used

        def residuals(x: Array) -> Array:
            errors = self.errors(self.parameters(x)) / self.noise
            return np.concatenate([errors[used], (x - self.middle) / self.spread])

        x = np.log([start[name] for name in self.names])
        found = least_squares(residuals, x, loss="soft_l1", max_nfev=ROUNDS, diff_step=1e-5)
        return self.parameters(found.x)

    def left_out(self, start: dict[str, float]) -> Array:
        """The error of each row by parameters that are fitted without its network, as a factor's logarithm."""
        errors = np.empty(len(self.rows))
        for network in dict.fromkeys(self.networks.tolist()):
            out = self.networks == network
            errors[out] = self.errors(self.fit(start, ~out))[out]
            print(f"  {network:24}", *(f"{100 * e:+.0f}" for e in np.expm1(errors[out])), flush=True)
        return errors


def summary(what: str, errors: Array) -> float:
    """Prints the errors. Returns the 80th percentile of their sizes, as a factor's logarithm."""
    sizes = [abs(e) for e in np.expm1(errors).tolist()]
    print(f"{what}: median {100 * statistics.median(sizes):.1f} %, mean {100 * statistics.mean(sizes):.1f} %, "
          f"worst {100 * max(sizes):.1f} %, {len(sizes)} times", flush=True)
    return quantile([abs(e) for e in errors.tolist()], 0.8)


def fit_table(rows: Sequence[Row], fitted: dict[str, float]) -> dict[str, object]:
    """The parameters of the table's device, and the interval, from rows that are left out."""
    fit = Fit(rows, fitted, PER_DEVICE)
    print("rows of the table left out, error in %:")
    errors = fit.left_out(fitted)
    span = summary("rows left out", errors)
    speeds = np.log([row.images for row in rows]) - fit.measured
    print(f"rank correlation of rows left out: images per second {spearmanr(speeds, speeds - errors)[0]:.2f}, "
          f"time of a step {spearmanr(fit.measured, fit.measured + errors)[0]:.2f}")
    own = fit.fit(fitted)
    print("all rows seen:", *(f"{100 * e:+.0f}" for e in np.expm1(fit.errors(own))))
    return {"parameters": {name: short(own[name]) for name in PER_DEVICE}, "span": {"step": span, "forward": span}}


def short(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    guess = {name: value for name, (value, _) in PRIOR.items()} | FIXED
    rows = reference(options.reference)
    check(rows, guess)
    fit = Fit(rows, guess, {name: width for name, (_, width) in PRIOR.items()})
    fitted = fit.fit(guess)
    print({name: short(value) for name, value in fitted.items()})
    summary("seen", fit.errors(fitted))
    print("networks left out, error in %, of steps and forward passes in turn:")
    errors = fit.left_out(guess)  # from the same start, so that nothing of a network left out leaks
    training = np.array([row.circumstances.training for row in rows])
    spans = {
        key: summary(f"networks left out, {key}", errors[training == chosen])
        for key, chosen in (("step", True), ("forward", False))
    }
    devices = {}
    if options.table:
        devices["rtx3090"] = fit_table(table(options.table), fitted)
        print(devices)
    if options.write:
        command = shlex.join(["python", *(Path(a).name if a.endswith(TABLES) else a for a in sys.argv)])
        result = {
            "format": 1, "command": command,
            "meaning": "80 % of the times of networks left out of the fit lie within exp(±span) of the prediction",
            "parameters": {name: short(value) for name, value in fitted.items()},
            "span": spans, "devices": devices,
        }
        FITTED.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
