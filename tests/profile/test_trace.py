"""The trace: its scopes, its form, and that it leaves the model alone."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from archspec.backends.torch import build
from archspec.profile import measure
from archspec.profile.trace import ACTIVE, BACKWARD, FORWARD, module_scopes, run_folder, write_trace
from tests.profile.helpers import TINY, spec, tiny

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The trace of tiny's training step: its file, and its events."""
    loaded = tiny()
    done = measure(loaded, batch_size=2, steps=1, warmup=1, trace=tmp_path_factory.mktemp("traces"))
    return done.trace, read(done.trace)


def read(file):
    with open(file, encoding="utf-8") as f:
        return json.load(f)["traceEvents"]


def spans(events):
    """name → [(start, end), …] of all events that last."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["name"]].append((event["ts"], event["ts"] + event["dur"]))
    return found


def within(inner, outers):
    return any(start <= inner[0] and inner[1] <= end for start, end in outers)


def paths(loaded):
    return {path for path, _ in build(loaded.graph).named_modules() if path}


def test_the_file_is_where_tensorboard_looks(trace):
    file, _ = trace
    assert re.search(r"/tiny/archspec\.\d+\.pt\.trace\.json$", file)


def test_every_path_of_the_spec_is_a_scope(trace):
    found = spans(trace[1])
    expected = paths(tiny())
    assert expected >= {path for path, _, _ in tiny().graph.walk()}
    assert {"mix.left.conv2d_1", "mix.concat", "again.1.add_1.main", "head.linear_1"} <= expected
    assert {path: len(found[path]) for path in expected} == dict.fromkeys(expected, ACTIVE)


def test_scopes_lie_within_those_around_them(trace):
    found = spans(trace[1])
    for path in paths(tiny()):
        around = path.rpartition(".")[0] or FORWARD
        assert all(within(scope, found[around]) for scope in found[path]), path
    assert all(within(scope, found["stem.conv2d_1"]) for scope in found["aten::conv2d"][:1])


def test_backward_scopes_hold_what_autograd_computes(trace):
    found = spans(trace[1])
    backward = {name.removesuffix(BACKWARD) for name in found if name.endswith(BACKWARD)}
    ops = {path for path, _, _ in tiny().graph.walk()}
    assert backward == ops  # every op of tiny has something to differentiate, and only ops have
    assert all(within(scope, found["## backward ##"]) for name in backward for scope in found[name + BACKWARD])
    convolutions = [path + BACKWARD for path in ops if "conv2d" in path]
    assert len(found["ConvolutionBackward0"]) == ACTIVE * len(convolutions)
    outers = [scope for name in convolutions for scope in found[name]]
    assert all(within(scope, outers) for scope in found["ConvolutionBackward0"])


def test_steps_and_their_parts(trace):
    found = spans(trace[1])
    steps = [name for name in found if name.startswith("ProfilerStep#")]
    assert len(steps) == ACTIVE
    for part in (FORWARD, "## loss ##", "## backward ##", "Optimizer.step#SGD.step"):
        assert len(found[part]) == ACTIVE
        assert all(any(within(scope, found[step]) for step in steps) for scope in found[part])


def test_shapes_and_memory_are_recorded(trace):
    kinds = Counter(event["name"] for event in trace[1])
    assert kinds["[memory]"] > 0
    convolution = next(event for event in trace[1] if event["name"] == "aten::conv2d")
    assert convolution["args"]["Input Dims"][:2] == [[2, 1, 8, 8], [4, 1, 3, 3]]


def test_a_network_that_cannot_be_trained_is_traced_forward(tmp_path):
    pool = spec(pool={"max_pool2d": 2})
    found = spans(read(measure(pool, steps=1, warmup=1, trace=tmp_path).trace))
    assert len(found["pool"]) == len(found[FORWARD]) == ACTIVE
    assert "## backward ##" not in found


def hooks(model):
    return [
        (path, kind) for path, module in model.named_modules() for kind in (
            "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
            "_forward_hooks_always_called",
        ) if getattr(module, kind)
    ]


def test_tracing_leaves_the_model_as_it_was(tmp_path):
    model = build(tiny().graph).eval()
    x = torch.randn(2, 1, 8, 8)
    before, state = model(x), {key: value.clone() for key, value in model.state_dict().items()}
    write_trace(model, lambda: model(x).sum().backward(), tmp_path, CPU)
    assert hooks(model) == []
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(model(x), before)
    with module_scopes(model):
        assert len(hooks(model)) == 3 * len(list(model.modules()))


def test_results_and_gradients_are_the_same_while_traced():
    model = build(tiny().graph).eval()
    x = torch.randn(2, 1, 8, 8)
    gradients = []
    for traced in (False, True):
        model.zero_grad()
        if traced:
            with module_scopes(model):
                model(x).sum().backward()
        else:
            model(x).sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_forward_that_raises_closes_its_scopes(tmp_path):
    class Broken(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    model = nn.Sequential(nn.ReLU(), Broken())
    with pytest.raises(ZeroDivisionError), module_scopes(model):
        model(torch.ones(1))
    assert hooks(model) == []


def test_nothing_is_written_to_the_terminal(tmp_path):
    """In a process of its own: what other tests left behind would be complained of when it is freed."""
    (tmp_path / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    code = """
import json, pathlib, sys
from archspec.api import load
from archspec.profile import measure
folder = pathlib.Path(sys.argv[1])
measure(load(json.loads((folder / "tiny.json").read_text())), batch_size=2, steps=1, warmup=1, trace=folder)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path)], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(tmp_path.glob("tiny/*.pt.trace.json"))) == 1


@pytest.mark.parametrize(("name", "folder"), [
    ("resnet18", "resnet18"), ("../up", "up"), ("a/b c", "a_b_c"), ("..", "network"), ("ünet-2", "ünet-2"),
])
def test_a_run_s_folder_stays_in_the_folder(tmp_path, name, folder):
    assert run_folder(tmp_path, name) == tmp_path / folder


@pytest.mark.parametrize(("device", "expected"), [("cpu", {"CPU"}), ("cuda", {"CPU", "CUDA"})])
def test_a_gpu_s_kernels_are_traced_too(tmp_path, monkeypatch, device, expected):
    asked = []

    def spy(**options):
        asked.extend(options.pop("activities"))
        return profile(activities=[ProfilerActivity.CPU], **options)

    monkeypatch.setattr("archspec.profile.trace.profile", spy)
    write_trace(nn.ReLU(), lambda: None, tmp_path, torch.device(device))
    assert {activity.name for activity in asked} == expected
