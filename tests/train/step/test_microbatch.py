"""Where memory is short the same step is done again in pieces: the same update, the same random numbers."""

import weakref

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import evaluate, fit
from archspec.train.step.precision import Settings
from tests.fake_cuda import CUDA, fake_cuda
from tests.train.helpers import CPU, batches, data, network, recipe

IMAGES, TESTED = data(), data(23, split="test", seed=1)


@pytest.fixture(autouse=True)
def _no_garbage_collection(monkeypatch):
    """What a step that failed has left is freed without it; it takes seconds in a process that has run many tests."""
    monkeypatch.setattr("archspec.train.step.microbatch.gc.collect", lambda: 0)


class Short(nn.Module):
    """There is no memory for more than `most` images at once, from the call `since` on. Notes the sizes that pass."""

    def __init__(self, most, since=0, training=True, problem=None):
        super().__init__()
        self.most, self.since, self.when = most, since, training
        self.problem = problem or (lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
        self.calls, self.sizes = 0, []

    def forward(self, x):
        if self.training == self.when:
            self.calls += 1
            if self.calls > self.since and len(x) > self.most:
                raise self.problem()
            self.sizes.append(len(x))
        return x


class Notes(Callback):
    def __init__(self):
        self.notices, self.micro, self.run = [], [], None

    def on_start(self, run):
        self.run = run

    def on_step(self, run):
        self.micro.append(run.state.micro_batch)

    def on_notice(self, text):
        self.notices.append(text)


def plain(dropout=0.0):
    model = network(dropout)
    del model[1]  # without batch norm: the update does not depend on how a batch is cut
    return model


def trained(model, chosen, *callbacks, **options):
    notes = Notes()
    test = batches(TESTED, chosen, shuffle=False)
    summary = fit(model, batches(IMAGES, chosen), test, chosen, device=CPU, callbacks=[notes, *callbacks], **options)
    return summary, notes


def weights(model):
    return [tensor.clone() for tensor in model.state_dict().values()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


CASES = [
    pytest.param({}, Settings(), id="sgd"),
    pytest.param({"momentum": 0.9, "label_smoothing": 0.1}, Settings(), id="label-smoothing"),
    pytest.param({"mixup": 0.4, "label_smoothing": 0.1}, Settings(), id="mixup"),
    pytest.param({"cutmix": 1.0, "clip_grad_norm": 0.1}, Settings(), id="cutmix-clipped"),
    pytest.param({"optimizer": "adam", "lr": 0.01, "ema": 0.9}, Settings(), id="adam-ema"),
    pytest.param({"clip_grad_norm": 0.1}, Settings("fp16"), id="fp16-clipped"),
    pytest.param({}, Settings("bf16", channels_last=True), id="bf16-channels-last"),
]


@pytest.mark.parametrize("most", [7, 1])
@pytest.mark.parametrize(("fields", "how"), CASES)
def test_the_update_is_that_of_the_whole_batch(fields, how, most):
    """But for rounding; the last batch of each epoch has 8 images, the others 10."""
    chosen = recipe(epochs=1, **fields)
    whole, cut = plain(), plain()
    cut.insert(0, Short(most))
    expected, nothing = trained(whole, chosen, settings=how)
    found, notes = trained(cut, chosen, settings=how)
    close = {"rtol": 1e-4, "atol": 1e-5} if how.precision == "fp32" else {"rtol": 2e-2, "atol": 2e-2}
    for a, b in zip(weights(cut), weights(whole), strict=True):
        torch.testing.assert_close(a, b, **close)
    for a, b in zip(found.epochs, expected.epochs, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=close["rtol"])
        assert how.precision != "fp32" or a.train_accuracy == b.train_accuracy
    assert sum(cut[0].sizes) == 48
    assert (nothing.notices, len(notes.notices)) == ([], {7: 1, 1: 4}[most])  # 10, 5, 3, 2, 1
    assert notes.micro == [{7: 5, 1: 1}[most]] * 5


def test_the_words():
    _, notes = trained(nn.Sequential(Short(5, since=6), network()), recipe())
    assert notes.notices == [
        "warning[BUILD201]: step 2 of 5 in epoch 2 of 3 ran out of memory: it is repeated, from now on in micro-batches of "
        "at most 5 images; an update still uses all 10; "
        "batch norm then takes its statistics from each 5"
    ]
    _, notes = trained(nn.Sequential(Short(5), plain()), recipe())
    assert notes.notices[0].endswith("; an update still uses all 10")


class CutAt(Callback):
    """Sets the micro-batch without any shortage."""

    def __init__(self, step, most):
        self.step, self.most = step, most

    def on_start(self, run):
        self.on_step(run)

    def on_step(self, run):
        if run.state.step == self.step:
            run.state.micro_batch = self.most


@pytest.mark.parametrize("place", [1, 3, 6])
@pytest.mark.parametrize("step", [0, 6])
def test_a_step_done_again_begins_where_it_began(step, place):
    """Dropout draws the same numbers, and batch norm's statistics (module 1) see each image once."""
    chosen = recipe(momentum=0.9, epochs=2)
    expected, found = (network(dropout=0.5) for _ in range(2))
    trained(expected, chosen, CutAt(step, 5))
    found.insert(place, Short(5, since=step))
    trained(found, chosen)
    del found[place]
    assert same(found, expected)


class StopAt(Callback):
    def __init__(self, step, saves):
        self.step, self.saves = step, saves

    def on_step(self, run):
        if run.state.step == self.step:
            self.saves.save(run)
            raise KeyboardInterrupt


def test_a_resumed_run_goes_on_in_pieces(tmp_path):
    """Bit for bit the run that never stopped, although there is memory enough now."""
    chosen = recipe(momentum=0.9)
    expected, stopped, resumed = (nn.Sequential(Short(most, since=2), network(dropout=0.5)) for most in (5, 5, 10))
    trained(expected, chosen)
    saves = Checkpointer(tmp_path, every=Every(None, None, None))
    with pytest.raises(KeyboardInterrupt):
        trained(stopped, chosen, StopAt(7, saves))
    found = newest(tmp_path).saved
    assert found.state.micro_batch == 5
    _, notes = trained(resumed, chosen, resume=found)
    assert (notes.notices, set(notes.micro)) == ([], {5})
    assert same(resumed, expected)


@pytest.mark.parametrize(("model", "tried", "words"), [
    (plain, 4, "training, with only 1 image at once, ran out of memory"),
    (network, 3, "training, with only 2 images at once, ran out of memory"),
])
def test_in_the_end_it_is_told(model, tried, words):
    """10, 5, 3, 2 and without batch norm 1; the weights are as they were."""
    short, notes = Short(0), Notes()
    model = nn.Sequential(short, model())
    before, chosen = weights(model), recipe()
    with pytest.raises(SpecError) as caught:
        fit(model, batches(IMAGES, chosen), batches(TESTED, chosen), chosen, device=CPU, callbacks=[notes])
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("BUILD201", words)
    assert diagnostic.notes == ("CUDA out of memory. Tried to allocate 2.00 GiB",)
    assert (len(notes.notices), short.sizes) == (tried, [])
    assert all(torch.equal(a, b) for a, b in zip(weights(model), before, strict=True))


def test_with_batch_norm_no_image_goes_alone():
    """Batches of 7, the last of 6, and memory for 3: pieces of 2 and 3."""
    short = Short(3)
    trained(nn.Sequential(short, network()), recipe(batch_size=7))
    assert set(short.sizes) == {2, 3}


def test_other_errors_are_no_shortage():
    short, notes = Short(5, problem=lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied")), Notes()
    chosen = recipe()
    with pytest.raises(RuntimeError, match="mat1"):
        fit(nn.Sequential(short, network()), batches(IMAGES, chosen), batches(TESTED, chosen), chosen, device=CPU,
            callbacks=[notes])
    assert (short.calls, notes.notices) == (1, [])


def test_what_failed_is_gone_before_the_second_try():
    """All that it had computed is held by its exception and its graph."""
    living = []

    class Remembers(nn.Module):
        def forward(self, x):
            x = x * 2
            if self.training:
                assert all(reference() is None for reference in living)
                living.append(weakref.ref(x))
            return x

    model = nn.Sequential(Remembers(), Short(5), plain())
    trained(model, recipe(epochs=1))
    assert len(living) == 1 + len(model[1].sizes)


def test_on_a_gpu_the_memory_is_given_back_first(monkeypatch):
    log = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: log.append("emptied"))

    class Logged(Short):
        def forward(self, x):
            log.append(len(x))
            return super().forward(x)

    chosen = recipe(epochs=1)
    model = nn.Sequential(Logged(5), plain())
    with fake_cuda():
        fit(model, batches(IMAGES, chosen, device=CUDA), batches(TESTED, chosen, shuffle=False, device=CUDA), chosen,
            device=CUDA)
    assert log[:4] == [10, "emptied", 5, 5]
    assert log.count("emptied") == 1


def test_a_mixed_batch_is_mixed_whole(monkeypatch):
    """The image that is faded into another may be in another piece."""
    seen = []

    class Sees(nn.Module):
        def forward(self, x):
            if self.training:
                seen.append(x)
            return x

    chosen = recipe(mixup=0.4, epochs=1)
    trained(nn.Sequential(Sees(), plain()), chosen)
    whole, seen[:] = list(seen), []
    trained(nn.Sequential(Sees(), plain()), chosen, CutAt(0, 4))
    assert torch.equal(torch.cat(seen), torch.cat(whole))


def test_evaluation_is_cut_too():
    """Any network: in evaluation an image does not depend on the others."""
    short = Short(3, training=False)
    model, chosen = network(), recipe()
    test = batches(TESTED, chosen, shuffle=False)
    expected = evaluate(model, test, CPU)
    found = evaluate(nn.Sequential(short, model), test, CPU)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert (found.accuracy, found.images) == (expected.accuracy, expected.images)
    assert short.sizes == [3, 3, 2, 2, 3, 3, 2, 2, 3]  # 10, 10 and 3; 10 and 5 were too many
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(nn.Sequential(Short(0, training=False), model), test, CPU)


def test_the_default_is_one_pass_without_copies():
    """The images are not taken apart as long as memory suffices."""
    seen = []

    class Keep(Callback):
        def on_start(self, run):
            run.runtime.forward = self.forward
            self.run = run

        def forward(self, images):
            seen.append(images is self.run.batch.x)
            return self.run.state.model(images)

    trained(plain(), recipe(epochs=1), Keep())
    assert seen == [True] * 5
