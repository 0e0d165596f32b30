"""What a step needs, counted without allocating it; and steps that cannot be done."""

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from archspec.analysis import why_no_step
from archspec.api import load
from archspec.backends.step import (
    check_forward_fits,
    check_step_fits,
    example_loss,
    forward_peak_bytes,
    step_peak_bytes,
)
from archspec.diagnostics import SpecError
from archspec.ops import OPS, Merge
from tests.ops.draw import types_of
from tests.ops.strategies import STRATEGIES

CPU = torch.device("cpu")
MIB = 2**20


def test_a_forward_pass_by_hand():
    model = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10)).to("meta")
    weights = 4 * (101 * 50 + 51 * 10)
    # the caller keeps the images; of the activations, an op's input and output live at once
    assert forward_peak_bytes(model, (32, 100)) == weights + 4 * 32 * (100 + 50 + 50)


def test_a_step_by_hand():
    model = nn.Sequential(nn.Linear(100, 50, bias=False), nn.ReLU(), nn.Linear(50, 10, bias=False)).to("meta")
    first, second, n = 4 * 100 * 50, 4 * 50 * 10, 32
    # Before the first layer's gradient is made: the second's is there, relu's input is gone, its gradient is not.
    kept = 4 * n * 100 + 4 * n * 50 + 8 * n  # images, the gradient that flows in, labels
    small = 4 * n * 50 + 4 * n * 10 + 100  # relu's output, logits, loss: gone or not, they are small
    peak = step_peak_bytes(model, (n, 100))
    assert first + second + second + first + kept <= peak <= first + second + second + first + kept + small
    assert step_peak_bytes(model, (n, 100), states=2) == peak + 2 * (first + second)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_equals_what_was_measured_on_resnet18():
    """MemTracker, 256 images of 96×96, 10 classes: peak of the first step, and with momentum of the second."""
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        model = torchvision.models.resnet18(num_classes=10)
    assert step_peak_bytes(model, (256, 3, 96, 96)) / MIB == pytest.approx(1055.8, abs=0.1)
    assert step_peak_bytes(model, (256, 3, 96, 96), states=1) / MIB == pytest.approx(1098.4, abs=0.1)


def test_what_shares_memory_counts_once():
    shape = (8, 3, 10, 10)
    views = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 10, 10)), nn.Flatten())
    assert forward_peak_bytes(views, shape) == 4 * 8 * 300
    assert forward_peak_bytes(nn.Sequential(views, nn.ReLU(inplace=True)), shape) == 4 * 8 * 300
    assert forward_peak_bytes(nn.Sequential(views, nn.ReLU()), shape) == 2 * 4 * 8 * 300


def spec(**stages):
    return load({"archspec": 1, "name": "small", "input": [16, 32, 32], "stages": stages}).graph


def test_the_sum_of_what_lives_is_refused_even_where_no_part_is(monkeypatch):
    """Images, the convolution's output, ten sigmoids' and one gradient: 13 of 512 KiB; there is room for six."""
    deep = spec(first={"conv2d": {"out_channels": 16, "kernel_size": 1}}, body=["sigmoid"] * 10)
    one = 4 * 8 * 16 * 32 * 32
    monkeypatch.setattr("archspec.backends.fits.available_bytes", lambda device: 6 * one)
    with pytest.raises(SpecError) as caught:
        check_step_fits(deep, 8, CPU, states=1)
    assert caught.value.diagnostics[0].code == "BUILD201"
    assert caught.value.diagnostics[0].message.startswith("training with batches of 8 needs about 6.50 MiB,")
    check_step_fits(deep, 2, CPU, states=1)


def test_half_the_width_needs_half(monkeypatch):
    asked = []
    monkeypatch.setattr("archspec.backends.step.check_fits", lambda needed, *a, **k: asked.append(needed))
    graph = spec(body=[{"conv2d": {"out_channels": 16, "kernel_size": 3}}, "relu"])
    for dtype in ("float32", "bfloat16"):
        check_step_fits(graph, 4, CPU, states=1, dtype=dtype)
    full, half = asked
    assert full / half == pytest.approx(2, rel=1e-3)


def told_gib(batch_size):
    with pytest.raises(SpecError) as caught:
        check_forward_fits(spec(body=["relu", "flatten"]), batch_size, CPU)
    figure, unit = caught.value.diagnostics[0].message.split(" needs about ")[1].split(",")[0].split()
    return float(figure) * 1024 ** ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB").index(unit) / 2**20


def test_a_refusal_tells_all_that_is_needed():
    assert told_gib(10**9) == pytest.approx(2 * 4 * 10**9 * 16 * 32**2 / 2**30, rel=1e-3)  # images, and relu's output


def test_a_size_that_torch_cannot_count_is_refused_too():
    assert told_gib(10**30) >= 4 * 10**30 * 16 * 32**2 / 2**30


@pytest.mark.parametrize(("stages", "batch_size", "reason"), [
    pytest.param({"body": ["relu", "flatten"]}, 2, "the network has no parameters to train", id="no-parameters"),
    pytest.param({"a": ["global_avg_pool2d", "batch_norm2d"]}, 1, "a.batch_norm2d_1 needs a batch of 2", id="norm"),
    pytest.param({"a": ["global_avg_pool2d", "batch_norm2d"]}, 2, None, id="norm-of-two"),
    pytest.param({"a": ["batch_norm2d"]}, 1, None, id="norm-of-an-image"),
    pytest.param({"a": ["flatten", "batch_norm1d"]}, 1, "a.batch_norm1d_1 needs a batch of 2", id="norm-of-a-vector"),
    pytest.param({"a": ["flatten", "batch_norm1d"]}, 2, None, id="norm-of-two-vectors"),
])
def test_networks_that_have_no_step(stages, batch_size, reason):
    """And torch says the same of the built module."""
    found = why_no_step(spec(**stages), batch_size)
    assert (found or "").startswith(reason or "") and bool(found) == bool(reason)
    from archspec.backends.torch import build

    model = build(spec(**stages)).train()

    def step():
        example_loss(model(torch.randn(batch_size, 16, 32, 32)), torch.zeros(batch_size, dtype=torch.int64)).backward()

    if reason:
        with pytest.raises((ValueError, RuntimeError), match=r"more than 1 value per channel|does not require grad"):
            step()
    else:
        step()


def network_of(name, fields, shapes):
    """A spec with this layer alone, on an input for each of its inputs."""
    inputs = {
        f"x{k}": list(x.shape[1:]) if x.below is None else {"shape": list(x.shape[1:]), "dtype": x.dtype, "below": x.below}
        for k, x in enumerate(types_of(name, shapes))
    }
    if issubclass(OPS[name], Merge):
        names = OPS[name].roles or inputs
        fields = {**fields, **{branch: {"from": x} for branch, x in zip(names, inputs, strict=False)}}
    named = {field: "x1" for field in OPS[name].references if field in fields}
    layer = {name: {**fields, **named} or None} | ({} if issubclass(OPS[name], Merge) else {"from": "x0"})
    return {"archspec": 1, "input": inputs, "stages": {"a": [layer]}}


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's, of a slow path
@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_is_counted_whatever_its_fields(name):
    """Nothing that a layer reads of its input's or its buffers' values keeps its memory from being counted."""

    def body(case):
        try:
            graph = load(network_of(name, *case)).graph
        except SpecError:
            return
        check_forward_fits(graph, 2, CPU)
        if why_no_step(graph, 2) is None:
            check_step_fits(graph, 2, CPU, states=1)

    settings(deadline=None, max_examples=6, database=None, derandomize=True)(given(STRATEGIES[name])(body))()


@pytest.mark.parametrize("norm", ["batch_norm1d", "batch_norm2d"])
def test_a_norm_that_averages_all_batches(norm):
    graph = spec(a=["flatten", {norm: {"momentum": None}}] if norm == "batch_norm1d" else [{norm: {"momentum": None}}])
    check_step_fits(graph, 2, CPU, states=1)


def test_the_loss_of_classes_and_of_images():
    logits, labels = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    assert example_loss(logits, labels).item() == pytest.approx(-logits.log_softmax(1)[range(4), labels].mean().item())
    image = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert example_loss(image, labels).item() == 3.5
