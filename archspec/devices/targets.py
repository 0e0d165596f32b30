"""The device for which figures are wanted: one by its datasheet, or this machine as it was calibrated."""

from __future__ import annotations

from typing import Final, Literal

from archspec.devices.calibration import Calibration, own_calibration
from archspec.devices.known import find_device
from archspec.devices.models import CalibratedModel, CpuSheetModel, SheetModel, TimeModel
from archspec.diagnostics import error

HERE: Final = "here"


def target_kind(target: str | None) -> Literal["cpu", "cuda"]:
    """The kind of device that torch calls a target; without one it is a CPU. Raises SpecError as `time_model` does."""
    if target is None:
        return "cpu"
    if target != HERE:
        return find_device(target).target
    return "cpu" if _calibrated().machine.device == "cpu" else "cuda"


def time_model(target: str | None) -> TimeModel | None:
    """The model of times on a target: `here`, a device's name, or a file; without one, on this machine's CPU.

    None if there is no target and the CPU is not calibrated. Raises SpecError: BUILD212 if this machine is not
    calibrated, BUILD210, BUILD211 and SPEC0xx for a device.
    """
    if target is None:
        found = own_calibration("cpu")
        return None if found is None else CalibratedModel(found)
    if target == HERE:
        return CalibratedModel(_calibrated())
    device = find_device(target)
    return SheetModel(device) if device.kind == "gpu" else CpuSheetModel(device)


def _calibrated() -> Calibration:
    found = own_calibration()
    if found is None:
        raise error(
            "BUILD212", "this machine is not calibrated, or was calibrated with other threads or another torch",
            hint="run `archspec calibrate`, which takes less than two minutes",
        )
    return found
