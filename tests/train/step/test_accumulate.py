"""Steps of several batches, `accumulate`: the update is that of the large batch, in the memory of the small one."""

import dataclasses

import pytest
import torch
from torch import nn

from archspec.api import load
from archspec.backends.step import step_bytes
from archspec.diagnostics import SpecError
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import fit
from archspec.train.setup import Machine, batch_options, check_memory, prepare
from archspec.train.step.precision import Settings
from tests.train.helpers import CPU, batches, data, network, recipe
from tests.train.step.test_microbatch import Notes, Short, StopAt, plain, same, trained, weights

IMAGES, TESTED = data(), data(23, split="test", seed=1)


@pytest.mark.parametrize("fields", [
    {"momentum": 0.9, "schedule": "one_cycle", "weight_decay": 0.01},
    {"optimizer": "adam", "lr": 0.01, "ema": 0.9, "warmup": {"steps": 3}},
    {"mixup": 0.4, "clip_grad_norm": 0.1, "label_smoothing": 0.1},
    {"cutmix": 1.0, "schedule": {"step": 1}},
], ids=str)
@pytest.mark.parametrize(("batch_size", "accumulate"), [(5, 2), (1, 10)])
def test_the_run_is_that_of_the_large_batch(fields, batch_size, accumulate):
    """But for rounding, the last step of each epoch included, which has 8 images: schedule and average count steps."""
    large, small = plain(), plain()
    expected, _ = trained(large, recipe(**fields))
    found, _ = trained(small, recipe(**fields, batch_size=batch_size, accumulate=accumulate))
    for a, b in zip(weights(small), weights(large), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(found.epochs, expected.epochs, strict=True):
        assert (a.step, a.learning_rate) == (b.step, b.learning_rate)
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
        assert a.gradient_norm == pytest.approx(b.gradient_norm, rel=1e-3)


def test_it_equals_the_gradients_of_a_textbook_loop():
    """In float64, step by step: each image counts alike, in the last and smaller step too."""
    chosen = recipe(batch_size=4, accumulate=3, epochs=1)
    model, twin = plain().double(), plain().double()
    source = batches(IMAGES, chosen)
    source._options = dataclasses.replace(source._options, dtype=torch.float64)
    test = batches(TESTED, chosen, shuffle=False)
    test._options = dataclasses.replace(test._options, dtype=torch.float64)
    steps = [(batch.x, batch.y) for batch in source.batches(0)]
    fit(model, source, test, chosen, device=CPU)
    assert [len(y) for _, y in steps] == [12, 12, 12, 12]
    optimizer = torch.optim.SGD(twin.parameters(), chosen.lr)
    for x, y in steps:
        optimizer.zero_grad()
        for part, labels in zip(x.split(4), y.split(4), strict=True):
            (nn.functional.cross_entropy(twin(part).float(), labels) / 3).backward()
        optimizer.step()
    for a, b in zip(weights(model), weights(twin), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("batch_size", [5, 7])
def test_in_passes_of_unequal_size_each_image_counts_alike(batch_size):
    """The last step has 23 images in passes of 5, 5, 5, 4 and 4, or 13 in passes of 7 and 6."""
    large, small = plain(), plain()
    expected, _ = trained(large, recipe(batch_size=5 * batch_size, momentum=0.9))
    found, _ = trained(small, recipe(batch_size=batch_size, accumulate=5, momentum=0.9))
    for a, b in zip(weights(small), weights(large), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert found.last.train_loss == pytest.approx(expected.last.train_loss, rel=1e-4)


class Sizes(nn.Module):
    """Notes how many images pass in training."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        if self.training:
            self.sizes.append(len(x))
        return x


@pytest.mark.parametrize(("batch_size", "accumulate", "normed", "expected"), [
    (7, 2, False, [7, 7] * 3 + [6]),
    (5, 4, False, [5] * 8 + [4, 4]),  # the last step's 8 images in two even passes
    (1, 20, True, [1] * 48),  # batch norm over space has enough values in one image
    (2, 5, True, [2] * 20 + [2] * 4),
    (4, 1, True, [4] * 12),
])
def test_no_pass_has_more_images_than_a_batch(batch_size, accumulate, normed, expected):
    sizes = Sizes()
    model = nn.Sequential(sizes, network() if normed else plain())
    summary, _ = trained(model, recipe(batch_size=batch_size, accumulate=accumulate, epochs=1))
    assert sizes.sizes == expected
    assert summary.last.step == -(-48 // (batch_size * accumulate))


def test_batch_norm_takes_its_statistics_from_each_pass():
    """So it differs from the large batch, as it does in PyTorch and Lightning."""
    large, small = network(), network()
    trained(large, recipe(epochs=1))
    trained(small, recipe(epochs=1, batch_size=5, accumulate=2))
    assert (int(large[1].num_batches_tracked), int(small[1].num_batches_tracked)) == (5, 10)
    assert not torch.allclose(large[1].running_var, small[1].running_var)


def test_where_memory_is_short_a_pass_is_cut_and_not_the_step():
    short = Short(3)
    _, notes = trained(nn.Sequential(short, plain()), recipe(batch_size=5, accumulate=2, epochs=1))
    assert (set(short.sizes), sum(short.sizes)) == ({2, 3}, 48)
    assert notes.notices == [
        "warning[BUILD201]: step 1 of 5 in epoch 1 of 1 ran out of memory: it is repeated, from now on in micro-batches of "
        "at most 3 images; an update still uses all 10"
    ]


@pytest.mark.parametrize("step", [2, 3, 7])
def test_a_resumed_run_is_bit_for_bit_the_one_that_never_stopped(tmp_path, step):
    """In the middle of an epoch, with dropout, batch norm, an average and a schedule."""
    chosen = recipe(momentum=0.9, ema=0.9, schedule="cosine", batch_size=3, accumulate=4)
    expected, stopped, resumed = (network(dropout=0.5) for _ in range(3))
    trained(expected, chosen)
    saves = Checkpointer(tmp_path, every=Every(None, None, None))
    with pytest.raises(KeyboardInterrupt):
        trained(stopped, chosen, StopAt(step, saves))
    found = newest(tmp_path).saved
    assert (found.state.step, found.state.steps_per_epoch) == (step, 4)
    trained(resumed, chosen, resume=found)
    assert same(resumed, expected)


class Poison:
    """Makes one pixel of a step's images undefined."""

    def __init__(self, source, step):
        self._source, self._step = source, step
        self.step_sizes, self.description = source.step_sizes, ""

    def __len__(self):
        return len(self._source)

    def batches(self, epoch, start=0):
        for k, batch in enumerate(self._source.batches(epoch, start), start):
            if k == self._step:
                batch.x[6] = torch.nan  # in the second pass
            yield batch


def test_a_bad_pass_ends_the_run_before_its_steps_update():
    chosen = recipe(batch_size=5, accumulate=2)
    model, notes = plain(), Notes()
    with pytest.raises(SpecError, match="the loss is nan at step 1 of 5 in epoch 1") as caught:
        fit(model, Poison(batches(IMAGES, chosen), 0), batches(TESTED, chosen, shuffle=False), chosen, device=CPU,
            callbacks=[notes])
    assert any("the inputs" in note for note in caught.value.diagnostics[0].notes)
    assert same(model, plain())


SPEC = """
archspec: 1
input: [1, 8, 8]
stages: {head: [conv2d: {out_channels: 64, kernel_size: 3}, relu, flatten, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 8, accumulate: 4, epochs: 1}
"""


def test_only_training_has_batches_of_a_whole_step():
    loaded = load(SPEC)
    sizes = [
        batch_options(loaded.recipe(), Machine(CPU), loaded.graph, training=training).batch_size
        for training in (True, False)
    ]
    assert sizes == [32, 8]


def test_memory_is_that_of_a_batch_and_the_images_and_gradients_that_wait():
    graph = load(SPEC).graph
    alone, together, large = (
        step_bytes(graph, 8, states=0), step_bytes(graph, 8, states=0, accumulate=4), step_bytes(graph, 32, states=0)
    )
    parameters = 4 * sum(p.numel() for p in nn.Sequential(nn.Conv2d(1, 64, 3), nn.Linear(64 * 36, 10)).parameters())
    assert 0 <= together - alone - 3 * 8 * 64 * 4 <= parameters
    assert together < large / 2


def test_a_run_that_fits_only_in_parts_is_accepted(monkeypatch):
    loaded = load(SPEC)
    chosen = loaded.recipe()
    room = step_bytes(loaded.graph, 8, states=0, accumulate=4)
    monkeypatch.setattr("archspec.backends.fits.available_bytes", lambda device: room)
    check_memory(loaded.graph, chosen, CPU)
    with pytest.raises(SpecError, match=r"batches of 32(.|\n)*raise `accumulate` to keep the images per step"):
        check_memory(loaded.graph, chosen.model_copy(update={"batch_size": 32, "accumulate": 1}), CPU)


def test_cuda_graphs_are_refused():
    loaded = load(SPEC)
    machine = Machine(CPU, settings=Settings(compile=True, cuda_graphs=True))
    with pytest.raises(SpecError, match="CUDA graphs do not support `accumulate`"):
        prepare(loaded.graph, loaded.recipe(), machine)
