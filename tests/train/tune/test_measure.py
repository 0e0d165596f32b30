"""One candidate measured: real steps of a small network."""

import pytest
import torch
import torch.nn.functional as F

import archspec
from archspec.backends.init import initialise
from archspec.train.step.precision import Settings
from archspec.train.tune import Candidate, Problem
from archspec.train.tune import measure as module
from archspec.train.tune.measure import COMPARED, SLOWED, measure
from tests.train.helpers import CPU, PLAN, batches, data, recipe

SPEC = """\
archspec: 1
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu, avg_pool2d: 2, dropout: 0.5]
  head: [flatten, linear: 4]
"""
FP32 = Candidate(Settings(), 1)


@pytest.fixture
def problem(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_S", 0.0)  # one step a block
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    chosen = recipe(lr=0.5, batch_size=16)
    images = tuple(batch for batch, _ in zip(batches(data(), chosen).batches(0), range(COMPARED), strict=False))
    assert images[0].x.shape[2:] == PLAN.size
    return Problem(archspec.load(tmp_path / "small.yaml").graph, chosen, CPU, images)


def test_the_losses_are_those_of_a_plain_loop_without_dropout(problem):
    row = measure(problem, FP32)
    model = archspec.backends.torch.build(problem.graph)
    initialise(model, problem.recipe.init, problem.recipe.seed)
    model.eval()  # no dropout; nothing else of this network differs
    optimizer = torch.optim.SGD(model.parameters(), lr=SLOWED * problem.recipe.lr)
    losses, norms = [], []
    for batch in problem.batches:
        loss = F.cross_entropy(model(batch.x), batch.y)
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item())
        optimizer.step()
        losses.append(loss.item())
    assert row.losses == pytest.approx(losses, rel=1e-5)
    assert row.norm == pytest.approx(norms[0], rel=1e-5)
    assert row.step_s > 0


@pytest.mark.parametrize("settings", [
    Settings(channels_last=True), Settings("bf16"), Settings("bf16", channels_last=True), Settings(own_kernels=True),
])
def test_sensible_candidates_agree(problem, settings):
    reference, row = measure(problem, FP32), measure(problem, Candidate(settings, 1))
    assert row.disagreement(reference) is None
    if settings.precision == "bf16":
        assert row.losses != reference.losses


def test_a_slow_one_is_given_up_after_the_steps_that_are_compared(problem, monkeypatch):
    timed = []
    real = module._timed
    monkeypatch.setattr(module, "_timed", lambda run, steps: timed.append(len(steps)) or real(run, steps))
    assert measure(problem, FP32, best_s=1e-9).losses == measure(problem, FP32).losses
    assert timed == [1] + [1] * (1 + module.BLOCKS)


def test_threads_are_put_back_and_too_little_memory_is_a_refusal(problem, monkeypatch):
    before, seen = torch.get_num_threads(), []

    def fails(run, batches):
        seen.append(torch.get_num_threads())
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(module, "train_epoch", fails)
    row = measure(problem, Candidate(Settings(), 2))
    assert (row.refused, row.step_s) == ("it runs out of memory", None)
    assert seen == [2]
    assert torch.get_num_threads() == before


def test_a_loss_that_is_no_number_is_a_refusal(problem):
    bad = problem.batches[1]._replace(x=torch.full_like(problem.batches[1].x, float("inf")))
    broken = Problem(problem.graph, problem.recipe, CPU, (problem.batches[0], bad, problem.batches[2]))
    assert measure(broken, FP32).refused == "its loss is not a finite number"
