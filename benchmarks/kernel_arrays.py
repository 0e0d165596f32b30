"""Times of many passes on GPUs at once, in arrays: what `archspec/devices/gpu.py` computes kernel by kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archspec.devices import Device
from archspec.devices.gpu import Circumstances, GpuModel, Ideal, norm_use, product_use
from archspec.devices.work import Work, work_of
from archspec.execution import Kernel

Array = NDArray[np.float64]
Pass = tuple[Device, Circumstances, Sequence[Kernel]]


class KernelArrays:
    """The kernels of some passes. Equal ones are computed once; only the host's calls and the sums are of all."""

    def __init__(self, passes: Sequence[Pass]) -> None:
        found: dict[tuple[str, Circumstances, Work], int] = {}
        calls: dict[tuple[Circumstances, str, str, str, int], int] = {}
        self._rows: list[tuple[Ideal, Work, int]] = []
        self._calls: list[tuple[GpuModel, Kernel, str]] = []
        kernels: list[int] = []
        hosts: list[int] = []
        lengths = []
        for device, circumstances, own in passes:
            model = GpuModel(device, {}, circumstances)
            for kernel in own:
                work = work_of(kernel)
                key = (device.key, circumstances, work)
                if key not in found:
                    found[key] = len(found)
                    self._rows.append((model.ideal(work), work, device.units))
                kernels.append(found[key])
                parameters = kernel.geometry[0] if kernel.direction == "optimizer" and kernel.geometry else 0
                call = (circumstances, kernel.direction, kernel.name, work.family, parameters)
                if call not in calls:
                    calls[call] = len(calls)
                    self._calls.append((model, kernel, work.family))
                hosts.append(calls[call])
            lengths.append(len(own))
        self._kernels, self._hosts = np.array(kernels), np.array(hosts)
        self._starts = np.cumsum([0, *lengths[:-1]])
        self._steps = np.array([circumstances.training for _, circumstances, _ in passes], float)
        self._fields()

    def _fields(self) -> None:
        """The numbers of each kernel as arrays, and by parameter whether it lowers the kernel's efficiency."""
        ideals, works = [row[0] for row in self._rows], [row[1] for row in self._rows]
        self._compute, self._memory = _array(ideals, "compute"), _array(ideals, "memory")
        self._units = np.array([units for _, _, units in self._rows], float)
        self._names = sorted({name for x in ideals for name in (*x.compute_losses, *x.memory_losses)})
        self._losses = [
            np.array([[name in losses for name in self._names] for losses in column], float)
            for column in ([x.compute_losses for x in ideals], [x.memory_losses for x in ideals])
        ]
        products = [x for x in ideals if x.sides]
        self._products = np.array([x.sides is not None for x in ideals])
        self._norms = np.array([x.norm for x in ideals])
        self._unit, self._balance = _array(products, "unit"), _array(products, "balance")
        self._sides = np.array([x.sides for x in products], float).T
        self._channels = _array(works, "channels")[self._norms]

    def seconds(self, p: dict[str, float]) -> Array:
        """The seconds of each pass, with these parameters."""
        logarithms = np.log([p[name] for name in self._names])
        compute, memory = (
            ideal * np.exp(-losses @ logarithms)
            for ideal, losses in zip((self._compute, self._memory), self._losses, strict=True)
        )
        short, wave = self._balance * p["product.short_side"], self._units[self._products] * p["product.wave"]
        compute[self._products] *= self._unit ** p["product.slope"] / product_use(*self._sides, short, wave)
        memory[self._norms] /= norm_use(self._channels, self._units[self._norms] * p["norm.wave"])
        sharpness = 1 + p["sharpness"]
        times = p["launch_us"] * 1e-6 + (compute**sharpness + memory**sharpness) ** (1 / sharpness)
        calls = []
        for model, kernel, family in self._calls:
            model.parameters = p
            calls.append(model.host_seconds(kernel, family))
        host = np.add.reduceat(np.array(calls)[self._hosts], self._starts) + self._steps * p["host.step_us"] * 1e-6
        found: Array = np.maximum(np.add.reduceat(times[self._kernels], self._starts), host)
        return found


def _array(rows: Sequence[Ideal] | Sequence[Work], field: str) -> Array:
    return np.array([getattr(row, field) for row in rows], float)
