"""What `archspec calibrate` measured on a machine: curves by kind of kernel, and the file in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any, Final

from archspec.atomic_files import write_text
from archspec.devices.curve import Curve
from archspec.devices.work import KernelLike, work_of
from archspec.diagnostics import plural
from archspec.files import read_regular
from archspec.user_cache import cache_folder

FORMAT: Final = 9
# Of measuring kernels, at most, on a CPU and on a GPU; whole networks come on top, for about half a minute.
SECONDS, SECONDS_GPU = 83.0, 96.0
MAX_BYTES: Final = 1 << 23  # of a file
_MAX_CURVES, _MAX_POINTS, _MAX_FEATURES = 1000, 1000, 11


@dataclass(frozen=True, slots=True)
class Machine:
    """What times depend on: the CPU and its threads, the device (`cpu`, or a GPU's name), the version of torch."""

    cpu: str
    device: str
    threads: int
    torch: str

    @property
    def file(self) -> Path:
        """The file of its calibration."""
        text = json.dumps([self.cpu, self.device, self.threads, self.torch])
        return cache_folder() / "calibration" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measured times of a machine.

    curves: by kind of kernel, precision and layout, see `predict`. factors: of a CPU, by precision, how much longer
    kernels take in a forward pass in evaluation than alone. peak_gmacs, bandwidth_gb_per_s: the best measured rates.
    seconds: how long measuring took. made: the day. pace_ms: of a CPU, the times of `archspec.calibrate.pace.KERNELS`,
    which show how fast the machine is. host_us: microseconds for each call, by the names of `host_calls`: on a GPU what
    the host takes to enqueue it, on a CPU what it takes besides its kernel. cache_bytes: of a CPU, how much memory can
    be read again and again from its caches.
    """

    machine: Machine
    curves: dict[str, Curve]
    factors: dict[str, float]
    peak_gmacs: dict[str, float]
    bandwidth_gb_per_s: float
    seconds: float
    made: str
    pace_ms: dict[str, float] = field(default_factory=dict)
    host_us: dict[str, float] = field(default_factory=dict)
    cache_bytes: float = 0.0

    @property
    def name(self) -> str:
        """The machine in words."""
        device = self.machine.cpu if self.machine.device == "cpu" else self.machine.device
        return f"{device}, {plural(self.machine.threads, 'thread')}"

    def save(self) -> Path:
        """Write it to the user's cache, atomically. Raises OSError."""
        path = self.machine.file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"format": FORMAT, **asdict(self)}) + "\n")
        return path


def load_calibration(path: Path) -> Calibration | None:
    """The calibration in a file; None if there is none, or it is damaged or of another format."""
    try:
        data = json.loads(read_regular(path, MAX_BYTES))
        if data.pop("format") != FORMAT:
            return None
        machine = Machine(str(data["machine"]["cpu"]), str(data["machine"]["device"]),
                          int(data["machine"]["threads"]), str(data["machine"]["torch"]))
        curves = {str(name): _curve(curve) for name, curve in data["curves"].items()}
        if len(curves) > _MAX_CURVES:
            return None
        return Calibration(
            machine, curves, _numbers(data["factors"]), _numbers(data["peak_gmacs"]),
            _number(data["bandwidth_gb_per_s"]), _number(data["seconds"]), str(data["made"])[:40],
            _numbers(data["pace_ms"]), _numbers(data["host_us"]),
            _number(data["cache_bytes"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


HOST_PASS, HOST_STEP, HOST_PARAMETER = "pass", "step", "parameter"
_GROUPS: Final = (("attention", "attention"), ("convolution", "convolution"), ("norm", "norm"), ("pool", "pool"),
                  ("copy", "copy"), ("embedding", "embedding"), ("_add", "elementwise"))


def host_curve(name: str) -> str:
    """The name of the curve of what the host takes to enqueue kernels of a curve."""
    return f"host/{name}"


def host_call(kernel: KernelLike, *, training: bool) -> str | None:
    """The kind of call that enqueues a kernel; None if it is enqueued by the same call as another."""
    if kernel.direction == "optimizer":
        return HOST_PARAMETER
    # One call of torch computes all gradients of a convolution.
    if kernel.name in ("convolution_backward_bias", "convolution_backward_input"):
        return None
    way = kernel.direction if training else "evaluation"
    group = "product" if work_of(kernel).family == "product" else "elementwise"
    group = next((group for part, group in _GROUPS if part in kernel.name), group)
    return f"{way}/{group}"


def call_count(kernel: KernelLike) -> int:
    """How many calls a kernel takes: an optimizer visits each parameter."""
    return kernel.geometry[0] if kernel.direction == "optimizer" and kernel.geometry else 1


def host_calls(kernels: Iterable[KernelLike], *, training: bool) -> Counter[str]:
    """How many calls of each kind a pass makes."""
    calls = Counter({HOST_PASS: 1, HOST_STEP: int(training)})
    for kernel in kernels:
        name = host_call(kernel, training=training)
        if name is not None:
            calls[name] += call_count(kernel)
    return calls


def _curve(data: dict[str, Any]) -> Curve:
    points = tuple(tuple(map(_number, point)) for point in data["points"])
    weights = tuple(map(_number, data["weights"]))
    width = len(points[0]) if points else 0
    even = width <= _MAX_FEATURES and all(len(point) == width for point in points)
    if not even or not 0 < len(points) == len(weights) <= _MAX_POINTS:
        raise ValueError("not a curve")
    macs, nbytes, launch = (_number(data[key]) for key in ("macs_per_s", "bytes_per_s", "launch_s"))
    mean, slope, length, deviation = (_number(data[key]) for key in ("mean", "slope", "length", "deviation"))
    (least, largest), (low, high) = (map(_number, data[key]) for key in ("sizes", "ratios"))
    if min(macs, nbytes, launch) <= 0 or length <= 0 or least > largest or low > high:
        raise ValueError("not a curve")
    return Curve(
        points, weights, mean, slope, length, abs(deviation), (least, largest), macs, nbytes, launch, (low, high))


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("not a number")
    return number


def _numbers(data: dict[str, Any]) -> dict[str, float]:
    return {str(key): _number(value) for key, value in data.items()}


def this_machine() -> list[Machine]:
    """What calibrations of this machine may be of, without importing torch: its GPUs first, then its CPU."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return []
    cpu, threads = cpu_name(), thread_count()
    return [Machine(cpu, device, threads, torch.partition("+")[0]) for device in (*_gpu_names(), "cpu")]


def own_calibration(device: str | None = None) -> Calibration | None:
    """The calibration of this machine, if `archspec calibrate` made one: of its GPU, or else of its CPU.

    device: `cpu` for that of the CPU only.
    """
    for machine in this_machine():
        if device in (None, machine.device) and (found := load_calibration(machine.file)) is not None:
            return found
    return None


def cpu_name() -> str:
    """The name of the processor, as the system reports it."""
    import platform

    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def thread_count() -> int:
    """The number of threads that torch uses by default: $OMP_NUM_THREADS, or one for each core."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if text.isascii() and text.isdigit() and 0 < int(text) <= 4096:
        return int(text)
    return _cores()


def _cores() -> int:
    """The cores that this process may use; two threads of a core count once, as torch counts them."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in usable:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add(tuple((topology / part).read_text() for part in ("physical_package_id", "core_id")))
        except OSError:
            return len(usable)
    return len(cores)


def _gpu_names() -> list[str]:
    """The names of NVIDIA GPUs, as the driver lists them."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names
