"""A trace on a real GPU: kernels are launched within the scopes of the spec's paths, forward and backward."""

import json
from collections import defaultdict

import pytest

from archspec.api import load
from archspec.profile import measure
from archspec.profile.trace import ACTIVE, BACKWARD

from .helpers import CNN, DEVICE, needs_gpu


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    done = measure(load(CNN), batch_size=16, device=str(DEVICE), steps=2, warmup=1, trace=tmp_path_factory.mktemp("traces"))
    with open(done.trace, encoding="utf-8") as file:
        return json.load(file)["traceEvents"]


@pytest.fixture(scope="module")
def kernels_under(events):
    """Scope → names of the kernels that were launched within it, in whichever thread: one at a time computes."""
    launches = {
        event["args"]["correlation"]: event for event in events
        if event.get("cat") in ("cuda_runtime", "cuda_driver") and "correlation" in event.get("args", {})
    }
    kernels = [event for event in events if event.get("cat") == "kernel"]
    scopes = [event for event in events if event.get("cat") == "user_annotation"]
    found = defaultdict(list)
    for kernel in kernels:
        launch = launches.get(kernel["args"]["correlation"])
        for scope in scopes:
            if launch and scope["ts"] <= launch["ts"] <= scope["ts"] + scope["dur"]:
                found[scope["name"]].append(kernel["name"])
    return found


@needs_gpu
def test_every_op_has_kernels_under_its_path(kernels_under):
    ops = {path: node.op.op for path, node, _ in load(CNN).graph.walk() if node.op}
    assert len(ops) >= 9
    for path, op in ops.items():
        if op == "flatten":  # a view
            assert not kernels_under[path]
            continue
        assert len(kernels_under[path]) >= ACTIVE, path
        assert len(kernels_under[path + BACKWARD]) >= ACTIVE, path


@needs_gpu
def test_an_update_is_one_fused_kernel_a_step(kernels_under):
    assert len(kernels_under["Optimizer.step#SGD.step"]) >= ACTIVE


def test_scopes_are_there(events):
    names = {event.get("name") for event in events}
    assert {"body.conv2d_1", "body.conv2d_1" + BACKWARD, "head.linear_1"} <= names
