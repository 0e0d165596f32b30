"""What each precision computes in: autocast, the loss's scale, tf32's switches; on the CPU and on a GPU in disguise."""

import copy

import pytest
import torch
import torch.nn.functional as F

from archspec.api import load
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.loop import fit
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import Machine, prepare
from archspec.train.step.precision import PRECISIONS, Settings, autocast, float32_products, make_scaler, pick_precision
from tests.fake_cuda import CUDA, fake_cuda
from tests.train.helpers import CPU, network, recipe

TURING, AMPERE = (7, 5), (8, 0)
COMPUTED_IN = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SPEC = {
    "archspec": 1, "name": "tiny", "input": [1, 8, 8],
    "stages": {"head": ["flatten", {"linear": 16}, "relu", {"dropout": 0.2}, {"linear": 10}]},
}


# -- which one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("capability", "expected"), [
    (TURING, {"auto": "fp32", "fp32": "fp32", "fp16": "fp16"}),
    (AMPERE, {"auto": "tf32", "fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16"}),
    ((12, 0), {"auto": "tf32", "fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16"}),
])
def test_what_a_gpu_can(capability, expected):
    with fake_cuda(capability):
        assert {name: pick_precision(name, CUDA) for name in expected} == expected
        for name in {"auto", *PRECISIONS} - expected.keys():
            with pytest.raises(SpecError, match="RUN320"):
                pick_precision(name, CUDA)


def test_what_a_cpu_can():
    names = {"auto": "fp32", "fp32": "fp32", "bf16": "bf16", "fp16": "fp16"}
    assert {name: pick_precision(name, CPU) for name in names} == names


@pytest.mark.parametrize(("name", "device", "message", "instead"), [
    ("tf32", CPU, "a CPU does not support tf32, which needs NVIDIA's Ampere or newer", ["fp32", "bf16"]),
    ("tf32", CUDA, "this GPU does not support tf32, which needs NVIDIA's Ampere or newer", ["fp32", "fp16"]),
    ("bf16", CUDA, "this GPU does not support bf16, which needs NVIDIA's Ampere or newer", ["fp16"]),
])
def test_what_a_device_lacks_is_told_with_what_it_has(name, device, message, instead):
    with fake_cuda(TURING):
        with pytest.raises(SpecError) as caught:
            pick_precision(name, device)
        (diagnostic,) = caught.value.diagnostics
        assert (diagnostic.code, diagnostic.message) == ("RUN320", message)
        assert diagnostic.hint == f"use --precision {', or '.join(instead)}"
        assert [pick_precision(other, device) for other in instead] == instead, "the hint, followed, works"


def test_any_other_name_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="not 'fp8'"):
        pick_precision("fp8", CPU)


# -- what it computes in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_products_are_of_that_type_and_all_that_lasts_is_float32(precision, device):
    with fake_cuda() as asked:
        model, chosen = network(), recipe()
        run = Run.create(model, make_optimizer(model, chosen, CPU), lambda step: 0.1, device, chosen, 5, Settings(precision))
        with run.runtime.autocast():
            logits = run.state.model(torch.rand(4, 1, 8, 8))
            loss = F.cross_entropy(logits.float(), torch.arange(4))
        loss.backward()
    assert logits.dtype == COMPUTED_IN[precision]
    assert loss.dtype == torch.float32
    assert {p.dtype for p in run.state.model.parameters()} == {p.grad.dtype for p in run.state.model.parameters()} == {torch.float32}
    assert ("autocast" in asked) == (device is CUDA and COMPUTED_IN[precision] != torch.float32)


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_only_fp16_scales_the_loss(precision, device):
    with fake_cuda():
        scaler = make_scaler(precision, device)
    assert scaler.is_enabled() == (precision == "fp16")
    assert float(scaler.scale(torch.ones(()))) == (2.0**16 if precision == "fp16" else 1.0)


def test_outside_of_the_block_nothing_is_cast():
    with autocast("bf16", CPU):
        pass
    assert (torch.rand(2, 2) @ torch.rand(2, 2)).dtype == torch.float32


# -- tf32's switches ------------------------------------------------------------------------------------------


def switches():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(params=[(False, True), (True, False)], ids=["torch's-own", "the-reverse"])
def before(request):
    """The switches as somebody else has set them."""
    kept = switches()
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = request.param
    yield request.param
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_switches_stand_for_the_run_and_are_put_back(precision, before):
    with float32_products(precision, CUDA):
        assert switches() == (precision == "tf32", precision == "tf32")
    assert switches() == before
    with pytest.raises(RuntimeError, match="broken"), float32_products(precision, CUDA):
        raise RuntimeError("broken")
    assert switches() == before
    with float32_products(precision, CPU):
        assert switches() == before, "a CPU's run leaves them alone"


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_they_stand_while_a_network_trains_and_is_tested(precision, before):
    seen = set()

    class Look(Callback):
        def on_step(self, run):
            seen.add(switches())

        on_epoch = on_step

    with fake_cuda():
        trained(CUDA, Settings(precision), [Look()])
    assert seen == {(precision == "tf32",) * 2}
    assert switches() == before


# -- whole runs -----------------------------------------------------------------------------------------------

LOUD = {"normalize": {"mean": 0.0, "std": 0.002}, "lr": 1e-4, "momentum": 0.9, "epochs": 3, "batch_size": 20}
# Pixels up to 500: with the first scale of 65,536 the gradients are beyond fp16's 65,504, and the scale must fall.


class Scales(Callback):
    """The scale, the weights and the momenta after each step; the whole state after one of them."""

    def __init__(self, save_at=None):
        self.save_at, self.saved, self.scales, self.states = save_at, None, [], []

    def on_step(self, run):
        self.scales.append(run.state.scaler.get_scale())
        momenta = [state["momentum_buffer"] for state in run.state.optimizer.state.values() if "momentum_buffer" in state]
        self.states.append([t.detach().clone() for t in (*run.state.model.parameters(), *momenta)])
        if run.state.step == self.save_at:
            self.saved = copy.deepcopy(capture(run))


def trained(device, settings, callbacks=(), resume=None, **fields):
    """The network after it was trained on 100 digits, and the epochs' losses."""
    chosen = recipe(**{"batch_size": 32, "momentum": 0.9, **fields})
    task = prepare(load(SPEC).graph, chosen, Machine(device, limit_train=100, limit_test=50, settings=settings))
    summary = fit(task.model, task.train, task.test, chosen, device=device, settings=settings, callbacks=callbacks,
                  resume=resume)
    return task.model, [(row.train_loss, row.evaluated_loss) for row in summary.epochs]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_gpu_s_run_is_the_cpu_s(precision):
    """The same loop, asked for another device; tf32 is the GPU's own."""
    plain, losses = trained(CPU, Settings(precision))
    with fake_cuda() as asked:
        model, found = trained(CUDA, Settings(precision))
    assert found == losses
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), plain.state_dict().values(), strict=True))
    assert ("autocast" in asked) == (precision in ("bf16", "fp16"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_used_and_comes_near(precision):
    (_, exact), (_, near) = trained(CPU, Settings()), trained(CPU, Settings(precision))
    assert near != exact
    for a, b in zip(exact, near, strict=True):
        assert a == pytest.approx(b, rel=0.03)


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_an_update_that_overflows_is_left_out(device, clip):
    """Weights and momenta stay, the scale is halved; once it fits, the run goes on."""
    seen = Scales()
    with fake_cuda():
        trained(device, Settings("fp16"), [seen], clip_grad_norm=clip, **LOUD)
    steps = len(seen.scales)
    assert steps == 15
    overflows = [k for k in range(1, steps) if seen.scales[k] < seen.scales[k - 1]]
    assert seen.scales[0] == 2.0**15
    assert 1 <= len(overflows) < steps / 2
    for k in range(1, steps):
        equal = [torch.equal(a, b) for a, b in zip(seen.states[k], seen.states[k - 1], strict=True)]
        if k in overflows:
            assert seen.scales[k] == seen.scales[k - 1] / 2
            assert all(equal)
        else:
            assert not any(equal)


def test_the_run_is_that_of_the_textbook_s_loop_with_a_scaler():
    chosen = recipe(**LOUD)
    task = prepare(load(SPEC).graph, chosen, Machine(CPU, limit_train=100, limit_test=50))
    twin = task.model
    optimizer = torch.optim.SGD(twin.parameters(), lr=chosen.lr, momentum=0.9)
    scaler, scales = torch.amp.GradScaler("cpu"), []
    for module in twin.modules():
        module.p = 0.0  # dropout, whose random numbers are the run's own
    for epoch in range(3):
        for x, y, *_ in task.train.batches(epoch):
            with torch.autocast("cpu", dtype=torch.float16):
                loss = F.cross_entropy(twin.train()(x).float(), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
    spec = copy.deepcopy(SPEC)
    spec["stages"]["head"].remove({"dropout": 0.2})
    again = prepare(load(spec).graph, chosen, Machine(CPU, limit_train=100, limit_test=50, settings=Settings("fp16")))
    seen = Scales()
    fit(again.model, again.train, again.test, chosen, device=CPU, settings=Settings("fp16"), callbacks=[seen])
    assert seen.scales == scales
    for ours, theirs in zip(again.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize("step", [2, 5, 8])
def test_a_resumed_run_goes_on_at_the_scale_where_it_stopped(device, step):
    whole, again = Scales(save_at=step), Scales()
    with fake_cuda():
        model, losses = trained(device, Settings("fp16"), [whole], **LOUD)
        assert whole.saved.state.scaler["scale"] == whole.scales[step - 1] < 2.0**16
        other, found = trained(device, Settings("fp16"), [again], resume=whole.saved, **LOUD)
    assert again.scales == whole.scales[step:]
    assert found == losses
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_run_that_was_not_scaled_can_be_resumed_in_fp16_and_the_other_way_round():
    for first, second in (("fp32", "fp16"), ("fp16", "fp32")):
        saver, seen = Scales(save_at=5), Scales()
        trained(CPU, Settings(first), [saver])
        trained(CPU, Settings(second), [seen], resume=saver.saved)
        assert seen.scales[0] == (2.0**16 if second == "fp16" else 1.0)
