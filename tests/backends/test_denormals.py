"""Subnormal numbers taken for zero, in every thread that computes; in processes of their own, whose threads are new."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from archspec.backends.denormals import _flush, denormals_flushed, flushing_threads

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush them")
START = """
import json, threading, torch
from archspec.backends.denormals import _flush, denormals_flushed, flushing_threads
torch.set_num_threads(3)
"""


def seen(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", START + code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "3"}, timeout=60)
    return json.loads(done.stdout)


def test_all_threads_do_where_it_is_set_first():
    """The workers, a thread of one's own with its workers, and the backward pass."""
    assert seen("""
found = {}
with denormals_flushed():
    found["all"] = flushing_threads()
    thread = threading.Thread(target=lambda: found.update(thread=flushing_threads()))
    thread.start()
    thread.join()
    w = torch.ones(3 * 32768, requires_grad=True)
    (w * 0.5).backward(torch.full((3 * 32768,), 1.5e-38))
    found["backward"] = bool(w.grad.view(torch.int32).any())
found["after"] = _flush(1)
print(json.dumps(found))
""") == {"all": True, "thread": True, "backward": False, "after": [False]}


def test_workers_that_are_there_already_are_counted_as_what_they_are():
    assert seen("""
before = flushing_threads()
with denormals_flushed():
    print(json.dumps([before, flushing_threads(), _flush(3)]))
""") == [False, "1 of 3 threads", [True, False, False]]


def test_within_the_block_and_no_longer():
    before = _flush(1)
    with denormals_flushed() as can:
        assert can
        assert flushing_threads() is True
        with denormals_flushed():
            pass
        assert flushing_threads() is True, "an inner block leaves it as it was"
    assert _flush(1) == before
    with pytest.raises(ZeroDivisionError), denormals_flushed():
        raise ZeroDivisionError
    assert _flush(1) == before


def test_a_processor_that_cannot():
    with mock.patch.object(torch, "set_flush_denormal", lambda on: False), denormals_flushed() as can:
        assert not can
        assert flushing_threads() is False


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adam_s_mean_of_a_weight_without_gradient_ends_at_zero(dtype):
    """Otherwise it stays subnormal for good."""
    means = []
    for flush in (False, True):
        weight = torch.ones(8, dtype=dtype, requires_grad=True)
        optimizer = torch.optim.AdamW([weight], lr=0.001, fused=True)
        weight.grad = torch.full_like(weight, 1e-35)
        optimizer.step()
        weight.grad = torch.zeros_like(weight)
        if flush:
            with denormals_flushed():
                for _ in range(60):
                    optimizer.step()
        else:
            for _ in range(60):
                optimizer.step()
        mean = optimizer.state[weight]["exp_avg"]
        means.append(bool(mean.view(torch.int32 if dtype == torch.float32 else torch.int16).any()))
    assert means == [True, False]
