"""The loop against the textbook's: the same figures, bit for bit."""

from contextlib import nullcontext
from itertools import count

import pytest
import torch

from archspec.backends.denormals import denormals_flushed
from archspec.backends.init import stream_seed
from archspec.train.callbacks import Callback
from archspec.train.loop import evaluate, fit
from archspec.train.optimizer import make_optimizer
from tests.train.helpers import CPU, batches, data, network, recipe, textbook

TRAIN, TEST = data(), data(23, split="test", seed=1)


def run(chosen, model=None, callbacks=()):
    model = network() if model is None else model
    train, test = batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False)
    return fit(model, train, test, chosen, device=CPU, callbacks=callbacks), model


def figures(summary):
    return [[r.train_loss, r.train_accuracy, r.evaluated_loss, r.evaluated_accuracy] for r in summary.epochs]


def optimizer_of(model, chosen):
    """The optimizer as a person writes it; fused where the other kernel differs in the last bit."""
    if chosen.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(), lr=chosen.lr, momentum=chosen.momentum, nesterov=chosen.nesterov,
            weight_decay=chosen.weight_decay, fused=chosen.weight_decay > 0,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[chosen.optimizer]
    return kind(
        model.parameters(), lr=chosen.lr, betas=chosen.betas, eps=chosen.eps, weight_decay=chosen.weight_decay,
        fused=True,
    )


@pytest.mark.parametrize("fields", [
    {},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3, "seed": 5},
    {"optimizer": "adam", "lr": 0.01},
    {"optimizer": "adam", "lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.01},
    {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1},
], ids=str)
def test_equals_the_textbook_exactly(fields):
    chosen = recipe(**fields)
    summary, model = run(chosen)
    twin = network()
    assert figures(summary) == textbook(twin, TRAIN, TEST, chosen, optimizer_of(twin, chosen))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))


def test_equals_the_textbook_with_a_schedule():
    chosen = recipe(schedule="one_cycle", lr=0.5)
    summary, _ = run(chosen)
    twin = network()
    optimizer = optimizer_of(twin, chosen)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=15, cycle_momentum=False)
    expected = textbook(twin, TRAIN, TEST, chosen, optimizer, scheduler)
    for row, other in zip(figures(summary), expected, strict=True):
        assert row == pytest.approx(other, rel=1e-5)


def test_equals_the_textbook_with_dropout():
    chosen = recipe(epochs=2)
    summary, _ = run(chosen, network(dropout=0.5))
    twin = network(dropout=0.5)
    with torch.random.fork_rng([]):
        torch.manual_seed(stream_seed(chosen.seed, "training"))
        expected = textbook(twin, TRAIN, TEST, chosen, optimizer_of(twin, chosen))
    assert figures(summary) == expected


def test_a_first_step_that_the_scaler_skips_leaves_the_momentum_at_nothing():
    """torch's own buffers would then hold whatever the memory held before."""
    model, chosen = torch.nn.Linear(300, 300), recipe(momentum=0.9)
    junk = [torch.full((300, 300), torch.nan) for _ in range(20)]
    optimizer, scaler = make_optimizer(model, chosen, CPU), torch.amp.GradScaler("cpu")
    del junk
    scaler.scale(model(torch.full((1, 300), torch.inf)).sum()).backward()
    scaler.step(optimizer)
    assert all(bool((optimizer.state[p]["momentum_buffer"] == 0).all()) for p in model.parameters())


def test_it_learns():
    summary, _ = run(recipe(epochs=5))
    assert summary.last.evaluated_accuracy > 0.9
    assert summary.last.train_loss < summary.epochs[0].train_loss / 2


def test_two_runs_are_equal_and_two_seeds_are_not():
    first, a = run(recipe(), network(dropout=0.5))
    torch.manual_seed(1234)
    second, b = run(recipe(), network(dropout=0.5))
    third, _ = run(recipe(seed=1), network(dropout=0.5))
    assert figures(first) == figures(second)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert figures(first) != figures(third)


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    run(recipe(epochs=1), network(dropout=0.5))
    assert torch.equal(before, torch.get_rng_state())


def test_evaluate_equals_one_big_batch_and_changes_nothing():
    model = network(dropout=0.5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    metrics = evaluate(model, batches(TEST, recipe(), shuffle=False), CPU)
    logits = model.eval()(TEST.images.float() / 255)
    assert metrics.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, TEST.labels).item(), rel=1e-6)
    assert metrics.accuracy == (logits.argmax(1) == TEST.labels).double().mean().item()
    assert metrics.images == 23
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Log(Callback):
    def __init__(self, fail_at=None):
        self.events, self.fail_at = [], fail_at

    def on_start(self, run):
        self.events.append("start")

    def on_step(self, run):
        rate = run.state.optimizer.param_groups[0]["lr"]
        self.events.append((run.state.epoch, run.state.step, len(run.state.meter), rate, run.state.model.training))
        if run.state.step == self.fail_at:
            raise RuntimeError("stop here")

    def on_epoch(self, run):
        self.events.append(("epoch", run.state.epoch, run.state.results[-1].epoch))

    def on_finish(self, run):
        self.events.append("finish")

    def on_end(self, run):
        self.events.append("end")


def test_watchers_see_every_step_and_epoch():
    log = Log()
    run(recipe(epochs=2, schedule={"step": 1}), callbacks=[log])
    first = [(0, step, step, 0.1, True) for step in range(1, 6)]
    second = [(1, step, step - 5, pytest.approx(0.01), True) for step in range(6, 11)]
    assert log.events == ["start", *first, ("epoch", 1, 1), *second, ("epoch", 2, 2), "finish", "end"]


def test_an_exception_of_a_watcher_ends_the_run_and_tells_the_others():
    stopper, other = Log(fail_at=3), Log()
    with pytest.raises(RuntimeError, match="stop here"):
        run(recipe(), callbacks=[stopper, other])
    assert stopper.events[-1] == other.events[-1] == "end"
    assert "finish" not in other.events
    assert sum(event[1] == 3 for event in stopper.events if isinstance(event, tuple)) == 1


def test_every_batch_is_seen_once_the_small_last_one_included():
    sizes = []

    class Sizes(Callback):
        def on_step(self, run):
            sizes.append(run.state.meter.images)

    summary, _ = run(recipe(epochs=1), callbacks=[Sizes()])
    assert sizes == [10, 20, 30, 40, 48]
    assert summary.last.images_per_s > 0
    assert summary.last.seconds > 0


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such switch")
def test_equals_the_textbook_exactly_where_subnormal_numbers_count_as_zero():
    """As the commands train. The gradient ceases after the first steps, and the momentum passes below 1.2e-38."""
    chosen = recipe(momentum=0.5, epochs=28)  # of 5 steps: 0.5 ** 130

    def stops(model):
        steps = count()
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient: gradient * (next(steps) < 50))
        return model

    results = {}
    for flush in (True, False):
        with denormals_flushed() if flush else nullcontext():
            summary, model = run(chosen, stops(network()))
            twin = stops(network())
            optimizer = optimizer_of(twin, chosen)
            assert figures(summary) == textbook(twin, TRAIN, TEST, chosen, optimizer)
        weights, theirs = (list(m.state_dict().values()) for m in (model, twin))
        assert all(torch.equal(a, b) for a, b in zip(weights, theirs, strict=True))
        momenta = torch.cat([state["momentum_buffer"].flatten() for state in optimizer.state.values()])
        results[flush] = weights, bool((momenta.view(torch.int32) << 1).any())  # without the sign
    assert (results[True][1], results[False][1]) == (False, True), "what is left without the switch is subnormal"
    assert all(torch.equal(a, b) for a, b in zip(results[True][0], results[False][0], strict=True)), "the same weights"
