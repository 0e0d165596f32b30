"""Memory on a real GPU: what fits, what is done in pieces when another process takes the card, and what a step needs."""

import gc
import sys
from contextlib import contextmanager

import pytest
import torch

from archspec.api import load
from archspec.backends.step import step_peak_bytes
from archspec.backends.torch import build
from archspec.diagnostics import SpecError
from archspec.profile import measure
from archspec.profile.workload import MOMENTUM, RATE
from archspec.train.callbacks import Callback
from archspec.train.loop import fit
from archspec.train.setup import Machine, prepare
from archspec.train.step.microbatch import free_memory
from tests.train.helpers import recipe

from .helpers import DATA, DEVICE, ROOT, needs_gpu, start

LEAVES = 3 * 2**30
# 4 MiB of activations an image, and 2 MiB of gradients: 12 GiB for the batch.
WIDE = {
    "archspec": 1, "name": "wide", "input": [1, 64, 64],
    "stages": {
        "body": [{"conv2d": {"out_channels": 64, "kernel_size": 3, "padding": 1}}, "relu",
                 {"conv2d": {"out_channels": 64, "kernel_size": 3, "padding": 1}}, "relu"],
        "head": ["global_avg_pool2d", "flatten", {"linear": 10}],
    },
}
FIELDS = {"data": DATA, "lr": 0.05, "batch_size": 2048, "epochs": 2}
HOLDER = """
import sys, torch
leaves, size, held = int(sys.argv[1]), 2**28, []
while torch.cuda.mem_get_info()[0] - size > leaves:
    held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
print(torch.cuda.mem_get_info()[0], flush=True)
sys.stdin.read()
"""


@contextmanager
def held_card():
    """While another process holds all but LEAVES of the card; yields how much is left, in bytes."""
    free_memory(DEVICE)
    process = start("-c", HOLDER, LEAVES, stdin=-1)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield int(line)
    finally:
        process.kill()
        process.communicate()


class Notes(Callback):
    """Calls `first` before the first step; what the user is told, and the pieces in the end."""

    def __init__(self, first):
        self.first, self.notices, self.run = first, [], None

    def on_start(self, run):
        self.run = run
        self.first()

    def on_notice(self, text):
        self.notices.append(text)


def task_of(limit=2048):
    return prepare(load(WIDE).graph, recipe(**FIELDS), Machine(DEVICE, limit_train=limit, limit_test=200))


def trained(task, first=lambda: None):
    notes = Notes(first)
    summary = fit(task.model, task.train, task.test, task.recipe, device=DEVICE, callbacks=[notes])
    return [(row.train_loss, row.evaluated_loss) for row in summary.epochs], notes


@needs_gpu
def test_a_second_process_that_holds_the_card(record_property):
    """A new run is refused before anything is allocated; one that was ready goes on in pieces, to the same figures."""
    expected, whole = trained(task_of())
    assert (whole.notices, whole.run.state.micro_batch) == ([], None)
    task = task_of()
    with held_card() as left:
        record_property("left_gib", round(left / 2**30, 2))
        before = torch.cuda.memory_allocated(DEVICE)
        with pytest.raises(SpecError, match=r"BUILD201.*available"):
            task_of()
        assert torch.cuda.memory_allocated(DEVICE) == before
        found, cut = trained(task)
    record_property("micro_batch", cut.run.state.micro_batch)
    assert "ran out of memory: it is repeated" in cut.notices[0]
    assert 64 <= cut.run.state.micro_batch <= 1024
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-3)


@needs_gpu
def test_where_not_one_image_fits_the_error_says_so():
    """256 MiB for each of its activations, and 100 MiB that the allocator may take."""
    huge = {**WIDE, "input": [1, 512, 512], "stages": {
        "body": [{"conv2d": {"out_channels": 256, "kernel_size": 1}}, "relu", "global_avg_pool2d"],
        "head": ["flatten", {"linear": 10}],
    }}
    chosen = recipe(**{**FIELDS, "batch_size": 4})
    gc.collect()
    free_memory(DEVICE)  # else a small tensor may hold a large block that another test has left
    task = prepare(load(huge).graph, chosen, Machine(DEVICE, limit_train=8, limit_test=8))

    def limit():
        gc.collect()  # what earlier tests left in circles is freed now, and not when there is need of it
        free_memory(DEVICE)
        most = torch.cuda.memory_reserved(DEVICE) + 100 * 2**20
        torch.cuda.set_per_process_memory_fraction(most / torch.cuda.mem_get_info(DEVICE)[1], DEVICE)

    try:
        with pytest.raises(SpecError, match="BUILD201") as caught:
            trained(task, limit)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
        free_memory(DEVICE)
    assert "with only 1 image at once, ran out of memory" in caught.value.diagnostics[0].message


def peak_by_hand(loaded, batch_size):
    """Bytes that two training steps need at most, as a textbook's loop measures them."""
    free_memory(DEVICE)
    before = torch.cuda.memory_allocated(DEVICE)
    model = build(loaded.graph).to(DEVICE).train()
    images = torch.randn(batch_size, *loaded.report.input_shape, device=DEVICE)
    labels = torch.randint(10, (batch_size,), device=DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
    torch.cuda.reset_peak_memory_stats(DEVICE)
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize(DEVICE)
    return torch.cuda.max_memory_allocated(DEVICE) - before


@needs_gpu
@pytest.mark.parametrize(("name", "batch_size"), [("lenet", 256), ("cnn28", 256), ("resnet18_96", 256)])
def test_profile_s_peak_is_the_allocator_s(name, batch_size, record_property):
    """And the estimate, which knows no kernel's workspace, is not above it."""
    loaded = load(ROOT / "specs" / f"{name}.yaml")
    peak_by_hand(loaded, batch_size)  # cuBLAS keeps its workspace from its first use on
    expected = peak_by_hand(loaded, batch_size)
    found = measure(loaded, batch_size=batch_size, device=str(DEVICE), steps=2, warmup=1).step.peak_memory_bytes
    with torch.device("meta"):
        model = build(loaded.graph).train()
    estimate = step_peak_bytes(model, (batch_size, *loaded.report.input_shape), states=1)
    record_property("measured_mib", round(found / 2**20, 1))
    record_property("by_hand_mib", round(expected / 2**20, 1))
    record_property("estimate_over_measured", round(estimate / found, 3))
    assert found == pytest.approx(expected, rel=0.05)
    assert 0.1 * found < estimate < 1.05 * found


@needs_gpu
def test_the_command_refuses_what_cannot_fit(cli, specs, device):
    done = cli("profile", "resnet18", "--batch-size", 200_000, "--device", device)
    assert done.code == 1
    assert "BUILD201" in done.err and "the GPU cuda:0 has" in " ".join(done.err.split()), done.err


def test_the_holder_s_program_is_python():
    compile(HOLDER, "holder", "exec")
    assert sys.version_info >= (3, 11)
