"""Freed memory stays with the process where the C library can be told so."""

import subprocess
import sys

import pytest

from archspec.backends.allocator import keep_freed_memory

# Page faults while tensors are made, filled and freed again and again: the system gives new pages once, or always.
CODE = """
import resource, sys
from archspec.backends.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import torch
torch.set_num_threads(1)
def faults(mebibytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(mebibytes * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(sum(min(faults(size) for _ in range(4)) for size in (8, 16, 24, 32, 40, 64)))
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True, timeout=120)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc")
def test_memory_that_was_freed_is_not_asked_for_again():
    assert 4 * faults("keep") < faults("leave")


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
