"""The doctor at a run: it changes nothing, speaks once, ends a dead run if asked, and remembers."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from archspec.api import load
from archspec.data.batches import Batch
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.doctor import Doctor, Patient
from archspec.train.doctor.verdicts import FATAL
from archspec.train.doctor.watch import due
from archspec.train.loop import fit
from archspec.train.metrics import Meter
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import Machine
from tests.layers import sequence
from tests.train.doctor.helpers import LN10, Script, history, sample
from tests.train.helpers import CPU, batches, data, network, recipe

TRAIN, TEST = data(200, seed=3), data(40, split="test", seed=1)


SPEC = load({"archspec": 1, "input": [1, 8, 8], "stages": {"head": ["flatten", {"linear": 8}, "relu", {"linear": 4}]}})


def train_with(doctor, model=None, *, callbacks=(), train=TRAIN, patient=False, **fields):
    chosen = recipe(**{"batch_size": 20, "epochs": 6, **fields})
    model = network(dropout=0.3) if model is None else model
    listener = Script(10**9)
    feed, test = batches(train, chosen), batches(TEST, chosen, shuffle=False)
    doctors = [] if doctor is None else [doctor]
    if patient:
        doctor._patient = Patient(SPEC.data, SPEC.graph, chosen, Machine(CPU), feed, test)
    summary = fit(model, feed, test, chosen, device=CPU, callbacks=(*doctors, listener, *callbacks))
    return summary, model, listener.messages


def dead_network():
    """Its only ReLU gives zero for all images, whatever comes."""
    model = network()
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.fill_(-1.0)
    return model


def sealed_network(*, dropout=0.0):
    """The same without batch norm: no update reaches its first layer."""
    model = sequence((1, 8, 8), "flatten", {"dropout": float(dropout)}, {"linear": 8}, "relu", {"linear": 4})
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.fill_(-1.0)
    return model


@pytest.mark.parametrize(("model", "fields", "final"), [
    (sealed_network(), {}, True), (dead_network(), {}, False), (sealed_network(dropout=0.1), {}, False),
    (sealed_network(), {"weight_decay": 0.01}, False), (sealed_network(), {"mixup": 0.2}, False),
], ids=["dead", "batch-norm", "dropout", "weight-decay", "mixup"])
def test_a_dead_network_is_final_only_where_nothing_else_can_change_what_it_sees(model, fields, final):
    doctor = Doctor()
    train_with(doctor, model, epochs=12, patient=True, **fields)
    (finding,) = doctor.findings
    assert (finding.code, finding.final) == ("RUN341", final)


def test_a_network_that_is_dead_for_most_images_is_not_final():
    """One image in two hundred wakes a unit: a look into single batches does not see that."""
    model = sealed_network()
    with torch.no_grad():
        brightest = max(range(len(TRAIN)), key=lambda k: float(TRAIN.images[k, 0, 0, 0]))
        TRAIN.images[brightest, 0, 0, 0] = 255
        others = sorted(float(TRAIN.images[k, 0, 0, 0]) / 255 for k in range(len(TRAIN)))
        model[2].weight[0, 0] = 1.0
        model[2].bias[0] = -(others[-1] + others[-2]) / 2
        assert others[-1] > others[-2]
    doctor = Doctor()
    train_with(doctor, model, epochs=1, lr=1e-6, patient=True)
    assert doctor._history.sealed is None


def test_a_run_is_the_same_with_and_without():
    plain, model, _ = train_with(None)
    watched, other, messages = train_with(Doctor())
    assert [(r.train_loss, r.evaluated_loss, r.evaluated_accuracy) for r in plain.epochs] == [
        (r.train_loss, r.evaluated_loss, r.evaluated_accuracy) for r in watched.epochs
    ]
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    assert messages == []


def test_every_step_is_remembered_once_and_samples_lie_where_they_are_due():
    doctor = Doctor()

    seen = []

    class Losses(Callback):
        def on_step(self, run):
            seen.append(float(run.state.meter.losses()[-1]))

    _, model, _ = train_with(doctor, callbacks=[Losses()], epochs=11)
    history = doctor._history
    assert list(history.losses) == pytest.approx(seen)
    assert sum(history.sizes) == 11 * len(TRAIN)
    assert [sample.step for sample in history.samples] == [1, 2, 4, 8, 16, 32, 50, 100]
    assert len(history.epochs) == 11
    assert not any(module._forward_hooks for module in model.modules())


def test_a_look_waits_for_the_device_once(monkeypatch):
    doctor, reads = Doctor(), []
    for name in ("tolist", "item", "cpu", "__float__", "__bool__", "__int__"):
        original = getattr(torch.Tensor, name)

        def count(self, *args, _original=original, _name=name, **kwargs):
            if looking:
                reads.append(_name)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, count)
    looking = False
    look = doctor._look

    def watched(*args):
        nonlocal looking
        looking = True
        look(*args)
        looking = False

    monkeypatch.setattr(doctor, "_look", watched)
    train_with(doctor)
    assert reads == ["tolist"] * 7


def test_the_labels_of_the_first_epoch_are_counted():
    doctor = Doctor()
    train_with(doctor, epochs=3)
    assert doctor._history.all_labels
    assert doctor._history.labels == Counter(TRAIN.labels.tolist())


@pytest.mark.parametrize("step", [1, 2, 4, 8, 16, 32, 50, 100, 1000])
def test_due(step):
    assert due(step)
    assert not due(step + 5)


def test_a_dead_network_is_told_once():
    doctor = Doctor()
    _, _, messages = train_with(doctor, dead_network(), epochs=30)
    assert [finding.code for finding in doctor.findings] == ["RUN341"]
    assert messages == [doctor.findings[0].line()]
    assert "100 % of the 4 units of 2 are zero for every input" in messages[0]


class Told(list):
    """In place of a run: hears what is said."""

    notify = list.append


def saturated(steps, losses=(), accuracy=0.1, **fields):
    """LeNet at 3, `steps` steps at chance with most sigmoids saturated, and then `losses`."""
    stuck = [sample(step, kind="sigmoid", stuck=0.9) for step in (steps - 50, steps)]
    right = [0.1] * steps + ([accuracy] * len(losses) if isinstance(accuracy, float) else accuracy)
    return history([LN10] * steps + list(losses), right, samples=[sample(1, kind="sigmoid"), *stuck], lr=3.0, **fields)


def examined(doctor, *histories):
    messages = Told()
    for doctor._history in histories:
        doctor._report(messages, doctor._verdicts.examine(doctor._history))
    return messages


def test_a_verdict_that_no_longer_holds_is_taken_back():
    doctor = Doctor(stop=True)
    messages = examined(doctor, saturated(100), saturated(400), saturated(400, [1.5] * 50, 0.45), saturated(400, [1.5] * 100, 0.45))
    (finding,) = doctor.findings
    assert (finding.code, finding.step, finding.until, finding.final) == ("RUN342", 100, 450, False)
    assert len(messages) == 2
    assert messages[0].startswith("doctor[RUN342]: step 100: nothing learned so far: saturated sigmoids: the rate 3 is too high")
    assert messages[1] == (
        "doctor[RUN342]: step 450: the network learns after all: over the last 40 steps the loss is 1.5 and the "
        "accuracy 0.450"
    )


def test_after_that_what_else_goes_wrong_is_told():
    doctor = Doctor()
    collapse = saturated(400, [1.0] * 60 + [9.0] + [LN10] * 60, [0.5] * 60 + [0.1] * 61)
    messages = examined(doctor, saturated(100), saturated(400, [1.0] * 60, 0.5), collapse)
    assert [(finding.code, finding.until) for finding in doctor.findings] == [("RUN342", 460), ("RUN347", None)]
    assert len(messages) == 3
    again = saturated(400, [1.0] * 60 + [9.0] + [LN10] * 60 + [1.2] * 50, [0.5] * 60 + [0.1] * 61 + [0.6] * 50)
    messages += examined(doctor, again)
    assert messages[3].startswith("doctor[RUN347]: step 571: the network learns again: over the last 40 steps the loss is 1.2")


@pytest.mark.parametrize("stop", [False, True])
def test_what_was_said_so_far_gives_way_to_the_final_verdict(stop):
    doctor = Doctor(stop=stop)
    messages = examined(doctor, saturated(100), saturated(980))
    assert [(finding.step, finding.final) for finding in doctor.findings] == [(100, False)]
    proven, later = saturated(1000), saturated(1050)
    proven.sealed = later.sealed = 1000
    if stop:
        with pytest.raises(SpecError, match=r"error\[RUN342\]: saturated sigmoids: the rate 3 is too high \(step 1000\)"):
            examined(doctor, proven)
    else:
        messages += examined(doctor, proven, later)
        assert len(messages) == 2
    assert [(finding.step, finding.final) for finding in doctor.findings] == [(1000, True)]


def test_stop_ends_the_run_with_the_verdict(tmp_path):
    doctor = Doctor(stop=True, folder=tmp_path)
    with pytest.raises(SpecError) as caught:
        train_with(doctor, sealed_network(), epochs=40, patient=True)
    (diagnostic,) = caught.value.diagnostics
    (finding,) = doctor.findings
    assert (diagnostic.code, diagnostic.message) == ("RUN341", f"{finding.title} (step {finding.step})")
    assert diagnostic.hint == finding.remedy
    assert finding.step <= 100
    written = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert written == {"format": 1, "findings": [finding.to_json()]}


def test_stop_does_not_end_a_run_that_can_be_saved(monkeypatch):
    """Over-fitting, odd inputs or labels: the run goes on."""
    assert "RUN348" not in FATAL
    assert "RUN349" not in FATAL
    doctor = Doctor(stop=True)
    summary, _, messages = train_with(doctor, normalize=None, train=scaled(TRAIN, 0.0), epochs=2)
    assert [finding.code for finding in doctor.findings] == ["RUN349"]
    assert messages[0].startswith("doctor[RUN349]: step 1: the inputs are constant")
    assert len(summary.epochs) == 2


def scaled(images, factor):
    return replace(images, images=(images.images.float() * factor).to(torch.uint8))


def test_labels_of_one_class_are_told():
    one = replace(TRAIN, labels=torch.full_like(TRAIN.labels, 2))
    doctor = Doctor()
    train_with(doctor, train=one, epochs=2)
    assert [finding.code for finding in doctor.findings] == ["RUN350"]
    assert doctor.findings[0].evidence[0].values["label"] == 2


def test_a_loss_that_is_no_number_is_explained_although_the_run_ends():
    doctor = Doctor()
    listener = Script(10**9)
    chosen = recipe(batch_size=20, epochs=3, lr=1e30)
    model = sequence((1, 8, 8), "flatten", {"linear": 32}, "relu", {"linear": 4})
    with pytest.raises(SpecError, match="RUN310") as caught:
        fit(model, batches(TRAIN, chosen), batches(TEST, chosen), chosen, device=CPU, callbacks=(doctor, listener))
    (finding,) = doctor.findings
    assert finding.code == "RUN346"
    assert f"at step {finding.step} of 10 in epoch 1" in caught.value.diagnostics[0].message
    assert len(doctor._history) == finding.step, "the step that was not done included"
    assert listener.messages[-1].startswith("doctor[RUN346]")


def test_a_run_that_ends_before_it_began():
    class Refuses(Callback):
        def on_start(self, run):
            raise RuntimeError("no")

    doctor = Doctor()
    with pytest.raises(RuntimeError, match="no"):
        train_with(doctor, callbacks=[Refuses()])
    assert doctor.findings == []


def test_an_empty_batch_says_nothing():
    """A rank may get no image in a last step."""
    chosen, doctor = recipe(batch_size=20, epochs=1), Doctor()
    model = sequence((1, 8, 8), "flatten", {"linear": 8}, "relu", {"linear": 4})
    run = Run.create(model, make_optimizer(model, chosen, CPU), lambda step: 0.1, CPU, chosen, 2)
    run.state.meter = Meter(2, CPU)
    full = next(iter(batches(TRAIN, chosen).batches(0)))
    doctor.on_start(run)
    for run.batch in (Batch(*(part[:0] for part in full[:3])), full):
        logits = model(run.batch.x)
        loss = nn.functional.cross_entropy(logits, run.batch.y, reduction="sum")
        loss.backward()
        run.state.optimizer.step()
        run.state.step += 1
        run.state.meter.add(loss, logits, run.batch.y)
        doctor.on_step(run)
    assert doctor._history.inputs.step == 2
    assert doctor._history.labels.total() == 20


def test_a_run_that_ends_at_chance_is_told_at_its_end(tmp_path):
    doctor = Doctor(stop=True, folder=tmp_path)
    summary, _, messages = train_with(doctor, dead_network(), epochs=3)
    (finding,) = doctor.findings
    assert (finding.code, finding.step, len(summary.epochs)) == ("RUN352", 30, 3)
    assert messages == [finding.line()]
    assert [row["code"] for row in json.loads((tmp_path / "findings.json").read_text())["findings"]] == ["RUN352"]


def test_of_a_run_with_a_verdict_no_more_is_said_at_its_end():
    doctor = Doctor()
    train_with(doctor, dead_network(), epochs=30)
    assert [finding.code for finding in doctor.findings] == ["RUN341"]
