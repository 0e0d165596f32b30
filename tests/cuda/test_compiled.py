"""torch.compile, CUDA graphs and `--tune` on a real GPU: other ways to the same figures."""

import json

import pytest
import torch

from archspec.train.settings import Settings

from .helpers import CNN, DEVICE, needs_gpu, trained


@needs_gpu
@pytest.mark.parametrize("graphs", [False, True], ids=["compiled", "cuda-graphs"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_run_comes_to_the_same(graphs, precision, record_property):
    """The last batch of each epoch is smaller than the others, and takes the usual way."""
    from torch._dynamo.utils import counters

    _, expected = trained(CNN, settings=Settings(precision), images=520)
    counters.clear()
    _, found = trained(CNN, settings=Settings(precision, compile=True, cuda_graphs=graphs), images=520)
    skips = counters["inductor"]["cudagraph_skips"]
    record_property("cudagraph_skips", skips)
    assert counters["stats"]["unique_graphs"] >= 1, "it was compiled"
    assert skips == 0, "each compiled kernel ran in a graph"
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=0.02 if precision == "fp32" else 0.05)


@needs_gpu
def test_cuda_graphs_are_replayed(monkeypatch):
    """One launch of a graph instead of its kernels' launches: the profiler sees both."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        trained(CNN, settings=Settings(compile=True, cuda_graphs=True), epochs=2)
        torch.cuda.synchronize(DEVICE)
    launched = {event.key: event.count for event in seen.key_averages()}
    assert launched.get("cudaGraphLaunch", 0) >= 10, sorted(launched)


def settings_of(run):
    return json.loads((run / "environment.json").read_text())["settings"]


def test_tune_finds_what_is_fastest_uses_it_and_remembers(cli, specs, device, record_property):
    few = ("--device", device, "--limit-train", 500, "--limit-test", 100)
    done = cli("train", "cnn.yaml", *few, "--tune", "--run-dir", "a")
    assert done.code == 0, done.err
    (chosen,) = (line for line in done.err.splitlines() if line.startswith("chosen: "))
    record_property("chosen", chosen)
    settings, words = settings_of(specs / "a"), chosen.removeprefix("chosen: ").partition(",")[0].split()
    assert words[:2] == ["--precision", settings["precision"]]
    assert ("--channels-last" in words) == settings["channels_last"]
    rows = [line for line in done.err.splitlines() if "images/s" in line and "ms" in line]
    assert len(rows) >= 4, done.err
    again = cli("train", "cnn.yaml", *few, "--tune", "--run-dir", "b")
    assert again.code == 0, again.err
    assert any(line.startswith("tuned before: ") for line in again.err.splitlines()), again.err
    assert settings_of(specs / "b") == settings
