"""`--deterministic` on a real GPU: the same bytes twice and across a kill, or a refusal that names the layer."""

import json
import os
import re
import signal
import time

import pytest
import torch

from archspec.api import build
from archspec.diagnostics import SpecError
from archspec.train.step.precision import Settings

from .helpers import CNN, DEVICE, finish, needs_gpu, start, trained

DETERMINISTIC = Settings("fp32", deterministic=True)
# What may add up in another order: overlapping windows, strided and grouped convolutions, norms, merges, dropout.
EVERYTHING = {
    **CNN, "name": "everything",
    "stages": {
        "stem": [{"conv2d": {"out_channels": 32, "kernel_size": 5, "padding": 2}}, "batch_norm2d", "relu",
                 {"max_pool2d": {"kernel_size": 3, "stride": 2, "padding": 1}}],
        "body": [{"conv2d": {"out_channels": 32, "kernel_size": 3, "padding": 1, "groups": 32}}, {"group_norm": 4}, "gelu",
                 {"avg_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1}},
                 {"max_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1}},
                 {"concat": {"main": [{"conv2d": {"out_channels": 16, "kernel_size": 1}}], "skip": []}},
                 {"conv2d": {"out_channels": 64, "kernel_size": 3, "stride": 2, "padding": 1}}, "relu", {"dropout": 0.3}],
        "head": ["global_avg_pool2d", "flatten", {"linear": 10}],
    },
}
WAYS = [
    Settings(precision, channels_last=last, deterministic=True)
    for precision in ("fp32", "tf32", "bf16", "fp16") for last in (False, True)
]


def state(model):
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}


def differing(a, b):
    return [name for name in a if not torch.equal(a[name], b[name])]


@needs_gpu
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.precision}-{'NHWC' if way.channels_last else 'NCHW'}")
def test_two_runs_give_the_same_bytes(way):
    fields = {"optimizer": "adamw", "momentum": None, "lr": 0.002, "ema": 0.9, "clip_grad_norm": 1.0}
    first, second = (state(trained(EVERYTHING, settings=way, images=2000, **fields)[0]) for _ in range(2))
    assert differing(first, second) == []


@needs_gpu
def test_without_it_nothing_is_promised(record_property):
    """A figure for the docs, whatever it is."""
    first, second = (state(trained(EVERYTHING, settings=Settings("tf32"), images=2000)[0]) for _ in range(2))
    record_property("differing", str(differing(first, second)))
    record_property("greatest", max(float((first[n].float() - second[n].float()).abs().max()) for n in first))


def test_the_same_bytes_in_other_processes_and_across_a_kill(specs, device):
    (specs / "everything.yaml").write_text(json.dumps(EVERYTHING), encoding="utf-8")
    options = ("--device", device, "--deterministic", "--limit-train", 2000, "--limit-test", 200,
               "--checkpoint-every", "10steps", "--epochs", 4)
    for run in ("a", "b"):
        finish(start("-m", "archspec", "train", "everything.yaml", *options, "--run-dir", run, cwd=specs))
    process = start("-m", "archspec", "train", "everything.yaml", *options, "--run-dir", "c", cwd=specs)
    until = time.monotonic() + 100
    while len(list((specs / "c").glob("checkpoints/0*"))) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -9
    finish(start("-m", "archspec", "train", "--resume", "c", cwd=specs))
    weights = [(specs / run / "weights.safetensors").read_bytes() for run in "abc"]
    assert weights[0] == weights[1] == weights[2]


def torch_refuses(layer):
    """Whether torch has no deterministic kernel for the layer's backward pass."""
    model = build({"archspec": 1, "input": [4, 8, 8], "stages": {"odd": layer}}, seed=0).to(DEVICE)
    torch.use_deterministic_algorithms(True)
    try:
        model(torch.rand(2, 4, 8, 8, device=DEVICE, requires_grad=True)).sum().backward()
    except RuntimeError as problem:
        assert "does not have a deterministic implementation" in str(problem)
        return True
    finally:
        torch.use_deterministic_algorithms(False)
    return False


@needs_gpu
@pytest.mark.parametrize(("layer", "operation"), [
    ({"adaptive_avg_pool2d": 3}, "adaptive_avg_pool2d_backward"),
    ({"adaptive_max_pool2d": 3}, "adaptive_max_pool2d_backward"),
    ({"interpolate": {"size": 12, "mode": "bicubic"}}, "upsample_bicubic2d_backward"),
    ({"conv2d": {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "reflect"}}, "reflection_pad2d_backward"),
])
def test_a_layer_without_a_deterministic_kernel_is_named(layer, operation, record_property):
    record_property("torch_refuses", torch_refuses(layer))
    conv = {"conv2d": {"out_channels": 4, "kernel_size": 3}}
    spec = {**CNN, "stages": {"a": [conv, "relu"], "odd": layer, "head": ["flatten", {"linear": 10}]}}
    if not torch_refuses(layer):  # releases of torch differ
        first, second = (state(trained(spec, settings=DETERMINISTIC)[0]) for _ in range(2))
        assert differing(first, second) == []
        return
    with pytest.raises(SpecError) as caught:
        trained(spec, settings=DETERMINISTIC)
    (found,) = caught.value.diagnostics
    assert found.code == "RUN337"
    assert re.fullmatch(rf"`odd`: {operation}\w* has no deterministic kernel on CUDA", found.message), found.message
    trained(spec, epochs=1)  # without it there is nothing to refuse


@needs_gpu
def test_what_it_costs(record_property):
    """Seconds of a run with it and without it, in turns, for the docs."""
    seconds = {False: [], True: []}
    for _ in range(3):
        for deterministic, found in seconds.items():
            torch.cuda.synchronize(DEVICE)
            began = time.perf_counter()
            trained(EVERYTHING, settings=Settings("tf32", deterministic=deterministic), images=20_000, epochs=2, batch_size=256)
            torch.cuda.synchronize(DEVICE)
            found.append(time.perf_counter() - began)
    record_property("seconds_without", min(seconds[False]))
    record_property("seconds_with", min(seconds[True]))
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
