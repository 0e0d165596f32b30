"""How a batch is cut into pieces, and a real shortage of memory."""

import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.train.step.microbatch import halved, largest_piece, pieces_of


@given(st.integers(1, 300), st.none() | st.integers(1, 300), st.integers(1, 2))
@settings(deadline=None, max_examples=300)
def test_pieces(images, most, smallest):
    sizes = [len(part) for part in torch.empty(images).tensor_split(pieces_of(images, most, smallest))]
    assert sum(sizes) == images
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(smallest, images)
    assert most is None or max(sizes) <= max(most, 2 * smallest - 1 if smallest > 1 else 1)


@given(st.integers(1, 300), st.integers(1, 2))
@settings(deadline=None, max_examples=300)
def test_halving_comes_to_an_end_at_the_smallest(images, smallest):
    most, sizes = None, []
    while True:
        sizes.append(largest_piece(images, most, smallest))
        smaller = halved(images, most, smallest)
        if smaller is None:
            break
        most = smaller
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(2 * after + 1 >= before for before, after in pairwise(sizes))
    assert len(sizes) <= 10
    assert sizes[-1] <= max(smallest, 2 * smallest - 1)


REAL = """
import resource
import torch
from torch import nn
from archspec.train.loop import fit
from archspec.train.callbacks import Callback
from tests.train.helpers import CPU, batches, data, recipe

class Wide(nn.Module):
    def forward(self, x):
        return x.unsqueeze(-1).expand(*x.shape, self.width).mul(2).mean(-1)

class Told(Callback):
    def on_step(self, run):
        print(run.state.micro_batch)
    def on_notice(self, text):
        print(text)

wide, chosen = Wide(), recipe(epochs=1, batch_size=48)
model = nn.Sequential(nn.Flatten(), wide, nn.Linear(64, 4))
train, test = (batches(data(n), chosen, shuffle=False) for n in (48, 1))
for wide.width in 1, 1 << 14:  # what torch imports in its first step is not to be counted; then 4 MiB an image
    fit(model, train, test, chosen, device=CPU, callbacks=[Told()])
    with open("/proc/self/statm") as pages:
        now = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (150 << 20), resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process's memory is Linux's")
def test_a_real_shortage():
    """48 images need 192 MiB, and there are 150."""
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, *notices, last = done.stdout.splitlines()
    assert (first, last) == ("None", {1: "24", 2: "12"}[len(notices)])
