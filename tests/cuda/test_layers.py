"""The time of each layer on a real device: it adds up, stays below the peaks, and agrees with the profiler's kernels."""

import json

import pytest

from archspec.api import load
from archspec.profile import profile_layers
from archspec.profile.batches import sweep_batches

from .helpers import CNN, DEVICE, REHEARSAL, needs_gpu

LOADED = load(CNN)


@pytest.fixture(scope="module")
def profile():
    return profile_layers(LOADED, batch_size=8 if REHEARSAL else 64, device=str(DEVICE), steps=2)


def test_every_layer_has_a_time_and_they_add_up(profile):
    assert [layer.path for layer in profile.layers] == [layer.path for layer in LOADED.report.layers()]
    whole = sum(map(profile.ms, profile.layers)) + sum(ms for _, ms in profile.rest())
    assert whole == pytest.approx(profile.whole.total_ms)
    assert all(layer.forward_ms > 0 for layer in profile.layers if layer.roof is not None)
    json.dumps(profile.to_json())


def test_nothing_exceeds_the_peaks(profile):
    assert all(layer.roof is None or layer.roof.share_reached(profile.ms(layer)) <= 1 + 1e-5 for layer in profile.layers)


def test_other_settings_are_tried(profile):
    assert {trial.name for trial in profile.trials} >= {"channels-last", "bf16"}
    assert all(trial.problem is None for trial in profile.trials)


@needs_gpu
def test_the_backward_pass_is_on_the_gpu_s_own_timeline(profile):
    """Autograd runs a GPU's nodes in a thread of its own: its events lie between the layers' all the same."""
    assert all(layer.backward_ms > 0 for layer in profile.layers if layer.op.startswith(("conv", "linear")))
    assert profile.whole.of("backward") > 0.1 * profile.whole.total_ms


@needs_gpu
def test_a_batch_that_is_too_large_is_a_row():
    rows = list(sweep_batches(LOADED, [10**9, 64], device=str(DEVICE), steps=2, warmup=1))
    assert [row.code for row in rows] == ["BUILD201", None]
