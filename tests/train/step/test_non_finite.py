"""A loss or gradient that is no number ends the run before the update, naming where; nothing after it is written."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import fit, train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from archspec.train.step.precision import Settings
from tests.fake_cuda import CUDA, fake_cuda
from tests.train.helpers import CPU, batches, data, network, recipe

IMAGES = data()


def run(model, chosen, callbacks=(), **options):
    test = batches(data(23, split="test", seed=1), chosen, shuffle=False)
    return fit(model, batches(IMAGES, chosen), test, chosen, device=CPU, callbacks=callbacks, **options)


class At(nn.Module):
    """Passes on what comes; in the forward or backward pass of one step a number becomes `value`."""

    def __init__(self, step, value=math.nan, backward=False):
        super().__init__()
        self.step, self.value, self.backward = step, value, backward
        self.run = None  # tells the step; a watcher sets it

    def forward(self, x):
        if self.run.state.step != self.step or not self.training:
            return x
        if self.backward:
            return Spoilt.apply(x, self.value)
        x = x.clone()
        x.view(-1)[5] = self.value
        return x


class Spoilt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, value):
        ctx.value = value
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        gradient.view(-1)[3] = ctx.value
        return gradient, None


class Clock(Callback):
    """Gives the module its clock, and notes the weights before each step."""

    phase = Phase.UPDATE

    def __init__(self, spoiler):
        self.spoiler, self.before = spoiler, None

    def on_start(self, run):
        self.spoiler.run = run
        self.on_step(run)

    def on_step(self, run):
        self.before = {key: value.clone() for key, value in run.state.model.state_dict().items()}


def spoilt_network(spoiler):
    model = network(dropout=0.2)
    model.insert(2, spoiler)  # convolution, norm, here, relu, flatten, dropout, linear
    return model


def broken(spoiler, chosen=None, **options):
    """The error's diagnostic; the weights are those before the step."""
    model, clock = spoilt_network(spoiler), Clock(spoiler)
    with pytest.raises(SpecError) as caught:
        run(model, chosen or recipe(), [clock], **options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN310"
    for key, value in model.state_dict().items():
        assert torch.equal(value, clock.before[key]), f"{key} has changed"
    return diagnostic


@pytest.mark.parametrize(("step", "place", "losses"), [
    (0, "step 1 of 5 in epoch 1 of 3", 0),
    (1, "step 2 of 5 in epoch 1 of 3", 1),
    (4, "step 5 of 5 in epoch 1 of 3", 3),
    (7, "step 3 of 5 in epoch 2 of 3", 2),
    (14, "step 5 of 5 in epoch 3 of 3", 3),
])
def test_the_loss(step, place, losses):
    diagnostic = broken(At(step), recipe(momentum=0.9, schedule="cosine"))
    assert diagnostic.message == f"the loss is nan at {place}"
    assert diagnostic.notes[0] == "first not finite: the output of `2`"
    before = [note for note in diagnostic.notes if note.startswith("the losses just before it: ")]
    assert len(before) == (losses > 0)
    assert not before or len(before[0].partition(": ")[2].split(", ")) == losses


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("fields", [{"momentum": 0.9}, {"optimizer": "adam", "lr": 0.01}, {"clip_grad_norm": 1.0}], ids=str)
def test_a_gradient(value, fields):
    """The loss is a number, and yet no weight is touched."""
    diagnostic = broken(At(7, value, backward=True), recipe(**fields))
    assert diagnostic.message.startswith("the gradient is not finite (the loss is ")
    assert diagnostic.message.endswith(") at step 3 of 5 in epoch 2 of 3")
    assert diagnostic.notes[0] == "first not finite: the gradient of `1`'s output"


def test_the_images_of_the_step_are_named():
    spoiler = At(7)
    diagnostic = broken(spoiler)
    (note,) = (note for note in diagnostic.notes if note.startswith("the step's images: "))
    shown, _, more = note.partition(": ")[2].partition(" and ")
    expected = next(iter(batches(IMAGES, recipe()).batches(1, 2))).indices.tolist()
    assert [int(text) for text in shown.split(", ")] == expected[:8]
    assert (len(expected), more) == (10, "2 more")


def test_of_few_images_none_is_left_out():
    diagnostic = broken(At(7), recipe(batch_size=8))
    (note,) = (note for note in diagnostic.notes if note.startswith("the step's images: "))
    assert len(note.split(", ")) == 8
    assert " more" not in note


@pytest.mark.parametrize("device_side", [False, True])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("fields", "micro_batch"), [
    ({"momentum": 0.9}, None), ({"optimizer": "adamw", "lr": 0.01}, None), ({"momentum": 0.9}, 4),
], ids=str)
def test_both_ways_to_look(monkeypatch, fields, micro_batch, backward, device_side):
    """As on a GPU: the host looks at the epoch's end alone, and yet parameters and optimizer are untouched."""
    monkeypatch.setattr("archspec.train.step.non_finite.CHECK_S", 1e9)
    chosen, spoiler = recipe(**fields), At(2, backward=backward)
    model, train = spoilt_network(spoiler), batches(IMAGES, chosen)
    trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 5), CPU, chosen, 5)
    trial.state.micro_batch = micro_batch
    guard, spoiler.run = NonFinitePolicy(train, attempt, deferred=device_side), trial
    guard._next = math.inf
    trial.policy = guard
    guard.on_start(trial)
    kept = []

    class Keep(Callback):
        def on_step(self, run):
            if run.state.step == 2:
                kept.append({n: p.detach().clone() for n, p in model.named_parameters()})
                kept.append([{k: v.clone() for k, v in s.items()} for s in run.state.optimizer.state.values()])

    with pytest.raises(SpecError, match="at step 3 of 5 in epoch 1 of 3") as caught:
        train_epoch(trial, train.batches(0), [Keep()])
    assert trial.state.step == (5 if device_side else 2)
    assert all(torch.equal(p, kept[0][n]) for n, p in model.named_parameters())
    for now, before in zip(trial.state.optimizer.state.values(), kept[1], strict=True):
        assert all(torch.equal(now[key], before[key]) for key in before)
    assert all(bool(torch.isfinite(b).all()) for b in model.buffers())
    place = "the gradient of `1`'s output" if backward else "the output of `2`"
    assert caught.value.diagnostics[0].notes[0] == f"first not finite: {place}"


@pytest.mark.parametrize("device_side", [False, True])
def test_to_look_changes_nothing(device_side):
    results = []
    for guarded in (False, True):
        chosen = recipe(momentum=0.9)
        model, train = network(dropout=0.5), batches(IMAGES, chosen)
        trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 5), CPU, chosen, 5)
        guard = NonFinitePolicy(train, attempt, deferred=device_side)
        if guarded:
            trial.policy = guard
            guard.on_start(trial)
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            train_epoch(trial, train.batches(0))
        results.append(model.state_dict())
    assert all(torch.equal(results[0][key], value) for key, value in results[1].items())


def test_the_second_pass_draws_the_same_random_numbers():
    """With dropout the step's own mask must come again."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Dropout(0.5), Overflow())
    with pytest.raises(SpecError) as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the output of `3`"


class Overflow(nn.Module):
    """Infinite when dropout has left two certain numbers of the batch."""

    def forward(self, x):
        if self.training and x[0, 0].item() and x[1, 1].item():
            return x * math.inf
        return x


def test_bad_input_is_told_apart():
    chosen = recipe()
    train = batches(IMAGES, chosen)

    class Spoilt:
        step_sizes, description = train.step_sizes, ""

        def __len__(self):
            return len(train)

        def batches(self, epoch, start_step=0):
            for batch in train.batches(epoch, start_step):
                if 7 in batch.indices:
                    batch.x[batch.indices.tolist().index(7)] = math.nan
                yield batch

        def close(self):
            pass

    with pytest.raises(SpecError) as caught:
        fit(network(), Spoilt(), batches(IMAGES, chosen, shuffle=False), chosen, device=CPU)
    assert caught.value.diagnostics[0].notes[:2] == ("first not finite: the input images", "in the images 7")


def test_bad_weights_are_told_apart():
    model = network()
    nn.init.constant_(model[5].weight, math.nan)
    with pytest.raises(SpecError, match="the loss is nan at step 1 of 5 in epoch 1 of 3") as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: `5.weight`, before the step"


def test_a_gradient_of_a_weight_alone():
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x + self.scale.sqrt()  # of nothing: its slope is infinite

    model = nn.Sequential(nn.Flatten(), Weighted(), nn.Linear(64, 4))
    with pytest.raises(SpecError, match=r"the gradient is not finite \(the loss is ") as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the gradient of `1.scale`"


def test_gradients_too_large_to_be_squared():
    class Steep(nn.Module):
        def forward(self, x):
            return x + 1e25 * (x - x.detach())

    with pytest.raises(SpecError, match=r"the gradient is not finite \(the loss is ") as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Steep()), recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the norm of all gradients, although each gradient is finite"


def test_what_a_second_pass_does_not_show_is_said():
    class Once(nn.Module):
        done = False

        def forward(self, x):
            if self.training and not self.done:
                self.done = True
                return x * math.nan
            return x

    with pytest.raises(SpecError) as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Once()), recipe())
    assert "in a second pass over the same images all numbers are finite" in caught.value.diagnostics[0].notes[0]


def test_a_second_pass_for_which_there_is_no_memory():
    class Once(nn.Module):
        done = False

        def forward(self, x):
            if self.done:
                raise torch.OutOfMemoryError("CUDA out of memory")
            self.done = True
            return x * math.nan

    with pytest.raises(SpecError, match="the loss is nan at step 1 of 5") as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Once()), recipe())
    place, images, *_ = caught.value.diagnostics[0].notes
    assert place == "first not finite: unknown: memory was too short for a second pass"
    assert images.startswith("the step's images: ")


@pytest.mark.parametrize("backward", [False, True])
def test_a_batch_in_pieces(backward):
    """One piece is bad, and the step is."""
    spoiler = At(7, backward=backward)
    spoiler.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    sizes, clock, model = [], Clock(spoiler), spoilt_network(spoiler)

    class Cut(Callback):
        def on_start(self, run):
            run.state.micro_batch = 4

    with pytest.raises(SpecError, match="at step 3 of 5 in epoch 2 of 3") as caught:
        run(model, recipe(momentum=0.9), [clock, Cut()])
    place = "the gradient of `1`'s output" if backward else "the output of `2`"
    assert caught.value.diagnostics[0].notes[0] == f"first not finite: {place}"
    assert sizes[:3] == [4, 3, 3]


def test_the_hint_tells_the_rate_of_that_step_and_a_smaller_one():
    hint = "the rate was 0.01 there: try lr 0.01, or a warm-up"
    assert broken(At(7), recipe(schedule={"step": 1})).hint == hint
    assert broken(At(7), recipe(lr=0.5)).hint == "the rate was 0.5 there: try lr 0.05, or a warm-up"


@pytest.mark.parametrize(("fields", "lower"), [
    ({"lr": 1e30}, 0.1), ({"lr": 50.0}, 0.1), ({"lr": 0.9, "optimizer": "adam"}, 0.001),
    ({"lr": 0.002, "optimizer": "adamw"}, 0.0002),
], ids=str)
def test_the_smaller_rate_is_a_usual_one_or_a_tenth(fields, lower):
    assert broken(At(0), recipe(**fields)).hint.endswith(f" there: try lr {lower:g}, or a warm-up")


def test_an_update_that_overflows_shows_in_the_test_loss():
    """The gradient is a number, the rate makes the weights infinite."""

    class Last(Callback):
        def on_step(self, run):
            if run.state.step == 5:
                with torch.no_grad():
                    next(run.state.model.parameters()).fill_(math.nan)

    with pytest.raises(SpecError, match="the test loss is nan after epoch 1 of 3"):
        run(network(), recipe(), [Last()])


def test_a_rate_far_too_high_is_found():
    with pytest.raises(SpecError, match="RUN310"):
        run(network(), recipe(lr=1e30))


class Overflows(Callback):
    """One update makes a weight infinite, although its gradients are numbers."""

    phase = Phase.UPDATE

    def on_step(self, run):
        if run.state.step == 8:
            with torch.no_grad():
                run.state.model[0].weight[1].fill_(math.inf)


@pytest.mark.parametrize("device_side", [False, True])
@pytest.mark.parametrize(("spoiler", "words"), [
    pytest.param(At(7), "the loss is nan at step 3 of 5 in epoch 2 of 3", id="loss"),
    pytest.param(At(7, backward=True), "the gradient is not finite .* at step 3 of 5 in epoch 2 of 3", id="gradient"),
    pytest.param(Overflows(), "`0.weight` is not finite after step 8 of 15", id="update"),
])
def test_no_checkpoint_is_of_anything_but_numbers(tmp_path, monkeypatch, device_side, spoiler, words):
    """Off the CPU the device is asked before a save, however short ago it was."""
    monkeypatch.setattr("archspec.train.step.non_finite.CHECK_S", 1e9)
    monkeypatch.setattr("archspec.train.loop.NonFinitePolicy", partial(NonFinitePolicy, deferred=device_side))
    first = spoiler if isinstance(spoiler, Callback) else Clock(spoiler)
    model = network() if first is spoiler else spoilt_network(spoiler)
    with pytest.raises(SpecError, match=words):
        run(model, recipe(), [first, Checkpointer(tmp_path, every=Every(1, None, None), keep=99)])
    found = newest(tmp_path)
    assert (found.saved.state.step, found.damaged) == (7, {})
    assert all(bool(torch.isfinite(tensor).all()) for tensor in found.saved.weights.values())


def test_in_fp16_an_overflow_only_lowers_the_scale():
    chosen, scales = recipe(epochs=1), []

    class Scales(Callback):
        def on_step(self, run):
            scales.append(run.state.scaler.get_scale())

    spoiler = At(1, math.inf, backward=True)
    run(spoilt_network(spoiler), chosen, [Clock(spoiler), Scales()], settings=Settings("fp16"))
    assert scales[1] == scales[0] / 2


@pytest.mark.parametrize("device_side", [False, True])
def test_in_fp16_a_loss_that_is_none_ends_the_run(monkeypatch, device_side):
    monkeypatch.setattr("archspec.train.step.non_finite.FUSED_DEVICES", {"cpu"})
    chosen, spoiler = recipe(momentum=0.9, weight_decay=0.1), At(2)  # with which no gradient is an update too
    model, train = spoilt_network(spoiler), batches(IMAGES, chosen)
    trial = Run.create(
        model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 5), CPU, chosen, 5, Settings("fp16"),
    )
    guard, spoiler.run = NonFinitePolicy(train, attempt, deferred=device_side), trial
    guard._next = math.inf
    trial.policy = guard
    guard.on_start(trial)
    kept = []

    class Keep(Callback):
        def on_step(self, run):
            if run.state.step == 2:
                kept.append({n: p.detach().clone() for n, p in model.named_parameters()})

    with pytest.raises(SpecError, match="the loss is nan at step 3 of 5") as caught:
        train_epoch(trial, train.batches(0), [Keep()])
    assert caught.value.diagnostics[0].hint == "the rate was 0.1 there: try lr 0.01, or a warm-up, or --precision bf16"
    assert all(torch.equal(p, kept[0][n]) for n, p in model.named_parameters())


def test_in_fp16_gradients_that_no_scale_saves():
    class Steep(nn.Module):
        def forward(self, x):
            return Spoilt.apply(x, math.inf)

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Steep())
    with pytest.raises(SpecError, match="in fp16, with any scale of the loss, at step 5 of 5") as caught:
        run(model, recipe(epochs=20), settings=Settings("fp16"))
    assert "the gradient of `1`'s output" in caught.value.diagnostics[0].notes[0]


def test_between_its_looks_the_guard_does_not_wait_for_the_device(monkeypatch):
    looks = []
    chosen, train = recipe(), batches(IMAGES, recipe())
    model = network()
    trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 1000), CPU, chosen, 1000)
    guard = NonFinitePolicy(train, attempt, deferred=True)
    trial.policy = guard
    guard.on_start(trial)
    monkeypatch.setattr(guard, "_passed", lambda run: looks.append(run.state.step))
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for step in range(1, 1001):
        trial.state.step = step
        now += 0.01
        guard.after_update(trial)
    assert 20 <= len(looks) <= 22


@pytest.mark.parametrize("settings", [Settings(), Settings("fp16")], ids=["fp32", "fp16"])
@pytest.mark.parametrize("backward", [False, True])
def test_on_a_gpu(monkeypatch, settings, backward):
    """The whole of a run there, on a CPU in disguise; in fp16 a gradient that overflows once is no reason to stop."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    spoiler, chosen = At(7, math.inf, backward=backward), recipe(momentum=0.9)
    model = spoilt_network(spoiler)
    with fake_cuda():
        train, test = (batches(images, chosen, device=CUDA) for images in (IMAGES, data(23, split="test", seed=1)))
        if backward and settings.precision == "fp16":
            assert len(fit(model, train, test, chosen, device=CUDA, settings=settings, callbacks=[Clock(spoiler)]).epochs) == 3
            return
        with pytest.raises(SpecError, match="at step 3 of 5 in epoch 2 of 3"):
            fit(model, train, test, chosen, device=CUDA, settings=settings, callbacks=[Clock(spoiler)])
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
