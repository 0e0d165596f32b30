"""torch.compile and CUDA graphs on a real GPU: other ways to the same figures."""

import pytest
import torch

from archspec.train.step.precision import Settings

from .helpers import CNN, needs_gpu, trained


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
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=0.02 if precision == "fp32" else 0.05)


@needs_gpu
def test_cuda_graphs_are_replayed(monkeypatch, record_property):
    """Forward and backward of most of 30 steps: the first ones warm up and record."""
    replays, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(graph) or replay(graph))
    trained(CNN, settings=Settings(compile=True, cuda_graphs=True))
    record_property("replays", len(replays))
    assert len(replays) >= 40
