"""fp16 and the loss's scale on a real GPU: updates that overflow are left out, and a resume keeps the scale."""

import copy

import pytest
import torch
import torch.nn.functional as F

from archspec.api import load
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.setup import Machine, prepare
from archspec.train.step.precision import Settings
from tests.train.helpers import recipe

from .helpers import DEVICE, MLP, trained

# Pixels up to 500: with the first scale of 65,536 the gradients are beyond fp16's 65,504, and the scale must fall.
LOUD = {"normalize": {"mean": 0.0, "std": 0.002}, "lr": 1e-4, "epochs": 3, "batch_size": 20}


class Scales(Callback):
    """The scale, the weights and the momenta after each step; the whole state after one of them."""

    def __init__(self, save_at=None):
        self.save_at, self.saved, self.scales, self.states = save_at, None, [], []

    def on_step(self, run):
        self.scales.append(run.state.scaler.get_scale())
        momenta = [state["momentum_buffer"] for state in run.state.optimizer.state.values()]
        self.states.append([tensor.detach().clone() for tensor in (*run.state.model.parameters(), *momenta)])
        if run.state.step == self.save_at:
            self.saved = copy.deepcopy(capture(run))


def loud(watcher, **options):
    return trained(MLP, settings=Settings("fp16"), callbacks=[watcher], images=100, **LOUD, **options)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_an_update_that_overflows_is_left_out(clip):
    """Weights and momenta stay, the scale is halved; once it fits, the run goes on."""
    seen = Scales()
    loud(seen, clip_grad_norm=clip)
    overflows = [k for k in range(1, 15) if seen.scales[k] < seen.scales[k - 1]]
    assert len(seen.scales) == 15
    assert 1 <= len(overflows) < 12
    for k in range(1, 15):
        equal = [torch.equal(a, b) for a, b in zip(seen.states[k], seen.states[k - 1], strict=True)]
        assert all(equal) if k in overflows else not any(equal), f"step {k + 1}"
        assert k not in overflows or seen.scales[k] == seen.scales[k - 1] / 2


def test_the_run_is_that_of_the_textbook_s_loop_with_a_scaler():
    chosen = recipe(**{**MLP["train"], **LOUD})
    task = prepare(load(MLP).graph, chosen, Machine(DEVICE, limit_train=100, limit_test=50))
    model = task.model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=chosen.lr, momentum=0.9)
    scaler, scales = torch.amp.GradScaler(DEVICE.type), []
    for epoch in range(3):
        for x, y, *_ in task.train.batches(epoch):
            with torch.autocast(DEVICE.type, dtype=torch.float16):
                loss = F.cross_entropy(model(x).float(), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
    seen = Scales()
    found, _ = loud(seen)
    assert seen.scales == scales
    for ours, theirs in zip(found.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [2, 8])
def test_a_resumed_run_goes_on_at_the_scale_where_it_stopped(step):
    whole, again = Scales(save_at=step), Scales()
    _, losses = loud(whole)
    assert whole.saved.state.scaler["scale"] == whole.scales[step - 1] < 2.0**16
    _, found = loud(again, resume=whole.saved)
    assert again.scales == whole.scales[step:]
    for a, b in zip(found, losses, strict=True):
        assert a == pytest.approx(b, rel=1e-3)
