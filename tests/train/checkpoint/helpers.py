"""A checkpoint's contents, for the tests of this folder."""

import torch

from archspec.train.checkpoint.state import SavedState, Snapshot
from archspec.train.checkpoint.storage import (
    FILES,
)
from archspec.train.summary import EpochResult

NAMES = [*FILES, "manifest.sha256"]


def snapshot(step=7):
    generator = torch.Generator().manual_seed(step)
    state = SavedState(
        format=1, step=step, steps_per_epoch=5, results=[EpochResult(1, 0.1, 1 / 3, 2e-300, 0.7, 123.4, 5.6)],
        rng={"cpu": "AAAA"}, scaler={"scale": 65536.0, "growth_interval": 2000}, micro_batch=None,
        optimizer={"kind": "SGD", "numbers": {"a": {"step": 3, "x": 0.1, "flag": True}}},
        meter={"images": [10, 8], "seconds": 0.25}, parts={"ema": {"decay": [0.9, None, "x"]}}, digest="d",
        conditions={"threads": 1, "device": "cpu"}, best=None,
    )
    weights = {"a": torch.randn(3, 4, generator=generator), "n": torch.tensor(step)}
    return Snapshot(state, weights, {"optimizer/momentum_buffer/a": torch.randn(3, 4, generator=generator)})


def same(a, b):
    return a.state == b.state and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x)
        for x, y in ((a.weights, b.weights), (a.training, b.training))
    )
