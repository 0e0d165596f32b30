"""Sizes of batches that a network cannot compute, alone and shared out to processes."""

import pytest
import torch

from archspec.api import load
from archspec.backends.torch import build
from archspec.diagnostics import SpecError
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.step.batch_sizes import (
    check_epoch,
    check_evaluated,
    check_trainable,
    least_per_step,
    left_out,
)
from archspec.train.step.microbatch import InPieces, padded, smallest_evaluated
from tests.train.helpers import recipe

TWO = ProcessGroup(rank=0, size=2)


def network(*layers):
    return load({"archspec": 1, "input": [1, 4, 4], "stages": {"a": [*layers]}}).graph


VECTOR = network("flatten", "batch_norm1d", {"linear": 3})
UNTRACKED = network("flatten", {"batch_norm1d": {"track_running_stats": False}}, {"linear": 3})
IMAGE = network("batch_norm2d", "flatten", {"linear": 3})
SEQUENCE = network({"reshape": [4, 4]}, {"batch_norm1d": {"track_running_stats": False}}, "flatten", {"linear": 3})


def message(check, *arguments):
    with pytest.raises(SpecError) as caught:
        check(*arguments)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


def test_a_process_has_its_share_of_a_batch():
    check_trainable(VECTOR, recipe(batch_size=2))
    check_trainable(VECTOR, recipe(batch_size=4), TWO)
    code, text, hint = message(check_trainable, VECTOR, recipe(batch_size=2), TWO)
    assert (code, hint) == ("BUILD203", "set batch_size to 4 or more")
    assert "needs 2 images or more to train in each process" in text
    check_trainable(IMAGE, recipe(batch_size=2), TWO)


def test_an_epoch_has_a_step():
    check_epoch(VECTOR, [2], 3)
    code, text, hint = message(check_epoch, VECTOR, [], 3, TWO)
    assert code == "RUN318" and "an epoch of 3 training images has no step" in text
    assert hint == "train on 4 images or more"


@pytest.mark.parametrize(("graph", "steps", "group", "hint"), [
    (UNTRACKED, [8, 8], ALONE, None), (UNTRACKED, [8, 1], ALONE, "set batch_size to 7"),
    (UNTRACKED, [1], ALONE, "evaluate 2 images or more"), (UNTRACKED, [2, 1], ALONE, "set batch_size to 3"),
    (UNTRACKED, [8, 3], TWO, "set batch_size to 6"), (UNTRACKED, [8, 1], TWO, "set batch_size to 10"),
    (UNTRACKED, [8, 4], TWO, None), (UNTRACKED, [3], TWO, "evaluate 4 images or more"),
    (VECTOR, [8, 1], ALONE, None), (SEQUENCE, [8, 1], TWO, None),
])
def test_what_is_left_for_the_last_batch_of_an_evaluation(graph, steps, group, hint):
    if hint is None:
        check_evaluated(graph, steps, group)
        return
    code, text, found = message(check_evaluated, graph, steps, group)
    assert (code, found.partition(", or let")[0]) == ("BUILD203", hint)
    assert f"of {sum(steps)}, {steps[-1]} would be left" in text
    if hint.startswith("set"):  # and the hint works
        size = int(hint.split()[-1])
        rest = sum(steps) % size
        check_evaluated(graph, [size] * (sum(steps) // size) + [rest] * (rest > 0), group)


def test_what_is_left_out_is_what_torch_refuses():
    assert [least_per_step(graph) for graph in (VECTOR, UNTRACKED, IMAGE, SEQUENCE)] == [2, 2, 0, 0]
    for graph in (VECTOR, UNTRACKED, IMAGE, SEQUENCE):
        model = build(graph).train()
        if least_per_step(graph):
            with pytest.raises(ValueError, match="more than 1 value per channel"):
                model(torch.zeros(1, 1, 4, 4))
        else:
            model(torch.zeros(1, 1, 4, 4))
    assert left_out(VECTOR, 9, [8]) == [
        "the last image of each epoch's order is left out: `a.batch_norm1d_1` needs 2 images or more at a time"
    ]
    assert left_out(VECTOR, 9, [9]) == []


@pytest.mark.parametrize(("graph", "smallest"), [(VECTOR, 1), (UNTRACKED, 2), (IMAGE, 1), (SEQUENCE, 2)])
def test_pieces_and_stand_ins_are_large_enough(graph, smallest, monkeypatch):
    """A process without an image computes black ones; where memory is short, a batch goes through in pieces."""
    model, sizes = build(graph).eval(), []
    assert smallest_evaluated(model) == smallest
    model(padded(torch.zeros(0, 1, 4, 4), smallest))

    def forward(images):
        sizes.append(len(images))
        if len(images) > smallest:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return torch.nn.Sequential.forward(model, images)

    monkeypatch.setattr(model, "forward", forward)
    assert InPieces(model)(torch.zeros(8, 1, 4, 4)).shape == (8, 3)
    assert min(sizes) == smallest
