"""Several passes of a step, evaluation in 16 bits, and outputs for training only."""

from itertools import product

import pytest
import torch

from archspec.api import load
from archspec.backends.torch import build
from archspec.execution import Optimizer, Setting, execute
from archspec.execution.tape import Tape
from archspec.execution.tensor import Storage, Tensor
from archspec.profile import workload
from archspec.profile.memory import peak_bytes
from archspec.profile.prediction import simulated
from archspec.train.step.precision import Settings
from tests.fuzz.check import Circumstances, differences

CPU = torch.device("cpu")
WIDE = {"archspec": 1, "input": [512], "stages": {"s": [{"linear": 512}, "relu", {"linear": 512}, "relu", {"linear": 512}], "head": {"linear": 4}}}
AUXILIARY = {"archspec": 1, "input": [256], "outputs": {"head": "always", "aux": "training"},
             "stages": {"s": [{"linear": 256}], "head": {"linear": 8}, "aux": {"linear": 4096, "from": "s"}}}


def forward(spec, precision):
    """The predicted and the measured peak of a forward pass of `archspec profile`."""
    chosen = workload.setting(load(spec).graph, 4, "float32", CPU, Settings(precision))
    measured = peak_bytes(lambda: {"forward": workload.Workload(chosen).forward}, CPU)["forward"]
    return execute(chosen.graph, simulated(chosen, training=False)).peak_bytes, measured


def test_inference_does_not_keep_the_casts_of_weights():
    predicted, measured = forward(WIDE, "bf16")
    assert abs(predicted - measured) < 0.02 * measured
    weights = 4 * load(WIDE).report.params
    assert measured < 1.3 * weights  # they would be half as large as all the weights


def test_weights_of_outputs_for_training_are_in_memory_in_evaluation_too():
    predicted, measured = forward(AUXILIARY, "fp32")
    assert abs(predicted - measured) < 0.02 * measured


def test_a_forward_pass_frees_each_value_after_its_last_use():
    layers = ["layer_scale", *["sigmoid", "tanh"] * 4]
    predicted, measured = forward({"archspec": 1, "input": [8, 64, 64], "stages": {"s": layers}}, "fp32")
    assert abs(predicted - measured) < 0.02 * measured
    assert predicted < 3.1 * 4 * 4 * 8 * 64 * 64  # the image, and what a layer takes and gives


def test_passes_of_a_step_do_not_add_up_what_is_saved():
    graph = load("lenet").graph
    once, thrice = (execute(graph, Setting(batch_size=4, accumulate=passes)) for passes in (1, 3))
    assert thrice.saved_bytes == once.saved_bytes
    assert [x.saved_bytes for x in thrice.layers.values()] == [x.saved_bytes for x in once.layers.values()]


@pytest.mark.parametrize("frozen", [[], ["a.conv2d_1.weight"]], ids=["all learn", "frozen"])
def test_the_average_of_the_weights_is_a_copy_of_all_of_them(frozen):
    """Of what is frozen, and of buffers, too: `train.ema` copies the module."""
    spec = {"archspec": 1, "input": [3, 8, 8], "stages": {"a": [{"conv2d": {"out_channels": 8, "kernel_size": 3}}, "batch_norm2d"]}}
    graph = load(spec).graph
    size = sum(x.nbytes for x in build(graph).state_dict().values())
    plain, averaged = (execute(graph, Setting(frozen=frozenset(frozen), ema=ema)).state_bytes for ema in (False, True))
    assert averaged - plain == size


def test_the_second_pass_of_a_step_adds_to_the_gradients_in_place():
    graph = load({"archspec": 1, "input": [64], "stages": {"a": [{"linear": 256}, "relu", {"linear": 64}], "head": {"linear": 4}}}).graph
    assert differences(graph, Circumstances(accumulate=2)) == {}


def test_a_smaller_output_of_a_transposed_convolution_keeps_the_memory_of_its_input():
    """Where torch computes it itself: of one sample, or in float64."""
    spec = {"archspec": 1, "input": [6, 4, 4, 2], "stages": {"up": {"conv_transpose3d": {"out_channels": 2, "kernel_size": 2, "padding": 1}}, "end": "sigmoid"}}
    graph = load(spec).graph
    model = torch.nn.ConvTranspose3d(6, 2, 2, padding=1)
    for batch_size in (1, 3):
        y = model(torch.zeros(batch_size, 6, 4, 4, 2))
        kept = execute(graph, Setting(batch_size=batch_size, training=False)).timeline[0]
        small = execute(graph, Setting(batch_size=batch_size, training=False, target="meta")).timeline[0]
        assert kept - small == y.untyped_storage().nbytes() - y.nbytes


@pytest.mark.parametrize(("optimizer", "read", "written"), [
    (Optimizer(), "pg", "p"), (Optimizer("sgd", 0.9), "pgm", "pm"), (Optimizer("adam"), "pgmv", "pmv"),
])
def test_what_an_update_moves(optimizer, read, written):
    """A fused optimizer reads parameter, gradient and moments once, and writes parameter and moments (torch.optim)."""
    found = execute(load("lenet").graph, Setting(optimizer=optimizer))
    (update,) = [kernel for kernel in found.kernels if kernel.direction == "optimizer"]
    assert update.read_bytes == len(read) * found.gradient_bytes
    assert update.written_bytes == len(written) * found.gradient_bytes


@pytest.mark.parametrize("spec", ["lenet", "googlenet", "zoo/vit_b_16", "zoo/convnext_tiny", "zoo/mobilenet_v3_small", "zoo/unet"])
def test_the_kernels_of_a_layer_do_its_elementwise_work(spec):
    """The rules of kernels and those of costs are written apart, and count the same."""
    loaded = load(spec)
    work = dict.fromkeys((layer.path for layer in loaded.report.layers()), 0)
    for kernel in execute(loaded.graph, Setting(training=False)).kernels:
        work[kernel.layer] += kernel.flops
    assert work == {layer.path: layer.elementwise_flops for layer in loaded.report.layers()}


@pytest.mark.parametrize("kind", ["add", "mul", "div"])
@pytest.mark.parametrize("dtypes", list(product(("float32", "bfloat16", "float16"), repeat=2)))
def test_operands_of_another_type_are_cast_by_a_kernel_of_their_own(kind, dtypes):
    """Which takes as long as half of the kernel itself, and moves as many bytes."""
    shape = (2, 8, 4, 4)
    given = [torch.rand(shape).to(getattr(torch, dtype)) for dtype in dtypes]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        getattr(torch, kind)(*given)
    tape = Tape(Setting())
    getattr(tape, kind)(*[Tensor(Storage(tape.memory, x.nbytes), shape, dtype, x.stride()) for x, dtype in zip(given, dtypes, strict=True)])
    *casts, last = tape.kernels
    assert [kernel.name for kernel in casts] == ["copy"] * [event.name for event in profile.events()].count("aten::copy_")
    assert last.read_bytes == 2 * last.written_bytes  # the casts, not the operands
    cuda = Tape(Setting(target="cuda"))
    getattr(cuda, kind)(*[Tensor(Storage(cuda.memory, x.nbytes), shape, dtype, x.stride()) for x, dtype in zip(given, dtypes, strict=True)])
    assert [kernel.name for kernel in cuda.kernels] == [kind]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(("op", "fields", "shape"), [
    ("conv2d", {}, [8, 14, 14]), ("conv2d", {"groups": 8}, [8, 14, 14]), ("conv2d", {"groups": 2}, [8, 14, 14]), ("conv1d", {}, [8, 14]),
    ("conv3d", {}, [8, 6, 6, 6]), ("conv_transpose2d", {}, [8, 6, 6]),
])
def test_the_gradient_of_a_bias_is_a_kernel_of_its_own_where_onednn_does_not_compute_it_with_the_weights(op, fields, shape, dtype):
    spec = {"archspec": 1, "input": shape, "stages": {"a": [{op: {"out_channels": 8, "kernel_size": 3, **fields}}, "flatten"]}}
    graph = load(spec).graph
    y = build(graph).to(getattr(torch, dtype))(torch.rand(4, *shape).to(getattr(torch, dtype)))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        y.backward(torch.ones_like(y))
    names = [kernel.name for kernel in execute(graph, Setting(batch_size=4, dtype=dtype)).kernels]
    assert names.count("convolution_backward_bias") == ("aten::sum" in [event.name for event in profile.events()])
    cuda = [kernel.name for kernel in execute(graph, Setting(batch_size=4, dtype=dtype, target="cuda")).kernels]
    assert cuda.count("convolution_backward_bias") == 1
