"""How much of the free memory data may take; what is free is the business of tests/backends/test_fits.py."""

import pytest
import torch

from archspec.data import memory

GIB = 1 << 30


@pytest.mark.parametrize(("free", "nbytes", "expected"), [
    (10 * GIB, 4 * GIB, True), (10 * GIB, 4 * GIB + 1, False), (None, 1 << 60, True)
])
@pytest.mark.parametrize("device", ["cuda:1", torch.device("cuda", 1)])
def test_data_may_take_a_share_of_what_is_free(monkeypatch, device, free, nbytes, expected):
    monkeypatch.setattr(memory, "available_bytes", {torch.device("cuda", 1): free}.__getitem__)
    assert memory.fits(nbytes, device) is expected
