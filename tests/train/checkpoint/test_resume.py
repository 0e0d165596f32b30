"""A resumed run is, bit for bit, the run that was never stopped."""

import dataclasses
import json

import pytest
import torch

from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import fit
from archspec.train.run_dir.directory import save_weights
from archspec.train.step.precision import Settings
from tests.train.helpers import CPU, PLAN, data, network, recipe

TRAIN, TEST = data(), data(23, split="test", seed=1)
NEVER = Every(None, None, None)


class Stopped(Exception):
    pass


class StopAt(Callback):
    """Ends the run after a step, or, where `evaluating`, in the test pass that follows it; the state is saved first."""

    def __init__(self, step, saves):
        self.step, self.saves = step, saves

    def on_step(self, run):
        if run.state.step == self.step:
            self.saves.save(run)
            raise Stopped


class Noise(torch.nn.Module):
    """Random numbers in training, as dropout draws them, and a buffer that counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.seen += 1
            x = x + 0.01 * torch.randn_like(x)
        return x


def model_of(settings):
    layout = torch.channels_last if settings.channels_last else torch.preserve_format
    model = network(dropout=0.3)
    model.insert(1, Noise())
    return model.to(memory_format=layout)


def train(folder, chosen, settings, *, stop=None, resume=None, every=NEVER):
    """One run, or a piece of one. Returns (results without times, bytes of the weights)."""
    augment = Augmentation(crop_padding=1, flip=0.5, erase=0.5)
    layout = torch.channels_last if settings.channels_last else None
    made = BatchOptions(chosen.batch_size, True, CPU, seed=chosen.seed, augment=augment, memory_format=layout)
    batches = ResidentBatches(TRAIN, PLAN, made)
    test = ResidentBatches(TEST, PLAN, BatchOptions(chosen.batch_size, False, CPU))
    saves = Checkpointer(folder / "checkpoints", every=every)
    if resume is not None:
        saves.goes_on_from(resume)
    model = model_of(settings)
    stops = [] if stop is None else [StopAt(stop, saves)]
    summary = fit(
        model, batches, test, chosen, device=CPU, settings=settings, callbacks=[saves, *stops],
        resume=None if resume is None else resume.saved,
    )
    save_weights(model, folder / "weights.safetensors")
    return figures(summary.epochs), (folder / "weights.safetensors").read_bytes()


def figures(epochs):
    return [dataclasses.replace(row, seconds=0.0, images_per_s=0.0, peak_memory_bytes=None) for row in epochs]


def stopped_and_resumed(folder, chosen, settings, stops):
    """The run, stopped after each of these steps."""
    found = None
    for stop in stops:
        with pytest.raises(Stopped):
            train(folder, chosen, settings, stop=stop, resume=found)
        torch.manual_seed(stop)  # another process has other random numbers
        found = newest(folder / "checkpoints")
        assert found.saved.state.step == stop
    return train(folder, chosen, settings, resume=found)


RECIPES = [
    pytest.param({}, Settings(), id="sgd"),
    pytest.param({"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3, "schedule": "cosine", "warmup": 1},
                 Settings(channels_last=True), id="momentum-cosine-channels-last"),
    pytest.param({"optimizer": "adam", "lr": 0.01, "schedule": "one_cycle"}, Settings("bf16"), id="adam-one-cycle-bf16"),
    pytest.param({"optimizer": "adamw", "lr": 0.01, "schedule": {"step": 1}}, Settings("bf16", channels_last=True),
                 id="adamw-step-bf16-channels-last"),
    pytest.param({"momentum": 0.9}, Settings("fp16"), id="momentum-fp16-scaler"),
]


@pytest.mark.parametrize(("fields", "settings"), RECIPES)
def test_three_resumes_in_a_row(tmp_path, fields, settings):
    """48 images in batches of 10: 5 steps an epoch. Stops in mid-epoch, at the end of one's steps, in the last epoch."""
    chosen = recipe(**fields)
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole", chosen, settings)
    assert stopped_and_resumed(tmp_path, chosen, settings, [3, 10, 14]) == expected


@pytest.mark.parametrize("stop", [1, 4, 5, 6, 12, 15])
def test_any_step_will_do(tmp_path, stop):
    chosen, settings = recipe(momentum=0.9), Settings()
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole", chosen, settings)
    assert stopped_and_resumed(tmp_path, chosen, settings, [stop]) == expected


def test_to_save_changes_nothing(tmp_path):
    results = []
    for every in (NEVER, Every(1, 1, None)):
        folder = tmp_path / str(every.steps)
        folder.mkdir()
        results.append(train(folder, recipe(), Settings(), every=every))
    assert results[0] == results[1]


def test_a_state_that_is_not_restored_is_noticed(tmp_path):
    """The test of the tests: without any one of these the resumed run is another one."""
    chosen, settings = recipe(momentum=0.9), Settings()
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole", chosen, settings)
    with pytest.raises(Stopped):
        train(tmp_path, chosen, settings, stop=7)
    found = newest(tmp_path / "checkpoints")
    state, weights, training = found.saved.state, found.saved.weights, found.saved.training
    spoilt = {
        "random numbers": dataclasses.replace(found.saved, state=state.model_copy(update={"rng": {}})),
        "optimizer": dataclasses.replace(found.saved, training={
            key: torch.zeros_like(tensor) if key.startswith("optimizer/") else tensor for key, tensor in training.items()
        }),
        "running statistics": dataclasses.replace(found.saved, weights={
            key: torch.zeros_like(tensor) if key.endswith("running_mean") else tensor for key, tensor in weights.items()
        }),
        "measured steps": dataclasses.replace(found.saved, training={
            key: tensor + 1 if key == "meter/losses" else tensor for key, tensor in training.items()
        }),
    }
    for what, saved in spoilt.items():
        assert train(tmp_path, chosen, settings, resume=dataclasses.replace(found, saved=saved)) != expected, what
    assert train(tmp_path, chosen, settings, resume=found) == expected


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    chosen, settings = recipe(), Settings()
    expected = train(tmp_path, chosen, settings, every=Every())
    found = newest(tmp_path / "checkpoints")
    assert found.saved.state.step == 15
    assert train(tmp_path, chosen, settings, resume=found) == expected


def test_a_finished_run_can_be_prolonged(tmp_path):
    """With a constant rate: the same as a longer run from the start."""
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole", recipe(epochs=4), Settings())
    train(tmp_path, recipe(epochs=2), Settings(), every=Every())
    assert train(tmp_path, recipe(epochs=4), Settings(), resume=newest(tmp_path / "checkpoints")) == expected


@pytest.mark.parametrize(("change", "words"), [
    (lambda w: w | {"more": torch.zeros(1)}, "the checkpoint has more, the network does not"),
    (lambda w: {k: v for k, v in w.items() if k != "6.bias"}, "the network has 6.bias, the checkpoint does not"),
    (lambda w: w | {"6.bias": torch.zeros(7)}, r"6.bias is \(7,\) in the checkpoint, \(4,\) in the network"),
])
def test_another_network_is_refused(tmp_path, change, words):
    with pytest.raises(Stopped):
        train(tmp_path, recipe(), Settings(), stop=3)
    found = newest(tmp_path / "checkpoints")
    saved = dataclasses.replace(found.saved, weights=change(found.saved.weights))
    with pytest.raises(SpecError, match=words) as caught:
        train(tmp_path, recipe(), Settings(), resume=dataclasses.replace(found, saved=saved))
    assert caught.value.diagnostics[0].code == "RUN315"


def test_another_number_of_steps_begins_the_epoch_anew(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, recipe(), Settings(), stop=7)
    found = newest(tmp_path / "checkpoints")
    steps = []

    class Steps(Callback):
        def on_step(self, run):
            steps.append((run.state.epoch, run.state.step, len(run.state.meter)))

    chosen = recipe(batch_size=24)
    batches, test = (ResidentBatches(d, PLAN, BatchOptions(24, False, CPU)) for d in (TRAIN, TEST))
    fit(model_of(Settings()), batches, test, chosen, device=CPU, callbacks=[Steps()], resume=found.saved)
    assert steps == [(1, 3, 1), (1, 4, 2), (2, 5, 1), (2, 6, 2)]


def test_another_optimizer_starts_without_state(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, recipe(momentum=0.9), Settings(), stop=7)
    found = newest(tmp_path / "checkpoints")
    assert found.saved.state.optimizer.kind == "SGD"
    seen = []

    class State(Callback):
        def on_start(self, run):
            seen.append(len(run.state.optimizer.state))

    chosen = recipe(optimizer="adam", lr=0.01)
    batches, test = (ResidentBatches(d, PLAN, BatchOptions(10, False, CPU)) for d in (TRAIN, TEST))
    fit(model_of(Settings()), batches, test, chosen, device=CPU, callbacks=[State()], resume=found.saved)
    assert seen == [0]


class Average:
    """Half of the old, half of the new: an average of the weights, as a trainer may keep."""

    def __init__(self):
        self.weights, self.count = {}, 0

    def add(self, model):
        new = {key: value.detach().clone() for key, value in model.named_parameters()}
        self.weights = {key: (self.weights.get(key, value) + value) / 2 for key, value in new.items()}
        self.count += 1

    def tensors(self):
        return self.weights

    def data(self):
        return {"count": self.count}

    def restore(self, tensors, data):
        self.weights, self.count = dict(tensors), data["count"]


def test_parts_are_kept(tmp_path):
    class Averaging(Callback):
        def __init__(self):
            self.average = Average()

        def on_start(self, run):
            run.state.keep("average", self.average)

        def on_step(self, run):
            self.average.add(run.state.model)

    def averaged(folder, stop=None, resume=None):
        averaging, saves = Averaging(), Checkpointer(folder / "checkpoints", every=NEVER)
        chosen = recipe()
        batches, test = (ResidentBatches(d, PLAN, BatchOptions(10, False, CPU)) for d in (TRAIN, TEST))
        stops = [StopAt(stop, saves)] if stop else []
        fit(network(), batches, test, chosen, device=CPU, callbacks=[averaging, *stops], resume=resume)
        return averaging.average

    expected = averaged(tmp_path)
    with pytest.raises(Stopped):
        averaged(tmp_path, stop=8)
    saved = newest(tmp_path / "checkpoints").saved
    assert saved.state.parts == {"average": {"count": 8}}
    found = averaged(tmp_path, resume=saved)
    assert found.count == expected.count == 15
    assert all(torch.equal(found.weights[key], value) for key, value in expected.weights.items())


def test_nothing_is_pickled(tmp_path):
    train(tmp_path, recipe(), Settings(), every=Every())
    (_, last) = sorted((tmp_path / "checkpoints").iterdir())[-2:]
    assert sorted(path.name for path in last.iterdir()) == [
        "manifest.sha256", "state.json", "training.safetensors", "weights.safetensors",
    ]
    assert json.loads((last / "state.json").read_text())["step"] == 15
