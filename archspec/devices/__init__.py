"""Devices: what datasheets say of them, what was measured on this machine, and the time that kernels take there.

`device`: the figures; `read`: a YAML file → `Device`; `known`: the shipped ones by name. `work`: what a kernel does;
`gpu`, `curve`: how long that takes, by datasheet and by measurement; `calibration`: the measured curves in the user's
cache; `predict`: the time of a pass. Imports no torch.
"""

from archspec.devices.device import PRECISIONS, Device
from archspec.devices.known import find_device, known_devices
from archspec.devices.read import read_device

__all__ = ["PRECISIONS", "Device", "find_device", "known_devices", "read_device"]
