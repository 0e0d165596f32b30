"""A small spec, module and data set for the tests of training from Python."""


import torch
from torch import nn
from torch.utils.data import TensorDataset

QUIET = {"progress": False, "doctor": False, "device": "cpu"}
SMALL = """
archspec: 1
input: [1, 4, 4]
stages: {head: [flatten, dropout: 0.1, linear: 3]}
train: {data: digits, lr: 0.1, batch_size: 8, epochs: 2}
"""


def samples(n=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    images = torch.rand(n, 1, 4, 4, generator=generator)
    images[torch.arange(n), 0, labels] += 1
    return TensorDataset(images, labels)


def module(outputs=3, seed=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, outputs))
