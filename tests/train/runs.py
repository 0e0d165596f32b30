"""Short trainings of one small network, and what two of them must share."""

import torch

from archspec.train.loop import fit
from tests.train.helpers import CPU, batches, data, network

TRAIN, TEST = data(), data(23, split="test", seed=1)


def run(chosen, callbacks=(), model=None):
    model = model or network()
    summary = fit(
        model, batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False), chosen, device=CPU, callbacks=callbacks
    )
    return summary, model


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
