"""Frozen parts stay as they are, to the last bit; and parts have rates of their own."""

import json

import pytest
import torch
from safetensors.torch import save_file

from archspec.analysis.parts import frozen_tensors, part_lines, untrained_parts
from archspec.api import examine, load
from archspec.backends.built import layers, normalises_batch, training_mode
from archspec.backends.step import step_bytes
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.doctor import Doctor
from archspec.train.loop import fit
from archspec.train.lr_finder.range_test import rate_range
from archspec.train.optimizer import make_optimizer, set_rate
from archspec.train.setup import Machine, fresh_model, start_notices
from archspec.train.step.precision import Settings
from tests.train.helpers import CPU, batches, data
from tests.train.step.test_microbatch import Notes, StopAt

TRAIN, TEST = data(), data(23, split="test", seed=1)
SPEC = """
archspec: 1
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu]
  body: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu, dropout: 0.3]
  head: [flatten, linear: 4]
train: RECIPE
"""


def network(**fields):
    recipe = {"data": "digits", "lr": 0.1, "batch_size": 10, "epochs": 2, **fields}
    loaded = load(SPEC.replace("RECIPE", json.dumps(recipe)))
    return loaded.graph, loaded.recipe()


def started(settings=None, **fields):
    graph, recipe = network(**fields)
    return fresh_model(graph, recipe, Machine(CPU, settings=settings or Settings())), recipe


def trained(model, recipe, *callbacks, **options):
    return fit(model, batches(TRAIN, recipe), batches(TEST, recipe, shuffle=False), recipe, device=CPU,
               callbacks=callbacks, **options)


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


HEAD = {"head.linear_1.weight", "head.linear_1.bias"}


@pytest.mark.parametrize("fields", [
    {"momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "ema": 0.9, "clip_grad_norm": 0.1},
    {"accumulate": 2, "batch_size": 5, "mixup": 0.4},
], ids=str)
@pytest.mark.parametrize("settings", [Settings(), Settings(channels_last=True, own_kernels=True)], ids=["plain", "own"])
def test_a_frozen_trunk_is_bit_equal_after_training(fields, settings):
    """Parameters and running statistics; with weight decay and with an average of the weights too."""
    model, recipe = started(settings, freeze=["stem", "body"], **fields)
    before = state(model)
    summary = trained(model, recipe)
    assert changed(before, state(model)) == HEAD
    assert len(summary.epochs) == 2


def test_the_saved_average_has_the_same_trunk():
    class Keep(Callback):
        def on_finish(self, run):
            self.averaged = state(run.state.eval_model)

    model, recipe = started(freeze="stem", ema=0.9)
    before, keep = state(model), Keep()
    trained(model, recipe, keep)
    assert not any(name.startswith("stem") for name in changed(before, keep.averaged))


def test_frozen_norms_compute_as_in_evaluation():
    """As PyTorch's users write it: `requires_grad_(False)` and `.eval()` of the trunk's norms."""
    model, _ = started(freeze=["stem"])
    model.stem[1].running_mean.uniform_()
    training_mode(model)
    assert [layer.path for layer in layers(model) if not layer.module.training] == ["stem.batch_norm2d_1"]
    assert normalises_batch(model)
    assert not normalises_batch(started(freeze=["stem", "body.batch_norm2d_1"])[0])
    x = torch.rand(6, 1, 8, 8)
    trunk = model.stem(x)
    assert torch.equal(trunk, model.stem.eval()(x))


def test_it_equals_training_the_rest_on_the_trunks_outputs():
    """An independent loop in plain torch, with the same rate and order, and no dropout."""
    from archspec.data.order import epoch_order

    model, recipe = started(freeze=["stem", "body"], momentum=0.9)
    model.body[3].p = 0.0
    with torch.no_grad():
        features = torch.nn.Sequential(model.stem, model.body).eval()(TRAIN.images.float() / 255)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16 * 4, 4))
    head[1].load_state_dict(model.head[1].state_dict())
    optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    for epoch in range(2):
        for rows in epoch_order(len(TRAIN), recipe.seed, epoch).split(10):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(features[rows]), TRAIN.labels[rows]).backward()
            optimizer.step()
    trained(model, recipe)
    torch.testing.assert_close(model.head[1].weight, head[1].weight, rtol=1e-5, atol=1e-6)


def test_a_frozen_tensor_of_a_layer_that_learns():
    model, recipe = started(freeze=["head.linear_1.bias"])
    before = state(model)
    trained(model, recipe)
    assert "head.linear_1.bias" not in changed(before, state(model))
    assert "head.linear_1.weight" in changed(before, state(model))


def test_a_resumed_run_equals_the_one_that_never_stopped(tmp_path):
    fields = {"freeze": ["stem"], "lr_scale": {"head": 3}, "momentum": 0.9, "ema": 0.9}
    (expected, recipe), (stopped, _), (resumed, _) = (started(**fields) for _ in range(3))
    trained(expected, recipe)
    saves = Checkpointer(tmp_path, every=Every(None, None, None))
    with pytest.raises(KeyboardInterrupt):
        trained(stopped, recipe, StopAt(7, saves))
    trained(resumed, recipe, resume=newest(tmp_path).saved)
    assert not changed(state(expected), state(resumed))


@pytest.mark.parametrize("fields", [{"momentum": 0.9}, {"optimizer": "adam", "lr": 0.01}], ids=str)
def test_rates_are_those_of_torchs_parameter_groups(fields):
    """With a schedule and weight decay; the longest name counts."""
    scales = {"head": 10, "body": 0.5, "body.conv2d_1": 2}
    model, recipe = started(lr_scale=scales, schedule="cosine", weight_decay=0.01, **fields)
    twin, plain = started(schedule="cosine", weight_decay=0.01, **fields)
    optimizer = make_optimizer(model, recipe, CPU)
    set_rate(optimizer, 0.2)
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    expected = {"stem": 0.2, "body.conv2d_1": 0.4, "body.batch_norm2d_1": 0.1, "head": 2.0}
    for name, parameter in model.named_parameters():
        part = next(part for part in expected if name.startswith(part))
        assert rates[parameter] == pytest.approx(expected[part]), name
    groups = [{"params": [p for n, p in twin.named_parameters() if n.startswith(part)], "factor": factor / 0.2}
              for part, factor in expected.items()]
    assert sum(len(group["params"]) for group in groups) == len(rates)
    theirs = torch.optim.SGD if plain.optimizer == "sgd" else torch.optim.Adam
    own = theirs(groups, lr=recipe.lr, weight_decay=0.01, **({"momentum": 0.9} if plain.optimizer == "sgd" else {}))
    batch = next(batches(TRAIN, recipe).batches(0))
    for which, network_ in ((optimizer, model), (own, twin)):
        for group in which.param_groups:
            group["lr"] = 0.01 * group.get("factor", group.get("lr_factor", 1))
        network_.eval()
        torch.nn.functional.cross_entropy(network_(batch.x), batch.y).backward()
        which.step()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_without_them_the_optimizer_is_the_textbooks():
    model, recipe = started()
    (group,) = make_optimizer(model, recipe, CPU).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]
    set_rate(make_optimizer(model, recipe, CPU), 0.3)


def test_the_rate_finder_scales_its_rates_and_leaves_frozen_parts_alone():
    model, recipe = started(freeze=["stem"], lr_scale={"head": 10})
    seen, before = [], state(model)

    import archspec.train.loop as loop

    original = loop.set_rate

    def watch(optimizer, rate):
        original(optimizer, rate)
        seen.append(sorted({group["lr"] / rate for group in optimizer.param_groups}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "set_rate", watch)
        rate_range(model, batches(TRAIN, recipe), recipe, device=CPU, steps=12)
    assert seen
    assert all(factors == pytest.approx([1.0, 10.0]) for factors in seen)
    assert not changed(before, state(model))


def test_a_step_keeps_no_gradient_and_no_state_of_frozen_parts():
    graph, recipe = network(freeze=["stem", "body"])
    frozen = frozen_tensors(graph, recipe)
    assert frozen >= {"stem.conv2d_1.weight", "stem.batch_norm2d_1.running_var", "body.batch_norm2d_1.bias"}
    whole, part = (step_bytes(graph, 8, states=2, frozen=names) for names in ((), frozen))
    held = 4 * sum(p.numel() for n, p in started()[0].named_parameters() if n in frozen)
    assert part < whole - 2 * held


def test_the_doctor_says_nothing_of_a_frozen_trunk():
    """Not even of units that are dead there: no step has killed them, and none can revive them."""
    model, recipe = started(freeze=["stem", "body"], epochs=6)
    with torch.no_grad():
        model.body[1].bias.fill_(-100)  # every ReLU of the body is dead
    notes, doctor = Notes(), Doctor()
    trained(model, recipe, notes, doctor)
    assert doctor.findings
    assert not any("stem" in notice or "body" in notice for notice in notes.notices)


def test_the_doctor_proposes_no_rule_that_would_drop_trained_weights():
    from archspec.train.doctor.advice import stronger_start
    from archspec.train.doctor.history import History
    from archspec.train.doctor.remedies import _changes

    for source, expected in ((None, True), ("trained.safetensors", False)):
        _, recipe = network(**({} if source is None else {"init": {"from": source}}))
        history = History(lr=0.1, init=recipe.init.start)
        assert _changes({"train.init": "kaiming_normal"}, history, recipe) is expected
        assert "train.init" not in (stronger_start(history).change or {})


def refused(**fields):
    graph, recipe = network(**fields)
    with pytest.raises(SpecError) as caught:
        fresh_model(graph, recipe, Machine(CPU))
    return caught.value.diagnostics


def test_a_frozen_part_must_be_in_the_trained_weights(tmp_path):
    """Whether the file lacks it, or has it in another shape; what learns may be missing."""
    weights = state(started()[0])
    weights["body.conv2d_1.weight"] = torch.zeros(2, 4, 3, 3)
    del weights["head.linear_1.weight"], weights["body.batch_norm2d_1.running_var"]
    save_file(weights, tmp_path / "w.safetensors")
    init = {"from": str(tmp_path / "w.safetensors")}
    (found,) = refused(init=init, freeze=["stem", "body"])
    assert found.code == "RUN364"
    assert found.message == ("`body` is frozen, and 2 tensors of it would stay untrained: `body.conv2d_1.weight`, "
                             "`body.batch_norm2d_1.running_var`")
    assert found.hint.startswith("remove `body` from `freeze`")
    assert [d.message.split()[0] for d in refused(init=init, freeze=["body.conv2d_1", "stem", "head"])] == [
        "`body.conv2d_1`", "`head`",
    ]
    started(init=init, freeze=["stem", "body.conv2d_1.bias"])  # as the hint says


def test_lines_about_the_parts():
    graph, recipe = network(freeze=["stem", "head.linear_1.bias"], lr_scale={"head": 10, "body": 0.5})
    learned = {name: p.numel() for name, p in started()[0].named_parameters()}
    frozen = sum(count for name, count in learned.items() if name.startswith("stem")) + 4
    assert part_lines(graph, recipe) == [
        f"frozen: stem, head.linear_1.bias ({frozen} of {sum(learned.values())} parameters)", "rates: head × 10, body × 0.5",
    ]
    assert part_lines(*network()) == []


@pytest.mark.parametrize(("freeze", "warned"), [
    (["stem"], ["stem"]), (["stem.batch_norm2d_1"], []), (["stem.conv2d_1.bias", "body.batch_norm2d_1"], ["stem.conv2d_1.bias"]),
])
def test_a_part_that_is_frozen_at_its_random_start(freeze, warned):
    graph, recipe = network(freeze=freeze)
    assert list(untrained_parts(graph, recipe)) == warned
    text = SPEC.replace("RECIPE", json.dumps({"data": "digits", "lr": 0.1, "freeze": freeze}))
    found = [d for d in examine(text, training=True).warnings if d.code == "SPEC064"]
    assert [d.message.split("`")[1] for d in found] == warned
    assert all(d.span.text[d.span.column - 1:].startswith(f'"{part}"') for d, part in zip(found, warned, strict=True))
    assert not any("random start" in line for line in start_notices(graph, recipe, None, resumed=True))
