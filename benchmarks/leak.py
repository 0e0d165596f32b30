"""How the sources' notebooks got rows that stay at chance: a network that was reset, but not wholly.

They trained one network object again and again. Before each run they drew its *weights* anew and kept its *biases*.
After a run that diverged, the biases that it left kill the ReLUs, and the next run, at a good rate, stays at chance:
a loss of ln 10 = 2.303 or more. archspec trains each run, and each trial of a sweep, from a fresh network; this script
repeats the mistake on purpose, by hand, on scikit-learn's digits:

    python benchmarks/leak.py            # --write keeps the losses for docs/reproduction.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import archspec
from archspec.data.load import load

SPEC = """
archspec: 1
name: leak
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 16, kernel_size: 3}, relu, max_pool2d: 2]
  head: [flatten, linear: 64, relu, linear: 64, relu, linear: 10]
"""
BAD_RATE, GOOD_RATE, EPOCHS, BATCH = 20.0, 0.1, 8, 64


def draw_weights(module: nn.Module) -> None:
    """The sources' reset, which leaves the biases as they are."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)


def train(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, lr: float) -> float:
    """Train with plain SGD; the loss of the last epoch."""
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    losses = []
    for _ in range(EPOCHS):
        losses = []
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return sum(losses) / len(losses)


def outcomes(seed: int = 0) -> dict[str, float]:
    """The last loss of the bad run, of a good one on the same network, and of a good one on a fresh network."""
    torch.manual_seed(seed)
    data = load("digits", "train")
    images, labels = data.images.float().div(255), data.labels.long()
    network = archspec.build(SPEC).apply(draw_weights)
    bad = train(network, images, labels, BAD_RATE)
    leaked = train(network.apply(draw_weights), images, labels, GOOD_RATE)
    fresh = train(archspec.build(SPEC).apply(draw_weights), images, labels, GOOD_RATE)
    return {f"lr {BAD_RATE}": bad, f"then lr {GOOD_RATE}, biases kept": leaked, f"lr {GOOD_RATE}, fresh": fresh}


if __name__ == "__main__":
    found = outcomes()
    for run, loss in found.items():
        print(f"{run:<28} loss {loss:.3f}")
    if "--write" in sys.argv[1:]:
        path = Path(__file__).parent / "results" / "leak.json"
        rounded = {run: round(loss, 3) for run, loss in found.items()}
        path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
