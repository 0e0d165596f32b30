"""Rates against torch.optim.lr_scheduler's, step by step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from archspec.train.schedule import rate_schedule, warmup_steps
from tests.train.helpers import recipe

EPOCHS, STEPS = 6, 7


def rates(fields, epochs=EPOCHS, steps=STEPS):
    chosen = recipe(epochs=epochs, **fields)
    rate_at = rate_schedule(chosen, steps)
    return [rate_at(step) for step in range(epochs * steps)]


def torch_rates(make, *, every=1, epochs=EPOCHS, steps=STEPS, lr=0.1):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    seen = []
    for step in range(epochs * steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return seen


@pytest.mark.parametrize(("fields", "make", "every"), [
    pytest.param({}, lambda o: lr_scheduler.ConstantLR(o, 1.0), 1, id="constant"),
    pytest.param({"schedule": {"step": 2}}, lambda o: lr_scheduler.StepLR(o, 2), STEPS, id="step"),
    pytest.param(
        {"schedule": {"step": {"every": 1, "factor": 0.5}}}, lambda o: lr_scheduler.StepLR(o, 1, 0.5), STEPS,
        id="step-factor",
    ),
    pytest.param(
        {"schedule": {"step": {"at": [1, 4]}}}, lambda o: lr_scheduler.MultiStepLR(o, [1, 4]), STEPS, id="step-at",
    ),
    pytest.param(
        {"schedule": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS), 1, id="cosine"
    ),
    pytest.param(
        {"schedule": {"cosine": 0.2}}, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, 0.02), 1,
        id="cosine-final",
    ),
    pytest.param(
        {"schedule": "one_cycle"},
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, EPOCHS * STEPS, cycle_momentum=False), 1, id="one_cycle",
    ),
    pytest.param(
        {"schedule": {"one_cycle": {"peak": 0.5, "start": 0.1, "final": 0.01}}},
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.1, EPOCHS * STEPS, cycle_momentum=False, pct_start=0.5, div_factor=10, final_div_factor=10
        ), 1, id="one_cycle-fields",
    ),
    pytest.param(
        {"warmup": {"steps": 9}}, lambda o: lr_scheduler.LinearLR(o, 1 / 10, total_iters=9), 1, id="warmup-steps"
    ),
    pytest.param(
        {"warmup": 2}, lambda o: lr_scheduler.LinearLR(o, 1 / 15, total_iters=14), 1, id="warmup-epochs"
    ),
    pytest.param(
        {"warmup": 0.5}, lambda o: lr_scheduler.LinearLR(o, 1 / 5, total_iters=4), 1, id="warmup-part-of-an-epoch"
    ),
])
def test_equals_torch(fields, make, every):
    assert rates(fields) == pytest.approx(torch_rates(make, every=every), rel=1e-9, abs=1e-12)


@given(
    epochs=st.integers(1, 20), steps=st.integers(1, 30), peak=st.floats(0.05, 0.95),
    start=st.floats(0.01, 1), final=st.floats(1e-6, 1),
)
@settings(deadline=None, max_examples=60)
def test_one_cycle_equals_torch_for_any_length(epochs, steps, peak, start, final):
    fields = {"schedule": {"one_cycle": {"peak": peak, "start": start, "final": final}}}
    if epochs * steps * peak - 1 == 0:
        return  # torch divides by zero
    expected = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.1, epochs * steps, cycle_momentum=False, pct_start=peak, div_factor=1 / start,
            final_div_factor=start / final,
        ), epochs=epochs, steps=steps,
    )
    assert rates(fields, epochs, steps) == pytest.approx(expected, rel=1e-6)


def test_a_cosine_starts_when_the_warmup_ends():
    seen = rates({"schedule": "cosine", "warmup": {"steps": 5}})
    alone = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS - 5))
    assert seen[:5] == pytest.approx([0.1 * k / 6 for k in range(1, 6)])
    assert seen[5:] == pytest.approx(alone[: EPOCHS * STEPS - 5])


def test_steps_count_from_the_start_of_the_run():
    seen = rates({"schedule": {"step": 2}, "warmup": 1})
    assert seen[STEPS : 2 * STEPS] == pytest.approx([0.1] * STEPS)
    assert seen[2 * STEPS] == pytest.approx(0.01)


@given(
    epochs=st.integers(1, 5), steps=st.integers(1, 9), warmup=st.integers(0, 60),
    schedule=st.sampled_from(["constant", "cosine", {"step": 1}, {"cosine": 1.0}]),
)
@settings(deadline=None, max_examples=60)
def test_rates_are_positive_and_never_above_lr(epochs, steps, warmup, schedule):
    chosen = recipe(epochs=epochs, warmup={"steps": warmup}, schedule=schedule)
    rate_at = rate_schedule(chosen, steps)
    seen = [rate_at(step) for step in range(epochs * steps)]
    assert all(0 < rate <= chosen.lr * (1 + 1e-12) for rate in seen)
    assert warmup_steps(chosen, steps) == min(warmup, epochs * steps)
