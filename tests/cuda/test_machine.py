"""The machine these tests run on; the one line that says that there is none."""

import pytest
import torch

from archspec.backends.device import device_name, pick_device

from .helpers import DATA, DEVICE, NO_GPU, REHEARSAL, there_is_a_device


def test_the_gpu(record_property):
    if not there_is_a_device():
        pytest.skip(NO_GPU)
    assert pick_device("auto").type == DEVICE.type or REHEARSAL
    record_property("device", device_name(DEVICE))
    record_property("data", DATA)
    if not REHEARSAL:
        free, total = torch.cuda.mem_get_info(DEVICE)
        record_property("capability", ".".join(map(str, torch.cuda.get_device_capability(DEVICE))))
        record_property("memory_gib", f"{total / 2**30:.1f} ({free / 2**30:.1f} free)")
        record_property("cudnn", torch.backends.cudnn.version())
